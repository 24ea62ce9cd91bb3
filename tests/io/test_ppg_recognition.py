"""Which channel of a file is a PPG, and how often its pulse beats: an ECG is refused, a dicrotic wave is no beat."""

import json

import numpy as np
import pytest
import torch
import wfdb
from conftest import SAMPLES, tiny

from ecggen import Condition, InputError
from ecggen.conditioning.consistency import follow_measured_rate
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.rhythm import heart_rate, pulse_rises
from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks
from ecggen.generators import checkpoint
from ecggen.io.ppg import read_ppg

FS = 200
NAMES = ["ECG", "EKG", "ch1", "signal", "V", ""]


def ecg(seconds=10.0):
    """Lead II at 200 Hz in mV."""
    return simulate(1, seconds, FS, 3, 70).pick("II").signal[0, 0].double().numpy()


def ppg(seconds=10.0):
    return simulate_ppg(simulated_peaks(seconds, 70), seconds, FS, np.random.default_rng(1), plain=True)


def dicrotic(seconds=25.0, second=0.7):
    """60 beats per minute, each with a second wave 0.34 s later that counts as a beat by its size."""
    beats, rng = np.arange(0.4, seconds - 1), np.random.default_rng(0)
    waves = [simulate_ppg(beats + late, seconds, FS, rng, plain=True) for late in (0, 0.34)]
    return waves[0] + second * waves[1]


def table(path, name, wave):
    """A CSV file of one channel: with its times and its name, or without both."""
    head = [f"time [s],{name}"] if name else []
    rows = [(f"{at / FS:.3f}," if name else "") + f"{value:.5f}" for at, value in enumerate(wave)]
    path.write_text("\n".join([*head, *rows]) + "\n")
    return path


def record(folder, name, wave):
    """A WFDB record of one channel."""
    wfdb.wrsamp(
        "A00001", FS, ["mV"], [name], wave[:, None], fmt=["16"], adc_gain=[1000.0], baseline=[0], write_dir=str(folder)
    )
    return folder / "A00001.hea"


# Channels


@pytest.mark.parametrize("name", NAMES)
def test_an_ecg_is_not_a_ppg_whatever_its_only_channel_is_called(name, tmp_path):
    for wave in (ecg(), -ecg()):
        with pytest.raises(InputError) as caught:
            read_ppg(table(tmp_path / "a.csv", name, wave), fs=FS)
        channel = repr(name) if name else "1"
        assert f"this looks like an ECG whose lead is not named: channel {channel};" in str(caught.value)
        assert "name its lead with leads='I'" in str(caught.value)
        assert f"if it is a PPG, pass channel='{name or 1}'" in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_ppg_is_one_by_its_waveform_whatever_its_only_channel_is_called(name, tmp_path):
    for wave in (ppg(), -ppg() + 5):
        assert read_ppg(table(tmp_path / "a.csv", name, wave), fs=FS).seconds == 10


def test_sines_and_noise_are_neither(tmp_path):
    time, rng = np.arange(2000) / FS, np.random.default_rng(0)
    waves = [np.sin(2 * np.pi * frequency * time) for frequency in (0.5, 1.2, 3)] + [rng.normal(size=2000)]
    for wave in waves:
        with pytest.raises(InputError, match="channel 'signal' has the waveform neither of a PPG nor of an ECG"):
            read_ppg(table(tmp_path / "a.csv", "signal", wave), fs=FS)


def test_a_selected_channel_is_taken_as_said_with_a_note_if_it_is_plainly_an_ecg(tmp_path):
    path = table(tmp_path / "a.csv", "ECG", ecg())
    assert read_ppg(path, fs=FS, channel="ECG").notes[0] == "channel 'ECG' looks like an ECG and not like a PPG"
    named = read_ppg(table(tmp_path / "b.csv", "PLETH", ecg()), fs=FS)
    assert "channel 'PLETH' looks like an ECG and not like a PPG" in named.notes
    pulse = read_ppg(table(tmp_path / "c.csv", "ECG", ppg()), fs=FS, channel="ecg")
    assert not any("looks like an ECG" in note for note in pulse.notes)


def test_a_channel_is_selected_by_number_in_a_file_with_names(tmp_path):
    np.savez(tmp_path / "two.npz", a=ecg(), b=ppg(), fs=FS)
    assert read_ppg(tmp_path / "two.npz", channel="2").origin == "two.npz, b"
    with pytest.raises(InputError, match="channel '3' is not among the channels 'a', 'b'"):
        read_ppg(tmp_path / "two.npz", channel="3")


@pytest.mark.parametrize("form", ["csv", "wfdb"])
def test_commands_ask_for_the_lead_of_an_unnamed_ecg(form, run, tmp_path):
    path = table(tmp_path / "ECG.csv", "ECG", ecg()) if form == "csv" else record(tmp_path, "ECG", ecg())
    unit = ("--unit", "mV") if form == "csv" else ()
    code, out, err = run("info", path)
    assert code == 2 and "PPG" not in out + err and "an ECG whose lead is not named" in err and "--leads I" in err
    code, out, err = run("translate", path, "--out", tmp_path / "out")
    assert code == 2 and "this looks like an ECG whose lead is not named" in err and "--leads I" in err
    assert "--channel ECG" in err and not (tmp_path / "out").exists()
    code, out, err = run("info", path, *unit, "--leads", "I")
    assert code == 0 and "heart rate: 70 per minute" in out and "PPG" not in out


def test_info_with_leads_never_shows_a_ppg(run, tmp_path):
    path = table(tmp_path / "a.csv", "", ppg())
    code, out, _ = run("info", path, "--fs", FS)
    assert code == 0 and "PPG; 10 s at 200 Hz" in out and "pulse rate: 70 per minute" in out
    code, out, err = run("info", path, "--fs", FS, "--leads", "I")
    assert code == 2 and "PPG" not in out and "--unit" in err


# Dicrotic waves


def test_a_large_dicrotic_wave_does_not_double_the_pulse_rate(tmp_path):
    path = table(tmp_path / "a.csv", "", dicrotic())
    for given, rate in ((None, 60), (60, 60), (120, 120)):
        found = read_ppg(path, fs=FS, heart_rate=given)
        assert heart_rate(pulse_rises(found.wave.numpy(), FS, given)) == pytest.approx(rate, abs=1.5)
        levelled = any("24 large dicrotic waves were levelled" in note for note in found.notes)
        assert levelled == (rate == 60)
        doubted = any("pulse rate of 60 per minute instead of 12" in note for note in found.notes)
        assert doubted == (given is None)


def test_levelling_keeps_the_beats_and_leaves_no_second_rise(tmp_path):
    wave = dicrotic()
    plain = read_ppg(table(tmp_path / "a.csv", "PPG", wave), fs=FS, heart_rate=120).wave.numpy()
    found = read_ppg(table(tmp_path / "a.csv", "PPG", wave), fs=FS).wave.numpy()
    beats = pulse_rises(plain, FS, 60)
    assert len(pulse_rises(found, FS, 120)) == len(beats) == 24  # even if twice the rate is given
    assert np.abs(pulse_rises(found, FS) - beats).max() < 0.01
    for beat in np.round(beats * FS).astype(int):
        before = slice(beat - 15, beat + 20)  # the rise of a beat and its top are as recorded
        assert np.corrcoef(found[before], plain[before])[0, 1] > 0.999


def test_recorded_ppgs_are_not_levelled():
    for name in ("15", "45"):
        assert not read_ppg(SAMPLES / "bidmc" / f"bidmc_{name}_Signals.csv").notes


def test_a_given_rate_that_is_not_that_of_the_beats_is_not_used():
    wave = torch.tensor(dicrotic(), dtype=torch.float32)
    for given, kept in ((60, True), (120, False), (90, False)):
        condition = Condition(ppg=wave, ppg_fs=FS, heart_rate=given, fs=100)
        condition, notes = follow_measured_rate(condition, Preprocessor())
        assert bool(condition.metadata_mask.any()) == kept == (not notes)


def test_translate_tells_the_rate_and_the_doubt(run, tmp_path):
    model = checkpoint.save(tiny("vae"), tmp_path / "tiny")
    path = table(tmp_path / "dicrotic.csv", "", dicrotic(12, 0.5))
    for number, words in enumerate(((), ("--heart-rate", 120))):
        out = tmp_path / f"out{number}"
        options = ("--fs", FS, "--model", model, "--plot-format", "svg", "--format", "csv")
        code, _, err = run("translate", path, *options, "--out", out, *words)
        assert code == 0, err
        about = json.loads((out / "dicrotic.json").read_text())
        assert about["heart_rate"]["ppg"] == pytest.approx(60, abs=3)
        notes = " ".join(about["notes"])
        assert ("taken for dicrotic waves" in notes) == (not words)
        assert ("the measured one is used" in notes) == bool(words)
