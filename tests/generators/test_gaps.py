"""Recordings with gaps: masks in time, bridging, what is exact, what is marked as generated, and paper strips."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny

from ecggen import Condition, InputError
from ecggen.conditioning.gaps import bridged
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.conditioning.projection import determined, project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, Provenance
from ecggen.core.gaps import with_levels
from ecggen.core.simulate import simulate
from ecggen.generators import registry
from ecggen.generators.intervals import by_observed
from ecggen.generators.partial_leads import continue_into_gaps, match_beats
from ecggen.io.quality import check_laws, check_quality

NAMES = registry.names()
COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))


def holed(*holes: tuple[str, float, float], n: int = 1, fs: float = 250, seconds: float = 4, leads=("I", "V1")) -> ECG:
    """Simulated leads without samples from ``first`` to ``last`` s of some leads."""
    ecg = simulate(n, seconds=seconds, fs=fs, seed=2, heart_rate=75).pick(*leads)
    for lead, first, last in holes:
        ecg.signal[:, ecg.leads.index(lead), round(first * fs) : round(last * fs)] = torch.nan
    return ecg


def strips(fs: float = 250, seconds: float = 8, rhythm: bool = False) -> ECG:
    """Twelve leads, each recorded for a quarter of the time, as on paper; with ``rhythm``, lead II throughout."""
    ecg = simulate(1, seconds=seconds, fs=fs, seed=2, heart_rate=150).standard()
    mask = torch.zeros(12, ecg.samples, dtype=torch.bool)
    for number, leads in enumerate(COLUMNS):
        for lead in leads:
            mask[STANDARD_LEADS.index(lead), number * ecg.samples // 4 : (number + 1) * ecg.samples // 4] = True
    mask[1] |= rhythm
    return replace(ecg, signal=ecg.signal.where(mask, torch.nan))


def test_missing_samples_are_masked():
    ecg = holed(("I", 1, 2))
    condition = Condition(ecg)
    row = STANDARD_LEADS.index("I")
    assert condition.lead_mask[0, row].sum() == 750 and not condition.lead_mask[0, row, 250:500].any()
    assert torch.isfinite(condition.leads).all() and condition.leads[0, row, 250:500].abs().max() == 0
    explicit = torch.ones(1, 2, 1000, dtype=torch.bool)
    explicit[0, 1, :100] = False
    both = Condition(ecg, lead_mask=explicit).lead_mask
    assert both[0, row].sum() == 750 and both[0, STANDARD_LEADS.index("V1")].sum() == 900


def test_missing_samples_of_a_ppg_are_masked():
    wave = torch.sin(torch.arange(1250) / 10)
    wave[500:600] = torch.nan
    condition = Condition(ppg=wave, ppg_fs=125)
    assert condition.ppg_mask.sum() == 1150 and torch.isfinite(condition.ppg).all()
    prepared = Preprocessor().condition(condition)
    assert prepared.ppg_mask.sum() == 920 and prepared.ppg[~prepared.ppg_mask].abs().sum() == 0


@pytest.mark.parametrize("name", NAMES)
def test_recorded_samples_come_back_and_the_others_have_an_interval(name):
    generator = tiny(name)
    ecg = holed(("I", 1, 2.5), ("V1", 0, 0.5), n=2)
    found = generator.reconstruct(ecg, num_draws=4)
    present = torch.isfinite(ecg.signal)
    for one in (found.mean, found.lower, found.upper, found.draws[:4], generator.sample(Condition(ecg))):
        given = ecg.signal[:1].expand(len(one), -1, -1) if len(one) == 4 else ecg.signal
        here = torch.isfinite(given)
        error = (one.pick("I", "V1").signal - given)[here].abs()
        assert error.max() < 3e-6
        assert torch.isfinite(one.signal).all()
    width = (found.upper.signal - found.lower.signal)[:, [STANDARD_LEADS.index(lead) for lead in ecg.leads]]
    assert width[present].max() == 0 and (width[~present] > 0).float().mean() > 0.95
    assert found.mean.law_residual().max() < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_values_behind_the_mask_never_affect_the_result(name):
    generator = tiny(name)
    ecg = holed(("I", 1, 2.5))
    mask = torch.isfinite(ecg.signal)
    filled = [replace(ecg, signal=ecg.signal.where(mask, value)) for value in (0.0, 40.0)]
    results = [generator.sample(Condition(one, lead_mask=mask), seed=3).signal for one in (ecg, *filled)]
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
    condition = Condition(ecg)
    dirty = condition.replace(leads=condition.leads + 9 * ~condition.lead_mask)
    torch.testing.assert_close(generator.sample(dirty, seed=3).signal, results[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_with_a_gap_does_not_depend_on_its_batch(name):
    generator = tiny(name)
    whole, gap = holed(n=3), holed(("I", 1, 2.5), n=3)
    mixed = replace(whole, signal=torch.cat([whole.signal[:1], gap.signal[1:2], whole.signal[2:]]))
    together = generator.sample(Condition(mixed), seed=5).signal
    for i in range(3):
        alone = generator.sample(Condition(mixed[i]), seed=5, first=i).signal
        torch.testing.assert_close(together[i : i + 1], alone, atol=2e-5, rtol=1e-4)


def test_a_lead_that_is_recorded_in_part_is_marked():
    generator = tiny("vae")
    mean = generator.reconstruct(holed(("I", 1, 2.5)), num_draws=2).mean
    origin = mean.provenance
    assert origin.recorded == ("I", "V1") and "I" in origin.generated and "V1" not in origin.generated
    assert origin.parts == (("I", 1.0, 2.5),)
    at = mean.is_generated()
    assert at[0].nonzero().ravel().tolist() == list(range(250, 625))
    assert at[1].all() and not at[STANDARD_LEADS.index("V1")].any()
    assert Provenance.parse(origin.lines()) == origin
    assert mean.crop(1.5, 2).provenance.parts == (("I", 0.0, 1.0),)
    later = mean.crop(3).provenance
    assert later.parts == () and "I" not in later.generated and "II" in later.generated


def test_a_sample_that_follows_from_other_leads_is_derived_not_generated():
    whole = simulate(1, seconds=4, fs=250, seed=2).pick("I", "II", "III")
    ecg = replace(whole, signal=whole.signal.clone())
    ecg.signal[0, 0, 250:500] = torch.nan
    found = tiny("vae").reconstruct(ecg, num_draws=2)
    assert found.notes == ("lead I: 1.0 s without samples were derived from other leads",)
    assert found.mean.provenance.parts == () and "I" not in found.mean.provenance.generated
    torch.testing.assert_close(found.mean.pick("I").signal, whole.pick("I").signal, atol=1e-4, rtol=0)


def test_short_gaps_are_bridged_and_longer_ones_generated_with_a_note_on_each():
    ecg = holed(("I", 1, 1.02), ("V1", 1, 1.02), ("I", 2, 2.1), ("V1", 3, 3.5))
    known, notes = bridged(ecg)
    assert notes == (
        "leads I, V1: 5 samples bridged (0.020 s at 1.000 s)",
        "lead I: 25 samples bridged by the model (0.100 s at 2.000 s)",
        "lead V1: 0.500 s without samples were generated",
    )
    line = torch.from_numpy(np.interp(np.arange(250, 255), [249, 255], ecg.signal[0, 0, [249, 255]].numpy())).float()
    torch.testing.assert_close(known.signal[0, 0, 250:255], line)
    assert torch.isnan(known.signal[0, 0]).sum() == 25
    assert tiny("gan").reconstruct(ecg, num_draws=2).notes == notes
    many = holed(*(("I", at, at + 0.02) for at in (1, 2, 3)))
    assert bridged(many)[1] == ("lead I: 15 samples in 3 gaps bridged (the first at 1.000 s)",)
    whole = holed()
    assert bridged(whole)[0] is whole and bridged(whole)[1] == ()


def test_bridging_never_contradicts_a_recorded_lead():
    """I and II are interpolated where III is recorded: one of them only, the other follows."""
    ecg = simulate(1, seconds=4, fs=500, seed=2).pick("I", "II", "III")
    ecg.signal[0, :2, 1000:1010] = torch.nan
    known, notes = bridged(ecg)
    assert torch.isfinite(known.signal[0, 0]).all() and torch.isnan(known.signal[0, 1]).sum() == 10
    assert notes == (
        "lead I: 10 samples bridged (0.020 s at 2.000 s)",
        "lead II: 0.020 s without samples were derived from other leads",
    )
    mean = tiny("vae").sample(Condition(known))
    torch.testing.assert_close(mean.pick("III").signal, ecg.pick("III").signal, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("holes", "message"),
    [
        ((("I", 0.5, 4), ("V1", 0, 3)), "no lead has samples for more than 1.00 s of 4.00 s; at least 2 s of one lead"),
        (
            (("I", 2.1, 9), ("V1", 2.5, 7)),
            "no lead has samples from 2.50 to 7.00 s; at most 2 s without any lead were expected; "
            "use a part, e.g. start=7, seconds=3",
        ),
    ],
)
def test_a_recording_with_too_little_left_is_refused(holes, message):
    seconds = 4 if holes[0][2] == 4 else 10
    with pytest.raises(InputError) as error:
        tiny("vae").reconstruct(holed(*holes, seconds=seconds), num_draws=2)
    assert message in str(error.value)


@pytest.mark.parametrize("rhythm", [False, True])
def test_paper_strips_become_twelve_leads(rhythm):
    ecg = strips(rhythm=rhythm)
    found = tiny("vae").reconstruct(ecg, num_draws=4)
    present, mean = torch.isfinite(ecg.signal), found.mean
    assert torch.isfinite(mean.signal).all() and mean.law_residual().max() < 1e-5
    torch.testing.assert_close(mean.signal[present], ecg.signal[present], atol=3e-6, rtol=0)
    assert mean.provenance.recorded == STANDARD_LEADS
    assert ("II" in mean.provenance.generated) != rhythm
    assert ("I", 4.0, 8.0) in mean.provenance.parts and ("V4", 0.0, 6.0) in mean.provenance.parts
    # I, II and III determine the other limb leads, and aVR, aVL and aVF determine I and II.
    assert not any(lead.startswith("a") and first < 4 for lead, first, _ in mean.provenance.parts)
    check_quality(ecg)
    check_laws(ecg)
    swapped = replace(ecg, leads=("II", "I", *ecg.leads[2:]))
    with pytest.raises(InputError, match="contradict"):
        check_laws(swapped)


def test_borders_of_a_gap_have_no_step_and_the_baseline_continues():
    """A generator that knows nothing: it draws zero, and the recording has an offset of 0.5 mV and no beats."""
    time = torch.arange(1000) / 250
    wave = 0.5 + 0.01 * torch.sin(2 * torch.pi * 7 * time)
    ecg = ECG(wave.expand(1, 2, -1).clone(), ("I", "V1"), 250)
    ecg.signal[:, :, 400:600] = torch.nan
    eight = continue_into_gaps(torch.zeros(1, 8, 1000), Condition(ecg), baseline=True)
    for row in (0, 2):
        jumps = eight[0, row].diff().abs()
        assert jumps[395:605].max() < 1.5 * jumps[:390].max()
        torch.testing.assert_close(eight[0, row, 420:580], torch.full((160,), 0.5), atol=0.01, rtol=0)
    torch.testing.assert_close(eight[0, 0, :400], wave[:400])
    alone = continue_into_gaps(torch.zeros(1, 8, 1000), Condition(ecg), baseline=False)
    assert alone[0, 0, 500].abs() < 1e-3 and (alone[0, 0, 399] - alone[0, 0, 400]).abs() < 0.06


def test_generated_beats_get_the_shape_of_the_recorded_beats():
    true = simulate(1, seconds=10, fs=100, seed=4, heart_rate=72).pick(*INDEPENDENT_LEADS)
    mask = torch.ones(1, 8, 1000, dtype=torch.bool)
    mask[0, 2, 400:] = False  # V1 is recorded for 4 s
    condition = Condition(true, lead_mask=mask)
    eight = true.signal.clone()
    eight[0, 2, 400:] *= 0.3
    eight = project_onto_observed(eight, condition)
    matched = match_beats(eight, condition)
    before, after = ((each - true.signal)[0, 2, 420:960].square().mean().sqrt() for each in (eight, matched))
    assert after < 0.35 * before
    assert torch.equal(matched[:, [0, 1, 3, 4, 5, 6, 7]], eight[:, [0, 1, 3, 4, 5, 6, 7]])
    assert torch.equal(matched[..., :400], eight[..., :400])
    few = mask.clone()
    few[0, 2, 20:] = False  # too little of a beat to compare with
    assert torch.equal(match_beats(eight, Condition(true, lead_mask=few)), eight)


def test_filters_see_no_steps_at_the_borders_of_a_gap():
    whole = simulate(1, seconds=10, fs=500, seed=1, heart_rate=70).pick("II")
    whole = replace(whole, signal=whole.signal + 1.5)  # an offset that would ring at a step to zero
    ecg = replace(whole, signal=whole.signal.clone())
    ecg.signal[..., 2000:3000] = torch.nan
    known, true = (Preprocessor().condition(Condition(one)) for one in (ecg, whole))
    row, mask = STANDARD_LEADS.index("II"), known.lead_mask[0, STANDARD_LEADS.index("II")]
    assert mask.sum() == 800
    error = (known.leads - true.leads)[0, row][mask].abs()
    assert error.max() < 0.15 and error.median() < 0.005
    resampled = ecg.resample(100).signal
    assert torch.isnan(resampled).sum() == 200
    kept = torch.isfinite(resampled)
    assert (resampled - whole.resample(100).signal)[kept].abs().max() < 0.1


def test_levels_depend_on_observed_samples_only():
    wave, observed = np.arange(10.0), np.ones(10, bool)
    observed[3:8] = False
    filled = with_levels(np.where(observed, wave, np.nan), observed, fs=2)
    assert np.isfinite(filled).all() and (filled[observed] == wave[observed]).all()
    assert filled[3:8] == pytest.approx(np.interp(np.arange(5) + 0.5, [0, 5], [1.5, 8.5]))


def test_projection_with_masks_per_sample_equals_least_squares():
    numbers = torch.Generator().manual_seed(0)
    true = simulate(2, seconds=1, seed=3).standard()
    mask = torch.rand(2, 12, 100, generator=numbers) < 0.4
    condition = Condition(true, lead_mask=mask)
    drawn = torch.randn(2, 8, 100, generator=numbers)
    projected, follows = project_onto_observed(drawn, condition), determined(mask)
    for record, sample in ((0, 0), (0, 57), (1, 99)):
        rows = LEAD_MATRIX[mask[record, :, sample].numpy()]
        given = true.signal[record, mask[record, :, sample], sample].double().numpy()
        here = drawn[record, :, sample].double().numpy()
        step = np.linalg.pinv(rows) @ (given - rows @ here)
        np.testing.assert_allclose(projected[record, :, sample].numpy(), here + step, atol=1e-5)
        rank = np.linalg.matrix_rank(rows)
        for lead, row in enumerate(LEAD_MATRIX):
            assert bool(follows[record, lead, sample]) == (np.linalg.matrix_rank(np.vstack([rows, row])) == rank)


def test_a_lead_without_calibration_has_the_value_of_fewer_observed_leads():
    """Row 3 was calibrated with II, V1 and V5 observed; there, II has the value of row 1, and V1 that of row 2."""
    table = torch.arange(4.0)[:, None] + torch.arange(12) / 100
    gap = by_observed(table, Condition(strips()))[0, :, 0]
    assert gap[STANDARD_LEADS.index("I")] == 3 and gap[STANDARD_LEADS.index("II")] == pytest.approx(1.01)
    assert gap[STANDARD_LEADS.index("V1")] == pytest.approx(2.06) and gap[STANDARD_LEADS.index("V2")] == 3.07
    twelve = simulate(1, seconds=8, fs=250)
    assert torch.equal(by_observed(table, Condition(twelve.pick("II", "V1", "V5")))[0, :, 0], table[3])
    other = by_observed(table, Condition(twelve.pick("V1")))[0, :, 0]  # row 1 was calibrated with I observed
    assert other[STANDARD_LEADS.index("I")] == 0 and other[STANDARD_LEADS.index("II")] == pytest.approx(1.01)
