"""Intervals, amplitudes, axis and median beats of ECGs, and the agreement of two sets of measurements.

All are measured at the delineation's global marks (medians over the leads), and each is the median over a record's
beats, so that single beats have no influence. A value that cannot be measured is NaN and stays in the denominator:
waves that cannot be delineated must not improve a score. Amplitudes refer to the PQ level, the mean of the 20 ms before
the QRS. The axis is that of Einthoven's triangle; QTc is Fridericia's (Acta Med Scand 1920;53:469).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.interpolate import CubicSpline

from ecggen.core import rhythm
from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS, determined_by
from ecggen.core.errors import InputError
from ecggen.evaluators.delineator import Waves, delineate

INTERVALS = ("heart_rate", "p_ms", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms", "axis_deg")
"""Measured once per record."""
AMPLITUDES = ("r_mv", "s_mv", "t_mv", "st_mv", "p_mv")
"""Measured once per lead."""
SHARE_OF_BEATS = 0.5
"""Smallest fraction of a record's beats with a wave for it to be measured."""
LEAST_BEATS = 3
"""Fewest complete beats for a median beat."""
PQ_LEVEL = np.linspace(-0.02, 0.0, 5)
"""Seconds before the QRS over which the PQ level is averaged."""
ST_AFTER_J = 0.06
"""Seconds after the QRS at which the ST level is taken."""
WIDEST = {"qrs": 0.3, "p": 0.25, "t": 0.5}
"""Longest duration in s of a wave that is measured."""
CSE_STYLE_TOLERANCE = {"p_ms": (10.0, 15.0), "pr_ms": (10.0, 10.0), "qrs_ms": (10.0, 10.0), "qt_ms": (25.0, 30.0)}
"""Largest bias and standard deviation in ms, following the limits of IEC 60601-2-25 for the CSE recordings."""
BETWEEN = {"P": ("p_onset", "p_offset"), "PQ": ("p_offset", "qrs_onset"), "QRS": ("qrs_onset", "qrs_offset")}
BETWEEN |= {"ST": ("qrs_offset", "t_onset"), "T": ("t_onset", "t_offset")}
"""Segments of a beat and their first and last mark."""


def ecg_intervals(ecg: ECG, waves: Waves | None = None) -> dict[str, np.ndarray]:
    """Standard measurements of each record; NaN where it could not be delineated.

    Args:
        ecg: Any leads, rate and length that ``delineate`` accepts.
        waves: Its delineation; computed if not given.

    Returns:
        Of shape (record,): ``heart_rate`` in beats per minute; ``p_ms``, ``pr_ms`` (onset of P to onset of QRS),
        ``qrs_ms``, ``qt_ms`` and ``qtc_ms``; ``axis_deg``, the frontal axis of the net QRS area (0 to the left, 90 to
        the feet) if I and aVF are given or follow. Of shape (record, lead), in mV relative to the PQ level: ``r_mv``
        and ``s_mv`` (maximum and minimum of the QRS), ``p_mv`` and ``t_mv`` (largest deflection, signed), ``st_mv`` at
        J + 60 ms.

    Raises:
        InputError: If the delineation is of other records or leads.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> found = ecg_intervals(simulate(1, seconds=5, fs=250, heart_rate=60, seed=0))
        >>> found["pr_ms"].shape, found["r_mv"].shape, bool(abs(found["heart_rate"][0] - 60) < 2)
        ((1,), (1, 12), True)
    """
    waves = _checked(ecg, waves)
    marks = waves.median_over_leads()
    rates = (rhythm.heart_rate(peaks) for peaks in waves.peaks)
    rate = np.array([np.nan if found is None else found for found in rates])
    beats = np.array([len(peaks) for peaks in waves.peaks])

    def span(first: str, last: str) -> np.ndarray:
        return 1000 * _median_over_beats(marks[last] - marks[first], beats)

    qt = span("qrs_onset", "t_offset")
    amplitudes, areas = _amplitudes(ecg, marks, beats)
    return {
        "heart_rate": rate,
        "p_ms": span("p_onset", "p_offset"),
        "pr_ms": span("p_onset", "qrs_onset"),
        "qrs_ms": span("qrs_onset", "qrs_offset"),
        "qt_ms": qt,
        "qtc_ms": qt / np.cbrt(60 / rate),
        "axis_deg": _axis(areas, ecg.leads),
        **amplitudes,
    }


def lead_intervals(ecg: ECG, waves: Waves | None = None) -> dict[str, np.ndarray]:
    """Durations in each lead, (record, lead) in ms: ``p_ms``, ``pr_ms``, ``qrs_ms`` and ``qt_ms``.

    Unlike those of ``ecg_intervals`` they are measured at the marks of the lead itself; NaN where a lead could not be
    delineated.

    Args:
        ecg: As in ``ecg_intervals``.
        waves: Its delineation; computed if not given.

    Raises:
        InputError: If the delineation is of other records or leads.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> lead_intervals(simulate(1, seconds=5, fs=250, heart_rate=60, seed=0))["qrs_ms"].shape
        (1, 12)
    """
    waves = _checked(ecg, waves)
    beats = np.array([len(peaks) for peaks in waves.peaks])
    spans = {
        "p_ms": waves.p_offset - waves.p_onset,
        "pr_ms": waves.qrs_onset - waves.p_onset,
        "qrs_ms": waves.qrs_offset - waves.qrs_onset,
        "qt_ms": waves.t_offset - waves.qrs_onset,
    }
    return {name: 1000 * _median_over_beats(span, beats) for name, span in spans.items()}


def _checked(ecg: ECG, waves: Waves | None) -> Waves:
    """``waves`` after a check that they belong to ``ecg``; the delineation of ``ecg`` if they are None."""
    if waves is None:
        return delineate(ecg)
    if len(waves) != len(ecg) or waves.leads != ecg.leads:
        raise InputError(
            f"the delineation is of {len(waves)} records with {', '.join(waves.leads)}",
            f"that of these {len(ecg)} records with {', '.join(ecg.leads)} was expected",
            "delineate the same ECGs",
        )
    return waves


def _median_over_beats(values: np.ndarray, beats: np.ndarray, axis: int = -1) -> np.ndarray:
    """Median over the beats of (record, …, beat); NaN if too few of a record's beats have a value."""
    count = np.isfinite(values).sum(axis)
    enough = count >= np.maximum(1, SHARE_OF_BEATS * beats.reshape(-1, *[1] * (count.ndim - 1)))
    found = np.full(count.shape, np.nan)
    found[enough] = _median(values[enough], count[enough]) if enough.any() else []
    return found


def _median(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Median (row,) of the ``count`` finite values in each row of (row, beat); much faster than ``np.nanmedian``."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), -1)  # NaN last
    middle = [np.take_along_axis(ordered, at[:, None], -1)[:, 0] for at in ((count - 1) // 2, count // 2)]
    return (middle[0] + middle[1]) / 2


def _amplitudes(
    ecg: ECG, marks: Mapping[str, np.ndarray], beats: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The amplitudes (record, lead) in mV, and the net QRS area (record, lead) in mV s."""
    found = {name: np.full((len(ecg), len(ecg.leads)), np.nan) for name in (*AMPLITUDES, "area")}
    for row, signal in enumerate(ecg.signal.double().numpy()):
        of_beats = _by_beat(signal, ecg.fs, {name: times[row, : beats[row]] for name, times in marks.items()})
        for name, values in of_beats.items():
            found[name][row] = _median_over_beats(values, np.full(len(values), beats[row]))
    return found, found.pop("area")


def _by_beat(signal: np.ndarray, fs: float, marks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Amplitudes and QRS area (lead, beat) of one record (lead, time), from its global marks (beat,) in s."""
    level = _at(signal, fs, marks["qrs_onset"][:, None] + PQ_LEVEL).mean(-1)
    step = min(0.002, 1 / fs)
    inside = {}
    for wave, widest in WIDEST.items():
        times = marks[f"{wave}_onset"][:, None] + np.arange(0, widest, step)
        values = _at(signal, fs, times) - level[..., None]
        inside[wave] = np.where(times <= marks[f"{wave}_offset"][:, None], values, np.nan)
    return {
        "r_mv": _extreme(inside["qrs"], 1),
        "s_mv": _extreme(inside["qrs"], -1),
        "p_mv": _largest(inside["p"]),
        "t_mv": _largest(inside["t"]),
        "st_mv": _at(signal, fs, marks["qrs_offset"] + ST_AFTER_J) - level,
        "area": np.where(np.isfinite(inside["qrs"]).any(-1), step * np.nansum(inside["qrs"], -1), np.nan),
    }


def _at(signal: np.ndarray, fs: float, times: np.ndarray) -> np.ndarray:
    """(lead, …): ``signal`` (lead, time) at ``times`` (…) in s, linearly interpolated; NaN outside."""
    place = times * fs
    known = (place >= 0) & (place <= signal.shape[-1] - 1)
    safe = np.where(known, place, 0.0)
    left = np.minimum(safe.astype(int), signal.shape[-1] - 2)
    part = safe - left
    return np.where(known, signal[:, left] * (1 - part) + signal[:, left + 1] * part, np.nan)


def _extreme(values: np.ndarray, sign: int) -> np.ndarray:
    """Maximum (``sign`` 1) or minimum (−1) of (…, time) without NaN; NaN if all are NaN."""
    top = np.where(np.isfinite(values), sign * values, -np.inf).max(-1, initial=-np.inf)
    return np.where(np.isfinite(top), sign * top, np.nan)


def _largest(values: np.ndarray) -> np.ndarray:
    """The value of (…, time) with the largest absolute value."""
    high, low = _extreme(values, 1), _extreme(values, -1)
    return np.where(high >= -low, high, low)


def _axis(areas: np.ndarray, leads: tuple[str, ...]) -> np.ndarray:
    """Frontal axis in degrees from net areas (record, lead); NaN if I and aVF do not follow from ``leads``."""
    if not {"I", "aVF"} <= set(determined_by(leads)):
        return np.full(len(areas), np.nan)
    given = np.linalg.pinv(LEAD_MATRIX[[STANDARD_LEADS.index(lead) for lead in leads]])
    left, down = (areas @ (LEAD_MATRIX[STANDARD_LEADS.index(lead)] @ given) for lead in ("I", "aVF"))
    # In Einthoven's triangle, the projection on aVF of a vector towards the feet has cos 30° of its length.
    return np.degrees(np.arctan2(down * 2 / np.sqrt(3), left))


def median_beats(ecg: ECG, waves: Waves, before: float = 0.25, after: float = 0.45) -> np.ndarray:
    """Median beat of each record, (record, lead, time) in mV relative to the PQ level, at the rate of ``ecg``.

    Args:
        ecg: The ECGs.
        waves: Their delineation.
        before: Seconds before the R peak, which is at sample ``round(before * fs)``.
        after: Seconds after the R peak.

    Returns:
        NaN for records with fewer than three complete beats.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> ecg = simulate(1, seconds=6, fs=250, heart_rate=60, seed=0)
        >>> median_beats(ecg, delineate(ecg), before=0.2, after=0.4).shape
        (1, 12, 150)
    """
    onset = _checked(ecg, waves).median_over_leads()["qrs_onset"]
    steps = np.arange(-round(before * ecg.fs), round(after * ecg.fs)) / ecg.fs
    found = np.full((len(ecg), len(ecg.leads), len(steps)), np.nan)
    for row, signal in enumerate(ecg.signal.double().numpy()):
        peaks = waves.peaks[row]
        level = _at(signal, ecg.fs, onset[row, : len(peaks), None] + PQ_LEVEL).mean(-1)
        whole = (peaks + steps[0] >= 0) & (peaks + steps[-1] <= (ecg.samples - 1) / ecg.fs) & np.isfinite(level).all(0)
        if whole.sum() >= LEAST_BEATS:
            curve = CubicSpline(np.arange(ecg.samples) / ecg.fs, signal, axis=-1)
            found[row] = np.median(curve(peaks[whole, None] + steps) - level[:, whole, None], 1)
    return found


def segments(waves: Waves, fs: float) -> dict[str, np.ndarray]:
    """Sample ranges (record, beat, 2) of P, PQ, QRS, ST and T at ``fs`` Hz: first, one past the last; −1 if absent.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> list(segments(delineate(simulate(1, seconds=4, fs=250, heart_rate=60, seed=0)), fs=250))
        ['P', 'PQ', 'QRS', 'ST', 'T']
    """
    marks = waves.median_over_leads()
    found = {}
    for name, ends in BETWEEN.items():
        both = np.stack([marks[end] for end in ends], -1)
        known = np.isfinite(both).all(-1, keepdims=True) & (both[..., 1:] > both[..., :1])
        found[name] = np.where(known, np.rint(np.where(known, both, 0) * fs), -1).astype(int)
    return found


def interval_agreement(
    predicted: Mapping[str, np.ndarray], true: Mapping[str, np.ndarray], denominator: int
) -> dict[str, dict]:
    """Agreement of predicted and true measurements, for each measurement in both.

    Args:
        predicted: Measurements from ``ecg_intervals``.
        true: Those of the same records, in the same order.
        denominator: Number of records that were to be measured, including those that could not be delineated.

    Returns:
        For each measurement: ``bias`` and ``sd`` of predicted − true, ``n`` values in both, ``share`` of the
        denominator (times the leads), and for P, PR, QRS and QT ``within_cse_style_tolerance``. None if undefined.

    Raises:
        InputError: If shapes differ, or there are more records than the denominator.

    Example:
        >>> found = interval_agreement({"qt_ms": np.array([410.0, 390.0])}, {"qt_ms": np.array([400.0, np.nan])}, 2)
        >>> found["qt_ms"]["bias"], found["qt_ms"]["n"], found["qt_ms"]["share"]
        (10.0, 1, 0.5)
    """
    return {
        name: _agreement(name, np.asarray(predicted[name]), np.asarray(true[name]), denominator)
        for name in true
        if name in predicted
    }


def _agreement(name: str, predicted: np.ndarray, true: np.ndarray, denominator: int) -> dict:
    if predicted.shape != true.shape or len(predicted) > denominator:
        raise InputError(
            f"{name} was measured in {predicted.shape} predicted and {true.shape} true records, of {denominator}",
            "the same records and leads, no more than the denominator, were expected",
        )
    error = predicted - true
    if name == "axis_deg":
        error = (error + 180) % 360 - 180  # an axis of 179° is 2° from one of −179°
    error = error[np.isfinite(error)]
    bias, deviation = (float(error.mean()), float(error.std())) if len(error) else (None, None)
    cells = denominator * int(np.prod(true.shape[1:]))
    found = {"bias": bias, "sd": deviation, "n": len(error), "share": len(error) / cells if cells else None}
    if name in CSE_STYLE_TOLERANCE and bias is not None and deviation is not None:
        largest_bias, largest_sd = CSE_STYLE_TOLERANCE[name]
        found["within_cse_style_tolerance"] = abs(bias) <= largest_bias and deviation <= largest_sd
    return found
