"""Least-squares regression from some leads at several lags to all leads, fitted once for all sets of leads.

The normal equations consist of sums of products of two leads at two lags. Except for samples shifted beyond the ends of
a window, where the signal is zero, these sums depend only on the difference of the lags. They are accumulated once for
all eight leads, as cross-correlations computed by the Fourier transform minus the products at the ends. The normal
equations of a set of leads are a submatrix, or linear combinations of rows for derived leads such as aVR.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import irfft, next_fast_len, rfft
from torch import Tensor

from ecggen.core.ecg import INDEPENDENT_LEADS

RIDGE = 1e-9
"""Ridge penalty relative to the trace, needed because the leads are band-limited."""


class Moments:
    """Sums over records of products of the eight leads at all lags.

    Args:
        shifts: Lags in samples, ascending; the lead at time t + shift is a predictor at time t.
    """

    def __init__(self, shifts: np.ndarray):
        self.shifts = np.asarray(shifts, int)
        self.reach = int(np.abs(self.shifts).max())
        self.count = 0.0
        self.products: np.ndarray | float = 0.0  # (lead, lead, difference of lags + 2 · reach)
        self.ends: list[np.ndarray | float] = [0.0, 0.0]  # (lead, reach, lead, reach) at the start and at the end
        self.sums: np.ndarray | float = 0.0  # (lead,)
        self.end_sums: list[np.ndarray | float] = [0.0, 0.0]  # (lead, reach)

    def add(self, windows: np.ndarray) -> None:
        """Accumulate windows (record, 8, time) in mV of equal length."""
        waves = windows.astype(np.float64)
        size = next_fast_len(waves.shape[-1] + 2 * self.reach, real=True)
        spectra = np.asarray(rfft(waves, size)).transpose(2, 1, 0)
        shared = np.asarray(irfft((spectra.conj() @ spectra.transpose(0, 2, 1)).transpose(1, 2, 0), size))
        self.products = self.products + shared[..., np.arange(-2 * self.reach, 2 * self.reach + 1)]
        self.count += waves.shape[0] * waves.shape[-1]
        self.sums = self.sums + waves.sum((0, 2))
        for side, end in enumerate((waves[..., : self.reach], waves[..., ::-1][..., : self.reach])):
            self.ends[side] = self.ends[side] + np.einsum("nli,nmj->limj", end, end, optimize=True)
            self.end_sums[side] = self.end_sums[side] + end.sum(0)

    def weights(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Filter from the given leads to the eight leads.

        Args:
            rows: (given, 8) rows of the lead matrix, linearly independent.

        Returns:
            Filter (8, given, lag) and intercepts (8,) in mV.
        """
        given, lags = len(rows), len(self.shifts)
        size = given * lags
        normal, right = np.zeros((size + 1, size + 1)), np.zeros((size + 1, len(INDEPENDENT_LEADS)))
        normal[:size, :size] = np.einsum("gl,limj,hm->gihj", rows, self._between_lags(), rows, optimize=True).reshape(
            size, size
        )
        normal[:size, -1] = normal[-1, :size] = (rows @ self._lagged_sums()).ravel()
        normal[-1, -1] = self.count
        right[:size] = np.einsum("gl,lim->gim", rows, self._with_targets()).reshape(size, len(INDEPENDENT_LEADS))
        right[-1] = self.sums
        normal += RIDGE * np.trace(normal) * np.eye(size + 1)
        found = np.linalg.solve(normal, right).T
        return found[:, :-1].reshape(len(INDEPENDENT_LEADS), given, lags), found[:, -1]

    def _between_lags(self) -> np.ndarray:
        """Sums over time within the window, (lead, lag, lead, lag)."""
        differences = self.shifts - self.shifts[:, None]
        full = np.asarray(self.products)[:, :, differences + 2 * self.reach].transpose(0, 2, 1, 3)
        for sign, end in zip((1, -1), self.ends, strict=True):
            moved = np.flatnonzero(sign * self.shifts > 0)
            at = sign * self.shifts[moved] - 1
            along = _along_diagonals(np.asarray(end))
            full[:, moved[:, None], :, moved] -= along[:, at[:, None], :, at]
        return full

    def _lagged_sums(self) -> np.ndarray:
        """Sums of each lead at each lag, (lead, lag)."""
        full = np.repeat(np.asarray(self.sums)[:, None], len(self.shifts), 1)
        for sign, end in zip((1, -1), self.end_sums, strict=True):
            moved = np.flatnonzero(sign * self.shifts > 0)
            full[:, moved] -= np.cumsum(np.asarray(end), 1)[:, sign * self.shifts[moved] - 1]
        return full

    def _with_targets(self) -> np.ndarray:
        """Sums of products of lagged leads with targets, (lead, lag, lead)."""
        return np.asarray(self.products)[:, :, 2 * self.reach - self.shifts].transpose(0, 2, 1)


def filtered(signal: Tensor, weights: np.ndarray, constants: np.ndarray, shifts: np.ndarray) -> Tensor:
    """Apply the filter of ``Moments.weights`` to leads (record, given, time), zero-padded: (record, 8, time)."""
    reach = int(np.abs(shifts).max())
    taps = np.zeros((*weights.shape[:2], 2 * reach + 1))
    taps[..., np.asarray(shifts) + reach] = weights
    kernel, bias = (torch.as_tensor(value, dtype=signal.dtype, device=signal.device) for value in (taps, constants))
    if not signal.shape[1]:
        return bias[:, None].expand(len(signal), len(bias), signal.shape[-1]).clone()
    return torch.nn.functional.conv1d(signal, kernel, bias, padding=reach)


def _along_diagonals(end: np.ndarray) -> np.ndarray:
    """Cumulative sums along diagonals: entry (i, j) is the sum of (i − k, j − k) over k ≥ 0."""
    total = end.copy()
    for i in range(1, total.shape[1]):
        total[:, i, :, 1:] += total[:, i - 1, :, :-1]
    return total
