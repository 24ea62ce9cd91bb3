"""Delineator: invariance to gain, leads and rate, no beats in noise, and accuracy on simulated ECGs."""

import json

import numpy as np
import pytest
import torch
from conftest import ROOT, SAMPLES

from ecggen import ECG, InputError
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate, simulated_peaks
from ecggen.data import ludb
from ecggen.evaluators import delineator
from ecggen.evaluators.delineator import MARKS, Waves, delineate
from ecggen.evaluators.delineator_decoding import decode
from ecggen.io import read
from ecggen.networks import storage
from ecggen.networks.delineation import CLASSES, Delineator, probabilities
from ecggen.training import delineator as delineator_training
from ecggen.training import delineator_crops
from evaluation.scripts import delineation as scoring
from evaluation.scripts import delineation_by_rhythm as rhythm

FOLDER = ROOT / "checkpoints" / "delineator"


@pytest.fixture(scope="module")
def ecgs():
    return simulate(3, seconds=6, fs=250, seed=2)


@pytest.fixture(scope="module")
def waves(ecgs):
    torch.set_num_threads(1)
    return delineate(ecgs)


def same(one: Waves, other: Waves, within: float):
    for name in MARKS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=within, rtol=0)
    for peaks, others in zip(one.peaks, other.peaks, strict=True):
        np.testing.assert_allclose(peaks, others, atol=within)


def noise(records=4, size=0.1, seconds=10, fs=250, seed=0):
    draw = np.random.default_rng(seed)
    return ECG(torch.from_numpy(size * draw.standard_normal((records, 12, round(seconds * fs)))), STANDARD_LEADS, fs)


@pytest.mark.parametrize("factor", [0.25, 3.0, -1.0])
def test_gain_and_sign_of_all_leads_do_not_matter_much(ecgs, waves, factor):
    """Inversion changes the polarity of the waves, but not their boundaries."""
    other = delineate(ECG(factor * ecgs.signal, ecgs.leads, ecgs.fs))
    if factor > 0:
        return same(waves, other, 0.005)  # the maximum of a flat peak may differ by a sample
    ours, theirs = waves.median_over_leads(), other.median_over_leads()
    for name in ("p_onset", "p_offset", "qrs_onset", "qrs_offset", "t_offset"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=0.03)
    return None


def test_order_of_leads_does_not_matter(ecgs, waves):
    reversed_leads = delineate(ecgs.pick(*reversed(ecgs.leads)))
    assert reversed_leads.leads == tuple(reversed(ecgs.leads))
    for name in MARKS:
        np.testing.assert_allclose(getattr(reversed_leads, name)[:, ::-1], getattr(waves, name), atol=0.005)


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_result_does_not_depend_on_the_batch_size(ecgs, waves, batch):
    done = []
    same(waves, delineate(ecgs, batch=batch, progress=done.append), 0.005)
    assert done == sorted(done) and done[-1] == 1.0


@pytest.mark.parametrize("fs", [100, 128, 500, 1000])
def test_the_rate_does_not_matter_much(waves, fs):
    other = delineate(simulate(3, seconds=6, fs=fs, seed=2))
    for name, marks in waves.median_over_leads().items():
        np.testing.assert_allclose(other.median_over_leads()[name], marks, atol=0.02, err_msg=name)


def test_long_recordings_equal_their_parts():
    """The windows of a long recording have no influence on its marks."""
    long = simulate(1, seconds=75, fs=250, seed=4, heart_rate=70)
    whole, part = delineate(long), delineate(long.crop(50, 20))
    inner = part.peaks[0][(part.peaks[0] > 3) & (part.peaks[0] < 17)] + 50
    assert len(inner) > 12
    for peak in inner:
        assert np.abs(whole.peaks[0] - peak).min() < 0.005


@pytest.mark.parametrize("rate", [45, 60, 75, 100, 130])
def test_beats_of_simulated_ecgs_are_found(rate):
    found = delineate(simulate(2, seconds=10, fs=250, seed=rate, heart_rate=rate))
    true = simulated_peaks(10, rate)
    true = true[(true > 0.2) & (true < 9.8)]
    for peaks in found.peaks:
        ours, theirs = scoring.pairs(peaks, true, 0.03)
        assert len(theirs) == len(true) and len(peaks) - len(ours) <= 1


def test_marks_are_in_order(waves):
    marks = waves.median_over_leads()
    order = np.stack([marks[name] for name in MARKS], -1)
    full = order[np.isfinite(order).all(-1)]
    assert len(full) >= 8
    assert (np.diff(full, axis=-1) > 0).all()


@pytest.mark.parametrize("size", [0.0, 0.0005, 0.02, 0.3])
def test_flat_lines_and_noise_have_no_beats(size):
    found = delineate(noise(size=size))
    assert sum(len(peaks) for peaks in found.peaks) == 0
    assert found.p_onset.shape == (4, 12, 0)


def test_sine_waves_have_no_beats():
    time = torch.arange(2500) / 250
    lines = torch.stack([torch.sin(6.2832 * rate * time) for rate in (0.3, 1.3, 5.0, 50.0)])
    found = delineate(ECG(lines[:, None].expand(-1, 12, -1), STANDARD_LEADS, 250))
    assert [len(peaks) for peaks in found.peaks] == [0, 0, 0, 0]


def test_a_flat_lead_has_no_waves_and_does_not_affect_others(ecgs, waves):
    signal = ecgs.signal.clone()
    signal[:, 4] = 0.0
    found = delineate(ECG(signal, ecgs.leads, ecgs.fs))
    assert np.isnan(found.p_onset[:, 4]).all() and np.isnan(found.qrs_onset[:, 4]).all()
    np.testing.assert_allclose(
        found.median_over_leads()["qrs_onset"], waves.median_over_leads()["qrs_onset"], atol=0.01
    )


def test_atrial_fibrillation_has_hardly_any_p():
    """Record 01502 of PTB-XL's fold 9, which is in no training set."""
    marks = delineate(read(SAMPLES / "01502_lr.hea")).median_over_leads()
    beats = np.isfinite(marks["qrs_onset"]).sum()
    assert beats > 8 and np.isfinite(marks["p_peak"]).sum() <= 0.25 * beats


def test_one_lead_is_enough(ecgs, waves):
    found = delineate(ecgs.pick("II"))
    for peaks, others in zip(found.peaks, waves.peaks, strict=True):
        ours, _ = scoring.pairs(peaks, others, 0.04)
        assert len(ours) == len(others)


def test_nan_counts_as_zero(ecgs):
    signal = ecgs.signal.clone()
    signal[0, :, 700:] = float("nan")
    found = delineate(ECG(signal, ecgs.leads, ecgs.fs))
    assert found.peaks[0].max() < 3 and found.peaks[1].max() > 4


def test_short_ecgs_and_low_rates_are_rejected():
    with pytest.raises(InputError, match=r"lasts 1\.00 s; at least 2 s"):
        delineate(simulate(1, seconds=1, fs=250))
    with pytest.raises(InputError, match="rate is 40 Hz"):
        delineate(simulate(1, seconds=4, fs=40))


def test_no_records_give_no_waves(ecgs):
    found = delineate(ecgs[:0])
    assert len(found) == 0 and found.qrs_onset.shape == (0, 12, 0)


def test_boundaries_are_expected_values():
    """Probabilities of 0 and 1 give exact boundaries; an onset spread evenly over ten samples gives its middle."""
    probable = np.zeros((1, 2, 4, 500), np.float32)
    for name, first, last in (("P", 150, 175), ("QRS", 200, 225), ("T", 270, 320)):
        probable[0, :, CLASSES.index(name), first : last + 1] = 1
    probable[0, 1, CLASSES.index("QRS"), 195:205] = np.linspace(0.05, 0.95, 10)
    _, marks = decode(probable, np.random.default_rng(0).standard_normal((1, 2, 500)).astype(np.float32))
    half = 0.5 / 250
    for name, sample in (("p_onset", 150), ("qrs_onset", 200), ("t_onset", 270)):
        assert marks[name][0, :, 0] == pytest.approx([sample / 250 - half] * 2, abs=1e-6)
    for name, sample in (("p_offset", 175), ("qrs_offset", 225), ("t_offset", 320)):
        assert marks[name][0, 0, 0] == pytest.approx(sample / 250 + half, abs=1e-6)


def test_median_over_leads_needs_a_third_of_them():
    shape = (1, 6, 2)
    marks = {name: np.full(shape, np.nan) for name in MARKS}
    marks["p_onset"][0, :2, 0] = 0.2, 0.4
    marks["p_onset"][0, 0, 1] = 1.2
    found = Waves([np.array([0.5, 1.5])], STANDARD_LEADS[:6], 250, **marks).median_over_leads()
    assert found["p_onset"][0, 0] == pytest.approx(0.3) and np.isnan(found["p_onset"][0, 1])


def test_fused_network_is_the_same_function():
    torch.manual_seed(0)
    network = Delineator((8, 8, 16)).train()
    network(torch.randn(4, 3, 320))
    x = torch.randn(2, 3, 333)
    before = probabilities(network.eval(), x)
    assert before.shape == (2, 3, 4, 333)
    torch.testing.assert_close(probabilities(network.fused(), x), before, atol=1e-5, rtol=1e-4)


def test_shipped_network_reproduces_its_golden_marks():
    golden = json.loads((FOLDER / "golden_marks.json").read_text())
    marks = delineator.golden_marks(delineator.load(FOLDER), golden)
    for name, times in golden["marks_s"].items():
        assert len(times) > 3 and [time is None for time in marks[name]] == [time is None for time in times], name
        pairs = zip(marks[name], times, strict=True)
        assert all(abs(now - then) <= golden["tolerance_s"] for now, then in pairs if now and then), name


def test_shipped_checkpoint_is_small_and_has_its_card():
    assert (FOLDER / "model.safetensors").stat().st_size < 1_000_000
    card = (FOLDER / "README.md").read_text()
    assert storage.weights_hash(FOLDER) in card and "ODC-By" in card and "186181" in card


def test_card_has_the_measured_values():
    """The numbers of the card's table are those of the published file."""
    result = json.loads((ROOT / "evaluation" / "results" / "delineation.json").read_text())
    assert result["weights"] == storage.weights_hash(FOLDER)
    card = (FOLDER / "README.md").read_text()
    for wave in ("P", "QRS", "T"):
        for point in ("onset", "offset"):
            figures = result["ecggen"]["overall"][wave][point]
            assert f"{figures['bias_ms']:+.1f} ± {figures['sd_ms']:.1f}" in card, (wave, point)


def test_invalid_checkpoints_are_rejected(tmp_path):
    with pytest.raises(InputError, match="no delineator of format"):
        delineator.load(ROOT / "checkpoints" / "text_encoder")
    delineator.save(Delineator((8, 8)), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="cannot be loaded"):
        delineator.load(tmp_path)


def marked(rows, first=0.0, last=10.0):
    empty = np.zeros((0, 3))
    lead = ludb.LeadMarks({"P": empty, "QRS": np.array(rows), "T": empty}, first, last)
    return ludb.Marked(["1"], noise(1), [[lead] * 12], ["Sinus rhythm"])


def test_perfect_marks_score_perfectly():
    rows = [[1.0, 1.05, 1.1], [2.0, 2.05, 2.1]]
    score = scoring.compare(lambda *_: np.array(rows), marked(rows))["overall"]["QRS"]["onset"]
    assert (score["sensitivity"], score["ppv"], score["bias_ms"], score["sd_ms"]) == (1, 1, 0, 0)
    assert score["marks"] == 24


def test_scores_count_missed_and_additional_marks():
    """One of two found, 10 ms late; one mark between, one beyond the last expert mark, which does not count."""
    truth = marked([[1.0, 1.05, 1.1], [2.0, 2.05, 2.1]], first=1.0, last=2.1)
    ours = np.array([[1.01, 1.05, 1.1], [1.5, 1.55, 1.6], [2.6, 2.65, 2.7]])
    score = scoring.compare(lambda *_: ours, truth)["overall"]["QRS"]["onset"]
    assert (score["sensitivity"], score["ppv"]) == (0.5, 0.5)
    assert score["bias_ms"] == pytest.approx(10) and score["sd_ms"] == pytest.approx(0, abs=1e-6)


def test_marks_without_an_expert_mark_are_not_scored():
    truth = marked([[1.0, 1.05, 1.1], [np.nan, 2.05, 2.1]], first=1.0, last=2.1)
    ours = np.array([[1.0, 1.05, 1.1], [2.0, 2.05, 2.1]])
    score = scoring.compare(lambda *_: ours, truth)["overall"]["QRS"]["onset"]
    assert (score["marks"], score["sensitivity"], score["ppv"]) == (12, 1, 1)


def test_no_mark_is_used_twice():
    ours, theirs = scoring.pairs(np.array([1.0]), np.array([0.95, 1.02]))
    assert ours.tolist() == [0] and theirs.tolist() == [1]


def test_stretched_crops_keep_marks_on_their_waves():
    """A signal equal to its class (1 in P, 2 in QRS) stays so after stretching."""
    answer = torch.zeros(2, 6, 2500, dtype=torch.int64)
    for start in range(100, 2400, 250):
        answer[..., start : start + 25], answer[..., start + 40 : start + 65] = 1, 2
    crops = delineator_crops.Crops(answer.float(), answer, answer[:0].float(), seed=1)
    assert set(np.unique(crops.parts)) == {0, 1, 2, 4}
    for _ in range(8):
        wave, classes = crops._crop(torch.tensor(0), torch.arange(3))
        assert wave.shape == classes.shape == (3, 1600)
        kept = (wave - classes).abs() < 0.01
        assert kept[classes == 2].float().mean() > 0.9 and kept.float().mean() > 0.97


def test_samples_outside_the_marks_have_no_class():
    truth = marked([[4.0, 4.05, 4.1], [np.nan, 6.0, 6.05]], first=4.0, last=8.0)
    answer = delineator_crops.classes(truth, 2500, 250.0)[0, 0]
    unknown, qrs = delineator_crops.UNKNOWN, CLASSES.index("QRS")
    assert (answer[:1000] == unknown).all() and (answer[2001:] == unknown).all()
    assert (answer[1000:1026] == qrs).all() and answer[1030] == 0
    assert answer[1490] == unknown and answer[1505] == qrs


def test_training_is_deterministic_given_the_seed(ecgs):
    at = delineator.prepare(ecgs).repeat(1, 1, 2)
    answer = torch.zeros(at.shape, dtype=torch.int64)
    one, other = (delineator_training.train(at, answer, at[:1], seed=5, epochs=1) for _ in range(2))
    for name, weight in one.state_dict().items():
        torch.testing.assert_close(weight, other.state_dict()[name])


BEATS = [[at - 0.05, at, at + 0.05] for at in (1.0, 2.0, 3.0, 3.6, 5.0, 6.0)]
"""Six beats of 100 ms, the fourth premature."""


def beats_by_rhythm(qrs, p, name="Sinus rhythm", paced=False, expert_p=()):
    expert = {"P": np.array(expert_p, float).reshape(-1, 3), "QRS": np.array(BEATS), "T": np.zeros((0, 3))}
    truth = ludb.Marked(["1"], noise(1), [[ludb.LeadMarks(expert, 0.5, 6.5)] * 12], [name])
    ours = {"QRS": np.array(qrs, float).reshape(-1, 3), "P": np.array(p, float).reshape(-1, 3)}
    said = ["BIpolar ventricular pacing"] if paced else []
    return rhythm.by_rhythm(lambda row, lead, wave: ours[wave], truth, [said])


def test_perfect_marks_of_each_kind_of_beat():
    p = [[at - 0.2, at - 0.15, at - 0.1] for _, at, _ in BEATS]
    found = beats_by_rhythm(BEATS, p, expert_p=p)
    assert set(found) == {"sinus rhythm, QRS < 120 ms", "premature, QRS < 120 ms"}
    assert [one["beats"] for one in found.values()] == [4 * 12, 12]
    for one in found.values():
        assert (one["qrs_found"], one["p_found"], one["false_p"], one["expert_p"]) == (1, 1, 0, 1)
        assert one["duration_ms"] == one["onset_ms"] == [0, 0]


def test_false_p_waves_in_fibrillation_are_counted_per_beat():
    """One in the third beat; the one before the first beat is not scored."""
    found = beats_by_rhythm(BEATS, [[0.6, 0.7, 0.8], [2.5, 2.6, 2.7]], "Atrial fibrillation")["atrial fibrillation"]
    assert (found["false_p"], found["p_found"], found["beats"]) == (0.2, None, 60)


def test_errors_of_paced_and_missed_beats():
    early = [[onset - 0.02, peak, offset] for onset, peak, offset in BEATS[:-1]]
    found = beats_by_rhythm(early, [], "", paced=True)
    assert set(found) == {"paced"} and found["paced"]["qrs_found"] == 0.8
    assert found["paced"]["onset_ms"] == [-20, 0] and found["paced"]["duration_ms"] == [20, 0]
    assert beats_by_rhythm([], [], "", paced=True)["paced"]["duration_ms"] is None


def test_wide_beats_are_wide_in_most_leads():
    leads = np.concatenate([np.array(BEATS)] * 3 + [np.add(BEATS, [-0.05, 0, 0.05])] * 2)
    assert (rhythm.durations(np.array(BEATS)[:, 1], leads) < rhythm.WIDE).all()
    wide = np.concatenate([leads, np.add(BEATS, [-0.05, 0, 0.05]), np.add(BEATS, [-0.05, 0, 0.05])])
    assert (rhythm.durations(np.array(BEATS)[:, 1], wide) >= rhythm.WIDE).all()
