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
from ecggen.io.files import decode, naming_file
from ecggen.io.normalise import LEFT_OUT, agreed, agreed_leads, lead_name, millivolts


@dataclass(frozen=True)
class FileDefaults:
    """Values of the user for files that do not state them.

    Attributes:
        fs: Sampling rate in Hz.
        unit: mV, µV, nV or V.
        leads: Names of the channels in order; for files that name their channels, the leads to use.
    """

    fs: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] = ()

    @staticmethod
    def of(fs: float | None, unit: str | None, leads: str | None) -> FileDefaults:
        """From command-line options; "standard" is the twelve leads in standard order.

        Example:
            >>> FileDefaults.of(500, "mV", "I, II").leads
            ('I', 'II')
        """
        names = [name.strip() for name in (leads or "").replace(" ", ",").split(",") if name.strip()]
        if names == ["standard"]:
            names = list(STANDARD_LEADS)
        return FileDefaults(
            None if fs is None else check_rate(fs),
            unit,
            tuple(name if name == LEFT_OUT else lead_name(name) for name in names),
        )


def open_recording(path: Path, defaults: FileDefaults) -> ECG:
    """The recording or recordings in a file, including records with gaps.

    Raises:
        InputError: If the file cannot be read, is empty, or lacks a value that has no default.
    """
    with naming_file(path), np.errstate(all="ignore"):
        found = decode(path, named=len(defaults.leads) or None)
        rows, leads = _leads(found.names, defaults.leads)
        fs = agreed("its sampling rate", "--fs", found.fs, None if found.fs else defaults.fs, check_rate)
        units = [found.units[row] for row in rows]
        scales = [agreed("its unit", "--unit", one, None if one else defaults.unit, millivolts) for one in units]
        signal = np.asarray(found.values[..., rows, :] * np.array(scales)[:, None], np.float32)
    if not signal.size:
        raise InputError(f"{path.name} is empty", "at least one sample a lead was expected")
    return ECG(torch.from_numpy(signal), tuple(leads), fs, Provenance.parse(found.comments))


def _leads(names: Sequence[str | None], chosen: Sequence[str]) -> tuple[list[int], list[str]]:
    """Rows and names of the leads: the user's names if the file has none, a selection if it names all of them."""
    if not chosen or None in names:
        return agreed_leads(names, list(chosen) or None)
    rows, leads = agreed_leads(names, None)
    if not set(chosen) <= set(leads):
        return rows, leads
    return [rows[leads.index(lead)] for lead in chosen], list(chosen)
