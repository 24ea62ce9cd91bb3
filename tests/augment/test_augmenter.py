"""The augmenter: refusals, attempts, and independence of each record from the batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny
from fixtures import packed

from ecggen import Condition, InputError
from ecggen.augment.augmenter import Augmenter, Limits, Rules, limits_of
from ecggen.augment.requests import Plan
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.rhythm import r_peaks
from ecggen.core.simulate import simulate
from ecggen.data.population import Population
from ecggen.evaluators.classifier import Predictions, labels
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.sampling import Noise
from ecggen.io import write


class SimulatedEcgs(Generator):
    """Simulated ECGs; some are flat, depending on the noise."""

    def __init__(self, flat: float = 0.0):
        super().__init__()
        self.preprocessor, self.flat = Preprocessor(seconds=6), flat

    def draw(self, condition, noise):
        eight = simulate(len(condition), seconds=6, seed=1).pick(*INDEPENDENT_LEADS).signal
        return eight * (noise.normal(1, 1) > self.flat)

    def loss(self, ecg, condition, group):
        raise AssertionError("nothing to learn")


class RandomClassifier:
    """A classifier with a pseudo-random probability per record, or with a constant one."""

    name = "random"

    def __init__(self, probability: float | None = None):
        self.probability = probability

    def predict(self, ecg, batch=64, progress=None):
        one = np.full(len(ecg), self.probability, float) if self.probability is not None else self.pseudo_random(ecg)
        found = np.repeat(one[:, None], len(labels()), 1)
        return Predictions(np.zeros((len(ecg), 2)), found, np.zeros(len(ecg)), np.zeros(len(ecg)))

    @staticmethod
    def pseudo_random(ecg):
        return (ecg.signal[:, 0, :50].double().sum(-1).numpy() * 1e4) % 1


@pytest.fixture
def requests():
    return Population.of(packed(), np.arange(21)).of_class("AFIB", 70, seed=1)


def test_invalid_draws_are_repeated(requests):
    drawn = Augmenter(SimulatedEcgs(flat=0.0), rules=Rules(max_attempts=20), seed=1).draw(requests)
    assert [one.requested for one in drawn] == requests
    assert all(one.ecg is not None and one.refused == ("invalid",) * (one.attempts - 1) for one in drawn)
    assert 1.5 < np.mean([one.attempts for one in drawn]) < 2.6, "half of the draws are flat"


def test_a_record_without_an_accepted_draw_is_given_up(requests):
    drawn = Augmenter(SimulatedEcgs(flat=9.0), rules=Rules(max_attempts=3)).draw(requests[:5])
    assert all(one.ecg is None and one.attempts == 3 and len(one.refused) == 3 for one in drawn)


def test_the_classifiers_limits_refuse(requests):
    limits: Limits = {"AFIB": (0.5, 0.9), "STTC": (0.0, 0.9), "CD": (0.2, 1.0)}
    one = requests[0]
    for probability, why in ((0.4, "not AFIB"), (0.6, "")):
        (drawn,) = Augmenter(
            SimulatedEcgs(flat=-9), RandomClassifier(probability), Rules(max_attempts=1), 1, limits
        ).draw([one])
        assert drawn.refused == ((why,) if why else ())
        assert drawn.probability == (None if why else probability)
    (drawn,) = Augmenter(SimulatedEcgs(-9), RandomClassifier(0.95), Rules(max_attempts=1), 1, {"CD": (0.2, 0.9)}).draw(
        [one]
    )
    assert drawn.refused == ("like CD",), "high probability of a class that was not requested"
    (drawn,) = Augmenter(
        SimulatedEcgs(-9), RandomClassifier(0.95), Rules(max_attempts=1), 1, {"MI": (0.99, 1), "IMI": (0.99, 1)}
    ).draw([one])
    assert drawn.ecg is not None, "a subclass that was not requested has no limit"


def test_limits_are_quantiles_of_real_records():
    class Known(RandomClassifier):
        def predict(self, ecg, batch=64, progress=None):
            self.probability = None
            found = np.repeat(np.linspace(0, 1, len(ecg))[:, None], len(labels()), 1)
            return Predictions(np.zeros((len(ecg), 2)), found, np.zeros(len(ecg)), np.zeros(len(ecg)))

    pack = packed(["NORM"] * 50 + ["AFIB"] * 51)
    limits = limits_of(Known(), pack.ecg(np.arange(101)), Population.of(pack, np.arange(101)), ["AFIB", "WPW"], 0.1)
    assert limits["AFIB"] == pytest.approx((0.55, 0.441))
    assert "WPW" not in limits and "MI" not in limits, "too few records with it"
    assert limits_of(Known(), pack.ecg(np.arange(2)), Population.of(pack, np.arange(2)), ["AFIB"], 0.0) == {}


def test_a_record_depends_on_its_index_only(requests):
    limits: Limits = {"AFIB": (0.4, 1.0)}
    generator = tiny("flow")

    def records(part):
        return Augmenter(generator, RandomClassifier(), Rules(max_attempts=4), 7, limits).draw(part)

    whole, part = records(requests), records(requests[64:])
    assert {one.attempts for one in whole} > {1}, "some records needed several attempts"
    for one, other in zip(whole[64:], part, strict=True):
        assert (one.attempts, one.refused, one.probability) == (other.attempts, other.refused, other.probability)
        assert (one.ecg is None) == (other.ecg is None)
        if one.ecg is not None and other.ecg is not None:
            assert torch.equal(one.ecg.signal, other.ecg.signal)
            assert one.ecg.provenance == other.ecg.provenance


def test_each_record_states_its_own_condition(requests):
    drawn = Augmenter(tiny("flow"), rules=Rules(max_attempts=30)).draw(requests[:6])
    for one in drawn:
        if one.ecg is not None and one.ecg.provenance is not None:
            assert one.requested.text in one.ecg.provenance.condition
            assert f"age {one.requested.age:g}" in one.ecg.provenance.condition
    assert any(one.ecg is not None for one in drawn)


@pytest.mark.parametrize("name", ["flow", "diffusion"])
class TestVariations:
    def test_full_strength_is_independent_of_the_original(self, name):
        generator, noise = tiny(name), lambda: Noise(3, range(2))
        seconds = generator.preprocessor.seconds
        given = generator.preprocessor.condition(Condition.none(2, seconds).with_text("atrial fibrillation"))
        eight = simulate(2, seconds=seconds, seed=2).pick(*INDEPENDENT_LEADS).signal
        with torch.no_grad():
            free = generator.draw(given, noise())
            assert torch.equal(generator.draw_near(eight, 1.0, given, noise()), free)
            assert not torch.allclose(generator.draw_near(eight, 0.5, given, noise()), free)

    def test_weaker_variations_are_closer(self, name):
        generator = tiny(name)
        generator = generator.with_sampling(num_steps=16)
        seconds = generator.preprocessor.seconds
        given = generator.preprocessor.condition(Condition.none(3, seconds))
        eight = simulate(3, seconds=seconds, seed=2).pick(*INDEPENDENT_LEADS).signal

        def near(strength):  # R peaks are moved later, and an untrained network has none
            with torch.no_grad():
                return generator.draw_near(eight, strength, given, Noise(1, range(3)))

        weakest = near(0.01)
        gaps = [float((near(strength) - weakest).square().mean()) for strength in (0.2, 0.5, 0.9)]
        assert gaps == sorted(gaps) and gaps[0] < gaps[2] / 2

    def test_weaker_variations_are_closer_to_the_original(self, name):
        generator = checkpoint.load(name)
        generator = generator.with_sampling(num_steps=16)
        ecg, given = simulate(3, seconds=10.0, seed=2), Condition.none(3, 10.0)
        weakest = generator.vary(ecg, given, 0.01, seed=1).signal
        gaps = [
            float((generator.vary(ecg, given, s, seed=1).signal - weakest).square().mean()) for s in (0.2, 0.5, 0.9)
        ]
        assert gaps == sorted(gaps) and gaps[0] < gaps[2] / 2

    def test_a_variation_does_not_depend_on_the_batch(self, name):
        generator = tiny(name)
        seconds = generator.preprocessor.seconds
        ecg, given = simulate(3, seconds=seconds, seed=2), Condition.none(3, seconds).with_metadata(age=[30, 50, 70])
        whole = generator.vary(ecg, given, 0.7, seed=5)
        assert whole.leads == ecg.leads and whole.provenance is not None
        assert whole.provenance.recorded == () and "variation of an ECG, strength 0.7" in whole.provenance.condition
        assert float(whole.law_residual().max()) < 1e-4
        alone = generator.vary(ecg[1], given[1:2], 0.7, seed=5, indices=[1])
        assert torch.allclose(alone.signal, whole.signal[1:2], atol=1e-5)


def test_a_variation_has_the_sampling_rate_of_the_condition():
    generator = tiny("flow")
    seconds = generator.preprocessor.seconds
    ecg = simulate(1, seconds=seconds, fs=500, seed=2)
    assert generator.vary(ecg, Condition.none(1, seconds, 250)).fs == 250


@pytest.mark.parametrize(
    ("strength", "seconds", "message"), [(0.0, 4, "strength 0"), (1.5, 4, "strength 1.5"), (0.5, 40, "the ECG lasts")]
)
def test_invalid_variations_are_refused(strength, seconds, message):
    with pytest.raises(InputError, match=message):
        tiny("flow").vary(simulate(1, seconds=seconds), Condition.none(1, 4), strength)


def test_generators_without_sampler_steps_cannot_vary():
    generator = tiny("gan")
    seconds = generator.preprocessor.seconds
    with pytest.raises(InputError, match="cannot vary a given ECG"):
        generator.vary(simulate(1, seconds=seconds), Condition.none(1, seconds))


def test_a_request_is_given_up_whose_original_has_no_beats_to_keep(requests):
    originals = ECG.cat(
        [simulate(2, seconds=10, fs=100, seed=1), ECG(torch.zeros(1, 12, 1000), simulate(1).leads, 100)]
    )
    drawn = Augmenter(checkpoint.load("vae")).draw(requests[:3], originals, keep="heart")
    assert [one.ecg is None for one in drawn] == [False, False, True]
    assert drawn[2].refused == ("too few beats to keep",) and drawn[2].attempts == 1
    assert "heart kept; text" in drawn[0].ecg.provenance.condition


def test_rules_are_checked():
    for wrong in ({"quantile": 0.7}, {"quantile": -0.1}, {"max_attempts": 0}):
        with pytest.raises(InputError):
            replace(Rules(), **wrong)


def test_a_flat_original_can_be_varied():
    generator = tiny("flow")
    seconds = generator.preprocessor.seconds
    flat = ECG(torch.zeros(1, 12, generator.preprocessor.samples), simulate(1, seconds=4).leads, 100)
    assert len(r_peaks(flat)[0]) == 0
    assert bool(generator.vary(flat, Condition.none(1, seconds)).signal.isfinite().all())


def test_numbers_in_a_text_are_requested(tmp_path):
    """Of a text, and of one for the heart of a recording; with its rhythm kept, the rate is that of the recording."""
    plan = Plan(SimulatedEcgs(), None, [1], seed=0)
    text = "sinus tachycardia, 74-year-old woman, 130 bpm"
    (request,) = plan.of_text(text, 1)
    assert (request.age, request.sex, request.heart_rate, request.codes) == (74, "F", 130, ("STACH",))
    write(simulate(1, seconds=6, heart_rate=60, seed=0), tmp_path / "a.hea")
    for keep, rate in (("heart", 130), ("rhythm", 60)):
        (request,), _ = plan.like(tmp_path / "a.hea", text, 1, keep)
        assert request.age == 74 and request.heart_rate == pytest.approx(rate, abs=1)
    with pytest.raises(InputError, match="heart rate"):
        plan.of_text("sinus rhythm, 900 bpm", 1)
