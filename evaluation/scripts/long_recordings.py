"""A day in bounded memory: ``python -m evaluation.scripts.long_recordings --data PTBXL --bidmc BIDMC --out FILE``.

Long recordings are made by joining real ones: lead I of PTB-XL's records of one fold at 250 Hz, and PPGs of BIDMC at
125 Hz. At the joins there are steps and changes of the heart, as no real recording has them. Each command runs in a
process of its own, of which time and largest memory are measured. FOLDER keeps the files.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FS, PPG_FS = 250, 125


def make_leads(folder: Path, ptbxl: Path, hours: float, fold: int = 9) -> Path:
    """Write lead I of the records of one fold of PTB-XL, one after another, as WFDB."""
    from ecggen.core.ecg import Provenance
    from ecggen.io.long_files import LongFile
    from ecggen.io.metadata import About

    file = LongFile(folder / "day.hea", ("I",), FS)
    for ecg in _records(ptbxl, fold):
        if file.samples >= hours * 3600 * FS:
            break
        file.append(ecg)
    file.finish(Provenance(), About())
    return file.path


def _records(ptbxl: Path, fold: int) -> Iterator[Any]:
    """Lead I of the records of a fold at 250 Hz, again and again."""
    from ecggen.io import read

    with (ptbxl / "ptbxl_database.csv").open(newline="", encoding="utf-8") as table:
        names = [row["filename_hr"] for row in csv.DictReader(table) if int(row["strat_fold"]) == fold]
    names = [name for name in names if (ptbxl / f"{name}.hea").is_file()]
    ecgs = [read(ptbxl / f"{name}.hea", leads="I", check=False).resample(FS) for name in names]
    while True:
        yield from ecgs


def make_pulses(folder: Path, bidmc: Path, hours: float) -> Path:
    """Write the PPGs of BIDMC, one after another, as npz."""
    import numpy as np

    from ecggen.io.ppg import read_ppg

    files = sorted(bidmc.rglob("bidmc_*_Signals.csv"))
    waves = [read_ppg(file).wave.numpy() for file in files]
    waves = [wave[np.isfinite(wave)] for wave in waves]
    whole = np.concatenate(waves)
    whole = np.resize(whole, round(hours * 3600 * PPG_FS))
    path = folder / "pulses.npz"
    np.savez(path, PLETH=whole.astype(np.float32), fs=PPG_FS)
    return path


def measure(command: list[str], hours: float) -> dict[str, Any]:
    """Time, memory and speed of one command."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "ecggen", *command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"ecggen {' '.join(command)} failed")
    processor = used.ru_utime + used.ru_stime
    return {
        "wall_s": round(wall, 1),
        "processor_s": round(processor, 1),
        "times_real_time": round(3600 * hours / wall, 1),
        "times_real_time_per_core": round(3600 * hours / processor, 1),
        "memory_mb": round(used.ru_maxrss / 1024, 1),
        "written_mb": round(sum(file.stat().st_size for file in Path(command[-1]).rglob("*")) / 1e6, 1),
    }


def main() -> None:
    """Make the recordings, measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--bidmc", type=Path, required=True, help="BIDMC folder")
    parser.add_argument("--hours", type=float, default=24.0, help="duration of each recording")
    parser.add_argument(
        "--folder", type=Path, help="folder for the recordings and results; a temporary one if left out"
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # A process of its own makes them: a new process starts with the memory of the one that starts it.
        making = "from evaluation.scripts.long_recordings import *; import sys; a = sys.argv; "
        making += "make_leads(Path(a[1]), Path(a[2]), float(a[4])); make_pulses(Path(a[1]), Path(a[3]), float(a[4]))"
        values = [str(value) for value in (folder, arguments.data, arguments.bidmc, arguments.hours)]
        subprocess.run([sys.executable, "-c", making, *values], check=True)
        commands = {
            "reconstruct, vae, 20 draws": ["reconstruct", str(folder / "day.hea")],
            "translate, vae, 1 draw": ["translate", str(folder / "pulses.npz")],
        }
        found = {}
        for number, (name, command) in enumerate(commands.items()):
            found[name] = measure([*command, "--overwrite", "--out", str(folder / f"result{number}")], arguments.hours)
            print(name, found[name], flush=True)
    from ecggen.io.results import commit, store

    about = {"hours": arguments.hours, "fs": FS, "ppg_fs": PPG_FS, "cores": os.cpu_count()}
    store(
        about | {"commit": commit(), "date": datetime.date.today().isoformat(), "commands": found}, arguments.out, True
    )


if __name__ == "__main__":
    main()
