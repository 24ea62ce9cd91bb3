"""Are the waves as large as real ones, lead by lead, and do their frequencies have the right strength?"""

from __future__ import annotations

import numpy as np

from ecggen.errors import InputError
from ecggen.evaluation import spectrum
from ecggen.evaluation.report import drawing, features
from ecggen.evaluation.report.comparison import BOOTSTRAP, attempt, compared, scored
from ecggen.evaluation.report.material import LEAST, Material, Studied
from ecggen.evaluation.report.parts import Figure, Score, Section, Table, beyond

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
        "amplitude",
        "Amplitude and spectrum",
        "Are the waves as large as real ones, in every lead and at every frequency?",
    )
    synthetic, real = material.synthetic, material.real
    few = min(len(synthetic.valid), len(real.valid))
    measured = [extremes(one) for one in (synthetic, real)]
    powers = [_log_powers(one) for one in (synthetic, real)]
    patients, drawn = real.valid.patients, synthetic.valid.patients
    for name, of_one in MEASURES.items():
        values = [of_one(*one) for one in measured]
        section.scores.append(
            features.marginal(name, values, patients, material.seed, definition=f"{name} in mV", drawn=drawn)
        )
    section.scores.append(attempt("log spectral distance", lambda: _spectral(material), unit="dB"))
    for band in powers[1]:
        values = [one.get(band, np.full(0, np.nan)) for one in powers]
        score = features.marginal(
            f"power, {band}",
            values,
            patients,
            material.seed,
            definition=f"mean log power over leads, {_hertz(band)}",
            drawn=drawn,
        )
        section.scores.append(score if band in VOTING else Score(**{**vars(score), "counts": False}))
    section.headline = features.headline(section.scores, synthetic)
    if few >= LEAST and powers[1]:
        section.tables.append(_table(material, measured))
        section.figures += _figures(material, measured)
    return section


def extremes(one: Studied) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end (record, lead) in mV of the valid records, against each lead's median over time."""
    waves = one.valid.ecg.signal.numpy()
    if not len(waves):
        empty = np.zeros((0, waves.shape[1]))
        return empty, empty
    low, middle, high = np.quantile(waves, [EXTREMES[0], 0.5, EXTREMES[1]], axis=-1)
    return low - middle, high - middle


MEASURES = {
    "height of the waves": lambda low, high: high,
    "depth of the waves": lambda low, high: low,
    "peak to peak": lambda low, high: high - low,
}
"""What is compared of a record's low and high end in each lead."""


def _spectral(material: Material) -> Score:
    fs = material.real.valid.ecg.fs
    logs = [_log_spectra(one) for one in (material.synthetic, material.real)]

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(((a.mean(0) - b.mean(0)) ** 2).mean(-1)).mean())

    found = compared(
        distance, logs, material.real.valid.patients, material.seed, drawn=material.synthetic.valid.patients
    )
    return scored(
        "log spectral distance",
        found,
        lambda one: beyond(one.value, one.high, WARN_DB, FAIL_DB),
        f"root mean square difference of the mean log spectra, {spectrum.JUDGED[0]:g}–{spectrum.JUDGED[1]:g} Hz, mean "
        f"over leads; Welch (1967), segments of {spectrum.SEGMENT:g} s at {fs:g} Hz; {BOOTSTRAP}",
        unit="dB",
    )


def _log_spectra(one: Studied) -> np.ndarray:
    """(record, lead, frequency) in dB within the judged band."""
    if len(one.valid) < LEAST:
        raise InputError(f"{len(one.valid)} records, {LEAST} needed")
    frequencies, power = spectrum.power_spectrum(one.valid.ecg.signal.numpy(), one.valid.ecg.fs)
    judged = (frequencies >= spectrum.JUDGED[0]) & (frequencies <= spectrum.JUDGED[1])
    return 10 * np.log10(np.maximum(power[..., judged], spectrum.FAINTEST))


def _log_powers(one: Studied) -> dict[str, np.ndarray]:
    """(record,) by band: mean over leads of the log power; empty where records are missing or too short."""
    if not len(one.valid) or one.valid.ecg.seconds < spectrum.SEGMENT:
        return {}
    found = spectrum.band_powers(one.valid.ecg.signal.numpy(), one.valid.ecg.fs)
    return {band: 10 * np.log10(np.maximum(power, spectrum.FAINTEST)).mean(1) for band, power in found.items()}


def _hertz(band: str) -> str:
    low, high = spectrum.BANDS[band]
    return f"{low:g}–{high:g} Hz"


def _table(material: Material, measured: list[tuple[np.ndarray, np.ndarray]]) -> Table:
    rows = []
    for at, lead in enumerate(material.real.valid.ecg.leads):
        rows.append([lead, *features.medians([high[:, at] - low[:, at] for low, high in measured])])
    return Table("Peak to peak by lead, in mV", features.COLUMNS, rows)


def _figures(material: Material, measured: list[tuple[np.ndarray, np.ndarray]]) -> list[Figure]:
    synthetic, real = material.synthetic, material.real
    leads = real.valid.ecg.leads
    of_lead = [np.quantile(high - low, DRAWN, axis=0) for low, high in measured]
    sizes = drawing.lead_ranges(leads, of_lead[1], of_lead[0], "peak to peak in mV", "Amplitudes by lead")
    logs = [_log_spectra(one) for one in (synthetic, real)]
    step = spectrum.JUDGED[0] + np.arange(logs[0].shape[-1]) / spectrum.SEGMENT
    spectra = drawing.curves_by_lead(step, logs[1], logs[0], leads, ("Hz", "dB(mV²/Hz)"), "Spectra by lead")
    return [
        Figure(
            "Amplitudes by lead",
            sizes,
            "Peak to peak of each record (0.5 to 99.5 % of its samples). Thick bars hold half of the records, thin "
            "ones nine in ten, the dot is the median. Blue should lie beside ink in every lead.",
        ),
        Figure(
            "Spectra by lead",
            spectra,
            "Power at each frequency. The grey band holds nine in ten real records, the solid line is their median; "
            "the dashed blue line should follow it and the thin blue ones should follow the band's edges.",
        ),
    ]
