"""One number a record, compared as a distribution: what amplitude, rhythm and intervals have in common.

The distance is the largest difference of the two cumulative distributions (Kolmogorov–Smirnov), for angles Kuiper's,
which does not depend on where the circle is cut. It is a share of records, so that one margin serves all features:
up to a tenth of the records may lie elsewhere than reality's own spread would leave them. No p-value is used, for it
would fail every generator if only enough records were drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ecggen.metrics.functional.marginals import kolmogorov_smirnov
from ecggen.report.inputs.cohort import Studied
from ecggen.report.references import BOOTSTRAP, Both, attempt, compared, known_rows, largest_over_leads, scored
from ecggen.report.scores import Score, beyond

WARN_AT, FAIL_AT = 0.10, 0.20
"""Kolmogorov–Smirnov distance above what two real halves stay below."""
DEFINITION = "Kolmogorov–Smirnov distance of the records' values"
COLUMNS = ["", "synthetic: median (5 to 95 %)", "real: median (5 to 95 %)"]
CAPTION = (
    "Share of records (upwards) that lie below each value (sideways). Solid: real, dashed blue: synthetic. Where the "
    "dashed line leaves the grey band, the synthetic records differ more than two halves of the real ones do."
)
CIRCULAR = "Kuiper's distance (1960) of the records' angles"


def kuiper(a: np.ndarray, b: np.ndarray) -> float:
    """Kuiper's distance of two sets of angles in degrees: largest excess of one distribution plus that of the other."""
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
    drawn: Sequence[str] | None = None,
) -> Score:
    """How differently one feature is distributed.

    Args:
        name: The feature, in words.
        sets: (record,) of the synthetic and of the real records, or (record, lead), of which the lead that differs
            most counts; records with NaN drop.
        patients: The patient of each real record.
        seed: Seed of splits and redraws.
        definition: What the feature is.
        extractor: What measured it.
        distance: Of two sets of values.
        drawn: The patient of each synthetic record; each is its own where left out.
    """

    by_lead = sets[1].ndim == 2

    def measure() -> Score:
        rows = [known_rows(one) for one in sets]
        kept = [one[at] for one, at in zip(sets, rows, strict=True)]
        statistic = largest_over_leads(distance) if by_lead else distance
        people = [
            None if of is None else np.asarray(of, object)[at].tolist()
            for of, at in zip((drawn, patients), rows, strict=True)
        ]
        found = compared(statistic, kept, people[1] or [], seed, drawn=people[0])
        return scored(
            name,
            found,
            lambda one: beyond(one.value, one.high, WARN_AT, FAIL_AT),
            "; ".join(part for part in (_said(by_lead, distance), definition, BOOTSTRAP) if part),
            extractor=extractor,
            within=(0.0, 1.0),
        )

    return attempt(name, measure, extractor=extractor)


def medians(sets: Both) -> list[str]:
    """Median with the 5 and 95 % quantiles of a feature among the synthetic and among the real, as text."""
    return [_spread(one) for one in sets]


def headline(scores: Sequence[Score], studied: Studied) -> str:
    """Which of several distributions lies farthest beyond its floor, in one sentence."""
    known = [score for score in scores if score.value is not None and score.floor_high is not None]
    if not known:
        return f"Nothing could be measured in {len(studied.valid)} valid synthetic records."
    worst = max(known, key=lambda score: (score.value or 0) - (score.floor_high or 0))
    return (
        f"The largest difference is that of {worst.name}: {worst.value:.2f}, where two halves of the real records "
        f"stay below {worst.floor_high:.2f}."
    )


def _said(by_lead: bool, distance: Callable[[np.ndarray, np.ndarray], float]) -> str:
    said = CIRCULAR if distance is kuiper else DEFINITION
    return f"{said}, in the lead that differs most" if by_lead else said


def _spread(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "none"
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"
