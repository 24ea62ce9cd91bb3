"""Bring all sets to one signal format, so that sampling rate, duration and leads do not differ between them.

Within a set the most frequent format counts, and records that do not fit are left out by name. Between sets the common
format has the lowest sampling rate, the shortest duration and the leads that all sets contain or determine. Every
change is recorded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS, Provenance, determined_by
from ecggen.core.errors import InputError
from ecggen.report.inputs.cohort import ECGSet
from ecggen.report.inputs.discovery import Record

SHORTEST, LONGEST = 5.0, 30.0
"""Shortest and longest duration in s: shorter records have too few beats, longer ones are cropped."""
MOST = 0.95
"""Share of the records of a set that are at least as long as the duration of its format."""


@dataclass(frozen=True)
class SignalFormat:
    """Leads, sampling rate in Hz and duration in s.

    Example:
        >>> print(SignalFormat(("I", "II"), 100.0, 10.0))
        2 leads, 100 Hz, 10 s
    """

    leads: tuple[str, ...]
    fs: float
    seconds: float

    def __str__(self) -> str:
        return f"{len(self.leads)} leads, {self.fs:g} Hz, {self.seconds:.4g} s"


def format_of(records: Sequence[Record]) -> SignalFormat:
    """The most frequent format of a set.

    Raises:
        InputError: If no record is at least ``SHORTEST`` long.
    """
    long_enough = [one.ecg for one in records if one.ecg.seconds >= SHORTEST - 1e-6]
    if not long_enough:
        longest = max(one.ecg.seconds for one in records)
        raise InputError(
            f"the longest of {len(records)} records lasts {longest:.3g} s", f"at least {SHORTEST:g} s were expected"
        )
    leads, _ = Counter(ecg.leads for ecg in long_enough).most_common(1)[0]
    fs, _ = Counter(ecg.fs for ecg in long_enough).most_common(1)[0]
    lengths = np.sort([ecg.seconds for ecg in long_enough])
    return SignalFormat(leads, fs, float(lengths[math.floor((1 - MOST) * len(lengths))]))


def common_format(formats: Sequence[SignalFormat]) -> SignalFormat:
    """The format to which all sets can be converted.

    Raises:
        InputError: If they have no lead in common.
    """
    held = {lead for one in formats for lead in one.leads}
    shared = [set(determined_by(one.leads)) for one in formats]
    leads = tuple(lead for lead in STANDARD_LEADS if lead in held and all(lead in one for one in shared))
    if not leads:
        raise InputError(
            f"the sets have no lead in common ({' / '.join(', '.join(one.leads) for one in formats)})",
            "at least one was expected",
            "name the leads with --leads",
        )
    return SignalFormat(leads, min(one.fs for one in formats), min(LONGEST, *(one.seconds for one in formats)))


def harmonised(records: Sequence[Record], target: SignalFormat, source: str, left_out: dict[str, str]) -> ECGSet:
    """The records converted to ``target``; those that cannot be converted are left out with the reason.

    Raises:
        InputError: If none can be converted.
    """
    kept, left_out, changes = [], dict(left_out), Counter()
    for one in records:
        if why := misfit(one.ecg, target):
            left_out[one.name] = why
        else:
            kept.append((one, _converted(one.ecg, target, changes)))
    if not kept:
        reason = next(iter(left_out.values()), "it holds none")
        raise InputError(f"no record of {source} can be used; the first: {reason}")
    changed = tuple(f"{what}: {count} of {len(kept)} records" for what, count in changes.items())
    return _set([one for one, _ in kept], ECG.cat([ecg for _, ecg in kept]), source, left_out, changed)


def misfit(ecg: ECG, target: SignalFormat) -> str:
    """Why ``ecg`` cannot be converted to ``target``; "" if it can."""
    lacking = [lead for lead in target.leads if lead not in determined_by(ecg.leads)]
    if lacking:
        return f"it holds {', '.join(ecg.leads)}, from which {', '.join(lacking)} do not follow"
    if ecg.seconds < target.seconds - _sample(ecg, target):
        return f"it lasts {ecg.seconds:.3g} s; {target.seconds:.4g} s were expected, as of the others"
    return ""


def _sample(ecg: ECG, target: SignalFormat) -> float:
    """Difference of two durations in s that rounding may cause."""
    return 1.5 / min(ecg.fs, target.fs)


def _converted(ecg: ECG, target: SignalFormat, changes: Counter[str]) -> ECG:
    """One record converted to ``target``; changes are counted."""
    derived = [lead for lead in target.leads if lead not in ecg.leads]
    if derived:
        changes[f"{', '.join(derived)} derived from the other leads"] += 1
    if ecg.fs != target.fs:
        changes[f"resampled from {ecg.fs:g} to {target.fs:g} Hz"] += 1
    if ecg.seconds > target.seconds + _sample(ecg, target):
        changes[f"cut to the first {target.seconds:.4g} s"] += 1
        ecg = ecg.crop(0, min(ecg.seconds, target.seconds + 1))  # a second more, for the filter of the resampling
    ecg = with_leads(ecg, target.leads).resample(target.fs)
    samples = round(target.seconds * target.fs)
    if ecg.samples < samples:  # lost by rounding
        end = ecg.signal[..., -1:].expand(-1, -1, samples - ecg.samples)
        return ECG(torch.cat([ecg.signal, end], -1), ecg.leads, ecg.fs)
    return ECG(ecg.signal[..., :samples], ecg.leads, ecg.fs)


def with_leads(ecg: ECG, leads: Sequence[str]) -> ECG:
    """The named leads: recorded leads unchanged, the others derived from them."""
    rows = [ecg.signal[:, ecg.leads.index(lead)] if lead in ecg.leads else _derived(ecg, lead) for lead in leads]
    return ECG(torch.stack(rows, 1), tuple(leads), ecg.fs)


def _derived(ecg: ECG, lead: str) -> torch.Tensor:
    """(record, time) of a derived lead, by least squares on the lead equations."""
    given = LEAD_MATRIX[[STANDARD_LEADS.index(one) for one in ecg.leads]]
    weights = LEAD_MATRIX[STANDARD_LEADS.index(lead)] @ np.linalg.pinv(given)
    used = np.flatnonzero(np.abs(weights) > 1e-9)  # gaps in leads that are not used must not spread
    return torch.einsum("l,blt->bt", torch.as_tensor(weights[used], dtype=torch.float32), ecg.signal[:, used])


def _set(
    records: Sequence[Record], ecg: ECG, source: str, left_out: dict[str, str], changed: tuple[str, ...]
) -> ECGSet:
    """Records with their metadata as one set."""
    origins = {one.ecg.provenance for one in records}
    kinds = {(origin.recorded, origin.generated) if origin else None for origin in origins}
    recorded, generated = next(iter(kinds)) or ((), ())
    common = Provenance(recorded, generated) if len(kinds) == 1 and generated else None
    return ECGSet(
        ecg=replace(ecg, provenance=common),
        names=tuple(one.name for one in records),
        patients=tuple(one.patient or one.name for one in records),
        codes=tuple(one.codes for one in records),
        texts=tuple(one.text for one in records),
        age=np.array([one.age for one in records], float),
        sex=np.array([one.sex for one in records], float),
        requested_heart_rate=np.array([one.requested_heart_rate for one in records], float),
        source=source,
        left_out=left_out,
        changed=changed,
        derived=frozenset(lead for lead in ecg.leads if not any(lead in one.ecg.leads for one in records)),
        provenance=dict(Counter(_origin(one.ecg.provenance) for one in records if one.ecg.provenance)),
    )


def _origin(origin: Provenance) -> str:
    """A provenance as text."""
    made = "all leads" if not origin.recorded else ", ".join(origin.generated)
    given = f", given {', '.join(origin.recorded)}" if origin.recorded else ""
    return f"SYNTHETIC: {made} by {origin.model or 'an unnamed model'}{given}"
