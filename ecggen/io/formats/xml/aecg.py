"""HL7 aECG (annotated ECG, HL7 v3 PORT_MT020001, ANSI/HL7 V3 ECG R1-2004) reader and writer: the XML of the FDA.

A series (a rhythm, or a beat derived from it) holds sets of sequences: one of times, which gives the rate, and one per
lead, whose samples are origin + scale · digit. Leads have MDC codes (IEEE 11073-10102). The writer uses steps of 1 µV
and stores the provenance as interpretation comments, which viewers display. The FDA's reader and others require the
first and last time of a series and an identifier of the subject, so that both are written if unknown, as ``UNDATED``
and ``UNNAMED``.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.formats.xml import markup as xml_markup
from ecggen.io.metadata import About, sex_of, years
from ecggen.io.normalise import Found, listed, millivolts_or_none, provenance_lines, shown
from ecggen.io.source import Source

STEP = 1e-3
"""mV per digit in written files."""
UNDATED = "19700101000000"
"""Start of a series in written files if the time of the recording is unknown."""
UNNAMED, SYNTHETIC = "ANONYMOUS", "SYNTHETIC"
"""Identifiers of a subject whose number is not written, and of a synthetic record."""

_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" type="Observation">
  <id root="{identity}"/>
  <code code="93000" codeSystem="2.16.840.1.113883.6.12" codeSystemName="CPT-4"/>
  {time}
  <componentOf><timepointEvent><componentOf><subjectAssignment>
    {subject}
    <componentOf><clinicalTrial><id root="{identity}"/>{place}</clinicalTrial></componentOf>
  </subjectAssignment></componentOf></timepointEvent></componentOf>
  {age}
  <component><series>
    <id root="{identity}"/>
    <code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4" codeSystemName="ActCode" displayName="Rhythm Waveforms"/>
    <effectiveTime><low value="{first}"/><high value="{last}"/></effectiveTime>
    {device}{people}
    <component><sequenceSet>
      <component><sequence>
        <code code="TIME_RELATIVE" codeSystem="2.16.840.1.113883.5.4" codeSystemName="ActCode"/>
        <value xsi:type="GLIST_PQ"><head value="0.000" unit="s"/><increment value="{period}" unit="s"/></value>
      </sequence></component>
{sequences}    </sequenceSet></component>
{annotations}  </series></component>
</AnnotatedECG>
"""
_SEQUENCE = """      <component><sequence>
        <code code="MDC_ECG_LEAD_{lead}" codeSystem="2.16.840.1.113883.6.24" codeSystemName="MDC"/>
        <value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="1" unit="uV"/>
          <digits>{digits}</digits></value>
      </sequence></component>
"""
_SUBJECT = """<subject><trialSubject>{identifier}<subjectDemographicPerson>{name}
      <administrativeGenderCode code="{sex}" codeSystem="2.16.840.1.113883.5.1"/>{birth}
    </subjectDemographicPerson></trialSubject></subject>"""
_PLACE = "<location><trialSite><location><name>{name}</name></location></trialSite></location>"
_AGE = """<controlVariable><relatedObservation>
    <code code="21612-7" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC" displayName="Reported Age"/>
    <value xsi:type="PQ" value="{years}" unit="a"/>
  </relatedObservation></controlVariable>"""
_DEVICE = """<author><seriesAuthor><manufacturedSeriesDevice><id extension="{serial}"/>
    </manufacturedSeriesDevice></seriesAuthor></author>"""
_PEOPLE = """<secondaryPerformer><seriesPerformer><assignedPerson><name>{name}</name></assignedPerson>
    </seriesPerformer></secondaryPerformer>"""
_ANNOTATED = """    <subjectOf><annotationSet>
      <author><assignedEntity><assignedAuthorType><assignedDevice><softwareName>ecggen</softwareName></assignedDevice>
      </assignedAuthorType></assignedEntity></author>
{annotations}    </annotationSet></subjectOf>
"""
_ANNOTATION = """      <component><annotation>
        <code code="MDC_ECG_{kind}" codeSystem="2.16.840.1.113883.6.24" codeSystemName="MDC"/>
        {value}
      </annotation></component>
"""

_KINDS = {"RHYTHM": "rhythm", "REPRESENTATIVE_BEAT": "representative beat", "MEDIAN_BEAT": "median beat"}
_MEASURED = {
    "heart_rate": ("HEART_RATE", "bpm"),
    "pr_ms": ("TIME_PD_PR", "ms"),
    "qrs_ms": ("TIME_PD_QRS", "ms"),
    "qt_ms": ("TIME_PD_QT", "ms"),
    "qtc_ms": ("TIME_PD_QTc", "ms"),
    "axis_deg": ("ANGLE_QRS_FRONT", "deg"),
}
"""MDC code, after MDC_ECG_, and unit of each measurement."""
_SECONDS = {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6")}
_AGES = {"a": "Y", "mo": "M", "wk": "W", "d": "D"}
_REPORTED_AGE = "21612-7"  # LOINC
_SNOMED = "2.16.840.1.113883.6.96"
_DATE = re.compile(r"(\d{4})\D?(\d\d)\D?(\d\d)(?:\D?(\d\d)\D?(\d\d)(?:\D?(\d\d))?)?", re.ASCII)
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def looks_like(source: Source) -> bool:
    """Whether the root element is AnnotatedECG."""
    return xml_markup.root_name(source) == "AnnotatedECG"


def contents(source: Source) -> list[str]:
    """Names of the recordings: rhythms and derived beats; empty if there is one."""
    names = [name for name, _ in _recordings(xml_markup.opened(source))]
    return names if len(names) > 1 else []


def beats(source: Source) -> list[str]:
    """Names of the recordings that are derived from the rhythm, such as a median beat."""
    return xml_markup.derived([name for name, _ in _recordings(xml_markup.opened(source))])


def read(source: Source) -> Found:
    """Decode the requested recording, or the first rhythm."""
    root = xml_markup.opened(source)
    recordings = _recordings(root)
    if not recordings:
        raise InputError("the file holds no series of leads", "an aECG with a rhythm was expected", "export it again")
    at, notes = xml_markup.picked([name for name, _ in recordings], source.record)
    sequences = [(_code(one), one) for one in recordings[at][1].iterfind("component/sequence")]
    rate = next((_rate(one) for code, one in sequences if code.startswith("TIME_")), None)
    leads = [(code, _digits(one), one) for code, one in sequences if not code.startswith("TIME_")]
    empty = [code for code, digits, _ in leads if not digits]
    if empty:
        notes += (f"leads without samples were left out: {listed(empty)}",)
    values, units = _table([lead for lead in leads if lead[1]])
    names = tuple(code or None for code, digits, _ in leads if digits)
    texts = [xml_markup.words(value) for value in root.iterfind(".//annotation/value") if value.get("type") == "ST"]
    comments = tuple(line for line in texts if line.startswith("ecggen"))
    about = _about(root, [line for line in texts if line not in comments])
    return Found(values, names, units, rate, comments, about, notes)


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """Encode one record in steps of 1 µV, with the metadata that the standard has a place for."""
    identity = uuid.UUID(bytes=hashlib.sha256(ecg.signal.numpy().tobytes()).digest()[:16], version=5)
    annotations = "".join(_annotations(ecg, about))
    personal = {kind: _escaped(text) for kind, text in about.personal.items()}
    text = _DOCUMENT.format(
        identity=identity,
        time=_when(about.personal.get("recorded", "")),
        first=(first := _moment(about.personal.get("recorded", "")) or UNDATED),
        last=_later(first, ecg.seconds),
        subject=_subject(about, identity, personal, bool(ecg.provenance and ecg.provenance.generated)),
        place=_PLACE.format(name=personal["institution"]) if "institution" in personal else "",
        age=_AGE.format(years=f"{about.age:g}") if about.age is not None else "",
        device=_DEVICE.format(serial=personal["device_serial"]) if "device_serial" in personal else "",
        people=_PEOPLE.format(name=personal["people"]) if "people" in personal else "",
        period=repr(1 / ecg.fs),
        sequences="".join(map(_sequence, ecg.leads, ecg.signal[0].double().numpy())),
        annotations=_ANNOTATED.format(annotations=annotations) if annotations else "",
    )
    return {path: text.encode()}


def _recordings(root: Element) -> list[tuple[str, Element]]:
    """Each set of sequences with its name."""
    found = [(_kind(series), one) for series in _series(root) for one in series.iterfind("component/sequenceSet")]
    return list(zip(xml_markup.numbered([kind for kind, _ in found]), (one for _, one in found), strict=True))


def _series(root: Element) -> Iterator[Element]:
    return (one for one in root.iter() if one.tag in ("series", "derivedSeries"))


def _kind(series: Element) -> str:
    code = _code(series)
    return _KINDS.get(code, "rhythm" if series.tag == "series" and not code else "other series")


def _code(element: Element) -> str:
    code = element.find("code")
    return "" if code is None else code.get("code", "").strip()


def _digits(sequence: Element) -> str:
    return " ".join(one.text or "" for one in sequence.iterfind("value/digits")).strip()


def _rate(times: Element) -> float | None:
    """Sampling rate in Hz from a sequence of times: the rate with the fewest decimals whose rounded period is stored.

    None if the sequence has no increment.
    """
    step = times.find("value/increment")
    if step is None or not step.get("value"):
        return None
    xml_markup.number(step.get("value"), "the increment of the times")
    written, unit = Decimal(step.get("value", "").strip().replace(",", ".")), _SECONDS.get(step.get("unit", "s"))
    if unit is None or not Decimal("1e-9") < written * unit < 1000:
        found = f"the times increase by {float(written):g} {shown(step.get('unit', ''))}"
        raise InputError(found, "seconds were expected, as in 0.002 s")
    period, half = float(written * unit), float(unit) * 0.5 * 10.0 ** int(written.as_tuple().exponent)
    rates = (round(1 / period, digits) for digits in range(13))
    return next((rate for rate in rates if rate and abs(1 / rate - period) <= half), 1 / period)


def _samples(code: str, digits: str, sequence: Element) -> tuple[np.ndarray, str | None]:
    """Samples of a lead, and their unit."""
    lead = f"lead {shown(code)}"
    scale, origin = sequence.find("value/scale"), sequence.find("value/origin")
    step, unit = _quantity(scale, f"the scale of {lead}", 1.0)
    zero, zero_unit = _quantity(origin, f"the origin of {lead}", 0.0)
    if zero and zero_unit != unit:
        there, here = millivolts_or_none(zero_unit), millivolts_or_none(unit)
        if there is None or here is None:
            raise InputError(f"origin and scale of {lead} have different units", "one unit was expected")
        zero *= there / here
    return zero + step * xml_markup.samples(digits, lead), unit


def _quantity(element: Element | None, what: str, default: float) -> tuple[float, str | None]:
    """A number with its unit; a sequence of plain integers (SLIST_INT) has neither scale nor unit."""
    if element is None:
        return default, None
    return xml_markup.number(element.get("value") or element.text, what), element.get("unit") or None


def _table(leads: list[tuple[str, str, Element]]) -> tuple[np.ndarray, tuple[str | None, ...]]:
    """The leads (lead, time), each in its unit; all must have the same length."""
    if not leads:
        raise InputError("no lead holds samples", "sequences of digits were expected", "export it again")
    if sum(len(digits) for _, digits, _ in leads) > xml_markup.MOST_DIGITS:
        expected = f"{xml_markup.MOST_DIGITS} characters of samples are read at most"
        raise InputError("the recording is too long", expected, "split it")
    values, units = zip(*(_samples(*lead) for lead in leads), strict=True)
    for (name, _, _), lead in zip(leads, values, strict=True):
        if len(lead) != len(values[0]):
            found = f"lead {shown(leads[0][0])} holds {len(values[0])} samples and lead {shown(name)} {len(lead)}"
            raise InputError(found, "equal numbers were expected", "export it again")
    return np.array(values), units


def _about(root: Element, statements: list[str]) -> About:
    ages = (one for one in root.iter("relatedObservation") if _code(one) == _REPORTED_AGE)
    stated = next((one for one in (observation.find("value") for observation in ages) if one is not None), Element("-"))
    age = stated.get("value", "") + _AGES.get(stated.get("unit", "a"), "") or xml_markup.words(root, ".//Age")
    coded = [one for one in root.iterfind(".//annotation/value") if _is_diagnosis(one)]
    number = xml_markup.values(root, ".//trialSubject/id", "extension")
    number = "" if number in (UNNAMED, SYNTHETIC) else number
    personal = {
        "name": xml_markup.words(root, ".//subjectDemographicPerson/name"),
        "patient_id": xml_markup.joined(number, xml_markup.words(root, ".//PatientID")),
        "birth_date": xml_markup.values(root, ".//birthTime", "value"),
        "recorded": xml_markup.values(root, "./effectiveTime/*", "value"),
        "device_serial": xml_markup.words(root, ".//SerialNumber")
        or xml_markup.values(root, ".//manufacturedSeriesDevice/id", "extension"),
        "institution": xml_markup.words(root, ".//location/name"),
        "people": xml_markup.joined(
            xml_markup.words(root, ".//assignedPerson/name"), xml_markup.words(root, ".//investigatorPerson/name")
        ),
        "statements": xml_markup.joined(xml_markup.words(root, ".//subjectFindingComment/text"), *statements),
    }
    sex = sex_of(xml_markup.values(root, ".//administrativeGenderCode", "code"))
    codes = tuple(one.get("code", "") for one in coded)
    return About(years(age), sex, codes, personal=personal, number=number or xml_markup.words(root, ".//PatientID"))


def _is_diagnosis(value: Element) -> bool:
    """Whether an annotation is a code of SNOMED CT or SCP, as ``About.codes`` holds."""
    system = value.get("codeSystem") == _SNOMED or value.get("codeSystemName") == "SCP-ECG"
    return system and re.fullmatch(r"\w{1,20}", value.get("code", "")) is not None


def _subject(about: About, identity: uuid.UUID, personal: dict[str, str], synthetic: bool) -> str:
    number = personal.get("patient_id", SYNTHETIC if synthetic else UNNAMED)
    born = _DATE.match(personal.get("birth_date", ""))
    return _SUBJECT.format(
        identifier=f'<id root="{identity}" extension="{number}"/>',
        name=f"<name>{personal['name']}</name>" if "name" in personal else "",
        sex=about.sex or "UN",
        birth=f'<birthTime value="{"".join(born.groups()[:3])}"/>' if born else "",
    )


def _when(recorded: str) -> str:
    """The time of the recording, or an element for an unknown time."""
    moment = _moment(recorded)
    center = f'<effectiveTime><center value="{moment}"/></effectiveTime>'
    return center if moment else '<effectiveTime nullFlavor="UNK"/>'


def _moment(recorded: str) -> str:
    """A date, with or without a time, in the format of HL7; "" if there is none."""
    match = _DATE.match(recorded)
    return "".join(part or "" for part in match.groups()) if match else ""


def _later(first: str, seconds: float) -> str:
    """The time ``seconds`` after ``first``; ``first`` if it is no valid date."""
    try:
        end = datetime.strptime(first.ljust(14, "0"), "%Y%m%d%H%M%S") + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return first
    return f"{end:%Y%m%d%H%M%S}.{end.microsecond // 1000:03}"


def _sequence(lead: str, signal: np.ndarray) -> str:
    digits = " ".join(map(str, map(int, np.rint(signal / STEP))))
    return _SEQUENCE.format(lead=lead.upper(), digits=digits)


def _annotations(ecg: ECG, about: About) -> Iterator[str]:
    """Annotations for the provenance, measurements, codes of diagnoses, and free text if it is kept."""
    for line in (*provenance_lines(ecg), *([about.measured.line()] if about.measured else [])):
        yield _ANNOTATION.format(kind="INTERPRETATION_COMMENT", value=f'<value xsi:type="ST">{_escaped(line)}</value>')
    for name, value in about.measured.named().items() if about.measured else ():
        kind, unit = _MEASURED[name]
        yield _ANNOTATION.format(kind=kind, value=f'<value xsi:type="PQ" value="{value}" unit="{unit}"/>')
    for code in about.codes:
        system = (
            f'codeSystem="{_SNOMED}" codeSystemName="SNOMED CT"' if code.isdecimal() else 'codeSystemName="SCP-ECG"'
        )
        value = f'<value xsi:type="CE" code="{_escaped(code)}" {system}/>'
        yield _ANNOTATION.format(kind="INTERPRETATION", value=value)
    if "statements" in about.personal:
        value = f'<value xsi:type="ST">{_escaped(about.personal["statements"])}</value>'
        yield _ANNOTATION.format(kind="INTERPRETATION_STATEMENT", value=value)


def _escaped(text: str) -> str:
    """Escape text for XML, also within quotes; forbidden characters become U+FFFD."""
    return escape(_NO_CHARACTER.sub("\ufffd", text), {'"': "&quot;"})
