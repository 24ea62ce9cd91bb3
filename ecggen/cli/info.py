"""``ecggen info``: what a person needs to know before trusting a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecggen.cli import console
from ecggen.cli.opening import File, Json, Leads, Rate, Unit, open_recording

if TYPE_CHECKING:
    from ecggen.ecg import ECG


def info(file: File, leads: Leads = None, fs: Rate = None, unit: Unit = None, as_json: Json = False) -> None:
    """Say what a recording holds: leads, rate, length, amplitudes, lead laws, doubts, and what is synthetic in it."""
    from ecggen.errors import InputError
    from ecggen.io.quality import check_laws, check_quality

    ecg = open_recording(file, leads, fs, unit, check=False, allow_contradiction=True)
    doubts = []
    for check in (check_quality, check_laws):
        try:
            check(ecg)
        except InputError as error:
            doubts.append(f"{error.found}; {error.expected}")
    about: dict[str, Any] = describe(ecg) | {"doubts": doubts}
    if as_json:
        console.tell_json(about)
        return
    console.tell(f"{file.name}: {', '.join(ecg.leads)}; {ecg.seconds:g} s at {ecg.fs:g} Hz, in mV")
    for lead, (low, high) in about["range_mv"].items():
        console.tell(f"  {lead:4} {low:7.3f} to {high:6.3f} mV")
    console.tell(f"lead laws: {about['law_residual_mv'] * 1000:.1f} µV off at most")
    if ecg.provenance:
        console.tell("\n".join(ecg.provenance.lines()))
    console.tell("\n".join(f"doubt: {doubt}" for doubt in doubts) or "no doubts")


def describe(ecg: ECG) -> dict[str, Any]:
    """The facts of one record, for a program."""
    origin = ecg.provenance
    return {
        "leads": list(ecg.leads),
        "fs": ecg.fs,
        "samples": ecg.samples,
        "seconds": ecg.seconds,
        "unit": "mV",
        "range_mv": {
            lead: (round(float(wave.min()), 4), round(float(wave.max()), 4))
            for lead, wave in zip(ecg.leads, ecg.signal[0], strict=True)
        },
        "law_residual_mv": float(ecg.law_residual().max()),
        "synthetic": list(origin.generated) if origin else [],
        "measured": list(origin.measured) if origin else list(ecg.leads),
    }
