"""Losses that experiments use instead of those of the generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.evaluators import pretrained
from ecggen.generators.latent import LatentGenerator, drawn
from ecggen.networks.losses import squared

Penalty = Callable[[Tensor, Tensor, Tensor], Tensor]

R_PEAK = 35
"""Sample of the R peak in an aligned beat: the first value of ``[model] beats`` in the base config."""


def absolute(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Mean absolute error relative to the amplitude, minimised by the median."""
    return ((written - true) / scale).abs().mean()


def slope(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Squared error of the signal plus squared error of its slope."""
    return squared(written, true, scale) + 2 * squared(written.diff(dim=-1), true.diff(dim=-1), scale)


def spectral(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Squared error of the signal plus squared error of the magnitude spectrum."""
    difference = torch.fft.rfft(written / scale).abs() - torch.fft.rfft(true / scale).abs()
    return squared(written, true, scale) + 0.5 * difference.square().mean() / written.shape[-1]


def peak(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Squared error, weighted three times within 50 ms of the R peak."""
    near = (torch.arange(written.shape[-1], device=written.device) - R_PEAK).abs() <= 5
    return squared(written, true, scale / (1 + 2 * near).sqrt())


PENALTIES: dict[str, Penalty] = {
    "squared": squared,
    "absolute": absolute,
    "slope": slope,
    "spectral": spectral,
    "peak": peak,
}


def add_perceptual_loss(generator: LatentGenerator, weight: float) -> None:
    """Add a perceptual loss to the autoencoder: distance of the classifier features (Johnson et al. 2016)."""
    classifier, original = pretrained.load("classifier", "classifier").requires_grad_(False), generator._space_losses

    def losses(ecg: ECG, condition: Condition) -> dict[str, Tensor]:
        decoded = generator.space.decode(drawn(generator.space.encode(ecg.signal)))
        features, true = classifier(decoded)[0], classifier(ecg.signal)[0]
        return original(ecg, condition) | {"perceptual": weight * (features - true).square().mean() / true.var()}

    generator._space_losses = losses  # type: ignore[method-assign]
