"""Laws that every generator obeys, as functions that assert. The tests run them on generators and on broken toys."""

import torch

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.generators.base import Generator, independent_leads
from ecggen.generators.sampling import Noise

ECGS = simulate(3, seconds=4, seed=5)


def observed(*leads: str, ecg: ECG = ECGS) -> Condition:
    return Condition.none(len(ecg), ecg.seconds, ecg.fs).with_leads(ecg.pick(*leads))


def everything() -> Condition:
    wave = torch.sin(torch.arange(400) / 9)
    return (
        observed("I").with_ppg(wave, 100).with_text("atrial fibrillation").with_metadata(age=70, sex="F", heart_rate=80)
    )


def shape(generator: Generator) -> None:
    """Twelve standard leads, the condition's rate and length, finite millivolts, marked synthetic."""
    ecg = generator.sample(observed("I"), seed=1)
    assert ecg.leads == STANDARD_LEADS and ecg.fs == 100 and ecg.signal.shape == (3, 12, 400)
    assert ecg.signal.dtype == torch.float32 and bool(torch.isfinite(ecg.signal).all())
    assert ecg.provenance is not None and ecg.provenance.recorded == ("I",)
    assert set(ecg.provenance.generated) == set(STANDARD_LEADS) - {"I"}


def same_seed(generator: Generator) -> None:
    """The same seed gives the same record, whatever the batch; another seed gives another."""
    condition = everything()
    whole = generator.sample(condition, seed=7).signal
    alone = [generator.sample(condition[i : i + 1], seed=7, first=i).signal for i in range(3)]
    torch.testing.assert_close(whole, torch.cat(alone), atol=2e-5, rtol=1e-4)
    assert (generator.sample(condition, seed=8).signal - whole).abs().max() > 1e-4


def masked_inputs_have_no_effect(generator: Generator) -> None:
    """Masked inputs never affect a draw."""
    condition = everything()
    noisy = condition.leads.clone()
    noisy[:, 1:] = torch.randn_like(noisy[:, 1:])
    object.__setattr__(condition, "leads", condition.leads + noisy * ~condition.lead_mask)
    for channel in ("ppg", "metadata"):
        mask = torch.zeros_like(getattr(condition, f"{channel}_mask"))
        object.__setattr__(condition, f"{channel}_mask", mask)
    object.__setattr__(condition, "text_mask", torch.zeros(3, dtype=torch.bool))
    with torch.no_grad():
        changed = generator.draw(condition, Noise(1, range(3)))
        expected = generator.draw(observed("I"), Noise(1, range(3)))
    assert torch.equal(changed, expected)


def observed_inputs_have_an_effect(generator: Generator) -> None:
    """Every observed channel affects the draw."""
    base = Condition.none(3, 4.0)
    wave = torch.sin(torch.arange(400) / 9)
    conditions = {
        "leads": observed("I"),
        "ppg": base.with_ppg(wave, 100),
        "text": base.with_text("atrial fibrillation"),
        "age": base.with_metadata(age=70),
        "sex": base.with_metadata(sex="F"),
        "heart rate": base.with_metadata(heart_rate=120),
    }
    with torch.no_grad():
        empty = generator.draw(base, Noise(1, range(3)))
        for channel, condition in conditions.items():
            assert (generator.draw(condition, Noise(1, range(3))) - empty).abs().max() > 1e-6, channel


def observed_leads_are_returned(generator: Generator) -> None:
    """Observed leads are returned unchanged, for any set of leads, in draws and point estimates, at any rate."""
    for leads in (("I",), ("aVR",), ("II", "V1", "V5"), ("III", "aVF", "V2"), INDEPENDENT_LEADS):
        for ecg in (ECGS, ECGS.resample(250)):
            condition = observed(*leads, ecg=ecg)
            for answer in (generator.sample(condition), generator.reconstruct(condition, num_draws=2).mean):
                torch.testing.assert_close(answer.pick(*leads).signal, ecg.pick(*leads).signal, atol=3e-6, rtol=0)


def lead_laws(generator: Generator) -> None:
    """Einthoven and Goldberger to float precision."""
    assert generator.sample(everything(), seed=2).law_residual().max() < 1e-5


def gradient(generator: Generator) -> None:
    """The gradient reaches exactly the parameters of a group, including those of the text encoder."""
    for group, parameters in generator.parameter_groups().items():
        generator.zero_grad(set_to_none=True)
        others = {id(p) for p in generator.parameters()} - {id(p) for p in parameters}
        for p in generator.parameters():
            p.requires_grad_(id(p) not in others)
        losses = generator.loss(independent_leads(ECGS), everything(), group)
        torch.stack(list(losses.values())).sum().backward()
        moved = {id(p) for p in generator.parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
        names = {id(p): name for name, p in generator.named_parameters()}
        assert {names[i] for i in moved} == {names[id(p)] for p in parameters}
    generator.zero_grad(set_to_none=True)


def loss_falls(generator: Generator) -> None:
    """Training reduces the loss of each parameter group on one batch."""
    torch.manual_seed(0)
    for parameters in generator.parameter_groups().values():
        for p in parameters:
            p.requires_grad_(True)
    for group, parameters in generator.parameter_groups().items():
        optimizer = torch.optim.Adam(parameters, 3e-3)
        totals = []
        for _ in range(60):
            total = torch.stack(list(generator.loss(independent_leads(ECGS), observed("I"), group).values())).sum()
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            totals.append(float(total.detach()))
        assert sum(totals[-5:]) < 0.9 * sum(totals[:5]), (group, totals[0], totals[-1])


def missing_equals_dropped(generator: Generator) -> None:
    """A missing channel equals a dropped one."""
    import numpy as np

    dropped = everything().drop(1.0, np.random.default_rng(0))
    with torch.no_grad():
        a = generator.draw(dropped, Noise(1, range(3)))
        b = generator.draw(Condition.none(3, 4.0), Noise(1, range(3)))
    assert torch.equal(a, b)


def many_draws_are_draws(generator: Generator) -> None:
    """``draw_many`` gives what ``draw`` gives for repeated records."""
    with torch.no_grad():
        many = generator.draw_many(everything(), Noise(1, range(6))).draws
        single = generator.draw(everything().repeat(2), Noise(1, range(6)))
    torch.testing.assert_close(many, single, atol=2e-5, rtol=1e-4)


def projection_is_idempotent(generator: Generator) -> None:
    """Projecting twice equals projecting once."""
    condition = observed("II", "V1", "V5")
    with torch.no_grad():
        once = project_onto_observed(generator.draw(condition, Noise(1, range(3))), condition)
    torch.testing.assert_close(project_onto_observed(once, condition), once, atol=1e-6, rtol=0)


LAWS = (
    shape,
    same_seed,
    masked_inputs_have_no_effect,
    observed_inputs_have_an_effect,
    observed_leads_are_returned,
    lead_laws,
    gradient,
    loss_falls,
    missing_equals_dropped,
    many_draws_are_draws,
    projection_is_idempotent,
)
