"""Gains by augmentation: relative to the real records alone, and to the best method without a generator.

All arms of a fraction are tested on the same patients and the same resamples of them, so that every gain is paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecggen.benchmark.augmentation.training_sets import CLASSICAL
from ecggen.benchmark.partial_results import Arrays
from ecggen.metrics.utility import redraws
from ecggen.metrics.utility.labelled import Labelled
from ecggen.metrics.utility.redraws import Areas, macro
from ecggen.metrics.utility.tstr import macro_auroc

NOTHING = "nothing"
"""The arm of the real records alone."""
DIGITS = 4
"""Decimal digits of scores in the results."""


@dataclass(frozen=True)
class Fit:
    """Predictions of a classifier.

    Attributes:
        arm: What was added to the real records.
        share: Number of added records, as a multiple of the number of real ones.
        n_real: Number of real records.
        n_added: Number of added records.
        probabilities: (record, label) on the test set.
    """

    arm: str
    share: float
    n_real: int
    n_added: int
    probabilities: np.ndarray


@dataclass(frozen=True)
class Point:
    """An arm and share at a fraction, over all repeats.

    Attributes:
        fits: One per repeat.
        areas: Mean over the repeats.
        every: (repeat,) macro AUROC.
    """

    fits: Sequence[Fit]
    areas: Areas
    every: np.ndarray

    @property
    def arm(self) -> str:
        return self.fits[0].arm

    @property
    def share(self) -> float:
        return self.fits[0].share

    @property
    def generated(self) -> bool:
        """Whether the added records were generated."""
        return self.arm not in (NOTHING, *CLASSICAL)

    @property
    def auroc(self) -> float:
        """Macro AUROC on the test set."""
        return float(macro(self.areas.auroc)[0])


def as_cell(fits: Sequence[Fit]) -> Arrays:
    """Fits as arrays."""
    numbers = {name: np.array([getattr(fit, name) for fit in fits]) for name in ("arm", "share", "n_real", "n_added")}
    return numbers | {"probabilities": np.stack([fit.probabilities for fit in fits]).astype(np.float32)}


def as_fits(cell: Arrays) -> list[Fit]:
    """The fits of ``as_cell``."""
    columns = [cell[name].tolist() for name in ("arm", "share", "n_real", "n_added")]
    return [Fit(*about) for about in zip(*columns, cell["probabilities"], strict=True)]


def compared(
    fits: Mapping[float, Sequence[Sequence[Fit]]], test: Labelled, names: Sequence[str], repeats: int, seed: int
) -> dict[str, Any]:
    """Scores and gains of every point, and of the best method without a generator.

    Args:
        fits: By fraction and repeat, with the same arms and shares in the same order.
        test: The test set.
        names: The labels.
        repeats: Resamples per interval.
        seed: Seed of the resampling.
    """
    counted = redraws.weights(test.patients, seed, repeats)
    found: dict[str, Any] = {"points": [], "best_without_generator": [], "each_label": []}
    for fraction, every in fits.items():
        points = [_point(same, test, counted) for same in zip(*every, strict=True)]
        plain = next(point for point in points if point.arm == NOTHING)
        best = max((point for point in points if not point.generated), key=lambda point: point.auroc)
        found["points"] += [{"fraction": fraction} | _point_scores(point, plain, best) for point in points]
        found["best_without_generator"].append({"fraction": fraction, "arm": best.arm, "share": best.share})
        found["each_label"] += [
            {"fraction": fraction, "arm": point.arm, "share": point.share, "gain": _gain_by_label(point, plain, names)}
            for point in points
            if point is best or (point.generated and point.share == 1)
        ]
    return found


def transferred(
    transfers: Sequence[Arrays], test: Labelled, drawn_test: Labelled, repeats: int, seed: int
) -> dict[str, Any]:
    """TRTR, TSTR, TRTS and the ratio TSTR / TRTR, for each arm of generated records.

    Args:
        transfers: Probabilities of each repeat, by "TRTR synthetic" and so on.
        test: Real test records.
        drawn_test: Generated test records.
        repeats: Resamples per interval.
        seed: Seed of the resampling.
    """
    counted = {id(one): redraws.weights(one.patients, seed, repeats) for one in (test, drawn_test)}
    found: dict[str, Any] = {}
    for arm in dict.fromkeys(name.split(" ", 1)[1] for name in transfers[0]):
        areas = {}
        for name, tested in (("TRTR", test), ("TSTR", test), ("TRTS", drawn_test)):
            every = np.stack([one[f"{name} {arm}"] for one in transfers])
            areas[name] = redraws.areas(every, tested.labels, counted[id(tested)])
        ratio = macro(areas["TSTR"].auroc) / macro(areas["TRTR"].auroc)
        found[arm] = {name.lower(): _scores(one) for name, one in areas.items()} | _with_interval(
            "tstr_over_trtr", ratio
        )
    return {"transfer": found}


def _point(fits: Sequence[Fit], test: Labelled, counted: np.ndarray) -> Point:
    probabilities = np.stack([fit.probabilities for fit in fits])
    every = np.array([macro_auroc(one[:, None], test.labels) for one in probabilities])
    return Point(fits, redraws.areas(probabilities, test.labels, counted), every)


def _point_scores(point: Point, plain: Point, best: Point) -> dict[str, Any]:
    """Scores of a point, and its gains over no added records and, if generated, over the best other method."""
    about: dict[str, Any] = {"arm": point.arm, "share": point.share}
    counted = "n_real" if point is plain else "n_added"
    about[counted] = round(float(np.mean([getattr(fit, counted) for fit in point.fits])))
    roc, precision = macro(point.areas.auroc), macro(point.areas.auprc)
    about |= {"auroc": _short(roc[0]), "auprc": _short(precision[0])}
    if point is not plain:
        about |= _with_interval("gain", roc - macro(plain.areas.auroc))
    if point.generated:
        about["seeds_above"] = int((point.every > plain.every).sum())
        about |= _with_interval("gain_auprc", precision - macro(plain.areas.auprc))
        about |= _with_interval("over_best", roc - macro(best.areas.auroc))
        about |= _with_interval("over_best_auprc", precision - macro(best.areas.auprc))
    return about


def _gain_by_label(point: Point, plain: Point, names: Sequence[str]) -> dict[str, Any]:
    """Gain over no added records, by label."""
    roc, precision = point.areas.auroc - plain.areas.auroc, point.areas.auprc - plain.areas.auprc
    return {
        name: _with_interval("auroc", roc[:, at]) | _with_interval("auprc", precision[:, at])
        for at, name in enumerate(names)
    }


def _scores(areas: Areas) -> dict[str, Any]:
    return _with_interval("auroc", macro(areas.auroc)) | _with_interval("auprc", macro(areas.auprc))


def _with_interval(name: str, values: np.ndarray) -> dict[str, Any]:
    """A score and its interval."""
    value, interval = redraws.summary(values)
    return {name: _short(value), f"{name}_interval": [_short(end) for end in interval]}


def _short(value: float) -> float:
    return round(float(value), DIGITS)
