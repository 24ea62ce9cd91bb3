"""Recognition of ECGs and PPGs by their waveform: recorded and simulated ones, sines, noise, respiration."""

import numpy as np
import pytest
from conftest import SAMPLES

from ecggen import read
from ecggen.core.simulate import simulate, simulate_ppg
from ecggen.core.waveform import looks_like_ecg, looks_like_ppg
from ecggen.io.ppg import decode


def monitor(name):
    """Channels of an excerpt of BIDMC at 125 Hz by name."""
    found = decode(SAMPLES / "bidmc" / f"bidmc_{name}_Signals.csv", None)
    return {(name or "").strip(): wave for name, wave in zip(found.names, found.values, strict=True)}


def coloured(power, rng, size=2000):
    """Noise whose power falls as 1/f^power."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (power / 2)
    return np.fft.irfft(spectrum, size)


@pytest.mark.parametrize("fs", [100, 250, 500])
def test_leads_look_like_an_ecg_at_any_rate(fs):
    for rate in (45, 130):
        for wave in simulate(1, 10, fs, rate, rate).pick("I", "II", "V1", "V4").signal[0].numpy():
            assert looks_like_ecg(wave, fs) and looks_like_ecg(-wave, fs)
            assert not looks_like_ppg(wave, fs) and not looks_like_ppg(-wave, fs)


def test_recorded_leads_look_like_an_ecg():
    ecg = read(SAMPLES / "00010_lr.hea", check=False)
    for lead, wave in zip(ecg.leads, ecg.signal[0].numpy(), strict=True):
        assert looks_like_ecg(wave, ecg.fs) == (lead != "aVL")  # 0.1 mV high, its beats hardly stand out
        assert not looks_like_ppg(wave, ecg.fs) and not looks_like_ppg(-wave, ecg.fs)


@pytest.mark.parametrize("name", ["15", "45"])
def test_channels_of_a_monitor_are_told_apart(name):
    for channel, wave in monitor(name).items():
        for start in range(0, 3750, 1250):
            part = wave[start : start + 1250]
            assert looks_like_ecg(part, 125) == (channel in ("II", "V", "AVR")), channel
            if channel != "RESP":  # of patient 15, it holds the pulse as well
                assert looks_like_ppg(part, 125) == (channel == "PLETH"), channel


@pytest.mark.parametrize("fs", [25, 64, 100, 500])
def test_simulated_pulses_look_like_a_ppg_at_any_rate(fs):
    for rate in (45, 75, 110):
        wave = simulate_ppg(np.arange(0.4, 20, 60 / rate), 20, fs, np.random.default_rng(0), plain=True)
        assert looks_like_ppg(wave, fs) and not looks_like_ecg(wave, fs)


def test_sines_are_neither():
    rng, time = np.random.default_rng(0), np.arange(2000) / 100
    for frequency in [*np.arange(0.5, 3.01, 0.25), 4, 4.5, 4.8, 5, 6, 8]:
        for noise in (0.0, 0.05, 0.2, 0.5):
            wave = np.sin(2 * np.pi * frequency * time) + noise * rng.standard_normal(2000)
            assert not looks_like_ppg(wave, 100) and not looks_like_ecg(wave, 100), (frequency, noise)


def test_irregular_pulses_are_a_ppg_unless_regular_ones_are_asked_for():
    rng = np.random.default_rng(0)
    for steps, regular in ((np.full(60, 0.7), True), (np.clip(rng.normal(0.7, 0.3, 60), 0.45, 1.6), False)):
        beats = np.cumsum(steps)
        sizes = 1.0 if regular else rng.uniform(0.4, 1, len(beats[beats < 20]))
        waves = [simulate_ppg(np.array([beat]), 20, 100, rng, plain=True) for beat in beats[beats < 20]]
        wave = np.sum(np.atleast_1d(sizes)[:, None] * waves, axis=0)
        assert looks_like_ppg(wave, 100) and looks_like_ppg(wave, 100, regular=True) == regular


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_noise_of_any_colour_is_neither(power):
    rng = np.random.default_rng(power)
    for _ in range(20):
        wave = coloured(power, rng)
        assert not looks_like_ppg(wave, 100) and not looks_like_ecg(wave, 100)


@pytest.mark.parametrize(
    "wave", [np.zeros(1000), np.full(1000, 3.0), np.arange(50.0), np.r_[np.zeros(500), np.ones(500)]]
)
def test_waves_without_beats_are_neither(wave):
    assert not looks_like_ppg(wave, 100) and not looks_like_ecg(wave, 100)
