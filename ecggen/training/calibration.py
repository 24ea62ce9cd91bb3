"""The last strokes on a trained generator: the rhythm that words tell, people, and bands that hold what they say.

``python -m ecggen.training.calibration RUN/checkpoint --data PTBXL --out checkpoints/NAME`` makes what is shipped: 16-bit weights,
a rhythm regressed on the training folds, whom to draw where nothing is told, bands widened until they hold their share
of a training fold's samples (never of fold 9, on which they are scored), and the golden file of what they draw.
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
from ecggen.conditioning.condition import WORDS, Condition
from ecggen.conditioning.patient_prior import PatientPrior
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, determined_by
from ecggen.data import Batches, Pack
from ecggen.data.population import Population
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.sampling import Noise
from ecggen.networks import storage
from ecggen.training.masking import Masking

TRAINED = (1, 2, 3, 4, 5, 6, 7, 8)
BANDED = (8,)
USUAL = 50
"""Patients of whom a word of a report is written before a checkpoint keeps it."""
SPREADS = (0.5, 2.5)
"""Least and most that draws are spread."""
GIVEN = ("", "I", "I II", "II V1 V5")
"""What is given while bands are set, by the number of independent leads; a PPG where there is none."""


def fit_rhythm_prior(generator: Generator, pack: Pack, rows: np.ndarray, seed: int = 0) -> None:
    """What words and facts tell of the rhythm, from the training records (``ecggen.conditioning.rhythm_prior``)."""
    known = Batches(pack, rows, 256)
    rhythm_prior.fit(generator, ((part.condition, part.beats) for part in known), np.random.default_rng(seed))


def fit_patient_prior(generator: Generator, pack: Pack, rows: np.ndarray, n: int = 2048, seed: int = 0) -> None:
    """Whom the generator draws where nothing is told: a sample of the training records (``ecggen.conditioning.patient_prior``).

    What is kept of a record's report is what reports usually say, ``usual_words``: the rest may be somebody's own.
    Where that is nothing, the record's statements are said, each time in other words, as training does: said always
    alike, they make draws alike.
    """
    if not len(rows):
        return
    every, chosen = pack.index.iloc[rows], some(rows, n, seed)
    usual = dict(zip(rows, usual_words(every.report.tolist(), every.patient.tolist()), strict=True))
    known = Population.of(pack, chosen)
    rng = np.random.default_rng(seed)
    said = [[code for code in statements.codes() if code in own] for own in known.codes]
    texts = [statements.write_anyhow(codes, (), rng) if codes else "" for codes in said]
    texts = [usual[row] or text for row, text in zip(chosen, texts, strict=True)]
    generator.patient_prior = PatientPrior.of(texts, np.stack([known.age, known.sex, known.heart_rate], 1))


def usual_words(reports: Sequence[str], patients: Sequence[str], least: int = USUAL) -> list[str]:
    """Reports without the words that are written of fewer than ``least`` patients, names and numbers among them."""
    spoken: dict[str, set[str]] = {}
    for report, patient in zip(reports, patients, strict=True):
        for word in report.lower().split():
            spoken.setdefault(word, set()).add(patient)
    return [" ".join(word for word in report.split() if len(spoken[word.lower()]) >= least) for report in reports]


@torch.no_grad()
def fit_draws(generator: Generator, pack: Pack, rows: np.ndarray, draws: int = 1, progress: bool = False) -> None:
    """Set ``ensemble_inflation`` so that draws vary as the hearts of ``rows`` do, where leads are seen.

    A denoiser or a latent that learnt for a short time draws too much of the usual. The variance of a draw along time,
    summed over records, becomes that of the truth. Nothing is set in a family that has no middle answer.

    Args:
        generator: Its ``ensemble_inflation`` is set.
        pack: The packed data set.
        rows: Records to set it on; they must not be those it is judged on. Thousands: a few large hearts are half of
            a variance.
        draws: Draws per record; few of many records tell more than many of few.
        progress: Show progress bars.
    """
    generator.ensemble_inflation.fill_(1.0)
    for count, leads in list(enumerate(GIVEN))[1:]:
        sums, done = torch.zeros(3, len(INDEPENDENT_LEADS), dtype=torch.float64), 0
        for truth, condition in conditions_given(generator, pack, rows, leads.split(), progress):
            eight, middle = _drawn(generator, condition, range(done, done + draws * len(truth)))
            if middle is None:
                return
            done += draws * len(truth)  # the same few draws in each batch would be taken for all
            true = truth.pick(*INDEPENDENT_LEADS).signal.double()
            away = eight.unflatten(0, (-1, draws)) - middle[:, None]
            together = _covariance(away.mean(1), middle)
            sums += torch.stack([away.var(-1).mean(1), 2 * together, middle.var(-1) - true.var(-1)]).sum(1)
        a, b, c = sums  # variance of middle + k · away = that of the truth
        spread = (-b + (b.square() - 4 * a * c).clamp(min=0).sqrt()) / (2 * a).clamp(min=1e-9)
        known = torch.tensor([lead in determined_by(leads.split()) for lead in INDEPENDENT_LEADS])
        generator.ensemble_inflation[count] = torch.where(known, 1.0, spread.clamp(*SPREADS)).to(
            generator.ensemble_inflation
        )


def some(rows: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Up to ``n`` of some rows, drawn at random and in order: neighbours are of one time and one device."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:n])


def conditions_given(
    generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str], progress: bool = False
) -> Iterator[tuple[ECG, Condition]]:
    """Records of a pack, and what is told of each: some leads, or a simulated PPG where none are given."""
    pulse = Masking({"none": 1.0}, simulated_ppg_prob=1.0, lead_masks_with_ppg={"none": 1.0}, crop_prob=0.0)
    parts = Batches(pack, rows, 64)
    for part in track(parts, f"{' '.join(given) or 'PPG'} given", len(parts), disable=not progress):
        truth = part.ecg.standard()
        if given:
            yield truth, Condition.none(len(truth), truth.seconds, truth.fs).with_leads(truth.pick(*given))
        else:
            condition = pulse(part.condition, np.random.default_rng(1), part.beats, generator.preprocessor)
            yield truth, condition.drop({name: 1.0 for name in WORDS}, np.random.default_rng(1))


def _covariance(one: Tensor, other: Tensor) -> Tensor:
    """Along time: (..., time) → (...)."""
    apart = (one - one.mean(-1, keepdim=True)) * (other - other.mean(-1, keepdim=True))
    return apart.sum(-1) / (one.shape[-1] - 1)


@torch.no_grad()
def fit_intervals(
    generator: Generator, pack: Pack, rows: np.ndarray, draws: int = 20, level: float = 0.9, progress: bool = False
) -> None:
    """Set ``mean_weight`` and ``interval_scale``: centers near the truth, and bands that hold their share, lead by lead.

    The share of the middle answer is the one of least squares, in which a lead's error counts the less the more that
    lead varies: else a few large hearts would choose for all. The bands of ``estimate`` are then widened or narrowed
    until they hold ``level`` of the samples of ``rows``.

    Args:
        generator: Its two buffers are set.
        pack: The packed data set.
        rows: Records to set them on; they must not be those it is judged on.
        draws: Draws per estimate.
        level: Share that is to be held.
        progress: Show progress bars.
    """
    generator.interval_scale.fill_(1.0)
    generator.mean_weight.zero_()
    matrix = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32)
    for count, leads in enumerate(GIVEN):
        parts, sizes = [], []
        for seed, (truth, condition) in enumerate(conditions_given(generator, pack, rows, leads.split(), progress)):
            estimate = generator.reconstruct(condition, num_draws=draws, seed=seed, level=level, keep_draws=False)
            _, middle = _drawn(generator, condition, range(len(truth)))
            mean = estimate.mean.pick(*INDEPENDENT_LEADS).signal
            moved = torch.zeros_like(mean) if middle is None else middle.float() - mean
            edges = (edge.signal - estimate.mean.signal for edge in (estimate.lower, estimate.upper))
            sizes.append(truth.pick(*INDEPENDENT_LEADS).signal.std(-1, keepdim=True))
            parts.append((truth.signal - matrix @ mean, moved, *edges))
        off, moved, below, above = (torch.cat(each) for each in zip(*parts, strict=True))
        short = off[:, [STANDARD_LEADS.index(lead) for lead in INDEPENDENT_LEADS]]
        weights = 1 / torch.cat(sizes).clamp(min=1e-3)
        share = (weights * short * moved).sum((0, 2)) / (weights * moved.square()).sum((0, 2)).clamp(min=1e-9)
        generator.mean_weight[count] = share.clamp(0, 1).to(generator.mean_weight)
        off = off - matrix @ (share.clamp(0, 1)[:, None] * moved)
        needed = off / torch.where(off > 0, above.clamp(min=1e-4), below.clamp(max=-1e-4))
        for i, found in enumerate(needed.transpose(0, 1)):
            if STANDARD_LEADS[i] not in determined_by(leads.split()):
                generator.interval_scale[count, i] = float(np.quantile(found.numpy(), level))


def _drawn(generator: Generator, condition: Condition, indices: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """Draws as they come and the middle answer, at the model's rate, both agreeing with what is seen."""
    prepared = generator.preprocessor.condition(condition)
    drawn = generator.draw_many(prepared.to(generator.device), Noise(1, indices))
    draws = len(indices) // len(prepared)
    eight = project_onto_observed(drawn.draws.cpu(), prepared.repeat(draws)).double()
    return eight, None if drawn.deterministic is None else project_onto_observed(
        drawn.deterministic.cpu(), prepared
    ).double()


def main() -> None:
    """Finish a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a checkpoint folder, as RUN/checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="the PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="where packed data sets are kept")
    parser.add_argument(
        "--limit", type=int, default=256, help="records that bands are set on; draws on 24 times as many"
    )
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint folder to be made")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--beside", help="a checkpoint in the folder of OUT whose equal weights are not stored twice")
    words = parser.parse_args()
    generator = checkpoint.load(words.model)
    pack = data.pack(data.recordings(words.data), generator.preprocessor, words.cache)
    fit_rhythm_prior(generator, pack, pack.rows(TRAINED))
    fit_patient_prior(generator, pack, pack.rows(TRAINED))
    fit_draws(generator, pack, some(pack.rows(TRAINED), 24 * words.limit), progress=not words.quiet)
    fit_intervals(generator, pack, some(pack.rows(BANDED), words.limit), progress=not words.quiet)
    checkpoint.save(generator, words.out, half=True)
    checkpoint.write_golden(words.out)
    if words.beside:
        storage.share(words.out, words.out.parent / words.beside)
    for name, what in (
        ("interval_scale", "interval scale"),
        ("ensemble_inflation", "ensemble inflation"),
        ("mean_weight", "weight of the deterministic prediction"),
    ):
        for leads, row in zip(GIVEN, getattr(generator, name).tolist(), strict=True):
            print(f"{what}, {leads or 'PPG'} given:", [round(value, 2) for value in row])


if __name__ == "__main__":
    main()
