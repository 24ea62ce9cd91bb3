"""Variance between draws and within them: what each counts and what not, and the factors that match both."""

import numpy as np
import pytest
import torch

from ecggen import InputError
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, determined_by
from ecggen.core.simulate import simulate
from ecggen.generators.base import Draws, Generator
from ecggen.training import beat_inflation, calibration
from ecggen.training.between import BetweenTerms, WithinTerms, between_terms, shared_beats, within_terms

RECORDS, DRAWS, SAMPLES = 600, 4, 400
STARTS = [np.array([0, 80, 160, 240, 320])] * RECORDS


def beating(shape, seed, between, within):
    """Waves in mV whose level differs by ``between`` and whose samples differ by ``within``."""
    rng = np.random.default_rng(seed)
    return between * rng.normal(size=(*shape, 1)) + within * rng.normal(size=(*shape, SAMPLES))


def terms(between, within, true_within=0.3, seed=0):
    true = beating((RECORDS, 2), seed, 1.0, true_within)
    drawn = beating((RECORDS, DRAWS, 2), seed + 1, between, within)
    return between_terms(true, np.zeros_like(true), drawn, STARTS, 100.0)


@pytest.mark.parametrize("within", [0.0, 0.3, 2.0])
def test_beats_that_differ_within_a_draw_do_not_count(within):
    for between in (0.5, 1.0):
        found = terms(between, within)
        assert found.ratio() == pytest.approx([between**2] * 2, rel=0.15)
        assert found.factor() == pytest.approx([1 / between] * 2, rel=0.1)
        assert found.ratio(found.factor()) == pytest.approx([1.0, 1.0])


def test_a_right_total_variance_does_not_hide_a_wrong_split():
    found = terms(between=0.3, within=np.sqrt(1 + 0.3**2 - 0.3**2))
    assert (found.ratio() < 0.15).all() and (found.factor() > 2.5).all()


def test_a_common_error_of_the_draws_counts_as_distance_of_the_truth():
    true = beating((RECORDS, 1), 0, 1.0, 0.0)
    drawn = beating((RECORDS, DRAWS, 1), 1, 1.0, 0.0) + 1.0
    found = between_terms(true, np.zeros_like(true), drawn, STARTS, 100.0)
    assert found.ratio() == pytest.approx([0.5], rel=0.15)


def test_records_and_instants_are_chosen_and_records_with_few_beats_left_out():
    true = beating((80, 1), 0, 1.0, 0.0)
    drawn = beating((80, 2, 1), 1, 1.0, 0.0)
    starts = [np.array([0, 80, 160]), np.array([0, 80]), np.array([], int), np.array([0, 80, 160, 240])] * 20
    found = between_terms(true, np.zeros_like(true), drawn, starts, 100.0)
    assert found.error.shape == (40, 1, 65)
    both = BetweenTerms.cat([found, found])
    assert both.ratio() == pytest.approx(found.ratio()) and len(both.error) == 80
    some = both.ratio(records=np.r_[0:20, 40:60], at=slice(5))
    assert some == pytest.approx(found.ratio(records=np.arange(20))) and some != pytest.approx(both.ratio())
    assert both.ratio(records=np.array([], int)) == [np.inf]


def test_beats_are_shared_and_ectopic_ones_left_out():
    ecg = simulate(1, seconds=8, fs=100, heart_rate=60, seed=1).pick("II")
    (starts,) = shared_beats(ecg)
    assert 6 <= len(starts) <= 8
    third = starts[3]
    ecg.signal[..., third : third + 65] *= -1
    (kept,) = shared_beats(ecg)
    assert third not in kept and len(kept) == len(starts) - 1


GAINS = torch.linspace(1, 2, 8)[:, None]
"""Amplitude of each lead over that of one wave."""


class Steady(Generator):
    """Draws that lie above or below the expected wave as a whole, by ``scale`` mV, with ``within`` mV of noise."""

    def __init__(self, scale, within, predicts=True):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=4)
        self.scale, self.within, self.predicts = scale, within, predicts

    def draw_many(self, condition, noise):
        gains = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32) @ GAINS
        observed = condition.lead_mask.any(-1, keepdim=True) * gains
        center = GAINS * condition.leads.sum(1, keepdim=True) / observed.sum(1, keepdim=True)
        noises = noise.normal(8, condition.samples)
        apart = self.scale * noises[..., :1] + self.within * noises
        known = center.repeat_interleave(len(noise) // len(condition), 0)
        return Draws(known + apart, center if self.predicts else None)

    def draw(self, condition, noise):
        return self.draw_many(condition, noise).draws

    def loss(self, ecg, condition, group):
        raise AssertionError("nothing to learn")


@pytest.fixture
def records(monkeypatch):
    """120 records that lie above or below the expected wave as a whole, by 1 mV, in batches of 60."""
    expected = GAINS * simulate(60, seconds=4, fs=100, heart_rate=90, seed=3).pick("I").signal

    def conditions_given(generator, pack, rows, leads, progress):
        for seed in (0, 1):
            apart = torch.randn(60, 8, 1, generator=torch.Generator().manual_seed(seed))
            known = [INDEPENDENT_LEADS.index(each) for each in leads]
            apart[:, known] = 0
            signal = expected + apart
            truth = ECG(signal, INDEPENDENT_LEADS, 100.0).standard()
            yield truth, Condition.none(60, 4).with_leads(truth.pick(*leads))

    monkeypatch.setattr(beat_inflation, "conditions_given", conditions_given)


@pytest.mark.parametrize(("scale", "within"), [(0.5, 0.0), (0.5, 0.2), (2.0, 0.0)])
def test_factors_are_fitted_to_both_variances(records, scale, within):
    model = Steady(scale, within)
    factors = beat_inflation.fit_beat_inflation(model, None, np.arange(120))  # type: ignore[arg-type]
    assert factors is not None
    assert all((table[0] == 1).all() for _, table in factors.tables())
    for row, leads in list(enumerate(calibration.GIVEN))[1:]:
        for column, lead in enumerate(INDEPENDENT_LEADS):
            found = {name: float(table[row, column]) for name, table in factors.tables()}
            if lead in determined_by(leads.split()):
                assert set(found.values()) == {1.0}
            else:
                assert found["mean_beat"] == pytest.approx(1 / scale, rel=0.3)
                assert found["center"] == pytest.approx(1, abs=0.3)
                if within:  # the beats of the truth and of its center are alike
                    assert found["rest"] == pytest.approx(beat_inflation.RANGE[0])


def test_draws_get_the_size_of_the_truth():
    rng = np.random.default_rng(3)
    center = rng.normal(size=(RECORDS, 1, SAMPLES))
    true = 1.2 * center + beating((RECORDS, 1), 1, 1.0, 0.2)
    distance = 0.1 * center[:, None] + beating((RECORDS, DRAWS, 1), 2, 0.5, 0.1)
    gain, mean_beat, rest = beat_inflation.factors([beat_inflation.Drawn(true, center, distance, STARTS, 100.0)])
    assert mean_beat == pytest.approx([2.0], rel=0.1)
    assert gain + mean_beat * 0.1 == pytest.approx([1.2], abs=0.03)
    drawn = gain * center[:, None] + mean_beat * distance
    assert (drawn * center[:, None]).sum() == pytest.approx(DRAWS * (true * center).sum(), rel=0.05)
    assert 0.2 < float(rest[0]) < 3


def test_factors_need_a_prediction_and_beats(records, monkeypatch):
    model = Steady(0.5, 0.0, predicts=False)
    assert beat_inflation.fit_beat_inflation(model, None, np.arange(120)) is None  # type: ignore[arg-type]
    monkeypatch.setattr(beat_inflation, "shared_beats", lambda given: [np.array([], int)] * len(given))
    with pytest.raises(InputError, match="no record has 3 beats in the given leads"):
        beat_inflation.fit_beat_inflation(Steady(0.5, 0.0), None, np.arange(120))  # type: ignore[arg-type]


def test_the_factor_on_mean_beats_alone_counts_the_noise_in_them():
    found = terms(0.5, 2.0)
    alone = found.factor(np.array([0.15, 0.15]))
    noise = 2.0**2 / len(STARTS[0])  # of the mean of a few beats
    assert alone == pytest.approx([np.sqrt((1 + 0.15**2 * noise) / (0.5**2 + noise))] * 2, rel=0.1)
    assert (alone < 0.7 * found.factor()).all()


@pytest.mark.parametrize("known", [0.0, 0.2])
def test_variance_within_a_record_is_matched_apart_from_that_between(known):
    center = beating((RECORDS, 1), 0, 0.0, known)
    true = center + beating((RECORDS, 1), 1, 1.0, 0.4)
    drawn = center[:, None] + beating((RECORDS, DRAWS, 1), 2, 3.0, 0.8)
    found = within_terms(true, center, drawn, STARTS, 100.0)
    assert found.factor() == pytest.approx([0.5], rel=0.05)
    assert WithinTerms.total([found, found]).factor() == pytest.approx(found.factor())
    few = within_terms(true, center, drawn, [np.array([0])] * RECORDS, 100.0)
    assert few.factor() == [np.inf]
