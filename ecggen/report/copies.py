"""The search for training records that came out again, shifted in time or scaled.

All pairs at all shifts would take minutes for a thousand records. So each synthetic record is laid only over the few
training records that resemble it most in what neither a shift nor a scale changes: the shape of its median beat, and
its amplitude spectrum. A copy is the nearest in both, so that little can be missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecggen.metrics.functional import privacy, spectrum
from ecggen.report.inputs.cohort import Studied
from ecggen.report.references import known_rows

THRESHOLD = 0.95
"""Correlation over all leads from which a record is called a copy; in eight leads, other patients stay below 0.9."""
NEIGHBOURS = 3
"""Training records that are tried for each kind of resemblance."""
SEARCH = (
    f"share of records whose correlation with a training record, over all leads together at the best shift, is "
    f"{THRESHOLD:g} or more; tried are the {NEIGHBOURS} nearest by median beat and as many by spectrum"
)


@dataclass(frozen=True)
class Traits:
    """What is searched of a set, found once.

    Attributes:
        waves: (record, lead, time) in mV, at ``fs`` Hz.
        fs: Their rate.
        kinds: Two kinds of resemblance (record, value), of unit length: the median beat's shape, NaN where there is
            none, and the root of each lead's spectrum.
    """

    waves: np.ndarray
    fs: float
    kinds: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, studied: Studied) -> Traits:
        """The traits of the valid records."""
        waves, fs = studied.plain.signal.numpy(), studied.plain.fs
        beats = studied.shapes.reshape(len(studied.shapes), -1)
        frequencies, power = spectrum.power_spectrum(waves, fs)
        amplitudes = np.sqrt(power[..., frequencies <= spectrum.JUDGED[1]]).reshape(len(power), -1)
        return cls(waves, fs, (_of_unit_length(beats - beats.mean(1, keepdims=True)), _of_unit_length(amplitudes)))

    def at(self, rows: np.ndarray) -> Traits:
        """The records at ``rows``."""
        return Traits(self.waves[rows], self.fs, (self.kinds[0][rows], self.kinds[1][rows]))


def search(synthetic: Traits, training: Traits) -> dict[str, np.ndarray]:
    """The training record that each synthetic one resembles most, at any shift.

    Args:
        synthetic: Of the records that are judged.
        training: Of those of which they may be copies, at the same rate.

    Returns:
        (synthetic record,) each: ``r``, ``index`` of the training record, and ``lag`` in samples by which the
        synthetic record is late.
    """
    rows = len(synthetic.waves)
    found = {"r": np.zeros(rows), "index": np.zeros(rows, int), "lag": np.zeros(rows, int)}
    for row, few in enumerate(_resembling(synthetic, training)):
        best = privacy.shifted_copies(synthetic.waves[row : row + 1], training.waves[few], training.fs, THRESHOLD)
        found["r"][row] = best["r"][0]
        found["index"][row] = few[best["index"][0]]
        found["lag"][row] = round(float(best["lag_s"][0]) * training.fs)
    return found


def _resembling(synthetic: Traits, training: Traits) -> list[np.ndarray]:
    """For each synthetic record, the training records that are worth trying."""
    tried: list[list[int]] = [[] for _ in synthetic.waves]
    for own, other in zip(synthetic.kinds, training.kinds, strict=True):
        rows, columns = known_rows(own), known_rows(other)
        if not len(rows) or not len(columns):
            continue
        number = min(NEIGHBOURS, len(columns))
        _, index = privacy.closest(own[rows], other[columns], number)
        for row, near in zip(rows, index.reshape(len(rows), number), strict=True):
            tried[row] += columns[near].tolist()
    return [np.unique(one) for one in tried]


def _of_unit_length(flat: np.ndarray) -> np.ndarray:
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
