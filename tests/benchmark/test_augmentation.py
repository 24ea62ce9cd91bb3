"""Augmentation protocol: classical augmentation, nested training sets, cached cells, paired gains and complete runs."""

import csv
import json

import numpy as np
import pytest
import torch
from conftest import tiny
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from ecggen import InputError, data, write
from ecggen.augment import classical
from ecggen.augment.augmenter import Augmenter
from ecggen.benchmark.augmentation import gains, measurement, plot, records, training_sets, trials
from ecggen.benchmark.partial_results import Cells
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.rhythm import r_peaks
from ecggen.core.simulate import simulate
from ecggen.generators.baselines.baselines import baseline
from ecggen.metrics.functional import bootstrap
from ecggen.metrics.utility import logistic, redraws, tstr
from ecggen.metrics.utility.labelled import Labelled
from ecggen.metrics.utility.random_convolutions import RandomConvolutions
from ecggen.metrics.utility.small_network import ConvolutionalNetwork
from ecggen.training import trainer
from evaluation.scripts import tables

HEARTS = simulate(6, seed=4).pick(*INDEPENDENT_LEADS)


@pytest.mark.parametrize("kind", classical.KINDS)
def test_augmentation_depends_on_the_record_and_keeps_the_ecg_valid(kind):
    changed = classical.augment(kind, HEARTS, 1, range(6))
    assert changed.signal.shape == HEARTS.signal.shape and bool(changed.signal.isfinite().all())
    assert (changed.signal - HEARTS.signal).abs().amax((1, 2)).min() > 0.01, "every record is changed"
    alone = classical.augment(kind, HEARTS[3], 1, [3])
    torch.testing.assert_close(alone.signal[0], changed.signal[3])
    other = classical.augment(kind, HEARTS[3], 2, [3]), classical.augment(kind, HEARTS[3], 1, [9])
    assert all((one.signal - alone.signal).abs().max() > 0.01 for one in other)


def test_each_kind_of_augmentation():
    def moved(kind):
        return classical.augment(kind, HEARTS, 1, range(6)).signal - HEARTS.signal

    deviation = moved("noise").std(-1)
    assert (deviation > 0.8 * classical.NOISE_MV[0]).all() and (deviation < 1.2 * classical.NOISE_MV[1]).all()
    power = torch.fft.rfft(moved("wander")).abs().square()
    frequency = torch.fft.rfftfreq(HEARTS.samples, 1 / HEARTS.fs)
    assert (power[..., frequency > 2].sum(-1) < 0.05 * power.sum(-1)).all()
    ratio = 1 + moved("scaling") / HEARTS.signal.where(HEARTS.signal.abs() > 0.05, torch.nan)
    assert (np.nanstd(ratio, -1) < 1e-4).all() and 0.5 < np.nanmin(ratio) < 0.97 and 1.03 < np.nanmax(ratio) < 2
    flat = classical.augment("dropout", HEARTS, 1, range(6)).signal.abs().sum(-1) == 0
    assert set(flat.sum(1).tolist()) <= {1, 2, 3} and (moved("dropout").abs().sum(-1) > 0).equal(flat)


def test_a_warp_keeps_all_beats():
    warped = classical.augment("warp", HEARTS, 1, range(6))
    torch.testing.assert_close(warped.signal[..., [0, -1]], HEARTS.signal[..., [0, -1]], atol=0.02, rtol=0)
    for before, after in zip(r_peaks(HEARTS), r_peaks(warped), strict=True):
        assert len(before) == len(after) and 0.01 < np.abs(before - after).max() < 0.6
    assert torch.allclose(warped.signal.amax(-1), HEARTS.signal.amax(-1), rtol=0.1, atol=0.03)


def test_mixup_mixes_signals_and_labels_with_the_same_weight():
    labels = np.eye(6)
    mixed, shares = classical.mix(HEARTS, labels, 1, range(6))
    np.testing.assert_allclose(shares.sum(1), 1)
    assert (shares.diagonal() >= 0.5).all() and shares.diagonal().min() < 0.99
    expected = np.einsum("ab,blt->alt", shares, HEARTS.signal.numpy())
    np.testing.assert_allclose(mixed.signal.numpy(), expected, atol=1e-5)


def test_oversampling_balances_labels():
    labels = np.zeros((200, 3))
    labels[:150, 0] = labels[150:190, 1] = labels[190:, 2] = 1
    rows = classical.oversampled(labels, 250, np.random.default_rng(0))
    assert (labels.sum(0) + labels[rows].sum(0) == 150).all()
    nowhere = np.c_[labels, np.zeros(200)]
    assert len(classical.oversampled(nowhere, 10, np.random.default_rng(0))) == 10


@pytest.mark.parametrize("records", [60, 400])
def test_logistic_regression_has_parity_with_scikit_learn(records):
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(records, 100)), (rng.random((records, 3)) < [0.5, 0.2, 0.1]).astype(float)
    slopes, constants = logistic.fit(inputs, labels, 0.01)
    for at, label in enumerate(labels.T):
        theirs = LogisticRegression(C=0.01, tol=1e-8, max_iter=5000).fit(inputs, label)
        np.testing.assert_allclose(slopes[:, at], theirs.coef_[0], atol=2e-5)
        np.testing.assert_allclose(constants[at], theirs.intercept_[0], atol=2e-4)


def test_a_label_of_one_half_equals_both_labels_at_half_weight():
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(200, 20)), rng.random((200, 1))
    slopes, _ = logistic.fit(inputs, labels, 0.1)
    both = np.r_[np.ones(200), np.zeros(200)], np.r_[labels[:, 0], 1 - labels[:, 0]]
    theirs = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit(np.r_[inputs, inputs], both[0], both[1])
    np.testing.assert_allclose(slopes[:, 0], theirs.coef_[0], atol=2e-5)


def test_areas_of_resamples_have_parity_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels, patients = (rng.random((90, 2)) < 0.4).astype(float), [f"p{i // 2}" for i in range(90)]
    probabilities = np.round(rng.random((2, 90, 2)) + 0.3 * labels, 1)  # many are equal
    found = redraws.areas(probabilities, labels, redraws.weights(patients, 3, 5))
    every = [np.arange(90), *bootstrap.redrawn(patients, 3, 5)]
    for row, at in enumerate(every):
        for label in range(2):
            for ours, theirs in ((found.auroc, roc_auc_score), (found.auprc, average_precision_score)):
                expected = np.mean([theirs(labels[at, label], one[at, label]) for one in probabilities])
                assert ours[row, label] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(redraws.areas(probabilities, labels * [1, 0], redraws.weights(patients, 3, 2)).auroc[:, 1]).all()
    assert redraws.summary(np.array([0.5, 0.1, 0.9]), 1.0) == (0.5, (0.1, 0.9))


def test_a_cell_is_computed_once_for_the_same_settings(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"x": np.arange(3), "name": np.array(["a", "b"])}

    cells = Cells(tmp_path / "cells")
    for _ in range(2):
        found = cells.of("part", {"n": 1}, make)
        assert found["x"].tolist() == [0, 1, 2] and found["name"].tolist() == ["a", "b"] and len(found) == 2
    assert len(made) == 1
    cells.of("part", {"n": 2}, make)
    assert len(made) == 2 and len(list((tmp_path / "cells").iterdir())) == 2
    for file in (tmp_path / "cells").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert len(cells.of("part", {"n": 1}, make)["x"]) == 3 and len(made) == 3, "a broken cell is made again"

    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cells.of("part", {"n": 3}, stopped)
    assert not [file for file in (tmp_path / "cells").iterdir() if file.name.endswith(".part")]
    Cells().of("part", {"n": 1}, make)
    assert len(made) == 4, "without a folder nothing is kept"


def some(n, seed, informative=True):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 2)) < 0.4).astype(float)
    inputs = rng.normal(size=(n, 6)) + np.c_[labels, np.zeros((n, 4))] * informative
    return Labelled(inputs, labels, tuple(f"{seed}-{i // 2}" for i in range(n)))


def test_subsets_are_nested_and_share_no_patient_with_the_rest():
    every = some(200, 1)
    inner = training_sets.shells(every.patients, every.labels, (0.1, 0.5, 1.0), 0)
    assert [len(rows) for rows in inner] == [20, 80, 100] and len(set(np.concatenate(inner))) == 200
    patient_prior = [set(every.at(rows).patients) for rows in inner]
    assert not patient_prior[0] & patient_prior[1] and not patient_prior[1] & patient_prior[2]
    assert not np.array_equal(inner[0], training_sets.shells(every.patients, every.labels, (0.1, 0.5, 1.0), 1)[0])
    with pytest.raises(InputError, match="lack one class of a label"):
        training_sets.shells(every.patients, np.zeros((200, 2)), (0.1, 1.0), 0)


def test_added_records_are_taken_from_every_shell():
    real = [some(10, 1), some(30, 2)]
    parts = [training_sets.Shell(one, {"drawn": one.concatenated(one)}) for one in real]
    train, added = training_sets.training_set(parts, "drawn", 0.5, 0)
    assert added == 20 and len(train) == 60
    assert [name.split("-")[0] for name in train.patients[40:]] == ["1"] * 5 + ["2"] * 15
    assert training_sets.training_set(parts, "drawn", 2.0, 0)[1] == 80
    assert training_sets.training_set(parts[:1], "drawn", 0.0, 0)[1] == 0
    train, added = training_sets.training_set(parts, "repeats", 2.0, 0)
    assert added == 80 and sorted(train.patients) == sorted(joined_thrice(real))
    even, _ = training_sets.training_set(parts, "oversampling", 1.0, 0)
    assert np.ptp(even.labels.mean(0)) <= np.ptp(training_sets.joined(real).labels.mean(0))


def joined_thrice(real):
    return [patient for one in real for patient in one.patients] * 3


def test_gains_over_no_added_records_and_over_the_best_without_a_generator():
    test = some(300, 9)
    rng = np.random.default_rng(0)

    def fit(arm, share, sharpness):
        noisy = np.clip(0.5 + sharpness * (test.labels - 0.5) + 0.3 * rng.normal(size=test.labels.shape), 0, 1)
        return gains.Fit(arm, share, 50, round(50 * share), noisy)

    every = [
        [fit("nothing", 0, 0.2), fit("noise", 1.0, 0.1), fit("warp", 1.0, 0.4), fit("synthetic", 1.0, 0.7)]
        for _ in range(3)
    ]
    assert gains.as_fits(gains.as_cell(every[0]))[2].arm == "warp"
    found = gains.compared({0.1: every}, test, ["A", "B"], 60, 0)
    points = {point["arm"]: point for point in found["points"]}
    assert found["best_without_generator"] == [{"fraction": 0.1, "arm": "warp", "share": 1.0}]
    assert "gain" not in points["nothing"] and points["nothing"]["n_real"] == 50
    assert points["noise"]["gain_interval"][1] < 0 < points["warp"]["gain_interval"][0]
    drawn = points["synthetic"]
    assert drawn["gain"] == pytest.approx(drawn["auroc"] - points["nothing"]["auroc"], abs=2e-4)
    assert drawn["over_best"] == pytest.approx(drawn["auroc"] - points["warp"]["auroc"], abs=2e-4)
    assert drawn["over_best_interval"][0] > 0 and drawn["seeds_above"] == 3
    each = {one["arm"]: one["gain"] for one in found["each_label"]}
    assert set(each) == {"warp", "synthetic"} and set(each["warp"]) == {"A", "B"}
    assert np.mean([one["auroc"] for one in each["warp"].values()]) == pytest.approx(points["warp"]["gain"], abs=2e-4)
    one, other = (
        tstr.score_predictions(np.stack([fits[at].probabilities for fits in every]), test, 0, 60) for at in (2, 0)
    )
    assert one.auroc == pytest.approx(points["warp"]["auroc"], abs=1e-4)
    assert one.auroc - other.auroc == pytest.approx(points["warp"]["gain"], abs=2e-4)


@pytest.fixture(autouse=True)
def few_kernels(monkeypatch):
    """A tenth of the convolutions, which is enough to separate heart rates."""
    monkeypatch.setattr(records, "RandomConvolutions", lambda seed: RandomConvolutions(kernels=60, seed=seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """PTB-XL's format: 120 ECGs, normal with a slow and infarction with a fast rate; odd ones are the test fold."""
    place = tmp_path_factory.mktemp("ptbxl")
    head = ["ecg_id", "patient_id", "age", "sex", "report", "strat_fold", "filename_lr", "scp_codes"]
    rows = []
    for i in range(120):
        slow = i // 2 % 2
        write(simulate(1, seed=i, heart_rate=52 if slow else 110), place / f"{i:05d}_lr.hea")
        codes = "{'NORM': 100.0}" if slow else "{'IMI': 100.0}"
        rows.append([i, i, 40 + i % 40, i % 2, "words", 1 + 8 * (i % 2), f"{i:05d}_lr", codes])
    with (place / "ptbxl_database.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return place


SMALL = {
    "kind": "augmentation",
    "train_folds": [1],
    "folds": [9],
    "n": 60,
    "fractions": [0.5, 1.0],
    "shares": [0.5, 1.0],
    "repeats": 2,
    "classifier": "",
    "drawn_test": 30,
    "redraws": 20,
}


def test_a_complete_run_and_its_continuation(folder, tmp_path, run, monkeypatch):
    file = tmp_path / "proof.toml"
    file.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in SMALL.items()))
    words = (file, "--data", folder, "--cache", tmp_path / "cache", "--out", tmp_path / "out")
    code, out, err = run("evaluate", *words, "--model", "baseline:nearest")
    assert code == 0 and "over best" in out and "synthetic, 50%" in out and "TSTR / TRTR" in out, err
    results = json.loads((tmp_path / "out" / "proof.json").read_text())
    (score,) = results["scores"].values()
    assert results["labels"] == ["MI", "NORM"] and results["n_test"] == 60
    assert score["transfer"]["synthetic"]["trtr"]["auroc"] > 0.9, "slow and fast rates are separated"
    assert score["transfer"]["synthetic"]["tstr"]["auroc"] > 0.8, "copies of real records teach what real ones teach"
    arms = {point["arm"] for point in score["points"]}
    assert arms == {"nothing", "synthetic", *training_sets.CLASSICAL}, "a baseline varies nothing"
    assert len(score["points"]) == 2 * (1 + 2 * 10) and score["drawing"]["synthetic"]["requested"] == 2 * 60
    assert (tmp_path / "out" / "proof.png").stat().st_size > 10_000
    (tmp_path / "out" / "proof.json").rename(tmp_path / "out" / "augmentation.json")
    table = tables.TABLES["augmentation"](tmp_path / "out")
    assert f"{score['transfer']['synthetic']['trtr']['auroc']:.3f}" in table and "2 repeats, tested on 60" in table
    (tmp_path / "out" / "augmentation.json").rename(tmp_path / "out" / "proof.json")

    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(Augmenter, "draw", never)
    code, _, err = run("evaluate", *words, "--model", "baseline:nearest", "--overwrite")
    assert code == 0, err
    again = json.loads((tmp_path / "out" / "proof.json").read_text())["scores"]
    assert again == results["scores"]


def test_variations_are_made_of_the_subsets_own_records(folder, tmp_path, monkeypatch):
    model = tiny("flow")
    model.preprocessor = Preprocessor()
    pack = data.pack(data.recordings(folder), model.preprocessor, tmp_path / "cache")
    given = []
    plain = Augmenter.draw

    def draw(self, asks, originals: ECG | None = None, *more):
        given.append((asks, originals))
        return plain(self, asks, originals, *more)

    monkeypatch.setattr(Augmenter, "draw", draw)
    # Every draw is accepted: a model with random weights generates no beats.
    monkeypatch.setattr(Augmenter, "_refusals", lambda self, asks, ecg, found: [""] * len(asks))
    settings = SMALL | {"repeats": 1, "fractions": [1.0], "shares": [1.0], "n": 40}
    about, found = measurement.run(measurement.Protocol(**settings), pack, model, lambda what, share: None)
    assert set(found["transfer"]) == {"synthetic", "variations"} == set(found["drawing"])
    varied = [(asks, originals) for asks, originals in given if originals is not None]
    assert len(varied) == 1 and len(varied[0][0]) == about["n"] == 40
    (asks, originals) = varied[0]
    for asked, original in zip(asks, originals.signal, strict=True):
        rows = np.flatnonzero([np.array_equal(one, original) for one in pack.ecg(np.arange(len(pack))).signal])
        assert len(rows) == 1 and pack.index.fold[rows[0]] == 1 and set(asked.codes) == {pack.index.codes[rows[0]]}


def test_only_the_requested_arms_are_added_and_a_network_can_be_trained(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "ConvolutionalNetwork", lambda seed: ConvolutionalNetwork(seed, steps=60))
    pack = data.pack(data.recordings(folder), Preprocessor(), tmp_path / "cache")
    arms = ["any change", "mixup", "oversampling", "synthetic"]
    settings = {"arms": arms, "downstream": "network", "repeats": 1, "fractions": [1.0], "shares": [1.0]}
    protocol = measurement.Protocol(**SMALL | settings)
    model = baseline("nearest")
    model.fit(pack, pack.rows([1]))
    about, found = measurement.run(protocol, pack, model, lambda what, share: None)
    assert [point["arm"] for point in found["points"]] == ["nothing", *arms]
    assert about["downstream"] == "convolutional network (seed 0), 60 steps with 64 records"
    assert found["points"][0]["auroc"] > 0.9, "slow and fast rates are separated"
    assert found["transfer"]["synthetic"]["tstr"]["auroc"] > 0.8


def test_a_part_has_the_patients_on_which_a_generator_was_trained(folder, tmp_path):
    pack = data.pack(data.recordings(folder), Preprocessor(), tmp_path / "cache")
    protocol = measurement.Protocol(**SMALL | {"n": 0, "part": 0.5})
    study = trials.Study(protocol, pack, baseline("nearest"), lambda what, share: None, Cells())
    expected = trainer.subset_of_patients(pack, pack.rows([1]), 0.5)
    assert len(expected) == 30 and all(set(rows) == set(expected) for rows in study.rows)


def test_the_plot_has_every_fraction_and_model():
    def point(fraction, arm, share, auroc):
        about = {"fraction": fraction, "arm": arm, "share": share, "auroc": auroc}
        added = {"n_added": min(130, 100 * share), "gain_interval": [auroc - 0.81, auroc - 0.79]}
        return about | ({"n_real": 100} if arm == "nothing" else added)

    arms = ("noise", "warp", "oversampling", "synthetic")
    points = [
        one
        for fraction in (0.1, 1.0)
        for one in (
            point(fraction, "nothing", 0, 0.8),
            *(point(fraction, arm, share, 0.8 + 0.01 * at * share) for at, arm in enumerate(arms) for share in (1, 2)),
        )
    ]
    results = {"settings": {"fractions": [0.1, 1.0]}, "scores": {"a@1": {"points": points}, "b@2": {"points": points}}}
    figure = plot.plot(results)
    assert len(figure.axes) == 4
    labels_shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels_shown[0] == "real records only" and "generated from text" in labels_shown and len(labels_shown) == 4
    assert "best classical: warp" in [text.get_text() for text in figure.axes[0].texts]
    assert max(figure.axes[0].lines[1].get_xdata()) == pytest.approx(130, abs=5), "where the records ended"
    heights = [np.ptp(axis.get_ylim()) for axis in figure.axes[:2]]
    assert heights[0] == pytest.approx(heights[1])
    without = {"points": [one for one in points if one["arm"] in ("nothing", "synthetic")]}
    figure = plot.plot({"settings": {"fractions": [0.1, 1.0]}, "scores": {"a@1": without}})
    assert not figure.axes[0].texts and len(figure.legends[0].get_texts()) == 2, "no classical augmentation"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fractions": [0.0]}, "fractions above 0"),
        ({"shares": [0.0, 1.0]}, "shares above 0"),
        ({"labels": "colours"}, "labels 'colours'"),
        ({"part": 0.0}, "a fraction above 0"),
        ({"arms": ["synthetic", "magic"]}, "'synthetic' and others of noise"),
        ({"arms": ["noise"]}, "'synthetic' and others of noise"),
        ({"downstream": "oracle"}, "one of random convolutions, network"),
    ],
)
def test_invalid_settings_are_rejected(change, message):
    with pytest.raises(InputError, match=message):
        measurement.Protocol(**SMALL | change)


def test_shared_patients_are_rejected(folder, tmp_path):
    pack = data.pack(data.recordings(folder), Preprocessor(), tmp_path / "cache")
    protocol = measurement.Protocol(**SMALL | {"folds": [1]})
    with pytest.raises(InputError, match="patients are in the training and in the test set"):
        measurement.run(protocol, pack, baseline("nearest"), lambda what, share: None)


def test_an_error_is_raised_if_all_draws_are_rejected(folder, tmp_path, monkeypatch):
    model = tiny("vae")
    model.preprocessor = Preprocessor()
    pack = data.pack(data.recordings(folder), model.preprocessor, tmp_path / "cache")
    monkeypatch.setattr(Augmenter, "_refusals", lambda self, asks, ecg, found: ["no beats"] * len(asks))
    protocol = measurement.Protocol(**SMALL | {"tries": 1})
    with pytest.raises(InputError, match="generated records were rejected"):
        measurement.run(protocol, pack, model, lambda what, share: None)
