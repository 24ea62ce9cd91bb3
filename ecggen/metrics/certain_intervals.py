"""Measured intervals of a record for formats that hold them, so that the header of a viewer is not empty.

Rate, PR, QRS, QT, QTc and axis are those of ``ecggen.metrics.functional.intervals``. A value is certain, and is
written, only where most beats have it, it varies little from beat to beat, and it is one that a heart can have; without
certain beats none is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ecggen.core.ecg import ECG
    from ecggen.io.metadata import Measurements

LEAST_BEATS = 3
"""Fewest beats that are measured."""
RATES = (25.0, 230.0)
"""Heart rates per minute that are written."""
AGREE = 0.1
"""Largest relative difference of the heart rate from that of the other R detector, ``ecggen.core.rhythm``."""
PLAUSIBLE = {"pr_ms": (80.0, 400.0), "qrs_ms": (50.0, 240.0), "qt_ms": (200.0, 700.0)}
"""Smallest and largest interval in ms that is written."""
MARKS = {"pr_ms": ("p_onset", "qrs_onset"), "qrs_ms": ("qrs_onset", "qrs_offset"), "qt_ms": ("qrs_onset", "t_offset")}
"""First and last mark of each interval."""
STEADY = {"pr_ms": 30.0, "qrs_ms": 20.0, "qt_ms": 40.0}
"""Largest interquartile range over the beats, in ms, of an interval that is written."""


def measure(ecg: ECG, suffix: str) -> Measurements | None:
    """Measure one record, which may have gaps (NaN), for a file with this suffix.

    Returns:
        None if the format has no place for measurements.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> ecg = simulate(1, heart_rate=60)
        >>> measure(ecg, ".csv") is None, round(measure(ecg, ".dcm").heart_rate)
        (True, 60)
    """
    from ecggen.io.metadata import HOLDS_MEASUREMENTS

    if suffix not in HOLDS_MEASUREMENTS:
        return None
    import numpy as np

    from ecggen.core.rhythm import heart_rate, r_peaks
    from ecggen.evaluators.delineator import SHORTEST, SLOWEST, delineate
    from ecggen.io.metadata import Measurements
    from ecggen.metrics.functional.intervals import ecg_intervals

    ecg = _complete(ecg)
    if ecg.fs < max(SLOWEST, 100.0) or ecg.seconds < SHORTEST:
        return Measurements()
    waves = delineate(ecg)
    found = {name: float(value[0]) for name, value in ecg_intervals(ecg, waves).items() if value.ndim == 1}
    rate, other = found["heart_rate"], heart_rate(r_peaks(ecg)[0])
    beats = len(waves.peaks[0])
    if beats < LEAST_BEATS or not RATES[0] <= rate <= RATES[1] or other is None or abs(other / rate - 1) > AGREE:
        return Measurements()
    marks = waves.median_over_leads()
    spans = {name: 1000 * (marks[last] - marks[first])[0, :beats] for name, (first, last) in MARKS.items()}
    certain = {"heart_rate": rate} | {
        name: found[name] for name in MARKS if _is_certain(name, found[name], spans[name])
    }
    if "qrs_ms" in certain and np.isfinite(found["axis_deg"]):
        certain["axis_deg"] = found["axis_deg"]
    if "qt_ms" in certain:
        certain["qtc_ms"] = found["qtc_ms"]
    return Measurements(**certain)


def _complete(ecg: ECG) -> ECG:
    """The longest segment in which no lead has a gap; leads without any sample are left out."""
    import torch

    from ecggen.core.gaps import longest_run

    present = torch.isfinite(ecg.signal[0])
    held = [lead for lead, any_sample in zip(ecg.leads, present.any(-1).tolist(), strict=True) if any_sample]
    if bool(present.all()) or not held:
        return ecg
    kept = ecg.pick(*held)
    first, last = longest_run(torch.isfinite(kept.signal[0]).all(0).numpy())
    return replace(kept, signal=kept.signal[..., first:last]) if last > first else kept


def _is_certain(name: str, value: float, spans: np.ndarray) -> bool:
    """Whether an interval is one that a heart can have, and varies little over the beats (beat,), NaN if absent."""
    import numpy as np

    spans = spans[np.isfinite(spans)]
    low, high = PLAUSIBLE[name]
    steady = len(spans) >= LEAST_BEATS and np.subtract(*np.percentile(spans, [75, 25])) <= STEADY[name]
    return bool(steady and low <= value <= high)
