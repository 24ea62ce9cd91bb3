"""Tables as people have them: numbered columns, white space, times of all kinds, leads as rows, long files, arrays."""

from __future__ import annotations

import random
import runpy
import sys
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from conftest import ROOT

from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks
from ecggen.io import contents, read, reading, records
from ecggen.io.formats import npy
from ecggen.io.formats.csv import long_text, parts, table, times, values
from ecggen.io.formats.csv.dialect import TIME, Dialect, dialect_of
from ecggen.io.formats.csv.titles import rows_above
from ecggen.io.ppg import read_ppg

FORMATS = ROOT / "tests" / "samples" / "formats"
sys.path.insert(0, str(ROOT / "tests" / "tools"))


def refusal(action, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        action(*args, **options)
    return str(caught.value)


def leads(*names: str, seconds: float = 4, fs: float = 250, seed: int = 1) -> np.ndarray:
    """Simulated leads in mV (lead, time)."""
    return simulate(1, seconds=seconds, fs=fs, seed=seed).pick(*names).signal[0].double().numpy()


def text_file(folder: Path, text: str, name="a.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def close(ecg, expected: np.ndarray, within: float = 6e-5) -> bool:
    return ecg.signal[0].shape == expected.shape and np.abs(ecg.signal[0].numpy() - expected).max() < within


# Numbers above the columns


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("names", [("I",), ("I", "II"), ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")])
def test_numbers_that_pandas_writes_above_columns_are_no_samples(tmp_path, first, index, separator, names):
    expected = leads(*names)
    frame = pandas.DataFrame(expected.T, columns=list(range(first, first + len(names))))
    frame.to_csv(tmp_path / "a.csv", index=index, sep=separator, float_format="%.4f")
    ecg = read(tmp_path / "a.csv", fs=250, unit="mV", leads=list(names))
    assert close(ecg, expected)


def test_numbers_above_columns_of_counts_are_no_samples(tmp_path):
    counts = np.rint(200 * leads("I", "II")).astype(int) + 1024
    pandas.DataFrame(counts.T).to_csv(tmp_path / "a.csv", index=False)
    ecg = read(tmp_path / "a.csv", fs=250, leads="I,II", gain=200, baseline=1024)
    assert close(ecg, (counts - 1024) / 200)


@pytest.mark.parametrize(
    "rows",
    [
        [["0"], ["1"], ["2"], ["3"], ["4"], ["5"]],
        [["0", "1"], ["1", "1.5"], ["2", "2"], ["3", "1"]],  # a number of samples, and a lead
        [["0"], ["0.0125"], ["0.03"], ["0.05"], ["0.065"], ["0.04"]],
        [["0", "1"], ["1", "2"], ["2", "3"], ["1", "2"], ["0", "1"], ["1", "1"]],
        [["1", "0"], ["0.5000", "0.2500"], ["0.2500", "0.1250"]],
    ],
)
def test_a_first_sample_is_no_name(rows):
    assert rows_above(rows) == 0


# Separators


@pytest.mark.parametrize(
    ("lines", "dialect"),
    [
        (["I,II", "0.1,0.2"], Dialect(",")),
        (["0.1, 0.2,"], Dialect(",")),
        (["0.1;0.2"], Dialect(";", True)),
        (["0,1\t0,2"], Dialect("\t", True)),
        (["0.1 0.2"], Dialect(None)),
        (["time I", "  0,1   -0,2"], Dialect(None, True)),
        (["17:30:49.000   1e-3  nan"], Dialect(None)),
        (["one two"], Dialect(",")),
    ],
)
def test_dialects(lines, dialect):
    assert dialect_of(lines) == dialect


@pytest.mark.parametrize(
    ("form", "head"),
    [
        ("%.4f", ""),
        ("%.18e", ""),
        ("%9.4f", "I II V1"),
        ("%8.4f", None),
    ],
)
@pytest.mark.parametrize("name", ["savetxt.txt", "a.asc", "a.dat", "a"])
def test_columns_separated_by_spaces(tmp_path, form, head, name):
    expected = leads("I", "II", "V1")
    if head is None:
        text = "  I (mV)   II (mV)  V1 (mV)\n" + "".join(
            "".join(f"{mv:9.4f}" for mv in row) + "\n" for row in expected.T
        )
        text_file(tmp_path, text, name)
    else:
        np.savetxt(tmp_path / name, expected.T, form, header=head)
    options = {"fs": 250} | ({"unit": "mV"} if head is not None else {}) | ({"leads": "I,II,V1"} if head == "" else {})
    assert close(read(tmp_path / name, **options), expected)


def test_tables_of_numbers_are_found_in_folders(tmp_path):
    np.savetxt(tmp_path / "savetxt.txt", leads("I", "II").T, "%.4f")
    np.savetxt(tmp_path / "a.asc", leads("I").T, "%.4f")
    np.savetxt(tmp_path / "b.dat", leads("I").T, "%.4f")
    np.savetxt(tmp_path / "rows.tab", leads("I", "II"), "%.4f", "\t")
    np.save(tmp_path / "c.npy", leads("I", "II"))
    text_file(tmp_path, "Recorded at 250 Hz\n1. First recording\n2. Second recording\n" * 20, "README.txt")
    text_file(tmp_path, "".join(f"{number}\n" for number in range(100, 235)), "RECORDS")
    names = [path.name for path in records(tmp_path)]
    assert names == ["a.asc", "b.dat", "c.npy", "rows.tab", "savetxt.txt"]


def test_decimal_commas_in_one_column(tmp_path):
    expected = leads("II")
    text = "II (mV)\n" + "".join(f"{mv:.4f}\n" for mv in expected[0]).replace(".", ",")
    assert close(read(text_file(tmp_path, text), fs=250), expected)


@pytest.mark.parametrize("sign", ["", "-", "NA", "NaN", "null"])
def test_signs_of_missing_samples(tmp_path, sign):
    text = "time (s),I (mV)\n" + "".join(f"{at / 250},{sign if at == 70 else at % 9}\n" for at in range(600))
    there = reading(text_file(tmp_path, text), check=False, gaps=True)
    assert there.ecg.signal[0, 0].isnan().nonzero().tolist() == [[70]]


def test_separators_at_the_end_of_lines_and_names_without_the_first(tmp_path):
    rows = [f"{at},{at % 9},{at % 7}" for at in range(600)]
    ended = "I (mV),II (mV),\n" + "".join(f"{row.partition(',')[2]},\n" for row in rows)
    from_r = '"I_mV","II_mV"\n' + "".join(f'"{row.partition(",")[0]}",{row.partition(",")[2]}\n' for row in rows)
    for text in (ended, from_r):
        ecg = read(text_file(tmp_path, text), fs=250, check=False)
        assert (ecg.leads, ecg.signal[0, :, 71].tolist()) == (("I", "II"), [71 % 9, 1])


def test_text_in_a_column_refuses_only_if_the_column_is_chosen(tmp_path):
    rows = "".join(f"{at % 9},{at % 7},{'N' if at == 500 else ''}\n" for at in range(600))
    path = text_file(tmp_path, f"I (mV),II (mV),V1 (mV)\n{rows}")
    assert read(path, fs=250, leads="II,I", check=False).leads == ("II", "I")
    assert "line 502, column 3 is not a number" in refusal(read, path, fs=250, check=False)


def test_table_as_rdsamp_prints_it(tmp_path):
    head = "   Elapsed time\t   MLII\t   V5\n        (seconds)\t   (mV)\t   (mV)\n"
    rows = "".join(f"{at / 360:14.3f}\t{at % 9 / 8:7.3f}\t      -\n" for at in range(720))
    ecg = read(text_file(tmp_path, head + rows), leads="II", check=False)
    assert (ecg.leads, ecg.fs, ecg.signal[0, 0, 8].item()) == (("II",), 360, 1)


# Times


def clock(seconds: float, form: str) -> str:
    moment = datetime(2024, 3, 26, 23, 59, 58, 500_000) + timedelta(seconds=seconds)
    millis = f"{moment:%f}"[:3]
    return form.format(moment, ms=millis)


FORMS = [
    "{:%H:%M:%S}.{ms}",
    "{:%H:%M:%S},{ms}",
    "{:%H:%M:%S}:{ms}",
    "{:%I:%M:%S}.{ms} {0:%p}",
    "{:%Y-%m-%d %H:%M:%S}.{ms}",
    "{:%Y-%m-%dT%H:%M:%S}.{ms}Z",
    "{:%Y-%m-%dT%H:%M:%S}.{ms}+02:00",
    "{:%Y/%m/%d %H:%M:%S}.{ms}",
    "{:%d.%m.%Y %H:%M:%S}.{ms}",
    "[{:%H:%M:%S}.{ms} {0:%d/%m/%Y}]",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fs", [130.0, 250.0, 512.0])
def test_rate_from_times_of_day_over_midnight(tmp_path, form, fs):
    seconds = np.arange(round(4 * fs)) / fs
    rows = "".join(f"{clock(at, form.replace('{:', '{0:'))};{at % 1:.4f}\n" for at in seconds)
    there = reading(text_file(tmp_path, f"date;I (mV)\n{rows}"), check=False)
    assert (there.ecg.fs, there.ecg.samples) == (fs, len(seconds))
    assert not any("irregular" in change for change in there.changes)


@pytest.mark.parametrize("form", [FORMS[0], FORMS[4]])
def test_times_of_day_show_gaps(tmp_path, form):
    kept = np.delete(np.arange(1000), np.r_[300:400, 700])
    rows = "".join(f"{clock(at / 250, form.replace('{:', '{0:'))},{at % 9}\n" for at in kept)
    there = reading(text_file(tmp_path, f"time,I (mV)\n{rows}"), check=False, gaps=True)
    assert (there.ecg.fs, there.ecg.samples) == (250, 1000)
    assert there.ecg.signal[0, 0].isnan().nonzero()[:, 0].tolist() == [*range(300, 400), 700]
    assert "101 samples are missing according to the times" in there.changes


def test_elapsed_times_of_physiobank(tmp_path):
    expected = leads("II", "V5", fs=360)
    rows = "".join(f"'0:{at / 360:06.3f}',{a:.4f},{b:.4f}\n" for at, (a, b) in enumerate(expected.T))
    head = "'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'\n"
    there = reading(text_file(tmp_path, head + rows))
    assert (there.ecg.leads, there.ecg.fs) == (("II", "V5"), 360) and close(there.ecg, expected)


@pytest.mark.parametrize("fs", [125.0, 130.0, 256.0, 500.0])
@pytest.mark.parametrize(("per_second", "form"), [(1, "%.3f"), (1e3, "%d"), (1e6, "%d"), (1e9, "%d")])
@pytest.mark.parametrize("origin", [1711474249, 0, 3600])
def test_rate_from_epoch_and_device_times(tmp_path, fs, per_second, form, origin):
    stamps = [(origin + at / fs) * per_second for at in range(round(6 * fs))]
    rows = "".join(f"{form % stamp},{at % 9}\n" for at, stamp in enumerate(stamps))
    there = reading(text_file(tmp_path, f"timestamp,I (mV)\n{rows}"), check=False)
    assert (there.ecg.fs, there.ecg.samples) == (fs, len(stamps))


def test_epoch_times_without_a_name(tmp_path):
    rows = "".join(f"{1711474249000 + round(at * 1000 / 130)},{at % 9}\n" for at in range(600))
    assert read(text_file(tmp_path, rows), leads="I", unit="mV", check=False).fs == 130


@pytest.mark.parametrize("fs", [128, 200])
def test_times_of_packets(tmp_path, fs):
    """Every sample of a packet, or of a second, has its time; apps that number them add a hasty millisecond."""
    ten = 16 * 1000 // fs
    equal = [1000 + at // 16 * ten for at in range(20, 1000)]
    hasty = [1000 + at // 16 * ten + at % 16 for at in range(20, 1000)]
    seconds = [f"17:30:{10 + at // fs}" for at in range(50, 5 * fs)]
    for stamps in (equal, hasty, seconds):
        rows = "".join(f"{stamp},{at % 9}\n" for at, stamp in enumerate(stamps))
        there = reading(text_file(tmp_path, f"time,I (mV)\n{rows}"), check=False)
        assert (there.ecg.fs, there.ecg.samples) == (fs if 16_000 % fs == 0 else 16_000 / ten, len(stamps))


@pytest.mark.parametrize("fs", [100.0, 128.0, 360.0, 800.0])
@pytest.mark.parametrize("decimals", [3, 6])
@pytest.mark.parametrize("lost", [(), (500,), (200, 201, 202, 900)])
def test_grid_of_rounded_times_with_lost_samples(fs, decimals, lost):
    kept = np.delete(np.arange(3000), lost)
    found = times.grid(np.round(kept / fs, decimals))
    assert found is not None and times.rate(found, 1.0) == fs
    short_gap_in_coarse_times = decimals == 3 and fs == 800 and lost
    assert short_gap_in_coarse_times or (found.places == kept).all()


def test_irregular_times_have_no_grid():
    steps = np.random.default_rng(0).uniform(0, 1, 500)
    assert times.grid(steps.cumsum()) is None
    assert times.grid(np.array([0.0, 1.0, 0.5])) is None
    assert times.grid(np.array([0.0, np.nan, 1.0])) is None


def test_a_number_of_samples_is_no_time(tmp_path):
    rows = "".join(f"{at},{at % 9}\n" for at in range(600))
    assert "does not state its sampling rate" in refusal(read, text_file(tmp_path, f"time,I (mV)\n{rows}"))


@pytest.mark.parametrize("text", ["1:", "12:34:56:78:90", "a:b", "2024-13", "::", "99:99:99"])
def test_texts_that_are_no_times_give_no_exception(text):
    assert times.seconds_of([text, "2024-99-99 10:00:00", "10:00:01"]).shape == (3,)
    assert TIME.fullmatch("1711474249") is None


# Leads as rows


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("head", ["none", "numbers", "times"])
@pytest.mark.parametrize("named", [True, False])
def test_leads_as_rows(tmp_path, separator, head, named):
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    expected = leads(*names)
    firsts = {"none": [], "numbers": range(1000), "times": [f"{at / 250:.3f}" for at in range(1000)]}[head]
    rows = [[name] * named + [f"{mv:.4f}" for mv in lead] for name, lead in zip(names, expected, strict=True)]
    above = [["time" if head == "times" else "lead"] * named + list(map(str, firsts))] if len(firsts) else []
    if head == "times" and not named:
        return  # times without a name cannot be told from a lead
    path = text_file(tmp_path, "".join(separator.join(row) + "\n" for row in above + rows))
    options = ({} if named else {"leads": names}) | ({} if head == "times" else {"fs": 250})
    there = reading(path, unit="mV", **options)
    assert there.ecg.leads == names and there.ecg.fs == 250 and close(there.ecg, expected)
    assert "the table has leads as rows: it was transposed" in there.changes


def test_rows_as_pandas_writes_them(tmp_path):
    expected = leads("I", "II", "V1")
    pandas.DataFrame(expected).to_csv(tmp_path / "a.csv", float_format="%.4f")
    assert close(read(tmp_path / "a.csv", fs=250, unit="mV", leads="I,II,V1"), expected)
    pandas.DataFrame(expected, index=["I", "II", "V1"]).to_csv(tmp_path / "a.csv", float_format="%.4f")
    assert close(read(tmp_path / "a.csv", fs=250, unit="mV"), expected)


def test_faults_in_rows_of_leads_are_placed(tmp_path):
    rows = ["I," + ",".join("0.1" for _ in range(500)), "II," + ",".join("0.1" for _ in range(500))]
    wrong = text_file(tmp_path, rows[0] + "\n" + rows[1].replace("0.1", "Jane", 1) + "\n")
    message = refusal(read, wrong, fs=250, unit="mV")
    assert "line 2, column 2 is not a number" in message and "Jane" not in message
    short = text_file(tmp_path, rows[0] + "\n" + rows[1][:-4] + "\n")
    assert "line 2 has 500 cells; the first row has 501" in refusal(read, short, fs=250, unit="mV")


# Long tables


@pytest.fixture
def small(monkeypatch):
    """Limits of a thousandth, so that a small file is a long one."""
    monkeypatch.setattr(table, "MOST_TEXT", 30_000)
    monkeypatch.setattr(parts, "MOST_TEXT", 30_000)
    monkeypatch.setattr(long_text, "BLOCK", 1009)
    monkeypatch.setattr(parts, "_HEAD", 4099)
    monkeypatch.setattr(long_text, "LINE", 257)


HEADS = {
    "stated": ("# fs: 250 Hz\n# unit: mV\nI,II\n", lambda at: ""),
    "told": ("I (mV),II (mV)\n", lambda at: ""),
    "seconds": ("time (s),I (mV),II (mV)\n", lambda at: f"{at / 250:.3f},"),
    "epoch": ("timestamp,I (mV),II (mV)\n", lambda at: f"{1711474249000 + 4 * at},"),
    "clock": ("time,I (mV),II (mV)\n", lambda at: clock(at / 250, "{0:%H:%M:%S}.{ms}") + ","),
    "iso": ("time,I (mV),II (mV)\n", lambda at: clock(at / 250, "{0:%Y-%m-%d %H:%M:%S}.{ms}") + ","),
}


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize(("start", "seconds"), [(0, 2), (13.3, 2), (38, 2), (37.6, None)])
def test_part_of_a_long_table(tmp_path, small, kind, end, start, seconds):
    expected = leads("I", "II", seconds=40)
    head, stamp = HEADS[kind]
    rows = (f"{stamp(at)}{a:.4f},{b:.4f}\n" for at, (a, b) in enumerate(expected.T))
    (tmp_path / "a.csv").write_text((head + "".join(rows)).replace("\n", end), newline="")
    given = {"fs": 250} if kind == "told" else {}
    there = reading(tmp_path / "a.csv", start=start, seconds=seconds, **given)
    first = round(start * 250)
    assert there.ecg.fs == 250
    assert close(there.ecg, expected[:, first : first + 500 if seconds else None])
    assert f"cut from 40 to {there.ecg.seconds:g} s" in there.changes


def test_gaps_of_a_long_table_keep_their_place(tmp_path, small):
    kept = np.delete(np.arange(10_000), slice(5000, 5100))
    text = "time (s),I (mV)\n" + "".join(f"{at / 250:.3f},{at % 97}\n" for at in kept)
    path = text_file(tmp_path, text)
    after = read(path, start=30, seconds=2, check=False)
    assert after.signal[0, 0].tolist() == [at % 97 for at in range(7500, 8000)]
    across = reading(path, start=19.5, seconds=1.5, check=False, gaps=True).ecg
    assert across.signal[0, 0].isnan().nonzero()[:, 0].tolist() == list(range(125, 225))


def test_a_long_table_is_refused_with_the_part_to_read(tmp_path, small):
    text = "I (mV)\n" + "".join(f"{at % 9}.0000\n" for at in range(9000))
    path = text_file(tmp_path, text)
    message = refusal(read, path, fs=250)
    assert "MB of text are read at once; read a part of it: start=0, seconds=13" in message
    assert read(path, fs=250, start=0, seconds=9, check=False).samples == 2250
    assert "does not state its sampling rate; give it with fs" in refusal(read, path, start=0, seconds=2)
    assert "read less of it: start=2, seconds=13" in refusal(read, path, fs=250, start=2, seconds=20)
    assert "the recording lasts 36.000 s" in refusal(read, path, fs=250, start=35, seconds=2)


def test_part_of_a_long_ppg(tmp_path, small):
    wave = simulate_ppg(simulated_peaks(60, 72), 60, 125, np.random.default_rng(0))
    rows = "".join(f"{at / 125:.3f},{value:.4f}\n" for at, value in enumerate(wave))
    part = read_ppg(text_file(tmp_path, f"time (s),PPG\n{rows}"), start=41, seconds=8)
    np.save(tmp_path / "a.npy", np.round(wave, 4))
    assert part.fs == 125
    assert torch.allclose(part.wave, read_ppg(tmp_path / "a.npy", fs=125, channel="1", start=41, seconds=8).wave)


def test_faults_in_a_part_have_the_number_of_their_line(tmp_path, small):
    rows = [f"{at / 250:.3f},{at % 9}" for at in range(9000)]
    rows[7000] = "28.000,x"
    path = text_file(tmp_path, "\n".join(["time (s),I (mV)", *rows]) + "\n")
    assert "line 7002, column 2 is not a number" in refusal(read, path, start=27, seconds=2)
    assert read(path, start=20, seconds=2, check=False).samples == 500
    path = text_file(tmp_path, "\n".join(["I (mV)", *(row.partition(",")[2] for row in rows)]) + "\n")
    assert "line 7002, column 1 is not a number" in refusal(read, path, fs=250, start=27, seconds=2)


def test_only_the_lines_of_the_part_are_parsed(tmp_path, small, monkeypatch):
    path = text_file(tmp_path, "I (mV)\n" + "".join(f"{at % 9}\n" for at in range(60_000)))
    parsed = []
    parse = values.parse
    monkeypatch.setattr(values, "parse", lambda lines, *args: parsed.append(len(lines)) or parse(lines, *args))
    read(path, fs=250, start=200, seconds=2, check=False)
    assert max(parsed) < 2200


def test_hostile_long_tables(tmp_path, small):
    path = tmp_path / "a.csv"
    for content, expected in (
        (b"\xff\xfe" + "1\n".encode("utf-16-le") * 9000, "in UTF-16"),
        (b"1" * 40_000, "the first line is longer than"),
        (b"time (s),I (mV)\n" + b"".join(b"%d.000,1\n" % (at // 250) for at in range(9000)), ""),
        (
            b"time (s),I (mV)\n" + b"".join(b"%.3f,1\n" % (at / 250) for at in range(900)) + b"1" * 40_000,
            "is longer than",
        ),
        (b"time (s),I (mV)\n" + b"".join(b"%.3f,1\n" % (at / 250 % 3) for at in range(9000)), ""),
        (b"I (mV)\n" + b"1\n# note\n2\n" * 9000, "there are comments or blank lines"),
    ):
        path.write_bytes(content)
        try:
            read(path, fs=250, start=1, seconds=2, check=False)
        except InputError as error:
            assert expected in str(error)


# Arrays


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "i2", "i4", "u2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("along", [0, 1])
def test_arrays(tmp_path, dtype, order, along):
    expected = np.rint(1000 * leads("I", "II"))
    stored = expected + 2000 * dtype.startswith("u")
    np.save(tmp_path / "a.npy", np.asarray(stored if along else stored.T, dtype, order))
    options = {"fs": 250, "gain": 1000, "baseline": 2000 if dtype.startswith("u") else 0}
    assert close(read(tmp_path / "a.npy", leads="I,II", **options), expected / 1000)
    assert close(read(tmp_path / "a.npy", leads="II=2", **options), expected[1:] / 1000)
    part = read(tmp_path / "a.npy", leads="I,II", start=1.5, seconds=2, **options)
    assert close(part, expected[:, 375:875] / 1000)


def test_an_array_with_one_axis_and_a_batch(tmp_path):
    expected = leads("I", "II")
    np.save(tmp_path / "a.npy", expected[0])
    assert close(read(tmp_path / "a.npy", leads="I", fs=250, unit="mV"), expected[:1])
    np.save(tmp_path / "a.npy", np.stack([expected.T, 2 * expected.T]))
    assert contents(tmp_path / "a.npy") == ["1", "2"]
    assert close(read(tmp_path / "a.npy", record="2", leads="I,II", fs=250, unit="mV"), 2 * expected, 2e-4)
    assert len(read(tmp_path / "a.npy", leads="I,II", fs=250, unit="mV")) == 2


def test_arrays_that_are_no_recording(tmp_path):
    path = tmp_path / "a.npy"
    for array, expected in (
        (np.array([{"a": 1}]), "the array holds Python objects; numbers were expected"),
        (np.array(["Jane Doe"]), "the array holds str"),
        (np.zeros((3, 3, 3, 3)), "the array has shape (3, 3, 3, 3)"),
        (np.zeros((100, 100)), "its axes cannot be told apart"),
        (np.zeros((0, 12)), "the array has shape (0, 12)"),
        (np.float32(1), "the array has shape ()"),
    ):
        np.save(path, array, allow_pickle=True)
        message = refusal(read, path, fs=250, unit="mV")
        assert expected in message and "Jane" not in message
    np.save(path, leads("I", "II"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert "the array is truncated" in refusal(read, path)
    path.write_bytes(whole[:60])
    assert "the array is broken" in refusal(read, path)
    path.write_bytes(whole.replace(b"(2, 1000)", b"(-2, 1000)"[:9]))
    assert refusal(read, path)


def test_a_long_array_is_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(npy, "MOST_SAMPLES", 1000)
    np.save(tmp_path / "a.npy", leads("I", "II"))
    assert "at most 1000 are read at once" in refusal(read, tmp_path / "a.npy", leads="I,II", fs=250, unit="mV")
    ecg = read(tmp_path / "a.npy", leads="I,II", fs=250, unit="mV", start=1, seconds=2, check=False)
    assert close(ecg, leads("I", "II")[:, 250:750])


# Devices


def test_withings_archive(tmp_path):
    assert contents(FORMATS / "signal.csv") == ["1", "2"]
    assert "the file holds 2 recordings" in refusal(read, FORMATS / "signal.csv")
    for number, seed, within in (("1", 1, 6e-4), ("2", 2, 6e-5)):
        there = reading(FORMATS / "signal.csv", record=number)
        assert (there.format, there.ecg.leads, there.ecg.fs) == ("Withings' CSV", ("I",), 100)
        assert close(there.ecg, leads("I", seconds=3, fs=100, seed=seed), within)
        assert "recorded" in there.dropped and not there.about.personal
    head = (FORMATS / "signal.csv").read_text().split("\n")[0]
    sound = text_file(tmp_path, head + '\n1963-02-03,stethoscope,4000,1,3,"[1, 2]",,,\n', "signal.csv")
    assert "none of the 1 recordings in the table is an ECG" in refusal(read, sound)
    wrong = text_file(tmp_path, head + '\n1963-02-03,ecg,100,1,1,"[1, Jane]",,,\n', "signal.csv")
    message = refusal(read, wrong)
    assert "recording 1 holds a sample that is not a number" in message and "Jane" not in message


def test_withings_archive_as_it_is_sent(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(FORMATS / "signal.csv", "signal.csv")
        archive.writestr("weight.csv", "Date,Weight (kg)\n1963-02-03 07:08:09,70\n")
        archive.writestr("README.txt", "signal.csv: Your ECG signals\n")
    assert contents(tmp_path / "data.zip") == ["1", "2"]
    assert torch.equal(read(tmp_path / "data.zip", record="2").signal, read(FORMATS / "signal.csv", record="2").signal)


def test_movesense_counts(tmp_path):
    there = reading(FORMATS / "strap.csv", leads="V3")
    assert (there.format, there.ecg.fs) == ("Movesense's CSV", 125)
    assert close(there.ecg, leads("V3", fs=125, seed=3), 4e-4)
    assert any("counts of 0.38147 µV" in change for change in there.changes)
    lost = (FORMATS / "strap.csv").read_text().split("\n")
    gap = reading(text_file(tmp_path, "\n".join(lost[:100] + lost[116:])), leads="V3", check=False, gaps=True)
    assert gap.ecg.samples == 500 and int(gap.ecg.signal.isnan().sum()) == 16


def test_movesense_logger_in_millivolts(tmp_path):
    lead = leads("V3", fs=200, seed=3)[0]
    rows = "".join(f"{55478 + 5 * at},{mv:.3f}\n" for at, mv in enumerate(lead))
    text = f"Timestamp_ms,Value,Relative Time:,55.478,UTC Time:,1963-02-03 07:08:09.123\n{rows}"
    there = reading(text_file(tmp_path, text), leads="V3")
    assert (there.ecg.fs, there.dropped) == (200, ("recorded",)) and close(there.ecg, lead[None], 6e-4)


def test_another_table_with_the_names_of_movesense_states_no_unit(tmp_path):
    rows = "".join(f"{4 * at},{at % 9 / 8}\n" for at in range(600))
    path = text_file(tmp_path, f"timestamp,ecg\n1000,0\n{rows}".replace("1000,0\n", ""))
    assert "does not state its unit" in refusal(read, path, leads="V3")


# Samples


def test_samples_are_reproduced_by_their_script():
    maker = runpy.run_path(str(FORMATS / "make_tables.py"))
    names = {"signal.csv": "withings", "strap.csv": "movesense", "columns.asc": "columns", "clock.csv": "clock"}
    for name, function in {**names, "rows.csv": "rows", "array.npy": "array"}.items():
        made = maker[function]()
        assert (made if isinstance(made, bytes) else made.encode()) == (FORMATS / name).read_bytes()


# Corrupted files


@pytest.mark.parametrize("name", ["array.npy", "clock.csv", "columns.asc", "rows.csv", "signal.csv", "strap.csv"])
def test_corrupted_tables_are_read_or_refused(tmp_path, name):
    """With everything that the file does not state, so that the whole reader runs."""
    from mutations import at_random, check_sentence, corrupted

    whole = (FORMATS / name).read_bytes()
    options = {"array.npy": {"leads": "I,II"}, "strap.csv": {"leads": "V3"}}.get(name, {})
    for number in range(150):
        path = tmp_path / name
        path.write_bytes(corrupted(whole, at_random(random.Random(number).randrange(10**6))))
        for given in ({}, {"fs": 100, "unit": "mV"}):
            try:
                record = "1" if contents(path) else None
                ecg = read(path, record=record, check=False, **options, **given)
                assert torch.isfinite(ecg.signal).all()
            except InputError as error:
                check_sentence(error)
