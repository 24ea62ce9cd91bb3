"""What a person should know of a recording before trusting it: gaps, flat and clipped parts, laws, exchanged arms.

Nothing is refused here. Limb electrodes that were exchanged leave the lead laws intact, so they are known by their
morphology: I and II run with V6 in nearly every heart, and against it when an arm was exchanged.
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
from ecggen.io.quality import CONTRADICTION, SHORTEST, check_laws, check_quality, clipped_leads, longest_whole

FLAT = 1.0
"""Seconds for which a lead keeps exactly one value before that is said."""
AGAINST = -0.5
"""Correlation with V6 below which I or II is held to be upside down.

Of the 2,183 records of PTB-XL's fold 9, 1.3 % are suspected as they are published (some of them exchanged indeed);
with the arms exchanged 91 % are, with right arm and left leg exchanged 92 %. The limit was chosen on fold 8.
"""
STILL = 0.1
"""Deviation of a limb lead beside the other two below which the right leg's electrode is held to be on an arm.

1 of the 2,183 records of PTB-XL's fold 9 lies below, at 0.09; such an exchange leaves nothing but noise in the lead.
"""
ROUNDING = 0.02
"""mV of departure from the lead laws that rounding to 5 µV a step can explain."""
RATES = (25.0, 230.0)
"""Beats per minute outside of which the sampling rate is doubted."""


@dataclass(frozen=True)
class Part:
    """A part of a lead, in seconds from the beginning."""

    lead: str
    first: float
    last: float

    def __str__(self) -> str:
        return f"{self.lead} from {self.first:.2f} to {self.last:.2f} s"


@dataclass(frozen=True)
class Inspection:
    """What was seen in one record.

    Attributes:
        gaps: Where samples are missing.
        flat: Where a lead keeps one value for ``FLAT`` or longer.
        clipped: Leads that stand at their highest or lowest value for long.
        law_residual: Largest departure from the lead laws in mV, in the longest whole part.
        heart_rate: Beats per minute, or None where fewer than two R peaks were found.
        doubts: What speaks against the recording, a sentence each.
    """

    gaps: tuple[Part, ...]
    flat: tuple[Part, ...]
    clipped: tuple[str, ...]
    law_residual: float
    heart_rate: float | None
    doubts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "gaps": [vars(part) for part in self.gaps],
            "flat": [vars(part) for part in self.flat],
            "clipped": list(self.clipped),
            "law_residual_mv": self.law_residual,
            "heart_rate": None if self.heart_rate is None else round(self.heart_rate, 1),
            "doubts": list(self.doubts),
        }


def inspect(ecg: ECG) -> Inspection:
    """What there is to say of one record, which may have gaps (NaN).

    Raises:
        InputError: Where a batch is given.
    """
    if len(ecg) != 1:
        raise InputError(f"the ECG is a batch of {len(ecg)} records", "one was expected", "inspect them one by one")
    missing = ~np.isfinite(ecg.signal[0].numpy())
    gaps = tuple(_parts(ecg, missing, 0.0))
    whole = _whole(ecg, missing)
    held = np.zeros_like(missing)
    held[:, 1:] = np.diff(np.nan_to_num(ecg.signal[0].numpy(), nan=1e30), axis=1) == 0
    flat = tuple(replace(part, first=part.first - 1 / ecg.fs) for part in _parts(ecg, held & ~missing, FLAT))
    if whole is None:
        doubt = f"no part of {SHORTEST:g} s is whole in all leads"
        return Inspection(gaps, flat, (), 0.0, None, (doubt,))
    rate = _rate(whole)
    doubts = [*refusals(whole), *_doubts(whole, rate, gaps, flat)]
    return Inspection(gaps, flat, clipped_leads(whole), float(whole.law_residual().max()), rate, tuple(doubts))


def exchanged(ecg: ECG) -> list[str]:
    """Which limb electrodes seem to be exchanged in one record, a sentence each; [] where nothing speaks for it.

    An exchange of left arm and left leg leaves an ECG that another heart may have: it is not looked for.
    """
    known = {lead: _quiet(ecg, lead) for lead in (*ecg.leads,) if lead in ("I", "II", "III", "V5", "V6")}
    chest = known.get("V6", known.get("V5"))
    against = {lead: _correlation(known[lead], chest) for lead in ("I", "II") if lead in known and chest is not None}
    said = []
    if against:
        lead, r = min(against.items(), key=lambda pair: pair[1])
        who = {"I": "left and right arm", "II": "right arm and left leg"}[lead]
        if r < AGAINST:
            said.append(f"lead {lead} runs against the left chest leads (r {r:.2f}): {who} may be exchanged")
    if {"I", "II", "III"} <= set(known):
        size = {lead: known[lead].std() for lead in ("I", "II", "III")}
        lead = min(size, key=size.__getitem__)
        if size[lead] < STILL * np.hypot(*(size[other] for other in size if other != lead)):
            said.append(f"lead {lead} is nearly still beside the others: the right leg's electrode may be on a limb")
    return said


def refusals(ecg: ECG) -> Iterator[str]:
    """What ``read`` would refuse the record for."""
    for check in (check_quality, check_laws):
        try:
            check(ecg)
        except InputError as error:
            mend = error.do.partition("; ")[0] if "would mend it" in error.do else ""
            yield "; ".join(filter(None, (error.found, error.expected, mend)))


def _doubts(ecg: ECG, rate: float | None, gaps: Sequence[Part], flat: Sequence[Part]) -> Iterator[str]:
    if gaps:
        yield f"samples are missing: {_some(gaps)}"
    if flat:
        yield f"the signal stands still: {_some(flat)}"
    off = float(ecg.law_residual().max())
    if ROUNDING < off <= CONTRADICTION:
        yield f"the lead laws are off by up to {off * 1000:.0f} µV, more than rounding explains"
    if rate is None:
        yield "fewer than two R peaks were found"
    elif not RATES[0] <= rate <= RATES[1]:
        yield f"the heart would beat {rate:.0f} times a minute: is the sampling rate of {ecg.fs:g} Hz right?"
    yield from exchanged(ecg)


def _rate(ecg: ECG) -> float | None:
    """Beats per minute; the detector wants 100 Hz, and below 20 Hz there is no QRS left to find."""
    if ecg.fs < 20:
        return None
    return heart_rate(r_peaks(ecg.resample(100.0) if ecg.fs < 100 else ecg)[0])


def _some(parts: Sequence[Part]) -> str:
    more = f" and {len(parts) - 6} more parts" if len(parts) > 6 else ""
    return ", ".join(map(str, parts[:6])) + more


def _parts(ecg: ECG, at: np.ndarray, shortest: float) -> Iterator[Part]:
    """Runs of true values in ``at`` (lead, time) that last ``shortest`` s."""
    for lead, row in zip(ecg.leads, at, strict=True):
        edges = np.flatnonzero(np.diff(np.r_[False, row, False].astype(np.int8))).reshape(-1, 2)
        for first, last in edges:
            if last - first >= shortest * ecg.fs:
                yield Part(lead, float(first / ecg.fs), float(last / ecg.fs))


def _whole(ecg: ECG, missing: np.ndarray) -> ECG | None:
    """The longest part in which no lead that is there at all lacks a sample; None where it is too short."""
    rows = np.flatnonzero(~missing.all(1))
    if not len(rows):
        return None
    here: np.ndarray = np.all(~missing[rows], axis=0)
    first, last = longest_whole(here)
    kept = replace(
        ecg, signal=ecg.signal[:, torch.from_numpy(rows), first:last], leads=tuple(ecg.leads[i] for i in rows)
    )
    return kept if kept.seconds >= SHORTEST else None


def _quiet(ecg: ECG, lead: str) -> np.ndarray:
    """A lead without its wander."""
    wave = ecg.pick(lead).signal[0, 0].double().numpy()
    return sosfiltfilt(butter(2, min(0.5, 0.4 * ecg.fs), "highpass", fs=ecg.fs, output="sos"), wave)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    both = one.std() * other.std()
    return float(((one - one.mean()) * (other - other.mean())).mean() / both) if both > 1e-12 else 0.0
