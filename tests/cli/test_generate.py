"""``ecggen generate``: prompts, reproducible files for any sharding, and a table that describes the records."""

import csv
import io
import json
import sys

import numpy as np
import pytest
import torch
import wfdb
from conftest import tiny

from ecggen import InputError, cli, read, write
from ecggen.cli.jobs import generation
from ecggen.cli.jobs.generation import Job
from ecggen.conditioning.metadata_in_text import TextMetadata, metadata_in
from ecggen.conditioning.patient_prior import PatientPrior
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.core.simulate import simulate
from ecggen.data.prompts import Prompt
from ecggen.generators import checkpoint
from evaluation.scripts import sampling

SENTENCE = "atrial fibrillation, 74-year-old woman, 130 bpm"
SHORT = ("--seconds", 4, "--fs", 100, "--plot-format", "none")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two tiny checkpoints: one draws in one pass, one in steps."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("vae", "flow"):
        checkpoint.save(tiny(name), folder / name, card="---\nlicense: cc-by-4.0\n---\nMade from PTB-XL.\n")
    return folder


@pytest.fixture
def run(monkeypatch, capsys, models):
    """``ecggen generate`` in this process, with the VAE by default: (exit code, output, errors)."""

    def command(*words):
        words = words if "--model" in words else ("--model", models / "vae", *words)
        monkeypatch.setattr(sys, "argv", ["ecggen", "generate", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, " ".join(err.split())

    return command


def rows(folder, name="records.csv"):
    return list(csv.DictReader(io.StringIO((folder / name).read_text("utf-8"), newline="")))


def records(folder):
    """Bytes of the records, by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".hea", ".dat", ".npz")}


@pytest.mark.parametrize(
    ("text", "age", "sex", "rate"),
    [
        (SENTENCE, 74, "F", 130),
        ("74 yo F", 74, "F", None),
        ("74 y/o male", 74, "M", None),
        ("aged 74", 74, None, None),
        ("age: 45, sex: m", 45, "M", None),
        ("74F with AF", 74, "F", None),
        ("woman, 74, AF 130 bpm", 74, "F", 130),
        ("WOMAN", None, "F", None),
        ("74 years old gentleman", 74, "M", None),
        ("74-jährige Frau, Herzfrequenz 130", 74, "F", 130),
        ("74jähriger Mann, Frequenz 72/min", 74, "M", 72),
        ("Patientin, Alter: 74 Jahre", 74, "F", None),
        ("72-årig kvinna", 72, "F", None),
        ("rate 130", None, None, 130),
        ("heart rate of 130", None, None, 130),
        ("HR 130", None, None, 130),
        ("HR130", None, None, 130),
        ("130/min", None, None, 130),
        ("72.5 beats per minute", None, None, 72.5),
        ("QTc 480 ms at a rate of 60, PR 160", None, None, 60),
        ("atrial rate of 300 bpm, ventricular rate 150 bpm", None, None, 150),
        ("atrial flutter 150 bpm, 2:1 block", None, None, 150),
        ("60-80 bpm", None, None, 70),
        ("between 60 and 80 bpm, aged 60 to 70", 65, None, 70),
        ("EF 30, 66M, HR 55", 66, "M", 55),
        ("male 130 bpm", None, "M", 130),
        ("400-year-old man at 9999 bpm", 400, "M", 9999),  # read as stated; parse_prompt refuses it
        # no metadata
        ("", None, None, None),
        ("1st degree AV block, 2 mm ST elevation in V2", None, None, None),
        ("PR 220 ms, QT 480, QRS 90 M, 12 F waves", None, None, None),
        ("no female, not a woman", None, None, None),
        ("male and female", None, None, None),
        ("His bundle block, HRV 50, HFrEF 35%", None, None, None),
        ("man sieht einen Block; sinusrytm men extrasystoler", None, None, None),
        ("respiratory rate 16/min, sampling rate 500 Hz, target heart rate 160", None, None, None),
        ("flutter waves at 300/min, PVCs 6/min", None, None, None),
        ("over 80 years old, HR > 100 bpm", None, None, None),
        ("first infarction at age 50, 74-year-old man", None, "M", None),
        ("5-year-old infarction, 10 year history, 5 years ago", None, None, None),
        ("slowing from 150 bpm to 70 bpm", None, None, None),
        ("BP 130/80, pulse: 98%, 25 mm/s, 60 Hz, 12/2024", None, None, None),
        ("3-month-old girl", None, "F", None),
    ],
)
def test_metadata_in_a_sentence(text, age, sex, rate):
    assert metadata_in(text) == TextMetadata(age, sex, rate)


def test_decisions_are_noted():
    assert metadata_in("60-80 bpm").notes == ("heart rate 60 to 80 in the text is taken as 70",)
    assert "several ages (50, 74)" in metadata_in("MI at age 50, 74-year-old").notes[0]
    assert "is a bound" in metadata_in("over 100 bpm").notes[0]


def test_a_folder_from_a_text(run, models, tmp_path):
    out = tmp_path / "out"
    code, text, err = run("--text", SENTENCE, "-n", 2, "--out", out, "--model", models / "flow", "--seconds", 4)
    assert code == 0, err
    assert text.startswith(
        "SYNTHETIC; not for diagnosis\ngenerated: 2 records, 4 s at 500 Hz: 00000.hea … 00001.hea in "
    )
    assert 'condition: text "atrial fibrillation' in text and "age 74; sex F; heart rate 130\n" in text
    assert "heart rate: requested 130, measured " in text and "2 steps, guidance scale 1, seed 0" in text
    plots = [f"overview_{i:05d}.png" for i in range(2)]
    files = {f"{i:05d}{suffix}" for i in range(2) for suffix in (".hea", ".dat")}
    assert {path.name for path in out.iterdir()} == {*files, *plots, "records.csv", "generate.json", "README.txt"}
    assert all((out / plot).read_bytes().startswith(b"\x89PNG") for plot in plots)
    about = json.loads((out / "generate.json").read_text("utf-8"))
    assert about["complete"] and about["written"] == 2 and about["plots"] == plots and "SYNTHETIC" in about["what"]
    assert about["requested"]["prompts"][0]["heart_rate"] == 130 and about["licence"].startswith("CC BY 4.0")
    assert "not for diagnosis" in (out / "README.txt").read_text("utf-8")


def test_the_table_describes_the_records(run, models, tmp_path):
    out = tmp_path / "out"
    run("--text", SENTENCE, "-n", 2, "--out", out, "--model", models / "flow", *SHORT, "--seed", 5, "--num-steps", 3)
    listed = rows(out)
    assert list(listed[0]) == list(generation.COLUMNS) and [row["index"] for row in listed] == ["0", "1"]
    for row in listed:
        ecg = read(out / row["file"], check=False)
        assert ecg.leads == STANDARD_LEADS and ecg.fs == float(row["fs"]) and ecg.seconds == float(row["seconds"])
        origin = ecg.provenance
        assert origin.generated == STANDARD_LEADS and origin.recorded == () and origin.seed == int(row["seed"]) == 5
        assert origin.condition == f"text {row['text']}; age {row['age']}; sex {row['sex']}; heart rate 130"
        assert origin.model == f"{row['model']}, {row['num_steps']} steps, guidance scale {row['guidance_scale']}"
        measured = heart_rate(r_peaks(ecg)[0])
        assert row["heart_rate_measured"] == ("" if measured is None else f"{round(measured, 1):.10g}")
        assert row["synthetic"] == "True" and row["text"] == SENTENCE
        record = wfdb.rdrecord(str((out / row["file"]).with_suffix("")))
        assert record.p_signal.shape == (400, 12) and set(record.units) == {"mV"}
        assert any("SYNTHETIC" in comment for comment in record.comments)
        np.testing.assert_allclose(record.p_signal.T, ecg.signal[0], atol=1e-6)


@pytest.mark.parametrize(
    ("file_format", "suffix"),
    [("csv", ".csv"), ("npz", ".npz"), ("edf", ".edf"), ("aecg", ".xml"), ("challenge", ".mat")],
)
def test_other_formats_hold_the_same(file_format, suffix, run, tmp_path):
    run("--text", "sinus rhythm", "--out", tmp_path / "wfdb", *SHORT)
    assert run("--text", "sinus rhythm", "--out", tmp_path / file_format, *SHORT, "--format", file_format)[0] == 0
    one, other = (read(tmp_path / name, check=False) for name in ("wfdb/00000.hea", f"{file_format}/00000{suffix}"))
    torch.testing.assert_close(one.signal, other.signal, atol=6e-4, rtol=0)
    assert other.provenance == one.provenance


def test_files_do_not_depend_on_the_sharding(run, tmp_path, monkeypatch):
    """Identical to the byte, because blocks are generated as a whole; up to rounding with another block size."""
    monkeypatch.setattr(generation, "BLOCK", 4)
    words = ("--text", SENTENCE, "-n", 18, *SHORT, "--seed", 3)
    assert run(*words, "--out", tmp_path / "whole")[0] == 0
    for shard in ("3/3", "1/3", "2/3"):
        assert run(*words, "--out", tmp_path / "parts", "--shard", shard)[0] == 0
    whole = records(tmp_path / "whole")
    assert len(whole) == 36 and records(tmp_path / "parts") == whole
    assert len(set(whole.values())) == 36
    joined = [row for i in (1, 2, 3) for row in rows(tmp_path / "parts", f"records_{i}_of_3.csv")]
    assert joined == rows(tmp_path / "whole") and [int(row["index"]) for row in joined] == list(range(18))
    monkeypatch.setattr(generation, "BLOCK", 64)
    run(*words, "--out", tmp_path / "other")
    for name in (f"{i:05d}.hea" for i in range(18)):
        one, other = (read(tmp_path / folder / name, check=False).signal for folder in ("whole", "other"))
        torch.testing.assert_close(one, other, atol=0.0021, rtol=0)


def test_a_shard_of_a_small_job(run, tmp_path):
    words = ("-n", 2, *SHORT, "--out", tmp_path / "out")
    assert [run(*words, "--shard", f"{i}/3")[0] for i in (1, 2, 3)] == [0, 0, 0]
    assert [len(rows(tmp_path / "out", f"records_{i}_of_3.csv")) for i in (1, 2, 3)] == [0, 1, 1]
    code, _, err = run(*words, "--shard", "2/3")
    assert code == 2 and "continue with --resume" in err
    code, _, err = run(*words, "--shard", "1/4", "--seed", 1)
    assert code == 2 and "was begun with seed 0, now it is 1" in err


def test_an_interrupted_job_is_resumed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(generation, "BLOCK", 4)
    words = ("--text", SENTENCE, "-n", 10, *SHORT)
    run(*words, "--out", tmp_path / "whole")
    out, original = tmp_path / "out", generation.Folder.add

    def dying(self, index, ecg, generator, findings):
        if index == 6:
            raise KeyboardInterrupt
        original(self, index, ecg, generator, findings)

    monkeypatch.setattr(generation.Folder, "add", dying)
    assert run(*words, "--out", out)[0] == 130
    monkeypatch.setattr(generation.Folder, "add", original)
    assert not json.loads((out / "generate.json").read_text("utf-8"))["complete"] and len(rows(out)) == 6
    # What an interruption may leave: a record without its line, a partial line, a partial file, a missing record.
    (out / "00006.dat").write_bytes(b"half")
    (out / ".00007.dat.0a1b2c3d.tmp").write_bytes(b"half")
    (out / "00001.hea").unlink()
    with (out / "records.csv").open("a") as file:
        file.write("6,00006.hea,,to")
    before = (out / "00002.hea").stat().st_mtime_ns
    code, _, err = run(*words, "--out", out)
    assert code == 2 and "exists" in err
    code, _, err = run(*words[:3], 11, *SHORT, "--out", out, "--resume")
    assert code == 2 and "was begun with records 10, now it is 11" in err
    assert run(*words, "--out", out, "--resume")[0] == 0
    assert records(out) == records(tmp_path / "whole") and rows(out) == rows(tmp_path / "whole")
    assert not list(out.glob(".*")) and (out / "00002.hea").stat().st_mtime_ns == before


def test_a_job_begun_with_release_0_1_is_refused(run, tmp_path):
    run("-n", 2, *SHORT, "--out", tmp_path / "out")
    description = tmp_path / "out" / "generate.json"
    about = json.loads(description.read_text("utf-8"))
    description.write_text(json.dumps({"ecggen": "0.1.0", "model": about["model"], "asked": about["requested"]}))
    code, _, err = run("-n", 2, *SHORT, "--out", tmp_path / "out", "--resume")
    assert code == 2 and "was begun with ecggen 0.1.0; a job of this release was expected" in err


def test_overwriting_keeps_other_files(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    code, _, err = run("-n", 3, *SHORT, "--out", out)
    assert code == 2 and "exists" in err and len(list(out.iterdir())) == 1
    assert run("-n", 3, *SHORT, "--out", out, "--overwrite")[0] == 0
    assert run("-n", 1, *SHORT, "--out", out, "--overwrite", "--seed", 4)[0] == 0
    assert len(records(out)) == 2 and len(rows(out)) == 1 and (out / "mine.txt").read_text() == "precious"
    assert run(*SHORT, "--out", out, "--overwrite", "--resume")[0] == 2


def test_prompts_from_a_file(run, tmp_path):
    (tmp_path / "p.csv").write_text(
        'text,age,sex,heart_rate,n\n"AF, 130 bpm",74,F,,2\n\n=sinus rhythm,,,,\n,60,male,55.5,\n', "utf-8-sig"
    )
    code, text, err = run("--prompts", tmp_path / "p.csv", "-n", 3, *SHORT, "--out", tmp_path / "out")
    assert code == 0 and "8 records" in text, err
    listed = [(row["prompt"], row["text"], row["age"], row["sex"], row["heart_rate"]) for row in rows(tmp_path / "out")]
    assert listed == [
        *[("2", "AF, 130 bpm", "74", "F", "130")] * 2,
        *[("4", "=sinus rhythm", "", "", "")] * 3,
        *[("5", "", "60", "M", "55.5")] * 3,
    ]
    condition = read(tmp_path / "out" / "00005.hea", check=False).provenance.condition
    assert condition == "age 60; sex M; heart rate 55.5"
    summary = json.loads((tmp_path / "out" / "generate.json").read_text("utf-8"))["heart_rate"]
    assert summary["requested_median"] == 55.5, "five records have a requested heart rate: 130 twice, 55.5 three times"
    (tmp_path / "q.csv").write_text("Age;Text\n60;Sinusrhythmus, 70/min\n")
    assert run("--prompts", tmp_path / "q.csv", *SHORT, "--out", tmp_path / "q")[0] == 0
    assert rows(tmp_path / "q")[0]["heart_rate"] == "70"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"text,age\n", "holds no prompt"),
        (b"text,agee\nAF,3\n", "has the column 'agee'; some of text, age"),
        (b"age,age\n3,3\n", "the column 'age' twice"),
        (b"text,age\nAF,3\nAF,old\n", "line 3, column 'age' holds 'old'"),
        (b"text,n\nAF,2.5\n", "line 2, column 'n' holds '2.5'; a whole number"),
        (b"text,n\nAF,0\n", "line 2 of the prompts: n is 0"),
        (b"text,age\nAF,300\n", "line 2 of the prompts: age is 300; 0 to 120"),
        (b"text,sex\nAF,x\n", "line 2 of the prompts: sex is 'x'"),
        (b"age\nnan\n", "column 'age' holds 'nan'"),
        (b"text\nAF, 130 bpm\n", "line 2 has 2 cells for 1 columns; a cell for each column was expected; quote a text"),
        (b'text,age\n"AF\n', "line 2: unexpected end of data"),
        (b"text\n\xff\xfe\n", "it is not UTF-8"),
        (b"n\n600000\n600000\n", "records is 1.2e+06"),
    ],
)
def test_invalid_prompts(content, message, run, tmp_path):
    if content is not None:
        (tmp_path / "p.csv").write_bytes(content)
    code, _, err = run("--prompts", tmp_path / "p.csv", *SHORT, "--out", tmp_path / "out")
    assert code == 2 and err.startswith("error: ") and message in err, err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--text", ""), "the text is blank"),
        (("--text", " \n\t\x07"), "the text is blank"),
        (("-n", 0), "n is 0; 1 to 1,000,000"),
        (("-n", 1_000_001), "n is 1000001"),
        (("--age", -1), "age is -1; 0 to 120 was expected"),
        (("--age", 300), "age is 300"),
        (("--age", "nan"), "age is nan"),
        (("--sex", "x"), "sex is 'x'"),
        (("--heart-rate", 5), "heart rate is 5; 15 to 350"),
        (("--text", "9999 bpm"), "in the text, heart rate is 9999"),
        (("--seconds", 0), "seconds is 0 s; 2 to 3,600"),
        (("--seconds", -3), "seconds is -3"),
        (("--seconds", 3601), "seconds is 3601"),
        (("--seconds", "inf"), "seconds is inf"),
        (("--fs", 49), "fs is 49 Hz; 50 to 2,000"),
        (("--fs", 2001), "fs is 2001"),
        (("--fs", "nan"), "fs is nan"),
        (("--format", "mp3"), "the format is 'mp3'; one of wfdb, challenge, csv, npz"),
        (("--plot-format", "gif"), "the plot format is 'gif'"),
        (("--shard", "5/4"), "the shard is '5/4'"),
        (("--shard", "0/4"), "the shard is '0/4'"),
        (("--shard", "one"), "e.g. 2/4"),
        (("--num-steps", 4), "draws in one pass"),
        (("--guidance-scale", 2), "draws in one pass"),
        (("--model", "flow", "--num-steps", 0), "0 steps; 1 to 1000"),
        (("--model", "flow", "--guidance-scale", -1), "guidance scale -1; 0 to 20"),
        (("--model", "flow", "--guidance-scale", "nan"), "guidance scale nan"),
        (("--model", "nowhere"), "there is no checkpoint 'nowhere'"),
        (("--text", "AF", "--prompts", "p.csv"), "both --prompts and a prompt"),
    ],
)
def test_invalid_input_is_one_sentence_and_writes_nothing(words, message, run, models, tmp_path):
    words = [models / "flow" if word == "flow" else word for word in words]
    code, _, err = run("--out", tmp_path / "out", *words)
    assert code == 2 and err.startswith("error: ") and message in err, err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "note", "text"),
    [
        ((), "no condition was given: generation is unconditional", ""),
        (("--text", "心房颤动"), "no Latin letter or digit", "心房颤动"),
        (
            ("--text", "AF\x1b[31m \x00 fibrilla\xadtion\u202e\udcff"),
            "unprintable characters were removed",
            "AF [31m fibrillation",
        ),
        (("--text", "AF " * 1000), "has 2999 characters; the first 2000", ("AF " * 667)[:2000].strip()),
        (("--text", "sinus rhythm " * 25), "reads 48 words; the last 2 of the text", ("sinus rhythm " * 25).strip()),
        (
            ("--text", "man, HR 70", "--heart-rate", 80),
            "heart rate 80 is used; the text, which is unchanged, says 70",
            "man, HR 70",
        ),
        (
            ("--text", "man, aged 50", "--sex", "female"),
            "sex F is used; the text, which is unchanged, says M",
            None,
        ),
        (("--text", "60-80 bpm"), "heart rate 60 to 80 in the text is taken as 70", "60-80 bpm"),
        (("--text", "<b>[red]AF[/red] '; DROP TABLE"), None, "<b>[red]AF[/red] '; DROP TABLE"),
        (("--text", 'a "quoted, text"\nin two lines'), None, 'a "quoted, text" in two lines'),
    ],
    ids=range(10),
)
def test_odd_input_is_accepted_with_a_note(words, note, text, run, tmp_path):
    code, printed, err = run("--out", tmp_path / "out", *words, *SHORT, "--json")
    about = json.loads(printed)
    assert code == 0 and len(about["notes"]) >= (note is not None), err
    assert note is None or any(note in each for each in about["notes"]), about["notes"]
    (row,) = rows(tmp_path / "out")
    assert text is None or row["text"] == text
    for path in tmp_path.rglob("*"):
        if path.suffix in (".csv", ".json", ".txt", ".hea"):
            assert not any(odd in path.read_text("utf-8") for odd in ("\x1b", "\x00", "\u202e")), path


def test_sampling_from_the_patient_prior_is_noted(run, tmp_path):
    made = tiny("vae")
    made.patient_prior = PatientPrior.of(["sinus rhythm"], np.array([[70.0, 1, 60]]))
    checkpoint.save(made, tmp_path / "vae")
    prior = "findings, age, sex and heart rate are sampled from the patient prior"
    for words, here in (((), True), (("--age", 70), True), (("--text", "sinus rhythm"), False)):
        code, text, err = run("--model", tmp_path / "vae", "--out", tmp_path / str(words), *words, *SHORT, "--json")
        assert code == 0, err
        assert any(prior in note for note in json.loads(text)["notes"]) == here


def test_blocks_of_long_records_are_small():
    job = Job((Prompt(n=100),), 3600.0, 500.0, 0, "wfdb", "none")
    assert job.block == 1 and Job((Prompt(n=100),), 10.0, 500.0, 0, "wfdb", "none").block == 64
    big = Job((Prompt(n=999_990), Prompt(n=10)), 10.0, 500.0, 0, "wfdb", "none")
    parts = [big.part(f"{i}/7") for i in range(1, 8)]
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]] and parts[-1].stop == big.total
    assert all(part.start % 64 == 0 for part in parts) and big.file(7) == "000007.hea"
    assert big.plotted() == [0, 999_990] and job.plotted() == [0, 1, 2, 3]
    assert big.prompt(999_989) is big.prompts[0] and big.prompt(999_990) is big.prompts[1]


def test_the_sampling_benchmark(models, tmp_path, monkeypatch, capsys):
    """Speed and scores of both kinds of generator; an interrupted run keeps its results and does not repeat them."""
    folder, out = tmp_path / "records", tmp_path / "sampling.json"
    folder.mkdir()
    for i in range(40):
        write(simulate(1, seconds=4, seed=i), folder / f"{i}.npz")
    words = ["sampling", "--models", models / "vae", models / "flow", "--out", out, "--data", folder]
    words += ["--cache", tmp_path / "cache", "--limit", 4, "--num-draws", 2, "--num-steps", 1, 2]
    monkeypatch.setattr(sys, "argv", [*map(str, words)])
    monkeypatch.setattr(sampling, "BATCH", 2)
    calls, original = [], sampling.score_generator

    def dying(*given):
        calls.append(given)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(sampling, "score_generator", dying)
    with pytest.raises(KeyboardInterrupt):
        sampling.main()
    kept = json.loads(out.read_text())["models"]
    assert len(kept["vae"]["scores"]) == 2 and len(kept["flow"]["scores"]) == 1
    with pytest.raises(SystemExit, match="go on with --resume"):
        sampling.main()
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--resume"])
    sampling.main()
    assert len(calls) == 4 + 3 and "one pass, I given: r " in capsys.readouterr().out
    results = json.loads(out.read_text())
    vae, flow = results["models"]["vae"], results["models"]["flow"]
    assert flow["scores"][0] == kept["flow"]["scores"][0] and flow["speed"] == kept["flow"]["speed"]
    assert [(row["num_steps"], len(row["given"])) for row in flow["scores"]] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert [row["num_steps"] for row in vae["scores"]] == [None, None]
    assert all(row["n"] == 4 and -1 <= row["single_draw"]["r"] <= row["r_interval"][1] + 1 for row in flow["scores"])
    assert {name: each["evaluations_per_draw"] for name, each in flow["speed"].items()} == dict.fromkeys(
        vae["speed"], 2
    )
    assert vae["speed"]["nothing"]["evaluations_per_draw"] == 1 and vae["speed"]["lead I"]["ms_per_ecg"] > 0
    assert results["aim_ms"] == 50 and vae["cores"] and vae["commit"] is not None and vae["model"].startswith("vae@")
    with pytest.raises(InputError, match="was asked for"):
        sampling.run([], sampling.Settings(limit=5), before=results)


def test_guidance_doubles_the_evaluations(monkeypatch):
    """Guidance takes two evaluations per step; counting them leaves no hook behind."""
    monkeypatch.setattr(sampling, "BATCH", 2)
    generator = tiny("flow")
    generator = generator.with_sampling(num_steps=3, guidance_scale=2)
    found = sampling.speed(generator, runs=1)
    assert found["nothing"]["evaluations_per_draw"] == 3 and found["text and metadata"]["evaluations_per_draw"] == 6
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in generator.modules())
