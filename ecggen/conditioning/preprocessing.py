"""How a recording is made ready for a model: filtered, resampled, cut into windows. It belongs to the checkpoint.

Every model is trained at one rate and one length. What it was trained on is what it must be given, so these
few numbers are saved beside the weights (``preprocessor_config.json``) and applied to whatever rate and
length arrives; the answer goes back to the recording's own rate and length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG, resample
from ecggen.core.filters import band_pass, fit

SLOWEST_PPG = 20.0
"""Lowest sampling rate of a PPG in Hz: watches record at 25 Hz and more."""


@dataclass(frozen=True)
class Preprocessor:
    """Filter, rate and window of a model.

    Attributes:
        fs: The model's sampling rate in Hz.
        seconds: The model's window in seconds.
        highpass: Corner in Hz; 0.5 Hz lies below the slowest heart and above breathing and drift.
        lowpass: Corner in Hz; 40 Hz keeps the QRS and leaves mains and muscle out (monitoring bandwidth).
        order: Order of the Butterworth filter, which is run forwards and backwards, so that no wave moves.
        ppg_highpass: Corner in Hz for the PPG.
        ppg_lowpass: Corner in Hz for the PPG.
        overlap: Seconds by which the windows of a long recording overlap.
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
        """``ecg`` filtered at its own rate and brought to the model's."""
        return replace(ecg, signal=band_pass(ecg.signal, ecg.fs, self.highpass, self.lowpass, self.order)).resample(
            self.fs
        )

    def condition(self, condition: Condition) -> Condition:
        """``condition`` as the model wants it, whatever its length: both waves filtered, at the model's rate."""
        leads, lead_mask = self._wave(condition.leads, condition.lead_mask, condition.fs, self.highpass, self.lowpass)
        samples = leads.shape[-1]
        ppg, ppg_mask = self._wave(
            condition.ppg, condition.ppg_mask, condition.ppg_fs, self.ppg_highpass, self.ppg_lowpass, SLOWEST_PPG
        )
        ppg, ppg_mask = fit(ppg, samples), fit(ppg_mask, samples)
        # A PPG has no unit: each record is brought to unit deviation.
        spread = (ppg**2).sum(-1, keepdim=True) / ppg_mask.sum(-1, keepdim=True).clamp(min=1)
        ppg = ppg / spread.sqrt().clamp(min=1e-8)
        return condition.replace(
            leads=leads,
            lead_mask=lead_mask,
            fs=self.fs,
            ppg=ppg,
            ppg_mask=ppg_mask,
            ppg_fs=self.fs,
        )

    def beating(self, condition: Condition, rows: list[int], waves: np.ndarray) -> Condition:
        """A condition at the model's rate with simulated PPGs ``waves`` (row, time) in the records ``rows``."""
        known = Condition.none(len(rows), condition.seconds, condition.fs)
        known = self.condition(known.with_ppg(torch.from_numpy(waves), condition.fs))
        ppg, seen = condition.ppg.clone(), condition.ppg_mask.clone()
        ppg[rows], seen[rows] = known.ppg.to(ppg.device), True
        return condition.replace(ppg=ppg, ppg_mask=seen)

    def windows(self, samples: int) -> list[tuple[int, int]]:
        """(first, last) sample of each window over a recording of ``samples`` at the model's rate.

        Each but the last window is full; they overlap by at least ``overlap`` seconds, and the last ends with
        the recording, so that none is nearly empty.
        """
        size = self.samples
        if samples <= size:
            return [(0, samples)]
        hop = size - round(self.overlap * self.fs)
        starts = [*range(0, samples - size, hop), samples - size]
        return [(start, start + size) for start in starts]

    def _wave(
        self, wave: Tensor, seen: Tensor, fs: float, low: float, high: float, least: float = 50.0
    ) -> tuple[Tensor, Tensor]:
        if not bool(seen.any()):
            samples = int(np.ceil(wave.shape[-1] * self.fs / fs - 1e-6))
            return wave.new_zeros(*wave.shape[:-1], samples), seen.new_zeros(*seen.shape[:-1], samples)
        rows = seen.any(0).any(-1)
        moved = resample(band_pass(wave[:, rows], fs, low, high, self.order, least), fs, self.fs)
        out = wave.new_zeros(*wave.shape[:-1], moved.shape[-1])
        out[:, rows] = moved
        where = (torch.arange(moved.shape[-1], device=wave.device) * fs / self.fs).round().long()
        out_seen = seen[..., where.clamp(max=seen.shape[-1] - 1)]
        return out * out_seen, out_seen
