"""Classifier and ECG–text encoder: preprocessing, rejected input, training, saving and loading."""

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
from evaluation.scripts import evaluators as evaluation

KINDS = ("classifier", "ecg_text")
CODES = ["NORM SR", "AFIB", "CLBBB", "IMI ABQRS"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small folder in PTB-XL's format: 40 simulated ECGs whose heart rate follows their statement."""
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


def test_predictions_depend_on_names_of_leads_not_on_order_rate_or_batch():
    evaluator, ecgs = tiny_evaluator("classifier"), simulate(5, seed=2)
    found = evaluator.predict(ecgs)
    assert found.probability.shape == (5, 99) and found.features.shape == (5, 16)
    for other in (ecgs.pick(*reversed(STANDARD_LEADS)), ecgs.pick("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")):
        np.testing.assert_allclose(evaluator.predict(other, batch=2).probability, found.probability, atol=1e-5)
    fine = simulate(5, seed=2, fs=500)
    np.testing.assert_allclose(evaluator.predict(fine).probability, found.probability, atol=0.02)
    louder = evaluator.predict(type(ecgs)(3 * ecgs.signal, ecgs.leads, ecgs.fs))
    assert np.abs(louder.features - found.features).max() > 1e-3, "the amplitude has an influence"


def test_longer_recordings_are_averaged_over_windows():
    evaluator, long = tiny_evaluator("classifier"), simulate(2, seconds=18, seed=1)
    parts = [evaluator.predict(evaluator.preprocessor.ecg(long).crop(start, 10)).features for start in (0, 8)]
    assert np.abs(evaluator.predict(long).features - np.mean(parts, 0)).max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_invalid_ecgs_are_rejected(kind):
    evaluator = tiny_evaluator(kind)
    apply = evaluator.predict if kind == "classifier" else evaluator.ecgs
    with pytest.raises(InputError, match=r"lasts 4.00 s; at least 5 s were expected"):
        apply(simulate(1, seconds=4))
    broken = simulate(1)
    broken.signal[0, 3, 7] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        apply(broken)
    with pytest.raises(InputError, match="do not follow from I, II"):
        apply(simulate(1).pick("I", "II"))


@pytest.mark.parametrize("kind", KINDS)
def test_saved_evaluators_are_loaded_unchanged(kind, tmp_path):
    evaluator = tiny_evaluator(kind)
    pretrained.save(evaluator, tmp_path / "made", half=True)
    again = pretrained.load(tmp_path / "made")
    assert again.name == f"made@{storage.weights_hash(tmp_path / 'made')}" and type(again) is type(evaluator)
    ecgs = simulate(3, seed=4)
    apply, apply_again = (one.predict if kind == "classifier" else one.ecgs for one in (evaluator, again))
    ours, theirs = (value if kind == "ecg_text" else value.features for value in (apply(ecgs), apply_again(ecgs)))
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    with pytest.raises(InputError, match=r"holds (classifier|ecg_text) of format 1"):
        pretrained.load(tmp_path / "made", "ecg_text" if kind == "classifier" else "classifier")
    (tmp_path / "made" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match="whole safetensors weights"):
        pretrained.load(tmp_path / "made")


def test_similarity_of_ecgs_and_texts_including_an_empty_text():
    encoder, ecgs = tiny_evaluator("ecg_text"), simulate(3, seed=4)
    near = encoder.similarity(ecgs, ["atrial fibrillation", "", "normal ECG"])
    assert near.shape == (3,) and (np.abs(near) <= 1 + 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(encoder.texts(["a", "b"]), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_training_equals_uninterrupted_training(kind, folder, tmp_path):
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
    """The learning rate of the full plan, also if only a part of it is run."""
    from ecggen.training.trainer import rate_at

    return rate_at(plan, epoch, step, steps)


def test_losses_decrease_on_one_batch(folder):
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


def test_the_command_trains_a_classifier_and_initialises_the_ecg_text_encoder_from_it(folder, run, tmp_path):
    options = ("--data", folder, "--cache", folder / "cache", "--quiet")
    code, out, _ = run(
        "train-evaluator", ROOT / "configs/tiny/classifier.toml", "--out", tmp_path / "classifier", *options
    )
    assert code == 0 and "checkpoint" in out
    begin = ("--look", tmp_path / "classifier/checkpoint", "--set", "training.epochs=0")
    code, _, _ = run(
        "train-evaluator", ROOT / "configs/tiny/ecg_text.toml", "--out", tmp_path / "ecg_text", *begin, *options
    )
    assert code == 0
    evaluator, encoder = (pretrained.load(tmp_path / name / "checkpoint") for name in KINDS)
    torch.testing.assert_close(evaluator.look.state_dict(), encoder.look.state_dict())
    code, _, err = run(
        "train-evaluator", ROOT / "configs/tiny/classifier.toml", "--out", tmp_path / "classifier", *options
    )
    assert code == 2 and "holds a run already" in err
    code, _, err = run("train-evaluator", ROOT / "configs/tiny/vae.toml", "--out", tmp_path / "no", *options)
    assert code == 2 and "one of classifier, ecg_text was expected" in err


def test_class_scores_have_parity_with_scikit_learn():
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    truth = (rng.random((200, 3)) < [0.5, 0.2, 0.0]).astype(float)
    probability = rng.random((200, 3)) + 0.3 * truth
    found = evaluation.classes(probability, truth, ["a", "b", "c"], [str(i // 2) for i in range(200)])
    assert found["classes"] == 2 and "c" not in found["each"]
    assert found["each"]["b"]["auroc"] == pytest.approx(roc_auc_score(truth[:, 1], probability[:, 1]), abs=1e-4)
    assert found["each"]["b"]["auprc"] == pytest.approx(
        average_precision_score(truth[:, 1], probability[:, 1]), abs=1e-4
    )
    low, high = found["macro_auroc_interval"]
    assert low < found["macro_auroc"] < high
    assert evaluation.classes(truth, truth, ["a", "b", "c"], list("x" * 200))["macro_auroc"] == 1.0


def test_retrieval_of_perfect_vectors_is_perfect():
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(300, 16))
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    codes = [str(i) for i in range(300)]
    assert evaluation.retrieval(waves, waves, codes, 1, rng) == 1.0
    assert evaluation.retrieval(waves, np.roll(waves, 1, 0), codes, 1, rng) < 0.05


@pytest.mark.skipif(not (ROOT / "checkpoints/classifier/config.json").is_file(), reason="the classifier is not shipped")
def test_the_shipped_classifier_runs_on_a_sample():
    evaluator = pretrained.load("classifier", "classifier")
    (sample,) = sorted(SAMPLES.glob("00010_lr.hea"))
    found = evaluator.predict(read(sample, check=False))
    assert found.probability.shape == (1, 99) and np.isfinite(found.features).all()
