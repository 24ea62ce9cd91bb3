"""Losses that experiments try in the place of a generator's own."""

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
"""Sample of a beat at which its QRS stands: ``[model] beats`` of the base config begins with it."""


def absolute(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Mean absolute error over the amplitude: the median is what it asks for."""
    return ((written - true) / scale).abs().mean()


def slope(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """The squared error, and that of the slope."""
    return squared(written, true, scale) + 2 * squared(written.diff(dim=-1), true.diff(dim=-1), scale)


def spectral(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """The squared error, and the distance of the spectra's magnitudes."""
    apart = torch.fft.rfft(written / scale).abs() - torch.fft.rfft(true / scale).abs()
    return squared(written, true, scale) + 0.5 * apart.square().mean() / written.shape[-1]


def peak(written: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """The squared error, three times as heavy within 50 ms of the QRS."""
    near = (torch.arange(written.shape[-1], device=written.device) - R_PEAK).abs() <= 5
    return squared(written, true, scale / (1 + 2 * near).sqrt())


PENALTIES: dict[str, Penalty] = {
    "squared": squared,
    "absolute": absolute,
    "slope": slope,
    "spectral": spectral,
    "peak": peak,
}


def look_at_features(generator: LatentGenerator, weight: float) -> None:
    """Add the distance of the classifier's features of an ECG and of its autoencoded twin (Johnson et al. 2016)."""
    classifier, plain = pretrained.load("classifier", "classifier").requires_grad_(False), generator._space_losses

    def losses(ecg: ECG, condition: Condition) -> dict[str, Tensor]:
        own = generator.space.decode(drawn(generator.space.encode(ecg.signal)))
        seen, true = classifier(own)[0], classifier(ecg.signal)[0]
        return plain(ecg, condition) | {"perceptual": weight * (seen - true).square().mean() / true.var()}

    generator._space_losses = losses  # type: ignore[method-assign]
