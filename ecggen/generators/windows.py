"""Long recordings: windows of the model's length, cross-faded into one signal."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.filters import fit


def over_windows(
    prepared: Condition,
    preprocessor: Preprocessor,
    part: Callable[[Condition], tuple[Tensor, ...]],
    progress: Callable[[float], None] | None = None,
) -> list[Tensor]:
    """Apply ``part`` to each window of a condition and cross-fade the results; memory use is that of the result.

    Args:
        prepared: At the model's rate, of any length.
        preprocessor: The model's; it sets the windows and their overlap.
        part: Tensors (…, time) for one window.
        progress: Callback that receives the fraction done.

    Returns:
        For each tensor of ``part``, (…, time) over the whole length.
    """
    windows = preprocessor.windows(prepared.samples)
    sums: list[Tensor] = []
    weights = torch.zeros(prepared.samples)
    for done, (start, end) in enumerate(windows, 1):
        weight = fade(end - start, round(preprocessor.overlap * preprocessor.fs))
        for i, piece in enumerate(part(prepared.during(start, end))):
            if len(sums) <= i:
                sums.append(piece.new_zeros(*piece.shape[:-1], prepared.samples))
            sums[i][..., start:end] += piece * weight
        weights[start:end] += weight
        if progress is not None:
            progress(done / len(windows))
    return [total / weights for total in sums]


def pad(window: Condition, samples: int) -> Condition:
    """``window`` padded with masked samples at its end."""
    return window.replace(
        leads=fit(window.leads, samples),
        lead_mask=fit(window.lead_mask, samples),
        ppg=fit(window.ppg, samples),
        ppg_mask=fit(window.ppg_mask, samples),
    )


def fade(size: int, overlap: int) -> Tensor:
    """Trapezoidal weights of a window: linear ramps over the overlap, constant between them."""
    rise = torch.arange(1, size + 1, dtype=torch.float32)
    return torch.minimum(rise, rise.flip(0)).clamp(max=max(1, overlap)) / max(1, overlap)
