"""Values and masks of conditions, projection onto observed leads, preprocessing, and masking."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecggen import Condition, InputError
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS
from ecggen.core.filters import band_pass
from ecggen.core.simulate import PULSE_DELAY, simulate, simulated_peaks
from ecggen.training.masking import Masking


def full(n: int = 3) -> Condition:
    ecg = simulate(n)
    return (
        Condition.none(n, 10)
        .with_leads(ecg)
        .with_ppg(torch.randn(n, 1250), 125)
        .with_text([f"report {i}" for i in range(n)])
        .with_metadata(age=[50, None, 300], sex=["M", "F", None], heart_rate=70)
    )


def test_missing_metadata_are_masked():
    condition = full()
    assert condition.metadata_mask.tolist() == [[True, True, True], [False, True, True], [True, False, True]]
    assert condition.metadata.tolist() == [[50, 0, 70], [0, 1, 70], [90, 0, 70]]


def test_a_gap_in_a_lead_is_zero_and_masked():
    ecg = simulate(1).pick("II")
    mask = torch.ones(1, 1, 1000, dtype=torch.bool)
    mask[..., 300:400] = False
    condition = Condition.none(1).with_leads(ecg, mask)
    assert condition.leads[0, 1, 300:400].abs().max() == 0
    assert not condition.lead_mask[0, 1, 350] and condition.lead_mask[0, 1, 200]


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_dropping_leaves_zeros_behind_the_mask(seed, p):
    dropped = full().drop(p, np.random.default_rng(seed))
    assert dropped.leads[~dropped.lead_mask].abs().sum() == 0
    assert dropped.ppg[~dropped.ppg_mask].abs().sum() == 0
    assert dropped.metadata[~dropped.metadata_mask].abs().sum() == 0
    assert all(bool(text) == seen for text, seen in zip(dropped.text, dropped.text_mask.tolist(), strict=True))


def test_repeat_and_slice_and_cat_keep_records_together():
    condition = full()
    twice = condition.repeat(2)
    assert twice.text == ("report 0", "report 0", "report 1", "report 1", "report 2", "report 2")
    assert torch.equal(twice.leads[3], condition.leads[1])
    joined = Condition.cat([condition[:1], condition[1:]])
    assert torch.equal(joined.leads, condition.leads) and joined.text == condition.text


@given(st.lists(st.sampled_from(STANDARD_LEADS), min_size=1, unique=True), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_projection_is_the_nearest_ecg_with_the_observed_leads(leads, seed):
    """Compared with the minimum-norm solution of numpy, for any set of leads."""
    torch.manual_seed(seed)
    ecg = simulate(2, seconds=2, seed=seed)
    condition = Condition.none(2, 2).with_leads(ecg.pick(*leads))
    drawn = torch.randn(2, 8, 200)
    projected = project_onto_observed(drawn, condition)
    rows = LEAD_MATRIX[[STANDARD_LEADS.index(lead) for lead in leads]]
    given_leads = ecg.pick(*leads).signal.double().numpy()
    for i in range(2):
        step, *_ = np.linalg.lstsq(rows, given_leads[i] - rows @ drawn[i].double().numpy(), rcond=None)
        np.testing.assert_allclose(projected[i].numpy(), drawn[i].numpy() + step, atol=1e-5)


def test_projection_supports_masks_that_change_in_time():
    """As on paper: lead I in the first half, V1 in the second."""
    ecg = simulate(1, seconds=2)
    mask = torch.zeros(1, 2, 200, dtype=torch.bool)
    mask[0, 0, :100] = mask[0, 1, 100:] = True
    condition = Condition.none(1, 2).with_leads(ecg.pick("I", "V1"), mask)
    drawn = torch.zeros(1, 8, 200)
    projected = ECG(project_onto_observed(drawn, condition), INDEPENDENT_LEADS, 100)
    true = ecg.pick("I", "V1").signal * mask
    torch.testing.assert_close(projected.pick("I", "V1").signal, true)
    assert projected.pick("II", "V2").signal.abs().max() == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Condition.none(0), "0 records"),
        (lambda: Condition.none(1, 5).with_leads(simulate(1)), "the ECG lasts 10.00 s, the condition 5.00 s"),
        (lambda: Condition.none(2).with_leads(simulate(3)), "3 ECGs for 2 records"),
        (lambda: Condition.none(1).with_ppg(torch.full((1000,), torch.nan), 100), "the PPG holds values that are not"),
        (lambda: Condition.none(2).with_text(["a"]), "1 texts for 2 records"),
        (lambda: Condition.none(1).with_metadata(age=400), "age is 400; 0 to 120 was expected"),
        (lambda: Condition.none(1).with_metadata(sex="x"), "sex is 'x'; 'M' or 'F' was expected"),
        (lambda: Condition.none(1).with_metadata(heart_rate=-3), "heart rate is -3"),
    ],
)
def test_invalid_input_raises_an_input_error(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value)


def test_a_blank_report_is_masked():
    assert Condition.none(2).with_text(["  ", "AF"]).text_mask.tolist() == [False, True]


def test_the_filter_passes_the_ecg_and_removes_drift_and_muscle_noise():
    time = torch.arange(5000) / 500

    def gain(frequency: float) -> float:
        wave = torch.sin(2 * torch.pi * frequency * time)
        return float(band_pass(wave, 500, 0.5, 40)[1000:-1000].std() / wave[1000:-1000].std())

    assert gain(0.1) < 0.02 and gain(100) < 0.01
    assert gain(2) == pytest.approx(1, abs=0.02) and gain(20) == pytest.approx(1, abs=0.05)


def test_the_filter_has_zero_phase():
    ecg = simulate(1, fs=500, heart_rate=60).pick("II")
    filtered = band_pass(ecg.signal, 500, 0.5, 40)
    assert abs(int(filtered[0, 0, 1000:1500].argmax()) - int(ecg.signal[0, 0, 1000:1500].argmax())) <= 1


@pytest.mark.parametrize("samples", [150, 1000, 1001, 1900, 5437])
def test_windows_cover_everything_and_overlap(samples):
    windows = Preprocessor().windows(samples)
    assert windows[0][0] == 0 and windows[-1][1] == samples
    for (_, end), (start, _) in pairwise(windows):
        assert end - start >= 200
    assert all(end - start == min(samples, 1000) for start, end in windows)


def test_masking_follows_its_weights():
    rng = np.random.default_rng(0)
    condition = full().repeat(200)
    masked = Masking(lead_masks={"II V1 V5": 1.0}, condition_dropout={"text": 1.0, "ppg": 1.0}, crop_prob=0.5)(
        condition, rng
    )
    assert masked.observed_leads() == ("II", "V1", "V5") and not masked.text_mask.any()
    cut = ~masked.lead_mask[:, 1].all(-1)
    assert 0.4 < cut.float().mean() < 0.6
    assert masked.lead_mask[:, 1, :200].all()
    some = (
        Masking(lead_masks={"some": 1.0}, condition_dropout={"ppg": 1.0}, crop_prob=0)(condition, rng)
        .lead_mask[..., 0]
        .sum(1)
    )
    assert set(some.tolist()) == set(range(1, 12))
    with pytest.raises(InputError, match="masking drops 'txt'"):
        Masking(condition_dropout={"txt": 1.0})


def test_masking_with_and_without_a_ppg():
    rng = np.random.default_rng(0)
    condition = full().repeat(200)
    masked = Masking(
        lead_masks_with_ppg={"none": 1.0}, condition_dropout={"ppg": 0.5, "text": 1.0}, condition_dropout_alone={}
    )(condition, rng)
    with_ppg = masked.ppg_mask.any(-1)[:, 0]
    assert 0.4 < with_ppg.float().mean() < 0.6
    assert not masked.lead_mask[with_ppg].any() and masked.lead_mask[~with_ppg].any((1, 2)).float().mean() > 0.9
    # Without observed leads, text is never masked: condition_dropout_alone is empty here.
    with_leads = masked.lead_mask.any((1, 2))
    assert not masked.text_mask[with_leads].any() and masked.text_mask[~with_leads].all()
    assert masked.text_mask[with_ppg].all()
    none = Masking(
        lead_masks={"none": 1.0},
        condition_dropout={"ppg": 1.0, "text": 1.0},
        condition_dropout_alone={},
        uncond_prob=0.3,
    )(condition, rng)
    given_share = none.text_mask.float().mean()
    assert 0.6 < given_share < 0.8
    assert torch.equal(none.metadata_mask[:, 0], none.text_mask & condition.metadata_mask[:, 0])


def test_masking_simulates_missing_ppgs():
    rng = np.random.default_rng(0)
    heart = simulate(40, seconds=4, seed=1, heart_rate=75)
    condition = Condition.none(40, 4.0).with_leads(heart)
    beats = [simulated_peaks(4.0, 75)] * 40
    masked = Masking(simulated_ppg_prob=0.5, condition_dropout={}, crop_prob=0)(
        condition, rng, beats, Preprocessor(seconds=4)
    )
    with_ppg = masked.ppg_mask.any(-1)[:, 0]
    assert 8 < with_ppg.sum() < 32 and not masked.ppg[~with_ppg].any()
    assert torch.allclose(masked.ppg[with_ppg].square().mean(-1).sqrt(), torch.ones(int(with_ppg.sum()), 1), atol=1e-3)
    slope = masked.ppg[with_ppg][0, 0].diff()
    rises = [0.1 * k for k in range(40) if slope[10 * k : 10 * k + 10].max() > 0.6 * slope.max()]
    assert min(abs(rise + 0.05 - (beats[0][1] + PULSE_DELAY)) for rise in rises) < 0.1
