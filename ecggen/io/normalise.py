"""The door: what a file says and what its user says, agreed into one ECG.

A format decodes a file into ``Found``, in the file's own words, and judges nothing. Here names become
standard leads, numbers become millivolts, and whatever is missing, doubtful or contradicted ends as an
``InputError``. Behind the door nothing is checked again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance, check_leads, check_rate
from ecggen.core.errors import InputError
from ecggen.io.metadata import About

T = TypeVar("T")
LONGEST_LABEL = 32
"""Characters of the longest name of a channel that messages repeat; EDF has 16, MDC_ECG_LEAD_AVR as many."""
LEFT_OUT = "-"
"""Stands in ``leads`` for a channel that is not wanted."""

_LEAD_WORD = r"lead|ableitung|d[ée]rivation|derivaci[óo]n|deriva[çc][ãa]o|derivazione|afleiding"
_PREFIX = re.compile(rf"^(?:mdc[ _]ecg[ _])?(?:e[ck]g(?![a-z0-9]))?[ _:.-]*({_LEAD_WORD})?[ _:.-]*")
_CODE = re.compile(r"^(?:mdc\s*2:|mdc:?|2:|scp:?|5\.6\.3-9-)\s*(\d+)$")
_CODED: dict[int, str] = dict(zip((1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), STANDARD_LEADS, strict=True))
"""SCP-ECG numbers of the leads, which are also MDC partition 2 in DICOM."""

_LIMB = {"1": "I", "2": "II", "3": "III"}
_KNOWN = (
    {lead.casefold(): lead for lead in STANDARD_LEADS}
    | {f"{word}{lead}".casefold(): lead for lead in STANDARD_LEADS[:3] for word in ("D", "ML")}
    | {f"d{digit}": lead for digit, lead in _LIMB.items()}
)

_OTHER = re.compile(
    r"""pleth.*|ppg.*|bvp.*|eda.*|xyz|resp.*|abp.*|art|nibp.*|bp|cvp|icp|pap|p\d|spo2.*|sao2|(et)?co2|hr|pulse|heart.?rate
    |acc.*|gyr.*|mag.?[xyz]|temp.*|imp.*|eeg.*|emg.*|eog.*|marker.*|annot.*|battery.*
    |v[xyz]|v[7-9]|v[1-9]r              # Frank's and the further chest leads: real, but none of the twelve
    |sample.*|index|\#|no\.?|unnamed.*|.*time(stamp)?|t|ms|seconds""",
    re.VERBOSE,
)

_MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "μv": 1e-3, "mcv": 1e-3, "nv": 1e-6}  # mcV: as HealthKit has it
_MILLIVOLTS |= {"volt": 1e3, "millivolt": 1.0, "microvolt": 1e-3, "nanovolt": 1e-6}


@dataclass(frozen=True)
class Found:
    """What a file says, in its own words.

    Attributes:
        values: In the file's units, (channel, time) or (record, channel, time); NaN where one is missing.
        names: The file's name for each channel, None where it has none.
        units: The file's unit for each channel, None where it has none.
        fs: Sampling rate in Hz, None where the file does not say.
        comments: Lines that may hold a Provenance.
        about: What the file says of the patient and the recording.
        notes: What was done to the samples while they were decoded, and what is doubtful, a sentence each.
        begins: Where the values begin in the recording, in seconds, where only a part of it was decoded.
        lasts: How long the whole recording is then, in seconds.
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


def admit(
    found: Found,
    fs: float | None,
    unit: str | None,
    leads: Sequence[str] | None,
    start: float,
    seconds: float | None,
) -> ECG:
    """The ECG that the file and its user agree on, NaN where a sample is missing; arguments as those of ``read``.

    Raises:
        InputError: Where they disagree, or where neither says it.
    """
    rows, names = agreed_leads(found.names, leads)
    rate = agreed("its sampling rate", "fs", found.fs, fs, check_rate)
    scales = [agreed("its unit", "unit", found.units[row], unit, millivolts) for row in rows]
    signal = found.values if rows == list(range(len(found.names))) else found.values[..., rows, :]
    signal = np.asarray(signal if set(scales) == {1.0} else signal * np.array(scales)[:, None], np.float32)
    if not signal.size:
        raise InputError("the recording is empty", "at least one sample a lead was expected")
    ecg = ECG(torch.from_numpy(signal), tuple(names), rate, Provenance.parse(found.comments))
    return ecg.crop(start - found.begins, seconds) if start or seconds is not None else ecg


def agreed(what: str, keyword: str, found: T | None, given: T | None, measure: Callable[[T], float]) -> float:
    """What the file says, or what its user says where the file is silent, as a number.

    Raises:
        InputError: Where nobody says it, or the two differ by more than 0.1 % (times are rounded in files).
    """
    said = found if found is not None else given
    if said is None:
        raise InputError(f"the file does not say {what}", do=f"give it with {keyword}")
    number = measure(said)
    if given is not None and abs(measure(given) / number - 1) > 1e-3:
        raise InputError(
            f"the file says that {what} is {shown(str(found))} and {keyword} says {shown(str(given))}",
            do=f"leave {keyword} away, or correct the file where it is wrong",
        )
    return number


def agreed_leads(names: Sequence[str | None], leads: Sequence[str] | None) -> tuple[list[int], list[str]]:
    """The rows of the leads that are meant, and their standard names.

    Without ``leads``, all channels but those known to be something else (PLETH, RESP, a time …). With leads that
    the file names, those, in the order asked for. Else ``leads`` are names for the channels, in the file's order.
    """
    found = [name and find_lead(name) for name in names]
    wanted = [lead if lead == LEFT_OUT else lead_name(lead) for lead in leads or ()]
    if leads and set(wanted) <= set(found):
        check_leads([lead for lead in found if lead and lead in wanted])
        return [found.index(lead) for lead in wanted], wanted
    rows = [row for row, name in enumerate(names) if name is None or not is_other(name)]
    if leads is not None and len(leads) != len(rows):
        rows = list(range(len(names)))
    here = [names[row] for row in rows]
    given = _named_by_file(here) if leads is None else _named_by_user(here, wanted)
    kept = [(row, lead) for row, lead in zip(rows, given, strict=True) if lead != LEFT_OUT]
    if not kept:
        raise InputError(f"no lead of an ECG is among the channels {listed(names)}", "at least one was expected")
    check_leads([lead for _, lead in kept])
    return [row for row, _ in kept], [lead for _, lead in kept]


def millivolts(unit: str) -> float:
    """How many mV one ``unit`` is."""
    scale = millivolts_or_none(unit)
    if scale is None:
        raise InputError(f"the unit is {shown(unit)}", "mV, µV, nV or V was expected", "convert it first")
    return scale


def millivolts_or_none(unit: str | None) -> float | None:
    """How many mV one ``unit`` is, or None where it is no unit of voltage."""
    return None if unit is None else _MILLIVOLTS.get(_folded(unit).removesuffix("s"))


def is_unit(text: str) -> bool:
    """Whether ``text`` names a unit of voltage."""
    return millivolts_or_none(text) is not None


def lead_name(text: str) -> str:
    """The standard name of a lead: ``AVR``, ``MLII``, ``Lead I``, ``DI``, ``MDC_ECG_LEAD_V1`` … → ``aVR`` …

    Raises:
        InputError: Where the name is none that is known here.
    """
    lead = find_lead(text)
    if lead is None:
        alone = " (V alone does not say which of V1–V6)" if _folded(text) == "v" else ""
        raise InputError(
            f"{called(text)} is no lead that ecggen knows{alone}",
            f"{', '.join(STANDARD_LEADS)} was expected, also as AVR, MLII, 'Lead I', DI, MDC_ECG_LEAD_I",
            f"choose leads with leads='II', or name all channels in order, '{LEFT_OUT}' leaving one out",
        )
    return lead


def find_lead(text: str) -> str | None:
    """The standard name of a lead, or None."""
    folded = _folded(text)
    if code := _CODE.match(folded):
        return _CODED.get(int(code[1]))
    match = _PREFIX.match(folded)
    prefix = match[0] if match else ""
    bare = re.sub(r"-\s*ref$|[ _]", "", folded[len(prefix) :])
    # A sign must survive: −aVR of the Cabrera order is not aVR.
    if prefix and not prefix[0].isalpha():
        return None
    return _KNOWN.get(bare) or (_LIMB.get(bare) if match and match[1] else None)


def is_other(name: str) -> bool:
    """Whether a channel of this name is known to be none of the twelve leads."""
    return not name.strip() or _OTHER.fullmatch(_folded(name)) is not None


def shown(text: str) -> str:
    """Text of a file as it may stand in a message: quoted, without control characters, short."""
    return repr(text if len(text) <= 40 else text[:39] + "…")


def called(name: str) -> str:
    """A channel's name as it may stand in a message: what is longer than a label may be a patient's line."""
    return shown(name) if len(name.strip()) <= LONGEST_LABEL else f"a name of {len(name)} characters"


def listed(names: Iterable[str | None]) -> str:
    """The first names of a list, as they may stand in a message."""
    texts = [called(name) for name in names if name]
    return ", ".join(texts[:15]) + (" …" if len(texts) > 15 else "")


def rate_text(fs: float) -> str:
    """The rate as files hold it: exact, and without a point where it is whole."""
    return str(int(fs)) if fs.is_integer() else repr(fs)


def provenance_lines(ecg: ECG) -> list[str]:
    """The provenance as files hold it; a line break within would end the comment."""
    return [" ".join(line.split()) for line in (ecg.provenance.lines() if ecg.provenance else ())]


def _folded(text: str) -> str:
    # NFKC makes one of the two micro signs, and Ⅱ to II.
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _named_by_file(names: Sequence[str | None]) -> list[str]:
    if None in names:
        raise InputError("the file does not name its leads", do="name them in order, as in leads=['I', 'II']")
    return [lead_name(name) for name in names if name is not None]


def _named_by_user(names: Sequence[str | None], leads: list[str]) -> list[str]:
    """The user's names for the channels that the file calls ``names``."""
    if len(leads) != len(names):
        here = f" ({listed(names)})" if any(names) else ""
        raise InputError(
            f"the file has {len(names)} channels{here} and leads names {', '.join(leads)}",
            f"leads of the file, or a name for each channel, were expected ('{LEFT_OUT}' leaves one out)",
        )
    for name, lead in zip(names, leads, strict=True):
        if lead != LEFT_OUT and name is not None and find_lead(name) not in (None, lead):
            found = f"the file calls a channel {called(name)} and leads calls it {lead!r}"
            raise InputError(found, do="leave leads away, or correct the file where it is wrong")
    return leads
