"""Protocol of rare statements: the choice from the training folds, the added records, paired gains, a complete run."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ecggen import InputError, data, write
from ecggen.augment.augmenter import Augmenter
from ecggen.benchmark.augmentation import rare, rare_gains, rare_trials, records
from ecggen.benchmark.partial_results import Cells
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.simulate import simulate
from ecggen.generators.baselines.baselines import baseline
from ecggen.metrics.utility.random_convolutions import RandomConvolutions
from evaluation.scripts import tables

HEAD = ["ecg_id", "patient_id", "age", "sex", "report", "strat_fold", "filename_lr", "scp_codes"]
SMALL = {
    "kind": "rare_statements",
    "least": 5,
    "below": 30,
    "target": 40,
    "train_folds": [1],
    "folds": [9],
    "repeats": 2,
    "classifier": "",
    "redraws": 20,
}


def quiet(what, share):
    """No report."""


@pytest.fixture(autouse=True)
def few_kernels(monkeypatch):
    """A tenth of the convolutions, which is enough to separate heart rates."""
    monkeypatch.setattr(records, "RandomConvolutions", lambda seed: RandomConvolutions(kernels=60, seed=seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """PTB-XL's format: 160 normal ECGs; every eighth record is fast and has STACH. ILBBB is in the test fold only."""
    place = tmp_path_factory.mktemp("ptbxl")
    rows = []
    for i in range(160):
        fast, tested = i % 8 < 2, i % 2
        write(simulate(1, seed=i, heart_rate=130 if fast else 60), place / f"{i:05d}_lr.hea")
        codes = {"STACH": 0.0} if fast else {"NORM": 100.0}
        codes |= {"ILBBB": 100.0} if tested and i < 40 else {}
        patient = i if i < 144 else 16  # records 144 … are of one patient, all in the training fold
        rows.append([i, patient if not tested else i, 40 + i % 40, i % 2, "words", 9 if tested else 1,
                     f"{i:05d}_lr", str(codes)])  # fmt: skip
    with (place / "ptbxl_database.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return place


@pytest.fixture(scope="module")
def pack(folder, tmp_path_factory):
    return data.pack(data.recordings(folder), Preprocessor(), tmp_path_factory.mktemp("cache"))


def study(pack, **changes):
    return rare_trials.Study(rare.Protocol(**SMALL | changes), pack, nearest(pack), quiet, Cells())


def nearest(pack):
    """The baseline that returns the nearest training record."""
    made = baseline("nearest")
    made.fit(pack, pack.rows([1]))
    return made


def test_rare_statements_are_chosen_by_patients_of_the_training_folds(pack):
    found = study(pack)
    assert found.counts == {"STACH": {"patients": 18, "records": 20}} and found.tested == ["STACH"]
    assert "ILBBB" not in found.counts, "it is frequent in the test fold only"
    with pytest.raises(InputError, match="no statement has 5 to 17 training patients"):
        study(pack, below=18)


def test_a_rare_statement_without_test_records_is_left_out_of_the_scores(pack):
    found = study(pack, train_folds=[9], folds=[1])
    assert set(found.counts) == {"ILBBB", "STACH"} and found.tested == ["STACH"]
    assert found.left_out == {"ILBBB": "0 test records with it, 10 needed"}


def test_each_arm_adds_the_lacking_records_of_the_statement(pack):
    one = rare_trials.Trial(study(pack), 0)
    shown = set(one.study.showing("STACH"))
    for arm in ("oversampling", "any change"):
        cell = one._again(arm, "STACH")
        assert len(cell["row"]) == 20 and set(cell["row"]) == shown, "every record once, because 20 are lacking"
    again, changed = (one._again(arm, "STACH") for arm in ("oversampling", "any change"))
    places = [again["row"].tolist().index(row) for row in changed["row"]]
    assert not np.isclose(again["inputs"][places], changed["inputs"]).all(1).any(), "every record is changed"
    np.testing.assert_allclose(
        again["inputs"], one.downstream.prepare(pack.ecg(again["row"])).astype(np.float32), atol=1e-6
    )
    drawn = one._drawn("STACH")
    assert set(drawn["row"]) <= shown and int(drawn["requested"]) == 20
    assert one._added("nothing") is None and (one._added("synthetic").labels == 1).all()
    other = rare_trials.Trial(study(pack), 1)
    assert other.downstream.seed != one.downstream.seed
    assert not np.array_equal(other._again("oversampling", "STACH")["row"], again["row"])


def test_gains_are_paired_and_equal_scikit_learns():
    rng = np.random.default_rng(0)
    labels, patients = (rng.random((300, 2)) < 0.2).astype(float), [f"p{i // 2}" for i in range(300)]
    useful = np.array([1.0, 0.0])  # added records help with the first statement only

    def fit():
        plain = 0.5 * labels + rng.random(labels.shape)
        return {"nothing": plain, "synthetic": plain + useful * labels, "oversampling": plain - useful * labels}

    fits = [fit() for _ in range(3)]
    found = rare_gains.compared(fits, labels, patients, ["A", "B"], 100, 0)
    arm, each = found["arms"]["synthetic"], found["statements"]
    assert arm["above"] == ["A"] and arm["below"] == [] and found["arms"]["oversampling"]["below"] == ["A"]
    scores = {
        name: [average_precision_score(labels[:, 0], one[name][:, 0]) for one in fits]
        for name in ("nothing", "synthetic")
    }
    assert each["A"]["auprc"] == pytest.approx(np.mean(scores["nothing"]), abs=1e-4)
    by_seed = np.subtract(scores["synthetic"], scores["nothing"])
    np.testing.assert_allclose(each["A"]["synthetic"]["by_seed"], by_seed, atol=1e-4)
    assert each["A"]["synthetic"]["gain"] == pytest.approx(by_seed.mean(), abs=1e-4)
    assert each["B"]["synthetic"]["gain"] == 0 and each["B"]["synthetic"]["gain_interval"] == [0, 0]
    assert arm["gain"] == pytest.approx(by_seed.mean() / 2, abs=1e-4)
    assert arm["auprc"] - found["arms"]["nothing"]["auprc"] == pytest.approx(arm["gain"], abs=2e-4)


def test_a_complete_run_and_its_continuation(folder, tmp_path, run, monkeypatch):
    file = tmp_path / "augmentation_rare.toml"
    file.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in SMALL.items()))
    words = (file, "--data", folder, "--cache", tmp_path / "cache", "--out", tmp_path / "out")
    code, out, err = run("evaluate", *words, "--model", "baseline:nearest")
    assert code == 0 and "oversampling" in out and "mean AUPRC of 1 rare statements" in out, err
    results = json.loads((tmp_path / "out" / "augmentation_rare.json").read_text())
    (score,) = results["scores"].values()
    assert results["n"] == 80 and results["n_test"] == 80 and results["labels"] == ["STACH"]
    assert list(score["arms"]) == ["nothing", "oversampling", "any change", "synthetic"]
    assert score["arms"]["nothing"]["auprc"] > 0.9, "slow and fast rates are separated"
    assert len(score["statements"]["STACH"]["synthetic"]["by_seed"]) == 2
    assert score["drawing"]["requested"] == 40 and score["drawing"]["accepted"] <= 40
    table = tables.TABLES["augmentation_rare"](tmp_path / "out")
    assert "STACH" in table and "2 seeds" in table

    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(Augmenter, "draw", never)
    monkeypatch.setattr(rare_trials, "train_and_predict", never)
    code, _, err = run("evaluate", *words, "--model", "baseline:nearest", "--overwrite")
    assert code == 0, err
    assert json.loads((tmp_path / "out" / "augmentation_rare.json").read_text())["scores"] == results["scores"]


def test_records_of_a_patient_in_both_sets_are_rejected(pack):
    protocol = rare.Protocol(**SMALL | {"folds": [1]})
    with pytest.raises(InputError, match="patients are in the training and in the test set"):
        rare.run(protocol, pack, nearest(pack), quiet)


def test_refused_draws_add_nothing(pack, monkeypatch):
    monkeypatch.setattr(Augmenter, "_refusals", lambda self, asks, ecg, found: ["no beats"] * len(asks))
    one = rare_trials.Trial(study(pack, tries=1), 0)
    added = one._added("synthetic")
    assert len(added) == 0 and len(one._real.concatenated(added)) == 80 and one.drawing()["accepted"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "augmentation"}, "'rare_statements'"),
        ({"labels": "colours"}, "labels 'colours'"),
        ({"downstream": "oracle"}, "downstream 'oracle'"),
        ({"least": 30}, "1 ≤ least < below"),
        ({"target": 0}, "at least 1 target record"),
    ],
)
def test_invalid_settings_are_rejected(change, message):
    with pytest.raises(InputError, match=message):
        rare.Protocol(**SMALL | change)
