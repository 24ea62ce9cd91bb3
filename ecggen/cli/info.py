"""``ecggen info``: what a person needs to know before trusting a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.cli import console
from ecggen.cli.jobs.results import rounded
from ecggen.cli.options import File, Json, Leads, Rate, Record, Unit, named_leads

if TYPE_CHECKING:
    from ecggen.io import Reading
    from ecggen.io.inspection import Inspection


def info(
    file: File, record: Record = None, leads: Leads = None, fs: Rate = None, unit: Unit = None, as_json: Json = False
) -> None:
    """Say what a recording holds: form, leads, rate, length, gaps, amplitudes, lead laws, exchanged electrodes,
    whether it tells who the patient is, doubts, and what is synthetic in it."""
    from ecggen.core.errors import InputError
    from ecggen.io import contents, reading
    from ecggen.io.inspection import inspect

    names = contents(file)
    options = {"leads": named_leads(leads), "fs": fs, "unit": unit, "check": False, "gaps": True}
    try:
        read = reading(file, record=record, **options)
    except InputError as error:
        if ppg := _ppg(file, record, fs):
            ppg["leads"] = error.found
            _tell(file, as_json, ppg, _ppg_in_words(ppg))
            return
        if record is not None or not names:
            raise
        read = reading(file, record=names[0], **options)
    about = describe(read, inspect(read.ecg[0]), names)
    _tell(file, as_json, about, in_words(read, about))


def _tell(file: Path, as_json: bool, about: dict[str, Any], words: str) -> None:
    if as_json:
        console.print_json(about)
    else:
        console.print_text(f"{file.name}: {words}")


def _ppg(file: Path, record: str | None, fs: float | None) -> dict[str, Any] | None:
    """The facts of a file that holds a PPG and no lead; None where it holds neither."""
    from ecggen.core.errors import InputError
    from ecggen.core.rhythm import heart_rate, pulse_rises
    from ecggen.io.ppg import read_ppg

    try:
        ppg = read_ppg(file, record=record, fs=fs)
    except InputError:
        return None
    rate = heart_rate(pulse_rises(ppg.wave.numpy(), ppg.fs))
    return {"ppg": ppg.origin, "fs": ppg.fs, "seconds": ppg.seconds, "pulse": rounded(rate), "notes": list(ppg.notes)}


def _ppg_in_words(about: dict[str, Any]) -> str:
    pulse = [] if about["pulse"] is None else [f"pulse: {about['pulse']:.0f} a minute"]
    notes = [f"on reading: {note}" for note in about["notes"]]
    first = f"a PPG; {about['seconds']:.4g} s at {about['fs']:g} Hz"
    last = ["ecggen translate makes an ECG of it", f"as an ECG it cannot be read as it is: {about['leads']}"]
    return "\n".join([first, *pulse, *notes, *last])


def describe(read: Reading, seen: Inspection, names: list[str]) -> dict[str, Any]:
    """The facts of one recording, for a program."""
    import numpy as np

    ecg, origin = read.ecg, read.ecg.provenance
    signal = ecg.signal[0].double().numpy()
    with np.errstate(all="ignore"):
        finite = np.where(np.isfinite(signal), signal, np.nan)
    known = [bool(np.isfinite(row).any()) for row in finite]
    return {
        "format": read.format,
        "recordings": names,
        "records": len(ecg),
        "leads": list(ecg.leads),
        "fs": ecg.fs,
        "samples": ecg.samples,
        "seconds": ecg.seconds,
        "unit": "mV",
        "range_mv": {
            lead: (round(float(np.nanmin(wave)), 4), round(float(np.nanmax(wave)), 4)) if is_known else None
            for lead, wave, is_known in zip(ecg.leads, finite, known, strict=True)
        },
        **seen.as_dict(),
        "changes": list(read.changes),
        "age": read.about.age,
        "sex": read.about.sex,
        "codes": list(read.about.codes),
        "personal": list(read.dropped),
        "synthetic": list(origin.generated) if origin else [],
        "recorded": list(origin.recorded) if origin else list(ecg.leads),
    }


def in_words(read: Reading, about: dict[str, Any]) -> str:
    """The same for a person."""
    from ecggen.io.metadata import PERSONAL

    ecg = read.ecg
    lines = [f"{about['format']}; {', '.join(ecg.leads)}; {ecg.seconds:g} s at {ecg.fs:g} Hz, in mV"]
    if about["recordings"]:
        lines.append(f"recordings in it: {_some(about['recordings'])}; the values are those of the one that is read")
    for lead, span in about["range_mv"].items():
        lines.append(f"  {lead:4} {span[0]:7.3f} to {span[1]:6.3f} mV" if span else f"  {lead:4} no value at all")
    lines.append(f"lead laws: {about['law_residual_mv'] * 1000:.1f} µV off at most")
    if about["heart_rate"] is not None:
        lines.append(f"heart rate: {about['heart_rate']:.0f} a minute")
    metadata = [f"{about['age']:g} years" if about["age"] is not None else "", about["sex"] or "", *about["codes"]]
    if any(metadata):
        lines.append(f"patient: {', '.join(filter(None, metadata))}")
    if about["personal"]:
        kinds = "; ".join(PERSONAL[kind] for kind in about["personal"])
        lines.append(f"tells who the patient is: {kinds} (not shown; convert leaves it behind)")
    lines += [f"on reading: {change}" for change in about["changes"]]
    lines += ecg.provenance.lines() if ecg.provenance else []
    return "\n".join(
        [*lines, *(f"doubt: {doubt}" for doubt in about["doubts"])] + (["no doubts"] * (not about["doubts"]))
    )


def _some(names: list[str]) -> str:
    more = f" … ({len(names)} in all)" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
