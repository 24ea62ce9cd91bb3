"""EDF: files of sleep laboratories, parity of written files with EDFlib, and invalid headers."""

from pathlib import Path

import numpy as np
import pyedflib
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import lead_name, read, reading, write
from ecggen.io.formats.edf.reading import looks_like, parse
from ecggen.io.formats.edf.reading import read as found_in
from ecggen.io.formats.edf.writing import record_of
from ecggen.io.metadata import About
from ecggen.io.source import Source

SLEEP = Path(__file__).parents[1] / "samples" / "formats" / "sleep.edf"
MADE = Provenance(
    ("I",), ("II", "V1"), "vae 1234abcd", 7, "lead I, ventricular rate 70 – and a dash " + "long " * 60 + "end"
)
PERSONAL = ("Jane", "Doe", "1963", "4711", "Roe", "snores")
STEP = 10 / 65535
WIDE = 0.001


def refusal(action, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        action(*args, **options)
    assert not any(word in str(caught.value) for word in PERSONAL)
    return str(caught.value)


def noise(leads=("I", "II"), samples=1000, fs=500.0, scale=0.5, provenance=None) -> ECG:
    signal = scale * torch.randn(1, len(leads), samples, generator=torch.manual_seed(1))
    return ECG(signal.clamp(-32, 32), leads, fs, provenance)


def foreign(path: Path) -> tuple[np.ndarray, float, list[str], list[str]]:
    """Signals in mV, rate, labels and annotations as read by EDFlib."""
    with pyedflib.EdfReader(str(path)) as file:
        signals = np.stack([file.readSignal(row) for row in range(file.signals_in_file)])
        return signals, file.getSampleFrequency(0), file.getSignalLabels(), list(file.readAnnotations()[2])


def saved(folder: Path, content: bytes) -> Path:
    (folder / "a.edf").write_bytes(content)
    return folder / "a.edf"


def with_field(content: bytes, at: int, width: int, value) -> bytes:
    return content[:at] + str(value).encode().ljust(width) + content[at + width :]


def records_of(content: bytes) -> tuple[bytes, list[bytes]]:
    """The header of a file, and its data records."""
    header = parse(content)
    body = content[header.size :]
    return content[: header.size], [
        body[at : at + header.record_bytes] for at in range(0, len(body), header.record_bytes)
    ]


def moved(content: bytes, onsets: list[str]) -> bytes:
    """The file as EDF+D, with other start times of its records."""
    header, records = records_of(content)
    placed = []
    for record, onset in zip(records, onsets, strict=True):
        first = record.index(b"\x14\x14\0")
        start = record.rindex(b"+", 0, first)
        old = record[start : first + 3]
        new = f"+{onset}".encode() + b"\x14\x14\0"
        rest = record[start:].replace(old, new, 1)
        placed.append((record[:start] + rest)[: len(record)].ljust(len(record), b"\0"))
    return header.replace(b"EDF+C", b"EDF+D", 1) + b"".join(placed)


# A file of a sleep laboratory, written by EDFlib


def test_sleep_recording_matches_edflib():
    found = found_in(Source(SLEEP))
    signals = foreign_signals(SLEEP, 6)
    assert found.fs == 256
    assert found.units == ("uV",) * 6
    assert found.values.shape == (6, 1024)
    np.testing.assert_allclose(found.values, signals, atol=1e-9)
    truth = simulate(1, seed=1, fs=256, seconds=4).standard().pick("I", "II", "V1", "V2", "V5", "V6")
    ecg = read(SLEEP)
    assert ecg.leads == truth.leads
    assert float((ecg.signal - truth.signal).abs().max()) < 10 / 65535
    assert float(ecg.law_residual().max()) < 0.001


def foreign_signals(path: Path, count: int) -> np.ndarray:
    with pyedflib.EdfReader(str(path)) as file:
        return np.stack([file.readSignal(row) for row in range(count)])


def test_slow_channels_are_omitted_with_a_note():
    changes = " ".join(reading(SLEEP).changes)
    assert "channels at another rate, or status channels, left out: 'SaO2'" in changes
    assert "ECG V1-Ref → V1" in changes


def test_identifying_metadata_is_removed():
    found = found_in(Source(SLEEP))
    assert found.about.personal == {
        "statements": "Jane Doe snores",
        "name": "Doe Jane",
        "patient_id": "P-1963 PSG-12",
        "birth_date": "1963-02-03",
        "recorded": "2021-06-05 22:30:00",
        "people": "Roe Richard",
        "device_serial": "SN-4711",
    }
    said = reading(SLEEP)
    assert (said.about.age, said.about.sex) == (58, "F")
    assert not said.about.personal
    assert set(said.dropped) == set(found.about.personal)
    rest = repr((found.names, found.units, found.comments, found.notes, found.about.anonymous()))
    assert not any(word in rest for word in PERSONAL)


def test_all_text_of_plain_edf_is_identifying(tmp_path):
    content = SLEEP.read_bytes()
    content = with_field(with_field(content, 8, 80, "Doe, Jane 3.2.1963"), 88, 80, "by Roe with SN-4711")
    found = found_in(Source(saved(tmp_path, with_field(content, 192, 44, ""))))
    assert found.about.personal["name"] == "Doe, Jane 3.2.1963"
    assert found.about.personal["people"] == "by Roe with SN-4711"
    assert found.about.age is None


@pytest.mark.parametrize("label", ["ECG V1-Ref", "EKG V1", "ECG V1 - REF", "V1", "ecg v1"])
def test_labels(label):
    assert lead_name(label) == "V1"


# Writing, read back by EDFlib


@pytest.mark.parametrize(
    ("samples", "fs"),
    [(1000, 500.0), (1300, 512.0), (1300, 500.0), (5000, 511.7), (997, 333.3333333333333), (10007, 500.0), (1, 1.0)],
)
@pytest.mark.parametrize("leads", [("II",), STANDARD_LEADS])
def test_length_and_rate_are_kept_without_padding(tmp_path, samples, fs, leads):
    ecg = noise(leads, samples, fs, scale=0.3)
    [path] = write(ecg, tmp_path / "a.edf")
    signals, rate, labels, _ = foreign(path)
    assert signals.shape == (len(leads), samples)
    assert rate == pytest.approx(fs, rel=1e-6)
    assert labels == [f"ECG {lead}" for lead in leads]
    assert np.abs(signals - ecg.signal[0].numpy()).max() < STEP
    again = read(path, check=False)
    assert (again.fs, again.samples, again.leads) == (fs, samples, leads)
    assert float((again.signal - ecg.signal).abs().max()) < STEP


def test_prime_number_of_samples_is_padded_and_cropped(tmp_path):
    ecg = noise(("II",), 1_000_003, 500.0, scale=0.3)
    [path] = write(ecg, tmp_path / "a.edf")
    found = reading(path, check=False)
    assert found.ecg.samples == 1_000_003
    signals = foreign(path)[0]
    assert 0 < signals.shape[1] - 1_000_003 < 40
    assert np.all(signals[0, 1_000_003:] == signals[0, 1_000_002])
    assert "padding of the last record removed: cut from" in found.changes[-1]


@pytest.mark.parametrize(
    ("samples", "fs", "room", "expected"),
    [
        (5000, 500.0, 2500, (500, "1")),
        (1300, 500.0, 2500, (650, "1.3")),
        (1300, 512.0, 2500, (1300, "2.539062")),
        (10007, 500.0, 2500, (10007, "20.014")),
        (1_000_003, 500.0, 2500, (2494, "4.988")),
    ],
)
def test_records(samples, fs, room, expected):
    assert record_of(samples, fs, room) == expected


ecgs = st.builds(
    lambda leads, samples, fs, scale, seed: ECG(
        (scale * torch.randn(1, len(leads), samples, generator=torch.Generator().manual_seed(seed))).clamp(-32, 32),
        tuple(leads),
        fs,
        MADE if seed % 2 else None,
    ),
    st.lists(st.sampled_from(STANDARD_LEADS), min_size=1, max_size=12, unique=True),
    st.integers(1, 3000),
    st.one_of(st.sampled_from([100.0, 250.0, 256.0, 360.0, 500.0, 512.0, 1000.0]), st.floats(20, 2000)),
    st.floats(0.001, 20),
    st.integers(0, 1000),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(ecg=ecgs)
def test_round_trip(tmp_path, ecg):
    [path] = write(ecg, tmp_path / "a.edf", overwrite=True)
    signals, rate, _, texts = foreign(path)
    steps = np.where(ecg.signal[0].abs().amax(1).numpy() > 5, WIDE, STEP)[:, None]
    assert rate == pytest.approx(ecg.fs, rel=1e-5 * max(1, ecg.fs / ecg.samples))
    assert np.all(np.abs(signals[:, : ecg.samples] - ecg.signal[0].numpy()) < steps)
    again = read(path, check=False)
    assert (again.leads, again.fs, again.samples) == (ecg.leads, ecg.fs, ecg.samples)
    assert np.all((again.signal - ecg.signal)[0].abs().numpy() < steps)
    assert again.provenance == ecg.provenance
    assert ("ecggen: contains SYNTHETIC leads; not for diagnosis" in texts) == (ecg.provenance is not None)
    write(again, tmp_path / "b.edf", overwrite=True)
    assert (tmp_path / "b.edf").read_bytes() == path.read_bytes()


def test_flat_and_large_leads_do_not_saturate(tmp_path):
    signal = torch.zeros(1, 3, 1000)
    signal[0, 1] = torch.linspace(-32.767, 32.767, 1000)
    signal[0, 2] = 5.0
    [path] = write(ECG(signal, ("I", "II", "V1"), 500), tmp_path / "a.edf")
    signals = foreign(path)[0]
    assert np.all(signals[0] == 0)
    assert np.abs(signals[1] - signal[0, 1].numpy()).max() < WIDE
    assert np.abs(signals[2] - 5).max() < 1e-12
    signal[0, 1, 3] = 32.8
    message = refusal(write, ECG(signal, ("I", "II", "V1"), 500), tmp_path / "b.edf")
    assert "lead II reaches 32.800 mV; at most 32.767 mV were expected; write .csv or .npz" in message
    signal[0, 1, 3] = torch.nan
    assert "has gaps" in refusal(write, ECG(signal, ("I", "II", "V1"), 500), tmp_path / "b.edf")


def test_rate_that_the_header_cannot_represent(tmp_path):
    assert "the sampling rate is 1e+09 Hz" in refusal(write, noise(samples=10, fs=1e9), tmp_path / "a.edf")


def test_provenance_survives_control_characters(tmp_path):
    made = Provenance((), ("I",), "m", 3, "one\x14two\x15three\0four")
    [path] = write(ECG(torch.zeros(1, 1, 500), ("I",), 500, made), tmp_path / "a.edf")
    assert read(path, check=False).provenance.condition == "one two three four"
    assert "ecggen-condition: one two three four" in foreign(path)[3]


def test_synthetic_header_is_marked_and_has_no_patient(tmp_path):
    [path] = write(noise(("I", "II", "V1"), provenance=MADE), tmp_path / "a.edf", about=About(63, "F", ("426783006",)))
    with pyedflib.EdfReader(str(path)) as file:
        header = file.getHeader()
    assert (header["patientname"], header["patientcode"], header["birthdate"]) == ("X", "", "")
    assert header["sex"] == "Female"
    assert header["recording_additional"] == "SYNTHETIC_not_for_diagnosis"
    said = reading(path, check=False, personal=True)
    assert said.about == About(63, "F", ("426783006",))


def test_patient_is_written_if_given(tmp_path):
    personal = {"name": "Doe Jane", "patient_id": "P 1", "birth_date": "1963-02-03", "recorded": "2021-06-05 22:30:00"}
    [path] = write(noise(), tmp_path / "a.edf", about=About(58, "F", personal=personal))
    with pyedflib.EdfReader(str(path)) as file:
        assert file.getHeader()["patientname"] == "Doe Jane"
        assert file.getStartdatetime().isoformat() == "2021-06-05T22:30:00"
    said = reading(path, check=False, personal=True).about
    assert said.personal == {**personal, "patient_id": "P_1"}
    assert said.age == 58


# Invalid headers


@pytest.mark.parametrize(
    ("at", "width", "value", "expected"),
    [
        (184, 8, 99999, "the EDF header declares 7 signals and 99999 bytes"),
        (252, 4, 0, "the EDF header declares 0 signals"),
        (252, 4, 999, "the EDF header declares 999 signals"),
        (252, 4, "x", "the number of signals in the EDF header is not an integer"),
        (236, 8, 99999999, "declares 99999999 records of"),
        (236, 8, 0, "declares 0 records of"),
        (236, 8, -2, "declares -2 records of"),
        (244, 8, 0, "records of 0 s; positive numbers were expected"),
        (244, 8, "nan", "the duration of a record in the EDF header is not a number"),
        (244, 8, "1e999", "the duration of a record in the EDF header is not a number"),
        (244, 8, "1e-99", "records of 1e-99 s; positive numbers"),
        (256 + 7 * 104, 8, "5", "signal 1 of the EDF header ranges from 5 to 5, stored as"),
        (256 + 7 * 120, 8, "32767", "stored as 32767 to 32767; different values"),
        (256 + 7 * 216, 8, "0", "signal 1 of the EDF header has 0 samples per record; at least one was expected"),
        (256 + 7 * 216, 8, "99999999", "bytes and the file holds 0"),
        (256 + 7 * 104, 8, "Jane Doe", "the physical minimum of signal 1 in the EDF header is not a number"),
    ],
)
def test_invalid_headers(tmp_path, at, width, value, expected):
    content = with_field(plain(tmp_path, leads=7), at, width, value)
    message = refusal(read, saved(tmp_path, content))
    assert message.startswith("a.edf: ")
    assert expected in message


def plain(folder: Path, leads=2, samples=2000) -> bytes:
    """A file of simulated leads, 4 s in records of one second; its annotations are a further signal."""
    ecg = simulate(1, seed=2, fs=500, seconds=samples / 500).standard().pick(*STANDARD_LEADS[: leads - 1])
    [path] = write(ecg, folder / "plain.edf", overwrite=True)
    return path.read_bytes()


def test_truncated_and_longer_files(tmp_path):
    content = plain(tmp_path)
    assert "declares 4 records of" in refusal(read, saved(tmp_path, content[:-1]))
    assert "the EDF header is truncated" in refusal(read, saved(tmp_path, content[:200]))
    changes = reading(saved(tmp_path, content + b"abc")).changes
    assert "3 bytes after the last complete record were ignored" in changes


def test_records_of_an_unfinished_recording_are_counted(tmp_path):
    content = with_field(plain(tmp_path), 236, 8, -1)
    found = reading(saved(tmp_path, content[:-1]))
    assert found.ecg.samples == 1500
    assert "the recording was not finished: 3 records were counted" in found.changes


def test_gaps_of_an_interrupted_recording(tmp_path):
    content = moved(plain(tmp_path), ["5", "6", "8.5", "9.5"])
    found = found_in(Source(saved(tmp_path, content)))
    whole = found_in(Source(saved(tmp_path, plain(tmp_path)))).values
    assert found.values.shape == (1, 2750)
    assert np.isnan(found.values[0]).nonzero()[0].tolist() == list(range(1000, 1750))
    np.testing.assert_array_equal(found.values[:, :1000], whole[:, :1000])
    np.testing.assert_array_equal(found.values[:, 1750:], whole[:, 1000:])
    assert "the recording is interrupted: 1.500 s in 1 gaps hold no samples" in found.notes
    path = saved(tmp_path, content)
    assert "lead I lacks 750 of 2750 samples, the first at 2.000 s" in refusal(read, path)
    assert read(path, seconds=2).samples == 1000


def test_records_without_valid_times(tmp_path):
    content = plain(tmp_path)
    assert reading(saved(tmp_path, moved(content, ["0", "1", "2", "3"]))).ecg.samples == 2000
    assert "starts before the end of the previous one" in refusal(
        read, saved(tmp_path, moved(content, ["0", "1", "1.5", "3"]))
    )
    far = moved(content, ["0", "1", "2", "999999999"])
    assert "holds 500000000000 samples over all channels; at most 33554432 are read at once" in refusal(
        read, saved(tmp_path, far)
    )
    silent = moved(content, ["0", "1", "2", "3"]).replace(b"+2\x14\x14", b"x2\x14\x14")
    assert "record 3 has no start time" in refusal(read, saved(tmp_path, silent))


def test_bdf_has_24_bits(tmp_path):
    path = tmp_path / "a.bdf"
    truth = np.linspace(-4.9, 4.9, 1000)
    with pyedflib.EdfWriter(str(path), 1, file_type=pyedflib.FILETYPE_BDFPLUS) as file:
        limits = {"physical_min": -5, "physical_max": 5, "digital_min": -8388608, "digital_max": 8388607}
        file.setSignalHeaders([{"label": "ECG II", "dimension": "mV", "sample_frequency": 500, **limits}])
        file.writeSamples([truth])
    found = found_in(Source(path))
    assert np.abs(found.values[0] - truth).max() < 1e-6
    np.testing.assert_allclose(found.values[0], foreign(path)[0][0], atol=1e-12)


def test_inverted_physical_range(tmp_path):
    content = plain(tmp_path)
    turned = with_field(with_field(content, 256 + 2 * 104, 8, "5"), 256 + 2 * 112, 8, "-5")
    whole, back = (found_in(Source(saved(tmp_path, one))).values for one in (content, turned))
    np.testing.assert_allclose(back, -whole, atol=1e-12)


def test_only_edf_is_detected_as_edf(tmp_path):
    assert looks_like(Source(SLEEP))
    for content in (b"", b"0", b"0       ", b"0,1\n0,2\n", b"0       1\n" * 100, b"\xffBIOSEMI", bytes(300)):
        assert not looks_like(Source(saved(tmp_path, content)))


def test_annotations_only(tmp_path):
    content = plain(tmp_path).replace(b"ECG I".ljust(16), b"EDF Annotations ")
    assert "holds annotations only" in refusal(read, saved(tmp_path, content))


def test_implausible_ecggen_annotations_are_ignored(tmp_path):
    content = plain(tmp_path)
    for text in (b"ecggen-samples: 7", b"ecggen-fs: 100", b"ecggen-fs: 1e999"):
        header, (first, *rest) = records_of(content)
        first = first.rstrip(b"\0") + b"\0"
        size = len(rest[0])
        note = b"+0\x14" + text + b"\x14\0"
        grown = saved(tmp_path, grow(header, [first + note, *rest], size + 40))
        ecg = read(grown)
        assert (ecg.fs, ecg.samples) == (500, 2000)


def grow(header: bytes, records: list[bytes], size: int) -> bytes:
    """Records with more room for annotations, and a matching header."""
    count = (size - 1000) // 2
    header = with_field(header, 256 + 2 * 216 + 8, 8, count)
    return header + b"".join(record.ljust(1000 + 2 * count, b"\0")[: 1000 + 2 * count] for record in records)


def test_too_many_samples(tmp_path, monkeypatch):
    monkeypatch.setattr("ecggen.io.source.MOST_SAMPLES", 1999)
    path = saved(tmp_path, plain(tmp_path))
    message = "the recording holds 2000 samples over all channels; at most 1999 are read at once; read a segment of it"
    assert message in refusal(read, path)


def test_same_ecg_gives_same_bytes(tmp_path):
    ecg = noise(provenance=MADE, leads=("I", "II", "V1"))
    one, two = (write(ecg, tmp_path / name)[0].read_bytes() for name in ("a.edf", "b.edf"))
    assert one == two


# A channel that cannot be decoded, and channels at several rates


def sleep_study(folder: Path, change=lambda content: content) -> Path:
    """Five signals as from a sleep laboratory: EEG, Aux, ECG and Flow at 256 Hz, SaO2 at 1 Hz."""
    ecg = simulate(1, 4, 256, seed=1).pick("II").signal[0, 0].double().numpy() * 1000
    limits = {"physical_min": -5000.0, "physical_max": 5000.0, "digital_min": -32768, "digital_max": 32767}
    heads = [
        {"label": label, "dimension": "uV", "sample_frequency": 256} | limits
        for label in ("EEG C3", "Aux", "SaO2", "ECG", "Flow")
    ]
    heads[2] |= {"dimension": "%", "sample_frequency": 1}
    other = np.random.default_rng(0).normal(0, 20, (3, len(ecg)))
    signals = [other[0], other[1], np.full(4, 97.0), ecg, other[2]]
    path = folder / "study.edf"
    pyedflib.highlevel.write_edf(str(path), signals, heads, file_type=pyedflib.FILETYPE_EDF)
    path.write_bytes(change(path.read_bytes()))
    return path


FLAT = {
    "equal physical limits": lambda content: with_field(
        with_field(content, 256 + 5 * 104 + 8, 8, 0), 256 + 5 * 112 + 8, 8, 0
    ),
    "no stored range": lambda content: with_field(
        with_field(content, 256 + 5 * 120 + 8, 8, 0), 256 + 5 * 128 + 8, 8, 0
    ),
    "no numbers": lambda content: with_field(content, 256 + 5 * 104 + 8, 8, "-"),
    "falling stored range": lambda content: with_field(content, 256 + 5 * 128 + 8, 8, -32769),
}


@pytest.mark.parametrize("change", FLAT.values(), ids=FLAT)
@pytest.mark.parametrize("leads", ["-,-,-,II,-", "II=ECG", "II=4", "-,-,II,-"])
def test_bad_signal_refuses_only_if_it_is_chosen(tmp_path, change, leads):
    intact, bad = sleep_study(tmp_path), sleep_study(tmp_path, change)
    assert torch.equal(read(bad, leads=leads).signal, read(intact, leads=leads).signal)
    for chosen in ("II=Aux", "I=ECG,II=2"):
        message = refusal(read, bad, leads=chosen)
        assert "signal 2" in message and ("is not a number" in message or "ranges from" in message)


def test_channel_numbers_are_those_of_the_file(tmp_path):
    found = reading(sleep_study(tmp_path), leads="II=4", check=False)
    assert "leads renamed: ECG → II" in found.changes
    message = refusal(read, sleep_study(tmp_path))
    assert "channels 1 'EEG C3', 2 'Aux', 4 'ECG', 5 'Flow'" in message


def test_signals_at_two_rates_cannot_be_leads_of_one_record(tmp_path):
    message = refusal(read, sleep_study(tmp_path), leads="II=ECG,V1=SaO2")
    assert "channel 'SaO2' has another sampling rate than the others; one rate for all leads was expected" in message


# Segments of interrupted recordings


@pytest.mark.parametrize(("start", "seconds"), [(0, 2), (0.5, 1), (6, 2), (1, 5.5), (1, 3), (4, 2), (3, 3.2)])
def test_segment_of_an_interrupted_recording(tmp_path, start, seconds):
    path = saved(tmp_path, moved(plain(tmp_path), ["0", "1", "5.5", "7"]))
    options = {"check": False, "gaps": True}
    whole, part = reading(path, **options), reading(path, start=start, seconds=seconds, **options)
    at = round(start * 500)
    expected = whole.ecg.signal[..., at : at + round(seconds * 500)]
    np.testing.assert_array_equal(part.ecg.signal, expected)
    assert (whole.lasts, part.lasts) == (8, 8)


def test_segment_in_a_gap(tmp_path):
    path = saved(tmp_path, moved(plain(tmp_path), ["0", "1", "5.5", "7"]))
    message = refusal(read, path, start=2.5, seconds=2)
    assert "the recording is interrupted (EDF+D), and holds nothing from 2 to 5 s" in message
