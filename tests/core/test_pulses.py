"""Pulse detection: a large dicrotic wave is not a beat, and a weak or early beat is not a dicrotic wave."""

import numpy as np
import pytest

from ecggen.core.rhythm import EJECTION, heart_rate, pulse_rises, pulses
from ecggen.core.simulate import simulate_ppg


def dicrotic(rate, depth=0.7, seconds=30, fs=100, seed=0):
    """A PPG whose every beat has a second wave of ``depth`` at the end of ejection."""
    rng = np.random.default_rng(seed)
    beats = np.arange(0.4, seconds - 1, 60 / rate)
    late = EJECTION[0] - EJECTION[1] * rate + 0.03
    waves = [simulate_ppg(beats + delay, seconds, fs, rng, plain=True) for delay in (0, late)]
    return waves[0] + depth * waves[1]


def pulsatile(steps, sizes, seconds=30, fs=100, seed=0):
    """A PPG with repeating intervals in s and sizes of its beats, and its beats."""
    rng = np.random.default_rng(seed)
    beats = np.cumsum(np.resize(steps, 300) + rng.normal(0, 0.005, 300))
    beats = beats[beats < seconds - 1]
    every = [simulate_ppg(np.array([beat]), seconds, fs, rng, plain=True) for beat in beats]
    return np.sum(np.resize(sizes, len(beats))[:, None] * every, axis=0), beats


@pytest.mark.parametrize("rate", [45, 60, 75, 90])
@pytest.mark.parametrize("depth", [0.55, 0.7, 0.85])
def test_a_large_dicrotic_wave_is_not_a_beat(rate, depth):
    found = pulses(dicrotic(rate, depth), 100)
    assert heart_rate(found.rises) == pytest.approx(rate, abs=1)
    assert len(found.dicrotic) == len(found.rises) > 20  # each would have counted as a beat
    assert f"they are taken for dicrotic waves, which gives a pulse rate of {rate} per minute" in found.doubt


@pytest.mark.parametrize("fs", [25, 64, 125, 500])
def test_dicrotic_waves_are_found_at_any_sampling_rate(fs):
    assert heart_rate(pulse_rises(dicrotic(60, fs=fs), fs)) == pytest.approx(60, abs=1)


@pytest.mark.parametrize(
    ("steps", "sizes"),
    [
        ([0.5, 1.1], [1, 0.7]),  # bigeminy
        ([0.45, 1.15], [1, 0.6]),
        ([0.8, 0.5, 1.1], [1, 1, 0.7]),  # trigeminy
        ([0.6], [1, 0.7]),  # pulsus alternans at 100 per minute
        ([0.42], [1, 0.8]),  # and at 143
        ([0.4], [1]),  # tachycardia
        ([0.35, 0.9, 0.6, 0.75], [0.8, 1, 1, 0.9]),  # irregular
    ],
)
def test_weak_and_early_beats_are_counted(steps, sizes):
    wave, beats = pulsatile(steps, sizes)
    found = pulses(wave, 100)
    assert not len(found.dicrotic) and not found.doubt
    assert heart_rate(found.rises) == pytest.approx(heart_rate(beats), rel=0.02)


def test_atrial_fibrillation_is_counted_as_before():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        beats = np.cumsum(np.clip(rng.normal(0.63, 0.14, 200), 0.35, 1.3))
        found = pulses(simulate_ppg(beats[beats < 30], 30, 100, rng), 100)
        assert not len(found.dicrotic)


def test_a_given_heart_rate_decides():
    wave = dicrotic(60)
    for given, rate in ((60, 60), (66, 60), (120, 120), (115, 120)):
        found = pulses(wave, 100, given)
        assert heart_rate(found.rises) == pytest.approx(rate, rel=0.02) and not found.doubt
    for given in (None, 30, 90, 240):  # as without a given heart rate
        assert heart_rate(pulse_rises(wave, 100, given)) == pytest.approx(60, abs=1) and pulses(wave, 100, given).doubt


def test_a_given_heart_rate_does_not_halve_a_plain_pulse():
    wave, _ = pulsatile([0.5], [1])
    assert heart_rate(pulse_rises(wave, 100, 60)) == pytest.approx(120, abs=1)


def test_waves_that_may_be_either_are_counted_with_a_doubt():
    wave, _ = pulsatile([0.36], [1, 0.7])  # 0.1 s after the ejection time at half the rate
    found = pulses(wave, 100)
    assert heart_rate(found.rises) == pytest.approx(167, abs=2) and not len(found.dicrotic)
    assert "they are taken for beats, which gives a pulse rate of 166 per minute instead of 83" in found.doubt
    assert heart_rate(pulse_rises(wave, 100, 83)) == pytest.approx(83, abs=1)


@pytest.mark.parametrize("wave", [np.zeros(500), np.ones(30), np.sin(np.arange(300) / 9), np.arange(8.0)])
def test_few_or_no_pulses_are_no_reason_to_fail(wave):
    found = pulses(wave, 100, 60)
    assert not len(found.dicrotic) and not found.doubt
