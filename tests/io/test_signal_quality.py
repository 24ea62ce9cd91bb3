"""What is no ECG is said, and what is one passes; a wrong offset, unit or sampling rate is doubted."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.errors import InputError, InputWarning
from ecggen.core.rhythm import beat_positions
from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.io.inspection import NO_ECG, inspect, refuse_noise
from ecggen.io.sampling_rate import rate_that_fits
from ecggen.io.signal_quality import Part, signal_quality

RATES = (100, 128, 250, 500, 1000)


def lead(wave: np.ndarray, fs: float = 250.0) -> ECG:
    return ECG(torch.from_numpy(np.asarray(wave, np.float32))[None], ("II",), fs)


def time(seconds: float = 10.0, fs: float = 250.0) -> np.ndarray:
    return np.arange(round(seconds * fs)) / fs


def noise(power: float = 0.0, seed: int = 0, n: int = 2500) -> np.ndarray:
    """Noise whose power falls as 1/f^power, with unit deviation."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (power / 2)
    spectrum[0] = 0
    wave = np.fft.irfft(spectrum, n)
    return wave / wave.std()


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("seconds", [2.0, 3.0, 10.0])
@pytest.mark.parametrize("leads", [("I",), ("II", "V1", "V5"), STANDARD_LEADS], ids=len)
def test_an_ecg_of_any_length_rate_and_leads_is_one_and_has_its_heart_rate(fs, seconds, leads):
    ecg = simulate(1, seconds=seconds, fs=fs, heart_rate=75, seed=1).pick(*leads)
    quality = signal_quality(ecg)
    assert quality.is_ecg and quality.uncertain == ()
    assert quality.heart_rate == pytest.approx(75, abs=1)


@pytest.mark.parametrize("size", [0.02, 0.1, 1.0, 5.0])
@pytest.mark.parametrize("power", [0, 1, 2], ids=["white", "pink", "brown"])
@pytest.mark.parametrize("leads", [1, 12])
def test_noise_is_no_ecg(power, size, leads):
    waves = np.stack([size * noise(power, seed) for seed in range(leads)]).astype(np.float32)
    quality = signal_quality(ECG(torch.from_numpy(waves), STANDARD_LEADS[:leads], 250.0))
    assert not quality.is_ecg and quality.heart_rate is None


@pytest.mark.parametrize("frequency", [0.5, 1.2, 2.5, 5.0, 8.0, 10.0])
@pytest.mark.parametrize("shape", [np.sin, lambda x: np.sign(np.sin(x)), lambda x: np.arcsin(np.sin(x))])
def test_a_periodic_wave_is_no_ecg(frequency, shape):
    quality = signal_quality(lead(shape(2 * np.pi * frequency * time() + 0.3)))
    assert not quality.is_ecg and quality.heart_rate is None


@pytest.mark.parametrize("seed", range(4))
def test_a_ppg_is_no_ecg(seed):
    wave = simulate_ppg(simulated_peaks(10, 70), 10, 250, np.random.default_rng(seed))
    assert not signal_quality(lead(wave)).is_ecg


def test_mains_hum_muscle_bursts_respiration_and_spikes_are_no_ecg():
    t = time()
    bursts = np.diff(noise(), prepend=0) * (0.02 + np.exp(-0.5 * ((t[:, None] - [2, 5, 8]) / 0.5) ** 2).sum(1))
    spikes = np.where(np.arange(len(t)) % 200 == 0, 1.0, 0.0) + 0.001 * noise()
    for wave in (np.sin(2 * np.pi * 50 * t), bursts, np.sin(2 * np.pi * 0.25 * t), spikes, np.zeros(len(t))):
        assert not signal_quality(lead(wave)).is_ecg


def test_hum_on_an_ecg_does_not_make_its_beats_uncertain():
    ecg = simulate(1, fs=500, heart_rate=70).pick("II")
    hum = 0.3 * torch.sin(2 * torch.pi * 50 * torch.arange(ecg.samples) / 500)
    quality = signal_quality(replace(ecg, signal=ecg.signal + hum))
    assert quality.is_ecg and quality.heart_rate == pytest.approx(70, abs=1)


def test_premature_beats_and_atrial_fibrillation_have_certain_beats():
    """Beats at irregular times, every fourth of them wide, premature and inverted."""
    rng, t = np.random.default_rng(0), time(fs=500)
    wave, at = np.zeros(len(t)), 0.3
    for beat in range(16):
        early = beat % 4 == 3
        width, height = (0.035, -1.3) if early else (0.012, 1.0)
        wave += height * np.exp(-0.5 * ((t - at) / width) ** 2) + 0.2 * np.exp(-0.5 * ((t - at - 0.27) / 0.05) ** 2)
        at += 0.45 if beat % 4 == 2 else rng.uniform(0.55, 0.95)
    quality = signal_quality(lead(wave + 0.02 * noise(1, n=5000), 500))
    assert quality.is_ecg and quality.uncertain == () and quality.heart_rate is not None


def test_a_noisy_part_of_a_lead_is_reported_and_the_heart_rate_comes_from_the_others():
    ecg = simulate(1, fs=250, heart_rate=60, seed=3)
    signal = ecg.signal.clone()
    signal[0, 1, 1000:2000] += torch.from_numpy(noise(n=1000)).float()
    report = inspect(replace(ecg, signal=signal).pick("I", "II", "V1"))
    [part] = report.quality.uncertain
    assert part.lead == "II" and 3 <= part.first <= 5 and 7 <= part.last <= 10
    assert report.doubts == (f"no heartbeats are certain (noise?): {part}",)
    assert report.heart_rate == pytest.approx(60, abs=1)


def test_noise_in_all_leads_leaves_the_heart_rate_of_the_rest():
    ecg = simulate(1, seconds=20, fs=250, heart_rate=60, seed=3).pick("I", "II")
    signal = ecg.signal.clone()
    signal[0, :, 2000:3500] = torch.from_numpy(np.stack([noise(seed=s, n=1500) for s in (1, 2)])).float()
    quality = signal_quality(replace(ecg, signal=signal))
    assert quality.is_ecg and 0.3 < quality.certain_share < 0.9
    assert quality.heart_rate == pytest.approx(60, abs=5)


def test_strips_are_judged_each_in_its_own_time():
    """Four strips of 2.5 s with three leads each, as on paper."""
    ecg = simulate(1, fs=500, heart_rate=80)
    signal = torch.full_like(ecg.signal, torch.nan)
    for strip in range(4):
        rows, part = slice(3 * strip, 3 * strip + 3), slice(1250 * strip, 1250 * strip + 1250)
        signal[0, rows, part] = ecg.signal[0, rows, part]
    quality = signal_quality(replace(ecg, signal=signal))
    assert quality.is_ecg and quality.uncertain == () and quality.heart_rate == pytest.approx(80, abs=2)
    assert np.isnan(quality.score[0, 6:]).all()


def test_t_waves_counted_as_beats_give_no_heart_rate():
    """At 30 per minute, the detector counts P and T waves of the simulation as beats."""
    assert signal_quality(simulate(1, fs=500, heart_rate=30)).heart_rate in (None, pytest.approx(30, abs=1))


def test_the_detector_stays_inside_its_memory_for_short_flat_and_fast_waves():
    for wave in (np.zeros(500), np.sin(2 * np.pi * 5 * time(3)), noise(n=90), np.r_[np.zeros(490), noise(n=10)]):
        beats = beat_positions(wave, 250.0)
        assert np.all((beats >= 0) & (beats < len(wave)))
    ecg = simulate(1, fs=250, heart_rate=60).signal.double().numpy()[0].std(0)
    np.testing.assert_array_equal(
        beat_positions(np.r_[np.full(100, ecg[0]), ecg], 250.0)[1:], beat_positions(ecg, 250.0)[1:] + 100
    )


def test_noise_is_doubted_and_has_no_heart_rate():
    report = inspect(lead(0.1 * noise()))
    assert report.heart_rate is None and report.doubts == (NO_ECG,)
    assert report.as_dict()["is_ecg"] is False and report.as_dict()["heart_rate"] is None


def test_counts_read_as_microvolt_are_doubted():
    ecg = simulate(1, fs=360, heart_rate=70).pick("II", "V5")
    [doubt] = inspect(replace(ecg, signal=(ecg.signal * 200 + 1024).round() / 1000)).doubts
    assert "all values lie on one side of 0" in doubt and "unit='mV', gain=200, baseline=1024" in doubt


@pytest.mark.parametrize(("factor", "words"), [(0.12, "less than an ECG has"), (10.0, "more than an ECG has")])
def test_a_size_that_no_ecg_has_is_doubted(factor, words):
    ecg = simulate(1, fs=250, heart_rate=70)
    size = float(ecg.signal.amax() - ecg.signal.amin())
    [doubt] = inspect(replace(ecg, signal=ecg.signal * factor * 3 / size)).doubts
    assert words in doubt and "is the unit right?" in doubt


def test_a_rate_that_is_half_or_twice_the_true_one_is_doubted():
    ecg = simulate(1, fs=500, heart_rate=75, seed=2)
    assert rate_that_fits(ecg) is None and inspect(ecg).doubts == ()
    for wrong in (250.0, 1000.0):
        doubts = inspect(replace(ecg, fs=wrong)).doubts
        assert any(f"is the sampling rate of {wrong:g} Hz right?" in doubt for doubt in doubts), doubts


def test_reconstruct_in_python_warns_of_noise_and_not_of_an_ecg(recwarn):
    generator = Generator.from_pretrained("gan")
    with pytest.warns(InputWarning, match="the ECG shows no certain heartbeats"):
        generator.reconstruct(lead(0.1 * noise()), num_draws=2)
    recwarn.clear()
    generator.reconstruct(simulate(1, fs=250).pick("II"), num_draws=2)
    assert not [one for one in recwarn if issubclass(one.category, InputWarning)]


def test_noise_is_refused_unless_it_is_allowed():
    with pytest.raises(InputError, match="lead II shows no certain heartbeats"):
        refuse_noise(lead(0.1 * noise()))
    assert refuse_noise(lead(0.1 * noise()), allow=True) == [NO_ECG]
    assert refuse_noise(simulate(1, fs=250)) == []


def test_info_and_reconstruct_say_that_a_file_is_no_ecg(run, tmp_path):
    file, model = tmp_path / "noise.csv", checkpoint.save(tiny("vae"), tmp_path / "models" / "tiny")
    np.savetxt(file, 0.1 * noise(), header="II", comments="")
    given = (file, "--fs", 250, "--unit", "mV")
    code, text, _ = run("info", *given)
    assert code == 0 and "heart rate: not certain" in text and f"doubt: {NO_ECG}" in text
    words = ("reconstruct", *given, "--model", model, "--num-draws", 2, "--out", tmp_path / "out")
    code, _, err = run(*words)
    assert code == 2 and "noise.csv: lead II shows no certain heartbeats" in err and "--allow-noise continues" in err
    assert not (tmp_path / "out").exists()
    code, text, _ = run(*words, "--allow-noise")
    assert code == 0 and f"note:      {NO_ECG}" in text


def test_info_says_in_which_part_beats_are_certain(run, tmp_path):
    ecg = simulate(1, seconds=20, fs=250, heart_rate=60, seed=3).pick("II").signal[0, 0].numpy()
    ecg[2000:3500] = noise(n=1500)
    np.savetxt(tmp_path / "part.csv", ecg, header="II", comments="")
    _, text, _ = run("info", tmp_path / "part.csv", "--fs", 250, "--unit", "mV")
    assert re.search(r"heart rate: \d\d per minute \(beats are certain in \d\d% of the recording\)", text)
    assert "doubt: no heartbeats are certain (noise?): II from " in text


@pytest.mark.parametrize("name", ["gan", "vae"])
def test_generated_ecgs_are_ecgs(name):
    ecgs = Generator.from_pretrained(name).generate(n=4, fs=100, seed=5)
    assert all(signal_quality(ecgs[i]).is_ecg for i in range(4))


def test_a_batch_is_refused():
    with pytest.raises(InputError, match="batch of 2 records"):
        signal_quality(simulate(2))
    assert str(Part("II", 3.0, 8.0)) == "II from 3.00 to 8.00 s"
