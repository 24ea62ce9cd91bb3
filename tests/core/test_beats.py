"""Decomposition of an ECG into median beat, rhythm, gains and residual, on simulated records with known truth."""

import numpy as np
import pytest
from conftest import SAMPLES

from ecggen import read
from ecggen.core.beats import (
    ABNORMAL,
    BEFORE,
    NORMAL,
    Beats,
    beat_samples,
    decompose,
    extended,
    own_parts,
    rendered,
)
from ecggen.core.rhythm import r_peaks

FS = 100.0
TIME = np.arange(beat_samples(FS)) / FS - BEFORE


def shape(width: float = 0.025, t: float = 0.25) -> np.ndarray:
    """A beat of eight leads (8, time): a QRS of random sizes and a T wave, which is zero at both ends."""
    sizes = np.random.default_rng(0).uniform(0.5, 1.5, (8, 2)) * np.array([1.0, 0.3])
    waves = np.stack([np.exp(-((TIME / width) ** 2) / 2), np.exp(-(((TIME - t) / 0.04) ** 2) / 2)])
    return sizes @ waves


def record(times, types=None, gains=None, noise: float = 0.0, samples: int = 1000) -> tuple[np.ndarray, Beats]:
    """A record (8, time) made of known beats, which continue beyond its ends."""
    every, given = extended(np.asarray(times, float), samples / FS)
    kinds, sizes = np.zeros(len(every), int), np.zeros((len(every), 8))
    kinds[given] = 0 if types is None else types
    sizes[given] = 0 if gains is None else gains
    wide = -1.5 * shape(width=0.06, t=0.32)
    beats = Beats(shape(), wide, every, kinds, sizes)
    return rendered(beats, samples, FS) + noise * np.random.default_rng(1).normal(size=(8, samples)), beats


def test_a_record_is_its_rendered_beats_and_its_residual():
    signal, _ = record(np.arange(0.6, 10, 0.83), noise=0.05)
    beats, residual = decompose(signal, FS, np.arange(0.6, 10, 0.83))
    np.testing.assert_allclose(rendered(beats, 1000, FS) + residual, signal, atol=1e-12)


def test_regular_beats_without_noise_leave_nothing():
    times = np.arange(0.6, 10, 0.83)
    signal, truth = record(times)
    beats, residual = decompose(signal, FS, times)
    assert np.abs(beats.median - truth.median).max() < 0.01
    assert np.abs(residual).max() < 0.02 < 0.05 * np.abs(signal).max()


def test_r_peaks_between_samples_are_found():
    times = 0.6 + 0.834 * np.arange(11)
    signal, _ = record(times)
    off = times + np.random.default_rng(2).uniform(-0.02, 0.02, len(times))
    beats, residual = decompose(signal, FS, off)
    inside = (beats.times > 0.3) & (beats.times < 9.5)
    errors = beats.times[inside] - times[(times > 0.3) & (times < 9.5)]
    assert np.ptp(errors) <= 0.0041  # all by the same shift: the steps of the alignment are 2 ms
    assert np.sqrt(np.mean(residual**2)) < 0.02


def test_gains_of_beats_are_measured_per_lead():
    times = np.arange(0.6, 10, 0.83)
    true = np.random.default_rng(3).normal(0, 0.1, (len(times), 8))
    signal, _ = record(times, gains=true)
    beats, _ = decompose(signal, FS, times)
    measured = beats.gains[np.abs(beats.gains).sum(1) > 0]
    assert len(measured) == len(times)
    whole = (times > 0.5) & (times < 9.4)
    relative = (1 + true) / (1 + np.median(true[whole], 0)) - 1  # to the median beat, which has the median gain
    np.testing.assert_allclose(measured[whole], relative[whole], atol=0.03)


def test_ectopic_beats_have_their_own_median():
    times = np.arange(0.6, 10, 0.83)
    types = np.zeros(len(times), int)
    types[[3, 7]] = ABNORMAL
    signal, truth = record(times, types)
    beats, residual = decompose(signal, FS, times)
    inside = (beats.times >= 0) & (beats.times < 10)
    assert beats.types[inside].tolist() == types.tolist()
    assert np.corrcoef(beats.ectopic.ravel(), truth.ectopic.ravel())[0, 1] > 0.99
    assert np.sqrt(np.mean(residual**2)) < 0.03


def test_noise_does_not_become_an_ectopic_beat_of_a_clear_record():
    signal, _ = record(np.arange(0.6, 10, 0.83), noise=0.05)
    beats, _ = decompose(signal, FS, np.arange(0.6, 10, 0.83))
    assert (beats.types == NORMAL).all() and not beats.ectopic.any()


@pytest.mark.parametrize("peaks", [[], [5.0], [0.02, 9.99]])
def test_few_beats_are_decomposed(peaks):
    signal, _ = record(np.arange(0.6, 10, 0.83), noise=0.02)
    beats, residual = decompose(signal, FS, np.array(peaks))
    assert np.isfinite(residual).all() and np.isfinite(beats.median).all()
    np.testing.assert_allclose(rendered(beats, 1000, FS) + residual, signal, atol=1e-12)


def test_parts_of_neighbouring_beats_do_not_overlap():
    times = np.cumsum(np.random.default_rng(4).uniform(0.3, 1.5, 30))
    before, after = own_parts(times)
    assert (times[:-1] + after[:-1] <= times[1:] - before[1:] + 1e-9).all()


def test_a_beat_that_reaches_into_the_record_from_outside_is_drawn():
    more, given = extended(np.array([0.7, 1.5]), 3.0)
    assert more[0] < 0 < more[given][0] and more[-1] > 1.5 and 3.0 - BEFORE - 0.8 < more[-1] < 3.0 + BEFORE


def test_the_beats_of_a_real_record_explain_most_of_it():
    ecg = read(SAMPLES / "00010_lr.hea").resample(FS)
    signal = ecg.signal[0].double().numpy()
    signal = signal - signal.mean(1, keepdims=True)
    beats, residual = decompose(signal, FS, r_peaks(ecg, between=True)[0])
    np.testing.assert_allclose(rendered(beats, signal.shape[1], FS) + residual, signal, atol=1e-12)
    assert residual.var() < 0.25 * signal.var()
