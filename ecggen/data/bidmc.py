"""Recordings with a PPG and an ECG: BIDMC (Pimentel et al. 2016) in the published CSV or WFDB format, and CinC 2015.

Only lead II of the ECG is read. The chest position of BIDMC's lead V is not documented, and AVR is missing in some
recordings. The monitor's gains are nominal: AVR and II do not share a calibration, so leads derived from both would be
wrong. The gain of lead II is nominal as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, check_rate
from ecggen.core.errors import InputError
from ecggen.core.rhythm import pulse_delay, r_peaks
from ecggen.io.normalise import Found, agreed, listed, millivolts
from ecggen.io.ppg import decode, fill_gaps, lead_rows, ppg_rows

LEAD = "II"
SHORTEST = 10.0
"""Minimum length in seconds without a gap, so that there are enough beats to estimate the delay."""


@dataclass(frozen=True)
class Pair:
    """A PPG and a simultaneous ECG.

    Attributes:
        ecg: One record; leads as measured.
        ppg: (time,) at the ECG's sampling rate and length, in arbitrary units.
        delay: Seconds from an R peak to the steepest rise of its pulse, as recorded.
    """

    ecg: ECG
    ppg: Tensor
    delay: float

    def in_time(self) -> Pair:
        """The pair with the PPG shifted so that its delay is ``simulate.PULSE_DELAY``.

        The ECG is unchanged. The shifted PPG is padded with its first or last value (less than one second).
        """
        from ecggen.core.simulate import PULSE_DELAY

        shift = round((self.delay - PULSE_DELAY) * self.ecg.fs)
        at = torch.arange(self.ppg.shape[-1]) + shift
        return replace(self, ppg=self.ppg[at.clamp(0, self.ppg.shape[-1] - 1)], delay=self.delay - shift / self.ecg.fs)


def read_pair(path: Path | str) -> Pair:
    """Read lead II and the PPG of a file (as ``read_signals``), and estimate the delay between them.

    Raises:
        InputError: As ``read_signals``, and if no beats are found to estimate the delay from.
    """
    ecg, ppg = read_signals(path)
    try:
        return Pair(ecg, ppg, _delay(ecg, ppg.double().numpy()))
    except InputError as error:
        raise InputError(f"{Path(path).name}: {error.found}", error.expected, error.do) from error


def read_signals(path: Path | str) -> tuple[ECG, Tensor]:
    """Read lead II (one record) and the PPG (time,) of a file, at the same sampling rate and of the same length.

    Gaps of up to 0.2 s are interpolated linearly. With longer gaps, the longest part without a gap is used.

    Raises:
        InputError: If lead II or the PPG is missing or ambiguous, or if less than ``SHORTEST`` seconds are without a
            gap.
    """
    path = Path(path)
    try:
        found = decode(path)
        rows = [_one(found, lead_rows(found, LEAD), f"lead {LEAD}"), _one(found, ppg_rows(found), "PPG")]
        fs = agreed("its sampling rate", "fs", found.fs, None, check_rate)
        scale = millivolts(found.units[rows[0]] or "mV")  # BIDMC's CSV names no unit; its values are nominal mV
        waves, (first, last) = fill_gaps(found.values[rows], fs)
        if last - first < SHORTEST * fs:
            raise InputError(
                f"its longest part without a gap lasts {(last - first) / fs:.2f} s",
                f"at least {SHORTEST:g} s were expected",
            )
        lead, ppg = waves[:, first:last]
        ecg = ECG(torch.from_numpy((lead * scale)[None].astype(np.float32)), (LEAD,), fs)
        return ecg, torch.from_numpy(ppg.astype(np.float32))
    except InputError as error:
        raise InputError(f"{path.name}: {error.found}", error.expected, error.do) from error


def _delay(ecg: ECG, ppg: np.ndarray) -> float:
    """The constant delay of the recording in seconds."""
    (peaks,) = r_peaks(Preprocessor().ecg(ecg))
    delay = pulse_delay(peaks, ppg, ecg.fs)
    if delay is None:
        found = "no delay between R peaks and pulses can be estimated"
        raise InputError(found, "an ECG and a PPG of the same beats were expected")
    return delay


def _one(found: Found, rows: list[int], what: str) -> int:
    """The only row among ``rows``.

    Raises:
        InputError: If there is none, or more than one.
    """
    if len(rows) != 1:
        here = listed(found.names) or "without names"
        raise InputError(f"{len(rows) or 'no'} {what} is among the channels {here}", "one was expected")
    return rows[0]
