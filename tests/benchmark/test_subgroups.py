"""Subgroups of reconstruction errors: membership, scores, and omission of small groups."""

import numpy as np
import pandas
import pytest

from ecggen.benchmark.subgroups import FEWEST, by_group, groups

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
