"""What every generator shares: windows, rates, padding, bands, and the truth of a Gaussian heart."""

import numpy as np
import pytest
import torch
from conftest import tiny

from ecggen import Condition, InputError
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.generators.base import Draws, Generator
from ecggen.generators.sampling import Noise, Sampling
from ecggen.training import calibration


class GaussianHeart(Generator):
    """Hearts whose eight leads are jointly normal at each sample: E[twelve | seen] is a matrix product."""

    def __init__(self, covariance: torch.Tensor):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=4)
        self.covariance = covariance
        self.root = torch.linalg.cholesky(covariance)

    def draw(self, condition, noise):
        # Draw freely, then move by the regression on what is seen (Matheron's rule): an exact conditional draw.
        free = self.root @ noise.normal(8, condition.samples)
        rows = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32)[condition.lead_mask[0, :, 0]]
        given = condition.leads[:, condition.lead_mask[0, :, 0]]
        gain = self.covariance @ rows.T @ torch.linalg.pinv(rows @ self.covariance @ rows.T)
        return free + gain @ (given - rows @ free)

    def loss(self, ecg, condition, group):
        raise AssertionError("nothing to learn")


class ShyHeart(Generator):
    """Hearts that vary by 1 mV about lead I, drawn with ``daring`` as much; it knows their mean.

    Its draws may be ``off`` in mV, and fainter than the mean: by ``faint`` of it.
    """

    def __init__(self, daring: float, off: float = 0.0, faint: float = 0.0):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=4)
        self.daring, self.off, self.faint = daring, off, faint

    def draw_many(self, condition, noise):
        middle = condition.leads[:, :1].expand(-1, 8, -1)
        known = middle.repeat_interleave(len(noise) // len(condition), 0)
        return Draws((1 - self.faint) * known + self.off + self.daring * noise.normal(8, condition.samples), middle)

    def draw(self, condition, noise):
        return self.draw_many(condition, noise).draws

    def loss(self, ecg, condition, group):
        raise AssertionError("nothing to learn")


@pytest.fixture
def gaussian():
    torch.manual_seed(0)
    mix = torch.randn(8, 8)
    return GaussianHeart(mix @ mix.T + 0.1 * torch.eye(8))


def waves(n: int, fs: float = 100, seconds: float = 4) -> ECG:
    """Lead I inside the model's band, so that preprocessing leaves it alone."""
    time = torch.arange(round(fs * seconds)) / fs
    signal = torch.stack([torch.sin(2 * torch.pi * (3 + i) * time) for i in range(n)])
    return ECG(signal[:, None], ("I",), fs)


def test_the_estimate_finds_the_conditional_mean_of_a_gaussian_heart(gaussian):
    ecg = waves(2)
    estimate = gaussian.reconstruct(Condition.none(2, 4).with_leads(ecg), num_draws=400, level=0.9)
    weights = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32) @ gaussian.covariance[:, 0] / gaussian.covariance[0, 0]
    expected = weights[:, None] * ecg.signal
    deviation = gaussian.covariance.diag().max().sqrt()
    error = (estimate.mean.signal - expected)[..., 50:-50]
    assert error.abs().mean() < 0.1 * deviation
    assert estimate.mean.leads == STANDARD_LEADS


def test_the_band_holds_what_it_says(gaussian):
    """New hearts with the same lead I fall into the 90 % band 90 % of the time."""
    ecg = waves(1)
    condition = Condition.none(1, 4).with_leads(ecg)
    estimate = gaussian.reconstruct(condition, num_draws=400, seed=1, level=0.9)
    fresh = gaussian.sample(condition.repeat(50), seed=999).signal
    inside = (fresh >= estimate.lower.signal) & (fresh <= estimate.upper.signal)
    assert inside[:, 1:].float().mean() == pytest.approx(0.9, abs=0.015)
    measured = STANDARD_LEADS.index("I")
    torch.testing.assert_close(
        estimate.lower.signal[:, measured], estimate.upper.signal[:, measured], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("draws", [24, 32, 100])
def test_few_draws_make_no_narrower_promise(gaussian, draws):
    """A further draw falls into the 90 % band of 24 draws as often as into that of 100."""
    condition = Condition.none(1, 4).with_leads(waves(1))
    shares = []
    for seed in range(20):
        estimate = gaussian.reconstruct(condition, num_draws=draws, seed=seed, level=0.9)
        fresh = gaussian.sample(condition.repeat(4), seed=1000 + seed).signal
        shares.append(((fresh >= estimate.lower.signal) & (fresh <= estimate.upper.signal))[:, 6:].float().mean())
    assert torch.stack(shares).mean() == pytest.approx(0.9, abs=0.012)


def test_band_scale_widens_the_band(gaussian):
    condition = Condition.none(1, 4).with_leads(waves(1))
    narrow = gaussian.reconstruct(condition, num_draws=64)
    gaussian.interval_scale.fill_(2.0)
    wide = gaussian.reconstruct(condition, num_draws=64)
    ratio = (wide.upper.signal - wide.lower.signal)[:, 6:] / (narrow.upper.signal - narrow.lower.signal)[:, 6:]
    assert ratio.median() == pytest.approx(2, abs=1e-3)


@pytest.mark.parametrize(("fs", "seconds"), [(512, 4.0), (250, 2.5), (511.7, 11.3), (100, 30.0), (64, 3.0), (1000, 9)])
def test_the_answer_has_the_recordings_rate_and_length(fs, seconds):
    ecg = simulate(1, seconds=seconds, fs=fs)
    answer = tiny("vae").sample(Condition.none(1, ecg.seconds, fs).with_leads(ecg.pick("I")))
    assert answer.fs == fs and answer.samples == ecg.samples
    torch.testing.assert_close(answer.pick("I").signal, ecg.pick("I").signal, atol=3e-6, rtol=0)


def test_long_recordings_are_joined_without_a_seam(gaussian):
    """Where the mean is a fixed mixture of the seen lead, windows must give what one window gives everywhere."""
    ecg = waves(1, seconds=23)
    estimate = gaussian.reconstruct(Condition.none(1, 23).with_leads(ecg), num_draws=300)
    weight = gaussian.covariance[1, 0] / gaussian.covariance[0, 0]
    error = (estimate.mean.pick("II").signal - weight * ecg.signal).abs()
    deviation = gaussian.covariance[1, 1].sqrt()
    assert error[..., 50:-50].amax() < 0.4 * deviation


def test_what_a_short_recording_is_padded_with_has_no_voice():
    generator = tiny("vae")
    ecg = simulate(1, seconds=2.5).pick("II")
    short = generator.sample(Condition.none(1, 2.5).with_leads(ecg))
    assert short.samples == 250


def test_noise_depends_on_seed_and_index_only():
    whole = Noise(3, range(10)).normal(4, 5)
    assert torch.equal(whole[6:8], Noise(3, range(6, 8)).normal(4, 5))
    assert not torch.equal(whole, Noise(-3, range(10)).normal(4, 5))
    assert abs(float(Noise(0, range(50)).normal(1000).std()) - 1) < 0.01


def test_mirrored_noise_comes_in_pairs_of_opposites():
    plain, mirrored = Noise(3, range(6)).normal(7), Noise(3, range(6), mirrored=True).normal(7)
    assert torch.equal(mirrored[0::2], plain[0::2]) and torch.equal(mirrored[1::2], -plain[0::2])
    assert torch.equal(Noise(3, range(3, 6), mirrored=True).normal(7), mirrored[3:])


def test_progress_ends_at_one(gaussian):
    shares = []
    gaussian.reconstruct(Condition.none(1, 13).with_leads(waves(1, seconds=13)), num_draws=2, progress=shares.append)
    assert len(shares) > 2 and shares == sorted(shares) and shares[-1] == 1.0


@pytest.mark.parametrize(("draws", "level"), [(1, 0.9), (8, 0.0), (8, 1.0)])
def test_estimate_refuses_what_makes_no_band(gaussian, draws, level):
    with pytest.raises(InputError, match="at least 2 draws and a level between 0 and 1"):
        gaussian.reconstruct(Condition.none(1, 4), num_draws=draws, level=level)


def test_contradicting_leads_are_met_in_the_middle(gaussian):
    ecg = simulate(1, seconds=4).pick("I", "II", "III")
    ecg.signal[:, 2] += 0.3
    answer = gaussian.sample(Condition.none(1, 4).with_leads(ecg))
    assert answer.law_residual().max() < 1e-5
    off = (answer.pick("I", "II", "III").signal - ecg.signal)[0, :, 100]
    np.testing.assert_allclose(off.numpy(), [-0.1, 0.1, -0.1], atol=1e-4)
    assert set(INDEPENDENT_LEADS) < set(answer.leads)


def test_a_window_that_does_not_fold_is_named():
    generator = tiny("vae")
    generator.preprocessor = Preprocessor(seconds=4.03)
    with pytest.raises(InputError, match="the window holds 403 samples; a multiple of 20 was expected"):
        generator.sample(Condition.none(1, 4))


def shown(n: int) -> Condition:
    return Condition.none(n, 4).with_leads(waves(n))


def test_spread_moves_draws_away_from_the_middle_and_not_what_is_seen():
    shy = ShyHeart(0.4)
    narrow = shy.sample(shown(3), seed=2)
    shy.ensemble_inflation[1] = 2.5
    shy.ensemble_inflation[1, -1] = 0.5
    wide = shy.sample(shown(3), seed=2)
    assert torch.equal(wide.pick("I").signal, narrow.pick("I").signal)
    middle = shy.preprocessor.condition(shown(3)).leads[:, :1]
    for lead in ("V1", "V6"):
        apart = [each.pick(lead).signal - middle for each in (wide, narrow)]
        times = 2.5 if lead == "V1" else 0.5
        torch.testing.assert_close(apart[0], times * apart[1], atol=1e-5, rtol=1e-5)
    alone = shy.sample(shown(3)[1:2], seed=2, first=1)
    torch.testing.assert_close(alone.signal, wide.signal[1:2])
    both = Condition.cat([shown(1), Condition.none(1, 4)])  # where no lead is seen, nothing is spread
    assert 0.3 < shy.sample(both, seed=2).signal[1].std() < 0.5


def test_a_center_leans_to_the_middle_as_far_as_it_is_told():
    shy, known = ShyHeart(0.1, off=1.0), shown(2)
    for share in (0.0, 0.25, 1.0):
        shy.mean_weight.fill_(share)
        off = (shy.reconstruct(known, num_draws=64).mean.pick("V3").signal - waves(2).signal).mean()
        assert abs(float(off) - (1 - share)) < 0.02


@pytest.mark.parametrize(("daring", "faint"), [(0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 0.4)])
def test_draws_are_spread_until_they_vary_as_hearts_do(daring, faint, monkeypatch):
    numbers = torch.Generator().manual_seed(0)
    given = waves(40)
    hearts = given.signal + torch.randn(40, 8, 400, generator=numbers)
    hearts[:, 0] = given.signal[:, 0]
    truth = ECG(hearts, INDEPENDENT_LEADS, 100.0).standard()

    def conditions_given(generator, pack, rows, leads, progress):
        picked = truth.pick("I") if leads else None
        nothing = Condition.none(40, 4)
        yield truth, nothing if picked is None else nothing.with_leads(picked)

    monkeypatch.setattr(calibration, "conditions_given", conditions_given)
    shy = ShyHeart(daring, off=1.0, faint=faint)
    calibration.fit_draws(shy, None, np.arange(40))
    calibration.fit_intervals(shy, None, np.arange(40))
    drawn = shy.sample(Condition.none(40, 4).with_leads(truth.pick("I")), seed=5).pick(*INDEPENDENT_LEADS).signal
    varied = drawn.var(-1).mean(0) / truth.pick(*INDEPENDENT_LEADS).signal.var(-1).mean(0)
    assert (varied - 1).abs().max() < 0.05
    if not faint:
        assert (shy.ensemble_inflation[1, 1:] * daring - 1).abs().max() < 0.05
    assert (shy.ensemble_inflation[0] == 1).all() and shy.ensemble_inflation[1, 0] == 1  # nothing seen; seen
    assert (shy.mean_weight[1, 1:] - 1).abs().max() < 0.05  # its draws are off, the middle is not


def test_draws_are_spread_by_other_draws_in_each_batch(monkeypatch):
    class Spied(ShyHeart):
        def draw_many(self, condition, noise):
            seen.append(list(noise.indices))
            return super().draw_many(condition, noise)

    seen: list[list[int]] = []
    hearts = torch.randn(2, 8, 400, generator=torch.Generator().manual_seed(0))
    parts = [(ECG(hearts, INDEPENDENT_LEADS, 100.0).standard(), shown(2))] * 3
    monkeypatch.setattr(calibration, "conditions_given", lambda *_: iter(parts))
    calibration.fit_draws(Spied(1.0), None, np.arange(6), draws=2)
    assert seen == [list(range(at, at + 4)) for at in (0, 4, 8)] * 3  # from one, two and three leads


def test_one_large_heart_does_not_choose_the_middles_share(monkeypatch):
    given = waves(40)
    hearts = given.signal[:, :1] + torch.randn(40, 8, 400, generator=torch.Generator().manual_seed(0))
    hearts[:, 0] = given.signal[:, 0]
    hearts[7, 1:] += 20 + 40 * torch.sin(torch.arange(400) / 10)  # the middle is right in all but this one
    truth = ECG(hearts, INDEPENDENT_LEADS, 100.0).standard()
    nothing = Condition.none(40, 4)
    monkeypatch.setattr(
        calibration,
        "conditions_given",
        lambda *of: iter([(truth, nothing.with_leads(truth.pick("I")) if of[3] else nothing)]),
    )
    shy = ShyHeart(0.1, off=1.0)
    calibration.fit_intervals(shy, None, np.arange(40))
    assert (shy.mean_weight[1, 1:] > 0.8).all()


def test_a_family_without_a_middle_is_not_spread(gaussian, monkeypatch):
    monkeypatch.setattr(calibration, "conditions_given", lambda *_: iter([(waves(2).pick("I"), shown(2))]))
    calibration.fit_draws(gaussian, None, np.arange(2))
    assert (gaussian.ensemble_inflation == 1).all()


@pytest.mark.parametrize(
    "seen, has_text_or_metadata, left",
    [
        (False, True, Sampling(10, 2.1, None, 0.4, 0.85)),
        (True, True, Sampling(4, 2.1, None, 0.0, 0.85)),
        (False, False, Sampling(10)),
        (True, False, Sampling(4)),
    ],
)
def test_what_has_no_part_in_sampling_is_not_told(seen, has_text_or_metadata, left):
    assert Sampling(10, 2.1, 4, 0.4, 0.85).used(seen, has_text_or_metadata) == left


@pytest.mark.parametrize("wrong", [{"pag_scale": -1}, {"pag_scale": float("nan")}, {"guidance_interval": 1.1}])
def test_impossible_sampling_is_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        Sampling(4, **wrong)
