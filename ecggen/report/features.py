"""Marginal distributions of scalar features: the comparison that amplitude, rhythm and intervals share.

The distance is that of Kolmogorov and Smirnov: the largest difference of the two cumulative distributions. Angles use
Kuiper's distance, which does not depend on the origin of the circle. Both are shares of records, so one margin serves
all features. No p-value is used: with enough records every generator would fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ecggen.metrics.functional.marginals import kolmogorov_smirnov
from ecggen.report.inputs.cohort import MeasuredSet
from ecggen.report.references import BOOTSTRAP, Both, as_score, attempt, compare, known_rows, largest_over_leads
from ecggen.report.scores import Score, beyond

WARN_AT, FAIL_AT = 0.10, 0.20
"""Kolmogorov–Smirnov distance above the upper end of the floor."""
DEFINITION = "Kolmogorov–Smirnov distance of the records' values"
COLUMNS = ["", "synthetic: median (5 to 95 %)", "real: median (5 to 95 %)"]
CAPTION = (
    "Cumulative distribution: the share of records (y) below each value (x). Solid: real; dashed blue: synthetic. "
    "Where the dashed line leaves the grey area, synthetic and real records differ more than two real halves do."
)
CIRCULAR = "Kuiper's distance (1960) of the records' angles"


def kuiper(a: np.ndarray, b: np.ndarray) -> float:
    """Kuiper's distance of two sets of angles in degrees: largest excess of one distribution plus that of the other.

    Example:
        >>> kuiper(np.array([359.0]), np.array([-1.0])), kuiper(np.full(5, 10.0), np.full(5, 190.0))
        (0.0, 1.0)
    """
    first, second = (np.sort(one[np.isfinite(one)] % 360) for one in (a, b))
    at = np.concatenate([first, second])
    above = np.searchsorted(first, at, "right") / len(first) - np.searchsorted(second, at, "right") / len(second)
    return float(max(above.max(), 0) - min(above.min(), 0))


def marginal(
    name: str,
    sets: Both,
    patients: Sequence[str],
    seed: int,
    *,
    definition: str = "",
    extractor: str = "",
    distance: Callable[[np.ndarray, np.ndarray], float] = kolmogorov_smirnov,
    synthetic_patients: Sequence[str] | None = None,
) -> Score:
    """Distance between the synthetic and the real distribution of one feature.

    Args:
        name: Name of the feature.
        sets: (record,) of the synthetic and of the real records, or (record, lead): then the lead with the largest
            distance counts. Records with NaN are left out.
        patients: Patient of each real record.
        seed: Seed of the splits and of resampling.
        definition: Definition of the feature.
        extractor: Network or detector that measured it.
        distance: Distance of two sets of values.
        synthetic_patients: Patient of each synthetic record; by default each record is a patient.
    """

    by_lead = sets[1].ndim == 2

    def measure() -> Score:
        rows = [known_rows(one) for one in sets]
        kept = [one[at] for one, at in zip(sets, rows, strict=True)]
        statistic = largest_over_leads(distance) if by_lead else distance
        kept_patients = [
            None if of is None else np.asarray(of, object)[at].tolist()
            for of, at in zip((synthetic_patients, patients), rows, strict=True)
        ]
        found = compare(statistic, kept, kept_patients[1] or [], seed, synthetic_patients=kept_patients[0])
        return as_score(
            name,
            found,
            lambda one: beyond(one.value, one.high, WARN_AT, FAIL_AT),
            "; ".join(part for part in (_distance_name(by_lead, distance), definition, BOOTSTRAP) if part),
            extractor=extractor,
            within=(0.0, 1.0),
        )

    return attempt(name, measure, extractor=extractor)


def medians(sets: Both) -> list[str]:
    """Median with the 5 and 95 % quantiles of a feature in the synthetic and in the real set, as text.

    Example:
        >>> medians([np.arange(101.0), np.full(3, np.nan)])
        ['50 (5 to 95)', 'none']
    """
    return [_quantiles(one) for one in sets]


def headline(scores: Sequence[Score], measured_set: MeasuredSet) -> str:
    """The distribution that exceeds its floor most, in one sentence."""
    known = [score for score in scores if score.value is not None and score.floor_high is not None]
    if not known:
        return f"Nothing could be measured in {len(measured_set.valid)} valid synthetic records."
    worst = max(known, key=lambda score: (score.value or 0) - (score.floor_high or 0))
    return (
        f"The largest difference is in {worst.name}: {worst.value:.2f}; two halves of the real records stay below "
        f"{worst.floor_high:.2f}."
    )


def _distance_name(by_lead: bool, distance: Callable[[np.ndarray, np.ndarray], float]) -> str:
    name = CIRCULAR if distance is kuiper else DEFINITION
    return f"{name}, in the lead that differs most" if by_lead else name


def _quantiles(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "none"
    low, median, high = np.quantile(known, [0.05, 0.5, 0.95])
    return f"{median:.3g} ({low:.3g} to {high:.3g})"
