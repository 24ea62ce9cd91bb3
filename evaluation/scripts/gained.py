"""Scores of an experiment by record, and their differences from those of the experiment it is compared with."""

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

RESAMPLES = 100
"""Bootstrap resamples of patients for the interval of a Fréchet distance."""


@torch.no_grad()
def predicted(generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> np.ndarray:
    """Deterministic predictions of the beat network, (record, 8, time) in mV."""
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
    """r and mean squared error, (record, lead) each, of the leads that ``given`` does not determine."""
    at = [INDEPENDENT_LEADS.index(lead) for lead in free_leads(given)]
    return {
        "r": np.nan_to_num(pearson(drawn[:, at], true[:, at])),
        "squared": mean_squared_error(drawn[:, at], true[:, at]),
    }


Scores = dict[str, dict[str, np.ndarray]]
"""By condition: r and squared errors (record, lead), classifier features (record, feature)."""


def of_beats(generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> Scores:
    """Scores of the beat network for each set of given leads."""
    true = pack.ecg(rows).signal.numpy()
    return {leads: scores(predicted(generator, pack, rows, leads.split()), true, leads.split()) for leads in given}


@torch.no_grad()
def of_space(generator: Generator, pack: Pack, rows: np.ndarray, classifier: Classifier) -> Scores:
    """Scores and features of autoencoded ECGs."""
    true, space = pack.ecg(rows), generator.get_submodule("space")
    assert isinstance(space, Autoencoder)
    eight = torch.cat([space.decode(space.encode(part)[0]) for part in true.signal.split(64)])
    features = classifier.predict(replace(true, signal=eight).standard()).features
    return {"autoencoded": scores(eight.numpy(), true.signal.numpy(), ()) | {"features": features}}


def of_text(generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str], classifier: Classifier) -> Scores:
    """Classifier features of draws given text and metadata of the records."""
    drawn, _ = draw(generator, pack, rows, given, seed=1)
    return {"text and metadata": {"features": classifier.predict(drawn).features}}


def compared(
    own: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray] | None, patients: list[str], real: np.ndarray
) -> dict:
    """Means, and differences from another experiment with 95 % bootstrap intervals over patients."""
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
                frechet_gaussian(own["features"][resample], real) - frechet_gaussian(other["features"][resample], real)
                for resample in resampled(patients, RESAMPLES)
            ]
            found["fid_gained"] = round(found["fid"] - frechet_gaussian(other["features"], real), 2)
            found["fid_gained_interval"] = [round(float(edge), 2) for edge in np.quantile(pairs, (0.025, 0.975))]
    return found


def resampled(patients: Sequence[str], times: int) -> Iterator[np.ndarray]:
    """Yield the rows of patients resampled with replacement, ``times`` times."""
    _, which = np.unique(np.asarray(patients), return_inverse=True)
    rows = [np.flatnonzero(which == one) for one in range(which.max() + 1)]
    rng = np.random.default_rng(0)
    for _ in range(times):
        yield np.concatenate([rows[one] for one in rng.integers(len(rows), size=len(rows))])
