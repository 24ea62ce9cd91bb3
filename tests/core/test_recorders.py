"""Simulated recorders: what they change, and what they leave."""

import numpy as np
import pytest

from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.core.recorders import STEPS, rerecorded, simulate_recorder
from ecggen.core.simulate import simulate

EIGHT = simulate(1, seed=2).pick(*INDEPENDENT_LEADS).signal[0].numpy()


def made(steps, seeds=range(30)):
    return [simulate_recorder(EIGHT, np.random.default_rng(seed), steps=steps) for seed in seeds]


def test_the_calibration_of_intervals_sees_the_same_records_as_before():
    """trust.json was fitted on records of these random numbers."""
    found = [float(np.abs(rerecorded(EIGHT, np.random.default_rng(seed)) - EIGHT).mean()) for seed in range(6)]
    known = [0.1278637, 0.0444742, 0.041537, 0.0591846, 0.0611124, 0.0847646]
    np.testing.assert_allclose(found, known, rtol=1e-4)


def test_noise_and_quantisation_are_only_in_the_signal():
    for one in made(["noise"]) + made(["quantisation"]):
        np.testing.assert_array_equal(one.clean, EIGHT)
    assert sum(np.abs(one.signal - EIGHT).max() > 0.01 for one in made(["noise"])) > 15


def test_electrodes_filters_and_gain_are_in_both():
    for steps in (["electrodes"], ["filters"], ["gain"]):
        changed = made(steps)
        assert all(np.array_equal(one.signal, one.clean) for one in changed)
        assert sum(np.abs(one.clean - EIGHT).max() > 0.02 for one in changed) > 8


def test_gain_is_one_factor_for_all_leads():
    for one in made(["gain"]):
        factor = (one.clean * EIGHT).sum() / (EIGHT**2).sum()
        np.testing.assert_allclose(one.clean, factor * EIGHT, atol=1e-5)


def test_displaced_electrodes_are_a_linear_map_of_the_leads():
    """The same random numbers displace a sum of records as the records."""
    for seed in range(10):
        one, other, both = (
            simulate_recorder(wave, np.random.default_rng(seed), steps=["electrodes"]).clean
            for wave in (EIGHT, EIGHT[:, ::-1], EIGHT + EIGHT[:, ::-1])
        )
        np.testing.assert_allclose(one + other, both, atol=1e-5)


def test_no_step_changes_nothing_and_an_unknown_one_is_refused():
    assert all(np.array_equal(one.signal, EIGHT) for one in made([], range(3)))
    with pytest.raises(InputError, match="colour"):
        simulate_recorder(EIGHT, np.random.default_rng(0), steps=["colour"])
    assert STEPS == ("electrodes", "filters", "gain", "noise", "quantisation")
