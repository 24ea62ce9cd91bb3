"""Reader of MATLAB files without a WFDB header: the structure of the CPSC 2018 challenge, and plain arrays.

In CPSC 2018, a structure ``ECG`` holds ``sex``, ``age`` and ``data``: twelve leads in standard order, in mV, at 500 Hz.
Elsewhere, the variables or the fields of the only structure are found by the names of the npz format; a matrix ``val``
(PhysioNet) holds counts, whose rate and gain are in the header that is missing.
"""

from __future__ import annotations

import numpy as np

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.io.formats import npz
from ecggen.io.formats.matlab.file import MAGIC, NEWER, Value, is_version_4, variables
from ecggen.io.metadata import About, sex_of
from ecggen.io.normalise import Found, listed
from ecggen.io.source import MOST_SAMPLES, Source

CPSC_RATE = 500.0
"""Sampling rate in Hz of the China Physiological Signal Challenge 2018 (Liu et al. 2018); the files do not state it."""

_SIGNALS = ("signal", "val", "ecg", "data", "ecg_data", "x")
_ALSO = {
    "fs": ("fs", "sampling_rate", "samplingrate", "sampling_frequency", "sample_rate", "samplerate", "freq"),
    "leads": ("leads", "lead_names", "channels", "channel_names", "labels", "sig_name"),
    "unit": ("unit", "units"),
}
"""Names in lower case of variables that correspond to the arrays of an npz file."""


def looks_like(source: Source) -> bool:
    """Whether a file has a signature of MATLAB, or starts as a matrix of version 4, and belongs to no WFDB header."""
    if source.content is None and source.path.with_suffix(".hea").is_file():
        return False
    return source.opening.startswith((MAGIC, NEWER)) or is_version_4(source)


def contents(source: Source) -> list[str]:
    """Numbers of the records of an array (record, lead, time); empty if there is one."""
    return npz.numbers(_found(source))


def read(source: Source) -> Found:
    """Decode the signal, or the requested record of a batch."""
    return npz.one_of(_found(source), source.record)


def _found(source: Source) -> Found:
    found = variables(source)
    structures = [value for value in found.values() if isinstance(value, dict)]
    fields = structures[0] if len(structures) == 1 else {}
    data = fields.get("data")
    if {"sex", "age"} <= fields.keys() and isinstance(data, np.ndarray) and data.shape[:1] == (12,) and data.ndim == 2:
        _check_amount(data)
        return Found(np.asarray(data, float), STANDARD_LEADS, ("mV",) * 12, CPSC_RATE, about=_about(fields))
    return npz.from_arrays(_arrays(fields | found), source.channels)


def _about(fields: dict[str, Value]) -> About:
    age, sex = fields["age"], fields["sex"]
    years = float(age.flat[0]) if isinstance(age, np.ndarray) and age.size == 1 else np.nan
    return About(years if 0 <= years <= 130 else None, sex_of(sex) if isinstance(sex, str) else None)


def _arrays(found: dict[str, Value]) -> dict[str, np.ndarray]:
    """Arrays by the names of npz."""
    arrays = {"signal": _signal(found)}
    lower = {name.lower(): value for name, value in found.items()}
    for name, others in _ALSO.items():
        value = next((lower[other] for other in others if other in lower), None)
        if isinstance(value, str):
            words = [word for word in value.replace(",", " ").split() if word]
            arrays[name] = np.array(words if name == "leads" else value)
        elif isinstance(value, list) and value:
            arrays[name] = np.array(value)
        elif isinstance(value, np.ndarray) and value.size == 1 and name == "fs":
            arrays[name] = np.array(float(value.flat[0]))
    return arrays


def _signal(found: dict[str, Value]) -> np.ndarray:
    """The one array that can be the signal.

    Raises:
        InputError: If there is none, or several without a known name.
    """
    arrays = {name: value for name, value in found.items() if isinstance(value, np.ndarray) and value.size > 1}
    known = [name for other in _SIGNALS for name in arrays if name.lower() == other]
    names = known[:1] or list(arrays)
    if len(names) != 1 or arrays[names[0]].ndim > 3:
        here = listed(f"{name} {'×'.join(map(str, array.shape))}" for name, array in arrays.items())
        expected = f"one array (lead, time), or one named {', '.join(_SIGNALS[:4])}, was expected"
        raise InputError(f"the MATLAB file holds {here or 'no array of numbers'}", expected)
    _check_amount(arrays[names[0]])
    return arrays[names[0]]


def _check_amount(values: np.ndarray) -> None:
    if values.size > MOST_SAMPLES:
        raise InputError(f"the array holds {values.size} samples", f"at most {MOST_SAMPLES} are read", "split it")
