"""torchmetrics classes: batches in any order and merged processes equal the pure function of all records."""

import pickle

import numpy as np
import pytest
import torch

from ecggen import InputError, metrics
from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.metrics import functional
from ecggen.metrics.functional import beats, lead_laws, marginals, probabilistic, spectrum, waveform
from ecggen.metrics.functional.distribution import frechet, kernel, prdc
from ecggen.metrics.functional.variability import beat_variability

RNG = np.random.default_rng(0)
TRUE = simulate(120, seconds=2, seed=0).signal.numpy()
PREDICTED = TRUE + 0.05 * RNG.normal(size=TRUE.shape).astype(np.float32)
DRAWS = TRUE + 0.1 * RNG.normal(size=(3, *TRUE.shape)).astype(np.float32)
PEAKS = [np.sort(RNG.uniform(0, 10, size=RNG.integers(0, 9))) for _ in range(120)]
TRUE_PEAKS = [
    np.sort(np.concatenate([peaks + RNG.normal(scale=0.08, size=len(peaks)), [11.0, 12.0]])) for peaks in PEAKS
]
REAL, SYNTHETIC = RNG.normal(size=(120, 5)), RNG.normal(0.3, 1.2, size=(120, 5))
BEATING = np.tile(simulate(12, seconds=6, fs=100, seed=4).signal.numpy(), (10, 1, 1))
BEATING *= RNG.normal(1, 0.05, (120, 1, 6)).repeat(100, -1).astype(np.float32)
ALTERED = TRUE.copy()
ALTERED[:, 2] += 0.01


def pairs(*arrays):
    """Feed batches of arrays whose rows belong together."""

    def feed(metric, rows):
        metric.update(*([one[i] for i in rows] if isinstance(one, list) else one[rows] for one in arrays))

    return feed


def draws(metric, rows):
    metric.update(DRAWS[:, rows], TRUE[rows])


def sets(real, synthetic):
    def feed(metric, rows):
        metric.update(real[rows], real=True)
        metric.update(torch.as_tensor(synthetic[rows]), real=False)

    return feed


def mean(score, *arrays, **options):
    return lambda: np.nanmean(score(*arrays, **options).astype(float))


CASES = {
    "mse": (
        lambda: metrics.MeanSquaredError(12),
        pairs(PREDICTED, TRUE),
        mean(waveform.mean_squared_error, PREDICTED, TRUE),
        0,
    ),
    "rmse": (
        lambda: metrics.RootMeanSquaredError(12),
        pairs(PREDICTED, TRUE),
        lambda: np.sqrt(waveform.mean_squared_error(PREDICTED, TRUE).mean(0)).mean(),
        0,
    ),
    "mae": (
        lambda: metrics.MeanAbsoluteError(12),
        pairs(PREDICTED, TRUE),
        mean(waveform.mean_absolute_error, PREDICTED, TRUE),
        0,
    ),
    "r": (lambda: metrics.Pearson(12), pairs(PREDICTED, TRUE), mean(waveform.pearson, PREDICTED, TRUE), 1),
    "r2": (lambda: metrics.RSquared(12), pairs(PREDICTED, TRUE), mean(waveform.r_squared, PREDICTED, TRUE), 1),
    "prd": (lambda: metrics.PRD(12), pairs(PREDICTED, TRUE), mean(waveform.prd, PREDICTED, TRUE), 0),
    "crps": (lambda: metrics.CRPS(12), draws, mean(probabilistic.crps, DRAWS, TRUE), None),
    "coverage": (
        lambda: metrics.IntervalCoverage(12),
        pairs(PREDICTED - 0.1, PREDICTED + 0.1, TRUE),
        mean(probabilistic.coverage, PREDICTED - 0.1, PREDICTED + 0.1, TRUE),
        None,
    ),
    "interval": (
        lambda: metrics.IntervalScore(12, 0.8),
        pairs(PREDICTED - 0.1, PREDICTED + 0.1, TRUE),
        mean(probabilistic.interval_score, PREDICTED - 0.1, PREDICTED + 0.1, TRUE, level=0.8),
        None,
    ),
    "fd": (
        lambda: metrics.FrechetDistance(5),
        sets(REAL, SYNTHETIC),
        lambda: frechet.frechet_gaussian(REAL, SYNTHETIC),
        0,
    ),
    "kid": (
        lambda: metrics.KernelDistance(),
        sets(REAL, SYNTHETIC),
        lambda: kernel.kernel_distance(REAL, SYNTHETIC),
        None,
    ),
    "prdc": (lambda: metrics.PRDC(), sets(REAL, SYNTHETIC), lambda: prdc.prdc(REAL, SYNTHETIC), None),
    "marginal": (
        lambda: metrics.Marginal(),
        sets(REAL[:, 0], SYNTHETIC[:, 0]),
        lambda: {
            "kolmogorov_smirnov": marginals.kolmogorov_smirnov(SYNTHETIC[:, 0], REAL[:, 0]),
            "wasserstein": marginals.wasserstein(SYNTHETIC[:, 0], REAL[:, 0]),
        },
        0,
    ),
    "spectrum": (
        lambda: metrics.SpectrumDistance(12, 100),
        sets(TRUE, PREDICTED),
        lambda: spectrum.log_spectral_distance(TRUE, PREDICTED, 100).mean(),
        0,
    ),
    "f1": (
        lambda: metrics.RPeakF1(0.05),
        pairs(PEAKS, TRUE_PEAKS),
        lambda: beats.r_peak_f1(PEAKS, TRUE_PEAKS, 0.05),
        1,
    ),
    "rate": (
        lambda: metrics.HeartRateError(),
        pairs(PEAKS, TRUE_PEAKS),
        lambda: beats.heart_rate_errors(PEAKS, TRUE_PEAKS).mean(),
        0,
    ),
    "variability": (
        lambda: metrics.BeatVariability(STANDARD_LEADS, 100),
        pairs(BEATING),
        lambda: {
            name: np.nanmean(found)
            for name, found in beat_variability(ECG(torch.as_tensor(BEATING), STANDARD_LEADS, 100)).items()
            if name != "ectopic_cv"
        },
        None,
    ),
    "laws": (
        lambda: metrics.LeadLaws(STANDARD_LEADS),
        pairs(ALTERED),
        lambda: {law: found.mean() for law, found in lead_laws.lead_law_residuals(ALTERED, STANDARD_LEADS).items()},
        None,
    ),
}
cases = pytest.mark.parametrize("name", CASES)
BATCHES = np.split(np.random.default_rng(3).permutation(120), [1, 40, 47])


def values(found):
    found = found if isinstance(found, dict) else {"": found}
    return {name: float(value) for name, value in found.items()}


@cases
def test_batches_in_any_order_equal_one_pass_and_the_pure_function(name):
    make, feed, pure, _ = CASES[name]
    whole, parts = make(), make()
    feed(whole, np.arange(120))
    for rows in BATCHES:
        feed(parts, rows)
    assert values(parts.compute()) == pytest.approx(values(whole.compute()), rel=1e-9)
    assert values(whole.compute()) == pytest.approx(values(pure()), rel=1e-6)


@cases
def test_states_of_two_processes_are_merged(name):
    make, feed, _, _ = CASES[name]
    whole, one, other = make(), make(), make()
    for rows in BATCHES:
        feed(whole, rows)
    feed(one, BATCHES[3])
    for rows in BATCHES[:3]:
        feed(other, rows)
    one.merge_state(other)
    assert values(one.compute()) == pytest.approx(values(whole.compute()), rel=1e-9)


@cases
def test_reset_clears_and_pickle_keeps_the_state(name):
    make, feed, _, _ = CASES[name]
    fresh, used = make(), make()
    feed(used, BATCHES[1])
    used.reset()
    for metric in (fresh, used):
        feed(metric, np.arange(120))
    kept = values(fresh.compute())
    assert values(used.compute()) == pytest.approx(kept)
    assert values(pickle.loads(pickle.dumps(fresh)).compute()) == pytest.approx(kept)


PERFECT = {
    "mse": pairs(TRUE, TRUE),
    "rmse": pairs(TRUE, TRUE),
    "mae": pairs(TRUE, TRUE),
    "r": pairs(TRUE, TRUE),
    "r2": pairs(TRUE, TRUE),
    "prd": pairs(TRUE, TRUE),
    "fd": sets(REAL, REAL),
    "marginal": sets(REAL[:, 0], REAL[:, 0]),
    "spectrum": sets(TRUE, TRUE),
    "f1": pairs(TRUE_PEAKS, TRUE_PEAKS),
    "rate": pairs(TRUE_PEAKS, TRUE_PEAKS),
}


@pytest.mark.parametrize("name", PERFECT)
def test_perfect_input_has_the_perfect_score_and_higher_is_better_is_correct(name):
    make, feed, _, perfect = CASES[name]
    metric, imperfect = make(), make()
    PERFECT[name](metric, np.arange(120))
    feed(imperfect, np.arange(120))
    for key, value in values(metric.compute()).items():
        assert value == pytest.approx(perfect, abs=1e-9)
        assert metric.higher_is_better == (value > values(imperfect.compute())[key])


def test_every_metric_has_a_direction():
    directions = {name: make().higher_is_better for name, (make, *_) in CASES.items()}
    assert {name for name, higher in directions.items() if higher} == {"r", "r2", "prdc", "f1"}
    assert {name for name, higher in directions.items() if higher is None} == {"coverage", "variability"}


def test_flat_true_leads_are_excluded_from_the_mean():
    true = TRUE.copy()
    true[:60, 0] = 0
    metric = metrics.Pearson(12)
    metric.update(PREDICTED, true)
    assert float(metric.per_lead()[0]) == pytest.approx(waveform.pearson(PREDICTED[60:, 0], true[60:, 0]).mean())
    empty = metrics.Pearson(1)
    empty.update(PREDICTED[:, :1], 0 * true[:, :1])
    assert np.isnan(float(empty.compute()))


def test_input_errors():
    with pytest.raises(InputError, match=r"scores of shape \(120, 12\)"):
        metrics.Pearson(8).update(PREDICTED, TRUE)
    with pytest.raises(InputError, match="5 features; 6 were expected"):
        metrics.FrechetDistance(6).update(REAL, real=True)
    metric = metrics.FrechetDistance(5)
    metric.update(REAL, real=True)
    metric.update(SYNTHETIC[:12], real=False)
    with pytest.raises(InputError, match="12 synthetic records; at least 50"):
        metric.compute()
    with pytest.raises(InputError, match="no lead law applies to I, V1"):
        metrics.LeadLaws(("I", "V1"))
    few = metrics.KernelDistance()
    few.update(REAL[:7], real=True)
    with pytest.raises(InputError, match="7 records; at least 50"):
        few.compute()


@pytest.mark.parametrize("module", [metrics, functional], ids=lambda module: module.__name__)
def test_public_metrics_are_listed_in_the_docstring_and_have_an_example(module):
    for name in module.__all__:
        assert f"``{name}``" in module.__doc__, name
        assert "Example:" in getattr(module, name).__doc__ or name in NEEDS_MODELS, name


NEEDS_MODELS = ("paraphrase_sensitivity",)
"""Functions that take a generator."""
