"""Search for copies of training records, also if they are shifted in time or scaled.

Comparing all pairs at all shifts would take minutes for a thousand records. Each synthetic record is therefore
compared only with the training records nearest to it in two features that neither a shift nor a scale changes: the
shape of the median beat and the amplitude spectrum. A copy is nearest in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecggen.metrics.functional import privacy, spectrum
from ecggen.report.inputs.cohort import MeasuredSet
from ecggen.report.references import known_rows

THRESHOLD = 0.95
"""Correlation over all leads from which a record counts as a copy; over eight leads, other patients stay below 0.9."""
NEIGHBOURS = 3
"""Training records that are compared for each of the two features."""
SEARCH = (
    f"share of records whose correlation with a training record, over all leads together at the best shift, is "
    f"{THRESHOLD:g} or more; compared with the {NEIGHBOURS} nearest by median beat and the {NEIGHBOURS} nearest by "
    "spectrum"
)


@dataclass(frozen=True)
class Traits:
    """Waveforms and search features of a set, computed once.

    Attributes:
        waves: (record, lead, time) in mV.
        fs: Sampling rate in Hz.
        kinds: Two features (record, value) of unit length: the shape of the median beat, NaN if a record has none, and
            the amplitude spectrum of the leads.
    """

    waves: np.ndarray
    fs: float
    kinds: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, measured_set: MeasuredSet) -> Traits:
        """Waveforms and features of the valid records."""
        waves, fs = measured_set.plain.signal.numpy(), measured_set.plain.fs
        beats = measured_set.shapes.reshape(len(measured_set.shapes), -1)
        frequencies, power = spectrum.power_spectrum(waves, fs)
        amplitudes = np.sqrt(power[..., frequencies <= spectrum.COMPARED_BAND[1]]).reshape(len(power), -1)
        return cls(waves, fs, (_of_unit_length(beats - beats.mean(1, keepdims=True)), _of_unit_length(amplitudes)))

    def at(self, rows: np.ndarray) -> Traits:
        """The records at ``rows``."""
        return Traits(self.waves[rows], self.fs, (self.kinds[0][rows], self.kinds[1][rows]))


def search(synthetic: Traits, training: Traits) -> dict[str, np.ndarray]:
    """For each synthetic record, the training record with the highest correlation at any shift.

    Args:
        synthetic: The synthetic records.
        training: The training records, at the same sampling rate.

    Returns:
        Arrays (synthetic record,): ``r``, ``index`` of the training record, and ``lag``, the delay of the synthetic
        record in samples.
    """
    rows = len(synthetic.waves)
    found = {"r": np.zeros(rows), "index": np.zeros(rows, int), "lag": np.zeros(rows, int)}
    for row, candidates in enumerate(_candidates(synthetic, training)):
        some = training.waves[candidates]
        best = privacy.shifted_copies(synthetic.waves[row : row + 1], some, training.fs, THRESHOLD)
        found["r"][row] = best["r"][0]
        found["index"][row] = candidates[best["index"][0]]
        found["lag"][row] = round(float(best["lag_s"][0]) * training.fs)
    return found


def _candidates(synthetic: Traits, training: Traits) -> list[np.ndarray]:
    """For each synthetic record, the rows of the training records to compare it with."""
    candidates: list[list[int]] = [[] for _ in synthetic.waves]
    for own, other in zip(synthetic.kinds, training.kinds, strict=True):
        rows, columns = known_rows(own), known_rows(other)
        if not len(rows) or not len(columns):
            continue
        number = min(NEIGHBOURS, len(columns))
        _, index = privacy.closest(own[rows], other[columns], number)
        for row, near in zip(rows, index.reshape(len(rows), number), strict=True):
            candidates[row] += columns[near].tolist()
    return [np.unique(one) for one in candidates]


def _of_unit_length(flat: np.ndarray) -> np.ndarray:
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
