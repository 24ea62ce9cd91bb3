"""Latent generators: equivalence of the Gaussian paths of flow and diffusion, and the number of steps."""

from dataclasses import replace

import pytest
import torch
from conftest import ROOT, tiny

from ecggen.conditioning.condition import Condition
from ecggen.core import config
from ecggen.core.simulate import simulate
from ecggen.generators import registry
from ecggen.generators.diffusion import TIMES


def straight():
    """A tiny diffusion model parametrised as a flow, with the weights of the tiny flow."""
    values, flow = config.read_toml(ROOT / "configs" / "tiny" / "flow.toml"), tiny("flow")
    sizes = {name: value for name, value in values["model"].items() if name not in ("shift", "heun")}
    made = registry.generator("diffusion", sizes | {"straight": True}, "[model]").eval()
    made.preprocessor = flow.preprocessor
    made.load_state_dict(flow.state_dict())
    return made, flow


def test_an_exact_flow_gives_the_exact_velocity():
    made, _ = straight()
    latent, noise = torch.randn(2, 5, 16, 20)
    time = torch.tensor([0, 250, 500, 800, TIMES - 1])
    x = made._schedule.add_noise(latent, noise, time)
    requested = []

    def exact(path, share):
        requested.append((path, share))
        return noise - latent

    found = made._velocity(x, time, exact)
    torch.testing.assert_close(found, made._schedule.get_velocity(latent, noise, time), atol=1e-5, rtol=1e-5)
    path, share = requested[0]
    torch.testing.assert_close(path, torch.lerp(latent, noise, share[:, None, None]), atol=1e-5, rtol=1e-5)
    assert share[-1] == 1 and (share.diff() > 0).all()


def test_flow_and_diffusion_with_the_same_weights_converge_to_the_same_draw():
    made, flow = straight()
    known = Condition.none(2, 4).with_leads(simulate(2, seconds=4, seed=1).pick("I"))

    def distance(steps: int) -> float:
        ours = made.with_sampling(steps, 1.0)
        theirs = flow.with_sampling(steps, 1.0)
        one, other = (generator.sample(known, seed=3).signal for generator in (ours, theirs))
        return float((one - other).abs().mean())

    assert distance(200) < 0.2 * distance(4)


@pytest.mark.parametrize("name", ["flow", "diffusion"])
def test_records_with_leads_use_their_own_number_of_steps(name):
    made = tiny(name)
    lead = simulate(1, seconds=4, seed=1).pick("I")
    observed, missing = Condition.none(1, 4).with_leads(lead), Condition.none(1, 4).with_metadata(heart_rate=70)
    made.sampling = replace(made.sampling, num_steps=6, num_steps_with_leads=2)
    mixed = made.sample(Condition.cat([observed, missing]), seed=1)
    for at, (known, steps) in enumerate([(observed, 2), (missing, 6)]):
        made.sampling = replace(made.sampling, num_steps=6, num_steps_with_leads=2)
        alone = made.sample(known, seed=1, first=at)
        assert f"{steps} steps" in alone.provenance.model
        made = made.with_sampling(num_steps=steps)
        assert made.sampling.num_steps_with_leads is None
        requested = made.sample(known, seed=1, first=at)
        for other in (alone, requested):
            torch.testing.assert_close(mixed.signal[at : at + 1], other.signal, atol=1e-5, rtol=1e-5)
