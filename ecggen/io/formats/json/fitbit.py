"""ECGs of Fitbit and Pixel Watch: answers of Fitbit's Web API, of the Google Health API, and files made from these.

A reading holds ``waveformSamples`` of lead I, its rate (``samplingFrequencyHz`` or ``samplingFrequencyHertz``) and the
factor by which samples are divided to give mV (``scalingFactor`` or ``millivoltsScalingFactor``)
(dev.fitbit.com, "Get ECG Log List"; developers.google.com/health, "Electrocardiogram").
"""

from __future__ import annotations

from typing import Any

from ecggen.core.errors import InputError
from ecggen.io.formats.json.content import about, bare, folded, objects, rate, samples
from ecggen.io.normalise import Found

_SAMPLES = "waveformsamples"
_RATES = ("samplingfrequencyhz", "samplingfrequencyhertz")
_FACTORS = ("scalingfactor", "millivoltsscalingfactor")


def recordings(content: Any) -> list[dict[str, Any]]:
    """The readings in a file, with folded keys; empty if it holds none."""
    return [folded(one) for _, one in objects(content) if any(map(_is_waveform, one.items()))]


def found(reading: dict[str, Any]) -> Found:
    """Decode one reading; samples without a factor have no unit.

    Raises:
        InputError: If a sample is not a number, the factor is not positive, or there are several leads.
    """
    values, factor = samples(reading[_SAMPLES]), _either(reading, _FACTORS)
    if factor is not None and not (type(factor) in (int, float) and 0 < factor < 1e9):
        raise InputError("the scaling factor of the samples is not a positive number", "one such as 10922 was expected")
    leads, declared = reading.get("leadnumber", 1), reading.get("numberofwaveformsamples")
    if leads not in (1, "1", None):
        raise InputError("the reading holds several leads", "one, as Fitbit's devices record it, was expected")
    notes = ["the file names no lead; Fitbit's devices record lead I"]
    if factor is not None:
        notes.append(f"samples divided by {factor:g}, the file's factor, to give mV")
    if type(declared) is int and declared != len(values):
        notes.append(f"the file declares {str(declared)[:12]} samples and holds {len(values)}")
    fs = rate(_either(reading, _RATES))
    unit = None if factor is None else "mV"
    return Found(values[None] / float(factor or 1), ("I",), (unit,), fs, about=about(reading), notes=tuple(notes))


def _is_waveform(entry: tuple[str, Any]) -> bool:
    return isinstance(entry[1], list) and bare(entry[0]) == _SAMPLES


def _either(reading: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((reading[key] for key in keys if reading.get(key) is not None), None)
