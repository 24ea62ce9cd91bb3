"""Make compressed.scp: a simulated recording as SCP-ECG with all kinds of compression of the standard.

No public recording with this compression was found. The layout of the sections, the Huffman codes, the subtraction of
the reference beat and the means between protected segments follow EN 1064 as described by public decoders; ``encode``
is written independently of the reader. The patient is fictitious.
"""

from __future__ import annotations

import binascii
import struct
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LEADS = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8}
LEADS |= {"III": 61, "aVR": 62, "aVL": 63, "aVF": 64}
STANDARD = [(1, 1, 0, "0")]
STANDARD += [(n + 2, n + 2, s * n, "1" * n + "0" + "01"[s < 0]) for n in range(1, 9) for s in (1, -1)]
STANDARD += [(10, 18, 0, "1" * 9 + "0"), (10, 26, 0, "1" * 10)]
PLAIN = [(0, 16, 0, "")]
PATIENT = {
    0: b"Doe\0",
    1: b"Jane\0",
    2: b"SN-4711\0",
    4: struct.pack("<HB", 61, 1),
    5: struct.pack("<HBB", 1963, 2, 3),
    8: b"\2",
    16: b"St Jane's\0",
    25: struct.pack("<HBB", 2024, 5, 6),
    26: bytes([7, 8, 9]),
}


def packed(numbers: np.ndarray, codes: list[tuple] | None) -> bytes:
    """Numbers as a stream of bits, padded to an even number of bytes; plain numbers without codes."""
    if codes is None or codes is PLAIN:
        return numbers.astype("<i2").tobytes()
    words = []
    for number in numbers.tolist():
        fitting = [row for row in codes if row[0] == row[1] and row[2] == number]
        for bits, length, base, prefix in fitting or [row for row in codes if row[0] < row[1]]:
            extra = length - bits
            if fitting or -(1 << (extra - 1)) <= number - base < 1 << (extra - 1):
                words.append(prefix + (f"{(number - base) % (1 << extra):0{extra}b}" if extra else ""))
                break
        else:
            raise ValueError(f"no code for {number}")
    stream = "".join(words)
    stream += "0" * (-len(stream) % 16)
    return int(stream or "0", 2).to_bytes(len(stream) // 8, "big")


def differences(samples: np.ndarray, order: int) -> np.ndarray:
    """The samples (0), or their first or second differences with the first values unchanged."""
    if order == 0 or len(samples) < 2:
        return samples
    if order == 1:
        return np.r_[samples[0], np.diff(samples)]
    return np.r_[samples[:2], np.diff(samples, 2)]


def means(samples: np.ndarray, factor: int) -> np.ndarray:
    """The mean of each ``factor`` samples, then the remaining samples."""
    whole = len(samples) // factor * factor
    return np.r_[np.rint(samples[:whole].reshape(-1, factor).mean(1)).astype(int), samples[whole:]]


def section(number: int, content: bytes) -> bytes:
    """A section with its header and checksum, padded to an even number of bytes."""
    content += b"\0" * (len(content) % 2)
    head = struct.pack("<HIBB", number, 16 + len(content), 20, 20) + (b"SCPECG" if number == 0 else bytes(6))
    return struct.pack("<H", binascii.crc_hqx(head + content, 0xFFFF)) + head + content


def samples_of(leads: list[np.ndarray], nanovolts: int, interval: int, order: int, last: int, codes: list) -> bytes:
    """The content of section 5 or 6."""
    data = [packed(differences(lead, order), codes) for lead in leads]
    lengths = struct.pack(f"<{len(data)}H", *map(len, data))
    return struct.pack("<HHBB", nanovolts, interval, order, last) + lengths + b"".join(data)


def encode(
    steps: np.ndarray,
    leads: list[str],
    *,
    nanovolts: int = 5000,
    interval: int = 2000,
    order: int = 2,
    codes: list[tuple] | None = STANDARD,
    factor: int = 1,
    protected: list[tuple[int, int]] | None = None,
    beat: np.ndarray | None = None,
    beats: list[tuple[int, int, int]] | None = None,
    fiducial: int = 0,
    patient: dict[int, bytes] | None = None,
    more: dict[int, bytes] | None = None,
) -> bytes:
    """Encode ``steps`` (lead, time) as a file.

    Args:
        steps: Integers, in steps of ``nanovolts``.
        leads: Names of the leads.
        nanovolts: Size of a step.
        interval: µs between samples.
        order: Order of the differences.
        codes: Huffman table; None for a file without section 2.
        factor: Decimation factor outside ``protected``.
        protected: First and last sample of each protected segment, from 1.
        beat: The reference beat (lead, time), in steps.
        beats: First sample, QRS complex and last sample of each beat from which it is subtracted, from 1.
        fiducial: Sample of the reference beat that is aligned with the QRS complexes, from 1.
        patient: Tags of section 1.
        more: Further sections.
    """
    protected, beats = protected or [], beats or []
    rhythm = steps.copy()
    for first, qrs, last in beats:
        at = np.arange(first, last + 1)
        rhythm[:, at - 1] -= beat[:, at - qrs + fiducial - 1]
    kept = []
    for lead in rhythm:
        parts, at = [], 1
        for begin, end in [*protected, (len(lead) + 1, len(lead))]:
            parts += [means(lead[at - 1 : begin - 1], factor), lead[begin - 1 : end]]
            at = end + 1
        kept.append(np.concatenate(parts) if factor > 1 else lead)
    contents = {1: b"".join(struct.pack("<BH", tag, len(text)) + text for tag, text in (patient or {}).items())}
    contents[1] += b"\xff\0\0"
    if codes is STANDARD:
        contents[2] = struct.pack("<H", 19999)
    elif codes is not None:
        rows = [struct.pack("<BBBhI", b, n, 1, base, int("0" + p[::-1], 2)) for b, n, base, p in codes]
        contents[2] = struct.pack("<HH", 1, len(rows)) + b"".join(rows)
    flags = (beat is not None) | 4 | (len(leads) & 31) << 3
    contents[3] = bytes([len(leads), flags])
    contents[3] += b"".join(struct.pack("<IIB", 1, steps.shape[1], LEADS[lead]) for lead in leads)
    if beat is not None or factor > 1:
        zones = beats or [(0, 0, 0)] * len(protected)
        length = 0 if beat is None else beat.shape[1] * interval // 1000
        contents[4] = struct.pack("<HHH", length, fiducial, len(zones))
        contents[4] += b"".join(struct.pack("<HIII", 0 if beats else 1, *zone) for zone in zones)
        contents[4] += b"".join(struct.pack("<II", *zone) for zone in protected)
        template = [np.zeros(0, int)] * len(leads) if beat is None else list(beat)
        contents[5] = samples_of(template, nanovolts, interval, order, 0, codes)
    contents[6] = samples_of(kept, nanovolts, interval * factor, order, int(factor > 1), codes)
    return joined(contents | (more or {}))


def joined(contents: dict[int, bytes]) -> bytes:
    """The sections, after their pointers and the checksum of the file."""
    made = {number: section(number, content) for number, content in contents.items()}
    at, rows = 7 + 16 + 120, []
    for number in range(1, 12):
        length = len(made.get(number, b""))
        rows.append(struct.pack("<HII", number, length, at if length else 0))
        at += length
    pointers = section(0, struct.pack("<HII", 0, 136, 7) + b"".join(rows))
    body = pointers + b"".join(made[number] for number in sorted(made))
    whole = struct.pack("<I", 6 + len(body)) + body
    return struct.pack("<H", binascii.crc_hqx(whole, 0xFFFF)) + whole


def simulated(seconds: float = 6.0) -> tuple[np.ndarray, list[str], list[int]]:
    """Eight simulated leads in steps of 5 µV at 500 Hz, their names, and the R peaks (counted from 1)."""
    from ecggen.core.simulate import simulate

    heart = simulate(1, seconds=seconds, fs=500, seed=4)
    names = list(LEADS)[:8]
    steps = np.rint(heart.pick(*names).signal[0].double().numpy() / 0.005).astype(int)
    size = np.abs(steps).sum(0)
    peaks = [at for at in range(100, len(size) - 100) if size[at - 100 : at + 101].argmax() == 100 and size[at] > 100]
    return steps, names, [at + 1 for at in peaks]


def compressed() -> tuple[bytes, np.ndarray]:
    """The file, and its steps."""
    steps, names, peaks = simulated()
    zones = [(peak - 60, peak, peak + 90) for peak in peaks if 60 < peak < steps.shape[1] - 90]
    beat = np.rint(np.mean([steps[:, first - 1 : last] for first, _, last in zones], 0)).astype(int)
    protected = [(peak - 30, peak + 37) for _, peak, _ in zones]
    made = encode(
        steps, names, factor=4, protected=protected, beat=beat, beats=zones, fiducial=61, patient=PATIENT,
    )  # fmt: skip
    return made, steps


if __name__ == "__main__":
    (HERE / "compressed.scp").write_bytes(compressed()[0])
