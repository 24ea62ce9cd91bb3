"""Training examples of the pulse network: PPGs with the R peaks of the simultaneously recorded lead II.

An R peak is trusted where two detectors agree: sleepecg's (``ecggen.core.rhythm``) and the delineator. Parts of a
recording in which they differ, because lead II is noisy or detached, are not trained on. Arrhythmias, pauses and beats
without a pulse remain.

The delay from R peak to pulse is constant in a recording, and not contained in the PPG. Therefore the R peaks of each
recording are moved so that its delay is ``simulate.PULSE_DELAY``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.conditioning.pulse_beats import RATE
from ecggen.core.ecg import resample
from ecggen.core.errors import InputError
from ecggen.core.rhythm import pulse_delay, r_peaks
from ecggen.core.simulate import PULSE_DELAY
from ecggen.data import Recording
from ecggen.data.bidmc import read_signals
from ecggen.evaluators.delineator import delineate

SAME = 0.05
"""Largest distance in s of an R peak in two detectors."""
AROUND = 1.5
"""Seconds on either side of an R peak that is found by one detector only, which are not trained on."""


@dataclass
class Example:
    """A recording.

    Attributes:
        name: The recording.
        ppg: (time,) PPG at ``RATE`` Hz, any unit.
        lead: (time,) lead II at ``RATE`` Hz in mV, filtered as for a generator.
        peaks: R peaks in s, as recorded.
        delay: Seconds from R peak to pulse.
        trusted: (time,) whether the R peaks are trusted.
    """

    name: str
    ppg: np.ndarray
    lead: np.ndarray
    peaks: np.ndarray
    delay: float
    trusted: np.ndarray

    @property
    def moved_peaks(self) -> np.ndarray:
        """R peaks in s, moved so that pulses follow them by ``PULSE_DELAY``."""
        return self.peaks + self.delay - PULSE_DELAY


def examples(recordings: Sequence[Recording]) -> list[Example]:
    """The recordings with a PPG and beats in lead II; others are left out."""
    made = []
    for recording in recordings:
        try:
            ecg, ppg = read_signals(recording.path)
        except InputError:
            continue
        lead = Preprocessor(fs=RATE).ecg(ecg)
        (peaks,) = r_peaks(lead, between=True)
        delay = pulse_delay(peaks, ppg.double().numpy(), ecg.fs)
        if delay is None:
            continue
        wave = resample(ppg, ecg.fs, RATE).numpy()
        trusted = trusted_parts(peaks, delineate(ecg).peaks[0], len(wave), RATE)
        made.append(Example(recording.name, wave, lead.signal[0, 0].numpy(), peaks, delay, trusted))
    return made


def trusted_parts(peaks: np.ndarray, others: np.ndarray, samples: int, fs: float) -> np.ndarray:
    """(time,) where both detectors find the same R peaks."""
    near = np.abs(np.subtract.outer(peaks, others)) <= SAME
    alone = np.r_[peaks[~near.any(1)], others[~near.any(0)]]
    trusted = np.ones(samples, bool)
    for time in alone:
        trusted[max(0, round((time - AROUND) * fs)) : max(0, round((time + AROUND) * fs))] = False
    return trusted
