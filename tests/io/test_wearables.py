"""Exports of Withings, Fitbit, Kardia, Movesense and OpenSignals, and files that hold no recording."""

import io
import json
import runpy
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures import refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import contents, read, records, write
from ecggen.io.files import decode, reading
from ecggen.io.formats import known
from ecggen.io.formats.json import movesense
from ecggen.io.formats.json import reading as json_reading
from ecggen.io.formats.opensignals import text as opensignals
from ecggen.io.normalise import Found
from ecggen.io.source import Source

SAMPLES = Path(__file__).parents[1] / "samples" / "formats"
devices = runpy.run_path(str(SAMPLES / "make_devices.py"))
WORDS = ("Doe", "Jane", "1963", "SN-4711", "2024", "174630000192")
MV = 0.381469726563e-3  # mV of a count of a Movesense sensor, as its manufacturer gives it


def source(content: bytes | str, **asked) -> Source:
    return Source(Path("a"), content=content.encode() if isinstance(content, str) else content, **asked)


def found(content, **asked) -> Found:
    return json_reading.read(source(json.dumps(content), **asked))


def refused(content: bytes | str, action=known) -> str:
    started = time.perf_counter()
    message = refusal(action, source(content))
    assert time.perf_counter() - started < 1
    assert not any(word in message for word in WORDS)
    return message


@pytest.mark.parametrize("name", devices["FILES"])
def test_samples_are_reproduced_by_their_script(name):
    assert devices["FILES"][name]() == (SAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("withings.json", {}, "SN-4711"),
        ("fitbit.json", {"record": "1"}, "2024-05-01"),
        ("kardia_api.json", {}, "Doe-1963"),
        ("movesense.json", {"leads": "V3"}, "1714972089000000"),
        ("bitalino.txt", {"leads": "I"}, "1963-02-03"),
    ],
)
def test_identifying_metadata_is_kept_only_on_request(name, options, words):
    there = reading(SAMPLES / name, gaps=True, check=False, **options)
    assert there.about.personal == {}
    assert not any(word in str(replace(there, ecg=None)) for word in (*WORDS, words))
    asked = reading(SAMPLES / name, gaps=True, check=False, personal=True, **options).about.personal
    assert words in str(asked) and set(asked) == set(there.dropped)


# Withings


def test_withings_answer():
    there = reading(SAMPLES / "withings.json")
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (("I",), 300.0, 900)
    assert np.allclose(there.ecg.signal[0].numpy(), devices["simulated"](3, 300, 11, "I"), atol=0.51e-3)
    assert any("left wrist" in note for note in there.changes)


ANSWER = {"signal": [-10, 20, None], "sampling_frequency": 500}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"status": 0, "body": ANSWER}, "I"),
        ({"status": 0, "body": ANSWER | {"wearposition": 0}}, "I"),
        (ANSWER | {"wearposition": 3}, "I"),
        ([{"status": 0, "body": ANSWER | {"wearposition": 1}}], "I"),
        ({"status": 0, "body": ANSWER | {"wearposition": 5}}, "ECG"),
        ({"status": 0, "body": ANSWER | {"wearposition": [1]}}, "ECG"),
    ],
)
def test_withings_positions(content, name):
    there = found(content)
    assert np.array_equal(there.values, [[-10, 20, np.nan]], equal_nan=True)
    assert (there.names, there.units, there.fs) == ((name,), ("uV",), 500.0)


def test_withings_answers_in_a_list_are_numbered():
    many = [{"status": 0, "body": ANSWER | {"wearposition": 1, "signal": [at]}} for at in (1, 2)]
    assert json_reading.contents(source(json.dumps(many))) == ["1", "2"]
    assert found(many, record="2").values.tolist() == [[2.0]]


def test_withings_list_without_signals_names_the_service_that_gives_them():
    listing = {"status": 0, "body": {"series": [{"heart_rate": 70, "ecg": {"signalid": 1963, "afib": 0}}]}}
    message = refused(json.dumps(listing), json_reading.read)
    assert "request each signal with the service 'Heart v2 - Get'" in message


def test_plain_json_with_the_words_of_withings_is_no_answer():
    there = found({"signal": [1.0, 2.0], "sampling_frequency": 300, "unit": "mV"})
    assert (there.units, there.names) == (("mV",), (None,))


# Fitbit


def test_fitbit_readings():
    path = SAMPLES / "fitbit.json"
    assert contents(path) == ["1", "2"]
    there = reading(path, record="2")
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (("I",), 250.0, 750)
    assert np.allclose(there.ecg.signal[0].numpy(), devices["simulated"](3, 250, 13, "I"), atol=0.51 / 10922)


@pytest.mark.parametrize(
    "content",
    [
        {"ecgReadings": [{"waveformSamples": [200, -100], "samplingFrequencyHz": "250", "scalingFactor": 100}]},
        {"WaveformSamples": [200, -100], "SamplingFrequencyHz": 250, "ScalingFactor": 100, "ParticipantID": "Jane"},
        {
            "dataPoints": [
                {
                    "name": "users/me/dataTypes/electrocardiogram/dataPoints/1",
                    "electrocardiogram": {
                        "interval": {"startTime": "2024-05-06T07:08:09Z"},
                        "waveformSamples": [200, -100],
                        "samplingFrequencyHertz": 250,
                        "millivoltsScalingFactor": 100,
                        "leadNumber": 1,
                    },
                }
            ]
        },
    ],
)
def test_fitbit_samples_are_divided_by_the_factor_of_the_file(content):
    there = found(content)
    assert (there.names, there.units, there.fs) == (("I",), ("mV",), 250.0)
    assert there.values.tolist() == [[2.0, -1.0]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scalingFactor": 0}, "the scaling factor of the samples is not a positive number"),
        ({"scalingFactor": "Jane"}, "the scaling factor of the samples is not a positive number"),
        ({"scalingFactor": 10**400}, "the scaling factor of the samples is not a positive number"),
        ({"leadNumber": 6}, "the reading holds several leads"),
        ({"samplingFrequencyHz": "Jane"}, "the sampling rate in the file is not a positive number"),
        ({"waveformSamples": ["Jane"]}, "a list of samples holds other values"),
    ],
)
def test_invalid_fitbit_readings(changes, expected):
    one = {"waveformSamples": [1, 2], "samplingFrequencyHz": 250, "scalingFactor": 10922}
    assert expected in refused(json.dumps({"ecgReadings": [one | changes]}), json_reading.read)


def test_fitbit_reading_without_a_factor_has_no_unit():
    there = found({"ecgReadings": [{"waveformSamples": [1], "samplingFrequencyHz": 250, "numberOfWaveformSamples": 2}]})
    assert there.units == (None,) and there.notes[-1] == "the file declares 2 samples and holds 1"


# Kardia API


def test_kardia_api_raw_signal():
    there = reading(SAMPLES / "kardia_api.json")
    leads = ("I", "II", "III", "aVR", "aVL", "aVF")
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (leads, 300.0, 600)
    assert np.allclose(there.ecg.signal[0].numpy(), devices["simulated"](2, 300, 14, *leads), atol=0.00026)
    assert "the signal that the file calls 'raw' was read" in there.changes


def signals(**leads) -> dict:
    return {"frequency": 300, "amplitudeResolution": 500, "samples": leads}


def test_kardia_api_with_the_filtered_signal_only():
    there = found({"data": {"enhanced": signals(leadI=[2, -2])}})
    assert there.values.tolist() == [[1000.0, -1000.0]] and there.units == ("nV",) and there.names == ("I",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (signals(leadI=[1, 2], leadII=[1]), "the leads differ in length"),
        (signals(leadI=5), "the leads differ in length"),
        (signals(leadI=[1]) | {"amplitudeResolution": "Jane"}, "the size of a step is not a positive number of nV"),
        (signals(leadI=[1]) | {"frequency": -1}, "the sampling rate in the file is not a positive number"),
    ],
)
def test_invalid_kardia_api_recordings(content, expected):
    assert expected in refused(json.dumps({"data": {"raw": content}}), json_reading.read)


# Movesense


def test_movesense_log():
    there = reading(SAMPLES / "movesense.json", leads="V3", gaps=True, check=False)
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (("V3",), 125.0, 500)
    truth = devices["simulated"](4, 125, 15, "V3")[0]
    signal = there.ecg.signal[0, 0].numpy()
    lost = np.flatnonzero(np.isnan(signal))
    assert lost.tolist() == list(range(80, 96))
    assert np.nanmax(np.abs(signal - truth)) <= MV / 2 + 1e-6
    assert "16 samples were lost in transmission" in there.changes
    message = refusal(read, SAMPLES / "movesense.json", start=1)
    assert "ECG" in message and "lead" in message


def packets(size=16, count=20, fs=125.0, begin=1000.0, values=None) -> list[dict]:
    values = list(range(size)) if values is None else values
    return [{"Timestamp": round(begin + 1000 * at * size / fs), "Samples": values} for at in range(count)]


@pytest.mark.parametrize(
    ("content", "unit"),
    [
        ({"data": [{"ecg": one} for one in packets()]}, "uV"),
        ({"Samples": [{"MeasECG": one} for one in packets()]}, "uV"),
        ({"Samples": [{"MeasEcgmV": one} for one in packets(values=[0.5] * 16)]}, "mV"),
        ({"Meas": {"ECG": packets(), "Acc": [{"ArrayAcc": [{"x": 1.0}], "Timestamp": 5}]}}, "uV"),
        ([{"Uri": "174630000192/Meas/ECG/125", "Method": "PUT", "Body": one} for one in packets()], "uV"),
        ([{"Uri": "174630000192/Meas/ECG/125/mV", "Body": one} for one in packets(values=[1] * 16)], "mV"),
        (packets(), "uV"),
        ({"data": [{"ecg": one} for one in packets(values=[0.5] * 16)]}, None),
    ],
)
def test_movesense_shapes(content, unit):
    there = found(content)
    assert (there.units, there.fs, there.values.shape) == ((unit,), 125.0, (1, 320))
    second = 0.5 if "0.5" in json.dumps(content) else 1
    assert there.values[0, 1] == pytest.approx(second * 1000 * MV if unit == "uV" else second)
    assert "174630000192" not in str(replace(there, about=None))


@settings(max_examples=60, deadline=None)
@given(
    fs=st.sampled_from(movesense.RATES),
    size=st.integers(1, 40),
    count=st.integers(60, 90),
    gap=st.one_of(st.none(), st.tuples(st.integers(5, 30), st.integers(2, 20))),
    begin=st.integers(0, 2**31),
)
def test_rate_and_lost_samples_follow_from_the_times(fs, size, count, gap, begin):
    first, number = gap or (0, 0)
    kept = [at for at in range(count) if not first <= at < first + number]
    times = np.array([round(begin + 1000 * at * size / fs) for at in kept], float)
    rate, starts = movesense.placed(times, np.full(len(kept), size))
    duration = 1000 * len(kept) * size / fs
    if duration > 400:  # with shorter recordings, whole milliseconds do not tell 125 from 128 Hz
        assert rate == fs
    if number * size / fs > 0.02:
        lost = (starts[-1] + size) - len(kept) * size
        assert abs(lost - number * size) <= max(2 * fs / 1000, 0.02 * number * size)


def test_movesense_streams_are_recordings():
    content = {"Samples": [{name: one} for name in ("MeasECG", "MeasECGmV") for one in packets()]}
    assert json_reading.contents(source(json.dumps(content))) == ["1", "2"]
    assert [found(content, record=one).units for one in ("1", "2")] == [("uV",), ("mV",)]


def test_a_single_packet_states_no_rate():
    assert found({"data": [{"ecg": packets()[0]}]}).fs is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([*packets(), *packets()], "the times of the packets do not rise; one recording was expected; split it"),
        ([*packets(), *packets(begin=1e9)], "the times of the packets have gaps that are too long"),
        ([{"Timestamp": 1e400, "Samples": [1]}, {"Timestamp": 1, "Samples": [1]}], "do not rise"),
        ([{"Timestamp": 10**400, "Samples": [1]}], "a sample has hundreds of digits"),
        ([{"Timestamp": 1, "Samples": [1, "Jane"]}], "a list of samples holds other values"),
    ],
)
def test_invalid_movesense_logs(content, expected):
    assert expected in refused(json.dumps({"data": [{"ecg": one} for one in content]}), json_reading.read)


# OpenSignals


def test_bitalino_file():
    there = reading(SAMPLES / "bitalino.txt", leads="I", gaps=True, check=False)
    assert there.format == "OpenSignals' text"
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (("I",), 1000.0, 3000)
    truth = devices["simulated"](3, 1000, 16, "I")[0]
    signal = there.ecg.signal[0, 0].numpy()
    assert np.flatnonzero(np.isnan(signal)).tolist() == [2500, 2501, 2502]
    assert np.nanmax(np.abs(signal - truth)) <= 3 / 2**11 + 1e-6
    assert "channels not read: 'LUX'" in there.changes
    assert "an ECG" in refusal(read, SAMPLES / "bitalino.txt", seconds=2)


def text(
    *devices_: dict, rows: list[str] | None = None, end: str = "# EndOfHeader", version: str = ". Version 1"
) -> str:
    header = {f"SN-4711-{number}": device for number, device in enumerate(devices_)}
    lines = [f"# OpenSignals Text File Format{version}", f"# {json.dumps(header)}", end]
    return "\n".join([*lines, *(rows if rows is not None else ["0\t0\t512", "1\t0\t1023"])]) + "\n"


PLUX = {"sensor": ["ECG"], "label": ["CH1"], "column": ["nSeq", "DI", "CH1"], "sampling rate": 500, "resolution": [10]}


@pytest.mark.parametrize(
    ("device", "rows"),
    [
        (PLUX, None),
        (PLUX | {"resolution": 10}, None),
        (PLUX | {"resolution": [4, 1, 10]}, None),
        (PLUX | {"convertedValues": 0, "sleeve color": [""]}, ["0 0 512", "1 0 1023"]),
        ({key: PLUX[key] for key in ("sensor", "sampling rate", "resolution")}, ["0\t512", "1\t1023"]),
        (PLUX | {"convertedValues": 1}, ["0\t0\t0.0\t", "1\t0\t1.4970703125\t"]),
        (PLUX | {"column": ["nSeq", "CH1", "DI"]}, ["0\t512\t0", "1\t1023\t0"]),
    ],
)
def test_opensignals_headers(device, rows):
    there = opensignals.read(source(text(device, rows=rows)))
    assert (there.names, there.units, there.fs) == (("ECG",), ("mV",), 500.0)
    assert there.values.tolist() == [[0.0, 1.4970703125]]


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_opensignals_line_ends(ends):
    content = text(PLUX).replace("\n", ends)
    if ends == "\r\n":
        assert opensignals.read(source(content)).values.shape == (1, 2)
    else:
        assert isinstance(refused(content, opensignals.read), str)


def test_raw_channels_are_named_by_their_labels_and_have_no_unit(tmp_path):
    device = {
        "sensor": ["RAW", "RAW"],
        "label": ["A1", "A2"],
        "column": ["nSeq", "A1", "A2"],
        "resolution": [4, 10, 10],
        "sampling rate": 250,
    }
    ecg = simulate(1, seconds=4, fs=250, seed=3).pick("II").signal[0, 0].numpy()
    counts = np.rint((ecg / 3 + 0.5) * 1024).astype(int)
    rows = [f"{at % 16}\t500\t{count}" for at, count in enumerate(counts)]
    path = tmp_path / "a.txt"
    path.write_text(text(device, rows=rows))
    there = decode(path)
    assert (there.names, there.units, there.fs) == (("A1", "A2"), (None, None), 250.0)
    assert np.array_equal(there.values[1], counts)
    assert "does not state its unit" in refusal(read, path, leads="II=A2")


def test_a_channel_that_the_user_assigns_is_decoded():
    three = {
        "sensor": ["ECG", "EDA", "EMG"],
        "label": ["CH1", "CH2", "CH3"],
        "column": ["nSeq", "CH1", "CH2", "CH3"],
        "resolution": [16, 16, 16],
        "sampling rate": 100,
    }
    rows = [f"{at}\t{at}\t{at + 1000}\t{at + 2000}" for at in range(300)]
    content = text(three, rows=rows)
    assert opensignals.read(source(content)).names == ("ECG",)
    from ecggen.io.channels import wanted

    for leads, values in (("II=EMG", 2000), ("II=2", 1000), ("I", 0)):
        there = opensignals.read(source(content, wanted=wanted(leads) or ()))
        assert there.values.shape == (1, 300)
        first = there.values[0, 0]
        assert first == (values if there.units == (None,) else (values / 2**16 - 0.5) * 3)


def test_devices_of_a_file_are_numbered():
    one = PLUX | {"column": ["nSeq", "CH1"]}
    content = text(one, one | {"sensor": ["EEG"]}, rows=[f"{at}\t512\t{at}\t7" for at in range(9)])
    assert opensignals.contents(source(content)) == ["device 1", "device 2"]
    first, second = (opensignals.read(source(content, record=str(number))) for number in (1, 2))
    assert (first.names, first.values[0].tolist()) == (("ECG",), [0.0] * 9)
    assert (second.names, second.units, second.values[0].tolist()) == (("EEG",), (None,), [7.0] * 9)
    assert "the file holds 2 recordings" in refused(content, opensignals.read)


@pytest.mark.parametrize("modulus", [16, 256, 2**16, 2**40])
def test_counter_shows_lost_samples(modulus):
    kept = [at for at in range(2000) if at not in range(900, 907)]
    content = text(PLUX, rows=[f"{at % modulus}\t0\t{at % 1024}" for at in kept])
    there = opensignals.read(source(content))
    assert there.values.shape == (1, 2000)
    assert np.flatnonzero(np.isnan(there.values[0])).tolist() == list(range(900, 907))
    assert there.notes[-1] == "7 samples were lost in transmission"


def test_a_column_that_does_not_count_is_no_counter():
    there = opensignals.read(source(text(PLUX, rows=["5\t0\t512"] * 100)))
    assert there.values.shape == (1, 100)


def test_large_file_is_read_in_segments(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text(text(PLUX, rows=[f"{at % 16}\t0\t{at % 1000}" for at in range(20_000)]))
    whole = read(path, leads="I", check=False)
    monkeypatch.setattr(opensignals, "MOST_TEXT", 1000)
    part = read(path, leads="I", start=31, seconds=4, check=False)
    assert part.samples == 2000
    assert np.array_equal(part.signal[0], whole.crop(31, 4).signal[0])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (text(PLUX, end=""), "the header of the file has no end"),
        (text(), "the header describes no device"),
        (text(PLUX).replace("# {", "# {{"), "the header of the file cannot be decoded"),
        (text(PLUX, rows=[]), "rows have 0 columns"),
        (text(PLUX, rows=["0 0"]), "the header describes 1 channels and the rows have 2 columns"),
        (text(PLUX, rows=["0 0 1", "Jane Doe x"]), "the table of samples cannot be decoded"),
        (text(PLUX, rows=["0 0 1", "1 0"]), "the table of samples cannot be decoded"),
        (text(PLUX | {"sensor": [], "label": []}), "the header describes 0 channels"),
        (text({"sensor": "ECG"}), "the header describes 0 channels"),
    ],
)
def test_invalid_opensignals_files(content, expected):
    assert expected in refused(content, opensignals.read)


def test_opensignals_in_an_archive_and_in_a_folder(tmp_path):
    for name in ("bitalino.txt",):
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    (tmp_path / "notes.txt").write_text("Jane Doe has a cold\n")
    assert [path.name for path in records(tmp_path)] == ["bitalino.txt"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.txt", (SAMPLES / "bitalino.txt").read_bytes())
    there = decode(tmp_path / "a.zip")
    assert (there.names, there.units, there.values.shape) == (("ECG",), ("mV",), (1, 3000))


# Files that hold no recording


def packed(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "1,2\n" * 5000)
    return made.getvalue()


BITMAP = b"BM" + (70).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\nJane Doe" + bytes(5000), "a PDF of an ECG holds a drawing, not its samples"),
        (
            b"%PDF-1.4\n<</Producer (AliveCor)>>",
            "(KardiaMobile); the samples of a recording were expected; export the .atc",
        ),
        (b"junk\n%PDF-1.4\n" + bytes(9000) + b"/Title (Kardia)", "export the .atc file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "an image (PNG); an image of an ECG holds a drawing, not its samples"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "an image (JPEG)"),
        (b"GIF89a\1\0", "an image (GIF)"),
        (b"II*\0\x08\0\0\0", "an image (TIFF)"),
        (b"MM\0*\0\0\0\x08", "an image (TIFF)"),
        (BITMAP, "an image (BMP)"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "an image (WebP)"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "an image (HEIC)"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "an image (SVG)"),
        (b"%!PS-Adobe-3.0", "an image (PostScript)"),
        (
            packed("docProps/app.xml", "xl/workbook.xml", "[Content_Types].xml"),
            "save the sheet with the samples as CSV",
        ),
        (packed("[Content_Types].xml", "word/document.xml"), "a document of an office program (text or slides)"),
        (packed("[Content_Types].xml", "ppt/presentation.xml"), "a document of an office program"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "save the sheet with the samples as CSV"),
        (b"{\\rtf1\\ansi Jane Doe}", "an office program (RTF)"),
        (b"01380006310\r\n014810000270\r\n0123101Doe\r\n0133102Jane\r\n", "a GDT message"),
        (b"MSH|^~\\&|ECG|||20240506||ORU^R01|1|P|2.3\rPID|1||1963||Doe^Jane", "an HL7 version 2 message"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE HealthData [\n', "give the export.zip"),
        (b"<!DOCTYPE html>\n<html><title>Login", "a web page, perhaps a message that was saved instead"),
        (b"SBEM0112\0\x10", "convert it to JSON with sbem2json"),
        (b"\x0e\x10\x5c\x08\0\0\0\0.FIT", "an activity of a sports watch (FIT)"),
        (b"SQLite format 3\0", "a database (SQLite)"),
        (b"@ MFR Standard 12 leads ECG", "the file is in the format MFER (.mwf)"),
        (b"\0\0\x3d\0\0\0\x66\x07\0\0\3\0" + bytes(60), "export it from AcqKnowledge as EDF"),
        (b"PAR1\x15\0", "a table in the format Parquet or Arrow"),
        (b"\x1f\x8b\x08\0\0\0", "a packed archive (gzip)"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a packed archive (7z)"),
        (b"Rar!\x1a\x07\1\0", "a packed archive (RAR)"),
        (b"\xfd7zXZ\0\0\4", "a packed archive (xz)"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "a sound (WAV)"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video or a sound (MP4)"),
    ],
)
def test_file_without_a_recording_says_what_it_is_and_what_to_use(content, expected, tmp_path):
    message = refused(content)
    assert expected in message
    assert message.count(";") >= 2  # found; expected; do
    path = tmp_path / "Jane Doe.ecg"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read(path)


@pytest.mark.parametrize("suffix", [".hea", ".mat", ".csv", ".npz", ".edf", ".dcm", ".xml"])
def test_written_recordings_are_not_taken_for_something_else(suffix, tmp_path):
    paths = write(simulate(1, seconds=3), tmp_path / f"a{suffix}")
    assert read(paths[-1]).samples == 300


def test_recordings_that_start_as_an_image_are_read(tmp_path):
    """DICOM has a preamble of any content, SCP-ECG a checksum of any value."""
    (path,) = write(simulate(1, seconds=3), tmp_path / "a.dcm")
    content = path.read_bytes()
    path.write_bytes(b"II*\0" + content[4:])
    assert read(path).samples == 300
    scp = (SAMPLES / "example.scp").read_bytes()
    assert known(source(b"BM" + scp[2:])).name == "SCP-ECG"
