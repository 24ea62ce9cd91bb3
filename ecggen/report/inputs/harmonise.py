"""Sets of ECGs brought into one form, so that nothing but the hearts differs between them.

Within a set the majority decides and the odd ones are left out by name; between sets the poorer one decides: the lowest
rate, the shortest length, the leads that all hold or determine. Each change is said.
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
"""Seconds of a record: fewer hold too few beats, more are cut off."""
MOST = 0.95
"""Share of a set's records that last as long as the set is said to."""


@dataclass(frozen=True)
class Form:
    """Leads, rate in Hz and duration in s."""

    leads: tuple[str, ...]
    fs: float
    seconds: float

    def __str__(self) -> str:
        return f"{len(self.leads)} leads, {self.fs:g} Hz, {self.seconds:.4g} s"


def form_of(records: Sequence[Record]) -> Form:
    """The form that most records of a set have.

    Raises:
        InputError: Where none lasts ``SHORTEST``.
    """
    lasting = [one.ecg for one in records if one.ecg.seconds >= SHORTEST - 1e-6]
    if not lasting:
        longest = max(one.ecg.seconds for one in records)
        raise InputError(
            f"the longest of {len(records)} records lasts {longest:.3g} s", f"at least {SHORTEST:g} s were expected"
        )
    leads, _ = Counter(ecg.leads for ecg in lasting).most_common(1)[0]
    fs, _ = Counter(ecg.fs for ecg in lasting).most_common(1)[0]
    lengths = np.sort([ecg.seconds for ecg in lasting])
    return Form(leads, fs, float(lengths[math.floor((1 - MOST) * len(lengths))]))


def common(forms: Sequence[Form]) -> Form:
    """The form that all sets can be brought into.

    Raises:
        InputError: Where they share no lead.
    """
    held = {lead for form in forms for lead in form.leads}
    shared = [set(determined_by(form.leads)) for form in forms]
    leads = tuple(lead for lead in STANDARD_LEADS if lead in held and all(lead in one for one in shared))
    if not leads:
        raise InputError(
            f"the sets have no lead in common ({' / '.join(', '.join(form.leads) for form in forms)})",
            "at least one was expected",
            "name the leads that are meant with --leads",
        )
    return Form(leads, min(form.fs for form in forms), min(LONGEST, *(form.seconds for form in forms)))


def brought(records: Sequence[Record], form: Form, source: str, left_out: dict[str, str]) -> ECGSet:
    """The records in ``form``; those that cannot be brought into it are left out with the reason.

    Raises:
        InputError: Where none can be.
    """
    kept, left_out, changes = [], dict(left_out), Counter()
    for one in records:
        if why := misfit(one.ecg, form):
            left_out[one.name] = why
        else:
            kept.append((one, _in_form(one.ecg, form, changes)))
    if not kept:
        reason = next(iter(left_out.values()), "it holds none")
        raise InputError(f"no record of {source} can be used; the first: {reason}")
    changed = tuple(f"{what}: {count} of {len(kept)} records" for what, count in changes.items())
    return _set([one for one, _ in kept], ECG.cat([ecg for _, ecg in kept]), source, left_out, changed)


def misfit(ecg: ECG, form: Form) -> str:
    """Why ``ecg`` cannot be brought into ``form``; "" where it can."""
    lacking = [lead for lead in form.leads if lead not in determined_by(ecg.leads)]
    if lacking:
        return f"it holds {', '.join(ecg.leads)}, from which {', '.join(lacking)} do not follow"
    if ecg.seconds < form.seconds - _sample(ecg, form):
        return f"it lasts {ecg.seconds:.3g} s; {form.seconds:.4g} s were expected, as of the others"
    return ""


def _sample(ecg: ECG, form: Form) -> float:
    """Seconds by which two lengths may differ through rounding."""
    return 1.5 / min(ecg.fs, form.fs)


def _in_form(ecg: ECG, form: Form, changes: Counter[str]) -> ECG:
    """One record in ``form``; what is changed is counted."""
    derived = [lead for lead in form.leads if lead not in ecg.leads]
    if derived:
        changes[f"{', '.join(derived)} derived from the other leads"] += 1
    if ecg.fs != form.fs:
        changes[f"resampled from {ecg.fs:g} to {form.fs:g} Hz"] += 1
    if ecg.seconds > form.seconds + _sample(ecg, form):
        changes[f"cut to the first {form.seconds:.4g} s"] += 1
        ecg = ecg.crop(0, min(ecg.seconds, form.seconds + 1))  # a second more, for the filter of the resampling
    ecg = with_leads(ecg, form.leads).resample(form.fs)
    samples = round(form.seconds * form.fs)
    if ecg.samples < samples:  # lost by rounding
        end = ecg.signal[..., -1:].expand(-1, -1, samples - ecg.samples)
        return ECG(torch.cat([ecg.signal, end], -1), ecg.leads, ecg.fs)
    return ECG(ecg.signal[..., :samples], ecg.leads, ecg.fs)


def with_leads(ecg: ECG, leads: Sequence[str]) -> ECG:
    """The named leads: those that are there as they are, the others as they follow from them."""
    rows = [ecg.signal[:, ecg.leads.index(lead)] if lead in ecg.leads else _derived(ecg, lead) for lead in leads]
    return ECG(torch.stack(rows, 1), tuple(leads), ecg.fs)


def _derived(ecg: ECG, lead: str) -> torch.Tensor:
    """(record, time) of a lead that is not there but determined (least squares on the lead equations)."""
    given = LEAD_MATRIX[[STANDARD_LEADS.index(one) for one in ecg.leads]]
    weights = LEAD_MATRIX[STANDARD_LEADS.index(lead)] @ np.linalg.pinv(given)
    used = np.flatnonzero(np.abs(weights) > 1e-9)  # a gap in another lead is none of this one's
    return torch.einsum("l,blt->bt", torch.as_tensor(weights[used], dtype=torch.float32), ecg.signal[:, used])


def _set(
    records: Sequence[Record], ecg: ECG, source: str, left_out: dict[str, str], changed: tuple[str, ...]
) -> ECGSet:
    """Records and what is known of them as one set."""
    origins = {one.ecg.provenance for one in records}
    alike = {(origin.recorded, origin.generated) if origin else None for origin in origins}
    measured, generated = next(iter(alike)) or ((), ())
    whole = Provenance(measured, generated) if len(alike) == 1 and generated else None
    return ECGSet(
        ecg=replace(ecg, provenance=whole),
        names=tuple(one.name for one in records),
        patients=tuple(one.patient or one.name for one in records),
        codes=tuple(one.codes for one in records),
        texts=tuple(one.text for one in records),
        age=np.array([one.age for one in records], float),
        sex=np.array([one.sex for one in records], float),
        asked_rate=np.array([one.asked_rate for one in records], float),
        source=source,
        left_out=left_out,
        changed=changed,
        provenance=dict(Counter(_origin(one.ecg.provenance) for one in records if one.ecg.provenance)),
    )


def _origin(origin: Provenance) -> str:
    """A provenance in words."""
    made = "all leads" if not origin.recorded else ", ".join(origin.generated)
    given = f", given {', '.join(origin.recorded)}" if origin.recorded else ""
    return f"SYNTHETIC: {made} by {origin.model or 'an unnamed model'}{given}"
