"""Content of a decoded file, and normalisation of its names and units: leads, other signals, voltages.

A format decodes a file to ``Found`` without conversion or checks. ``channels`` chooses the leads, and ``admission``
converts them to an ECG in mV.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.errors import InputError, argument
from ecggen.io.metadata import About

T = TypeVar("T")
LONGEST_LABEL = 32
"""Longest channel name, in characters, that messages quote; EDF names and MDC_ECG_LEAD_AVR have 16."""

_LEAD_WORD = r"lead|ableitung|d[ée]rivation|derivaci[óo]n|deriva[çc][ãa]o|derivazione|afleiding"
_PREFIX = re.compile(rf"^(?:mdc[ _]ecg[ _])?(?:e[ck]g(?![a-z0-9]))?[ _:.-]*({_LEAD_WORD})?[ _:.-]*")
_CODE = re.compile(r"^(?:mdc\s*2:|mdc:?|2:|scp:?|5\.6\.3-9-)\s*(\d+)$")
_CODED: dict[int, str] = dict(zip((1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), STANDARD_LEADS, strict=True))
"""Standard lead of each SCP-ECG lead number; DICOM uses the same numbers (MDC partition 2)."""

_LIMB = {"1": "I", "2": "II", "3": "III"}
_KNOWN = (
    {lead.casefold(): lead for lead in STANDARD_LEADS}
    | {f"{word}{lead}".casefold(): lead for lead in STANDARD_LEADS[:3] for word in ("D", "ML")}
    | {f"d{digit}": lead for digit, lead in _LIMB.items()}
)

_OTHER = re.compile(
    r"""pleth.*|ppg.*|bvp.*|eda.*|xyz|resp.*|abp.*|art|nibp.*|bp|cvp|icp|pap|p\d|spo2.*|sao2|(et)?co2|hr|pulse|heart.?rate
    |acc.*|gyr.*|mag.?[xyz]|temp.*|imp.*|eeg.*|emg.*|eog.*|marker.*|annot.*|battery.*
    |v[xyz]|v[7-9]|v[1-9]r              # Frank leads and further chest leads, which are not among the twelve
    |sample.*|index|\#|no\.?|unnamed.*|.*time(stamp)?|t|ms|seconds""",
    re.VERBOSE,
)

_MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "μv": 1e-3, "mcv": 1e-3, "nv": 1e-6}  # mcV: as HealthKit has it
_MILLIVOLTS |= {"volt": 1e3, "millivolt": 1.0, "microvolt": 1e-3, "nanovolt": 1e-6}


@dataclass(frozen=True)
class Found:
    """Content of a file as decoded by its format, before normalisation.

    Attributes:
        values: Samples in the units of the file, (channel, time) or (record, channel, time); NaN if missing.
        names: Name of each channel in the file, or None.
        units: Unit of each channel in the file, or None.
        fs: Sampling rate in Hz; None if the file does not state it.
        comments: Lines that may hold a ``Provenance``.
        about: Metadata of the patient and the recording.
        notes: Changes made while decoding, and doubts about the samples, one sentence each.
        begins: Start of the values in seconds, if only a segment was decoded.
        lasts: Duration of the whole recording in seconds, if only a segment was decoded.
        numbers: Number of each channel in the file from 1, if some of its channels were not decoded.
        unusable: Rows whose samples cannot be decoded, with the reason; an error only if one of them is chosen.
    """

    values: np.ndarray
    names: tuple[str | None, ...]
    units: tuple[str | None, ...]
    fs: float | None = None
    comments: tuple[str, ...] = ()
    about: About = field(default_factory=About)
    notes: tuple[str, ...] = ()
    begins: float = 0.0
    lasts: float | None = None
    unusable: Mapping[int, InputError] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()

    def number(self, row: int) -> int:
        """Number of a channel in the file, from 1."""
        return self.numbers[row] if self.numbers else row + 1


def agreed(what: str, keyword: str, found: T | None, given: T | None, measure: Callable[[T], float]) -> float:
    """Value from the file, or from the user if the file does not state it, as a number.

    Args:
        what: Name of the value in messages.
        keyword: Argument by which the user gives it.
        found: Value in the file, or None.
        given: Value from the user, or None.
        measure: Conversion of a value to a number.

    Raises:
        InputError: If neither is given, or they differ by more than 0.1 % (files hold rounded values).
    """
    stated = found if found is not None else given
    if stated is None:
        raise InputError(f"the file does not state {what}", do=f"give it with {argument(keyword)}")
    number = measure(stated)
    if given is not None and abs(measure(given) / number - 1) > 1e-3:
        raise InputError(
            f"{what} is {shown(str(found))} in the file and {shown(str(given))} in {argument(keyword)}",
            do=f"omit {argument(keyword)}, or correct the file if it is wrong",
        )
    return number


def millivolts(unit: str) -> float:
    """Number of mV per ``unit``.

    Raises:
        InputError: If it is not a unit of voltage.
    """
    scale = millivolts_or_none(unit)
    if scale is None:
        raise InputError(f"the unit is {shown(unit)}", "mV, µV, nV or V was expected", "convert it first")
    return scale


def millivolts_or_none(unit: str | None) -> float | None:
    """Number of mV per ``unit``; None if it is not a unit of voltage."""
    return None if unit is None else _MILLIVOLTS.get(folded(unit).removesuffix("s"))


def is_unit(text: str) -> bool:
    """Whether ``text`` names a unit of voltage."""
    return millivolts_or_none(text) is not None


def lead_name(text: str) -> str:
    """Standard name of a lead: ``AVR``, ``MLII``, ``Lead I``, ``DI``, ``MDC_ECG_LEAD_V1`` … → ``aVR`` …

    Raises:
        InputError: If the name is unknown.

    Example:
        >>> lead_name("AVR"), lead_name("MLII"), lead_name("MDC_ECG_LEAD_V1")
        ('aVR', 'II', 'V1')
    """
    lead = find_lead(text)
    if lead is None:
        ambiguous = " (V can be any of V1–V6)" if folded(text) == "v" else ""
        raise InputError(
            f"{called(text)} is not a known lead{ambiguous}",
            f"{', '.join(STANDARD_LEADS)} was expected, or a name such as AVR, MLII, 'Lead I', DI, MDC_ECG_LEAD_I",
            f"to read a channel of another name as lead II: {argument(leads=f'II={text.strip()[:40]}')}",
        )
    return lead


def find_lead(text: str) -> str | None:
    """Standard name of a lead, or None if the name is unknown."""
    name = folded(text)
    if code := _CODE.match(name):
        return _CODED.get(int(code[1]))
    match = _PREFIX.match(name)
    prefix = match[0] if match else ""
    bare = re.sub(r"-\s*ref$|[ _]", "", name[len(prefix) :])
    # Keep a sign: −aVR of the Cabrera order is not aVR.
    if prefix and not prefix[0].isalpha():
        return None
    return _KNOWN.get(bare) or (_LIMB.get(bare) if match and match[1] else None)


def is_other(name: str) -> bool:
    """Whether a channel name is known to belong to another signal than the twelve leads."""
    return not name.strip() or _OTHER.fullmatch(folded(name)) is not None


def unnamed_channels(across: int, along: int) -> int:
    """Number of channels of a table whose channels have no names: its shorter side.

    Raises:
        InputError: If both sides are equally long, or one is empty.
    """
    if across == along or not min(across, along):
        do = f"name them in order, e.g. {argument(leads='I,II')}"
        raise InputError("the file does not name its leads", do=do)
    return min(across, along)


def shown(text: str) -> str:
    """Quote text of a file for a message: without control characters, at most 40 characters."""
    return repr(text if len(text) <= 40 else text[:39] + "…")


def called(name: str) -> str:
    """Quote a channel name for a message; a long name is not quoted, because it may hold patient data."""
    return shown(name) if len(name.strip()) <= LONGEST_LABEL else f"a name of {len(name)} characters"


def listed(names: Iterable[str | None]) -> str:
    """List the first names for a message."""
    texts = [called(name) for name in names if name]
    return ", ".join(texts[:15]) + (" …" if len(texts) > 15 else "")


def rate_text(fs: float) -> str:
    """Format a sampling rate for a file: exact, and without a decimal point if it is an integer."""
    return str(int(fs)) if fs.is_integer() else repr(fs)


def provenance_lines(ecg: ECG) -> list[str]:
    """Provenance lines for a file; line breaks within a line are replaced, as they would end a comment."""
    return [" ".join(line.split()) for line in (ecg.provenance.lines() if ecg.provenance else ())]


def folded(text: str) -> str:
    """A name in lower case, for comparisons."""
    # NFKC unifies the two micro signs and maps Ⅱ to II.
    return unicodedata.normalize("NFKC", text).strip().casefold()
