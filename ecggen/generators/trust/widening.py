"""Prediction intervals that widen with the distance of a recording from the training data.

The half-width of an interval, as calibrated for training records, becomes ``margin · (exp(b + w · z) · half-width +
a · noise)``, where z are standardised features of the observed leads. This is normalised (locally adaptive) conformal
prediction (Papadopoulos et al., ECML 2002, LNCS 2430:345; Lei et al., JASA 2018;113:1094): b, w and a are fitted by
quantile regression (Koenker and Bassett, Econometrica 1978;46:33) on training records, half of them as other recorders
would have recorded them. The margin makes the interval hold its share of the samples of an average hospital, each
hospital counted once (Dunn, Wasserman and Ramdas, JASA 2023;118:2491). ``ecggen.training.trust`` fits all of it and
writes trust.json beside the weights, whose hash does not depend on it.

What the observed leads do not show, such as the size of chest leads in other patients, widens no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning.condition import Condition
from ecggen.core import signal_quality as index
from ecggen.core.ecg import INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, resample
from ecggen.core.errors import InputError
from ecggen.generators.intervals import MAX_OBSERVED, num_observed
from ecggen.generators.trust.features import NAMES, OF_A_LEAD, OF_THE_RHYTHM, measure

FILE = "trust.json"
"""File beside the weights of a checkpoint."""
FORMAT = 1
LEVEL = 0.9
"""Level of the interval for which the widening is fitted."""
FARTHEST = 3.0
"""Standard deviations beyond which a feature widens the interval no further."""
UNLIKE, VERY_UNLIKE = 0.95, 0.995
"""Shares of calibration records that lie nearer, from which on a recording is called unlike, or very unlike, them."""
WIDE = 1.25
"""Widening from which on a recording is called at the edge of the training data."""
NAMED = 1.5
"""Standard deviations from which on a feature is named as a reason."""
MOST_REASONS = 3
NOTHING = 1e-4
"""Mean half-width in mV up to which a lead counts as observed or derived."""
WHOLE = 0.5
"""Share of a window in which a lead must be observed, if its features are to be measured."""


@dataclass(frozen=True)
class Trust:
    """How unlike the training data a recording is.

    Attributes:
        nearer: Share of calibration records, which come from the training archive, that lie nearer to its mean; the
            median over the windows of a long recording.
        unlike: Share of the windows in which the recording is called unlike the training data, or at their edge.
        widening: Mean half-width of the interval over that of a typical recording with the same draws.
        reasons: In words, the features that lie farthest from the training data, in the farthest window.
    """

    nearer: float
    unlike: float
    widening: float
    reasons: tuple[str, ...]

    def sentence(self) -> str:
        """One sentence for users; "" for a recording like the training data."""
        if not self.unlike:
            return ""
        degree = "very unlike" if self.nearer >= VERY_UNLIKE else "unlike"
        degree = degree if self.nearer >= UNLIKE else "at the edge of"
        where = "" if self.unlike == 1 else f" in {self.unlike:.0%} of the time"
        why = f" ({', '.join(self.reasons)})" if self.reasons else ""
        change = self.widening - 1
        effect = f"widened by {change:.0%}" if change >= 0.005 else f"not widened ({change:+.0%})"
        return f"this recording is {degree} the training data{where}{why}; the interval is {effect}"

    def as_dict(self) -> dict[str, Any]:
        """The measure as JSON values."""
        return {
            "nearer_training_records": round(self.nearer, 3),
            "unlike_share": round(self.unlike, 3),
            "widening": round(self.widening, 3),
            "reasons": list(self.reasons),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trust:
        """The measure from ``as_dict``."""
        nearer, unlike, widening = (values[name] for name in ("nearer_training_records", "unlike_share", "widening"))
        return cls(nearer, unlike, widening, tuple(values["reasons"]))


@dataclass(frozen=True)
class Window:
    """What ``Trust`` summarises, of one window of a batch of recordings.

    Attributes:
        z: (batch, feature) standardised features.
        nearer: (batch,) share of calibration records that lie nearer.
        widening: (batch,) as in ``Trust``.
    """

    z: np.ndarray
    nearer: np.ndarray
    widening: np.ndarray

    def windows(self) -> list[Window]:
        """The members of the batch, if they are windows of one recording, each as a batch of one."""
        return [Window(*(part[row : row + 1] for part in vars(self).values())) for row in range(len(self.nearer))]


@dataclass(frozen=True)
class Row:
    """Parameters for one number of observed leads.

    Attributes:
        weights: (feature,) w.
        constant: b.
        noise: a.
        margin: Factor on the whole half-width.
        typical_noise: Median noise of calibration records in mV.
        precision: (feature, feature) inverse covariance of the features of calibration records.
        distances: (101,) quantiles of the distance of calibration records.
    """

    weights: np.ndarray
    constant: float
    noise: float
    margin: float
    typical_noise: float
    precision: np.ndarray
    distances: np.ndarray

    def distance(self, z: np.ndarray) -> np.ndarray:
        """Mahalanobis distance (Mahalanobis 1936) of features (…, feature) from those of calibration records."""
        return np.sqrt(np.einsum("...i,ij,...j->...", z, self.precision, z))

    def nearer(self, z: np.ndarray) -> np.ndarray:
        """Share of calibration records with a smaller distance, (…)."""
        return np.interp(self.distance(z), self.distances, np.linspace(0, 1, len(self.distances)))

    def factor(self, z: np.ndarray) -> np.ndarray:
        """Factor on the half-width, without margin and noise, (…)."""
        return np.exp(self.constant + np.clip(z, -FARTHEST, FARTHEST) @ self.weights)


@dataclass(frozen=True)
class Widening:
    """Widening of the prediction intervals of a generator.

    Attributes:
        centre: (12, ``OF_A_LEAD``) mean of each feature in each lead of training records.
        spread: The same of the standard deviation.
        rhythm: (2, ``OF_THE_RHYTHM``) mean and standard deviation of the features of the rhythm.
        rows: Parameters by the number of observed independent leads, 1 to ``MAX_OBSERVED``.
    """

    centre: np.ndarray
    spread: np.ndarray
    rhythm: np.ndarray
    rows: tuple[Row, ...]

    def features(self, waves: np.ndarray, leads: Sequence[str]) -> tuple[np.ndarray, float]:
        """Standardised features (feature,) of a window (lead, time), and its noise in mV, means over the leads."""
        lead, rhythm, noise = measure(waves)
        rows = [STANDARD_LEADS.index(name) for name in leads]
        own = ((lead - self.centre[rows]) / self.spread[rows]).mean(0)
        return np.r_[own, (rhythm - self.rhythm[0]) / self.rhythm[1]], float(noise.mean())

    def widened(
        self, below: Tensor, above: Tensor, window: Condition, level: float = LEVEL
    ) -> tuple[Tensor, Tensor, Window]:
        """Widen the ends of the intervals of a window.

        Args:
            below: (batch, 12, time) lower ends as distances from the point estimate, in mV.
            above: (batch, 12, time) upper ends.
            window: The condition, at the model's rate.
            level: Level of the interval, to which the part for noise is scaled as for a normal distribution.
        """
        of_level = NormalDist().inv_cdf((1 + level) / 2) / NormalDist().inv_cdf((1 + LEVEL) / 2)
        counts, below, above = num_observed(window).tolist(), below.clone(), above.clone()
        z, nearer, widening = np.zeros((len(counts), len(NAMES))), np.zeros(len(counts)), np.ones(len(counts))
        for record, count in enumerate(counts):
            found = self._of(window, record) if count else None
            if found is None:
                continue
            row = self.rows[min(count, MAX_OBSERVED) - 1]
            z[record], noise = found
            nearer[record] = row.nearer(z[record])
            before = (above[record] - below[record]).mean(-1, keepdim=True) / 2
            floor = of_level * row.margin * row.noise * _share_of_noise(before)
            factor = float(row.margin * row.factor(z[record]))
            usual = row.margin * np.exp(row.constant) * before + row.typical_noise * floor
            below[record] = factor * below[record] - noise * floor
            above[record] = factor * above[record] + noise * floor
            widening[record] = float((factor * before + noise * floor).mean()) / max(float(usual.mean()), 1e-9)
        return below, above, Window(z, nearer, widening)

    def _of(self, window: Condition, record: int) -> tuple[np.ndarray, float] | None:
        """Features of one record of a window; None if no lead is observed long enough."""
        mask = window.lead_mask[record].cpu()
        kept = [row for row in range(len(STANDARD_LEADS)) if float(mask[row].float().mean()) >= WHOLE]
        if not kept:
            return None
        waves = resample(window.leads[record, kept].cpu(), window.fs, index.RATE).double().numpy()
        return self.features(waves, [STANDARD_LEADS[row] for row in kept])

    def as_json(self) -> dict[str, Any]:
        """Content of trust.json."""
        rows = [{name: _rounded(value) for name, value in vars(row).items()} for row in self.rows]
        tables = {name: _rounded(getattr(self, name)) for name in ("centre", "spread", "rhythm")}
        return {"format": FORMAT, "features": list(NAMES), **tables, "rows": rows}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> Widening:
        """Widening from the content of trust.json.

        Raises:
            InputError: If the content is of another format or incomplete.
        """
        try:
            if values["format"] != FORMAT or tuple(values["features"]) != NAMES:
                raise ValueError(f"format {values['format']!r}")
            rows = [Row(**{name: _number(value) for name, value in row.items()}) for row in values["rows"]]
            tables = {name: np.array(values[name], np.float64) for name in ("centre", "spread", "rhythm")}
            shapes = [tables[name].shape for name in tables]
            own = (len(STANDARD_LEADS), len(OF_A_LEAD))
            if shapes != [own, own, (2, len(OF_THE_RHYTHM))] or len(rows) != MAX_OBSERVED:
                raise ValueError(f"tables of shapes {shapes} and {len(rows)} rows")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{where} cannot be used: {error}",
                f"the widening of intervals, format {FORMAT}, was expected",
                "copy the checkpoint again, or fit it with python -m ecggen.training.trust",
            ) from error
        return cls(**tables, rows=tuple(rows))


def _share_of_noise(width: Tensor) -> Tensor:
    """Noise of each of twelve leads, (12, 1), if each generated independent lead has 1, from widths (12, 1) in mV."""
    independent = [STANDARD_LEADS.index(lead) for lead in INDEPENDENT_LEADS]
    squares = torch.as_tensor(LEAD_MATRIX**2, dtype=width.dtype) @ (width[independent] > NOTHING).to(width.dtype)
    return squares.sqrt() * (width > NOTHING)


def summarised(parts: Sequence[Window]) -> tuple[Trust, ...]:
    """``Trust`` of each record from the windows of its recording."""
    z, nearer, widening = (np.stack([getattr(part, name) for part in parts]) for name in ("z", "nearer", "widening"))
    farthest = np.lexsort((widening, nearer), axis=0)[-1]
    return tuple(
        Trust(
            nearer=float(np.median(nearer[:, record])),
            unlike=float(((nearer[:, record] >= UNLIKE) | (widening[:, record] >= WIDE)).mean()),
            widening=float(widening[:, record].mean()),
            reasons=reasons(z[farthest[record], record]),
        )
        for record in range(z.shape[1])
    )


def joined(parts: Sequence[Trust]) -> Trust:
    """``Trust`` of a recording from that of its parts of equal length, with the reasons of the farthest.

    Example:
        >>> joined([Trust(0.2, 0.0, 1.0, ()), Trust(0.99, 1.0, 1.5, ("noise",))])
        Trust(nearer=0.595, unlike=0.5, widening=1.25, reasons=('noise',))
    """
    farthest = max(parts, key=lambda part: (part.nearer, part.widening))
    nearer = float(np.median([part.nearer for part in parts]))
    unlike, widening = (float(np.mean([getattr(part, name) for part in parts])) for name in ("unlike", "widening"))
    return Trust(nearer, unlike, widening, farthest.reasons if unlike else ())


def reasons(z: np.ndarray) -> tuple[str, ...]:
    """The features (feature,) farthest from 0, in words."""
    words = OF_A_LEAD | OF_THE_RHYTHM
    order = np.argsort(-np.abs(z))[:MOST_REASONS]
    named = (words[NAMES[i]][int(z[i] > 0)] for i in order if abs(z[i]) >= NAMED)
    return tuple(word for word in named if word)


def _number(value: Any) -> Any:
    """A number or an array from JSON values."""
    return np.array(value, np.float64) if isinstance(value, list) else float(value)


def _rounded(value: Any) -> Any:
    """A number or an array with six significant digits, as JSON values."""
    if isinstance(value, np.ndarray):
        return [_rounded(part) for part in value]
    return float(f"{float(value):.6g}")
