"""Sampling and training on a GPU, in one run: ``python -m evaluation.scripts.gpu --device cuda --out FILE``.

- *Parity*: the same draws on the CPU and on the device, given lead I, and given a text; largest difference in mV, and
  whether it is below ``TOLERANCE_MV``.
- *Sampling*: ECGs per second of each generator for several batch sizes, in float32 and with bfloat16 autocast, and the
  peak of the device's memory.
- *Training*: records per second of a step of all parameter groups, forwards and backwards, for the configs of the
  shipped models and for those in ``configs/large``, in float32, with bfloat16 autocast, and compiled (torch.compile).

Inputs are simulated, because the time does not depend on them. What fails, such as a batch that is too large for the
memory, is stored with its message. ``--small`` takes tiny configs and few records: a check of this script on a CPU.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.core.simulate import simulate
from ecggen.generators import base
from ecggen.generators.base import Generator, independent_leads, load
from ecggen.io.results import commit, store
from ecggen.training.trainer import read

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("gan", "vae", "flow", "diffusion")
TOLERANCE_MV = 0.02
"""Largest accepted difference of a draw between CPU and device: rounding, carried through all steps of a sampler."""
BATCHES, SMALL_BATCHES = (1, 16, 64, 256, 1024), (1, 2)
STEP_BATCHES, SMALL_STEP_BATCH = {"configs": 256, "configs/large": 192}, 2
KINDS = ("float32", "bfloat16", "compiled", "compiled bfloat16")
RUNS = 5


def measure(device: str, small: bool, names: tuple[str, ...]) -> dict[str, Any]:
    """All measurements of each generator."""
    found: dict[str, Any] = {}
    for name in names:
        model = load(name)
        found[name] = {"model": model.name, "parity": parity(model, device, 2 if small else 8)}
        model.to(device)
        batches = SMALL_BATCHES if small else BATCHES
        found[name]["sampling"] = [
            {"batch": batch, "kind": kind} | attempt(lambda b=batch, k=kind, m=model: sampling(m, device, b, k))
            for batch in batches
            for kind in KINDS[:2]
        ]
        del model
        configs = {"configs/tiny": SMALL_STEP_BATCH} if small else STEP_BATCHES
        kinds = KINDS[:2] if small else KINDS
        found[name]["training"] = [
            {"config": f"{folder}/{name}.toml", "batch": batch, "kind": kind}
            | attempt(lambda f=folder, n=name, b=batch, k=kind: training(ROOT / f / f"{n}.toml", device, b, k))
            for folder, batch in configs.items()
            for kind in kinds
        ]
        print(name, found[name], flush=True)
    return found


def attempt(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``run`` returns, or the message of its failure."""
    try:
        return run()
    except RuntimeError as error:  # out of memory, or an operation that the device or the compiler lacks
        return {"failed": str(error).splitlines()[0][:200]}


def parity(model: Generator, device: str, n: int) -> dict[str, Any]:
    """Largest difference in mV between the draws on the CPU and on the device."""
    conditions = {
        "lead I": Condition(simulate(n, seconds=10, fs=500, seed=1).pick("I")),
        "text": Condition(text="atrial fibrillation", n=n, fs=500),
    }
    found: dict[str, Any] = {"tolerance_mv": TOLERANCE_MV}
    for name, condition in conditions.items():
        model.to("cpu")
        expected = model.sample(condition, seed=0).signal
        model.to(device)
        most = float((model.sample(condition, seed=0).signal - expected).abs().max())
        found[name] = {"largest_mv": most, "within": most < TOLERANCE_MV}
    model.to("cpu")
    return found


def sampling(model: Generator, device: str, batch: int, kind: str) -> dict[str, float]:
    """ECGs per second given lead I and given a text, and the peak of the device's memory."""
    before, base.BATCH = base.BATCH, batch
    try:
        conditions = {
            "lead_I": Condition(simulate(batch, seconds=10, fs=500, seed=1).pick("I")),
            "text": Condition(text="atrial fibrillation", n=batch, fs=500),
        }
        found: dict[str, float] = {}
        reset_memory(device)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled="bfloat16" in kind):
            for name, condition in conditions.items():
                seconds = timed(lambda c=condition: model.sample(c, seed=0), device)
                found[f"{name}_per_second"] = round(batch / seconds, 2)
        return found | memory(device)
    finally:
        base.BATCH = before


def training(config: Path, device: str, batch: int, kind: str) -> dict[str, float]:
    """Records per second of a training step of all parameter groups, and the peak of the device's memory."""
    model, plan, _ = read(config)
    model = model.to(device).train()
    own = model.preprocessor
    ecg: ECG = independent_leads(simulate(batch, seconds=own.seconds, fs=own.fs, seed=1)).to(device)
    condition = Condition(ecg.to("cpu").pick("I"), text=["sinus rhythm"] * batch).to(device)
    groups = model.parameter_groups()
    optimizers = {name: torch.optim.AdamW(parameters, plan.lr) for name, parameters in groups.items()}
    loss = torch.compile(model.loss) if "compiled" in kind else model.loss

    def step() -> None:
        for name, optimizer in optimizers.items():
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled="bfloat16" in kind):
                losses = loss(ecg, condition, name)
            torch.stack(list(losses.values())).sum().backward()
            optimizer.step()
            model.zero_grad(set_to_none=True)

    reset_memory(device)
    seconds = timed(step, device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"records_per_second": round(batch / seconds, 1), "parameters": parameters} | memory(device)


def timed(run: Callable[[], Any], device: str) -> float:
    """Median time of a run in s, after one that is not counted."""
    times = []
    for _ in range(1 + (RUNS if device != "cpu" else 1)):
        started = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return sorted(times[1:])[len(times[1:]) // 2]


def reset_memory(device: str) -> None:
    """Begin to count the peak of the device's memory."""
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def memory(device: str) -> dict[str, float]:
    """Peak of the device's memory in MB; nothing on a CPU."""
    return {} if device == "cpu" else {"memory_mb": round(torch.cuda.max_memory_allocated() / 1e6)}


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--models", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--small", action="store_true", help="tiny configs and few records, to check this script")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    arguments = parser.parse_args()
    if arguments.device != "cpu" and not torch.cuda.is_available():
        parser.error("torch finds no GPU; pass --device cpu --small to check this script")
    name = "CPU" if arguments.device == "cpu" else torch.cuda.get_device_name()
    about = {"device": name, "cores": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__}
    about |= {"small": arguments.small, "runs": RUNS, "commit": commit(), "date": datetime.date.today().isoformat()}
    store(about | {"models": measure(arguments.device, arguments.small, tuple(arguments.models))}, arguments.out, True)


if __name__ == "__main__":
    main()
