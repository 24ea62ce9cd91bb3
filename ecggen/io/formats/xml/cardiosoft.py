"""Reader of GE CardioSoft XML (root CardiologyXML), as in the ECGs of the UK Biobank.

The structure follows GE's description (manual 2062898-001) and published readers. ``StripData`` holds one element per
lead with integers separated by commas; an exercise test has several strips. ``FullDisclosure`` holds the whole test,
with the samples of all leads in turn. ``MedianSamples`` are average beats and are left out.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.xml import markup as xml_markup
from ecggen.io.metadata import About, sex_of, years
from ecggen.io.normalise import Found, shown
from ecggen.io.source import Source

_AGES = {"years": "Y", "months": "M", "weeks": "W", "days": "D"}
_UNITS = {"uVperLsb": "uV", "mVperLsb": "mV", "nVperLsb": "nV", "VperLsb": "V"}


def looks_like(source: Source) -> bool:
    """Whether the root element is CardiologyXML."""
    return xml_markup.root_name(source) == "CardiologyXML"


def contents(source: Source) -> list[str]:
    """Names of the recordings, such as "rhythm", "full disclosure" and "strip 1"; empty if there is one."""
    names = _recordings(xml_markup.opened(source))[0]
    return names if len(names) > 1 else []


def read(source: Source) -> Found:
    """Decode the requested recording, or the rhythm."""
    root = xml_markup.opened(source)
    names, elements = _recordings(root)
    if not elements:
        found = "the CardioSoft file holds no rhythm"
        raise InputError(found, "StripData or FullDisclosure was expected", "export it with its waveforms")
    at, notes = xml_markup.picked(names, source.record)
    if root.find(".//MedianSamples/WaveformData") is not None:
        notes = (*notes, "the average beats were left out")
    block = elements[at]
    leads, steps, unusable = _interleaved(block) if block.tag == "FullDisclosure" else _by_lead(block)
    resolution = block.find("Resolution")
    stated = xml_markup.number(xml_markup.words(resolution), "Resolution")
    if stated <= 0:
        raise InputError(
            f"Resolution is {stated:g}", "a positive number of µV per step was expected", "export it again"
        )
    unit = _UNITS.get(resolution.get("units", "uVperLsb")) if resolution is not None else None
    rate = xml_markup.words(block, "SampleRate")
    fs = xml_markup.number(rate, "SampleRate") if rate else None
    units = (unit,) * len(leads)
    return Found(stated * steps, leads, units, fs, about=_about(root), notes=notes, unusable=unusable)


def _recordings(root: Element) -> tuple[list[str], list[Element]]:
    """Name and element of each recording with samples."""
    blocks = [("rhythm", one) for one in root.findall("StripData")]
    blocks += [("full disclosure", one) for one in root.findall("FullDisclosure")]
    blocks += [("strip", one) for strip in root.findall("Strip") for one in strip.findall("StripData")]
    kept = [
        (kind, one)
        for kind, one in blocks
        if one.find("WaveformData") is not None or xml_markup.words(one, "FullDisclosureData")
    ]
    return xml_markup.numbered([kind for kind, _ in kept]), [one for _, one in kept]


def _numbers(text: str, what: str) -> np.ndarray:
    """Integers separated by commas, of which one may follow the last."""
    return xml_markup.samples(text.replace(",", " "), what)


def _by_lead(block: Element) -> tuple[tuple[str | None, ...], np.ndarray, dict[int, InputError]]:
    """Names and samples (lead, time) of a strip, and the leads that cannot be decoded, with the reason."""
    elements = block.findall("WaveformData")
    names = tuple(one.get("lead", "").strip() or None for one in elements)
    stated = xml_markup.words(block, "ChannelSampleCountTotal")
    count = xml_markup.count(stated, "ChannelSampleCountTotal") if stated else None
    waves: list[np.ndarray | None] = []
    unusable: dict[int, InputError] = {}
    for row, (one, name) in enumerate(zip(elements, names, strict=True)):
        called = f"lead {shown(name or 'without a name')}"
        try:
            wave = _numbers(one.text or "", called)
            count = wave.size if count is None else count
            if wave.size != count:
                found = f"{called} of the file holds {wave.size} samples"
                raise InputError(found, f"{count} were expected", "export it again")
            waves.append(wave)
        except InputError as error:  # the other leads can be decoded
            unusable[row] = error
            waves.append(None)
    if len(unusable) == len(waves):
        raise unusable[0]
    return names, np.stack([np.full(count or 0, np.nan) if wave is None else wave for wave in waves]), unusable


def _interleaved(block: Element) -> tuple[tuple[str | None, ...], np.ndarray, dict[int, InputError]]:
    """As ``_by_lead``, of a full disclosure."""
    text = xml_markup.words(block, "LeadOrder")
    stated = xml_markup.words(block, "NumberOfChannels")
    names: tuple[str | None, ...] = tuple(name.strip() for name in text.split(",") if name.strip())
    count = xml_markup.count(stated, "NumberOfChannels") if stated else len(names)
    if names and count != len(names):
        raise InputError(f"the file declares {count} channels and names {len(names)}", "as many were expected")
    steps = _numbers(xml_markup.words(block, "FullDisclosureData"), "FullDisclosureData")
    if not count or not steps.size or steps.size % count:
        found = f"the full disclosure holds {steps.size} samples of {count} channels"
        raise InputError(found, "the same number of each was expected", "export it again")
    return names or (None,) * count, steps.reshape(-1, count).T, {}


def _about(root: Element) -> About:
    patient = root.find("PatientInfo")
    age = patient.find("Age") if patient is not None else None
    unit = _AGES.get(age.get("units", "years").lower(), "?") if age is not None else ""
    code = xml_markup.words(patient, "PID")
    personal = {
        "name": ", ".join(filter(None, (xml_markup.words(patient, f"Name/{one}Name") for one in ("Family", "Given")))),
        "patient_id": xml_markup.joined(code, xml_markup.words(root, "UID/DICOMStudyUID")),
        "birth_date": _date(patient.find("BirthDateTime") if patient is not None else None),
        "recorded": _date(root.find("ObservationDateTime")),
        "device_serial": xml_markup.words(root, "ClinicalInfo/DeviceInfo/SerialNumber"),
        "institution": xml_markup.joined(
            *(xml_markup.words(root, path) for path in ("ClinicalInfo/Institution", ".//LocationName"))
        ),
        "people": xml_markup.joined(
            *(
                xml_markup.words(root, f".//{one}")
                for one in ("PhysicianName", "TechnicianName", "Ordering", "Attending")
            )
        ),
        "statements": xml_markup.joined(
            xml_markup.words(root, ".//DiagnosisText"), xml_markup.words(root, ".//ConclusionText")
        ),
    }
    return About(
        years(xml_markup.words(age) + unit), sex_of(xml_markup.words(patient, "Gender")), personal=personal, number=code
    )


def _date(element: Element | None) -> str:
    """Day and time from an element with Year, Month, Day and perhaps Hour, Minute and Second."""
    day = "-".join(filter(None, (xml_markup.words(element, one) for one in ("Year", "Month", "Day"))))
    time = ":".join(filter(None, (xml_markup.words(element, one) for one in ("Hour", "Minute", "Second"))))
    return f"{day} {time}".strip()
