"""Do the leads of a recording agree? Each lead is predicted from the others; exchanged electrodes are recognised.

Both work on the median beat of the eight independent leads, 0.8 s at 50 Hz. A linear regression predicts each lead from
the other seven; the distance in units of its usual error is the anomaly score of the lead, for the median beat and for
each beat. A small network compares the leads as they are with what each exchange of electrodes would make of them
(``ecggen.core.electrodes``). Both learnt from PTB-XL's training folds, the limits are quantiles on its fold 8.

An exchange of left arm and left leg often gives an ECG that is usual for another patient: half of them are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import signal_quality as index
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, determined_by
from ecggen.core.electrodes import EXCHANGES
from ecggen.core.errors import InputError
from ecggen.networks import storage

FORMAT = 1
NAME = "lead_consistency"
"""Name of the shipped checkpoint."""
BEFORE, AFTER, STEP = 30, 50, 2
"""Samples at 100 Hz of a beat before and after the R peak, and the step between those that are used."""
POINTS = (BEFORE + AFTER) // STEP
LEADS = len(INDEPENDENT_LEADS)
FEWEST_BEATS = 2
MOST_FAULTS = 3
"""Most leads that are called unlike the others; of more, it is not clear which are right."""
LIKE = 0.9
"""Correlation of a lead with its prediction from which on a wrong size is taken for a wrong gain."""
GAINS = (0.6, 1.6)
"""Sizes of a lead relative to its prediction outside of which its gain is doubted."""


class LeadConsistency(nn.Module):
    """The regression and the network.

    Attributes:
        weights: (8, 7 · points + 1, points) regression of each lead on the others and a constant, in units of the root
            mean square of the others.
        usual_error: (8, points) root mean square of its error, in the same units.
        limit: (8,) anomaly score that few calibration records exceed.
        limits: (2,) log odds against no exchange, of limb and of chest electrodes, that few calibration records exceed.
    """

    weights: Tensor
    usual_error: Tensor
    limit: Tensor
    limits: Tensor

    def __init__(self, width: int = 256):
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(
            nn.Linear(LEADS * POINTS, width),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(width, width // 2),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(width // 2, len(EXCHANGES) + 1),
        )
        self.register_buffer("weights", torch.zeros(LEADS, (LEADS - 1) * POINTS + 1, POINTS))
        self.register_buffer("usual_error", torch.ones(LEADS, POINTS))
        self.register_buffer("limit", torch.ones(LEADS))
        self.register_buffer("limits", torch.zeros(2))

    def forward(self, beats: Tensor) -> Tensor:
        """Logits of no exchange and of each of ``EXCHANGES``, (record, class), from beats (record, 8, points) in mV."""
        centred = beats - beats.mean(-1, keepdim=True)
        size = centred.square().mean((1, 2), keepdim=True).sqrt() + 1e-3
        return self.layers(torch.asinh(centred / size).flatten(1))

    def log_odds(self, beats: Tensor) -> Tensor:
        """Log odds of each exchange against none, (record, exchange)."""
        logits = self(beats)
        return logits[:, 1:] - logits[:, :1]

    def predicted(self, beats: Tensor, lead: int) -> tuple[Tensor, Tensor]:
        """A lead predicted from the others, (record, points), and the size of these, (record, 1), in mV."""
        others, size = of_others(beats, lead)
        return torch.cat([others, torch.ones(len(others), 1)], 1) @ self.weights[lead] * size, size

    def anomaly(self, beats: Tensor) -> Tensor:
        """Root mean square distance of each lead from its prediction in units of its usual error, (record, 8)."""
        scores = []
        for lead in range(LEADS):
            predicted, size = self.predicted(beats, lead)
            scores.append(((beats[:, lead] - predicted) / size / self.usual_error[lead]).square().mean(-1).sqrt())
        return torch.stack(scores, 1)


def of_others(beats: Tensor, lead: int) -> tuple[Tensor, Tensor]:
    """The other leads of beats (record, 8, points), (record, 7 · points), divided by their size, (record, 1) in mV."""
    others = torch.cat([beats[:, :lead], beats[:, lead + 1 :]], 1)
    size = others.square().mean((1, 2)).sqrt()[:, None] + 1e-3
    return others.flatten(1) / size, size


@dataclass(frozen=True)
class Consistency:
    """Whether the leads of one record agree.

    Attributes:
        exchange: Name of the most likely exchange, "" if none is likely.
        log_odds: Its log odds against none, relative to the limit.
        anomaly: For each of the eight independent leads, its anomaly score relative to its limit: more than 1 is rare.
        beats: (beat, 8) the same for each beat.
        times: (beat,) R peaks in s.
        doubts: One sentence each.
    """

    exchange: str
    log_odds: float
    anomaly: dict[str, float]
    beats: np.ndarray
    times: np.ndarray
    doubts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The scores as JSON values."""
        per_beat = [[round(float(value), 2) for value in row] for row in self.beats]
        return {
            "exchange": self.exchange,
            "anomaly": {lead: round(value, 2) for lead, value in self.anomaly.items()},
            "beats": {"seconds": [round(float(time), 2) for time in self.times], "anomaly": per_beat},
        }


def check(ecg: ECG, model: LeadConsistency | None = None) -> Consistency | None:
    """Check one record for exchanged electrodes and for leads that the others contradict.

    Args:
        ecg: One record without missing samples.
        model: The shipped one by default.

    Returns:
        None if it does not hold the eight independent leads or shows fewer than two whole beats.

    Raises:
        InputError: If a batch is given.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> ecg = simulate(1, heart_rate=60)
        >>> check(ecg.pick("I", "II")) is None
        True
        >>> sorted(check(ecg).anomaly) == sorted(INDEPENDENT_LEADS)
        True
    """
    if len(ecg) != 1:
        raise InputError(f"the ECG is a batch of {len(ecg)} records", "one was expected", "check them one by one")
    if not set(INDEPENDENT_LEADS) <= set(determined_by(ecg.leads)) or not bool(torch.isfinite(ecg.signal).all()):
        return None
    own = Preprocessor().ecg(ecg.standard().pick(*INDEPENDENT_LEADS)).signal[0].double().numpy()
    pieces, peaks = beats_of(own)
    if len(pieces) < FEWEST_BEATS:
        return None
    network = load() if model is None else model
    median = torch.from_numpy(median_beat(pieces))[None]
    with torch.no_grad():
        odds = network.log_odds(median)[0].numpy()
        anomaly = (network.anomaly(median)[0] / network.limit).numpy()
        beats = (network.anomaly(torch.from_numpy(pieces)) / network.limit).numpy()
    over = odds - np.array([float(network.limits[("limb", "chest").index(each.kind)]) for each in EXCHANGES])
    best = int(over.argmax())
    exchange = EXCHANGES[best] if over[best] > 0 else None
    doubts = [f"the leads look like those of {exchange.words}"] if exchange else [*_faults(median, network)]
    return Consistency(
        exchange.name if exchange else "",
        float(over[best]),
        dict(zip(INDEPENDENT_LEADS, map(float, anomaly), strict=True)),
        beats,
        peaks,
        tuple(doubts),
    )


def _faults(median: Tensor, network: LeadConsistency) -> Iterator[str]:
    """Leads that the others contradict, the worst first; each is then replaced by its prediction."""
    beats, named = median.clone(), []
    for _ in range(MOST_FAULTS + 1):
        with torch.no_grad():
            score = (network.anomaly(beats)[0] / network.limit).numpy()
            lead = int(score.argmax())
            if score[lead] <= 1:
                break
            predicted = network.predicted(beats, lead)[0]
        named.append(_fault(INDEPENDENT_LEADS[lead], median[0, lead].numpy(), predicted[0].numpy(), float(score[lead])))
        beats[0, lead] = predicted[0]
    if len(named) <= MOST_FAULTS:
        yield from named
    else:
        yield f"more than {MOST_FAULTS} leads do not fit the others"


def _fault(lead: str, own: np.ndarray, predicted: np.ndarray, score: float) -> str:
    """What is unusual about a lead."""
    size = float(own @ predicted / max(float(predicted @ predicted), 1e-9))
    r = float(np.corrcoef(own, predicted)[0, 1]) if own.std() > 1e-6 else 0.0
    if r >= LIKE and not GAINS[0] <= size <= GAINS[1]:
        return f"lead {lead} is {size:.1f} times as large as the other leads suggest: is its gain right?"
    if own.std() < 0.2 * predicted.std():
        return f"lead {lead} is flat where the other leads suggest a QRS complex: is its electrode attached?"
    times = f"{score:.1f} times the usual limit"
    return f"lead {lead} does not fit the other leads ({times}): noise, or a misplaced electrode?"


def beats_of(eight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole beats (beat, 8, points) float32 in mV of a record (8, time) at 100 Hz in 0.5–40 Hz, and R peaks in s."""
    narrow = index.qrs_band(eight)
    found = index.centred(index.beats_by_slope(eight.std(0)), np.linalg.norm(narrow, axis=0))
    whole = found[(found >= BEFORE) & (found + AFTER < eight.shape[-1])]
    at = whole[:, None] + np.arange(-BEFORE, AFTER, STEP)
    pieces = eight[:, at].transpose(1, 0, 2).astype(np.float32)
    return pieces - np.median(pieces, -1, keepdims=True), whole / index.RATE


def median_beat(pieces: np.ndarray) -> np.ndarray:
    """Median over beats (beat, 8, points), with a median of 0 in each lead."""
    median = np.median(pieces, 0)
    return median - np.median(median, -1, keepdims=True)


def save(model: LeadConsistency, folder: Path, card: str = "") -> Path:
    """Write the model to a folder, atomically."""
    files = {"config.json": {"format": FORMAT, "kind": NAME, "sizes": {"width": model.width}}}
    return storage.store(model, folder, files, card, half=True)


@lru_cache
def load(name: str | Path = NAME) -> LeadConsistency:
    """The model in a folder, or the shipped one.

    Raises:
        InputError: If the folder is missing, incomplete or of another format.
    """
    folder = storage.find(name)
    about = storage.read_json(folder / "config.json")
    if about.get("format") != FORMAT or about.get("kind") != NAME:
        raise InputError(f"{folder} holds no {NAME} model of format {FORMAT}", "such a checkpoint was expected")
    model = storage.made_of(LeadConsistency, about["sizes"], folder)
    storage.fill(model, folder)
    return model.float().eval()


def name() -> str:
    """Name of the shipped model, with the hash of its weights."""
    return f"{NAME}@{storage.weights_hash(storage.find(NAME))}"
