"""Parity of probabilistic scores with scoringrules."""

import numpy as np
import pytest
import scoringrules

from ecggen.metrics.functional.probabilistic import crps, interval_score

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("num_draws", [2, 7, 32])
@pytest.mark.parametrize(("fair", "estimator"), [(True, "fair"), (False, "nrg")])
def test_crps_has_parity(num_draws, fair, estimator):
    draws, true = RNG.normal(size=(num_draws, 3, 2, 50)), RNG.normal(size=(3, 2, 50))
    expected = scoringrules.crps_ensemble(true, draws, m_axis=0, estimator=estimator, backend="numpy")
    np.testing.assert_allclose(crps(draws, true, fair=fair), expected, atol=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_interval_score_has_parity(level):
    true, ends = RNG.normal(size=(3, 2, 50)), np.sort(RNG.normal(size=(2, 3, 2, 50)), axis=0)
    expected = scoringrules.interval_score(true, ends[0], ends[1], 1 - level, backend="numpy")
    np.testing.assert_allclose(interval_score(ends[0], ends[1], true, level), expected, atol=1e-12)
