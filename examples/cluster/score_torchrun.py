"""Metrics over several processes, each with a part of the records; the result is that of one process.

    torchrun --standalone --nproc-per-node 2 examples/cluster/score_torchrun.py --data PTBXL --model vae --limit 200

Each process reconstructs every n-th record from lead I. The metrics of ``ecggen.metrics`` hold sums, or all records
where a score needs them together; ``compute`` adds them up over all processes.
"""

import argparse
import json
from pathlib import Path

import torch
import torch.distributed as dist

import ecggen
from ecggen.data import recordings
from ecggen.metrics import IntervalCoverage, Pearson, RootMeanSquaredError

LEADS = ("II", "V1", "V2", "V3", "V4", "V5", "V6")


def main() -> None:
    """Score a model on one fold of a data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of PTB-XL or of other twelve-lead records")
    parser.add_argument("--model", default="vae")
    parser.add_argument("--fold", type=int, default=9)
    parser.add_argument("--limit", type=int, default=200, help="number of records")
    options = parser.parse_args()
    dist.init_process_group("gloo")  # the metrics are computed on the CPU
    rank, size = dist.get_rank(), dist.get_world_size()
    torch.set_num_threads(1)
    model = ecggen.load(options.model)
    metrics = {
        "r": Pearson(len(LEADS)),
        "rmse_mv": RootMeanSquaredError(len(LEADS)),
        "coverage": IntervalCoverage(len(LEADS)),
    }
    chosen = [one for one in recordings(options.data) if one.fold == options.fold][: options.limit]
    for record in chosen[rank::size]:
        true = model.preprocessor.ecg(record.read().standard())
        found = model.reconstruct(true.pick("I"), num_draws=8, keep_draws=False)
        mean, lower, upper = (each.pick(*LEADS).signal for each in (found.mean, found.lower, found.upper))
        truth = true.pick(*LEADS).signal
        metrics["r"].update(mean, truth)
        metrics["rmse_mv"].update(mean, truth)
        metrics["coverage"].update(lower, upper, truth)
    scores = {name: float(metric.compute()) for name, metric in metrics.items()}  # over all processes
    if rank == 0:
        print(json.dumps({"n": len(chosen), "processes": size} | scores))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
