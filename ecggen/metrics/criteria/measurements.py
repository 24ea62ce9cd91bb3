"""Measurements on which diagnostic criteria are evaluated: intervals, rhythm, amplitudes and QRS morphology.

All of them are measured on the dominant beats of a record (``ecggen.metrics.criteria.beats``), in twelve leads. What
cannot be measured is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.evaluators.delineator import Waves, delineate
from ecggen.metrics.criteria import atrial
from ecggen.metrics.criteria.beats import BEFORE, FINE, RecordBeats, record_beats
from ecggen.metrics.criteria.deflections import NAMES, deflections
from ecggen.metrics.functional.intervals import ST_AFTER_J

OF_RECORD = (
    "beats",
    "rate",
    "irregularity",
    "rr_range_s",
    "p_share",
    "p_ms",
    "pr_ms",
    "pr_sd_ms",
    "qrs_ms",
    "qt_ms",
    "qtc_ms",
    "axis_deg",
    "p_axis_deg",
    "p_terminal",
    "premature_ventricular",
    "premature_atrial",
    "bigeminy",
    "trigeminy",
    "pauses",
    "flutter",
    "flutter_rate",
    "spikes",
    "upstroke",
    "notch",
)
"""Measurements of a record.

beats: number; rate: mean of the dominant beats per minute; irregularity: mean absolute difference of successive RR
intervals over the mean RR, premature beats and the pauses that follow them left out; rr_range_s: longest minus shortest
of these RR intervals; p_share: share of the beats with a P wave; p_ms, pr_ms, qrs_ms, qt_ms, qtc_ms (Fridericia);
pr_sd_ms: standard deviation of PR over the beats; axis_deg and p_axis_deg: frontal axes; p_terminal: terminal negative
force of P in V1 in mm·s (Morris 1964); premature_ventricular, premature_atrial: number of beats; bigeminy, trigeminy:
share of the beats in such a pattern; pauses: RR intervals of 1.5 times the median and more; flutter: spectral share of
a regular atrial rhythm of 220–360 per minute between the beats, 0 to 1; flutter_rate: its rate per minute; spikes:
share of the beats preceded by a pacing spike; upstroke: share of the QRS before its steepest rise is reached (delta
wave); notch: share of the left lateral leads whose R has a plateau or notch.
"""
OF_LEAD = (*NAMES, "p", "p_negative", "t", "t_negative", "st", "j", "size")
"""Measurements of a lead: those of ``Deflections``; p, t: largest positive deflection of P and T in mV; p_negative,
t_negative: largest negative one, as a positive number; st: level at J + 60 ms in mV; j: level at J; size: QRS
peak-to-peak amplitude in mV."""
_ROW = {lead: row for row, lead in enumerate(STANDARD_LEADS)}


@dataclass(frozen=True)
class Measurements:
    """Measurements of a batch of records.

    Attributes:
        of_record: (record,) by the names of ``OF_RECORD``.
        of_lead: (record, 12) by the names of ``OF_LEAD``, in the order of the standard leads.
        sex: (record,) 0 male, 1 female, NaN if not known.
    """

    of_record: dict[str, np.ndarray]
    of_lead: dict[str, np.ndarray]
    sex: np.ndarray

    def __getattr__(self, name: str) -> np.ndarray:
        if name in OF_RECORD:
            return self.of_record[name]
        raise AttributeError(name)

    def __len__(self) -> int:
        return len(self.sex)

    def lead(self, what: str, *leads: str) -> np.ndarray:
        """(record,) a measurement of one lead, or (record, lead) of several."""
        rows = [_ROW[lead] for lead in leads]
        return self.of_lead[what][:, rows[0]] if len(rows) == 1 else self.of_lead[what][:, rows]

    def for_men(self, men: float, women: float) -> np.ndarray:
        """(record,) a limit that depends on sex; that of men where sex is not known."""
        return np.where(self.sex == 1, women, men)


def measure(ecg: ECG, waves: Waves | None = None, sex: np.ndarray | None = None) -> Measurements:
    """Measure the records of ``ecg``.

    Args:
        ecg: Twelve leads, or leads from which they follow, at any sampling rate.
        waves: Delineation of ``ecg.standard()``; computed if not given.
        sex: (record,) 0 male, 1 female, NaN if not known, for limits that depend on sex.

    Raises:
        InputError: If twelve leads do not follow, or the delineation is of other records.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> found = measure(simulate(1, fs=250, heart_rate=60))
        >>> bool(58 < found.rate[0] < 62), found.lead("r", "V5").shape, found.lead("r", "I", "II").shape
        (True, (1,), (1, 2))
    """
    twelve = ecg.standard()
    waves = waves or delineate(twelve)
    if len(waves) != len(twelve) or waves.leads != twelve.leads:
        raise InputError(
            f"the delineation is of {len(waves)} records with {', '.join(waves.leads)}",
            f"that of these {len(twelve)} records with twelve leads was expected",
            "delineate the same ECGs",
        )
    beats = record_beats(twelve, waves)
    rows = [{**_rhythm(one), **_intervals(one), **_morphology(one)} for one in beats]
    of_lead = [_leads(one) for one in beats]
    flutter = atrial.flutter(twelve, beats)
    of_record = {name: np.array([row.get(name, np.nan) for row in rows]) for name in OF_RECORD}
    of_record |= flutter | {"spikes": atrial.spikes(twelve, beats)}
    unknown = np.full(len(twelve), np.nan)
    stacked = {name: np.stack([row[name] for row in of_lead]) if of_lead else np.zeros((0, 12)) for name in OF_LEAD}
    return Measurements(of_record, stacked, unknown if sex is None else sex)


def _rhythm(beats: RecordBeats) -> dict[str, float]:
    """Rate, irregularity and premature beats."""
    found: dict[str, float] = {"beats": float(len(beats.peaks))}
    rr = beats.rr
    if not len(rr):
        return found
    ventricular = beats.early & ~beats.dominant
    wide = beats.span("qrs_onset", "qrs_offset")
    usual = np.nanmedian(wide[beats.dominant]) if np.isfinite(wide[beats.dominant]).any() else np.nan
    broad = ~beats.dominant & (wide > np.fmax(0.11, usual + 0.02))
    irregular_anyway = _irregularity(rr)
    premature = ventricular | (broad & _sooner(rr))
    atrial_ones = beats.early & beats.dominant & ~premature
    skipped = premature | atrial_ones
    sinus = rr[~(skipped[1:] | skipped[:-1])]
    found["rate"] = 60 / float(np.median(rr)) if len(sinus) < 2 else 60 / float(sinus.mean())
    found["irregularity"] = _irregularity(sinus) if len(sinus) >= 3 else irregular_anyway
    found["rr_range_s"] = float(np.ptp(sinus)) if len(sinus) >= 2 else float(np.ptp(rr))
    found["premature_ventricular"] = float(premature.sum())
    found["premature_atrial"] = float(atrial_ones.sum())
    deviating = ~beats.dominant | beats.early
    found["bigeminy"] = _pattern(deviating, rr, 2)
    found["trigeminy"] = _pattern(deviating, rr, 3)
    found["pauses"] = float((rr >= 1.5 * np.median(rr)).sum())
    found["p_share"] = float(beats.has_p().mean())
    return found


def _irregularity(rr: np.ndarray) -> float:
    return float(np.abs(np.diff(rr)).mean() / rr.mean()) if len(rr) >= 2 else np.nan


def _sooner(rr: np.ndarray) -> np.ndarray:
    """(beat,) whether a beat comes no later than usual."""
    return np.concatenate([[False], rr <= 1.02 * np.median(rr)])


def _pattern(deviating: np.ndarray, rr: np.ndarray, period: int) -> float:
    """Share of the beats in runs in which every ``period``-th beat deviates, of at least two periods."""
    size = len(deviating)
    if size < 2 * period:
        return 0.0
    shares = []
    for phase in range(period):
        expected = np.arange(size) % period == phase
        shares.append(np.mean(deviating == expected))
    return float(max(shares))


def _intervals(beats: RecordBeats) -> dict[str, float]:
    """Durations in ms."""
    at = beats.at
    if not at:
        return {}

    def span(first: str, last: str) -> float:
        return 1000 * _median(beats.span(first, last)[beats.dominant])

    pr = 1000 * beats.span("p_onset", "qrs_onset")[beats.dominant]
    known = pr[np.isfinite(pr)]
    qt = span("qrs_onset", "t_offset")
    rr = float(np.median(beats.rr))
    return {
        "p_ms": span("p_onset", "p_offset"),
        "pr_ms": _median(pr),
        "pr_sd_ms": float(known.std()) if len(known) >= 3 else np.nan,
        "qrs_ms": span("qrs_onset", "qrs_offset"),
        "qt_ms": qt,
        "qtc_ms": qt / np.cbrt(rr),
    }


def _median(values: np.ndarray) -> float:
    """Median of the finite values; NaN if less than a third are finite."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) >= max(1, len(values) / 3) else np.nan


def _part(beats: RecordBeats, first: str, last: str) -> np.ndarray | None:
    """(lead, time) of the median beat between two marks; None if one is absent or they are in the wrong order."""
    if beats.median is None:
        return None
    begin, end = beats.at.get(first, np.nan), beats.at.get(last, np.nan)
    if not np.isfinite(begin + end):
        return None
    places = [round((time + BEFORE) * FINE) for time in (begin, end)]
    part = beats.median[:, max(0, places[0]) : max(0, places[1])]
    return part if part.shape[1] >= 5 and np.isfinite(part).all() else None


def _leads(beats: RecordBeats) -> dict[str, np.ndarray]:
    """Measurements of every lead."""
    found = {name: np.full(len(STANDARD_LEADS), np.nan) for name in OF_LEAD}
    qrs = _part(beats, "qrs_onset", "qrs_offset")
    if qrs is None:
        return found
    parts = [deflections(lead, FINE) for lead in qrs]
    for name in NAMES:
        found[name] = np.array([getattr(one, name) for one in parts])
    found["size"] = np.ptp(qrs, 1)
    for wave in ("p", "t"):
        part = _part(beats, f"{wave}_onset", f"{wave}_offset")
        if part is not None:
            found[wave] = np.maximum(part.max(1), 0)
            found[f"{wave}_negative"] = np.maximum(-part.min(1), 0)
    end = round((beats.at["qrs_offset"] + BEFORE) * FINE)
    later = end + round(ST_AFTER_J * FINE)
    if beats.median is not None and later < beats.median.shape[1]:
        found["j"], found["st"] = beats.median[:, end], beats.median[:, later]
    return found


def _morphology(beats: RecordBeats) -> dict[str, float]:
    """Axes, terminal force of P, slurred upstroke and notched R of the median beat."""
    found: dict[str, float] = {}
    qrs, p = _part(beats, "qrs_onset", "qrs_offset"), _part(beats, "p_onset", "p_offset")
    if qrs is not None:
        found["axis_deg"] = _axis(qrs)
        found["upstroke"] = _upstroke(qrs)
        found["notch"] = _notched(qrs)
    if p is not None:
        found["p_axis_deg"] = _axis(p)
        terminal = np.minimum(p[_ROW["V1"], p.shape[1] // 2 :], 0)
        found["p_terminal"] = float(10 * terminal.min() * (terminal < -0.01).sum() / FINE)
    return found


def _axis(part: np.ndarray) -> float:
    """Frontal axis in degrees of the net area, in Einthoven's triangle."""
    left, down = part[_ROW["I"]].sum(), part[_ROW["aVF"]].sum() * 2 / np.sqrt(3)
    return float(np.degrees(np.arctan2(down, left)))


def _upstroke(qrs: np.ndarray) -> float:
    """Share of the QRS that passes before the spatial velocity first reaches half of its maximum."""
    speed = np.linalg.norm(np.gradient(qrs, axis=1), axis=0)
    return float((speed >= 0.5 * speed.max()).argmax() / qrs.shape[1])


def _notched(qrs: np.ndarray) -> float:
    """Share of I, aVL, V5 and V6 whose R lasts 60 ms or more at 70 % of its height, by a plateau or a notch."""
    leads = qrs[[_ROW[lead] for lead in ("I", "aVL", "V5", "V6")]]
    top = leads.max(1)
    above = leads >= 0.7 * np.maximum(top, 0.05)[:, None]
    first, last = above.argmax(1), above.shape[1] - above[:, ::-1].argmax(1)
    wide = (last - first) / FINE >= 0.06
    return float((wide & (top > 0.2)).mean())
