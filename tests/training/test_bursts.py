"""Bursts of noise: envelopes keep the level, and the fit finds how uneven the noise of the records is."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ecggen.core.beats import Beats
from ecggen.generators.hearts.bursts import Bursts
from ecggen.generators.hearts.residual import BANDS, LEADS, Whitening
from ecggen.training.hearts import bursts as fitting
from ecggen.training.hearts.bursts import fit_bursts, unevenness

RECORDS = 60


def noise(seed: int, samples: int = 1000) -> torch.Tensor:
    return torch.randn(RECORDS, Bursts.numbers(samples), generator=torch.Generator().manual_seed(seed))


def strong(line: tuple[float, float, float]) -> Bursts:
    bursts = Bursts()
    bursts.line.copy_(torch.tensor(line))
    return bursts


def test_an_envelope_keeps_the_level_and_is_shared_by_the_leads_in_part():
    bands = torch.zeros(RECORDS, LEADS, BANDS)
    envelope = strong((-1.0, 0.0, 0.0))(bands, noise(0))
    assert envelope.square().mean(-1).numpy() == pytest.approx(1.0, abs=1e-4)
    logs = envelope.log()
    assert logs.std(-1).mean().item() == pytest.approx(np.exp(-1.0), rel=0.1)
    together = np.corrcoef(logs.transpose(0, 1).flatten(1).numpy())[np.triu_indices(LEADS, 1)]
    assert 0.3 < together.mean() < 0.7
    moved = np.corrcoef(logs[..., :-50].flatten().numpy(), logs[..., 50:].flatten().numpy())[0, 1]
    assert moved < 0.4  # half a second later it is another burst


def test_loud_records_have_stronger_bursts_where_the_line_says_so():
    bands = torch.linspace(-5, -2, RECORDS)[:, None, None].expand(-1, LEADS, BANDS)
    spread = strong((1.0, 0.7, 0.0))(bands, noise(0)).log().std(-1).mean(1)
    assert spread[-10:].mean() > 2 * spread[:10].mean()


def test_the_fit_finds_how_uneven_the_noise_of_the_records_is(monkeypatch):
    """Real residuals are white noise with known bursts, drawn ones are white noise of the same level."""
    generator = torch.Generator().manual_seed(1)
    sizes = 0.02 * torch.exp(0.4 * torch.randn(RECORDS, 1, 1, generator=generator))
    real, even = (sizes * torch.randn(RECORDS, LEADS, 1000, generator=generator) for _ in range(2))
    whitening = Whitening(1000)
    real = real * strong((-1.2, 0.0, 0.4))(whitening.levels(real), noise(2))
    nothing = np.zeros((LEADS, 96))
    beats = [Beats(nothing, nothing, np.arange(0.5, 10), np.zeros(10, int), np.zeros((10, LEADS)))] * RECORDS
    material = SimpleNamespace(
        rows=np.arange(RECORDS), fs=100.0, beats=lambda rows: beats[: len(rows)], residual=lambda rows: real[rows]
    )
    model = SimpleNamespace(whitening=whitening, bursts=Bursts())
    monkeypatch.setattr(fitting, "_drawn", lambda model, material, rows: even[rows])
    before = np.log(unevenness(whitening, even, beats, 100.0))
    fit_bursts(model, material, RECORDS, 0)  # type: ignore[arg-type]
    after = np.log(unevenness(whitening, even * model.bursts(whitening.levels(even), noise(3)), beats, 100.0))
    wanted = np.log(unevenness(whitening, real, beats, 100.0))
    assert abs(after.mean() - wanted.mean()) < 0.15 < abs(before.mean() - wanted.mean())
    assert after.std() == pytest.approx(wanted.std(), rel=0.35)
