"""Make ``sleep.edf``: a file as from a sleep laboratory, written with pyEDFlib (EDF+C, Kemp and Olivan 2003).

It holds six simulated leads at 256 Hz in µV, oxygen saturation at 1 Hz, an annotation, and a fictitious patient.
"""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyedflib

from ecggen.core.simulate import simulate

LEADS = ("I", "II", "V1", "V2", "V5", "V6")
PERSON = {"patientname": "Doe Jane", "patientcode": "P-1963", "sex": "Female", "birthdate": "03 feb 1963"}
RECORDING = {"technician": "Roe Richard", "equipment": "SN-4711", "admincode": "PSG-12"}
ECG_SIGNAL = {"dimension": "uV", "physical_min": -5000.0, "physical_max": 5000.0}


def main() -> None:
    ecg = simulate(1, seed=1, fs=256, seconds=4).standard().pick(*LEADS)
    heads = [{"label": f"ECG {lead}" if lead != "V1" else "ECG V1-Ref", **ECG_SIGNAL} for lead in LEADS]
    heads.append({"label": "SaO2", "dimension": "%", "physical_min": 0.0, "physical_max": 100.0})
    for head, fs in zip(heads, [256] * len(LEADS) + [1], strict=True):
        head.update({"sample_frequency": fs, "digital_min": -32768, "digital_max": 32767})
    signals = [row.astype(np.float64) * 1000 for row in ecg.signal[0].numpy()] + [np.full(4, 97.0)]
    header = {**PERSON, **RECORDING, "startdate": datetime(2021, 6, 5, 22, 30), "gender": "Female"}
    header |= {"patient_additional": "", "recording_additional": "", "annotations": [[1.5, -1, "Jane Doe snores"]]}
    pyedflib.highlevel.write_edf(str(Path(__file__).with_name("sleep.edf")), signals, heads, header)


if __name__ == "__main__":
    main()
