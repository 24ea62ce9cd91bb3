"""The last strokes on a trained generator: the rhythm that words tell, people, and bands that hold what they say.

``python -m ecggen.finishing RUN/checkpoint --data PTBXL --out checkpoints/NAME`` makes what is shipped: 16-bit weights,
a rhythm regressed on the training folds, whom to draw where nothing is told, bands widened until they hold their share
of a training fold's samples (never of fold 9, on which they are scored), and the golden file of what they draw.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ecggen import beats, checkpoint, data
from ecggen.condition import Condition
from ecggen.data import Batches, Pack, statements
from ecggen.data.classes import Population
from ecggen.ecg import DRAWN_LEADS, ECG, STANDARD_LEADS, determined_by
from ecggen.exposure import WORDS, Exposure
from ecggen.generator import Generator
from ecggen.people import People

TRAINED = (1, 2, 3, 4, 5, 6, 7, 8)
SET_ON = (8,)
SPREADS = (0.5, 2.5)
"""Least and most that draws are spread."""
GIVEN = ("", "I", "I II", "II V1 V5")
"""What is given while bands are set, by the number of independent leads; a PPG where there is none."""


def fit_beats(generator: Generator, pack: Pack, rows: np.ndarray, seed: int = 0) -> None:
    """What words and facts tell of the rhythm, from the training records (``ecggen.beats``)."""
    known = Batches(pack, rows, 256)
    beats.fit(generator, ((part.condition, part.beats) for part in known), np.random.default_rng(seed))


def fit_people(generator: Generator, pack: Pack, rows: np.ndarray, n: int = 2048, seed: int = 0) -> None:
    """Whom the generator draws where nothing is told: a sample of the training records (``ecggen.people``).

    Reports are left out, for they are somebody's words: what is kept says a record's statements.
    """
    if not len(rows):
        return
    known = Population.of(pack, np.sort(np.random.default_rng(seed).permutation(rows)[:n]))
    texts = [", ".join(statements.describe(code) for code in statements.codes() if code in own) for own in known.codes]
    generator.people = People.of(texts, np.stack([known.age, known.sex, known.heart_rate], 1))


@torch.no_grad()
def fit_draws(generator: Generator, pack: Pack, rows: np.ndarray, draws: int = 4) -> None:
    """Set ``spread`` so that draws vary as the hearts of ``rows`` do, and ``middle_share`` so that centers lie near.

    Where leads are seen: a denoiser or a latent that learnt for a short time draws too much of the usual. The variance
    of a draw along time, summed over records, becomes that of the truth; the share of the middle answer is the one of
    least squares. Nothing is set in a family that has no middle answer.

    Args:
        generator: Its two buffers are set.
        pack: The packed data set.
        rows: Records to set them on; they must not be those it is judged on.
        draws: Draws per record; few of many records tell more than many of few.
    """
    generator.spread.fill_(1.0)
    generator.middle_share.zero_()
    for count, leads in enumerate(GIVEN):
        sums = torch.zeros(5, len(DRAWN_LEADS), dtype=torch.float64)
        for truth, condition in told(generator, pack, rows, leads.split()):
            middle = generator.middle(generator.preprocessor.condition(condition).to(generator.device))
            if middle is None:
                return
            middle, true = middle.cpu().double(), truth.pick(*DRAWN_LEADS).signal.double()
            eight = generator.sample(condition.repeat(draws), seed=1).pick(*DRAWN_LEADS).signal.double()
            away = eight.unflatten(0, (-1, draws)) - middle[:, None]
            mean, off = away.mean(1), true - middle
            varied = torch.stack([away.var(-1).mean(1), _covariance(mean, middle), middle.var(-1) - true.var(-1)])
            chance = away.var(1).sum(-1) / draws  # what so few draws add to the distance of their mean
            near = torch.stack([mean.square().sum(-1) - chance, (mean * off).sum(-1)])
            sums += torch.cat([varied, near]).sum(1)
        a, b, c = sums[0], 2 * sums[1], sums[2]  # variance of middle + k · away = that of the truth
        known = torch.tensor([lead in determined_by(leads.split()) for lead in DRAWN_LEADS])
        spread = (-b + (b.square() - 4 * a * c).clamp(min=0).sqrt()) / (2 * a).clamp(min=1e-9)
        spread = torch.ones_like(a) if count == 0 else torch.where(known, 1.0, spread.clamp(*SPREADS))
        share = 1 - sums[4] / (spread * sums[3]).clamp(min=1e-9)
        generator.spread[count] = spread.to(generator.spread)
        generator.middle_share[count] = torch.where(known, 0.0, share.clamp(0, 1)).to(generator.middle_share)


def told(generator: Generator, pack: Pack, rows: np.ndarray, given: Sequence[str]) -> Iterator[tuple[ECG, Condition]]:
    """Records of a pack, and what is told of each: some leads, or a simulated PPG where none are given."""
    pulse = Exposure({"none": 1.0}, pulse=1.0, beside_ppg={"none": 1.0}, cut=0.0)
    for part in Batches(pack, rows, 64):
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


def fit_bands(generator: Generator, pack: Pack, rows: np.ndarray, draws: int = 20, level: float = 0.9) -> None:
    """Set ``band_scale`` so that the bands of ``estimate`` hold their share of the samples of ``rows``, lead by lead.

    Args:
        generator: Its ``band_scale`` is set.
        pack: The packed data set.
        rows: Records to set it on; they must not be those it is judged on.
        draws: Draws per estimate.
        level: Share that is to be held.
    """
    generator.band_scale.fill_(1.0)
    for count, leads in enumerate(GIVEN):
        given = leads.split()
        needed: list[Tensor] = []
        for truth, condition in told(generator, pack, rows, given):
            estimate = generator.estimate(condition, draws, seed=1, level=level)
            off = truth.signal - estimate.center.signal
            above, below = (edge.signal - estimate.center.signal for edge in (estimate.high, estimate.low))
            needed.append(off / torch.where(off > 0, above.clamp(min=1e-4), below.clamp(max=-1e-4)))
        for i, found in enumerate(torch.cat(needed).transpose(0, 1)):
            if STANDARD_LEADS[i] not in determined_by(given):
                generator.band_scale[count, i] = float(np.quantile(found.numpy(), level))


def main() -> None:
    """Finish a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a checkpoint folder, as RUN/checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="the PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="where packed data sets are kept")
    parser.add_argument(
        "--limit", type=int, default=256, help="records that bands are set on; draws on four times as many"
    )
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint folder to be made")
    words = parser.parse_args()
    generator = checkpoint.load(words.model)
    pack = data.pack(data.recordings(words.data), generator.preprocessor, words.cache)
    fit_beats(generator, pack, pack.rows(TRAINED))
    fit_people(generator, pack, pack.rows(TRAINED))
    fit_draws(generator, pack, pack.rows(SET_ON)[: 4 * words.limit])
    fit_bands(generator, pack, pack.rows(SET_ON)[: words.limit])
    checkpoint.save(generator, words.out, half=True)
    checkpoint.write_golden(words.out)
    for name, what in (("band_scale", "bands widened"), ("spread", "draws spread"), ("middle_share", "middle's share")):
        for leads, row in zip(GIVEN, getattr(generator, name).tolist(), strict=True):
            print(f"{what}, {leads or 'PPG'} given:", [round(value, 2) for value in row])


if __name__ == "__main__":
    main()
