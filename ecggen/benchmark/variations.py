"""Similarity of variations to their original ECG, compared with the similarity of other patients' records.

``Generator.vary`` keeps the times of the beats, so that a weak variation is similar to its original by design. The
comparison shows from which strength on a variation is no more similar to its original than another patient's record.
This matters if variations of patients' records are to be published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ecggen.benchmark.generation import recorded, requested
from ecggen.benchmark.training_records import Known
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.data.batches import text_and_metadata
from ecggen.generators.base import Generator
from ecggen.metrics.functional import privacy
from ecggen.report import copies
from ecggen.report.inputs.cohort import MeasuredSet

DEFINITIONS = {
    "r": "correlation with the original over all leads together at the best shift: median and 5 to 95 %",
    "r_other": "the same of the original and the record most like it of any other training patient",
    "nearer_than_another": "share of variations with r above their own original's r_other",
    "copies": f"share with r of {copies.THRESHOLD:g} or more, as copies are counted",
}


def variations(
    generator: Generator,
    pack: Pack,
    rows: np.ndarray,
    conditions: Sequence[str],
    strengths: Sequence[float],
    seed: int,
    known: Known,
    report: Callable[[str, float], None],
) -> dict[str, Any]:
    """Similarity of variations of training records to their originals, by strength; or why it is not measured.

    Args:
        generator: The generator; if it does not support variations, the result has the reason.
        pack: The recordings.
        rows: Training records, varied once at each strength.
        conditions: Given of each record in addition to its waveforms.
        strengths: Strengths of ``Generator.vary``.
        seed: Seed of the variations.
        known: All training records.
        report: Called with the current step and the fraction done.
    """
    originals = MeasuredSet(recorded(pack, rows, "originals"), None)
    traits, patients = copies.Traits.of(originals), originals.valid.patients
    others = [known.traits.waves[candidates] for candidates in known.most_similar(traits, patients)]
    other = np.array([_r(wave, candidates) for wave, candidates in zip(traits.waves, others, strict=True)])
    found: dict[str, Any] = {}
    for done, strength in enumerate(strengths):
        report(f"varying with {generator.name}", done / len(strengths))
        try:
            ecg = generator.vary(pack.ecg(rows).standard(), text_and_metadata(pack, rows, conditions), strength, seed)
        except InputError as error:
            return {"not_measured": str(error)}
        varied = MeasuredSet(requested(pack, rows, ecg, generator.name, conditions), None)
        found[f"{strength:g}"] = _compared(varied, originals, other)
    return {"definitions": DEFINITIONS, "strengths": found}


def _compared(varied: MeasuredSet, originals: MeasuredSet, other: np.ndarray) -> dict[str, Any]:
    """Correlations of valid variations with their originals, and with other patients' records."""
    places = _rows_by_name(originals)
    pairs = [(row, places[name]) for name, row in _rows_by_name(varied).items() if name in places]
    if not pairs:
        return {"n": 0}
    drawn, real = varied.plain.signal.numpy(), originals.plain.signal.numpy()
    own = np.array([_r(drawn[row], real[place][None]) for row, place in pairs])
    return _summary(own, other[[place for _, place in pairs]])


def _rows_by_name(studied: MeasuredSet) -> dict[str, int]:
    """Row among the valid records, by name."""
    return {name: place for place, name in enumerate(studied.valid.names)}


def _r(wave: np.ndarray, others: np.ndarray) -> float:
    """Largest correlation of one record (lead, time) with other records at any shift; 0 without any."""
    if not len(others):
        return 0.0
    return float(privacy.shifted_copies(wave[None], others, 100.0, copies.THRESHOLD)["r"][0])


def _summary(own: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    return {
        "n": len(own),
        "r": _quantiles(own),
        "r_other": _quantiles(other),
        "nearer_than_another": round(float((own > other).mean()), 4),
        "copies": round(float((own >= copies.THRESHOLD).mean()), 4),
    }


def _quantiles(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95]).round(4).tolist()
    return {"median": middle, "low": low, "high": high}
