"""Beats of PPGs: no second wave is a beat, uncertain beats are told, long PPGs equal their parts."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import ROOT, SAMPLES

from ecggen import InputError
from ecggen.conditioning import pulse_beats
from ecggen.conditioning.pulse_beats import RATE, PulseBeats, beats_of, prepare, read
from ecggen.core.rhythm import heart_rate
from ecggen.core.simulate import simulate_ppg, simulated_peaks
from ecggen.io.ppg import read_ppg
from ecggen.io.pulse_checks import one_rise_per_beat
from ecggen.networks.pulse import PulseNetwork, intensities
from ecggen.training import pulse as training
from ecggen.training.pulse_crops import Crops
from ecggen.training.pulse_examples import Example, trusted_parts

FOLDER = ROOT / "checkpoints" / "pulse"


def of(wave, fs=125.0):
    (found,) = read(torch.as_tensor(np.asarray(wave), dtype=torch.float32)[None], torch.ones(1, len(wave)) > 0, fs)
    return found


def simulated(beats, seconds=20, fs=125, seed=0):
    return simulate_ppg(beats, seconds, fs, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("rate", "size", "late"),
    [
        *((rate, 0.7, 0.32) for rate in (45, 60, 80)),
        *((rate, -0.5, 0.3) for rate in (45, 60, 80)),
        *((rate, 0.85, 0.36) for rate in (45, 60)),
    ],
)
def test_second_waves_and_undershoots_never_double_the_rate(rate, size, late):
    beats = simulated_peaks(20, rate)
    rng = np.random.default_rng(0)
    first, second = (simulate_ppg(beats + shift, 20, 100, rng, plain=True) for shift in (0, late))
    wave, _ = one_rise_per_beat(first + size * second, 100, None)
    assert 0.95 * rate < heart_rate(of(wave, 100).times) < 1.15 * rate


@pytest.mark.parametrize("fs", [25.0, 64.0, 125.0, 500.0])
def test_beats_at_any_rate_and_gain(fs):
    beats = simulated_peaks(20, 72)
    wave = simulated(beats, 20, fs)
    found = of(wave, fs)
    inner = beats[(beats > 1) & (beats < 19)]
    assert max(np.abs(found.times - beat).min() for beat in inner) < 0.05
    np.testing.assert_allclose(of(7000 * wave + 300, fs).times, found.times, atol=2e-3)


def test_an_irregular_rhythm_is_followed():
    beats = np.cumsum(np.clip(np.random.default_rng(3).normal(0.75, 0.15, 60), 0.45, 1.3))
    found = of(simulated(beats[beats < 30], 30))
    inner = beats[(beats > 1) & (beats < 29)]
    assert np.mean([np.abs(found.times - beat).min() < 0.06 for beat in inner]) > 0.93


def test_probabilities_are_low_in_noise_and_high_in_a_recorded_ppg():
    ppg = read_ppg(SAMPLES / "bidmc" / "bidmc_15_Signals.csv")
    noise = np.convolve(np.random.default_rng(0).standard_normal(2600), np.ones(40) / 40, "valid")
    sure = of(ppg.wave.numpy(), ppg.fs)
    assert np.median(sure.probabilities) > 0.9 and np.median(sure.deviations) < 0.03
    assert of(noise).probabilities.mean() < 0.75


def test_each_ppg_is_read_on_its_own():
    waves = np.stack([simulated(simulated_peaks(20, rate), seed=rate) for rate in (50, 70, 90)])
    together = read(torch.from_numpy(waves).float(), torch.ones(waves.shape) > 0, 125)
    for wave, found in zip(waves, together, strict=True):
        np.testing.assert_allclose(of(wave).times, found.times, atol=1e-3)


def test_a_long_ppg_equals_its_parts():
    wave = simulated(simulated_peaks(150, 66), 150, 100)
    found, part = of(wave, 100), of(wave[5000:9000], 100)
    inner = part.times[(part.times > 12) & (part.times < 28)] + 50
    assert len(inner) > 10 and max(np.abs(found.times - time).min() for time in inner) < 0.02


def test_a_gap_does_not_matter_far_from_it():
    wave = torch.from_numpy(simulated(simulated_peaks(20, 72))).float()[None]
    observed = torch.ones(1, 2500) > 0
    observed[:, 1200:1320] = False
    (found,), (whole,) = read(wave, observed, 125), read(wave, observed | True, 125)
    far = whole.times[(whole.times < 8) | ((whole.times > 12.5) & (whole.times < 19))]
    assert max(np.abs(found.times - time).min() for time in far) < 0.03


def test_flat_ppgs_and_empty_intensities_have_no_certain_beats():
    assert (of(np.zeros(1250)).probabilities < 0.9).all()
    assert len(beats_of(np.zeros(1000))) == 0
    assert isinstance(beats_of(np.zeros(1000)), PulseBeats)


def test_beats_lie_where_the_intensity_is():
    rate = np.zeros(1000)
    rate[[100, 101]], rate[300], rate[480:520] = 0.5, 0.9, 0.02
    found = beats_of(rate)
    assert found.times[:2].round(3).tolist() == [1.005, 3.0]
    assert found.probabilities[:2].round(2).tolist() == [1.0, 0.9]
    assert found.deviations[0] < found.deviations[1] + 0.005
    left = beats_of(np.where(np.isin(np.arange(1000), [100, 300]), 1.0, np.where(np.arange(1000) == 200, 0.3, 0.0)))
    assert left.missed[1] == pytest.approx(1 - np.exp(-0.3), abs=0.01)


def test_the_shipped_network_reproduces_its_golden_beats():
    golden = json.loads((FOLDER / "golden_beats.json").read_text())
    found = pulse_beats.golden_beats(pulse_beats.load(FOLDER), golden)
    np.testing.assert_allclose(found["times_s"], golden["times_s"], atol=golden["tolerance_s"])
    np.testing.assert_allclose(found["probabilities"], golden["probabilities"], atol=0.02)


def test_the_shipped_checkpoint_is_small_and_has_its_card():
    assert (FOLDER / "model.safetensors").stat().st_size < 1.5e6
    card = (FOLDER / "README.md").read_text()
    assert pulse_beats.name_of(FOLDER).partition("@")[2] in card and "Not for" in card


def test_invalid_checkpoints_are_rejected(tmp_path):
    folder = pulse_beats.save(PulseNetwork(widths=(8, 8)), tmp_path / "p")
    about = json.loads((folder / "config.json").read_text())
    for change, message in (
        ({"kind": "delineation"}, "holds no pulse network"),
        ({"sizes": {"width": 3}}, "cannot be used"),
    ):
        (folder / "config.json").write_text(json.dumps(about | change))
        pulse_beats.load.cache_clear()
        with pytest.raises(InputError, match=message):
            pulse_beats.load(folder)


def example(seed=0):
    beats = simulated_peaks(60, 70 + seed)
    wave = simulated(beats, 60, RATE, seed)
    lead = np.exp(-0.5 * ((np.arange(6000) / RATE - beats[:, None] - 0.4) / 0.02) ** 2).sum(0)
    return Example(f"simulated {seed}", wave, lead, beats + 0.4, -0.15, np.ones(6000, bool))


def test_crops_keep_r_peaks_before_their_pulses():
    crops = Crops([example()], np.ones(1), 0, 64)
    for _ in range(3):
        x, peaks, weight, lead = crops.batch()
        assert x.shape[0] == len(peaks) == len(weight) == len(lead) and x.shape[-1] % 64 == 0
        assert 0.5 < float(peaks.sum() / len(peaks)) / (peaks.shape[-1] / RATE * 70 / 60) < 2
        assert bool(torch.isfinite(x).all())
    plain = np.flatnonzero(lead.numpy().any(1))
    for row in plain:
        tops = peaks[row].nonzero()[:, 0].numpy()
        assert np.median(lead[row].numpy()[tops[tops < 700]]) > 0.5


def test_training_is_deterministic_and_learns():
    known = [example(seed) for seed in range(2)]
    sizes = training.PulseNetwork
    first, second = (training.train(known, 0, steps=6) for _ in range(2))
    assert isinstance(first, sizes)
    for one, other in pairwise([first.state_dict().values(), second.state_dict().values()]):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_delays_are_estimated_again(monkeypatch):
    known = [example()]
    before = known[0].delay
    perfect = torch.zeros(1, 6000)
    perfect[0, np.round((known[0].moved_peaks + 0.1) * RATE).astype(int).clip(0, 5999)] = 1.0
    monkeypatch.setattr(training, "intensities", lambda network, x: perfect)
    assert training.realign(PulseNetwork(widths=(8, 8)), known) == pytest.approx(0.1, abs=0.021)
    assert known[0].delay == pytest.approx(before + 0.1, abs=0.021)


def test_r_peaks_of_one_detector_only_are_not_trusted():
    trusted = trusted_parts(np.array([1.0, 2.0, 3.0]), np.array([1.01, 3.0]), 1000, 100.0)
    assert not trusted[60:340].any() and trusted[400:].all() and trusted[:40].all()


def test_input_does_not_depend_on_the_unit():
    wave = torch.from_numpy(simulated(simulated_peaks(20, 72))).float()[None]
    observed = torch.ones_like(wave) > 0
    torch.testing.assert_close(prepare(1000 * wave, observed), prepare(wave, observed), atol=1e-3, rtol=0)
    assert intensities(PulseNetwork(widths=(8, 8)), prepare(wave, observed)).shape == wave.shape
