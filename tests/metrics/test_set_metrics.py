"""Metrics between two sets: closed forms, parity with reference implementations, and limiting cases."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel
from sklearn.neighbors import NearestNeighbors
from torchmetrics.image.kid import poly_mmd

from ecggen import InputError
from ecggen.core.simulate import simulate
from ecggen.metrics.functional import marginals, privacy
from ecggen.metrics.functional.distribution.frechet import (
    frechet_from_moments,
    frechet_gaussian,
    moments,
    moments_from_sums,
)
from ecggen.metrics.functional.distribution.kernel import kernel_distance, maximum_mean_discrepancy, median_distance
from ecggen.metrics.functional.distribution.prdc import prdc


def features(n, d=6, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ np.random.default_rng(99).normal(size=(d, d)) + shift


def test_gaussian_distance_is_the_closed_form():
    mean, root = np.array([1.0, -2, 0]), np.diag([1.0, 2, 3])
    for scale in (1.0, 2.5):
        found = frechet_from_moments(0 * mean, root**2, mean, (scale * root) ** 2)
        assert found == pytest.approx(5 + (scale - 1) ** 2 * 14)


def test_gaussian_distance_has_parity_with_the_matrix_root():
    x, y = features(300), features(200, seed=1, shift=0.4) * 1.3
    (mean_x, cov_x), (mean_y, cov_y) = moments(x), moments(y)
    np.testing.assert_allclose(cov_x, np.cov(x.T))
    reference = ((mean_x - mean_y) ** 2).sum() + np.trace(cov_x + cov_y - 2 * sqrtm(cov_x @ cov_y).real)
    assert frechet_gaussian(x, y) == pytest.approx(reference)
    for one, other in zip(moments_from_sums(300, x.sum(0), x.T @ x), (mean_x, cov_x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_gaussian_distance_is_never_negative():
    wide = features(60, d=200).astype(np.float32) * 1e3  # fewer records than features: singular covariance
    assert 0 <= frechet_gaussian(wide, wide) < 1e-6 * np.trace(moments(wide.astype(float))[1])
    assert frechet_gaussian(wide, wide[::-1]) >= 0 and np.isfinite(frechet_gaussian(wide, wide + np.float32(1e-3)))
    flat = np.zeros((60, 4), np.float32)
    assert frechet_gaussian(flat, flat) == 0 and frechet_gaussian(flat, flat + 2) == pytest.approx(16)


def test_gaussian_distance_is_symmetric_and_rotation_invariant():
    x, y = features(100), features(100, seed=1, shift=0.2)
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0]
    assert frechet_gaussian(x, y) == pytest.approx(frechet_gaussian(y, x))
    assert frechet_gaussian(x @ turn, y @ turn) == pytest.approx(frechet_gaussian(x, y))
    assert frechet_gaussian(10 * x, 10 * y) == pytest.approx(100 * frechet_gaussian(x, y))


def test_bias_of_the_gaussian_distance_decreases_with_n():
    few, many = (frechet_gaussian(features(n, seed=2), features(n, seed=3)) for n in (50, 5000))
    assert few > 10 * many


def test_kernel_distance_has_parity():
    x, y = features(90), features(90, seed=1, shift=0.3)
    tables = [torch.as_tensor(polynomial_kernel(a, b, 3, 1 / 6, 1)) for a, b in ((x, x), (x, y), (y, y))]
    assert kernel_distance(x, y) == pytest.approx(float(poly_mmd_of(tables)), rel=1e-9)
    torch_version = poly_mmd(torch.as_tensor(x), torch.as_tensor(y), degree=3, gamma=1 / 6, coef=1.0)
    assert kernel_distance(x, y) == pytest.approx(float(torch_version), rel=1e-6)


def poly_mmd_of(tables):
    xx, xy, yy = tables
    inside = sum((one.sum() - one.trace()) / (len(one) * (len(one) - 1)) for one in (xx, yy))
    return inside - 2 * xy.mean()


def test_gaussian_kernel_has_parity():
    x, y = features(80), features(70, seed=1, shift=0.3)
    tables = [torch.as_tensor(rbf_kernel(a, b, 1 / (2 * 1.7**2))) for a, b in ((x, x), (x, y), (y, y))]
    assert maximum_mean_discrepancy(x, y, 1.7) == pytest.approx(float(poly_mmd_of(tables)), rel=1e-9)
    pooled = np.concatenate([x, y])
    apart = np.linalg.norm(pooled[:, None] - pooled, axis=-1)[np.triu_indices(150, 1)]
    assert median_distance(x, y) == pytest.approx(np.median(apart))
    assert maximum_mean_discrepancy(x, y) == maximum_mean_discrepancy(x, y, median_distance(x, y))


@pytest.mark.parametrize("score", [kernel_distance, maximum_mean_discrepancy])
def test_kernel_distance_of_one_distribution_is_zero_on_average(score):
    null = np.array([score(features(60, seed=2 * i), features(60, seed=2 * i + 1)) for i in range(60)])
    assert abs(null.mean()) < 3 * null.std() / np.sqrt(60) and (null < 0).any()
    assert score(features(60), features(60, seed=1, shift=1.5)) > null.mean() + 5 * null.std()


def by_neighbours(real, synthetic, k, k_dense):
    """The four values from scikit-learn's neighbours, pair by pair."""

    def radius(x, k):
        return NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, -1]

    apart = np.linalg.norm(real[:, None] - synthetic, axis=-1)
    within, dense = apart <= radius(real, k)[:, None], apart <= radius(real, k_dense)[:, None]
    return {
        "precision": within.any(0).mean(),
        "recall": (apart <= radius(synthetic, k)).any(1).mean(),
        "density": dense.sum() / k_dense / len(synthetic),
        "coverage": dense.any(1).mean(),
    }


def test_prdc_has_parity(monkeypatch):
    monkeypatch.setattr("ecggen.metrics.functional.distribution.feature_sets.ROWS", 37)
    real, synthetic = features(150), features(120, seed=1, shift=0.5)
    assert prdc(real, synthetic) == pytest.approx(by_neighbours(real, synthetic, 3, 5))
    assert prdc(real, synthetic, 2, 7) == pytest.approx(by_neighbours(real, synthetic, 2, 7))


def test_prdc_of_identical_distant_and_collapsed_sets():
    real = features(200)
    itself = prdc(real, real)
    assert itself == pytest.approx({"precision": 1, "recall": 1, "density": 6 / 5, "coverage": 1})
    far = prdc(real, features(200, seed=1, shift=100.0))
    assert far == dict.fromkeys(("precision", "recall", "density", "coverage"), 0)
    narrow = prdc(real, np.repeat(real[:10], 20, 0))  # ten records, repeated
    assert narrow["precision"] == 1 and narrow["recall"] < 0.1 and narrow["coverage"] < 0.5


def test_prdc_is_invariant_to_scale_and_offset():
    real, synthetic = features(100), features(100, seed=1)
    assert prdc(1000 * real + 1e6, 1000 * synthetic + 1e6) == pytest.approx(prdc(real, synthetic))


@pytest.mark.parametrize("score", [frechet_gaussian, kernel_distance, maximum_mean_discrepancy, prdc])
def test_invalid_sets_are_rejected(score):
    whole = features(60)
    holed = whole.copy()
    holed[3, 2] = np.nan
    with pytest.raises(InputError, match="1 of 60 records have features that are not finite"):
        score(whole, holed)
    with pytest.raises(InputError, match="12 records; at least 50 were expected"):
        score(whole[:12], whole)
    with pytest.raises(InputError, match="sets of 6 and 5 features"):
        score(whole, whole[:, :5])
    with pytest.raises(InputError, match=r"features have shape \(60,\)"):
        score(whole[:, 0], whole)
    assert score(whole[:12], whole[12:24], fewest=12) is not None


def test_marginals_have_parity():
    rng = np.random.default_rng(0)
    a, b = rng.normal(70, 12, 300), rng.normal(75, 10, 200).round()
    assert marginals.kolmogorov_smirnov(a, b) == pytest.approx(ks_2samp(a, b).statistic)
    assert marginals.wasserstein(a, b, 1) == pytest.approx(wasserstein_distance(a, b))
    assert marginals.wasserstein(a, b) == pytest.approx(
        wasserstein_distance(a, b) / np.subtract(*np.quantile(b, [0.75, 0.25]))
    )
    assert marginals.kolmogorov_smirnov(b, b) == 0 and marginals.wasserstein(b, b) == 0
    assert marginals.kolmogorov_smirnov([1, 2], [3, 4]) == 1
    assert marginals.wasserstein(a + 5, a, 1) == pytest.approx(5)
    assert marginals.wasserstein(1000 * a, 1000 * b) == pytest.approx(marginals.wasserstein(a, b))


def test_marginals_drop_missing_values():
    assert marginals.kolmogorov_smirnov([1, 2, np.nan], [[2, 1]]) == 0
    assert marginals.quantiles([np.nan, 1, 2, 3], [0.5]) == {0.5: 2}
    with pytest.raises(InputError, match="none of 2 values is finite"):
        marginals.quantiles([np.nan, np.inf])
    with pytest.raises(InputError, match="the scale is 0"):
        marginals.wasserstein([1, 2], [5, 5, 5])


def test_closest_has_parity(monkeypatch):
    monkeypatch.setattr("ecggen.metrics.functional.distribution.feature_sets.ROWS", 7)
    x, y = features(30, d=12).reshape(30, 3, 4), features(40, d=12, seed=1).reshape(40, 3, 4)
    distance, index = NearestNeighbors(n_neighbors=3).fit(y.reshape(40, -1)).kneighbors(x.reshape(30, -1))
    found = privacy.closest(x, y, 3)
    np.testing.assert_allclose(found[0], distance)
    np.testing.assert_array_equal(found[1], index)
    np.testing.assert_array_equal(privacy.closest(x, y)[1], index[:, 0])
    assert (privacy.closest(y, y)[0] == 0).all()


def test_copies_are_closer_to_training_and_independent_records_are_not():
    training, holdout, fresh = (features(400, seed=seed) for seed in (1, 2, 3))
    assert privacy.closer_to_training(fresh, training, holdout) == pytest.approx(0.5, abs=0.08)
    assert privacy.closer_to_training(training[:100] + 1e-3, training, holdout) > 0.99
    assert privacy.closer_to_training(holdout, training, holdout) == 0
    assert privacy.closer_to_training(fresh, training, training) == 0.5  # ties count as half
    uneven = privacy.closer_to_training(fresh, training, holdout[:100])
    assert uneven == pytest.approx(0.5, abs=0.1) == privacy.closer_to_training(fresh, training, holdout[:100])


def test_standardised_leads_remove_the_effect_of_low_amplitude_records():
    rng = np.random.default_rng(0)
    synthetic, training, holdout = rng.normal(size=(3, 200, 2, 30))
    training[0] *= 1e-3  # a record of low amplitude is close to every record
    assert privacy.closer_to_training(synthetic, training, holdout) > 0.9
    fair = privacy.closer_to_training(*map(privacy.standardised, (synthetic, training, holdout)))
    assert fair == pytest.approx(0.5, abs=0.12)
    assert (privacy.standardised(np.full((1, 2, 5), 0.1)) == 0).all()


def test_neighbour_ratio_is_zero_for_copies():
    training = features(200, seed=1)
    assert np.median(privacy.neighbour_ratio(features(200, seed=2), training)) > 0.7
    assert privacy.neighbour_ratio(training[:50] + 1e-6, training).max() < 1e-3
    assert (privacy.neighbour_ratio(training[:5], np.repeat(training[:5], 2, 0)) == 0).all()


def test_membership_inference_has_parity_and_its_limits():
    training, holdout, synthetic = (features(150, seed=seed) for seed in (1, 2, 3))
    near = [privacy.closest(one, synthetic)[0] for one in (training, holdout)]
    reference = roc_auc_score(np.repeat([1, 0], 150), -np.concatenate(near))
    assert privacy.membership_inference(training, holdout, synthetic) == pytest.approx(reference)
    assert privacy.membership_inference(training, holdout, training) == 1
    assert privacy.membership_inference(training, training, synthetic) == 0.5


def test_shifted_copies_are_found_at_any_shift():
    training = simulate(40, seconds=6, seed=0).pick("I", "II", "V2").signal.numpy()
    fresh = simulate(20, seconds=6, seed=1).pick("I", "II", "V2").signal.numpy()
    noise = 0.02 * np.random.default_rng(0).normal(size=(2, 3, 600)).astype(np.float32)
    fresh[4, :, 150:] = 0.5 * training[31, :, :450]  # delayed by 1.5 s, half the amplitude, another start
    fresh[9, :, :500] = training[7, :, 100:] + noise[0, :, :500]  # early by 1 s
    fresh[12] = training[3] + 0.4 + noise[1]
    found = privacy.shifted_copies(fresh, training, fs=100)
    assert found["index"][[9, 12]].tolist() == [7, 3] and found["index"][4] == 31
    np.testing.assert_allclose(found["lag_s"][[4, 9, 12]], [1.5, -1.0, 0.0], atol=0.011)
    assert found["copied"][[4, 9, 12]].all() and (found["r"] <= 1 + 1e-4).all()


def test_shifted_copies_equals_exhaustive_search():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(19, 2, 24)), rng.normal(size=(5, 2, 24))
    x, y = (one - one.mean(-1, keepdims=True) for one in (x, y))
    best = np.full(19, -1.0)
    for i, j, lag in np.ndindex(19, 5, 25):
        lag -= 12
        a, b = (x[i, :, lag:], y[j, :, : 24 - lag]) if lag >= 0 else (x[i, :, :lag], y[j, :, -lag:])
        best[i] = max(best[i], (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    np.testing.assert_allclose(privacy.shifted_copies(x, y, 10)["r"], best, atol=1e-5)
    straight = privacy.shifted_copies(x, y, 10, overlap=1)
    assert (straight["lag_s"] == 0).all() and (straight["r"] <= best + 1e-6).all()


def test_flat_records_are_no_copies():
    x = np.zeros((2, 2, 50))
    found = privacy.shifted_copies(x, np.random.default_rng(0).normal(size=(3, 2, 50)), 10)
    assert (found["r"] == 0).all() and not found["copied"].any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: privacy.shifted_copies(np.zeros((2, 3, 9)), np.zeros((2, 4, 9)), 10), "one \\(lead, time\\)"),
        (lambda: privacy.shifted_copies(np.full((2, 3, 9), np.nan), np.zeros((2, 3, 9)), 10), "not finite"),
        (lambda: privacy.shifted_copies(np.zeros((2, 3, 9)), np.zeros((2, 3, 9)), 10, overlap=0), "the overlap is 0"),
        (lambda: privacy.closest(np.zeros((2, 3)), np.zeros((2, 3)), 3), "3 neighbours among 2 records"),
        (lambda: privacy.closer_to_training(np.zeros((2, 3)), np.zeros((9, 3)), np.zeros((1, 3))), "1 records"),
        (lambda: privacy.membership_inference(np.zeros((0, 3)), np.zeros((9, 3)), np.zeros((1, 3))), "0 records"),
    ],
)
def test_privacy_input_errors(call, words):
    with pytest.raises(InputError, match=words):
        call()
