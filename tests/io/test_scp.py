"""SCP-ECG: parity of a recording in three formats, all kinds of compression, and invalid files."""

import runpy
import struct
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures import refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.io import read
from ecggen.io.files import reading
from ecggen.io.formats.scp.huffman import STANDARD
from ecggen.io.formats.scp.reading import looks_like
from ecggen.io.formats.scp.reading import read as decode
from ecggen.io.source import Source

SAMPLES = Path(__file__).parents[1] / "samples" / "formats"
EXAMPLE = SAMPLES / "example.scp"
scp = runpy.run_path(str(SAMPLES / "make_scp.py"))
encode, joined = scp["encode"], scp["joined"]


TWIN_SUMS = [-4921, -4084, 837, 4432, -2721, -1570, -2299, -2648, -3119, -2499, -3009, -1762]
TWIN_MOMENTS = [
    -8811100,
    -8279780,
    531320,
    8358147,
    -4119519,
    -3758097,
    -4348151,
    -2060997,
    -3433894,
    -5160354,
    -3661921,
    -6359141,
]


def source(content: bytes) -> Source:
    return Source(Path("a.scp"), content=content)


def stored(raw: bytes) -> dict[int, bytes]:
    """The sections of a file without their headers."""
    rows = [row for row in struct.iter_unpack("<HII", raw[22:142]) if row[0] and row[1]]
    return {number: raw[index + 15 : index - 1 + length] for number, length, index in rows}


def changed(number: int, change, path: Path = EXAMPLE) -> bytes:
    """A file with one section changed and all checksums corrected."""
    sections = stored(path.read_bytes())
    return joined(sections | {number: change(sections[number])})


def put(at: int, form: str, *values):
    def change(section: bytes) -> bytes:
        new = struct.pack(form, *values)
        return section[:at] + new + section[at + len(new) :]

    return change


# A real recording


def test_example_of_the_ecg_toolkit():
    reading_ = reading(EXAMPLE)
    ecg = reading_.ecg
    assert reading_.format == "SCP-ECG"
    assert (ecg.leads, ecg.fs, ecg.samples) == (
        ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF"),
        500.0,
        5000,
    )
    start = ecg.pick("I", "II").signal[0, :, :5]
    assert start.tolist() == pytest.approx(np.array([[-5, -5, -5, -5, -7.5], [-17.5] * 5]) / 1000, abs=1e-7)
    assert float(ecg.law_residual()) < 0.006, "the six limb leads are rounded to 2.5 µV"
    assert (reading_.about.age, reading_.about.sex) == (49.0, "M")
    assert set(reading_.dropped) == {"name", "patient_id", "birth_date", "recorded", "device_serial"}


def test_parity_with_the_same_recording_as_dicom_and_aecg():
    """The toolkit published one recording in three formats: the sums of its steps of 2.5 µV, and the sums of the steps
    times their numbers, are those that pydicom and the digits of the aECG file give."""
    steps = np.rint(read(EXAMPLE).pick(*STANDARD_LEADS).signal[0].double().numpy() / 0.0025).astype(int)
    assert steps.sum(1).tolist() == TWIN_SUMS
    assert (steps @ np.arange(1, 5001)).tolist() == TWIN_MOMENTS


def test_reader_is_fast():
    decode(Source(EXAMPLE))
    started = time.perf_counter()
    decode(Source(EXAMPLE))
    assert time.perf_counter() - started < 0.5, "60,000 samples in a loop over their bits would take a second"


# Compression


def test_file_with_all_kinds_of_compression():
    """Reference beat, means of four between the QRS complexes, second differences, Huffman codes."""
    made, steps = scp["compressed"]()
    assert made == (SAMPLES / "compressed.scp").read_bytes()
    found = decode(source(made))
    off = np.abs(found.values / 5000 - steps)
    at = np.concatenate([np.arange(qrs - 31, qrs + 37) for qrs in qrs_of(made)])
    assert found.fs == 500.0
    assert off[:, at].max() == 0, "protected samples are exact"
    assert off.max() < 40 and np.sqrt((off**2).mean()) < 4, "20 µV on average, lost by means of four samples"
    assert [note.split(",")[0][:18] for note in found.notes] == ["between QRS comple", "the reference beat"]


def qrs_of(made: bytes) -> list[int]:
    sections = stored(made)
    count = struct.unpack_from("<H", sections[4], 4)[0]
    return [row[2] for row in struct.iter_unpack("<HIII", sections[4][6 : 6 + 14 * count])]


numbers = st.one_of(st.integers(-12, 12), st.integers(-200, 200), st.integers(-8000, 8000))
OWN = [(2, 2, 0, "00"), (2, 2, 1, "01"), (3, 3, -1, "100"), (4, 10, 3, "1010"), (2, 18, 0, "11")]


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=80),
    order=st.integers(0, 2),
    codes=st.sampled_from([None, "standard", "own", "plain"]),
    nanovolts=st.integers(1, 10_000),
)
def test_compression_round_trip(steps, order, codes, nanovolts):
    table = {"standard": scp["STANDARD"], "own": OWN, "plain": scp["PLAIN"]}.get(codes)
    steps = np.array(steps).T
    made = encode(steps, ["I", "II", "V1"], order=order, codes=table, nanovolts=nanovolts)
    found = decode(source(made))
    assert np.array_equal(found.values, steps * nanovolts)
    assert found.names == ("SCP:1", "SCP:2", "SCP:3")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.integers(-500, 500), min_size=30, max_size=90),
    zones=st.lists(st.integers(1, 90), max_size=6, unique=True),
    factor=st.integers(2, 4),
)
def test_means_between_protected_segments(steps, zones, factor):
    """Protected samples are exact; the mean of each group of other samples is kept to half a step."""
    steps = np.repeat(steps, 2)[None]
    edges = sorted(zone for zone in zones if zone <= steps.shape[1])
    protected = [pair for pair in zip(edges[::2], edges[1::2], strict=False)]
    made = encode(steps, ["I"], factor=factor, protected=protected, order=1)
    values = decode(source(made)).values / 5000
    assert values.shape == steps.shape
    for first, last in protected:
        assert np.array_equal(values[:, first - 1 : last], steps[:, first - 1 : last])
    assert values.min() >= steps.min() - 0.5 and values.max() <= steps.max() + 0.5


def test_huffman_table_of_the_standard():
    assert len(STANDARD) == 19
    assert sum(2.0**-code.prefix_bits for code in STANDARD) == 1.0, "every stream of bits means something"


@pytest.mark.parametrize(
    ("interval", "fs"), [(2000, 500.0), (1000, 1000.0), (3906, 256.0), (1953, 512.0), (4000, 250.0), (2100, 476.190)]
)
def test_rates(interval, fs):
    made = encode(np.zeros((1, 10), int), ["I"], interval=interval)
    assert decode(source(made)).fs == pytest.approx(fs, abs=0.01)


def test_leads_recorded_successively_have_gaps():
    steps = np.arange(20).reshape(2, 10)
    second = put(2 + 9, "<II", 11, 20)
    made = encode(steps, ["I", "II"])
    sections = stored(made)
    found = decode(source(joined(sections | {3: second(sections[3])})))
    assert found.values.shape == (2, 20)
    assert np.isnan(found.values[0, 10:]).all() and np.isnan(found.values[1, :10]).all()
    assert "recorded simultaneously" in found.notes[0]


def test_further_leads_are_omitted():
    made = encode(np.zeros((2, 10), int), ["I", "II"])
    sections = stored(made)
    found = decode(source(joined(sections | {3: put(2 + 9 + 8, "<B", 11)(sections[3])})))
    assert found.names == ("SCP:1", "V3R")


# The patient


def test_identifying_metadata_is_kept_only_on_request(tmp_path):
    path = SAMPLES / "compressed.scp"
    anonymous = reading(path, check=False)
    assert anonymous.about.personal == {}
    assert (anonymous.about.age, anonymous.about.sex) == (61.0, "F")
    for word in ("Doe", "Jane", "1963", "SN-4711", "2024"):
        assert word not in str(replace(anonymous, ecg=None))
    personal = reading(path, check=False, personal=True).about.personal
    assert personal == {
        "name": "Jane Doe",
        "patient_id": "SN-4711",
        "birth_date": "1963-02-03",
        "recorded": "2024-05-06 07 08 09",
        "institution": "St Jane's",
    }


@pytest.mark.parametrize(
    ("field", "age"),
    [
        (struct.pack("<HB", 61, 1), 61.0),
        (struct.pack("<HB", 18, 2), 1.5),
        (struct.pack("<HB", 4, 4), 4 / 365.25),
        (struct.pack("<HB", 999, 1), 61.0),
        (b"", 61.0),
    ],
)
def test_ages(field, age):
    """In the unit of the file, else from the dates of birth and recording."""
    patient = scp["PATIENT"] | {4: field}
    made = encode(np.zeros((1, 10), int), ["I"], patient=patient)
    assert decode(source(made)).about.age == pytest.approx(age)


def test_report_is_free_text():
    report = b"\1" + struct.pack("<HBBBBB", 2024, 5, 6, 7, 8, 9) + b"\1"
    report += b"\1" + struct.pack("<H", 22) + b"read by Dr Jane Doe \0\0"
    made = encode(np.zeros((1, 10), int), ["I"], more={8: report})
    assert decode(source(made)).about.personal == {"statements": "read by Dr Jane Doe"}


# Invalid files


@pytest.mark.parametrize(
    ("section", "change", "expected"),
    [
        (3, put(0, "<B", 0), "section 3 declares 0 leads"),
        (3, put(0, "<B", 255), "section 3 declares 255 leads in 110 bytes; up to 40 leads of nine bytes each"),
        (
            3,
            put(2, "<II", 1, 4_000_000_000),
            "declares 4000000000 samples in 12 leads; at most 33554432 over all leads",
        ),
        (3, put(2, "<II", 0, 5000), "a lead of section 3 has no samples"),
        (3, put(2, "<II", 5000, 1), "a lead of section 3 has no samples"),
        (3, put(2, "<II", 3_000_000, 3_000_009), "a lead of section 3 has no samples"),
        (3, put(2, "<II", 1, 5100), "not valid Huffman codes; 5100 samples were expected"),
        (3, put(2, "<II", 1, 4900), "bits more than its 4900 samples need"),
        (3, put(2, "<II", 1, 2_000_000), "2000000 samples are declared in 20080 bits"),
        (3, put(10, "<B", 2), "lead II occurs twice"),
        (6, put(0, "<H", 0), "declares 0 nV, 2000 µs"),
        (6, put(2, "<H", 0), "declares 2500 nV, 0 µs"),
        (6, put(4, "<B", 3), "difference 3"),
        (6, put(6, "<H", 65535), "bytes of samples; positive numbers that match the content"),
        (6, lambda section: section[:20], "a section of samples is truncated"),
        (6, lambda section: section[:30] + b"\xff" * len(section[30:]), "not valid Huffman codes"),
        (2, put(0, "<H", 2), "uses several Huffman tables"),
        (2, lambda _: struct.pack("<HH", 1, 9), "declares 9 codes and holds 0"),
        (2, lambda _: struct.pack("<HHBBBhI", 1, 1, 0, 0, 1, 0, 0), "a Huffman code has a prefix of 0 of 0 bits"),
        (2, lambda _: struct.pack("<HHBBBhI", 1, 1, 40, 255, 1, 0, 0), "a Huffman code has a prefix of 40 of 255 bits"),
        (2, lambda _: struct.pack("<HHBBBhIBBBhI", 1, 2, 1, 1, 1, 0, 0, 2, 2, 1, 0, 0), "codes have the same prefix"),
        (2, lambda _: struct.pack("<HHBBBhI", 1, 1, 1, 1, 0, 5, 0), "uses several Huffman tables"),
    ],
)
def test_invalid_sections(tmp_path, section, change, expected):
    path = tmp_path / "a.scp"
    path.write_bytes(changed(section, change))
    started = time.perf_counter()
    assert expected in refusal(read, path, check=False)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("section", "change", "expected"),
    [
        (4, put(4, "<H", 65535), "section 4 declares 65535 beats"),
        (4, lambda section: section[:-8] + section[-16:-8], "the QRS complexes of section 4 overlap"),
        (5, put(2, "<H", 1999), "samples are 8000 µs apart, and those of the reference beat 1999 µs"),
        (5, put(2, "<H", 500), "a ratio of 1 to 4 was expected"),
        (4, put(0, "<H", 65535), "32767 samples are declared in"),
        (4, lambda section: section[:30], "declares"),
        (5, lambda _: b"", "the rhythm is decimated and section 5 is missing"),
    ],
)
def test_invalid_compressed_files(tmp_path, section, change, expected):
    path = tmp_path / "a.scp"
    path.write_bytes(changed(section, change, SAMPLES / "compressed.scp"))
    assert expected in refusal(read, path, check=False)


def test_missing_reference_beat(tmp_path):
    sections = stored(EXAMPLE.read_bytes())
    sections[3] = put(1, "<B", 0x65)(sections[3])
    (tmp_path / "a.scp").write_bytes(joined(sections | {5: b""}))
    assert "the subtracted reference beat is not in the file" in refusal(read, tmp_path / "a.scp")


def test_too_many_overlapping_beats(tmp_path):
    """65,535 beats over the whole recording, each of them valid."""
    path = tmp_path / "a.scp"
    beats = struct.pack("<HHH", 302, 61, 60_000) + struct.pack("<HIII", 0, 1, 61, 3000) * 60_000
    path.write_bytes(changed(4, lambda _: beats + struct.pack("<II", 1, 0) * 60_000, SAMPLES / "compressed.scp"))
    started = time.perf_counter()
    assert refusal(read, path, check=False)
    assert time.perf_counter() - started < 2


def test_patient_section_with_a_million_fields():
    made = encode(np.zeros((1, 10), int), ["I"])
    started = time.perf_counter()
    found = decode(source(joined(stored(made) | {1: bytes(30_000_000), 8: bytes(30_000_000)})))
    assert found.about.personal == {}
    assert time.perf_counter() - started < 3


def test_overlapping_sections(tmp_path):
    raw = bytearray(EXAMPLE.read_bytes())
    for row in range(1, 12):
        raw[24 + 10 * row : 32 + 10 * row] = struct.pack("<II", len(raw), 1)
    (tmp_path / "a.scp").write_bytes(raw)
    assert "the sections are longer than the file" in refusal(read, tmp_path / "a.scp")


def test_changed_bytes_are_detected(tmp_path):
    raw = bytearray(EXAMPLE.read_bytes())
    raw[20_000] ^= 1
    (tmp_path / "a.scp").write_bytes(raw)
    assert "the checksum of section 6 is wrong; unchanged bytes" in refusal(read, tmp_path / "a.scp")
    raw = bytearray(EXAMPLE.read_bytes())
    raw[0] ^= 1
    (tmp_path / "a.scp").write_bytes(raw)
    assert reading(tmp_path / "a.scp").changes[-1].startswith("the checksum of the file is wrong")


@pytest.mark.parametrize("size", [24, 32, 100, 142, 200, 500, 20_000])
def test_truncated_file(tmp_path, size):
    (tmp_path / "a.scp").write_bytes(EXAMPLE.read_bytes()[:size])
    assert refusal(read, tmp_path / "a.scp")


def test_other_files_are_not_detected_as_scp():
    for content in (b"", b"SCPECG", b"I,II\n1,2\n", b"PK\x03\x04" + bytes(60), bytes(100), b"\xff" * 100):
        assert not looks_like(source(content))
    assert looks_like(Source(EXAMPLE))
    old = bytearray(EXAMPLE.read_bytes())
    old[16:22] = bytes(6)  # as before version 1.3
    assert looks_like(source(bytes(old)))


# Corrupted files, with corrected checksums, so that the code after the checksum is tested


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(["example.scp", "compressed.scp"]),
    number=st.sampled_from([1, 2, 3, 4, 5, 6]),
    edits=st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=6)), min_size=1, max_size=3),
)
def test_corrupted_sections(tmp_path_factory, name, number, edits):
    sections = stored((SAMPLES / name).read_bytes())
    for at, new in edits:
        sections[number] = sections.get(number, b"")[:at] + new + sections.get(number, b"")[at + len(new) :]
    path = tmp_path_factory.getbasetemp() / "corrupted.scp"
    path.write_bytes(joined(sections))
    started = time.perf_counter()
    try:
        read(path, check=False)
    except ValueError as error:
        assert not any(word in str(error) for word in ("Doe", "Jane", "1963", "SN-4711"))
        assert type(error).__name__ == "InputError"
    assert time.perf_counter() - started < 3
