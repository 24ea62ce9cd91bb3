"""Drawing for a training set: what is refused, how often it is tried, and that a record hangs on nobody else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny
from fixtures import packed

from ecggen import Condition, InputError
from ecggen.augment.augmenter import Augmenter, Limits, Rules, limits_of
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.rhythm import r_peaks
from ecggen.core.simulate import simulate
from ecggen.data.population import Population
from ecggen.evaluators.classifier import Predictions, labels
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.sampling import Noise


class Hearts(Generator):
    """Simulated hearts, some of them flat: as many as the noise says."""

    def __init__(self, flat: float = 0.0):
        super().__init__()
        self.preprocessor, self.flat = Preprocessor(seconds=6), flat

    def draw(self, condition, noise):
        hearts = simulate(len(condition), seconds=6, seed=1).pick(*INDEPENDENT_LEADS).signal
        return hearts * (noise.normal(1, 1) > self.flat)

    def loss(self, ecg, condition, group):
        raise AssertionError("nothing to learn")


class Lot:
    """A classifier that throws dice by the record's first sample, or that is always sure."""

    name = "lot"

    def __init__(self, probability: float | None = None):
        self.probability = probability

    def predict(self, ecg, batch=64, progress=None):
        sure = np.full(len(ecg), self.probability, float) if self.probability is not None else self.dice(ecg)
        found = np.repeat(sure[:, None], len(labels()), 1)
        return Predictions(np.zeros((len(ecg), 2)), found, np.zeros(len(ecg)), np.zeros(len(ecg)))

    @staticmethod
    def dice(ecg):
        return (ecg.signal[:, 0, :50].double().sum(-1).numpy() * 1e4) % 1


@pytest.fixture
def asks():
    return Population.of(packed(), np.arange(21)).of_class("AFIB", 70, seed=1)


def test_what_no_electrode_gives_is_drawn_again(asks):
    drawn = Augmenter(Hearts(flat=0.0), rules=Rules(tries=20), seed=1).draw(asks)
    assert [one.requested for one in drawn] == asks
    assert all(one.ecg is not None and one.refused == ("invalid",) * (one.tries - 1) for one in drawn)
    assert 1.5 < np.mean([one.tries for one in drawn]) < 2.6, "half of the draws are flat"


def test_a_record_that_never_passes_is_given_up(asks):
    drawn = Augmenter(Hearts(flat=9.0), rules=Rules(tries=3)).draw(asks[:5])
    assert all(one.ecg is None and one.tries == 3 and len(one.refused) == 3 for one in drawn)


def test_the_classifiers_limits_refuse(asks):
    limits: Limits = {"AFIB": (0.5, 0.9), "STTC": (0.0, 0.9), "CD": (0.2, 1.0)}
    one = asks[0]
    for probability, why in ((0.4, "not AFIB"), (0.6, "")):
        (drawn,) = Augmenter(Hearts(flat=-9), Lot(probability), Rules(tries=1), 1, limits).draw([one])
        assert drawn.refused == ((why,) if why else ())
        assert drawn.probability == (None if why else probability)
    (drawn,) = Augmenter(Hearts(-9), Lot(0.95), Rules(tries=1), 1, {"CD": (0.2, 0.9)}).draw([one])
    assert drawn.refused == ("like CD",), "sure of a class that was not asked for"
    (drawn,) = Augmenter(Hearts(-9), Lot(0.95), Rules(tries=1), 1, {"MI": (0.99, 1), "IMI": (0.99, 1)}).draw([one])
    assert drawn.ecg is not None, "a narrower class that nobody asked for is not looked at"


def test_limits_are_quantiles_of_real_records():
    class Known(Lot):
        def predict(self, ecg, batch=64, progress=None):
            self.probability = None
            found = np.repeat(np.linspace(0, 1, len(ecg))[:, None], len(labels()), 1)
            return Predictions(np.zeros((len(ecg), 2)), found, np.zeros(len(ecg)), np.zeros(len(ecg)))

    pack = packed(["NORM"] * 50 + ["AFIB"] * 51)
    limits = limits_of(Known(), pack.ecg(np.arange(101)), Population.of(pack, np.arange(101)), ["AFIB", "WPW"], 0.1)
    assert limits["AFIB"] == pytest.approx((0.55, 0.441))
    assert "WPW" not in limits and "MI" not in limits, "too few records with it"
    assert limits_of(Known(), pack.ecg(np.arange(2)), Population.of(pack, np.arange(2)), ["AFIB"], 0.0) == {}


def test_a_record_hangs_on_its_number_alone(asks):
    limits: Limits = {"AFIB": (0.4, 1.0)}
    generator = tiny("flow")

    def records(part):
        return Augmenter(generator, Lot(), Rules(tries=4), 7, limits).draw(part)

    whole, part = records(asks), records(asks[64:])
    assert {one.tries for one in whole} > {1}, "some were drawn again"
    for one, other in zip(whole[64:], part, strict=True):
        assert (one.tries, one.refused, one.probability) == (other.tries, other.refused, other.probability)
        assert (one.ecg is None) == (other.ecg is None)
        if one.ecg is not None and other.ecg is not None:
            assert torch.equal(one.ecg.signal, other.ecg.signal)
            assert one.ecg.provenance == other.ecg.provenance


def test_each_record_says_what_was_asked_of_it(asks):
    drawn = Augmenter(tiny("flow"), rules=Rules(tries=30)).draw(asks[:6])
    for one in drawn:
        if one.ecg is not None and one.ecg.provenance is not None:
            assert one.requested.text in one.ecg.provenance.condition
            assert f"age {one.requested.age:g}" in one.ecg.provenance.condition
    assert any(one.ecg is not None for one in drawn)


@pytest.mark.parametrize("name", ["flow", "diffusion"])
class TestVariations:
    def test_at_full_strength_nothing_of_the_original_is_left(self, name):
        generator, noise = tiny(name), lambda: Noise(3, range(2))
        seconds = generator.preprocessor.seconds
        told = generator.preprocessor.condition(Condition.none(2, seconds).with_text("atrial fibrillation"))
        eight = simulate(2, seconds=seconds, seed=2).pick(*INDEPENDENT_LEADS).signal
        with torch.no_grad():
            free = generator.draw(told, noise())
            assert torch.equal(generator.draw_near(eight, 1.0, told, noise()), free)
            assert not torch.allclose(generator.draw_near(eight, 0.5, told, noise()), free)

    def test_the_weaker_the_nearer(self, name):
        generator = tiny(name)
        generator = generator.with_sampling(num_steps=16)
        seconds = generator.preprocessor.seconds
        told = generator.preprocessor.condition(Condition.none(3, seconds))
        eight = simulate(3, seconds=seconds, seed=2).pick(*INDEPENDENT_LEADS).signal

        def near(strength):  # R peaks are moved later, and an untrained network has none
            with torch.no_grad():
                return generator.draw_near(eight, strength, told, Noise(1, range(3)))

        weakest = near(0.01)
        gaps = [float((near(strength) - weakest).square().mean()) for strength in (0.2, 0.5, 0.9)]
        assert gaps == sorted(gaps) and gaps[0] < gaps[2] / 2

    def test_the_weaker_the_nearer_to_the_original(self, name):
        generator = checkpoint.load(name)
        generator = generator.with_sampling(num_steps=16)
        heart, told = simulate(3, seconds=10.0, seed=2), Condition.none(3, 10.0)
        weakest = generator.vary(heart, told, 0.01, seed=1).signal
        gaps = [
            float((generator.vary(heart, told, s, seed=1).signal - weakest).square().mean()) for s in (0.2, 0.5, 0.9)
        ]
        assert gaps == sorted(gaps) and gaps[0] < gaps[2] / 2

    def test_the_answer_does_not_depend_on_the_batch(self, name):
        generator = tiny(name)
        seconds = generator.preprocessor.seconds
        heart, told = simulate(3, seconds=seconds, seed=2), Condition.none(3, seconds).with_metadata(age=[30, 50, 70])
        whole = generator.vary(heart, told, 0.7, seed=5)
        assert whole.leads == heart.leads and whole.provenance is not None
        assert whole.provenance.recorded == () and "variation of an ECG, strength 0.7" in whole.provenance.condition
        assert float(whole.law_residual().max()) < 1e-4
        alone = generator.vary(heart[1], told[1:2], 0.7, seed=5, indices=[1])
        assert torch.allclose(alone.signal, whole.signal[1:2], atol=1e-5)


def test_a_variation_keeps_the_rate_that_it_is_asked_at():
    generator = tiny("flow")
    seconds = generator.preprocessor.seconds
    heart = simulate(1, seconds=seconds, fs=500, seed=2)
    assert generator.vary(heart, Condition.none(1, seconds, 250)).fs == 250


@pytest.mark.parametrize(
    ("strength", "seconds", "said"), [(0.0, 4, "strength 0"), (1.5, 4, "strength 1.5"), (0.5, 40, "the ECG lasts")]
)
def test_what_cannot_be_varied_is_refused(strength, seconds, said):
    with pytest.raises(InputError, match=said):
        tiny("flow").vary(simulate(1, seconds=seconds), Condition.none(1, 4), strength)


def test_a_family_without_a_latent_of_steps_says_so():
    generator = tiny("gan")
    seconds = generator.preprocessor.seconds
    with pytest.raises(InputError, match="cannot vary a given ECG"):
        generator.vary(simulate(1, seconds=seconds), Condition.none(1, seconds))


def test_rules_are_checked():
    for wrong in ({"quantile": 0.7}, {"quantile": -0.1}, {"tries": 0}):
        with pytest.raises(InputError):
            replace(Rules(), **wrong)


def test_a_flat_original_has_no_beats_and_is_varied_all_the_same():
    generator = tiny("flow")
    seconds = generator.preprocessor.seconds
    flat = ECG(torch.zeros(1, 12, generator.preprocessor.samples), simulate(1, seconds=4).leads, 100)
    assert len(r_peaks(flat)[0]) == 0
    assert bool(generator.vary(flat, Condition.none(1, seconds)).signal.isfinite().all())
