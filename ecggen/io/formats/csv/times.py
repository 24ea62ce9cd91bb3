"""Columns of times: times of day, ISO 8601, seconds to nanoseconds since an origin, and numbers of samples.

Times are rounded, lack lost samples, and may be those of packets of samples. ``grid`` finds the regular grid that they
lie on, which gives the sampling rate and the place of every sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from ecggen.io.formats.csv.dialect import QUOTES, TIME
from ecggen.io.source import MOST_SAMPLES

SECONDS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "m": 60.0, "min": 60.0}
SECONDS |= {"h": 3600.0, "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "μs": 1e-6, "µs": 1e-6, "ns": 1e-9}
"""Seconds per unit of a time."""

PLAUSIBLE = (20.0, 50_000.0)
"""Range of sampling rates in Hz for which the unit of the times is inferred."""

_EPOCHS = {1e8: 1.0, 1e11: 1e-3, 1e14: 1e-6, 1e17: 1e-9}
"""Seconds per unit by the least time: seconds to nanoseconds since 1970 between 1973 and 2286."""
_DAY = 86_400.0


@dataclass(frozen=True)
class Grid:
    """Regular times.

    Attributes:
        places: Number of each sample, from 0; numbers are omitted where samples are missing.
        step: Time between samples.
        rounding: Unit of the last decimal of the times, 0 if it is unknown.
    """

    places: np.ndarray
    step: float
    rounding: float

    @property
    def tolerance(self) -> float:
        """Largest relative error of ``step`` due to rounding; times in ms give it to 1 in 10,000 over ten seconds."""
        return min(max(2e-4, 2 * self.rounding / (self.step * max(int(self.places[-1]), 1))), 2e-3)


def seconds_of(cells: Sequence[str], day: int | None = None) -> np.ndarray:
    """Times of day and ISO 8601 in seconds; NaN for a cell that is neither.

    Args:
        cells: Texts. Without dates, midnight is where the time falls by more than 12 hours.
        day: Day from which the seconds are counted (``day_of``); by default that of the first cell.
    """
    matches = [TIME.fullmatch(cell.strip(QUOTES)) for cell in cells]
    found = np.array([_clock(match["at"] or match["clock"]) if match else np.nan for match in matches])
    days = [match and match["day"] for match in matches]
    if matches and all(days) and (first := _ordinal(days[0]) if day is None else day) is not None:
        known = {text: _ordinal(text) for text in set(days)}
        if None not in known.values():
            return found + _DAY * np.array([(known[text] or 0) - first for text in days])
    return found + _DAY * np.r_[0, (np.diff(found) < -_DAY / 2).cumsum()] if len(found) else found


def day_of(cell: str) -> int | None:
    """Number of the day in a cell; None if it holds no date that begins with the year."""
    match = TIME.fullmatch(cell.strip(QUOTES))
    return _ordinal(match["day"]) if match and match["day"] else None


def grid(times: np.ndarray) -> Grid | None:
    """The regular grid of times; None if they are irregular."""
    if len(times) < 2 or not np.isfinite(times).all() or times[-1] <= times[0]:
        return None
    steps = np.diff(times)
    if steps.min() < 0:
        return None
    rounding = _rounding(times - times[0], steps)
    if found := _even(times, steps, rounding):
        return found
    found = _with_gaps(times, steps, rounding)
    if found is None or (found.places[-1] > 2 * len(times) and (steps > 1.5 * found.step).mean() > 0.02):
        return _of_packets(times, steps)
    return found


def rate(found: Grid, unit: float) -> float:
    """Sampling rate in Hz of a grid whose times have ``unit`` seconds; an integer if the times allow it."""
    measured = float(1 / (found.step * unit))
    return float(round(measured)) if abs(measured - round(measured)) < found.tolerance * measured else measured


def stated_unit(name: str, unit: str, suffix: str | None) -> float | None:
    """Seconds per unit of a column of times, from its unit, its suffix or its name."""
    return SECONDS.get((unit or suffix or name).strip().casefold())


def inferred_unit(origin: float, step: float) -> float | None:
    """Seconds per unit of times without a unit, from the first time and the step; None if it is unclear.

    Times since 1970 show their unit by their size. A step of 1.5 to 50 is one of milliseconds (20 to 667 Hz), 1000
    times as much one of microseconds, and so on. A step of 1 may be a number of samples.
    """
    epoch = [seconds for least, seconds in _EPOCHS.items() if least < origin < 100 * least]
    for seconds in (*epoch, 1.0):
        if PLAUSIBLE[0] <= 1 / (step * seconds) <= PLAUSIBLE[1]:
            return seconds
    return next((seconds for seconds in (1e-3, 1e-6, 1e-9) if 1.5e-3 <= step * seconds <= 5e-2), None)


def is_since_1970(values: np.ndarray) -> bool:
    """Whether values without a name can only be times since 1970."""
    rising = len(values) > 2 and bool((np.diff(values) >= 0).all()) and values[-1] > values[0]
    return rising and any(least < values[0] < 100 * least for least in _EPOCHS)


def _clock(text: str | None) -> float:
    """Seconds of ``hh:mm:ss.mmm``, ``mm:ss.mmm``, or ``hh:mm:ss:mmm``, with am or pm."""
    if text is None:
        return np.nan
    bare = text.lower().replace(",", ".").replace(".m", "").rstrip("apm. ")
    parts = bare.split(":")
    if len(parts) == 4:
        parts[2:] = [f"{parts[2]}.{parts[3]}"]
    seconds = sum(float(part) * 60.0**power for power, part in enumerate(reversed(parts)))
    after_noon = "p" in text.lower()
    return seconds % (_DAY / 2) + after_noon * _DAY / 2 if "m" in text.lower() else seconds


def _ordinal(text: str | None) -> int | None:
    """Number of a day that begins with the year; the order of day and month is otherwise unknown."""
    try:
        parts = [int(part) for part in (text or "").replace("/", "-").replace(".", "-").split("-")]
        return date(*parts).toordinal() if len(parts) == 3 else None
    except ValueError:
        return None


def _rounding(times: np.ndarray, steps: np.ndarray) -> float:
    """Unit of the last decimal; 0 if it is unknown, or if nearly all steps are equal and therefore exact."""
    if (np.abs(steps - np.median(steps)) < 1e-9 * times[-1]).mean() >= 0.95:
        return 0.0
    for power in range(10):
        scaled = times * 10.0**power
        if np.abs(scaled - np.rint(scaled)).max() < 1e-3 + 1e-12 * scaled[-1]:
            return 10.0**-power
    return 0.0


def _even(times: np.ndarray, steps: np.ndarray, rounding: float) -> Grid | None:
    """The grid of times without gaps; rounded times deviate by less than one sample."""
    mean = (times[-1] - times[0]) / len(steps)
    even = np.arange(len(times))
    off = np.abs(times - times[0] - even * mean).max()
    return Grid(even, mean, rounding) if off <= mean and steps.max() <= 1.5 * mean + rounding else None


def _with_gaps(times: np.ndarray, steps: np.ndarray, rounding: float) -> Grid | None:
    """The grid of times with gaps: steps that are longer than the others by more than the rounding."""
    short = steps[steps < 1.5 * np.median(steps) + rounding]
    step = float(short.mean()) if len(short) else 0.0
    if not step > 0:
        return None
    ahead = np.where(steps < 1.5 * step + rounding, 1.0, np.rint(steps / step))
    places = np.r_[0, ahead.cumsum()]
    if places[-1] > MOST_SAMPLES or ahead.min() < 1:
        return None
    off = np.abs(times - times[0] - step * places).max()
    step = (times[-1] - times[0]) / places[-1]
    return Grid(places.astype(np.intp), step, rounding) if off <= step + rounding else None


def _of_packets(times: np.ndarray, steps: np.ndarray) -> Grid | None:
    """The grid of times of packets: all samples of a packet, or of a second, have one time or hasty times."""
    starts = np.flatnonzero(np.r_[True, steps > 4 * np.median(steps)])
    sizes, inner = np.diff(np.r_[starts, len(times)]), np.diff(starts)[1:]
    if len(starts) < 4 or inner.min() < 2:
        return None
    packets, size = times[starts[1:]], float(inner.mean())  # the first may be the end of a packet
    between = np.diff(packets)
    rounding = _rounding(packets - packets[0], between)
    regular = _even(packets, between, rounding)
    if np.ptp(inner) == 0 and sizes.max() == inner[0]:
        regular = regular or _with_gaps(packets, between, rounding)
        if regular is None or regular.places[-1] * size > MOST_SAMPLES:
            return None
        within = np.arange(len(times)) - np.repeat(starts, sizes)
        within[: sizes[0]] += inner[0] - sizes[0]
        places = np.repeat(np.r_[-1, regular.places], sizes) * inner[0] + within
        return Grid(places - places[0], regular.step / size, rounding)
    if np.ptp(inner) == 1 and regular:
        return Grid(np.arange(len(times)), regular.step / size, regular.step / len(inner))
    return None
