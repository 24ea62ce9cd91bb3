"""Delineation: onset, peak and offset of P, QRS and T of every beat in every lead.

A small network (``ecggen.networks.delineation``, trained on LUDB) predicts the probability of each wave at each sample;
``ecggen.evaluators.delineator_decoding`` converts the probabilities to beats, onsets, peaks and offsets.

Every ECG is filtered to 0.5–40 Hz, resampled to 250 Hz and scaled to unit deviation first, so that the result depends
neither on the bandwidth of a recording nor on its gain.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ecggen.core.ecg import ECG, resample
from ecggen.core.errors import InputError
from ecggen.core.filters import band_pass
from ecggen.core.simulate import simulate
from ecggen.evaluators.delineator_decoding import RATE, decode
from ecggen.networks import storage
from ecggen.networks.delineation import Delineator, probabilities

FORMAT = 1
"""Version of the checkpoint folder's format."""
BAND = (0.5, 40.0)
"""Pass band of the network's input in Hz."""
SHORTEST = 2.0
"""Shortest ECG in seconds that is accepted."""
SLOWEST = 50.0
"""Lowest sampling rate in Hz that is accepted."""
QUIET = 0.002
"""Standard deviation in mV below which a lead counts as flat."""
WINDOW = 60.0
"""Seconds of a long recording that are processed at a time."""
OVERLAP = 4.0
"""Seconds of context on either side of such a window; the receptive field is less than two."""
TOGETHER = 4
"""Records per forward pass: as many as fit into a processor's cache."""


@dataclass(frozen=True)
class Waves:
    """Times in seconds of the waves of a batch of ECGs; NaN for a wave that is absent, uncertain or cut off at an end.

    Attributes:
        peaks: R peaks of each record: maximum over the QRS of the mean square over leads. Empty without beats.
        leads: Names of the leads.
        fs: Rate of the ECG in Hz.
        p_onset: (record, lead, beat), as all below; padded with NaN to the largest number of beats.
        p_peak: Largest distance, up or down, from the straight line between onset and offset.
        p_offset: End of P.
        qrs_onset: Start of QRS.
        qrs_peak: Peak of R in this lead; the minimum where there is hardly any R.
        qrs_offset: End of QRS, the J point.
        t_onset: Start of T.
        t_peak: Peak of T, defined as that of P.
        t_offset: End of T.
    """

    peaks: list[np.ndarray]
    leads: tuple[str, ...]
    fs: float
    p_onset: np.ndarray
    p_peak: np.ndarray
    p_offset: np.ndarray
    qrs_onset: np.ndarray
    qrs_peak: np.ndarray
    qrs_offset: np.ndarray
    t_onset: np.ndarray
    t_peak: np.ndarray
    t_offset: np.ndarray

    def __len__(self) -> int:
        return len(self.peaks)

    def median_over_leads(self) -> dict[str, np.ndarray]:
        """Global marks (record, beat): the median over leads, where at least a third of the leads have the mark.

        The median is robust against an error in one lead, unlike the earliest onset and latest offset of any lead.
        The QRS is some milliseconds shorter than with those.
        """
        found = {}
        for name in MARKS:
            marks = getattr(self, name)
            enough = np.isfinite(marks).sum(1) >= max(1, np.ceil(len(self.leads) / 3))
            known = np.where(enough[:, None], marks, np.nan)
            ordered = np.sort(known, 1)  # NaN last
            count = np.isfinite(known).sum(1, keepdims=True)
            middle = [np.take_along_axis(ordered, np.maximum(count - 1 + up, 0) // 2, 1) for up in (0, 1)]
            found[name] = (middle[0] + middle[1])[:, 0] / 2
        return found


MARKS = tuple(field.name for field in fields(Waves) if "_" in field.name)
"""Names of the nine marks."""


def delineate(
    ecg: ECG,
    batch: int = 64,
    progress: Callable[[float], None] | None = None,
    network: Delineator | None = None,
) -> Waves:
    """Delineate every beat of every record.

    Args:
        ecg: Any of the twelve leads, at least 50 Hz, at least 2 s. NaN counts as 0 mV.
        batch: Records at a time; the result does not depend on it.
        progress: Called with the fraction done after each batch.
        network: As returned by ``load``; the shipped one by default.

    Raises:
        InputError: If the ECG is shorter than 2 s or sampled below 50 Hz.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> waves = delineate(simulate(1, seconds=4, heart_rate=60, seed=0))
        >>> bool(len(waves.peaks[0]) >= 3), waves.qrs_onset.shape[:2]
        (True, (1, 12))
    """
    if ecg.seconds < SHORTEST:
        raise InputError(f"the ECG lasts {ecg.seconds:.2f} s", f"at least {SHORTEST:g} s were expected")
    if ecg.fs < SLOWEST:
        raise InputError(f"the sampling rate is {ecg.fs:g} Hz", f"at least {SLOWEST:g} Hz was expected")
    network = network or load()
    parts = []
    for first in range(0, len(ecg), max(1, batch)):
        waves = prepare(ecg[first : first + max(1, batch)])
        parts.append(decode(_read(network, waves), waves.numpy()))
        if progress:
            progress(min(1.0, (first + batch) / len(ecg)))
    beats = max((marks["qrs_onset"].shape[-1] for _, marks in parts), default=0)
    padded = {name: [_widen(marks[name], beats) for _, marks in parts] for name in MARKS}
    empty = np.zeros((0, len(ecg.leads), 0))
    joined = {name: np.concatenate(found) if found else empty for name, found in padded.items()}
    return Waves([times for peaks, _ in parts for times in peaks], ecg.leads, ecg.fs, **joined)


def prepare(ecg: ECG) -> Tensor:
    """The network's input: (record, lead, time) at ``RATE`` in ``BAND``, of unit deviation; flat leads are 0."""
    return scale(band_pass(resample(torch.nan_to_num(ecg.signal), ecg.fs, RATE), RATE, *BAND))


def scale(x: Tensor) -> Tensor:
    """``x`` (record, lead, time) divided by each lead's deviation, which is at least 5 % of the largest lead's."""
    deviation = x.std(-1, keepdim=True)
    least = (0.05 * deviation.amax(1, keepdim=True)).clamp(min=QUIET)
    return x / torch.maximum(deviation, least)


def _read(network: Delineator, waves: Tensor) -> np.ndarray:
    """Class probabilities (record, lead, class, time), computed in batches of windows with context."""
    size, margin = round(WINDOW * RATE), round(OVERLAP * RATE)
    rows = []
    for batch in waves.split(TOGETHER):
        pieces = []
        for first in range(0, waves.shape[-1], size):
            begin = max(0, first - margin) // network.step * network.step
            piece = probabilities(network, batch[..., begin : first + size + margin])
            pieces.append(piece[..., first - begin : first - begin + size])
        rows.append(torch.cat(pieces, -1))
    return torch.cat(rows).numpy()


def _widen(marks: np.ndarray, beats: int) -> np.ndarray:
    return np.pad(marks, ((0, 0), (0, 0), (0, beats - marks.shape[-1])), constant_values=np.nan)


def save(network: Delineator, folder: Path | str) -> Path:
    """Write a network to a folder: config.json and model.safetensors (16 bit)."""
    about = {"format": FORMAT, "kind": "delineation", "sizes": network.sizes, "fs": RATE, "band": BAND}
    return storage.store(network, Path(folder), {"config.json": about}, half=True)


@lru_cache(maxsize=4)
def load(name: Path | str = "delineator") -> Delineator:
    """The network in a folder, or the shipped one by its name, in evaluation mode.

    Raises:
        InputError: If the folder is missing, of another kind or format, or cannot be loaded.
    """
    folder = storage.find(name)
    about = storage.read_json(folder / "config.json")
    if about.get("format") != FORMAT or about.get("kind") != "delineation":
        raise InputError(f"{folder} holds no delineator of format {FORMAT}", "the shipped one was expected")
    network = storage.made_of(Delineator, about.get("sizes"), folder)
    storage.fill(network, folder)
    return network.eval().fused()


def golden_marks(network: Delineator, golden: dict) -> dict[str, list[float | None]]:
    """Global marks in s of the simulated ECG of a golden file; None for a missing mark."""
    ecg = simulate(1, seconds=golden["seconds"], fs=golden["fs"], seed=golden["heart"])
    marks = delineate(ecg, network=network).median_over_leads()
    return {name: [None if np.isnan(time) else round(time, 5) for time in marks[name][0].tolist()] for name in MARKS}


def write_golden(folder: Path | str) -> Path:
    """Write the present output of the network in ``folder`` to its ``golden_marks.json``."""
    golden = {"heart": 5, "fs": 250, "seconds": 6, "tolerance_s": 0.002}
    file = Path(folder) / "golden_marks.json"
    file.write_text(json.dumps({**golden, "marks_s": golden_marks(load(folder), golden)}, indent=1) + "\n")
    return file
