"""What is known of a heart: any leads, a PPG, a report, a few facts, each with a mask.

A condition is a batch. Every channel is a value *and* a mask, and the value is zero wherever the mask is:
absence is never NaN, −1 or an empty string, and what is not seen has no voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS, check_rate
from ecggen.core.errors import InputError

METADATA = {"age": (0.0, 120.0), "sex": (0.0, 1.0), "heart_rate": (15.0, 350.0)}
"""Facts and the range each is accepted in: age in years, sex (0 male, 1 female), heart rate in beats per minute."""

WORDS = ("text", *METADATA)
"""What a person can be told in, rather than in waves."""
CHANNELS = ("leads", "ppg", *WORDS)
"""What can be dropped or missing, by name."""


@dataclass(frozen=True)
class Condition:
    """What a generator is told about each heart of a batch.

    Build one from ``Condition.none(n, seconds)`` and the ``with_…`` methods.

    Attributes:
        leads: (batch, 12, time) mV in standard order, zero where unseen.
        leads_seen: (batch, 12, time) bool; a gap in a lead is a gap in its mask.
        fs: Rate of ``leads`` in Hz.
        ppg: (batch, 1, ppg time), arbitrary unit, zero where unseen.
        ppg_seen: (batch, 1, ppg time) bool.
        ppg_fs: Rate of ``ppg`` in Hz.
        text: One report or diagnosis a record; read only where ``text_mask``.
        text_seen: (batch,) bool.
        facts: (batch, 3): age in years, sex (0 male, 1 female), heart rate in beats per minute.
        facts_seen: (batch, 3) bool.
    """

    leads: Tensor
    lead_mask: Tensor
    fs: float
    ppg: Tensor
    ppg_mask: Tensor
    ppg_fs: float
    text: tuple[str, ...]
    text_mask: Tensor
    metadata: Tensor
    metadata_mask: Tensor

    @staticmethod
    def none(n: int, seconds: float = 10.0, fs: float = 100.0) -> Condition:
        """Nothing is known of ``n`` hearts, for so many seconds; ``fs`` is the rate the answer will have."""
        samples = round(seconds * check_rate(fs))
        if n < 1 or samples < 1:
            raise InputError(f"{n} records of {seconds:g} s", "at least one record and one sample were expected")
        return Condition(
            leads=torch.zeros(n, len(STANDARD_LEADS), samples),
            lead_mask=torch.zeros(n, len(STANDARD_LEADS), samples, dtype=torch.bool),
            fs=float(fs),
            ppg=torch.zeros(n, 1, samples),
            ppg_mask=torch.zeros(n, 1, samples, dtype=torch.bool),
            ppg_fs=float(fs),
            text=("",) * n,
            text_mask=torch.zeros(n, dtype=torch.bool),
            metadata=torch.zeros(n, len(METADATA)),
            metadata_mask=torch.zeros(n, len(METADATA), dtype=torch.bool),
        )

    def with_leads(self, ecg: ECG, seen: Tensor | None = None) -> Condition:
        """Add the leads of ``ecg``; the answer will have its rate and length.

        Args:
            ecg: One record for each of the condition's, or one for all; its duration must be the condition's.
            seen: (batch, lead, time) or (batch, lead, 1) bool, in the order of ``ecg.leads``; all of it if left out.
        """
        self._check_duration("the ECG", ecg.seconds)
        signal = self._one_each("ECGs", ecg.signal)
        mask = torch.ones_like(signal, dtype=torch.bool) if seen is None else seen.expand_as(signal)
        rows = [STANDARD_LEADS.index(lead) for lead in ecg.leads]
        leads = signal.new_zeros(len(self), len(STANDARD_LEADS), ecg.samples)
        lead_mask = torch.zeros_like(leads, dtype=torch.bool)
        leads[:, rows] = signal * mask
        lead_mask[:, rows] = mask
        return replace(self, leads=leads, lead_mask=lead_mask, fs=ecg.fs)

    def with_ppg(self, wave: Tensor, fs: float) -> Condition:
        """Add a photoplethysmogram: (time,), (batch, time) or (batch, 1, time), any unit, at ``fs`` Hz."""
        wave = torch.as_tensor(wave, dtype=torch.float32)
        wave = wave[None, None] if wave.ndim == 1 else wave[:, None] if wave.ndim == 2 else wave
        self._check_duration("the PPG", wave.shape[-1] / check_rate(fs))
        if not bool(torch.isfinite(wave).all()):
            raise InputError("the PPG holds values that are not finite", do="crop or interpolate the gap first")
        ppg = self._one_each("PPGs", wave).contiguous()
        return replace(self, ppg=ppg, ppg_mask=torch.ones_like(ppg, dtype=torch.bool), ppg_fs=float(fs))

    def with_text(self, reports: str | Sequence[str]) -> Condition:
        """Add a report or diagnosis for each record (one string stands for all); blank ones are not seen."""
        given = [reports] * len(self) if isinstance(reports, str) else list(reports)
        if len(given) != len(self):
            raise InputError(f"{len(given)} reports for {len(self)} records", "one each, or one for all, was expected")
        seen = torch.tensor([bool(report.strip()) for report in given], device=self.metadata.device)
        return replace(self, text=tuple(given), text_mask=seen)

    def with_metadata(
        self,
        age: float | Sequence[float | None] | None = None,
        sex: str | float | Sequence[str | float | None] | None = None,
        heart_rate: float | Sequence[float | None] | None = None,
    ) -> Condition:
        """Add patient facts, one value for all or one each; ``None`` is unknown.

        Args:
            age: Years. PTB-XL writes 300 for over 89; that is read as 90.
            sex: "M" or "F", or 0 (male) and 1 (female).
            heart_rate: Beats per minute.

        Raises:
            InputError: Where a value lies outside ``METADATA``.
        """
        metadata, seen = self.metadata.clone(), self.metadata_mask.clone()
        for column, (name, given) in enumerate(zip(METADATA, (age, sex, heart_rate), strict=True)):
            if given is None:
                continue
            values = [given] * len(self) if isinstance(given, str | float | int) else list(given)
            if len(values) != len(self):
                raise InputError(f"{len(values)} values of {name} for {len(self)} records", "one each was expected")
            numbers = [_metadata_value(name, value) for value in values]
            metadata[:, column] = torch.tensor([number or 0.0 for number in numbers])
            seen[:, column] = torch.tensor([number is not None for number in numbers])
        return replace(self, metadata=metadata, metadata_mask=seen)

    def mask_leads(self, keep: Tensor) -> Condition:
        """Hide the leads where ``keep`` is False: (batch, 12) or (batch, 12, time) bool."""
        seen = self.lead_mask & (keep[..., None] if keep.ndim == 2 else keep)
        return replace(self, leads=self.leads * seen, lead_mask=seen)

    def drop(self, p: float | Mapping[str, float | np.ndarray], rng: np.random.Generator) -> Condition:
        """Forget each channel of each record with probability ``p`` (or ``p[channel]``, for all or each).

        This is how one model learns every task, and classifier-free guidance's unconditional half
        (Ho & Salimans 2022). A dropped channel equals a missing one.
        """
        chance = dict.fromkeys(CHANNELS, p) if isinstance(p, int | float) else p
        kept = {
            channel: torch.as_tensor(rng.random(len(self)) >= chance.get(channel, 0.0), device=self.metadata.device)
            for channel in CHANNELS
        }
        metadata_mask = self.metadata_mask & torch.stack([kept[name] for name in METADATA], 1)
        lead_mask = self.lead_mask & kept["leads"][:, None, None]
        ppg_mask = self.ppg_mask & kept["ppg"][:, None, None]
        text_mask = self.text_mask & kept["text"]
        return replace(
            self,
            leads=self.leads * lead_mask,
            lead_mask=lead_mask,
            ppg=self.ppg * ppg_mask,
            ppg_mask=ppg_mask,
            text=tuple(text if seen else "" for text, seen in zip(self.text, text_mask.tolist(), strict=True)),
            text_mask=text_mask,
            metadata=self.metadata * metadata_mask,
            metadata_mask=metadata_mask,
        )

    def repeat(self, n: int) -> Condition:
        """Each record ``n`` times, one copy after the other."""
        return self._map(
            lambda value: value.repeat_interleave(n, 0),
            lambda text: tuple(report for report in text for _ in range(n)),
        )

    def __getitem__(self, chosen: slice) -> Condition:
        return self._map(lambda value: value[chosen], lambda text: text[chosen])

    def during(self, first: int, last: int) -> Condition:
        """Samples ``first`` to ``last`` of a condition whose leads and PPG share one rate."""
        part = {name: getattr(self, name)[..., first:last] for name in ("leads", "leads_seen", "ppg", "ppg_seen")}
        return replace(self, **part)

    def to(self, device: torch.device | str) -> Condition:
        """The same condition on another device."""
        return self._map(lambda value: value.to(device), lambda text: text)

    def __len__(self) -> int:
        return len(self.metadata)

    @property
    def samples(self) -> int:
        """Samples per lead at ``fs``."""
        return self.leads.shape[-1]

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples / self.fs

    def has_text_or_metadata(self) -> Tensor:
        """(batch,) bool: words or facts are told."""
        return self.text_mask | self.metadata_mask.any(1)

    def observed_leads(self) -> tuple[str, ...]:
        """The leads of which any record shows any sample."""
        shown = self.lead_mask.any(-1).any(0).tolist()
        return tuple(lead for lead, here in zip(STANDARD_LEADS, shown, strict=True) if here)

    def describe(self) -> str:
        """The condition of the first record in words, for provenance ("leads I; age 74; …")."""
        parts = []
        if self.lead_mask[0].any():
            parts.append("leads " + " ".join(self[:1].observed_leads()))
        if self.ppg_mask[0].any():
            parts.append("PPG")
        if self.text_mask[0]:
            parts.append("text " + " ".join(self.text[0].split())[:200])
        for name, value, seen in zip(METADATA, self.metadata[0].tolist(), self.metadata_mask[0].tolist(), strict=True):
            if seen:
                shown = "FM"[value < 0.5] if name == "sex" else f"{value:g}"
                parts.append(f"{name.replace('_', ' ')} {shown}")
        return "; ".join(parts) or "nothing"

    @staticmethod
    def cat(conditions: Sequence[Condition]) -> Condition:
        """One batch of several that share rates and lengths."""
        first = conditions[0]
        joined = {}
        for item in fields(Condition):
            values = [getattr(condition, item.name) for condition in conditions]
            if isinstance(values[0], Tensor):
                joined[item.name] = torch.cat(values)
            elif isinstance(values[0], tuple):
                joined[item.name] = tuple(report for value in values for report in value)
            elif len(set(values)) > 1:
                raise InputError(f"conditions at {sorted(set(values))} Hz", "one rate was expected in a batch")
        return replace(first, **joined)

    def _map(self, tensor, text) -> Condition:
        moved = {}
        for item in fields(self):
            value = getattr(self, item.name)
            moved[item.name] = (
                tensor(value) if isinstance(value, Tensor) else text(value) if isinstance(value, tuple) else value
            )
        return Condition(**moved)

    def _check_duration(self, what: str, seconds: float) -> None:
        if abs(seconds - self.seconds) > 0.05:
            raise InputError(
                f"{what} lasts {seconds:.2f} s, the condition {self.seconds:.2f} s",
                "the same duration was expected",
                "crop it, or build the condition with Condition.none(n, seconds) of that duration",
            )

    def _one_each(self, what: str, values: Tensor) -> Tensor:
        if len(values) not in (1, len(self)):
            raise InputError(f"{len(values)} {what} for {len(self)} records", "one each, or one for all, was expected")
        return values.expand(len(self), *values.shape[1:])


def project_onto_observed(eight: Tensor, condition: Condition) -> Tensor:
    """The nearest drawn leads (batch, 8, time) that show what the condition shows, at its rate.

    The least-squares step x + pinv(rows)(given − rows·x), with ``rows`` the seen rows of the lead matrix at
    each sample. A seen lead — any, also aVR — comes back exactly as long as the seen leads obey the lead laws.
    """
    with torch.autocast(eight.device.type, enabled=False):  # exact means float32
        return _project(eight.float(), condition)


def _project(eight: Tensor, condition: Condition) -> Tensor:
    matrix = eight.new_tensor(LEAD_MATRIX)
    seen = condition.lead_mask
    missing = (condition.leads - matrix @ eight) * seen
    whole = seen.any(-1)
    if bool((seen == whole[..., None] & seen.any(1, keepdim=True)).all()):
        # At every moment a record shows all of its leads or none: one step matrix a record will do.
        return eight + _projection(whole, matrix) @ missing
    steps = _projection(seen.transpose(1, 2).flatten(0, 1), matrix).view(len(eight), -1, *matrix.T.shape)
    return eight + torch.einsum("btdl,blt->bdt", steps, missing)


def _projection(seen: Tensor, matrix: Tensor) -> Tensor:
    """(n, 8, 12): the pseudo-inverse of the seen rows, for each of n patterns of seen leads (n, 12)."""
    codes = (seen * 2 ** torch.arange(seen.shape[1], device=seen.device)).sum(1)
    found, which = torch.unique(codes, return_inverse=True)
    patterns = found[:, None].bitwise_right_shift(torch.arange(seen.shape[1], device=seen.device)) % 2
    return torch.linalg.pinv(patterns[..., None] * matrix.double()).to(matrix.dtype)[which]


def _metadata_value(name: str, value: float | str | None) -> float | None:
    """One fact as a number in its range, or None."""
    if value is None or value != value:
        return None
    if name == "sex" and isinstance(value, str):
        letter = value.strip()[:1].upper()
        if letter not in ("M", "F"):
            raise InputError(f"sex is {value!r}", "'M' or 'F' was expected")
        return float(letter == "F")
    number = 90.0 if name == "age" and value == 300 else float(value)
    low, high = METADATA[name]
    if not low <= number <= high:
        raise InputError(f"{name.replace('_', ' ')} is {number:g}", f"{low:g} to {high:g} was expected")
    return number
