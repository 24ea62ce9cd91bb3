"""Filters that every part shares: a zero-phase band-pass, and signals cut or padded to a length."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt
from torch import Tensor

from ecggen.core.errors import InputError


def band_pass(signal: Tensor, fs: float, low: float, high: float, order: int = 3, least: float = 50.0) -> Tensor:
    """Zero-phase Butterworth band-pass of (…, time); the upper corner is left out where ``fs`` cannot hold it.

    Raises:
        InputError: Where the rate is below ``least`` (Hz), or the signal too short to be filtered.
    """
    if fs < least:
        raise InputError(f"the sampling rate is {fs:g} Hz", f"at least {least:g} Hz was expected", "use a faster one")
    if signal.shape[-1] < fs:
        raise InputError(f"the signal lasts {signal.shape[-1] / fs:.2f} s", "at least 1 s was expected")
    # One second of odd reflection settles a 0.5 Hz corner and fits into the shortest recording.
    padding = min(int(fs), signal.shape[-1] - 1)
    filtered = sosfiltfilt(_design(fs, low, high, order), signal.detach().cpu().numpy(), padlen=padding)
    return torch.as_tensor(np.ascontiguousarray(filtered, np.float32), device=signal.device)


@lru_cache
def _design(fs: float, low: float, high: float, order: int) -> np.ndarray:
    """Second-order sections; without the upper corner where the rate cannot hold it."""
    if high < 0.45 * fs:
        return np.asarray(butter(order, (low, high), "bandpass", fs=fs, output="sos"))
    return np.asarray(butter(order, low, "highpass", fs=fs, output="sos"))


def fit(wave: Tensor, samples: int) -> Tensor:
    """``wave`` (…, time) cut, or padded with zeros, to ``samples``."""
    return torch.nn.functional.pad(wave, (0, samples - wave.shape[-1]))
