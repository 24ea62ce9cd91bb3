"""The rhythm comes first: where neither lead nor PPG says when the heart beats, beats are drawn from words and facts.

A record's mean RR interval is log-normal. Its irregularity (root mean square of successive differences over the mean:
about 0.03 in sinus rhythm, 0.25 in atrial fibrillation) is one of two log-normals, a regular and an irregular one.
Mean and spread of the first and the chance of the irregular one follow linearly from the text encoder's summary, age
and sex ("bradycardia" is slower than "sinus rhythm", and narrower): ridge regression on the training folds, in closed
form, saved with the weights. A heart rate that is told is kept. The beats that are drawn become a simulated PPG, and
the generator does what it does with any PPG. A long recording thus keeps one rhythm through all its windows.

Networks that see pulses set R peaks some 9 ms beside them, which would make every calm heart unsteady: ``place`` moves
the R peaks of what was drawn to where the rhythm has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.condition_embedding import ConditionEncoder
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.rhythm import r_peaks
from ecggen.core.simulate import simulate_ppg

HEART_RATE = list(METADATA).index("heart_rate")
RIDGE = 3.0
STEADIEST = 0.005
"""Least irregularity that is told from the sampling rate's steps."""

MEAN_DEVIATION = float(np.sqrt(np.pi / 2))
"""Standard deviation over mean absolute deviation of a normal distribution."""
REFRACTORY = 0.27
"""Shortest RR interval in s that is drawn, unless the heart is faster on the whole."""
RHYTHM = 1
"""Stream of a record's random numbers that its rhythm is drawn with."""
IRREGULAR = 0.1
"""Irregularity from which a rhythm counts as irregular."""
REACH = 0.06
"""Seconds within which an R peak that was drawn is taken for one that was wanted."""

Rhythms = tuple[Condition, Sequence[np.ndarray]]
"""Words and facts of some records, and the times of their R peaks in s."""
Wanted = Mapping[int, np.ndarray]
"""Times in s at which a record's R peaks are wanted, by its row."""


def encoder_of(generator: nn.Module) -> ConditionEncoder | None:
    """The encoder whose words tell the rhythm: the first of a generator."""
    return next((part for part in generator.modules() if isinstance(part, ConditionEncoder)), None)


@torch.no_grad()
def fit(generator: nn.Module, rhythms: Iterable[Rhythms], rng: np.random.Generator) -> None:
    """Regress rhythm on words and facts; each is hidden at random, so that all that is missing is learnt too.

    Args:
        generator: Its encoder gets the regression.
        rhythms: Training records, batch by batch.
        rng: Hides.
    """
    encoder = encoder_of(generator)
    if encoder is None:
        return
    rows, answers = [], []
    for condition, beats in rhythms:
        known = [i for i, times in enumerate(beats) if len(times) > 3]
        hidden = condition.drop({"text": 0.3, "age": 0.3, "sex": 0.3, "heart_rate": 1.0}, rng)
        rows.append(encoder.condition_features(hidden.to(encoder.beats.device)).double().cpu()[known])
        answers.append(torch.tensor([_measured(beats[i]) for i in known], dtype=torch.float64).reshape(-1, 2))
    told, measured = torch.cat(rows), torch.cat(answers)
    wild = measured[:, 1] > np.log(IRREGULAR)
    if len(told) < 2 * told.shape[1] or min(int(wild.sum()), int((~wild).sum())) < 10:
        return  # too few records to tell anything from words: the population's rhythm stays
    inverse = torch.linalg.inv(told.T @ told + RIDGE * torch.eye(told.shape[1]))
    mean = inverse @ told.T @ measured[:, 0]
    off = (measured[:, 0] - told @ mean).abs() * MEAN_DEVIATION
    answer = torch.stack([measured[:, 0], off, wild.double()], 1)
    encoder.beats.copy_((inverse @ told.T @ answer).T)
    calm, wild = measured[~wild, 1], measured[wild, 1]
    encoder.beats_spread.copy_(torch.stack([calm.mean(), calm.std(), wild.mean(), wild.std()]))


def _measured(times: np.ndarray) -> tuple[float, float]:
    """Logarithms of the mean RR interval in s and of the irregularity."""
    intervals = np.diff(times)
    irregularity = np.sqrt(np.mean(np.diff(intervals) ** 2)) / intervals.mean()
    return float(np.log(intervals.mean())), float(np.log(irregularity + STEADIEST))


def without_waveforms(condition: Condition) -> Tensor:
    """(batch,) bool: neither a lead nor a PPG is seen."""
    return ~(condition.lead_mask.flatten(1).any(1) | condition.ppg_mask.flatten(1).any(1))


@torch.no_grad()
def draw(
    generator: nn.Module, condition: Condition, preprocessor: Preprocessor, seed: int, indices: Sequence[int]
) -> tuple[Condition, Wanted]:
    """``condition`` with a simulated PPG in the records of which neither lead nor PPG is seen, and their R peaks.

    Args:
        generator: Its encoder tells the rhythm; without one nothing is done.
        condition: As the preprocessor left it.
        preprocessor: The model's.
        seed: The user's seed.
        indices: The index of each record: the same rhythm whatever the batch.
    """
    encoder = encoder_of(generator)
    rows = without_waveforms(condition).nonzero()[:, 0].tolist()
    if encoder is None or not rows:
        return condition, {}
    told = encoder.condition_features(condition.to(encoder.beats.device)).cpu()
    answers, spread = (told @ encoder.beats.cpu().T)[rows].tolist(), encoder.beats_spread.tolist()
    waves, wanted = [], {}
    for row, (log_interval, width, chance) in zip(rows, answers, strict=True):
        rng = own_numbers(seed, indices[row], RHYTHM)
        log_interval += min(max(width, 0.03), 0.4) * rng.standard_normal()
        mean, deviation = spread[2:] if rng.random() < chance else spread[:2]
        beats = _beats(condition, row, np.exp(log_interval), np.exp(mean + deviation * rng.standard_normal()), rng)
        waves.append(simulate_ppg(beats, condition.seconds, condition.fs, rng, plain=True))
        wanted[row] = beats
    return preprocessor.beating(condition, rows, np.stack(waves)), wanted


def follow(
    condition: Condition, ecg: ECG, preprocessor: Preprocessor, seed: int, indices: Sequence[int]
) -> tuple[Condition, Wanted]:
    """``condition`` with a simulated PPG of the beats of ``ecg``, where R peaks are found and nothing else tells them.

    The R peaks come with it.

    Args:
        condition: As the preprocessor left it.
        ecg: One record for each of the condition's, at the same rate.
        preprocessor: The model's.
        seed: The user's seed.
        indices: The index of each record.
    """
    rows = without_waveforms(condition).nonzero()[:, 0].tolist()
    found = {row: at for row, at in enumerate(r_peaks(ecg, between=True)) if row in rows and len(at) > 1}
    waves = [
        simulate_ppg(peaks, condition.seconds, condition.fs, own_numbers(seed, indices[row], RHYTHM), plain=True)
        for row, peaks in found.items()
    ]
    return (preprocessor.beating(condition, list(found), np.stack(waves)) if waves else condition), found


def place(eight: Tensor, fs: float, wanted: Wanted) -> Tensor:
    """Leads (batch, lead, time) with their R peaks where they are wanted: between beats time runs a little faster.

    Where no R peak was drawn within ``REACH`` of a wanted one, or none is wanted, nothing is moved for it.

    Args:
        eight: The drawn leads in mV; they stay as they are.
        fs: Their rate in Hz.
        wanted: Where the R peaks belong.
    """
    rows = list(wanted)
    if not rows:
        return eight
    placed, time = eight.clone(), np.arange(eight.shape[-1]) / fs
    for row, found in zip(rows, r_peaks(ECG(eight[rows], INDEPENDENT_LEADS, fs), between=True), strict=True):
        if not len(found):
            continue
        away = found - wanted[row][:, None]
        nearest = np.abs(away).argmin(1)
        off = np.take_along_axis(away, nearest[:, None], 1)[:, 0]
        near = np.abs(off) < REACH
        if near.any():
            moved = (time + np.interp(time, wanted[row][near], off[near])).clip(0, time[-1])
            placed[row] = torch.from_numpy(CubicSpline(time, eight[row].double().numpy(), axis=-1)(moved)).to(placed)
    return placed


def own_numbers(seed: int, index: int, stream: int) -> np.random.Generator:
    """The random numbers of one record beside those of its waves: a stream for each purpose."""
    return np.random.default_rng((abs(seed), int(seed < 0), index, stream))


def _beats(condition: Condition, row: int, interval: float, irregularity: float, rng) -> np.ndarray:
    """Times of R peaks in s: the told heart rate where there is one, the drawn interval elsewhere."""
    interval = min(max(interval, 0.25), 2.0)
    if condition.metadata_mask[row, HEART_RATE]:
        interval = 60 / float(condition.metadata[row, HEART_RATE])
    count = int(1.5 * condition.seconds / interval) + 4
    irregularity = min(max(irregularity - STEADIEST, 0.002), 0.35)  # as ``_measured`` counts it
    rounded = np.sqrt(1 / 2) / (condition.fs * interval)  # what times in whole samples brought into it
    irregularity = max(np.sqrt(max(irregularity**2 - rounded**2, 0)), 0.002)
    # Breathing: rate rises and falls together over some beats.
    breath = 0.02 * np.sin(2 * np.pi * (0.25 * interval * np.arange(count) + rng.random()))
    away = breath + irregularity / np.sqrt(2) * rng.standard_normal(count)
    steps = np.exp(away * irregularity / np.sqrt(np.mean(np.diff(away) ** 2)))
    gaps = np.maximum(interval * steps / steps.mean(), REFRACTORY)
    times = np.cumsum(gaps * interval / gaps.mean()) - interval * rng.random()
    return times[(times > 0) & (times < condition.seconds)]
