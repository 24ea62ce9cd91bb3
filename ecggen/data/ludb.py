"""LUDB: ECGs with expert annotations of onset, peak and offset of every P wave, QRS complex and T wave in each lead.

Lobachevsky University Database 1.0.1 (Kalyakulina et al., IEEE Access 2020;8:186181; ODC-By 1.0) holds ten seconds of
twelve leads at 500 Hz, annotated by cardiologists in one file per lead. Two properties need care. The gains in the
published headers are wrong: the digital values are microvolts. The beats at both ends are not annotated, so the time
before the first mark and after the last mark of a lead must be ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.errors import InputError

WAVES = {"p": "P", "N": "QRS", "t": "T"}
"""Symbols of the waves in LUDB's annotation files."""
RATE = 500.0
MICROVOLT = 1000.0  # digital steps per mV


@dataclass(frozen=True)
class LeadMarks:
    """The annotations of one lead.

    Attributes:
        waves: For each of P, QRS and T an array (wave, 3): onset, peak and offset in s, NaN where a mark is missing.
        first: Time of the first mark of any kind in s.
        last: Time of the last mark in s.
    """

    waves: dict[str, np.ndarray]
    first: float
    last: float


@dataclass(frozen=True)
class Marked:
    """Recordings with their annotations.

    Attributes:
        names: Number of each record, as text.
        ecg: Twelve leads in standard order, mV, 500 Hz.
        marks: For each record, the marks of each lead in standard order.
        rhythms: Rhythm of each record as LUDB words it, e.g. "Sinus rhythm".
    """

    names: list[str]
    ecg: ECG
    marks: list[list[LeadMarks]]
    rhythms: list[str]


def read(folder: Path | str) -> Marked:
    """Read all records of LUDB in ``folder``, the folder that contains ``data/``.

    Raises:
        InputError: If there is none.
    """
    import wfdb

    stems = sorted((path.with_suffix("") for path in Path(folder, "data").glob("*.hea")), key=lambda p: int(p.name))
    if not stems:
        raise InputError(f"{folder} holds no data/*.hea", "the folder of LUDB was expected", "see physionet.org/ludb")
    signals, marks, rhythms = [], [], []
    for stem in stems:
        record = wfdb.rdrecord(str(stem), physical=False)
        assert isinstance(record, wfdb.Record)
        names = [name.lower() for name in record.sig_name or ()]
        order = [names.index(lead.lower()) for lead in STANDARD_LEADS]
        signals.append(np.asarray(record.d_signal).T[order] / MICROVOLT)
        marks.append([_lead(wfdb.rdann(str(stem), lead.lower())) for lead in STANDARD_LEADS])
        comments = (line.partition("Rhythm:")[2] for line in record.comments or ())
        rhythms.append(next((rhythm.strip(" .") for rhythm in comments if rhythm), ""))
    ecg = ECG(torch.as_tensor(np.stack(signals), dtype=torch.float32), STANDARD_LEADS, RATE)
    return Marked([stem.name for stem in stems], ecg, marks, rhythms)


def _lead(annotation) -> LeadMarks:
    """Marks of one annotation file: the symbol of each wave with the brackets directly before and after it.

    Symbols without any bracket (a cluster of eleven in record 116) are ignored.
    """
    symbols, times = ["", *annotation.symbol, ""], np.asarray(annotation.sample) / RATE
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WAVES.values()}
    for i, time in enumerate(times):
        before, symbol, after = symbols[i : i + 3]
        if symbol in WAVES and (before == "(" or after == ")"):
            onset = times[i - 1] if before == "(" else np.nan
            found[WAVES[symbol]].append((onset, time, times[i + 1] if after == ")" else np.nan))
    waves = {name: np.array(rows, np.float64).reshape(-1, 3) for name, rows in found.items()}
    return LeadMarks(waves, float(times[0]), float(times[-1]))
