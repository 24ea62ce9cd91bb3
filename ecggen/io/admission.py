"""Admission: convert a decoded file and the arguments of the user to an ECG.

Missing, ambiguous or contradictory information raises ``InputError``. Later stages rely on the result and do not check
it again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ecggen.core.ecg import ECG, Provenance, check_rate
from ecggen.core.errors import InputError, argument
from ecggen.io.channels import Wanted, agreed_leads
from ecggen.io.normalise import Found, agreed, called, millivolts, millivolts_or_none, shown


@dataclass(frozen=True)
class Counts:
    """Scale of samples that are counts of a converter: a value is (count - ``baseline``) / ``gain``.

    Attributes:
        gain: Counts per mV, or per the unit that the user gives.
        baseline: Count at 0 mV.
    """

    gain: float
    baseline: float = 0.0

    @staticmethod
    def of(gain: float | None, baseline: float | None) -> Counts | None:
        """Counts from the arguments of the user; None if neither is given.

        Raises:
            InputError: If ``gain`` is missing or 0, or one of them is not a finite number.
        """
        if gain is None and baseline is None:
            return None
        if gain is None:
            found = f"{argument('baseline')} is given without {argument('gain')}"
            raise InputError(found, "the counts per mV were expected", f"give both, e.g. {_example(baseline)}")
        if not all(isinstance(one, int | float) and math.isfinite(one) for one in (gain, baseline or 0.0)) or not gain:
            found = f"{argument('gain')} is {gain!r} and {argument('baseline')} is {baseline!r}"
            raise InputError(found, "counts per mV other than 0, and the count at 0 mV, were expected")
        return Counts(float(gain), float(baseline or 0.0))


def admit(
    found: Found,
    fs: float | None,
    unit: str | None,
    leads: Sequence[Wanted] | None,
    start: float,
    seconds: float | None,
    counts: Counts | None = None,
) -> ECG:
    """Convert a decoded file to an ECG; missing samples are NaN. Further arguments as for ``read``.

    Raises:
        InputError: If file and arguments contradict each other, or neither gives a required value.
    """
    rows, names = agreed_leads(found, leads)
    for row in rows:
        if row in found.unusable:
            raise found.unusable[row]
    rate = agreed("its sampling rate", "fs", found.fs, fs, check_rate)
    scales = [_scale(found, row, unit, counts) for row in rows]
    signal = found.values if rows == list(range(len(found.names))) else found.values[..., rows, :]
    if counts is not None and counts.baseline:
        signal = signal - counts.baseline
    signal = np.asarray(signal if set(scales) == {1.0} else signal * np.array(scales)[:, None], np.float32)
    if not signal.size:
        raise InputError("the recording is empty", "at least one sample per lead was expected")
    origin = Provenance.parse(found.comments)
    if origin is not None and found.begins:  # times count from the start of the file
        origin = origin.during(found.begins, signal.shape[-1] / rate)
    ecg = ECG(torch.from_numpy(signal), tuple(names), rate, origin)
    return ecg.crop(start - found.begins, seconds) if start or seconds is not None else ecg


def _scale(found: Found, row: int, unit: str | None, counts: Counts | None) -> float:
    """mV per unit, or per count, of a channel."""
    stated = found.units[row]
    if counts is not None:
        if millivolts_or_none(stated) is not None:
            raise InputError(
                f"{_channel(found, row)} is in {shown(str(stated))} in the file, and {argument('gain')} is given",
                "counts without a unit were expected",
                f"omit {argument('gain')} and {argument('baseline')}, or correct the file if it is wrong",
            )
        return millivolts(unit or "mV") / counts.gain
    if stated is None and unit is None:
        do = f"give it with {argument('unit')}, or the counts per mV with {argument('gain')}"
        raise InputError("the file does not state its unit", do=do)
    if stated is not None and millivolts_or_none(stated) is None:
        raise InputError(
            f"the unit of {_channel(found, row)} is {shown(stated)}",
            "mV, µV, nV or V was expected",
            f"if these are counts, give the number per mV with {argument('gain')}",
        )
    return agreed("its unit", "unit", stated, unit, millivolts)


def _channel(found: Found, row: int) -> str:
    name = found.names[row]
    return f"channel {called(name)}" if name else f"channel {found.number(row)}"


def _example(baseline: float | None) -> str:
    return argument(gain=200, baseline=baseline)
