"""Archives and containers (zip, Avro, HDF5): content, identifying metadata, and limits for hostile files."""

import io
import json
import os
import pickle
import stat
import struct
import time
import warnings
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import fastavro
import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import contents, files, read
from ecggen.io.formats import zip_archive
from ecggen.io.formats.hdf5 import file as hdf5_file
from ecggen.io.formats.hdf5 import process as hdf5_process
from ecggen.io.formats.hdf5 import reading as hdf5_reading
from ecggen.io.ppg import read_ppg

SAMPLES = Path(__file__).parents[1] / "samples"
FORMATS = SAMPLES / "formats"
E4, APPLE, EMBRACE = FORMATS / "e4.zip", FORMATS / "apple_health.zip", FORMATS / "embraceplus.avro"
CODE, SIGNALS = FORMATS / "code15.h5", FORMATS / "opensignals.h5"
PERSONAL = ("Jane", "Doe", "1963", "4711")


def refusal(action, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        action(*args, **options)
    text = str(caught.value)
    assert not any(word in text for word in PERSONAL)
    return text


def reading(path, **options):
    """A reading, checked for identifying metadata."""
    found = files.reading(path, **options)
    assert not found.about.personal
    assert not any(word in text for word in PERSONAL for text in (*found.changes, str(found.ecg.provenance)))
    return found


# zip


def packed(path: Path, *members, method=zipfile.ZIP_DEFLATED) -> Path:
    """An archive with members (name, content)."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")  # of a repeated name
        for name, content in members:
            archive.writestr(name, content)
    return path


def csv(leads=("II",), seconds=3) -> str:
    ecg = simulate(1, seconds, 100, 0).pick(*leads)
    rows = "\n".join(",".join(f"{cell:.4f}" for cell in row) for row in ecg.signal[0].T.tolist())
    return f"# fs: 100\n# unit: mV\n{','.join(leads)}\n{rows}\n"


def test_apple_health_export():
    assert contents(APPLE) == ["1", "2"]
    first, second = (reading(APPLE, record=name).ecg for name in ("ecg_2020-01-01", "2"))
    whole = read(SAMPLES / "apple_watch_lead_I.csv")
    assert first.leads == ("I",) and first.fs == 512
    assert torch.equal(first.signal, whole.signal[..., : first.samples])
    assert not torch.equal(first.signal[..., :100], second.signal[..., :100])
    assert "the file holds 2 recordings, 'ecg_2020-01-01', 'ecg_2020-01-02'; one of them" in refusal(read, APPLE)
    assert "recording 'ecg_2021' is not among" in refusal(read, APPLE, record="ecg_2021")


def test_large_export_xml_is_never_unpacked(tmp_path, monkeypatch):
    unpacked = []
    inflated = zip_archive._inflated
    monkeypatch.setattr(
        zip_archive, "_inflated", lambda path, one: unpacked.append(one.filename) or inflated(path, one)
    )
    read(APPLE, record="1")
    assert unpacked == ["apple_health_export/electrocardiograms/ecg_2020-01-01.csv"]


def test_empatica_e4_session():
    ppg = read_ppg(E4)
    assert ppg.fs == 64 and ppg.seconds == 20 and ppg.origin == "e4.zip, BVP" and not ppg.notes
    found = files.decode(E4)
    with zipfile.ZipFile(E4) as archive:
        rows = archive.read("BVP.csv").decode().split()
    assert np.array_equal(found.values[0], np.array(rows[2:], float))
    assert found.about.personal == {"recorded": "2020-01-01T12:00:00+00:00"}
    assert found.notes == ("sensors not read: ACC.csv, EDA.csv, HR.csv, IBI.csv, TEMP.csv",)
    assert contents(E4) == []
    assert "no ECG lead is among the channels 1 'BVP'" in refusal(read, E4)


def test_two_e4_sessions_are_named_by_their_folders(tmp_path):
    with zipfile.ZipFile(E4) as archive:
        bvp, acc = archive.read("BVP.csv"), archive.read("ACC.csv")
    names = [
        (f"{folder}/{name}", text) for folder in ("S1", "S2") for name, text in (("BVP.csv", bvp), ("ACC.csv", acc))
    ]
    path = packed(tmp_path / "a.zip", *names)
    assert contents(path) == ["1", "2"]
    assert torch.equal(read_ppg(path, record="S2").wave, read_ppg(E4).wave)
    assert "the file holds 2 recordings, 'S1', 'S2'" in refusal(read_ppg, path)


def test_text_recordings_in_an_archive(tmp_path):
    one = packed(tmp_path / "one.zip", ("README.txt", "of Jane Doe"), ("__MACOSX/._a.csv", "x"), ("in/a.csv", csv()))
    assert contents(one) == [] and read(one).leads == ("II",)
    assert torch.equal(read(one).signal, read(one, record="a").signal)
    alike = packed(tmp_path / "two.zip", ("x/a.csv", csv()), ("y/a.csv", csv(("I",))), ("b.csv", csv()))
    assert contents(alike) == ["1", "2", "3"]
    assert read(alike, record="y/a.csv").leads == ("I",)


def test_npz_stays_npz(tmp_path):
    np.savez(tmp_path / "a.npz", signal=np.zeros((1, 300)), leads=["I"], fs=100, unit="mV")
    assert files.reading(tmp_path / "a.npz", check=False).format == "npz"
    assert "the archive is broken; a file of numpy.savez was expected" in refusal(
        read, broken(tmp_path, b"PK\x03\x04a")
    )


def broken(folder: Path, content: bytes) -> Path:
    (folder / "broken").write_bytes(content)
    return folder / "broken"


def test_archive_without_a_recording(tmp_path):
    header = SAMPLES / "00010_lr.hea"
    for members in ([], [("a.hea", header.read_bytes()), ("a.dat", b"\0" * 100)], [("Doe.docx", "x")]):
        text = refusal(read, packed(tmp_path / "a.zip", *members))
        assert f"none of the {len(members)} files in the archive is a text recording" in text
        assert text.endswith("unpack it first")


def test_wfdb_header_in_an_archive_opens_no_other_file(tmp_path, monkeypatch):
    monkeypatch.chdir(SAMPLES)  # where 00010_lr.dat lies
    text = refusal(read, packed(tmp_path / "a.zip", ("00010_lr.csv", (SAMPLES / "00010_lr.hea").read_text())))
    assert text.startswith("a.zip: ")


def test_health_auto_export_json_in_an_archive(tmp_path):
    lead = simulate(1, 3, 512, 0).pick("I").signal[0, 0].tolist()
    recording = {"samplingFrequency": 512, "voltageMeasurements": [{"voltage": value / 1000} for value in lead]}
    one = packed(tmp_path / "a.zip", ("HealthAutoExport.json", json.dumps({"data": {"ecg": [recording]}})))
    assert read(one, unit="V").signal[0, 0].tolist() == pytest.approx(lead)
    two = packed(tmp_path / "b.zip", ("HealthAutoExport.json", json.dumps({"data": {"ecg": [recording] * 2}})))
    assert len(contents(two)) == 2 and read(two, record="2", unit="V").samples == 3 * 512
    assert "recording 'b' is not among 'a'" in refusal(read, packed(tmp_path / "c.zip", ("a.csv", csv())), record="b")


def test_zip_bomb_by_ratio(tmp_path):
    bomb = packed(tmp_path / "a.zip", ("a.csv", csv() + "0.0\n" * 5_000_000))
    assert bomb.stat().st_size < 50_000
    assert "times its size; at most 200 times were expected" in refusal(read, bomb)


def test_zip_bomb_by_declared_size(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_archive, "MOST_BYTES", 2000)
    assert "at most 0 MB are read; unpack and split it" in refusal(read, packed(tmp_path / "a.zip", ("a.csv", csv())))


def altered(path: Path, offset: int, form: str, *numbers: int) -> Path:
    """The archive with changed numbers in its list of members, ``offset`` bytes into the first."""
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, content.index(b"PK\x01\x02") + offset, *numbers)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [100, 10_000, 60_000_000])
def test_wrong_declared_sizes(tmp_path, size):
    path = altered(packed(tmp_path / "a.zip", ("a.csv", csv())), 24, "<I", size)
    text = refusal(read, path)
    assert "cannot be decoded" in text or "is truncated" in text or "times its size" in text


def test_wrong_zip64_sizes(tmp_path):
    path = altered(packed(tmp_path / "a.zip", ("a.csv", csv())), 20, "<II", 0xFFFFFFFF, 0xFFFFFFFF)
    started = time.perf_counter()
    refusal(read, path)
    content = bytearray(packed(tmp_path / "b.zip", ("a.csv", csv())).read_bytes())
    struct.pack_into("<II", content, content.index(b"PK\x05\x06") + 12, 0xFFFFFFFF, 0xFFFFFFFF)
    refusal(read, broken(tmp_path, bytes(content)))
    assert time.perf_counter() - started < 2


def test_nested_archive(tmp_path):
    inner = packed(tmp_path / "in.zip", ("a.csv", csv())).read_bytes()
    assert "none of the 1 files" in refusal(read, packed(tmp_path / "a.zip", ("in.zip", inner)))
    assert "is not text; CSV or JSON was expected" in refusal(read, packed(tmp_path / "b.zip", ("in.csv", inner)))


@pytest.mark.parametrize("name", ["../a.csv", "/etc/a.csv", "C:\\a.csv", "C:/a.csv", "x/../../a.csv", "x\\..\\a.csv"])
def test_names_that_lead_out_of_the_archive(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = packed(tmp_path / "a.zip", (name, csv()), ("b.csv", csv()))
    assert "a file in the archive has a name that leads out of it" in refusal(read, path, record="b")
    assert list(tmp_path.iterdir()) == [path]


def test_names_with_a_nul(tmp_path):
    path = packed(tmp_path / "a.zip", ("aXb.csv", csv()))
    path.write_bytes(path.read_bytes().replace(b"aXb.csv", b"a\0b.csv"))
    assert "has a name that leads out of it" in refusal(read, path)


def test_links_in_an_archive_are_not_followed(tmp_path):
    (tmp_path / "secret.csv").write_text(csv())
    link = zipfile.ZipInfo("a.csv")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, str(tmp_path / "secret.csv"))
    assert "none of the 0 files in the archive" in refusal(read, tmp_path / "a.zip")


def test_encrypted_members(tmp_path):
    path = altered(packed(tmp_path / "a.zip", ("a.csv", csv())), 8, "<H", 1)
    assert "the recording in the archive is encrypted; unpack it with its password first" in refusal(read, path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unsupported_compression(tmp_path, method):
    path = packed(tmp_path / "a.zip", ("a.csv", csv()), method=method)
    assert "unsupported compression; deflate was expected" in refusal(read, path)


def test_duplicate_names(tmp_path):
    path = packed(tmp_path / "a.zip", ("a.csv", csv()), ("a.csv", csv(("I",))))
    assert "two files in the archive have the same name" in refusal(read, path)


def test_thousands_of_members(tmp_path):
    path = packed(tmp_path / "a.zip", *((f"routes/{at}.gpx", "") for at in range(5000)), ("a.csv", csv()))
    assert read(path).leads == ("II",)


def test_too_long_list_of_members(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_archive, "MOST_DIRECTORY", 100_000)
    path = packed(tmp_path / "a.zip", *((f"{at:0100}.csv", "") for at in range(1000)))
    assert "the archive's list of members takes 0 MB; at most 0 MB were expected" in refusal(read, path)


def test_sizes_after_the_data(tmp_path):
    """Sizes in a data descriptor, as written by programs that compress to a pipe."""

    class Pipe(io.BytesIO):
        def tell(self):
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", csv())
    assert pipe.getvalue()[6] & 8
    assert read(broken(tmp_path, pipe.getvalue())).leads == ("II",)


# Avro


def avro(path: Path, schema, value, codec="null") -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), [value], codec)
    return path


def container(path: Path, schema: str, body: bytes, count=1, codec="null") -> Path:
    """An Avro file written by hand, so that it can be invalid."""
    file = io.BytesIO()
    meta = {"avro.schema": schema.encode(), "avro.codec": codec.encode()}
    fastavro.schemaless_writer(file, {"type": "map", "values": "bytes"}, meta)
    size = io.BytesIO()
    fastavro.schemaless_writer(size, "long", count)
    fastavro.schemaless_writer(size, "long", len(body))
    path.write_bytes(b"Obj\x01" + file.getvalue() + b"m" * 16 + size.getvalue() + body + b"m" * 16)
    return path


def test_embraceplus_file():
    with EMBRACE.open("rb") as file:
        (session,) = fastavro.reader(file)
    found = files.decode(EMBRACE)
    assert found.names == ("BVP",) and found.fs == session["rawData"]["bvp"]["samplingFrequency"] == 64
    assert np.array_equal(found.values[0], np.float32(session["rawData"]["bvp"]["values"]))
    assert found.about.personal == {
        "device_serial": "SN-4711",
        "patient_id": "Doe^Jane, 1, 1, 1",
        "recorded": "2020-01-01T12:00:00+00:00",
    }
    assert found.notes == ("sensors not read: 'accelerometer', 'eda', 'temperature', 'tags', 'systolicPeaks', 'steps'",)
    assert read_ppg(EMBRACE).seconds == 6
    assert "no ECG lead is among the channels 1 'BVP'" in refusal(read, EMBRACE)


RAW = {"type": "record", "name": "Raw", "fields": [{"name": "bvp", "type": "int"}]}


def session_of(*fields) -> dict:
    """A schema of an EmbracePlus with other fields before the PPG."""
    kinds = {"samplingFrequency": "float", "values": {"type": "array", "items": "float"}}
    bvp = {"type": "record", "name": "Bvp", "fields": [{"name": name, "type": kind} for name, kind in kinds.items()]}
    raw = {"type": "record", "name": "Raw", "fields": [{"name": "bvp", "type": bvp}]}
    named = [{"name": name, "type": kind} for name, kind in (*fields, ("rawData", raw))]
    return {"type": "record", "name": "Session", "fields": named}


PPG = {"bvp": {"samplingFrequency": 64.0, "values": [float(value) for value in range(200)]}}
words = st.text(max_size=20)
whole = st.integers(-(2**63), 2**63 - 1)
KINDS = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": whole,
    "double": st.floats(allow_nan=False),
    "string": words,
    "bytes": st.binary(max_size=20),
}
ITEMS = {**KINDS, "float": st.floats(width=32)}
kinds = st.one_of(
    *(st.tuples(st.just(kind), values) for kind, values in KINDS.items()),
    *(st.tuples(st.just({"type": "array", "items": k}), st.lists(v, max_size=9)) for k, v in ITEMS.items()),
    *(
        st.tuples(st.just({"type": "map", "values": k}), st.dictionaries(words, v, max_size=3))
        for k, v in KINDS.items()
    ),
    *(st.tuples(st.just(["null", kind]), st.none() | values) for kind, values in KINDS.items() if kind != "null"),
    st.tuples(st.just({"type": "enum", "name": "E", "symbols": ["A", "B"]}), st.sampled_from("AB")),
    st.tuples(st.just({"type": "fixed", "name": "F", "size": 3}), st.binary(min_size=3, max_size=3)),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(kinds, max_size=3), codec=st.sampled_from(["null", "deflate"]))
def test_fields_before_the_ppg_are_skipped(tmp_path, before, codec):
    named = [(f"f{at}", {**kind, "name": f"N{at}"} if "name" in kind else kind) for at, (kind, _) in enumerate(before)]
    values = {f"f{at}": value for at, (_, value) in enumerate(before)}
    path = avro(tmp_path / "a.avro", session_of(*named), {**values, "rawData": PPG}, codec)
    assert files.decode(path).values[0].tolist() == PPG["bvp"]["values"]


@given(st.lists(whole, min_size=1, max_size=50))
def test_avro_integers(numbers):
    from ecggen.io.formats.avro.container import _Bytes, _integers, _packed_integers

    file = io.BytesIO()
    for number in numbers:
        fastavro.schemaless_writer(file, "long", number)
    assert _integers(_packed_integers(_Bytes(file.getvalue()), len(numbers))).tolist() == numbers


def test_avro_without_a_ppg(tmp_path):
    path = avro(
        tmp_path / "a.avro",
        {"type": "record", "name": "R", "fields": [{"name": "rawData", "type": RAW}]},
        {"rawData": {"bvp": 3}},
    )
    assert "holds no samples of a PPG (rawData, bvp, values); a file of an Empatica EmbracePlus" in refusal(read, path)
    assert "holds no samples" in refusal(read_ppg, avro(tmp_path / "b.avro", "long", 3))


def test_avro_deflate_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("ecggen.io.formats.avro.container.MOST_BYTES", 100_000)
    value = {"rawData": {"bvp": {"samplingFrequency": 64.0, "values": [0.0] * 100_000}}}
    path = avro(tmp_path / "a.avro", session_of(), value, "deflate")
    assert "unpacks to more than 0 MB" in refusal(read, path)


HUGE = b"\x80\x80\x80\x80\x80\x80\x80\x80\x20"  # 2^60, zigzag


@pytest.mark.parametrize(
    "items", ["null", "boolean", "float", "long", "string", RAW, {"type": "array", "items": "null"}]
)
def test_avro_arrays_with_a_wrong_length(tmp_path, items):
    schema = json.dumps(session_of(("a", {"type": "array", "items": items})))
    started = time.perf_counter()
    refusal(read, container(tmp_path / "a.avro", schema, HUGE + b"\0" * 100))
    assert time.perf_counter() - started < 3


def test_recursive_avro_schemas(tmp_path):
    itself = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "R"}]}
    doubling = [{"name": "R0", "type": "record", "fields": []}]
    for at in range(40):
        both = [{"name": side, "type": doubling[-1] if side == "a" else f"R{at}"} for side in "ab"]
        doubling.append({"name": f"R{at + 1}", "type": "record", "fields": both})
    nested = "[" * 50_000 + "]" * 50_000
    started = time.perf_counter()
    for schema in (
        json.dumps(itself),
        json.dumps(doubling[25]),
        json.dumps(doubling[40]),
        nested,
        '{"type": ' * 900 + "1" + "}" * 900,
    ):
        refusal(read, container(tmp_path / "a.avro", schema, b"\0" * 50))
    assert time.perf_counter() - started < 5


def test_avro_unsupported_compression(tmp_path):
    assert "has an unsupported compression" in refusal(
        read, container(tmp_path / "a.avro", '"long"', b"\2", codec="snappy")
    )


@pytest.mark.parametrize("size", [5, 100, 2000, 4000, 6000, 6790])
def test_truncated_avro(tmp_path, size):
    refusal(read_ppg, broken(tmp_path, EMBRACE.read_bytes()[:size]))


# HDF5


def test_code_15_exam():
    assert contents(CODE) == ["1169160", "2873686"]  # the third has the number 0 and only fills up
    with h5py.File(CODE) as file:
        stored = file["tracings"][1].T
    found = reading(CODE, record="2873686")
    assert found.ecg.fs == 400 and found.ecg.leads == STANDARD_LEADS and found.ecg.samples == 2934
    assert np.array_equal(found.ecg.signal[0].numpy(), stored[:, 581 : 581 + 2934])
    assert found.ecg.law_residual().abs().max() < 0.02
    assert "padding removed: 581 samples before and 581 after the recording" in found.changes
    assert any("does not state its unit: taken as mV" in change for change in found.changes)
    assert "the file holds 2 recordings, '1169160', '2873686'" in refusal(read, CODE)


def code(path: Path, tracings: np.ndarray, **others) -> Path:
    with h5py.File(path, "w") as file:
        file["tracings"] = tracings
        for name, values in others.items():
            file[name] = values
    return path


def test_code_test_order_is_detected_by_goldbergers_equation(tmp_path):
    ecg = simulate(1, 10, 400, 0)
    order = [*STANDARD_LEADS[:3], "aVL", "aVF", "aVR", *STANDARD_LEADS[6:]]
    tracings = np.zeros((1, 4096, 12), np.float32)
    tracings[0, 48:4048] = ecg.pick(*order).signal[0].T.numpy()
    found = reading(code(tmp_path / "a.hdf5", tracings))
    assert torch.equal(found.ecg.pick("aVR").signal[..., 5:-5], ecg.pick("aVR").signal[..., 5:-5])
    assert "aVR follows aVL and aVF, according to Goldberger's equation" in found.changes


def test_tracings_of_another_length_have_no_rate_or_unit(tmp_path):
    path = code(tmp_path / "a.h5", simulate(1, 10, 500, 0).signal.numpy().swapaxes(1, 2) + np.float32(0.01))
    assert "does not state its sampling rate" in refusal(read, path)
    assert read(path, fs=500, unit="mV").samples == 5000
    empty = code(tmp_path / "b.h5", np.zeros((1, 4096, 12)))
    assert "holds only zeros" in refusal(read, empty)


def test_opensignals_file():
    found = files.decode(SIGNALS)
    assert found.names == ("ECG", "BVP") and found.units == ("mV", None) and found.fs == 500
    assert found.about.personal == {
        "device_serial": "00:07:80:SN:47:11",
        "recorded": "2020-01-01 12:00:00.000",
        "statements": "Doe^Jane, born 1963-02-03",
    }
    truth = simulate(1, 6, 500, 4).pick("II").signal[0, 0].numpy()
    assert np.abs(found.values[0] - truth).max() <= 3 / 2**17 + 1e-6
    assert "'ECG' is not a known lead" in refusal(read, SIGNALS)
    assert reading(SIGNALS, leads="II").ecg.leads == ("II",)
    assert read_ppg(SIGNALS).seconds == 6


def test_two_opensignals_devices_are_numbered(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for at, address in enumerate(("00:07:80:AA", "00:07:80:BB")):
            file.create_dataset(f"{address}/raw/channel_1", data=np.arange(300)[:, None] + at)
            file[address].attrs["sampling rate"] = 100
    assert contents(tmp_path / "a.h5") == ["device 1", "device 2"]
    assert files.decode(tmp_path / "a.h5", "device 2").values[0, 0] == 1


@pytest.mark.parametrize("batch", [False, True])
def test_plain_arrays(tmp_path, batch):
    ecg = simulate(2 if batch else 1, 3, 250, 1).pick("I", "II")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["sampling_rate"] = 250
        file["signal"] = (ecg.signal if batch else ecg.signal[0]).numpy().astype(">f8")
        file["signal"].attrs["units"] = "mV"
        file["leads"] = ["I", "II"]
    assert torch.equal(read(tmp_path / "a.h5").signal, ecg.signal)
    assert contents(tmp_path / "a.h5") == (["1", "2"] if batch else [])


def test_plain_ppg(tmp_path):
    wave = files.decode(SIGNALS).values[1]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("ppg", data=wave, compression="lzf")
        file.attrs["fs"] = 500
    assert torch.allclose(read_ppg(tmp_path / "a.h5").wave, read_ppg(SIGNALS).wave)


def elsewhere(how: str, folder: Path) -> Path:
    """A file whose signal is stored in another file."""
    other = folder / "secret.h5"
    with h5py.File(other, "w") as file:
        file["signal"] = np.ones((2, 300))
    values = np.ones((2, 300))
    values.tofile(folder / "secret.bin")
    with h5py.File(folder / "a.h5", "w") as file:
        file["leads"], file["fs"], file["unit"] = ["I", "II"], 100, "mV"
        if how == "external link":
            file["signal"] = h5py.ExternalLink(str(other), "signal")
        elif how == "soft link":
            file["away"] = h5py.ExternalLink(str(other), "/")
            file["signal"] = h5py.SoftLink("/away/signal")
        elif how == "virtual":
            layout = h5py.VirtualLayout((2, 300), "f8")
            layout[:] = h5py.VirtualSource(str(other), "signal", (2, 300))
            file.create_virtual_dataset("signal", layout)
        else:
            raw = [(str(folder / "secret.bin"), 0, values.nbytes)]
            file.create_dataset("signal", (2, 300), "f8", external=raw)
    return folder / "a.h5"


@pytest.mark.parametrize("how", ["external link", "soft link", "virtual", "external storage"])
def test_data_in_another_file_is_not_read(tmp_path, how):
    text = refusal(read, elsewhere(how, tmp_path), check=False)
    assert "is stored outside the file" in text or "it holds 'fs ()', 'leads (2,)'" in text


def test_hdf5_with_a_declared_size_that_is_too_large(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("signal", (12, 2**40), "f8", chunks=(1, 1000))
    assert "at most 33554432 are read" in refusal(read, tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("tracings", (2**40, 4096, 12), "f4", chunks=(1, 4096, 12))
    assert "at most 1048576 were expected" in refusal(contents, tmp_path / "b.h5")


def test_hdf5_chunk_bomb(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("signal", (2, 1000), "f8", maxshape=(2, None), chunks=(2, 2**23), compression=9)
        file["signal"][0, 0] = 1
    assert (tmp_path / "a.h5").stat().st_size < 300_000
    assert "in huge chunks" in refusal(read, tmp_path / "a.h5")


def test_circular_groups(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for at in range(10):
            file[f"g{at}"] = file["/"]
    started = time.perf_counter()
    assert "it holds no array of numbers" in refusal(read, tmp_path / "a.h5")
    assert time.perf_counter() - started < 5


def test_truncated_hdf5(tmp_path):
    for size in (8, 100, 10_000):
        text = refusal(read, broken(tmp_path, CODE.read_bytes()[:size]), record="1")
        assert "the HDF5 file is broken; a valid file was expected; save it again" in text


def edited(path: Path, folder: Path, *edits: tuple[int, str]) -> Path:
    content = bytearray(path.read_bytes())
    for at, digits in edits:
        content[at : at + len(digits) // 2] = bytes.fromhex(digits)
    return broken(folder, bytes(content))


def test_file_that_crashes_libhdf5(tmp_path):
    """These bytes crash libhdf5 2.0.0 with a segmentation fault; another version may reject them."""
    path = edited(CODE, tmp_path, (1537, "00"), (4761, "8c4e"))
    assert "HDF5 file" in refusal(read, path, record="1")


def test_file_that_makes_libhdf5_loop(tmp_path, monkeypatch):
    """These bytes make libhdf5 2.0.0 loop forever."""
    monkeypatch.setattr(hdf5_file, "SECONDS", 0.5)
    started = time.perf_counter()
    refusal(read, edited(SIGNALS, tmp_path, (4410, "0100000000000000")))
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "does",
    ["os.kill(os.getpid(), 11)", "time.sleep(60)", "print('{\"bytes\": 9}x')", "print('{}')", "print('[' * 10**6)"],
)
def test_process_that_does_not_answer(tmp_path, monkeypatch, does):
    script = tmp_path / "process.py"
    script.write_text(f"import os, time\nprint('{{\"bytes\": 0}}', flush=True)\ninput()\n{does}\n")
    monkeypatch.setattr(hdf5_process, "__file__", str(script))
    monkeypatch.setattr(hdf5_file, "SECONDS", 0.5)
    assert "the HDF5 file crashes the library, or takes more than 0.5 s" in refusal(read, CODE)


said = st.one_of(
    st.none(), st.integers(-5, 600), st.floats(), st.text(max_size=4), st.sampled_from(["ECG", "BVP", "mV"])
)
places = ["/", "/tracings", "/exam_id", "/signal", "/leads", "/fs", "/unit", "/ppg", "/A", "/A/raw"]
places += ["/A/raw/channel_1", "/A/raw/channel_2", "/B/raw/channel_1"]
answers = st.fixed_dictionaries(
    {
        "shape": st.none() | st.lists(st.integers(0, 13), max_size=3) | st.sampled_from([[2, 20, 12], [2], [2, 30]]),
        "kind": st.sampled_from(["i", "f", "f", "U", "O", ""]),
        "attributes": st.dictionaries(
            st.sampled_from(["fs", "units", "leads", "sensor", "resolution", "sampling rate", "date", "comments"]),
            said | st.lists(said, max_size=3),
        ),
    }
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(objects=st.dictionaries(st.sampled_from(places), answers), record=st.sampled_from([None, "1", "device 1"]))
def test_any_answer_of_the_process(objects, record):
    """Any description, with values that fit it."""

    def ask(path, row=None):
        shape = objects[path]["shape"][0 if row is None else 1 :]
        if objects[path]["kind"] == "U":
            return {"words": ["word"] * int(np.prod(shape))}, b""
        return {"dtype": "<f4", "shape": shape}, np.arange(np.prod(shape), dtype="<f4").tobytes()

    @contextmanager
    def opened(path):
        yield hdf5_file.Hdf5(objects, ask)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5_reading, "opened", opened)
        for action in (read, read_ppg, contents):
            options = {} if action is contents else {"record": record}
            with suppress(InputError):
                action(CODE, **options)


def test_without_h5py(monkeypatch):
    monkeypatch.setattr(hdf5_file, "find_spec", lambda name: None)
    assert "h5py is not installed; this format requires it; pip install 'ecggen[hdf5]'" in refusal(read, CODE)


# Pickle


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_is_rejected_and_never_opened(tmp_path, protocol):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    for held in ({"signal": {"wrist": 1}, "bomb": Bomb()}, [1, 2], {"signal": np.ones(3)}):
        path = broken(tmp_path, pickle.dumps(held, protocol))
        text = refusal(read, path)
        assert "the file is a pickle, which can run programs when it is opened" in text
        assert "S1_RespiBAN.h5 for the ECG, the zip of the E4 (BVP.csv) for the PPG" in text
    assert not (tmp_path / "exploded").exists()


# Corrupted files

edit = st.tuples(st.integers(0, 20_000), st.sampled_from(["put", "cut", "add", "end"]), st.binary(max_size=6))


def mutated(content: bytes, edits) -> bytes:
    for where, how, what in edits:
        at = where % len(content) if content else 0
        skip = {"put": len(what), "cut": 20 * len(what), "add": 0, "end": len(content)}[how]
        content = content[:at] + (b"" if how in ("cut", "end") else what) + content[at + skip :]
    return content


@pytest.mark.parametrize(("path", "examples"), [(E4, 80), (APPLE, 80), (EMBRACE, 100), (CODE, 4), (SIGNALS, 4)])
def test_mutated_containers(tmp_path_factory, path, examples):
    target = tmp_path_factory.mktemp("mutated") / path.name

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(edit, min_size=1, max_size=4))
    def holds(edits):
        target.write_bytes(mutated(path.read_bytes(), edits))
        try:
            wave = read_ppg(target).wave if path in (E4, EMBRACE) else read(target, record="1", check=False).signal
            assert torch.isfinite(wave).all() or path in (CODE, SIGNALS)
        except InputError as error:
            assert not any(word in str(error) for word in PERSONAL)

    holds()
