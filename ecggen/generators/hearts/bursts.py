"""Bursts: how much the amplitude of a residual changes within a record.

Noise of recordings is quieter than its mean most of the time and much louder for a second now and then, because
electrodes and muscles move. The residual's network draws noise that is more even. An envelope, the exponential of a
smooth normal process that the leads share in part, makes up for it and leaves the level of each lead as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecggen.core.ecg import INDEPENDENT_LEADS

LEADS = len(INDEPENDENT_LEADS)
LASTS = 0.22
"""Standard deviation in s of the Gaussian by which the normal process is smoothed."""
SHARED = 0.5
"""Share of the variance of the process that all leads have in common."""
LARGEST = 0.8
"""Largest strength: standard deviation of the logarithm of an envelope."""


class Bursts(nn.Module):
    """Draws envelopes of residuals; without effect before ``line`` is set.

    Args:
        fs: Sampling rate in Hz.

    Attributes:
        line: The logarithm of the strength of a record's bursts is ``line[0] + line[1] · level + line[2] · z`` with a
            standard normal z, where the level is the mean of the levels (logarithm of mV) of all leads and bands.
    """

    line: Tensor

    def __init__(self, fs: float = 100.0):
        super().__init__()
        self.register_buffer("line", torch.tensor([-20.0, 0.0, 0.0]))
        reach = round(4 * LASTS * fs)
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / (LASTS * fs)).square())
        self.register_buffer("kernel", kernel / kernel.square().sum().sqrt(), persistent=False)

    @staticmethod
    def numbers(samples: int) -> int:
        """Standard normal numbers that an envelope of so many samples needs."""
        return 1 + (LEADS + 1) * samples

    def forward(self, bands: Tensor, noise: Tensor) -> Tensor:
        """Envelopes (batch, 8, samples) with a mean square of one.

        Args:
            bands: (batch, 8, band) levels of the residuals.
            noise: (batch, ``numbers(samples)``) standard normal.

        Example:
            >>> bursts = Bursts()
            >>> even = bursts(torch.zeros(1, 8, 9), torch.randn(1, bursts.numbers(1000)))
            >>> bool((even - 1).abs().max() < 1e-3)
            True
        """
        strength = (self.line[0] + self.line[1] * bands.mean((1, 2)) + self.line[2] * noise[:, 0]).exp()
        white = noise[:, 1:].unflatten(1, (LEADS + 1, -1))
        smooth = nn.functional.conv1d(white.flatten(0, 1)[:, None], self.kernel[None, None], padding="same")  # type: ignore[arg-type,index]
        smooth = smooth[:, 0].unflatten(0, (-1, LEADS + 1))
        process = SHARED**0.5 * smooth[:, :1] + (1 - SHARED) ** 0.5 * smooth[:, 1:]
        envelope = (strength.clamp(max=LARGEST)[:, None, None] * process).exp()
        return envelope / envelope.square().mean(-1, keepdim=True).sqrt()
