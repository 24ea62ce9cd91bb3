"""Beat-to-beat variability and the split of the variance, on simulated records with known variation."""

import numpy as np
import pytest
import torch
from fixtures import refusal

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.simulate import simulate, simulated_peaks
from ecggen.metrics.functional.variability import AlignedBeats, aligned_beats, beat_variability, variance_split

FS, SECONDS, RATE = 100.0, 10.0, 60.0


def records(n=4, gain_sd=0.0, seed=0, t_only=False) -> ECG:
    """Simulated records whose beats (or T waves) have random gains."""
    rng = np.random.default_rng(seed)
    ecg = simulate(n, SECONDS, FS, seed, heart_rate=RATE)
    time = np.arange(ecg.samples) / FS
    gain = np.ones((n, ecg.samples))
    for row in range(n):
        for peak in simulated_peaks(SECONDS, RATE):
            first, last = (0.12, 0.45) if t_only else (-0.35, 0.6)
            near = (time >= peak + first) & (time < peak + last)
            gain[row, near] = 1 + gain_sd * rng.normal()
    signal = ecg.signal * torch.as_tensor(gain[:, None], dtype=torch.float32)
    return ECG(signal, STANDARD_LEADS, FS)


def peaks_of(ecg: ECG) -> list[np.ndarray]:
    return [simulated_peaks(SECONDS, RATE)] * len(ecg)


def test_equal_beats_do_not_vary():
    ecg = records()
    found = beat_variability(ecg, peaks_of(ecg))
    assert found["amplitude_cv"].max() < 0.01 and found["correlation"].min() > 0.999
    assert not found["ectopic_share"].any()


@pytest.mark.parametrize("sd", [0.05, 0.15])
def test_variation_of_the_gain_is_measured(sd):
    ecg = records(60, sd)
    found = beat_variability(ecg, peaks_of(ecg))
    for name in ("amplitude_cv", "qrs_cv", "t_cv"):
        assert np.nanmedian(found[name]) == pytest.approx(sd, rel=0.15), name
    assert found["correlation"].min() > 0.98  # a gain does not change the shape


def test_variation_of_t_alone_is_found_in_t_alone():
    found = beat_variability(ecg := records(30, 0.2, t_only=True), peaks_of(ecg))
    assert np.nanmedian(found["t_cv"]) > 0.12 and np.nanmedian(found["qrs_cv"]) < 0.01


def test_beats_between_samples_are_aligned():
    """RR intervals that are no multiples of a sample must not look like variation."""
    found = beat_variability(simulate(20, 10, 100, seed=3))
    assert np.nanmedian(found["qrs_cv"]) < 0.02 and np.nanmedian(found["correlation"]) > 0.99


def test_an_inverted_beat_is_ectopic_and_left_out():
    ecg = records(1)
    at = int((simulated_peaks(SECONDS, RATE)[4] - 0.3) * FS)
    ecg.signal[:, :, at : at + 80] *= -1
    (one,) = aligned_beats(ecg, peaks_of(ecg))
    found = beat_variability(ecg, beats=[one])
    assert one.ectopic.sum() == 1 and found["ectopic_share"][0] == pytest.approx(1 / len(one.ectopic))
    assert found["amplitude_cv"].max() < 0.01


def test_too_few_beats_are_not_measured():
    ecg = records(1)
    found = beat_variability(ecg, [simulated_peaks(SECONDS, RATE)[1:3]])
    assert np.isnan(found["amplitude_cv"]).all() and found["ectopic_share"][0] == 0
    assert np.isnan(beat_variability(ecg, [np.zeros(0)])["ectopic_share"]).all()


def test_peaks_of_other_records_are_rejected():
    assert "one array per record" in refusal(aligned_beats, records(2), [np.zeros(0)])


def beats_of(hearts: np.ndarray, noise: float, rng, beats=8) -> list[AlignedBeats]:
    """Records whose beats are a heart's value plus noise."""
    shape = (beats, 1, 5)
    return [
        AlignedBeats(heart + rng.normal(0, noise, shape), np.zeros(beats, bool), np.arange(beats)) for heart in hearts
    ]


@pytest.mark.parametrize("robust", [False, True])
def test_the_split_recovers_both_variances(robust):
    rng = np.random.default_rng(1)
    split = variance_split(beats_of(rng.normal(0, 2, 800), 1.0, rng), robust=robust)
    assert split["within"].mean() == pytest.approx(1.0, rel=0.15)
    assert split["between"].mean() == pytest.approx(4.0, rel=0.15)


def test_exchanging_one_for_the_other_is_seen():
    """Equal total variance, with beats that differ within records in place of hearts that differ."""
    rng = np.random.default_rng(2)
    right = variance_split(beats_of(rng.normal(0, 2, 400), 0.5, rng))
    wrong = variance_split(beats_of(rng.normal(0, 0.5, 400), 2.0, rng))
    total = [sum(part.mean() for part in one.values()) for one in (right, wrong)]
    assert total[0] == pytest.approx(total[1], rel=0.1)
    assert wrong["within"].mean() > 10 * right["within"].mean()


def test_draws_from_one_condition_are_split_from_conditions():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(200), 5)
    conditions = np.repeat(rng.normal(0, 3, 200), 5)
    split = variance_split(beats_of(conditions + rng.normal(0, 1, 1000), 0.5, rng), groups)
    assert split["within"].mean() == pytest.approx(0.25, rel=0.1)
    assert split["between"].mean() == pytest.approx(1.0, rel=0.15)
    assert split["conditions"].mean() == pytest.approx(9.0, rel=0.25)


def test_noisy_records_do_not_decide_the_robust_split():
    rng = np.random.default_rng(4)
    clean = beats_of(rng.normal(0, 2, 300), 1.0, rng)
    noisy = clean[:285] + beats_of(rng.normal(0, 2, 15), 30.0, rng)
    assert variance_split(noisy)["within"].mean() > 20
    assert variance_split(noisy, robust=True)["within"].mean() == pytest.approx(1.0, rel=0.2)


def test_a_split_needs_records_and_draws():
    rng = np.random.default_rng(5)
    assert "2 were expected" in refusal(variance_split, beats_of([0.0], 1, rng))
    assert "several draws" in refusal(variance_split, beats_of([0.0, 1.0], 1, rng), [0, 1])
