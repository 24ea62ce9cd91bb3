"""Make exports of wearable devices from simulated ECGs, after the public descriptions of their manufacturers.

- withings.json: the answer of Withings' service "Heart v2 - Get" (developer.withings.com/api-reference), µV at 300 Hz.
- fitbit.json: two readings of Fitbit's "Get ECG Log List" (dev.fitbit.com), steps of 1/10922 mV at 250 Hz.
- kardia_api.json: a recording of the Kardia API ("Single ECG", developers.kardia.com), steps of 500 nV at 300 Hz.
- movesense.json: a log of a Movesense sensor as sbem2json writes it, counts at 125 Hz, one packet lost.
- bitalino.txt: a text file of OpenSignals for a BITalino (PLUX, "OpenSignals Sensor File Specifications"), with an
  ECG of 10 bits and another sensor of 6 bits, 1000 Hz, three samples lost.

The patients and the devices are fictitious.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LOST_PACKET, LOST_SAMPLES = 5, range(2500, 2503)


def simulated(seconds: float, fs: float, seed: int, *leads: str) -> np.ndarray:
    """Simulated leads in mV (lead, time)."""
    from ecggen.core.simulate import simulate

    return simulate(1, seconds=seconds, fs=fs, seed=seed).pick(*leads).signal[0].double().numpy()


def steps(values: np.ndarray) -> list[int]:
    """Whole numbers nearest to the values."""
    return np.rint(values).astype(int).tolist()


def withings() -> str:
    """Three seconds of lead I in µV."""
    signal = steps(1000 * simulated(3, 300, 11, "I")[0])
    body = {"signal": signal, "sampling_frequency": 300, "wearposition": 1, "deviceid": "SN-4711"}
    return json.dumps({"status": 0, "body": body})


def fitbit() -> str:
    """Two readings of three seconds."""
    readings = []
    for number, result in ((1, "Normal Sinus Rhythm"), (2, "Atrial Fibrillation")):
        samples = steps(10922 * simulated(3, 250, 11 + number, "I")[0])
        readings.append(
            {
                "startTime": f"2024-05-0{number}T07:08:09.000",
                "averageHeartRate": 72,
                "resultClassification": result,
                "waveformSamples": samples,
                "samplingFrequencyHz": "250",
                "scalingFactor": 10922,
                "numberOfWaveformSamples": len(samples),
                "leadNumber": 1,
                "featureVersion": "1.2.3-2.11-2.14",
                "deviceName": "Sense",
                "firmwareVersion": "1.2.3",
            }
        )
    return json.dumps({"ecgReadings": readings, "pagination": {"limit": 10, "offset": 0, "sort": "asc"}})


def kardia_api() -> str:
    """Two seconds of the six limb leads, raw and enhanced."""
    rows = simulated(2, 300, 14, "I", "II", "III", "aVR", "aVL", "aVF") / 0.0005
    names = ("leadI", "leadII", "leadIII", "AVR", "AVL", "AVF")
    data = {}
    for form, shift in (("raw", 0), ("enhanced", 40)):
        leads = {name: steps(row + shift) for name, row in zip(names, rows, strict=True)}
        head = {"frequency": 300, "mainsFrequency": 50, "amplitudeResolution": 500, "numLeads": 6}
        data[form] = head | {"samples": leads}
    about = {"id": "SN-4711", "patientID": "Doe-1963", "heartRate": 72, "recordedAt": "2024-05-06T07:08:09+02:00"}
    return json.dumps(about | {"algorithmDetermination": "normal", "data": data})


def movesense() -> str:
    """Four seconds of counts in packets of 16, and values of another sensor."""
    counts = simulated(4, 125, 15, "V3")[0] / (1000 / 20 / 2**17)
    log: list[dict] = [{"TimeDetailed": {"relativeTime": 990, "utcTime": 1714972089000000}}]
    for number, at in enumerate(range(0, len(counts), 16)):
        if number != LOST_PACKET:
            log.append({"MeasECG": {"Timestamp": 1000 + 8 * at, "Samples": steps(counts[at : at + 16])}})
        log.append({"MeasTemp": {"Timestamp": 1000 + 8 * at, "Measurement": 309.5}})
    return json.dumps({"Samples": log})


def bitalino() -> str:
    """Three seconds of counts at 1000 Hz; a counter of 4 bits shows the lost samples."""
    ecg = (simulated(3, 1000, 16, "I")[0] / 3 + 0.5) * 2**10
    header = {
        "position": 0,
        "device": "bitalino_rev",
        "device name": "SN-4711",
        "device connection": "BTHSN-4711",
        "sampling rate": 1000,
        "resolution": [4, 1, 1, 1, 1, 10, 6],
        "firmware version": 1282,
        "comments": "Doe^Jane, born 1963-02-03",
        "keywords": "",
        "mode": 0,
        "sync interval": 2,
        "date": "2024-5-6",
        "time": "7:8:9.0",
        "channels": [2, 5],
        "sensor": ["ECGBITREV", "LUX"],
        "label": ["A2", "A5"],
        "column": ["nSeq", "I1", "I2", "O1", "O2", "A2", "A5"],
        "special": [{}, {}],
        "digital IO": [0, 0, 1, 1],
    }
    rows = [
        f"{at % 16}\t0\t0\t0\t0\t{count}\t{at // 100 % 64}\t"
        for at, count in enumerate(steps(ecg))
        if at not in LOST_SAMPLES
    ]
    lines = ("# OpenSignals Text File Format. Version 1", "# " + json.dumps({"SN-4711": header}), "# EndOfHeader")
    return "\n".join((*lines, *rows)) + "\n"


FILES = {
    "withings.json": withings,
    "fitbit.json": fitbit,
    "kardia_api.json": kardia_api,
    "movesense.json": movesense,
    "bitalino.txt": bitalino,
}

if __name__ == "__main__":
    for name, make in FILES.items():
        (HERE / name).write_text(make(), encoding="utf-8")
