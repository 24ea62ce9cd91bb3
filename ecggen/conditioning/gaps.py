"""Recordings with gaps: which gaps are interpolated and which are masked, what is said, and what is refused.

A masked sample is generated, unless it follows from other leads by the lead laws. On PTB-XL's fold 9, a gap of 0.1 s in
lead II that is generated deviates by 21 µV from the recording (median over records), and by 34 µV if it is interpolated
linearly; for a gap of 0.02 s these are 16 and 8 µV (``evaluation/results/gaps.json``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from ecggen.conditioning.projection import determined
from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.errors import InputError, argument
from ecggen.core.gaps import INTERPOLATED, interpolated, longest_run, runs, short_gaps

BRIDGED = 0.2
"""Longest gap in seconds that is said to be bridged; a longer one is said to be generated."""
LEAST = 2.0
"""Shortest observed duration of the lead that is observed longest, in seconds: about two beats."""
LONGEST = 2.0
"""Longest duration without any observed lead in seconds.

In a gap of 1 s in lead II alone, generated samples are nearer to the recorded ones than the median of the lead is (113
and 129 µV, median over records of PTB-XL's fold 9); in a gap of 2 s hardly (121 and 127 µV), in one of 4 s no longer.
"""


def bridged(ecg: ECG) -> tuple[ECG, tuple[str, ...]]:
    """An ECG whose shortest gaps are interpolated, and what becomes of all of its gaps.

    Gaps of at most ``INTERPOLATED`` seconds are interpolated linearly. Longer ones stay missing (NaN): a condition
    masks them, and a generator fills them.

    Args:
        ecg: Leads, with NaN for missing samples.

    Returns:
        The ECG, and one note for each treatment of gaps.

    Raises:
        InputError: If no lead is observed for ``LEAST`` s, or none is observed during more than ``LONGEST`` s.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> ecg = simulate(1, seconds=5, fs=500).pick("II")
        >>> ecg.signal[0, 0, 2100:2103] = torch.nan
        >>> ecg, notes = bridged(ecg)
        >>> notes
        ('lead II: 3 samples bridged (0.006 s at 4.200 s)',)
    """
    ecg, notes = filled(ecg)
    if not bool(torch.isfinite(ecg.signal).all()):
        for record, wave in enumerate(ecg.signal):
            _refuse_too_little(np.isfinite(wave.numpy()), ecg, _name(ecg, record))
    return ecg, notes


def filled(ecg: ECG) -> tuple[ECG, tuple[str, ...]]:
    """As ``bridged``, but any duration may be without leads."""
    if bool(torch.isfinite(ecg.signal).all()):
        return ecg, ()
    signal, notes = ecg.signal.clone(), []
    for record, wave in enumerate(signal):
        notes += [f"{_name(ecg, record)}{note}" for note in _grouped(_bridge(wave.numpy(), ecg))]
    return replace(ecg, signal=signal), tuple(notes)


def _name(ecg: ECG, record: int) -> str:
    """The record in a message; "" if there is only one."""
    return f"record {record}, " if len(ecg) > 1 else ""


def _bridge(wave: np.ndarray, ecg: ECG) -> Iterator[tuple[str, str]]:
    """Bridge the short gaps of one record (lead, time) in place; for each treatment, the lead and what was done."""
    standard = [STANDARD_LEADS.index(lead) for lead in ecg.leads]
    observed = torch.zeros(1, len(STANDARD_LEADS), ecg.samples, dtype=torch.bool)
    observed[0, standard] = torch.from_numpy(np.isfinite(wave))
    follows = determined(observed)
    for row, lead, number in zip(wave, ecg.leads, standard, strict=True):
        missing = ~np.isfinite(row)
        if not missing.any():
            continue
        gaps = short_gaps(missing, ecg.fs, INTERPOLATED)
        # A lead that follows from others here must not be interpolated: it would contradict them.
        lacking = missing & ~follows[0, number].numpy()
        bridged = np.zeros_like(missing)
        for first, last in gaps:
            bridged[first:last] = lacking[first:last]
        row[:] = np.where(bridged, interpolated(row, gaps), row)
        if bridged.any():
            observed[0, number] |= torch.from_numpy(bridged)
            follows = determined(observed)
        for what in _said(bridged, lacking & ~bridged, missing & ~lacking, ecg.fs):
            yield lead, what


def _said(bridged: np.ndarray, generated: np.ndarray, derived: np.ndarray, fs: float) -> Iterator[str]:
    """What was done about the missing samples (time,) of a lead, by treatment."""
    parts = runs(generated)
    short = [part for part in parts if part[1] - part[0] <= BRIDGED * fs + 1e-6]
    if bridged.any():
        yield _bridged_text(runs(bridged), "bridged", fs)
    if short:
        yield _bridged_text(short, "bridged by the model", fs)
    if len(short) < len(parts):
        samples = sum(last - first for first, last in parts if (first, last) not in short)
        yield f"{_seconds(samples, fs)} s without samples were generated"
    if derived.any():
        yield f"{_seconds(int(derived.sum()), fs)} s without samples were derived from other leads"


def _bridged_text(parts: list[tuple[int, int]], what: str, fs: float) -> str:
    first, last = parts[0]
    if len(parts) == 1:
        return f"{last - first} samples {what} ({(last - first) / fs:.3f} s at {first / fs:.3f} s)"
    samples = sum(last - first for first, last in parts)
    return f"{samples} samples in {len(parts)} gaps {what} (the first at {first / fs:.3f} s)"


def _seconds(samples: int, fs: float) -> str:
    seconds = samples / fs
    return f"{seconds:.1f}" if seconds >= 0.95 else f"{seconds:.3f}"


def _grouped(said: Iterable[tuple[str, str]]) -> list[str]:
    """One sentence for all leads of which the same is said."""
    leads: dict[str, list[str]] = {}
    for lead, what in said:
        leads.setdefault(what, []).append(lead)
    return [f"lead{'s' * (len(own) > 1)} {', '.join(own)}: {what}" for what, own in leads.items()]


def _refuse_too_little(observed: np.ndarray, ecg: ECG, name: str) -> None:
    """Raise InputError if too little of one record (lead, time) is observed."""
    longest = observed.sum(1).max() / ecg.fs
    if longest < LEAST:
        raise InputError(
            f"{name}no lead has samples for more than {longest:.2f} s of {ecg.seconds:.2f} s",
            f"at least {LEAST:g} s of one lead were expected",
            "use another recording",
        )
    anything = np.asarray(observed.any(0))
    first, last = longest_run(~anything)
    if last - first <= LONGEST * ecg.fs:
        return
    start, end = longest_run(anything)
    raise InputError(
        f"{name}no lead has samples from {first / ecg.fs:.2f} to {last / ecg.fs:.2f} s",
        f"at most {LONGEST:g} s without any lead were expected",
        f"use a part, e.g. {argument(start=start / ecg.fs, seconds=(end - start) / ecg.fs)}",
    )
