"""Make embraceplus.avro: six simulated seconds of a fictitious participant, written with fastavro.

The fields, their types and units are those of Empatica's manual for researchers for the raw data of the EmbracePlus
(schema 6.x); no real file was available.
"""

import sys
from pathlib import Path

import fastavro
import numpy as np

from ecggen.core.simulate import simulate_ppg, simulated_peaks

START = 1_577_880_000_000_000  # µs: 2020-01-01 12:00 UTC
SECONDS = 6


def record(name, *fields):
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields]}


def stream(name, *values):
    return record(name, ("timestampStart", "long"), ("samplingFrequency", "float"), *values)


def array(kind):
    return {"type": "array", "items": kind}


VERSION = record("Version", ("major", "int"), ("minor", "int"), ("patch", "int"))
RANGE = record(
    "ImuParams", ("physicalMin", "int"), ("physicalMax", "int"), ("digitalMin", "int"), ("digitalMax", "int")
)
AXES = [(axis, array("int")) for axis in "xyz"]
SCHEMA = {
    "namespace": "empatica.format.avro",
    **record(
        "Session",
        ("schemaVersion", VERSION),
        ("fwVersion", "Version"),
        ("hwVersion", "empatica.format.avro.Version"),
        ("deviceSn", "string"),
        ("deviceModel", "string"),
        ("timezone", "int"),
        (
            "enrollment",
            record(
                "Enrollment",
                ("participantID", "string"),
                ("siteID", "string"),
                ("studyID", "string"),
                ("organizationID", "string"),
            ),
        ),
        (
            "rawData",
            record(
                "RawData",
                ("accelerometer", stream("Accelerometer", ("imuParams", RANGE), *AXES)),
                ("eda", stream("Eda", ("values", array("float")))),
                ("temperature", stream("Temperature", ("values", array("float")))),
                ("tags", record("Tags", ("tagsTimeMicros", array("long")))),
                ("bvp", stream("Bvp", ("values", array("float")))),
                ("systolicPeaks", record("SystolicPeaks", ("peaksTimeNanos", array("long")))),
                ("steps", stream("Steps", ("values", array("int")))),
            ),
        ),
    ),
}


def session():
    peaks = simulated_peaks(SECONDS, 72)
    wave = simulate_ppg(peaks, SECONDS, 64, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    axes = {axis: rng.integers(-2000, 2000, 64 * SECONDS).tolist() for axis in "xyz"}
    slow = {"timestampStart": START, "samplingFrequency": 4.0, "values": [0.5] * 4 * SECONDS}
    version = {"major": 6, "minor": 5, "patch": 0}
    return {
        "schemaVersion": version,
        "fwVersion": version,
        "hwVersion": version,
        "deviceSn": "SN-4711",
        "deviceModel": "EmbracePlus",
        "timezone": 3600,
        "enrollment": {"participantID": "Doe^Jane", "siteID": "1", "studyID": "1", "organizationID": "1"},
        "rawData": {
            "accelerometer": {
                "timestampStart": START,
                "samplingFrequency": 64.0,
                "imuParams": {"physicalMin": -16, "physicalMax": 16, "digitalMin": -32768, "digitalMax": 32767},
                **axes,
            },
            "eda": slow,
            "temperature": slow,
            "tags": {"tagsTimeMicros": [START + 1_000_000]},
            "bvp": {"timestampStart": START, "samplingFrequency": 64.0, "values": wave.tolist()},
            "systolicPeaks": {"peaksTimeNanos": [1000 * START + round(1e9 * peak) for peak in peaks]},
            "steps": {"timestampStart": START, "samplingFrequency": 0.2, "values": [0]},
        },
    }


def make(path, codec="deflate", schema=SCHEMA, records=None):
    with Path(path).open("wb") as file:
        # A fixed mark between the blocks: the file is the same each time it is made.
        fastavro.writer(
            file, fastavro.parse_schema(schema), records or [session()], codec, sync_marker=b"ecggen.ecggen.16"
        )


if __name__ == "__main__":
    make(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "embraceplus.avro")
