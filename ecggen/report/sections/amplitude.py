"""Amplitude and spectrum: the size of the waves in each lead, band powers and the log spectral distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecggen.metrics.functional import spectrum
from ecggen.report import features
from ecggen.report.inputs.cohort import LEAST, PART, Cohorts, MeasuredSet
from ecggen.report.references import BOOTSTRAP, Both, as_score, attempt, compare
from ecggen.report.render import figures
from ecggen.report.scores import Figure, Score, Section, Table, beyond

EXTREMES = (0.005, 0.995)
"""Quantiles over time for the depth of S or Q and the height of R; single spikes do not affect them."""
PLOTTED = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles over records in the figure."""
WARN_DB, FAIL_DB = 2.0, 4.0
"""dB above the floor: a change of amplitude by a quarter, and by a half, at every frequency."""
COUNTING = ("P and T", "QRS")
"""Bands that count for the verdict; muscle and mains depend on the filter of the recorder."""


def amplitude(cohorts: Cohorts) -> Section:
    """Heights and depths by lead, band powers and the log spectral distance."""
    section = Section(
        "amplitude", "Amplitude and spectrum", "Do amplitudes and spectra agree with real ones in every lead?"
    )
    both = cohorts.synthetic, cohorts.real
    measured, spectra = [extremes(one) for one in both], [Spectra.of(one) for one in both]
    section.scores += [_marginal(cohorts, name, [of(*one) for one in measured]) for name, of in MEASURES.items()]
    section.scores.append(attempt("log spectral distance", lambda: _spectral(cohorts, spectra), unit="dB"))
    for band in spectra[1].bands:
        powers = [one.bands.get(band, np.full(0, np.nan)) for one in spectra]
        score = _marginal(cohorts, f"power, {band}", powers, f"mean log power over leads, {_hertz(band)}")
        section.scores.append(replace(score, counts=band in COUNTING))
    section.headline = features.headline([score for score in section.scores if score.unit != "dB"], cohorts.synthetic)
    if min(len(one.valid) for one in both) >= LEAST:
        section.tables.append(_table(cohorts, measured))
        section.figures += _figures(cohorts, measured, spectra)
    return section


@dataclass(frozen=True)
class Spectra:
    """Welch spectra of a set; all empty if there are no records or they are too short.

    Attributes:
        frequencies: (frequency,) in Hz, within the compared frequency band.
        decibels: (record, lead, frequency) in dB(mV²/Hz).
        bands: (record,) by frequency band: mean over leads of the log power in dB(mV²).
    """

    frequencies: np.ndarray
    decibels: np.ndarray
    bands: dict[str, np.ndarray]

    @classmethod
    def of(cls, measured_set: MeasuredSet) -> Spectra:
        """The spectra of the valid records."""
        ecg = measured_set.valid.ecg
        if not len(ecg) or ecg.seconds < spectrum.SEGMENT:
            return cls(np.zeros(0), np.zeros((0, len(ecg.leads), 0)), {})
        signal = ecg.signal.numpy()
        frequencies, power = spectrum.power_spectrum(signal, ecg.fs)
        compared = (frequencies >= spectrum.COMPARED_BAND[0]) & (frequencies <= spectrum.COMPARED_BAND[1])
        bands = {name: band for name, band in spectrum.BANDS.items() if band[1] <= ecg.fs / 2}
        within = {name: (frequencies >= low) & (frequencies < high) for name, (low, high) in bands.items()}
        powers = {name: _decibels(power[..., at].sum(-1) / spectrum.SEGMENT).mean(1) for name, at in within.items()}
        return cls(frequencies[compared], _decibels(power[..., compared]), powers)


def extremes(one: MeasuredSet) -> tuple[np.ndarray, np.ndarray]:
    """Depth and height (record, lead) in mV of the waves of the valid records, relative to the median over time."""
    waves = one.valid.ecg.signal.numpy()
    if not len(waves):
        empty = np.zeros((0, waves.shape[1]))
        return empty, empty
    parts = (waves[at : at + PART] for at in range(0, len(waves), PART))
    levels = [EXTREMES[0], 0.5, EXTREMES[1]]
    low, median, high = np.concatenate([np.quantile(part, levels, axis=-1) for part in parts], 1)
    return low - median, high - median


MEASURES = {
    "height of the waves": lambda low, high: high,
    "depth of the waves": lambda low, high: low,
    "peak to peak": lambda low, high: high - low,
}
"""The compared features of a record, from the depth and height of its waves in each lead."""


def _marginal(cohorts: Cohorts, name: str, values: Both, definition: str = "") -> Score:
    return features.marginal(
        name,
        values,
        cohorts.real.valid.patients,
        cohorts.seed,
        definition=definition or f"{name} in mV",
        synthetic_patients=cohorts.synthetic.valid.patients,
    )


def _spectral(cohorts: Cohorts, spectra: Sequence[Spectra]) -> Score:
    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(((a.mean(0) - b.mean(0)) ** 2).mean(-1)).mean())

    logs = [one.decibels for one in spectra]
    patients, synthetic_patients = cohorts.real.valid.patients, cohorts.synthetic.valid.patients
    low, high = spectrum.COMPARED_BAND
    return as_score(
        "log spectral distance",
        compare(distance, logs, patients, cohorts.seed, synthetic_patients=synthetic_patients),
        lambda one: beyond(one.value, one.high, WARN_DB, FAIL_DB),
        f"root mean square difference of the mean log spectra, {low:g}–{high:g} Hz, mean over leads; Welch (1967), "
        f"segments of {spectrum.SEGMENT:g} s; {BOOTSTRAP}",
        unit="dB",
    )


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, spectrum.FAINTEST))


def _hertz(band: str) -> str:
    low, high = spectrum.BANDS[band]
    return f"{low:g}–{high:g} Hz"


def _table(cohorts: Cohorts, measured: list[tuple[np.ndarray, np.ndarray]]) -> Table:
    rows = []
    for at, lead in enumerate(cohorts.real.valid.ecg.leads):
        rows.append([lead, *features.medians([high[:, at] - low[:, at] for low, high in measured])])
    return Table("Peak to peak by lead, in mV", features.COLUMNS, rows)


def _figures(
    cohorts: Cohorts, measured: list[tuple[np.ndarray, np.ndarray]], spectra: Sequence[Spectra]
) -> list[Figure]:
    leads = cohorts.real.valid.ecg.leads
    of_lead = [np.quantile(high - low, PLOTTED, axis=0) for low, high in measured]
    sizes = figures.lead_ranges(leads, of_lead[1], of_lead[0], "peak to peak in mV", "Amplitudes by lead")
    synthetic, real = (one.decibels for one in spectra)
    axis_labels = ("Hz", "dB(mV²/Hz)")
    curves = figures.curves_by_lead(spectra[1].frequencies, real, synthetic, leads, axis_labels, "Spectra by lead")
    return [
        Figure(
            "Amplitudes by lead",
            sizes,
            "Peak-to-peak amplitude of each record (0.5 to 99.5 % of its samples). Thick bars contain half of the "
            "records, thin ones 90 %; the dot is the median. Blue and black should agree in every lead.",
        ),
        Figure(
            "Spectra by lead",
            curves,
            "Power at each frequency. The grey area contains 90 % of the real records, the solid line is their median. "
            "The dashed blue line should follow it, and the thin blue lines the edges of the grey area.",
        ),
    ]
