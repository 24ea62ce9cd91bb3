"""Quality report of a recording: gaps, flat and clipped segments, lead laws, exchanged limb electrodes.

Nothing is rejected here. Exchanged limb electrodes do not violate the lead laws. They are detected by morphology:
leads I and II normally correlate with V6, and are inverted relative to V6 if arm electrodes are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.io.quality import CONTRADICTION, CORRECTS, SHORTEST, check_laws, check_quality, clipped_leads, longest_run

FLAT = 1.0
"""Duration in seconds from which a constant segment of a lead is reported."""
INVERTED = -0.5
"""Correlation with V6 below which lead I or II is reported as inverted.

Of the 2,183 records of PTB-XL's fold 9, 1.3 % are reported as published (in some of them electrodes are indeed
exchanged). With the arm electrodes exchanged, 91 % are reported, with right arm and left leg exchanged, 92 %. The
limit was chosen on fold 8.
"""
NEARLY_FLAT = 0.1
"""Ratio of standard deviations of a limb lead and the other two below which the lead is reported as nearly flat.

An exchange of the right-leg electrode with another limb electrode leaves only noise in one lead. 1 of the 2,183
records of PTB-XL's fold 9 lies below the limit, at 0.09.
"""
ROUNDING = 0.02
"""Deviation from the lead laws in mV that rounding to steps of 5 µV can explain."""
RATES = (25.0, 230.0)
"""Range of heart rates in beats per minute outside of which the sampling rate is questioned."""


@dataclass(frozen=True)
class Part:
    """A segment of a lead, in seconds from the start of the recording."""

    lead: str
    first: float
    last: float

    def __str__(self) -> str:
        return f"{self.lead} from {self.first:.2f} to {self.last:.2f} s"


@dataclass(frozen=True)
class Inspection:
    """Quality report of one record.

    Attributes:
        gaps: Segments without samples.
        flat: Segments of at least ``FLAT`` seconds in which a lead is constant.
        clipped: Leads whose peaks are clipped.
        law_residual: Largest deviation from the lead laws in mV, in the longest segment without gaps.
        heart_rate: Beats per minute; None if fewer than two R peaks were found.
        doubts: Problems of the recording, one sentence each.
    """

    gaps: tuple[Part, ...]
    flat: tuple[Part, ...]
    clipped: tuple[str, ...]
    law_residual: float
    heart_rate: float | None
    doubts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as a dictionary for JSON."""
        return {
            "gaps": [vars(part) for part in self.gaps],
            "flat": [vars(part) for part in self.flat],
            "clipped": list(self.clipped),
            "law_residual_mv": self.law_residual,
            "heart_rate": None if self.heart_rate is None else round(self.heart_rate, 1),
            "doubts": list(self.doubts),
        }


def inspect(ecg: ECG) -> Inspection:
    """Inspect one record, which may have gaps (NaN).

    Raises:
        InputError: If a batch is given.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> report = inspect(simulate(1, heart_rate=60))
        >>> report.heart_rate, report.doubts
        (60.0, ())
    """
    if len(ecg) != 1:
        raise InputError(f"the ECG is a batch of {len(ecg)} records", "one was expected", "inspect them one by one")
    missing = ~np.isfinite(ecg.signal[0].numpy())
    gaps = tuple(_parts(ecg, missing, 0.0))
    complete = _complete(ecg, missing)
    held = np.zeros_like(missing)
    held[:, 1:] = np.diff(np.nan_to_num(ecg.signal[0].numpy(), nan=1e30), axis=1) == 0
    flat = tuple(replace(part, first=part.first - 1 / ecg.fs) for part in _parts(ecg, held & ~missing, FLAT))
    if complete is None:
        doubt = f"no segment of {SHORTEST:g} s has samples in all leads"
        return Inspection(gaps, flat, (), 0.0, None, (doubt,))
    rate = _rate(complete)
    doubts = [*refusals(complete), *_doubts(complete, rate, gaps, flat)]
    return Inspection(gaps, flat, clipped_leads(complete), float(complete.law_residual().max()), rate, tuple(doubts))


def exchanged(ecg: ECG) -> list[str]:
    """Limb electrodes that may be exchanged in one record, one sentence each; empty if there is no sign of it.

    An exchange of left arm and left leg gives an ECG that is plausible for another patient. It is not searched for.
    """
    known = {lead: _without_wander(ecg, lead) for lead in ecg.leads if lead in ("I", "II", "III", "V5", "V6")}
    chest = known.get("V6", known.get("V5"))
    with_chest = {lead: _correlation(known[lead], chest) for lead in ("I", "II") if lead in known and chest is not None}
    notes = []
    if with_chest:
        lead, r = min(with_chest.items(), key=lambda pair: pair[1])
        electrodes = {"I": "left and right arm", "II": "right arm and left leg"}[lead]
        if r < INVERTED:
            notes.append(
                f"lead {lead} is inverted relative to the left chest leads (r {r:.2f}): {electrodes} may be exchanged"
            )
    if {"I", "II", "III"} <= set(known):
        size = {lead: known[lead].std() for lead in ("I", "II", "III")}
        lead = min(size, key=size.__getitem__)
        if size[lead] < NEARLY_FLAT * np.hypot(*(size[other] for other in size if other != lead)):
            notes.append(f"lead {lead} is nearly flat: the right-leg electrode may be exchanged with another limb's")
    return notes


def refusals(ecg: ECG) -> Iterator[str]:
    """Reasons for which ``read`` would reject the record."""
    for check in (check_quality, check_laws):
        try:
            check(ecg)
        except InputError as error:
            correction = error.do.partition("; ")[0] if CORRECTS in error.do else ""
            yield "; ".join(filter(None, (error.found, error.expected, correction)))


def _doubts(ecg: ECG, rate: float | None, gaps: Sequence[Part], flat: Sequence[Part]) -> Iterator[str]:
    if gaps:
        yield f"samples are missing: {_some(gaps)}"
    if flat:
        yield f"the signal is constant: {_some(flat)}"
    off = float(ecg.law_residual().max())
    if ROUNDING < off <= CONTRADICTION:
        yield f"the leads deviate from the lead laws by up to {off * 1000:.0f} µV, more than rounding explains"
    if rate is None:
        yield "fewer than two R peaks were found"
    elif not RATES[0] <= rate <= RATES[1]:
        yield f"the heart rate would be {rate:.0f} per minute: is the sampling rate of {ecg.fs:g} Hz right?"
    yield from exchanged(ecg)


def _rate(ecg: ECG) -> float | None:
    """Beats per minute; the detector needs 100 Hz, and below 20 Hz QRS complexes cannot be detected."""
    if ecg.fs < 20:
        return None
    return heart_rate(r_peaks(ecg.resample(100.0) if ecg.fs < 100 else ecg)[0])


def _some(parts: Sequence[Part]) -> str:
    more = f" and {len(parts) - 6} more segments" if len(parts) > 6 else ""
    return ", ".join(map(str, parts[:6])) + more


def _parts(ecg: ECG, at: np.ndarray, shortest: float) -> Iterator[Part]:
    """Runs of true values in ``at`` (lead, time) that last at least ``shortest`` s."""
    for lead, row in zip(ecg.leads, at, strict=True):
        edges = np.flatnonzero(np.diff(np.r_[False, row, False].astype(np.int8))).reshape(-1, 2)
        for first, last in edges:
            if last - first >= shortest * ecg.fs:
                yield Part(lead, float(first / ecg.fs), float(last / ecg.fs))


def _complete(ecg: ECG, missing: np.ndarray) -> ECG | None:
    """The longest segment without gaps, leads without any sample left out; None if it is too short."""
    rows = np.flatnonzero(~missing.all(1))
    if not len(rows):
        return None
    here: np.ndarray = np.all(~missing[rows], axis=0)
    first, last = longest_run(here)
    kept = replace(
        ecg, signal=ecg.signal[:, torch.from_numpy(rows), first:last], leads=tuple(ecg.leads[i] for i in rows)
    )
    return kept if kept.seconds >= SHORTEST else None


def _without_wander(ecg: ECG, lead: str) -> np.ndarray:
    """A lead without baseline wander."""
    wave = ecg.pick(lead).signal[0, 0].double().numpy()
    return sosfiltfilt(butter(2, min(0.5, 0.4 * ecg.fs), "highpass", fs=ecg.fs, output="sos"), wave)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    both = one.std() * other.std()
    return float(((one - one.mean()) * (other - other.mean())).mean() / both) if both > 1e-12 else 0.0
