"""Rhythm prior: RR intervals given text and metadata, for conditions without leads and PPG.

The mean RR interval of a record is log-normal. Its irregularity (root mean square of successive differences divided by
the mean: about 0.03 in sinus rhythm, 0.25 in atrial fibrillation) is a mixture of two log-normal distributions, one for
regular and one for irregular rhythms. The mean and standard deviation of the former and the probability of an irregular
rhythm are linear in the text embedding, age and sex. The coefficients are fitted by ridge regression on the training
folds and saved with the weights. A given heart rate determines the mean RR interval.

The sampled R peaks are converted to a simulated PPG, which conditions the generator. A long recording therefore keeps
one rhythm through all windows. Generators place R peaks with an error of some 9 ms relative to pulses, which would add
variability to regular rhythms; ``place`` moves the generated R peaks to the sampled times.
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
"""Offset of the irregularity before the logarithm: the resolution that the sampling rate permits."""

MEAN_DEVIATION = float(np.sqrt(np.pi / 2))
"""Standard deviation over mean absolute deviation of a normal distribution."""
REFRACTORY = 0.27
"""Shortest sampled RR interval in s, unless the mean interval is shorter."""
RHYTHM = 1
"""Random stream of a record that is used for its rhythm."""
IRREGULAR = 0.1
"""Irregularity above which a rhythm is classified as irregular."""
AGREEMENT = 0.95
"""Smallest share of R peaks in common with the target times with which a draw is kept."""
MARGIN = 0.3
"""Seconds at both ends in which R peaks are not compared with their target times."""
REACH = 0.06
"""Maximum distance in s between a generated R peak and the sampled time that it is matched with."""

QRS = (0.1, 0.14)
"""Seconds before and after an R peak that are copied to a target time without one."""

Rhythms = tuple[Condition, Sequence[np.ndarray]]
"""Text and metadata of some records, and the times of their R peaks in s."""
Wanted = Mapping[int, np.ndarray]
"""Target times of R peaks in s, by row of the batch."""


def encoder_of(generator: nn.Module) -> ConditionEncoder | None:
    """The condition encoder that holds the rhythm prior: the first one in the generator."""
    return next((part for part in generator.modules() if isinstance(part, ConditionEncoder)), None)


@torch.no_grad()
def fit(generator: nn.Module, rhythms: Iterable[Rhythms], rng: np.random.Generator) -> None:
    """Regress the rhythm on text and metadata, with condition dropout so that missing channels are covered.

    Args:
        generator: The coefficients are stored in its condition encoder.
        rhythms: Training records, in batches.
        rng: Random number generator of the dropout.
    """
    encoder = encoder_of(generator)
    if encoder is None:
        return
    rows, targets = [], []
    for condition, beats in rhythms:
        known = [i for i, times in enumerate(beats) if len(times) > 3]
        masked = condition.drop({"text": 0.3, "age": 0.3, "sex": 0.3, "heart_rate": 1.0}, rng)
        rows.append(encoder.condition_features(masked.to(encoder.beats.device)).double().cpu()[known])
        targets.append(torch.tensor([_measured(beats[i]) for i in known], dtype=torch.float64).reshape(-1, 2))
    features, measured = torch.cat(rows), torch.cat(targets)
    is_irregular = measured[:, 1] > np.log(IRREGULAR)
    if len(features) < 2 * features.shape[1] or min(int(is_irregular.sum()), int((~is_irregular).sum())) < 10:
        return  # too few records for a regression: keep the distribution of the population
    inverse = torch.linalg.inv(features.T @ features + RIDGE * torch.eye(features.shape[1]))
    mean = inverse @ features.T @ measured[:, 0]
    deviation = (measured[:, 0] - features @ mean).abs() * MEAN_DEVIATION
    outputs = torch.stack([measured[:, 0], deviation, is_irregular.double()], 1)
    encoder.beats.copy_((inverse @ features.T @ outputs).T)
    regular, irregular = measured[~is_irregular, 1], measured[is_irregular, 1]
    encoder.beats_spread.copy_(torch.stack([regular.mean(), regular.std(), irregular.mean(), irregular.std()]))


def _measured(times: np.ndarray) -> tuple[float, float]:
    """Logarithms of the mean RR interval in s and of the irregularity."""
    intervals = np.diff(times)
    irregularity = np.sqrt(np.mean(np.diff(intervals) ** 2)) / intervals.mean()
    return float(np.log(intervals.mean())), float(np.log(irregularity + STEADIEST))


def without_waveforms(condition: Condition) -> Tensor:
    """Whether neither a lead nor a PPG is observed, (batch,) bool."""
    return ~(condition.lead_mask.flatten(1).any(1) | condition.ppg_mask.flatten(1).any(1))


@torch.no_grad()
def draw(
    generator: nn.Module, condition: Condition, preprocessor: Preprocessor, seed: int, indices: Sequence[int]
) -> tuple[Condition, Wanted]:
    """Sample a rhythm for the records without leads and PPG, and add it to the condition as a simulated PPG.

    Args:
        generator: Its condition encoder holds the rhythm prior; without an encoder the condition is unchanged.
        condition: Preprocessed condition.
        preprocessor: Preprocessing of the model.
        seed: Random seed.
        indices: Index of each record; the rhythm depends on the seed and the index only.

    Returns:
        The condition, and the sampled R peaks.
    """
    encoder = encoder_of(generator)
    rows = without_waveforms(condition).nonzero()[:, 0].tolist()
    if encoder is None or not rows:
        return condition, {}
    features = encoder.condition_features(condition.to(encoder.beats.device)).cpu()
    predictions, irregularities = (features @ encoder.beats.cpu().T)[rows].tolist(), encoder.beats_spread.tolist()
    waves, wanted = [], {}
    for row, (log_interval, width, probability) in zip(rows, predictions, strict=True):
        rng = own_numbers(seed, indices[row], RHYTHM)
        log_interval += min(max(width, 0.03), 0.4) * rng.standard_normal()
        mean, deviation = irregularities[2:] if rng.random() < probability else irregularities[:2]
        beats = _beats(condition, row, np.exp(log_interval), np.exp(mean + deviation * rng.standard_normal()), rng)
        waves.append(simulate_ppg(beats, condition.seconds, condition.fs, rng, plain=True))
        wanted[row] = beats
    return preprocessor.with_simulated_ppg(condition, rows, np.stack(waves)), wanted


def follow(
    condition: Condition, ecg: ECG, preprocessor: Preprocessor, seed: int, indices: Sequence[int]
) -> tuple[Condition, Wanted]:
    """Add a simulated PPG with the R peaks of ``ecg`` to records without leads and PPG in which R peaks are found.

    Args:
        condition: Preprocessed condition.
        ecg: One record for each of the condition, at the same rate.
        preprocessor: Preprocessing of the model.
        seed: Random seed.
        indices: Index of each record.

    Returns:
        The condition, and the R peaks.
    """
    rows = without_waveforms(condition).nonzero()[:, 0].tolist()
    found = {row: at for row, at in enumerate(r_peaks(ecg, between=True)) if row in rows and len(at) > 1}
    waves = [
        simulate_ppg(peaks, condition.seconds, condition.fs, own_numbers(seed, indices[row], RHYTHM), plain=True)
        for row, peaks in found.items()
    ]
    return (preprocessor.with_simulated_ppg(condition, list(found), np.stack(waves)) if waves else condition), found


def place(eight: Tensor, fs: float, wanted: Wanted) -> Tensor:
    """Warp time so that generated R peaks are at their target times.

    A target without a generated R peak within ``REACH`` is ignored.

    Args:
        eight: (batch, 8, time) generated leads in mV; not modified.
        fs: Their sampling rate in Hz.
        wanted: Target times.

    Returns:
        (batch, 8, time) mV.
    """
    rows = list(wanted)
    if not rows:
        return eight
    placed, time = eight.clone(), np.arange(eight.shape[-1]) / fs
    for row, found in zip(rows, r_peaks(ECG(eight[rows], INDEPENDENT_LEADS, fs), between=True), strict=True):
        if not len(found):
            continue
        differences = found - wanted[row][:, None]
        nearest = np.abs(differences).argmin(1)
        shift = np.take_along_axis(differences, nearest[:, None], 1)[:, 0]
        near = np.abs(shift) < REACH
        if near.any():
            warped = (time + np.interp(time, wanted[row][near], shift[near])).clip(0, time[-1])
            placed[row] = torch.from_numpy(CubicSpline(time, eight[row].double().numpy(), axis=-1)(warped)).to(placed)
    return placed


def complete(eight: Tensor, fs: float, wanted: Wanted) -> Tensor:
    """Give target times without an R peak in lead II the QRS complex of another beat of the same draw.

    After short RR intervals, generators draw some QRS complexes so small that they are no R peaks for a detector. The
    complex is that of the nearest beat that is at least as high as the median; between its ends it replaces the
    leads, and a line is added to each lead so that it continues there. A row in which this does not raise the
    agreement is unchanged.

    Args:
        eight: (batch, 8, time) generated leads in mV; not modified.
        fs: Their sampling rate in Hz.
        wanted: Target times.

    Returns:
        (batch, 8, time) mV.
    """
    lead = INDEPENDENT_LEADS.index("II")
    before = agreement(eight[:, lead], fs, wanted)
    rows = [row for row, share in before.items() if share < 1]
    if not rows:
        return eight
    completed = eight.clone()
    for row, found in zip(rows, r_peaks(ECG(eight[rows][:, [lead]], ("II",), fs)), strict=True):
        completed[row] = torch.from_numpy(_with_qrs(eight[row].double().numpy(), fs, wanted[row], found)).to(eight)
    after = agreement(completed[:, lead], fs, {row: wanted[row] for row in rows})
    for row in rows:
        if after[row] <= before[row]:
            completed[row] = eight[row]
    return completed


def _with_qrs(waves: np.ndarray, fs: float, wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Leads (8, time) with the QRS complex of another beat at each target time that is not ``found`` in lead II."""
    time, lead = np.arange(waves.shape[-1]) / fs, INDEPENDENT_LEADS.index("II")
    inside = wanted[(wanted > QRS[0] + 1 / fs) & (wanted < time[-1] - QRS[1] - 1 / fs)]
    has = (np.abs(inside[:, None] - found) <= REACH).any(1)
    if has.all() or not has.any():
        return waves
    own = inside[has]
    parts = (waves[lead, round((at - REACH) * fs) : round((at + REACH) * fs) + 1] for at in own)
    height = np.array([np.ptp(part) for part in parts])
    own, spline, waves = own[height >= np.median(height)], CubicSpline(time, waves, axis=-1), waves.copy()
    for at in inside[~has]:
        part = slice(int(np.ceil((at - QRS[0]) * fs)), int((at + QRS[1]) * fs) + 1)
        copied = spline(time[part] - at + own[np.abs(own - at).argmin()])
        gap = waves[:, part] - copied
        waves[:, part] = copied + np.linspace(gap[:, 0], gap[:, -1], gap.shape[-1], axis=-1)
    return waves


def agreement(lead: Tensor, fs: float, wanted: Wanted) -> dict[int, float]:
    """Share of R peaks in a lead (batch, time) that are at their target times, or of targets with an R peak.

    Those within ``MARGIN`` of the ends are not counted.

    Args:
        lead: In mV.
        fs: Its sampling rate in Hz.
        wanted: Target times.

    Returns:
        The smaller of both shares, by row; 1 where neither has a beat.
    """
    rows, shares = list(wanted), {}
    found = r_peaks(ECG(lead[rows][:, None], ("II",), fs)) if rows else []
    seconds = lead.shape[-1] / fs
    for row, peaks in zip(rows, found, strict=True):
        near: np.ndarray = np.abs(np.asarray(peaks)[:, None] - wanted[row]) <= REACH
        inner = [(times > MARGIN) & (times < seconds - MARGIN) for times in (peaks, wanted[row])]
        both = [np.asarray(near.any(axis))[within] for axis, within in zip((1, 0), inner, strict=True)]
        shares[row] = float(min((one.mean() if len(one) else 1.0) for one in both))
    return shares


def own_numbers(seed: int, index: int, stream: int) -> np.random.Generator:
    """Random number generator of one record for one purpose (``stream``), independent of ``Noise``."""
    return np.random.default_rng((abs(seed), int(seed < 0), index, stream))


def _beats(condition: Condition, row: int, interval: float, irregularity: float, rng) -> np.ndarray:
    """Times of R peaks in s, with the given heart rate if there is one, else with the sampled mean interval."""
    interval = min(max(interval, 0.25), 2.0)
    if condition.metadata_mask[row, HEART_RATE]:
        interval = 60 / float(condition.metadata[row, HEART_RATE])
    count = int(1.5 * condition.seconds / interval) + 4
    irregularity = min(max(irregularity - STEADIEST, 0.002), 0.35)  # inverse of the offset in ``_measured``
    rounded = np.sqrt(1 / 2) / (condition.fs * interval)  # contribution of rounding to samples
    irregularity = max(np.sqrt(max(irregularity**2 - rounded**2, 0)), 0.002)
    # Respiratory sinus arrhythmia at 0.25 Hz, and independent variation from beat to beat.
    respiration = 0.02 * np.sin(2 * np.pi * (0.25 * interval * np.arange(count) + rng.random()))
    variation = respiration + irregularity / np.sqrt(2) * rng.standard_normal(count)
    steps = np.exp(variation * irregularity / np.sqrt(np.mean(np.diff(variation) ** 2)))
    gaps = np.maximum(interval * steps / steps.mean(), REFRACTORY)
    times = np.cumsum(gaps * interval / gaps.mean()) - interval * rng.random()
    return times[(times > 0) & (times < condition.seconds)]
