"""The rhythm prior: given heart rates are kept, text determines the rest, and batches have no effect."""

from dataclasses import replace

import numpy as np
import torch

from ecggen.conditioning import rhythm_prior
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.condition_embedding import ConditionEncoder
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.rhythm import pulse_rises, r_peaks
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint

PREPARED = Preprocessor()


class MinimalGenerator(torch.nn.Module):
    """A minimal generator for the rhythm prior: a condition encoder."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = ConditionEncoder(16)


def rates(condition: Condition, heart: MinimalGenerator, seed: int = 0) -> np.ndarray:
    """Pulses a minute of the PPG that each record is given."""
    known, _ = rhythm_prior.draw(heart, PREPARED.condition(condition), PREPARED, seed, range(len(condition)))
    found = [pulse_rises(wave.numpy(), known.ppg_fs) for wave in known.ppg[:, 0]]
    return np.array([60 * (len(times) - 1) / (times[-1] - times[0]) for times in found])


def test_a_given_heart_rate_is_kept():
    asked = [45.0, 72.0, 130.0]
    assert (
        np.abs(rates(Condition.none(3, 30.0).with_metadata(heart_rate=asked), MinimalGenerator()) / asked - 1).max()
        < 0.05
    )


def test_heart_rates_without_condition_are_those_of_the_population():
    found = rates(Condition.none(64, 20.0), MinimalGenerator())
    assert 65 < np.median(found) < 80 and found.std() > 8


def test_observed_waveforms_disable_the_prior():
    lead = simulate(1, seed=1).pick("I")
    known = PREPARED.condition(Condition.none(1).with_leads(lead))
    assert rhythm_prior.draw(MinimalGenerator(), known, PREPARED, 0, range(1)) == (known, {})


def test_the_same_record_whatever_the_batch():
    heart, many = MinimalGenerator(), PREPARED.condition(Condition.none(5))
    whole, peaks = rhythm_prior.draw(heart, many, PREPARED, 3, range(5))
    part, own = rhythm_prior.draw(heart, many[3:], PREPARED, 3, range(3, 5))
    assert torch.equal(whole.ppg[3:], part.ppg)
    assert np.array_equal(peaks[3], own[0]) and np.array_equal(peaks[4], own[1])
    assert not torch.equal(whole.ppg, rhythm_prior.draw(heart, many, PREPARED, 4, range(5))[0].ppg)


def test_text_determines_rate_and_irregularity_after_fitting():
    heart, rng = MinimalGenerator(), np.random.default_rng(0)
    words = {"racing": (0.45, 0.01), "creeping": (1.2, 0.01), "staggering": (0.8, 0.2)}
    parts = []
    for _ in range(20):
        texts = [str(rng.choice(list(words))) for _ in range(24)]
        times = []
        for text in texts:
            interval, wild = words[text]
            times.append(np.cumsum(interval * np.exp(wild * rng.standard_normal(int(10 / interval)))))
        parts.append((Condition.none(24).with_text(texts), times))
    rhythm_prior.fit(heart, parts, rng)
    for text, (interval, _) in words.items():
        found = rates(Condition.none(16, 20.0).with_text(text), heart)
        assert abs(np.median(found) * interval / 60 - 1) < 0.3, text
    asked = Condition.none(2, 40.0).with_text(["staggering", "creeping"]).with_metadata(heart_rate=70)
    known, _ = rhythm_prior.draw(heart, PREPARED.condition(asked), PREPARED, 1, range(2))
    wild, calm = (np.diff(pulse_rises(wave.numpy(), 100.0)).std() for wave in known.ppg[:, 0])
    assert wild > 3 * calm


def test_rounding_to_samples_does_not_change_the_irregularity():
    """What was learnt was measured on such times; rounding must not come on top a second time."""
    told = Condition.none(1, 120.0).with_metadata(heart_rate=75)
    for asked in (0.01, 0.02):
        found = []
        for seed in range(12):
            times = rhythm_prior._beats(told, 0, 0.8, asked + rhythm_prior.STEADIEST, np.random.default_rng(seed))
            found.append(
                np.exp(rhythm_prior._measured(np.round(times * told.fs) / told.fs)[1]) - rhythm_prior.STEADIEST
            )
        assert abs(np.mean(found) / asked - 1) < 0.05


def test_r_peaks_are_moved_to_where_they_are_wanted():
    ecg = simulate(4, seconds=10.0, seed=3).pick(*INDEPENDENT_LEADS)
    before = ecg.signal.clone()
    rng = np.random.default_rng(0)
    found = r_peaks(ecg, between=True)
    wanted = {row: found[row] + 0.02 * rng.uniform(-1, 1, len(found[row])) for row in (0, 1, 3)}
    wanted[3] = np.append(wanted[3], found[3][-1] + 0.2)  # where none was drawn
    placed = rhythm_prior.place(ecg.signal, ecg.fs, wanted)
    assert torch.equal(ecg.signal, before) and torch.equal(placed[2], before[2])
    for row, peaks in enumerate(r_peaks(replace(ecg, signal=placed), between=True)):
        if row == 2:
            continue
        off, stood = (np.abs(times - wanted[row][: len(times)]) for times in (peaks, found[row]))
        assert off.max() < 0.003 < 0.008 < stood.max()
    sizes = [signal.amax(-1) - signal.amin(-1) for signal in (placed, before)]
    assert (sizes[0] / sizes[1] - 1).abs().max() < 0.05  # waves are moved, not changed


def test_nothing_is_moved_where_nothing_is_near_or_wanted():
    ecg = simulate(1, seconds=10.0, seed=3).pick(*INDEPENDENT_LEADS)
    far = r_peaks(ecg)[0] + 1.5 * rhythm_prior.REACH
    flat = torch.zeros_like(ecg.signal)
    assert rhythm_prior.place(ecg.signal, ecg.fs, {}) is ecg.signal
    assert torch.equal(rhythm_prior.place(ecg.signal, ecg.fs, {0: far}), ecg.signal)
    assert torch.equal(rhythm_prior.place(ecg.signal, ecg.fs, {0: np.zeros(0)}), ecg.signal)
    assert torch.equal(rhythm_prior.place(flat, ecg.fs, {0: far}), flat)


def test_r_peaks_of_draws_follow_the_sampled_rhythm():
    flow = checkpoint.load("flow")
    flow.heart_first = None  # its rhythm model takes the place of the rhythm prior
    told = Condition.none(8).with_metadata(heart_rate=[65.0] * 8).with_text(["sinus rhythm"] * 8)
    prepared = flow.preprocessor.condition(told)
    _, wanted = rhythm_prior.draw(flow, prepared, flow.preprocessor, 1, range(8))
    off = []
    for row, peaks in enumerate(r_peaks(flow.sample(told, seed=1), between=True)):
        away = peaks - wanted[row][:, None]
        off += [min(each, key=abs) for each in away]
    assert np.quantile(np.abs(off), 0.8) < 0.004


def test_too_few_records_teach_nothing():
    heart = MinimalGenerator()
    before = heart.encoder.beats.clone()
    rhythm_prior.fit(heart, [(Condition.none(2), [np.arange(9.0), np.arange(9.0)])], np.random.default_rng(0))
    assert torch.equal(heart.encoder.beats, before)


def test_rhythms_are_as_irregular_as_is_asked():
    condition, rng = Condition.none(1, 30.0), np.random.default_rng(0)
    for asked in (0.02, 0.06, 0.2):
        made = [rhythm_prior._beats(condition, 0, 0.8, asked, rng) for _ in range(30)]
        found = [np.exp(rhythm_prior._measured(times)[1]) for times in made]
        assert abs(np.median(found) / asked - 1) < 0.15


def test_beats_without_an_r_peak_get_the_qrs_of_another_beat():
    """Two QRS complexes of a draw are missing."""
    ecg = simulate(1, 10, 100, 0, 75.0)
    eight, (peaks,) = ecg.pick(*INDEPENDENT_LEADS).signal, r_peaks(ecg.pick("II"), between=True)
    damaged, time = eight.clone(), torch.arange(1000) / 100
    for peak in peaks[[4, 8]]:
        damaged *= 1 - torch.exp(-(((time - peak) / 0.12) ** 4)).float()
    wanted = {0: peaks}
    before, after = (rhythm_prior.agreement(x[:, 1], 100, wanted)[0] for x in (damaged, eight))
    done = rhythm_prior.complete(damaged, 100, wanted)
    assert before < 0.9 and after == 1 and rhythm_prior.agreement(done[:, 1], 100, wanted)[0] == 1
    for peak in peaks[[4, 8]]:
        at = round(peak * 100)
        assert torch.allclose(done[0, :, at], eight[0, :, at], atol=0.1), "each lead as in the other beats"
    changed = (done != damaged)[0].any(0)
    near = (time[:, None] - torch.from_numpy(peaks[[4, 8]])).abs().amin(1) < 0.16
    assert changed.any() and not changed[~near].any()


def test_draws_that_agree_and_draws_without_beats_are_unchanged():
    ecg = simulate(2, 10, 100, 0, 75.0)
    eight, peaks = ecg.pick(*INDEPENDENT_LEADS).signal, r_peaks(ecg.pick("II"))
    assert torch.equal(rhythm_prior.complete(eight, 100, dict(enumerate(peaks))), eight)
    flat = torch.zeros(1, 8, 1000)
    assert torch.equal(rhythm_prior.complete(flat, 100, {0: peaks[0]}), flat)
    assert torch.equal(rhythm_prior.complete(eight, 100, {}), eight)
