"""Holter, stress-test and MATLAB files: ISHNE, GE CardioSoft, CPSC 2018 and plain arrays."""

import struct
import sys
import zlib

import numpy as np
import pydicom
import pytest
import scipy.io
from conftest import SAMPLES
from fixtures import refusal

from ecggen.core.ecg import INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.io import contents, read, reading, records, write
from ecggen.io.files import decode
from ecggen.io.formats.matlab.file import variables
from ecggen.io.source import Source

FORMATS = SAMPLES / "formats"
sys.path.insert(0, str(FORMATS))
from make_hospital import cardiosoft, ishne, packed, strip  # noqa: E402

LEADS = ("II", "V1", "V5")


def waves(leads=LEADS, seconds=4.0, fs=200) -> np.ndarray:
    return simulate(1, seconds, fs, seed=3, heart_rate=72).standard().pick(*leads).signal[0].double().numpy()


def put(content: bytes, at: int, form: str, *values: int) -> bytes:
    """``content`` with numbers at a byte."""
    made = bytearray(content)
    struct.pack_into(form, made, at, *values)
    return bytes(made)


@pytest.fixture
def holter(tmp_path):
    """A function that writes an ISHNE file."""

    def written(content: bytes):
        path = tmp_path / "a.ecg"
        path.write_bytes(content)
        return path

    return written


# ISHNE


def test_ishne_holds_the_signals_and_the_patient(holter):
    path = holter(ishne(waves(), LEADS, 200, b"Jane Doe wore it"))
    found = reading(path, personal=True)
    assert (found.format, found.ecg.leads, found.ecg.fs) == ("ISHNE Holter", LEADS, 200)
    np.testing.assert_allclose(found.ecg.signal[0], waves(), atol=1.3e-3)
    assert (found.about.age, found.about.sex) == (58, "F")
    assert found.about.personal["name"] == "Jane Doe" and found.about.personal["birth_date"] == "1963-02-03"
    assert found.about.personal["recorded"] == "2021-06-05 09:30:00"
    assert reading(path).about.personal == {}


def test_ishne_segment_equals_that_of_the_whole(holter):
    path = holter(ishne(waves(seconds=10), LEADS, 200, b"text"))
    whole, part = read(path), reading(path, start=3.5, seconds=4)
    np.testing.assert_array_equal(part.ecg.signal, whole.signal[..., 700:1500])
    assert part.lasts == 10 and "cut from 10 to 4 s" in part.changes


def test_ishne_length_is_that_of_a_lead_or_of_all_leads(holter):
    content = ishne(waves(), LEADS, 200, b"")
    assert reading(holter(put(content, 14, "<i", 3 * 800))).ecg.samples == 800
    assert reading(holter(put(content, 14, "<i", -1))).ecg.samples == 800
    found = reading(holter(put(content, 14, "<i", 600)))
    assert found.ecg.samples == 600
    assert "200 samples per lead after the declared 600 were ignored" in found.changes
    message = refusal(read, holter(put(content, 14, "<i", 900)))
    assert "declares 900 samples per lead and the file holds 800" in message


def test_ishne_checksum_gap_and_unknown_lead(holter):
    content = ishne(waves(), LEADS, 200, b"")
    changed = put(content, 206, "<h", 5000)
    assert any("checksum of the header does not match" in change for change in reading(holter(changed)).changes)
    assert not any("checksum" in change for change in reading(holter(content)).changes)
    gap = put(content, 522 + 6 * 100, "<h", -32768)
    missing = ~reading(holter(gap), check=False, gaps=True).ecg.signal[0, 0].isfinite()
    assert missing.nonzero().ravel().tolist() == [100]
    bipolar = put(content, 158, "<3h", 1, 11, 15)
    assert decode(holter(bipolar)).names == (None, "V1", "V5")
    assert read(holter(bipolar), leads="V1,V5").leads == ("V1", "V5")
    assert read(holter(bipolar), leads="II=1").leads == ("II",)


def test_ishne_lead_without_resolution_refuses_only_if_it_is_chosen(holter):
    path = holter(put(ishne(waves(), LEADS, 200, b""), 208, "<h", 0))
    assert "the resolution of lead 2 is 0 nV; a positive resolution was expected" in refusal(read, path)
    assert read(path, leads="II,V5").leads == ("II", "V5")


@pytest.mark.parametrize(
    ("at", "form", "value", "expected"),
    [
        (156, "<h", 0, "declares 0 leads at 200 Hz"),
        (156, "<h", 13, "declares 13 leads"),
        (272, "<h", 0, "at 0 Hz"),
        (22, "<i", 100, "samples from byte 100"),
        (22, "<i", 2**31 - 1, "samples from byte 2147483647"),
        (22, "<i", 50_000, "the ISHNE file holds no samples"),
    ],
)
def test_ishne_header_that_contradicts_itself(holter, at, form, value, expected):
    assert expected in refusal(read, holter(put(ishne(waves(), LEADS, 200, b""), at, form, value)))


def test_ishne_annotations_and_truncated_files(holter):
    content = ishne(waves(), LEADS, 200, b"")
    assert "holds the beat annotations" in refusal(read, holter(b"ANN  1.0" + content[8:]))
    assert "the ISHNE header is truncated" in refusal(read, holter(content[:400]))


# CardioSoft


def test_cardiosoft_holds_the_rhythm(tmp_path):
    path = tmp_path / "a.xml"
    wave = waves(INDEPENDENT_LEADS, 3, 500)
    path.write_text(cardiosoft(wave, INDEPENDENT_LEADS, 500), encoding="latin-1")
    found = reading(path, personal=True)
    assert (found.format, found.ecg.leads, found.ecg.fs) == ("GE CardioSoft's XML", INDEPENDENT_LEADS, 500)
    np.testing.assert_allclose(found.ecg.signal[0], wave, atol=2.6e-3)
    assert (found.about.age, found.about.sex, contents(path)) == (58, "F", [])
    assert found.about.personal["statements"] == "Jane Doe has sinus rhythm"
    assert "the average beats were left out" in found.changes


def test_cardiosoft_exercise_test(tmp_path):
    """Several strips, and the full disclosure with the samples of all leads in turn and a comma at the end."""
    wave = waves(LEADS, 3, 500)
    numbers = ",".join(map(str, np.rint(wave * 200).astype(int).T.ravel()))
    whole = (
        f"<FullDisclosure><StartTime><Minute>0</Minute><Second>0</Second></StartTime><NumberOfChannels>3</NumberOfChannels>"
        f'<SampleRate units="Hz">500</SampleRate><Resolution units="uVperLsb">5</Resolution>'
        f"<LeadOrder>II,V1,V5</LeadOrder><FullDisclosureData>\n{numbers},\n</FullDisclosureData></FullDisclosure>"
    )
    strips = "".join(f"<Strip>{strip('StripData', wave[:, at : at + 1000], LEADS, 500)}</Strip>" for at in (0, 500))
    path = tmp_path / "a.xml"
    path.write_text(f"<CardiologyXML>{whole}{strips}</CardiologyXML>")
    assert contents(path) == ["full disclosure", "strip 1", "strip 2"]
    np.testing.assert_allclose(read(path).signal[0], wave, atol=2.6e-3)
    np.testing.assert_allclose(read(path, record="strip 2").signal[0], wave[:, 500:], atol=2.6e-3)


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        (
            'units="uVperLsb">5<',
            'units="uVperLsb">0<',
            "Resolution is 0; a positive number of µV per step was",
        ),
        ('units="uVperLsb">5<', 'units="uVperLsb"><', "Resolution is missing"),
        (
            'units="samples">1500<',
            'units="samples">1499<',
            "lead 'I' of the file holds 1500 samples; 1499 were expected",
        ),
        ('<WaveformData lead="V2">', '<WaveformData lead="V2">1,', "lead 'V2' of the file holds 1501 samples; 1500"),
        ('<WaveformData lead="V2">', '<WaveformData lead="V2">Doe,', "lead 'V2' holds other text than numbers"),
        ("StripData", "OtherData", "the CardioSoft file holds no rhythm"),
    ],
)
def test_invalid_cardiosoft(tmp_path, was, becomes, expected):
    text = cardiosoft(waves(INDEPENDENT_LEADS, 3, 500), INDEPENDENT_LEADS, 500)
    head, rhythm = text.split("<StripData>")
    path = tmp_path / "a.xml"
    path.write_text(head + f"<StripData>{rhythm}".replace(was, becomes))
    assert expected in refusal(read, path)
    if "lead 'V2'" in expected:  # refused only if it is chosen
        assert read(path, leads="I,V6").leads == ("I", "V6")


# MATLAB


@pytest.mark.parametrize("compressed", [False, True])
def test_structure_of_cpsc_2018(tmp_path, compressed):
    wave = waves(STANDARD_LEADS, 3, 500)
    structure = {"sex": "Male", "age": np.array([[74]]), "data": wave}
    scipy.io.savemat(tmp_path / "A0001.mat", {"ECG": structure}, do_compression=compressed)
    found = reading(tmp_path / "A0001.mat")
    assert (found.ecg.leads, found.ecg.fs, found.about.age, found.about.sex) == (STANDARD_LEADS, 500, 74, "M")
    np.testing.assert_allclose(found.ecg.signal[0], wave, atol=1e-6)


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64", "uint8"])
def test_arrays_match_scipy(tmp_path, version, dtype):
    values = np.random.default_rng(0).integers(0, 200, (3, 400)).astype(dtype)
    scipy.io.savemat(tmp_path / "a.mat", {"val": values, "count": 3.0}, format=version)
    expected = scipy.io.loadmat(tmp_path / "a.mat")
    found = variables(Source(tmp_path / "a.mat"))
    assert found.keys() == {"val", "count"}
    for name, value in found.items():
        assert isinstance(value, np.ndarray)
        np.testing.assert_array_equal(value, expected[name])
        assert value.dtype == expected[name].dtype


def test_arrays_with_names_and_without(tmp_path):
    path, wave = tmp_path / "a.mat", waves(LEADS, 4, 200)
    names = np.array(LEADS, dtype=object)
    scipy.io.savemat(path, {"ecg": wave.T, "Fs": 200.0, "leads": names, "unit": "mV"})
    np.testing.assert_allclose(read(path).signal[0], wave, atol=1e-6)
    scipy.io.savemat(path, {"val": np.rint(wave * 200).astype(np.int16)})
    message = refusal(read, path)
    assert "the file does not name its leads; name them in order, e.g. leads='I,II,III'" in message
    ecg = read(path, leads=LEADS, fs=200, gain=200)
    np.testing.assert_allclose(ecg.signal[0], wave, atol=2.6e-3)
    scipy.io.savemat(path, {"a": wave, "b": wave})
    assert "the MATLAB file holds 'a 3×800', 'b 3×800'; one array (lead, time)" in refusal(read, path)


def test_matlab_file_with_a_header_is_read_by_the_header(tmp_path):
    for name in ("E00001.hea", "E00001.mat"):
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    assert [path.name for path in records(tmp_path)] == ["E00001.hea"]
    assert reading(tmp_path / "E00001.mat").format == "WFDB"
    (tmp_path / "E00001.hea").unlink()
    assert [path.name for path in records(tmp_path)] == ["E00001.mat"]
    assert decode(tmp_path / "E00001.mat").values.shape == (12, 5000)


def test_matlab_file_that_declares_more_than_it_holds(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"val": waves()})
    content = path.read_bytes()
    size = content.index(struct.pack("<2i", 3, 800))
    path.write_bytes(put(content, size, "<2i", 2**30, 2**30))
    assert "the MATLAB file is damaged" in refusal(read, path)
    bomb = zlib.compress(bytes(2**26), 1)
    path.write_bytes(content[:128] + struct.pack("<II", 15, len(bomb)) + bomb)
    assert "the variables unpack to more than 33554432 bytes" in refusal(read, path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    assert "save it in MATLAB with save(…, '-v7')" in refusal(read, path)


# Skew and length (WFDB)


def test_packed_sample_is_what_it_says():
    values = np.rint(waves(("I", "II"), 4, 360) * 200).astype(np.int16)
    assert (FORMATS / "packed.dat").read_bytes() == packed(values)
    found = decode(FORMATS / "packed.hea").values * 200
    np.testing.assert_allclose(found, [values[0, :-4], values[1, 4:]], atol=1e-9)


# A lead that nobody asked for, in other formats


def test_muse_lead_that_cannot_be_decoded_refuses_only_if_it_is_chosen(tmp_path):
    text = (FORMATS / "muse.xml").read_text(encoding="latin-1")
    head, last = text.rsplit("<WaveFormData>", 1)
    path = tmp_path / "a.xml"
    path.write_text(f"{head}<WaveFormData>?{last}", encoding="latin-1")
    assert "WaveFormData of lead 'V6' cannot be decoded" in refusal(read, path, record="rhythm", check=False)
    whole = read(FORMATS / "muse.xml", record="rhythm", leads="I,V5", check=False)
    assert np.array_equal(read(path, record="rhythm", leads="I,V5", check=False).signal, whole.signal)


def test_dicom_channel_without_a_valid_sensitivity_refuses_only_if_it_is_chosen(tmp_path):
    whole = simulate(1, 4, 500, seed=3).pick("I", "II", "V1")
    (path,) = write(whole, tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    dataset.WaveformSequence[0].ChannelDefinitionSequence[2].ChannelSensitivity = 0
    dataset.save_as(path)
    assert "the sensitivity, its correction or the baseline of a channel is not a number, or 0" in refusal(read, path)
    np.testing.assert_allclose(read(path, leads="II,I").signal, whole.pick("II", "I").signal, atol=6e-4)
