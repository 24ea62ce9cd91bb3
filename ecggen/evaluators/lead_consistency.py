"""Do the leads of a recording agree? Each lead is predicted from the others; exchanged electrodes are recognised.

Both work on the beats of the eight independent leads, 0.8 s at 50 Hz. A linear regression predicts each lead from the
other seven; the distance in units of its usual error is the anomaly score of each lead and beat. A small network tells
the median beat as it is from those that each fault of electrodes or of a lead would make (``ecggen.core.electrodes``).
Both learnt from PTB-XL's folds 1–7; the limits are quantiles on its fold 8.

An exchange of left arm and left leg often gives an ECG that is usual for another patient: about half of them are found.
"""

from __future__ import annotations

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
from ecggen.core.electrodes import FAULTS, KINDS, Fault
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
NEARLY_FLAT = 0.15
"""Size of a lead relative to its prediction below which its electrode is taken for detached."""


class LeadConsistency(nn.Module):
    """The regression and the network.

    Attributes:
        weights: (8, 7 · points + 1, points) regression of each lead on the others and a constant, in units of the root
            mean square of the others.
        usual_error: (8, points) root mean square of its error, in the same units.
        limit: (8,) median anomaly score over beats that few calibration records exceed.
        limits: (kind,) log odds against no fault that few calibration records exceed, for each of ``KINDS``.
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
            nn.Linear(width // 2, len(FAULTS) + 1),
        )
        self.register_buffer("weights", torch.zeros(LEADS, (LEADS - 1) * POINTS + 1, POINTS))
        self.register_buffer("usual_error", torch.ones(LEADS, POINTS))
        self.register_buffer("limit", torch.ones(LEADS))
        self.register_buffer("limits", torch.zeros(len(KINDS)))

    def forward(self, beats: Tensor) -> Tensor:
        """Logits of no fault and of each of ``FAULTS``, (record, fault), from beats (record, 8, points) in mV."""
        centred = beats - beats.mean(-1, keepdim=True)
        size = centred.square().mean((1, 2), keepdim=True).sqrt() + 1e-3
        return self.layers(torch.asinh(centred / size).flatten(1))

    def log_odds(self, beats: Tensor) -> Tensor:
        """Log odds of each fault against none, (record, fault)."""
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
        fault: Name of the most likely of ``FAULTS``, "" if none is likely.
        log_odds: Its log odds against none, relative to the limit.
        anomaly: For each of the eight independent leads, its median anomaly score over the beats relative to its limit:
            more than 1 is rare.
        beats: (beat, 8) anomaly score of each beat, relative to the same limits.
        times: (beat,) R peaks in s.
        doubts: One sentence each.
    """

    fault: str
    log_odds: float
    anomaly: dict[str, float]
    beats: np.ndarray
    times: np.ndarray
    doubts: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The scores as JSON values."""
        per_beat = [[round(float(value), 2) for value in row] for row in self.beats]
        return {
            "fault": self.fault,
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
    return judged(pieces, peaks, load() if model is None else model)


def judged(pieces: np.ndarray, peaks: np.ndarray, model: LeadConsistency) -> Consistency:
    """Whether the leads of beats (beat, 8, points) in mV agree.

    Args:
        pieces: As ``beats_of`` gives them, at least one.
        peaks: (beat,) R peaks in s.
        model: The regression and the network.
    """
    median = torch.from_numpy(median_beat(pieces))[None]
    with torch.no_grad():
        odds = model.log_odds(median)[0].numpy()
        beats = (model.anomaly(torch.from_numpy(pieces)) / model.limit).numpy()
    over = odds - np.array([float(model.limits[KINDS.index(each.kind)]) for each in FAULTS])
    best, anomaly = int(over.argmax()), np.median(beats, 0)
    fault = _attached(FAULTS[best], median, model) if over[best] > 0 else None
    worst = int(anomaly.argmax())
    doubts = [fault.words] if fault else []
    if not fault and anomaly[worst] > 1:
        doubts = [f"lead {INDEPENDENT_LEADS[worst]} does not fit the other leads: noise, or a misplaced electrode?"]
    return Consistency(
        fault.name if fault else "",
        float(over[best]),
        dict(zip(INDEPENDENT_LEADS, map(float, anomaly), strict=True)),
        beats,
        peaks,
        tuple(doubts),
    )


def _attached(fault: Fault, median: Tensor, network: LeadConsistency) -> Fault:
    """The fault; a wrong gain that leaves nearly nothing of a lead is a detached electrode."""
    if fault.kind != "gain":
        return fault
    name = fault.name.partition(" ")[0]
    lead = INDEPENDENT_LEADS.index(name)
    with torch.no_grad():
        predicted, _ = network.predicted(median, lead)
    if float(median[0, lead].std()) > NEARLY_FLAT * float(predicted.std()):
        return fault
    return next(other for other in FAULTS if other.name == f"{name} detached")


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
