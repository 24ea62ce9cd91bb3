"""The small network as a downstream classifier: it learns, repeats, and trains equally long on every set."""

import numpy as np
import pytest
import torch

from ecggen import InputError
from ecggen.core.simulate import simulate
from ecggen.metrics.functional.ranking import auroc
from ecggen.metrics.utility import small_network
from ecggen.metrics.utility.small_network import ConvolutionalNetwork, SmallNetwork


def hearts(n, seed):
    """Slow and fast hearts, and the label of the fast ones."""
    parts = [simulate(1, seconds=4, seed=seed + at, heart_rate=110 if at % 2 else 55) for at in range(n)]
    inputs = np.concatenate([ConvolutionalNetwork().prepare(one) for one in parts])
    return inputs, (np.arange(n) % 2)[:, None].astype(float)


def test_it_separates_slow_and_fast_hearts_and_repeats():
    train, test = hearts(40, 0), hearts(40, 100)
    one, other = (ConvolutionalNetwork(seed=1, steps=30).learn(*train)(test[0]) for _ in range(2))
    assert one.shape == (40, 1) and ((one >= 0) & (one <= 1)).all()
    assert auroc(one, test[1])[0] > 0.9
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, ConvolutionalNetwork(seed=2, steps=30).learn(*train)(test[0]))


def test_the_number_of_steps_does_not_depend_on_the_number_of_records(monkeypatch):
    seen = []
    plain = SmallNetwork.forward
    monkeypatch.setattr(SmallNetwork, "forward", lambda self, x: (seen.append(len(x)), plain(self, x))[1])
    for n in (10, 100, 200):
        seen.clear()
        small_network.trained(torch.zeros(n, 8, 50), torch.zeros(n, 2), steps=7)
        assert len(seen) == 7 and max(seen) == min(n, small_network.BATCH)


def test_training_leaves_the_global_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    small_network.trained(torch.zeros(4, 8, 50), torch.zeros(4, 1), steps=2)
    assert torch.equal(torch.rand(1), expected)


def test_values_that_are_not_finite_are_rejected():
    ecg = simulate(1, seconds=4)
    ecg.signal[0, 0, 5] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        ConvolutionalNetwork().prepare(ecg)
