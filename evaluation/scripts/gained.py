"""What an experiment brought, record by record: scores of its generator, and their difference to another's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ecggen.benchmark.generation import draw
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.encoder import Reader
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.data import Batches, Pack
from ecggen.evaluators.classifier import Classifier
from ecggen.generators.base import Generator
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.metrics.functional.distribution.frechet import frechet_gaussian
from ecggen.metrics.functional.waveform import free_leads, mean_squared_error, pearson
from ecggen.networks.latent import Autoencoder

REDRAWS = 100
"""Redraws of patients for the interval of a Fréchet distance."""


@torch.no_grad()
def guessed(generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> np.ndarray:
    """(record, 8, time): what is written beat by beat."""
    reader = generator.get_submodule("reader")
    assert isinstance(reader, Reader) and reader.beatwise is not None
    parts = []
    for part in Batches(pack, rows, 64):
        known = part.ecg.standard().pick(*given)
        condition = Condition.none(len(known), known.seconds, known.fs).with_leads(known)
        written = reader.beatwise(condition, reader.encoder.numbers(condition))[:, : len(INDEPENDENT_LEADS)]
        parts.append(project_onto_observed(written, condition).numpy())
    return np.concatenate(parts)


def scores(drawn: np.ndarray, true: np.ndarray, given: Sequence[str]) -> dict[str, np.ndarray]:
    """(record, lead) each: r and mean squared error of the leads that are not determined."""
    at = [INDEPENDENT_LEADS.index(lead) for lead in free_leads(given)]
    return {
        "r": np.nan_to_num(pearson(drawn[:, at], true[:, at])),
        "squared": mean_squared_error(drawn[:, at], true[:, at]),
    }


Scores = dict[str, dict[str, np.ndarray]]
"""By what was given: r and squared errors (record, lead), features (record, feature)."""


def of_beats(generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> Scores:
    """Leads that are written beat by beat, for each of ``given``."""
    true = pack.ecg(rows).signal.numpy()
    return {leads: scores(guessed(generator, pack, rows, leads.split()), true, leads.split()) for leads in given}


@torch.no_grad()
def of_space(generator: Generator, pack: Pack, rows: np.ndarray, classifier: Classifier) -> Scores:
    """ECGs that went through the latent space."""
    true, space = pack.ecg(rows), generator.get_submodule("space")
    assert isinstance(space, Autoencoder)
    eight = torch.cat([space.decode(space.encode(part)[0]) for part in true.signal.split(64)])
    features = classifier.predict(replace(true, signal=eight).standard()).features
    return {"autoencoded": scores(eight.numpy(), true.signal.numpy(), ()) | {"features": features}}


def of_words(generator: Generator, pack: Pack, rows: np.ndarray, told: Sequence[str], classifier: Classifier) -> Scores:
    """Draws that are told words and facts of the records."""
    drawn, _ = draw(generator, pack, rows, told, seed=1)
    return {"told": {"features": classifier.predict(drawn).features}}


def compared(
    own: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray] | None, patients: list[str], real: np.ndarray
) -> dict:
    """Means, and the difference to another experiment with its 95 % interval over patients."""
    found: dict[str, Any] = {}
    if "r" in own:
        found["r"] = round(float(own["r"].mean()), 4)
        found["rmse_mv"] = round(float(np.sqrt(own["squared"].mean(0)).mean()), 4)
        if other is not None:
            gain = own["r"] - other["r"]
            found["r_gained"] = round(float(gain.mean()), 4)
            found["r_gained_interval"] = [round(edge, 4) for edge in patient_interval(gain, patients)]
    if "features" in own:
        found["fid"] = round(frechet_gaussian(own["features"], real), 2)
        if other is not None:
            pairs = [
                frechet_gaussian(own["features"][again], real) - frechet_gaussian(other["features"][again], real)
                for again in redrawn(patients, REDRAWS)
            ]
            found["fid_gained"] = round(found["fid"] - frechet_gaussian(other["features"], real), 2)
            found["fid_gained_interval"] = [round(float(edge), 2) for edge in np.quantile(pairs, (0.025, 0.975))]
    return found


def redrawn(patients: Sequence[str], times: int) -> Iterator[np.ndarray]:
    """Rows of as many patients drawn with replacement, time after time."""
    _, which = np.unique(np.asarray(patients), return_inverse=True)
    rows = [np.flatnonzero(which == one) for one in range(which.max() + 1)]
    rng = np.random.default_rng(0)
    for _ in range(times):
        yield np.concatenate([rows[one] for one in rng.integers(len(rows), size=len(rows))])
