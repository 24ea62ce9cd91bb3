"""Diagnostic criteria on ECGs that are drawn with the finding, and on ECGs without it."""

import numpy as np
import pytest
import torch
from fixtures import refusal

from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS
from ecggen.core.simulate import DOWER
from ecggen.evaluators.delineator import delineate
from ecggen.metrics.criteria.deflections import deflections
from ecggen.metrics.criteria.measurements import OF_LEAD, OF_RECORD, measure
from ecggen.metrics.criteria.rules import CODES, CRITERIA, criteria_met
from ecggen.metrics.criteria.scores import criteria_agreement

FS, SECONDS = 500.0, 10.0
NORMAL = {
    "P": (-0.16, 0.022, (0.06, 0.10, 0.01)),
    "Q": (-0.03, 0.008, (-0.06, -0.02, -0.05)),
    "R": (0.0, 0.010, (0.85, 0.55, -0.30)),
    "S": (0.028, 0.010, (-0.10, -0.06, 0.35)),
    "T": (0.25, 0.04, (0.22, 0.18, -0.10)),
}
"""Centre and width in s and vector in mV of each wave of a normal beat."""
WIDE = NORMAL | {
    "P": (0.0, 0.02, (0.0, 0.0, 0.0)),
    "R": (0.0, 0.035, (0.9, -0.9, 0.7)),
    "S": (0.06, 0.03, (-0.6, 0.3, 0.9)),
    "T": (0.32, 0.06, (-0.3, 0.2, -0.4)),
}
"""A ventricular beat."""


def record(peaks: np.ndarray, beats: list[dict] | dict = NORMAL, extra: np.ndarray | None = None) -> ECG:
    """One record with beats at ``peaks`` (s); ``extra`` (8, time) is added to the independent leads."""
    time = np.arange(round(SECONDS * FS)) / FS
    vector = np.zeros((3, len(time)))
    for peak, waves in zip(peaks, beats if isinstance(beats, list) else [beats] * len(peaks), strict=True):
        for centre, width, size in waves.values():
            vector += np.array(size)[:, None] * np.exp(-0.5 * ((time - peak - centre) / width) ** 2)
    eight = DOWER @ vector + 0.004 * np.random.default_rng(0).normal(size=(8, len(time)))
    eight = eight if extra is None else eight + extra
    return ECG(torch.as_tensor(LEAD_MATRIX @ eight, dtype=torch.float32)[None], STANDARD_LEADS, FS)


def regular(rate: float) -> np.ndarray:
    return np.arange(0.5, SECONDS - 0.2, 60 / rate)


def changed(**waves) -> dict:
    return NORMAL | waves


def met(ecg: ECG, **about) -> set[str]:
    return {code for code, found in criteria_met(measure(ecg, **about)).items() if found[0]}


def test_a_normal_ecg_meets_no_criterion_of_a_disease():
    found = met(record(regular(70)))
    assert {"NORM", "SR"} <= found
    assert not found & {"1AVB", "AFIB", "AFLT", "PVC", "PAC", "CLBBB", "CRBBB", "LVH", "LAFB", "WPW", "PACE", "STACH",
                        "SBRAD", "LNGQT", "SARRH", "BIGU", "STE_", "INVT", "LVOLT"}  # fmt: skip


@pytest.mark.parametrize(("rate", "code"), [(48, "SBRAD"), (112, "STACH")])
def test_rate(rate, code):
    stretch = np.sqrt(60 / rate)  # intervals shorten with the RR interval
    beat = {name: (at * stretch, width * stretch**0.5, size) for name, (at, width, size) in NORMAL.items()}
    assert code in met(record(regular(rate), beat))


def test_a_long_pr_interval():
    late = changed(P=(-0.28, 0.022, NORMAL["P"][2]))
    found = measure(record(regular(60), late))
    assert found.pr_ms[0] > 220 and criteria_met(found)["1AVB"][0]


def test_measured_intervals_follow_the_drawn_ones():
    short, late = (measure(record(regular(60), changed(P=(at, 0.022, NORMAL["P"][2])))) for at in (-0.16, -0.22))
    assert late.pr_ms[0] - short.pr_ms[0] == pytest.approx(60, abs=15)


def fibrillation(rng) -> ECG:
    peaks = 0.4 + np.cumsum(rng.uniform(0.45, 1.1, 13))
    no_p = changed(P=(0.0, 0.02, (0.0, 0.0, 0.0)))
    return record(peaks[peaks < SECONDS - 0.3], no_p)


def test_fibrillation_has_no_p_and_irregular_beats():
    ecg = fibrillation(np.random.default_rng(1))
    found = met(ecg)
    assert "AFIB" in found and not found & {"SR", "NORM", "SARRH"}


def test_irregular_beats_with_p_are_arrhythmia_and_not_fibrillation():
    peaks = 0.4 + np.cumsum(0.85 + 0.18 * np.sin(np.arange(12) * 1.3))
    found = met(record(peaks[peaks < SECONDS - 0.3]))
    assert "SARRH" in found and "AFIB" not in found


def test_flutter_waves_between_the_beats():
    time = np.arange(round(SECONDS * FS)) / FS
    wave = 0.15 * np.sin(2 * np.pi * 5.0 * time) * np.array([0.1, 1, -0.5, 0.1, 0.1, 0.1, 0.1, 0.1])[:, None]
    no_p = changed(P=(0.0, 0.02, (0.0, 0.0, 0.0)), T=(0.27, 0.05, (0.05, 0.05, -0.02)))
    found = measure(record(regular(75), no_p, wave))
    assert found.flutter_rate[0] == pytest.approx(300, abs=10) and found.flutter[0] > 0.6
    assert criteria_met(found)["AFLT"][0]


def test_a_ventricular_premature_beat():
    peaks, beats = regular(60), [NORMAL] * len(regular(60))
    peaks[5] -= 0.35
    beats[5] = WIDE
    found = measure(record(peaks, beats))
    assert found.premature_ventricular[0] == 1 and criteria_met(found)["PVC"][0] and not criteria_met(found)["PAC"][0]


def test_an_atrial_premature_beat_has_the_usual_qrs():
    peaks = regular(60)
    peaks[5] -= 0.3
    found = criteria_met(measure(record(peaks)))
    assert found["PAC"][0] and not found["PVC"][0]


def test_bigeminy():
    peaks = regular(70)
    peaks[1::2] -= 0.3
    beats = [WIDE if at % 2 else NORMAL for at in range(len(peaks))]
    assert "BIGU" in met(record(peaks, beats))


def test_left_bundle_branch_block():
    block = changed(Q=(0, 0.01, (0, 0, 0)), R=(-0.02, 0.028, (0.8, 0.2, 0.5)), S=(0.035, 0.03, (0.7, 0.1, 0.9)),
                    T=(0.30, 0.06, (-0.25, -0.05, -0.25)))  # fmt: skip
    found = measure(record(regular(70), block))
    assert found.qrs_ms[0] >= 120 and criteria_met(found)["CLBBB"][0] and not criteria_met(found)["CRBBB"][0]


def test_right_bundle_branch_block():
    block = changed(S=(0.055, 0.022, (-0.45, 0.0, -0.9)))
    found = measure(record(regular(70), block))
    assert found.qrs_ms[0] >= 120 and criteria_met(found)["CRBBB"][0] and not criteria_met(found)["CLBBB"][0]


def test_left_axis_with_rs_in_the_inferior_leads():
    hemiblock = changed(R=(-0.012, 0.009, (0.35, 0.45, -0.05)), S=(0.016, 0.014, (0.55, -1.0, 0.25)))
    found = measure(record(regular(70), hemiblock))
    assert found.axis_deg[0] < -30 and criteria_met(found)["LAFB"][0]


def test_high_voltage_and_a_limit_that_depends_on_sex():
    tall = changed(R=(0.0, 0.011, (1.9, 0.3, -0.2)), S=(0.028, 0.010, (-0.1, -0.06, 1.5)))
    assert "LVH" in met(record(regular(70), tall))
    found = measure(record(regular(70)), sex=np.array([1.0]))
    assert found.for_men(2.8, 2.0)[0] == 2.0 and measure(record(regular(70))).for_men(2.8, 2.0)[0] == 2.8


def test_low_voltage():
    low = {name: (at, width, tuple(0.25 * value for value in size)) for name, (at, width, size) in NORMAL.items()}
    assert "LVOLT" in met(record(regular(70), low)) and "LVOLT" not in met(record(regular(70)))


def test_st_elevation_and_t_inversion():
    time_wave = {"ST": (0.12, 0.06, (0.1, 0.35, -0.1))}
    assert "STE_" in met(record(regular(70), NORMAL | time_wave))
    assert "INVT" in met(record(regular(70), changed(T=(0.27, 0.05, (-0.3, -0.1, 0.15)))))


def test_a_long_qt_interval():
    assert "LNGQT" in met(record(regular(60), changed(T=(0.40, 0.06, NORMAL["T"][2]))))


def test_a_pacing_spike_is_found_at_high_rates_only():
    time = np.arange(round(SECONDS * FS)) / FS
    spike = sum(((time >= peak - 0.055) & (time < peak - 0.053)) * 2.0 for peak in regular(70)) * np.ones((8, 1))
    ecg = record(regular(70), NORMAL, spike)
    assert measure(ecg).spikes[0] > 0.8 and "PACE" in met(ecg)
    assert measure(record(regular(70))).spikes[0] == 0
    assert np.isnan(measure(ecg.resample(100.0)).spikes[0])


def test_records_without_beats_meet_nothing():
    silent = ECG(torch.zeros(1, 12, 5000), STANDARD_LEADS, FS)
    found = measure(silent)
    assert not met(silent)
    assert set(found.of_record) == set(OF_RECORD) and set(found.of_lead) == set(OF_LEAD)


def test_measurements_do_not_depend_on_the_batch():
    one, two = record(regular(60)), fibrillation(np.random.default_rng(1))
    both = measure(ECG.cat([one, two]))
    for alone, row in ((measure(one), 0), (measure(two), 1)):
        for name in OF_RECORD:
            np.testing.assert_allclose(both.of_record[name][row], alone.of_record[name][0], rtol=1e-6)


def test_a_delineation_of_other_records_is_rejected():
    ecg = record(regular(60))
    assert "delineate the same ECGs" in refusal(measure, ECG.cat([ecg, ecg]), delineate(ecg))


def test_every_criterion_has_a_rule_and_a_source():
    assert len(CODES) == len(set(CODES)) >= 25
    assert all(one.rule and one.source for one in CRITERIA)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([-0.2, 1.0, -0.5], {"q": 0.2, "r": 1.0, "s": 0.5, "r2": 0, "qs": 0}),
        ([0.3, -1.2, 0.6], {"q": 0, "r": 0.3, "s": 1.2, "r2": 0.6, "qs": 0}),
        ([-0.9], {"q": 0, "r": 0, "s": 0.9, "r2": 0, "qs": 1}),
        ([0.8, 0.01, -0.02], {"q": 0, "r": 0.8, "s": 0, "r2": 0, "qs": 0}),
    ],
)
def test_deflections(parts, expected):
    """Half-sine deflections of 20 ms each."""
    half = np.sin(np.linspace(0, np.pi, 10))
    found = deflections(np.concatenate([size * half for size in parts]), 500)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, abs=0.03), name


def test_a_rise_to_an_elevated_st_segment_is_no_r():
    qrs = np.concatenate([-np.sin(np.linspace(0, np.pi, 40)), np.linspace(0, 0.2, 10)])
    assert deflections(qrs, 500).qs == 1


def test_agreement_leaves_out_statements_with_few_records():
    marks = {"1AVB": np.array([True] * 5 + [False] * 15)}
    codes = ["1AVB"] * 10 + ["SR"] * 10
    found = criteria_agreement(marks, codes, {"1AVB": np.array([True] * 10 + [False] * 10)}, codes, least=8)
    assert found["1AVB"].ratio == 0.5 and found["1AVB"].real_without == 0
    assert not criteria_agreement(marks, codes, marks, codes, least=11)
