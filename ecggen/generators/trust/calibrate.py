"""Calibrates a margin of a hospital's own (``ecggen.generators.trust.margin``) on a folder of its twelve-lead records.

Each record is filtered and resampled as the model's training records were, its missing leads are reconstructed from the
observed ones, and the error of each sample is divided by the half-width of its interval.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen import data
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS, determined_by
from ecggen.core.errors import InputError
from ecggen.generators.base import Generator
from ecggen.generators.trust.margin import Margin, conformal_margin, fewest, identity, left_out_coverage

BATCH, EVERY = 64, 11
"""Records that are reconstructed at a time, and samples between those that are used, because neighbours are alike."""
NUM_DRAWS = 20
LIMIT = 200
"""Most records that are used, unless stated otherwise."""
NARROWEST = 1e-4
"""Smallest half-width in mV by which an error is divided."""


@dataclass(frozen=True)
class Errors:
    """Errors of the point estimates of records, and half-widths of their intervals in the direction of the error.

    Attributes:
        error: (record, lead, time) absolute error of the generated independent leads in mV.
        half_width: The same shape, in mV.
        width: (record,) mean width of the interval in mV.
    """

    error: np.ndarray
    half_width: np.ndarray
    width: np.ndarray

    def ratios(self) -> np.ndarray:
        """(record, sample) error over half-width."""
        return (self.error / self.half_width).reshape(len(self.error), -1)


def errors(
    generator: Generator,
    eight: np.ndarray,
    given: Sequence[str],
    num_draws: int,
    level: float,
    progress: Callable[[float], None] | None = None,
) -> Errors:
    """Reconstruct records (record, 8, time) in mV at the model's rate from the leads ``given``.

    Args:
        generator: The generator.
        eight: The independent leads.
        given: Observed leads.
        num_draws: Number of draws for the interval.
        level: Level of the interval.
        progress: Called with the completed share, from 0 to 1.
    """
    known = determined_by(given)
    free = [row for row, lead in enumerate(INDEPENDENT_LEADS) if lead not in known]
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(eight), BATCH):
        true = eight[start : start + BATCH]
        ecg = ECG(torch.from_numpy(true), INDEPENDENT_LEADS, generator.preprocessor.fs)
        condition = Condition.none(len(ecg), ecg.seconds, ecg.fs).with_leads(ecg.standard().pick(*given))
        found = generator.reconstruct(condition, num_draws=num_draws, seed=start, level=level, keep_draws=False)
        mean, lower, upper = (
            each.pick(*INDEPENDENT_LEADS).signal.numpy()[:, free] for each in (found.mean, found.lower, found.upper)
        )
        error = (true[:, free] - mean)[..., ::EVERY]
        half = np.where(error > 0, (upper - mean)[..., ::EVERY], (mean - lower)[..., ::EVERY])
        parts.append((np.abs(error), half.clip(NARROWEST), (upper - lower).mean((1, 2))))
        if progress is not None:
            progress(min(1.0, (start + BATCH) / len(eight)))
    return Errors(*(np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True)))


def own_records(
    folder: Path | str,
    preprocessor: Preprocessor,
    limit: int = LIMIT,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, dict[str, str]]:
    """The first window of random records of a folder, one for each patient that is known.

    Args:
        folder: Twelve-lead records in any format that ecggen reads, or an archive such as PTB-XL.
        preprocessor: Of the model.
        limit: Most records.
        seed: Of the choice.
        progress: Called with the completed share, from 0 to 1.

    Returns:
        (record, 8, time) mV, and the names of chosen records that cannot be used, with the reason.

    Raises:
        InputError: If there is no such folder, or no record in it can be used.
    """
    each = {recording.patient: recording for recording in reversed(data.recordings(folder))}
    patients = sorted(each)
    order = np.random.default_rng(seed).permutation(len(patients))[:limit]
    chosen = [each[patients[place]] for place in sorted(order)]
    with tempfile.TemporaryDirectory(prefix="ecggen-") as cache:
        pack = data.pack(chosen, preprocessor, cache, progress)
        first = np.flatnonzero(pack.index.start.to_numpy(float) == 0)
        return pack.ecg(first).signal.numpy(), dict(pack.left_out)


def calibrate(
    generator: Generator,
    eight: np.ndarray,
    leads: Sequence[str],
    level: float = 0.9,
    num_draws: int = NUM_DRAWS,
    progress: Callable[[float], None] | None = None,
) -> Margin:
    """A margin for the records that are like ``eight``.

    Args:
        generator: A calibrated generator.
        eight: (record, 8, time) the independent leads of records in mV, as ``own_records`` gives them.
        leads: Observed leads.
        level: Level of the interval.
        num_draws: Number of draws of each record.
        progress: Called with the completed share, from 0 to 1.

    Raises:
        InputError: If there are too few records, or nothing is generated from the leads.
    """
    check(leads, level, num_draws)
    if len(eight) < fewest(level):
        expected = f"at least {fewest(level)} of different patients were expected for the {100 * level:g}% interval"
        do = "give more records, or reconstruct without a margin of your own"
        raise InputError(f"{len(eight)} records with twelve leads can be used", expected, do)
    plain = generator.with_margin(None)
    found = errors(plain, eight, leads, num_draws, level, progress)
    ratios = found.ratios()
    margin, width = conformal_margin(ratios, level), float(found.width.mean())
    return Margin(
        margin=float(f"{margin:.6g}"),
        level=level,
        leads=tuple(leads),
        model=identity(plain),
        n=len(eight),
        num_draws=num_draws,
        date=datetime.date.today().isoformat(),
        coverage_before=_rounded((ratios <= 1).mean()),
        coverage=_rounded(left_out_coverage(ratios, level).mean()),
        width_before_mv=_rounded(width),
        width_mv=_rounded(margin * width),
    )


def check(leads: Sequence[str], level: float, num_draws: int) -> None:
    """Check the arguments of ``calibrate``.

    Raises:
        InputError: If nothing is generated from the leads, or a number is out of range.
    """
    if not 0 < level < 1 or num_draws < 2:
        found = f"{num_draws} draws at level {level:g}"
        raise InputError(found, "at least 2 draws and a level between 0 and 1 were expected")
    if not leads or len(determined_by(leads)) == len(STANDARD_LEADS):
        found = f"the leads are {', '.join(leads) or 'none'}"
        raise InputError(found, "some of twelve leads were expected, from which the others are generated, e.g. I")


def _rounded(value: Any) -> float:
    return round(float(value), 4)
