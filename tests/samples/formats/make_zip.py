"""Make e4.zip and apple_health.zip with fictitious patients and simulated signals.

e4.zip is an Empatica E4 session as described in its info.txt: each file holds a start in seconds since 1970, a rate,
and samples. apple_health.zip has the layout of an export of Apple Health: export.xml and electrocardiograms, each as in
apple_watch_lead_I.csv. No real archive of either kind was available.
"""

import sys
import zipfile
from pathlib import Path

import numpy as np

from ecggen.core.simulate import simulate_ppg, simulated_peaks

HERE = Path(__file__).parent
START = 1_577_880_000  # 2020-01-01 12:00 UTC
SECONDS = 20
WATCH = HERE.parent / "apple_watch_lead_I.csv"
WATCH_LINES = 1550  # three seconds, and the lines above them


def column(rate, values, *start):
    rows = (", ".join(f"{cell:.2f}" for cell in np.atleast_1d(row)) for row in values)
    return "\n".join([", ".join(start or (f"{START}.00",)), ", ".join([f"{rate:.6f}"] * max(len(start), 1)), *rows, ""])


def e4():
    wave = simulate_ppg(simulated_peaks(SECONDS, 72), SECONDS, 64, np.random.default_rng(0))
    axes = np.random.default_rng(1).integers(-64, 64, (32 * SECONDS, 3))
    slow = np.full(4 * SECONDS, 0.5)
    return {
        "BVP.csv": column(64, 100 * wave),
        "ACC.csv": column(32, axes, *[f"{START}.00"] * 3),
        "EDA.csv": column(4, slow),
        "TEMP.csv": column(4, 33 + slow),
        "HR.csv": column(1, np.full(SECONDS - 10, 72.0)),
        "IBI.csv": f"{START}.00, IBI\n12.5,0.83\n",
        "tags.csv": "",
        "info.txt": "BVP.csv\nData from photoplethysmograph.\n",
    }


def apple_health():
    whole = WATCH.read_text(encoding="utf-8").split("\n")
    folder = "apple_health_export"
    return {
        f"{folder}/export.xml": '<HealthData><Me Name="Doe^Jane" Born="1963-02-03"/></HealthData>\n',
        f"{folder}/electrocardiograms/ecg_2020-01-01.csv": "\n".join(whole[:WATCH_LINES]),
        f"{folder}/electrocardiograms/ecg_2020-01-02.csv": "\n".join(
            [*whole[:14], *whole[WATCH_LINES : 2 * WATCH_LINES]]
        ),
    }


def make(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            # The day of making would change the archive.
            member = zipfile.ZipInfo(name, (2020, 1, 1, 12, 0, 0))
            archive.writestr(member, text, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    make(folder / "e4.zip", e4())
    make(folder / "apple_health.zip", apple_health())
