"""The ECG type: a signal in mV together with its lead names, sampling rate and provenance.

Twelve leads have eight degrees of freedom. Models generate I, II and V1–V6; III, aVR, aVL and aVF follow
from Einthoven's and Goldberger's equations. ``LEAD_MATRIX`` holds these equations. Lead derivation and
lead-law checks are linear algebra on its rows.
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

from ecggen.core.errors import InputError, argument
from ecggen.core.gaps import with_levels

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve standard leads in their standard order."""

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The eight independent leads that models generate; the other four follow exactly."""

LEAD_MATRIX = np.zeros((12, 8))
"""(12, 8): twelve standard leads = LEAD_MATRIX @ eight independent leads (Einthoven 1912, Goldberger 1942)."""
LEAD_MATRIX[[0, 1, 6, 7, 8, 9, 10, 11], range(8)] = 1
LEAD_MATRIX[2, :2] = -1, 1  # III = II − I
LEAD_MATRIX[3, :2] = -0.5, -0.5  # aVR = −(I + II)/2
LEAD_MATRIX[4, :2] = 1, -0.5  # aVL = I − II/2
LEAD_MATRIX[5, :2] = -0.5, 1  # aVF = II − I/2


RATES = (1.0, 100_000.0)
"""Lowest and highest target rate of ``ECG.resample`` in Hz."""
MOST_SAMPLES = 2**28
"""Largest output of ``ECG.resample``, in samples over all records and leads."""

_PART = re.compile(
    rf"({'|'.join(STANDARD_LEADS)}) (\d{{1,9}}(?:\.\d{{1,6}})?) (\d{{1,9}}(?:\.\d{{1,6}})?)(?=,|$)", re.ASCII
)
_BAND = re.compile(r"(\d{1,5}(?:\.\d{1,4})?)-(\d{1,5}(?:\.\d{1,4})?) Hz", re.ASCII)


@dataclass(frozen=True)
class Provenance:
    """Origin of the leads of an ECG. Writers store it in every file, so that synthetic leads remain marked.

    A lead that was recorded during a part of the time, and generated during another part, is in ``recorded`` and in
    ``generated``.

    Attributes:
        recorded: Names of the leads that were recorded from a patient, completely or in part.
        generated: Names of the leads that a model generated, completely or in part.
        parts: Generated parts of the leads that were recorded in part: lead, start and end in seconds.
        band: Lowest and highest frequency in Hz that generated leads hold; None if it is not known.
        model: Name of the model, with the first digits of the SHA-256 of its weights.
        seed: Random seed of the draw.
        condition: The condition of the model as text.
    """

    recorded: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    model: str = ""
    seed: int | None = None
    condition: str = ""
    parts: tuple[tuple[str, float, float], ...] = ()
    band: tuple[float, float] | None = None

    def lines(self) -> list[str]:
        """``key: value`` lines for the comments of a file; ``parse`` reads them back."""
        if not self.generated:
            return []
        parts = [f"{lead} {_decimal(first)} {_decimal(last)}" for lead, first, last in self.parts]
        return [
            "ecggen: contains SYNTHETIC leads; not for diagnosis",
            f"ecggen-recorded: {' '.join(self.recorded) or '-'}",
            f"ecggen-generated: {' '.join(self.generated)}",
            *([f"ecggen-generated-parts: {', '.join(parts)}"] if parts else []),
            f"ecggen-model: {self.model or '-'}",
            f"ecggen-seed: {'-' if self.seed is None else self.seed}",
            f"ecggen-condition: {self.condition or '-'}",
            *([f"ecggen-band: generated leads hold {self.band[0]:g}-{self.band[1]:g} Hz"] if self.band else []),
        ]

    @staticmethod
    def parse(lines: Sequence[str]) -> Provenance | None:
        """Parse the output of ``lines``; None if it holds no provenance."""
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
            parts=tuple(
                (lead, float(first), float(last))
                for lead, first, last in _PART.findall(found.get("generated-parts", ""))
            ),
            band=_band(found.get("band", "")),
        )

    def during(self, start: float, seconds: float) -> Provenance:
        """The provenance of a segment that begins at ``start`` s: times in ``parts`` count from there."""
        moved = [(lead, max(first - start, 0.0), min(last - start, seconds)) for lead, first, last in self.parts]
        parts = tuple((lead, first, last) for lead, first, last in moved if first < last)
        recorded = {lead for lead, _, _ in self.parts} - {lead for lead, _, _ in parts}
        return replace(self, parts=parts, generated=tuple(lead for lead in self.generated if lead not in recorded))


@dataclass(frozen=True)
class ECG:
    """A batch of ECGs.

    Attributes:
        signal: float32 in mV, (batch, lead, time); a single record may be given as (lead, time).
        leads: Lead names from ``STANDARD_LEADS``, one per row; any subset in any order.
        fs: Sampling rate in Hz.
        provenance: Which leads were recorded and which were generated by a model; None for a plain recording.

    Raises:
        InputError: If a lead is unknown or repeated, the rate is not a positive number, or the shape is wrong.

    Example:
        >>> ecg = ECG(torch.zeros(2, 1000), ("I", "II"), fs=500)
        >>> ecg.signal.shape, ecg.seconds
        (torch.Size([1, 2, 1000]), 2.0)
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
        """Select records; an int keeps the batch axis."""
        return replace(self, signal=self.signal[[index]] if isinstance(index, int) else self.signal[index])

    @property
    def samples(self) -> int:
        """Number of samples per lead."""
        return self.signal.shape[-1]

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples / self.fs

    def pick(self, *leads: str) -> ECG:
        """Select leads by name, in the given order.

        Raises:
            InputError: If a lead is not in this ECG.

        Example:
            >>> ECG(torch.zeros(3, 1000), ("I", "II", "V1"), fs=500).pick("V1", "I").leads
            ('V1', 'I')
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
        """All twelve leads in standard order; missing leads are derived by the lead laws.

        Raises:
            InputError: If a missing lead does not follow from the leads of this ECG.

        Example:
            >>> ecg = ECG(torch.ones(8, 1000), INDEPENDENT_LEADS, fs=500).standard()
            >>> ecg.signal.shape, ecg.pick("aVR").signal[0, 0, 0].item()
            (torch.Size([1, 12, 1000]), -1.0)
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
                weights = _derivation(self.leads, lead)
                used = slice(None) if bool(torch.isfinite(self.signal).all()) else weights.abs() > 1e-6
                rows.append(torch.einsum("l,blt->bt", weights[used], self.signal[:, used]))
        return replace(self, signal=torch.stack(rows, 1), leads=STANDARD_LEADS)

    def resample(self, fs: float) -> ECG:
        """Resample to ``fs`` Hz with a linear-phase anti-aliasing filter (``scipy.signal.resample_poly``).

        Missing samples (NaN) stay missing and do not affect others.

        Raises:
            InputError: If ``fs`` lies outside ``RATES``, or the result would exceed ``MOST_SAMPLES``.

        Example:
            >>> ECG(torch.zeros(1, 1000), ("I",), fs=500).resample(100).signal.shape
            torch.Size([1, 1, 200])
        """
        fs = check_rate(fs)
        if fs == self.fs:
            return self
        if not RATES[0] <= fs <= RATES[1] or self.signal.numel() * fs / self.fs > MOST_SAMPLES:
            raise InputError(
                f"{self.seconds:g} s of {len(self.leads)} leads would be resampled to {fs:g} Hz",
                f"{RATES[0]:g} to {RATES[1]:,.0f} Hz and at most {MOST_SAMPLES:,} samples were expected",
                "choose another rate or a shorter segment",
            )
        present = torch.isfinite(self.signal)
        if bool(present.all()):
            return replace(self, signal=resample(self.signal, self.fs, fs), fs=fs)
        moved = resample(_with_levels(self.signal, present, self.fs), self.fs, fs)
        nearest = (torch.arange(moved.shape[-1], device=moved.device) * self.fs / fs).round().long()
        kept = present[..., nearest.clamp(max=self.samples - 1)]
        return replace(self, signal=moved.where(kept, torch.nan), fs=fs)

    def crop(self, start: float = 0.0, seconds: float | None = None) -> ECG:
        """Select a segment that begins at ``start`` s and lasts ``seconds`` s (to the end by default).

        Raises:
            InputError: If the segment is empty or does not lie inside the recording.

        Example:
            >>> ECG(torch.zeros(1, 1000), ("I",), fs=500).crop(0.5, seconds=1).seconds
            1.0
        """
        if not (math.isfinite(start) and math.isfinite(seconds or 0.0)):
            raise InputError(f"start is {start:g} s, duration {seconds} s", "finite numbers were expected")
        first = round(start * self.fs)
        last = self.samples if seconds is None else first + round(seconds * self.fs)
        if not 0 <= first < last <= self.samples:
            raise InputError(
                f"the recording lasts {self.seconds:.3f} s",
                f"a segment from {start:g} to {last / self.fs:.3f} s was requested",
                "request a segment inside the recording",
            )
        origin = self.provenance and self.provenance.during(first / self.fs, (last - first) / self.fs)
        return replace(self, signal=self.signal[..., first:last], provenance=origin)

    def is_generated(self) -> Tensor:
        """Which samples a model generated, (lead, time) bool, according to the provenance.

        Example:
            >>> origin = Provenance(recorded=("I",), generated=("I", "II"), parts=(("I", 0.0, 1.0),))
            >>> ECG(torch.zeros(2, 4), ("I", "II"), fs=2, provenance=origin).is_generated().tolist()
            [[True, True, False, False], [True, True, True, True]]
        """
        at = torch.zeros(len(self.leads), self.samples, dtype=torch.bool)
        if self.provenance is None:
            return at
        partly = {lead for lead, _, _ in self.provenance.parts}
        for row, lead in enumerate(self.leads):
            at[row] = lead in self.provenance.generated and lead not in partly
        for lead, first, last in self.provenance.parts:
            if lead in self.leads:
                at[self.leads.index(lead), round(first * self.fs) : round(last * self.fs)] = True
        return at

    def to(self, device: torch.device | str) -> ECG:
        """The same ECG on another device."""
        return replace(self, signal=self.signal.to(device))

    def law_residual(self) -> Tensor:
        """Largest deviation from the lead laws in mV, one number per record (0 if no law applies to the leads).

        It is the distance of the leads from their projection onto Einthoven's and Goldberger's equations.
        """
        rows = torch.as_tensor(LEAD_MATRIX[_indices(self.leads)], device=self.signal.device)
        off = torch.eye(len(self.leads), dtype=rows.dtype, device=rows.device) - rows @ torch.linalg.pinv(rows)
        return torch.einsum("kl,blt->bkt", off, self.signal.double()).abs().amax((1, 2)).float()

    @staticmethod
    def cat(ecgs: Sequence[ECG]) -> ECG:
        """Concatenate ECGs with the same leads, rate and length into one batch.

        Raises:
            InputError: If leads, rate or length differ.
        """
        first = ecgs[0]
        for ecg in ecgs:
            if (ecg.leads, ecg.fs, ecg.samples) != (first.leads, first.fs, first.samples):
                raise InputError(
                    f"records differ: {', '.join(ecg.leads)} at {ecg.fs:g} Hz × {ecg.samples} samples "
                    f"and {', '.join(first.leads)} at {first.fs:g} Hz × {first.samples}",
                    "one set of leads, one rate and one length were expected in a batch",
                    "pick, resample and crop first",
                )
        return replace(first, signal=torch.cat([ecg.signal for ecg in ecgs]))


def _band(text: str) -> tuple[float, float] | None:
    """Lowest and highest frequency in Hz of a line of ``Provenance``."""
    found = _BAND.search(text)
    return (float(found[1]), float(found[2])) if found else None


def _decimal(seconds: float) -> str:
    """A time with up to six decimals."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def check_rate(fs: float) -> float:
    """Return ``fs`` as a float; raise InputError if it is not a positive number."""
    try:
        rate = float(fs)
    except (TypeError, ValueError):
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        do = f"give it with {argument('fs')}"
        raise InputError(f"the sampling rate is {fs!r}", "a positive number of Hz was expected", do)
    return rate


def check_leads(leads: Sequence[str]) -> None:
    """Raise InputError if a lead name is not standard or occurs twice."""
    for lead in leads:
        if lead not in STANDARD_LEADS:
            raise InputError(
                f"lead {lead!r} is not a standard lead", f"one of {', '.join(STANDARD_LEADS)} was expected"
            )
    repeated = sorted({lead for lead in leads if list(leads).count(lead) > 1})
    if repeated or not leads:
        found = f"lead {', '.join(repeated)} occurs twice" if repeated else "no lead was given"
        raise InputError(found, "each lead once was expected", "select the leads by name")


def resample(signal: Tensor, fs: float, new_fs: float) -> Tensor:
    """Resample ``signal`` (…, time) from ``fs`` to ``new_fs`` Hz; the result has ceil(time · new_fs / fs) samples."""
    ratio = Fraction(new_fs / fs).limit_denominator(1000)
    values = resample_poly(signal.detach().cpu().numpy(), ratio.numerator, ratio.denominator, axis=-1, padtype="line")
    return torch.as_tensor(np.ascontiguousarray(values, np.float32), device=signal.device)


def _with_levels(signal: Tensor, present: Tensor, fs: float) -> Tensor:
    """``signal`` (batch, lead, time) with the level on either side in gaps, and zeros in leads without samples."""
    filled = torch.where(present, signal, 0.0)
    for record, lead in (present.any(-1) & ~present.all(-1)).nonzero().tolist():
        wave = with_levels(signal[record, lead].double().cpu().numpy(), present[record, lead].cpu().numpy(), fs)
        filled[record, lead] = torch.from_numpy(wave).to(filled)
    return filled


def determined_by(leads: Sequence[str]) -> tuple[str, ...]:
    """The standard leads that follow from ``leads``, including these (I and II determine all six limb leads).

    Example:
        >>> determined_by(["I", "II"])
        ('I', 'II', 'III', 'aVR', 'aVL', 'aVF')
    """
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
    """Weights (lead,) of ``leads`` whose sum is ``lead``."""
    weights = LEAD_MATRIX[_indices((lead,))[0]] @ np.linalg.pinv(LEAD_MATRIX[_indices(leads)])
    return torch.as_tensor(weights, dtype=torch.float32)


def _indices(leads: Sequence[str]) -> list[int]:
    return [STANDARD_LEADS.index(lead) for lead in leads]
