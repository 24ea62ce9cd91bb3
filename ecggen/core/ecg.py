"""The electrocardiogram as a value: millivolts, lead names and a sampling rate that travel together.

Twelve leads have eight degrees of freedom. The networks draw I, II and V1–V6; III, aVR, aVL and aVF
follow from Einthoven's and Goldberger's equations. ``LEAD_MATRIX`` holds those equations once, and all
that ecggen derives, checks or corrects about leads is linear algebra on its rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from ecggen.core.errors import InputError

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve standard leads in their standard order."""

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The eight independent leads that networks draw; the other four follow exactly."""

LEAD_MATRIX = np.zeros((12, 8))
"""(12, 8): twelve standard leads = LEAD_MATRIX @ eight drawn leads (Einthoven 1912, Goldberger 1942)."""
LEAD_MATRIX[[0, 1, 6, 7, 8, 9, 10, 11], range(8)] = 1
LEAD_MATRIX[2, :2] = -1, 1  # III = II − I
LEAD_MATRIX[3, :2] = -0.5, -0.5  # aVR = −(I + II)/2
LEAD_MATRIX[4, :2] = 1, -0.5  # aVL = I − II/2
LEAD_MATRIX[5, :2] = -0.5, 1  # aVF = II − I/2


RATES = (1.0, 100_000.0)
"""Hz that a recording can be brought to."""
MOST_SAMPLES = 2**28
"""Samples that resampling makes at most, all records and leads together."""


@dataclass(frozen=True)
class Provenance:
    """Where an ECG's leads come from; writers put it into every file: no synthetic lead passes as real.

    Attributes:
        recorded: Names of the leads that were recorded from a person.
        generated: Names of the leads that a model made.
        model: Name of the model, with the first digits of the SHA-256 of its weights.
        seed: The seed of the draw.
        condition: What the model was told, in words.
    """

    recorded: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    model: str = ""
    seed: int | None = None
    condition: str = ""

    def lines(self) -> list[str]:
        """``key: value`` lines for a file's comments; ``parse`` reads them back."""
        if not self.generated:
            return []
        return [
            "ecggen: contains SYNTHETIC leads; not for diagnosis",
            f"ecggen-recorded: {' '.join(self.recorded) or '-'}",
            f"ecggen-generated: {' '.join(self.generated)}",
            f"ecggen-model: {self.model or '-'}",
            f"ecggen-seed: {'-' if self.seed is None else self.seed}",
            f"ecggen-condition: {self.condition or '-'}",
        ]

    @staticmethod
    def parse(lines: Sequence[str]) -> Provenance | None:
        """The provenance that ``lines`` wrote, or None where there is none."""
        found = {}
        for line in lines:
            key, colon, value = line.strip().lstrip("#").strip().partition(":")
            if colon and key.startswith("ecggen-"):
                found[key.removeprefix("ecggen-")] = "" if value.strip() == "-" else value.strip()
        if "generated" not in found:
            return None
        seed = found.get("seed", "")
        return Provenance(
            recorded=tuple(found.get("recorded", found.get("measured", "")).split()),
            generated=tuple(found["generated"].split()),
            model=found.get("model", ""),
            seed=int(seed) if re.fullmatch(r"-?\d{1,20}", seed, re.ASCII) else None,
            condition=found.get("condition", ""),
        )


@dataclass(frozen=True)
class ECG:
    """A batch of electrocardiograms.

    Attributes:
        signal: float32 millivolts, (batch, lead, time); one record may be given as (lead, time).
        leads: Lead names, as in ``STANDARD_LEADS``, one for each row; any subset, any order.
        fs: Sampling rate in Hz.
        provenance: Which leads were measured and which a model made; None for a plain recording.

    Raises:
        InputError: On an unknown or repeated lead, a rate that is no positive number, or a wrong shape.
    """

    signal: Tensor
    leads: tuple[str, ...]
    fs: float
    provenance: Provenance | None = field(default=None, compare=False)

    def __post_init__(self):
        signal = torch.as_tensor(self.signal, dtype=torch.float32)
        object.__setattr__(self, "signal", signal[None] if signal.ndim == 2 else signal)
        object.__setattr__(self, "leads", tuple(self.leads))
        object.__setattr__(self, "fs", check_rate(self.fs))
        check_leads(self.leads)
        if self.signal.ndim != 3 or self.signal.shape[1] != len(self.leads):
            raise InputError(
                f"the signal has shape {tuple(signal.shape)} for {len(self.leads)} leads",
                "(batch, lead, time) or (lead, time) was expected",
            )

    def __len__(self) -> int:
        return self.signal.shape[0]

    def __getitem__(self, index: int | slice | Tensor) -> ECG:
        """The chosen records; an int keeps the batch axis."""
        return replace(self, signal=self.signal[[index]] if isinstance(index, int) else self.signal[index])

    @property
    def samples(self) -> int:
        """Samples per lead."""
        return self.signal.shape[-1]

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples / self.fs

    def pick(self, *leads: str) -> ECG:
        """The named leads, in the order asked for.

        Raises:
            InputError: Where a lead is not in this ECG.
        """
        for lead in leads:
            if lead not in self.leads:
                raise InputError(
                    f"lead {lead!r} is not in this ECG (it has {', '.join(self.leads)})",
                    do="pick one of those, or call standard() for the derived leads",
                )
        rows = [self.leads.index(lead) for lead in leads]
        return replace(self, signal=self.signal[:, rows], leads=leads)

    def standard(self) -> ECG:
        """All twelve leads in standard order; leads that are missing but determined are derived.

        Raises:
            InputError: Where a missing lead does not follow from the ones that are here.
        """
        known = determined_by(self.leads)
        missing = [lead for lead in STANDARD_LEADS if lead not in known]
        if missing:
            raise InputError(
                f"leads {', '.join(missing)} do not follow from {', '.join(self.leads)}",
                "eight independent leads (I, II, V1–V6) were expected",
                "reconstruct them with a model: ecggen reconstruct FILE",
            )
        rows = []
        for lead in STANDARD_LEADS:
            if lead in self.leads:
                rows.append(self.signal[:, self.leads.index(lead)])
            else:
                rows.append(torch.einsum("l,blt->bt", _derivation(self.leads, lead), self.signal))
        return replace(self, signal=torch.stack(rows, 1), leads=STANDARD_LEADS)

    def resample(self, fs: float) -> ECG:
        """The same recording at another rate, with a linear-phase anti-alias filter (scipy's polyphase)."""
        fs = check_rate(fs)
        if fs == self.fs:
            return self
        if not RATES[0] <= fs <= RATES[1] or self.signal.numel() * fs / self.fs > MOST_SAMPLES:
            raise InputError(
                f"{self.seconds:g} s of {len(self.leads)} leads would be brought to {fs:g} Hz",
                f"{RATES[0]:g} to {RATES[1]:,.0f} Hz, and {MOST_SAMPLES:,} samples at most, were expected",
                "choose another rate, or a shorter part",
            )
        return replace(self, signal=resample(self.signal, self.fs, fs), fs=fs)

    def crop(self, start: float = 0.0, seconds: float | None = None) -> ECG:
        """The part from ``start`` on, ``seconds`` long (both in seconds).

        Raises:
            InputError: Where nothing, or less than asked for, lies there.
        """
        if not (math.isfinite(start) and math.isfinite(seconds or 0.0)):
            raise InputError(f"start is {start:g} s, duration {seconds} s", "finite numbers were expected")
        first = round(start * self.fs)
        last = self.samples if seconds is None else first + round(seconds * self.fs)
        if not 0 <= first < last <= self.samples:
            raise InputError(
                f"the recording lasts {self.seconds:.3f} s",
                f"at least {last / self.fs:.3f} s were asked for, from {start:g} s on",
                "ask for a part that lies inside it",
            )
        return replace(self, signal=self.signal[..., first:last])

    def to(self, device: torch.device | str) -> ECG:
        """The same ECG on another device."""
        return replace(self, signal=self.signal.to(device))

    def law_residual(self) -> Tensor:
        """Largest departure from the lead laws, in mV, one number a record (0 where nothing can be checked).

        It is the distance of the given leads from the nearest heart that obeys Einthoven and Goldberger.
        """
        rows = torch.as_tensor(LEAD_MATRIX[_indices(self.leads)], device=self.signal.device)
        off = torch.eye(len(self.leads), dtype=rows.dtype, device=rows.device) - rows @ torch.linalg.pinv(rows)
        return torch.einsum("kl,blt->bkt", off, self.signal.double()).abs().amax((1, 2)).float()

    @staticmethod
    def cat(ecgs: Sequence[ECG]) -> ECG:
        """One batch of several that share leads, rate and length."""
        first = ecgs[0]
        for ecg in ecgs:
            if (ecg.leads, ecg.fs, ecg.samples) != (first.leads, first.fs, first.samples):
                raise InputError(
                    f"records differ: {', '.join(ecg.leads)} at {ecg.fs:g} Hz × {ecg.samples} samples "
                    f"beside {', '.join(first.leads)} at {first.fs:g} Hz × {first.samples}",
                    "one batch needs one set of leads, rate and length",
                    "pick, resample and crop first",
                )
        return replace(first, signal=torch.cat([ecg.signal for ecg in ecgs]))


def check_rate(fs: float) -> float:
    """``fs`` as a float, or an InputError where it is no positive number."""
    try:
        rate = float(fs)
    except (TypeError, ValueError):
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"the sampling rate is {fs!r}", "a positive number of Hz was expected", "give it with fs")
    return rate


def check_leads(leads: Sequence[str]) -> None:
    """An InputError where a name is not standard or stands twice."""
    for lead in leads:
        if lead not in STANDARD_LEADS:
            raise InputError(
                f"lead {lead!r} is not a standard lead", f"one of {', '.join(STANDARD_LEADS)} was expected"
            )
    repeated = sorted({lead for lead in leads if list(leads).count(lead) > 1})
    if repeated or not leads:
        found = f"lead {', '.join(repeated)} stands twice" if repeated else "no lead was given"
        raise InputError(found, "each lead once was expected", "name the leads that are meant")


def resample(signal: Tensor, fs: float, new_fs: float) -> Tensor:
    """``signal`` (…, time) at ``fs`` Hz brought to ``new_fs`` Hz; ceil(time · new_fs / fs) samples."""
    ratio = Fraction(new_fs / fs).limit_denominator(1000)
    moved = resample_poly(signal.detach().cpu().numpy(), ratio.numerator, ratio.denominator, axis=-1, padtype="line")
    return torch.as_tensor(np.ascontiguousarray(moved, np.float32), device=signal.device)


def determined_by(leads: Sequence[str]) -> tuple[str, ...]:
    """The standard leads that follow from ``leads``, those included (I and II fix all six limb leads)."""
    return _determined_by(tuple(leads))


@lru_cache
def _determined_by(leads: tuple[str, ...]) -> tuple[str, ...]:
    given = LEAD_MATRIX[_indices(leads)]
    within = LEAD_MATRIX @ np.linalg.pinv(given) @ given if len(given) else np.zeros_like(LEAD_MATRIX)
    return tuple(
        lead for lead, row, image in zip(STANDARD_LEADS, LEAD_MATRIX, within, strict=True) if np.allclose(row, image)
    )


@lru_cache
def _derivation(leads: tuple[str, ...], lead: str) -> Tensor:
    """Weights of the given leads that make up ``lead``."""
    weights = LEAD_MATRIX[_indices((lead,))[0]] @ np.linalg.pinv(LEAD_MATRIX[_indices(leads)])
    return torch.as_tensor(weights, dtype=torch.float32)


def _indices(leads: Sequence[str]) -> list[int]:
    return [STANDARD_LEADS.index(lead) for lead in leads]
