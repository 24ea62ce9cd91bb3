"""Long recordings: resumed runs equal uninterrupted ones, formats agree, and wrong use is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny
from test_margin import margin

from ecggen import ECG, load, read, write
from ecggen.cli.jobs.long_recordings import recordings
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.generators.trust.margin import identity
from ecggen.io.long_files import LongFile
from ecggen.io.metadata import About


@pytest.fixture
def long(tmp_path, monkeypatch):
    """A recording of 300 s, which counts as long, and the arguments of its reconstruction."""
    monkeypatch.setattr(recordings, "LONG", 100.0)
    ecg = simulate(1, fs=250.0, seconds=300, heart_rate=72).pick("I")
    write(ecg, tmp_path / "holter.hea")
    model = checkpoint.save(tiny("vae"), tmp_path / "models" / "tiny")
    return "reconstruct", tmp_path / "holter.hea", "--model", model, "--num-draws", 2


def test_a_resumed_run_equals_an_uninterrupted_one(run, long, tmp_path, monkeypatch):
    code, text, _ = run(*long, "--out", tmp_path / "whole")
    assert code == 0 and "SYNTHETIC" in text and "recorded:  I\n" in text and "duration:  0:05:00" in text
    append, calls = LongFile.append, []

    def interrupted(self, ecg):
        append(self, ecg)
        calls.append(1)
        if len(calls) == 4:  # the first block is complete, of the second only the mean
            raise KeyboardInterrupt

    monkeypatch.setattr(LongFile, "append", interrupted)
    assert run(*long, "--out", tmp_path / "two")[0] == 130
    monkeypatch.setattr(LongFile, "append", append)
    assert not (tmp_path / "two").exists()
    assert "--resume" in run(*long, "--out", tmp_path / "two")[2]
    assert "begun with num_draws" in run(*long[:-1], 4, "--out", tmp_path / "two", "--resume")[2]
    assert run(*long, "--out", tmp_path / "two", "--resume")[0] == 0
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert names == {path.name for path in (tmp_path / "two").iterdir()} and not list(tmp_path.glob(".*"))
    for name in names - {"holter.html"}:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_result_is_marked_measured_and_drawn(run, long, tmp_path):
    assert run(*long, "--out", tmp_path / "out", "--format", "wfdb,edf")[0] == 0
    out = tmp_path / "out"
    mean, lower = read(out / "holter.hea", check=False), read(out / "holter_lower.hea", check=False)
    assert mean.provenance.recorded == ("I",) and len(mean.provenance.generated) == 11
    assert bool((lower.signal <= mean.signal).all())
    torch.testing.assert_close(mean.pick("I").signal, read(long[1]).signal, atol=6e-4, rtol=0)
    other = read(out / "holter.edf", check=False)
    torch.testing.assert_close(other.signal, mean.signal, atol=6e-4, rtol=0)
    assert other.provenance == mean.provenance
    about = json.loads((out / "holter.json").read_text())
    assert abs(about["rate"][1] - 72) < 3 and about["seconds"] == 300 and "typical" in about["moments"]
    page = (out / "holter.html").read_text()
    assert "SYNTHETIC" in page and all((out / name).is_file() for name in ("holter_overview.png", "holter_typical.png"))


def test_a_margin_of_the_users_own_is_used_and_said(run, long, tmp_path):
    made = margin(identity(load(long[3])))
    made.write(tmp_path / "margin.json")
    other = replace(made, leads=("II",)).write(tmp_path / "other.json")
    assert run(*long, "--out", tmp_path / "plain")[0] == 0
    code, text, message = run(*long, "--margin", tmp_path / "margin.json", "--out", tmp_path / "own")
    assert code == 0, message
    assert "margin:    interval calibrated on 40 of your own records (100% wider)" in text
    plain, own = (json.loads((tmp_path / name / "holter.json").read_text()) for name in ("plain", "own"))
    assert plain["margin"] is None and own["margin"]["n"] == 40
    np.testing.assert_allclose(own["half_width"], np.multiply(plain["half_width"], 2), rtol=0.01)
    code, _, message = run(*long, "--margin", other, "--out", tmp_path / "refused")
    assert code == 2 and "the margin was calibrated for leads II; one for I was expected" in message


def test_it_is_said_how_unlike_the_training_data_a_long_recording_is(run, long, tmp_path):
    code, text, message = run(*long[:3], "vae", "--num-draws", 2, "--out", tmp_path / "out")
    assert code == 0, message
    about = json.loads((tmp_path / "out" / "holter.json").read_text())
    assert about["trust"]["unlike_share"] > 0.5 and about["trust"]["reasons"]  # a simulation is unlike PTB-XL
    assert "trust:     this recording is" in text and "bandwidth: generated leads hold" in text
    assert about["widening"][0] <= about["widening"][1] <= about["widening"][2]


def test_formats_that_cannot_grow_and_a_truth_are_refused(run, long, tmp_path):
    code, _, message = run(*long, "--out", tmp_path / "out", "--format", "dicom")
    assert code == 2 and "wfdb, edf or csv was expected" in message
    code, _, message = run(*long, "--out", tmp_path / "out", "--truth", long[1])
    assert code == 2 and "a shorter part was expected for --truth" in message
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("suffix", [".hea", ".edf", ".csv"])
def test_a_file_written_in_blocks_equals_one_written_at_once(suffix, tmp_path):
    ecg = simulate(1, fs=250.0, seconds=21).pick("I", "V2")
    file = LongFile(tmp_path / "long.hea", ecg.leads, ecg.fs)
    for part in ecg.signal.split(1111, -1):
        file.append(ECG(part, ecg.leads, ecg.fs))
    file.finish(None, About())
    path = file.path if suffix == ".hea" else file.convert(suffix, None, About())
    (tmp_path / "whole").mkdir()
    exact = ECG(torch.from_numpy(np.rint(ecg.signal.double().numpy() * 1000) / 1000 + 0.0), ecg.leads, ecg.fs)
    whole = write(exact, tmp_path / "whole" / f"long{suffix}")
    assert path.read_bytes() == whole[-1].read_bytes()
    if suffix == ".hea":
        assert file.data.read_bytes() == whole[0].read_bytes()


def test_an_unfinished_file_that_was_shortened_is_refused(tmp_path):
    with pytest.raises(ValueError, match="begin the job again"):
        LongFile(tmp_path / "long.hea", ("I",), 250, samples=10)
