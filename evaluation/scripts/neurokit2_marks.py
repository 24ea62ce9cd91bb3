"""Marks of NeuroKit2 on LUDB, to be scored by ``evaluation.scripts.delineation --neurokit2 MARKS.npz``.

NeuroKit2 0.2.13 requires pandas below 3 and therefore a separate environment:

    python -m venv nk && nk/bin/pip install neurokit2==0.2.13 'pandas<3' wfdb
    nk/bin/python evaluation/scripts/neurokit2_marks.py --data LUDB --out marks.npz

Each lead is processed separately at 500 Hz with ``ecg_clean``, ``ecg_peaks`` and ``ecg_delineate(method="dwt")`` and
otherwise default arguments. A lead on which NeuroKit2 raises has no marks and is scored as such.
"""

import argparse
import json
import warnings
from pathlib import Path

import neurokit2
import numpy as np
import wfdb

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
NAMES = {"P": "ECG_P", "QRS": "ECG_R", "T": "ECG_T"}
RATE = 500


def marks_of(lead: np.ndarray) -> dict[str, np.ndarray]:
    """Onset, peak and offset in s, (beat, 3), of each wave of one lead in mV."""
    clean = neurokit2.ecg_clean(lead, sampling_rate=RATE)
    _, peaks = neurokit2.ecg_peaks(clean, sampling_rate=RATE)
    r = np.asarray(peaks["ECG_R_Peaks"])
    _, found = neurokit2.ecg_delineate(clean, r, sampling_rate=RATE, method="dwt")
    marks = {}
    for wave, name in NAMES.items():
        middle = r if wave == "QRS" else found[f"{name}_Peaks"]
        columns = [np.asarray(part, np.float64) for part in (found[f"{name}_Onsets"], middle, found[f"{name}_Offsets"])]
        length = min(map(len, columns))
        marks[wave] = np.stack([column[:length] for column in columns], 1) / RATE
    return marks


def main() -> None:
    """Delineate all records of LUDB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the LUDB folder")
    parser.add_argument("--out", type=Path, required=True, help="npz file")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    marks, failed = {}, 0
    for header in sorted((arguments.data / "data").glob("*.hea")):
        record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
        names = [name.lower() for name in record.sig_name]
        for lead in LEADS:
            wave = record.d_signal[:, names.index(lead.lower())] / 1000  # digital values are microvolts
            try:
                found = marks_of(wave)
            except Exception:
                found, failed = {wave: np.zeros((0, 3)) for wave in NAMES}, failed + 1
            marks.update({f"{header.stem}/{lead}/{wave}": rows for wave, rows in found.items()})
    about = {"version": neurokit2.__version__, "method": "ecg_clean, ecg_peaks, ecg_delineate(dwt), each lead alone"}
    np.savez_compressed(arguments.out, about=json.dumps({**about, "leads_without_answer": failed}), **marks)


if __name__ == "__main__":
    main()
