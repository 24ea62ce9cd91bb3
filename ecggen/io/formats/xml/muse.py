"""Reader of GE MUSE XML (root RestingECG): 16-bit samples in Base64, one element per lead.

There is no public standard; the structure follows restecg.dtd and published readers. A file holds a Rhythm and,
before or after it, a Median beat. The rate is SampleBase · 10^SampleExponent, the step of a sample is
LeadAmplitudeUnitsPerBit (4.88 µV). Usually eight leads are stored; the other four are not derived here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.xml import markup as xml_markup
from ecggen.io.metadata import About, sex_of, years
from ecggen.io.normalise import Found, shown
from ecggen.io.source import MOST_SAMPLES, Source

_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV", "VOLTS": "V", "NANOVOLTS": "nV"}
_AGES = {"YEARS": "Y", "MONTHS": "M", "WEEKS": "W", "DAYS": "D"}


@dataclass(frozen=True)
class _Wave:
    """Stored samples of a lead from sample ``begin`` on (None if they cannot be decoded), and the value of a step."""

    begin: int | None
    step: float
    counts: np.ndarray


def looks_like(source: Source) -> bool:
    """Whether the root element is RestingECG."""
    return xml_markup.root_name(source) == "RestingECG"


def contents(source: Source) -> list[str]:
    """Names of the recordings, such as "rhythm" and "median"; empty if there is one."""
    names = _names(xml_markup.opened(source).findall("Waveform"))
    return names if len(names) > 1 else []


def beats(source: Source) -> list[str]:
    """Names of the recordings that are derived from the rhythm, such as a median beat."""
    return xml_markup.derived(_names(xml_markup.opened(source).findall("Waveform")))


def read(source: Source) -> Found:
    """Decode the requested recording, or the first rhythm."""
    root = xml_markup.opened(source)
    waveforms = root.findall("Waveform")
    at, notes = xml_markup.picked(_names(waveforms), source.record)
    leads = waveforms[at].findall("LeadData")
    if not leads:
        raise InputError("the file holds no lead of this recording", "LeadData was expected", "export it again")
    names = tuple(xml_markup.words(lead, "LeadID") or None for lead in leads)
    waves, unusable = [], {}
    for row, (lead, name) in enumerate(zip(leads, names, strict=True)):
        try:
            waves.append(_wave(lead, _called(name)))
            notes += _doubts(lead, _called(name), waves[-1].counts)
        except InputError as error:  # the other leads can be decoded
            waves.append(_Wave(None, 0.0, np.empty(0, "<i2")))
            unusable[row] = error
    values = _aligned(waves)
    units = tuple(map(_unit, leads))
    return Found(values, names, units, _rate(waveforms[at]), about=_about(root), notes=notes, unusable=unusable)


def _names(waveforms: list[Element]) -> list[str]:
    kinds = {"rhythm": "rhythm", "median": "median", "": "rhythm"}
    return xml_markup.numbered([kinds.get(xml_markup.words(one, "WaveformType").lower(), "other") for one in waveforms])


def _called(name: str | None) -> str:
    return f"lead {shown(name or 'without a name')}"


def _rate(waveform: Element) -> float | None:
    """Sampling rate in Hz; None if the file does not state it."""
    base, exponent = xml_markup.words(waveform, "SampleBase"), xml_markup.words(waveform, "SampleExponent")
    power = xml_markup.number(exponent or "0", "SampleExponent")
    if abs(power) > 12:
        raise InputError(f"SampleExponent is {power:g}", "a power of ten from -12 to 12 was expected")
    return xml_markup.number(base, "SampleBase") * 10.0**power if base else None


def _counts(lead: Element, called: str) -> np.ndarray:
    """Stored samples of a lead, after checks of their number and size."""
    size = xml_markup.words(lead, "LeadSampleSize") or "2"
    if xml_markup.number(size, f"LeadSampleSize of {called}") != 2:
        raise InputError(f"{called} has samples of another size", "2 bytes per sample were expected")
    text = "".join(one.text or "" for one in lead.iterfind("WaveFormData"))
    content = xml_markup.unpacked(text, f"WaveFormData of {called}")
    for name, bytes_each in (("LeadByteCountTotal", 1), ("LeadSampleCountTotal", 2)):
        stated = xml_markup.words(lead, name)
        declared = xml_markup.count(stated, f"{name} of {called}") if stated else len(content) // bytes_each
        if declared != len(content) / bytes_each:
            found = f"{called} declares {declared} in {name} and holds {len(content)} bytes"
            raise InputError(found, "as many were expected", "export it again")
    if len(content) % 2:
        raise InputError(f"{called} holds {len(content)} bytes", "2 per sample were expected", "export it again")
    return np.frombuffer(content, "<i2")


def _wave(lead: Element, called: str) -> _Wave:
    """The stored samples of a lead, with their place and step."""
    step = xml_markup.number(
        xml_markup.words(lead, "LeadAmplitudeUnitsPerBit"), f"LeadAmplitudeUnitsPerBit of {called}"
    )
    return _Wave(_begin(lead, called), step, _counts(lead, called))


def _aligned(waves: list[_Wave]) -> np.ndarray:
    """Leads in their units (lead, time), each at its offset; missing samples are NaN."""
    first = min((wave.begin for wave in waves if wave.begin is not None), default=0)
    places = [first if wave.begin is None else wave.begin for wave in waves]
    length = max(place - first + len(wave.counts) for place, wave in zip(places, waves, strict=True))
    if length * len(waves) > MOST_SAMPLES:
        raise InputError(f"{len(waves)} leads last {length} samples", f"{MOST_SAMPLES} are read at most", "split it")
    values = np.full((len(waves), length), np.nan)
    for row, (place, wave) in enumerate(zip(places, waves, strict=True)):
        values[row, place - first : place - first + len(wave.counts)] = wave.step * wave.counts
    return values


def _begin(lead: Element, called: str) -> int:
    """First sample of a lead."""
    text = xml_markup.words(lead, "LeadOffsetFirstSample") or "0"
    return xml_markup.count(text, f"LeadOffsetFirstSample of {called}")


def _unit(lead: Element) -> str | None:
    stated = xml_markup.words(lead, "LeadAmplitudeUnits")
    return _UNITS.get(stated.upper(), stated) or None


def _doubts(lead: Element, called: str, counts: np.ndarray) -> tuple[str, ...]:
    """Doubts about the samples of a lead that the file itself gives."""
    checksum = xml_markup.words(lead, "LeadDataCRC32")
    doubts = []
    # Converters that do not compute the checksum write 0.
    if checksum not in ("", "0") and checksum != str(zlib.crc32(counts.tobytes())):
        doubts.append(f"the checksum of {called} does not match its samples, which may be damaged")
    if xml_markup.words(lead, "LeadOff").upper() == "TRUE":
        doubts.append(f"the electrode of {called} was off during the recording")
    if xml_markup.words(lead, "FirstSampleBaseline") not in ("", "0"):
        doubts.append(f"{called} has a baseline, which was not subtracted")
    if xml_markup.words(lead, "LeadTimeOffset") not in ("", "0"):
        doubts.append(f"{called} has a time offset, which was not applied")
    return tuple(doubts)


def _about(root: Element) -> About:
    patient, test = root.find("PatientDemographics"), root.find("TestDemographics")
    unit = _AGES.get(xml_markup.words(patient, "AgeUnits").upper() or "YEARS", "?")
    names = [one for one in test if one.tag.endswith(("FirstName", "LastName", "TechID"))] if test is not None else []
    personal = {
        "name": ", ".join(filter(None, (xml_markup.words(patient, f"Patient{one}Name") for one in ("Last", "First")))),
        "patient_id": xml_markup.joined(
            xml_markup.words(patient, "PatientID"),
            xml_markup.words(test, "SecondaryID"),
            xml_markup.words(root, ".//VisitNumber"),
        ),
        "birth_date": xml_markup.words(patient, "DateofBirth"),
        "recorded": f"{xml_markup.words(test, 'AcquisitionDate')} {xml_markup.words(test, 'AcquisitionTime')}",
        "device_serial": xml_markup.joined(
            xml_markup.words(test, "CartNumber"), xml_markup.words(root, ".//PharmaCartID")
        ),
        "institution": xml_markup.joined(xml_markup.words(test, "SiteName"), xml_markup.words(test, "LocationName")),
        "people": xml_markup.joined(*map(xml_markup.words, names)),
        "statements": xml_markup.words(root, ".//StmtText"),
    }
    age = years(xml_markup.words(patient, "PatientAge") + unit)
    number = xml_markup.words(patient, "PatientID")
    return About(age, sex_of(xml_markup.words(patient, "Gender")), personal=personal, number=number)
