"""Whether a signal can be an ECG at all: gaps, flat and clipped leads, absurd amplitudes, broken lead laws.

The limits are wide on purpose. Every record that they refuse is broken or misread, so that what passes is
not praised by passing; 1 of the 2,183 records of PTB-XL's fold 9 is refused (V2 of 11488 is clipped).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch

from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS
from ecggen.core.errors import InputError

SHORTEST = 2.0
"""Seconds: two beats at 60 a minute."""
LARGEST = 50.0
"""mV from the median; the largest value of PTB-XL, in a shaken lead, is 20 mV."""
SMALLEST = 0.02
"""mV from top to bottom; the smallest lead of PTB-XL's fold 9 has five times as much."""
CONTRADICTION = 0.1
"""mV away from the nearest heart that obeys Einthoven and Goldberger."""
CLIPPED = 0.02
"""Share of a lead that stands at its highest or lowest value, in runs of three samples or more."""

_ANYWAY = "look at the recording; check=False reads it as it is"


def refuse_missing(ecg: ECG) -> None:
    """An InputError where a sample is missing: which lead, how many, where, and which part is whole."""
    missing: np.ndarray = np.any(~np.isfinite(ecg.signal.numpy()), axis=0)
    if not missing.any():
        return
    counts = missing.sum(1)
    row = int(counts.argmax())
    others = f" ({np.sum(counts > 0)} leads have gaps)" if np.sum(counts > 0) > 1 else ""
    at = missing[row].argmax() / ecg.fs
    first, last = longest_whole(~np.any(missing, axis=0))
    part = f"read the longest whole part: start={first / ecg.fs:.4f}, seconds={(last - first) / ecg.fs:.4f}"
    raise InputError(
        f"lead {ecg.leads[row]} lacks {counts[row]} of {ecg.samples} samples, the first at {at:.3f} s{others}",
        "a value for every sample was expected",
        part if last - first >= SHORTEST * ecg.fs else "read the other leads: name them with leads",
    )


def check_quality(ecg: ECG) -> None:
    """An InputError where a record is too short, or a lead flat, clipped or of an amplitude no heart has."""
    if ecg.seconds < SHORTEST:
        raise InputError(f"the recording lasts {ecg.seconds:.3g} s", f"at least {SHORTEST:g} s were expected", _ANYWAY)
    for signal in ecg.signal.numpy():
        low, high, median = signal.min(1), signal.max(1), np.median(signal, 1)
        size, reach = high - low, np.maximum(high - median, median - low)
        _refuse(size == 0, ecg.leads, high, "is flat at {:.3g} mV", "a signal was expected")
        _refuse(size < SMALLEST, ecg.leads, size, "spans {:.2g} mV in all", "more was expected (is the unit right?)")
        _refuse(reach > LARGEST, ecg.leads, reach, "reaches {:.3g} mV", "less was expected (is the unit right?)")
        for end, clipped in _clipped(signal):
            _refuse(clipped, ecg.leads, end, "is clipped at {:.3f} mV", "its peaks were expected")


def clipped_leads(ecg: ECG) -> tuple[str, ...]:
    """The leads of one record whose peaks are cut off."""
    clipped = [any(row) for row in zip(*(rows for _, rows in _clipped(ecg.signal[0].numpy())), strict=True)]
    return tuple(lead for lead, is_clipped in zip(ecg.leads, clipped, strict=True) if is_clipped)


def _clipped(signal: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Lowest and then highest value of each lead (lead, time), and whether it is clipped there."""
    low, high, median = signal.min(1), signal.max(1), np.median(signal, 1)
    for end in (low, high):
        # The level must lie far from the median: a quiet baseline in coarse steps is no clipping.
        deep = np.abs(end - median) > np.maximum((high - low) / 4, 0.1)
        yield end, deep & (_held(signal == end[:, None]) > CLIPPED)


def check_laws(ecg: ECG) -> None:
    """An InputError where the leads contradict each other: by how much, which, and what would mend it."""
    residual = float(ecg.law_residual().max())
    if residual <= CONTRADICTION:
        return
    limb = [lead for lead in STANDARD_LEADS[:6] if lead in ecg.leads]
    ecg = ecg.pick(*limb)  # the chest leads stand in no law
    odd = [lead for lead in limb if len(limb) > 3 and _obeys(_without(ecg, lead))]
    who = f"lead {odd[0]} contradicts the others" if len(odd) == 1 else f"leads {', '.join(limb)} contradict each other"
    mend = next((f"{how} would mend it; " for how, mended in _mends(ecg, limb) if _obeys(mended)), "")
    raise InputError(
        f"{who} by up to {residual:.2f} mV",
        f"Einthoven's and Goldberger's laws to within {CONTRADICTION:g} mV were expected",
        f"{mend}pass allow_contradiction=True to go on all the same",
    )


def _refuse(bad: np.ndarray, leads: tuple[str, ...], mv: np.ndarray, found: str, expected: str) -> None:
    """An InputError for the first lead that is ``bad``, with its number of ``mv`` in the text."""
    for lead, value in zip(np.array(leads)[bad], mv[bad], strict=True):
        raise InputError(f"lead {lead} {found.format(value)}", expected, _ANYWAY)


def _held(at: np.ndarray) -> np.ndarray:
    """Share of the samples (lead, time) that are true in runs of three or more."""
    middle = at[:, 1:-1] & at[:, :-2] & at[:, 2:]
    run = np.zeros_like(at)
    for shift in range(3):
        run[:, shift : shift + middle.shape[1]] |= middle
    return run.mean(1)


def longest_whole(whole: np.ndarray) -> tuple[int, int]:
    """First sample of the longest run of true values, and the one after its last."""
    edges = np.flatnonzero(np.diff(np.r_[False, whole, False].astype(np.int8))).reshape(-1, 2)
    if not len(edges):
        return 0, 0
    first, last = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    return int(first), int(last)


def _mends(ecg: ECG, limb: list[str]) -> Iterator[tuple[str, ECG]]:
    """The usual mistakes with limb leads undone, each with its name."""
    for lead in limb:
        arms = " (were the arms exchanged in some of the leads?)" if lead == "I" else ""
        yield f"turning {lead} upside down{arms}", _turned(ecg, lead)
    for one, two in combinations(limb, 2):
        yield f"exchanging {one} and {two}", _renamed(ecg, {one: two, two: one})
    if len(limb) >= 4 and (factors := _gains(ecg.pick(*limb))) is not None:
        told = ", ".join(
            f"{lead} by {factor:.2f}" for lead, factor in zip(limb, factors, strict=True) if lead != limb[0]
        )
        yield f"multiplying {told} (are the gains right?)", _multiplied(ecg, dict(zip(limb, factors, strict=True)))


def _gains(limb: ECG) -> np.ndarray | None:
    """Factors of the limb leads, the first being 1, under which they would obey the laws best; None without any.

    The laws are linear: with the leads as columns, the factors are what their departure from the laws maps to least.
    """
    rows = LEAD_MATRIX[[STANDARD_LEADS.index(lead) for lead in limb.leads]]
    off = np.eye(len(rows)) - rows @ np.linalg.pinv(rows)
    waves = limb.signal[0].double().numpy()
    waves = waves - waves.mean(1, keepdims=True)
    # |off · diag(f) · waves|² = fᵀ (off ∘ waves wavesᵀ) f, as off is a projection.
    _, vectors = np.linalg.eigh(off * (waves @ waves.T))
    factors = vectors[:, 0]
    return factors / factors[0] if np.all(factors / factors[0] > 0.1) else None


def _multiplied(ecg: ECG, factors: dict[str, float]) -> ECG:
    """The leads times their factors, without their means: a wrong gain moves the baseline as well."""
    by = torch.tensor([factors.get(lead, 1.0) for lead in ecg.leads], dtype=torch.float32)
    return replace(ecg, signal=(ecg.signal - ecg.signal.mean(-1, keepdim=True)) * by[:, None])


def _obeys(ecg: ECG) -> bool:
    return float(ecg.law_residual().max()) <= CONTRADICTION


def _without(ecg: ECG, lead: str) -> ECG:
    return ecg.pick(*(other for other in ecg.leads if other != lead))


def _renamed(ecg: ECG, names: dict[str, str]) -> ECG:
    return replace(ecg, leads=tuple(names.get(lead, lead) for lead in ecg.leads))


def _turned(ecg: ECG, lead: str) -> ECG:
    signal = ecg.signal.clone()
    signal[:, ecg.leads.index(lead)] *= -1
    return replace(ecg, signal=signal)
