"""Generation on a Ray cluster: one model for each worker, records identical to those of a single process.

    pip install 'ray[data]'
    python examples/cluster/ray_generate.py --text "atrial fibrillation" -n 20000 --workers 16 --out OUT

Ray is no dependency of ecggen. OUT must be on a file system that all workers see.
"""

import argparse
import os
from pathlib import Path

import numpy as np

import ecggen


class Draw:
    """A worker: draws the records with the numbers of a batch and writes them as WFDB.

    The random numbers of a record follow from the seed and its number, so that it does not matter which worker draws
    it, nor in which batch.
    """

    def __init__(self, model: str, text: str, out: str, seed: int, fs: float = 500.0):
        self.model = ecggen.load(model)
        self.text, self.out, self.seed, self.fs = text, Path(out), seed, fs

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        numbers = [int(number) for number in batch["id"]]
        condition = ecggen.Condition(text=self.text, n=len(numbers), fs=self.fs)
        ecgs = self.model.sample(condition, seed=self.seed, indices=numbers)
        for number, ecg in zip(numbers, ecgs, strict=True):
            ecggen.write(ecg, self.out / f"{number:05d}.hea", overwrite=True)
        return {"id": batch["id"], "peak_mv": ecgs.signal.abs().amax((1, 2)).numpy()}


def main() -> None:
    """Draw all records with Ray Data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="flow", help="a generator by name, or a checkpoint folder")
    parser.add_argument("--text", required=True)
    parser.add_argument("-n", type=int, required=True, help="number of records")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
    import ray
    from ray.data import ActorPoolStrategy

    options.out.mkdir(parents=True, exist_ok=True)
    arguments = (options.model, options.text, str(options.out.resolve()), options.seed)
    # The numbers are put into the store, and records are counted here: a task that reads or counts would wait for ever
    # for a CPU where the workers take all of them.
    numbers = ray.data.from_items([{"id": number} for number in range(options.n)])
    drawn = numbers.map_batches(
        Draw, fn_constructor_args=arguments, batch_size=options.batch, compute=ActorPoolStrategy(size=options.workers)
    )
    count = sum(len(batch["id"]) for batch in drawn.iter_batches())
    print(f"{count} records in {options.out}. SYNTHETIC; not for diagnosis.")


if __name__ == "__main__":
    main()
