"""Average precision of rare statements with and without added records: paired gains with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecggen.benchmark.augmentation.gains import DIGITS, NOTHING
from ecggen.metrics.utility import redraws
from ecggen.metrics.utility.redraws import Areas, macro


def compared(
    fits: Sequence[Mapping[str, np.ndarray]],
    labels: np.ndarray,
    patients: Sequence[str],
    names: Sequence[str],
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    """Scores of every arm and its gains over the real records alone: mean over the statements, and of each.

    Args:
        fits: For each repeat, by arm, the probabilities (record, statement) on the test set; one arm is ``NOTHING``.
        labels: (record, statement) of 0 and 1.
        patients: Patient of each test record.
        names: The statements.
        repeats: Resamples per interval.
        seed: Seed of the resampling.

    Returns:
        ``arms``: macro scores and gains; ``statements``: AUPRC of the real records alone, and each arm's gain.
    """
    counted = redraws.weights(patients, seed, repeats)
    every = {arm: [redraws.areas(one[arm][None].astype(float), labels, counted) for one in fits] for arm in fits[0]}
    plain = every.pop(NOTHING)
    before, without = _mean(plain), macro(_mean(plain).auprc)
    arms: dict[str, dict[str, Any]] = {NOTHING: {"auroc": _short(macro(before.auroc)[0]), "auprc": _short(without[0])}}
    each: dict[str, Any] = {
        name: {"n_test": int(labels[:, at].sum()), "auprc": _short(before.auprc[0, at])}
        for at, name in enumerate(names)
    }
    for arm, areas in every.items():
        gains = np.stack([one.auprc - other.auprc for one, other in zip(areas, plain, strict=True)])
        found = {name: _gain(gains[:, :, at]) for at, name in enumerate(names)}
        for name, one in found.items():
            each[name][arm] = one
        after = _mean(areas)
        arms[arm] = {
            "auroc": _short(macro(after.auroc)[0]),
            "auprc": _short(macro(after.auprc)[0]),
            **_gain(np.stack([macro(one) for one in gains])),
            **_with_interval("gain_auroc", macro(after.auroc) - macro(before.auroc)),
            "above": [name for name, one in found.items() if one["gain_interval"][0] > 0],
            "below": [name for name, one in found.items() if one["gain_interval"][1] < 0],
        }
    return {"arms": arms, "statements": each}


def _mean(areas: Sequence[Areas]) -> Areas:
    """Mean over the repeats."""
    auroc, auprc = (np.mean([getattr(one, name) for one in areas], 0) for name in ("auroc", "auprc"))
    return Areas(auroc, auprc)


def _gain(by_seed: np.ndarray) -> dict[str, Any]:
    """Mean gain with its interval, and the gain of each repeat, from (repeat, 1 + resample)."""
    return _with_interval("gain", by_seed.mean(0)) | {"by_seed": [_short(one) for one in by_seed[:, 0]]}


def _with_interval(name: str, values: np.ndarray) -> dict[str, Any]:
    value, interval = redraws.summary(values)
    return {name: _short(value), f"{name}_interval": [_short(end) for end in interval]}


def _short(value: float) -> float:
    return round(float(value), DIGITS)
