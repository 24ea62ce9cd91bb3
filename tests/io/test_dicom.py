"""DICOM waveforms: parity with pydicom, validity of written files by its tables, and hostile files."""

import io
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import contents, read, reading, write
from ecggen.io.formats.dicom.reading import looks_like
from ecggen.io.formats.dicom.reading import read as found_in
from ecggen.io.metadata import About
from ecggen.io.source import Source

DEVICE = Path(__file__).parents[1] / "samples" / "formats" / "example.dcm"
MADE = Provenance(("I",), ("II", "V1"), "vae 1234abcd", 7, "rate 70 – and a dash; " + "long " * 500 + "end")
PERSON = {"name": "Doe^Jane", "patient_id": "P-17", "birth_date": "1963-02-03", "recorded": "2021-06-05 22:30:00"}
PERSONAL = ("Clark", "SBJ", "19530508", "Jane", "Doe", "1963", "4711")
LITTLE, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
STEP = 0.0005 + 1e-6  # mV: half a step of 1 µV, and float32


def refusal(action, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        action(*args, **options)
    assert not any(word in str(caught.value) for word in PERSONAL)
    return str(caught.value)


def twelve(fs=500.0, seconds=4.0, leads=STANDARD_LEADS, provenance=None) -> ECG:
    ecg = simulate(1, seed=3, fs=fs, seconds=seconds).standard().pick(*leads)
    return ECG(ecg.signal, ecg.leads, ecg.fs, provenance)


def saved(folder: Path, data: Dataset, syntax: str = LITTLE) -> Path:
    """The data set as a file of another transfer syntax, as pydicom writes it."""
    data.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, data, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG, enforce_file_format=True
    )
    (folder / "a.dcm").write_bytes(buffer.getvalue())
    return folder / "a.dcm"


@pytest.fixture
def data(tmp_path) -> Dataset:
    """A small recording of two leads, to be modified."""
    [path] = write(twelve(leads=("I", "II")), tmp_path / "whole.dcm")
    return pydicom.dcmread(path)


# A file of a device: Mortara ELI 250, through the C# ECG Toolkit


def test_device_file_matches_pydicom():
    known = pydicom.dcmread(DEVICE)
    assert contents(DEVICE) == ["RHYTHM", "MEDIAN BEAT"]
    for at, name in enumerate(contents(DEVICE)):
        found = found_in(Source(DEVICE, name))
        np.testing.assert_array_equal(found.values, known.waveform_array(at).T)
        assert found.fs == 500
        assert found.units == ("uV",) * 12
    ecg = read(DEVICE)
    assert ecg.leads == STANDARD_LEADS
    assert (ecg.samples, ecg.fs) == (5000, 500)
    assert float(ecg.law_residual().max()) < 0.002
    stored = np.frombuffer(known.WaveformSequence[0].WaveformData, "<i2").reshape(5000, 12)
    np.testing.assert_allclose(ecg.signal[0].numpy(), stored.T * 0.0025, atol=1e-6)


def test_median_beat_is_another_recording():
    assert read(DEVICE, record="MEDIAN BEAT", check=False).samples == 600
    assert read(DEVICE, record="2", check=False).samples == 600
    assert "1 of 2 groups of channels (such as a median beat) left out" in reading(DEVICE).changes
    message = refusal(read, DEVICE, record="STRESS")
    assert "recording 'STRESS' is not among 'RHYTHM', 'MEDIAN BEAT'" in message


def test_zero_padding_value_keeps_zero_samples():
    """The device declares 0 as its padding value, and 2 % of its samples are 0 µV."""
    assert pydicom.dcmread(DEVICE).WaveformSequence[0][0x5400, 0x100A].value == b"\0\0"
    values = found_in(Source(DEVICE)).values
    assert not np.isnan(values).any()
    assert 0.02 < (values == 0).mean() < 0.03


def test_identifying_metadata_is_removed():
    found = found_in(Source(DEVICE))
    assert found.about.personal == {
        "name": "Clark",
        "patient_id": "SBJ-123",
        "birth_date": "1953-05-08",
        "recorded": "2002-11-22 09:10:00",
    }
    said = reading(DEVICE)
    assert (said.about.age, said.about.sex) == (49, "M")
    assert not said.about.personal
    assert set(said.dropped) == set(found.about.personal)
    rest = repr((found.names, found.units, found.comments, found.notes, found.about.anonymous()))
    assert not any(word in rest for word in PERSONAL)


def test_free_text_and_places_are_identifying(tmp_path, data):
    data.InstitutionName, data.PerformingPhysicianName, data.DeviceSerialNumber = "Clinic of Doe", "Roe^R", "SN-4711"
    data.WaveformAnnotationSequence = [Dataset()]
    data.WaveformAnnotationSequence[0].UnformattedTextValue = "Jane Doe has a sinus rhythm"
    data.PatientName, data.PatientAge = "Doe^Jané", "074Y"
    found = found_in(Source(saved(tmp_path, data)))
    assert found.about.personal == {
        "institution": "Clinic of Doe",
        "people": "Roe^R",
        "device_serial": "SN-4711",
        "statements": "Jane Doe has a sinus rhythm",
        "name": "Doe^Jané",
    }
    assert found.comments == ()
    assert found.about.age == 74


# Writing, read back by pydicom


def present(data: Dataset, words: str, *, filled: bool) -> None:
    for word in words.split():
        assert word in data, word
        assert not filled or data[word].value not in (None, "", b""), word


@pytest.mark.parametrize(
    ("fs", "seconds", "leads", "sop_class"),
    [
        (500, 4, STANDARD_LEADS, "12-lead ECG Waveform Storage"),
        (1000, 17, ("I", "II"), "General ECG Waveform Storage"),
        (128, 4, ("II",), "Ambulatory ECG Waveform Storage"),
    ],
)
def test_mandatory_elements(tmp_path, fs, seconds, leads, sop_class):
    """Types 1 and 2 of PS3.3's modules that A.34.3 to A.34.5 make mandatory."""
    [path] = write(twelve(fs, seconds, leads, Provenance((), leads, "m")), tmp_path / "a.dcm")
    data = pydicom.dcmread(path)
    assert data.SOPClassUID.name == data.file_meta.MediaStorageSOPClassUID.name == sop_class
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
    present(data, "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality", filled=True)
    present(data, "PatientName PatientID InstanceNumber ContentDate ContentTime AcquisitionDateTime", filled=True)
    present(data, "PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID", filled=False)
    present(data, "AccessionNumber SeriesNumber Manufacturer AcquisitionContextSequence", filled=False)
    [group] = data.WaveformSequence
    present(group, "WaveformOriginality NumberOfWaveformChannels NumberOfWaveformSamples", filled=True)
    present(group, "SamplingFrequency ChannelDefinitionSequence WaveformBitsAllocated", filled=True)
    present(group, "WaveformSampleInterpretation WaveformData", filled=True)
    assert (group.WaveformBitsAllocated, group.WaveformSampleInterpretation) == (16, "SS")
    assert [channel.ChannelLabel for channel in group.ChannelDefinitionSequence] == [
        f"{lead} generated" for lead in leads
    ]
    for channel in group.ChannelDefinitionSequence:
        present(channel, "ChannelSourceSequence ChannelSensitivity ChannelSensitivityUnitsSequence", filled=True)
        present(channel, "ChannelSensitivityCorrectionFactor ChannelBaseline ChannelSampleSkew", filled=True)
        assert channel.WaveformBitsStored == 16
        source = channel.ChannelSourceSequence[0].EquivalentCodeSequence[0]
        assert (source.CodeValue, source.CodingSchemeDesignator) in {
            (code.value, code.scheme_designator) for code in codes.cid3001.concepts.values()
        }
    for annotation in data.WaveformAnnotationSequence:
        assert annotation.ReferencedWaveformChannels == [1, 0]
    for uid in (data.SOPInstanceUID, data.StudyInstanceUID, data.SeriesInstanceUID):
        assert uid.is_valid
        assert uid.startswith("2.25.")


def test_lead_codes_match_the_standard(tmp_path):
    [path] = write(twelve(), tmp_path / "a.dcm")
    meanings = {code.value: code.meaning for code in codes.cid3001.concepts.values()}
    for channel, lead in zip(
        pydicom.dcmread(path).WaveformSequence[0].ChannelDefinitionSequence, STANDARD_LEADS, strict=True
    ):
        meaning = meanings[channel.ChannelSourceSequence[0].EquivalentCodeSequence[0].CodeValue]
        assert meaning.removeprefix("Lead ").split(",")[0] == lead


def test_synthetic_file_is_marked_and_has_no_patient(tmp_path):
    ecg = twelve(leads=("I", "II", "V1"), provenance=MADE)
    [path] = write(ecg, tmp_path / "a.dcm", about=About(63, "F", ("426783006", "NORM"), personal=PERSON))
    data = pydicom.dcmread(path)
    assert (str(data.PatientName), data.PatientID) == ("SYNTHETIC^ECGGEN", "SYNTHETIC")
    assert data[0x0008, 0x001C].value == "YES"
    assert data.StudyDescription == data.SeriesDescription == "SYNTHETIC, not for diagnosis"
    assert data.WaveformSequence[0].WaveformOriginality == "DERIVED"
    labels = [channel.ChannelLabel for channel in data.WaveformSequence[0].ChannelDefinitionSequence]
    assert labels == ["I", "II generated", "V1 generated"]
    assert path.read_bytes()[:132] == bytes(128) + b"DICM"
    assert not any(word.encode() in path.read_bytes() for word in ("Jane", "Doe", "1963", "P-17"))
    said = reading(path, personal=True)
    assert said.about == About(63, "F", ("426783006", "NORM"))
    assert said.ecg.provenance == MADE


def test_patient_is_written_if_given(tmp_path):
    [path] = write(twelve(), tmp_path / "a.dcm", about=About(58, "F", personal=PERSON))
    data = pydicom.dcmread(path)
    assert (str(data.PatientName), data.PatientBirthDate, data.PatientAge) == ("Doe^Jane", "19630203", "058Y")
    assert reading(path, personal=True).about == About(58, "F", personal=PERSON)
    [path] = write(twelve(), tmp_path / "b.dcm")
    assert reading(path, personal=True).about == About()
    assert 0x0008001C not in pydicom.dcmread(path)


def test_same_ecg_gives_same_bytes(tmp_path):
    ecg = twelve(provenance=MADE)
    one, two = (write(ecg, tmp_path / name)[0].read_bytes() for name in ("a.dcm", "b.dcm"))
    assert one == two
    other = ECG(ecg.signal + 0.01, ecg.leads, ecg.fs, MADE)
    uids = [pydicom.dcmread(write(each, tmp_path / "c.dcm", overwrite=True)[0]).SOPInstanceUID for each in (ecg, other)]
    assert uids[0] != uids[1]


ecgs = st.builds(
    lambda leads, samples, fs, scale, seed: ECG(
        (scale * torch.randn(1, len(leads), samples, generator=torch.Generator().manual_seed(seed))).clamp(-32.7, 32.7),
        tuple(leads),
        fs,
        MADE if seed % 2 else None,
    ),
    st.lists(st.sampled_from(STANDARD_LEADS), min_size=1, max_size=12, unique=True),
    st.integers(1, 3000),
    st.one_of(st.sampled_from([50.0, 125.0, 250.0, 360.0, 500.0, 512.0, 511.7, 1000.0]), st.floats(50, 1000)),
    st.floats(0.001, 20),
    st.integers(0, 1000),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(ecg=ecgs, age=st.one_of(st.none(), st.integers(2, 120)))
def test_round_trip(tmp_path, ecg, age):
    [path] = write(ecg, tmp_path / "a.dcm", overwrite=True, about=About(age))
    data = pydicom.dcmread(path)
    microvolts = data.waveform_array(0).T
    assert float(data.WaveformSequence[0].SamplingFrequency) == pytest.approx(ecg.fs, rel=1e-12)
    assert np.abs(microvolts / 1000 - ecg.signal[0].numpy()).max() <= STEP
    said = reading(path, check=False)
    assert (said.ecg.leads, said.ecg.samples, said.about.age) == (ecg.leads, ecg.samples, age)
    assert said.ecg.fs == pytest.approx(ecg.fs, rel=1e-12)
    assert float((said.ecg.signal - ecg.signal).abs().max()) <= STEP
    assert said.ecg.provenance == ecg.provenance
    write(said.ecg, tmp_path / "b.dcm", overwrite=True, about=said.about)
    again = read(tmp_path / "b.dcm", check=False)
    assert torch.equal(again.signal, said.ecg.signal)


@pytest.mark.parametrize("fs", [40.0, 1024.0])
def test_unsupported_rates(tmp_path, fs):
    message = refusal(write, twelve(fs, leads=("I",)), tmp_path / "a.dcm")
    assert f"the sampling rate is {fs:g} Hz; 50–1000 Hz were expected" in message
    assert "resample it first" in message


def test_leads_that_exceed_16_bits(tmp_path):
    ecg = twelve(leads=("I", "II"))
    ecg.signal[0, 1, 5] = 32.768
    assert "lead II reaches 32.768 mV; at most 32.767 mV were expected" in refusal(write, ecg, tmp_path / "a.dcm")


# Unusual and invalid files


@pytest.mark.parametrize("syntax", [LITTLE, IMPLICIT, BIG])
def test_transfer_syntaxes(tmp_path, data, syntax):
    whole = read(tmp_path / "whole.dcm")
    if syntax == BIG:  # pydicom leaves samples as they are
        group = data.WaveformSequence[0]
        group.WaveformData = np.frombuffer(group.WaveformData, "<i2").astype(">i2").tobytes()
    assert torch.equal(read(saved(tmp_path, data, syntax)).signal, whole.signal)


def test_deflated_file_is_rejected_without_inflation(tmp_path, data):
    path = saved(tmp_path, data)
    content = path.read_bytes().replace(LITTLE.encode() + b"\0", b"1.2.840.10008.1.2.1.99", 1)
    path.write_bytes(content[:132])
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", 22) + b"1.2.840.10008.1.2.1.99"
    bomb = zlib.compress(bytes(50_000_000))[2:-4]
    path.write_bytes(content[:132] + meta + bomb)
    started = time.perf_counter()
    assert "the DICOM file is deflated; an uncompressed one was expected" in refusal(read, path)
    assert time.perf_counter() - started < 1


def test_preamble_is_ignored(tmp_path, data):
    path = saved(tmp_path, data)
    content = path.read_bytes()
    whole = read(path)
    for hidden in (b"MZ\x90", b"PK\x03\x04", b"#!/bin/sh\n", b"0       ", b"<?xml version='1.0'?>", b'{"a": 1}'):
        path.write_bytes(hidden.ljust(128, b"\0") + content[128:])
        assert torch.equal(read(path).signal, whole.signal)


ITEM, NESTED = b"\xfe\xff\x00\xe0", b"\x00\x54\x00\x01\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("syntax", "body", "expected"),
    [
        (IMPLICIT, (NESTED + ITEM + b"\xff\xff\xff\xff") * 100_000, "is broken or truncated"),
        (IMPLICIT, NESTED + (ITEM + bytes(4)) * 1_000_000, "holds more than 100000 elements"),
        (LITTLE, struct.pack("<HH2sH", 0x11, 1, b"LO", 0) * 1_000_000, "holds more than 100000 elements"),
        (LITTLE, struct.pack("<HH2sHI", 0x5400, 0x100, b"SQ", 0, 2**31), "is broken or truncated"),
        (LITTLE, struct.pack("<HH2sHI", 0x11, 1, b"OB", 0, 2**31), "is broken or truncated"),
        (LITTLE, b"", "holds no waveform; an ECG was expected"),
        ("1.2.840.10008.1.2.4.50", b"", "the transfer syntax of the DICOM file is '1.2.840.10008.1.2.4.50'"),
        ("Doe^Jane", b"", "the transfer syntax of the DICOM file is not an identifier"),
    ],
)
def test_bombs_and_invalid_files(tmp_path, syntax, body, expected):
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax.encode()
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + meta + body)
    started = time.perf_counter()
    assert expected in refusal(read, tmp_path / "a.dcm")
    assert time.perf_counter() - started < 5


def channel(data: Dataset) -> Dataset:
    return data.WaveformSequence[0].ChannelDefinitionSequence[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda group, _: setattr(group, "NumberOfWaveformSamples", 2001), "declares 2 × 2001 samples of 16 bits and"),
        (lambda group, _: setattr(group, "NumberOfWaveformSamples", 2**32 - 1), "and holds 8000 bytes"),
        (lambda group, _: setattr(group, "NumberOfWaveformSamples", 0), "declares 2 channels of 0 samples"),
        (lambda group, _: setattr(group, "NumberOfWaveformChannels", 3), "declares 3 channels of 2000 samples and"),
        (lambda group, _: setattr(group, "WaveformSampleInterpretation", "MB"), "have the audio encoding MB"),
        (
            lambda group, _: setattr(group, "WaveformSampleInterpretation", "SB"),
            "the samples have 16 bits and interpretation SB",
        ),
        (lambda group, _: setattr(group, "SamplingFrequency", "-5"), "the sampling rate is -5.0"),
        (lambda group, _: group.__delattr__("SamplingFrequency"), "does not state its sampling rate"),
        (lambda group, _: group.__delattr__("WaveformData"), "and holds 0 bytes"),
        (lambda _, first: setattr(first, "ChannelSensitivity", "0"), "the sensitivity, its correction or the baseline"),
        (lambda _, first: first.__delattr__("ChannelSensitivity"), "does not state its unit; give it with unit"),
        (
            lambda _, first: setattr(first.ChannelSensitivityUnitsSequence[0], "CodeValue", "mm[Hg]"),
            "the unit of channel 'Lead I' is 'mm[Hg]'; mV, µV, nV or V was expected",
        ),
        (
            lambda _, first: setattr(first.ChannelSourceSequence[0], "CodeValue", "5.6.3-9-2"),
            "a channel has the code of lead II and the name of lead I; one lead was expected",
        ),
    ],
)
def test_invalid_groups(tmp_path, data, change, expected):
    change(data.WaveformSequence[0], channel(data))
    assert expected in refusal(read, saved(tmp_path, data))


def test_frank_lead_is_not_lead_i(tmp_path, data):
    source = channel(data).ChannelSourceSequence[0]
    source.CodeValue, source.CodeMeaning = "2:24", "Frank Lead I"
    assert channel(data).ChannelLabel == "I"
    assert "'Frank Lead I' is not a known lead" in refusal(read, saved(tmp_path, data))


@pytest.mark.parametrize(
    ("code", "scheme"), [("2:1", "MDC"), ("131073", "MDC"), ("5.6.3-9-1", "SCPECG"), ("", ""), ("X1", "99LOCAL")]
)
def test_channel_names(tmp_path, data, code, scheme):
    source = channel(data).ChannelSourceSequence[0]
    source.CodeValue, source.CodingSchemeDesignator = code, scheme
    assert read(saved(tmp_path, data)).leads == ("I", "II")


def test_scale_correction_and_baseline(tmp_path, data):
    whole = found_in(Source(saved(tmp_path, data))).values
    one = channel(data)
    one.ChannelSensitivity, one.ChannelSensitivityCorrectionFactor, one.ChannelBaseline = "0.5", "1.5", "-20"
    found = found_in(Source(saved(tmp_path, data)))
    np.testing.assert_allclose(found.values[0], whole[0] * 0.75 - 20)
    np.testing.assert_array_equal(found.values[1], whole[1])
    np.testing.assert_allclose(found.values, pydicom.dcmread(tmp_path / "a.dcm").waveform_array(0).T)


def test_8_bit_samples(tmp_path, data):
    group = data.WaveformSequence[0]
    steps = np.arange(-100, 100, dtype="i1").repeat(2)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 8, "SB"
    group.NumberOfWaveformSamples, group.WaveformData = 200, steps.tobytes()
    for one in group.ChannelDefinitionSequence:
        one.WaveformBitsStored = 8
    found = found_in(Source(saved(tmp_path, data)))
    np.testing.assert_array_equal(found.values, np.arange(-100, 100)[None].repeat(2, 0))


def test_extreme_padding_value_is_missing(tmp_path, data):
    group = data.WaveformSequence[0]
    steps = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 2).copy()
    steps[700, 0] = -32768
    group.WaveformData = steps.tobytes()
    group.add_new(0x5400100A, "OW", struct.pack("<h", -32768))
    path = saved(tmp_path, data)
    assert "lead I lacks 1 of 2000 samples, the first at 1.400 s" in refusal(read, path)
    assert "1 samples have the padding value of the file and are missing" in found_in(Source(path)).notes


def test_long_zero_runs_in_all_channels_are_padding_if_declared(tmp_path, data):
    group = data.WaveformSequence[0]
    steps = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 2).copy()
    steps += np.random.default_rng(0).integers(-3, 4, steps.shape, "<i2")
    steps[1000:1100] = 0
    steps[1500, 0] = 0
    group.WaveformData = steps.tobytes()
    assert not np.isnan(found_in(Source(saved(tmp_path, data))).values).any()
    group.add_new(0x5400100A, "OW", b"\0\0")
    missing = np.isnan(found_in(Source(saved(tmp_path, data))).values)
    assert missing[:, 1000:1100].all()
    assert not missing[0, 1500]
    assert missing.sum() < 2 * 105


def test_several_original_groups_need_a_name(tmp_path, data):
    parts = [pydicom.dcmread(tmp_path / "whole.dcm").WaveformSequence[0] for _ in range(3)]
    for part in parts:
        part.WaveformOriginality, part.MultiplexGroupLabel = "ORIGINAL", "strip"
    parts[2].MultiplexGroupLabel = "of Jane Doe"
    data.WaveformSequence = parts
    path = saved(tmp_path, data)
    assert contents(path) == ["strip 1", "strip 2", "group 3"]
    assert "the file holds 3 recordings, 'strip 1', 'strip 2', 'group 3'" in refusal(read, path)
    assert read(path, record="group 3").leads == ("I", "II")


def test_sequences_of_unknown_length_and_of_unknown_type(tmp_path, data):
    """As written by devices: delimiters instead of lengths, and a private sequence of type UN with implicit types."""
    whole = read(tmp_path / "whole.dcm")
    data["WaveformSequence"].is_undefined_length = True
    data.WaveformSequence[0].is_undefined_length_sequence_item = True
    data.WaveformSequence[0]["ChannelDefinitionSequence"].is_undefined_length = True
    content = saved(tmp_path, data).read_bytes()
    assert struct.pack("<HH", 0xFFFE, 0xE0DD) in content
    assert torch.equal(read(tmp_path / "a.dcm").signal, whole.signal)
    item = ITEM + b"\xff\xff\xff\xff" + struct.pack("<HHI", 0x13, 0x1010, 4) + b"Jane" + b"\xfe\xff\x0d\xe0" + bytes(4)
    private = struct.pack("<HH2sHI", 0x13, 0x1001, b"UN", 0, 2**32 - 1) + item + b"\xfe\xff\xdd\xe0" + bytes(4)
    at = content.index(struct.pack("<HH2s", 0x20, 0x0D, b"UI"))
    (tmp_path / "a.dcm").write_bytes(content[:at] + private + content[at:])
    assert torch.equal(read(tmp_path / "a.dcm").signal, whole.signal)
    assert pydicom.dcmread(tmp_path / "a.dcm").WaveformSequence[0].NumberOfWaveformSamples == 2000


def test_pydicom_is_needed_for_writing_only(tmp_path, monkeypatch):
    for module in ("pydicom", "pydicom.dataset"):
        monkeypatch.setitem(sys.modules, module, None)
    assert read(DEVICE).leads == STANDARD_LEADS
    message = refusal(write, twelve(), tmp_path / "a.dcm")
    assert "pydicom is not installed" in message
    assert "pip install 'ecggen[dicom]'" in message


def test_too_many_samples(tmp_path, data, monkeypatch):
    monkeypatch.setattr("ecggen.io.formats.dicom.reading.MOST_SAMPLES", 3999)
    assert "the group holds 2 × 2000 samples; at most 3999 were expected" in refusal(read, saved(tmp_path, data))


def test_truncation_at_any_position(tmp_path, data):
    content = saved(tmp_path, data).read_bytes()
    for length in range(132, len(content) - 8, 97):
        (tmp_path / "a.dcm").write_bytes(content[:length])
        assert "DICOM" in refusal(read, tmp_path / "a.dcm")


def test_only_dicom_is_detected_as_dicom(tmp_path):
    assert looks_like(Source(DEVICE))
    for content in (b"", b"DICM", bytes(300), b"I,II\n1,2\n"):
        (tmp_path / "a").write_bytes(content)
        assert not looks_like(Source(tmp_path / "a"))
