"""Rhythm of a PPG's beats: variability, suspected fibrillation, early and weak beats, refused parts."""

import numpy as np
import pytest

from ecggen.core.pulse_rhythm import early_beats, rate_interval, refused_parts, rhythm_of, weak_pulses
from ecggen.core.simulate import simulate_ppg


def certain(times):
    return rhythm_of(times, np.ones(len(times)), np.zeros(len(times)))


def test_fibrillation_is_suspected_where_intervals_are_irregular():
    rng = np.random.default_rng(0)
    regular = certain(np.cumsum(0.8 + 0.01 * rng.standard_normal(60)))
    irregular = certain(np.cumsum(0.7 + 0.14 * rng.standard_normal(60)))
    assert regular.fibrillation_suspected is False and irregular.fibrillation_suspected is True
    assert regular.sdnn_ms == pytest.approx(10, rel=0.3) and regular.rmssd_ms == pytest.approx(14, rel=0.3)


def test_a_few_premature_beats_are_no_fibrillation():
    gaps = np.full(60, 0.8)
    gaps[10::12], gaps[11::12] = 0.5, 1.1
    assert certain(np.cumsum(gaps)).fibrillation_suspected is False


def test_uncertain_beats_are_not_judged():
    times = np.arange(60) * 0.8
    found = rhythm_of(times, np.full(60, 0.5), np.zeros(60))
    assert found.irregularity is None and found.fibrillation_suspected is None and found.rate == 75
    assert rhythm_of(times, np.ones(60), np.full(60, 0.9)).intervals == 0
    assert rhythm_of(np.zeros(0), np.zeros(0), np.zeros(0)).rate is None


def test_premature_beats_are_early_and_their_pulses_weak():
    gaps = np.full(24, 0.85)
    gaps[[7, 15]], gaps[[8, 16]] = 0.5, 1.2
    beats = np.cumsum(gaps)
    wave = simulate_ppg(beats, 22, 100, np.random.default_rng(2), plain=True)
    wave -= 0.6 * simulate_ppg(beats[[7, 15]], 22, 100, np.random.default_rng(2), plain=True)
    assert np.flatnonzero(early_beats(beats)).tolist() == [7, 15]
    assert np.flatnonzero(weak_pulses(wave, 100, beats)).tolist() == [7, 15]
    assert not early_beats(beats[:3]).any() and not weak_pulses(wave, 100, beats[:3]).any()


def test_parts_are_refused_with_the_reason():
    times = np.arange(0.4, 40, 0.8)
    probabilities = np.where((times > 10) & (times < 20), 0.4, 0.95)
    (part,) = refused_parts(40.0, times, probabilities)
    assert (part.start, part.end) == (10, 20) and "0% of the beats are certain: motion, noise" in part.reason
    still, moved = np.zeros(40, bool), np.arange(40) >= 30
    some = np.where((times > 30) & (np.arange(len(times)) % 3 == 0), 0.5, 0.95)
    assert not refused_parts(40.0, times, some, still)
    (part,) = refused_parts(40.0, times, some, moved)
    assert part.start == 30 and "the recorder was moved" in part.reason


def test_neighbouring_parts_are_joined():
    (part,) = refused_parts(35.0, np.zeros(0), np.zeros(0))
    assert (part.start, part.end) == (0.0, 35.0)


def test_the_interval_of_the_rate_widens_with_doubt():
    times, none = np.cumsum(np.full(40, 0.75)), np.zeros(40)
    sure = rate_interval(times, np.ones(40), none)
    fewer = rate_interval(times, np.where(np.arange(40) % 2 == 1, 0.2, 1.0), none)
    more = rate_interval(times, np.ones(40), np.full(40, 0.1))
    assert sure[0] <= 80 <= sure[1] <= 84 and fewer[0] < 72 and fewer[1] >= 80
    assert more[0] <= 80 and more[1] > 86
    assert rate_interval(times, np.ones(40), np.full(40, 0.1)) == more, "the same each time"
    assert rate_interval(times[:1], np.ones(1), none[:1]) is None and certain(times).rate_interval == sure


def test_the_interval_of_a_rate_holds_as_often_as_said_if_the_probabilities_are_right():
    """Beats are dropped and added as the probabilities say, without the shared factors and the correction."""
    rng, inside = np.random.default_rng(1), 0
    for _ in range(100):
        true = np.cumsum(0.8 + 0.02 * rng.standard_normal(60))
        found = np.r_[True, rng.random(58) > 0.05, True]
        rate = 60 * 59 / (true[-1] - true[0])
        times, missed = true[found], np.full(found.sum(), 0.05)
        low, high = rate_interval(times, np.full(len(times), 0.99), missed)
        inside += low <= rate <= high
    assert inside >= 85


def test_long_recordings_have_an_interval_as_well():
    times = np.cumsum(np.full(6000, 0.8))
    low, high = rate_interval(times, np.full(6000, 0.95), np.full(6000, 0.01))
    assert low <= 75 <= high < 86
