"""How near are variations of a given ECG to it? Near by intent: told beside how near other patients' records come.

``Generator.vary`` keeps the beats' times, so that a weak variation lies on its original beat by beat. Whoever publishes
variations of patients' records must know from which strength on they resemble their original no more than another
patient's record does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ecggen.benchmark.generation import asked, recorded
from ecggen.benchmark.training_records import Known
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.data.batches import telling
from ecggen.generators.base import Generator
from ecggen.metrics.functional import privacy
from ecggen.report import copies
from ecggen.report.inputs.cohort import Studied

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
    """How near variations of training records are to their originals, by strength; or why that is not measured.

    Args:
        generator: One that can vary, or another.
        pack: The recordings.
        rows: Training records, varied once at each strength.
        conditions: What is given of each beside its waves.
        strengths: How far, as in ``Generator.vary``.
        seed: Seed of the variations.
        known: Every training record.
        report: Called with what is being done and the share done.
    """
    originals = Studied(recorded(pack, rows, "originals"), None)
    traits, whose = copies.Traits.of(originals), originals.valid.patients
    others = [known.traits.waves[few] for few in known.alike(traits, whose)]
    other = np.array([_r(wave, few) for wave, few in zip(traits.waves, others, strict=True)])
    found: dict[str, Any] = {}
    for done, strength in enumerate(strengths):
        report(f"varying with {generator.name}", done / len(strengths))
        try:
            ecg = generator.vary(pack.ecg(rows).standard(), telling(pack, rows, conditions), strength, seed)
        except InputError as error:
            return {"not_measured": str(error)}
        varied = Studied(asked(pack, rows, ecg, generator.name, conditions), None)
        found[f"{strength:g}"] = _beside(varied, originals, other)
    return {"definitions": DEFINITIONS, "strengths": found}


def _beside(varied: Studied, originals: Studied, other: np.ndarray) -> dict[str, Any]:
    """Correlations of valid variations with their originals, beside those with other patients' records."""
    places = _places(originals)
    pairs = [(row, places[name]) for name, row in _places(varied).items() if name in places]
    if not pairs:
        return {"n": 0}
    drawn, real = varied.plain.signal.numpy(), originals.plain.signal.numpy()
    own = np.array([_r(drawn[row], real[place][None]) for row, place in pairs])
    return _told(own, other[[place for _, place in pairs]])


def _places(studied: Studied) -> dict[str, int]:
    """Place among the valid records, by name."""
    return {name: place for place, name in enumerate(studied.valid.names)}


def _r(wave: np.ndarray, others: np.ndarray) -> float:
    """Best correlation of one record (lead, time) with some, at any shift; 0 with none."""
    if not len(others):
        return 0.0
    return float(privacy.shifted_copies(wave[None], others, 100.0, copies.THRESHOLD)["r"][0])


def _told(own: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    return {
        "n": len(own),
        "r": _spread(own),
        "r_other": _spread(other),
        "nearer_than_another": round(float((own > other).mean()), 4),
        "copies": round(float((own >= copies.THRESHOLD).mean()), 4),
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95]).round(4).tolist()
    return {"median": middle, "low": low, "high": high}
