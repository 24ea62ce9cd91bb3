"""Writing DICOM waveforms that nobody can take for a recording of a patient.

PS3.3 knows no Image Type for waveforms. What says that leads are synthetic is, where the standard has a place for it:
Waveform Originality DERIVED, Synthetic Data (0008,001C) YES, the descriptions of study and series, the patient's name
and number, the label of each channel, and an annotation for each line of the provenance. Everything, the unique
identifiers too, follows from the ECG: the same ECG gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.io.formats.dicom.elements import EXPLICIT
from ecggen.io.formats.dicom.reading import CONTINUED, PATIENT, PATIENT_ID, UNDATED
from ecggen.io.metadata import About
from ecggen.io.normalise import provenance_lines
from ecggen.io.source import optional

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

STEP = 1.0
"""µV a step, up to ±32.767 mV."""

CLASSES = (
    ("1.2.840.10008.5.1.4.1.1.9.1.1", 200.0, 1000.0, 13, 16384),
    ("1.2.840.10008.5.1.4.1.1.9.1.2", 200.0, 1000.0, 24, 2**32),
    ("1.2.840.10008.5.1.4.1.1.9.1.3", 50.0, 1000.0, 12, 2**32),
)
"""12-lead, General and Ambulatory ECG: lowest and highest rate in Hz, most channels and samples (PS3.3, A.34.3–5)."""

_MDC = {
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
_TOP = 32767
_LONGEST = 1000  # characters of an annotation; the standard has 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]+")


def encode(ecg: ECG, path: Path, about: About) -> dict[Path, bytes]:
    """One record in steps of 1 µV, as 12-lead ECG where it fits (200–1000 Hz, 16384 samples), General or Ambulatory.

    Where a lead is generated, the patient is nobody, whatever ``about`` holds.

    Raises:
        InputError: Where a lead exceeds 32.767 mV, or no class of DICOM has this rate.
    """
    with optional("pydicom", "dicom"):
        from pydicom.dataset import FileMetaDataset
    steps = _steps(ecg)
    lines = [part for line in provenance_lines(ecg) for part in _parts(_plain(line))]
    digest = hashlib.sha256(steps.tobytes() + repr((ecg.leads, ecg.fs, lines, about)).encode()).hexdigest()
    made = ecg.provenance.generated if ecg.provenance else ()
    uid, sop_class = _uid(f"instance {digest}"), _sop_class(ecg)
    annotations = [_filled(UnformattedTextValue=line) for line in lines] + [_coded(code) for code in about.codes]
    for annotation in annotations:
        annotation.ReferencedWaveformChannels = [1, 0]  # all channels of the first group
    data = _filled(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=sop_class,
        SOPInstanceUID=uid,
        StudyInstanceUID=_uid(f"study {digest}"),
        SeriesInstanceUID=_uid(f"series {digest}"),
        AcquisitionContextSequence=[],
        WaveformSequence=[_group(ecg, steps, made)],
        **({"WaveformAnnotationSequence": annotations} if annotations else {}),
        **_circumstances(about, bool(made)),
        **_person(about, bool(made)),
    )
    meta: dict[str, Any] = {"MediaStorageSOPClassUID": sop_class, "MediaStorageSOPInstanceUID": uid}
    meta |= {"TransferSyntaxUID": EXPLICIT, "ImplementationClassUID": _uid("ecggen")}
    data.file_meta = _fill(FileMetaDataset(), meta | {"ImplementationVersionName": "ECGGEN"})
    data.preamble = b"\0" * 128
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return {path: file.getvalue()}


def _sop_class(ecg: ECG) -> str:
    """The first class of DICOM whose rates, channels and samples take the ECG."""
    for uid, low, high, channels, samples in CLASSES:
        if low <= ecg.fs <= high and len(ecg.leads) <= channels and ecg.samples <= samples:
            return uid
    expected = "50–1000 Hz were expected, as DICOM's ECGs have them"
    raise InputError(f"the sampling rate is {ecg.fs:g} Hz", expected, "resample it first, as with ecg.resample(500)")


def _steps(ecg: ECG) -> np.ndarray:
    """The samples as they are stored, (time, lead)."""
    steps = np.rint(ecg.signal[0].double().numpy() * (1000 / STEP))
    for lead, peak in zip(ecg.leads, np.abs(steps).max(1), strict=True):
        if peak > _TOP:
            found = f"lead {lead} reaches {peak * STEP / 1000:.3f} mV"
            raise InputError(found, f"at most {_TOP * STEP / 1000} mV were expected", "write .csv or .npz")
    return np.ascontiguousarray(steps.T.astype("<i2"))


def _circumstances(about: About, synthetic: bool) -> dict[str, Any]:
    """Study, series, equipment and times; those that must not be empty are a moment that was none."""
    moment = _moment(about.personal.get("recorded", "")) if not synthetic else None
    at = moment or UNDATED
    told = "SYNTHETIC, not for diagnosis"
    made = {"SyntheticData": "YES", "StudyDescription": told, "SeriesDescription": told}
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
    } | (made if synthetic else {})


def _person(about: About, synthetic: bool) -> dict[str, Any]:
    """The patient: nobody where a lead is generated, else who the caller says."""
    said = {} if synthetic else about.personal
    person = {
        "PatientName": PATIENT if synthetic else _plain(said.get("name", ""))[:64],
        "PatientID": PATIENT_ID if synthetic else _plain(said.get("patient_id", ""))[:64],
        "PatientBirthDate": (_moment(said.get("birth_date", "")) or "")[:8],
        "PatientSex": about.sex or "",
    }
    if about.age is not None:
        # A child's age in months, so that it does not become 0 years.
        person["PatientAge"] = f"{int(about.age):03}Y" if about.age >= 2 else f"{round(about.age * 12):03}M"
    return person


def _group(ecg: ECG, steps: np.ndarray, made: tuple[str, ...]) -> Dataset:
    """The group of channels with its samples."""
    channels = [_channel(lead, lead in made) for lead in ecg.leads]
    return _filled(
        WaveformOriginality="DERIVED",
        NumberOfWaveformChannels=len(channels),
        NumberOfWaveformSamples=ecg.samples,
        SamplingFrequency=_decimal(ecg.fs),
        MultiplexGroupLabel="RHYTHM",
        ChannelDefinitionSequence=channels,
        WaveformBitsAllocated=16,
        WaveformSampleInterpretation="SS",
        WaveformData=steps.tobytes(),
    )


def _channel(lead: str, generated: bool) -> Dataset:
    """What a channel is, and what its steps are worth."""
    return _filled(
        ChannelLabel=f"{lead} generated" if generated else lead,
        ChannelSourceSequence=[_code(f"2:{_MDC[lead]}", "MDC", f"Lead {lead}")],
        ChannelSensitivity=_decimal(STEP),
        ChannelSensitivityUnitsSequence=[_code("uV", "UCUM", "microvolt")],
        ChannelSensitivityCorrectionFactor="1",
        ChannelBaseline="0",
        ChannelSampleSkew="0",
        WaveformBitsStored=16,
    )


def _coded(code: str) -> Dataset:
    """An annotation with a diagnosis: SNOMED CT where it is a number, else a statement of SCP-ECG."""
    scheme, meaning = ("SCT", f"SNOMED CT {code}") if code.isdecimal() else ("99SCP", f"SCP-ECG {code}")
    return _filled(
        ConceptNameCodeSequence=[_code("439401001", "SCT", "Diagnosis")],
        ConceptCodeSequence=[_code(_plain(code)[:16], scheme, _plain(meaning)[:64])],
    )


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
    """A text without control characters and backslashes, which part values in DICOM."""
    return " ".join(_CONTROL.sub(" ", text).split())


def _parts(line: str) -> list[str]:
    """A line in the lengths that an annotation takes, each but the first marked as a continuation."""
    parts = []
    while len(line) > _LONGEST:
        at = len(line[:_LONGEST].rstrip())  # a reader strips spaces from an end
        parts.append(line[:at])
        line = CONTINUED + line[at:]
    return [*parts, line]


def _uid(words: str) -> str:
    """A unique identifier that follows from words, under the root that is open to all."""
    return f"2.25.{uuid5(NAMESPACE_OID, f'ecggen {words}').int}"


def _decimal(number: float) -> str:
    """A number in the sixteen characters that DICOM has for it."""
    return next(text for digits in range(17, 0, -1) if len(text := f"{number:.{digits}g}") <= 16)


def _moment(text: str) -> str | None:
    """ISO's day and time as DICOM writes them."""
    try:
        return f"{datetime.fromisoformat(text):%Y%m%d%H%M%S}"
    except ValueError:
        return None
