"""Base of generators: windows, rates, padding, prediction intervals, and exact results for Gaussian records."""

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


class GaussianGenerator(Generator):
    """Records whose eight leads are jointly normal at each sample: E[twelve | observed] is a matrix product."""

    def __init__(self, covariance: torch.Tensor):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=4)
        self.covariance = covariance
        self.root = torch.linalg.cholesky(covariance)

    def draw(self, condition, noise):
        # Unconditional draw plus regression on the residual (Matheron's rule): an exact conditional draw.
        free = self.root @ noise.normal(8, condition.samples)
        rows = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32)[condition.lead_mask[0, :, 0]]
        given = condition.leads[:, condition.lead_mask[0, :, 0]]
        gain = self.covariance @ rows.T @ torch.linalg.pinv(rows @ self.covariance @ rows.T)
        return free + gain @ (given - rows @ free)

    def loss(self, ecg, condition, group):
        raise AssertionError("nothing to learn")


class UnderdispersedGenerator(Generator):
    """Records that vary by 1 mV about lead I, with draws that vary by ``scale`` mV.

    The deterministic prediction is the mean. Draws may have a ``bias`` in mV, and a mean reduced by ``damping``.
    """

    def __init__(self, scale: float, bias: float = 0.0, damping: float = 0.0):
        super().__init__()
        self.preprocessor = Preprocessor(seconds=4)
        self.scale, self.bias, self.damping = scale, bias, damping

    def draw_many(self, condition, noise):
        center = condition.leads[:, :1].expand(-1, 8, -1)
        known = center.repeat_interleave(len(noise) // len(condition), 0)
        return Draws((1 - self.damping) * known + self.bias + self.scale * noise.normal(8, condition.samples), center)

    def draw(self, condition, noise):
        return self.draw_many(condition, noise).draws

    def loss(self, ecg, condition, group):
        raise AssertionError("nothing to learn")


@pytest.fixture
def gaussian():
    torch.manual_seed(0)
    mix = torch.randn(8, 8)
    return GaussianGenerator(mix @ mix.T + 0.1 * torch.eye(8))


def waves(n: int, fs: float = 100, seconds: float = 4) -> ECG:
    """Lead I within the pass band of the model, so that preprocessing does not change it."""
    time = torch.arange(round(fs * seconds)) / fs
    signal = torch.stack([torch.sin(2 * torch.pi * (3 + i) * time) for i in range(n)])
    return ECG(signal[:, None], ("I",), fs)


def test_the_point_estimate_is_the_conditional_mean(gaussian):
    ecg = waves(2)
    estimate = gaussian.reconstruct(Condition.none(2, 4).with_leads(ecg), num_draws=400, level=0.9)
    weights = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32) @ gaussian.covariance[:, 0] / gaussian.covariance[0, 0]
    expected = weights[:, None] * ecg.signal
    deviation = gaussian.covariance.diag().max().sqrt()
    error = (estimate.mean.signal - expected)[..., 50:-50]
    assert error.abs().mean() < 0.1 * deviation
    assert estimate.mean.leads == STANDARD_LEADS


def test_prediction_intervals_have_their_nominal_coverage(gaussian):
    """90 % of new records with the same lead I are within the 90 % interval."""
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
    """The coverage of a further draw is the same for 24 and for 100 draws."""
    condition = Condition.none(1, 4).with_leads(waves(1))
    shares = []
    for seed in range(20):
        estimate = gaussian.reconstruct(condition, num_draws=draws, seed=seed, level=0.9)
        fresh = gaussian.sample(condition.repeat(4), seed=1000 + seed).signal
        shares.append(((fresh >= estimate.lower.signal) & (fresh <= estimate.upper.signal))[:, 6:].float().mean())
    assert torch.stack(shares).mean() == pytest.approx(0.9, abs=0.012)


def test_interval_scale_widens_the_interval(gaussian):
    condition = Condition.none(1, 4).with_leads(waves(1))
    narrow = gaussian.reconstruct(condition, num_draws=64)
    gaussian.interval_scale.fill_(2.0)
    wide = gaussian.reconstruct(condition, num_draws=64)
    ratio = (wide.upper.signal - wide.lower.signal)[:, 6:] / (narrow.upper.signal - narrow.lower.signal)[:, 6:]
    assert ratio.median() == pytest.approx(2, abs=1e-3)


@pytest.mark.parametrize(("fs", "seconds"), [(512, 4.0), (250, 2.5), (511.7, 11.3), (100, 30.0), (64, 3.0), (1000, 9)])
def test_the_reconstruction_has_the_rate_and_length_of_the_recording(fs, seconds):
    ecg = simulate(1, seconds=seconds, fs=fs)
    answer = tiny("vae").sample(Condition.none(1, ecg.seconds, fs).with_leads(ecg.pick("I")))
    assert answer.fs == fs and answer.samples == ecg.samples
    torch.testing.assert_close(answer.pick("I").signal, ecg.pick("I").signal, atol=3e-6, rtol=0)


def test_long_recordings_are_joined_without_a_seam(gaussian):
    """If the mean is a linear function of the observed lead, several windows give the same result as one."""
    ecg = waves(1, seconds=23)
    estimate = gaussian.reconstruct(Condition.none(1, 23).with_leads(ecg), num_draws=300)
    weight = gaussian.covariance[1, 0] / gaussian.covariance[0, 0]
    error = (estimate.mean.pick("II").signal - weight * ecg.signal).abs()
    deviation = gaussian.covariance[1, 1].sqrt()
    assert error[..., 50:-50].amax() < 0.4 * deviation


def test_padding_of_a_short_recording_has_no_effect():
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
def test_reconstruct_refuses_invalid_numbers_of_draws_and_levels(gaussian, draws, level):
    with pytest.raises(InputError, match="at least 2 draws and a level between 0 and 1"):
        gaussian.reconstruct(Condition.none(1, 4), num_draws=draws, level=level)


def test_contradicting_leads_are_averaged(gaussian):
    ecg = simulate(1, seconds=4).pick("I", "II", "III")
    ecg.signal[:, 2] += 0.3
    answer = gaussian.sample(Condition.none(1, 4).with_leads(ecg))
    assert answer.law_residual().max() < 1e-5
    bias = (answer.pick("I", "II", "III").signal - ecg.signal)[0, :, 100]
    np.testing.assert_allclose(bias.numpy(), [-0.1, 0.1, -0.1], atol=1e-4)
    assert set(INDEPENDENT_LEADS) < set(answer.leads)


def test_a_window_that_does_not_fold_is_named():
    generator = tiny("vae")
    generator.preprocessor = Preprocessor(seconds=4.03)
    with pytest.raises(InputError, match="the window has 403 samples; a multiple of 20 was expected"):
        generator.sample(Condition.none(1, 4))


def lead_i(n: int) -> Condition:
    return Condition.none(n, 4).with_leads(waves(n))


def test_inflation_scales_deviations_of_generated_leads_only():
    model = UnderdispersedGenerator(0.4)
    narrow = model.sample(lead_i(3), seed=2)
    model.ensemble_inflation[1] = 2.5
    model.ensemble_inflation[1, -1] = 0.5
    wide = model.sample(lead_i(3), seed=2)
    assert torch.equal(wide.pick("I").signal, narrow.pick("I").signal)
    center = model.preprocessor.condition(lead_i(3)).leads[:, :1]
    for lead in ("V1", "V6"):
        deviations = [each.pick(lead).signal - center for each in (wide, narrow)]
        times = 2.5 if lead == "V1" else 0.5
        torch.testing.assert_close(deviations[0], times * deviations[1], atol=1e-5, rtol=1e-5)
    alone = model.sample(lead_i(3)[1:2], seed=2, first=1)
    torch.testing.assert_close(alone.signal, wide.signal[1:2])
    both = Condition.cat([lead_i(1), Condition.none(1, 4)])  # without observed leads, inflation is 1
    assert 0.3 < model.sample(both, seed=2).signal[1].std() < 0.5


def test_mean_weight_interpolates_the_point_estimate():
    model, known = UnderdispersedGenerator(0.1, bias=1.0), lead_i(2)
    for share in (0.0, 0.25, 1.0):
        model.mean_weight.fill_(share)
        bias = (model.reconstruct(known, num_draws=64).mean.pick("V3").signal - waves(2).signal).mean()
        assert abs(float(bias) - (1 - share)) < 0.02


@pytest.mark.parametrize(("scale", "damping"), [(0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 0.4)])
def test_inflation_is_fitted_to_the_variance_of_records(scale, damping, monkeypatch):
    numbers = torch.Generator().manual_seed(0)
    given = waves(40)
    records = given.signal + torch.randn(40, 8, 400, generator=numbers)
    records[:, 0] = given.signal[:, 0]
    truth = ECG(records, INDEPENDENT_LEADS, 100.0).standard()

    def conditions_given(generator, pack, rows, leads, progress):
        picked = truth.pick("I") if leads else None
        nothing = Condition.none(40, 4)
        yield truth, nothing if picked is None else nothing.with_leads(picked)

    monkeypatch.setattr(calibration, "conditions_given", conditions_given)
    model = UnderdispersedGenerator(scale, bias=1.0, damping=damping)
    calibration.fit_ensemble_inflation(model, None, np.arange(40))
    calibration.fit_intervals(model, None, np.arange(40))
    drawn = model.sample(Condition.none(40, 4).with_leads(truth.pick("I")), seed=5).pick(*INDEPENDENT_LEADS).signal
    varied = drawn.var(-1).mean(0) / truth.pick(*INDEPENDENT_LEADS).signal.var(-1).mean(0)
    assert (varied - 1).abs().max() < 0.05
    if not damping:
        assert (model.ensemble_inflation[1, 1:] * scale - 1).abs().max() < 0.05
    assert (model.ensemble_inflation[0] == 1).all() and model.ensemble_inflation[1, 0] == 1
    assert (model.mean_weight[1, 1:] - 1).abs().max() < 0.05  # draws are biased, the deterministic prediction is not


def test_inflation_is_fitted_with_different_draws_in_each_batch(monkeypatch):
    class Spied(UnderdispersedGenerator):
        def draw_many(self, condition, noise):
            calls.append(list(noise.indices))
            return super().draw_many(condition, noise)

    calls: list[list[int]] = []
    records = torch.randn(2, 8, 400, generator=torch.Generator().manual_seed(0))
    parts = [(ECG(records, INDEPENDENT_LEADS, 100.0).standard(), lead_i(2))] * 3
    monkeypatch.setattr(calibration, "conditions_given", lambda *_: iter(parts))
    calibration.fit_ensemble_inflation(Spied(1.0), None, np.arange(6), draws=2)
    assert calls == [list(range(at, at + 4)) for at in (0, 4, 8)] * 3  # from one, two and three leads


def test_one_record_of_high_amplitude_does_not_determine_the_mean_weight(monkeypatch):
    given = waves(40)
    records = given.signal[:, :1] + torch.randn(40, 8, 400, generator=torch.Generator().manual_seed(0))
    records[:, 0] = given.signal[:, 0]
    records[7, 1:] += 20 + 40 * torch.sin(torch.arange(400) / 10)
    truth = ECG(records, INDEPENDENT_LEADS, 100.0).standard()
    nothing = Condition.none(40, 4)
    monkeypatch.setattr(
        calibration,
        "conditions_given",
        lambda *of: iter([(truth, nothing.with_leads(truth.pick("I")) if of[3] else nothing)]),
    )
    model = UnderdispersedGenerator(0.1, bias=1.0)
    calibration.fit_intervals(model, None, np.arange(40))
    assert (model.mean_weight[1, 1:] > 0.8).all()


def test_without_deterministic_prediction_inflation_is_not_fitted(gaussian, monkeypatch):
    monkeypatch.setattr(calibration, "conditions_given", lambda *_: iter([(waves(2).pick("I"), lead_i(2))]))
    calibration.fit_ensemble_inflation(gaussian, None, np.arange(2))
    assert (gaussian.ensemble_inflation == 1).all()


@pytest.mark.parametrize(
    "observed, has_text_or_metadata, active",
    [
        (False, True, Sampling(10, 2.1, None, 0.4, 0.85)),
        (True, True, Sampling(4, 2.1, None, 0.0, 0.85)),
        (False, False, Sampling(10)),
        (True, False, Sampling(4)),
    ],
)
def test_inactive_sampling_options_are_not_reported(observed, has_text_or_metadata, active):
    assert Sampling(10, 2.1, 4, 0.4, 0.85).used(observed, has_text_or_metadata) == active


@pytest.mark.parametrize("wrong", [{"pag_scale": -1}, {"pag_scale": float("nan")}, {"guidance_interval": 1.1}])
def test_impossible_sampling_is_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        Sampling(4, **wrong)
