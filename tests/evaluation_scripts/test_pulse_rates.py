"""Scores of the rates of a PPG's beats: errors, coverage of the interval, and beats that were missed or invented."""

import numpy as np
import pytest

from evaluation.scripts import pulse_rates


def part(rate, interval, true, **more):
    counts = {"missed": 0, "missed_early": 0, "invented": 0}
    kinds = {"seconds": 10.0, "has_pulse": True, "accepted": False}
    return kinds | counts | {"rate": rate, "interval": interval, "true": true, "seen": true, "second": true} | more


def test_scores_of_four_parts():
    found = pulse_rates.summary_of_rates(
        [
            part(70.0, (69.0, 72.0), 71.0),
            part(70.0, (60.0, 90.0), 82.0, missed=2, missed_early=1),
            part(70.0, (69.0, 71.0), 80.0, seen=70.5, second=74.0),
            part(90.0, (60.0, 95.0), 90.0, has_pulse=False),
        ]
    )
    assert list(found) == ["has_pulse"] and list(found["has_pulse"]) == ["10"]
    scores = found["has_pulse"]["10"]
    assert (scores["n"], scores["within_5"]) == (3, pytest.approx(1 / 3))
    assert scores["mean_error"] == pytest.approx((1 + 12 + 10) / 3)
    assert scores["second_detector"]["within_5"] == pytest.approx(2 / 3)
    assert scores["detectors_agree"] == {"n": 2, "within_5": 0.5, "mean_error": 6.5}
    assert scores["interval"]["covered"] == 1
    assert scores["interval"]["covered_without_delay_removed"] == pytest.approx(2 / 3)
    assert scores["without_a_doubt"]["share"] == pytest.approx(2 / 3)
    assert scores["without_a_doubt"]["within_5"] == 0.5
    assert scores["wrong"] == {
        "n": 2,
        "also_with_the_recorded_beats": 1,
        "detectors_differ": 1,
        "as_the_second_detector": 1,
        "missed": 2,
        "missed_early": 1,
        "invented": 0,
    }


def test_wrong_beats_are_counted_within_the_part_that_both_cover():
    peaks = np.array([0.2, 1.0, 2.0, 3.0, 3.5, 4.5, 5.5])
    times = np.array([1.05, 2.0, 2.5, 3.0, 4.5, 5.4])
    found = pulse_rates._wrong_beats(times, peaks, (0.5, 6.0))
    assert found == {"missed": 1, "missed_early": 1, "invented": 1}
    assert pulse_rates._wrong_beats(np.zeros(0), peaks, (0.5, 6.0))["missed"] == 6
