"""Recordings that hold a PPG beside an ECG: BIDMC as published, in its CSV or its WFDB form.

Only lead II is taken of the ECG. BIDMC's V does not say at which place of the chest it was worn, AVR is missing in
some recordings, and the monitor's gains are nominal: AVR and II do not come from one calibration, so that what
follows from both would be wrong. II's own gain is nominal, too.
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
from ecggen.io.ppg import decode, lead_rows, mend, ppg_rows

LEAD = "II"
SHORTEST = 10.0
"""Seconds without a gap that a pair must have: enough beats to tell its delay."""


@dataclass(frozen=True)
class Pair:
    """A PPG beside the ECG of the same heart.

    Attributes:
        ecg: One record; leads as measured.
        ppg: (time,) at the ECG's rate and of its length, arbitrary unit.
        delay: Seconds from an R peak to the steepest rise of its pulse, in this recorder's time.
    """

    ecg: ECG
    ppg: Tensor
    delay: float

    def in_time(self) -> Pair:
        """The same with the PPG moved so that its delay is ``simulate.PULSE_DELAY``.

        The ECG stays. At the end towards which nothing comes after, less than a second, the PPG stands still at its
        last value; nothing wraps round.
        """
        from ecggen.core.simulate import PULSE_DELAY

        shift = round((self.delay - PULSE_DELAY) * self.ecg.fs)
        at = torch.arange(self.ppg.shape[-1]) + shift
        return replace(self, ppg=self.ppg[at.clamp(0, self.ppg.shape[-1] - 1)], delay=self.delay - shift / self.ecg.fs)


def read_pair(path: Path | str) -> Pair:
    """Lead II and the PPG in a file, with the delay between them.

    Gaps of up to 0.2 s are bridged by a straight line; with longer ones, the longest part without any is taken.

    Raises:
        InputError: Where II or the PPG is missing or there twice, where less than ``SHORTEST`` is whole, or where no
            beats are found to tell the delay from.
    """
    path = Path(path)
    try:
        found = decode(path)
        rows = [_one(found, lead_rows(found, LEAD), f"lead {LEAD}"), _one(found, ppg_rows(found), "PPG")]
        fs = agreed("its sampling rate", "fs", found.fs, None, check_rate)
        scale = millivolts(found.units[rows[0]] or "mV")  # BIDMC's CSV does not say; its numbers are nominal mV
        waves, (first, last) = mend(found.values[rows], fs)
        if last - first < SHORTEST * fs:
            raise InputError(
                f"its longest part without a gap lasts {(last - first) / fs:.2f} s",
                f"at least {SHORTEST:g} s were expected",
            )
        lead, ppg = waves[:, first:last]
        ecg = ECG(torch.from_numpy((lead * scale)[None].astype(np.float32)), (LEAD,), fs)
        return Pair(ecg, torch.from_numpy(ppg.astype(np.float32)), _delay(ecg, ppg))
    except InputError as error:
        raise InputError(f"{path.name}: {error.found}", error.expected, error.do) from error


def _delay(ecg: ECG, ppg: np.ndarray) -> float:
    """The recording's constant delay in s."""
    (peaks,) = r_peaks(Preprocessor().ecg(ecg))
    delay = pulse_delay(peaks, ppg, ecg.fs)
    if delay is None:
        raise InputError("no delay between heartbeats and pulses can be told", "an ECG and a PPG with both in it")
    return delay


def _one(found: Found, rows: list[int], what: str) -> int:
    """The only row that was found."""
    if len(rows) != 1:
        here = listed(found.names) or "without names"
        raise InputError(f"{len(rows) or 'no'} {what} is among the channels {here}", "one was expected")
    return rows[0]
