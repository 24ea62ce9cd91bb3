"""The command line end to end: files in, files out, one sentence and exit code 2 for bad input."""

import json
import re
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch
import wfdb
from conftest import ROOT, SAMPLES, tiny

from ecggen import ECG, read, write
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint

WATCH = SAMPLES / "apple_watch_lead_I.csv"
TRUTH = SAMPLES / "00262_hr.hea"


@pytest.fixture
def model(tmp_path):
    return checkpoint.save(tiny("vae"), tmp_path / "models" / "tiny")


def test_reconstructing_twelve_leads_from_one(run, model, tmp_path):
    out = tmp_path / "result"
    code, text, _ = run("reconstruct", WATCH, "--model", model, "--truth", TRUTH, "--out", out, "--num-draws", 4)
    assert code == 0
    names = {path.name.removeprefix("apple_watch_lead_I") for path in out.iterdir()}
    assert names == {".hea", ".dat", ".csv", "_interval.npz", ".png", ".txt", ".json"}
    assert "recorded:  I\n" in text and "SYNTHETIC" in text and "comparison with the truth" in text
    twelve = read(out / "apple_watch_lead_I.hea")
    given = read(WATCH)
    assert twelve.leads == STANDARD_LEADS and twelve.fs == given.fs and twelve.samples == given.samples
    assert twelve.provenance.recorded == ("I",) and len(twelve.provenance.generated) == 11
    assert (twelve.pick("I").signal - given.signal).abs().max() <= 0.00051  # half a step of 1 µV
    assert twelve.law_residual().max() < 0.002


def test_a_lead_a_text_and_metadata_in_one_command(run, tmp_path):
    model = checkpoint.save(tiny("flow"), tmp_path / "models" / "flow")
    words = ["reconstruct", WATCH, "--model", model, "--out", tmp_path / "r", "--num-draws", 2, "--json"]
    words += [
        "--text",
        "sinus rhythm",
        "--age",
        51,
        "--sex",
        "F",
        "--heart-rate",
        64,
        "--num-steps",
        3,
        "--guidance-scale",
        2,
    ]
    code, text, err = run(*words)
    assert code == 0, err
    about = json.loads(text)
    assert about["condition"] == "leads I; text sinus rhythm; age 51; sex F; heart rate 64"
    assert about["model"].endswith(", 3 steps, guidance scale 2") and about["notes"] == []


def test_a_given_heart_rate_that_the_recording_contradicts_is_ignored(run, model, tmp_path):
    words = ("reconstruct", WATCH, "--model", model, "--num-draws", 2, "--age", 51)
    code, text, err = run(*words, "--heart-rate", 130, "--out", tmp_path / "given")
    assert code == 0, err
    assert "a heart rate of 130 per minute was given and 62 is measured; the measured one is used" in text
    assert "condition: leads I; age 51\n" in text
    assert "note:" not in run(*words, "--out", tmp_path / "plain")[1]
    one, other = (read(tmp_path / name / "apple_watch_lead_I.hea").signal for name in ("given", "plain"))
    assert torch.equal(one, other)


def test_foreign_software_reads_what_was_written(run, model, tmp_path):
    """The record as the wfdb package reads it: names, units, lead laws within 1 µV beyond rounding, SYNTHETIC mark."""
    run("reconstruct", WATCH, "--model", model, "--out", tmp_path / "r", "--num-draws", 2)
    record = wfdb.rdrecord(str(tmp_path / "r" / "apple_watch_lead_I"))
    assert record.sig_name == ["I", "II", "III", "aVR", "aVL", "aVF", *(f"V{i}" for i in range(1, 7))]
    assert set(record.units) == {"mV"} and record.fs == 512
    lead = dict(zip(record.sig_name, np.round(record.p_signal.T * 1000), strict=True))
    assert np.abs(lead["III"] - (lead["II"] - lead["I"])).max() <= 2
    assert np.abs(lead["aVR"] + (lead["I"] + lead["II"]) / 2).max() <= 2
    assert any("SYNTHETIC" in comment for comment in record.comments)


def test_a_masked_lead_in_the_file_has_no_effect(run, model, tmp_path):
    """Leakage test: noise in ten of twelve leads has no effect if only I and V2 are selected."""
    clean = read(SAMPLES / "00010_lr.hea").crop(0, 10)
    noisy = clean.signal + torch.randn_like(clean.signal)
    keep = [0, 7]
    noisy[:, keep] = clean.signal[:, keep]
    for name, signal in (("a", clean.signal), ("b", noisy)):
        write(ECG(signal, clean.leads, clean.fs), tmp_path / f"{name}.npz")
        code, _, err = run(
            "reconstruct",
            tmp_path / f"{name}.npz",
            "--leads",
            "I,V2",
            "--model",
            model,
            "--out",
            tmp_path / name,
            "--num-draws",
            2,
        )
        assert code == 0, err
    a, b = (np.load(tmp_path / name / f"{name}_interval.npz", allow_pickle=False) for name in "ab")
    assert np.array_equal(a["lower"], b["lower"]) and np.array_equal(a["upper"], b["upper"])
    assert (tmp_path / "a" / "a.dat").read_bytes() == (tmp_path / "b" / "b.dat").read_bytes()


def test_the_same_seed_gives_the_same_files(run, model, tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        run("reconstruct", WATCH, "--model", model, "--out", tmp_path / name, "--num-draws", 2, "--seed", seed)
    one, two, other = ((tmp_path / name / "apple_watch_lead_I.dat").read_bytes() for name in ("one", "two", "other"))
    assert one == two != other


def test_no_name_or_birth_date_is_written(run, model, tmp_path):
    assert "Jane Doe" in WATCH.read_text()
    run("reconstruct", WATCH, "--model", model, "--out", tmp_path / "r", "--num-draws", 2)
    run("convert", WATCH, tmp_path / "r" / "c.csv")
    born = re.search(r"(?im)^Date of Birth,\s*\"?(.+?)\"?\s*$", WATCH.read_text())
    assert born
    for path in (tmp_path / "r").iterdir():
        content = path.read_bytes()
        assert b"Jane" not in content and born[1].encode() not in content, path


def test_json_is_json(run, model, tmp_path):
    code, text, _ = run("reconstruct", WATCH, "--model", model, "--out", tmp_path / "r", "--num-draws", 2, "--json")
    about = json.loads(text)
    assert code == 0 and about["recorded"] == ["I"] and len(about["generated"]) == 11
    about = json.loads(run("info", TRUTH, "--json")[1])
    assert about["fs"] == 500 and about["synthetic"] == [] and about["doubts"] == []


def test_determined_leads_are_derived(run, model, tmp_path):
    code, text, _ = run(
        "reconstruct",
        SAMPLES / "00010_lr.hea",
        "--leads",
        "I,II,V2",
        "--model",
        model,
        "--out",
        tmp_path / "r",
        "--num-draws",
        2,
    )
    assert code == 0 and "derived:   III, aVR, aVL, aVF (exact" in text


def test_convert_info_plot(run, tmp_path):
    assert run("convert", TRUTH, tmp_path / "a.csv", "--resample", 100)[0] == 0
    assert read(tmp_path / "a.csv").samples == 1000
    assert run("convert", tmp_path / "a.csv", tmp_path / "a.npz", "--leads", "V1,II")[0] == 0
    assert read(tmp_path / "a.npz").leads == ("V1", "II")
    assert "no doubts" in run("info", TRUTH)[1]
    assert run("plot", TRUTH, "--out", tmp_path / "a.svg")[0] == 0
    assert (tmp_path / "a.svg").read_text().lstrip().startswith("<?xml")


def test_options_supply_what_a_file_does_not_state(run, tmp_path):
    np.savetxt(tmp_path / "bare.csv", simulate(1, fs=200).pick("II").signal[0, 0].numpy() * 1000, "%.1f")
    code, _, err = run("info", tmp_path / "bare.csv")
    assert code == 2 and "lead" in err
    code, text, err = run("info", tmp_path / "bare.csv", "--leads", "II", "--fs", 200, "--unit", "uV")
    assert code == 0 and "II; 10 s at 200 Hz" in text, err


def flat():
    signal = simulate(1).signal
    signal[:, 7] = 0.1
    return ECG(signal, STANDARD_LEADS, 100)


def swapped():
    ecg = simulate(1)
    return ECG(ecg.signal[:, [1, 0, *range(2, 12)]], STANDARD_LEADS, 100)


@pytest.mark.parametrize(
    ("make", "words", "message"),
    [
        (None, (), "there is no such file"),
        (flat, (), "lead V2 is flat at 0.1 mV"),
        (swapped, (), "would correct it; pass"),
        (lambda: simulate(1, seconds=1.5), (), "the recording lasts 1.5 s; at least 2 s were expected"),
        (lambda: simulate(1), ("--leads", "V9"), "'V9' is not a known lead"),
        (lambda: simulate(1).pick("I"), ("--leads", "V2"), "a channel is 'I' in the file and 'V2' in --leads"),
        (lambda: simulate(1), ("--fs", "-3"), "-3"),
        (lambda: simulate(1), ("--num-draws", "1"), "at least 2 draws"),
        (lambda: simulate(1), ("--sex", "x"), "sex is 'x'"),
        (lambda: simulate(1), ("--heart-rate", "5"), "heart rate is 5; 15 to 350"),
        (lambda: simulate(1), ("--num-steps", "4"), "draws in one pass"),
        (lambda: simulate(1), ("--guidance-scale", "2"), "draws in one pass"),
        (lambda: simulate(1), ("--start", "99"), "10"),
        (lambda: simulate(1), ("--model", "nowhere"), "there is no checkpoint 'nowhere'"),
        (lambda: simulate(1), ("--plot-format", "gif"), "gif"),
    ],
)
def test_invalid_input_is_one_sentence_and_writes_nothing(make, words, message, run, model, tmp_path):
    file = tmp_path / "in.npz"
    if make:
        write(make(), file)
    words = words if "--model" in words else ("--model", str(model), *words)
    code, _, err = run("reconstruct", file, "--out", tmp_path / "out", *words)
    assert code == 2 and err.startswith("error: ") and message in err
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


def test_contradicting_leads_are_accepted_with_an_option(run, model, tmp_path):
    ecg = simulate(1)
    ecg.signal[:, 2] += 0.4
    write(ecg, tmp_path / "in.npz")
    words = ("reconstruct", tmp_path / "in.npz", "--model", model, "--out", tmp_path / "out", "--num-draws", 2)
    code, _, err = run(*words)
    assert code == 2 and "lead III contradicts" in err and "mV" in err
    assert run(*words, "--allow-contradiction")[0] == 0


def test_existing_files_are_kept_without_overwrite(run, model, tmp_path):
    words = ("reconstruct", WATCH, "--model", model, "--out", tmp_path / "out", "--num-draws", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    code, _, err = run(*words)
    assert code == 2 and "out exists" in err and len(list((tmp_path / "out").iterdir())) == 1
    assert run(*words, "--overwrite")[0] == 0
    assert (tmp_path / "out" / "mine.txt").read_text() == "precious"
    assert run("convert", WATCH, tmp_path / "out" / "apple_watch_lead_I.csv")[0] == 2


@pytest.mark.parametrize(
    ("trouble", "exit_code", "message"),
    [(OSError(28, "No space left on device"), 1, "No space left on device"), (KeyboardInterrupt(), 130, "")],
    ids=["full disk", "interrupted"],
)
def test_an_interrupted_run_leaves_no_partial_result(trouble, exit_code, message, run, model, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise trouble

    monkeypatch.setattr(np, "savez_compressed", stop)
    code, _, err = run("reconstruct", WATCH, "--model", model, "--out", tmp_path / "out", "--num-draws", 2)
    assert code == exit_code and message in err
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


def test_train_then_use(run, tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    for i in range(30):
        write(simulate(1, seconds=4, seed=i), folder / f"{i}.hea")
    words = ["train", ROOT / "configs/tiny/vae.toml", "--data", folder, "--out", tmp_path / "run", "--quiet"]
    words += ["--cache", tmp_path / "cache", "--set", "training.epochs=1"]
    code, text, err = run(*words)
    assert code == 0 and "best checkpoint" in text, err
    code, _, err = run(*words)
    assert code == 2 and "continue with --resume" in err
    code, _, err = run(*words, "--resume", "--set", "training.epoch=2")
    assert code == 2 and "did you mean 'epochs'" in err
    further = [*words[:4], "--out", tmp_path / "further", *words[6:], "--from", tmp_path / "run" / "checkpoint"]
    assert run(*further, "--set", "training.lr=1e-9")[0] == 0
    one, two = (checkpoint.load(tmp_path / name / "checkpoint").state_dict() for name in ("run", "further"))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one.values(), two.values(), strict=True))
    code, _, err = run(*further[:4], "--out", tmp_path / "x", *further[6:], "--set", "preprocessing.lowpass=35")
    assert code == 2 and "the preprocessing of checkpoint" in err
    code, _, err = run(*further[:4], "--out", tmp_path / "grown", *further[6:], "--set", "model.whole=5")
    assert code == 0 and "weights are not in" in err
    words = [
        "reconstruct",
        WATCH,
        "--model",
        tmp_path / "run" / "checkpoint",
        "--out",
        tmp_path / "r",
        "--num-draws",
        2,
    ]
    assert run(*words)[0] == 0


def test_help_is_fast():
    """Measured in processor time, so that the load of the machine has no effect; it takes 0.3 s."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run([sys.executable, "-m", "ecggen", "--help"], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "reconstruct" in shown.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
