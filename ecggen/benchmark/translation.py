"""The translation protocol: lead II is generated from a PPG and compared with the simultaneously recorded lead II.

The input is the PPG of each window as recorded, with the recorder's timing. The delay between R peak and pulse is
unknown to the model (pulse transit time and delays of the recorder). So time-dependent scores are computed twice: as
generated, and after removal of one constant delay per recording.

No window is dropped. Where the PPG has no pulse or lead II no R peak, every R peak of the other side is an error, and
the error of the heart rate is the whole rate of the other side. So noise and detached sensors lower every score, and so
do R peaks that the detector finds in noise of lead II. Three parts of the windows are therefore scored on their own as
well: those whose R peaks are found by a second detector too, and whose PPG has the waveform of a PPG, or is accepted
by ``ecggen translate``; and those whose PPG and lead II have the same rate.

One draw is scored as a waveform that a beat may have, and the mean of several draws as the point estimate, which is
nearer to the recorded waveform on average, and blurred where beats are uncertain.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecggen.conditioning import pulse_beats
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.pulse_rhythm import refused_parts
from ecggen.core.rhythm import DETECTOR, PULSE_DETECTOR, USUAL_LAGS, heart_rate, pulse_rises, r_peaks
from ecggen.core.simulate import PULSE_DELAY
from ecggen.core.waveform import looks_like_ppg
from ecggen.data import Recording
from ecggen.data.bidmc import LEAD, Pair, read_pair, read_signals
from ecggen.evaluators.delineator import delineate
from ecggen.generators.base import Generator
from ecggen.metrics.functional.beats import TOLERANCES, beat_counts, heart_rate_errors
from ecggen.metrics.functional.beats import f1_of_counts as f1
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.metrics.functional.waveform import mean_squared_error, pearson

LONGEST_DELAY = 1.25
"""Largest constant delay of a recording in s, in both directions.

In CinC 2015, pulses rise 0.4 to 0.7 s after their R peak in about two thirds of the records, and 1.05 to 1.27 s after
it in a third, whose monitor delays the PPG. Models assume ``PULSE_DELAY``.
"""
COMPARABLE = 0.9
"""Smallest frequency of an alternative delay, relative to the most frequent one. It is smaller than in ``rhythm``,
because in windows of 10 s a delay of 0.5 s loses one beat in twenty at the ends."""
MARGIN = 0.3
"""Seconds at both ends of a window in which R peaks are not counted, because they may be cut off."""
SAME_RATE = 5.0
"""Largest difference of two heart rates per minute that counts as the same."""
AGREEMENT = 0.9
"""Smallest share of R peaks on which two detectors agree in a window with a certain reference."""
DOUBLED = 1.7
"""Smallest ratio of the drawn to the true heart rate that counts as doubled."""

PARTS = ("has_pulse", "accepted", "same_rate")
"""Parts of the windows that are scored on their own."""
DEFINITIONS = {
    "heart_rate_error": "per minute, |drawn − true| of the mean rate between first and last R peak of a window; where "
    "no rate is found in one of the two, the whole rate of the other",
    "within_5": f"share of windows whose error of the heart rate is at most {SAME_RATE:g} per minute",
    "has_pulse": "all scores on the windows with a pulse and a certain reference: the PPG has the waveform of a PPG "
    "(ecggen.core.waveform.looks_like_ppg), and the R peaks of lead II agree with those of a second detector "
    f"(ecggen.evaluators.delineator) in at least {AGREEMENT:.0%} within 50 ms",
    "accepted": "all scores on the windows with such a reference whose PPG ecggen translate accepts, because enough of "
    "its beats are certain (ecggen.core.pulse_rhythm.refused_parts)",
    "point_estimate": "scores of the mean of several draws (of a baseline, which has no draws, its own) on every so "
    "many of the scored windows of each recording, see settings",
    "doubled": "share of windows whose drawn rate is at least 1.7 times the true one",
    "same_rate": "all scores on the windows in which the rates of the PPG's pulses and of the recorded lead II differ "
    f"by at most {SAME_RATE:g} per minute",
    "no_rate": "share of windows in whose drawn lead fewer than two R peaks are found",
    "delays": f"s, drawn − true R peaks, one constant a recording, |delay| ≤ {LONGEST_DELAY:g} s; the most frequent "
    "difference (Gaussian kernel, 20 ms); of those about as frequent one that a pulse usually has; null without peaks",
    "f1_50, f1_150": "harmonic mean of the shares of drawn R peaks with a true partner and of true ones with a drawn "
    f"partner, one to one within 50 or 150 ms; peaks within {MARGIN:g} s of the ends of the part that both cover may "
    "be partners and are not counted",
    "rmse_mv": "root of the mean squared error over windows and the part that both cover, nominal mV",
    "rmse_z": "the same with each window of both scaled to mean 0 and deviation 1 (1 for a flat line)",
    "r": "mean over windows of Pearson's r (0 for a flat line)",
    "delay_removed": "scores after each recording's delay is removed",
    "as_drawn": "scores without that",
    "interval": "95 %, bootstrap over patients",
}


@dataclass(frozen=True)
class Protocol:
    """Settings of the protocol.

    Attributes:
        kind: "translation".
        data: The data set: "bidmc" or "cinc2015".
        train_folds: Training folds of the baselines.
        folds: Folds that are scored.
        seconds: Length of the windows in s, which do not overlap.
        draws: Number of draws whose mean is scored as the point estimate, beside one draw; below 2 for none.
        step: Every so many windows of a recording are scored.
        every: The point estimate is scored on every so many of these.
        seed: Seed of the draws and of the bootstrap.
        limit: Largest number of scored windows; 0 for all.
    """

    kind: str
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9, 10)
    seconds: float = 10.0
    draws: int = 8
    step: int = 1
    every: int = 1
    seed: int = 1
    limit: int = 0
    data: str = "bidmc"

    def __post_init__(self):
        if self.kind != "translation":
            raise InputError(f"the protocol's kind is {self.kind!r}", "'translation' was expected")
        if min(self.step, self.every) < 1 or not self.seconds >= 4:
            found = f"every {self.step} and {self.every} windows of {self.seconds:g} s"
            raise InputError(found, "at least 1 and 4 s were expected")


@dataclass(frozen=True)
class Windows:
    """The windows of one recording.

    Attributes:
        name: The recording.
        patient: Its patient.
        ppg: (window, 1, time), as recorded.
        ppg_fs: Sampling rate of the PPG in Hz.
        lead: The true lead II of each window, in the model's pass band and at its rate.
    """

    name: str
    patient: str
    ppg: Tensor
    ppg_fs: float
    lead: ECG

    def __len__(self) -> int:
        return len(self.lead)

    def every(self, step: int) -> Windows:
        """Every so many windows, from the first."""
        lead = replace(self.lead, signal=self.lead.signal[::step])
        return replace(self, ppg=self.ppg[::step], lead=lead)

    @cached_property
    def has_pulse(self) -> np.ndarray:
        """(window,) whether the PPG has the waveform of a PPG, and two detectors find the same R peaks in lead II."""
        shaped = [looks_like_ppg(one, self.ppg_fs) for one in self.ppg[:, 0].double().numpy()]
        return np.array(shaped, bool) & self.certain

    @cached_property
    def certain(self) -> np.ndarray:
        """(window,) whether two detectors find the same R peaks in lead II."""
        both = zip(r_peaks(self.lead), delineate(self.lead).peaks, strict=True)
        return np.array([f1(beat_counts(one, other, TOLERANCES[0])) >= AGREEMENT for one, other in both], bool)

    @cached_property
    def accepted(self) -> np.ndarray:
        """(window,) whether ``translate`` accepts the PPG, and two detectors find the same R peaks in lead II."""
        waves, seconds = self.ppg[:, 0], self.ppg.shape[-1] / self.ppg_fs
        found = pulse_beats.read(waves, torch.ones_like(waves, dtype=torch.bool), self.ppg_fs)
        fine = [not refused_parts(seconds, beats.times, beats.probabilities) for beats in found]
        return np.array(fine, bool) & self.certain

    @cached_property
    def same_rate(self) -> np.ndarray:
        """(window,) whether PPG and lead II both have a heart rate, and nearly the same one."""
        rates = [heart_rate(peaks) for peaks in r_peaks(self.lead)]
        pulses = [heart_rate(pulse_rises(one, self.ppg_fs)) for one in self.ppg[:, 0].numpy()]
        pairs = zip(rates, pulses, strict=True)
        return np.array([a is not None and b is not None and abs(a - b) <= SAME_RATE for a, b in pairs], bool)


def windows(recording: Recording, preprocessor: Preprocessor, seconds: float) -> Windows:
    """All complete windows of a paired recording."""
    ecg, ppg = read_signals(recording.path)
    size = round(seconds * ecg.fs)
    count = ecg.samples // size
    if not count:
        raise InputError(f"{recording.name} lasts {ecg.seconds:.2f} s", f"at least {seconds:g} s were expected")
    lead = ecg.signal[0, :, : count * size].reshape(count, 1, size)
    pulses = ppg[: count * size].reshape(count, 1, size)
    truth = preprocessor.ecg(ECG(lead, (LEAD,), ecg.fs))
    return Windows(recording.name, recording.patient, pulses, ecg.fs, truth)


class Translator(ABC):
    """Base class: from windows of PPG to windows of lead II."""

    name: str

    @abstractmethod
    def draw(self, windows: Windows, first: int) -> Tensor:
        """(window, time) mV at the rate of ``windows.lead``; ``first`` is the number of the first window of all."""

    def point_estimate(self, draws: int) -> Translator:
        """The mean of ``draws`` draws; of a baseline, which has no draws, itself."""
        return self


class Zero(Translator):
    """Flat lines, as a reference for errors."""

    name = "zero"

    def draw(self, windows: Windows, first: int) -> Tensor:
        """Flat lines."""
        return torch.zeros(len(windows), windows.lead.samples)


class PulseBeats(Translator):
    """Baseline without a network: the mean beat of the training recordings before each pulse.

    Args:
        before: Seconds of the beat before its R peak.
        after: Seconds of the beat after its R peak.
    """

    name = "mean beat at each pulse"

    def __init__(self, before: float = 0.25, after: float = 0.45):
        self.before, self.after = before, after

    def fit(self, pairs: Sequence[Pair], preprocessor: Preprocessor) -> None:
        """Average the beats of each recording, then the recordings; taper the ends of the beat."""
        start, size = round(self.before * preprocessor.fs), round((self.before + self.after) * preprocessor.fs)
        beats = []
        for pair in pairs:  # a pair has beats, because its delay was found
            lead = preprocessor.ecg(pair.ecg)
            at = np.round(r_peaks(lead)[0] * lead.fs).astype(int)[:, None] - start + np.arange(size)
            at = at[(at[:, 0] >= 0) & (at[:, -1] < lead.samples)]
            beats.append(lead.signal[0, 0].numpy()[at].mean(0))
        fade = np.minimum(1, np.minimum(np.arange(size), np.arange(size)[::-1]) / (0.05 * preprocessor.fs))
        self.beat = np.mean(beats, 0) * fade

    def draw(self, windows: Windows, first: int) -> Tensor:
        """The mean beat ``PULSE_DELAY`` before each steepest rise of the PPG."""
        predicted = np.zeros((len(windows), windows.lead.samples), np.float32)
        for wave, ppg in zip(predicted, windows.ppg[:, 0].numpy(), strict=True):
            for rise in pulse_rises(ppg, windows.ppg_fs):
                start = round((rise - PULSE_DELAY - self.before) * windows.lead.fs)
                low, high = max(0, start), min(len(wave), start + len(self.beat))
                wave[low:high] += self.beat[low - start : max(low, high) - start]
        return torch.from_numpy(predicted)


class FromGenerator(Translator):
    """A generator conditioned on the PPG only: one draw, or the mean of several."""

    def __init__(self, generator: Generator, draws: int, seed: int):
        self.generator, self.draws, self.seed, self.name = generator, draws, seed, generator.name

    def point_estimate(self, draws: int) -> Translator:
        """The mean of ``draws`` draws."""
        return FromGenerator(self.generator, draws, self.seed)

    def draw(self, windows: Windows, first: int) -> Tensor:
        """Lead II of one draw, or of the mean of several."""
        seconds = windows.ppg.shape[-1] / windows.ppg_fs
        known = Condition.none(len(windows), seconds, windows.lead.fs).with_ppg(windows.ppg, windows.ppg_fs)
        if self.draws == 1:
            return self.generator.sample(known, self.seed, first).pick(LEAD).signal[:, 0]
        return (
            self.generator.reconstruct(known, num_draws=self.draws, seed=self.seed + first, keep_draws=False)
            .mean.pick(LEAD)
            .signal[:, 0]
        )


def run(
    protocol: Protocol,
    recordings: Sequence[Recording],
    generator: Generator | None,
    preprocessor: Preprocessor,
    with_baselines: bool = True,
    report: Callable[[str, float], None] = lambda what, share: None,
) -> tuple[dict, dict]:
    """Description of the measurement, and scores of the baselines and of the generator, if given.

    Raises:
        InputError: If no paired recording is in the requested folds.
    """
    paired = [recording for recording in recordings if recording.paired]
    scored = [recording for recording in paired if recording.fold in protocol.folds]
    training = [recording for recording in paired if recording.fold in protocol.train_folds]
    _check_folds(paired)
    if not scored or (with_baselines and not training):
        raise InputError(
            f"{len(scored)} recordings with a PPG and lead II are in the folds {list(protocol.folds)}, "
            f"{len(training)} in {list(protocol.train_folds)}",
            "some in both were expected, as in BIDMC",
        )
    known, left_out = _windows(scored, preprocessor, protocol)
    translators: list[Translator] = []
    if with_baselines:
        report("reading training recordings", 0.0)
        beats = PulseBeats()
        beats.fit(_pairs(training), preprocessor)
        translators += [Zero(), beats]
    if generator is not None:
        translators.append(FromGenerator(generator, 1, protocol.seed))
    scores = {}
    for translator in translators:
        scores[translator.name] = score(translator, known, preprocessor, protocol.seed, report)
    if protocol.draws > 1:
        some = [one.every(protocol.every) for one in known]
        for translator in translators:
            several = translator.point_estimate(protocol.draws)
            scores[translator.name]["point_estimate"] = score(several, some, preprocessor, protocol.seed, report)
    about = {
        "scored_leads": [LEAD],
        "definitions": DEFINITIONS,
        "detectors": {"R peaks": DETECTOR, "pulses": PULSE_DETECTOR},
        "beats": pulse_beats.name_of(),
        "n": sum(map(len, known)),
        "recordings": [one.name for one in known],
        "patients": len({one.patient for one in known}),
        **{part: sum(int(getattr(one, part).sum()) for one in known) for part in PARTS},
        "left_out": left_out,
    }
    return about, scores


def _windows(
    recordings: Sequence[Recording], preprocessor: Preprocessor, protocol: Protocol
) -> tuple[list[Windows], dict[str, str]]:
    """The windows of recordings, and those that cannot be read with the reason.

    Raises:
        InputError: If none can be read.
    """
    known, left_out = [], {}
    for recording in recordings:
        try:
            known.append(windows(recording, preprocessor, protocol.seconds).every(protocol.step))
        except InputError as error:
            left_out[recording.name] = str(error)
    if not known:
        found = f"none of {len(recordings)} recordings can be used; the first: {next(iter(left_out.values()))}"
        raise InputError(found, "recordings with a PPG and lead II were expected")
    return _limited(known, protocol.limit), left_out


def _pairs(recordings: Sequence[Recording]) -> list[Pair]:
    """The pairs of recordings, without those that cannot be read or have no beats in common.

    Raises:
        InputError: If there is none.
    """
    pairs, reason = [], ""
    for recording in recordings:
        try:
            pairs.append(read_pair(recording.path))
        except InputError as error:
            reason = str(error)
    if not pairs:
        raise InputError(f"none of {len(recordings)} training recordings can be used; the last: {reason}")
    return pairs


def score(
    translator: Translator,
    known: Sequence[Windows],
    preprocessor: Preprocessor,
    seed: int,
    report: Callable[[str, float], None] = lambda what, share: None,
) -> dict:
    """All scores of one translator."""
    rows: dict[str, list[np.ndarray]] = {}
    delays: dict[str, float | None] = {}
    drawing, first = 0.0, 0
    for done, one in enumerate(known, 1):
        began = time.perf_counter()
        predicted = translator.draw(one, first)
        drawing, first = drawing + time.perf_counter() - began, first + len(one)
        # The truth was filtered by the model's preprocessing. So is the prediction, for the same input of the detector.
        lead = preprocessor.ecg(ECG(predicted[:, None], (LEAD,), one.lead.fs))
        delays[one.name], values = _compare(lead, one.lead)
        for name, value in values.items():
            rows.setdefault(name, []).append(value)
        report(translator.name, done / len(known))
    patients = [one.patient for one in known for _ in range(len(one))]
    joined = {name: np.concatenate(values) for name, values in rows.items()}
    scores = _summary(joined, patients, seed)
    for name in PARTS:
        inside = np.concatenate([getattr(one, name) for one in known])
        if inside.any():
            own = [patient for patient, chosen in zip(patients, inside, strict=True) if chosen]
            part = _summary({key: value[inside] for key, value in joined.items()}, own, seed)
            scores[name] = part | {"n": int(inside.sum()), "patients": len(set(own))}
    return scores | {"delays": delays, "n": first, "seconds": drawing}


def constant_delay(predicted: Sequence[np.ndarray], true: Sequence[np.ndarray]) -> float | None:
    """Delay in s of predicted relative to true R peaks, constant over all windows; None without peaks.

    In a regular rhythm, delays that differ by one RR interval are about equally frequent. Then the delay that
    corresponds to a usual lag between R peak and pulse (``rhythm.USUAL_LAGS``) is taken, as for recordings.

    Example:
        >>> true = np.cumsum([0.5, 0.8, 1.1, 0.7, 0.9])
        >>> round(constant_delay([true + 0.1], [true]), 3)
        0.1
    """
    gaps = [np.subtract.outer(a, b).ravel() for a, b in zip(predicted, true, strict=True)]
    all_gaps = np.concatenate(gaps) if gaps else np.zeros(0)
    near = all_gaps[np.abs(all_gaps) <= LONGEST_DELAY]
    if not len(near):
        return None
    steps = np.arange(-250, 251) * LONGEST_DELAY / 250
    frequency = np.array([np.exp(-0.5 * ((all_gaps - step) / 0.02) ** 2).sum() for step in steps])
    lags = steps + PULSE_DELAY
    good = frequency >= COMPARABLE * frequency.max()
    usual = good & (lags >= USUAL_LAGS[0]) & (lags <= USUAL_LAGS[1])
    best = steps[np.where(usual if usual.any() else good, frequency, 0).argmax()]
    around = near[np.abs(near - best) <= TOLERANCES[0]]
    return float(np.median(around)) if len(around) else float(best)


def _compare(predicted: ECG, true: ECG) -> tuple[float | None, dict[str, np.ndarray]]:
    """The constant delay of one recording, and all measures (window, …)."""
    peaks, known = r_peaks(predicted), r_peaks(true)
    delay = constant_delay(peaks, known)
    values = {
        "rate": heart_rate_errors(peaks, known),
        "no_rate": np.array([heart_rate(one) is None for one in peaks], float),
        "doubled": _doubled(peaks, known),
    }
    for how, shift in (("delay_removed", delay or 0.0), ("as_drawn", 0.0)):
        part = (max(0.0, -shift) + MARGIN, true.seconds - max(0.0, shift) - MARGIN)
        for tolerance in TOLERANCES:
            counts = [beat_counts(a - shift, b, tolerance, part) for a, b in zip(peaks, known, strict=True)]
            values[f"{how}.f1_{1000 * tolerance:.0f}"] = np.stack(counts)
        for name, value in _waves(predicted, true, round(shift * true.fs)).items():
            values[f"{how}.{name}"] = value
    return delay, values


def _doubled(peaks: Sequence[np.ndarray], known: Sequence[np.ndarray]) -> np.ndarray:
    """(window,) 1.0 where the drawn rate is at least ``DOUBLED`` times the true one."""
    rates = [(heart_rate(a), heart_rate(b)) for a, b in zip(peaks, known, strict=True)]
    return np.array([a is not None and b is not None and a >= DOUBLED * b for a, b in rates], float)


def _waves(predicted: ECG, true: ECG, samples: int) -> dict[str, np.ndarray]:
    """Errors (window,) over the common part, with the predicted lead shifted ``samples`` earlier."""
    size = min(predicted.samples, true.samples) - abs(samples)
    a = predicted.signal[:, 0, max(0, samples) :][:, :size].double().numpy()
    b = true.signal[:, 0, max(0, -samples) :][:, :size].double().numpy()
    return {
        "rmse_mv": mean_squared_error(a, b),
        "rmse_z": mean_squared_error(_standard(a), _standard(b)),
        "r": np.nan_to_num(pearson(a, b)),
    }


def _standard(waves: np.ndarray) -> np.ndarray:
    """Each waveform scaled to mean 0 and deviation 1; zeros if it is flat."""
    centred = waves - waves.mean(-1, keepdims=True)
    deviation = centred.std(-1, keepdims=True)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)


def _summary(values: dict[str, np.ndarray], patients: Sequence[str], seed: int) -> dict:
    """Scores with their intervals; roots of mean squared errors, F1 of counts."""
    made: dict = {
        "heart_rate_error": {
            "median": float(np.median(values["rate"])),
            "mean": float(values["rate"].mean()),
            "mean_interval": patient_interval(values["rate"], patients, seed),
            "within_5": float((values["rate"] <= SAME_RATE).mean()),
            "within_5_interval": patient_interval((values["rate"] <= SAME_RATE).astype(float), patients, seed),
        },
        "no_rate": float(values["no_rate"].mean()),
        "doubled": float(values["doubled"].mean()),
    }
    for key, rows in values.items():
        how, dot, name = key.partition(".")
        if not dot:
            continue
        turn = f1 if name.startswith("f1") else np.sqrt if name.startswith("rmse") else np.asarray
        into = made.setdefault(how, {})
        into[name] = float(turn(rows.mean(0)))
        into[f"{name}_interval"] = patient_interval(
            rows, patients, seed, statistic=lambda means, turn=turn: np.asarray(turn(means)).reshape(len(means))
        )
    return made


def _limited(known: list[Windows], limit: int) -> list[Windows]:
    """The first ``limit`` windows, or all for 0."""
    if not limit:
        return known
    kept = []
    for one in known:
        count = min(len(one), limit - sum(map(len, kept)))
        if count > 0:
            kept.append(replace(one, ppg=one.ppg[:count], lead=one.lead[:count]))
    return kept


def _check_folds(recordings: Sequence[Recording]) -> None:
    """Raise InputError if a patient is in several folds."""
    folds: dict[str, set[int]] = {}
    for recording in recordings:
        folds.setdefault(recording.patient, set()).add(recording.fold)
    split = sorted(patient for patient, lies in folds.items() if len(lies) > 1)
    if split:
        raise InputError(f"patient {split[0]} is in several folds", "each patient in one fold was expected")


def against_truth(predicted: ECG, true: ECG, preprocessor: Preprocessor) -> dict[str, Any]:
    """F1 of predicted R peaks in lead II, before and after removal of a constant delay.

    Raises:
        InputError: If the durations differ.
    """
    if abs(predicted.seconds - true.seconds) > 0.1:
        found = f"the truth lasts {true.seconds:.2f} s, the PPG {predicted.seconds:.2f} s"
        raise InputError(
            found, "equal durations were expected", "choose the same part of both with --start and --seconds"
        )
    (peaks,), (known,) = (r_peaks(preprocessor.ecg(ecg.pick(LEAD))) for ecg in (predicted, true))
    delay = constant_delay([peaks], [known])
    scores, rate = [], heart_rate(known)
    for shift in (0.0, delay or 0.0):
        part = (max(0.0, -shift) + MARGIN, true.seconds - max(0.0, shift) - MARGIN)
        scores.append(round(float(f1(beat_counts(peaks - shift, known, TOLERANCES[0], part))), 3))
    return {
        "delay": None if delay is None else round(delay, 3),
        "f1_50_as_drawn": scores[0],
        "f1_50_delay_removed": scores[1],
        "heart_rate": None if rate is None else round(rate, 1),
        "by": DETECTOR,
    }
