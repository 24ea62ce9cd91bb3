"""Metrics of waveforms, draws and prediction intervals, and statistics of regression to the mean."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import linregress, norm
from torchmetrics.functional import pearson_corrcoef, r2_score

from ecggen import InputError
from ecggen.core.simulate import simulate
from ecggen.metrics.functional import lead_laws, probabilistic, regression_to_mean, waveform
from ecggen.metrics.functional.distribution.frechet import frechet_curve


def pair(*shape, noise=0.5):
    rng = np.random.default_rng(1)
    true = rng.normal(size=shape)
    return true + noise * rng.normal(size=shape), true


def couplings(n):
    """Every monotone path from (0, 0) to (n − 1, n − 1)."""
    paths = {(0, 0): [[(0, 0)]]}
    for i, j in itertools.product(range(n), range(n)):
        for di, dj in ((1, 0), (0, 1), (1, 1)):
            if i - di >= 0 and j - dj >= 0:
                paths.setdefault((i, j), []).extend([*path, (i, j)] for path in paths[i - di, j - dj])
    return paths[n - 1, n - 1]


def test_frechet_distance_is_the_minimum_over_all_couplings():
    a, b = pair(3, 2, 5)
    paths = couplings(5)
    assert len(paths) == 321  # Delannoy number: all paths
    for at in np.ndindex(3, 2):
        expected = min(max(abs(a[at][i] - b[at][j]) for i, j in path) for path in paths)
        assert frechet_curve(a, b)[at] == pytest.approx(expected)
        near = [path for path in paths if all(abs(i - j) <= 2 for i, j in path)]
        expected = min(max(abs(a[at][i] - b[at][j]) for i, j in path) for path in near)
        assert frechet_curve(a, b, reach=2)[at] == pytest.approx(expected)


def test_warping_distance_is_the_minimum_over_all_couplings():
    a, b = pair(3, 5)
    near = [path for path in couplings(5) if all(abs(i - j) <= 2 for i, j in path)]
    for x, y, found in zip(a, b, waveform.dynamic_time_warping(a, b, fs=10, reach=0.2), strict=True):
        costs = [(sum(abs(x[i] - y[j]) for i, j in path), len(path)) for path in near]
        assert found == pytest.approx(min(costs)[0] / min(costs)[1])


@pytest.mark.parametrize("time", [1, 2, 7, 60])
def test_properties_of_the_frechet_distance(time):
    a, b = pair(4, time)
    assert (frechet_curve(a, a) == 0).all()
    np.testing.assert_allclose(frechet_curve(a, b), frechet_curve(b, a))
    np.testing.assert_allclose(frechet_curve(a, b, reach=0), np.abs(a - b).max(-1))
    np.testing.assert_allclose(frechet_curve(a, b, reach=time), frechet_curve(a, b))
    by_reach = np.stack([frechet_curve(a, b, reach) for reach in range(time)])
    assert (np.diff(by_reach, axis=0) <= 0).all()
    assert (frechet_curve(a, b) >= np.maximum(np.abs(a - b)[:, 0], np.abs(a - b)[:, -1]) - 1e-12).all()
    np.testing.assert_allclose(frechet_curve(1000 * a, 1000 * b), 1000 * frechet_curve(a, b))


def test_batches_of_waveforms_equal_single_waveforms():
    a, b = pair(1100, 9)
    np.testing.assert_array_equal(
        frechet_curve(a, b)[[0, 600, 1099]], [frechet_curve(a[i], b[i]) for i in (0, 600, 1099)]
    )
    assert frechet_curve(a[:0], b[:0]).shape == (0,)


def test_warping_tolerates_a_time_shift_only():
    wave = simulate(1, seconds=4, fs=100, seed=2).signal[0, :2].numpy()
    late = np.roll(wave, 5, axis=-1)
    straight = waveform.mean_absolute_error(late, wave)
    assert (waveform.dynamic_time_warping(late, wave, 100, reach=0.1) < 0.2 * straight).all()
    np.testing.assert_allclose(waveform.dynamic_time_warping(late, wave, 100, reach=0), straight)
    np.testing.assert_allclose(waveform.dynamic_time_warping(wave + 0.3, wave, 100, reach=0), 0.3, rtol=1e-4)
    assert (waveform.dynamic_time_warping(wave, wave, 100) == 0).all()


def test_r_squared_pearson_and_prd_have_parity():
    predicted, true = pair(2, 3, 200)
    a, b = torch.as_tensor(predicted[1, 2]), torch.as_tensor(true[1, 2])
    assert waveform.r_squared(predicted, true)[1, 2] == pytest.approx(float(r2_score(a, b)))
    assert waveform.pearson(predicted, true)[1, 2] == pytest.approx(float(pearson_corrcoef(a, b)))
    by_hand = 100 * np.linalg.norm(predicted[0, 0] - true[0, 0]) / np.linalg.norm(true[0, 0] - true[0, 0].mean())
    assert waveform.prd(predicted, true)[0, 0] == pytest.approx(by_hand)
    assert (waveform.r_squared(true, true) == 1).all() and (waveform.prd(true, true) == 0).all()


def test_prd_is_invariant_to_the_baseline():
    predicted, true = pair(4, 200)
    np.testing.assert_allclose(waveform.prd(predicted + 5, true + 5), waveform.prd(predicted, true))
    np.testing.assert_allclose(waveform.prd(np.broadcast_to(true.mean(-1)[:, None], true.shape), true), 100)
    assert np.isnan(waveform.prd(predicted, np.full_like(true, 0.1))).all()
    assert np.isnan(waveform.r_squared(predicted, np.full_like(true, 0.1))).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: waveform.r_squared(np.zeros((2, 0)), np.zeros((2, 0))), "at least one sample"),
        (lambda: frechet_curve(np.zeros(3), np.zeros(4)), "one shape was expected"),
        (lambda: frechet_curve(np.zeros(3), np.zeros(3), reach=-1), "the reach is -1 samples"),
        (lambda: waveform.dynamic_time_warping(np.zeros(3), np.zeros(3), 0), "a positive rate"),
        (lambda: probabilistic.crps(np.zeros((5, 3)), np.zeros(4)), r"draws of shape \(5, 3\)"),
        (lambda: probabilistic.interval_score([0], [1], [0], 90), "the level is 90"),
        (lambda: probabilistic.coverage([1.0], [0.0], [0.5]), "lower end of the interval exceeds"),
        (lambda: regression_to_mean.bland_altman([1, np.nan, 2], [1, 2, np.nan]), "1 of 3 records have the feature"),
        (lambda: regression_to_mean.error_slope([1, 2, 3], [4, 4, 4]), "all 3 true values are 4"),
        (lambda: lead_laws.lead_law_residuals(np.zeros((1, 2, 9)), ("I", "II", "V1")), "for 3 leads"),
    ],
)
def test_input_errors(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_crps_of_many_normal_draws_is_the_closed_form():
    rng = np.random.default_rng(0)
    true = np.array([-1.0, 0.0, 2.5])
    closed = true * (2 * norm.cdf(true) - 1) + 2 * norm.pdf(true) - 1 / np.sqrt(np.pi)
    draws = rng.normal(size=(200_000, 3))
    np.testing.assert_allclose(probabilistic.crps(draws, true), closed, atol=0.01)
    np.testing.assert_allclose(probabilistic.crps(draws, true, fair=False), closed, atol=0.01)


def test_fair_crps_is_unbiased_in_the_number_of_draws():
    rng = np.random.default_rng(0)
    true = rng.normal(size=200_000)
    draws = rng.normal(size=(3, 200_000))
    expected = 1 / np.sqrt(np.pi)  # of a perfect forecast
    assert probabilistic.crps(draws, true).mean() == pytest.approx(expected, abs=0.005)
    assert probabilistic.crps(draws, true, fair=False).mean() > expected + 0.1


def test_crps_is_the_double_sum_and_the_absolute_error_of_one_draw():
    draws, true = np.random.default_rng(0).normal(size=(4, 2, 5)), np.zeros((2, 5))
    apart = np.abs(draws[:, None] - draws).sum((0, 1))
    np.testing.assert_allclose(probabilistic.crps(draws, true), np.abs(draws).mean(0) - apart / (2 * 4 * 3))
    np.testing.assert_allclose(probabilistic.crps(draws, true, fair=False), np.abs(draws).mean(0) - apart / (2 * 16))
    for fair in (True, False):
        np.testing.assert_allclose(probabilistic.crps(draws[:1], true, fair), np.abs(draws[0]))
    assert (probabilistic.crps(np.zeros((3, 2, 5)), true) == 0).all()


def test_calibrated_interval_has_the_best_interval_score():
    true = np.random.default_rng(0).normal(size=100_000)
    scores = {z: probabilistic.interval_score(0 * true - z, 0 * true + z, true, 0.9).mean() for z in (0.8, 1.645, 3)}
    assert min(scores, key=lambda z: scores[z]) == 1.645
    np.testing.assert_allclose(probabilistic.interval_score([0, 0], [1, 1], [0.5, 1.5], 0.9), [1, 1 + 20 * 0.5])
    assert (probabilistic.interval_score(true, true, true, 0.5) == 0).all()


def test_coverage_is_computed_per_record_and_lead():
    true = np.array([[[0.0, 1], [2, 3]], [[9, 9], [9, 9]]])
    np.testing.assert_allclose(probabilistic.coverage(0 * true, 0 * true + 1, true), [[1, 0], [0, 0]])


def test_shrinkage_is_detected():
    true = np.random.default_rng(0).normal(1, 2, size=(5000, 3))
    predicted = 1 + 0.6 * (true - 1)
    np.testing.assert_allclose(regression_to_mean.variance_ratio(predicted, true), 0.36)
    line = regression_to_mean.error_slope(predicted[:, 0], true[:, 0])
    assert line["slope"] == pytest.approx(-0.4) and line["r_squared"] == pytest.approx(1)
    assert regression_to_mean.error_slope(np.ones(5000), true[:, 0])["slope"] == pytest.approx(-1)


def test_slope_has_parity_and_limits_of_agreement_contain_95_percent():
    rng = np.random.default_rng(0)
    true = rng.normal(size=4000)
    predicted = 0.8 * true + 0.3 + 0.5 * rng.normal(size=4000)
    reference = linregress(true, predicted - true)
    line = regression_to_mean.error_slope(predicted, true)
    assert line["slope"] == pytest.approx(reference.slope) and line["intercept"] == pytest.approx(reference.intercept)
    assert line["r_squared"] == pytest.approx(reference.rvalue**2)
    limits = regression_to_mean.bland_altman(predicted, true)
    held = ((predicted - true >= limits["lower"]) & (predicted - true <= limits["upper"])).mean()
    assert held == pytest.approx(0.95, abs=0.01) and limits["bias"] == pytest.approx((predicted - true).mean())


def test_missing_features_are_dropped_and_counted():
    true = np.random.default_rng(0).normal(size=20)
    predicted = true + 0.1
    altered, holes = predicted.copy(), true.copy()
    altered[:3], holes[2:5] = np.nan, np.nan
    assert regression_to_mean.bland_altman(altered, holes)["n"] == 15
    assert regression_to_mean.bland_altman(altered, holes)["bias"] == pytest.approx(0.1)
    assert regression_to_mean.error_slope(altered, holes)["n"] == 15
    assert regression_to_mean.variance_ratio(altered, holes) == pytest.approx(1)
    assert np.isnan(regression_to_mean.variance_ratio(altered[:4], holes[:4]))


def test_lead_law_residuals_identify_the_altered_lead():
    ecgs = simulate(3, seconds=2, seed=0)
    signal = ecgs.signal.numpy()
    consistent = lead_laws.lead_law_residuals(signal, ecgs.leads)
    assert len(consistent) == 4 and all(found.max() < 0.01 for found in consistent.values())
    altered = signal.copy()
    altered[1, ecgs.leads.index("aVL"), 7] += 0.25
    found = lead_laws.lead_law_residuals(altered, ecgs.leads)
    np.testing.assert_allclose(found["aVL = I − II/2"], [0, 250, 0], atol=0.01)
    assert all(found[law].max() < 0.01 for law in found if "aVL" not in law)


def test_only_laws_with_all_leads_are_checked():
    assert list(lead_laws.lead_law_residuals(np.zeros((1, 3, 5)), ("II", "I", "aVF"))) == ["aVF = II − I/2"]
    assert lead_laws.lead_law_residuals(np.zeros((1, 2, 5)), ("I", "V1")) == {}
