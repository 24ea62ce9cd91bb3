"""Filtering and resampling of a signal of fixed length as one convolution, so that an exported graph can hold it.

Both are linear. Away from the ends they do not depend on time, so that they are a convolution with one kernel per phase
of the output rate (a polyphase filter). What they do at the ends differs from the convolution of a continued signal by
a matrix of low rank. Kernel and matrix are measured with impulses from the function itself, which therefore stays the
only definition of the processing.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.core.errors import InputError

Processing = Callable[[Tensor], Tensor]
"""A linear function of signals (batch, time) of any duration; the result may have another rate."""

MOST_WEIGHTS = 600_000
"""Weights up to which a pair of rates is accepted."""
NEGLIGIBLE = 1e-6
"""Singular values of the effect of both ends up to which they are left out."""
MOST_RANK = 64
"""Number of singular values that are computed; about 24 are not negligible."""
_ROWS = 1000


class FixedLength(nn.Module):
    """A linear processing of signals of ``inputs`` samples as convolution: (batch, inputs) → (batch, outputs).

    Args:
        process: The processing.
        inputs: Samples of the signal.
        ratio: Output rate divided by input rate.
        reach: Duration in input samples after which the response to an impulse is negligible.
        odd: Samples at each end that are mirrored in its point, as ``scipy.signal.sosfiltfilt`` does; the signal is
            constant beyond them.

    Raises:
        InputError: If the rates have no simple ratio, so that the convolution would be too large.

    Example:
        >>> from ecggen.core.ecg import resample
        >>> half = FixedLength(lambda wave: resample(wave, 200, 100), 1000, Fraction(1, 2), reach=40)
        >>> wave = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
        >>> bool((half(wave) - resample(wave, 200, 100)).abs().max() < 1e-5)
        True
    """

    kernel: Tensor
    place: Tensor
    sign: Tensor
    of_first: Tensor
    of_last: Tensor
    ends_in: Tensor
    ends_out: Tensor

    def __init__(self, process: Processing, inputs: int, ratio: Fraction, reach: int, odd: int = 0):
        super().__init__()
        self.down, up = ratio.denominator, ratio.numerator
        size = 2 * reach + self.down + 1
        if up * size > MOST_WEIGHTS:
            raise InputError(
                f"the output rate is {ratio} times the input rate",
                "a simple ratio was expected, such as 1/5",
                "resample the recording first, e.g. to 250 or 500 Hz",
            )
        self.outputs = process(torch.zeros(1, inputs)).shape[-1]
        self.steps = -(-self.outputs // up)
        kernel = _kernel(process, up, self.down, reach, size)
        self.register_buffer("kernel", torch.from_numpy(kernel[:, None]).float())
        for name, value in _continued(inputs, reach, (self.steps - 1) * self.down + size - reach, odd).items():
            self.register_buffer(name, value)
        self.register_buffer("ends_in", torch.zeros(inputs, 0))
        self.register_buffer("ends_out", torch.zeros(0, self.outputs))
        self.ends_in, self.ends_out = self._ends(process, inputs)

    def forward(self, wave: Tensor) -> Tensor:
        """Process (batch, inputs)."""
        longer = (
            wave.index_select(1, self.place) * self.sign + wave[:, :1] * self.of_first + wave[:, -1:] * self.of_last
        )
        phases = F.conv1d(longer[:, None], self.kernel, stride=self.down)
        result = phases.transpose(1, 2).flatten(1)[:, : self.outputs]
        return result + wave @ self.ends_in @ self.ends_out

    def _ends(self, process: Processing, inputs: int) -> tuple[Tensor, Tensor]:
        """The two factors of the effect of both ends: (inputs, rank) and (rank, outputs)."""
        rows = []
        for first in range(0, inputs, _ROWS):
            impulses = torch.zeros(min(_ROWS, inputs - first), inputs)
            impulses[range(len(impulses)), range(first, first + len(impulses))] = 1
            rows.append(process(impulses))
        effect = torch.cat(rows).double() - self._convolution(inputs)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            left, values, right = torch.svd_lowrank(effect, q=min(MOST_RANK, *effect.shape), niter=4)
        rank = int((values > NEGLIGIBLE).sum())
        return (left[:, :rank] * values[:rank]).float(), right[:, :rank].T.float()

    def _convolution(self, inputs: int) -> Tensor:
        """The convolution of the continued signal as a matrix, (inputs, outputs)."""
        kernel, longer = self.kernel[:, 0].double(), len(self.place)
        rows = kernel.new_zeros(self.steps * len(kernel), longer)
        for step in range(self.steps):
            own = slice(step * len(kernel), (step + 1) * len(kernel))
            rows[own, step * self.down : step * self.down + kernel.shape[1]] = kernel
        rows = rows[: self.outputs]
        matrix = rows.new_zeros(self.outputs, inputs).index_add_(1, self.place, rows * self.sign)
        matrix[:, 0] += rows @ self.of_first.double()
        matrix[:, -1] += rows @ self.of_last.double()
        return matrix.T


def _kernel(process: Processing, up: int, down: int, reach: int, size: int) -> np.ndarray:
    """(phase, tap): weights of the inputs from ``reach`` samples before on, for each phase of the output."""
    base = down * -(-2 * reach // down)
    impulses = torch.zeros(down, 2 * base + down)
    impulses[range(down), range(base, base + down)] = 1
    responses = process(impulses).numpy()
    kernel = np.zeros((up, size))
    for row, response in enumerate(responses):
        for phase in range(up):
            own = response[phase::up]
            tap = base + row - np.arange(len(own)) * down + reach
            inside = (tap >= 0) & (tap < size)
            kernel[phase, tap[inside]] = own[inside]
    return kernel


def _continued(inputs: int, before: int, end: int, odd: int) -> dict[str, Tensor]:
    """How a signal is continued from ``before`` samples before its beginning up to sample ``end``.

    A sample is ``sign · wave[place] + of_first · wave[0] + of_last · wave[-1]``.
    """
    at = np.arange(-before, end).clip(-odd, inputs - 1 + odd)
    early, late = at < 0, at >= inputs
    place = np.where(early, -at, np.where(late, 2 * (inputs - 1) - at, at))
    outside = early | late
    return {
        "place": torch.from_numpy(place),
        "sign": torch.from_numpy(np.where(outside, -1.0, 1.0)).float(),
        "of_first": torch.from_numpy(2.0 * early).float(),
        "of_last": torch.from_numpy(2.0 * late).float(),
    }
