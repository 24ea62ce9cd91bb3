"""Plausibility checks of a recording: gaps, flat and clipped leads, implausible amplitudes, violated lead laws.

The limits are wide: a rejected record is broken or was misread, and an accepted one is not necessarily of good
quality. 1 of the 2,183 records of PTB-XL's fold 9 is rejected (V2 of record 11488 is clipped).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch

from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS
from ecggen.core.errors import InputError, argument

SHORTEST = 2.0
"""Shortest recording in seconds: two beats at 60 per minute."""
LARGEST = 50.0
"""Largest distance from the median in mV; the largest in PTB-XL, a motion artifact, is 20 mV."""
SMALLEST = 0.02
"""Smallest peak-to-peak amplitude in mV; the smallest lead of PTB-XL's fold 9 has five times as much."""
CONTRADICTION = 0.1
"""Largest accepted deviation from Einthoven's and Goldberger's equations in mV."""
CLIPPED = 0.02
"""Fraction of a lead at its highest or lowest value, in runs of three samples or more, from which it is clipped."""
SAME = 0.02
"""Largest deviation of the gains from 1 for which not the gains but the offsets of the leads are wrong."""
CORRECTS = "would correct it"
"""Marks the part of a message of ``check_laws`` that names a correction."""


def refuse_missing(ecg: ECG) -> None:
    """Raise InputError if samples are missing; the message names the lead, the gap and the longest complete segment."""
    missing: np.ndarray = np.any(~np.isfinite(ecg.signal.numpy()), axis=0)
    if not missing.any():
        return
    counts = missing.sum(1)
    row = int(counts.argmax())
    others = f" ({np.sum(counts > 0)} leads have gaps)" if np.sum(counts > 0) > 1 else ""
    at = missing[row].argmax() / ecg.fs
    first, last = longest_run(~np.any(missing, axis=0))
    part = argument(start=round(first / ecg.fs, 4), seconds=round((last - first) / ecg.fs, 4))
    complete = [lead for lead, number in zip(ecg.leads, counts, strict=True) if not number]
    whole = f"read the complete leads: {argument(leads=','.join(complete))}" if complete else "use another recording"
    raise InputError(
        f"lead {ecg.leads[row]} lacks {counts[row]} of {ecg.samples} samples, the first at {at:.3f} s{others}",
        "a value for every sample was expected",
        f"read the longest complete segment: {part}" if last - first >= SHORTEST * ecg.fs else whole,
    )


def check_quality(ecg: ECG) -> None:
    """Raise InputError if a record is too short, or a lead is flat, clipped or of implausible amplitude.

    Missing samples are left out.
    """
    ecg = _without_gaps(ecg)
    if ecg.seconds < SHORTEST:
        raise InputError(
            f"the recording lasts {ecg.seconds:.3g} s", f"at least {SHORTEST:g} s were expected", _anyway()
        )
    for signal in ecg.signal.numpy():
        low, high, median = signal.min(1), signal.max(1), np.median(signal, 1)
        size, reach = high - low, np.maximum(high - median, median - low)
        _refuse(size == 0, ecg.leads, high, "is flat at {:.3g} mV", "a signal was expected")
        small = f"at least {SMALLEST:g} mV were expected (is the unit right?)"
        large = f"at most {LARGEST:g} mV were expected (is the unit right?)"
        _refuse(size < SMALLEST, ecg.leads, size, "spans {:.2g} mV from peak to peak", small)
        _refuse(reach > LARGEST, ecg.leads, reach, "reaches {:.3g} mV", large)
        for end, clipped in _clipped(signal):
            _refuse(clipped, ecg.leads, end, "is clipped at {:.3f} mV", "complete peaks were expected")


def _without_gaps(ecg: ECG) -> ECG:
    """Leads without missing samples: the others are repeated in their place, which keeps their distribution.

    Leads without any sample are left out.
    """
    present = torch.isfinite(ecg.signal)
    if bool(present.all()):
        return ecg
    kept = [row for row in range(len(ecg.leads)) if bool(present[:, row].any(-1).all())]
    signal = ecg.signal[:, kept].numpy().copy()
    for row in signal.reshape(-1, ecg.samples):
        row[:] = np.resize(row[np.isfinite(row)], ecg.samples)
    return ECG(torch.from_numpy(signal), tuple(ecg.leads[row] for row in kept), ecg.fs) if kept else ecg


def clipped_leads(ecg: ECG) -> tuple[str, ...]:
    """The leads of one record that are clipped."""
    ecg = _without_gaps(ecg)
    clipped = [any(row) for row in zip(*(rows for _, rows in _clipped(ecg.signal[0].numpy())), strict=True)]
    return tuple(lead for lead, is_clipped in zip(ecg.leads, clipped, strict=True) if is_clipped)


def _clipped(signal: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For the lowest and then the highest values (lead,): the values, and whether the leads are clipped there."""
    low, high, median = signal.min(1), signal.max(1), np.median(signal, 1)
    for end in (low, high):
        # The level must lie far from the median: a quiet baseline in coarse steps is not clipping.
        deep = np.abs(end - median) > np.maximum((high - low) / 4, 0.1)
        yield end, deep & (_held(signal == end[:, None]) > CLIPPED)


def check_laws(ecg: ECG) -> None:
    """Raise InputError if the leads contradict each other; the message names the deviation and a correction.

    Leads with missing samples are compared with the leads that are recorded at the same time.
    """
    for part in _recorded_together(ecg):
        _check_laws(part)


def law_residual(ecg: ECG) -> float:
    """Largest deviation from the lead laws in mV of leads that are recorded at the same time."""
    return max((float(part.law_residual().max()) for part in _recorded_together(ecg)), default=0.0)


def _recorded_together(ecg: ECG) -> Iterator[ECG]:
    """For each set of leads that are recorded at the same time, these leads with the samples of that time."""
    if bool(torch.isfinite(ecg.signal).all()):
        yield ecg
        return
    for record in ecg.signal:
        present = torch.isfinite(record)
        codes = (present * 2 ** torch.arange(len(ecg.leads))[:, None]).sum(0)
        for code in codes.unique().tolist():
            at, rows = codes == code, [row for row in range(len(ecg.leads)) if code >> row & 1]
            if rows:
                yield ECG(record[rows][:, at], tuple(ecg.leads[row] for row in rows), ecg.fs)


def _check_laws(ecg: ECG) -> None:
    residual = float(ecg.law_residual().max())
    if residual <= CONTRADICTION:
        return
    limb = [lead for lead in STANDARD_LEADS[:6] if lead in ecg.leads]
    ecg = ecg.pick(*limb)  # no lead law involves the chest leads
    odd = [lead for lead in limb if len(limb) > 3 and _obeys(_without(ecg, lead))]
    who = f"lead {odd[0]} contradicts the others" if len(odd) == 1 else f"leads {', '.join(limb)} contradict each other"
    unchanged = argument(allow_contradiction=True)
    hint = next((f"{how} {CORRECTS}; " for how, corrected in _corrections(ecg, limb) if _obeys(corrected)), "")
    raise InputError(
        f"{who} by up to {residual:.2f} mV",
        f"Einthoven's and Goldberger's laws to within {CONTRADICTION:g} mV were expected",
        hint + (f"pass {unchanged} to read it unchanged" if unchanged else "check the recording"),
    )


def _refuse(bad: np.ndarray, leads: tuple[str, ...], mv: np.ndarray, found: str, expected: str) -> None:
    """Raise InputError for the first lead that is ``bad``, with its value of ``mv`` in the message."""
    for lead, value in zip(np.array(leads)[bad], mv[bad], strict=True):
        others = [other for other, is_bad in zip(leads, bad, strict=True) if not is_bad]
        raise InputError(f"lead {lead} {found.format(value)}", expected, _anyway(others))


def _anyway(others: Sequence[str] = ()) -> str:
    """What to do with a recording that is not plausible, if only some of its leads are not."""
    do = f"read the other leads: {argument(leads=','.join(others))}" if others else "use another recording"
    unchanged = argument(check=False)
    return f"{do}; {unchanged} reads it unchanged" if unchanged else do


def _held(at: np.ndarray) -> np.ndarray:
    """Fraction of the samples of each row of ``at`` (lead, time) that are true in runs of three or more."""
    middle = at[:, 1:-1] & at[:, :-2] & at[:, 2:]
    run = np.zeros_like(at)
    for shift in range(3):
        run[:, shift : shift + middle.shape[1]] |= middle
    return run.mean(1)


def longest_run(whole: np.ndarray) -> tuple[int, int]:
    """Range (first, last + 1) of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.r_[False, whole, False].astype(np.int8))).reshape(-1, 2)
    if not len(edges):
        return 0, 0
    first, last = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    return int(first), int(last)


def _corrections(ecg: ECG, limb: list[str]) -> Iterator[tuple[str, ECG]]:
    """The ECG with one common error of the limb leads reverted, for each error, with a description."""
    for lead in limb:
        arms = " (were the arm electrodes exchanged in some of the leads?)" if lead == "I" else ""
        yield f"inverting {lead}{arms}", _inverted(ecg, lead)
    for one, two in combinations(limb, 2):
        yield f"exchanging {one} and {two}", _renamed(ecg, {one: two, two: one})
    for offsets in _offsets(ecg.pick(*limb)):
        listed = ", ".join(f"{offset:.2f} mV from {lead}" for lead, offset in offsets.items())
        others = " (or from another of the leads)" if len(limb) == 3 else ""
        yield f"subtracting an offset of {listed}{others}", _shifted(ecg, offsets)
    if len(limb) >= 4 and (factors := _gains(ecg.pick(*limb))) is not None:
        listed = ", ".join(
            f"{lead} by {factor:.2f}" for lead, factor in zip(limb, factors, strict=True) if lead != limb[0]
        )
        how = f"multiplying {listed} (are the gains right?)"
        if np.abs(factors - 1).max() < SAME:  # the means were subtracted as well
            how = "subtracting its mean from each lead"
        yield how, _multiplied(ecg, dict(zip(limb, factors, strict=True)))


def _offsets(limb: ECG) -> Iterator[dict[str, float]]:
    """Offsets in mV of the fewest limb leads that the means of the leads suggest; none if the laws cannot tell them.

    An offset of one of three leads cannot be told from an offset of another; it is ascribed to the last.
    """
    off = _off(limb.leads)
    means = limb.signal[0].double().mean(1).numpy()
    for count in range(1, max(len(limb.leads) - 2, 2)):
        for rows in map(list, combinations(reversed(range(len(limb.leads))), count)):
            offsets, *_ = np.linalg.lstsq(off[:, rows], off @ means, rcond=None)
            if np.abs(off @ means - off[:, rows] @ offsets).max() < CONTRADICTION / 10:
                yield {limb.leads[row]: float(offset) for row, offset in sorted(zip(rows, offsets, strict=True))}
                return


def _off(leads: Sequence[str]) -> np.ndarray:
    """The projection (lead, lead) of leads on their deviation from the lead laws."""
    rows = LEAD_MATRIX[[STANDARD_LEADS.index(lead) for lead in leads]]
    return np.eye(len(rows)) - rows @ np.linalg.pinv(rows)


def _gains(limb: ECG) -> np.ndarray | None:
    """Factors of the limb leads, the first being 1, that minimise their deviation from the lead laws; None if there
    are no plausible ones.

    The lead laws are linear, so that the factors are the eigenvector of the smallest eigenvalue of a quadratic form.
    """
    off = _off(limb.leads)
    waves = limb.signal[0].double().numpy()
    waves = waves - waves.mean(1, keepdims=True)
    # |off · diag(f) · waves|² = fᵀ (off ∘ waves wavesᵀ) f, as off is a projection.
    _, vectors = np.linalg.eigh(off * (waves @ waves.T))
    factors = vectors[:, 0]
    return factors / factors[0] if np.all(factors / factors[0] > 0.1) else None


def _multiplied(ecg: ECG, factors: dict[str, float]) -> ECG:
    """The leads times their factors, without their means, because a wrong gain also scales the baseline."""
    by = torch.tensor([factors.get(lead, 1.0) for lead in ecg.leads], dtype=torch.float32)
    return replace(ecg, signal=(ecg.signal - ecg.signal.mean(-1, keepdim=True)) * by[:, None])


def _shifted(ecg: ECG, offsets: dict[str, float]) -> ECG:
    by = torch.tensor([offsets.get(lead, 0.0) for lead in ecg.leads], dtype=torch.float32)
    return replace(ecg, signal=ecg.signal - by[:, None])


def _obeys(ecg: ECG) -> bool:
    return float(ecg.law_residual().max()) <= CONTRADICTION


def _without(ecg: ECG, lead: str) -> ECG:
    return ecg.pick(*(other for other in ecg.leads if other != lead))


def _renamed(ecg: ECG, names: dict[str, str]) -> ECG:
    return replace(ecg, leads=tuple(names.get(lead, lead) for lead in ecg.leads))


def _inverted(ecg: ECG, lead: str) -> ECG:
    signal = ecg.signal.clone()
    signal[:, ecg.leads.index(lead)] *= -1
    return replace(ecg, signal=signal)
