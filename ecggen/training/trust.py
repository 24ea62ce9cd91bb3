"""Fits the widening of prediction intervals for recordings that are unlike the training data.

``python -m ecggen.training.trust flow --data PTBXL --outside CINC2021 --outside LUDB --outside CINC2011`` writes
trust.json into the folder of the checkpoint; no weight and no hash changes (``ecggen.generators.trust``).

The dependence on features and noise is fitted on calibration records of PTB-XL, and on as many that random recorders
have changed (``ecggen.core.recorders``). One number for each set of observed leads, the margin, is fitted on
calibration records and on the outside archives, each hospital counted once; trust.json also holds each hospital's
coverage with the margin that the others give (leave one hospital out).
"""

from __future__ import annotations

import argparse
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from ecggen import data
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.recorders import rerecorded
from ecggen.data import Pack
from ecggen.data.challenges import hospital
from ecggen.data.pack import FOLDS
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.intervals import CALIBRATED
from ecggen.generators.trust import calibrate
from ecggen.generators.trust.features import NAMES, measure
from ecggen.generators.trust.widening import FARTHEST, FILE, LEVEL, Row, Widening
from ecggen.io.results import commit
from ecggen.networks import storage
from ecggen.training.calibration import CALIBRATION_FOLDS

RECORDS, DRAWS = 350, 20
SEEDS = (11, 12)
"""Seeds of the choice of calibration records, as recorded and changed by recorders."""
SHARE_OF_CHANGED = 0.3
"""Weight of a changed record; an unchanged one has 1."""
REFERENCE = 1500
"""Calibration records from which centre and spread of the features are measured."""
FEWEST = 20
"""Fewest records of a hospital that the margin uses."""
STEPS, LEARNING_RATE, PENALTY = 400, 0.02, 3e-4
CALIBRATION = "PTB-XL"


@dataclass(frozen=True)
class Errors:
    """Errors of the point estimates of records, and half-widths of their intervals in the direction of the error.

    Attributes:
        error: (record, lead, time) absolute error of the generated independent leads in mV.
        half_width: The same shape, in mV.
        z: (record, feature) standardised features.
        noise: (record,) mV.
    """

    error: np.ndarray
    half_width: np.ndarray
    z: np.ndarray
    noise: np.ndarray

    def __len__(self) -> int:
        return len(self.noise)

    def within(self, member: np.ndarray) -> Errors:
        """The records at a mask."""
        return Errors(*(getattr(self, name)[member] for name in ("error", "half_width", "z", "noise")))

    def widened(self, row: Row) -> np.ndarray:
        """Half-widths after widening, (record, lead, time) mV."""
        factor = row.factor(self.z)[:, None, None]
        return row.margin * (factor * self.half_width + row.noise * self.noise[:, None, None])


def reference(eight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre and spread of the features of each of twelve leads, and both of the rhythm, from (record, 8, time) mV."""
    leads, rhythms = [], []
    for signal in ECG(torch.from_numpy(eight), INDEPENDENT_LEADS, 100.0).standard().signal.numpy():
        own, rhythm, _ = measure(signal)
        leads.append(own)
        rhythms.append(rhythm)
    centre, spread = np.mean(leads, 0), np.std(leads, 0).clip(1e-3)
    return centre, spread, np.stack([np.mean(rhythms, 0), np.std(rhythms, 0).clip(1e-3)])


def errors(
    generator: Generator,
    eight: np.ndarray,
    given: Sequence[str],
    widening: Widening,
    name: str,
    progress: bool = True,
) -> Errors:
    """Reconstruct records (record, 8, time) in mV at the model's rate from the leads ``given``, without widening.

    Args:
        generator: A calibrated generator.
        eight: The independent leads.
        given: Observed leads.
        widening: For the features; its rows are not used.
        name: For the progress bar.
        progress: Show it.
    """
    generator.widening = None
    with Progress(disable=not progress) as bar:
        task = bar.add_task(f"{name}, {' '.join(given)} given", total=1.0)
        found = calibrate.errors(generator, eight, given, DRAWS, LEVEL, lambda share: bar.update(task, completed=share))
    rows = [INDEPENDENT_LEADS.index(lead) for lead in given]
    features = [widening.features(wave[rows], given) for wave in eight]
    return Errors(
        found.error, found.half_width, np.stack([z for z, _ in features]), np.array([noise for _, noise in features])
    )


def fit_row(plain: Errors, changed: Errors) -> Row:
    """Weights, constant, noise and distances from calibration records and changed ones, with a margin of 1.

    The pinball loss of the level, relative to the mean error of the record, is minimised by gradient descent.
    """
    both = [np.concatenate([getattr(part, name) for part in (plain, changed)]) for name in vars(plain)]
    error, half, z, noise = (torch.as_tensor(values, dtype=torch.float32) for values in both)
    z = z.clamp(-FARTHEST, FARTHEST)
    weight = torch.cat([torch.ones(len(plain)), torch.full((len(changed),), SHARE_OF_CHANGED)])
    size = error.mean((1, 2), keepdim=True) + 0.01
    weights, constant = torch.zeros(len(NAMES), requires_grad=True), torch.zeros((), requires_grad=True)
    log_noise = torch.tensor(-2.0, requires_grad=True)
    optimiser = torch.optim.Adam([weights, constant, log_noise], lr=LEARNING_RATE)
    for _ in range(STEPS):
        width = (z @ weights + constant).exp()[:, None, None] * half + log_noise.exp() * noise[:, None, None]
        off = (error - width) / size
        pinball = (LEVEL * off.clamp(min=0) + (1 - LEVEL) * (-off).clamp(min=0)).mean((1, 2))
        loss = (pinball * weight).sum() / weight.sum() + PENALTY * weights.abs().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    covariance = plain.z.T @ plain.z / len(plain) + 0.05 * np.eye(len(NAMES))
    row = Row(
        weights=weights.detach().numpy().astype(float),
        constant=float(constant.detach()),
        noise=float(log_noise.detach().exp()),
        margin=1.0,
        typical_noise=float(np.median(plain.noise)),
        precision=np.linalg.inv(covariance),
        distances=np.zeros(2),
    )
    return replace(row, distances=np.quantile(row.distance(plain.z), np.linspace(0, 1, 101)))


def margin(row: Row, hospitals: Sequence[Errors]) -> float:
    """The margin with which a share ``LEVEL`` of samples is inside, each hospital counted once."""
    needed = [(each.error / each.widened(replace(row, margin=1.0))).ravel() for each in hospitals]
    weight = np.concatenate([np.full(len(values), 1 / len(values)) for values in needed])
    values = np.concatenate(needed)
    order = np.argsort(values)
    share = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][np.searchsorted(share, LEVEL)])


def coverages(row: Row, hospitals: dict[str, Errors]) -> dict[str, Any]:
    """Coverage and mean width of each hospital with the margin of all, and with the margin that the others give."""
    found = {}
    for name, own in hospitals.items():
        others = [each for other, each in hospitals.items() if other != name] or [own]
        without = replace(row, margin=margin(row, others))
        found[name] = {
            "n": len(own),
            "before": _rounded((own.error <= own.half_width).mean()),
            "width_before_mv": _rounded(2 * own.half_width.mean()),
            "coverage": _rounded((own.error <= own.widened(row)).mean()),
            "width_mv": _rounded(2 * own.widened(row).mean()),
            "left_out": _rounded((own.error <= own.widened(without)).mean()),
        }
    return found


def _rounded(value: float) -> float:
    return round(float(value), 4)


def calibration_records(pack: Pack, n: int, changed: bool) -> np.ndarray:
    """Random calibration records (record, 8, time) in mV, as recorded or each changed by a random recorder."""
    seed = SEEDS[changed]
    rows = np.sort(np.random.default_rng(seed).permutation(pack.rows(CALIBRATION_FOLDS))[:n])
    eight = pack.ecg(rows).signal.numpy()
    if not changed:
        return eight
    chosen = [np.random.default_rng((seed, int(row))) for row in rows]
    return np.stack([rerecorded(wave, rng) for wave, rng in zip(eight, chosen, strict=True)])


def outside_records(pack: Pack, name: str) -> dict[str, np.ndarray]:
    """The first window of each record of an archive, by hospital; an archive of one hospital has its own name."""
    rows = pack.rows(range(1, FOLDS + 1))
    rows = rows[pack.index.start.to_numpy(float)[rows] == 0]
    of = np.array([hospital(record) or name for record in pack.index.name.iloc[rows]], object)
    return {own: pack.ecg(rows[of == own]).signal.numpy() for own in sorted(set(of)) if own != CALIBRATION}


def kept_errors(
    kept: Path | None,
    generator: Generator,
    eight: np.ndarray,
    given: Sequence[str],
    widening: Widening,
    name: str,
    progress: bool = True,
) -> Errors:
    """``errors``, stored in the folder ``kept``, if there is one, so that an interrupted run continues there."""
    whose = f"{generator.name} {' '.join(given)} {name} {len(eight)}"
    place = None if kept is None else kept / f"{re.sub('[^A-Za-z0-9@+]+', '-', whose)}.npz"
    if place is not None and place.is_file():
        with np.load(place) as stored:
            return Errors(*(stored[each] for each in ("error", "half_width", "z", "noise")))
    found = errors(generator, eight, given, widening, name, progress)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(".part.npz")
        np.savez(part, **vars(found))
        part.replace(place)
    return found


def fit(
    generator: Generator,
    pack: Pack,
    outside: dict[str, np.ndarray],
    records: int = RECORDS,
    kept: Path | None = None,
    progress: bool = True,
) -> tuple[Widening, dict[str, Any]]:
    """The widening of a generator, and each hospital's coverage by observed leads.

    Args:
        generator: A calibrated generator.
        pack: PTB-XL in the generator's preprocessing.
        outside: Records (record, 8, time) in mV by hospital; those with few records are not used.
        records: Number of calibration records.
        kept: Folder of partial results.
        progress: Show progress bars.
    """
    centre, spread, rhythm = reference(calibration_records(pack, REFERENCE, changed=False))
    empty = Widening(centre, spread, rhythm, ())
    plain, changed = (calibration_records(pack, records, changed=each) for each in (False, True))
    known = {name: eight for name, eight in outside.items() if len(eight) >= FEWEST}
    rows, measured = [], {}
    for given in CALIBRATED[1:]:

        def found(eight: np.ndarray, name: str, given: Sequence[str] = given) -> Errors:
            return kept_errors(kept, generator, eight, given, empty, name, progress)

        inside = found(plain, "as recorded")
        row = fit_row(inside, found(changed, "other recorders"))
        hospitals = {CALIBRATION: inside} | {name: found(eight, name) for name, eight in known.items()}
        rows.append(replace(row, margin=margin(row, list(hospitals.values()))))
        measured[" ".join(given)] = coverages(rows[-1], hospitals)
    return Widening(centre, spread, rhythm, tuple(rows)), measured


def file_of(
    generator: Generator,
    pack: Pack,
    outside: dict[str, np.ndarray],
    records: int = RECORDS,
    kept: Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Contents of ``FILE``: the widening, how it was made, and each hospital's coverage; arguments as of ``fit``."""
    widening, measured = fit(generator, pack, outside, records, kept, progress)
    made = {"commit": commit(), "date": datetime.date.today().isoformat(), "records": records, "model": generator.name}
    return widening.as_json() | made | {"measured": measured}


def main() -> None:
    """Fit the widening of a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="checkpoint folder, or a shipped checkpoint by its name")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--outside", type=Path, action="append", default=[], help="folder of another archive")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--records", type=int, default=RECORDS, help="number of calibration records")
    parser.add_argument("--kept", type=Path, help="folder of partial results, from which an interrupted run continues")
    options = parser.parse_args()
    folder = storage.find(options.model)
    generator = checkpoint.load(folder)

    def packed(path: Path) -> Pack:
        return data.pack(data.recordings(path), generator.preprocessor, options.cache)

    outside: dict[str, np.ndarray] = {}
    for path in options.outside:
        outside |= outside_records(packed(path), path.resolve().name)
    written = file_of(generator, packed(options.data), outside, options.records, options.kept)
    storage.write_json(folder / FILE, written)
    for given, hospitals in written["measured"].items():
        for name, scores in hospitals.items():
            print(f"{given}: {name}: " + ", ".join(f"{what} {value:g}" for what, value in scores.items()))


if __name__ == "__main__":
    main()
