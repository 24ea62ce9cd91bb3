"""Variations that keep the heart, the rhythm or both: known beats and rhythms are found again."""

import numpy as np
import pytest
import torch
from conftest import tiny
from scipy.interpolate import CubicSpline

from ecggen import Condition
from ecggen.core.beats import ABNORMAL, BEFORE, Beats, correlations, decompose, rendered
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS
from ecggen.core.errors import InputError, InputWarning
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.generators.hearts.rhythm import Rhythm
from ecggen.generators.hearts.variation import KEEP, Recorded, contradicting, qt_factor

GENERATORS = ("gan", "vae", "flow", "diffusion")
FS = 100.0
CORE = slice(round((BEFORE - 0.25) * FS), round((BEFORE + 0.4) * FS))


def recording(times, types=None, seconds=10.0, seed=0):
    """A recording (1, 12, time) of one simulated heart of 1.2 mV, with wide beats where ``types`` are 1."""
    one = simulate(1, seconds=10, fs=FS, heart_rate=60, seed=seed).pick(*INDEPENDENT_LEADS)
    median = decompose(one.signal[0].numpy(), FS, r_peaks(one)[0])[0].median
    time = np.arange(median.shape[1]) / FS - BEFORE
    wide = np.exp(-((time / 0.05) ** 2)) - 0.4 * np.exp(-(((time - 0.25) / 0.06) ** 2))
    times = np.asarray(times, float)
    types = np.zeros(len(times), int) if types is None else np.asarray(types)
    median = 1.2 * median / np.abs(median).max()
    beats = Beats(median, wide * np.linspace(1.5, -2.5, 8)[:, None], times, types, np.zeros((len(times), 8)))
    noise = 0.005 * np.random.default_rng(seed).standard_normal((8, round(seconds * FS)))
    eight = torch.from_numpy(rendered(beats, round(seconds * FS), FS) + noise).float()
    return ECG((torch.as_tensor(LEAD_MATRIX).float() @ eight)[None], STANDARD_LEADS, FS)


def parts(ecg, row=0):
    """Beats of a record, decomposed again."""
    eight = ecg.pick(*INDEPENDENT_LEADS)
    return decompose(eight.signal[row].double().numpy(), ecg.fs, r_peaks(eight)[row])[0]


def alike(one, other):
    """Correlation of two median beats (8, time), at the best shift of at most 30 ms, in steps of 1 ms."""
    at, curve = np.arange(one.shape[1])[CORE], CubicSpline(np.arange(one.shape[1]), one, axis=1)
    moved = np.stack([curve(at + shift) for shift in np.arange(-3, 3.01, 0.1)])
    return correlations(moved, other[:, CORE]).max()


REGULAR = np.cumsum(np.r_[0.45, np.tile([0.85, 0.87, 0.83], 4)])[:11]
PREMATURE = np.delete(np.arange(0.45, 10, 0.85), [4, 8])
WITH_ECTOPIC = np.sort(np.r_[PREMATURE, [0.45 + 3.65 * 0.85, 0.45 + 7.65 * 0.85]])
TYPES = np.isin(WITH_ECTOPIC, [0.45 + 3.65 * 0.85, 0.45 + 7.65 * 0.85]).astype(int)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_kept_heart_beats_in_another_rhythm(name):
    original = recording(REGULAR)
    varied = checkpoint.load(name).vary(original, Condition(n=3, seconds=10, fs=FS), keep="heart", seed=1)
    kept = [alike(parts(varied, row).median, parts(original).median) for row in range(3)]
    assert min(kept) > 0.97
    for row in range(3):
        peaks = r_peaks(varied)[row]
        same = (np.abs(peaks[:, None] - REGULAR) <= 0.02).any(1).mean()
        assert same < 0.6, "the R peaks are those of the recording"
        assert abs(heart_rate(peaks) - heart_rate(REGULAR)) < 5
    assert varied.law_residual().max() < 1e-5
    origin = varied.provenance
    assert origin.recorded == () and origin.generated == STANDARD_LEADS
    assert origin.condition == "variation of an ECG, heart kept; nothing" and origin.lines()


@pytest.mark.parametrize("name", GENERATORS)
def test_a_kept_rhythm_has_other_hearts(name):
    original = recording(WITH_ECTOPIC, TYPES)
    varied = checkpoint.load(name).vary(original, Condition(n=3, seconds=10, fs=FS), keep="rhythm", seed=1)
    found = r_peaks(varied)
    for peaks in found:
        inner = WITH_ECTOPIC[(TYPES == 0) & (WITH_ECTOPIC > 0.3) & (WITH_ECTOPIC < 9.7)]
        assert (np.abs(inner[:, None] - peaks) <= 0.02).any(1).mean() > 0.9
    hearts = [parts(varied, row).median for row in range(3)]
    assert max(alike(hearts[0], hearts[1]), alike(hearts[1], hearts[2])) < 0.97
    assert alike(hearts[0], parts(original).median) < 0.97
    assert "rhythm kept" in varied.provenance.condition


def test_both_kept_leave_gains_and_residual():
    original, generator = recording(WITH_ECTOPIC, TYPES), checkpoint.load("flow")
    varied = generator.vary(original, Condition(n=2, seconds=10, fs=FS), keep="both", seed=1)
    for row in range(2):
        own = parts(varied, row)
        assert alike(own.median, parts(original).median) > 0.95
        assert alike(own.ectopic, parts(original).ectopic) > 0.97
        assert {*np.flatnonzero(parts(original).types)} <= {*np.flatnonzero(own.types)} and own.types.sum() <= 3
    assert not torch.allclose(varied.signal[0], varied.signal[1], atol=5e-3)
    assert "heart and rhythm kept" in varied.provenance.condition


@pytest.mark.parametrize("keep", KEEP)
def test_a_variation_depends_on_the_seed_and_its_index_only(keep):
    generator = checkpoint.load("flow")
    ecg = ECG.cat([recording(REGULAR, seed=seed) for seed in range(3)])
    given = Condition(text=["sinus rhythm", "", "left bundle branch block"], age=[30, 50, None], seconds=10, fs=FS)
    whole = generator.vary(ecg, given, seed=5, keep=keep)
    alone = generator.vary(ecg[1], given[1:2], seed=5, indices=[1], keep=keep)
    assert torch.allclose(alone.signal[0], whole.signal[1], atol=2e-3)
    assert not torch.allclose(whole.signal[1], generator.vary(ecg, given, seed=6, keep=keep).signal[1], atol=1e-2)


def test_a_heart_is_kept_at_any_rate_and_length():
    original = recording(np.arange(0.4, 25, 0.9), seconds=25.0)
    given = Condition(heart_rate=90, n=1, seconds=14, fs=250)
    varied = checkpoint.load("vae").vary(original.resample(500), given, keep="heart")
    assert varied.signal.shape == (1, 12, 3500)
    assert abs(heart_rate(r_peaks(varied)[0]) - 90) < 2


def test_the_rhythm_of_a_kept_heart_follows_the_text():
    generator, original = checkpoint.load("flow"), recording(REGULAR)
    varied = generator.vary(original, Condition(text="atrial fibrillation", n=4, seconds=10, fs=FS), keep="heart")
    gaps = [np.diff(peaks) for peaks in r_peaks(varied)]
    assert np.median([one.std() / one.mean() for one in gaps]) > 0.1
    varied = generator.vary(original, Condition(text="left bundle branch block", n=4, seconds=10, fs=FS), keep="heart")
    assert all(not contradicting(Rhythm(at, 0 * at)) & {"SR"} for at in r_peaks(varied))


def test_an_ectopic_beat_that_a_heart_lacks_is_drawn():
    given = Condition(text="sinus rhythm, ventricular premature complex", n=8, seconds=10, fs=FS)
    varied = checkpoint.load("flow").vary(recording(REGULAR), given, keep="heart")
    found = [parts(varied, row) for row in range(8)]
    assert sum((one.types == ABNORMAL).any() for one in found) >= 6
    assert min(alike(one.median, parts(recording(REGULAR)).median) for one in found) > 0.9


def test_the_qt_interval_follows_the_heart_rate():
    slow = Recorded.of(recording(np.arange(0.4, 10, 1.0)).pick(*INDEPENDENT_LEADS), "heart", 10.0)
    normal = slow.hearts([1.0]).normal[0].numpy()
    time, lead = np.arange(normal.shape[1]) / FS - BEFORE, INDEPENDENT_LEADS.index("II")
    t_wave = (time > 0.15) & (time < 0.5)
    factor = qt_factor(1.0, 0.6)
    faster = slow.hearts([factor]).normal[0].numpy()
    moved = [time[t_wave][one[lead, t_wave].argmax()] for one in (normal, faster)]
    assert moved[1] == pytest.approx(factor * moved[0], abs=0.011) and factor == pytest.approx(0.843, abs=1e-3)
    before = time < 0.1
    assert np.allclose(normal[:, before], faster[:, before], atol=1e-6)  # P wave and QRS complex


def test_a_rate_that_contradicts_a_kept_rhythm_is_ignored():
    generator, original = checkpoint.load("vae"), recording(REGULAR)
    plain = generator.vary(original, Condition(n=1, seconds=10, fs=FS), keep="rhythm")
    with pytest.warns(InputWarning, match="140 per minute was given and 7"):
        other = generator.vary(original, Condition(heart_rate=140, n=1, seconds=10, fs=FS), keep="rhythm")
    assert torch.equal(plain.signal, other.signal)


@pytest.mark.parametrize(
    ("ecg", "condition", "options", "message"),
    [
        (recording([1.0, 2.0], seconds=3.0), Condition(n=1, seconds=10), {}, "shows 2 beats in 3.0 s"),
        (ECG(torch.zeros(1, 12, 1000), STANDARD_LEADS, FS), Condition(n=1, seconds=10), {}, "shows no beats"),
        (recording(REGULAR), Condition(n=1, seconds=8), {"keep": "rhythm"}, "lasts 10.00 s, its variations 8.00 s"),
        (recording(REGULAR), Condition(n=1, seconds=10), {"keep": "voice"}, "'voice'.*heart, rhythm, both"),
        (recording(REGULAR), Condition(n=1, seconds=10), {"strength": 0.5}, "without a strength"),
        (ECG.cat([recording(REGULAR)] * 2), Condition(n=3, seconds=10), {}, "2 ECGs and 3 records"),
        (recording(REGULAR), Condition(recording(REGULAR)), {}, "has leads or a PPG"),
        (recording(REGULAR).pick("I", "V1"), Condition(n=1, seconds=10), {}, "lead"),
    ],
)
def test_invalid_variations_are_refused(ecg, condition, options, message):
    with pytest.raises(InputError, match=message):
        checkpoint.load("vae").vary(ecg, condition, **({"keep": "heart"} | options))


def test_missing_samples_and_long_recordings_are_refused():
    eight = recording(REGULAR).pick(*INDEPENDENT_LEADS)
    holes = eight.signal.clone()
    holes[0, 0, 100:150] = torch.nan
    with pytest.raises(InputError, match="missing samples"):
        Recorded.of(ECG(holes, eight.leads, FS), "heart", 10.0)
    with pytest.raises(InputError, match="at most 3,600 s"):
        Recorded.of(ECG(torch.zeros(1, 8, 400_000), eight.leads, FS), "heart", 10.0)


def test_a_generator_without_a_heart_first_model_keeps_nothing():
    with pytest.raises(InputError, match="no heart-first model"):
        tiny("vae").vary(recording(REGULAR), Condition(n=1, seconds=10, fs=FS), keep="heart")


def test_rhythms_that_contradict_a_recorded_one():
    irregular = np.cumsum(np.random.default_rng(0).uniform(0.4, 1.2, 14))
    assert "SR" in contradicting(Rhythm(irregular, np.zeros(14, int)))
    assert "AFIB" in contradicting(Rhythm(WITH_ECTOPIC, TYPES))  # two ectopic beats do not make it irregular
