"""The experts' marks of LUDB: onset, peak and offset of every P, QRS and T, lead by lead.

Lobachevsky University Database 1.0.1 (Kalyakulina et al., IEEE Access 2020;8:186181; ODC-By 1.0): ten seconds of twelve
leads at 500 Hz, each lead marked by cardiologists in a file of its own. Two traps: the published headers give wrong
gains (the digital values are microvolts), and the beats at both ends are not marked, so that nothing may be said about
what lies before a lead's first mark or after its last.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.errors import InputError

WAVES = {"p": "P", "N": "QRS", "t": "T"}
"""LUDB's symbols of the waves."""
RATE = 500.0
MICROVOLT = 1000.0  # digital steps per mV


@dataclass(frozen=True)
class LeadMarks:
    """What the experts marked in one lead.

    Attributes:
        waves: For each of P, QRS and T an array (wave, 3): onset, peak and offset in s, NaN where a mark is missing.
        first: Time in s of the first mark of any kind.
        last: Time in s of the last.
    """

    waves: dict[str, np.ndarray]
    first: float
    last: float


@dataclass(frozen=True)
class Marked:
    """Recordings with their marks.

    Attributes:
        names: Number of each record, as text.
        ecg: Twelve leads in standard order, mV, 500 Hz.
        marks: For each record, the marks of each lead in standard order.
        rhythms: Each record's rhythm in LUDB's words, as "Sinus rhythm".
    """

    names: list[str]
    ecg: ECG
    marks: list[list[LeadMarks]]
    rhythms: list[str]


def read(folder: Path | str) -> Marked:
    """All records of LUDB that lie in ``folder`` (the one that holds ``data/``).

    Raises:
        InputError: Where there is none.
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
        said = (line.partition("Rhythm:")[2] for line in record.comments or ())
        rhythms.append(next((rhythm.strip(" .") for rhythm in said if rhythm), ""))
    ecg = ECG(torch.as_tensor(np.stack(signals), dtype=torch.float32), STANDARD_LEADS, RATE)
    return Marked([stem.name for stem in stems], ecg, marks, rhythms)


def _lead(annotation) -> LeadMarks:
    """Marks of one annotation file: each wave's symbol with the brackets that stand directly before and after it.

    A symbol without any bracket (eleven in a heap in record 116) is left out.
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
