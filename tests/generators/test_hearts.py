"""Heart-first generation: laws of the drawn records, and of the maps between records and codes."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ecggen import Condition
from ecggen.core.beats import ABNORMAL, NORMAL, Beats, decompose, rendered
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint, registry
from ecggen.generators.hearts.code import HeartCode
from ecggen.generators.hearts.features import ConditionFeatures
from ecggen.generators.hearts.flutter import conducted, flutter_cycle
from ecggen.generators.hearts.model import (
    HEART,
    LARGEST_BEAT,
    OVERLAP,
    Given,
    HeartFirst,
    Hearts,
    HeartSizes,
    _fade,
    _starts,
)
from ecggen.generators.hearts.quantiles import QuantileMap
from ecggen.generators.hearts.residual import (
    BANDS,
    LEADS,
    LEVELS,
    Levels,
    Whitening,
    envelope,
    excess,
    folded,
    nearest_beat,
    unexplained,
    unfolded,
)
from ecggen.generators.hearts.rhythm import (
    COUPLING,
    DETAILS,
    ECTOPIC,
    NUMBERS,
    PREMATURE,
    PREMATURE_SHARE,
    SHARE,
    Rhythm,
    RhythmModel,
    has_ectopic,
    rhythm_details,
    rhythm_numbers,
)
from ecggen.metrics.functional.variability import aligned_beats, variance_split

SMALL = {"components": 12, "latents": 10, "code_width": 16, "width": 16, "blocks": 1, "rhythm_width": 8,
         "levels_width": 8, "residual_width": 8,
         "dilations": [1, 2]}  # fmt: skip


def qrs(sizes: torch.Tensor) -> torch.Tensor:
    """Median beats (batch, 8, 96) with a QRS of given sizes (batch, 8), narrow and biphasic."""
    time = (torch.arange(96) - 40) / 100
    wave = torch.exp(-((time / 0.02) ** 2) / 2) - 0.4 * torch.exp(-(((time - 0.05) / 0.02) ** 2) / 2)
    return sizes[..., None] * wave


@pytest.fixture(scope="module")
def generator():
    """A flow whose heart-first model has random weights, but draws QRS complexes and nearly regular rhythms."""
    torch.manual_seed(0)
    made = registry.generator("flow", {"hearts": SMALL}, "[model]").eval()
    for parameter in made.heart_first.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.02 * torch.randn_like(parameter))
    sizes = torch.randn(500, 8, generator=torch.Generator().manual_seed(1)).mul(0.2).exp()
    made.heart_first.code.fit(qrs(sizes))
    rhythm = made.heart_first.rhythm
    with torch.no_grad():  # nearly regular beats, all of them normal
        rhythm.kind.bias.copy_(torch.tensor([9.0, -9.0]))
        rhythm.gap[-1].weight.zero_()
        rhythm.gap[-1].bias.copy_(torch.tensor([0.0] * 10 + [-3.0] * 5))
    levels = made.heart_first.level_map.quantiles
    levels.copy_(torch.linspace(-0.1, 0.1, levels.shape[1]).repeat(len(levels), 1) - 5.5)  # a quiet residual
    return made


def test_a_record_depends_on_the_seed_and_its_index_only(generator):
    condition = Condition(text=["AF", "no AF", "sinus rhythm"], heart_rate=[90, None, 60], seconds=12, fs=250)
    together = generator.sample(condition, seed=4)
    alone = generator.sample(condition[1:2], seed=4, first=1)
    assert torch.allclose(together.signal[1], alone.signal[0], atol=1e-3)  # 1 µV: sums of another batch
    assert not torch.allclose(together.signal[1], generator.sample(condition, seed=5).signal[1], atol=1e-2)


@pytest.mark.parametrize("seconds", [3.0, 10.0, 25.0])
def test_records_have_the_requested_length_and_rate(generator, seconds):
    ecg = generator.generate(n=2, seconds=seconds, fs=200, heart_rate=75)
    assert ecg.signal.shape == (2, 12, round(200 * seconds)) and bool(ecg.signal.isfinite().all())
    assert ecg.law_residual().max() < 1e-5


def test_the_requested_heart_rate_is_drawn(generator):
    for rate in (45.0, 80.0, 150.0):
        ecg = generator.generate(n=3, seconds=20, fs=100, heart_rate=rate)
        measured = [heart_rate(peaks) for peaks in r_peaks(ecg)]
        assert np.abs(np.array(measured) - rate).max() < 0.03 * rate, measured


def test_beats_of_a_record_resemble_each_other_and_those_of_two_draws_do_not(generator):
    ecg = generator.generate("sinus rhythm", n=12, seconds=10, fs=100, heart_rate=70)
    parts = variance_split(aligned_beats(ecg), groups=[0] * 12)
    at_qrs = slice(110, 150)
    assert parts["between"][:, at_qrs].mean() > 5 * parts["within"][:, at_qrs].mean()


def test_no_median_beat_is_larger_than_recorded_ones(generator, monkeypatch):
    first, shape = generator.heart_first, generator.heart_first.code.shape
    given = Given(torch.zeros(2, first.features.size), torch.zeros(2, NUMBERS), 0, [0, 1])
    monkeypatch.setattr(first.code, "decode", lambda code: torch.tensor([0.5, -9.0])[:, None, None].expand(2, *shape))
    beats = first.draw_hearts(given).normal
    assert beats.abs().amax((1, 2)).tolist() == pytest.approx([0.5, LARGEST_BEAT])


def test_no_seam_is_left_where_windows_meet(generator):
    """The residual has the same power in the overlap of two windows as elsewhere."""
    drawn = [generator.generate(n=8, seconds=26, fs=100, heart_rate=60, seed=seed) for seed in range(3)]
    bare = [
        generator.heart_first.draw(
            generator.preprocessor.condition(Condition(n=8, seconds=26, fs=100, heart_rate=60)),
            seed,
            range(8),
            clean=True,
        )
        for seed in range(3)
    ]
    residual = torch.cat([one.pick(*INDEPENDENT_LEADS).signal - wave for one, wave in zip(drawn, bare, strict=True)])
    starts = _starts(2600, 1000)
    border = residual[..., starts[1] : starts[1] + OVERLAP].std()
    assert 0.85 < float(border / residual[..., 300:700].std()) < 1.15


def test_windows_cover_the_record_and_their_weights_never_vanish():
    for whole in (1000, 1001, 1850, 2600, 36000):
        starts, weights = _starts(whole, 1000), torch.zeros(whole)
        for first in starts:
            weights[first : first + 1000] += _fade(1000, first == 0, first + 1000 == whole)
        assert starts[-1] == whole - 1000 and weights.min() > 0.4


def test_a_mixed_batch_draws_what_each_record_draws_alone(generator):
    leads = simulate(1, seconds=10, fs=100, seed=2).pick("I")
    mixed = Condition.cat([Condition(leads), Condition(text="AF", seconds=10, fs=100)])
    both = generator.sample(mixed, seed=1)
    assert torch.allclose(both.signal[0, 0], leads.signal[0, 0], atol=1e-5)  # the observed lead is returned
    alone = generator.sample(Condition(text="AF", seconds=10, fs=100), seed=1, first=1)
    assert torch.allclose(both.signal[1], alone.signal[0], atol=1e-5)


def test_sampling_options_reach_the_heart_first_model(generator):
    assert "8 steps" in generator.generate("AF", n=1, seconds=5).provenance.model
    changed = generator.with_sampling(num_steps=3, guidance_scale=2.5)
    assert "3 steps, guidance scale 2.5" in changed.generate("AF", n=1, seconds=5).provenance.model
    one, other = (generator.generate("AF", n=1, seconds=5, guidance_scale=scale) for scale in (1.0, 4.0))
    assert not torch.allclose(one.signal, other.signal, atol=1e-4)


def test_draws_of_a_reconstruction_from_text_are_those_of_sample(generator):
    condition = Condition(text="AF", n=2, seconds=6, fs=100)
    found = generator.reconstruct(condition, num_draws=4, seed=3)
    drawn = generator.sample(condition.repeat(4), seed=3)
    assert torch.allclose(found.draws.signal, drawn.signal, atol=1e-5)
    assert (found.lower.signal <= found.upper.signal).all()


def test_saved_and_loaded_it_draws_the_same(generator, tmp_path):
    checkpoint.save(generator, tmp_path / "flow")
    loaded = checkpoint.load(tmp_path / "flow")
    assert torch.equal(loaded.generate("AF", n=1).signal, generator.generate("AF", n=1).signal)


def test_a_pulse_or_a_lead_is_not_drawn_heart_first(generator, monkeypatch):
    def refuse(*_):
        raise AssertionError("the heart-first model was used")

    monkeypatch.setattr(HeartFirst, "draw", refuse)
    leads = simulate(1, seconds=10, fs=100, seed=2).pick("I")
    generator.sample(Condition(leads), seed=1)
    generator.translate(torch.sin(2 * torch.pi * 1.2 * torch.arange(1250) / 125), fs=125)
    with pytest.raises(AssertionError):
        generator.generate("AF", n=1)


def test_before_training_codes_are_principal_components_and_decode_to_the_median_beats():
    sizes = torch.randn(3000, 8, generator=torch.Generator().manual_seed(2)).mul(0.3).exp()
    code = HeartCode(10, 10, 16)
    code.fit(qrs(sizes))
    with torch.no_grad():
        mean, deviation = code.posterior(qrs(sizes))
        found = code.decode(mean)
    assert mean.shape == deviation.shape == (3000, code.size) and float(deviation[:, -1].max()) == 0.0
    amplitude = mean[:, -1]
    assert abs(float(amplitude.mean())) < 1e-3 and float(amplitude.std()) == pytest.approx(1, abs=1e-3)
    usual = (mean.abs() < 3).all(1)  # larger ones are compressed
    assert (found - qrs(sizes))[usual].abs().max() < 0.03 and usual.float().mean() > 0.9


def test_training_the_autoencoder_reduces_its_loss_below_that_of_principal_components():
    generator = torch.Generator().manual_seed(3)
    time = (torch.arange(96) - 40) / 100
    at, width = 0.06 * torch.randn(2000, 1, generator=generator), 0.02 + 0.03 * torch.rand(2000, 1, generator=generator)
    beats = torch.exp(-(((time - at) / width) ** 2) / 2)[:, None] * torch.linspace(0.5, 1.5, 8)[:, None]
    code = HeartCode(24, 4, 64)
    code.fit(beats)
    optimizer, losses = torch.optim.Adam(code.autoencoder.parameters(), 3e-3), []
    for _ in range(150):
        rows = torch.randint(0, 2000, (128,), generator=generator)
        loss = code.loss(beats[rows], torch.randn(128, 4, generator=generator)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < losses[0] - 0.05


def test_numbers_beyond_the_training_data_are_clipped():
    quantiles = QuantileMap(1)
    quantiles.fit(torch.randn(2000, 1, generator=torch.Generator().manual_seed(0)))
    assert quantiles.decode(torch.tensor([[50.0]])).item() < 5
    assert quantiles.encode(torch.tensor([[50.0]])).item() == pytest.approx(3.2)


def test_whitening_is_undone_and_makes_coloured_residuals_white():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(64, LEADS, 1000, generator=generator)
    mixed = torch.einsum("ij,bjt->bit", torch.randn(LEADS, LEADS, generator=generator), noise).cumsum(-1) * 0.01
    mixed = mixed - mixed.mean(-1, keepdim=True)
    whitening = Whitening()
    whitening.fit([mixed[:32], mixed[32:]], torch.randn(100, LEADS, generator=generator))
    levels = whitening.levels(mixed)
    white = whitening(mixed, levels)
    assert levels.shape == (64, LEADS, BANDS)
    assert float((whitening.restore(white, levels) - mixed).abs().max() / mixed.std()) < 1e-2
    correlations = torch.corrcoef(white.transpose(0, 1).flatten(1)) - torch.eye(LEADS)
    assert correlations.abs().max() < 0.1
    lagged = (white[..., 1:] * white[..., :-1]).mean() / white.square().mean()
    assert abs(float(lagged)) < 0.1


def test_a_tilt_takes_slow_waves_out_between_the_ends_only():
    sequence, levels = (
        torch.randn(4, LEADS, 1000, generator=torch.Generator().manual_seed(1)),
        torch.zeros(4, LEADS, BANDS),
    )
    whitening = Whitening()
    before = whitening.restore(sequence, levels)
    whitening.tilt[:11] = 1.0  # up to 0.5 Hz
    after = whitening.restore(sequence, levels)
    assert torch.allclose(after[..., [0, -1]], before[..., [0, -1]], atol=0.01)
    inside = slice(200, 800)
    slow = [float(lowpass(one, 0.4)[..., inside].std()) for one in (before, after)]
    assert slow[1] / slow[0] == pytest.approx(1 / np.e, rel=0.2)
    fast = [float((one - lowpass(one, 0.8))[..., inside].std()) for one in (before, after)]
    assert fast[1] / fast[0] == pytest.approx(1, rel=0.01)


def lowpass(wave, highest):
    """Waves of 10 s at 100 Hz without what is above a frequency."""
    spectrum = torch.fft.rfft(wave)
    spectrum[..., round(highest * 10) + 1 :] = 0
    return torch.fft.irfft(spectrum, n=wave.shape[-1])


def test_gains_are_made_uncorrelated_and_restored():
    generator = torch.Generator().manual_seed(4)
    gains = torch.randn(5000, 1, generator=generator) + 0.5 * torch.randn(5000, LEADS, generator=generator)
    whitening = Whitening()
    whitening.fit([torch.randn(8, LEADS, 1000, generator=generator)], gains)
    white = whitening.white_gains(gains)
    assert (white.T @ white / 5000 - torch.eye(LEADS)).abs().max() < 0.01
    assert torch.allclose(whitening.restore_gains(white), gains, atol=1e-4)


def test_the_envelope_of_a_residual_has_its_excess_near_the_beats():
    rng, times = np.random.default_rng(0), np.arange(0.5, 10, 0.9)
    found = torch.linspace(-1, 1.5, LEADS)
    shape = envelope(found[None], [times], 1000, 100.0)[0]
    assert torch.allclose(shape[:, 50], found.exp(), rtol=1e-4) and torch.allclose(shape[:, 95], torch.ones(LEADS))
    measured = excess(rng.standard_normal((LEADS, 1000)) * shape.numpy(), times, 100.0)
    assert np.abs(measured - found.numpy()).max() < 0.2
    assert np.array_equal(excess(np.ones((LEADS, 1000)), np.array([]), 100.0), np.zeros(LEADS))


def test_levels_are_split_into_their_parts():
    levels = Levels.of(torch.arange(2.0 * LEVELS).reshape(2, LEVELS) * 1e-3)
    assert levels.bands.shape == (2, LEADS, BANDS) and levels.excess.shape == levels.gains.shape == (2, LEADS)
    assert levels.bands[0, 1, 0] == pytest.approx(BANDS * 1e-3) and bool((levels.gains >= 1).all())


def test_folding_is_undone():
    wave = torch.randn(2, LEADS, 50)
    assert torch.equal(unfolded(folded(wave)), wave) and folded(wave).shape == (2, 40, 10)


def test_numbers_of_a_rhythm():
    bigeminy = Rhythm(np.cumsum([0.0, *[0.6, 1.4] * 5]), np.array([NORMAL, ABNORMAL] * 5 + [NORMAL]))
    log_mean, irregularity, share, has, spread = rhythm_numbers(bigeminy, 20.0)
    assert np.exp(spread) == pytest.approx(0.4, abs=0.05)
    assert np.exp(log_mean) == pytest.approx(1.0, abs=0.05) and np.exp(irregularity) == pytest.approx(0.8, abs=0.05)
    assert share == pytest.approx(5 / 11) and has == 1.0


def test_drawn_numbers_agree_with_each_other_and_with_the_requested_rate():
    torch.manual_seed(0)
    model = RhythmModel(3, 8).eval()
    with torch.no_grad():
        drawn = torch.cat([model.draw_numbers(torch.zeros(1, 3), 75.0, np.random.default_rng(k)) for k in range(60)])
    assert drawn.shape == (60, DETAILS) and torch.allclose(drawn[:, 0].exp(), torch.tensor(0.8))
    assert set(drawn[:, ECTOPIC].tolist()) == {0.0, 1.0}
    for share, has in ((SHARE, ECTOPIC), (PREMATURE_SHARE, PREMATURE)):
        assert bool(((drawn[:, share] > 0) == (drawn[:, has] > 0)).all()) and float(drawn[:, share].max()) < 1
    assert not drawn[drawn[:, ECTOPIC] == 0, COUPLING].any() and drawn[drawn[:, ECTOPIC] == 1, COUPLING].all()


def test_the_rhythm_model_learns_alternation():
    """Bigeminy: long and short intervals take turns, and each beat after a short one is abnormal."""
    torch.manual_seed(0)
    model, features = RhythmModel(2, 16, 0.0), torch.zeros(64, 2)
    ratios = torch.log(torch.tensor([0.7, 1.3])).repeat(64, 6) + 0.01 * torch.randn(64, 12)
    types, mask = torch.tensor([0, 1]).repeat(64, 7)[:, :13], torch.ones(64, 12, dtype=torch.bool)
    numbers = torch.tensor([[0.0, np.log(0.6), 0.46, 1.0, np.log(0.3), 0.0, 0.0, np.log(0.7)]]).repeat(64, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(250):
        loss = torch.stack(list(model.loss(features, numbers.float(), ratios, types, mask).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    (rhythm,) = model.eval().draw(torch.zeros(1, 2), [60.0], 12.0, [np.random.default_rng(1)])
    assert np.abs(np.diff(rhythm.types)).mean() > 0.9
    gaps, short = np.diff(rhythm.times), rhythm.types[1:] == ABNORMAL
    assert gaps[short].max() < 0.85 < 1.1 < gaps[~short].min()


def test_a_rhythm_has_ectopic_beats_if_its_numbers_say_so():
    """The model is untrained, and draws few ectopic beats whatever its numbers say."""
    torch.manual_seed(0)
    model, agree = RhythmModel(3, 8).eval(), []
    with torch.no_grad():
        model.kind.bias.copy_(torch.tensor([3.0, 0.0]))
    for k in range(40):
        (rhythm,) = model.draw(torch.zeros(1, 3), [75.0], 10.0, [np.random.default_rng(k)])
        with torch.no_grad():
            numbers = model.draw_numbers(torch.zeros(1, 3), 75.0, np.random.default_rng(k))
        agree.append(has_ectopic(rhythm, 10.0) == bool(numbers[0, ECTOPIC]))
    assert np.mean(agree) > 0.95


@pytest.mark.parametrize(("has", "share"), [(ECTOPIC, 0.08), (PREMATURE, 0.09)])
def test_a_trained_rhythm_follows_its_numbers(has, share):
    """One premature beat in twelve, ectopic or not, in half of the records: it is drawn as often, and as early."""
    torch.manual_seed(0)
    rng, ectopic = np.random.default_rng(0), has == ECTOPIC
    model, rows = RhythmModel(2, 32, 0.0), 96
    ratios, types = 0.02 * rng.standard_normal((rows, 11)), np.zeros((rows, 12), int)
    early = rng.random(rows) < 0.5
    for row, at in zip(np.flatnonzero(early), rng.integers(2, 9, early.sum()), strict=True):
        ratios[row, at], ratios[row, at + 1], types[row, at + 1] = np.log(0.6), np.log(1.4), int(ectopic)
    rhythms = [Rhythm(np.cumsum([0.0, *np.exp(one)]), kind) for one, kind in zip(ratios, types, strict=True)]
    numbers = torch.from_numpy(np.stack([rhythm_details(one, 20.0) for one in rhythms])).float()
    assert bool((numbers[:, has].bool().numpy() == early).all())
    given = torch.from_numpy(ratios).float(), torch.from_numpy(types), torch.ones(rows, 11, dtype=torch.bool)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(200):
        loss = torch.stack(list(model.loss(torch.zeros(rows, 2), numbers, *given).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    drawn = model.eval().draw(torch.zeros(20, 2), [60.0] * 20, 12.0, [np.random.default_rng(k) for k in range(20)])
    found = np.stack([rhythm_details(one, 12.0) for one in drawn])
    some = found[:, has] == 1
    assert 0.2 < some.mean() < 0.8 and abs(found[some, SHARE if ectopic else PREMATURE_SHARE].mean() - share) < 0.08
    if ectopic:
        assert abs(np.median(found[some, COUPLING]) - np.log(0.6)) < 0.2


def test_each_step_belongs_to_its_nearest_beat():
    assert nearest_beat(np.array([1.0, 2.0]), 300, 100.0).tolist() == [0] * 30 + [1] * 30


def test_ectopic_beats_are_drawn_where_the_rhythm_has_any(generator):
    model = generator.heart_first
    features, numbers = torch.zeros(3, model.features.size), torch.zeros(3, NUMBERS)
    numbers[1, SHARE], numbers[1, ECTOPIC] = 0.3, 1.0
    hearts = model.draw_hearts(Given(features, numbers, 0, range(3)))
    assert not hearts.ectopic[[0, 2]].any() and hearts.ectopic[1].abs().max() > 0.05


def test_an_ectopic_beat_differs_from_the_normal_one(generator):
    """A model that draws ectopic beats like normal ones draws again; another record's draw does not depend on that."""
    model = copy.deepcopy(generator.heart_first)
    features, numbers = torch.zeros(2, model.features.size), torch.zeros(2, NUMBERS)
    numbers[:, SHARE], numbers[:, ECTOPIC] = 0.3, 1.0
    drawn, asked = model._code, []

    def code(given, normal, stream, guidance_scale, num_steps, attempt=0):
        asked.append((attempt, tuple(given.indices)))
        if normal is not None and attempt < 2 and 0 in given.indices:
            found = drawn(given, normal, stream, guidance_scale, num_steps, attempt)
            return torch.cat([normal[:1], found[1:]])
        return drawn(given, normal, stream, guidance_scale, num_steps, attempt)

    model._code = code
    hearts = model.draw_hearts(Given(features, numbers, 0, range(2)))
    assert any(attempt == 2 and 0 in rows for attempt, rows in asked)
    assert (hearts.ectopic[0] - hearts.normal[0]).abs().max() > 0.01
    alone = generator.heart_first.draw_hearts(Given(features[1:], numbers[1:], 0, [1]))
    assert torch.allclose(alone.ectopic[0], hearts.ectopic[1], atol=1e-4)


def test_flutter_waves_go_on_from_beat_to_beat():
    """A beat with waves at 300 per minute, in an irregular rhythm: the waves are coherent only if it conducts n:1."""
    t = np.arange(96) / 100 - 0.4
    beat = 0.2 * np.sin(2 * np.pi * 5 * t) * np.ones((LEADS, 1))
    rng = np.random.default_rng(0)
    rhythm = Rhythm(np.cumsum([-0.5, *rng.uniform(0.5, 0.9, 18)]), np.zeros(19, int))
    cycle = flutter_cycle(beat, rhythm, 100.0)
    assert cycle == pytest.approx(0.2, abs=0.003)

    def coherence(one):
        whole = rendered(Beats(beat, 0 * beat, one.times, one.types, np.zeros((19, LEADS))), 1000, 100.0)[0]
        power = np.abs(np.fft.rfft(whole)) ** 2
        return power[49:52].sum() / power.sum()

    even = conducted(rhythm, cycle, 10.0)
    assert coherence(even) > 0.7 > 0.5 > coherence(rhythm)
    counts = np.diff(even.times) / np.diff(even.times).min()
    assert np.abs(np.diff(even.times) / 0.2 - np.round(np.diff(even.times) / 0.2)).max() < 0.25 and counts.max() < 2.6
    means = [np.diff(one.times[(one.times >= 0) & (one.times < 10)]).mean() for one in (rhythm, even)]
    assert means[0] == pytest.approx(means[1], rel=0.02)


def test_only_flutter_that_is_asked_for_is_conducted(generator):
    model, read = (
        generator.heart_first,
        Condition(text=["atrial flutter", "no atrial flutter", "sinus rhythm"], seconds=10, fs=100),
    )
    assert model.features.affirms(model.features(read), "AFLT").tolist() == [True, False, False]


def test_an_untrained_flow_draws_standard_normal_codes():
    model = HeartFirst(HeartSizes(**SMALL)).eval()
    given = Given(torch.zeros(400, model.features.size), torch.zeros(400, NUMBERS), 0, range(400))
    with torch.no_grad():
        codes = model._code(given, None, HEART, 1.0, 20)
    assert (codes.std(0) - 1).abs().max() < 0.15 and codes.mean(0).abs().max() < 0.2


def test_a_drawn_residual_has_no_part_along_the_beats(generator):
    """Gains and shifts are drawn by themselves; what the residual would add to them is taken out."""
    ecg = simulate(1, seconds=10, fs=100, heart_rate=70, seed=0).pick(*INDEPENDENT_LEADS).signal[0].double().numpy()
    beats, _ = decompose(ecg, 100.0, np.arange(0.5, 10, 60 / 70))
    along = rendered(beats, 1000, 100.0)
    noise = 0.01 * np.random.default_rng(0).standard_normal(along.shape)
    left = unexplained(0.2 * along + noise, beats, 100.0)
    assert np.abs(left).max() < 0.2 * np.abs(along).max() / 3 and 0.7 < left.std() / noise.std() < 1.3
    jittered = replace(beats, times=beats.times + 0.004)
    moved = rendered(jittered, 1000, 100.0) - along
    assert np.square(unexplained(moved, beats, 100.0)).sum() < 0.2 * np.square(moved).sum()


def test_the_level_bias_is_subtracted_from_the_levels_asked_for(generator):
    model = copy.deepcopy(generator.heart_first)
    given = Given(torch.zeros(4, model.features.size), torch.zeros(4, NUMBERS), 0, range(4))
    rhythms = [Rhythm(np.arange(-0.5, 11, 0.8), np.zeros(15, int))] * 4
    hearts = Hearts(qrs(torch.ones(4, 8)), torch.zeros(4, 8, 96))
    code = torch.zeros(4, LEVELS)
    with torch.no_grad():
        _, before = model.draw_residual(given, rhythms, hearts, code, 1000)
        model.level_bias[: LEADS * BANDS] = float(np.log(2))
        _, after = model.draw_residual(given, rhythms, hearts, code, 1000)
    assert float(after.std() / before.std()) == pytest.approx(0.5, abs=0.05)


def test_a_text_that_only_denies_counts_as_no_text():
    features = ConditionFeatures()
    bare, both, said = features.of_texts(["no atrial fibrillation", "normal ECG, no atrial fibrillation", "AF"])
    assert not bare.any() and both.any() and said.any()
    assert features.of_texts(["not a normal ECG"]).any()  # says that something is abnormal


def test_a_time_shift_beside_wander_is_no_residual():
    """What is left of a shifted beat on a slow wander is the wander."""
    grid = np.arange(96) / 100 - 0.40
    shape = np.stack([np.exp(-((grid / 0.02) ** 2)), -0.5 * np.exp(-((grid / 0.025) ** 2))])
    beats = Beats(shape, 0 * shape, np.arange(0.7, 9.5, 0.9), np.zeros(10, int), np.zeros((10, 2)))
    later = replace(beats, times=beats.times + 0.002)
    shift = rendered(later, 1000, 100.0) - rendered(beats, 1000, 100.0)
    wander = 0.2 * np.sin(2 * np.pi * 0.3 * np.arange(1000) / 100 + np.array([[0.0], [1.0]]))
    left = unexplained(shift + wander, beats, 100.0) - unexplained(wander, beats, 100.0)
    assert np.abs(left).max() < 0.3 * np.abs(shift).max()
