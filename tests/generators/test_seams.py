"""No seam where the windows of a long recording meet: neither a step nor a change of size betrays the borders."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecggen import load
from ecggen.conditioning.condition import Condition
from ecggen.core.simulate import simulate
from ecggen.generators import windows

RECORDS, SECONDS = 3, 34
CAUGHT = 0.01
"""Share of shifted sets of borders that may look more like seams than the borders do."""


def at_borders(preprocessor, samples):
    """Samples at which a window begins or ends, or a cross-fade does."""
    fade = round(preprocessor.overlap * preprocessor.fs)
    found = preprocessor.windows(samples)
    edges = [start + step for start, _ in found[1:] for step in (0, fade)]
    return np.array(sorted({edge for edge in edges if 2 < edge < samples - 2}))


def seam_rank(waves, borders):
    """Share of shifted sets of borders with larger jumps than the borders have: small if there are seams.

    A jump is a second difference, relative to its local size, so that beats do not count more than the baseline.
    """
    jumps = np.abs(np.diff(waves, 2, axis=-1)).reshape(-1, waves.shape[-1] - 2)
    local = np.stack([np.convolve(row, np.ones(21) / 21, "same") for row in jumps])
    score = (jumps / (local + 1e-3)).mean(0)
    reach = score[np.clip(borders[:, None] + np.arange(-2, 1), 0, len(score) - 1)].max(1).mean()
    shifted = [
        score[np.clip(borders[:, None] + shift + np.arange(-2, 1), 0, len(score) - 1)].max(1).mean()
        for shift in range(-180, 180, 3)
        if abs(shift) > 5
    ]
    return float((np.array(shifted) >= reach).mean())


@pytest.fixture(scope="module")
def model():
    return load("vae")


@pytest.fixture(scope="module")
def watch():
    return Condition(simulate(RECORDS, seconds=SECONDS, fs=100, seed=3).pick("I"))


def reconstructed(model, watch):
    found = model.reconstruct(watch, num_draws=4, seed=0)
    rows = [found.mean.leads.index(lead) for lead in ("II", "V2", "V5")]
    parts = {"mean": found.mean, "lower": found.lower, "upper": found.upper, "draws": found.draws}
    return {name: part.signal[:, rows].numpy() for name, part in parts.items()}


def test_no_seam_is_found(model, watch):
    borders = at_borders(model.preprocessor, watch.samples)
    assert len(borders) == 6, "windows from 8, 16 and 24 s"
    for name, waves in reconstructed(model, watch).items():
        assert seam_rank(waves, borders) > CAUGHT, name


def test_a_seam_would_be_found(model, watch, monkeypatch):
    """Without the cross-fade, windows are laid over each other with equal weights: steps where they begin and end."""
    monkeypatch.setattr(windows, "fade", lambda size, overlap: torch.ones(size))
    borders = at_borders(model.preprocessor, watch.samples)
    assert seam_rank(reconstructed(model, watch)["draws"], borders) <= CAUGHT


def test_a_step_would_be_found():
    ecg = simulate(RECORDS, seconds=SECONDS, fs=100, seed=5)
    borders = np.array([800, 1000, 1600, 1800, 2400])
    waves = ecg.signal[:, 6:9].numpy()
    assert seam_rank(waves, borders) > CAUGHT
    stepped = waves + 0.03 * (np.searchsorted(borders, np.arange(waves.shape[-1]), "right") % 2)
    assert seam_rank(stepped, borders) <= CAUGHT


def test_the_size_of_the_interval_does_not_change_at_borders(model):
    """Where windows overlap the interval is as wide as elsewhere, to a tenth."""
    ecg = simulate(6, seconds=SECONDS, fs=100, seed=7, heart_rate=75).pick("II")
    found = model.reconstruct(replace(ecg), num_draws=4, seed=0, keep_draws=False)
    width = (found.upper.signal - found.lower.signal)[:, 6:].mean((0, 1)).numpy()
    overlap = np.zeros(len(width), bool)
    for start in (800, 1600, 2400):
        overlap[start : start + 200] = True
    inner = np.arange(len(width))[~overlap & (np.arange(len(width)) > 200) & (np.arange(len(width)) < 3200)]
    assert width[overlap].mean() == pytest.approx(width[inner].mean(), rel=0.1)
