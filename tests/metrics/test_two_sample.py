"""Two-sample tests: equal sets are not told apart, beats that differ within a record are, and the reason is named."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures import refusal

from ecggen.core.ecg import ECG, LEAD_MATRIX
from ecggen.core.simulate import simulate
from ecggen.metrics.utility import two_sample
from ecggen.metrics.utility.two_sample import feature_aurocs, simple_features, steeply_filtered, two_sample_test

N = 160
PATIENTS = [str(row // 2) for row in range(N)]


def records(seed: int, n: int = N, jitter: float = 0.0) -> ECG:
    """Simulated records with noise, whose amplitude varies within the record by ``jitter``."""
    rng = np.random.default_rng(seed)
    ecg = simulate(n, seconds=6, fs=100, seed=seed)
    slow = np.repeat(1 + jitter * rng.normal(size=(n, 1, 12)), 50, axis=-1)
    noise = np.einsum("ld,ndt->nlt", LEAD_MATRIX, 0.02 * rng.normal(size=(n, 8, ecg.samples)))
    return replace(ecg, signal=torch.as_tensor(ecg.signal.numpy() * slow + noise, dtype=torch.float32))


def test_equal_sets_are_not_told_apart():
    found = two_sample_test(records(1), records(2), PATIENTS)
    assert set(found.auroc) == {"random convolutions", "small network"}
    for name, area in found.auroc.items():
        assert 0.35 < area < 0.65, name
        assert found.interval[name][0] < area < found.interval[name][1]


def test_beats_that_differ_within_a_record_distinguish_a_set():
    found = two_sample_test(records(1, jitter=0.4), records(2), PATIENTS, network=False)
    assert found.auroc["random convolutions"] > 0.8
    areas = feature_aurocs(simple_features(records(1, jitter=0.4)), simple_features(records(2)))
    assert next(iter(areas)) in ("beat amplitude CV", "QRS amplitude variation", "correlation with the median beat")
    assert next(iter(areas.values())) > 0.9


def test_a_test_repeats():
    one, other = (two_sample_test(records(1), records(2), PATIENTS, network=False) for _ in range(2))
    assert one == other and one.n_train == one.n_test == N // 2


def test_training_and_test_half_share_no_patient(monkeypatch):
    """Records that are equal within a patient would otherwise be recognised one by one."""
    seen = []
    monkeypatch.setattr(two_sample, "_by_random_convolutions", lambda train, truth, seed: seen.append(train) or level)

    def level(test):
        seen.append(test)
        return test.mean((1, 2)).numpy()

    real = records(2)
    two_sample_test(records(1), real, PATIENTS, network=False)
    prints = steeply_filtered(real)[:, 0, 100].tolist()
    patients = [{PATIENTS[prints.index(one)] for one in half[:, 0, 100].tolist() if one in prints} for half in seen]
    assert min(map(len, patients)) == N // 4 and not patients[0] & patients[1]


def test_a_cut_off_beyond_the_pass_band_does_not_tell():
    """Two sets of which one was low-passed at 40 Hz are equal after the steep filter."""
    ecg = records(3, 8)
    spectrum = torch.fft.rfft(ecg.signal)
    frequency = torch.fft.rfftfreq(ecg.samples, 0.01)
    low = replace(ecg, signal=torch.fft.irfft(spectrum * (frequency <= 40), ecg.samples))
    difference = (steeply_filtered(ecg) - steeply_filtered(low)).abs()[..., 30:-30]
    assert difference.max() < 0.02 < (ecg.signal - low.signal).abs()[..., 30:-30].max()


def test_the_filter_keeps_the_pass_band_and_stops_the_rest():
    time = np.arange(1000) / 100
    for hertz, kept in ((5.0, 1.0), (20.0, 1.0), (40.0, 0.0), (0.1, 0.0)):
        wave = torch.as_tensor(np.cos(2 * np.pi * hertz * time), dtype=torch.float32)
        ecg = ECG(wave.expand(1, 12, -1), simulate(1).leads, 100)
        found = steeply_filtered(ecg)[0, 0, 200:-200]
        assert found.abs().max() == pytest.approx(kept, abs=0.03), hertz


def test_records_that_cannot_be_measured_distinguish_a_set():
    found = feature_aurocs({"a": np.full(5, np.nan)}, {"a": np.arange(5.0)})
    assert found == {"a": 1.0}


def test_too_few_records_and_other_durations_are_rejected():
    assert "40 were expected" in refusal(two_sample_test, records(1, 20), records(2, 20), PATIENTS[:20])
    assert "equal durations" in refusal(two_sample_test, simulate(2, 4), simulate(2, 5), ["a", "b"])
