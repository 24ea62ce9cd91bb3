"""What an exported file loses: ``python -m evaluation.scripts.onnx_files --data PTBXL --limit 300 --out FILE``.

The shipped VAE is exported for lead I at 500 Hz with 32 and with 8 bits. Both files reconstruct records of PTB-XL's
fold 9 (at 100 Hz, resampled to 500 Hz), evenly spaced over the fold, and so does ``Generator.reconstruct`` with the
same draws. Each is compared with the recorded leads in the pass band of the model, as the protocol ``one_lead`` does
it.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from ecggen.benchmark.reconstruction import by_record
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.data.sources import ptb_xl
from ecggen.generators.base import load
from ecggen.generators.export.reconstruction import reconstruction_graph
from ecggen.io.results import commit, store
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.networks.onnx import graph as onnx

FS, FOLD, LEADS, SEED = 500.0, 9, ("I",), 0
KINDS = ("torch", "32 bits", "8 bits")


def measure(data: Path, limit: int, num_draws: int) -> dict[str, Any]:
    """r, RMSE, coverage, difference from torch, size and processor time of both files."""
    model = copy.copy(load("vae"))
    model.widening = None  # the files do not widen intervals
    graph = reconstruction_graph(model, LEADS, FS, num_draws, seed=SEED)
    models = {"32 bits": onnx.export(graph)}
    models["8 bits"] = onnx.with_8_bit_weights(models["32 bits"])
    sessions = {kind: onnx.session(each) for kind, each in models.items()}
    records = [each for each in ptb_xl(data) if each.fold == FOLD]
    chosen = [records[i] for i in np.linspace(0, len(records) - 1, min(limit, len(records))).round().astype(int)]
    true, found = [], {kind: [] for kind in KINDS}
    inside: dict[str, list[float]] = {kind: [] for kind in KINDS}
    most = dict.fromkeys(models, 0.0)
    for record in chosen:
        twelve = record.read().standard().resample(FS)
        recording = twelve.pick(*LEADS)
        result = model.reconstruct(recording, num_draws=num_draws, seed=SEED, keep_draws=False)
        answers: dict[str, tuple[torch.Tensor, ...]] = {
            "torch": (result.mean.signal, result.lower.signal, result.upper.signal)
        }
        unknown = torch.tensor([-1.0])
        inputs = {"recording": recording.signal, "age": unknown, "sex": unknown.clone()}
        for kind, session in sessions.items():
            answers[kind] = tuple(onnx.run(session, inputs).values())
            difference = max(float((a - b).abs().max()) for a, b in zip(answers[kind], answers["torch"], strict=True))
            most[kind] = max(most[kind], difference)
        own = model.preprocessor.ecg(twelve).pick(*INDEPENDENT_LEADS)
        true.append(own.signal[0].numpy())
        for kind, answer in answers.items():
            mean, lower, upper = (ECG(each, STANDARD_LEADS, FS).pick(*INDEPENDENT_LEADS) for each in answer)
            found[kind].append(model.preprocessor.ecg(mean).signal[0].numpy())
            low, high = (each.resample(model.preprocessor.fs).signal[0].numpy() for each in (lower, upper))
            inside[kind].append(float(((true[-1] >= low) & (true[-1] <= high))[1:].mean()))  # lead I is given
    patients = [record.patient for record in chosen]
    about: dict[str, Any] = {"model": model.name, "leads": LEADS, "fs": FS, "fold": FOLD, "n": len(chosen)}
    about |= {"patients": len(set(patients)), "num_draws": num_draws, "seed": SEED, "opset": onnx.OPSET}
    about["files"] = {}
    for kind in KINDS:
        r, squared = by_record(np.stack(found[kind]), np.stack(true), LEADS)
        about["files"][kind] = {
            "r": float(r.mean()),
            "r_interval": patient_interval(r, patients, SEED),
            "rmse_mv": float(np.sqrt(squared.mean(0)).mean()),
            "coverage": float(np.mean(inside[kind])),
        }
        if kind in models:
            about["files"][kind] |= {
                "largest_difference_uv": 1000 * most[kind],
                "megabytes": models[kind].ByteSize() / 1e6,
                "ms_on_one_core": 1000 * onnx.latency(sessions[kind], graph.inputs, runs=20),
            }
    return about


def main() -> None:
    """Export, measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--limit", type=int, default=300, help="number of records")
    parser.add_argument("--num-draws", type=int, default=20, help="draws of a reconstruction")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    made = {"commit": commit(), "date": datetime.date.today().isoformat()}
    about = measure(arguments.data, arguments.limit, arguments.num_draws)
    about |= {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__, "cores": os.cpu_count()} | made
    print(about)
    store(about, arguments.out, overwrite=True)


if __name__ == "__main__":
    main()
