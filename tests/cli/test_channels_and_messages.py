"""Options for channels and counts, and messages that name options which work when typed."""

import json
import re
import shlex

import numpy as np
import pytest
import torch
from conftest import SAMPLES, tiny

from ecggen import ECG, read, write
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint

HEART = simulate(1, seconds=4, fs=200, seed=5)


def table(path, names, columns, top=("# fs: 200 Hz", "# unit: mV")):
    rows = [",".join(f"{value:.6g}" for value in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([*top, *([",".join(names)] if names else []), *rows]) + "\n")
    return path


def lead(name):
    return HEART.pick(name).signal[0, 0].double().numpy()


@pytest.fixture
def sleep(tmp_path):
    """A sleep recording: a respiration, an ECG whose lead is not named, and an EEG."""
    noise = np.random.default_rng(0).normal(0, 0.02, (2, HEART.samples))
    return table(tmp_path / "sleep.csv", ("EEG C3", "ECG", "EEG C4"), (noise[0], lead("II"), noise[1]))


@pytest.fixture
def model(tmp_path):
    return checkpoint.save(tiny("vae"), tmp_path / "models" / "tiny")


def advised(message):
    """The option with its value that the last part of a message names, as words."""
    return shlex.split(re.findall(r"--\w[-\w]*[ =](?:'[^']*'|\S+)", message.rsplit("; ", 1)[1])[0])


def test_every_command_takes_channels_by_name_and_number(run, sleep, model, tmp_path):
    true = table(tmp_path / "true.csv", ("EEG C3", "ECG"), (lead("I"), lead("V1")))
    for number, leads in enumerate(("II=ECG", "II=2")):
        assert run("info", sleep, "--leads", leads)[0] == 0
        assert run("plot", sleep, "--leads", leads, "--out", tmp_path / f"{number}.png")[0] == 0
        assert run("convert", sleep, tmp_path / f"{number}.csv", "--leads", leads)[0] == 0
        assert np.abs(read(tmp_path / f"{number}.csv").signal[0, 0].numpy() - lead("II")).max() < 1e-5
        words = ("--model", model, "--num-draws", 2, "--out", tmp_path / f"out{number}")
        code, text, err = run(
            "reconstruct", sleep, "--leads", leads, *words, "--truth", true, "--truth-leads", "V1=ECG"
        )
        assert not err and code == 0 and "recorded:  II\n" in text and "comparison with the truth" in text


def test_the_message_of_a_file_without_lead_names_works_when_typed(run, sleep):
    code, out, err = run("info", sleep)
    assert code == 2 and err.endswith("say which lead it is, e.g. --leads I")
    assert "channel 2: ECG, mV" in out and "3 channels; 4 s at 200 Hz" in out
    assert run("info", sleep, *advised(err))[0] == 0


def test_info_lists_the_channels_as_json_as_well(run, sleep):
    code, out, _ = run("info", sleep, "--json")
    about = json.loads(out)
    assert code == 2 and about["fs"] == 200 and about["seconds"] == 4
    assert about["channels"][1] == {"number": 2, "name": "ECG", "unit": "mV", "lead": None}


@pytest.mark.parametrize("name", ["ECG", "EKG", "ch1", "signal", "value"])
def test_a_file_with_one_ecg_asks_for_its_lead(run, tmp_path, name):
    path = table(tmp_path / "a.csv", ("time", name), (np.arange(HEART.samples) / 200, lead("I")), ("# unit: mV",))
    code, _, err = run("info", path)
    assert code == 2 and err.endswith("say which lead it is, e.g. --leads I")
    code, out, _ = run("info", path, *advised(err))
    assert code == 0 and "CSV; I; 4 s at 200 Hz" in out


def test_counts_are_read_by_every_command_that_reads_a_recording(run, model, tmp_path):
    counts = np.rint(lead("II") * 200) + 1024
    path = table(tmp_path / "100.csv", ("MLII",), (counts,), ())
    words = ("--fs", 200, "--gain", 200, "--baseline", 1024)
    code, out, _ = run("info", path, *words)
    assert code == 0 and "change: counts → mV: 200 per mV, 1024 at 0 mV" in out
    assert run("convert", path, tmp_path / "new.csv", *words)[0] == 0
    assert np.abs(read(tmp_path / "new.csv").signal[0, 0].numpy() - lead("II")).max() < 0.003
    assert run("reconstruct", path, *words, "--model", model, "--num-draws", 2, "--out", tmp_path / "out")[0] == 0


def test_missing_values_are_asked_for_by_option(run, tmp_path):
    path = table(tmp_path / "a.csv", ("II",), (lead("II"),), ())
    assert run("info", path)[2].endswith("the file does not state its sampling rate; give it with --fs")
    err = run("info", path, "--fs", 200)[2]
    assert err.endswith("the file does not state its unit; give it with --unit, or the counts per mV with --gain")
    assert "give both, e.g. --gain 200 --baseline 7" in run("info", path, "--fs", 200, "--baseline", 7)[2]
    (path := tmp_path / "b.csv").write_text("# fs: 200 Hz\n# unit: mV\nII\n1\n2\n")
    assert run("info", path, "--fs", 500)[2].endswith("omit --fs, or correct the file if it is wrong")
    err = run(
        "plot", table(tmp_path / "c.csv", ("II",), (lead("II"),), ("# fs: 200 Hz",)), "--out", tmp_path / "c.png"
    )[2]
    assert "give it with --unit, or the counts per mV with ecggen convert IN OUT.hea --gain" in err


def test_a_flat_lead_is_left_out_as_the_message_says(run, model, tmp_path):
    write(
        ECG(HEART.pick("I", "II", "V1").signal * torch.tensor([[1], [1], [0]]), ("I", "II", "V1"), 200),
        tmp_path / "a.csv",
    )
    words = ("reconstruct", tmp_path / "a.csv", "--model", model, "--num-draws", 2, "--out", tmp_path / "out")
    code, _, err = run(*words)
    assert code == 2 and err.endswith("read the other leads: --leads I,II")
    assert run(*words, *advised(err))[0] == 0


def test_contradicting_leads_are_read_as_the_message_says(run, model, tmp_path):
    three = HEART.pick("I", "II", "III")
    three.signal[:, 2] *= 3
    write(three, tmp_path / "a.csv")
    words = ("reconstruct", tmp_path / "a.csv", "--model", model, "--num-draws", 2, "--out", tmp_path / "out")
    code, _, err = run(*words)
    assert code == 2 and err.endswith("pass --allow-contradiction to read it unchanged")
    code, _, err = run(*words, "--allow-contradiction")
    assert code == 0 and err.startswith("warning: a.csv: leads")


def test_messages_about_the_true_leads_name_their_own_option(run, sleep, model, tmp_path):
    write(HEART.pick("I"), tmp_path / "a.csv")
    words = ("reconstruct", tmp_path / "a.csv", "--model", model, "--out", tmp_path / "out", "--truth", sleep)
    code, _, err = run(*words)
    assert code == 2 and err.endswith("e.g. --truth-leads I")
    code, _, err = run(*words, "--truth-leads", "II=9")
    assert code == 2 and "give its number, e.g. --truth-leads II=2" in err


def test_a_record_is_chosen_as_the_message_says(run, tmp_path):
    write(simulate(3, seconds=4, fs=100), tmp_path / "batch.npz")
    code, _, err = run("info", tmp_path / "batch.npz", "--record", 9)
    assert code == 2 and "give its name or its number from 1, e.g. --record 1" in err
    assert run("info", tmp_path / "batch.npz", "--record", 1)[0] == 0


@pytest.fixture
def wrong_gains(tmp_path):
    """Twelve leads with a gain of its own for each limb lead, as in the published headers of LUDB."""
    factors = torch.tensor([1.0, 1.6, 0.7, 1.2, 0.5, 2.0] + [1.0] * 6)
    write(ECG(HEART.signal * factors[:, None], HEART.leads, 200), tmp_path / "wrong.csv")
    return tmp_path / "wrong.csv"


GAINS = "multiplying II by 0.62, III by 1.43, aVR by 0.83, aVL by 2.00, aVF by 0.50 (are the gains right?)"


def test_wrong_gains_of_other_leads_are_a_note(run, model, wrong_gains, tmp_path):
    write(HEART, tmp_path / "right.csv")
    words = ("--leads", "I", "--model", model, "--num-draws", 2, "--out", tmp_path / "out", "--overwrite")
    code, out, _ = run("reconstruct", wrong_gains, *words)
    [note] = [line for line in out.splitlines() if line.startswith("note:")]
    assert code == 0 and "among all leads of wrong.csv: leads I, II, III" in note and GAINS in note
    about = json.loads(run("reconstruct", tmp_path / "right.csv", "--truth", wrong_gains, *words, "--json")[1])
    assert [GAINS in note and note.startswith("truth: leads") for note in about["notes"]] == [True]


def test_wrong_gains_of_a_true_lead_are_a_note(run, model, wrong_gains, tmp_path):
    pulses = SAMPLES / "bidmc" / "bidmc_15_Signals.csv"
    words = ("translate", pulses, "--truth", wrong_gains, "--seconds", 4, "--model", model, "--json")
    code, out, err = run(*words, "--out", tmp_path / "out")
    assert code == 0, err
    assert any(GAINS in note and note.startswith("truth: among all leads") for note in json.loads(out)["notes"])
