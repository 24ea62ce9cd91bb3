"""Projection onto the observed leads: the least-squares step that makes generated leads match the observed ones."""

from __future__ import annotations

import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import LEAD_MATRIX


def project_onto_observed(eight: Tensor, condition: Condition) -> Tensor:
    """Project independent leads onto the set of ECGs that match the observed leads of a condition.

    The step is x + A⁺(y − A·x), with y the observed leads and A the rows of the lead matrix that are observed at a
    sample. Observed leads, including derived ones such as aVR, are then matched exactly if they satisfy the lead
    laws.

    Args:
        eight: (batch · draws, 8, time) mV, at the rate and length of the condition; the draws of one record are
            consecutive.
        condition: The condition, (batch).

    Returns:
        (batch · draws, 8, time) mV, float32.
    """
    with torch.autocast(eight.device.type, enabled=False):  # exact to float32 precision
        return _project(eight.float(), condition)


def determined(lead_mask: Tensor) -> Tensor:
    """Which of the twelve leads are observed at a sample, or follow from the observed ones by the lead laws.

    Args:
        lead_mask: (batch, 12, time) bool, as in a condition.

    Returns:
        (batch, 12, time) bool.
    """
    patterns, index = _patterns(lead_mask.transpose(1, 2).flatten(0, 1))
    matrix = torch.as_tensor(LEAD_MATRIX, device=lead_mask.device)
    rows = patterns[..., None] * matrix
    follows = ((matrix @ torch.linalg.pinv(rows) @ rows - matrix).abs() < 1e-6).all(-1)
    return follows[index].view(len(lead_mask), -1, len(matrix)).transpose(1, 2)


def _project(eight: Tensor, condition: Condition) -> Tensor:
    matrix = eight.new_tensor(LEAD_MATRIX)
    mask = condition.lead_mask
    observed = mask.any(-1)
    draws = eight.unflatten(0, (len(mask), -1))
    rows = observed.any(0)  # the others have no part in it
    residual = (condition.leads[:, None, rows] - matrix[rows] @ draws) * mask[:, None, rows]
    if bool((mask == observed[..., None] & mask.any(1, keepdim=True)).all()):
        # At each sample, all or none of the observed leads are given: one matrix per record is enough.
        patterns, index = _patterns(observed)
        return (draws + _pseudo_inverses(patterns, matrix)[index][:, None, :, rows] @ residual).flatten(0, 1)
    patterns, index = _patterns(mask.transpose(1, 2).flatten(0, 1))
    index, step = index.view(len(mask), 1, 1, -1), torch.zeros_like(draws)
    for number, inverse in enumerate(_pseudo_inverses(patterns, matrix)):
        step = torch.where(index == number, inverse[:, rows] @ residual, step)
    return (draws + step).flatten(0, 1)


def _patterns(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct masks (pattern, 12) among ``masks`` (n, 12), and the index of each, (n,)."""
    bits = torch.arange(masks.shape[1], device=masks.device)
    distinct, index = torch.unique((masks * 2**bits).sum(1), return_inverse=True)
    return distinct[:, None].bitwise_right_shift(bits) % 2, index


def _pseudo_inverses(patterns: Tensor, matrix: Tensor) -> Tensor:
    """Pseudo-inverses (pattern, 8, 12) of the observed rows of the lead matrix."""
    return torch.linalg.pinv(patterns[..., None] * matrix.double()).to(matrix.dtype)
