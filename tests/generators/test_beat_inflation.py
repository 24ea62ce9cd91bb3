"""Mean beats of draws and the rest are scaled apart, in what is returned and not in estimates and intervals."""

import pytest
import torch

from ecggen import InputError
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate
from ecggen.generators.base import Draws, Generator
from ecggen.generators.beat_inflation import BeatInflation, mean_beats


class Noisy(Generator):
    """The observed lead in all leads, with a difference that repeats at each of its R peaks, and white noise."""

    def __init__(self):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=8)

    def draw_many(self, condition, noise):
        center = condition.leads.sum(1, keepdim=True).expand(-1, 8, -1)
        repeated = center.repeat_interleave(len(noise) // len(condition), 0)
        numbers = noise.normal(8, condition.samples)
        return Draws(repeated * (1 + numbers[..., :1]) + 0.1 * numbers, center)

    def draw(self, condition, noise):
        return self.draw_many(condition, noise).draws

    def loss(self, ecg, condition, group):
        raise AssertionError("nothing to learn")


def factors(mean_beat=1.0, rest=1.0, center=1.0):
    return BeatInflation(*(torch.full((4, 8), value) for value in (center, mean_beat, rest)))


@pytest.fixture
def lead_i():
    ecg = simulate(3, seconds=8, fs=100, heart_rate=70, seed=2)
    return Condition.none(3, 8).with_leads(ecg.pick("I"))


def test_what_repeats_is_in_the_mean_beat_and_noise_is_not(lead_i):
    wave = lead_i.leads[:, None, :1]
    mean, enough = mean_beats(wave, lead_i)
    assert enough.all()
    inside = mean.abs() > 0.02
    assert inside.float().mean() > 0.1 and (mean - wave)[inside].var() < 0.06 * wave[inside].var()
    noise = torch.randn(3, 4, 8, 800, generator=torch.Generator().manual_seed(0))
    assert mean_beats(noise, lead_i)[0].var() < 0.25


def test_equal_factors_are_one_factor_and_factors_are_apart(lead_i):
    numbers = torch.Generator().manual_seed(1)
    distance, center = (torch.randn(3, draws, 8, 800, generator=numbers) for draws in (2, 1))
    same, enough = factors(0.4, 0.4).draws(distance, center, lead_i)
    torch.testing.assert_close(same, center + 0.4 * distance)
    mean, _ = mean_beats(distance, lead_i)
    torch.testing.assert_close(factors(2.0, 0.0, 1.5).draws(distance, center, lead_i)[0], 1.5 * center + 2 * mean)
    made = factors(2.0, 0.5, 1.1)
    alone, _ = made.draws(distance[1:2], center[1:2], lead_i[1:2])
    torch.testing.assert_close(alone, made.draws(distance, center, lead_i)[0][1:2])
    assert enough.all()


def test_an_ectopic_beat_keeps_a_difference_of_its_own(lead_i):
    ecg = simulate(1, seconds=8, fs=100, heart_rate=70, seed=2).pick("I")
    peak = int(ecg.signal[0, 0, 350:450].argmax()) + 350
    ecg.signal[..., peak - 20 : peak + 30] *= -1
    condition = Condition.none(1, 8).with_leads(ecg)
    distance = torch.zeros(1, 1, 1, 800)
    distance[..., peak - 5 : peak + 6] = 1.0
    mean, enough = mean_beats(distance, condition)
    assert enough.all() and float(mean[..., peak]) == pytest.approx(1.0, abs=0.01)
    assert float(mean[..., : peak - 70].abs().max()) == 0.0  # the other beats do not share it


def test_estimates_and_intervals_do_not_depend_on_it(lead_i):
    model, changed = Noisy(), Noisy()
    changed.beat_inflation = factors(3.0, 0.0)
    plain, other = (each.reconstruct(lead_i, num_draws=6) for each in (model, changed))
    for name in ("mean", "lower", "upper"):
        assert torch.equal(getattr(plain, name).signal, getattr(other, name).signal)
    assert plain.draws is not None and other.draws is not None
    assert not torch.allclose(plain.draws.signal, other.draws.signal)
    torch.testing.assert_close(plain.draws.pick("I").signal, other.draws.pick("I").signal)
    single = [
        changed.sample(lead_i[rows], seed=4, first=first).signal for rows, first in ((slice(3), 0), (slice(2, 3), 2))
    ]
    torch.testing.assert_close(single[0][2:3], single[1])


def test_without_enough_beats_the_draw_is_as_before(lead_i):
    model, changed = Noisy(), Noisy()
    changed.beat_inflation = factors(3.0, 0.0)
    flat = Condition.none(2, 8).with_leads(simulate(2, seconds=8, fs=100, heart_rate=70, seed=2).pick("I"))
    flat.leads[1] = 0.0
    drawn = [each.sample(flat, seed=1).signal for each in (model, changed)]
    assert torch.equal(drawn[0][1], drawn[1][1]) and not torch.equal(drawn[0][0], drawn[1][0])


def test_file_is_read_back_and_a_wrong_one_refused():
    made = factors(1.25, 0.5)
    again = BeatInflation.from_json(made.as_json(), "here")
    assert torch.equal(again.mean_beat, made.mean_beat) and torch.equal(again.rest, made.rest)
    assert made.mean_beat.shape[1] == len(INDEPENDENT_LEADS)
    for wrong in ({"format": 2}, made.as_json() | {"rest": [[1.0]]}, {"format": 1, "mean_beat": [[1.0] * 8] * 4}):
        with pytest.raises(InputError, match="here cannot be used"):
            BeatInflation.from_json(wrong, "here")
