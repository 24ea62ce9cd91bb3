"""Variations of recordings that keep the heart, the rhythm, or both, and draw everything else.

A recording is decomposed into its beats and a residual (``ecggen.core.beats``). With its median beats kept, a rhythm,
gains and a residual are drawn: the same heart at another moment. With its rhythm kept, median beats, gains and residual
are drawn: another patient with this rhythm. With both kept, only gains and residual are drawn.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from ecggen.conditioning import statements
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.rhythm_prior import own_numbers
from ecggen.core.beats import ABNORMAL, AFTER, BEFORE, Beats, decompose
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError, InputWarning, argument
from ecggen.core.rhythm import contradiction, r_peaks
from ecggen.generators.hearts.model import HEART_RATE, HeartFirst, Hearts
from ecggen.generators.hearts.rhythm import Rhythm, rhythm_details
from ecggen.generators.hearts.unnamed_rhythm import UNNAMED, completed

Keep = Literal["heart", "rhythm", "both"]
KEEP: tuple[Keep, ...] = get_args(Keep)
FEWEST = 3
"""Fewest beats of a recording whose heart or rhythm is kept."""
LONGEST = 3600.0
"""Longest recording in s; the similarity of every two beats is computed."""
SAME = 0.05
"""Largest difference in s of two durations that are regarded as the same."""
IRREGULAR = 0.1
"""Median difference of successive RR intervals over their mean from which on a rhythm is irregular."""
REGULAR_RHYTHMS = frozenset({"SR", "SBRAD", "STACH", "PACE", "SVTAC", "PSVT"})
IRREGULAR_RHYTHMS = frozenset({"AFIB", "SARRH"})
ABOUT_RHYTHM = frozenset({*statements.RHYTHMS, "PVC", "PAC", "PRC(S)", "BIGU", "TRIGU", "2AVB", "3AVB"})
"""Statements from which a rhythm is drawn; without any of them it is like the recorded one."""
AFTER_QRS = (0.10, 0.18)
"""Seconds after the R peak from which the time of a beat is stretched, and from which it is stretched completely."""
STRETCH = (0.7, 1.4)
"""Smallest and largest stretch of the QT interval."""


@dataclass(frozen=True)
class Recorded:
    """Beats of recordings, and what of them is kept.

    Attributes:
        beats: Beats of each recording, eight leads.
        seconds: Duration of the recordings.
        keep: "heart" (median beats), "rhythm" (R peaks and types of the beats), or "both".
    """

    beats: Sequence[Beats]
    seconds: float
    keep: Keep

    @staticmethod
    def of(eight: ECG, keep: Keep, seconds: float) -> Recorded:
        """Decompose recordings.

        Args:
            eight: The independent leads of recordings, preprocessed for the model.
            keep: What is kept.
            seconds: Duration of the variations.

        Raises:
            InputError: If a recording has missing samples, is too long, shows fewer than ``FEWEST`` beats, or has
                another duration than variations with its rhythm.
        """
        if keep != "heart" and abs(seconds - eight.seconds) > SAME:
            found = f"the ECG lasts {eight.seconds:.2f} s, its variations {seconds:.2f} s"
            raise InputError(found, "the same duration was expected to keep a rhythm", "crop the longer one")
        if eight.seconds > LONGEST:
            found, most = f"the ECG lasts {eight.seconds:,.0f} s", f"at most {LONGEST:,.0f} s were expected"
            raise InputError(found, most, "crop it first")
        if not bool(eight.signal.isfinite().all()):
            found = "the ECG has missing samples"
            raise InputError(found, "complete leads were expected", "reconstruct it first, or crop it")
        waves, peaks = eight.signal.double().numpy(), r_peaks(eight)
        check_beats([len(one) for one in peaks], eight.seconds)
        beats = [decompose(wave, eight.fs, at)[0] for wave, at in zip(waves, peaks, strict=True)]
        return Recorded(beats, eight.seconds, keep)

    @property
    def kept(self) -> str:
        """What is kept, in words."""
        return "heart and rhythm" if self.keep == "both" else self.keep

    def __len__(self) -> int:
        return len(self.beats)

    def __getitem__(self, rows: Sequence[int]) -> Recorded:
        return replace(self, beats=[self.beats[row] for row in rows])

    def rhythm(self, row: int) -> Rhythm:
        """The rhythm of a recording."""
        return Rhythm(self.beats[row].times, self.beats[row].types)

    def heart_rate(self, row: int) -> float:
        """Mean heart rate per minute of a recording."""
        return float(60 * np.exp(-rhythm_details(self.rhythm(row), self.seconds)[0]))

    def hearts(self, factors: Sequence[float]) -> Hearts:
        """The median beats, whose QT intervals are multiplied by ``factors``."""
        both = zip(self.beats, factors, strict=True)
        each = [[stretched(beat, factor) for beat in (one.median, one.ectopic)] for one, factor in both]
        normal, ectopic = torch.from_numpy(np.array(each)).float().unbind(1)
        return Hearts(normal, ectopic)


def check_beats(counts: Sequence[int], seconds: float) -> None:
    """Raise an InputError if one of the numbers of beats in recordings of ``seconds`` is below ``FEWEST``."""
    for row, count in enumerate(counts):
        if count < FEWEST:
            which = f"record {row}" if len(counts) > 1 else "the ECG"
            found = f"{which} shows {count or 'no'} beat{'s' * (count != 1)} in {seconds:.1f} s"
            most = f"at least {FEWEST} were expected to keep a heart or a rhythm"
            raise InputError(
                found, most, f"give a longer recording or one with less noise, or leave {argument('keep')} out"
            )


def stretched(beat: np.ndarray, factor: float) -> np.ndarray:
    """A median beat (lead, time) whose ST segment and T wave are stretched by a factor, the QRS complex is kept.

    Example:
        >>> time = np.arange(96) / 100 - BEFORE
        >>> t_wave = np.exp(-(((time - 0.3) / 0.03) ** 2))[None]
        >>> float(time[stretched(t_wave, 1.1).argmax()].round(2))
        0.33
    """
    if factor == 1:
        return beat
    grid = np.arange(beat.shape[1])
    fs = beat.shape[1] / (BEFORE + AFTER)
    time = grid / fs - BEFORE
    whole = ((time - AFTER_QRS[0]) / (AFTER_QRS[1] - AFTER_QRS[0])).clip(0, 1)
    source = (time * (1 + whole * (1 / factor - 1)) + BEFORE) * fs
    return CubicSpline(grid, beat, axis=-1)(source.clip(0, grid[-1]))


def qt_factor(recorded: float, drawn: float) -> float:
    """Factor of the QT interval when the mean RR interval changes: its cube root (Fridericia 1920).

    Example:
        >>> round(qt_factor(1.0, 0.8), 3)
        0.928
    """
    return float(np.clip(np.cbrt(drawn / recorded), *STRETCH))


def with_recorded_rhythm(
    recorded: Recorded, condition: Condition, model: HeartFirst, seed: int, indices: Sequence[int]
) -> tuple[Condition, list[bool]]:
    """A condition completed from recordings, and whether the rhythm of each record is to be drawn from the condition.

    A text that names no rhythm gets one that agrees with the recording (``unnamed_rhythm``). Where no rhythm is drawn
    from the text, the heart rate is that of the recording, unless another one is requested for a kept heart.

    Args:
        recorded: The recordings, one for each record.
        condition: Text and metadata.
        model: The model, which reads the texts.
        seed: Random seed.
        indices: Index of each record.
    """
    texts, drawn = list(condition.text), []
    metadata, mask = condition.metadata.clone(), condition.metadata_mask.clone()
    for row, given in enumerate(condition.text_mask.tolist()):
        said, denied = model.features.statements(texts[row]) if given else (frozenset(), frozenset())
        drawn.append(recorded.keep == "heart" and bool(said & ABOUT_RHYTHM))
        requested, own = float(metadata[row, HEART_RATE]) if mask[row, HEART_RATE] else None, recorded.heart_rate(row)
        if recorded.keep != "heart":
            note = contradiction(requested, own)
            if note:
                warnings.warn(note, InputWarning, stacklevel=7)
            requested = None
        rate = requested if requested or drawn[-1] else own
        if rate is not None:
            metadata[row, HEART_RATE], mask[row, HEART_RATE] = rate, True
        others = contradicting(recorded.rhythm(row))
        texts[row] = completed(texts[row], said, denied | others, rate, own_numbers(seed, indices[row], UNNAMED))
    return condition.replace(text=tuple(texts), metadata=metadata, metadata_mask=mask), drawn


def contradicting(rhythm: Rhythm) -> frozenset[str]:
    """Rhythms that contradict the regularity of a recorded one, in the intervals between normal beats.

    Example:
        >>> regular = Rhythm(np.arange(9.0), np.zeros(9, int))
        >>> sorted(contradicting(regular))
        ['AFIB', 'SARRH']
    """
    gaps, normal = np.diff(rhythm.times), rhythm.types != ABNORMAL
    steps, known = np.abs(np.diff(gaps)), normal[:-2] & normal[1:-1] & normal[2:]
    irregular = np.median(steps[known] if known.any() else steps) >= IRREGULAR * gaps.mean()
    return REGULAR_RHYTHMS if irregular else IRREGULAR_RHYTHMS


@torch.no_grad()
def draw(
    model: HeartFirst,
    recorded: Recorded,
    condition: Condition,
    seed: int,
    indices: Sequence[int],
    guidance_scale: float = 1.0,
    num_steps: int = 8,
) -> Tensor:
    """Variations of recordings, (batch, 8, time) in mV.

    Args:
        model: The model.
        recorded: One recording for each record.
        condition: Text and metadata, at the rate of the model; of any length with a kept heart, else of the length of
            the recordings.
        seed: Random seed.
        indices: Index of each record; it depends on the seed and the index only.
        guidance_scale: As in ``HeartFirst.draw``.
        num_steps: As in ``HeartFirst.draw``.
    """
    condition, from_text = with_recorded_rhythm(recorded, condition, model, seed, indices)
    seconds, features = condition.samples / model.fs, model.features(condition)
    rhythms = [recorded.rhythm(row) for row in range(len(recorded))]
    if recorded.keep == "heart":
        details = [
            None if drawn else rhythm_details(one, recorded.seconds)
            for drawn, one in zip(from_text, rhythms, strict=True)
        ]
        rhythms = model.draw_rhythms(condition, features, seed, indices, details)
    given = model.given(features, rhythms, seconds, seed, indices)
    hearts = None
    if recorded.keep != "rhythm":
        flutter = model.features.affirms(features, "AFLT").tolist()  # their waves keep their rate
        gaps = given.numbers[:, 0].exp().tolist()
        factors = [
            1.0 if recorded.keep == "both" or flutter[row] else qt_factor(60 / recorded.heart_rate(row), gaps[row])
            for row in range(len(recorded))
        ]
        hearts = recorded.hearts(factors)
    hearts = model.draw_hearts(given, guidance_scale, num_steps, hearts)
    if recorded.keep == "heart":
        rhythms = model.conducted(features, rhythms, hearts, seconds)
    return model.render(given, rhythms, hearts, condition.samples, num_steps)
