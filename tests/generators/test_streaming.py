"""Long recordings in blocks equal the whole; live recordings do not depend on the chunks and keep their latency."""

import pytest
import torch

from ecggen import ECG, InputError, load
from ecggen.conditioning.condition import Condition
from ecggen.core.simulate import simulate
from ecggen.generators.streaming.blocks import Blocks, LeadRecording, Options, PulseRecording
from ecggen.generators.streaming.live import LATENCY

KINDS = ("mean", "lower", "upper")
AS_IT_IS = {"start": 0, "workers": 2, "then": lambda _, found: found}


@pytest.fixture(scope="module")
def model():
    return load("vae")


def blocks_of(model, ecg, windows, draws=4, **known):
    def read(first, last):
        return ECG(ecg.signal[..., first:last], ecg.leads, ecg.fs)

    recording = LeadRecording(read, ecg.samples, ecg.fs, Condition(n=1, **known), model.preprocessor)
    return Blocks(model, recording, Options(draws), windows)


def joined(blocks):
    parts = [found for _, found in blocks.each(**AS_IT_IS)]
    return {kind: torch.cat([getattr(part, kind).signal for part in parts], -1) for kind in KINDS}


@pytest.mark.parametrize("fs", [250.0, 512.0])
def test_blocks_equal_the_whole(model, fs):
    ecg = simulate(1, fs=fs, seconds=61.3).pick("I")
    whole = model.reconstruct(ecg, num_draws=4, age=70)
    blocks = blocks_of(model, ecg, windows=3, age=70)
    assert len(blocks) > 2 and blocks.bounds[-1][1] == ecg.samples
    for kind, found in joined(blocks).items():
        torch.testing.assert_close(found, getattr(whole, kind).signal, atol=5e-4, rtol=0)  # half a step of 1 µV
    assert blocks[0].mean.provenance == whole.mean.provenance
    assert abs(blocks[0].trust[0].widening / whole.trust[0].widening - 1) < 0.2


def test_the_size_of_the_blocks_changes_nothing(model):
    ecg = simulate(1, fs=250.0, seconds=45).pick("II", "V2")
    few, many = joined(blocks_of(model, ecg, 100)), joined(blocks_of(model, ecg, 2))
    for kind in KINDS:
        torch.testing.assert_close(few[kind], many[kind], atol=5e-4, rtol=0)


def test_a_block_depends_on_nothing_but_its_number(model):
    blocks = blocks_of(model, simulate(1, fs=250.0, seconds=45).pick("I"), 2, draws=2)
    later = dict(blocks.each(1, 1, lambda _, found: found))
    assert all(bool((dict(blocks.each(**AS_IT_IS))[n].mean.signal == later[n].mean.signal).all()) for n in later)


def test_a_long_interruption_stays_empty(model):
    ecg = simulate(1, fs=250.0, seconds=40).pick("I")
    ecg.signal[..., 5000:6000] = torch.nan
    mean = joined(blocks_of(model, ecg, 2, draws=2))["mean"][0]
    assert mean[:, 5000:6000].isnan().all() and mean[:, :5000].isfinite().all() and mean[:, 6000:].isfinite().all()


def test_a_ppg_in_blocks_equals_the_whole(model):
    pulses = torch.sin(2 * torch.pi * 1.2 * torch.arange(5000) / 125) ** 3
    whole = model.translate(pulses, fs=125)
    blocks = Blocks(model, PulseRecording(pulses, 125, Condition(n=1), model.preprocessor), Options(1), 2)
    found = torch.cat([found.signal for _, found in blocks.each(**AS_IT_IS)], -1)
    torch.testing.assert_close(found, whole.signal, atol=5e-4, rtol=0)


def test_a_rate_that_is_no_simple_ratio_is_refused(model):
    with pytest.raises(InputError, match="simple ratio"):
        blocks_of(model, ECG(torch.zeros(1, 40000), ("I",), 257.3191), 2)


def test_a_live_recording_does_not_depend_on_its_chunks(model):
    ecg = simulate(1, fs=250.0, seconds=16.4).pick("I")
    found = []
    for size in (37, 1000):
        chunks = [ECG(part, ecg.leads, ecg.fs) for part in ecg.signal.split(size, -1)]
        parts = list(model.stream(chunks, num_draws=2))
        found.append(torch.cat([part.mean.signal for part in parts], -1))
        assert all((part.lower.signal <= part.mean.signal + 1e-6).all() and len(part.trust) == 1 for part in parts)
    assert bool((found[0] == found[1]).all()) and found[0].shape == (1, 12, ecg.samples)
    torch.testing.assert_close(found[0][:, :1], ecg.signal)  # the recorded lead
    whole = model.reconstruct(ecg, num_draws=2).mean.signal
    settled = slice(2500, None)  # before, a window holds less than the model's ten seconds
    error = (found[0] - whole)[..., settled].square().mean().sqrt()
    assert error < 0.35 * whole[..., settled].square().mean().sqrt()


def test_a_live_recording_keeps_its_latency(model):
    ecg, arrived, returned = simulate(1, fs=250.0, seconds=14).pick("I"), [], []

    def chunks():
        for part in ecg.signal.split(50, -1):
            assert not arrived or sum(arrived) - sum(returned) <= LATENCY * ecg.fs + 50 or sum(arrived) < 750
            yield ECG(part, ecg.leads, ecg.fs)
            arrived.append(part.shape[-1])

    for part in model.stream(chunks(), num_draws=2):
        returned.append(part.mean.samples)
    assert sum(returned) == ecg.samples and max(returned) <= 2 * ecg.fs


def test_chunks_of_another_recording_are_refused(model):
    one, other = simulate(1, fs=250.0, seconds=3).pick("I"), simulate(1, fs=250.0, seconds=3).pick("II")
    with pytest.raises(InputError, match="one record with I at 250 Hz was expected"):
        list(model.stream([one, other], num_draws=2))
    with pytest.raises(InputError, match="at least 2 s were expected"):
        list(model.stream([one.crop(0, 1.5)], num_draws=2))
