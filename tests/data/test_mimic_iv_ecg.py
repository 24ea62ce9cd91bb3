"""Reading MIMIC-IV-ECG as published, and training at its size: large configs, several processes."""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from conftest import ROOT, tiny
from lightning.pytorch.callbacks import ModelCheckpoint

from ecggen import InputError, data, read, write
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import config
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.data.pack import Rows, load
from ecggen.generators import checkpoint, registry
from ecggen.training import trainer
from ecggen.training.masking import Masking
from ecggen.training.trainer import Plan, train

LEADS = (*STANDARD_LEADS[:4], "aVF", "aVL", *STANDARD_LEADS[6:])
"""As MIMIC-IV-ECG orders them."""
SUBJECTS = [10000032 + 37 * i for i in range(10)]
STUDIES = [40000000 + i for i in range(2 * len(SUBJECTS))]
GAP = STUDIES[5]
"""The study of which a sample is missing."""
SHORT = Preprocessor(seconds=2)
GENERATORS = ("flow", "gan")
"""Generators with several parameter groups, of which only one has gradients in each part of a step."""


def ecg_of(study: int):
    """The twelve leads of a study, 10 s at 500 Hz."""
    return replace(simulate(1, seconds=10, fs=500, seed=study), provenance=None).standard().pick(*LEADS)


def place_of(study: int) -> str:
    subject = SUBJECTS[(study - STUDIES[0]) // 2]
    return f"files/p{subject // 10000}/p{subject}/s{study}/{study}"


@pytest.fixture(scope="module")
def mimic(tmp_path_factory):
    """Ten patients with two ECGs each, as published; three of them are in ``patients.csv.gz``."""
    folder = tmp_path_factory.mktemp("mimic")
    listed, measured = [], []
    for at, study in enumerate(STUDIES):
        subject, path = SUBJECTS[at // 2], folder / f"{place_of(study)}.hea"
        path.parent.mkdir(parents=True)
        write(ecg_of(study), path)
        about = {"subject_id": subject, "study_id": study, "ecg_time": f"21{80 + at}-07-23 08:44:00"}
        listed.append(about | {"file_name": study, "path": place_of(study)})
        statements = ["Sinus rhythm", " Possible inferior infarct - age undetermined", "", 'Abnormal "ECG"'][: 1 + at]
        measured.append(
            about | {f"report_{i}": (statements + [None] * 18)[i] for i in range(18)} | {"rr_interval": 800}
        )
    samples = folder / f"{place_of(GAP)}.dat"
    steps = np.fromfile(samples, "<i2")
    steps[1000] = -32768
    steps.tofile(samples)
    pandas.DataFrame(listed).to_csv(folder / "record_list.csv", index=False)
    # One study has no row; the others stand in another order.
    pandas.DataFrame(measured[-2::-1]).to_csv(folder / "machine_measurements.csv", index=False)
    about = {"subject_id": SUBJECTS[:3], "gender": ["F", "M", "F"], "anchor_age": [60, 88, 91]}
    about |= {"anchor_year": [2179, 2180, 2190], "dod": [None] * 3}
    pandas.DataFrame(about).to_csv(folder / "patients.csv.gz", index=False)
    return folder


@pytest.fixture(scope="module")
def packed(mimic, tmp_path_factory):
    return data.pack(data.recordings(mimic), SHORT, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def copy(mimic, tmp_path):
    """The tables without the records."""
    for file in mimic.glob("*.csv*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_every_study_has_its_patient_fold_and_report(mimic):
    found = data.recordings(mimic)
    assert [one.name for one in found] == [str(study) for study in STUDIES]
    assert all(one.path.is_file() for one in found)
    assert [int(one.patient) for one in found] == [subject for subject in SUBJECTS for _ in range(2)]
    assert {len({one.fold for one in found if one.patient == str(subject)}) for subject in SUBJECTS} == {1}
    assert {one.fold for one in found} <= set(range(1, 11)) and len({one.fold for one in found}) > 3
    whole = 'Sinus rhythm, Possible inferior infarct - age undetermined, Abnormal "ECG"'
    assert [one.report for one in found[:3]] == ["Sinus rhythm", whole[:58], whole[:58]]
    assert {one.report for one in found[3:-1]} == {whole} and found[-1].report == ""


def test_ages_follow_from_the_anchor_and_end_at_90(mimic):
    found = data.recordings(mimic)
    assert [one.age for one in found[:6]] == [61.0, 62.0, 90.0, 90.0, 90.0, 90.0]
    assert [one.sex for one in found[:6]] == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    assert {(one.age, one.sex) for one in found[6:]} == {(None, None)}


def test_without_mimic_iv_age_and_sex_are_unknown(copy):
    (copy / "patients.csv.gz").unlink()
    assert {(one.age, one.sex) for one in data.recordings(copy)} == {(None, None)}


def test_leads_are_read_by_name_and_a_record_with_a_gap_is_left_out(mimic, packed):
    study = STUDIES[1]
    truth = ecg_of(study)
    found = read(mimic / f"{place_of(study)}.hea")
    for lead in STANDARD_LEADS:
        torch.testing.assert_close(found.pick(lead).signal, truth.pick(lead).signal, atol=6e-4, rtol=0)
    rows = np.flatnonzero((packed.index.name == str(study)) & (packed.index.start == 0))
    first = SHORT.ecg(truth).pick(*packed.ecg(rows).leads).crop(0, 2)
    np.testing.assert_allclose(packed.ecg(rows).signal.numpy(), first.signal.numpy(), atol=0.0021)
    assert list(packed.left_out) == [str(GAP)] and len(packed) == 5 * (len(STUDIES) - 1)


def altered(file: Path, **columns) -> None:
    pandas.read_csv(file, dtype=str).assign(**columns).to_csv(file, index=False)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda at: (at / "machine_measurements.csv").unlink(), "machine_measurements.csv is missing"),
        (lambda at: (at / "record_list.csv").write_text("subject_id,path\n"), "lacks the columns study_id, ecg_time"),
        (lambda at: (at / "record_list.csv").write_text(""), "record_list.csv cannot be read as a table"),
        (lambda at: (at / "patients.csv.gz").write_bytes(b"\x1f\x8b none"), "patients.csv.gz cannot be read"),
        (lambda at: altered(at / "record_list.csv", subject_id="p1"), "record_list.csv cannot be read as a table"),
        (lambda at: altered(at / "record_list.csv", path="files/../../etc/passwd"), "line 2 .* no file of this folder"),
        (lambda at: altered(at / "record_list.csv", path="/etc/passwd"), "line 2 .* no file of this folder"),
        (lambda at: altered(at / "record_list.csv", path=None), "line 2 .* no file of this folder"),
    ],
)
def test_tables_that_are_not_as_published(copy, spoil, message):
    spoil(copy)
    with pytest.raises(InputError, match=message):
        data.recordings(copy)


def test_joined_packs_stay_on_disk_and_are_read_as_one(packed):
    both = data.join([packed, packed, packed])
    assert isinstance(both.signal, Rows) and both.signal.shape == (3 * len(packed), 8, 200)
    assert np.array_equal(both.signal, np.concatenate([packed.signal] * 3))
    n = len(packed)
    for rows in ([2 * n, 1, n - 1, n], slice(n - 2, None, 7), np.arange(3 * n) % 5 == 0):
        assert np.array_equal(both.ppg[rows], np.concatenate([packed.ppg] * 3)[rows])
        assert np.array_equal(both.ecg(rows).signal, packed.ecg(np.arange(3 * n)[rows] % n).signal)


@pytest.mark.parametrize("name", registry.names())
def test_a_large_config_trains(name, packed, tmp_path, monkeypatch):
    """At full width, on windows of 2 s; the weights, of hundreds of MB, are not written."""
    monkeypatch.setattr(trainer, "ModelCheckpoint", lambda *_, **__: ModelCheckpoint(save_top_k=0))
    monkeypatch.setattr(checkpoint, "save", lambda generator, folder: folder)
    monkeypatch.setattr(trainer.rhythm_prior, "encoder_of", lambda generator: None)
    place = ROOT / "configs" / "large" / f"{name}.toml"
    values = config.read_toml(place)
    registry.check_tables(values, place)
    assert config.build(Preprocessor, values["preprocessing"], "[preprocessing]") == Preprocessor()
    plan = config.build(Plan, values["training"], "[training]")
    few = replace(plan, epochs=1, batch=4, precision="32-true", devices=1, train_folds=(6,), validation_folds=(9,))
    few = replace(few, validation_records=1, validation_draws=1, validation_leads=("I",))
    generator = registry.generator(name, values["model"], "[model]")
    generator.preprocessor = SHORT
    before = [
        sum(parameter.sum().item() for parameter in parameters) for parameters in generator.parameter_groups().values()
    ]
    train(generator, packed, few, config.build(Masking, values["masking"], "[masking]"), tmp_path, progress=False)
    after = [
        sum(parameter.sum().item() for parameter in parameters) for parameters in generator.parameter_groups().values()
    ]
    assert not list(tmp_path.rglob("*.ckpt"))
    assert np.isfinite(after).all() and all(old != new for old, new in zip(before, after, strict=True))
    millions = sum(parameter.numel() for parameter in generator.parameters()) / 1e6
    stated = re.search(r"About (\d+) million parameters", place.read_text())
    assert stated and abs(millions / float(stated[1]) - 1) < 0.05


def digest(tensors) -> str:
    return hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()


def train_as_one_of_two(pack: Path, out: Path) -> None:
    """The work of one process; the result is written to a file named by its rank."""
    torch.set_num_threads(1)
    values = config.read_toml(ROOT / "configs" / "tiny" / "vae.toml")
    plan = config.build(Plan, values["training"] | {"devices": 2, "validation_folds": [9, 10]}, "[training]")
    masking = config.build(Masking, values["masking"], "[masking]")
    seen, saved = [], []
    jitter_amplitude, save = trainer.jitter_amplitude, checkpoint.save
    trainer.jitter_amplitude = lambda batch, *more: (
        seen.append(digest([batch.ecg.signal])),
        jitter_amplitude(batch, *more),
    )[1]
    checkpoint.save = lambda *arguments, **more: (saved.append(1), save(*arguments, **more))[1]
    for name in GENERATORS:
        seen.clear()
        saved.clear()
        generator = tiny(name)
        generator.preprocessor = SHORT
        train(generator, load(pack), plan, masking, out / name, progress=False)
        result = {"weights": digest(generator.parameters()), "seen": sorted(set(seen)), "saved": len(saved)}
        (out / f"{name}{os.environ['LOCAL_RANK']}.json").write_text(json.dumps(result))


def test_two_processes_train_one_generator(packed, tmp_path):
    pack = Path(packed.signal.filename).parent
    env = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT")}
    words = [sys.executable, __file__, str(pack), str(tmp_path)]
    ran = subprocess.run(
        words,
        env=env | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    for name in GENERATORS:
        first, second = (json.loads((tmp_path / f"{name}{rank}.json").read_text()) for rank in range(2))
        assert first["weights"] == second["weights"]
        assert first["seen"] and not set(first["seen"]) & set(second["seen"])
        assert first["saved"] > 0 == second["saved"]
        assert (tmp_path / name / "last.ckpt").is_file() and len(list((tmp_path / name / "log").iterdir())) == 1
        assert checkpoint.load(tmp_path / name / "checkpoint").preprocessor == SHORT


if __name__ == "__main__":
    train_as_one_of_two(*map(Path, sys.argv[1:]))
