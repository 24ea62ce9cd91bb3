"""Make exports of phones and chest straps from simulated ECGs.

- health_export.json: two recordings in the format of Health Auto Export, after its documentation of the ECG export
  (help.healthyapps.dev, "ECG - JSON Export Format"); 128 Hz instead of the 512 Hz of a watch, to keep the file small.
- observation.json: a FHIR R4 Observation with SampledData, after the example of an ECG in the standard.
- leads.json: the JSON format of ecggen.
- polar.csv: the table of Polar Sensor Logger for a Polar H10, with a gap of five samples for a lost packet.

The patients and the devices are fictitious.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CODES = {"I": (131329, "MDC_ECG_ELEC_POTL_I"), "II": (131330, "MDC_ECG_ELEC_POTL_II"), "V1": (131331, "V1")}
GAP = range(200, 205)


def simulated(seconds: float, fs: float, seed: int, *leads: str) -> np.ndarray:
    """Simulated leads in mV (lead, time)."""
    from ecggen.core.simulate import simulate

    return simulate(1, seconds=seconds, fs=fs, seed=seed).pick(*leads).signal[0].double().numpy()


def health_export() -> str:
    """Two recordings of a watch."""
    recordings = []
    for number, kind in ((1, "Sinus Rhythm"), (2, "Atrial Fibrillation")):
        lead = simulated(2.25, 128, number, "I")[0]
        date = f"2024-05-0{number} 07:08:09"
        recordings.append(
            {
                "start": f"{date} +0200",
                "end": f"{date} +0200",
                "classification": kind,
                "severity": "Not Set",
                "averageHeartRate": 72,
                "numberOfVoltageMeasurements": len(lead),
                "voltageMeasurements": [
                    {"date": f"{date}.{at:03} +0200", "voltage": round(mv / 1000, 9), "units": "V"}
                    for at, mv in enumerate(lead)
                ],
                "samplingFrequency": 128,
                "source": "Jane Doe's Watch",
            }
        )
    return json.dumps({"data": {"metrics": [], "ecg": recordings}})


def observation() -> str:
    """Three leads in steps of 2.5 µV with an origin of 2048 steps."""
    components = []
    for (code, display), lead in zip(CODES.values(), simulated(4, 250, 3, *CODES), strict=True):
        data = " ".join(str(round(mv / 0.0025) + 2048) for mv in lead)
        sampled = {"origin": {"value": -5.12, "unit": "mV"}, "period": 4, "factor": 0.0025, "dimensions": 1}
        coding = {"system": "urn:oid:2.16.840.1.113883.6.24", "code": str(code), "display": display}
        components.append({"code": {"coding": [coding]}, "valueSampledData": sampled | {"data": data}})
    return json.dumps(
        {
            "resourceType": "Observation",
            "id": "ekg",
            "status": "final",
            "code": {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.24", "code": "131328", "display": "ECG"}]},
            "subject": {"reference": "Patient/SN-4711", "display": "Jane Doe"},
            "effectiveDateTime": "2024-05-06T07:08:09+02:00",
            "performer": [{"display": "Dr Doe"}],
            "device": {"display": "12-lead device SN-4711"},
            "component": components,
        }
    )


def leads() -> str:
    """Two leads by name."""
    signal = simulated(3, 250, 5, "I", "II").round(4)
    named = {name: row.tolist() for name, row in zip(("I", "II"), signal, strict=True)}
    about = {"patient_name": "Jane Doe", "birth_date": "1963-02-03", "age": 61, "sex": "female"}
    return json.dumps(about | {"fs": 250, "unit": "mV", "leads": named})


def polar() -> str:
    """Four seconds at 130 Hz; the strap's clock starts in 2000."""
    rows = ["Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]"]
    for at, mv in enumerate(simulated(4, 130, 7, "V3")[0]):
        ms = at * 1000 / 130
        if at not in GAP:
            stamp = f"2024-05-06T07:08:{9 + int(ms / 1000):02}.{int(ms % 1000):03}"
            rows.append(f"{stamp};{599636646177065964 + round(ms * 1e6)};{round(ms, 6)};{round(mv * 1000)}")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    (HERE / "health_export.json").write_text(health_export(), encoding="utf-8")
    (HERE / "observation.json").write_text(observation(), encoding="utf-8")
    (HERE / "leads.json").write_text(leads(), encoding="utf-8")
    (HERE / "polar.csv").write_text(polar(), encoding="utf-8")
