"""Sections that compare distributions: splits, floors, intervals, figures, and sets with errors."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.rhythm import r_peaks
from ecggen.core.simulate import simulate
from ecggen.evaluators import pretrained
from ecggen.report import copies, nearness
from ecggen.report.features import kuiper, marginal
from ecggen.report.inputs.cohort import Cohorts, ECGSet, MeasuredSet
from ecggen.report.median_beats import plain, principal, shapes
from ecggen.report.references import as_score, attempt, compare, compare_all, short_of
from ecggen.report.render import figures
from ecggen.report.repeats import repeats
from ecggen.report.scores import FAIL, NOT_MEASURED, PASS, WARN
from ecggen.report.sections.amplitude import amplitude
from ecggen.report.sections.distribution import distribution
from ecggen.report.sections.intervals_and_beats import intervals
from ecggen.report.sections.memorisation import memorisation
from ecggen.report.sections.rhythm import rhythm
from ecggen.report.sections.validity import unit_hint, validity
from ecggen.report.shares import compare_share

SECTIONS = (validity, amplitude, rhythm, intervals, distribution, memorisation)
PATIENTS = [f"p{row // 2}" for row in range(200)]


def as_set(ecg: ECG, source: str = "records", patients=None) -> ECGSet:
    names = tuple(f"{source} {row}" for row in range(len(ecg)))
    unknown, texts = np.full(len(ecg), np.nan), ("",) * len(ecg)
    return ECGSet(ecg, names, tuple(patients or names), texts, texts, unknown, unknown, unknown, source)


def simulated(n: int, seed: int, **options) -> MeasuredSet:
    return MeasuredSet(as_set(simulate(n, seconds=5, seed=seed, **options), f"set {seed}"), None)


# Splits, floors and intervals


def mean_difference(a, b):
    return abs(float(a.mean() - b.mean()))


def test_sides_of_a_split_share_no_patient_and_are_of_equal_size():
    patients = np.array([row // 2 for row in range(200)], float)
    sides = []

    def statistic(synthetic, real):
        sides.append((synthetic, real))
        return 0.0

    found = compare(statistic, (np.full(80, -1.0), patients), [str(one) for one in patients], redraws=2)
    for synthetic, real in sides[:-2]:
        assert len(synthetic) == len(real) == 80 == found.n
        assert not set(synthetic) & set(real)


def test_a_set_like_the_real_one_lies_within_its_floor_and_a_shifted_one_does_not():
    rng = np.random.default_rng(0)
    real = rng.normal(0, 1, 200)
    like = compare(mean_difference, (rng.normal(0, 1, 200), real), PATIENTS)
    apart = compare(mean_difference, (rng.normal(1, 1, 200), real), PATIENTS)
    assert like.value < like.high < 0.5 < apart.value
    assert apart.interval[0] < 1 < apart.interval[1] and apart.interval[0] < apart.value < apart.interval[1]
    assert compare(mean_difference, (real + 1, real), PATIENTS, seed=4) == compare(
        mean_difference, (real + 1, real), PATIENTS, seed=4
    )


def test_intervals_respect_the_patients_of_the_synthetic_records():
    """Twenty records of each of ten patients carry little more information than ten records."""
    rng = np.random.default_rng(1)
    real = rng.normal(0, 0.01, 200)
    drawn = np.repeat(rng.normal(1, 1, 10), 20)
    owners = [str(row // 20) for row in range(200)]
    alone = compare(mean_difference, (drawn, real), PATIENTS)
    known = compare(mean_difference, (drawn, real), PATIENTS, synthetic_patients=owners)
    assert np.ptp(known.interval) > 2 * np.ptp(alone.interval)


def test_several_statistics_use_the_same_splits():
    values = np.random.default_rng(2).normal(0, 1, (2, 200))
    both = compare_all(
        lambda a, b: {"once": mean_difference(a, b), "twice": 2 * mean_difference(a, b)}, values, PATIENTS
    )
    assert both["twice"].floor == pytest.approx(2 * both["once"].floor)
    assert both["once"] == compare(mean_difference, values, PATIENTS)


def test_too_few_records_or_patients_are_named():
    values = np.zeros(200)
    with pytest.raises(InputError, match="12 synthetic records, 50 needed"):
        compare(mean_difference, (values[:12], values), PATIENTS)
    with pytest.raises(InputError, match="2 real patients, 20 needed"):
        compare(mean_difference, (values, values), ["a", "b"] * 100)


def test_a_share_of_zero_has_an_interval():
    found = compare_share((np.zeros(100, bool), np.zeros(200, bool)), PATIENTS)
    assert found.value == 0 and found.interval[0] == 0 and 0.03 < found.interval[1] < 0.05


def test_other_errors_are_raised():
    with pytest.raises(ZeroDivisionError):
        attempt("broken", lambda: 1 / 0)  # type: ignore[arg-type, return-value]


def test_a_score_of_which_more_is_better_has_a_lower_floor():
    found = compare_share((np.ones(100, bool), np.ones(200, bool)), PATIENTS)
    score = as_score("kept", found, lambda one: short_of(one.value, one.low, 0.1, 0.2), "", more_is_better=True)
    assert (score.floor_low, score.floor_high, score.verdict) == (1, None, PASS)
    assert [short_of(value, 0.9, 0.1, 0.2) for value in (0.85, 0.75, 0.5)] == [PASS, WARN, FAIL]


# Features


def test_marginals_use_the_lead_that_differs_most():
    rng = np.random.default_rng(3)
    real, drawn = rng.normal(0, 1, (200, 3)), rng.normal(0, 1, (200, 3))
    drawn[:, 2] += 3
    score = marginal("size", (drawn, real), PATIENTS, 0)
    alone = marginal("size", (drawn[:, 2], real[:, 2]), PATIENTS, 0)
    assert score.verdict == FAIL and score.value == pytest.approx(alone.value)
    assert marginal("size", (drawn[:, :2], real[:, :2]), PATIENTS, 0).verdict == PASS
    assert alone.value == pytest.approx(ks_2samp(drawn[:, 2], real[:, 2]).statistic, abs=0.05)


def test_records_with_nan_are_left_out_of_a_marginal():
    real = np.random.default_rng(4).normal(0, 1, 200)
    drawn = np.where(np.arange(200) < 12, real, np.nan)
    score = marginal("QT", (drawn, real), PATIENTS, 0)
    assert score.verdict == NOT_MEASURED and "12 synthetic records, 50 needed" in score.note


def test_kuiper_does_not_depend_on_the_origin_of_the_circle():
    rng = np.random.default_rng(5)
    a, b = rng.normal(170, 20, 100), rng.normal(190, 25, 80)
    for turn in (10, 170, 359):
        assert kuiper(a + turn, b + turn) == pytest.approx(kuiper(a, b))
    assert kuiper(a, a) == 0 and kuiper(np.zeros(5) + 10, np.zeros(5) + 190) == 1
    assert kuiper(np.array([359.0]), np.array([-1.0])) == 0


# Beats, repeats, copies


def test_median_beats_do_not_depend_on_the_starting_time():
    ecg = simulate(1, seconds=8, seed=2, heart_rate=70)
    (peaks,) = r_peaks(ecg)
    whole = shapes(plain(ecg), [peaks])
    later = shapes(plain(ecg.crop(1.0)), [peaks[peaks > 1.3] - 1.0])
    assert whole.shape == (1, 8, 71) and np.abs(whole - later).max() < 0.05
    assert np.isnan(shapes(plain(ecg), [peaks[:2]])).all()


def test_the_remainder_off_the_real_axes_is_kept():
    rng = np.random.default_rng(6)
    real = np.zeros((60, 2, 40))
    real[:, 0] = rng.normal(0, 1, (60, 1)) * np.sin(np.arange(40))
    odd = real + 5 * (np.arange(2) == 1)[None, :, None]
    synthetic, reference = principal(odd, real)
    assert reference[:, -1].max() < 1e-6 < 1 < synthetic[:, -1].min()
    np.testing.assert_allclose(
        np.linalg.norm(synthetic, axis=1) ** 2 * 80, ((odd - real.mean(0)) ** 2).sum((1, 2)), rtol=1e-6
    )


def test_each_repetition_is_counted_once():
    waves = np.random.default_rng(7).normal(0, 1, (6, 2, 50))
    waves[3], waves[5] = waves[0] * 1.001, waves[0]
    beats = np.full((6, 2, 9), np.nan)
    assert repeats(waves, beats).tolist() == [False, False, False, True, False, True]
    beats[1] = beats[2] = np.arange(18).reshape(2, 9)
    assert repeats(waves, beats).tolist() == [False, False, True, True, False, True]


def test_a_shifted_and_scaled_copy_is_found():
    training, other = simulated(30, 1), simulated(20, 2)
    signal = other.all.ecg.signal.clone()
    signal[4] = 1.7 * torch.roll(training.all.ecg.signal[11], 120, -1)
    synthetic = MeasuredSet(as_set(replace(other.all.ecg, signal=signal), "synthetic"), None)
    found = copies.search(copies.Traits.of(synthetic), copies.Traits.of(training))
    assert found["r"].argmax() == 4 and found["index"][4] == 11 and found["r"][4] > copies.THRESHOLD
    assert found["lag"][4] == 120


def test_a_distant_set_has_its_nearest_record_by_chance():
    """White noise has one nearest record, on either side: chance explains it, and it is not memorisation."""
    rng = np.random.default_rng(8)
    training, holdout = rng.normal(0, 1, (60, 40)), rng.normal(0, 1, (60, 40))
    training[3] = 0  # the hub that all noise is nearest to
    sets = {"synthetic": 50 + rng.normal(0, 3, (60, 40)), "training": training, "holdout": holdout}
    sets["training"][3] += 25

    def verdict(synthetic):
        holder = {id(one): values for one, values in ((drawn, synthetic), (real, training), (held, holdout))}
        cohorts = Cohorts(drawn, real, held)
        return nearness.MEASURES["nearer to training"](
            "nearer", cohorts, lambda measured_set: (holder[id(measured_set)], np.arange(len(holder[id(measured_set)])))
        )

    drawn, real, held = (simulated(60, seed) for seed in (3, 4, 5))
    far = verdict(sets["synthetic"])
    assert far.value == 1 and far.floor_high == 1 and far.verdict == PASS
    assert verdict(training + 0.01).verdict == FAIL
    assert verdict(rng.normal(0, 1, (60, 40))).verdict == PASS


# Sections


@pytest.fixture
def no_figures(monkeypatch):
    for name in ("distributions", "lead_ranges", "curves_by_lead", "histogram", "wave_pairs"):
        monkeypatch.setattr(figures, name, lambda *_, **__: "<svg/>")


@pytest.fixture(scope="module")
def cohorts():
    """Sets of one distribution with an untrained classifier."""
    classifier = pretrained.new("classifier", {"widths": [8, 8], "features": 16}, "test").eval()
    sets = [replace(simulated(60, seed), classifier=classifier) for seed in (1, 2, 3)]
    return Cohorts(sets[0], sets[1], sets[2])


@pytest.fixture(scope="module")
def made(cohorts):
    return {section.__name__: section(cohorts) for section in SECTIONS}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_a_section_is_complete(made, section):
    found = made[section.__name__]
    assert found.key == section.__name__ and found.question.endswith("?") and found.headline
    assert json.loads(json.dumps(found.as_json()))["verdict"] == found.verdict != NOT_MEASURED
    for score in found.scores:
        if score.value is not None:
            assert score.definition and score.interval and score.floor is not None, score.name
            low, high = score.interval
            assert low <= score.value <= high and score.n_synthetic and score.n_real, score.name


@pytest.mark.parametrize("section", SECTIONS[1:], ids=lambda section: section.__name__)
def test_figures_are_small_complete_and_offline(made, section):
    assert made[section.__name__].figures
    for figure in made[section.__name__].figures:
        root = ElementTree.fromstring(figure.svg)
        assert root.tag.endswith("svg") and root.get("aria-label") and root.get("viewBox") and not root.get("width")
        assert len(figure.svg) < 150_000 and "<script" not in figure.svg and 'href="http' not in figure.svg
        assert "NaN" not in figure.svg and len(figure.caption) > 50


def test_labels_in_figures_are_escaped():
    ones = np.ones(20)
    svg = figures.distributions({"a < b & c": (ones, ones * 2)}, {"a < b & c": 0.1}, 'x" onload="y')
    assert ElementTree.fromstring(svg).get("aria-label") == 'x" onload="y'


def test_numbers_in_titles_and_ticks_keep_their_digits():
    wave = np.sin(np.arange(200) / 9)
    svg = figures.wave_pairs([("r = 0.812", wave, wave)], 100, ("real", "synthetic"), "pairs")
    assert "r = 0.812" in svg
    svg = figures.histogram(
        {"distance": (np.linspace(0, 1, 30), np.linspace(0.2, 0.8, 30))}, ("real", "synthetic"), "h"
    )
    ticks = [one.text for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert len(ticks) == len(set(ticks)), ticks


def test_a_wrong_unit_is_named(cohorts):
    signal = cohorts.synthetic.all.ecg.signal
    large = MeasuredSet(as_set(replace(cohorts.synthetic.all.ecg, signal=1000 * signal)), None)
    assert "µV read as mV? Divided by 1000" in unit_hint(large, cohorts.real)
    small = MeasuredSet(as_set(replace(cohorts.synthetic.all.ecg, signal=signal / 1000)), None)
    assert "mV read as µV" in unit_hint(small, cohorts.real)
    assert unit_hint(cohorts.synthetic, cohorts.real) == ""


def test_a_wrong_sampling_rate_is_named(cohorts):
    fast = MeasuredSet(as_set(replace(cohorts.synthetic.all.ecg, fs=200.0)), None)
    real = MeasuredSet(as_set(replace(cohorts.real.all.ecg, fs=100.0)), None)
    assert any("0.5 times what was stated" in note for note in rhythm(Cohorts(fast, real)).notes)


def test_violations_of_the_lead_laws_are_measured_in_microvolts(cohorts):
    signal = cohorts.synthetic.all.ecg.signal.clone()
    signal[:, 2] += 0.1
    found = validity(
        Cohorts(MeasuredSet(as_set(replace(cohorts.synthetic.all.ecg, signal=signal)), None), cohorts.real)
    )
    laws = next(score for score in found.scores if score.unit == "µV")
    assert laws.value == pytest.approx(100, abs=1) and laws.verdict == FAIL


def bad_sets():
    """Sets for which no score, or not every score, can be measured."""
    ecg = simulate(60, seconds=5, seed=9)
    flat = replace(ecg, signal=torch.zeros_like(ecg.signal))
    yield "none", as_set(ecg[:0]), None
    yield "twelve", as_set(ecg[:12]), "12"
    yield "flat", as_set(flat), None
    yield "not finite", as_set(replace(ecg, signal=flat.signal / 0)), None
    yield "one patient", as_set(ecg, patients=["one"] * 60), None
    yield "one record", as_set(ecg[:1]), "1"


@pytest.mark.parametrize("side", ["synthetic", "real"])
@pytest.mark.parametrize("name, bad, said", list(bad_sets()), ids=lambda value: value if isinstance(value, str) else "")
def test_sets_with_errors_get_a_sentence_and_no_traceback(cohorts, no_figures, name, bad, said, side):
    bad = MeasuredSet(bad, cohorts.real.classifier)
    sets = (bad, cohorts.real) if side == "synthetic" else (cohorts.synthetic, bad)
    for section in SECTIONS:
        found = section(Cohorts(sets[0], sets[1], cohorts.holdout))
        assert found.headline and found.verdict in (NOT_MEASURED, FAIL, WARN, PASS)
        if said:
            missing = [score.note for score in found.scores if score.value is None]
            assert any(f"{said} " in note and "needed" in note for note in missing), (found.key, missing)


def test_two_leads_are_measured_as_far_as_possible(cohorts, no_figures):
    classifier = cohorts.real.classifier
    two = [MeasuredSet(as_set(one.all.ecg.pick("II", "V5")), classifier) for one in (cohorts.synthetic, cohorts.real)]
    found = {section.__name__: section(Cohorts(two[0], two[1])) for section in SECTIONS}
    assert found["rhythm"].verdict == found["amplitude"].verdict == PASS
    missing = {score.name: score.note for one in found.values() for score in one.scores if score.value is None}
    assert "no lead law can be checked" in missing["lead laws' residual"]
    assert "do not follow" in missing["Fréchet distance on the classifier's features"]
