"""The search for training records that came out again, shifted in time or scaled.

All pairs at all shifts would take minutes for a thousand records. So each synthetic record is laid only over the few
training records that resemble it most in what neither a shift nor a scale changes: the shape of its median beat, and
its amplitude spectrum. A copy is the nearest in both, so that little can be missed.
"""

from __future__ import annotations

import numpy as np

from ecggen.evaluation import privacy, spectrum
from ecggen.evaluation.report.comparison import known_rows
from ecggen.evaluation.report.material import Studied

THRESHOLD = 0.95
"""Correlation over all leads from which a record is called a copy; in eight leads, other patients stay below 0.9."""
NEIGHBOURS = 3
"""Training records that are tried for each kind of resemblance."""
SEARCH = (
    f"share of records whose correlation with a training record, over all leads together at the best shift, is "
    f"{THRESHOLD:g} or more; tried are the {NEIGHBOURS} nearest by median beat and as many by spectrum"
)


def search(synthetic: Studied, training: Studied, drawn: np.ndarray, known: np.ndarray) -> dict[str, np.ndarray]:
    """The training record that each synthetic one resembles most, at any shift.

    Args:
        synthetic: The records that are judged.
        training: Those of which they may be copies.
        drawn: Rows of the valid synthetic records that are looked at.
        known: Rows of the valid training records that are looked through.

    Returns:
        (row of ``drawn``,) each: ``r``, ``index`` among the valid training records, and ``lag`` in samples by which
        the synthetic record is late.
    """
    waves, others = synthetic.plain.signal.numpy(), training.plain.signal.numpy()
    fs = training.plain.fs
    tried = _resembling(synthetic, training, drawn, known)
    found = {"r": np.zeros(len(drawn)), "index": np.zeros(len(drawn), int), "lag": np.zeros(len(drawn), int)}
    for at, (row, few) in enumerate(zip(drawn, tried, strict=True)):
        best = privacy.shifted_copies(waves[row : row + 1], others[few], fs, THRESHOLD)
        found["r"][at] = best["r"][0]
        found["index"][at] = few[best["index"][0]]
        found["lag"][at] = round(float(best["lag_s"][0]) * fs)
    return found


def _resembling(synthetic: Studied, training: Studied, drawn: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """For each of ``drawn``, the rows of ``known`` that are worth trying."""
    tried: list[list[int]] = [[] for _ in drawn]
    for features in (_beat_shape, _amplitudes):
        own, other = features(synthetic)[drawn], features(training)[known]
        rows, columns = known_rows(own), known_rows(other)
        if not len(rows) or not len(columns):
            continue
        number = min(NEIGHBOURS, len(columns))
        _, index = privacy.closest(own[rows], other[columns], number)
        for row, near in zip(rows, index.reshape(len(rows), number), strict=True):
            tried[row] += known[columns[near]].tolist()
    return [np.unique(one) for one in tried]


def _beat_shape(studied: Studied) -> np.ndarray:
    """(record, value) of unit length; NaN where a record has no median beat."""
    flat = studied.shapes.reshape(len(studied.shapes), -1)
    return _of_unit_length(flat - flat.mean(1, keepdims=True))


def _amplitudes(studied: Studied) -> np.ndarray:
    """(record, value) of unit length: the root of each lead's spectrum."""
    frequencies, power = spectrum.power_spectrum(studied.plain.signal.numpy(), studied.plain.fs)
    held = np.sqrt(power[..., frequencies <= spectrum.JUDGED[1]])
    return _of_unit_length(held.reshape(len(held), -1))


def _of_unit_length(flat: np.ndarray) -> np.ndarray:
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
