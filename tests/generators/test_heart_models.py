"""Models of median beats: each learns a known conditional distribution, and draws each record on its own."""

import numpy as np
import pytest
import torch

from ecggen.conditioning.condition import Condition
from ecggen.core.errors import InputError
from ecggen.generators import checkpoint, registry
from ecggen.generators.hearts.adversarial import AdversarialHearts
from ecggen.generators.hearts.diffused import DiffusedHearts, schedule
from ecggen.generators.hearts.flow_prior import FlowPriorHearts
from ecggen.generators.hearts.heart_model import CHANGES
from ecggen.generators.hearts.rectified_flow import RectifiedHearts
from ecggen.generators.hearts.rhythm import NUMBERS
from ecggen.training.hearts.fitting import Schedule, fit

KINDS = {"flow": RectifiedHearts, "diffusion": DiffusedHearts, "vae": FlowPriorHearts, "gan": AdversarialHearts}
SIZE = 4
DECODER = torch.linalg.qr(torch.randn(8 * 96, SIZE, generator=torch.Generator().manual_seed(0)))[0].T * 10


def shape_of(code: torch.Tensor) -> torch.Tensor:
    """Weighted shapes (batch, 8, 96): a linear map of the first three numbers."""
    return (code[:, :-1] @ DECODER[: SIZE - 1]).unflatten(1, (8, 96))


def truth(side: torch.Tensor) -> torch.Tensor:
    """Codes around 1 or −1, as ``side`` (batch, 1) says, with a deviation of 0.4; the second is minus the first."""
    code = side + 0.4 * torch.randn(len(side), SIZE)
    code[:, 1] = -code[:, 0]
    return code


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory):
    torch.manual_seed(0)
    adversarial = request.param == "gan"
    batch = 64 if adversarial else 128
    blocks = 3 if request.param == "vae" else 1  # one pair of couplings joins few of the numbers
    model = KINDS[request.param](SIZE, 2, 16 if adversarial else 32, blocks)

    def loss(network, rows, rng):
        side = torch.from_numpy(rng.choice([-1.0, 1.0], (batch, 1)).astype(np.float32))
        told = torch.from_numpy((rng.random((batch, 1)) > 0.2).astype(np.float32))
        return network.loss(truth(side), torch.cat([side * told, told], 1), shape_of).mean()

    plan = Schedule(300, 1, 2e-3, 0.98) if adversarial else Schedule(500, 1, 3e-3, 0.98)
    fit(model, loss, np.arange(2), np.ones(2), plan, 0, tmp_path_factory.mktemp("state") / "state")
    return model


def draw(model, side: float, n: int = 500, scale: float = 1.0) -> torch.Tensor:
    noise = torch.randn(n, model.noise, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.sample(noise, torch.tensor([[side, 1.0]]).repeat(n, 1), torch.zeros(n, 2), scale, 10)


def test_draws_follow_the_condition(trained):
    within = 0.5 if isinstance(trained, AdversarialHearts) else 0.25
    for side in (-1.0, 1.0):
        drawn = draw(trained, side)[:, [0, 2, 3]]
        assert torch.allclose(drawn.mean(0), torch.full((3,), side), atol=within)
        assert ((drawn.std(0) - 0.4).abs() < within).all()


def test_draws_keep_dependence_between_numbers(trained):
    drawn = draw(trained, 1.0)
    assert (drawn[:, 0] + drawn[:, 1]).std() < 0.6 * drawn[:, 0].std()


def test_a_guidance_scale_of_zero_ignores_the_condition(trained):
    assert draw(trained, 1.0, scale=0.0)[:, 2].mean() < draw(trained, 1.0)[:, 2].mean() - 0.4


def test_a_draw_does_not_depend_on_the_others(trained):
    noise = torch.randn(5, trained.noise, generator=torch.Generator().manual_seed(2))
    known, plain = torch.tensor([[1.0, 1.0]]).repeat(5, 1), torch.zeros(5, 2)
    with torch.no_grad():
        together = trained.sample(noise, known, plain)
        alone = trained.sample(noise[3:4], known[:1], plain[:1])
    assert torch.allclose(together[3:4], alone, atol=1e-5)


def test_the_schedule_of_the_diffusion_keeps_the_variance():
    signal, spread = schedule(torch.linspace(0, 1, 11))
    assert torch.allclose(signal**2 + spread**2, torch.ones(11)) and signal[0] == 1 and spread[-1] == 1


@pytest.mark.parametrize("name", KINDS)
def test_each_generator_draws_hearts_with_its_own_model(name):
    sizes = {"components": 12, "latents": 8, "code_width": 8, "width": 8, "blocks": 1, "rhythm_width": 8,
             "levels_width": 8, "residual_width": 8, "dilations": [1]}  # fmt: skip
    made = registry.generator(name, {"hearts": sizes}, "[model]").eval()
    assert type(made.heart_first.heart) is KINDS[name]
    changed = made.with_sampling(num_steps=2, guidance_scale=3.0)
    assert changed.heart_sampling.num_steps == 2 and changed.heart_sampling.guidance_scale == 3.0
    ecg = changed.generate("atrial fibrillation", n=2, seconds=4, fs=100)
    assert ecg.signal.shape == (2, 12, 400) and bool(ecg.signal.isfinite().all())


def test_only_a_given_text_is_guided():
    """A text of the patient prior is not; in a mixed batch each record is drawn as alone."""
    shipped = checkpoint.load("vae")

    def draws(texts: list[str | None], guidance_scale: float, first: int = 0) -> torch.Tensor:
        condition = Condition.cat([Condition(text=text, n=1, seconds=10, fs=100) for text in texts])
        return shipped.with_sampling(2, guidance_scale).sample(condition, 0, first=first).signal

    mixed = draws([None, "left bundle branch block", None], 3.0)
    plain = draws([None, "left bundle branch block", None], 1.0)
    assert torch.allclose(mixed[[0, 2]], plain[[0, 2]], atol=1e-5) and (mixed[1] - plain[1]).abs().max() > 0.1
    assert torch.allclose(mixed[1:2], draws(["left bundle branch block"], 3.0, first=1), atol=1e-4)


def test_texts_with_findings_that_are_drawn_too_rarely_are_guided_more_strongly():
    """Each record as with its own scale for all; a scale that is given holds for all texts."""
    shipped = checkpoint.load("vae")
    condition = Condition.cat(
        [Condition(text=text, seconds=10, fs=100) for text in ("long PR interval", "left bundle branch block")]
    )
    own = shipped.sample(condition, 0).signal
    usual, stronger = (shipped.with_sampling(None, scale).sample(condition, 0).signal for scale in (1.5, 2.25))
    assert torch.allclose(own[0], stronger[0], atol=1e-5) and torch.allclose(own[1], usual[1], atol=1e-5)
    assert (own[0] - usual[0]).abs().max() > 0.01 and (own[1] - stronger[1]).abs().max() > 0.01


@pytest.mark.parametrize("name", ["gan", "vae"])
def test_a_generator_in_one_pass_without_hearts_has_no_sampling_options(name):
    with pytest.raises(InputError, match="one pass"):
        registry.generator(name, {}, "[model]").with_sampling(num_steps=2)


def test_the_discriminator_sees_real_beats_with_the_words_of_others():
    """Text and metadata are another record's; rhythm, changes and the normal beat stay."""
    features = torch.arange(3.0)[:, None].expand(3, 5)
    rest = torch.arange(3.0)[:, None].expand(3, NUMBERS + CHANGES + 1 + SIZE)
    known = torch.cat([features, rest], 1)
    other = AdversarialHearts(SIZE, known.shape[1], 8, 1)._other_words(known)
    assert torch.equal(other[:, 5:], rest) and bool((other[:, :5] != features).all())


def test_the_halves_of_the_couplings_are_those_of_the_shipped_weights():
    """They are no weights but drawn from a seed: another order of torch's numbers would make the weights useless."""
    kept = [step.kept[:4].tolist() for step in FlowPriorHearts(65, 2, 8, 5).steps[::2]]
    assert kept == [[0, 3, 9, 10], [6, 7, 10, 12], [2, 3, 8, 9], [1, 3, 5, 8], [0, 1, 2, 4]]
