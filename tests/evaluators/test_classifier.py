"""Judges: they take leads by name, do not depend on the batch, refuse what they cannot judge, learn, and travel."""

import csv

import numpy as np
import pytest
import torch
from conftest import ROOT, SAMPLES
from fixtures import tiny_evaluator

from ecggen import InputError, data, read, write
from ecggen.conditioning import statements
from ecggen.core import config
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.data.batches import batch
from ecggen.evaluators import pretrained
from ecggen.evaluators.classifier import labels, targets
from ecggen.networks import storage
from ecggen.training.trainer import Plan, logged
from evaluation.scripts import evaluators as judging

KINDS = ("classifier", "ecg_text")
CODES = ["NORM SR", "AFIB", "CLBBB", "IMI ABQRS"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small folder of PTB-XL's form: 40 simulated hearts whose rate follows their statement."""
    place = tmp_path_factory.mktemp("ptbxl")
    rows = []
    for i in range(40):
        rate = 50 if i % 2 else 110
        write(simulate(1, seed=i, heart_rate=rate), place / f"{i:05d}_lr.hea")
        about = [i, f"p{i}", 40 + i, i % 2, "sinus bradycardia" if i % 2 else "sinus tachycardia", 1 + i % 10]
        rows.append([*about, f"{i:05d}_lr", "{'SBRAD': 0.0}" if i % 2 else "{'STACH': 0.0}"])
    head = ["ecg_id", "patient_id", "age", "sex", "report", "strat_fold", "filename_lr", "scp_codes"]
    with (place / "ptbxl_database.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return place


def test_labels_hold_superclasses_subclasses_and_statements():
    names = list(labels())
    assert len(names) == 5 + 23 + 71 and names[:5] == [f"class {one}" for one in ("CD", "HYP", "MI", "NORM", "STTC")]
    found = dict(zip(names, targets(["IMI ABQRS"])[0], strict=True))
    assert {name for name, value in found.items() if value} == {"class MI", "subclass IMI", "IMI", "ABQRS"}
    assert targets([""]).sum() == 0


def test_every_diagnostic_statement_lies_in_one_superclass():
    classes = statements.superclasses()
    assert sorted(map(len, classes.values())) == sorted([11, 5, 14, 1, 13])
    assert len(set.union(*map(set, classes.values()))) == sum(map(len, classes.values())) == 44


def test_a_judgement_depends_on_names_not_on_order_rate_or_batch():
    evaluator, hearts = tiny_evaluator("classifier"), simulate(5, seed=2)
    found = evaluator.predict(hearts)
    assert found.probability.shape == (5, 99) and found.features.shape == (5, 16)
    for other in (hearts.pick(*reversed(STANDARD_LEADS)), hearts.pick("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")):
        np.testing.assert_allclose(evaluator.predict(other, batch=2).probability, found.probability, atol=1e-5)
    fine = simulate(5, seed=2, fs=500)
    np.testing.assert_allclose(evaluator.predict(fine).probability, found.probability, atol=0.02)
    louder = evaluator.predict(type(hearts)(3 * hearts.signal, hearts.leads, hearts.fs))
    assert np.abs(louder.features - found.features).max() > 1e-3, "size has a voice"


def test_longer_recordings_are_judged_window_by_window():
    evaluator, long = tiny_evaluator("classifier"), simulate(2, seconds=18, seed=1)
    parts = [evaluator.predict(evaluator.preprocessor.ecg(long).crop(start, 10)).features for start in (0, 8)]
    assert np.abs(evaluator.predict(long).features - np.mean(parts, 0)).max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_judged_is_refused(kind):
    evaluator = tiny_evaluator(kind)
    look = evaluator.predict if kind == "classifier" else evaluator.ecgs
    with pytest.raises(InputError, match=r"lasts 4.00 s; at least 5 s were expected"):
        look(simulate(1, seconds=4))
    broken = simulate(1)
    broken.signal[0, 3, 7] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        look(broken)
    with pytest.raises(InputError, match="do not follow from I, II"):
        look(simulate(1).pick("I", "II"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_travels_as_a_folder(kind, tmp_path):
    evaluator = tiny_evaluator(kind)
    pretrained.save(evaluator, tmp_path / "made", half=True)
    again = pretrained.load(tmp_path / "made")
    assert again.name == f"made@{storage.weights_hash(tmp_path / 'made')}" and type(again) is type(evaluator)
    hearts = simulate(3, seed=4)
    look, looked = (one.predict if kind == "classifier" else one.ecgs for one in (evaluator, again))
    ours, theirs = (value if kind == "ecg_text" else value.features for value in (look(hearts), looked(hearts)))
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    with pytest.raises(InputError, match=r"holds (classifier|ecg_text) of format 1"):
        pretrained.load(tmp_path / "made", "ecg_text" if kind == "classifier" else "classifier")
    (tmp_path / "made" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match="whole safetensors weights"):
        pretrained.load(tmp_path / "made")


def test_a_pair_weighs_words_and_a_silent_text_is_no_error():
    pair, hearts = tiny_evaluator("ecg_text"), simulate(3, seed=4)
    near = pair.similarity(hearts, ["atrial fibrillation", "", "normal ECG"])
    assert near.shape == (3,) and (np.abs(near) <= 1 + 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(pair.texts(["a", "b"]), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_learns_and_resumes_as_if_it_had_not_been_stopped(kind, folder, tmp_path):
    from ecggen.training.classifier import train

    evaluator = tiny_evaluator(kind)
    pack = data.pack(data.recordings(folder), evaluator.preprocessor, folder / "cache")
    values = config.read_toml(ROOT / "configs" / "tiny" / f"{kind}.toml")["training"]
    plan = config.build(Plan, values | {"train_folds": [1, 2, 3, 4, 5, 6, 7, 8]}, "[training]")
    whole = train(evaluator, pack, plan, tmp_path / "whole", progress=False)
    from dataclasses import replace

    halted = tiny_evaluator(kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecggen.training.classifier.rate_at", lambda p, *place: rate_of(plan, *place))
        train(halted, pack, replace(plan, epochs=1), tmp_path / "parts", progress=False)
    train(tiny_evaluator(kind), pack, plan, tmp_path / "parts", resume=True, progress=False)
    one, other = (pretrained.load(place / "checkpoint").state_dict() for place in (whole.parent, tmp_path / "parts"))
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], msg=name)
    assert len(logged(tmp_path / "whole" / "log")) > 0


def rate_of(plan, epoch, step, steps):
    """The rate of the whole plan, also where a part of it is run."""
    from ecggen.training.trainer import rate_at

    return rate_at(plan, epoch, step, steps)


def test_losses_fall_on_one_batch(folder):
    for kind in KINDS:
        evaluator = tiny_evaluator(kind).train()
        pack = data.pack(data.recordings(folder), evaluator.preprocessor, folder / "cache")
        known = batch(pack, np.arange(16))
        optimizer = torch.optim.AdamW(evaluator.parameters(), 3e-3)
        found = []
        for step in range(40):
            loss = torch.stack(list(evaluator.loss(known, np.random.default_rng(step)).values())).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(float(loss.detach()))
        assert np.mean(found[-5:]) < 0.8 * np.mean(found[:5]), kind


def test_the_command_trains_a_classifier_and_a_pair_that_begins_with_it(folder, run, tmp_path):
    words = ("--data", folder, "--cache", folder / "cache", "--quiet")
    code, out, _ = run(
        "train-evaluator", ROOT / "configs/tiny/classifier.toml", "--out", tmp_path / "classifier", *words
    )
    assert code == 0 and "checkpoint" in out
    begin = ("--look", tmp_path / "classifier/checkpoint", "--set", "training.epochs=0")
    code, _, _ = run(
        "train-evaluator", ROOT / "configs/tiny/ecg_text.toml", "--out", tmp_path / "ecg_text", *begin, *words
    )
    assert code == 0
    evaluator, pair = (pretrained.load(tmp_path / name / "checkpoint") for name in KINDS)
    torch.testing.assert_close(evaluator.look.state_dict(), pair.look.state_dict())
    code, _, err = run(
        "train-evaluator", ROOT / "configs/tiny/classifier.toml", "--out", tmp_path / "classifier", *words
    )
    assert code == 2 and "holds a run already" in err
    code, _, err = run("train-evaluator", ROOT / "configs/tiny/vae.toml", "--out", tmp_path / "no", *words)
    assert code == 2 and "one of classifier, ecg_text was expected" in err


def test_classes_are_scored_as_scikit_learn_scores_them():
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    truth = (rng.random((200, 3)) < [0.5, 0.2, 0.0]).astype(float)
    probability = rng.random((200, 3)) + 0.3 * truth
    found = judging.classes(probability, truth, ["a", "b", "c"], [str(i // 2) for i in range(200)])
    assert found["classes"] == 2 and "c" not in found["each"]
    assert found["each"]["b"]["auroc"] == pytest.approx(roc_auc_score(truth[:, 1], probability[:, 1]), abs=1e-4)
    assert found["each"]["b"]["auprc"] == pytest.approx(
        average_precision_score(truth[:, 1], probability[:, 1]), abs=1e-4
    )
    low, high = found["macro_auroc_interval"]
    assert low < found["macro_auroc"] < high
    assert judging.classes(truth, truth, ["a", "b", "c"], list("x" * 200))["macro_auroc"] == 1.0


def test_retrieval_of_perfect_vectors_is_perfect():
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(300, 16))
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    codes = [str(i) for i in range(300)]
    assert judging.retrieval(waves, waves, codes, 1, rng) == 1.0
    assert judging.retrieval(waves, np.roll(waves, 1, 0), codes, 1, rng) < 0.05


@pytest.mark.skipif(not (ROOT / "checkpoints/classifier/config.json").is_file(), reason="the classifier is not shipped")
def test_the_shipped_judge_knows_the_samples():
    evaluator = pretrained.load("classifier", "classifier")
    (sample,) = sorted(SAMPLES.glob("00010_lr.hea"))
    found = evaluator.predict(read(sample, check=False))
    assert found.probability.shape == (1, 99) and np.isfinite(found.features).all()
