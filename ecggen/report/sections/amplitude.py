"""Are the waves as large as real ones, lead by lead, and do their frequencies have the right strength?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecggen.metrics.functional import spectrum
from ecggen.report import features
from ecggen.report.inputs.cohort import LEAST, PART, Material, Studied
from ecggen.report.references import BOOTSTRAP, Both, attempt, compared, scored
from ecggen.report.render import figures
from ecggen.report.scores import Figure, Score, Section, Table, beyond

EXTREMES = (0.005, 0.995)
"""Quantiles over time that stand for the depth of S or Q and the height of R: a single spike moves neither."""
DRAWN = (0.05, 0.25, 0.5, 0.75, 0.95)
WARN_DB, FAIL_DB = 2.0, 4.0
"""dB above what two real halves differ by: a quarter, and a half, more or less in amplitude at every frequency."""
VOTING = ("P and T", "QRS")
"""Bands that every set holds; muscle and mains depend on the recorder's filter and only inform."""


def amplitude(material: Material) -> Section:
    """Heights and depths by lead, band powers and the log spectral distance against the real ones'."""
    section = Section(
        "amplitude", "Amplitude and spectrum", "Are the waves as large as real ones, in every lead, at every frequency?"
    )
    both = material.synthetic, material.real
    measured, spectra = [extremes(one) for one in both], [Spectra.of(one) for one in both]
    section.scores += [_marginal(material, name, [of(*one) for one in measured]) for name, of in MEASURES.items()]
    section.scores.append(attempt("log spectral distance", lambda: _spectral(material, spectra), unit="dB"))
    for band in spectra[1].bands:
        powers = [one.bands.get(band, np.full(0, np.nan)) for one in spectra]
        score = _marginal(material, f"power, {band}", powers, f"mean log power over leads, {_hertz(band)}")
        section.scores.append(replace(score, counts=band in VOTING))
    section.headline = features.headline([score for score in section.scores if score.unit != "dB"], material.synthetic)
    if min(len(one.valid) for one in both) >= LEAST:
        section.tables.append(_table(material, measured))
        section.figures += _figures(material, measured, spectra)
    return section


@dataclass(frozen=True)
class Spectra:
    """Welch spectra of a set; all empty where records are missing or too short.

    Attributes:
        frequencies: (frequency,) Hz within the judged band.
        decibels: (record, lead, frequency) dB(mV²/Hz) there.
        bands: (record,) by band: mean over leads of the log power in dB(mV²).
    """

    frequencies: np.ndarray
    decibels: np.ndarray
    bands: dict[str, np.ndarray]

    @classmethod
    def of(cls, studied: Studied) -> Spectra:
        """The spectra of the valid records."""
        ecg = studied.valid.ecg
        if not len(ecg) or ecg.seconds < spectrum.SEGMENT:
            return cls(np.zeros(0), np.zeros((0, len(ecg.leads), 0)), {})
        signal = ecg.signal.numpy()
        frequencies, power = spectrum.power_spectrum(signal, ecg.fs)
        judged = (frequencies >= spectrum.JUDGED[0]) & (frequencies <= spectrum.JUDGED[1])
        held = {name: band for name, band in spectrum.BANDS.items() if band[1] <= ecg.fs / 2}
        within = {name: (frequencies >= low) & (frequencies < high) for name, (low, high) in held.items()}
        bands = {name: _decibels(power[..., at].sum(-1) / spectrum.SEGMENT).mean(1) for name, at in within.items()}
        return cls(frequencies[judged], _decibels(power[..., judged]), bands)


def extremes(one: Studied) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end (record, lead) in mV of the valid records, against each lead's median over time."""
    waves = one.valid.ecg.signal.numpy()
    if not len(waves):
        empty = np.zeros((0, waves.shape[1]))
        return empty, empty
    parts = (waves[at : at + PART] for at in range(0, len(waves), PART))
    levels = [EXTREMES[0], 0.5, EXTREMES[1]]
    low, middle, high = np.concatenate([np.quantile(part, levels, axis=-1) for part in parts], 1)
    return low - middle, high - middle


MEASURES = {
    "height of the waves": lambda low, high: high,
    "depth of the waves": lambda low, high: low,
    "peak to peak": lambda low, high: high - low,
}
"""What is compared of a record's low and high end in each lead."""


def _marginal(material: Material, name: str, values: Both, definition: str = "") -> Score:
    return features.marginal(
        name,
        values,
        material.real.valid.patients,
        material.seed,
        definition=definition or f"{name} in mV",
        drawn=material.synthetic.valid.patients,
    )


def _spectral(material: Material, spectra: Sequence[Spectra]) -> Score:
    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(((a.mean(0) - b.mean(0)) ** 2).mean(-1)).mean())

    logs = [one.decibels for one in spectra]
    patients, drawn = material.real.valid.patients, material.synthetic.valid.patients
    return scored(
        "log spectral distance",
        compared(distance, logs, patients, material.seed, drawn=drawn),
        lambda one: beyond(one.value, one.high, WARN_DB, FAIL_DB),
        f"root mean square difference of the mean log spectra, {spectrum.JUDGED[0]:g}–{spectrum.JUDGED[1]:g} Hz, mean "
        f"over leads; Welch (1967), segments of {spectrum.SEGMENT:g} s; {BOOTSTRAP}",
        unit="dB",
    )


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, spectrum.FAINTEST))


def _hertz(band: str) -> str:
    low, high = spectrum.BANDS[band]
    return f"{low:g}–{high:g} Hz"


def _table(material: Material, measured: list[tuple[np.ndarray, np.ndarray]]) -> Table:
    rows = []
    for at, lead in enumerate(material.real.valid.ecg.leads):
        rows.append([lead, *features.medians([high[:, at] - low[:, at] for low, high in measured])])
    return Table("Peak to peak by lead, in mV", features.COLUMNS, rows)


def _figures(
    material: Material, measured: list[tuple[np.ndarray, np.ndarray]], spectra: Sequence[Spectra]
) -> list[Figure]:
    leads = material.real.valid.ecg.leads
    of_lead = [np.quantile(high - low, DRAWN, axis=0) for low, high in measured]
    sizes = figures.lead_ranges(leads, of_lead[1], of_lead[0], "peak to peak in mV", "Amplitudes by lead")
    ours, theirs = (one.decibels for one in spectra)
    words = ("Hz", "dB(mV²/Hz)")
    curves = figures.curves_by_lead(spectra[1].frequencies, theirs, ours, leads, words, "Spectra by lead")
    return [
        Figure(
            "Amplitudes by lead",
            sizes,
            "Peak to peak of each record (0.5 to 99.5 % of its samples). Thick bars hold half of the records, thin "
            "ones nine in ten, the dot is the median. Blue should lie beside ink in every lead.",
        ),
        Figure(
            "Spectra by lead",
            curves,
            "Power at each frequency. The grey band holds nine in ten real records, the solid line is their median; "
            "the dashed blue line should follow it and the thin blue ones should follow the band's edges.",
        ),
    ]
