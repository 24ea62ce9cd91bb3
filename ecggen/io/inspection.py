"""Quality report of a recording: gaps, flat and clipped segments, lead laws, exchanged limb electrodes.

Nothing is rejected here. Exchanged limb electrodes do not violate the lead laws. They are detected by morphology:
leads I and II normally correlate with V6, and are inverted relative to V6 if arm electrodes are exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError, argument
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.io.quality import (
    CONTRADICTION,
    CORRECTS,
    LARGEST,
    SHORTEST,
    SMALLEST,
    check_laws,
    check_quality,
    clipped_leads,
    law_residual,
    longest_run,
)
from ecggen.io.sampling_rate import rate_that_fits
from ecggen.io.signal_quality import Part, SignalQuality, signal_quality

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
OFFSET = (0.5, 0.5)
"""Distance of the median from 0 from which an offset is reported, if all values of all leads lie on one side of 0: in
mV, and relative to the peak-to-peak value of the lead."""
SMALL = {1: 0.15, 6: 0.5}
"""Peak-to-peak value in mV of the largest lead below which the unit is questioned, from this number of leads on.

In folds 1–8 of PTB-XL, 99.9 % of the leads and all largest leads of twelve are larger.
"""
LARGE = 6.0
"""Median over leads of the peak-to-peak value in mV above which the unit is questioned; the largest in folds 1–8 of
PTB-XL is 3.5 mV."""
NO_ECG = "no lead shows certain heartbeats: is it an ECG, and are its sampling rate and unit right?"
"""Doubt about a recording without beats."""
PARTS = 6
"""Most segments that a doubt lists."""


@dataclass(frozen=True)
class Inspection:
    """Quality report of one record.

    Attributes:
        gaps: Segments without samples.
        flat: Segments of at least ``FLAT`` seconds in which a lead is constant.
        clipped: Leads whose peaks are clipped.
        law_residual: Largest deviation from the lead laws in mV, in the longest segment without gaps.
        heart_rate: Beats per minute over the parts with certain beats; None if there are none.
        quality: Where beats are certain.
        doubts: Problems of the recording, one sentence each.
    """

    gaps: tuple[Part, ...]
    flat: tuple[Part, ...]
    clipped: tuple[str, ...]
    law_residual: float
    heart_rate: float | None
    quality: SignalQuality
    doubts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as a dictionary for JSON."""
        return {
            "gaps": [vars(part) for part in self.gaps],
            "flat": [vars(part) for part in self.flat],
            "clipped": list(self.clipped),
            "law_residual_mv": self.law_residual,
            "heart_rate": None if self.heart_rate is None else round(self.heart_rate, 1),
            "is_ecg": self.quality.is_ecg,
            "uncertain": [vars(part) for part in self.quality.uncertain],
            "certain_share": round(self.quality.certain_share, 3),
            "doubts": list(self.doubts),
        }


def inspect(ecg: ECG, inverted: bool = True) -> Inspection:
    """Inspect one record, which may have gaps (NaN).

    Args:
        ecg: One record.
        inverted: Whether to doubt limb leads that are inverted relative to the chest leads. False if a check that knows
            more looks for exchanged electrodes (``ecggen.evaluators.lead_consistency``).

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
    quality = signal_quality(ecg)
    if complete is None:
        doubts = [*refusals(ecg), f"no segment of {SHORTEST:g} s has samples in all leads", *gap_doubts(ecg)]
        doubts += beat_doubts(ecg, quality, flat)
        clipped, residual = clipped_leads(ecg), law_residual(ecg)
        return Inspection(gaps, flat, clipped, residual, quality.heart_rate, quality, tuple(doubts))
    doubts = [*refusals(complete), *_doubts(complete, gaps, flat, inverted), *beat_doubts(complete, quality, flat)]
    residual, clipped = float(complete.law_residual().max()), clipped_leads(complete)
    return Inspection(gaps, flat, clipped, residual, quality.heart_rate, quality, tuple(doubts))


def refuse_noise(ecg: ECG, allow: bool = False) -> list[str]:
    """Doubts about the beats of one record, which may have gaps (NaN); refuse it if there are none.

    Args:
        ecg: One record.
        allow: Whether to return this as a doubt instead.

    Raises:
        InputError: If no lead shows certain heartbeats.
    """
    quality = signal_quality(ecg)
    if not quality.is_ecg and not allow:
        anyway = argument(allow_noise=True)
        raise InputError(
            f"{_shown(ecg.leads)} no certain heartbeats (noise, or not an ECG)",
            f"an ECG was expected; its sampling rate is taken as {ecg.fs:g} Hz",
            "correct rate, unit and leads, or choose another segment" + (f"; {anyway} continues" if anyway else ""),
        )
    return list(beat_doubts(ecg, quality))


def _shown(leads: Sequence[str]) -> str:
    return f"lead {leads[0]} shows" if len(leads) == 1 else f"leads {', '.join(leads)} show"


def beat_doubts(ecg: ECG, quality: SignalQuality, flat: Sequence[Part] = ()) -> Iterator[str]:
    """Doubts about beats and sampling rate, one sentence each.

    Args:
        ecg: One record, best without missing samples.
        quality: Its quality.
        flat: Flat segments, which are not named again.
    """
    rate = quality.heart_rate if quality.is_ecg else _rate(ecg)
    if rate is not None and not RATES[0] <= rate <= RATES[1]:
        yield f"the heart rate would be {rate:.0f} per minute: is the sampling rate of {ecg.fs:g} Hz right?"
    elif not quality.is_ecg:
        yield NO_ECG
    else:
        noisy = [part for part in quality.uncertain if not any(_covers(other, part) for other in flat)]
        if noisy:
            yield f"no heartbeats are certain (noise?): {_some(noisy)}"
        clear = ecg.pick(*quality.clear_leads) if quality.clear_leads else None
        if clear and bool(torch.isfinite(clear.signal).all()) and (fits := rate_that_fits(clear)) is not None:
            yield f"RR, QRS and QT would fit {fits:g} Hz better: is the sampling rate of {ecg.fs:g} Hz right?"


def exchanged(ecg: ECG, inverted: bool = True) -> list[str]:
    """Limb electrodes that may be exchanged in one record, one sentence each; empty if there is no sign of it.

    ``inverted`` says whether leads I and II are compared with V6 or V5. An exchange of left arm and left leg gives an
    ECG that is plausible for another patient. It is not searched for.
    """
    known = {lead: _without_wander(ecg, lead) for lead in ecg.leads if lead in ("I", "II", "III", "V5", "V6")}
    chest = known.get("V6", known.get("V5"))
    with_chest = {lead: _correlation(known[lead], chest) for lead in ("I", "II") if lead in known and chest is not None}
    notes = []
    if with_chest and inverted:
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


def refusals(ecg: ECG, checks: Sequence[Callable[[ECG], None]] = (check_quality, check_laws)) -> Iterator[str]:
    """Reasons for which ``read``, with all or some of its checks, would reject the record."""
    for check in checks:
        try:
            check(ecg)
        except InputError as error:
            correction = error.do.partition("; ")[0] if CORRECTS in error.do else ""
            yield "; ".join(filter(None, (error.found, error.expected, correction)))


def gap_doubts(ecg: ECG) -> Iterator[str]:
    """Where samples of one record are missing, as a sentence; nothing if none is."""
    if gaps := tuple(_parts(ecg, ~np.isfinite(ecg.signal[0].numpy()), 0.0)):
        yield _missing_text(gaps)


def _missing_text(gaps: Sequence[Part]) -> str:
    return f"samples are missing: {_some(gaps)}"


def _doubts(ecg: ECG, gaps: Sequence[Part], flat: Sequence[Part], inverted: bool) -> Iterator[str]:
    if gaps:
        yield _missing_text(gaps)
    if flat:
        yield f"the signal is constant: {_some(flat)}"
    yield from _deviation(ecg)
    yield from scale_doubts(ecg)
    yield from exchanged(ecg, inverted)


def _deviation(ecg: ECG) -> Iterator[str]:
    """A smaller deviation from the lead laws than those for which ``read`` would reject the record, as a sentence."""
    off = float(ecg.law_residual().max())
    if ROUNDING < off <= CONTRADICTION:
        yield f"the leads deviate from the lead laws by up to {off * 1000:.0f} µV, more than rounding explains"


def amplitude_doubts(ecg: ECG) -> list[str]:
    """Doubts about gains, offsets and unit of one record, as in ``inspect``, one sentence each.

    The lead laws show wrong gains only if all limb leads of a file are given, whichever of them are used.

    Args:
        ecg: One record, which may have gaps (NaN).

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> ecg = simulate(1)
        >>> amplitude_doubts(ecg)
        []
        >>> [doubt] = amplitude_doubts(replace(ecg, signal=ecg.signal * 20))
        >>> doubt.rpartition(": ")[2]
        'is the unit right?'
    """
    whole = _complete(ecg, ~np.isfinite(ecg.signal[0].numpy()))
    if whole is None:
        return list(refusals(ecg, (check_laws,)))
    return [*refusals(whole, (check_laws,)), *_deviation(whole), *scale_doubts(whole)]


def scale_doubts(ecg: ECG) -> Iterator[str]:
    """Doubts about offset and unit of one record without missing samples, one sentence each."""
    wave = ecg.signal[0].double().numpy()
    median, size = np.median(wave, 1), np.ptp(np.quantile(wave, [0.01, 0.99], axis=1), axis=0)
    one_sided = (wave.min(1) > 0) | (wave.max(1) < 0)
    if np.all(one_sided & (np.abs(median) > np.maximum(OFFSET[0], OFFSET[1] * size))):
        lead = int(np.abs(median).argmax())
        counts = argument(unit="mV", gain=200, baseline=1024)
        ask = f"are they counts, to be read with {counts}, for example?" if counts else "are they counts?"
        yield f"all values lie on one side of 0 (lead {ecg.leads[lead]} about {median[lead]:.3g} mV): {ask}"
    smallest = SMALL[max(count for count in SMALL if count <= len(ecg.leads))]
    if SMALLEST < size.max() < smallest:
        yield f"the largest lead has {size.max():.2g} mV from peak to peak, less than an ECG has: is the unit right?"
    elif np.median(size) > LARGE and np.abs(wave - median[:, None]).max() <= LARGEST:
        size = np.median(size)
        yield f"the leads have about {size:.2g} mV from peak to peak, more than an ECG has: is the unit right?"


def _rate(ecg: ECG) -> float | None:
    """Beats per minute; the detector needs 100 Hz, and below 20 Hz QRS complexes cannot be detected."""
    if ecg.fs < 20:
        return None
    return heart_rate(r_peaks(ecg.resample(100.0) if ecg.fs < 100 else ecg)[0])


def _covers(outer: Part, inner: Part) -> bool:
    """Whether ``outer`` covers at least half of ``inner`` in the same lead."""
    common = min(outer.last, inner.last) - max(outer.first, inner.first)
    return outer.lead == inner.lead and common >= (inner.last - inner.first) / 2


def _some(parts: Sequence[Part]) -> str:
    """The first segments, those at the same time together: "I, II from 3.00 to 8.00 s"."""
    leads: dict[tuple[float, float], list[str]] = {}
    for part in parts:
        leads.setdefault((part.first, part.last), []).append(part.lead)
    named = [str(Part(", ".join(names), *when)) for when, names in leads.items()]
    more = f" and {len(named) - PARTS} more segments" if len(named) > PARTS else ""
    return "; ".join(named[:PARTS]) + more


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
    sos = butter(2, min(0.5, 0.4 * ecg.fs), "highpass", fs=ecg.fs, output="sos")
    return sosfiltfilt(sos, wave, padlen=min(9, len(wave) - 1))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    both = one.std() * other.std()
    return float(((one - one.mean()) * (other - other.mean())).mean() / both) if both > 1e-12 else 0.0
