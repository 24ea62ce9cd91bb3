"""Metrics of records: spectrum, artefacts, correlations by segment, R peaks, and bootstrap intervals."""

import numpy as np
import pytest
from scipy.signal import welch

from ecggen import InputError
from ecggen.core import artifacts
from ecggen.core.simulate import simulate
from ecggen.metrics.functional import beats, bootstrap, correlation, spectrum


def waves(n=6, seconds=4, seed=0):
    """Simulated ECGs with a little noise, in mV."""
    rng = np.random.default_rng(seed)
    clean = simulate(n, seconds=seconds, seed=seed).signal.numpy()
    return clean + 0.01 * rng.normal(size=clean.shape).astype(np.float32)


def test_power_spectrum_has_parity_and_finds_a_tone():
    time = np.arange(1000) / 100
    tone = np.sqrt(2) * 0.3 * np.sin(2 * np.pi * 12 * time)[None, None]
    frequencies, power = spectrum.power_spectrum(tone, 100)
    np.testing.assert_allclose(power, welch(tone, 100, nperseg=200)[1])
    many = np.random.default_rng(0).normal(size=(spectrum.PART // 12 + 1, 12, 200)).astype(np.float32)
    np.testing.assert_allclose(spectrum.power_spectrum(many, 100)[1], welch(many.astype(float), 100, nperseg=200)[1])
    assert frequencies[power[0, 0].argmax()] == 12
    bands = spectrum.band_powers(tone, 100)
    assert bands["QRS"][0, 0] == pytest.approx(0.09, rel=0.01) and bands["P and T"][0, 0] < 1e-4
    assert "mains" not in bands and "muscle" in bands


def test_spectral_distance_of_a_gain_is_the_gain_in_decibels():
    real = waves()
    np.testing.assert_allclose(spectrum.log_spectral_distance(real, 10 * real, 100), 20, rtol=1e-4)
    assert (spectrum.log_spectral_distance(real, real, 100) == 0).all()
    assert (spectrum.log_spectral_distance(real, real[..., ::-1], 100) < 0.1).all()  # time reversed: the same spectrum
    noise = np.random.default_rng(0).normal(size=real.shape)
    assert (spectrum.log_spectral_distance(real, noise, 100) > 5).all()


def test_amplitude_quantiles_have_parity():
    real = waves()
    found = spectrum.amplitude_quantiles(real, [0.1, 0.5])
    assert found.shape == (2, 12)
    np.testing.assert_allclose(found[:, 3], np.quantile(real[:, 3], [0.1, 0.5]))
    holed = real.copy()
    holed[0, 3] = np.nan
    np.testing.assert_allclose(spectrum.amplitude_quantiles(holed, [0.5])[0, 3], np.median(real[1:, 3]))


def test_each_artefact_raises_its_own_flag_only():
    good = waves(6)
    bad = good.copy()
    bad[0, 2, 50] = np.nan
    bad[1, 4, 10] = -10.5
    bad[2, 7] = 0.2
    bad[3, 1, 100:305] = bad[3, 1, 100]
    bad[4, 6] = np.clip(bad[4, 6], *np.quantile(bad[4, 6], [0.1, 0.9]))
    flags = artifacts.found(bad, 100)
    for row, name in enumerate(("nan", "beyond", "flat", "stuck", "clipped")):
        assert [one for one in flags if flags[one][row]] == [name]
    assert artifacts.valid(bad, 100).tolist() == [False] * 5 + [True]
    assert artifacts.valid(good, 100).all() and not artifacts.valid(1000 * good, 100).any()


def test_flags_at_their_limits():
    wave = np.random.default_rng(0).normal(size=(2, 1, 500))
    wave[0, 0, 100:300], wave[1, 0, 100:301] = 0.1, 0.1  # 2 s are not more than 2 s
    assert artifacts.found(wave, 100)["stuck"].tolist() == [False, True]
    assert not artifacts.found(wave[:, :, :50], 100)["stuck"].any()
    assert artifacts.found(np.array([[[10.0, -10, 9]]]), 100)["beyond"].tolist() == [False]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: spectrum.power_spectrum(np.zeros((1, 1, 50)), 100), "signals last 0.50 s; at least 2 s"),
        (lambda: spectrum.power_spectrum(np.full((1, 1, 500), np.nan), 100), "not finite"),
        (lambda: spectrum.log_spectral_distance(waves(2), waves(2)[:, :8], 100), "sets of 12 and 8 leads"),
        (lambda: spectrum.amplitude_quantiles(np.full((1, 2, 5), np.nan)), "no finite value"),
        (lambda: correlation.segment_cross_correlation(waves(2), {"P": np.zeros((3, 1, 2), int)}), "for 2 records"),
        (
            lambda: correlation.segment_correlation_errors(waves(1), waves(1), {"P": np.full((1, 1, 2), 999)}),
            "ends at sample 999",
        ),
        (lambda: beats.r_peak_f1([np.zeros(0)], [np.zeros(0)], 0.05), "none of 1 true records has an R peak"),
        (lambda: beats.heart_rate_errors([], [np.zeros(2)]), "0 predicted and 1 true records"),
        (lambda: bootstrap.resampled_interval(np.median, [np.zeros(3)], ["a"]), "3 records and 1 patients"),
        (lambda: bootstrap.resampled_interval(lambda x: np.nan, [np.zeros(3)], "abc"), "undefined for 1000 of 1000"),
    ],
)
def test_input_errors(call, words):
    with pytest.raises(InputError, match=words):
        call()


def segments(n, beats=3, size=20):
    """Two segments per beat; the second is missing in every last beat."""
    starts = 20 + 100 * np.arange(beats)
    first = np.broadcast_to(np.stack([starts, starts + size], 1), (n, beats, 2)).copy()
    second = first + 30
    second[:, -1] = -1
    return {"QRS": first, "T": second}


def test_cross_correlation_has_parity_for_one_beat():
    signal = waves(2)
    one = {"QRS": segments(2)["QRS"][:, :1]}
    found = correlation.segment_cross_correlation(signal, one)["QRS"]
    np.testing.assert_allclose(found[1], np.corrcoef(signal[1, :, 20:40]), atol=1e-6)


def test_autocorrelation_has_parity_for_one_beat():
    signal = waves(2)
    one = {"QRS": segments(2)["QRS"][:, 1:2]}
    found = correlation.segment_autocorrelation(signal, one, lags=25)["QRS"]
    piece = signal[0, 4, 120:140].astype(float) - signal[0, 4, 120:140].mean()
    full = np.correlate(piece, piece, "full")[19:]
    np.testing.assert_allclose(found[0, 4, :20], full / full[0], atol=1e-6)
    assert (found[..., 20:] == 0).all()


def test_correlations_are_invariant_to_gain_and_baseline_and_pool_beats():
    signal = waves(3)
    moved = 2.5 * signal + np.repeat([0.3, -0.4, 0.9, 0], 100)  # a different baseline at each beat
    for measure in (correlation.segment_cross_correlation, correlation.segment_autocorrelation):
        before, after = measure(signal, segments(3)), measure(moved, segments(3))
        for name in before:
            np.testing.assert_allclose(after[name], before[name], atol=1e-5)
    twice = {"QRS": np.repeat(segments(3)["QRS"][:, :1], 2, 1)}
    once = {"QRS": segments(3)["QRS"][:, :1]}
    pooled, single = (correlation.segment_cross_correlation(signal, one)["QRS"] for one in (twice, once))
    np.testing.assert_allclose(pooled, single)


def test_correlation_errors_of_preserved_and_altered_segments():
    true, where = waves(4), segments(4)
    perfect = correlation.segment_correlation_errors(true, true, where)
    for name in where:
        assert perfect[name]["cross_error"].max() < 1e-12 and perfect[name]["auto_error"].max() < 1e-12
        np.testing.assert_allclose(perfect[name]["with_true"], 1)
    altered = true.copy()
    altered[:, :, 20:40] = np.random.default_rng(0).normal(size=(4, 12, 20))
    altered[:, :, 120:140] = altered[:, :, 220:240] = altered[:, :, 20:40]
    lost = correlation.segment_correlation_errors(altered, true, where)
    assert (lost["QRS"]["cross_error"] > 0.2).all() and (lost["QRS"]["with_true"] < 0.5).all()
    assert (lost["T"]["cross_error"] < 1e-12).all(), "only the altered segment has an error"
    flat = correlation.segment_correlation_errors(np.zeros_like(true), true, where)
    assert (flat["QRS"]["with_true"] == 0).all() and (flat["QRS"]["cross_error"] > 0.3).all()


def test_absent_segments_are_nan_for_their_record_only():
    true, where = waves(3), segments(3)
    where["T"][1] = -1
    found = correlation.segment_correlation_errors(true, true, where)
    for values in found["T"].values():
        assert np.isnan(values).tolist() == [False, True, False]
    assert not np.isnan(found["QRS"]["with_true"]).any()
    assert np.isnan(correlation.segment_correlation_errors(true[:, :1], true[:, :1], where)["QRS"]["cross_error"]).all()


def test_matching_is_one_to_one_and_nearest():
    pairs = beats.match_r_peaks(np.array([1.0, 1.04, 2.0]), np.array([1.05, 2.1]), 0.15)
    assert pairs.tolist() == [[1, 0], [2, 1]]
    crowded = beats.match_r_peaks(np.array([0.0, 0.1]), np.array([0.1, 0.2]), 0.12)
    assert len(crowded) == 2, "the number of pairs is maximised first"
    assert beats.match_r_peaks(np.array([1.0]), np.array([1.15]), 0.15).tolist() == [[0, 0]]
    assert len(beats.match_r_peaks(np.zeros(0), np.array([1.0]), 0.15)) == 0


def test_matching_is_optimal():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = np.sort(rng.uniform(0, 3, 4)), np.sort(rng.uniform(0, 3, 5))
        pairs = beats.match_r_peaks(a, b, 0.4)
        assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
        assert (np.abs(a[pairs[:, 0]] - b[pairs[:, 1]]) <= 0.4 + 1e-9).all()
        assert len(pairs) == _most_pairs(a, b, 0.4)
        assert (np.diff(pairs, axis=0) > 0).all() or len(pairs) < 2, "beats do not cross"


def _most_pairs(a, b, tolerance):
    if not len(a) or not len(b):
        return 0
    best = max(_most_pairs(a[1:], b, tolerance), _most_pairs(a, b[1:], tolerance))
    return max(best, 1 + _most_pairs(a[1:], b[1:], tolerance)) if abs(a[0] - b[0]) <= tolerance else best


def test_f1_is_pooled_and_counts_missing_beats():
    true = [np.arange(0.5, 10, 0.8)] * 3
    assert beats.r_peak_f1(true, true, 0.05) == 1
    assert beats.r_peak_f1([one + 0.1 for one in true], true, 0.05) == 0
    assert beats.r_peak_f1([one + 0.1 for one in true], true, 0.15) == 1
    assert beats.r_peak_f1([np.zeros(0), *true[1:]], true, 0.05) == pytest.approx(2 * (2 / 3) / (2 / 3 + 1))
    assert beats.r_peak_f1([np.zeros(0)] * 3, true, 0.05) == 0
    doubled = [np.sort(np.concatenate([one, one + 0.4])) for one in true]
    assert beats.r_peak_f1(doubled, true, 0.05) == pytest.approx(2 * 0.5 / 1.5)


def test_partners_outside_the_part_count_for_peaks_inside():
    counts = beats.beat_counts(np.array([0.28, 1.0]), np.array([0.31, 1.0, 2.0]), 0.05, (0.3, 1.5))
    assert counts.tolist() == [1, 1, 2, 2]


def test_rr_statistics_of_a_known_rhythm():
    found = beats.rr_statistics(np.cumsum([0.0, 0.8, 1.0, 0.8, 1.0]))
    assert found["heart_rate"] == pytest.approx(60 / 0.9) and found["rmssd_ms"] == pytest.approx(200)
    assert found["sdnn_ms"] == pytest.approx(np.std([800, 1000, 800, 1000], ddof=1))
    assert found["irregularity"] == pytest.approx(0.2 / 0.9)
    steady = beats.rr_statistics(np.arange(10) * 0.75)
    assert steady["heart_rate"] == pytest.approx(80) and steady["irregularity"] == pytest.approx(0)
    slow = beats.rr_statistics(2 * np.cumsum([0.0, 0.8, 1.0, 0.8, 1.0]))
    assert slow["irregularity"] == pytest.approx(found["irregularity"])


def test_rr_statistics_of_too_few_beats_are_nan():
    table = beats.rr_table([np.zeros(0), np.array([1.0]), np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])])
    assert np.isnan(table["heart_rate"]).tolist() == [True, True, False, False]
    assert np.isnan(table["rmssd_ms"]).tolist() == [True, True, True, False]


def test_an_undefined_heart_rate_counts_as_zero():
    at, none = np.arange(0, 5, 1.0), np.zeros(0)
    assert beats.heart_rate_errors([at, none, none], [at, at, none]).tolist() == [0, 60, 0]


def test_resampled_interval_of_the_mean_is_the_patient_interval():
    rng = np.random.default_rng(0)
    patients = np.repeat([f"p{i}" for i in range(40)], 5)
    values = np.repeat(rng.normal(size=40), 5) + 0.1 * rng.normal(size=200)
    fast = bootstrap.patient_interval(values, patients.tolist(), repeats=2000)
    slow = bootstrap.resampled_interval(np.mean, [values], patients.tolist(), repeats=2000)
    np.testing.assert_allclose(slow, fast, atol=0.03)
    naive = bootstrap.resampled_interval(np.mean, [values], [str(i) for i in range(200)])
    assert np.ptp(slow) > 1.7 * np.ptp(naive), "records of one patient are not independent"


def test_resamples_contain_whole_patients_and_depend_on_the_seed():
    patients = ["b", "a", "b", "c", "a"]
    for rows in bootstrap.redrawn(patients, 0, 30):
        counts = np.bincount(rows, minlength=5)
        assert counts[0] == counts[2] and counts[1] == counts[4]
        assert counts[0] + counts[1] + counts[3] == 3, "as many patients as there are"
    first, again, other = (np.concatenate(list(bootstrap.redrawn(patients, seed, 5))).tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_arrays_of_one_record_stay_together():
    x = np.arange(50.0)
    low, high = bootstrap.resampled_interval(
        lambda a, b: np.corrcoef(a, b)[0, 1], [x, 2 * x], [str(i) for i in range(50)], repeats=99
    )
    assert low == pytest.approx(1) and high == pytest.approx(1)


def test_paired_difference_is_more_sensitive_than_single_intervals():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=300)  # difficulty of each record
    worse, better = hard + 0.1 + 0.05 * rng.normal(size=300), hard + 0.05 * rng.normal(size=300)
    patients = [str(i) for i in range(300)]
    assert bootstrap.paired_difference_interval(np.median, [worse], [better], patients)[0] > 0
    alone = [bootstrap.resampled_interval(np.mean, [one], patients) for one in (worse, better)]
    assert alone[0][0] < alone[1][1], "their own intervals overlap"
    assert bootstrap.paired_difference_interval(np.mean, [worse], [worse], patients) == (0, 0)


def test_intervals_of_two_sets_resample_both():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 200), rng.normal(2, 1, 100)
    names = tuple([str(i) for i in range(len(one))] for one in (x, y))
    low, high = bootstrap.two_set_interval(lambda a, b: b.mean() - a.mean(), (x, y), names, repeats=500)
    assert low < 2 < high and (high - low) / (2 * 1.96) == pytest.approx(np.sqrt(1 / 200 + 1 / 100), rel=0.25)
