"""Intervals: accuracy on simulated and real ECGs, missing values in the denominator, and wrapping of angles."""

import numpy as np
import pytest
import torch
from conftest import SAMPLES

from ecggen import ECG, InputError
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.evaluators.delineator import MARKS, Waves, delineate
from ecggen.io import read
from ecggen.metrics.functional.intervals import (
    AMPLITUDES,
    CSE_STYLE_TOLERANCE,
    INTERVALS,
    ecg_intervals,
    interval_agreement,
    median_beats,
    segments,
)


@pytest.fixture(scope="module")
def ecgs():
    return simulate(4, seconds=8, fs=250, seed=11, heart_rate=60)


@pytest.fixture(scope="module")
def waves(ecgs):
    torch.set_num_threads(1)
    return delineate(ecgs)


@pytest.fixture(scope="module")
def measured(ecgs, waves):
    return ecg_intervals(ecgs, waves)


def rectangular_ecg(fs=500.0, beats=6, leads=("I", "aVF", "V2"), sizes=(1.0, 0.5, -0.8)):
    """Leads of rectangular waves at known times, and their exact delineation."""
    time = np.arange(round((beats + 1) * fs)) / fs
    one = np.zeros(len(time))
    starts = 0.5 + np.arange(beats)
    offsets = {"p": (0.0, 0.1, 0.1), "qrs": (0.16, 0.26, 1.0), "t": (0.4, 0.56, 0.3)}
    for start in starts:
        for onset, offset, height in offsets.values():
            one[(time >= start + onset) & (time <= start + offset)] += height
        one[(time > start + 0.26) & (time < start + 0.4)] += 0.05
    signal = np.array(sizes)[:, None] * one + 0.7  # an offset of 0.7 mV has no effect
    marks = {}
    for wave, (onset, offset, _) in offsets.items():
        for point, at in (("onset", onset), ("peak", (onset + offset) / 2), ("offset", offset)):
            marks[f"{wave}_{point}"] = np.broadcast_to(starts + at, (1, len(leads), beats)).copy()
    waves = Waves([starts + 0.21], leads, fs, **marks)
    return ECG(torch.from_numpy(signal), leads, fs), waves


def test_known_marks_give_known_intervals_and_amplitudes():
    found = ecg_intervals(*rectangular_ecg())
    known = {"heart_rate": 60, "p_ms": 100, "pr_ms": 160, "qrs_ms": 100, "qt_ms": 400, "qtc_ms": 400}
    for name, value in known.items():
        assert found[name][0] == pytest.approx(value, abs=1e-6), name
    # The level's last point touches the QRS onset sample, a fifth of its weight.
    level = 0.2 * np.array([1.0, 0.5, -0.8])
    assert found["st_mv"][0] + level == pytest.approx([0.05, 0.025, -0.04], abs=0.01)
    assert found["t_mv"][0] + level == pytest.approx([0.3, 0.15, -0.24], abs=0.01)
    assert found["axis_deg"][0] == pytest.approx(np.degrees(np.arctan2(0.5 * 2 / np.sqrt(3), 1.0)), abs=1)


@pytest.mark.parametrize(("left", "down", "axis"), [(1, 0, 0), (0, 1, 90), (-1, 0, 180), (0, -1, -90)])
def test_axis_of_known_vectors(left, down, axis):
    ecg, waves = rectangular_ecg(sizes=(left, down, 1.0))
    found = ecg_intervals(ecg, waves)["axis_deg"][0]
    assert abs((found - axis + 180) % 360 - 180) < 1e-6


def test_axis_follows_from_two_limb_leads_but_not_from_chest_leads(ecgs, waves, measured):
    two = ecgs.pick("II", "aVL")
    rows = [STANDARD_LEADS.index(lead) for lead in two.leads]
    of_two = Waves(waves.peaks, two.leads, 250, **{name: getattr(waves, name)[:, rows] for name in MARKS})
    apart = (ecg_intervals(two, of_two)["axis_deg"] - measured["axis_deg"] + 180) % 360 - 180
    assert np.abs(apart).max() < 15  # QRS boundaries differ between two and twelve leads
    chest = ecgs.pick("V1", "V2")
    rows = [STANDARD_LEADS.index(lead) for lead in chest.leads]
    of_chest = Waves(waves.peaks, chest.leads, 250, **{name: getattr(waves, name)[:, rows] for name in MARKS})
    assert np.isnan(ecg_intervals(chest, of_chest)["axis_deg"]).all()


def test_simulated_ecgs_have_the_intervals_of_the_simulator(measured):
    """At 60 per minute: the Gaussian of P starts 2.2 deviations before −160 ms, that of Q about 2 before −35 ms."""
    assert measured["heart_rate"] == pytest.approx([60] * 4, abs=0.3)
    assert measured["pr_ms"] == pytest.approx([155] * 4, abs=30)
    assert measured["qrs_ms"] == pytest.approx([105] * 4, abs=30)
    assert measured["qt_ms"] == pytest.approx([440] * 4, abs=45)
    assert measured["qtc_ms"] == pytest.approx(measured["qt_ms"], rel=0.01)


def test_every_measurement_has_its_shape(measured):
    assert set(measured) == {*INTERVALS, *AMPLITUDES}
    assert all(measured[name].shape == (4,) for name in INTERVALS)
    assert all(measured[name].shape == (4, 12) for name in AMPLITUDES)


def test_amplitudes_follow_the_gain_and_intervals_do_not(ecgs, waves, measured):
    twice = ecg_intervals(ECG(2 * ecgs.signal, ecgs.leads, ecgs.fs), waves)
    for name in AMPLITUDES:
        np.testing.assert_allclose(twice[name], 2 * measured[name], atol=1e-4)
    for name in INTERVALS:
        np.testing.assert_allclose(twice[name], measured[name], atol=1e-3)


def test_lead_laws_hold_for_net_levels(measured):
    """ST is linear in the leads: III = II − I, within the tolerance of medians over beats."""
    st = dict(zip(STANDARD_LEADS, measured["st_mv"].T, strict=True))
    np.testing.assert_allclose(st["III"], st["II"] - st["I"], atol=0.02)


def test_a_real_sinus_rhythm_has_plausible_values():
    found = ecg_intervals(read(SAMPLES / "00262_hr.hea"))
    ranges = {"pr_ms": (120, 220), "qrs_ms": (70, 120), "qt_ms": (300, 460), "p_ms": (70, 150), "heart_rate": (40, 110)}
    for name, (low, high) in ranges.items():
        assert low <= found[name][0] <= high, name


def test_atrial_fibrillation_has_no_pr():
    found = ecg_intervals(read(SAMPLES / "01502_lr.hea"))
    assert np.isnan(found["pr_ms"][0]) and np.isfinite(found["qrs_ms"][0])


def test_flat_records_are_nan_and_do_not_affect_others(ecgs):
    signal = ecgs.signal[:2].clone()
    signal[0] = 0.0
    ecg = ECG(signal, ecgs.leads, ecgs.fs)
    found = ecg_intervals(ecg)
    for name, values in found.items():
        assert np.isnan(values[0]).all() and np.isfinite(values[1]).all(), name
    beats = median_beats(ecg, delineate(ecg))
    assert np.isnan(beats[0]).all() and np.isfinite(beats[1]).all()


def test_no_records_give_no_measurements(ecgs):
    found = ecg_intervals(ecgs[:0])
    assert found["pr_ms"].shape == (0,) and found["r_mv"].shape == (0, 12)


def test_a_single_p_wave_gives_no_pr_interval():
    ecg, waves = rectangular_ecg()
    for name in ("p_onset", "p_peak", "p_offset"):
        getattr(waves, name)[..., 1:] = np.nan
    assert np.isnan(ecg_intervals(ecg, waves)["pr_ms"][0])


def test_a_delineation_of_other_records_is_rejected(ecgs, waves):
    with pytest.raises(InputError, match="the delineation is of 4 records"):
        ecg_intervals(ecgs[:2], waves)


def test_median_beats_are_aligned_at_the_r_peak(ecgs, waves):
    beats = median_beats(ecgs, waves, before=0.2, after=0.4)
    assert beats.shape == (4, 12, 150)
    power = (beats**2).mean(1)
    assert np.abs(power.argmax(-1) - 50).max() <= 3


def test_median_beat_of_equal_beats_is_that_beat():
    ecg, waves = rectangular_ecg()
    beat = median_beats(ecg, waves, before=0.1, after=0.3)[0, 0]
    first = ecg.signal[0, 0, round(0.61 * 500) : round(1.01 * 500)].double().numpy()
    np.testing.assert_allclose(beat - beat[-1], first - first[-1], atol=1e-5)


def test_two_beats_give_no_median_beat(ecgs, waves):
    short = ecgs.crop(0, 2.2)
    found = delineate(short)
    assert max(len(peaks) for peaks in found.peaks) <= 3
    assert np.isnan(median_beats(short, found, before=0.45, after=0.6)).all()


def test_segments_follow_each_other(waves):
    found = segments(waves, 250)
    assert set(found) == {"P", "PQ", "QRS", "ST", "T"}
    for one, other in (("P", "PQ"), ("PQ", "QRS"), ("QRS", "ST"), ("ST", "T")):
        both = (found[one][..., 0] >= 0) & (found[other][..., 0] >= 0)
        assert both.sum() > 10
        assert (found[one][both][:, 1] == found[other][both][:, 0]).all()


def test_absent_segments_are_minus_one():
    _, waves = rectangular_ecg()
    waves.p_onset[..., 0] = np.nan
    found = segments(waves, 500)
    assert found["P"][0, 0].tolist() == [-1, -1] and found["P"][0, 1].tolist() == [750, 800]


def test_agreement_of_equal_measurements_is_perfect(measured):
    found = interval_agreement(measured, measured, 4)
    for name, figures in found.items():
        assert (figures["bias"], figures["sd"], figures["share"]) == (0, 0, 1), name
    assert all(found[name]["within_cse_style_tolerance"] for name in CSE_STYLE_TOLERANCE)


def test_agreement_counts_missing_measurements():
    true = {"qt_ms": np.array([400.0, 410.0, np.nan, 390.0])}
    predicted = {"qt_ms": np.array([430.0, np.nan, 400.0, 440.0])}
    found = interval_agreement(predicted, true, 10)["qt_ms"]
    assert found["n"] == 2 and found["share"] == 0.2 and found["bias"] == 40 and found["sd"] == 10
    assert not found["within_cse_style_tolerance"]


def test_axes_differ_the_short_way_round():
    found = interval_agreement({"axis_deg": np.array([179.0])}, {"axis_deg": np.array([-179.0])}, 1)
    assert found["axis_deg"]["bias"] == pytest.approx(-2)


def test_agreement_of_missing_values_is_none():
    nothing = {"pr_ms": np.array([np.nan, np.nan])}
    found = interval_agreement(nothing, nothing, 2)["pr_ms"]
    assert found == {"bias": None, "sd": None, "n": 0, "share": 0.0}


def test_agreement_of_other_records_is_rejected():
    with pytest.raises(InputError, match="the same records"):
        interval_agreement({"qt_ms": np.zeros(3)}, {"qt_ms": np.zeros(2)}, 3)
