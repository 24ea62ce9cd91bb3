"""WFDB: segments, frames and FLAC, metadata in headers, and the format of the Challenges."""

import resource
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import soundfile
import torch
import wfdb
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import read, write
from ecggen.io.files import decode, reading
from ecggen.io.formats.snomed import SCP, SNOMED, to_scp, to_snomed
from ecggen.io.formats.wfdb.comments import about_of as said
from ecggen.io.formats.wfdb.record import read as read_wfdb
from ecggen.io.metadata import About
from ecggen.io.source import MOST_SAMPLES, Source

SAMPLES = Path(__file__).parents[1] / "samples"
MADE = SAMPLES / "formats"
INVENTED = ("Doe", "1963", "SN-4711", "2063", "10000001", "micu")


def refusal(action, *args, **options) -> str:
    started = time.perf_counter()
    with pytest.raises(InputError) as caught:
        action(*args, **options)
    assert time.perf_counter() - started < 2
    return str(caught.value)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the samples, to be modified."""
    for path in (*MADE.glob("interrupted*"), *MADE.glob("frames*")):
        shutil.copy(path, tmp_path)
    return tmp_path


def change(path: Path, was: str, becomes: str) -> Path:
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, becomes, 1))
    return path


# Segments


def test_variable_layout_matches_wfdb():
    found, seen = decode(MADE / "interrupted.hea"), wfdb.rdrecord(str(MADE / "interrupted"))
    assert (found.names, found.units, found.fs) == (("II", "V5", "PLETH"), ("mV", "mV", "NU"), 125)
    np.testing.assert_allclose(found.values.T, seen.p_signal, atol=1e-12)
    assert np.isnan(found.values).sum(1).tolist() == [500, 625, 500]
    assert found.notes == ("segments joined: 4, with 125 of 1500 samples in gaps between them",)


def test_variable_layout_holds_the_source_signals():
    values, truth = decode(MADE / "interrupted.hea").values, simulate(1, 12, 125, seed=3, heart_rate=72)
    for row, lead in enumerate(("II", "V5")):
        off = values[row] - truth.pick(lead).signal[0, 0].numpy()
        assert np.nanmax(np.abs(off[:1125])) <= 0.5 / 200 + 1e-6
        assert not np.isfinite(off[1125:]).any() or np.nanmax(np.abs(off[1125:])) <= 0.5 / 50 + 1e-6


def test_gaps_are_reported_and_complete_segments_are_read():
    assert "lead V5 lacks 625 of 1500 samples, the first at 0.000 s" in refusal(read, MADE / "interrupted", check=False)
    part = read(MADE / "interrupted", start=5, seconds=4)
    assert (part.leads, part.fs, part.samples) == (("II", "V5"), 125, 500)


def halves(folder: Path, name: str = "whole") -> Path:
    """The record 00010_lr in two segments of a fixed layout."""
    ecg = read(SAMPLES / "00010_lr.hea")
    write(ecg.crop(0, 4), folder / f"{name}_1.hea")
    write(ecg.crop(4), folder / f"{name}_2.hea")
    header = folder / f"{name}.hea"
    header.write_text(f"{name}/2 12 100 1000\n{name}_1 400\n{name}_2 600\n# Age: 31\n")
    return header


def test_fixed_layout_equals_the_split_record(tmp_path):
    header = halves(tmp_path)
    assert torch.equal(read(header).signal, read(SAMPLES / "00010_lr.hea").signal)
    np.testing.assert_allclose(wfdb.rdrecord(str(tmp_path / "whole")).p_signal.T, read(header).signal[0], atol=1e-6)
    assert reading(header).about.age == 31
    header.write_text("whole/3 12 100 1200\nwhole_1 400\n~ 200\nwhole_2 600\n")
    values = decode(header).values
    assert np.isnan(values[:, 400:600]).all() and np.isfinite(np.delete(values, range(400, 600), 1)).all()


def test_segment_in_microvolts_is_converted_to_the_layout_unit(folder):
    change(folder / "interrupted_0002.hea", "400/mV", "0.4/uV")
    np.testing.assert_allclose(
        decode(folder / "interrupted.hea").values, decode(MADE / "interrupted.hea").values, atol=1e-9
    )
    change(folder / "interrupted_0002.hea", "0.4/uV", "400/mmHg")
    assert np.isnan(decode(folder / "interrupted.hea").values[0, 500:]).all()


def test_synthetic_segment_marks_the_whole_record(folder):
    header = folder / "interrupted_0003.hea"
    made = Provenance((), ("V5",), "vae 1234abcd", 3, "a line")
    header.write_text(header.read_text() + "".join(f"# {line}\n" for line in made.lines()))
    assert read(folder / "interrupted", start=5, seconds=4).provenance == made


def test_segment_that_names_itself(folder):
    for becomes in ("interrupted 500", "interrupted_0001 500\ninterrupted 0"):
        path = change(folder / "interrupted.hea", "interrupted_0001 500", becomes)
        path.write_text(path.read_text().replace("interrupted/5", f"interrupted/{4 + len(becomes.splitlines())}"))
        assert "the record names itself as a segment; other records were expected" in refusal(read, path)
        shutil.copy(MADE / "interrupted.hea", path)


def test_master_headers_that_name_each_other(tmp_path):
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{one}.hea").write_text(f"{one}/1 2 100 500\n{other} 500\n")
    assert "the segment 'b' consists of segments itself; samples were expected" in refusal(read, tmp_path / "a.hea")


@pytest.mark.parametrize(
    ("name", "was", "becomes", "expected"),
    [
        ("interrupted", "interrupted_0001 500", "../interrupted_0001 500", "line 2 of the header points to '../interr"),
        (
            "interrupted",
            "interrupted_0001 500",
            "/etc/passwd 500",
            "points to '/etc/passwd'; a record in the folder of",
        ),
        ("interrupted", "interrupted_0001 500", "s3://bucket/a 500", "points to 's3://bucket/a'"),
        (
            "interrupted",
            "interrupted_0001 500",
            "interrupted_0001",
            "segment line 2 of the header is not a name and a len",
        ),
        ("interrupted", "interrupted_0001 500", "absent 500", "the segment 'absent' is missing; its header was"),
        (
            "interrupted",
            "interrupted_0001 500",
            "interrupted_0001 501",
            "gives the segment 'interrupted_0001' 501 samp",
        ),
        ("interrupted", "~ 125", "~ 9000000000000", "header declares 1500 samples and its segments have 9000000001375"),
        ("interrupted", " 1500 ", " 1501 ", "the master header declares 1501 samples and its segments have 1500"),
        ("interrupted", "/5 3 125", "/5 3 250", "the segments differ in their sampling rate (125 Hz, 250 Hz)"),
        ("interrupted", "/5 3 125", "/5 4 125", "declares 4 signals and its first segment 3"),
        ("interrupted", "/5 3 125", "/999999999 3 125", "declares 999999999 segments and describes 5"),
        ("interrupted_0002", "500", "499", "'interrupted_0002' 500 samples and it has 499"),
        ("interrupted_0002", "125 500", "125 0", "lead V5 lacks 625 of 1500 samples"),
        ("interrupted_0002", "2 3 125", "2 3 360", "the segments differ in their sampling rate (125 Hz, 360 Hz)"),
        ("interrupted_0002", "0 V5", "0 V4", "the segment 'interrupted_0002' holds other signals than the first"),
        ("interrupted_0002", "interrupted_0002.dat", "../a.dat", "line 1 of the header points to '../a.dat'"),
        ("interrupted_0002", "02.dat 16", "02.dat 16+1600", "differ in format or offset"),
        ("interrupted_layout", "~ 0 200/mV", "~ 0x4 200/mV", "has other sampling rates than the first"),
    ],
)
def test_segments_that_contradict_their_master_header(folder, name, was, becomes, expected):
    change(folder / f"{name}.hea", was, becomes)
    assert expected in refusal(read, folder / "interrupted.hea", check=False)


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        ("frames_e.dat", "Doe^Jane", "signal line 1 of the header names no file; a file in the folder of"),
        ("516x4", "10000001", "line 1 of the header gives no format; one of the formats"),
        ("200(8192)/mV", "Doe1963", "line 1 of the header gives no gain; a positive number"),
    ],
)
def test_messages_do_not_quote_misplaced_text(folder, was, becomes, expected):
    message = refusal(read, change(folder / "frames.hea", was, becomes), check=False)
    assert expected in message and not any(word in message for word in INVENTED)


def test_truncated_and_too_many_segments(folder):
    path = folder / "interrupted.hea"
    path.write_text("interrupted/2 3 125\ninterrupted_layout 0\n~ 9000000000000\n")
    message = f"the recording holds 27000000000000 samples over all channels; at most {MOST_SAMPLES} are read at once"
    assert message in refusal(read, path)
    path.write_text("interrupted/2000 3 125\n" + "interrupted_0001 500\n" * 2000)
    assert "the record has 2000 segments; at most 1024 are joined" in refusal(read, path)
    path.write_text("interrupted/1 3 125\n~ 500\n")
    assert "the record consists of a gap; at least one segment with samples was expected" in refusal(read, path)
    path.write_text("interrupted/1 3 125\ninterrupted_layout 0\n")
    assert "the recording is empty" in refusal(read, path)
    shutil.copy(MADE / "interrupted.hea", path)
    data = folder / "interrupted_0002.dat"
    data.write_bytes(data.read_bytes()[:-7])
    assert "the header declares 500 samples and the files hold 498" in refusal(read, path)
    data.unlink()
    assert "the file 'interrupted_0002.dat' is missing" in refusal(read, path)


@pytest.mark.parametrize("form", ["212", "516"])
def test_many_packed_or_compressed_segments(folder, form):
    """1024 segments take less than the second that a file may take."""
    wave = simulate(1, 1, 125).pick("II").signal[0].T.double().numpy()
    options = {"fmt": [form], "adc_gain": [200], "baseline": [0], "write_dir": str(folder)}
    wfdb.wrsamp("a", 125, ["mV"], ["II"], wave, **options)
    (folder / "b.hea").write_text("b/1024 1 125\n" + "a 125\n" * 1024)
    started = time.perf_counter()
    found = decode(folder / "b.hea")
    assert time.perf_counter() - started < 2
    np.testing.assert_allclose(found.values, np.tile(wave.T, 1024), atol=0.51 / 200)


def test_many_signals_in_many_segments(tmp_path):
    (tmp_path / "a.dat").write_bytes(bytes(20000))
    (tmp_path / "a.hea").write_text("a 100 125 40\n" + "".join(f"a.dat 16 200 12 0 0 0 0 {at}\n" for at in range(100)))
    (tmp_path / "b.hea").write_text("b/200 100 125\n" + "a 40\n" * 200)
    assert "the record has 20000 signals in its segments; at most 16384" in refusal(read, tmp_path / "b.hea")


def test_layout_only(folder):
    assert "describes signals without samples" in refusal(read, folder / "interrupted_layout.hea")


def test_too_large_header(tmp_path):
    (tmp_path / "a.hea").write_bytes(b"#\n" * 1024**2)
    assert "the header holds more than 1 MB" in refusal(read, tmp_path / "a.hea")


def test_header_with_too_many_signals(tmp_path):
    (tmp_path / "a.hea").write_text("a 9000 100 10\n" + "a.dat 16 200 12 0 0 0 0 I\n" * 9000)
    assert "the header declares 9000 signals; at most 512 were expected" in refusal(read, tmp_path / "a.hea")


def test_header_in_an_archive():
    member = Source(Path("00010_lr.hea"), content=(SAMPLES / "00010_lr.hea").read_bytes())
    assert "the archive member is a WFDB header; its samples were expected with it" in refusal(read_wfdb, member)


# Frames and FLAC


def test_flac_and_frames_match_wfdb():
    found, seen = decode(MADE / "frames.hea"), wfdb.rdrecord(str(MADE / "frames"), smooth_frames=False)
    assert (found.names, found.fs, found.values.shape) == (("II", "V5"), 250, (2, 1000))
    np.testing.assert_allclose(found.values, seen.e_p_signal[:2], atol=1e-12)
    truth = simulate(1, 4, 250, seed=3, heart_rate=72).pick("II", "V5").signal[0].numpy()
    assert np.abs(found.values - truth).max() <= 0.5 / 200 + 1e-6
    assert found.notes == ("channels at another rate left out: 'Pleth', 'Resp'",)


@pytest.mark.parametrize("form", ["508", "516", "524"])
def test_each_flac_format(tmp_path, form):
    signal = simulate(1, 3, 360).pick("II", "V2").signal[0].T.double().numpy()
    scale = {"508": 40, "516": 1000, "524": 10**5}[form]
    options = {"fmt": [form] * 2, "adc_gain": [scale] * 2, "baseline": [0] * 2, "write_dir": str(tmp_path)}
    wfdb.wrsamp("a", 360, ["mV"] * 2, ["II", "V2"], signal, **options)
    ecg = read(tmp_path / "a.hea", check=False)
    np.testing.assert_allclose(ecg.signal[0].T, signal, atol=0.51 / scale + 1e-6)


@pytest.mark.parametrize("form", ["16", "80", "24", "32"])
def test_several_samples_per_frame(tmp_path, form):
    """The leads at four times the rate of the respiration; some formats are decoded here, some by wfdb."""
    ecg = simulate(1, 4, 400, seed=1).pick("I", "II").signal[0].double().numpy()
    breath = 0.1 * np.sin(np.arange(400) / 9)
    options = {"fmt": [form] * 3, "samps_per_frame": [4, 1, 4], "adc_gain": [50] * 3, "baseline": [0] * 3}
    wfdb.wrsamp(
        "a", 100, ["mV"] * 3, ["I", "RESP", "II"], e_p_signal=[ecg[0], breath, ecg[1]], **options,
        write_dir=str(tmp_path),
    )  # fmt: skip
    found = decode(tmp_path / "a.hea")
    assert (found.names, found.fs, found.values.shape) == (("I", "II"), 400, (2, 1600))
    np.testing.assert_allclose(found.values, ecg, atol=0.51 / 50)
    assert found.notes == ("channels at another rate left out: 'RESP'",)
    seen = wfdb.rdrecord(str(tmp_path / "a"), smooth_frames=False).e_p_signal
    np.testing.assert_allclose(found.values, [seen[0], seen[2]], atol=1e-12)


@pytest.mark.parametrize("form", [8, 16, 24, 32, 61, 80, 160, 212, 310, 311])
@pytest.mark.parametrize("per_frame", [1, 3])
def test_any_samples_match_wfdb(tmp_path, form, per_frame):
    content = np.random.default_rng(form).integers(0, 256, 2400, dtype=np.uint8).tobytes()
    lowest = {16: b"\0\x80", 32: b"\0\0\0\x80", 61: b"\x80\0", 80: b"\0", 160: b"\0\0"}.get(form, b"")
    content = content[:24] + lowest + content[24 + len(lowest) :]
    if form == 311:  # the two highest bits are not used; wfdb takes one of them for a bit of the last sample
        content = bytes(byte & 63 if at % 4 == 3 else byte for at, byte in enumerate(content))
    (tmp_path / "a.dat").write_bytes(content)
    line = f"a.dat {form}x{per_frame}+{0 if form > 200 else 24} 200(3)/mV 12 0 5 0 0"
    (tmp_path / "a.hea").write_text(f"a 2 125 80\n{line} II\n{line} V5\n")
    seen = wfdb.rdrecord(str(tmp_path / "a"), smooth_frames=False).e_p_signal
    found = decode(tmp_path / "a.hea")
    assert found.fs == 125 * per_frame
    np.testing.assert_allclose(found.values, np.stack(seen), atol=1e-9)
    assert np.isnan(found.values[0, 0]) or not lowest


@pytest.mark.parametrize("form", [8, 16, 24, 61, 80, 160, 212, 310, 311])
@pytest.mark.parametrize("stored", ["{0}x2:3+24", "{0}:3+24", "{0}x2:3", "{0}:3"])
def test_samples_per_frame_skew_and_offset_match_wfdb(tmp_path, form, stored):
    """As in header(5). wfdb gives the last frames of a skewed signal as missing; they are read if the file has them."""
    content = np.random.default_rng(form).integers(0, 256, 2400, dtype=np.uint8)
    content[3::4] &= 63 if form == 311 else 255
    (tmp_path / "a.dat").write_bytes(content.tobytes())
    skewed = stored.format(form)
    without = skewed.replace(":3", "")
    for name, length, second in (("a", 80, skewed), ("b", 83, without)):
        lines = [f"a.dat {one} 200(3)/mV 12 0 5 0 0 {lead}" for one, lead in ((without, "II"), (second, "V5"))]
        (tmp_path / f"{name}.hea").write_text("\n".join([f"{name} 2 125 {length}", *lines]) + "\n")
    found, per_frame = decode(tmp_path / "a.hea"), 2 if "x2" in stored else 1
    assert (found.fs, found.values.shape) == (125 * per_frame, (2, 80 * per_frame))
    one, other = wfdb.rdrecord(str(tmp_path / "b"), smooth_frames=False).e_p_signal
    np.testing.assert_allclose(found.values, [one[: 80 * per_frame], other[3 * per_frame :]], atol=1e-9)
    if form != 8:  # in which wfdb cannot mark missing samples
        _, other = wfdb.rdrecord(str(tmp_path / "a"), smooth_frames=False).e_p_signal
        np.testing.assert_allclose(found.values[1, : 77 * per_frame], other[: 77 * per_frame], atol=1e-9)


@pytest.mark.parametrize("form", ["8", "16", "24", "32", "61", "80", "160", "212", "310", "311", "508", "516", "524"])
@pytest.mark.parametrize("line", ["{} 2 360", "{} 2 360 1080 09:49:17 05-May-2020", "{} 2 360 1080 9:49:17 2006"])
def test_no_length_and_odd_dates_in_every_format(tmp_path, form, line):
    """The length is that of the file, and a date in a form that wfdb cannot parse is accepted."""
    wave = simulate(1, 3, 360).pick("II", "V5").signal[0].T.double().numpy()
    gain = 40 if form in ("8", "80", "508") else 100
    options = {"fmt": [form] * 2, "adc_gain": [gain] * 2, "baseline": [0] * 2, "write_dir": str(tmp_path)}
    if form in ("8", "61", "160", "310", "311"):  # formats that wfdb does not write
        (tmp_path / "a.dat").write_bytes(packed_as(form, np.rint(wave * gain).astype(int)))
        lines = [f"a.dat {form} {gain}(0)/mV 12 0 0 0 0 {lead}" for lead in ("II", "V5")]
    else:
        wfdb.wrsamp("a", 360, ["mV"] * 2, ["II", "V5"], wave, **options)
        lines = (tmp_path / "a.hea").read_text().splitlines()[1:]
    (tmp_path / "a.hea").write_text("\n".join([line.format("a"), *lines]) + "\n")
    found = decode(tmp_path / "a.hea")
    assert found.values.shape == (2, 1080)
    np.testing.assert_allclose(found.values, wave.T, atol=0.51 / gain)


def packed_as(form: str, steps: np.ndarray) -> bytes:
    """Samples (time, signal) in a format that wfdb does not write."""
    if form == "8":
        return np.diff(steps, axis=0, prepend=np.zeros((1, 2), int)).astype(np.int8).tobytes()
    if form in ("61", "160"):
        return (steps + (32768 if form == "160" else 0)).astype(">i2" if form == "61" else "<u2").tobytes()
    one, two, three = (steps.ravel() & 1023).reshape(-1, 3).T
    if form == "311":
        return (one | two << 10 | three << 20).astype("<u4").tobytes()
    words = np.stack([one << 1 | (three & 31) << 11, two << 1 | (three >> 5) << 11], 1)
    return words.astype("<u2").tobytes()


def test_skew_beyond_the_file(tmp_path):
    (tmp_path / "a.dat").write_bytes(bytes(400))
    (tmp_path / "a.hea").write_text("a 2 100 100\na.dat 16 200 12 0 0 0 0 I\na.dat 16:999 200 12 0 0 0 0 II\n")
    assert "the header gives a skew of 999 frames; less than 100 were expected" in refusal(read, tmp_path / "a.hea")


def test_skewed_segment_keeps_its_place(folder):
    whole = decode(folder / "interrupted.hea").values
    change(folder / "interrupted_0001.hea", "0001.dat 16 ", "0001.dat 16:5 ")
    found = decode(folder / "interrupted.hea").values
    np.testing.assert_array_equal(found[0, :495], whole[0, 5:500])
    assert np.isnan(found[0, 495:500]).all()
    np.testing.assert_array_equal(found[:, 500:], whole[:, 500:])


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        (
            "a.dat 16 200(0)/mV 16 0 0 0 0 V5",
            "a.dat 16 0/mV 16 0 0 0 0 V5",
            "line 2 of the header gives the gain '0/mV'",
        ),
        ("a.dat 16 200(0)/mV 16 0 0 0 0 V5", "b.dat 16 200(0)/mV 16 0 0 0 0 V5", "the file 'b.dat' is missing"),
    ],
)
def test_signal_that_cannot_be_decoded_refuses_only_if_it_is_chosen(tmp_path, was, becomes, expected):
    wave = np.rint(simulate(1, 4, 360).pick("II").signal[0, 0].double().numpy() * 200).astype("<i2")
    one = becomes.startswith("b.dat")  # only the first signal lies in the file
    (tmp_path / "a.dat").write_bytes((wave if one else np.stack([wave, wave], 1)).tobytes())
    line = "a.dat 16 200(0)/mV 16 0 0 0 0 V5"
    header = f"a 2 360 1440\n{line.replace('V5', 'II')}\n{line}\n"
    path = tmp_path / "a.hea"
    path.write_text(header.replace(was, becomes))
    assert expected in refusal(read, path)
    np.testing.assert_allclose(read(path, leads="II").signal[0, 0], wave / 200, atol=1e-6)
    assert expected in refusal(read, path, leads="V5")


def test_channel_at_another_rate_is_read_if_it_is_chosen():
    respiration = decode(MADE / "frames.hea", leads="II=Resp")
    assert (respiration.names, respiration.numbers, respiration.fs) == (("Resp",), (4,), 62.5)
    message = refusal(reading, MADE / "frames.hea", leads="II,V1=Resp", check=False)
    assert "channel 'Resp' has another sampling rate than the others; one rate for all leads was expected" in message


def test_part_of_segments_equals_that_of_the_whole():
    whole = decode(MADE / "interrupted.hea").values
    for start, seconds in ((0, 3), (3.5, 4), (5, 4), (8.2, 3)):
        part = reading(MADE / "interrupted.hea", start=start, seconds=seconds, gaps=True, check=False)
        at = round(start * 125)
        np.testing.assert_allclose(part.ecg.signal[0], whole[:2, at : at + part.ecg.samples], atol=1e-6)
        assert part.lasts == 12


def announced(path: Path, samples: int) -> None:
    """Make a FLAC file declare that many samples per channel."""
    content = bytearray(path.read_bytes())
    packed = int.from_bytes(content[18:26], "big") >> 36 << 36 | samples
    content[18:26] = packed.to_bytes(8, "big")
    path.write_bytes(bytes(content))


def test_invalid_flac(folder):
    header, data = folder / "frames.hea", folder / "frames_e.dat"
    whole = data.read_bytes()
    announced(data, 2**36 - 1)
    assert "'frames_e.dat' declares 68719476735 samples per signal and holds" in refusal(read, header)
    announced(data, 999)
    assert "the header declares 250 samples and the files hold 249" in refusal(read, header)
    change(header, " 250 10", " 2000 10")
    for suffix, per_frame in (("e", 4), ("p", 2), ("r", 1)):
        announced(folder / f"frames_{suffix}.dat", 2000 * per_frame)
    assert "the FLAC file 'frames_e.dat' cannot be decoded; a valid file was expected" in refusal(read, header)
    data.write_bytes(whole[:41])
    assert "the file 'frames_e.dat' is not a FLAC file" in refusal(read, header)
    data.write_bytes(b"RIFF" + whole[4:])
    assert "the file 'frames_e.dat' is not a FLAC file" in refusal(read, header)
    soundfile.write(data, np.zeros((1000, 3), np.int16), 96000, "PCM_16", format="FLAC")
    assert "'frames_e.dat' holds 3 signals of 16 bits; 2 of at most 16 were expected" in refusal(read, header)


def test_signals_of_one_flac_file_at_two_rates(folder):
    change(folder / "frames.hea", "frames_e.dat 516x4", "frames_e.dat 516x2")
    assert "the signals in 'frames_e.dat' differ in rate" in refusal(read, folder / "frames.hea")


# Metadata in headers


@pytest.mark.parametrize(
    ("lines", "age", "sex", "codes", "free"),
    [
        (["#Age: 74", "#Sex: Male", "#Dx: 164889003,59118001", "#Rx: Unknown"], 74, "M", ("164889003", "59118001"), ""),
        (["# Age: 74", "# Sex: Female", "# Dx: 426783006", "# Sx: Unknows"], 74, "F", ("426783006",), ""),
        (["#AGE:74", "##  sex :  female", "# dx: RBBB"], 74, "F", ("RBBB",), ""),
        (["#Age: NaN", "#Sex: Unknown", "#Dx: "], None, None, (), ""),
        (["#Age: 74", "# Age: 74", "#Dx: 1,2", "# Dx: 1,2"], 74, None, ("1", "2"), ""),
        (["# age: 81", "# sex: female", "# ECG date: 01/10/1990"], 81, "F", (), "ECG date: 01/10/1990"),
        (["#<age>: 51", "#<sex>: F", "#<diagnoses>:", "#Rhythm: Sinus."], 51, "F", (), "Rhythm: Sinus."),
        (["# <age>: 65 <sex>: M <diagnoses> Angina"], 65, "M", (), "Angina"),
        (["#<age>: 90+  <sex>: M  <location>: micu"], 90, "M", (), "location: micu"),
        (["# 69 M 1085 1629 x1", "# Aldomet, Inderal"], 69, "M", (), "Aldomet, Inderal"),
        (["# -1 F 1085 1629 x1"], None, "F", (), ""),
        (["#Age: 300"], 90, None, (), ""),
        (["#Dx: seen by Dr Doe, in person"], None, None, (), "dx: seen by Dr Doe, in person"),
        (["#Hx: smoker", "# ecggen: contains SYNTHETIC leads"], None, None, (), "hx: smoker"),
    ],
)
def test_comments(lines, age, sex, codes, free):
    found = said(lines)
    assert (found.age, found.sex, found.codes) == (age, sex, codes)
    assert found.personal.get("statements", "") == free


def test_published_headers():
    about = reading(SAMPLES / "Q0012.hea", personal=True).about
    assert (about.age, about.sex, about.codes) == (79, "F", ("413844008", "164867002", "426627000"))
    assert about.personal == {"recorded": "15-May-2020 15:35:30"}
    about = reading(SAMPLES / "E00001.hea").about
    assert (about.age, about.sex, about.codes, about.personal) == (None, "F", (), {})


@pytest.mark.parametrize("name", ["interrupted", "frames"])
def test_identifying_metadata_is_removed(name):
    found = decode(MADE / f"{name}.hea")
    rest = repr([found.names, found.units, found.comments, found.notes, found.about.anonymous()])
    assert not any(word in rest for word in INVENTED)
    assert {"recorded", "statements"} <= found.about.personal.keys()


# Writing


METADATA = st.builds(
    About,
    age=st.none() | st.integers(1, 89),
    sex=st.sampled_from([None, "M", "F"]),
    codes=st.lists(st.sampled_from([*SNOMED, "HVOLT", "164867002"]), max_size=4, unique=True).map(tuple),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    leads=st.lists(st.sampled_from(STANDARD_LEADS), min_size=1, max_size=12, unique=True),
    fs=st.sampled_from([100, 360, 500, 513.25]),
    samples=st.integers(1, 60),
    about=METADATA,
    seed=st.integers(0, 999),
)
def test_written_files_are_read_by_other_programs(tmp_path, leads, fs, samples, about, seed):
    signal = torch.randn(1, len(leads), samples, generator=torch.manual_seed(seed))
    made = Provenance(tuple(leads[1:]), tuple(leads[:1]), "vae 1234abcd", seed, "a line")
    ecg = ECG(signal, tuple(leads), fs, made)
    for suffix in (".hea", ".mat"):
        write(ecg, tmp_path / f"a{suffix}", about=about, overwrite=True)
        again = reading(tmp_path / "a.hea", check=False)
        assert (again.ecg.leads, again.ecg.fs, again.ecg.provenance) == (ecg.leads, fs, made)
        assert (again.ecg.signal - signal).abs().max() <= 0.5e-3 + 1e-6
        assert (again.about.age, again.about.sex, again.dropped) == (about.age, about.sex, ())
        expected = about.codes if suffix == ".hea" else sum(to_snomed(about.codes), ())
        assert again.about.codes == expected
        seen = wfdb.rdrecord(str(tmp_path / "a"))
        np.testing.assert_allclose(seen.p_signal.T, again.ecg.signal[0], atol=1e-6)
    matrix = scipy.io.loadmat(tmp_path / "a.mat")["val"]
    assert matrix.dtype == np.int16
    np.testing.assert_allclose(matrix / 1000, again.ecg.signal[0], atol=1e-6)


def test_matrix_matches_the_published_challenge_file(tmp_path):
    """Written again, the published E00001.mat keeps every byte except those of its gain."""
    ecg = read(SAMPLES / "E00001.hea")
    write(ECG(ecg.signal * 4.88, ecg.leads, ecg.fs), tmp_path / "E00001.mat")
    assert (tmp_path / "E00001.mat").read_bytes() == (SAMPLES / "E00001.mat").read_bytes()
    ours = (tmp_path / "E00001.hea").read_text().split("\n")
    published = (SAMPLES / "E00001.hea").read_text().replace("4880/mV", "1000/mV").split("\n")
    assert ours[1:13] == published[1:13]


def by_key(header: str, mark: str) -> dict[str, str]:
    """The comments as parsed by programs of the Challenges: one spelling of '#', and ': ' after the key."""
    keys = ("Age", "Sex", "Dx", "Rx", "Hx", "Sx")
    starts = [(key, line) for line in header.split("\n") for key in keys if line.startswith(f"{mark}{key}")]
    return {key: line.split(": ")[1].strip() for key, line in starts}


@pytest.mark.parametrize("mark", ["#", "# "])
def test_challenge_programs_read_the_header(tmp_path, mark):
    ecg = read(SAMPLES / "00262_hr.hea")
    write(ecg, tmp_path / "a.mat", about=About(74, "F", ("AFIB", "HVOLT", "NORM")))
    header = (tmp_path / "a.hea").read_text()
    words = [line.split(" ") for line in header.split("\n")]
    assert (int(words[0][1]), int(words[0][2]), int(words[0][3])) == (12, 500, 5000)
    assert tuple(line[-1] for line in words[1:13]) == STANDARD_LEADS
    gains = [int(line[2].split("/")[0]) for line in words[1:13]]
    baselines = [float(line[4].split("/")[0]) for line in words[1:13]]
    values = (scipy.io.loadmat(tmp_path / "a.mat")["val"] - np.c_[baselines]) / np.c_[gains]
    np.testing.assert_allclose(values, ecg.signal[0], atol=1e-6)
    metadata = by_key(header, mark)
    assert (float(metadata["Age"]), metadata["Sex"], metadata["Dx"].split(",")) == (
        74,
        "Female",
        ["164889003", "426783006"],
    )
    write(ecg, tmp_path / "b.mat")
    metadata = by_key((tmp_path / "b.hea").read_text(), mark)
    assert np.isnan(float(metadata["Age"])) and (metadata["Sex"], metadata["Dx"]) == ("Unknown", "")


def test_identifying_metadata_is_written_only_if_given(tmp_path):
    about = About(50, personal={"name": "Doe^Jane", "birth_date": "1963-02-03", "device_serial": "SN-4711"})
    for suffix in (".hea", ".mat"):
        write(simulate(1, 2), tmp_path / f"a{suffix}", about=about.anonymous(), overwrite=True)
        assert not any(word in (tmp_path / "a.hea").read_text() for word in INVENTED)
        write(simulate(1, 2), tmp_path / f"a{suffix}", about=about, overwrite=True)
        assert reading(tmp_path / "a.hea", personal=True).about.personal == about.personal
        assert reading(tmp_path / "a.hea").about.personal == {}


def test_code_cannot_break_the_line(tmp_path):
    write(simulate(1, 2), tmp_path / "a.hea", about=About(codes=("A B\n# Age: 9", "X,Y")))
    assert reading(tmp_path / "a.hea").about.age is None
    assert "# Dx: A_B_#_Age:_9,X_Y\n" in (tmp_path / "a.hea").read_text()


# SNOMED CT


def test_statements_and_snomed_codes():
    assert to_snomed(["AFIB", "HVOLT", "NORM", "SR", "59118001"]) == (
        ("164889003", "426783006", "59118001"),
        ("HVOLT",),
    )
    assert to_scp(["164889003", "59118001", "164865005", "NORM", "SR"]) == (
        ("AFIB", "CRBBB", "NORM", "SR"),
        ("164865005",),
    )
    assert all(number.isdecimal() for number in (*SNOMED.values(), *SCP))
    there_and_back = {code: SCP[number] for code, number in SNOMED.items() if SCP[number] not in ("", code)}
    general = {"ISCAL", "ISCAS", "ISCIL", "NDT", "NT_", "LOWT", "NORM"}
    assert set(there_and_back) == general, "only what has the number of something more general comes back as that"


# Corrupted files


EDIT = st.tuples(st.integers(0, 5_000), st.sampled_from(["put", "cut", "add", "end"]), st.binary(max_size=6))
FILES = sorted(path.name for path in (*MADE.glob("interrupted*"), *MADE.glob("frames*")))


@pytest.mark.parametrize("name", FILES)
def test_mutated_files(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("mutated")
    for other in FILES:
        shutil.copy(MADE / other, folder)
    whole = (MADE / name).read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(EDIT, min_size=1, max_size=3))
    @example([(207, "cut", b"\0\0")])  # frames.hea: a signal line runs into a comment's number
    def holds(edits):
        content = whole
        for where, how, what in edits:
            at = where % max(len(content), 1)
            skip = {"put": len(what), "cut": len(what) * 20, "add": 0, "end": len(content)}[how]
            content = content[:at] + (b"" if how in ("cut", "end") else what) + content[at + skip :]
        (folder / name).write_bytes(content)
        try:
            ecg = reading(folder / f"{name.partition('_')[0].partition('.')[0]}.hea", check=False, gaps=True).ecg
        except InputError as error:
            assert not any(word in str(error) for word in INVENTED)
        else:
            assert set(ecg.leads) <= set(STANDARD_LEADS)

    holds()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1e6
