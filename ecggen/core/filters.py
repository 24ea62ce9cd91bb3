"""Shared signal functions: a zero-phase band-pass filter, and cropping or padding to a length."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt
from torch import Tensor

from ecggen.core.errors import InputError


def band_pass(signal: Tensor, fs: float, low: float, high: float, order: int = 3, least: float = 50.0) -> Tensor:
    """Apply a zero-phase Butterworth band-pass filter to a signal (…, time).

    The upper cutoff is omitted if it is not below 0.45 · ``fs``; the filter is then a high-pass.

    Args:
        signal: (…, time).
        fs: Sampling rate in Hz.
        low: Lower cutoff frequency in Hz.
        high: Upper cutoff frequency in Hz.
        order: Order of the Butterworth design.
        least: Lowest accepted sampling rate in Hz.

    Raises:
        InputError: If the rate is below ``least``, or the signal is shorter than 1 s.
    """
    if fs < least:
        raise InputError(f"the sampling rate is {fs:g} Hz", f"at least {least:g} Hz was expected", "use a faster one")
    if signal.shape[-1] < fs:
        raise InputError(f"the signal lasts {signal.shape[-1] / fs:.2f} s", "at least 1 s was expected")
    # One second of odd reflection is enough for a 0.5 Hz cutoff and fits into the shortest recording.
    padding = min(int(fs), signal.shape[-1] - 1)
    filtered = sosfiltfilt(_design(fs, low, high, order), signal.detach().cpu().numpy(), padlen=padding)
    return torch.as_tensor(np.ascontiguousarray(filtered, np.float32), device=signal.device)


@lru_cache
def _design(fs: float, low: float, high: float, order: int) -> np.ndarray:
    """Second-order sections; a high-pass if the upper cutoff is too close to the Nyquist frequency."""
    if high < 0.45 * fs:
        return np.asarray(butter(order, (low, high), "bandpass", fs=fs, output="sos"))
    return np.asarray(butter(order, low, "highpass", fs=fs, output="sos"))


def fit(wave: Tensor, samples: int) -> Tensor:
    """Crop ``wave`` (…, time) to ``samples``, or pad it with zeros at its end."""
    return torch.nn.functional.pad(wave, (0, samples - wave.shape[-1]))
