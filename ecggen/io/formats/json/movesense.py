"""ECGs of Movesense sensors: packets of samples with a time in ms, as the programs of the manufacturer store them.

    {"data": [{"ecg": {"Timestamp": 1000, "Samples": [-145, …]}}, …]}               Showcase app
    {"Samples": [{"MeasECG": {"Timestamp": 1000, "Samples": [-145, …]}}, …]}        data logger, sbem2json
    {"Meas": {"ECG": [{"Timestamp": 1000, "Samples": [-145, …]}, …]}}               logbook
    [{"Uri": "…/Meas/ECG/125", "Body": {"Timestamp": 1000, "Samples": [-145, …]}}]  notifications

/Meas/ECG gives counts of 1/20 V / 2^17 = 0.38147 µV (the Movesense team on stackoverflow.com, question 66941493;
movesense-device-lib, meas/ecg.yaml), /Meas/ECG/{rate}/mV gives mV. The rate follows from the times. The sensor is worn
on a chest strap, which records none of the twelve leads: the user must assign one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.json.content import about, folded, objects, samples
from ecggen.io.metadata import About
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES

MICROVOLTS = 1e6 / 20 / 2**17
"""Size of a count of /Meas/ECG in µV."""
RATES = (125.0, 128.0, 200.0, 250.0, 256.0, 500.0, 512.0)
"""Sampling rates of the sensor in Hz."""
_JITTER = 3.0
"""Largest deviation of a packet's time in ms that is not a gap: times are whole milliseconds."""


@dataclass(frozen=True)
class Stream:
    """The packets of one subscription.

    Attributes:
        name: Key of the packets, or their address, as ``MeasECGmV`` or ``…/Meas/ECG/125/mV``.
        packets: Objects with a time and samples, in the order of the file.
        about: Metadata of the file.
    """

    name: str
    packets: list[dict[str, Any]]
    about: About


def recordings(content: Any) -> list[Stream]:
    """The ECG streams in a file; empty if it holds none."""
    streams: dict[str, list[dict[str, Any]]] = {}
    uri = ""
    for key, one in objects(content):
        if _is_packet(one):
            streams.setdefault(uri if key == "Body" else key, []).append(one)
        elif isinstance(stated := one.get("Uri", one.get("uri")), str):
            uri = stated
    stated = _about(content) if streams else About()
    return [Stream(name, packets, stated) for name, packets in streams.items()]


def found(stream: Stream) -> Found:
    """Decode a stream; samples of lost packets are NaN.

    Raises:
        InputError: If a sample is not a number, or the times of the packets do not rise.
    """
    rows = [samples(packet["Samples"]) for packet in stream.packets]
    times = samples([packet["Timestamp"] for packet in stream.packets])
    fs, starts = placed(times, np.array([len(row) for row in rows]))
    whole = np.full(starts[-1] + len(rows[-1]), np.nan)
    for start, row in zip(starts, rows, strict=True):
        whole[start : start + len(row)] = row
    notes = ["a chest strap records none of the twelve leads: the lead was assigned by the user"]
    unit = _unit(stream)
    if unit == "uV":
        whole *= MICROVOLTS
        notes.append(f"counts of {MICROVOLTS:.5f} µV, as specified by the manufacturer")
    lost = len(whole) - sum(map(len, rows))
    if lost:
        notes.append(f"{lost} samples were lost in transmission")
    return Found(whole[None], ("ECG",), (unit,), fs, about=stream.about, notes=tuple(notes))


def placed(times: np.ndarray, sizes: np.ndarray) -> tuple[float | None, np.ndarray]:
    """Sampling rate in Hz, and index of the first sample of each packet, from its time in ms and its size.

    A single packet has no rate. A rate within 1 % of one of the sensor's is taken as that one.

    Raises:
        InputError: If the times do not rise, or more samples are missing than there are.
    """
    steps, before = np.diff(times), sizes[:-1]
    if not np.isfinite(times).all() or (steps <= 0).any():
        raise InputError("the times of the packets do not rise", "one recording was expected", "split it")
    if not len(steps):
        return None, np.zeros(1, np.int64)
    late = steps - before * np.median(steps / before)
    gap = late > np.maximum(0.5 * (steps - late), _JITTER)
    measured = float(1000 * before[~gap].sum() / steps[~gap].sum())
    nearest = min(RATES, key=lambda one: abs(one - measured))
    fs = nearest if abs(nearest - measured) < 0.01 * nearest else measured
    missing = np.where(gap, np.maximum(np.rint(steps * fs / 1000 - before), 0), 0)
    total = float(missing.sum()) + sizes.sum()
    if total > MOST_SAMPLES or total > 20 * sizes.sum():
        raise InputError(
            "the times of the packets have gaps that are too long", "one recording was expected", "split it"
        )
    return fs, np.r_[0, np.cumsum(before + missing.astype(np.int64))]


def _about(content: Any) -> About:
    """Metadata in the objects of a file that are not packets."""
    fields: dict[str, Any] = {}
    for one in (one for _, one in objects(content) if not _is_packet(one)):
        texts = {name: value for name, value in folded(one).items() if isinstance(value, (str, int, float))}
        fields = texts | fields
    return about(fields)


def _unit(stream: Stream) -> str | None:
    """mV if the name of the stream says so, µV for counts, None for other numbers."""
    if stream.name.casefold().endswith("mv"):
        return "mV"
    whole = all(type(value) is int for packet in stream.packets for value in packet["Samples"])
    return "uV" if whole else None


def _is_packet(one: dict[str, Any]) -> bool:
    """Whether an object holds a time and samples; other sensors of the device call their values otherwise."""
    values = one.get("Samples")
    is_list = isinstance(values, list) and bool(values) and type(values[0]) in (int, float)
    return is_list and type(one.get("Timestamp")) in (int, float)
