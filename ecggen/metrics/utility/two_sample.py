"""Two-sample tests: a classifier is trained to tell synthetic from real ECGs (Lopez-Paz and Oquab, ICLR 2017).

An AUROC of 0.5 on patients that were not used for training means that the classifier finds no difference. Both sets are
filtered alike, and steeply: otherwise they differ by the attenuation of a filter near its cut-off frequency. A table of
simple features that separate the sets tells what to mend.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import kurtosis
from torch import Tensor

from ecggen.core import rhythm
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.metrics.functional.beats import rr_statistics
from ecggen.metrics.functional.bootstrap import redrawn
from ecggen.metrics.functional.ranking import auroc
from ecggen.metrics.functional.variability import aligned_beats, beat_variability
from ecggen.metrics.utility import small_network
from ecggen.metrics.utility.random_convolutions import RandomConvolutions

RATE = 100.0
"""Sampling rate in Hz at which sets are compared."""
PASS_BAND, STOP_BAND = (0.8, 32.0), (0.4, 38.0)
"""Frequencies in Hz that are kept unchanged, and beyond which nothing is left."""
KERNELS, STRIDE, STRENGTH = 1000, 1, 1.0
"""Random kernels, their stride in samples, and inverse regularisation strength of the logistic regression on them.

Less regularisation and a smaller stride than for diagnoses: differences between the sets are finer than findings.
"""
EPOCHS = 40
"""Passes over the training records of the small network."""
LEAST = 40
"""Fewest records of each set in the training half and in the test half."""


@dataclass(frozen=True)
class TwoSampleTest:
    """Result of a two-sample test.

    Attributes:
        auroc: AUROC on the test half, by the name of the discriminator.
        interval: 95 % interval by the same names, from redraws of the patients of the test half.
        n_train: Records of each set in the training half.
        n_test: Records of each set in the test half.
    """

    auroc: dict[str, float]
    interval: dict[str, tuple[float, float]]
    n_train: int
    n_test: int


def two_sample_test(
    synthetic: ECG,
    real: ECG,
    patients: Sequence[str],
    synthetic_patients: Sequence[str] | None = None,
    seed: int = 0,
    network: bool = True,
    most: int = 600,
    progress: Callable[[float], None] = lambda share: None,
) -> TwoSampleTest:
    """Train discriminators on half of the records of both sets, and test them on the other half.

    Args:
        synthetic: Twelve leads, or leads from which they follow, at any rate; without NaN.
        real: The same leads and duration.
        patients: Patient of each real record; training and test half share none.
        synthetic_patients: Patient whose condition each synthetic record has; by default each record is its own.
        seed: Seed of the halves, the discriminators and the redraws.
        network: Whether to train the small convolutional network, too (about a minute).
        most: Largest number of records of each set in either half.
        progress: Called with the share of the work that is done.

    Raises:
        InputError: If there are too few records, or leads or durations differ.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> one, other = simulate(100, seconds=4, seed=0), simulate(100, seconds=4, seed=1)
        >>> found = two_sample_test(one, other, [str(row) for row in range(100)], network=False)
        >>> found.n_test, list(found.auroc)
        (50, ['random convolutions'])
    """
    if synthetic.samples / synthetic.fs != real.samples / real.fs:
        raise InputError(
            f"the synthetic records last {synthetic.seconds:g} s and the real ones {real.seconds:g} s",
            "equal durations were expected",
            "crop the longer ones",
        )
    waves = [steeply_filtered(one) for one in (synthetic, real)]
    names = [str(row) for row in range(len(synthetic))] if synthetic_patients is None else synthetic_patients
    halves = [_halves(one, seed + at, most) for at, one in enumerate((names, patients))]
    sizes = [min(len(side[at]) for side in halves) for at in (0, 1)]
    if min(sizes) < LEAST:
        raise InputError(f"{min(sizes)} records of a set in a half", f"{LEAST} were expected at least")
    train, test = (
        torch.cat([wave[torch.from_numpy(rows[at][: sizes[at]])] for wave, rows in zip(waves, halves, strict=True)])
        for at in (0, 1)
    )
    groups = [f"{side} {of[row]}" for side, (of, rows) in enumerate(zip((names, patients), halves, strict=True))
              for row in rows[1][: sizes[1]]]  # fmt: skip
    makers: dict[str, Callable[[Tensor, np.ndarray, int], Callable[[Tensor], np.ndarray]]] = {
        "random convolutions": _by_random_convolutions
    }
    if network:
        makers["small network"] = _by_network
    areas, intervals = {}, {}
    truth, test_truth = (np.repeat([1.0, 0.0], size) for size in sizes)
    for done, (name, make) in enumerate(makers.items()):
        score = make(train, truth, seed)(test)
        areas[name] = float(auroc(score[:, None], test_truth[:, None])[0])
        again = [float(auroc(score[at, None], test_truth[at, None])[0]) for at in redrawn(groups, seed, 200)]
        intervals[name] = (float(np.nanquantile(again, 0.025)), float(np.nanquantile(again, 0.975)))
        progress((done + 1) / len(makers))
    return TwoSampleTest(areas, intervals, *sizes)


def steeply_filtered(ecg: ECG) -> Tensor:
    """The independent leads (record, 8, time) at ``RATE``, unchanged in ``PASS_BAND`` and 0 beyond ``STOP_BAND``.

    The transition is half a cosine in the spectrum of the record, extended by its mirror image.
    """
    waves = ecg.standard().pick(*INDEPENDENT_LEADS).resample(RATE).signal.double()
    mirrored = torch.cat([waves, waves.flip(-1)], -1)
    frequency = torch.fft.rfftfreq(mirrored.shape[-1], 1 / RATE)
    low = ((frequency - STOP_BAND[0]) / (PASS_BAND[0] - STOP_BAND[0])).clamp(0, 1)
    high = ((STOP_BAND[1] - frequency) / (STOP_BAND[1] - PASS_BAND[1])).clamp(0, 1)
    gain = 0.25 * (1 - torch.cos(torch.pi * low)) * (1 - torch.cos(torch.pi * high))
    return torch.fft.irfft(torch.fft.rfft(mirrored) * gain, mirrored.shape[-1])[..., : waves.shape[-1]].float()


def _halves(patients: Sequence[str], seed: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two halves that share no patient, at most ``most`` of each."""
    _, which = np.unique(np.asarray(patients, object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(which.max(initial=-1) + 1)
    first = np.isin(which, order[: len(order) // 2])
    return tuple(rng.permutation(np.flatnonzero(side))[:most] for side in (first, ~first))  # type: ignore[return-value]


def _as_ecg(waves: Tensor) -> ECG:
    return ECG(waves, INDEPENDENT_LEADS, RATE)


def _by_random_convolutions(train: Tensor, truth: np.ndarray, seed: int) -> Callable[[Tensor], np.ndarray]:
    """Logistic regression on random convolutions."""
    features = RandomConvolutions(KERNELS, seed=seed, stride=STRIDE, strength=STRENGTH)
    probability = features.learn(features.prepare(_as_ecg(train)), truth[:, None])
    return lambda test: probability(features.prepare(_as_ecg(test)))[:, 0]


def _by_network(train: Tensor, truth: np.ndarray, seed: int) -> Callable[[Tensor], np.ndarray]:
    """A small network."""
    targets = torch.from_numpy(truth[:, None]).float()
    logits = small_network.trained(train, targets, EPOCHS * -(-len(train) // small_network.BATCH), seed)
    return lambda test: logits(test)[:, 0].double().numpy()


def simple_features(ecg: ECG, peaks: Sequence[np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Features (record,) that an engineer can interpret, of records that ``steeply_filtered`` treats alike.

    Args:
        ecg: Twelve leads, or leads from which they follow.
        peaks: R peaks of each record in s; detected if not given.
    """
    waves = _as_ecg(steeply_filtered(ecg))
    peaks = rhythm.r_peaks(waves) if peaks is None else peaks
    beats = aligned_beats(waves, peaks)
    vary = beat_variability(waves, beats=beats)
    signal = waves.signal.double().numpy()
    power = np.abs(np.fft.rfft(signal - signal.mean(-1, keepdims=True))) ** 2
    frequency = np.fft.rfftfreq(signal.shape[-1], 1 / RATE)
    total = power[..., 1:].sum(-1).mean(1)
    rr = [rr_statistics(one) for one in peaks]
    values = np.stack([np.sort(np.linalg.eigvalsh(np.cov(one)))[::-1] for one in signal])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # records without beats
        bands = {
            f"power at {low:g}–{high:g} Hz": np.log(
                power[..., (frequency >= low) & (frequency < high)].sum(-1).mean(1) / np.maximum(total, 1e-12)
            )
            for low, high in ((0.8, 2), (2, 5), (5, 10), (10, 20), (20, 32))
        }
        return {
            "beat amplitude CV": np.nanmean(vary["amplitude_cv"], 1),
            "correlation with the median beat": np.nanmean(vary["correlation"], 1),
            "P amplitude variation": np.nanmedian(vary["p_cv"], 1),
            "QRS amplitude variation": np.nanmedian(vary["qrs_cv"], 1),
            "T amplitude variation": np.nanmedian(vary["t_cv"], 1),
            "share of ectopic beats": vary["ectopic_share"],
            "heart rate": np.array([one["heart_rate"] for one in rr]),
            "RR irregularity": np.array([one["irregularity"] for one in rr]),
            "standard deviation": signal.std(-1).mean(1),
            "kurtosis": kurtosis(signal, axis=-1).mean(1),
            "largest slope": np.abs(np.diff(signal)).max(-1).mean(1),
            "level between the beats": np.median(np.abs(signal), -1).mean(1),
            "variance outside of three components": values[:, 3:].sum(1) / np.maximum(values.sum(1), 1e-12),
            "variance outside of five components": values[:, 5:].sum(1) / np.maximum(values.sum(1), 1e-12),
            **bands,
        }


def feature_aurocs(synthetic: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> dict[str, float]:
    """AUROC of each simple feature as a discriminator, at least 0.5, in descending order.

    Records in which a feature cannot be measured rank lowest, so that a set with many of them is given away.

    Example:
        >>> feature_aurocs({"a": np.array([1.0, 2.0])}, {"a": np.array([3.0, 4.0])})
        {'a': 1.0}
    """
    found = {}
    for name in real:
        both = np.concatenate([synthetic[name], real[name]])
        both = np.where(np.isfinite(both), both, np.nanmin(np.append(both[np.isfinite(both)], 0.0)) - 1)
        truth = np.repeat([1, 0], [len(synthetic[name]), len(real[name])])
        area = float(auroc(both[:, None], truth[:, None])[0])
        found[name] = max(area, 1 - area)
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
