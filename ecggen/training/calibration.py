"""Calibration of a trained generator: priors of rhythm and patients, ensemble inflation, and prediction intervals.

``python -m ecggen.training.calibration RUN/checkpoint --data PTBXL --out checkpoints/NAME`` writes a checkpoint to be
shipped: float16 weights, the rhythm prior and the patient prior fitted on the training folds, prediction intervals with
their nominal coverage on a training fold (never on fold 9, on which they are evaluated), and a golden file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from ecggen import data
from ecggen.conditioning import rhythm_prior, statements
from ecggen.conditioning.condition import TEXT_AND_METADATA, Condition
from ecggen.conditioning.patient_prior import PatientPrior
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, determined_by
from ecggen.data import Batches, Pack
from ecggen.data.population import Population
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.intervals import CALIBRATED
from ecggen.generators.sampling import Noise
from ecggen.networks import storage
from ecggen.training.masking import Masking

TRAIN_FOLDS = (1, 2, 3, 4, 5, 6, 7, 8)
CALIBRATION_FOLDS = (8,)
MIN_PATIENTS = 50
"""Minimum number of patients with a word in their reports for the word to be stored in a checkpoint."""
INFLATION_RANGE = (0.5, 2.5)
"""Range of the ensemble inflation that matches the total variance."""
GIVEN = tuple(map(" ".join, CALIBRATED))
"""Observed leads during calibration, by the number of independent leads; without leads, a PPG is given."""


def fit_rhythm_prior(generator: Generator, pack: Pack, rows: np.ndarray, seed: int = 0) -> None:
    """Fit the rhythm prior to training records (``ecggen.conditioning.rhythm_prior``)."""
    known = Batches(pack, rows, 256)
    rhythm_prior.fit(generator, ((part.condition, part.beats) for part in known), np.random.default_rng(seed))


def fit_patient_prior(generator: Generator, pack: Pack, rows: np.ndarray, n: int = 2048, seed: int = 0) -> None:
    """Set the patient prior to a sample of training records (``ecggen.conditioning.patient_prior``).

    Reports are reduced to ``common_words``, because other words may identify a patient. If nothing remains, a text is
    written from the statements of the record with random wordings; fixed wordings would reduce the diversity of draws.
    """
    if not len(rows):
        return
    index, chosen = pack.index.iloc[rows], random_rows(rows, n, seed)
    common = dict(zip(rows, common_words(index.report.tolist(), index.patient.tolist()), strict=True))
    known = Population.of(pack, chosen)
    rng = np.random.default_rng(seed)
    present = [[code for code in statements.codes() if code in codes] for codes in known.codes]
    texts = [statements.write_in_random_language(codes, (), rng) if codes else "" for codes in present]
    texts = [common[row] or text for row, text in zip(chosen, texts, strict=True)]
    generator.patient_prior = PatientPrior.of(texts, np.stack([known.age, known.sex, known.heart_rate], 1))


def common_words(reports: Sequence[str], patients: Sequence[str], least: int = MIN_PATIENTS) -> list[str]:
    """Remove words that occur in the reports of fewer than ``least`` patients, such as names and numbers.

    Example:
        >>> common_words(["sinus rhythm Smith", "sinus rhythm"], ["a", "b"], least=2)
        ['sinus rhythm', 'sinus rhythm']
    """
    patients_with: dict[str, set[str]] = {}
    for report, patient in zip(reports, patients, strict=True):
        for word in report.lower().split():
            patients_with.setdefault(word, set()).add(patient)
    return [
        " ".join(word for word in report.split() if len(patients_with[word.lower()]) >= least) for report in reports
    ]


@torch.no_grad()
def fit_ensemble_inflation(
    generator: Generator, pack: Pack, rows: np.ndarray, draws: int = 1, progress: bool = False
) -> None:
    """Set ``ensemble_inflation`` so that the variance of draws equals that of records, given observed leads.

    Draws of a generator that was trained briefly have too little variance. The variance along time, summed over
    records, is matched. Generators without deterministic prediction are not changed.

    Args:
        generator: Its ``ensemble_inflation`` is set.
        pack: Packed data set.
        rows: Calibration records, which must not be used for evaluation. Thousands are needed, because a few records of
            high amplitude dominate the variance.
        draws: Draws per record; more records are better than more draws.
        progress: Show progress bars.
    """
    generator.ensemble_inflation.fill_(1.0)
    for count, leads in list(enumerate(GIVEN))[1:]:
        sums, done = torch.zeros(3, len(INDEPENDENT_LEADS), dtype=torch.float64), 0
        for truth, condition in conditions_given(generator, pack, rows, leads.split(), progress):
            eight, center = draws_before_inflation(generator, condition, range(done, done + draws * len(truth)))
            if center is None:
                return
            done += draws * len(truth)  # different noise in each batch
            true = truth.pick(*INDEPENDENT_LEADS).signal.double()
            deviation = eight.unflatten(0, (-1, draws)) - center[:, None]
            covariance = _covariance(deviation.mean(1), center)
            sums += torch.stack([deviation.var(-1).mean(1), 2 * covariance, center.var(-1) - true.var(-1)]).sum(1)
        a, b, c = sums  # solves var(center + k · deviation) = var(true) for k
        inflation = (-b + (b.square() - 4 * a * c).clamp(min=0).sqrt()) / (2 * a).clamp(min=1e-9)
        known = torch.tensor([lead in determined_by(leads.split()) for lead in INDEPENDENT_LEADS])
        generator.ensemble_inflation[count] = torch.where(known, 1.0, inflation.clamp(*INFLATION_RANGE)).to(
            generator.ensemble_inflation
        )


def random_rows(rows: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Random subset of at most ``n`` rows, in order; consecutive rows are of similar time and device."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:n])


def conditions_given(
    generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str], progress: bool = False
) -> Iterator[tuple[ECG, Condition]]:
    """Batches of records with conditions: the leads ``given``, or a simulated PPG if there are none."""
    ppg_only = Masking({"none": 1.0}, simulated_ppg_prob=1.0, lead_masks_with_ppg={"none": 1.0}, crop_prob=0.0)
    parts = Batches(pack, rows, 64)
    for part in track(parts, f"{' '.join(given) or 'PPG'} given", len(parts), disable=not progress):
        truth = part.ecg.standard()
        if given:
            yield truth, Condition.none(len(truth), truth.seconds, truth.fs).with_leads(truth.pick(*given))
        else:
            condition = ppg_only(part.condition, np.random.default_rng(1), part.beats, generator.preprocessor)
            yield truth, condition.drop({name: 1.0 for name in TEXT_AND_METADATA}, np.random.default_rng(1))


def _covariance(one: Tensor, other: Tensor) -> Tensor:
    """Covariance along time: (..., time) → (...)."""
    products = (one - one.mean(-1, keepdim=True)) * (other - other.mean(-1, keepdim=True))
    return products.sum(-1) / (one.shape[-1] - 1)


@torch.no_grad()
def fit_intervals(
    generator: Generator, pack: Pack, rows: np.ndarray, draws: int = 20, level: float = 0.9, progress: bool = False
) -> None:
    """Set ``mean_weight`` and ``interval_scale``: accurate point estimates and calibrated intervals for each lead.

    ``mean_weight`` minimises the squared error, weighted by the inverse standard deviation of each lead, because
    records of high amplitude would dominate otherwise. ``interval_scale`` is then set so that the prediction intervals
    of ``reconstruct`` have a coverage of ``level`` on ``rows``.

    Args:
        generator: Its two buffers are set. A widening fitted before is removed (``ecggen.training.trust`` fits it).
        pack: Packed data set.
        rows: Calibration records, which must not be used for evaluation.
        draws: Draws per record.
        level: Nominal coverage.
        progress: Show progress bars.
    """
    generator.interval_scale.fill_(1.0)
    generator.mean_weight.zero_()
    generator.widening = None
    matrix = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32)
    for count, leads in enumerate(GIVEN):
        parts, sizes = [], []
        for seed, (truth, condition) in enumerate(conditions_given(generator, pack, rows, leads.split(), progress)):
            estimate = generator.reconstruct(condition, num_draws=draws, seed=seed, level=level, keep_draws=False)
            _, deterministic = draws_before_inflation(generator, condition, range(len(truth)))
            mean = estimate.mean.pick(*INDEPENDENT_LEADS).signal
            shift = torch.zeros_like(mean) if deterministic is None else deterministic.float() - mean
            edges = (edge.signal - estimate.mean.signal for edge in (estimate.lower, estimate.upper))
            sizes.append(truth.pick(*INDEPENDENT_LEADS).signal.std(-1, keepdim=True))
            parts.append((truth.signal - matrix @ mean, shift, *edges))
        error, shift, below, above = (torch.cat(each) for each in zip(*parts, strict=True))
        independent = error[:, [STANDARD_LEADS.index(lead) for lead in INDEPENDENT_LEADS]]
        weights = 1 / torch.cat(sizes).clamp(min=1e-3)
        share = (weights * independent * shift).sum((0, 2)) / (weights * shift.square()).sum((0, 2)).clamp(min=1e-9)
        generator.mean_weight[count] = share.clamp(0, 1).to(generator.mean_weight)
        error = error - matrix @ (share.clamp(0, 1)[:, None] * shift)
        factors = error / torch.where(error > 0, above.clamp(min=1e-4), below.clamp(max=-1e-4))
        for i, needed in enumerate(factors.transpose(0, 1)):
            if STANDARD_LEADS[i] not in determined_by(leads.split()):
                generator.interval_scale[count, i] = float(np.quantile(needed.numpy(), level))


def draws_before_inflation(
    generator: Generator, condition: Condition, indices: Sequence[int]
) -> tuple[Tensor, Tensor | None]:
    """Draws before inflation and the deterministic prediction at the model's rate, projected onto observed leads."""
    prepared = generator.preprocessor.condition(condition)
    drawn = generator.draw_many(prepared.to(generator.device), Noise(1, indices))
    draws = len(indices) // len(prepared)
    eight = project_onto_observed(drawn.draws.cpu(), prepared.repeat(draws)).double()
    if drawn.deterministic is None:
        return eight, None
    return eight, project_onto_observed(drawn.deterministic.cpu(), prepared).double()


def calibrate(generator: Generator, pack: Pack, records: int, progress: bool = False) -> None:
    """Fit all that is calibrated after training, in place.

    Args:
        generator: A trained generator.
        pack: Packed data set.
        records: Records for intervals; 24 times as many are used for inflation.
        progress: Show progress bars.
    """
    train = pack.rows(TRAIN_FOLDS)
    fit_rhythm_prior(generator, pack, train)
    fit_patient_prior(generator, pack, train)
    fit_ensemble_inflation(generator, pack, random_rows(train, 24 * records), progress=progress)
    fit_intervals(generator, pack, random_rows(pack.rows(CALIBRATION_FOLDS), records), progress=progress)


def main() -> None:
    """Calibrate a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="checkpoint folder, as RUN/checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument(
        "--limit", type=int, default=256, help="records for intervals; 24 times as many are used for inflation"
    )
    parser.add_argument("--out", type=Path, required=True, help="output checkpoint folder")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument(
        "--beside", help="checkpoint in the parent folder of OUT, with which identical weights are shared"
    )
    options = parser.parse_args()
    generator = checkpoint.load(options.model)
    pack = data.pack(data.recordings(options.data), generator.preprocessor, options.cache)
    calibrate(generator, pack, options.limit, not options.quiet)
    checkpoint.save(generator, options.out, half=True)
    checkpoint.write_golden(options.out)
    if options.beside:
        storage.share(options.out, options.out.parent / options.beside)
    for name, what in (
        ("interval_scale", "interval scale"),
        ("ensemble_inflation", "ensemble inflation"),
        ("mean_weight", "weight of the deterministic prediction"),
    ):
        for leads, row in zip(GIVEN, getattr(generator, name).tolist(), strict=True):
            print(f"{what}, {leads or 'PPG'} given:", [round(value, 2) for value in row])


if __name__ == "__main__":
    main()
