"""The public API: inference in Condition, sampling options per call, equivalent calls, contradictions, checkpoints."""

import warnings

import numpy as np
import pytest
import torch
from conftest import tiny
from safetensors.torch import load_file

import ecggen
from ecggen import Condition, Generator, InputError, InputWarning
from ecggen.core.ecg import INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.rhythm import pulse_rises
from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks
from ecggen.generators import checkpoint, registry
from ecggen.io.ppg import PPG

SECONDS = 4.0
LATENT = ("flow", "diffusion")


def leads(n: int = 1, fs: float = 100.0, heart_rate: float | None = None, *names: str):
    return simulate(n, seconds=SECONDS, fs=fs, seed=3, heart_rate=heart_rate).pick(*(names or ("I",)))


def pulses(heart_rate: float = 75.0, fs: float = 125.0) -> np.ndarray:
    return simulate_ppg(simulated_peaks(SECONDS, heart_rate), SECONDS, fs, np.random.default_rng(0))


def metadata(condition: Condition) -> list[list[float | None]]:
    """Values of the metadata, None where masked."""
    pairs = zip(condition.metadata.tolist(), condition.metadata_mask.tolist(), strict=True)
    return [[value if given else None for value, given in zip(*pair, strict=True)] for pair in pairs]


@pytest.fixture(params=registry.names())
def generator(request):
    return tiny(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Checkpoint of the tiny flow, with calibrated buffers that are not at their defaults."""
    made = tiny("flow")
    for buffer in (made.interval_scale, made.ensemble_inflation, made.mean_weight):
        buffer.copy_(torch.rand_like(buffer) + 0.5)
    return made.save_pretrained(tmp_path_factory.mktemp("checkpoints") / "flow", card="# A card\n")


# ---- Condition


@pytest.mark.parametrize(
    ("values", "n", "seconds", "fs"),
    [
        ({}, 1, 10.0, 500.0),
        ({"text": "sinus rhythm"}, 1, 10.0, 500.0),
        ({"text": ["AF", "sinus rhythm", ""]}, 3, 10.0, 500.0),
        ({"age": [50, None]}, 2, 10.0, 500.0),
        ({"n": 5, "age": 50, "seconds": 7, "fs": 250}, 5, 7.0, 250.0),
        ({"leads": leads()}, 1, SECONDS, 100.0),
        ({"leads": leads(3, 250)}, 3, SECONDS, 250.0),
        ({"leads": leads(3), "fs": 100}, 3, SECONDS, 100.0),
        ({"leads": leads(), "n": 4}, 4, SECONDS, 100.0),
        ({"leads": leads(), "text": ["AF", "sinus rhythm"]}, 2, SECONDS, 100.0),
        ({"ppg": pulses(), "ppg_fs": 125}, 1, SECONDS, 500.0),
        ({"ppg": np.stack([pulses()] * 2), "ppg_fs": 125, "fs": 200}, 2, SECONDS, 200.0),
        ({"ppg": torch.from_numpy(pulses())[None, None], "ppg_fs": 125}, 1, SECONDS, 500.0),
        ({"leads": leads(2), "ppg": pulses(), "ppg_fs": 125}, 2, SECONDS, 100.0),
    ],
)
def test_a_condition_infers_records_duration_and_rate(values, n, seconds, fs):
    condition = Condition(**values)
    assert len(condition) == n and condition.seconds == seconds and condition.fs == fs
    assert condition.leads.shape == (n, 12, round(seconds * fs))
    assert bool(condition.ppg_mask.any()) == ("ppg" in values)
    assert bool(condition.lead_mask.any()) == ("leads" in values)


def test_a_ppg_that_was_read_has_its_own_rate():
    ppg = PPG(torch.from_numpy(pulses()), 125.0, "a.csv")
    one, other = Condition(ppg=ppg), Condition(ppg=ppg.wave, ppg_fs=125.0)
    assert one.ppg_fs == 125 and torch.equal(one.ppg, other.ppg)


def test_a_lead_mask_is_given_with_the_leads():
    mask = torch.zeros(1, 2, 400, dtype=torch.bool)
    mask[:, 0, :200] = True
    condition = Condition(leads(1, 100, None, "I", "V2"), lead_mask=mask)
    assert condition.observed_leads() == ("I",) and condition.lead_mask.sum() == 200
    assert not condition.leads[~condition.lead_mask].any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"text": ["a", "b"], "age": [1, 2, 3]},
            "inputs for 2 and 3 records were given; one number of records was expected; give one value for all",
        ),
        ({"leads": leads(3), "text": ["a", "b"]}, "inputs for 2 and 3 records"),
        ({"leads": leads(3), "n": 2}, "inputs for 2 and 3 records"),
        ({"text": ["a", "b"], "n": 1}, "2 texts for 1 records"),
        ({"n": 0}, "0 records"),
        ({"ppg": pulses()}, "a PPG without a sampling rate was given; its rate in Hz was expected; pass ppg_fs"),
        (
            {"ppg": PPG(torch.zeros(400), 100.0, "a.csv"), "ppg_fs": 50},
            "a PPG at 100 Hz and a rate of 50 Hz were given",
        ),
        ({"ppg": torch.zeros(1, 2, 400), "ppg_fs": 100}, "a PPG of shape (1, 2, 400)"),
        (
            {"leads": leads(), "fs": 500},
            "leads at 100 Hz and fs 500 Hz were given; the rate of the leads was expected; leave fs out",
        ),
        ({"leads": leads(), "seconds": 5}, "the ECG lasts 4.00 s, the condition 5.00 s"),
        ({"age": 400}, "age is 400; 0 to 120 was expected"),
        ({"text": "heart rate 2000"}, "in the text, heart rate is 2000"),
    ],
)
def test_a_condition_that_is_inconsistent_is_refused(values, message):
    with pytest.raises(InputError) as error:
        Condition(**values)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"text": "sinus bradycardia 40 bpm"}, [None, None, 40]),
        ({"text": "81F, HR 40"}, [81, 1, 40]),
        ({"text": "81F, HR 40", "age": 30}, [30, 1, 40]),
        ({"text": "81F, HR 40", "sex": "M"}, [81, 0, 40]),
        ({"text": "81F, HR 40", "age": 30, "sex": "M", "heart_rate": 90}, [30, 0, 90]),
        ({"text": "sinus rhythm", "heart_rate": 90}, [None, None, 90]),
    ],
)
def test_explicit_metadata_override_the_text(values, expected):
    condition = Condition(**values)
    assert metadata(condition) == [expected] and condition.text == (values["text"],)


def test_metadata_of_single_records_fill_up_from_their_texts():
    condition = Condition(text=["81F", "M 74, HR 40"], age=[None, 30])
    assert metadata(condition) == [[81, 1, None], [30, 0, 40]]


# ---- Sampling options


@pytest.mark.parametrize("name", LATENT)
def test_with_sampling_shares_the_weights_and_leaves_the_model_as_it_is(name):
    model = tiny(name)
    before = model.sampling
    other = model.with_sampling(num_steps=5, guidance_scale=3.0)
    assert model.sampling == before and type(other) is type(model)
    assert other.sampling.num_steps == 5 and other.sampling.guidance_scale == 3.0
    shared = zip(model.state_dict(keep_vars=True).values(), other.state_dict(keep_vars=True).values(), strict=True)
    assert all(one is two for one, two in shared)
    assert model.with_sampling() is model


@pytest.mark.parametrize("name", LATENT)
def test_options_of_a_call_equal_options_of_the_checkpoint(name):
    model, stored = tiny(name), tiny(name)
    stored.sampling = stored.sampling.changed(5, 3.0)
    condition, options = Condition(text="AF", age=70, seconds=SECONDS, fs=100), {"num_steps": 5, "guidance_scale": 3.0}
    default = model.sample(condition, seed=1)
    called, expected = model.sample(condition, seed=1, **options), stored.sample(condition, seed=1)
    assert torch.equal(called.signal, expected.signal) and called.provenance == expected.provenance
    assert not torch.equal(called.signal, default.signal)
    assert torch.equal(model.sample(condition, seed=1).signal, default.signal)  # the call has changed nothing
    one = model.reconstruct(condition, num_draws=2, **options)
    two = stored.reconstruct(condition, num_draws=2)
    assert torch.equal(one.mean.signal, two.mean.signal) and torch.equal(one.draws.signal, two.draws.signal)


@pytest.mark.parametrize("name", ["gan", "vae"])
@pytest.mark.parametrize("option", ["num_steps", "guidance_scale"])
def test_a_generator_of_one_pass_refuses_sampling_options(name, option):
    with pytest.raises(InputError, match=f"{name} draws in one pass: it has no steps and no guidance"):
        tiny(name).generate(n=1, seconds=SECONDS, fs=100, **{option: 2})


@pytest.mark.parametrize(
    ("options", "message"),
    [({"num_steps": 0}, "0 steps; 1 to 1000"), ({"guidance_scale": 21}, "guidance scale 21; 0 to 20 was expected")],
)
def test_sampling_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError) as error:
        tiny("flow").with_sampling(**options)
    assert message in str(error.value)


# ---- Equivalent calls


def test_generate_is_sample_of_the_condition(generator):
    values = {"text": ["AF", "81F, HR 40"], "heart_rate": [120, None], "seconds": SECONDS, "fs": 250.0}
    one, two = generator.generate(**values, seed=4), generator.sample(Condition(**values), seed=4)
    assert torch.equal(one.signal, two.signal) and one.provenance == two.provenance
    assert one.signal.shape == (2, 12, 1000) and one.leads == STANDARD_LEADS
    assert one.provenance.generated == STANDARD_LEADS and one.provenance.recorded == ()
    nothing = generator.generate(n=3, seconds=SECONDS, fs=100)
    assert torch.equal(nothing.signal, generator.sample(Condition(n=3, seconds=SECONDS, fs=100)).signal)


def test_translate_is_sample_of_the_condition(generator):
    wave = pulses()
    one = generator.translate(wave, fs=125, text="sinus rhythm", age=50, seed=4)
    condition = Condition(ppg=wave, ppg_fs=125, text="sinus rhythm", age=50, fs=generator.preprocessor.fs)
    assert torch.equal(one.signal, generator.sample(condition, seed=4).signal) and one.fs == 100
    assert torch.equal(
        one.signal,
        generator.translate(PPG(torch.from_numpy(wave), 125.0, "a.csv"), text="sinus rhythm", age=50, seed=4).signal,
    )
    assert generator.translate(wave, fs=125, output_fs=250).signal.shape == (1, 12, 1000)


def test_reconstruct_is_reconstruct_of_the_condition(generator):
    observed = leads(2, 250)
    one = generator.reconstruct(observed, text="AF", age=[70, 50], num_draws=3, level=0.8, seed=4)
    two = generator.reconstruct(Condition(observed, text="AF", age=[70, 50]), num_draws=3, level=0.8, seed=4)
    for name in ("mean", "lower", "upper", "draws"):
        assert torch.equal(getattr(one, name).signal, getattr(two, name).signal)
    assert (one.level, one.num_draws, one.notes) == (0.8, 3, ())
    with pytest.raises(InputError, match="a condition and text, age were given; one of them was expected"):
        generator.reconstruct(Condition(observed), text="AF", age=70)


def test_draws_of_a_reconstruction_match_the_observed_lead(generator):
    observed = leads(2, 100, None, "II")
    kept = generator.reconstruct(observed, num_draws=3, seed=4)
    assert kept.draws.signal.shape == (6, 12, 400) and kept.num_draws == 3
    expected = observed.signal.repeat_interleave(3, 0)
    torch.testing.assert_close(kept.draws.pick("II").signal, expected, atol=3e-6, rtol=0)
    assert kept.draws.law_residual().max() < 1e-5
    assert kept.draws.provenance.recorded == ("II",)
    generated = kept.draws.pick("V2").signal.unflatten(0, (2, 3))
    assert (generated[:, 0] - generated[:, 1]).abs().amax((1, 2)).min() > 1e-4
    free = generator.reconstruct(observed, num_draws=3, seed=4, keep_draws=False)
    assert free.draws is None
    for name in ("mean", "lower", "upper"):
        assert torch.equal(getattr(free, name).signal, getattr(kept, name).signal)
    assert set(kept.intervals()) == set(STANDARD_LEADS) - {"II"}
    assert all(interval.half_width > 0 for interval in kept.intervals(1).values())


@pytest.mark.parametrize("name", ["vae", "flow"])
def test_without_weight_on_the_deterministic_prediction_the_point_estimate_is_the_mean_of_the_draws(name):
    model = tiny(name)
    model.mean_weight.zero_()
    found = model.reconstruct(leads(2), num_draws=4, seed=1)
    draws = found.draws.pick(*INDEPENDENT_LEADS).signal.unflatten(0, (2, 4))
    torch.testing.assert_close(found.mean.pick(*INDEPENDENT_LEADS).signal, draws.mean(1), atol=1e-5, rtol=1e-5)


def test_unconditional_draws_are_kept_as_well(generator):
    found = generator.reconstruct(Condition(n=2, seconds=SECONDS, fs=100), num_draws=3)
    assert found.draws.signal.shape == (6, 12, 400)


@pytest.mark.parametrize("values", [{"num_draws": 1}, {"level": 0.0}, {"level": 1.0}])
def test_numbers_of_a_reconstruction_out_of_range_are_refused(values):
    with pytest.raises(InputError, match="at least 2 draws and a level between 0 and 1"):
        tiny("vae").reconstruct(leads(), **values)


# ---- Contradictions


def test_a_heart_rate_that_contradicts_the_leads_is_dropped_with_a_note(generator):
    observed = leads(1, 250, 75)
    found = generator.reconstruct(observed, age=70, heart_rate=150, num_draws=2)
    assert len(found.notes) == 1 and "150 per minute" in found.notes[0] and "is measured" in found.notes[0]
    assert found.mean.provenance.condition == "leads I; age 70"
    without = generator.reconstruct(observed, age=70, num_draws=2)
    assert torch.equal(found.mean.signal, without.mean.signal)
    agreeing = generator.reconstruct(observed, age=70, heart_rate=76, num_draws=2)
    assert agreeing.notes == () and agreeing.mean.provenance.condition == "leads I; age 70; heart rate 76"


def test_a_heart_rate_that_contradicts_the_ppg_is_dropped_with_a_warning(generator):
    wave = pulses(75)
    assert len(pulse_rises(wave, 125)) >= 4
    with pytest.warns(InputWarning, match="150 per minute"):
        found = generator.translate(wave, fs=125, heart_rate=150)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert torch.equal(found.signal, generator.translate(wave, fs=125).signal)


# ---- Checkpoints


def test_a_checkpoint_of_another_class_is_refused(folder):
    assert type(registry.generator_class("flow").from_pretrained(folder)).__name__ == "Flow"
    with pytest.raises(InputError) as error:
        registry.generator_class("vae").from_pretrained(folder)
    assert str(error.value) == (
        f"checkpoint {folder} is a Flow; a VAE was expected; call Generator.from_pretrained, or ecggen.load"
    )


def test_a_saved_generator_draws_the_same(generator, tmp_path):
    generator.interval_scale.mul_(2)
    path = generator.save_pretrained(tmp_path / "model")
    loaded, condition = Generator.from_pretrained(path), Condition(leads(2), text="81F")
    assert type(loaded) is type(generator) and loaded.name.startswith("model@") and not loaded.training
    assert loaded.sampling == generator.sampling and loaded.preprocessor == generator.preprocessor
    assert torch.equal(loaded.sample(condition, seed=2).signal, generator.sample(condition, seed=2).signal)
    one, two = (model.reconstruct(condition, num_draws=3) for model in (loaded, generator))
    for name in ("mean", "lower", "upper", "draws"):
        assert torch.equal(getattr(one, name).signal, getattr(two, name).signal)
    assert torch.equal(ecggen.load(path).sample(condition).signal, loaded.sample(condition).signal)


def test_a_saved_generator_keeps_its_card(folder, tmp_path):
    assert (folder / "README.md").read_text() == "# A card\n"
    path = checkpoint.load(folder).save_pretrained(tmp_path / "flow", card="# One\n")
    checkpoint.load(folder).save_pretrained(path)
    assert (path / "README.md").read_text() == "# One\n"


def test_weights_are_stored_under_the_names_of_format_1(folder):
    """Checkpoints of ecggen 0.1.0 and of this version can be read by each other."""
    stored, loaded = load_file(folder / "model.safetensors"), checkpoint.load(folder)
    names = {"band_scale": "interval_scale", "spread": "ensemble_inflation", "middle_share": "mean_weight"}
    for old, new in names.items():
        assert new not in stored and new not in loaded.state_dict()
        assert torch.equal(stored[old].float(), getattr(loaded, new)) and len(stored[old].unique()) > 2
    other = tiny("flow")
    renamed = {names.get(name, name): value for name, value in loaded.state_dict().items()}
    other.load_state_dict(renamed)  # the new names are read as well
    assert torch.equal(other.interval_scale, loaded.interval_scale)


def test_vary_takes_sampling_options_of_the_call():
    model, ecg = tiny("flow"), simulate(1, seconds=4, seed=1)
    condition = Condition(text="sinus rhythm", seconds=4, fs=100)
    called = model.vary(ecg, condition, num_steps=3, guidance_scale=2.0, seed=5)
    changed = model.with_sampling(3, 2.0).vary(ecg, condition, seed=5)
    assert torch.equal(called.signal, changed.signal) and called.provenance == changed.provenance
    assert not torch.equal(called.signal, model.vary(ecg, condition, seed=5).signal)
