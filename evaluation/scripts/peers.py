"""Other tools that make ECGs, drawn and measured beside the four generators.

    python -m evaluation.scripts.peers --data PTBXL --n 500 --out evaluation/results/peers.json --figure peers.png

Each tool is installed from the package index into a temporary environment of its own that also sees the packages of
this one, such as torch. It draws with its own documented call and its default settings; its code is neither copied nor
changed. Processor time is that of the call on one thread, writing of files included where the tool itself writes them.
``ecggen report`` then compares each set with the same real records: PTB-XL folds 1–8, and fold 9 held out. Nothing is
conditioned, because not all of the tools take conditions.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecggen.core.errors import InputError

GENERATORS = ("gan", "vae", "flow", "diffusion")
TIMED = """
import json, os, sys, time
os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np
n, out = int(sys.argv[1]), sys.argv[2]
{imports}
started = time.process_time()
{draw}
spent = time.process_time() - started
np.save(out + "/set.npy", np.asarray(waves, np.float32))
json.dump(spent, open(out + "/seconds.json", "w"))
"""


@dataclass(frozen=True)
class Peer:
    """A tool.

    Attributes:
        package: Requirement with its version, as pip takes it; "" for ecggen itself.
        imports: Code before the time is taken.
        draw: Code that leaves ``waves`` (record, lead, time) in mV at 500 Hz.
        leads: Names of its leads.
        claims: What its documentation says that it makes.
        reason: Why nothing can be drawn; "" if it can.
    """

    package: str
    imports: str
    draw: str
    leads: str
    claims: str
    reason: str = ""


EIGHT = "I,II,V1,V2,V3,V4,V5,V6"
PEERS = {
    "deepfake-ecg": Peer(
        "deepfake-ecg==1.1.2",
        "import torch\ntorch.set_num_threads(1)\ntorch.manual_seed(0)\nimport deepfakeecg",
        "deepfakeecg.generate(n, out)\n"
        'waves = [np.loadtxt(f"{out}/{i}.asc").T / 1000 for i in range(n)]  # written in microvolts',
        EIGHT,
        "eight leads, 10 s at 500 Hz, of normal and other ECGs as in its private training data (Pulse2Pulse GAN); "
        "no conditions",
    ),
    "NeuroKit2": Peer(
        "neurokit2==0.3.0",
        "import neurokit2",
        "waves = [\n"
        '    neurokit2.ecg_simulate(duration=10, sampling_rate=500, method="multileads", random_state=i).to_numpy().T\n'
        "    for i in range(n)\n"
        "]",
        "standard",
        "a simulator of signals for tests and teaching (ECGSYN with one vector of dipoles for twelve leads); duration, "
        "rate, noise and heart rate can be set; it does not claim to represent patients",
    ),
    "ecgen": Peer(
        "ecgen==1.1.0",
        "",
        "",
        EIGHT,
        "a framework to train and sample generators of twelve-lead ECGs (VAE, GAN, diffusion, flow); classes, numbers, "
        "text and given leads as conditions",
        "the package contains no trained weights: ecgen.generate needs a checkpoint file that the user trains, or "
        "downloads from another site than the package index",
    ),
}


def own(name: str) -> Peer:
    """One of the four generators."""
    imports = f'import torch\ntorch.set_num_threads(1)\nimport ecggen\nmodel = ecggen.load("{name}")'
    draw = "waves = model.generate(n=n, seed=0).signal.numpy()"
    claims = "twelve leads of any duration and rate; text, age, sex, heart rate, given leads and PPG as conditions"
    return Peer("", imports, draw, "standard", claims)


def environment(folder: Path, package: str) -> tuple[str, str]:
    """Python of a new environment with a package, and the version that was installed.

    Raises:
        InputError: If the package cannot be installed.
    """
    if not folder.exists():
        venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    here = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    (Path(site) / "others.pth").write_text(here + "\n")
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", package], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{package} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return python, package.split("==")[1]


def drawn(peer: Peer, python: str, n: int, folder: Path) -> dict[str, Any]:
    """Draw ``n`` records into ``folder``, unless they lie there: number, leads, and processor time of one in ms."""
    if not (folder / "seconds.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        code = TIMED.format(imports=peer.imports, draw=peer.draw)
        done = subprocess.run([python, "-c", code, str(n), str(folder)], capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"drawing failed: {done.stderr.strip().splitlines()[-1]}")
    waves = np.load(folder / "set.npy", mmap_mode="r")
    spent = json.loads((folder / "seconds.json").read_text())
    return {"n": len(waves), "leads": waves.shape[1], "ms_per_ecg": round(1000 * spent / n, 1)}


def reported(made: Path, peer: Peer, data: Path, n: int, out: Path) -> dict[str, Any]:
    """Verdicts and scores of the report on a set."""
    if out.with_suffix(".json").exists():
        return _sections(json.loads(out.with_suffix(".json").read_text(encoding="utf-8")))
    command = [sys.executable, "-m", "ecggen", "report", str(made), "--real", str(data), "--real-folds", "1-8"]
    command += ["--holdout", str(data), "--holdout-folds", "9", "--limit", str(n), "--out", str(out), "--json"]
    command += ["--fs", "500", "--unit", "mV", "--leads", peer.leads]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"the report failed: {done.stderr.strip()[-500:]}")
    return _sections(json.loads(done.stdout))


def _sections(report: dict[str, Any]) -> dict[str, Any]:
    """Verdict, headline and scores of each section."""
    return {
        section["key"]: {
            "verdict": section["verdict"],
            "headline": section["headline"],
            "scores": {score["name"]: score["value"] for score in section["scores"] if score.get("value") is not None},
        }
        for section in report["sections"].values()
    }


def draw_figure(sets: dict[str, tuple[np.ndarray, str]], path: Path, records: int = 3) -> None:
    """The first records of each set, leads II and V2, 5 s."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * records, 1.5 * len(sets)), layout="constrained")
    axes = figure.subplots(len(sets), records, sharex=True, squeeze=False)
    names = "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6"
    for row, (name, (waves, leads)) in zip(axes, sets.items(), strict=True):
        order = (names if leads == "standard" else leads).split(",")
        for record, axis in enumerate(row):
            for lead, colour in (("II", "black"), ("V2", "tab:blue")):
                wave = waves[record, order.index(lead), :2500]
                axis.plot(np.arange(2500) / 500, wave, color=colour, linewidth=0.7, label=lead)
            axis.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(f"{name}\nmV", fontsize=8)
    axes[0, -1].legend(loc="upper right", fontsize=7, ncols=2)
    for axis in axes[-1]:
        axis.set_xlabel("s")
    figure.savefig(path, dpi=100)


def main() -> None:
    """Install, draw, measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder: the real records")
    parser.add_argument("--n", type=int, default=500, help="number of ECGs of each tool")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    parser.add_argument("--figure", type=Path, help="PNG file with three ECGs of each tool")
    parser.add_argument(
        "--folder",
        type=Path,
        help="folder for environments, sets and reports; what lies there is used again (default: a temporary one)",
    )
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as temporary:
        measure(arguments.data, arguments.n, arguments.out, arguments.figure, arguments.folder or Path(temporary))


def measure(data: Path, n: int, out: Path, figure: Path | None, folder: Path) -> None:
    """Draw all sets, then report on each; results are stored after each step."""
    from ecggen.io.results import commit, store

    about = {"n": n, "seed": 0, "python": platform.python_version(), "cores": os.cpu_count()}
    about |= {"commit": commit(), "date": datetime.date.today().isoformat()}
    tools = {**PEERS, **{name: own(name) for name in GENERATORS}}
    results: dict[str, Any] = {}
    sets: dict[str, tuple[np.ndarray, str]] = {}
    for name, peer in tools.items():
        results[name] = found = {"package": peer.package, "claims": peer.claims, "reason": peer.reason}
        try:
            python = sys.executable
            if peer.package:
                python, found["version"] = environment(folder / f"{name}-environment", peer.package)
            if not peer.reason:
                found |= drawn(peer, python, n, folder / f"{name}-{n}")
                sets[name] = np.load(folder / f"{name}-{n}" / "set.npy"), peer.leads
        except InputError as error:
            found["reason"] = str(error)
        print(name, found, flush=True)
        store(about | {"tools": results}, out, overwrite=True)
    if figure:
        draw_figure(sets, figure)
    for name in sets:
        try:
            made = folder / f"{name}-{n}" / "set.npy"
            results[name]["report"] = reported(made, tools[name], data, n, folder / f"{name}-{n}.html")
        except InputError as error:
            results[name]["reason"] = str(error)
        print(name, "report", flush=True)
        store(about | {"tools": results}, out, overwrite=True)


if __name__ == "__main__":
    main()
