"""Every generator takes every condition, alone and mixed: the table of the README, on tiny models."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG, STANDARD_LEADS, determined_by
from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks
from ecggen.data import Batch
from ecggen.generators import registry
from ecggen.generators.base import independent_leads
from ecggen.generators.latent import Beginning
from ecggen.networks.blocks import Attention
from evaluation.scripts import conditions

SECONDS, FS = 4.0, 250.0


def condition_of(name: str) -> Condition:
    """One of the conditions of the table, for two records."""
    ecg = simulate(2, seconds=SECONDS, fs=FS, seed=3)
    pulse = simulate_ppg(simulated_peaks(SECONDS, 75), SECONDS, 64.0, np.random.default_rng(0))
    known = Condition.none(2, SECONDS, FS)
    if "I" in name.split("+"):
        known = known.with_leads(ecg.pick("I"))
    if "II, V1, V5" in name:
        known = known.with_leads(ecg.pick("II", "V1", "V5"))
    if "PPG" in name:
        known = known.with_ppg(torch.from_numpy(pulse), 64.0)
    if "text" in name:
        known = known.with_text(["atrial fibrillation", "sinus rhythm"])
    if "facts" in name:
        known = known.with_metadata(age=74, sex="F", heart_rate=[130, None])
    return known


COLUMNS = ("nothing", "I", "II, V1, V5", "PPG", "text", "PPG+text", "I+text+facts")


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("column", COLUMNS)
def test_every_generator_takes_every_condition(name, column):
    generator, known = tiny(name), condition_of(column)
    drawn = generator.sample(known, seed=1)
    assert drawn.leads == STANDARD_LEADS and drawn.fs == FS and drawn.signal.shape == (2, 12, round(SECONDS * FS))
    assert torch.isfinite(drawn.signal).all()
    assert drawn.provenance is not None and drawn.provenance.recorded == known.observed_leads()
    empty = generator.sample(Condition.none(2, SECONDS, FS), seed=1)
    free = [i for i, lead in enumerate(STANDARD_LEADS) if lead not in determined_by(known.observed_leads())]
    if column != "nothing":
        assert not torch.equal(drawn.signal[:, free], empty.signal[:, free]), "the condition has no effect"
    estimate = generator.reconstruct(known, num_draws=3, seed=1)
    assert (estimate.lower.signal <= estimate.upper.signal + 1e-6).all()


@pytest.mark.parametrize("name", ["flow", "diffusion"])
def test_number_of_steps_and_guidance_scale_affect_draws(name):
    generator, known = tiny(name), condition_of("I+text+facts")
    before = generator.sample(known, seed=1)
    generator = generator.with_sampling(num_steps=5)
    after = generator.sample(known, seed=1)
    assert not torch.equal(before.signal, after.signal)
    assert after.provenance is not None and "5 steps" in after.provenance.model
    generator = generator.with_sampling(guidance_scale=4)
    assert not torch.equal(after.signal, generator.sample(known, seed=1).signal)


def test_guidance_does_not_affect_waveforms():
    """Without text and metadata, guidance has no effect."""
    generator, known = tiny("diffusion"), condition_of("PPG")
    before = generator.sample(known, seed=1)
    generator = generator.with_sampling(guidance_scale=7)
    assert torch.equal(before.signal, generator.sample(known, seed=1).signal)


@pytest.mark.parametrize("name", ["flow", "diffusion"])
def test_pag_affects_only_text_and_metadata_without_leads(name):
    generator, columns = tiny(name), ("text", "facts", "PPG", "I", "I+text+facts")
    for attention in (part for part in generator.modules() if isinstance(part, Attention)):
        torch.nn.init.normal_(attention.out_self.weight)  # zero before training
    generator.sampling = replace(generator.sampling, pag_scale=0.0)
    before = [generator.sample(condition_of(column), seed=1) for column in columns]
    generator.sampling = replace(generator.sampling, pag_scale=0.5)
    after = [generator.sample(condition_of(column), seed=1) for column in columns]
    same = [torch.equal(*(each.signal for each in pair)) for pair in zip(before, after, strict=True)]
    assert same == [False, False, True, True, True]
    assert "PAG scale 0.5" in after[0].provenance.model and "pag_scale" not in after[3].provenance.model
    mixed = generator.sample(Condition.cat([condition_of("text"), condition_of("I+text+facts")]), seed=1)
    torch.testing.assert_close(mixed.signal[:2], after[0].signal, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["flow", "diffusion"])
def test_guidance_is_limited_to_its_interval(name):
    """At 0 there is no guidance, at 1 always; in between, the first steps are without."""
    generator, known = tiny(name), condition_of("text")
    drawn = {}
    for below, guidance in ((1.0, 1.0), (0.0, 5.0), (0.6, 5.0), (1.0, 5.0)):
        generator.sampling = replace(generator.sampling, guidance_scale=guidance, guidance_interval=below, num_steps=8)
        drawn[below, guidance] = generator.sample(known, seed=1).signal
    unguided = drawn[1.0, 1.0]
    assert torch.equal(drawn[0.0, 5.0], unguided)
    moved = [float((drawn[below, 5.0] - unguided).abs().mean()) for below in (0.6, 1.0)]
    assert 0 < moved[0] < moved[1]


def test_without_self_attention_steps_are_independent():
    attention, x = Attention(16, 8), torch.randn(1, 16, 12)
    torch.nn.init.normal_(attention.out_self.weight)
    tokens, seen = torch.randn(1, 3, 8), torch.ones(1, 3, dtype=torch.bool)
    changed = x.clone()
    changed[..., 5] += torch.randn(16)
    for apart in (True, False):
        moved = (attention(changed, tokens, seen, apart) - attention(x, tokens, seen, apart)).abs().amax((0, 1)) > 1e-5
        assert moved.nonzero()[:, 0].tolist() == ([5] if apart else list(range(12)))


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
def test_samplers_reach_a_known_latent(sampler):
    """A denoiser that knows the latent brings any noise to it, in few steps or many: parity with the schedule."""
    generator = tiny("diffusion")
    generator.sampler = sampler
    truth = torch.randn(3, 4, 40)
    schedule = generator._schedule

    def predict(x, time):
        at = (time * 1000).round().long() - 1
        alpha = schedule.alphas_cumprod[at].sqrt()[:, None, None]
        sigma = (1 - schedule.alphas_cumprod[at]).sqrt()[:, None, None]
        noise = (x - alpha * truth) / sigma.clamp(min=1e-6)
        return alpha * noise - sigma * truth

    for steps in (1, 4, 16):
        reached = generator._backwards(Beginning(torch.randn(3, 4, 40)), predict, steps)
        torch.testing.assert_close(reached, truth, atol=2e-2, rtol=0)


@pytest.mark.parametrize("heun", [False, True])
def test_the_flow_follows_straight_paths(heun):
    generator = tiny("flow")
    generator.heun = heun
    truth, noise = torch.randn(3, 4, 40), torch.randn(3, 4, 40)
    for steps in (2, 5, 16):
        reached = generator._backwards(Beginning(noise), lambda x, time: noise - truth, steps)
        torch.testing.assert_close(reached, truth, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("heun", "steps"), [(False, 1), (False, 4), (True, 1), (True, 4)])
@pytest.mark.parametrize("share", [None, 0.7])
def test_the_flow_takes_the_steps_of_diffusers(heun, steps, share):
    """A curved field, so that the order of the method matters; ``share`` starts between noise and latent."""
    import diffusers

    generator = tiny("flow")
    generator.heun, generator.shift = heun, 3.0
    noise, latent = torch.randn(2, 4, 40), torch.randn(2, 4, 40)

    def field(x, time):
        return torch.sin(3 * x) + time[:, None, None] * x

    kind = diffusers.FlowMatchHeunDiscreteScheduler if heun else diffusers.FlowMatchEulerDiscreteScheduler
    scheduler = kind(num_train_timesteps=1000, shift=3.0)
    if heun:
        scheduler.set_timesteps(steps)
    else:
        scheduler.set_timesteps(sigmas=[1 - i / steps for i in range(steps)])
    times, x = scheduler.timesteps, noise
    if share is not None:
        first = min(int((times > 1000 * share).sum()), len(times) - 1)
        first += first % 2 if heun else 0  # two evaluations per step after the first
        scheduler.set_begin_index(first)
        times = times[first:]
        x = torch.lerp(latent, noise, float(times[0]) / 1000)
    for time in times:
        x = scheduler.step(field(x, torch.full((2,), float(time) / 1000)), time, x).prev_sample
    begin = Beginning(noise) if share is None else Beginning(noise, latent, share)
    torch.testing.assert_close(generator._backwards(begin, field, steps), x, atol=1e-5, rtol=1e-5)


def test_the_table_of_the_readme_is_computed_and_plotted(tmp_path):
    """The target scores as perfect, every column is scored, and the plot is made."""
    ecg = simulate(3, seconds=SECONDS, fs=100.0, seed=3, heart_rate=75)
    beats = (simulated_peaks(SECONDS, 75),) * 3
    everything = Condition.none(3, SECONDS, 100.0).with_leads(ecg).with_text("sinus rhythm").with_metadata(age=60)
    known = Batch(independent_leads(ecg), everything, beats)
    perfect = conditions.score(ecg, known, ())
    assert perfect["valid"] == 1 and perfect["heart_rate_error"] < 1 and perfect["r"] > 0.9999
    flat = conditions.score(ECG(0 * ecg.signal, ecg.leads, ecg.fs), known, ())
    assert flat["valid"] == 0 and flat["heart_rate_error"] > 60 and flat["r"] == 0
    assert (
        conditions.condition_of(known, "I").observed_leads() == ("I",)
        and not conditions.condition_of(known, "I").text_mask.any()
    )
    assert (
        conditions.condition_of(known, "PPG + text").ppg_mask.all()
        and conditions.condition_of(known, "PPG + text").text_mask.all()
    )
    assert (
        set(conditions.measure(tiny("vae"), known, 1)) == set(conditions.CONDITIONS) and len(conditions.CONDITIONS) == 7
    )
    conditions.plot({"vae": tiny("vae")}, known, tmp_path / "picture.png", 1)
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_temporal_noise_of_a_vae_without_leads_is_constant(monkeypatch):
    """Otherwise beats would differ in morphology; with leads, the noise varies in time."""
    generator, steady = tiny("vae"), {}
    write = generator.reader.write
    for column in ("nothing", "I"):

        def watched(read, drawn, *draws, column=column):
            numbers = (drawn[1] - read.prior.mean()[1]) / read.prior.along.chunk(2, 1)[1].exp()
            steady[column] = float(numbers.std(-1).max())
            return write(read, drawn, *draws)

        monkeypatch.setattr(generator.reader, "write", watched)
        generator.sample(condition_of(column), seed=1)
    assert steady["nothing"] < 1e-3 < 0.5 < steady["I"]
