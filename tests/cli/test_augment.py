"""``ecggen augment``: requested records, invalid input, full disks, interruptions and shards."""

import ast
import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch
from conftest import ROOT, SAMPLES, tiny
from trainable import RARE, training_folder

from ecggen.core import config
from ecggen.core.simulate import simulate
from ecggen.data import ptb_xl
from ecggen.data.ptb_xl import PtbXlFolder
from ecggen.data.sources import DATABASE
from ecggen.evaluators import pretrained
from ecggen.generators import checkpoint
from ecggen.io import read, reading, write
from ecggen.io import records as recordings_in
from ecggen.io.metadata import About

SUPERCLASSES_AND_AFIB = ("AFIB", "CD", "HYP", "MI", "NORM", "STTC")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A training folder, a tiny flow, a tiny VAE and a cache."""
    base = tmp_path_factory.mktemp("augment")
    training_folder(base / "real")
    for name in ("flow", "vae"):
        checkpoint.save(tiny(name), base / name, card="---\nlicense: cc-by-4.0\n---\nMade from PTB-XL.\n")
    return base


@pytest.fixture
def augment(run, folder):
    """``ecggen augment`` without a classifier, on the training folder by default."""

    def command(out, *words, data=None, model="flow"):
        data = () if data == "" else ("--data", data or folder / "real")
        common = ("--model", folder / model, "--classifier", "none", "--cache", folder / "cache", "--out", out)
        return run("augment", *data, *common, *words)

    return command


def content(folder):
    """Bytes of every file by its path in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def records(folder):
    """Bytes of the files that a loader reads."""
    return {name: data for name, data in content(folder).items() if name.startswith(("records", DATABASE, "scp", "S"))}


def listed(folder, name="augment.csv"):
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_of(folder):
    return pandas.read_csv(folder / DATABASE)


# Output


def test_records_of_the_class_are_listed_in_the_table(augment, tmp_path):
    code, text, _ = augment(tmp_path / "out", "--class", "AFIB", "-n", 9, "--json")
    assert code == 0
    about, rows, table = json.loads(text), listed(tmp_path / "out"), table_of(tmp_path / "out")
    assert about["written"] == len(rows) == len(table) == 9
    assert [int(row["ecg_id"]) for row in rows] == table.ecg_id.tolist()
    assert all(set(ast.literal_eval(codes)) == set(RARE) for codes in table.scp_codes)
    assert table.age.between(60, 90).all() or set(table.age) <= {*range(60, 91), 300}
    assert (
        about["given_up"] == 0
        and about["draws"] >= 9
        and about["complete"]
        and about["plots"] == ["overview_100000.png"]
    )
    assert about["requested"]["format"] == "ptb-xl" and about["requested"]["max_attempts"] == 8
    first = read(tmp_path / "out" / f"{table.filename_lr[0]}.hea")
    assert first.provenance is not None and len(first.provenance.generated) == 12
    assert first.provenance.seed == 0 and "SYNTHETIC" in (tmp_path / "out" / "README.txt").read_text()


def test_criteria_of_the_requested_statements_are_listed_and_warned_of(augment, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ecggen.metrics.criteria.rules.criteria_met", lambda measured: {"AFIB": np.arange(len(measured)) < 1}
    )
    monkeypatch.setattr("ecggen.metrics.criteria.rules.CODES", ("AFIB",))
    code, text, error = augment(tmp_path / "out", "--class", "AFIB", "-n", 9)
    assert code == 0 and "criterion: atrial fibrillation: 1 of 9 meet it (no P wave in most beats" in text
    assert "warning: AFIB: 1 of 9 records (11 %) meet its criterion" in error
    rows = listed(tmp_path / "out")
    assert {row["statements"] for row in rows} == {"AFIB"}
    assert [row["criteria_met"] for row in rows] == ["AFIB", *[""] * 8]
    about = json.loads((tmp_path / "out" / "augment.json").read_text())
    assert about["criteria"]["AFIB"]["requested"] == 9 and about["criteria"]["AFIB"]["met"] == 1
    assert len(about["criteria_warnings"]) == 1


def test_no_report_and_no_number_of_a_patient_is_passed_on(augment, tmp_path):
    augment(tmp_path / "out", "--class", "NORM", "-n", 5)
    for name, data in content(tmp_path / "out").items():
        assert b"ekg nr" not in data, name
    assert (table_of(tmp_path / "out").patient_id > 900_000_000).all()


def test_classes_by_wording_and_by_superclass(augment, tmp_path):
    assert augment(tmp_path / "a", "--class", "atrial fibrillation", "-n", 3)[0] == 0
    assert {row["sought"] for row in listed(tmp_path / "a")} == {"AFIB"}
    assert augment(tmp_path / "b", "--class", "mi", "--class", "HYP", "-n", 4)[0] == 0
    assert [row["sought"] for row in listed(tmp_path / "b")] == ["MI", "HYP", "MI", "HYP"]
    assert all({"IMI", "LVH"} & set(row["codes"].split()) for row in listed(tmp_path / "b"))


def test_the_challenge_format(augment, tmp_path):
    assert augment(tmp_path / "out", "--class", "AFIB", "-n", 3, "--format", "challenge")[0] == 0
    found = sorted((tmp_path / "out").glob("*.mat"))
    assert len(found) == 3 and "164889003" in reading(found[0].with_suffix(".hea")).about.codes
    assert [path.stem for path in recordings_in(tmp_path / "out")] == [path.stem for path in found], (
        "ecggen's own tables are not recordings"
    )


def test_like_varies_one_recording(augment, tmp_path, folder):
    source = folder / "real" / "records100/00000/00001_lr.hea"
    assert augment(tmp_path / "near", "--like", source, "-n", 2, "--strength", 0.05)[0] == 0
    assert augment(tmp_path / "far", "--like", source, "-n", 2, "--strength", 1)[0] == 0
    own = checkpoint.load(folder / "flow").preprocessor.ecg(read(source)).signal
    off = {
        name: float((read(tmp_path / name / f"{table_of(tmp_path / name).filename_lr[0]}.hea").signal - own).std())
        for name in ("near", "far")
    }
    assert off["near"] < off["far"]
    assert {row["like"] for row in listed(tmp_path / "near")} == {"00001_lr"}
    assert "may be recognised" in (tmp_path / "near" / "README.txt").read_text()
    assert all(set(row["codes"].split()) == set(RARE) for row in listed(tmp_path / "near"))


@pytest.mark.parametrize(("keep", "message"), [("heart", "NOT anonymous"), ("rhythm", "which identify it")])
def test_like_keeps_a_heart_or_a_rhythm(run, tmp_path, keep, message):
    words = ("--model", "vae", "--classifier", "none", "-n", 2, "--keep", keep, "--plot-format", "none")
    assert run("augment", "--like", SAMPLES / "00010_lr.hea", *words, "--out", tmp_path / "out")[0] == 0
    about = json.loads((tmp_path / "out" / "augment.json").read_text())
    assert about["requested"]["varied"] == keep
    assert message in (tmp_path / "out" / "README.txt").read_text()
    header = tmp_path / "out" / f"{table_of(tmp_path / 'out').filename_lr[0]}.hea"
    assert f"{keep} kept" in header.read_text() and "SYNTHETIC" in header.read_text()


def test_like_keeps_nothing_of_a_recording_without_beats(run, tmp_path):
    ecg = simulate(1, seconds=10, fs=100, heart_rate=60, seed=1)
    ecg.signal[..., 150:] = 0
    write(replace(ecg, provenance=None), tmp_path / "short.hea")
    words = ("--model", "vae", "--classifier", "none", "-n", 2, "--keep", "heart")
    code, _, error = run("augment", "--like", tmp_path / "short.hea", *words, "--out", tmp_path / "out")
    assert code == 2 and "at least 3 were expected to keep" in error and "leave --keep out" in error
    assert not (tmp_path / "out").exists()


def test_like_recognises_a_training_record_by_any_path(augment, tmp_path, folder, monkeypatch):
    monkeypatch.chdir(folder)
    source = folder / "real" / "records100/00000/00001_lr.dat"
    assert augment(tmp_path / "out", "--like", source, "-n", 1, data="real")[0] == 0
    assert all(set(row["codes"].split()) == set(RARE) for row in listed(tmp_path / "out"))


def test_like_refuses_a_recording_shorter_than_the_window(augment, tmp_path):
    write(replace(simulate(1, seconds=3, seed=1), provenance=None), tmp_path / "short.hea")
    code, _, error = augment(tmp_path / "out", "--like", tmp_path / "short.hea", "-n", 2, data="")
    assert code == 2 and "lasts 3.0 s; at least 4 s were expected" in error
    assert not (tmp_path / "out").exists()


def test_like_accepts_a_recording_in_any_format(augment, tmp_path):
    code, _, error = augment(tmp_path / "out", "--like", SAMPLES / "00010_lr.hea", "-n", 2, data="")
    assert code == 0, error
    assert len(table_of(tmp_path / "out")) == 2


# Invalid input


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--class", "AFIBB"), "did you mean AFIB"),
        (("--class", "atrial fibrilation"), "AFIB"),
        (("--class", "Ω" * 5000), "there is no class"),
        (("--class", ""), "there is no class"),
        (("--class", "PSVT"), "none of"),
        (("--class", "AFIB", "-n", 0), "n is 0; 1 to 1,000,000 records were expected"),
        (("--class", "AFIB", "-n", -3), "n is -3"),
        (("--class", "AFIB", "-n", 10**9), "n is 1000000000"),
        (("--class", "AFIB", "--balance", "statements"), "--class and --balance were given"),
        ((), "nothing was requested"),
        (("--balance", "superclass"), "superclasses, subclasses, statements"),
        (("--class", "AFIB", "--folds", "eight"), "the folds are 'eight'"),
        (("--class", "AFIB", "--folds", "0"), "the folds are '0'"),
        (("--class", "AFIB", "--folds", "77"), "no record"),
        (("--class", "AFIB", "--format", "edf"), "one of ptb-xl, challenge was expected"),
        (("--class", "AFIB", "--shard", "4/3"), "4/3"),
        (("--class", "AFIB", "--max-attempts", 0), "max_attempts is 0"),
        (("--class", "AFIB", "--num-steps", 0), "0 steps"),
        (("--like", "nowhere.hea"), "nowhere.hea"),
        (("--class", "AFIB", "--keep", "heart"), "--like or --vary was expected"),
        (("--class", "AFIB", "--vary", "--keep", "soul"), "one of heart, rhythm, both"),
        (("--class", "AFIB", "--vary", "--keep", "heart", "--strength", 0.5), "without a strength"),
        (("--class", "AFIB", "--vary", "--keep", "heart"), "no heart-first model"),
    ],
)
def test_invalid_requests_are_refused_before_anything_is_written(augment, tmp_path, words, message):
    words = words if "-n" in words else (*words, "-n", 2)
    code, _, error = augment(tmp_path / "out", *words)
    assert code != 0 and message in error and "Traceback" not in error
    assert len(error) < 1500
    assert not (tmp_path / "out").exists()


def test_a_class_without_training_records_is_refused(augment, tmp_path):
    code, _, error = augment(tmp_path / "out", "--class", "WPW", "-n", 5)
    assert code == 2 and "none of 32 training records shows WPW" in error and "--text" in error
    assert not (tmp_path / "out").exists()


def test_a_class_outside_the_selected_folds_is_refused(augment, tmp_path):
    code, _, error = augment(tmp_path / "out", "--class", "AFIB", "-n", 2, "--folds", "5")
    assert code == 2 and "shows AFIB" in error


def test_strength_outside_of_0_to_1_is_refused(augment, tmp_path, folder):
    source = folder / "real" / "records100/00000/00001_lr.hea"
    for strength in (-1, 1.5, "nan"):
        code, _, error = augment(tmp_path / "out", "--like", source, "-n", 2, "--strength", strength)
        assert code == 2 and "strength" in error, error
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.rglob("*.dat"))


def test_a_generator_that_cannot_vary_is_refused(augment, tmp_path, folder):
    source = folder / "real" / "records100/00000/00001_lr.hea"
    code, _, error = augment(tmp_path / "out", "--like", source, "-n", 2, model="vae")
    assert code == 2 and "Traceback" not in error and "flow" in error


# Invalid folders


def modified(folder, change):
    """A training folder with a modified table."""
    training_folder(folder, 12)
    lines = (folder / DATABASE).read_text().splitlines()
    (folder / DATABASE).write_text("\n".join(change(lines)) + "\n")
    return folder


def without(*columns):
    def change(lines):
        rows = list(csv.DictReader(lines))
        kept = [name for name in rows[0] if name not in columns]
        return [",".join(kept), *(",".join(f'"{row[name]}"' for name in kept) for row in rows)]

    return change


@pytest.mark.parametrize("column", ["ecg_id", "patient_id", "age", "strat_fold", "filename_lr", "scp_codes"])
def test_missing_columns_are_named(augment, tmp_path, column):
    data = modified(tmp_path / "data", without(column))
    code, _, error = augment(tmp_path / "out", "--class", "AFIB", "-n", 2, data=data)
    assert code == 2 and column in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "cell",
    ["{'AFIB': 100.0", "AFIB", "['AFIB']", "__import__('os').system('touch bad')", "{'AFIB': 100.0}, 3", "{AFIB: 1}"],
)
def test_invalid_statements_are_reported_with_their_line(augment, tmp_path, monkeypatch, cell):
    monkeypatch.chdir(tmp_path)
    data = modified(tmp_path / "data", lambda lines: changed(lines, 1, {"scp_codes": cell}))
    code, _, error = augment(tmp_path / "out", "--class", "IMI", "-n", 2, data=data)
    assert code == 2 and "line 3" in error and "scp_codes" in error and "Traceback" not in error
    assert not (tmp_path / "out").exists() and not (tmp_path / "bad").exists()


@pytest.mark.parametrize("cell", ["", "{}", "{ 'LVH' : 0.0 ,'SR':1e2, }"])
def test_records_without_statements_and_spaces_are_accepted(augment, tmp_path, cell):
    data = modified(tmp_path / "data", lambda lines: changed(lines, 1, {"scp_codes": cell}))
    assert augment(tmp_path / "out", "--class", "IMI", "-n", 2, data=data)[0] == 0
    code, text, _ = augment(tmp_path / "more", "--class", "LVH", "-n", 2, data=data)
    assert code == 0 and f"{3 + ('LVH' in cell)} training records show LVH" in text


def changed(lines, at, cells):
    """The table with modified cells in row ``at``."""
    rows = list(csv.DictReader(lines))
    rows[at] |= cells
    return [",".join(rows[0]), *(",".join(f'"{value}"' for value in row.values()) for row in rows)]


@pytest.mark.parametrize(
    "cells",
    [
        {"age": "old"},
        {"sex": "7"},
        {"strat_fold": "x"},
        {"strat_fold": ""},
        {"filename_lr": "/etc/passwd"},
        {"filename_lr": "../../other"},
        {"ecg_id": "one"},
    ],
)
def test_an_invalid_row_is_reported_with_its_line(augment, tmp_path, cells):
    data = modified(tmp_path / "data", lambda lines: changed(lines, 2, cells))
    code, _, error = augment(tmp_path / "out", "--class", "AFIB", "-n", 2, data=data)
    assert code == 2 and "line 4" in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_missing_records_are_reported_and_left_out(augment, tmp_path):
    data = training_folder(tmp_path / "data")
    (data / "records100/00000/00001_lr.dat").unlink()  # shows AFIB
    (data / "records100/00000/00006_lr.hea").unlink()  # shows AFIB
    code, text, _ = augment(tmp_path / "out", "--class", "AFIB", "-n", 6, data=data)
    assert code == 0 and "00001 was left out" in text and "00006 was left out" in text
    assert {row["like"] for row in listed(tmp_path / "out")} <= {"00011", "00016", "00021", "00026", "00031"}
    for path in data.rglob("*.hea"):
        path.unlink()
    code, _, error = augment(tmp_path / "none", "--class", "AFIB", "-n", 6, data=data)
    assert code == 2 and "can be used" in error and not (tmp_path / "none").exists()


def test_a_folder_that_is_no_training_set_is_refused(augment, tmp_path):
    assert "is not a folder" in augment(tmp_path / "out", "--class", "AFIB", "-n", 2, data=tmp_path / "nowhere")[2]
    (tmp_path / "empty").mkdir()
    assert (
        "no recording was found in" in augment(tmp_path / "out", "--class", "AFIB", "-n", 2, data=tmp_path / "empty")[2]
    )
    (tmp_path / "empty" / DATABASE).write_text("")
    code, _, error = augment(tmp_path / "out", "--class", "AFIB", "-n", 2, data=tmp_path / "empty")
    assert code == 2 and DATABASE in error
    code, _, error = augment(tmp_path / "out", "--class", "AFIB", "-n", 2, data="")
    assert code == 2 and "--class was given without --data" in error


def test_an_existing_folder_is_unchanged(augment, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    code, _, error = augment(out, "--class", "AFIB", "-n", 2)
    assert code == 2 and "exists; a new folder was expected; choose another" in error
    assert content(out) == {"mine.txt": b"mine"}
    (tmp_path / "file").write_text("")
    assert "exists" in augment(tmp_path / "file", "--class", "AFIB", "-n", 2)[2]
    assert augment(tmp_path / "done", "--class", "AFIB", "-n", 2)[0] == 0
    before = content(tmp_path / "done")
    assert "continue with --resume" in augment(tmp_path / "done", "--class", "AFIB", "-n", 2)[2]
    for other in (("-n", 3), ("-n", 2, "--seed", 1), ("-n", 2, "--num-steps", 1), ("-n", 2, "--max-attempts", 3)):
        code, _, error = augment(tmp_path / "done", "--class", "AFIB", *other, "--resume")
        assert code == 2 and "the same job was expected" in error, other
    assert content(tmp_path / "done") == before


def test_another_class_or_other_data_is_another_job(augment, tmp_path):
    out = tmp_path / "out"
    assert augment(out, "--class", "AFIB", "-n", 2)[0] == 0
    for other in (("--class", "IMI"), ("--class", "AFIB", "--folds", "1,2"), ("--balance", "superclasses")):
        code, _, error = augment(out, *other, "-n", 2, "--resume")
        assert code == 2 and "the same job was expected" in error, other


def test_the_training_folder_is_not_written_into(augment, tmp_path):
    data = training_folder(tmp_path / "data", 12)
    before = content(data)
    code, _, error = augment(data, "--class", "AFIB", "-n", 2, data=data)
    assert code == 2 and "exists" in error
    assert content(data) == before


# Interruptions


def test_a_full_disk_is_reported_and_the_job_can_be_resumed(augment, tmp_path, monkeypatch):
    words = ("--class", "AFIB", "-n", 8)
    augment(tmp_path / "whole", *words)
    place, calls = ptb_xl.place, []

    def full(contents):
        calls.append(contents)
        if len(calls) > 5:  # the statements, the table, then three records
            raise OSError(errno.ENOSPC, "No space left on device")
        place(contents)

    with monkeypatch.context() as patch:
        patch.setattr(ptb_xl, "place", full)
        code, _, error = augment(tmp_path / "out", *words)
    assert code == 1 and "No space left on device" in error and "Traceback" not in error
    assert len(table_of(tmp_path / "out")) == 3 and len(list((tmp_path / "out").rglob("*.dat"))) == 3
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert augment(tmp_path / "out", *words, "--resume")[0] == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_full_disk_at_the_start_is_reported(augment, tmp_path, monkeypatch):
    def full(contents):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ecggen.io.files.place", full)
    monkeypatch.setattr(ptb_xl, "place", full)
    code, _, error = augment(tmp_path / "out", "--class", "AFIB", "-n", 2)
    assert code == 1 and "No space left on device" in error and "Traceback" not in error


@pytest.mark.parametrize("damage", ["row", "half a row", "line", "half a line", "samples", "header", "description"])
def test_damaged_files_are_written_again(augment, tmp_path, damage):
    words = ("--class", "AFIB", "-n", 5)
    augment(tmp_path / "out", *words)
    whole, out = content(tmp_path / "out"), tmp_path / "out"
    if damage == "samples":
        next(out.rglob("*_lr.dat")).write_bytes(b"")
    elif damage == "header":
        next(out.rglob("*_lr.hea")).unlink()
    elif damage == "description":
        about = json.loads((out / "augment.json").read_text())
        (out / "augment.json").write_text(json.dumps({key: about[key] for key in ("model", "requested")}))
    else:
        file = out / (DATABASE if "row" in damage else "augment.csv")
        text = file.read_bytes()
        last = text.rstrip(b"\n").rindex(b"\n") + 1
        file.write_bytes(text[: last + (20 if "half" in damage else 0)])
    code, _, error = augment(out, *words, "--resume")
    assert code == 0, error
    assert content(out) == whole


def test_a_killed_job_is_resumed_to_identical_files(augment, tmp_path, folder):
    words = ("--class", "AFIB", "-n", 200)
    assert augment(tmp_path / "whole", *words, model="vae")[0] == 0
    out = tmp_path / "out"
    common = ("--data", folder / "real", "--model", folder / "vae", "--classifier", "none", "--cache", folder / "cache")
    command = [sys.executable, "-m", "ecggen", "augment", *common, "--out", out, *words]
    with subprocess.Popen(
        list(map(str, command)), env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and len(list(out.rglob("*.dat"))) < 20:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert len(list(out.rglob("*.dat"))) >= 20
    (out / "records100" / "100000" / ".100003_lr.dat.0a1b2c3d.tmp").write_bytes(b"half")
    (out / ".augment.json.0a1b2c3d.tmp").write_bytes(b"half")
    assert augment(out, *words, "--resume", model="vae")[0] == 0
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.parametrize("n", [7, 200])
def test_shards_give_the_same_folder(augment, tmp_path, n):
    words = ("--class", "AFIB", "-n", n)
    assert augment(tmp_path / "whole", *words, model="vae")[0] == 0
    for part in (2, 3, 1):
        code, _, error = augment(tmp_path / "parts", *words, "--shard", f"{part}/3", model="vae")
        assert code == 0, error
    whole, parts = records(tmp_path / "whole"), records(tmp_path / "parts")
    assert {name: data for name, data in parts.items() if name in whole} == whole
    rows = [row for part in (1, 2, 3) for row in listed(tmp_path / "parts", f"augment_{part}_of_3.csv")]
    assert rows == listed(tmp_path / "whole")


def test_a_record_of_a_larger_job_is_the_same(augment, tmp_path):
    assert augment(tmp_path / "few", "--class", "AFIB", "-n", 64, model="vae")[0] == 0
    assert augment(tmp_path / "many", "--class", "AFIB", "-n", 100, model="vae")[0] == 0
    few, many = records(tmp_path / "few"), records(tmp_path / "many")
    assert all(many[name] == data for name, data in few.items() if name.endswith((".dat", ".hea")))


def test_another_seed_draws_other_records(augment, tmp_path):
    for name, words in (("one", ()), ("same", ()), ("other", ("--seed", 1))):
        augment(tmp_path / name, "--class", "AFIB", "-n", 3, *words)
    one, same, other = (records(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert not {data for name, data in one.items() if name.endswith("dat")} & {*other.values()}


def test_numbers_stay_above_those_of_any_training_set(augment, tmp_path):
    data = PtbXlFolder(tmp_path / "data")
    for at in range(12):
        ecg = replace(simulate(1, seconds=4, seed=at), provenance=None)
        patient = str(950_000_000 + at)
        data.add(ecg, About(50, "F", ("AFIB",), "", patient, 1), number=100_000 + at)
    assert augment(tmp_path / "out", "--class", "AFIB", "-n", 2, data=tmp_path / "data")[0] == 0
    table = table_of(tmp_path / "out")
    assert (table.ecg_id > 100_011).all() and (table.patient_id > 950_000_011).all()


def test_invalid_draws_are_counted(augment, tmp_path, folder):
    loud = tiny("vae")
    with torch.no_grad():
        for parameter in loud.parameters():
            parameter.mul_(8)
    checkpoint.save(loud, folder / "loud")
    code, text, _ = augment(tmp_path / "out", "--class", "AFIB", "-n", 3, "--max-attempts", 2, "--json", model="loud")
    about = json.loads(text)
    assert code == 0 or about["written"] == 0
    assert about["draws"] == about["written"] + sum(about["refused"].values())
    assert about["written"] + about["given_up"] == 3


def test_a_folder_for_loaders_is_read_by_ecggen_too(augment, tmp_path, run):
    augment(tmp_path / "out", "--class", "AFIB", "-n", 2)
    first = sorted((tmp_path / "out").rglob("*.hea"))[0]
    write(read(first), tmp_path / "copy.npz")
    assert (tmp_path / "copy.npz").is_file()


def test_draws_that_the_classifier_refuses_are_counted_and_given_up(augment, run, folder, tmp_path):
    """An untrained classifier refuses many draws; the table, the summary and the records agree."""
    long = tiny("flow")
    long.preprocessor = replace(long.preprocessor, seconds=8)
    checkpoint.save(long, folder / "long")
    values = config.read_toml(ROOT / "configs/tiny/classifier.toml")
    torch.manual_seed(0)
    pretrained.save(pretrained.new(values["evaluator"], values["model"], "classifier").eval(), folder / "classifier")
    data = training_folder(tmp_path / "data", 120, seconds=8)
    words = ("--class", "AFIB", "-n", 12, "--quantile", 0.3, "--max-attempts", 3, "--model", folder / "long", "--json")
    common = ("--data", data, "--classifier", folder / "classifier", "--cache", folder / "cache")
    code, text, _ = run("augment", *common, *words, "--out", tmp_path / "out")
    assert code == 0
    about, rows, table = json.loads(text), listed(tmp_path / "out"), table_of(tmp_path / "out")
    why = [reason for row in rows for reason in row["refused"].split(" | ") if reason]
    assert about["written"] == len(table) and about["written"] + about["given_up"] == len(rows) == 12
    assert about["draws"] == sum(int(row["attempts"]) for row in rows) == about["written"] + len(why)
    assert about["refused"] == {reason: why.count(reason) for reason in about["refused"]} and why
    assert set(why) <= {
        "invalid",
        "no beats",
        *(f"{word} {name}" for word in ("not", "like") for name in SUPERCLASSES_AND_AFIB),
    }
    assert "AFIB" in about["limits"] and about["requested"]["classifier"].startswith("classifier@")
    for row in rows:
        assert bool(row["ecg_id"]) == (len(row["refused"].split(" | ")) < 3 or not row["refused"])
        assert not row["ecg_id"] or float(row["probability"]) >= about["limits"]["AFIB"][0] - 1e-3
    free = run("augment", *common, *words, "--quantile", 0, "--out", tmp_path / "free")
    assert json.loads(free[1])["refused"] == {}
