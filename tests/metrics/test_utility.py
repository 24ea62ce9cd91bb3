"""Utility: TSTR scores, checks of patients and labels, the augmentation curve, and random convolutions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from ecggen import InputError
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.metrics.utility import labelled, tstr
from ecggen.metrics.utility.labelled import Labelled
from ecggen.metrics.utility.random_convolutions import RandomConvolutions
from ecggen.report.inputs.cohort import Cohorts, ECGSet, MeasuredSet
from ecggen.report.sections import utility as section


class Linear:
    """A downstream classifier by least squares on any inputs."""

    name = "least squares"

    def prepare(self, ecg):
        return ecg.signal.flatten(1).double().numpy()

    def learn(self, inputs, labels):
        x = np.c_[inputs, np.ones(len(inputs))]
        weights = np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ labels)
        return lambda others: np.c_[others, np.ones(len(others))] @ weights


def records(n, seed, informative=True, first=0, width=5):
    """Two labels, with informative or uninformative inputs."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 2)) < 0.4).astype(float)
    inputs = rng.normal(size=(n, width))
    inputs[:, :2] += 2 * labels * informative
    return Labelled(inputs, labels, tuple(f"{seed}-{i // 2}" for i in range(first, first + n)))


def test_scores_have_parity_with_scikit_learn():
    test = records(80, 1)
    probabilities = np.random.default_rng(0).random((3, 80, 2))
    found = tstr.score_predictions(probabilities, test)
    assert found.auroc == pytest.approx(np.mean([roc_auc_score(test.labels, one) for one in probabilities]))
    assert found.auprc == pytest.approx(np.mean([average_precision_score(test.labels, one) for one in probabilities]))
    assert found.interval[0] < found.auroc < found.interval[1]
    perfect = tstr.score_predictions(test.labels[None], test)
    assert perfect.auroc == perfect.auprc == 1 and perfect.interval == (1, 1)


def test_transfer_separates_informative_from_uninformative_records():
    real, test, good, bad = records(150, 1), records(200, 2), records(150, 3), records(150, 4, informative=False)
    found = tstr.transfer([real], [good], test, good, Linear())
    assert min(one.auroc for one in found.values()) > 0.85
    found = tstr.transfer([real], [bad], test, bad, Linear())
    assert found["TRTR"].auroc > 0.85 and found["TSTR"].auroc < 0.7 and found["TRTS"].auroc < 0.65
    low, high = tstr.difference_interval(found["TSTR"], found["TRTR"], test)
    assert low < high < 0
    with pytest.raises(InputError, match="equal sizes"):
        tstr.transfer([real], [good.at(np.arange(20))], test, good, Linear())


def test_shared_patients_are_rejected():
    train, test = records(60, 1), records(40, 2)
    leaky = replace(test, patients=(*test.patients[:-1], train.patients[0]))
    with pytest.raises(InputError, match="1 patients are in the training and in the test set"):
        tstr.train_and_test([train], leaky, Linear())


def test_labels_of_one_class_are_rejected():
    train, test = records(60, 1), records(40, 2)
    flat = replace(train, labels=np.c_[train.labels[:, :1], np.ones(60)])
    with pytest.raises(InputError, match="1 of 2 labels have one class only in the training set"):
        tstr.train_and_test([flat], test, Linear())
    kept, left_out = labelled.usable({"real": train.labels, "synthetic": flat.labels}, ["A", "B"])
    assert kept == [0] and left_out == {"B": "0 synthetic records without it, 10 needed"}
    with pytest.raises(InputError, match="no label has enough records"):
        labelled.usable({"real": train.labels[:5]}, ["A", "B"])


def test_subsets_contain_whole_patients_and_both_classes():
    every = records(100, 1)
    part = labelled.patient_subset(every, 0.2, seed=0)
    assert len(part) == 20 and len(set(part.patients)) == 10 and labelled.both_classes(part.labels).all()
    assert labelled.patient_subset(every, 1.0, seed=0) is every
    rare = replace(every, labels=np.zeros((100, 2)))
    with pytest.raises(InputError, match="lack one class"):
        labelled.patient_subset(rare, 0.2, seed=0)


def test_augmentation_curve_sizes_and_gains():
    real, test, drawn = records(40, 1, width=15), records(200, 2, width=15), records(200, 3, width=15)
    shares = []
    curve = tstr.augmentation_curve(
        real, drawn, test, Linear(), (1.0, 4.0), (0.5, 1.0), 3, progress=lambda share: shares.append(share)
    )
    assert [(point.fraction, point.share) for point in curve] == [(f, s) for f in (0.5, 1.0) for s in (0.0, 1.0, 4.0)]
    assert [(point.n_real, point.n_synthetic) for point in curve] == [
        *((20, 0), (20, 20), (20, 80)),
        *((40, 0), (40, 40), (40, 160)),
    ]
    assert shares[-1] == 1 and all(point.gain == 0 == point.gain_interval[0] for point in (curve[0], curve[3]))
    assert curve[2].gain > 0.02 and curve[2].gain_interval[0] > 0  # informative records help if real ones are few
    again = tstr.augmentation_curve(real, drawn, test, Linear(), (1.0,), (0.5,), 3)
    assert [point.tested.auroc for point in again] == [point.tested.auroc for point in curve[:2]]
    noise = records(100, 5, informative=False, width=15)
    worse = tstr.augmentation_curve(real, noise, test, Linear(), (4.0,), (0.5,), 3)
    assert worse[1].gain < 0.5 * curve[2].gain and worse[1].n_synthetic == 80


@pytest.fixture(scope="module")
def bank():
    return RandomConvolutions(kernels=60)


def ecgs(n, seed, rate, size=1.0):
    ecg = simulate(n, seconds=6, seed=seed, heart_rate=rate)
    return replace(ecg, signal=ecg.signal * size)


def test_random_convolutions_detect_heart_rate_and_voltage(bank):
    fast, slow, large = ecgs(60, 1, 100), ecgs(60, 2, 55), ecgs(60, 3, 55, size=2.0)
    for one, other in ((fast, slow), (slow, large)):
        inputs = bank.prepare(replace(one, signal=torch.cat([one.signal, other.signal])))
        labels = np.repeat([0.0, 1.0], 60)[:, None]
        train, test = np.arange(0, 120, 2), np.arange(1, 120, 2)
        found = bank.learn(inputs[train], labels[train])(inputs[test])
        assert roc_auc_score(labels[test], found) > 0.9


def test_random_convolutions_are_deterministic_and_select_leads_by_name(bank):
    ecg = ecgs(5, 1, 70)
    first = bank.prepare(ecg)
    assert first.shape == (5, 120)
    np.testing.assert_array_equal(first, RandomConvolutions(kernels=60).prepare(ecg))
    np.testing.assert_allclose(bank.prepare(ecg.pick(*STANDARD_LEADS[::-1])), first, atol=1e-6)
    np.testing.assert_allclose(bank.prepare(ecg[3]), first[3:4], atol=1e-4)
    assert np.abs(RandomConvolutions(kernels=60, seed=1).prepare(ecg) - first).max() > 0.1


def test_random_convolutions_reject_invalid_ecgs(bank):
    ecg = ecgs(2, 1, 70)
    with pytest.raises(InputError, match=r"last 1\.00 s"):
        bank.prepare(ecg.crop(0, 1))
    with pytest.raises(InputError, match="not finite"):
        bank.prepare(replace(ecg, signal=ecg.signal * float("nan")))
    with pytest.raises(InputError, match="do not follow"):
        bank.prepare(ecg.pick("I", "II"))


def cohort(name, seed, n=160, matching=True, codes=True):
    """Infarctions have a fast rate and hypertrophies large amplitudes, unless the codes are shuffled."""
    rng = np.random.default_rng(seed)
    fast, large = rng.random(n) < 0.45, rng.random(n) < 0.45
    signal = torch.cat([ecgs(1, 1000 * seed + i, 105 if f else 60).signal for i, f in enumerate(fast)])
    signal = signal * torch.as_tensor(np.where(large, 2.0, 1.0), dtype=torch.float32)[:, None, None]
    said = [" ".join(["IMI"] * int(f) + ["LVH"] * int(v)) or "NORM" for f, v in zip(fast, large, strict=True)]
    words = tuple(np.array(said, object)[np.arange(n) if matching else rng.permutation(n)])
    names = tuple(f"{name} {i}" for i in range(n))
    unknown = np.full(n, np.nan)
    ecg = replace(ecgs(1, 0, 60), signal=signal)
    words = words if codes else ("",) * n
    return MeasuredSet(ECGSet(ecg, names, names, words, ("",) * n, unknown, unknown, unknown, name), None)


@pytest.fixture(scope="module")
def sets():
    return {"real": cohort("real", 1, 200), "drawn": cohort("drawn", 2), "held": cohort("held", 3)}


@pytest.fixture
def quick(monkeypatch):
    """Fewer splits and repeats than in a report."""
    for name, value in (("SPLITS", 2), ("SHARES", (1.0,)), ("FRACTIONS", (1.0,)), ("REPEATS", 1)):
        monkeypatch.setattr(section, name, value)


@pytest.mark.parametrize("held", [False, True])
def test_informative_records_pass_and_shuffled_labels_fail(held, sets, bank, quick):
    holdout = sets["held"] if held else None
    found = section.utility(Cohorts(sets["drawn"], sets["real"], holdout), bank)
    assert found.verdict == "pass", [(score.name, score.value, score.verdict) for score in found.scores]
    assert "held-out" in found.notes[0] if held else "a third" in found.notes[0]
    assert "HYP, MI, NORM" in found.notes[0] and "CD was left out: 0 synthetic records with it" in found.notes[1]
    assert [score.name.split(":")[0] for score in found.scores[:3]] == ["TRTR", "TSTR", "TRTS"]
    assert len(found.figures[0].svg) < 150_000
    shuffled = cohort("drawn", 2, matching=False)
    bad = section.utility(Cohorts(shuffled, sets["real"], holdout), bank)
    assert bad.verdict == "fail"


def test_few_records_or_missing_codes_are_not_measured(sets, bank):
    few = MeasuredSet(sets["drawn"].all.at(range(12)), None)
    found = section.utility(Cohorts(few, sets["real"]), bank)
    assert found.verdict == "not measured" and "12 records of drawn with statements, 50 needed" in found.headline
    silent = cohort("drawn", 4, n=60, codes=False)
    assert "0 records of drawn with statements" in section.utility(Cohorts(silent, sets["real"]), bank).headline


def test_patients_of_the_test_set_are_removed_from_training(sets, bank):
    """Patients in the held-out set are removed from the training set, here all of them."""
    found = section.utility(Cohorts(sets["drawn"], sets["real"], sets["real"]), bank)
    assert found.verdict == "not measured" and "0 real training records" in found.headline
