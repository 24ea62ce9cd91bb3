"""Variance between the draws of a reconstruction beside that of the truth, with each way to scale them.

``python -m evaluation.scripts.between --data PTBXL --draws FOLDER --out evaluation/results/between.json`` draws for
records of fold 8 (calibration) and fold 9 (scores) from lead I and from II, V1 and V5. Draws are kept in FOLDER, so
that an interrupted run is continued there. All scores are of the samples in the beats that truth and draws share
(``ecggen.training.between``). Three ways to scale the same draws about the deterministic prediction are compared:

- ``total``: by the ensemble inflation of the checkpoint, which matches the total variance. Point estimates and
  intervals are made of such draws;
- ``between``: by one factor per lead at which the variance between the draws is that of the truth;
- ``apart``: mean beats and the rest by a factor each (``ecggen.generators.beat_inflation``), as draws are returned.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen import data
from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.data import Pack
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.intervals import plotting_positions
from ecggen.io.results import commit
from ecggen.metrics.functional.bootstrap import redrawn
from ecggen.metrics.functional.probabilistic import crps
from ecggen.metrics.functional.variability import WAVES
from ecggen.metrics.functional.waveform import free_leads, pearson
from ecggen.networks import storage
from ecggen.training.between import BEFORE, LEAST, BetweenTerms, beat_length, between_terms, cut, shared_beats
from ecggen.training.calibration import conditions_given, draws_before_inflation, random_rows

MODELS = ("vae", "flow", "gan", "diffusion")
GIVEN = (("I",), ("II", "V1", "V5"))
CALIBRATION, SCORED = 8, 9
DRAWS, SEED, LEVEL, RESAMPLES = 5, 1, 0.9, 300
WAYS = ("total", "between", "apart")
WAVE_NAMES = {"p": "P", "qrs": "QRS", "t": "T"}
DEFINITIONS = {
    "n": f"records of each fold; those with fewer than {LEAST} beats in the given leads are left out",
    "between": "variance of the mean beat between the draws over the mean square of the true mean beat's distance from "
    "the mean of the draws, noise of few beats and few draws removed, sums over records and instants; 1 is calibrated",
    "between_median": "the same of median beats, without removal of noise, times 1 + 1 / draws",
    "within": "variance of the beats about their mean beat, one draw over the truth",
    "variance": "total variance along time, one draw over the truth",
    "r_one_draw": "mean over records and leads of the correlation of one draw with the truth",
    "crps_mv": "mean over records, leads and time of the fair CRPS of the draws, mV",
    "coverage": "share of true samples in the 90 % interval, whose scale is calibrated on fold 8 for each way alike",
    "width_mv": "mean width of this interval, mV",
}


@dataclass(frozen=True)
class Drawn:
    """Records with draws before inflation, leads that are not determined by the given ones.

    Attributes:
        true: (record, lead, time) in mV.
        center: (record, lead, time) deterministic prediction.
        draws: (record, draw, lead, time).
        starts: First samples of the shared beats of each record.
        apart: As ``draws``, scaled by ``BeatInflation``.
        patients: Patient of each record.
        fs: Sampling rate in Hz.
    """

    true: np.ndarray
    center: np.ndarray
    draws: np.ndarray
    apart: np.ndarray
    starts: list[np.ndarray]
    patients: list[str]
    fs: float

    @cached_property
    def terms(self) -> BetweenTerms:
        """Of the variance between draws."""
        return between_terms(self.true, self.center, self.draws, self.starts, self.fs)

    def scaled(self, factor: np.ndarray | None) -> np.ndarray:
        """The draws by one factor per lead, or ``apart``."""
        center = self.center[:, None]
        return self.apart if factor is None else center + factor[:, None] * (self.draws - center)

    def beats(self, draws: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each record truth and center (beat, lead, time), and draws (beat, draw, lead, time)."""
        return [
            (cut(true, at, self.fs), cut(center, at, self.fs), cut(each, at, self.fs))
            for true, center, each, at in zip(self.true, self.center, draws, self.starts, strict=True)
        ]


def drawn(generator: Generator, pack: Pack, given: tuple[str, ...], fold: int, limit: int, folder: Path) -> Drawn:
    """Draws for ``limit`` records of a fold, from a file if they are kept."""
    file = folder / f"{generator.name}_{'_'.join(given)}_{fold}_{limit}x{DRAWS}.npz"
    if not file.is_file():
        rows, done, parts = random_rows(pack.rows((fold,)), limit, SEED), 0, []
        for truth, condition in conditions_given(generator, pack, rows, given, progress=True):
            draws, center = draws_before_inflation(generator, condition, range(done, done + DRAWS * len(truth)))
            if center is None:
                raise ValueError(f"{generator.name} has no deterministic prediction")
            done += DRAWS * len(truth)
            parts.append((draws.unflatten(0, (-1, DRAWS)).half().numpy(), center.float().numpy()))
        each, centers = (np.concatenate(part) for part in zip(*parts, strict=True))
        np.savez(file, draws=each, center=centers, rows=rows)
    with np.load(file) as kept:
        draws, center, rows = (kept[name] for name in ("draws", "center", "rows"))
    true, fs = pack.ecg(rows).signal.numpy(), generator.preprocessor.fs
    observed = [INDEPENDENT_LEADS.index(lead) for lead in given]
    recorded = ECG(torch.from_numpy(true[:, observed]), given, fs)
    starts, apart = shared_beats(recorded), scaled_apart(generator, draws, center, recorded)
    patients = pack.index.patient.iloc[rows].astype(str).tolist()
    free = [INDEPENDENT_LEADS.index(lead) for lead in free_leads(given)]
    kept = [row for row, at in enumerate(starts) if len(at) >= LEAST]
    return Drawn(
        true[kept][:, free],
        center[kept][:, free],
        draws[kept][:, :, free].astype(np.float32),
        apart[kept][:, :, free],
        [starts[row] for row in kept],
        [patients[row] for row in kept],
        fs,
    )


def scaled_apart(generator: Generator, draws: np.ndarray, center: np.ndarray, recorded: ECG) -> np.ndarray:
    """Draws (record, draw, 8, time) in mV as they are returned, from draws before inflation."""
    assert generator.beat_inflation is not None
    condition = Condition.none(len(recorded), recorded.seconds, recorded.fs).with_leads(recorded)
    middle, parts = torch.from_numpy(center).float(), []
    for start in range(0, len(recorded), 32):
        some = slice(start, start + 32)
        own, distance = middle[some, None], torch.from_numpy(draws[some]).float() - middle[some, None]
        parts.append(generator.beat_inflation.draws(distance, own, condition[some])[0])
    return torch.cat(parts).numpy()


def interval_parts(beats: Sequence[tuple[np.ndarray, ...]], weight: np.ndarray) -> tuple[np.ndarray, ...]:
    """Error of the point estimate, and ends of its interval before scaling relative to it: (lead, sample) each."""
    tails, parts = plotting_positions(LEVEL, DRAWS).numpy(), []
    for true, center, draws in beats:
        mean = draws.mean(1)
        low, high = np.quantile(draws - mean[:, None], tails, axis=1)
        point = mean + weight[:, None] * (center - mean)
        parts.append([np.moveaxis(one, 0, 1).reshape(one.shape[1], -1) for one in (true - point, low, high)])
    return tuple(np.concatenate(one, 1) for one in zip(*parts, strict=True))


def scale_of(error: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(lead, 1) factor on the ends at which a share ``LEVEL`` of the errors lies between them."""
    needed = error / np.where(error > 0, high.clip(min=1e-4), low.clip(max=-1e-4))
    return np.quantile(needed, LEVEL, axis=1)[:, None]


def median_ratio(beats: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
    """(lead,) ``between_median``."""
    spread = error = 0.0
    for true, _, draws in beats:
        each, own = np.median(draws, 0), np.median(true, 0)
        spread = spread + each.var(0, ddof=1).sum(-1)
        error = error + ((own - each.mean(0)) ** 2).sum(-1)
    return (1 + 1 / DRAWS) * np.asarray(spread) / np.asarray(error)


def scores(fitted: Drawn, scored: Drawn, leads: Sequence[str], tables: Mapping[str, np.ndarray]) -> dict:
    """Scores of the three ways, fitted on one set of records and scored on another.

    Args:
        fitted: Records for the factor of ``between`` and the scales of the intervals.
        scored: Other records.
        leads: Leads of both.
        tables: For each of these leads ``inflation``, ``weight``, ``mean_beat`` and ``rest`` of the checkpoint.
    """
    inflation, factor = tables["inflation"], fitted.terms.factor()
    factors = {
        "total": (inflation, inflation),
        "between": (factor, factor),
        "apart": (tables["mean_beat"], tables["rest"]),
    }
    by = {"total": inflation, "between": factor, "apart": None}
    instants = np.arange(beat_length(scored.fs)) / scored.fs - BEFORE
    waves = {name: (instants >= first) & (instants <= last) for name, (first, last) in WAVES.items()}
    resamples = list(redrawn(scored.patients, SEED, RESAMPLES))

    def by_lead(values: np.ndarray) -> dict[str, float]:
        return {lead: round(float(value), 3) for lead, value in zip(leads, values, strict=True)}

    def one(way: str) -> dict[str, Any]:
        draws = scored.scaled(by[way])
        terms = between_terms(scored.true, scored.center, draws, scored.starts, scored.fs)
        ranges = np.quantile([terms.ratio(records=rows) for rows in resamples], [0.025, 0.975], axis=0)
        beats = scored.beats(draws)
        ends = interval_parts(fitted.beats(fitted.scaled(by[way])), tables["weight"])
        error, low, high = interval_parts(beats, tables["weight"])
        scale = scale_of(*ends)
        inside = (error >= scale * low) & (error <= scale * high)
        sums, r, ranked = np.zeros((4, len(leads))), [], []
        for true, _, each in beats:
            flat = np.moveaxis(true, 0, 1).reshape(len(leads), -1)
            joined = np.moveaxis(each, 0, 2).reshape(DRAWS, len(leads), -1)
            rest = ((true - true.mean(0)) ** 2).sum((0, 2)), ((each - each.mean(0)) ** 2).mean(1).sum((0, 2))
            sums += np.stack([joined.var(-1).mean(0), flat.var(-1), rest[1], rest[0]])
            r.append(np.nan_to_num(pearson(joined[0], flat)))
            ranked.append(crps(joined, flat).mean(-1))
        return {
            "factor": by_lead(factors[way][0]),
            "factor_within": by_lead(factors[way][1]),
            "between": by_lead(terms.ratio()),
            "between_interval": {
                lead: [round(float(end), 3) for end in ends] for lead, ends in zip(leads, ranges.T, strict=True)
            },
            "between_wave": {WAVE_NAMES[name]: by_lead(terms.ratio(at=at)) for name, at in waves.items()},
            "between_median": by_lead(median_ratio(beats)),
            "within": by_lead(sums[2] / sums[3]),
            "variance": by_lead(sums[0] / sums[1]),
            "r_one_draw": round(float(np.mean(r)), 4),
            "crps_mv": round(float(np.mean(ranked)), 4),
            "coverage": round(float(inside.mean()), 4),
            "coverage_by_lead": by_lead(inside.mean(1)),
            "width_mv": round(float((scale * (high - low)).mean()), 4),
        }

    return {way: one(way) for way in WAYS}


@torch.no_grad()
def measured(name: str, packed: Callable[[Generator], Pack], limit: int, folder: Path) -> tuple[str, dict[str, Any]]:
    """Name with weights and scores of a model, by given leads."""
    generator, found = checkpoint.load(storage.find(name)), {}
    pack = packed(generator)
    for given in GIVEN:
        leads = free_leads(given)
        free = [INDEPENDENT_LEADS.index(lead) for lead in leads]
        fitted, scored = (drawn(generator, pack, given, fold, limit, folder) for fold in (CALIBRATION, SCORED))
        assert generator.beat_inflation is not None
        every = {
            "inflation": generator.ensemble_inflation,
            "weight": generator.mean_weight,
            "mean_beat": generator.beat_inflation.mean_beat,
            "rest": generator.beat_inflation.rest,
        }
        tables = {name: table[len(given)].double().cpu().numpy()[free] for name, table in every.items()}
        made = scores(fitted, scored, leads, tables)
        found[" ".join(given)] = {"n": len(scored.true), "n_calibration": len(fitted.true)} | made
    return generator.name, found


def main() -> None:
    """Measure the models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--draws", type=Path, required=True, help="folder in which draws are kept")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, which is extended")
    parser.add_argument("--limit", type=int, default=160, help="records of each fold")
    parser.add_argument("--model", nargs="+", default=MODELS, help="checkpoints")
    options = parser.parse_args()
    options.draws.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {"scores": {}}
    for name in options.model:
        own, made = measured(
            name,
            lambda generator: data.pack(data.recordings(options.data), generator.preprocessor, options.cache),
            options.limit,
            options.draws,
        )
        kept: Mapping[str, Any] = {
            other: one for other, one in found["scores"].items() if other.split("@")[0] != own.split("@")[0]
        }
        about = {"commit": commit(), "date": datetime.date.today().isoformat()}
        found |= {"definitions": DEFINITIONS, "folds": {"calibration": [CALIBRATION], "scored": [SCORED]}}
        found |= {"n": options.limit, "draws": DRAWS, "seed": SEED, "level": LEVEL}
        found["scores"] = {**kept, own: about | {"given": made}}
        options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
