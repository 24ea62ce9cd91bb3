"""Open recordings from any source, with defaults of the user for what a file does not state.

Unlike ``ecggen.io.read`` this accepts records with gaps, because their number is a score. The user's values apply only
to files that do not state their own: one ``--fs`` serves several sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance, check_rate
from ecggen.core.errors import InputError
from ecggen.io.channels import agreed_leads, assigns, wanted
from ecggen.io.files import decode, naming_file
from ecggen.io.normalise import Found, agreed, millivolts


@dataclass(frozen=True)
class FileDefaults:
    """Values of the user for files that do not state them.

    Attributes:
        fs: Sampling rate in Hz.
        unit: mV, µV, nV or V.
        leads: Names of the channels in order; for files that name their channels, the leads to use. "II=ECG" or "II=2"
            is the channel of that name or number.
    """

    fs: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] = ()

    @staticmethod
    def of(fs: float | None, unit: str | None, leads: str | None) -> FileDefaults:
        """From command-line options; "standard" is the twelve leads in standard order.

        Example:
            >>> FileDefaults.of(500, "mV", "I, II").leads, FileDefaults.of(500, "mV", "II=ECG 1").leads
            (('I', 'II'), ('II=ECG 1',))
        """
        separated = leads or "" if "=" in (leads or "") else (leads or "").replace(" ", ",")
        names = [name.strip() for name in separated.split(",") if name.strip()]
        if names == ["standard"]:
            names = list(STANDARD_LEADS)
        return FileDefaults(None if fs is None else check_rate(fs), unit, tuple(map(str, wanted(names) or ())))


def open_recording(path: Path, defaults: FileDefaults) -> ECG:
    """The recording or recordings in a file, including records with gaps.

    Raises:
        InputError: If the file cannot be read, is empty, or lacks a value that has no default.
    """
    with naming_file(path), np.errstate(all="ignore"):
        found = decode(path, leads=defaults.leads or None)
        rows, leads = _leads(found, defaults.leads)
        fs = agreed("its sampling rate", "fs", found.fs, None if found.fs else defaults.fs, check_rate)
        units = [found.units[row] for row in rows]
        scales = [agreed("its unit", "unit", one, None if one else defaults.unit, millivolts) for one in units]
        signal = np.asarray(found.values[..., rows, :] * np.array(scales)[:, None], np.float32)
    if not signal.size:
        raise InputError(f"{path.name} is empty", "at least one sample a lead was expected")
    return ECG(torch.from_numpy(signal), tuple(leads), fs, Provenance.parse(found.comments))


def _leads(found: Found, chosen: Sequence[str]) -> tuple[list[int], list[str]]:
    """Rows and names of the leads: the user's names if the file has none, a selection if it names all of them."""
    entries = wanted(chosen) or None
    if entries is None or assigns(entries) or None in found.names:
        return agreed_leads(found, entries)
    rows, leads = agreed_leads(found, None)
    if not set(chosen) <= set(leads):
        return rows, leads
    return [rows[leads.index(lead)] for lead in chosen], list(chosen)
