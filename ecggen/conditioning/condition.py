"""The condition of a generator: leads, PPG, text and metadata, each with a mask.

A condition is a batch of records. Every channel consists of values and a mask, and values are zero where masked.
Missing values are never encoded as NaN, −1 or an empty string, and masked inputs never affect the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ecggen.conditioning.metadata_in_text import metadata_in
from ecggen.core.ecg import ECG, STANDARD_LEADS, check_rate
from ecggen.core.errors import InputError

METADATA = {"age": (0.0, 120.0), "sex": (0.0, 1.0), "heart_rate": (15.0, 350.0)}
"""Metadata and accepted ranges: age in years, sex (0 male, 1 female), heart rate in beats per minute."""

TEXT_AND_METADATA = ("text", *METADATA)
"""Names of the channels that are not waveforms: text and metadata."""

CHANNELS = ("leads", "ppg", *TEXT_AND_METADATA)
"""Names of all channels of a condition."""


@runtime_checkable
class Waveform(Protocol):
    """A waveform with its sampling rate, such as ``ecggen.io.ppg.PPG``."""

    @property
    def wave(self) -> Tensor:
        """(time,), (batch, time) or (batch, 1, time)."""
        ...

    @property
    def fs(self) -> float:
        """Sampling rate in Hz."""
        ...


@dataclass(frozen=True, init=False)
class Condition:
    """Condition of a generator for a batch of records.

    The constructor infers the number of records, the duration and the sampling rate. ``with_leads``, ``with_ppg``,
    ``with_text`` and ``with_metadata`` return a copy with one more channel.

    Args:
        leads: Observed leads, at any rate; missing samples (NaN) are masked. The generated ECG has their rate and
            duration.
        ppg: Photoplethysmogram: (time,), (batch, time) or (batch, 1, time), any unit; or a PPG from ``read_ppg``.
            Missing samples (NaN) are masked.
        text: Report or diagnosis, for all records or one each. Age, sex and heart rate stated in it are used as
            metadata.
        age: Years, for all records or one each; overrides the text, as do ``sex`` and ``heart_rate``.
        sex: "M" or "F", or 0 (male) and 1 (female).
        heart_rate: Beats per minute.
        lead_mask: (batch, lead, time) or (batch, lead, 1) bool in the order of ``leads.leads``, True where observed;
            all samples if left out. Missing samples are masked in any case.
        ppg_fs: Sampling rate of ``ppg`` in Hz.
        n: Number of records; inferred if left out.
        seconds: Duration; if left out, that of ``leads`` or ``ppg``, else 10 s.
        fs: Sampling rate of the generated ECG in Hz; if left out, that of ``leads``, else 500 Hz.

    Attributes:
        leads: (batch, 12, time) float32 mV in standard order, zero where masked.
        lead_mask: (batch, 12, time) bool, True where observed.
        fs: Sampling rate of ``leads`` and of the generated ECG in Hz.
        ppg: (batch, 1, ppg time), arbitrary unit, zero where masked.
        ppg_mask: (batch, 1, ppg time) bool.
        ppg_fs: Sampling rate of ``ppg`` in Hz.
        text: One report or diagnosis per record; ignored where ``text_mask`` is False.
        text_mask: (batch,) bool.
        metadata: (batch, 3): age in years, sex (0 male, 1 female), heart rate in beats per minute.
        metadata_mask: (batch, 3) bool.

    Raises:
        InputError: If sizes or durations do not match, or a value is out of range.

    Example:
        >>> condition = Condition(text="74-year-old woman, sinus bradycardia 40 bpm", n=2)
        >>> len(condition), condition.seconds, condition.fs
        (2, 10.0, 500.0)
        >>> condition.describe()
        'text 74-year-old woman, sinus bradycardia 40 bpm; age 74; sex F; heart rate 40'
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

    def __init__(
        self,
        leads: ECG | None = None,
        ppg: ArrayLike | Waveform | None = None,
        text: str | Sequence[str] | None = None,
        age: float | Sequence[float | None] | None = None,
        sex: str | float | Sequence[str | float | None] | None = None,
        heart_rate: float | Sequence[float | None] | None = None,
        *,
        lead_mask: Tensor | None = None,
        ppg_fs: float | None = None,
        n: int | None = None,
        seconds: float | None = None,
        fs: float | None = None,
    ):
        if leads is not None and fs not in (None, leads.fs):
            found = f"leads at {leads.fs:g} Hz and fs {fs:g} Hz were given"
            raise InputError(found, "the rate of the leads was expected", "leave fs out, or call leads.resample(fs)")
        wave, rate = (None, 1.0) if ppg is None else _waveform(ppg, ppg_fs)
        lasts = leads.seconds if leads is not None else 10.0 if wave is None else wave.shape[-1] / rate
        count = _count(n, leads, wave, text, age, sex, heart_rate)
        made = Condition.none(
            count, lasts if seconds is None else seconds, leads.fs if leads is not None else fs or 500.0
        )
        if leads is not None:
            made = made.with_leads(leads, lead_mask)
        if wave is not None:
            made = made.with_ppg(wave, rate)
        made = made.with_metadata(age, sex, heart_rate).with_text("" if text is None else text)
        for item in fields(Condition):
            object.__setattr__(self, item.name, getattr(made, item.name))

    @staticmethod
    def _of(**values: Any) -> Condition:
        """A condition from the values of all fields, without checks."""
        made = object.__new__(Condition)
        for item in fields(Condition):
            object.__setattr__(made, item.name, values[item.name])
        return made

    def replace(self, **values: Any) -> Condition:
        """A copy with other values in some fields. Sizes are not checked."""
        return Condition._of(**{item.name: getattr(self, item.name) for item in fields(Condition)} | values)

    @staticmethod
    def none(n: int, seconds: float = 10.0, fs: float = 100.0) -> Condition:
        """An empty condition of ``n`` records: every channel is masked.

        Args:
            n: Number of records.
            seconds: Duration.
            fs: Sampling rate of the generated ECG in Hz.
        """
        samples = round(seconds * check_rate(fs))
        if n < 1 or samples < 1:
            raise InputError(f"{n} records of {seconds:g} s", "at least one record and one sample were expected")
        return Condition._of(
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

    def with_leads(self, ecg: ECG, lead_mask: Tensor | None = None) -> Condition:
        """Add observed leads; the generated ECG will have their rate and length.

        Args:
            ecg: One record for each of the condition, or one for all; its duration must be that of the condition.
                Missing samples (NaN) are masked.
            lead_mask: (batch, lead, time) or (batch, lead, 1) bool in the order of ``ecg.leads``; all samples if left
                out.

        Raises:
            InputError: If the duration or the number of records does not match.
        """
        self._check_duration("the ECG", ecg.seconds)
        signal = self._one_each("ECGs", ecg.signal)
        observed = torch.isfinite(signal)
        if lead_mask is not None:
            observed = observed & lead_mask.expand_as(signal)
        rows = [STANDARD_LEADS.index(lead) for lead in ecg.leads]
        leads = signal.new_zeros(len(self), len(STANDARD_LEADS), ecg.samples)
        mask = torch.zeros_like(leads, dtype=torch.bool)
        leads[:, rows] = torch.where(observed, signal, 0.0)
        mask[:, rows] = observed
        return self.replace(leads=leads, lead_mask=mask, fs=ecg.fs)

    def with_ppg(self, wave: ArrayLike, fs: float) -> Condition:
        """Add a photoplethysmogram.

        Args:
            wave: (time,), (batch, time) or (batch, 1, time), any unit. Missing samples (NaN) are masked.
            fs: Sampling rate in Hz.

        Raises:
            InputError: If the shape, duration or number of records does not match, or no sample of a PPG is finite.
        """
        wave, fs = _waveform(wave, fs)
        self._check_duration("the PPG", wave.shape[-1] / fs)
        observed = torch.isfinite(wave)
        if not bool(observed.any(-1).all()):
            raise InputError("the PPG holds values that are not finite, and no others", "a number was expected")
        ppg = self._one_each("PPGs", torch.where(observed, wave, 0.0)).contiguous()
        return self.replace(ppg=ppg, ppg_mask=self._one_each("PPGs", observed).contiguous(), ppg_fs=fs)

    def with_text(self, text: str | Sequence[str], parse: bool = True) -> Condition:
        """Add a report or diagnosis.

        Args:
            text: One text for all records, or one each; a blank text is masked.
            parse: Whether to use age, sex and heart rate stated in the text as metadata, for the records in which
                they are still missing (``ecggen.conditioning.metadata_in_text``).

        Raises:
            InputError: If the numbers of texts and records differ, or a value in the text is out of range.

        Example:
            >>> condition = Condition.none(1).with_text("sinus bradycardia 40 bpm")
            >>> condition.metadata[0, 2].item()
            40.0
        """
        given = [text] * len(self) if isinstance(text, str) else list(text)
        if len(given) != len(self):
            raise InputError(f"{len(given)} texts for {len(self)} records", "one each, or one for all, was expected")
        mask = torch.tensor([bool(report.strip()) for report in given], device=self.metadata.device)
        added = self.replace(text=tuple(given), text_mask=mask)
        return added._with_metadata_of_text() if parse and bool(mask.any()) else added

    def _with_metadata_of_text(self) -> Condition:
        """Fill in missing age, sex and heart rate from the texts."""
        metadata, mask = self.metadata.clone(), self.metadata_mask.clone()
        stated = {text: metadata_in(text) for text in set(self.text)}
        for row, text in enumerate(self.text):
            for column, name in enumerate(METADATA):
                value = None if mask[row, column] else getattr(stated[text], name)
                if value is not None:
                    metadata[row, column] = _metadata_value(name, value, "in the text, ") or 0.0
                    mask[row, column] = True
        return self.replace(metadata=metadata, metadata_mask=mask)

    def with_metadata(
        self,
        age: float | Sequence[float | None] | None = None,
        sex: str | float | Sequence[str | float | None] | None = None,
        heart_rate: float | Sequence[float | None] | None = None,
    ) -> Condition:
        """Add metadata, one value for all records or one each; ``None`` is missing.

        Args:
            age: Years. PTB-XL encodes ages above 89 as 300, which is converted to 90.
            sex: "M" or "F", or 0 (male) and 1 (female).
            heart_rate: Beats per minute.

        Raises:
            InputError: If a value is out of the range in ``METADATA``, or the number of values does not match.
        """
        metadata, mask = self.metadata.clone(), self.metadata_mask.clone()
        for column, (name, given) in enumerate(zip(METADATA, (age, sex, heart_rate), strict=True)):
            if given is None:
                continue
            values = [given] * len(self) if isinstance(given, str | float | int) else list(given)
            if len(values) != len(self):
                raise InputError(f"{len(values)} values of {name} for {len(self)} records", "one each was expected")
            numbers = [_metadata_value(name, value) for value in values]
            metadata[:, column] = torch.tensor([number or 0.0 for number in numbers])
            mask[:, column] = torch.tensor([number is not None for number in numbers])
        return self.replace(metadata=metadata, metadata_mask=mask)

    def mask_leads(self, keep: Tensor) -> Condition:
        """Mask leads where ``keep`` is False: (batch, 12) or (batch, 12, time) bool."""
        mask = self.lead_mask & (keep[..., None] if keep.ndim == 2 else keep)
        return self.replace(leads=self.leads * mask, lead_mask=mask)

    def drop(self, p: float | Mapping[str, float | np.ndarray], rng: np.random.Generator) -> Condition:
        """Mask each channel of each record at random (condition dropout).

        With condition dropout, one model learns all tasks and the unconditional prediction of classifier-free guidance
        (Ho & Salimans 2022). A dropped channel is the same as a missing one.

        Args:
            p: Probability, or probabilities by channel, each for all records or one per record (batch,).
            rng: Random number generator.
        """
        probability = dict.fromkeys(CHANNELS, p) if isinstance(p, int | float) else p
        kept = {
            channel: torch.as_tensor(
                rng.random(len(self)) >= probability.get(channel, 0.0), device=self.metadata.device
            )
            for channel in CHANNELS
        }
        metadata_mask = self.metadata_mask & torch.stack([kept[name] for name in METADATA], 1)
        lead_mask = self.lead_mask & kept["leads"][:, None, None]
        ppg_mask = self.ppg_mask & kept["ppg"][:, None, None]
        text_mask = self.text_mask & kept["text"]
        return self.replace(
            leads=self.leads * lead_mask,
            lead_mask=lead_mask,
            ppg=self.ppg * ppg_mask,
            ppg_mask=ppg_mask,
            text=tuple(text if keep else "" for text, keep in zip(self.text, text_mask.tolist(), strict=True)),
            text_mask=text_mask,
            metadata=self.metadata * metadata_mask,
            metadata_mask=metadata_mask,
        )

    def repeat(self, n: int) -> Condition:
        """Repeat each record ``n`` times; copies of one record are consecutive."""
        return self._map(
            lambda value: value.repeat_interleave(n, 0),
            lambda text: tuple(report for report in text for _ in range(n)),
        )

    def __getitem__(self, chosen: slice) -> Condition:
        return self._map(lambda value: value[chosen], lambda text: text[chosen])

    def during(self, first: int, last: int) -> Condition:
        """Samples ``first`` to ``last`` (exclusive) of a condition whose leads and PPG have the same rate."""
        part = {name: getattr(self, name)[..., first:last] for name in ("leads", "lead_mask", "ppg", "ppg_mask")}
        return self.replace(**part)

    def to(self, device: torch.device | str) -> Condition:
        """A copy on another device."""
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
        """Whether text or metadata are given, (batch,) bool."""
        return self.text_mask | self.metadata_mask.any(1)

    def observed_leads(self) -> tuple[str, ...]:
        """Leads with at least one observed sample in at least one record."""
        observed = self.lead_mask.any(-1).any(0).tolist()
        return tuple(lead for lead, given in zip(STANDARD_LEADS, observed, strict=True) if given)

    def has_gaps(self) -> Tensor:
        """Whether a lead is observed during a part of the time only, (batch,) bool."""
        return (self.lead_mask != self.lead_mask[..., :1]).flatten(1).any(1)

    def describe(self) -> str:
        """The condition of the first record as text, for provenance.

        Example:
            >>> Condition(age=74, sex="F").describe()
            'age 74; sex F'
        """
        parts = []
        if self.lead_mask[0].any():
            parts.append("leads " + " ".join(self[:1].observed_leads()))
        if self.ppg_mask[0].any():
            parts.append("PPG")
        if self.text_mask[0]:
            parts.append("text " + " ".join(self.text[0].split())[:200])
        for name, value, given in zip(METADATA, self.metadata[0].tolist(), self.metadata_mask[0].tolist(), strict=True):
            if given:
                formatted = "FM"[value < 0.5] if name == "sex" else f"{value:g}"
                parts.append(f"{name.replace('_', ' ')} {formatted}")
        return "; ".join(parts) or "nothing"

    @staticmethod
    def cat(conditions: Sequence[Condition]) -> Condition:
        """Concatenate conditions of the same rates and lengths to one batch."""
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
        return first.replace(**joined)

    def _map(self, tensor, text) -> Condition:
        moved = {}
        for item in fields(self):
            value = getattr(self, item.name)
            moved[item.name] = (
                tensor(value) if isinstance(value, Tensor) else text(value) if isinstance(value, tuple) else value
            )
        return Condition._of(**moved)

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


def _count(n: int | None, leads: ECG | None, wave: Tensor | None, *each: Any) -> int:
    """Number of records implied by several inputs; inputs of one record are broadcast."""
    counts = {len(value) for value in each if isinstance(value, list | tuple)}
    counts |= {len(value) for value in (leads, wave) if value is not None}
    counts |= {n} if n is not None else set()
    if len(counts - {1}) > 1:
        found = f"inputs for {' and '.join(map(str, sorted(counts - {1})))} records were given"
        raise InputError(found, "one number of records was expected", "give one value for all, or one each")
    return max(counts, default=1) if n is None else n


def _waveform(ppg: ArrayLike | Waveform, fs: float | None) -> tuple[Tensor, float]:
    """A PPG as (batch, 1, time), and its sampling rate."""
    wave, rate = (ppg.wave, ppg.fs) if isinstance(ppg, Waveform) else (ppg, fs)
    if rate is None:
        raise InputError("a PPG without a sampling rate was given", "its rate in Hz was expected", "pass ppg_fs")
    if fs is not None and fs != rate:
        raise InputError(f"a PPG at {rate:g} Hz and a rate of {fs:g} Hz were given", "one rate was expected")
    wave = torch.as_tensor(wave, dtype=torch.float32)
    if not 1 <= wave.ndim <= 3 or (wave.ndim == 3 and wave.shape[1] != 1):
        raise InputError(
            f"a PPG of shape {tuple(wave.shape)}", "(time,), (batch, time) or (batch, 1, time) was expected"
        )
    return (wave[None, None] if wave.ndim == 1 else wave[:, None] if wave.ndim == 2 else wave), check_rate(rate)


def _metadata_value(name: str, value: float | str | None, where: str = "") -> float | None:
    """Age, sex or heart rate as a number within its range; None if it is missing."""
    if value is None or value != value:
        return None
    if name == "sex" and isinstance(value, str):
        letter = value.strip()[:1].upper()
        if letter not in ("M", "F"):
            raise InputError(f"{where}sex is {value!r}", "'M' or 'F' was expected")
        return float(letter == "F")
    number = 90.0 if name == "age" and value == 300 else float(value)
    low, high = METADATA[name]
    if not low <= number <= high:
        raise InputError(f"{where}{name.replace('_', ' ')} is {number:g}", f"{low:g} to {high:g} was expected")
    return number
