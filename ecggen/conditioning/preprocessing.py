"""Preprocessing of recordings for a model: filter, resampling, windows. It is part of the checkpoint.

A model is trained at one sampling rate and one window length. These parameters are saved with the weights
(``preprocessor_config.json``) and applied to recordings of any rate and length. The generated ECG is resampled to the
rate and length of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG, resample
from ecggen.core.filters import band_pass, fit
from ecggen.core.gaps import with_levels

SLOWEST_PPG = 20.0
"""Lowest accepted sampling rate of a PPG in Hz; watches record at 25 Hz or more."""


@dataclass(frozen=True)
class Preprocessor:
    """Filter, sampling rate and window of a model.

    Attributes:
        fs: Sampling rate of the model in Hz.
        seconds: Window length of the model in seconds.
        highpass: Corner frequency in Hz; 0.5 Hz is below the lowest heart rate and above respiration and drift.
        lowpass: Corner frequency in Hz; 40 Hz keeps the QRS and removes mains and muscle noise (monitoring bandwidth).
        order: Order of the Butterworth filter, applied forwards and backwards (zero phase).
        ppg_highpass: Corner frequency in Hz for the PPG.
        ppg_lowpass: Corner frequency in Hz for the PPG.
        overlap: Overlap of the windows of a long recording in seconds.

    Example:
        >>> Preprocessor(fs=100, seconds=10, overlap=2).windows(2500)
        [(0, 1000), (800, 1800), (1500, 2500)]
    """

    fs: float = 100.0
    seconds: float = 10.0
    highpass: float = 0.5
    lowpass: float = 40.0
    order: int = 3
    ppg_highpass: float = 0.5
    ppg_lowpass: float = 8.0
    overlap: float = 2.0

    @property
    def samples(self) -> int:
        """Samples per lead in a window."""
        return round(self.fs * self.seconds)

    def ecg(self, ecg: ECG) -> ECG:
        """Filter ``ecg`` at its own rate and resample it to the model's rate."""
        return replace(ecg, signal=band_pass(ecg.signal, ecg.fs, self.highpass, self.lowpass, self.order)).resample(
            self.fs
        )

    def condition(self, condition: Condition) -> Condition:
        """Filter the leads and the PPG of a condition of any length and resample both to the model's rate."""
        leads, lead_mask = self._wave(condition.leads, condition.lead_mask, condition.fs, self.highpass, self.lowpass)
        samples = leads.shape[-1]
        ppg, ppg_mask = self.ppg(condition.ppg, condition.ppg_mask, condition.ppg_fs, samples)
        return condition.replace(
            leads=leads,
            lead_mask=lead_mask,
            fs=self.fs,
            ppg=ppg,
            ppg_mask=ppg_mask,
            ppg_fs=self.fs,
        )

    def ppg(self, wave: Tensor, mask: Tensor, fs: float, samples: int | None = None) -> tuple[Tensor, Tensor]:
        """Filter PPGs (batch, 1, time) at ``fs`` Hz, and resample them and their mask to the model's rate.

        Args:
            wave: PPGs in any unit.
            mask: Where they are observed.
            fs: Their sampling rate in Hz.
            samples: Length of the result; that of the PPG if left out.
        """
        ppg, mask = self._wave(wave, mask, fs, self.ppg_highpass, self.ppg_lowpass, SLOWEST_PPG)
        if samples is not None:
            ppg, mask = fit(ppg, samples), fit(mask, samples)
        # A PPG has no unit: normalise each record to unit standard deviation.
        variance = (ppg**2).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1)
        return ppg / variance.sqrt().clamp(min=1e-8), mask

    def with_simulated_ppg(self, condition: Condition, rows: list[int], waves: np.ndarray) -> Condition:
        """Add PPGs to some records of a condition at the model's rate.

        Args:
            condition: At the model's rate.
            rows: Indices of the records.
            waves: (row, time) PPGs at the model's rate.
        """
        simulated = Condition.none(len(rows), condition.seconds, condition.fs)
        simulated = self.condition(simulated.with_ppg(torch.from_numpy(waves), condition.fs))
        ppg, mask = condition.ppg.clone(), condition.ppg_mask.clone()
        ppg[rows], mask[rows] = simulated.ppg.to(ppg.device), True
        return condition.replace(ppg=ppg, ppg_mask=mask)

    def windows(self, samples: int) -> list[tuple[int, int]]:
        """(first, last) sample of each window over a recording of ``samples`` at the model's rate.

        All windows are full, except for a recording that is shorter than one window. Windows overlap by at least
        ``overlap`` seconds, and the last one ends with the recording.
        """
        size = self.samples
        if samples <= size:
            return [(0, samples)]
        hop = size - round(self.overlap * self.fs)
        starts = [*range(0, samples - size, hop), samples - size]
        return [(start, start + size) for start in starts]

    def _wave(
        self, wave: Tensor, mask: Tensor, fs: float, low: float, high: float, lowest_fs: float = 50.0
    ) -> tuple[Tensor, Tensor]:
        """Filter and resample the observed channels of ``wave``, and resample its mask."""
        if not bool(mask.any()):
            samples = int(np.ceil(wave.shape[-1] * self.fs / fs - 1e-6))
            return wave.new_zeros(*wave.shape[:-1], samples), mask.new_zeros(*mask.shape[:-1], samples)
        rows = mask.any(0).any(-1)
        whole = _without_gaps(wave[:, rows], mask[:, rows], fs)
        resampled = resample(band_pass(whole, fs, low, high, self.order, lowest_fs), fs, self.fs)
        result = wave.new_zeros(*wave.shape[:-1], resampled.shape[-1])
        result[:, rows] = resampled
        nearest = (torch.arange(resampled.shape[-1], device=wave.device) * fs / self.fs).round().long()
        new_mask = mask[..., nearest.clamp(max=mask.shape[-1] - 1)]
        return result * new_mask, new_mask


def _without_gaps(wave: Tensor, mask: Tensor, fs: float) -> Tensor:
    """``wave`` with the level on either side in gaps of partly observed channels, so that filters see no steps."""
    partly = (mask != mask[..., :1]).any(-1)
    if not bool(partly.any()):
        return wave
    filled = wave.clone()
    for record, channel in partly.nonzero().tolist():
        signal, observed = wave[record, channel].double().cpu().numpy(), mask[record, channel].cpu().numpy()
        filled[record, channel] = torch.from_numpy(with_levels(signal, observed, fs)).to(wave)
    return filled
