"""Subgroups of reconstruction errors: membership, scores, and omission of small groups."""

from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch

from ecggen.benchmark.subgroups import FEWEST, by_group, by_stratum, groups, wave_of
from ecggen.core.simulate import simulate
from ecggen.generators.trust.widening import Trust

N = 3 * FEWEST


@pytest.fixture
def index():
    """Women of 50 and 80 with atrial fibrillation, and men of 30; one of them with an infarction."""
    return pandas.DataFrame(
        {
            "age": [50.0] * FEWEST + [80.0] * FEWEST + [30.0] * (FEWEST - 1) + [np.nan],
            "sex": [1.0] * 2 * FEWEST + [0.0] * FEWEST,
            "codes": ["AFIB"] * 2 * FEWEST + ["NORM SR"] * (FEWEST - 1) + ["IMI SR"],
        }
    )


def test_membership_of_groups(index):
    found = groups(index)
    assert found["all"].all() and found["women"].sum() == found["AFIB"].sum() == 2 * FEWEST
    assert found["under 40 years"].sum() == found["NORM"].sum() == found["superclass NORM"].sum() == FEWEST - 1
    assert found["80 years and over"].sum() == FEWEST and not found["60 to 79 years"].any()
    assert found["superclass MI"].sum() == 1 and found["SR"].sum() == FEWEST


def test_scores_by_group(index):
    r = np.repeat([[0.9], [0.5], [0.7]], FEWEST, axis=0) * np.ones((1, 4))
    scores = by_group(r, np.square(1 - r), index, [str(at) for at in range(N)], seed=0)
    assert scores["all"]["r"] == pytest.approx(0.7) and scores["women"]["r"] == pytest.approx(0.7)
    assert scores["80 years and over"]["r"] == pytest.approx(0.5)
    assert scores["80 years and over"]["rmse_mv"] == pytest.approx(0.5)
    low, high = scores["women"]["r_interval"]
    assert low < 0.7 < high and scores["women"]["n"] == 2 * FEWEST
    assert "under 40 years" not in scores and "superclass MI" not in scores  # too few


def test_strata_by_wave_noise_and_unlikeness():
    """Coverage is right where the interval misses one wave, and noisy records are apart."""
    ecg = simulate(4, seconds=8, heart_rate=60, seed=1)
    place = wave_of(ecg)
    assert {0, 1, 2, 3} == set(np.unique(place))
    noisy = ecg.signal.clone()
    noisy[2:] += 0.1 * torch.randn(noisy[2:].shape, generator=torch.Generator().manual_seed(0))
    given = replace(ecg, signal=noisy).pick("I")
    inside = np.repeat((place != 1)[:, None], 7, 1)
    width = np.ones(inside.shape) * np.array([1, 1, 3, 3])[:, None, None]
    trust = [Trust(0.5, 0.0, 1.0, ()), Trust(0.5, 0.0, 1.0, ()), Trust(0.99, 1.0, 1.4, ()), Trust(0.99, 1.0, 1.4, ())]
    found = by_stratum(inside, width, given, ecg, trust)
    assert found["wave"]["QRS"]["coverage"] == 0 and found["wave"]["T"]["coverage"] == 1
    assert sum(one["share"] for one in found["wave"].values()) == pytest.approx(1)
    assert {name: one["n"] for name, one in found["noise"].items()} == {"below 10 µV": 2, "30 µV and more": 2}
    assert found["unlike"]["unlike the training data"]["width_mv"] == 3
    assert "unlike" not in by_stratum(inside, width, given, ecg, ())
