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
        eight: (batch, 8, time) mV, at the rate and length of the condition.
        condition: The condition.

    Returns:
        (batch, 8, time) mV, float32.
    """
    with torch.autocast(eight.device.type, enabled=False):  # exact to float32 precision
        return _project(eight.float(), condition)


def _project(eight: Tensor, condition: Condition) -> Tensor:
    matrix = eight.new_tensor(LEAD_MATRIX)
    mask = condition.lead_mask
    residual = (condition.leads - matrix @ eight) * mask
    observed = mask.any(-1)
    if bool((mask == observed[..., None] & mask.any(1, keepdim=True)).all()):
        # At each sample, all or none of the observed leads are given: one matrix per record is enough.
        return eight + _pseudo_inverse(observed, matrix) @ residual
    inverses = _pseudo_inverse(mask.transpose(1, 2).flatten(0, 1), matrix).view(len(eight), -1, *matrix.T.shape)
    return eight + torch.einsum("btdl,blt->bdt", inverses, residual)


def _pseudo_inverse(mask: Tensor, matrix: Tensor) -> Tensor:
    """Pseudo-inverses (n, 8, 12) of the observed rows of the lead matrix, for n masks (n, 12)."""
    codes = (mask * 2 ** torch.arange(mask.shape[1], device=mask.device)).sum(1)
    distinct, index = torch.unique(codes, return_inverse=True)
    patterns = distinct[:, None].bitwise_right_shift(torch.arange(mask.shape[1], device=mask.device)) % 2
    return torch.linalg.pinv(patterns[..., None] * matrix.double()).to(matrix.dtype)[index]
