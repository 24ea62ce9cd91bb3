"""From draws to a point estimate and a prediction interval."""

from __future__ import annotations

import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, determined_by

CALIBRATED = ((), ("I",), ("I", "II"), ("II", "V1", "V5"))
"""Observed leads during calibration, by the number of independent leads."""

MAX_OBSERVED = len(CALIBRATED) - 1
"""Number of independent observed leads from which on calibration does not change."""

FEW_DRAWS = 5
"""Number of draws next to an end up to which a quantile is found without sorting all of them."""


def num_observed(condition: Condition) -> Tensor:
    """Number of linearly independent observed leads of each record, (batch,)."""
    rows = torch.as_tensor(LEAD_MATRIX, dtype=torch.float64) * condition.lead_mask.any(-1).cpu()[..., None]
    return torch.linalg.matrix_rank(rows)


def by_observed(table: Tensor, condition: Condition) -> Tensor:
    """Row of ``table`` for each record by its number of observed leads: (batch, lead, 1).

    A lead that was observed in the calibration of a row has no value there. Where it is generated, because other leads
    are observed or because it has gaps, it has the value of the last row before in whose calibration it was not
    observed.
    """
    rows = num_observed(condition).clamp(max=MAX_OBSERVED)
    values, generated = table.cpu()[rows], _of_generated(table.cpu())[rows]
    names = _names(table)
    observed = condition.lead_mask.any(-1).cpu()[:, [STANDARD_LEADS.index(name) for name in names]]
    whole = observed & ~condition.has_gaps().cpu()[:, None]
    return torch.where(whole, values, generated)[..., None]


def _names(table: Tensor) -> tuple[str, ...]:
    """Leads of the columns of a table."""
    return STANDARD_LEADS if table.shape[1] == len(STANDARD_LEADS) else INDEPENDENT_LEADS


def _of_generated(table: Tensor) -> Tensor:
    """``table`` (row, lead) with the value of the previous row where a lead was observed in the calibration."""
    names, rows = _names(table), [table[0]]
    for leads, row in zip(CALIBRATED[1:], table[1:], strict=True):
        observed = torch.tensor([lead in determined_by(leads) for lead in names])
        rows.append(torch.where(observed, rows[-1], row))
    return torch.stack(rows)


def plotting_positions(level: float, draws: int) -> Tensor:
    """Quantiles of a few draws between which a further draw falls with probability ``level`` (Weibull 1939).

    The plain quantiles would have coverage level · (draws − 1) / (draws + 1), which is too low.
    """
    tail = ((1 - level) / 2 * (draws + 1) - 1) / (draws - 1)
    return torch.tensor([tail, 1 - tail]).clamp(0, 1)


def point_and_interval(
    eight: Tensor, deterministic: Tensor | None, weight: Tensor, scale: Tensor, quantiles: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Point estimate of the eight leads, and both ends of the interval of the twelve as distances from it.

    Args:
        eight: (batch, draws, 8, time) draws in mV.
        deterministic: (batch, 8, time) deterministic prediction in mV; None for none.
        weight: (batch, 8, 1) its weight in the point estimate.
        scale: (batch, 1, 12, 1) factor on the distance of the draws from their mean.
        quantiles: (2,) as ``plotting_positions`` gives them.

    Returns:
        (batch, 8, time), (batch, 12, time) of at most 0, and (batch, 12, time) of at least 0, in mV.
    """
    matrix = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32)
    mean = eight.mean(1)
    deviation = (matrix @ (eight - mean[:, None])) * scale
    low, high = (_between_draws(deviation, float(at)) for at in quantiles)
    if deterministic is not None:
        mean = torch.lerp(mean, deterministic, weight)
    return mean, low.clamp(max=0), high.clamp(min=0)


def _between_draws(values: Tensor, quantile: float) -> Tensor:
    """``torch.quantile`` over the draws of (batch, draws, …), which is slow, from the few values next to an end."""
    draws = values.shape[1]
    rank = torch.tensor(quantile) * (draws - 1)
    at, above = int(rank), float(rank) > (draws - 1) / 2
    count = draws - at if above else at + 2
    if not 2 <= count <= FEW_DRAWS or draws < 2:
        return torch.quantile(values, torch.tensor(quantile), dim=1)
    kept: list[Tensor] = []
    for value in values.unbind(1):  # an insertion sort of the values nearest to the end
        for i, other in enumerate(kept):
            kept[i], value = _outer(other, value, above), _outer(other, value, not above)
        if len(kept) < count:
            kept.append(value)
    first, second = (kept[count - 1], kept[count - 2]) if above else (kept[count - 2], kept[count - 1])
    return first.lerp(second, rank - at)


def _outer(one: Tensor, other: Tensor, largest: bool) -> Tensor:
    return torch.maximum(one, other) if largest else torch.minimum(one, other)
