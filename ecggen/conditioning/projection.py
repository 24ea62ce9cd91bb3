"""Projection onto the observed leads: the least-squares step after which recorded leads come back exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import LEAD_MATRIX


def project_onto_observed(eight: Tensor, condition: Condition) -> Tensor:
    """The nearest drawn leads (batch, 8, time) that show what the condition shows, at its rate.

    The least-squares step x + pinv(rows)(given − rows·x), with ``rows`` the seen rows of the lead matrix at
    each sample. A seen lead — any, also aVR — comes back exactly as long as the seen leads obey the lead laws.
    """
    with torch.autocast(eight.device.type, enabled=False):  # exact means float32
        return _project(eight.float(), condition)


def _project(eight: Tensor, condition: Condition) -> Tensor:
    matrix = eight.new_tensor(LEAD_MATRIX)
    seen = condition.lead_mask
    missing = (condition.leads - matrix @ eight) * seen
    whole = seen.any(-1)
    if bool((seen == whole[..., None] & seen.any(1, keepdim=True)).all()):
        # At every moment a record shows all of its leads or none: one step matrix a record will do.
        return eight + _projection(whole, matrix) @ missing
    steps = _projection(seen.transpose(1, 2).flatten(0, 1), matrix).view(len(eight), -1, *matrix.T.shape)
    return eight + torch.einsum("btdl,blt->bdt", steps, missing)


def _projection(seen: Tensor, matrix: Tensor) -> Tensor:
    """(n, 8, 12): the pseudo-inverse of the seen rows, for each of n patterns of seen leads (n, 12)."""
    codes = (seen * 2 ** torch.arange(seen.shape[1], device=seen.device)).sum(1)
    found, which = torch.unique(codes, return_inverse=True)
    patterns = found[:, None].bitwise_right_shift(torch.arange(seen.shape[1], device=seen.device)) % 2
    return torch.linalg.pinv(patterns[..., None] * matrix.double()).to(matrix.dtype)[which]
