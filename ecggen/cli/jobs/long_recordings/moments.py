"""What is measured in each part of a long recording, and the moments that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ecggen.cli.jobs.results import mean_of

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.viz.overview import Moment

PART = 10.0
"""Seconds of a measured part, and of a picture."""


def moments(found: Reconstruction | ECG, first: float) -> list[Moment]:
    """Measurements of each ``PART`` of a block that begins at ``first`` seconds.

    Beats are those of the recorded leads, or of the generated lead II if only a PPG was recorded.
    """
    from ecggen.io.signal_quality import STEP, signal_quality
    from ecggen.viz.overview import Moment

    mean = mean_of(found)
    assert mean.provenance is not None
    recorded = mean.provenance.recorded
    heard = mean.pick(*(recorded or ("II",)))
    generated = [row for row, lead in enumerate(mean.leads) if lead in mean.provenance.generated]
    width = None if mean is found else (found.upper.signal - found.lower.signal)[0, generated].numpy() / 2  # type: ignore[union-attr]
    score = signal_quality(heard).score if recorded else None
    widening = np.nan if mean is found or not found.trust else found.trust[0].widening  # type: ignore[union-attr]
    size, made = round(PART * mean.fs), []
    for begin in range(0, max(1, mean.samples - size // 2), size):
        end = mean.samples if begin + 1.5 * size > mean.samples else begin + size
        rate, irregularity = _rhythm(replace(heard, signal=heard.signal[..., begin:end]))
        certain = half = np.nan
        if score is not None:
            steps = score[:, round(begin / mean.fs / STEP) : max(1, round(end / mean.fs / STEP))]
            certain = float((steps > 0).any(0).mean()) if steps.size else np.nan
            if certain < 0.5:
                rate = irregularity = np.nan
        if width is not None and np.isfinite(width[:, begin:end]).any():
            half = float(np.nanmean(width[:, begin:end]))
        values = (round(float(value), 4) for value in (rate, irregularity, certain, half, widening))
        made.append(Moment(round(first + begin / mean.fs, 3), *values))
    return made


def _rhythm(part: ECG) -> tuple[float, float]:
    """Heart rate per minute, and mean change between RR intervals as a share of their mean; NaN if not measured."""
    from ecggen.core.rhythm import r_peaks

    peaks = r_peaks(part)[0] if bool(part.signal.isfinite().all()) and part.seconds >= 2 else np.empty(0)
    rr = np.diff(peaks)
    rate = 60 / rr.mean() if len(rr) else np.nan
    return rate, np.abs(np.diff(rr)).mean() / rr.mean() if len(rr) > 1 else np.nan


def choose(every: Sequence[Moment]) -> dict[str, Moment]:
    """The moments that are drawn: fastest, slowest, most irregular, least certain, and a typical one."""
    sure = [one for one in every if np.isfinite(one.rate) and not one.certain < 0.9]
    irregular = [one for one in sure if np.isfinite(one.irregularity)]
    unsure = [one for one in every if np.isfinite(one.half_width) and one.certain < 0.9]
    chosen = {}
    if sure:
        middle = float(np.median([one.rate for one in sure]))
        chosen["typical"] = min(sure, key=lambda one: abs(one.rate - middle))
        chosen["fastest"] = max(sure, key=lambda one: one.rate)
        chosen["slowest"] = min(sure, key=lambda one: one.rate)
    if irregular:
        chosen["most irregular"] = max(irregular, key=lambda one: one.irregularity)
    if unsure:
        chosen["least certain"] = min(unsure, key=lambda one: one.certain)
    return chosen
