"""Make kardia.atc: six simulated limb leads in the format of a KardiaMobile 6L.

The blocks follow AliveCor's ATC File Format Specification 1.7 (github.com/alivecor/ATCpy, docs), and the checksums its
writer there, which adds the bytes of a block. The recording and its numbers are fictitious.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
INFO = ("2024-05-06T07:08:09.000+02:00", "58E0A7D7-0000-11D8-9669-0800200C9A66", "", "Phone 1", "App 5.1", "triangle")


def block(name: bytes, data: bytes) -> bytes:
    """A block with its length and its checksum."""
    whole = name + struct.pack("<I", len(data)) + data
    return whole + struct.pack("<I", sum(whole))


def encode(steps: np.ndarray, *, fs: int = 300, nanovolts: int = 500, flags: int = 2 + 4 + 64, form: int = 1) -> bytes:
    """A file of up to twelve leads (lead, time), in steps, in the standard order."""
    sizes = (32, 40, 44, 32, 32, 32, 52)
    info = b"".join(
        text.encode().ljust(size, b"\0") for text, size in zip((*INFO, "SN=SN-4711,BAT=85"), sizes, strict=True)
    )
    names = [b"ecg ", *(b"ecg%x" % number for number in range(2, 13))]
    leads = b"".join(block(name, row.astype("<i2").tobytes()) for name, row in zip(names, steps, strict=False))
    head = b"ALIVE\0\0\0" + struct.pack("<I", 4)
    fmt = struct.pack("<BHHBH", form, fs, nanovolts, flags, 0)
    beats = struct.pack("<I", fs) + struct.pack("<IH", 100, 1)
    return head + block(b"info", info) + block(b"fmt ", fmt) + leads + block(b"ann ", beats)


def simulated() -> np.ndarray:
    """I, II, III, aVR, aVL, aVF, four seconds at 300 Hz, in steps of 500 nV."""
    from ecggen.core.simulate import simulate

    return np.rint(simulate(1, seconds=4, fs=300, seed=6).signal[0, :6].double().numpy() / 0.0005).astype(int)


if __name__ == "__main__":
    (HERE / "kardia.atc").write_bytes(encode(simulated()))
