"""Files of anybody's recordings, opened with what their user says where they are silent.

Unlike ``ecggen.io.read`` this lets records with gaps pass: how many of them a generator makes is a score. And what a
user says never contradicts a file: one ``--fs`` serves several sets, of which some state their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance, check_rate
from ecggen.core.errors import InputError
from ecggen.io.files import decode, telling_of
from ecggen.io.normalise import LEFT_OUT, agreed, agreed_leads, lead_name, millivolts


@dataclass(frozen=True)
class Said:
    """What the user says of files that do not say it themselves.

    Attributes:
        fs: Hz.
        unit: mV, µV, nV or V.
        leads: Names of the channels in their order; of files that name theirs, the ones to use.
    """

    fs: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] = ()

    @staticmethod
    def of(fs: float | None, unit: str | None, leads: str | None) -> Said:
        """From the words of a command; "standard" stands for the twelve leads in standard order."""
        names = [name.strip() for name in (leads or "").replace(" ", ",").split(",") if name.strip()]
        if names == ["standard"]:
            names = list(STANDARD_LEADS)
        return Said(
            None if fs is None else check_rate(fs),
            unit,
            tuple(name if name == LEFT_OUT else lead_name(name) for name in names),
        )


def opened(path: Path, said: Said) -> ECG:
    """The recording or recordings in a file, gaps and all."""
    with telling_of(path), np.errstate(all="ignore"):
        found = decode(path, named=len(said.leads) or None)
        rows, leads = _leads(found.names, said.leads)
        fs = agreed("its sampling rate", "--fs", found.fs, None if found.fs else said.fs, check_rate)
        units = [found.units[row] for row in rows]
        scales = [agreed("its unit", "--unit", one, None if one else said.unit, millivolts) for one in units]
        signal = np.asarray(found.values[..., rows, :] * np.array(scales)[:, None], np.float32)
    if not signal.size:
        raise InputError(f"{path.name} is empty", "at least one sample a lead was expected")
    return ECG(torch.from_numpy(signal), tuple(leads), fs, Provenance.parse(found.comments))


def _leads(names: Sequence[str | None], said: Sequence[str]) -> tuple[list[int], list[str]]:
    """The user's names count where the file has none, and choose where it has them all."""
    if not said or None in names:
        return agreed_leads(names, list(said) or None)
    rows, leads = agreed_leads(names, None)
    if not set(said) <= set(leads):
        return rows, leads
    return [rows[leads.index(lead)] for lead in said], list(said)
