"""``ecggen info``: content and quality of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.cli import console
from ecggen.cli.jobs import overview
from ecggen.cli.jobs.results import rounded
from ecggen.cli.options import Baseline, File, Gain, Json, Leads, Rate, Record, Unit, named_leads

if TYPE_CHECKING:
    from ecggen.io import Reading
    from ecggen.io.inspection import Inspection


def info(
    file: File,
    record: Record = None,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    gain: Gain = None,
    baseline: Baseline = None,
    as_json: Json = False,
) -> None:
    """Print the content of a recording, and doubts about its quality.

    Content: format, leads, sampling rate, duration, amplitudes, patient, and generated leads. Checks: gaps, clipping,
    flat parts, violations of the lead laws, exchanged electrodes, leads that contradict the others, and metadata that
    identify the patient. If the leads cannot be read without a further option, the channels of the file are listed.
    """
    from ecggen.core.errors import InputError
    from ecggen.evaluators.lead_consistency import check
    from ecggen.io import contents, reading
    from ecggen.io.inspection import inspect

    names = contents(file)
    options = {"leads": named_leads(leads), "fs": fs, "unit": unit, "gain": gain, "baseline": baseline}
    options |= {"check": False, "gaps": True, "excerpt": True}
    try:
        read = reading(file, record=record, **options)
    except InputError as error:
        if leads is None and (ppg := _ppg(file, record, fs)):
            ppg["leads"] = error.found
            _print(file, as_json, ppg, _ppg_as_text(ppg))
            return
        if record is not None or not names:
            if about := overview.overview(file, record, fs):
                _print(file, as_json, about, overview.as_text(about))
            raise
        read = reading(file, record=names[0], **options)
    consistency = check(read.ecg[0])
    about = describe(read, inspect(read.ecg[0], inverted=consistency is None), names)
    if consistency is not None:
        about["doubts"] += consistency.doubts
        about["lead_consistency"] = consistency.as_dict()
    _print(file, as_json, about, as_text(read, about))


def _print(file: Path, as_json: bool, about: dict[str, Any], text: str) -> None:
    if as_json:
        console.print_json(about)
    else:
        console.print_text(f"{file.name}: {text}")


def _ppg(file: Path, record: str | None, fs: float | None) -> dict[str, Any] | None:
    """Content of a file with a PPG and no lead; None if there is no PPG."""
    from ecggen.core.errors import InputError
    from ecggen.core.rhythm import heart_rate, pulse_rises
    from ecggen.io.ppg import read_ppg

    try:
        ppg = read_ppg(file, record=record, fs=fs)
    except InputError:
        return None
    rate = heart_rate(pulse_rises(ppg.longest_part.numpy(), ppg.fs))
    return {"ppg": ppg.origin, "fs": ppg.fs, "seconds": ppg.seconds, "pulse": rounded(rate), "notes": list(ppg.notes)}


def _ppg_as_text(about: dict[str, Any]) -> str:
    pulse = [] if about["pulse"] is None else [f"pulse rate: {about['pulse']:.0f} per minute"]
    notes = [f"change: {note}" for note in about["notes"]]
    first = f"PPG; {about['seconds']:.4g} s at {about['fs']:g} Hz"
    last = ["use ecggen translate to generate an ECG from it", f"no leads: {about['leads']}"]
    return "\n".join([first, *pulse, *notes, *last])


def describe(read: Reading, inspection: Inspection, names: list[str]) -> dict[str, Any]:
    """Content and quality of one recording as JSON values."""
    import numpy as np

    ecg, origin = read.ecg, read.ecg.provenance
    signal = ecg.signal[0].double().numpy()
    with np.errstate(all="ignore"):
        finite = np.where(np.isfinite(signal), signal, np.nan)
    has_values = [bool(np.isfinite(row).any()) for row in finite]
    return {
        "format": read.format,
        "recordings": names,
        "records": len(ecg),
        "leads": list(ecg.leads),
        "fs": ecg.fs,
        "samples": ecg.samples,
        "seconds": ecg.seconds,
        "recording_seconds": read.lasts,
        "unit": "mV",
        "range_mv": {
            lead: (round(float(np.nanmin(wave)), 4), round(float(np.nanmax(wave)), 4)) if any_value else None
            for lead, wave, any_value in zip(ecg.leads, finite, has_values, strict=True)
        },
        **inspection.as_dict(),
        "changes": list(read.changes),
        "age": read.about.age,
        "sex": read.about.sex,
        "codes": list(read.about.codes),
        "personal": list(read.dropped),
        "synthetic": list(origin.generated) if origin else [],
        "recorded": list(origin.recorded) if origin else list(ecg.leads),
    }


def as_text(read: Reading, about: dict[str, Any]) -> str:
    """Content and quality as text."""
    from ecggen.io.metadata import PERSONAL

    ecg = read.ecg
    lines = [f"{about['format']}; {', '.join(ecg.leads)}; {read.lasts:g} s at {ecg.fs:g} Hz, in mV"]
    if ecg.seconds < read.lasts - 1 / ecg.fs:
        lines.append(f"the recording is long: what follows is of its first {ecg.seconds:g} s")
    if about["recordings"]:
        lines.append(
            f"recordings: {_some(about['recordings'])}; the values below are of one of them (select it with --record)"
        )
    for lead, span in about["range_mv"].items():
        lines.append(f"  {lead:4} {span[0]:7.3f} to {span[1]:6.3f} mV" if span else f"  {lead:4} no values")
    lines.append(f"lead laws: maximum residual {about['law_residual_mv'] * 1000:.1f} µV")
    lines.append(_heart_rate(about))
    metadata = [f"{about['age']:g} years" if about["age"] is not None else "", about["sex"] or "", *about["codes"]]
    if any(metadata):
        lines.append(f"patient: {', '.join(filter(None, metadata))}")
    if about["personal"]:
        kinds = "; ".join(PERSONAL[kind] for kind in about["personal"])
        lines.append(f"identifying metadata: {kinds} (not shown; convert removes them)")
    lines += [f"change: {change}" for change in about["changes"]]
    lines += ecg.provenance.lines() if ecg.provenance else []
    return "\n".join(
        [*lines, *(f"doubt: {doubt}" for doubt in about["doubts"])] + (["no doubts"] * (not about["doubts"]))
    )


def _heart_rate(about: dict[str, Any]) -> str:
    """The heart rate, and in which part of the recording beats are certain if not in all of it."""
    if about["heart_rate"] is None:
        return "heart rate: not certain"
    certain = about["certain_share"]
    where = f" (beats are certain in {certain:.0%} of the recording)" if certain < 0.995 else ""
    return f"heart rate: {about['heart_rate']:.0f} per minute{where}"


def _some(names: list[str]) -> str:
    """The first names, and the number of all."""
    more = f" … ({len(names)} in all)" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
