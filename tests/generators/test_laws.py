"""Every generator in the folder obeys the laws; and each law catches a generator that is broken on purpose."""

import laws
import pytest
import torch
from conftest import tiny

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.condition_embedding import ConditionEncoder
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG
from ecggen.generators import checkpoint, registry
from ecggen.generators.base import Draws, Generator
from ecggen.generators.sampling import Noise


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_every_generator_obeys(law, name):
    law(tiny(name))


@pytest.mark.parametrize("name", registry.names())
def test_saved_and_loaded_it_draws_the_same(name, tmp_path):
    generator = tiny(name)
    checkpoint.save(generator, tmp_path / "model")
    loaded = checkpoint.load(tmp_path / "model")
    assert loaded.preprocessor == generator.preprocessor
    assert torch.equal(loaded.sample(laws.everything()).signal, generator.sample(laws.everything()).signal)


class Toy(Generator):
    """A small correct generator, from which the broken ones are derived."""

    def __init__(self):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=4)
        self.encoder = ConditionEncoder(8)
        self.mix = torch.nn.Conv1d(26, 8, 1)
        self.lift = torch.nn.Linear(16, 8)

    def features(self, condition: Condition) -> torch.Tensor:
        context = self.encoder(condition)
        tokens = (context.tokens * context.token_mask[..., None]).sum(1)
        return self.mix(context.aligned) + self.lift(torch.cat([context.vector, tokens], 1))[..., None]

    def draw(self, condition: Condition, noise: Noise) -> torch.Tensor:
        return self.features(condition) + noise.normal(8, 1)

    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, torch.Tensor]:
        return {"error": (self.features(condition) - ecg.signal).square().mean()}


class OtherRate(Toy):
    def _twelve_leads(self, eight, condition, seed):  # type: ignore[override]
        return super()._twelve_leads(eight, condition, seed).resample(50)


class BatchMean(Toy):
    def draw(self, condition, noise):
        drawn = super().draw(condition, noise)
        return drawn + drawn.mean(0)


class GlobalSeed(Toy):
    def draw(self, condition, noise):
        return self.features(condition) + torch.randn(len(condition), 8, 1)


class ReadsMaskedLeads(Toy):
    def draw(self, condition, noise):
        return super().draw(condition, noise) + condition.leads[:, :8]


class IgnoresCondition(Toy):
    def draw(self, condition, noise):
        return super().draw(Condition.none(len(condition), condition.seconds), noise)


class IgnoresText(Toy):
    def features(self, condition):

        return super().features(condition.replace(text_mask=torch.zeros_like(condition.text_mask)))


class ScalesObserved(Toy):
    def _twelve_leads(self, eight, condition, seed):  # type: ignore[override]
        result = super()._twelve_leads(eight, condition, seed)
        return ECG(result.signal * 1.001, result.leads, result.fs, result.provenance)


class LeadIIIWrong(Toy):
    def _twelve_leads(self, eight, condition, seed):  # type: ignore[override]
        result = super()._twelve_leads(eight, condition, seed)
        result.signal[:, 2] += 0.01
        return result


class NoGradConditioner(Toy):
    def features(self, condition):
        with torch.no_grad():
            context = self.encoder(condition)
        return self.mix(context.aligned) + self.lift(torch.cat([context.vector, context.tokens.sum(1)], 1))[..., None]


class Stuck(Toy):
    def loss(self, ecg, condition, group):
        return {"error": super().loss(ecg, condition, group)["error"] * 0 + 1}


class UsesMasked(Toy):
    def features(self, condition):
        observed = condition.lead_mask.any((1, 2)) | condition.text_mask.new_tensor(condition.fs > 0)
        values = torch.tensor([len(text) for text in condition.text]) + condition.metadata.sum(1)
        return super().features(condition) + (observed * (1 + values))[:, None, None] * 0.1

    def draw(self, condition, noise):
        return super().draw(condition, noise) + condition.ppg.abs().amax()


class Stateful(Toy):
    drawn = 0

    def draw(self, condition, noise):
        self.drawn += 1
        return super().draw(condition, noise) + self.drawn


class OwnDraws(Toy):
    def draw_many(self, condition, noise):
        return Draws(super().draw_many(condition, noise).draws.flip(0))


class NotFinite(Toy):
    def draw(self, condition, noise):
        return super().draw(condition, noise) * torch.inf


BROKEN = {
    laws.shape: OtherRate,
    laws.same_seed: (BatchMean, GlobalSeed),
    laws.masked_inputs_have_no_effect: (ReadsMaskedLeads, UsesMasked),
    laws.observed_inputs_have_an_effect: (IgnoresCondition, IgnoresText),
    laws.observed_leads_are_returned: ScalesObserved,
    laws.lead_laws: LeadIIIWrong,
    laws.gradient: NoGradConditioner,
    laws.loss_falls: Stuck,
    laws.missing_equals_dropped: Stateful,
    laws.many_draws_are_draws: OwnDraws,
    laws.projection_is_idempotent: NotFinite,
}


def test_every_law_has_a_toy_that_breaks_it():
    assert set(BROKEN) == set(laws.LAWS)


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_the_correct_toy_obeys(law):
    torch.manual_seed(0)
    law(Toy())


@pytest.mark.parametrize(
    ("law", "broken"),
    [(law, toy) for law, toys in BROKEN.items() for toy in (toys if isinstance(toys, tuple) else (toys,))],
    ids=lambda value: value.__name__,
)
def test_each_law_catches_a_broken_toy(law, broken):
    torch.manual_seed(0)
    with pytest.raises(AssertionError):
        law(broken())
