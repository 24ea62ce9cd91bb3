"""DICOM waveform writer, with synthetic ECGs marked in all suitable elements.

PS3.3 has no Image Type for waveforms. Synthetic leads are marked by Waveform Originality DERIVED, Synthetic Data
(0008,001C) YES, the descriptions of study and series, the name and ID of the patient, the label of each channel, and
one annotation per line of the provenance.

Leads and measurements have the codes of SCP-ECG, as in the files of electrocardiographs. The codes of ISO/IEEE 11073
(MDC) that the current standard has for the leads are given as equivalent codes, because viewers do not know them:
dicom-ecg-plot draws MDC's V1 to V3 as III, aVR and aVL. All content, including the unique identifiers, is determined
by the ECG, so that the same ECG gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.formats.dicom.elements import EXPLICIT
from ecggen.io.formats.dicom.reading import CONTINUED, PATIENT, PATIENT_ID, UNDATED
from ecggen.io.metadata import About, Measurements
from ecggen.io.normalise import provenance_lines
from ecggen.io.source import optional

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

STEP = 1.0
"""µV per step, for up to ±32.767 mV."""

CLASSES = (
    ("1.2.840.10008.5.1.4.1.1.9.1.1", 200.0, 1000.0, 13, 16384),
    ("1.2.840.10008.5.1.4.1.1.9.1.2", 200.0, 1000.0, 24, 2**32),
    ("1.2.840.10008.5.1.4.1.1.9.1.3", 50.0, 1000.0, 12, 2**32),
)
"""12-lead, General and Ambulatory ECG: UID, rate range in Hz, largest numbers of channels and samples (A.34.3–5)."""

_SCPECG = {
    "I": 1,
    "II": 2,
    "V1": 3,
    "V2": 4,
    "V3": 5,
    "V4": 6,
    "V5": 7,
    "V6": 8,
    "III": 61,
    "aVR": 62,
    "aVL": 63,
    "aVF": 64,
}
"""Number of each lead in SCP-ECG, and in partition 2 of MDC."""

_MEANINGS = {"I": "Lead I (Einthoven)"}
"""Meaning of the code of a lead, if it is not its name after "Lead"."""

_MEASURED = {
    "rr_ms": ("5.10.2.1-3", "RR Interval", "ms"),
    "heart_rate": ("5.10.2.5-1", "Vent Rate", "/min"),
    "pr_ms": ("5.13.5-7", "PR Interval", "ms"),
    "qrs_ms": ("5.13.5-9", "QRS Duration", "ms"),
    "qt_ms": ("5.13.5-11", "QT Interval", "ms"),
    "qtc_ms": ("5.10.2.5-5", "QTc Interval", "ms"),
    "axis_deg": ("5.10.3-13", "QRS Axis", "deg"),
}
"""Code, meaning and unit of each measurement, as electrocardiographs write them."""

_UNITS = {"ms": "milliseconds", "/min": "per minute", "deg": "degrees", "uV": "microvolt"}
_TOP = 32767
_MISSING = -32768
_LONGEST = 1000  # characters of an annotation; the standard has 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]+")


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """Encode one record in steps of 1 µV, as 12-lead ECG if possible (200–1000 Hz, 16384 samples), else as General or
    Ambulatory ECG.

    If a lead is generated, the identifying metadata in ``about`` is not written.

    Raises:
        InputError: If a lead exceeds 32.767 mV, or no DICOM class supports the rate.
    """
    with optional("pydicom", "dicom"):
        from pydicom.dataset import FileMetaDataset
    steps = _steps(ecg)
    lines = [part for line in provenance_lines(ecg) for part in _parts(_plain(line))]
    digest = hashlib.sha256(steps.tobytes() + repr((ecg.leads, ecg.fs, lines, about)).encode()).hexdigest()
    generated = ecg.provenance.generated if ecg.provenance else ()
    uid, sop_class = _uid(f"instance {digest}"), _sop_class(ecg)
    texts = lines + ([about.measured.line()] if about.measured else [])
    annotations = [_filled(UnformattedTextValue=text) for text in texts]
    annotations += [*_measurements(about.measured), *map(_coded, about.codes)]
    for annotation in annotations:
        annotation.ReferencedWaveformChannels = [1, 0]  # all channels of the first group
    data = _filled(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=sop_class,
        SOPInstanceUID=uid,
        StudyInstanceUID=_uid(f"study {digest}"),
        SeriesInstanceUID=_uid(f"series {digest}"),
        AcquisitionContextSequence=[],
        WaveformSequence=[_group(ecg, steps, generated)],
        **({"WaveformAnnotationSequence": annotations} if annotations else {}),
        **_study(about, bool(generated)),
        **_patient(about, bool(generated)),
    )
    meta: dict[str, Any] = {"MediaStorageSOPClassUID": sop_class, "MediaStorageSOPInstanceUID": uid}
    meta |= {"TransferSyntaxUID": EXPLICIT, "ImplementationClassUID": _uid("ecggen")}
    data.file_meta = _fill(FileMetaDataset(), meta | {"ImplementationVersionName": "ECGGEN"})
    data.preamble = b"\0" * 128
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return {path: file.getvalue()}


def _sop_class(ecg: ECG) -> str:
    """The first DICOM class whose limits on rate, channels and samples the ECG meets."""
    for uid, low, high, channels, samples in CLASSES:
        if low <= ecg.fs <= high and len(ecg.leads) <= channels and ecg.samples <= samples:
            return uid
    expected = "50–1000 Hz were expected for DICOM"
    raise InputError(f"the sampling rate is {ecg.fs:g} Hz", expected, "resample it first, as with ecg.resample(500)")


def _steps(ecg: ECG) -> np.ndarray:
    """Stored samples (time, lead); ``_MISSING`` for missing ones."""
    steps = np.rint(ecg.signal[0].double().numpy() * (1000 / STEP))
    missing = ~np.isfinite(steps)
    for lead, peak in zip(ecg.leads, np.abs(np.where(missing, 0, steps)).max(1), strict=True):
        if peak > _TOP:
            found = f"lead {lead} reaches {peak * STEP / 1000:.3f} mV"
            raise InputError(found, f"at most {_TOP * STEP / 1000} mV were expected", "write .csv or .npz")
    return np.ascontiguousarray(np.where(missing, _MISSING, steps).T.astype("<i2"))


def _study(about: About, synthetic: bool) -> dict[str, Any]:
    """Study, series, equipment and times; required times are ``UNDATED`` if unknown."""
    moment = _moment(about.personal.get("recorded", "")) if not synthetic else None
    at = moment or UNDATED
    description = "SYNTHETIC, not for diagnosis"
    marks = {"SyntheticData": "YES", "StudyDescription": description, "SeriesDescription": description}
    return {
        "StudyDate": at[:8] if moment else "",
        "StudyTime": at[8:] if moment else "",
        "ContentDate": at[:8],
        "ContentTime": at[8:],
        "AcquisitionDateTime": at,
        "Modality": "ECG",
        "Manufacturer": "ecggen",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyID": "",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
    } | (marks if synthetic else {})


def _patient(about: About, synthetic: bool) -> dict[str, Any]:
    """The patient: a fixed name and ID if a lead is generated, else the metadata in ``about``."""
    personal = {} if synthetic else about.personal
    patient = {
        "PatientName": PATIENT if synthetic else _plain(personal.get("name", ""))[:64],
        "PatientID": PATIENT_ID if synthetic else _plain(personal.get("patient_id", ""))[:64],
        "PatientBirthDate": (_moment(personal.get("birth_date", "")) or "")[:8],
        "PatientSex": about.sex or "",
    }
    if synthetic and (about.sex or about.age is not None):
        patient["PatientComments"] = "SYNTHETIC, not for diagnosis; age and sex are those of the request"
    if about.age is not None:
        # The age of a small child is given in months, so that it does not become 0 years.
        patient["PatientAge"] = f"{int(about.age):03}Y" if about.age >= 2 else f"{round(about.age * 12):03}M"
    return patient


def _group(ecg: ECG, steps: np.ndarray, generated: tuple[str, ...]) -> Dataset:
    """The group of channels with its samples."""
    channels = [_channel(lead, lead in generated) for lead in ecg.leads]
    return _filled(
        WaveformOriginality="DERIVED",
        NumberOfWaveformChannels=len(channels),
        NumberOfWaveformSamples=ecg.samples,
        SamplingFrequency=_decimal(ecg.fs),
        MultiplexGroupLabel="RHYTHM",
        ChannelDefinitionSequence=channels,
        WaveformBitsAllocated=16,
        WaveformSampleInterpretation="SS",
        **({"WaveformPaddingValue": np.array(_MISSING, "<i2").tobytes()} if (steps == _MISSING).any() else {}),
        WaveformData=steps.tobytes(),
    )


def _channel(lead: str, generated: bool) -> Dataset:
    """Definition of a channel, and the value of its steps."""
    source = _scp_ecg(f"5.6.3-9-{_SCPECG[lead]}", _MEANINGS.get(lead, f"Lead {lead}"))
    source.EquivalentCodeSequence = [_code(f"2:{_SCPECG[lead]}", "MDC", f"Lead {lead}")]
    return _filled(
        ChannelLabel=f"{lead} generated" if generated else lead,
        ChannelSourceSequence=[source],
        ChannelSensitivity=_decimal(STEP),
        ChannelSensitivityUnitsSequence=[_unit("uV")],
        ChannelSensitivityCorrectionFactor="1",
        ChannelBaseline="0",
        ChannelSampleSkew="0",
        WaveformBitsStored=16,
    )


def _measurements(measured: Measurements | None) -> Iterator[Dataset]:
    """An annotation for each certain measurement."""
    values = measured.named() if measured else {}
    if measured and measured.heart_rate:
        values["rr_ms"] = round(60_000 / measured.heart_rate)
    for name, (code, meaning, unit) in _MEASURED.items():
        if name in values:
            yield _filled(
                MeasurementUnitsCodeSequence=[_unit(unit)],
                ConceptNameCodeSequence=[_scp_ecg(code, meaning)],
                NumericValue=str(values[name]),
            )


def _coded(code: str) -> Dataset:
    """An annotation with the code of a diagnosis: SNOMED CT if it is a number, else an SCP-ECG statement."""
    scheme, meaning = ("SCT", f"SNOMED CT {code}") if code.isdecimal() else ("99SCP", f"SCP-ECG {code}")
    return _filled(
        ConceptNameCodeSequence=[_code("439401001", "SCT", "Diagnosis")],
        ConceptCodeSequence=[_code(_plain(code)[:16], scheme, _plain(meaning)[:64])],
    )


def _scp_ecg(code: str, meaning: str) -> Dataset:
    return _filled(CodingSchemeVersion="1.3", CodeValue=code, CodingSchemeDesignator="SCPECG", CodeMeaning=meaning)


def _unit(unit: str) -> Dataset:
    return _code(unit, "UCUM", _UNITS[unit])


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _filled(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _filled(**elements: Any) -> Dataset:
    """A data set with these elements."""
    from pydicom.dataset import Dataset

    return _fill(Dataset(), elements)


def _fill(data: Any, elements: dict[str, Any]) -> Any:
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    return data


def _plain(text: str) -> str:
    """A text without control characters and backslashes, which separate values in DICOM."""
    return " ".join(_CONTROL.sub(" ", text).split())


def _parts(line: str) -> list[str]:
    """Split a line into annotations of at most ``_LONGEST`` characters, marked as continuations after the first."""
    parts = []
    while len(line) > _LONGEST:
        at = len(line[:_LONGEST].rstrip())  # readers strip trailing spaces
        parts.append(line[:at])
        line = CONTINUED + line[at:]
    return [*parts, line]


def _uid(text: str) -> str:
    """A unique identifier derived from a text, under the public root 2.25."""
    return f"2.25.{uuid5(NAMESPACE_OID, f'ecggen {text}').int}"


def _decimal(number: float) -> str:
    """A number in at most sixteen characters, the limit of DICOM."""
    return next(text for digits in range(17, 0, -1) if len(text := f"{number:.{digits}g}") <= 16)


def _moment(text: str) -> str | None:
    """Convert an ISO date and time to the format of DICOM; None if it is none."""
    try:
        return f"{datetime.fromisoformat(text):%Y%m%d%H%M%S}"
    except ValueError:
        return None
