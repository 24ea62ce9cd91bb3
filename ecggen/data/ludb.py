"""LUDB: ECGs with expert annotations of onset, peak and offset of every P wave, QRS complex and T wave in each lead.

Lobachevsky University Database 1.0.1 (Kalyakulina et al., IEEE Access 2020;8:186181; ODC-By 1.0) holds ten seconds of
twelve leads at 500 Hz, annotated by cardiologists in one file per lead. Two properties need care. The gains in the
published headers are wrong: the digital values are microvolts. The beats at both ends are not annotated, so the time
before the first mark and after the last mark of a lead must be ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.data.pack import Recording, fold_of

WAVES = {"p": "P", "N": "QRS", "t": "T"}
"""Symbols of the waves in LUDB's annotation files."""
RATE = 500.0
MICROVOLT = 1000.0  # digital steps per mV


class Record(Recording):
    """A record of LUDB; its digital values are read as microvolts, because the gains of its header are wrong."""

    def read(self, start: float = 0.0, seconds: float | None = None) -> ECG:
        """The twelve leads in mV, from ``start`` for ``seconds``."""
        leads, _ = _decoded(self.path.with_suffix(""))
        return leads.crop(start, seconds)


def files(folder: Path) -> list[Path]:
    """The headers of LUDB's records in the order of their numbers; empty for any other folder.

    LUDB is recognised by numbered records with an annotation file for each lead, in ``data/`` or in the folder itself.
    """
    for place in (folder / "data", folder):
        found = [file for file in place.glob("*.hea") if file.stem.isdecimal() and file.with_suffix(".avf").is_file()]
        if found:
            return sorted(found, key=lambda file: int(file.stem))
    return []


def recordings(folder: Path) -> list[Recording]:
    """The records of LUDB, one a patient, with age and sex from their headers; the fold is a hash of the number."""
    return [_recording(file) for file in files(folder)]


def _recording(file: Path) -> Record:
    """A record with the age and the sex that its header states."""
    text = file.read_text(encoding="utf-8", errors="replace")
    age, sex = (re.search(rf"# *<{what}>: *({form})", text) for what, form in (("age", r"\d+"), ("sex", "[MF]")))
    return Record(
        name=file.stem,
        path=file,
        patient=file.stem,
        fold=fold_of(file.stem),
        age=float(age[1]) if age else None,
        sex=float("MF".index(sex[1])) if sex else None,
    )


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
        leads, comments = _decoded(stem)
        signals.append(leads)
        marks.append([_lead(wfdb.rdann(str(stem), lead.lower())) for lead in STANDARD_LEADS])
        named = (line.partition("Rhythm:")[2] for line in comments)
        rhythms.append(next((rhythm.strip(" .") for rhythm in named if rhythm), ""))
    return Marked([stem.name for stem in stems], ECG.cat(signals), marks, rhythms)


def _decoded(stem: Path) -> tuple[ECG, list[str]]:
    """The twelve leads of a record in standard order, and the comments of its header.

    Raises:
        InputError: If its files cannot be decoded, or lack a lead.
    """
    import wfdb

    try:
        record = wfdb.rdrecord(str(stem), physical=False)
        assert isinstance(record, wfdb.Record)
        names = [name.lower() for name in record.sig_name or ()]
        order = [names.index(lead.lower()) for lead in STANDARD_LEADS]
        signal = torch.as_tensor(np.asarray(record.d_signal).T[order] / MICROVOLT, dtype=torch.float32)
    except (OSError, ValueError, IndexError, TypeError) as error:  # wfdb has no error of its own
        raise InputError(f"{stem.name} cannot be decoded", "a record of LUDB was expected", "fetch it again") from error
    return ECG(signal[None], STANDARD_LEADS, RATE), record.comments or []


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
