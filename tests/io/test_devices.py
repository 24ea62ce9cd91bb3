"""Exports of phones, chest straps and hospital systems: KardiaMobile, JSON (own, Health Auto Export, FHIR), Polar."""

import copy
import json
import random
import re
import runpy
import struct
import time
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures import refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecggen.core.ecg import STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import contents, read
from ecggen.io.files import decode, reading
from ecggen.io.formats import kardia
from ecggen.io.formats.csv import polar
from ecggen.io.formats.json import content as json_content
from ecggen.io.formats.json import reading as json_reading
from ecggen.io.normalise import Found
from ecggen.io.ppg import read_ppg
from ecggen.io.source import Source

SAMPLES = Path(__file__).parents[1] / "samples" / "formats"
kardia_maker = runpy.run_path(str(SAMPLES / "make_kardia.py"))
phones = runpy.run_path(str(SAMPLES / "make_phones.py"))
WORDS = ("Doe", "Jane", "1963", "SN-4711", "2024", "58E0A7D7")


def source(content: bytes | str, **asked) -> Source:
    return Source(Path("a"), content=content.encode() if isinstance(content, str) else content, **asked)


def refused(content, action=json_reading.read) -> str:
    started = time.perf_counter()
    message = refusal(action, source(content))
    assert time.perf_counter() - started < 5
    assert not any(word in message for word in WORDS)
    return message


def found(content, **asked) -> Found:
    return json_reading.read(source(content if isinstance(content, (str, bytes)) else json.dumps(content), **asked))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("kardia.atc", {}),
        ("health_export.json", {"record": "1"}),
        ("observation.json", {}),
        ("leads.json", {}),
        ("polar.csv", {"leads": "V3", "start": 1.6}),
    ],
)
def test_identifying_metadata_is_kept_only_on_request(name, options):
    there = reading(SAMPLES / name, **options)
    assert there.about.personal == {}
    assert not any(word in str(replace(there, ecg=None)) for word in WORDS)
    asked = reading(SAMPLES / name, personal=True, **options).about.personal
    assert asked and set(asked) == set(there.dropped)
    assert any(word in str(asked) for word in WORDS)


@pytest.mark.parametrize("name", ["kardia.atc", "health_export.json", "observation.json", "leads.json", "polar.csv"])
def test_samples_are_reproduced_by_their_scripts(name):
    maker = {"kardia.atc": lambda: kardia_maker["encode"](kardia_maker["simulated"]())}.get(
        name, phones.get(name.partition(".")[0])
    )
    made = maker()
    assert (made if isinstance(made, bytes) else made.encode()) == (SAMPLES / name).read_bytes()


def test_each_format_detects_only_its_files():
    known = {"kardia.atc": kardia, "polar.csv": polar, "*.json": json_reading}
    for path in filter(Path.is_file, SAMPLES.iterdir()):
        for pattern, form in known.items():
            assert form.looks_like(Source(path)) == path.match(pattern), (path.name, pattern)


# KardiaMobile


def test_kardia_six_leads():
    there = reading(SAMPLES / "kardia.atc")
    assert there.format == "KardiaMobile's ATC"
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (STANDARD_LEADS[:6], 300.0, 1200)
    assert np.allclose(there.ecg.signal[0].numpy(), kardia_maker["simulated"]() * 0.0005, atol=1e-6)
    assert float(there.ecg.law_residual()) < 0.001
    assert "filters applied by the device: mains, enhanced" in there.changes


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.lists(st.integers(-32768, 32767), min_size=5, max_size=5), min_size=1, max_size=12),
    fs=st.integers(1, 65535),
    nanovolts=st.integers(1, 65535),
)
def test_kardia_round_trip_of_any_leads(steps, fs, nanovolts):
    made = kardia_maker["encode"](np.array(steps), fs=fs, nanovolts=nanovolts)
    there = kardia.read(source(made))
    assert (there.names, there.fs) == (STANDARD_LEADS[: len(steps)], fs)
    assert np.array_equal(there.values, np.array(steps) * float(nanovolts))


def corrupted_kardia(name: bytes, change) -> bytes:
    """The sample with the data of one block changed and its checksum corrected."""
    raw, made, at = (SAMPLES / "kardia.atc").read_bytes(), b"", 12
    while at < len(raw):
        end = at + 8 + int.from_bytes(raw[at + 4 : at + 8], "little")
        data = raw[at + 8 : end]
        made += kardia_maker["block"](raw[at : at + 4], change(data) if raw[at : at + 4] == name else data)
        at = end + 4
    return raw[:12] + made


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (kardia_maker["encode"](np.zeros((1, 9)), fs=0), "the format block gives format 1, 0 Hz and 500 nV"),
        (kardia_maker["encode"](np.zeros((1, 9)), nanovolts=0), "300 Hz and 0 nV; format 1 and positive numbers"),
        (kardia_maker["encode"](np.zeros((1, 9)), form=2), "gives format 2"),
        (kardia_maker["encode"](np.zeros((0, 9))), "the file holds no lead"),
        (b"ALIVE\0\0\0\4\0\0\0", "gives format 0"),
        (b"ALIVE\0\0\0\4\0\0\0ecg \xff\xff\xff\xff", "a block of 4294967295 bytes starts 8 bytes before the end"),
        (b"ALIVE\0\0\0\4\0\0\0" + kardia_maker["block"](b"junk", b"") * 2000, "holds more than 1000 blocks"),
        ((SAMPLES / "kardia.atc").read_bytes() + kardia_maker["block"](b"ecg ", b"\0\0"), "a block occurs twice"),
        ((SAMPLES / "kardia.atc").read_bytes()[:5000], "before the end of the file; a complete file was expected"),
        (corrupted_kardia(b"ecg2", lambda data: data[:-1]), "a lead ends within a sample"),
    ],
)
def test_kardia_invalid_files(content, expected):
    assert expected in refused(content, kardia.read)


def test_kardia_changed_sample():
    raw = bytearray((SAMPLES / "kardia.atc").read_bytes())
    raw[2000] ^= 1
    assert "the checksum of a block is wrong" in refused(bytes(raw), kardia.read)


def test_kardia_checksums_of_the_specification():
    """The specification requires CRC-32, and AliveCor's writer adds the bytes."""
    made = kardia_maker["encode"](np.arange(9)[None])
    at = made.index(b"ecg ")
    whole = made[at : at + 8 + 18]
    new = made.replace(whole + struct.pack("<I", sum(whole)), whole + struct.pack("<I", zlib.crc32(whole)))
    assert new != made
    assert kardia.read(source(new)).values[0, 8] == 4000.0


def test_kardia_shorter_lead_ends_with_a_gap():
    there = kardia.read(source(corrupted_kardia(b"ecg3", lambda data: data[:-20])))
    assert np.isnan(there.values[2, -10:]).all() and np.isfinite(there.values[[0, 1, 3, 4, 5]]).all()


# Plain JSON


ROWS = [[0.0, 0.1, -0.2, 0.3], [1.0, 1.1, None, 1.3]]


@pytest.mark.parametrize(
    ("content", "asked", "names"),
    [
        ({"fs": 500, "unit": "mV", "leads": {"I": ROWS[0], "II": ROWS[1]}}, {}, ("I", "II")),
        ({"sampling_rate": "500 Hz", "units": "mV", "leads": ["I", "II"], "signal": ROWS}, {}, ("I", "II")),
        (
            {"Fs": 500.0, "Unit": "mV", "lead_names": ["I", "II"], "data": list(zip(*ROWS, strict=True))},
            {},
            ("I", "II"),
        ),
        ({"samplingFrequency": 500, "unit": "mV", "I": ROWS[0], "II": ROWS[1], "beats": [1]}, {}, ("I", "II")),
        (
            {"header": {"fs": 500, "unit": {"I": "mV", "II": "mV"}}, "ecg": {"I": ROWS[0], "II": ROWS[1]}},
            {},
            ("I", "II"),
        ),
        ({"fs": 500, "unit": ["mV", "mV"], "signal": ROWS}, {"channels": 2}, (None, None)),
    ],
)
def test_json_shapes(content, asked, names):
    there = found(content, **asked)
    assert (there.names, there.units, there.fs) == (names, ("mV", "mV"), 500.0)
    assert np.array_equal(there.values, np.array(ROWS, float), equal_nan=True)


def test_json_list_without_metadata(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps((np.sin(np.arange(900) / 40) * 1000).tolist()))
    ecg = read(tmp_path / "a.json", fs=300, unit="uV", leads="II")
    assert (ecg.leads, ecg.fs, ecg.samples) == (("II",), 300.0, 900)
    assert "the file does not name its leads" in refusal(read, tmp_path / "a.json", fs=300, unit="uV")
    assert "does not state its sampling rate; give it with fs" in refusal(read, tmp_path / "a.json", leads="II")
    assert "recording '2' is not among none" in refusal(read, tmp_path / "a.json", record="2")


def test_json_list_of_another_length_is_omitted_with_a_note():
    there = found({"fs": 500, "unit": "mV", "I": [1, 2, 3], "time": [0, 1, 2], "beats": [1], "V": [3, 2, 1]})
    assert there.names == ("I", "time", "V")
    assert there.notes == ("1 other lists, of another length, were left out",)


def test_provenance_and_age_in_json():
    line = Provenance(("I",), ("II",), "vae@1234", 7, "").lines()
    there = found(
        {"fs": 1, "unit": "mV", "leads": {"I": [1]}, "comments": [*line, 5, "Jane Doe"], "age": "67", "gender": "male"}
    )
    assert Provenance.parse(there.comments) == Provenance(("I",), ("II",), "vae@1234", 7, "")
    assert (there.about.age, there.about.sex, "Jane" in str(there)) == (67.0, "M", False)


def test_ppg_in_json(tmp_path):
    wave = np.sin(np.arange(640) / 64 * 2 * np.pi * 1.2) + 0.4 * np.sin(np.arange(640) / 64 * 4 * np.pi * 1.2 + 1)
    (tmp_path / "a.json").write_text(json.dumps({"fs": 64, "ppg": wave.tolist()}))
    assert read_ppg(tmp_path / "a.json").fs == 64.0


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=20), min_size=1, max_size=12),
    fs=st.floats(0.1, 1e5),
)
def test_json_round_trip(rows, fs):
    names = STANDARD_LEADS[: len(rows)]
    for content in (
        {"fs": fs, "unit": "mV", "leads": dict(zip(names, rows, strict=True))},
        {"fs": fs, "unit": "mV", "leads": names, "signal": rows},
        {"fs": fs, "unit": "mV", "leads": names, "signal": np.array(rows).T.tolist()},
    ):
        there = found(content)
        assert (there.names, there.fs) == (names, fs)
        assert np.array_equal(there.values, np.array(rows))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "the JSON cannot be decoded; a valid file was expected"),
        ('{"I": [1, 2], "I": [3, 4]}', "a key occurs twice in an object of the JSON"),
        ("[" * 100_000, "the JSON cannot be decoded"),
        ('{"a":' * 100_000, "the JSON cannot be decoded"),
        ("[" + "9" * 5000 + "]", "the JSON cannot be decoded"),
        ("[" + "9" * 4000 + "]", "a sample has hundreds of digits"),
        ("{}", 'no signal was found in the JSON; {"fs": 500, "unit": "mV", "leads": {"I": [0.1, …]'),
        ('{"patient": "Jane Doe"}', "no signal was found"),
        ('{"fs": 500, "leads": ["I"]}', "no signal was found"),
        ('{"fs": 500, "leads": {"I": ["0.1", "0.2"]}}', "a list of samples holds other values; numbers, or null"),
        ('{"fs": 500, "leads": {"I": [0.1, true]}}', "a list of samples holds other values"),
        ('{"fs": 500, "leads": {"I": [0.1, "Jane Doe"]}}', "a list of samples holds other values"),
        ('{"fs": 500, "leads": {"I": [1], "II": [1, 2]}}', "the leads of the file have different lengths"),
        ('{"fs": true, "leads": {"I": [1]}}', "the sampling rate in the file is not a positive number"),
        ('{"fs": -5, "leads": {"I": [1]}}', "the sampling rate in the file is not a positive number"),
        ('{"fs": "Jane", "leads": {"I": [1]}}', "the sampling rate in the file is not a positive number"),
        ('{"fs": 1e999, "leads": {"I": [1]}}', "the sampling rate in the file is not a positive number"),
        ('{"fs": 500, "sampling_rate": 250, "leads": {"I": [1]}}', "the file gives two sampling rates"),
        ('{"unit": ["mV"], "leads": {"I": [1], "II": [1]}}', "the file does not give one unit per lead"),
        ('{"leads": ["I", "II"], "signal": [[1, 2], [3, 4]]}', "2 leads are named and the signal is 2 lists of 2"),
        ('{"leads": ["I", "II"], "signal": [[1, 2], [3]]}', "the rows of the signal have different lengths"),
        ('{"leads": ["I", "II"], "signal": [[1, 2, 3], 5]}', "the rows of the signal have different lengths"),
        ('{"leads": ["I", "II"], "signal": []}', "no signal was found"),
        ('{"fs": 500, "signal": [[1, 2], [3, 4]]}', "the file does not name its leads; name them in order"),
    ],
)
def test_ambiguous_json(content, expected):
    assert expected in refused(content)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("[],", "too many lists and objects"), ("{},", "too many lists and objects"), ('"ab",', "holds other values")],
)
def test_json_with_too_many_lists(value, expected):
    content = "[1," + value * 1_100_000 + "0]"
    tracemalloc.start()
    assert expected in refused(content)
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def test_too_large_json():
    assert "the file holds 32 MB; at most 32 MB of JSON are read" in refused(b"[1, 2" + b" " * json_content.MOST_BYTES)


# Health Auto Export


def test_health_auto_export(tmp_path):
    path = SAMPLES / "health_export.json"
    assert contents(path) == ["1", "2"]
    assert "the file holds 2 recordings, '1', '2'; one of them was expected" in refusal(read, path)
    there = reading(path, record="2")
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (("I",), 128.0, 288)
    expected = phones["simulated"](2.25, 128, 2, "I")
    assert np.allclose(there.ecg.signal[0].numpy(), expected, atol=2e-6)
    assert any("names no lead" in note for note in there.changes)
    assert "recording '3' is not among '1', '2'" in refusal(read, path, record="3")


def watch(**changes) -> dict:
    one = {"voltage": 0.0001, "units": "V"}
    return {"samplingFrequency": 512, "voltageMeasurements": [one, one | {"voltage": -2e-4}], **changes}


@pytest.mark.parametrize(
    ("measured", "values", "unit"),
    [
        ([{"voltage": 100, "units": "mcV"}, {"voltage": -50, "units": "mcV"}], [100, -50], "mcV"),
        ([{"microVolts": 100, "timeSinceSampleStart": 0}, {"microVolts": -50}], [100, -50], "uV"),
        ([[0, 0.0001], [0.00195, -0.00005]], [0.0001, -0.00005], "V"),
        ([{"voltage": 1.0}, {"voltage": None}], [1.0, np.nan], None),
        ([1, 2], [1, 2], None),
    ],
)
def test_watch_voltages(measured, values, unit):
    for content in (watch(voltageMeasurements=measured), {"ecg": [watch(voltageMeasurements=measured)]}):
        there = found(content)
        assert np.array_equal(there.values, [values], equal_nan=True)
        assert (there.units, there.fs, there.names) == ((unit,), 512.0, ("I",))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (watch(voltageMeasurements=[{"voltage": 1, "units": "V"}, {"voltage": 1, "units": "mV"}]), "differ in unit"),
        (watch(voltageMeasurements=[{"voltage": 1}, {"volts": 1}]), "a sample of the recording has no voltage"),
        (watch(voltageMeasurements=[{"Jane": 1}]), "a sample of the recording has no voltage"),
        (watch(voltageMeasurements=[{"voltage": "Jane"}]), "a list of samples holds other values"),
        (watch(voltageMeasurements=[[1, 2], [3]]), "a list of samples holds other values"),
        (watch(samplingFrequency="Jane"), "the sampling rate in the file is not a positive number"),
        (watch(samplingFrequency=0), "the sampling rate in the file is not a positive number"),
    ],
)
def test_invalid_watch_recordings(content, expected):
    assert expected in refused(json.dumps({"data": {"ecg": [content]}}))


def test_wrong_number_of_samples_gives_a_note():
    there = found({"data": {"ecg": [watch(numberOfVoltageMeasurements=512)]}})
    assert there.notes[-1] == "the file declares 512 samples and holds 2"


# FHIR


def test_fhir_observation():
    there = reading(SAMPLES / "observation.json")
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (("I", "II", "V1"), 250.0, 1000)
    assert np.allclose(there.ecg.signal[0].numpy(), phones["simulated"](4, 250, 3, "I", "II", "V1"), atol=0.00126)


def observation(*leads: dict, **changes) -> dict:
    sampled = {"origin": {"value": 0, "unit": "mV"}, "period": 4, "dimensions": 1, "data": "1 2 3"}
    parts = [
        {"code": {"coding": [{"code": str(131329 + at)}]}, "valueSampledData": sampled | lead}
        for at, lead in enumerate(leads)
    ]
    return {"resourceType": "Observation", "component": parts, **changes}


def test_fhir_missing_samples():
    there = found(observation({"data": "1 E -3.5 L U 2e1"}, {"data": "0 0 0 0 0 0", "factor": 2}))
    assert np.array_equal(there.values[0], [1, np.nan, -3.5, np.nan, np.nan, 20], equal_nan=True)
    assert there.notes == ("3 samples are marked as errors or as outside of the measurable range",)


def test_fhir_bundle():
    bundle = {"resourceType": "Bundle", "entry": [{"resource": observation({})}, {"resource": {"id": "Jane"}}]}
    assert found(bundle).names == ("MDC 2:1",)
    bundle["entry"].append({"resource": observation({}, {})})
    assert json_reading.contents(source(json.dumps(bundle))) == ["1", "2"]
    assert found(bundle, record="2").names == ("MDC 2:1", "MDC 2:2")


def test_fhir_channel_at_another_rate_is_omitted_with_a_note():
    there = found(observation({}, {}, {"period": 8, "data": "1 2"}))
    assert (there.fs, len(there.names)) == (250.0, 2)
    assert there.notes == ("1 channels at another rate were left out",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (observation(), "the FHIR resource holds no samples"),
        ({"resourceType": "Bundle", "entry": ["Jane"]}, "the FHIR resource holds no samples"),
        (observation({"period": 0}), "the period is not a number of milliseconds"),
        (observation({"period": "4"}), "the period is not a number of milliseconds"),
        (observation({"interval": 4, "intervalUnit": "s"}), "the period is not a number of milliseconds"),
        (observation({"factor": "Jane"}), "the origin or the factor of the samples is not a number"),
        (observation({"origin": {"value": None}}), "the origin or the factor of the samples is not a number"),
        (observation({"dimensions": 2}), "a component holds several interleaved signals"),
        (observation({"data": "1 2 Jane"}), "a sample is not a number"),
        (observation({"factor": 10**400}), "a sample is not a number"),
        (observation({}, {"data": "1 2"}), "the components differ in length"),
    ],
)
def test_invalid_fhir_resources(content, expected):
    assert expected in refused(json.dumps(content))


def test_fhir_repeated_lead(tmp_path):
    twice = observation({}, {})
    twice["component"][1]["code"] = twice["component"][0]["code"]
    (tmp_path / "a.json").write_text(json.dumps(twice))
    assert "lead I occurs twice" in refusal(read, tmp_path / "a.json")


# Polar


def test_polar_chest_strap():
    path = SAMPLES / "polar.csv"
    there = polar.read(Source(path))
    assert (there.names, there.units, there.fs) == ((None,), ("uV",), 130.0)
    assert np.flatnonzero(np.isnan(there.values[0])).tolist() == list(phones["GAP"])
    lead = phones["simulated"](4, 130, 7, "V3")[0]
    kept = np.isfinite(there.values[0])
    assert np.abs(there.values[0, kept] / 1000 - lead[kept]).max() < 0.00051
    assert "5 samples were lost in transmission" in there.notes
    assert "the file does not name its leads" in refusal(read, path)
    assert "lacks 5 of 520 samples, the first at 1.538 s" in refusal(read, path, leads="V3")


def table(*rows: str, titles="Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]") -> str:
    return "\n".join([titles, *rows])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (table(), "the times of the strap do not increase"),
        (table("2024;1;0;5", "2024;2;0;5"), "the times of the strap do not increase"),
        (table("2024;1;0;5", "2024;3;0;5", "2024;2;0;5"), "the times of the strap do not increase"),
        (table("2024;1;0;5", "2024;2;0;Jane", "2024;3;0;5"), "line 3 is not a sample"),
        (table("2024;1;0;5", "", "2024;3;0;5"), "line 3 is not a sample"),
        (
            table("2024;1;0;5", "2024;2;0;5", "2024;3;0;5", f"2024;{10**17};0;5"),
            "the times of the strap have gaps that are too long",
        ),
        (table("2024;99999999999999999999;0;5"), "line 2 is not a sample"),
        (table("2024;1;0;nan", "2024;2;0;5", "2024;3;0;5"), "line 2 is not a sample"),
    ],
)
def test_invalid_polar_tables(content, expected):
    assert expected in refused(content, polar.read)


def test_polar_without_milliseconds():
    rows = [f"2024;{10**15 + at * 7692308};{at}" for at in range(6)]
    there = polar.read(source(table(*rows, titles="Phone timestamp;sensor timestamp [ns];ecg [uV]")))
    assert (there.fs, there.values.tolist()) == (130.0, [[0, 1, 2, 3, 4, 5]])


# Other tables, which are read as CSV


@pytest.mark.parametrize(
    ("content", "options", "leads", "fs"),
    [
        ("{0}\n", {"fs": 130, "unit": "uV", "leads": "V3"}, ("V3",), 130.0),
        ("Timestamp,Movesense\n{1},{0}\n", {"fs": 128, "unit": "uV", "leads": "V3"}, ("V3",), 128.0),
        ("'Elapsed time','MLII'\n'seconds','mV'\n{2:.3f},{3}\n", {}, ("II",), 500.0),
        ("time\tI\n{2:.3f}\t{3}\n", {"unit": "mV"}, ("I",), 500.0),
        ("I;II\n{3};{3}\n", {"fs": 500, "unit": "mV", "leads": "II"}, ("II",), 500.0),
    ],
)
def test_other_tables_with_times(tmp_path, content, options, leads, fs):
    lead = simulate(1, seconds=3, fs=500, seed=2).pick("II").signal[0, 0].double().numpy()
    *titles, row, _ = content.split("\n")
    rows = [row.format(round(mv * 1000), at, at / 500, round(mv, 3)) for at, mv in enumerate(lead)]
    path = tmp_path / "a.txt"
    path.write_text("\n".join([*titles, *rows]) + "\n")
    there = reading(path, **options)
    assert (there.format, there.ecg.leads, there.ecg.fs) == ("CSV", leads, fs)
    assert np.abs(there.ecg.signal[0, 0].numpy() - lead).max() < 0.00051


# Corrupted files


@pytest.mark.parametrize("name", ["kardia.atc", "health_export.json", "observation.json", "leads.json", "polar.csv"])
def test_corrupted_files(tmp_path, name):
    whole = (SAMPLES / name).read_bytes()
    path = tmp_path / name
    edit = st.tuples(st.integers(0, len(whole)), st.booleans(), st.sampled_from([0, 1, 30]), st.binary(max_size=5))

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(edit, min_size=1, max_size=4))
    def holds(edits):
        content = whole
        for at, early, skip, new in edits:
            at = at % 200 if early else at
            content = content[:at] + new + content[at + skip :]
        if name == "kardia.atc" and content.startswith(b"ALIVE"):
            content = summed(content)
        path.write_bytes(content)
        try:
            decode(path)
            read(path, check=False)
        except InputError as error:
            told = str(error)  # a word inside of a number, as a year in a size, tells nothing
            assert not any(re.search(rf"\b{re.escape(word)}\b", told) for word in WORDS if word != "2024")

    holds()


WORTHS = [None, True, 0, -1, 10**400, 1e308, np.nan, np.inf, "", "Jane", "1e400 2", "E", [], {}, [[]], [{}], [None]]
WORTHS += [{"I": [1]}, [1, [2]], ["I"], "\ud800", "mV", {"value": "Jane"}]


def places(content, path=()):
    """The paths of all values in a JSON value."""
    yield path
    for key in content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ():
        yield from places(content[key], (*path, key))


def shortened(content):
    """A JSON value with a few samples of each lead."""
    if isinstance(content, dict):
        return {key: shortened(value) for key, value in content.items()}
    if isinstance(content, list):
        return [shortened(value) for value in content[:5]]
    return " ".join(content.split()[:5]) if isinstance(content, str) else content


def test_json_with_exchanged_values():
    """After the parser: one to three values exchanged, removed or repeated at any position."""
    named = ("health_export.json", "observation.json", "leads.json")
    whole = [shortened(json.loads((SAMPLES / name).read_text())) for name in named]
    whole += [{"resourceType": "Bundle", "entry": [{"resource": whole[1]}]}]
    whole += [{"fs": 5, "header": {"unit": "mV"}, "I": [1, 2], "II": [3, 4], "time": [0, 1]}]
    whole += [{"fs": 5, "unit": "mV", "leads": ["I", "II"], "signal": [[1, 2, 3], [4, 5, 6]]}]
    draw = random.Random(4)
    outcomes = set()
    for _ in range(3000):
        content = copy.deepcopy(draw.choice(whole))
        for _ in range(draw.randint(1, 3)):
            *before, last = draw.choice([path for path in places(content) if path] or [(None, None)])
            inside = content
            for key in before:
                inside = inside[key] if key is not None else {}
            if draw.random() < 0.8:
                inside[last] = copy.deepcopy(draw.choice(WORTHS))
            elif last in inside or isinstance(inside, list):
                del inside[last]
        try:
            there = found(content, channels=draw.choice([None, 2]))
            assert there.values.ndim == 2 and len(there.names) == len(there.units) == len(there.values)
            outcomes.add("read")
        except InputError as error:
            assert "Jane" not in str(error)
            outcomes.add(error.found)
    assert "read" in outcomes and len(outcomes) > 15, "the changes reach all parts of the readers"


def summed(content: bytes) -> bytes:
    """The blocks of a corrupted file with corrected checksums, so that the code after the checksum is tested."""
    at = 12
    while at + 8 < len(content):
        end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        content = content[:end] + struct.pack("<I", sum(content[at:end])) + content[end + 4 :]
        at = end + 4
    return content
