"""Base class of extractors whose network takes windows of fixed leads, rate and length, scaled to unit deviation.

Scaling removes the unit: a record in another unit would pass unnoticed, and a flat record would be amplified to noise.
So a recording is checked before it is scaled, and the network's input is checked again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecggen.core.ecg import ECG, STANDARD_LEADS, check_leads, determined_by
from ecggen.core.errors import InputError
from ecggen.networks.ecg_fm import ECGFMNetwork
from ecggen.networks.ecg_founder import ECGFounderNetwork

LARGEST = 50.0
"""Largest distance in mV from a lead's mean; a larger one exceeds any ECG or artefact, so the unit must be wrong."""
SMALLEST = 0.02
"""Smallest peak-to-peak amplitude in mV of the largest lead; a smaller record is flat, or in volts."""
MARGIN = 1.0
"""Seconds kept beyond the window until resampling, to avoid edge effects of the filter inside it."""
QUIET = 1e-4
"""Standard deviation in mV below which a lead is flat: 0.1 µV is below the resolution of recorders."""


class WindowExtractor(ABC):
    """Crops, filters and scales ECGs for a network; subclasses define the filter and the scaling.

    A record is cropped to its first ``seconds`` s. If these are several windows, its features are the mean over them.

    Args:
        network: Prepared waveforms (record, lead, sample) → (record, width).
        name: As in ``Extractor``.
        leads: The network's leads, in its order; by default all twelve, or lead I.
        seconds: Length that is used of a record, a whole number of windows; one window by default.
        device: Device of the network.
        batch: Records per forward pass.

    Raises:
        InputError: If the leads do not fit the network, or the length is not a whole number of windows.
    """

    title: str
    rate = 500.0
    """Hz of the network's input."""
    window: float
    """Window length in s that the network was trained on."""
    least_rate: float
    """Lowest sampling rate in Hz that contains the network's pass band."""
    scaled_over: tuple[int, ...]
    """Axes of (record, lead, sample) over which mean and deviation are computed."""

    def __init__(
        self,
        network: ECGFounderNetwork | ECGFMNetwork,
        name: str,
        leads: Sequence[str] | None = None,
        seconds: float | None = None,
        device: torch.device | str = "cpu",
        batch: int = 32,
    ):
        self.channels, self.width = network.channels, network.width
        self.leads = STANDARD_LEADS[: self.channels] if leads is None else tuple(leads)
        self.seconds = self.window if seconds is None else float(seconds)
        self.name, self.batch, self.device = name, batch, torch.device(device)
        self._model = network.to(self.device).eval()
        self._check_view()

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Each step and its parameters, in order."""
        return {
            "leads": list(self.leads),
            "least_rate_hz": self.least_rate,
            "rate_hz": self.rate,
            "resampling": "polyphase with anti-alias filter",
            "cut": f"the first {self.seconds:g} s",
            **self._filtering(),
            "scaling": f"mean 0 and deviation 1 over {self._scaled()}",
            "windows": round(self.seconds / self.window),
        }

    @property
    def samples(self) -> int:
        """Samples of a prepared record."""
        return round(self.seconds * self.rate)

    def features(self, ecg: ECG) -> np.ndarray:
        """(record, width) float64; all records are checked before the first is computed.

        Raises:
            InputError: If there are no records, leads are missing, the sampling rate is too low, the recording too
                short, a value missing, a record flat, or an amplitude outside the physiological range.
        """
        self._check_form(ecg)
        for first, part in self._parts(ecg):
            _check_records(self._cut(part).crop(0, self.seconds), first)
        return torch.cat([self.network(self._prepare(part)) for _, part in self._parts(ecg)]).double().cpu().numpy()

    def prepare(self, ecg: ECG) -> Tensor:
        """The network's input: float32 (record, lead, sample), without unit.

        Raises:
            InputError: As ``features``.
        """
        self._check_form(ecg)
        _check_records(self._cut(ecg).crop(0, self.seconds), 0)
        return self._prepare(ecg)

    @torch.inference_mode()
    def network(self, x: Tensor) -> Tensor:
        """Features (record, width) of the output of ``prepare``.

        Raises:
            InputError: If the shape differs, a value is missing, or the input has not been scaled.
        """
        self._check_prepared(x)
        windows = x.unflatten(-1, (-1, round(self.window * self.rate))).transpose(1, 2)
        return self._model(windows.flatten(0, 1).to(self.device)).unflatten(0, windows.shape[:2]).mean(1)

    @abstractmethod
    def _filter(self, waves: np.ndarray) -> np.ndarray:
        """float64 waveforms (record, lead, sample) at ``rate``, filtered as the network's training data were."""

    @abstractmethod
    def _filtering(self) -> dict[str, Any]:
        """The parameters of ``_filter``."""

    def _scaled(self) -> str:
        return "each lead" if self.scaled_over == (2,) else "all leads of a record together"

    def _parts(self, ecg: ECG) -> Iterator[tuple[int, ECG]]:
        for first in range(0, len(ecg), self.batch):
            yield first, ecg[first : first + self.batch]

    def _cut(self, ecg: ECG) -> ECG:
        """The network's leads, selected by name, cropped to the part that is used."""
        ecg = ecg.crop(0, min(ecg.seconds, self.seconds + MARGIN))
        return (ecg if set(self.leads) <= set(ecg.leads) else ecg.standard()).pick(*self.leads)

    def _prepare(self, ecg: ECG) -> Tensor:
        at_rate = self._cut(ecg).resample(self.rate)
        waves = self._filter(at_rate.signal[..., : self.samples].cpu().double().numpy())
        return torch.from_numpy(_scale(waves, self.scaled_over).astype(np.float32))

    def _check_view(self) -> None:
        check_leads(self.leads)
        if len(self.leads) != self.channels or (self.channels == 12 and self.leads != STANDARD_LEADS):
            raise InputError(
                f"{self.title} was given the leads {', '.join(self.leads)}",
                f"its network takes {self.channels} lead(s)"
                + (", the twelve in standard order" if self.channels == 12 else ""),
            )
        windows = self.seconds / self.window
        if not (windows >= 1 and windows % 1 == 0):
            raise InputError(
                f"{self.title} was given a length of {self.seconds:g} s",
                f"a multiple of {self.window:g} s was expected",
            )

    def _check_form(self, ecg: ECG) -> None:
        """Raise InputError if the records cannot be converted to the network's input format."""
        if not len(ecg):
            raise InputError("there is no record", "at least one was expected")
        unknown = [lead for lead in self.leads if lead not in determined_by(ecg.leads)]
        if unknown:
            raise InputError(
                f"the ECG has leads {', '.join(ecg.leads)}, from which {', '.join(unknown)} do not follow",
                f"{self.title} takes {', '.join(self.leads)}",
                "reconstruct the missing leads first, or use an extractor that needs fewer",
            )
        if ecg.fs < self.least_rate:
            raise InputError(
                f"the sampling rate is {ecg.fs:g} Hz",
                f"at least {self.least_rate:g} Hz were expected to contain {self.title}'s pass band",
                "use the recording at its original rate",
            )
        if ecg.seconds < self.seconds - 1e-6:
            raise InputError(
                f"the records last {ecg.seconds:.4g} s",
                f"{self.title} takes {self.seconds:g} s and pads nothing",
                "use longer records",
            )

    def _check_prepared(self, x: Tensor) -> None:
        expected = f"(record, {self.channels}, {self.samples}) was expected"
        do = "give the ECG to features(), which prepares it"
        if x.ndim != 3 or not len(x) or x.shape[1:] != (self.channels, self.samples):
            raise InputError(f"the network's input has shape {tuple(x.shape)}", expected, do)
        if not bool(torch.isfinite(x).all()):
            raise InputError("the network's input has missing or infinite values", do=do)
        mean, deviation = x.mean(self.scaled_over), x.std(self.scaled_over)
        flat = ((mean == 0) & (deviation == 0)).reshape(len(x), -1)
        # A single lead may be masked, a whole record may not.
        masked = (flat & ~flat.all(1, keepdim=True)).reshape(mean.shape)
        off = torch.where(masked, 0, torch.maximum(mean.abs(), (deviation - 1).abs()))
        if float(off.max()) > 0.05:
            worst = int(off.argmax())
            raise InputError(
                f"the network's input has mean {mean.flatten()[worst]:.2g} and deviation "
                f"{deviation.flatten()[worst]:.2g}",
                f"mean 0 and deviation 1 over {self._scaled()} were expected",
                do,
            )


def _check_records(ecg: ECG, first: int) -> None:
    """Raise InputError for the first record that cannot be scaled; ``first`` is the number of record 0 of ``ecg``."""
    signal = ecg.signal
    _refuse(
        ~torch.isfinite(signal).all(-1).all(-1),
        first,
        "has missing values",
        "a finite value for every sample was expected",
    )
    size = (signal.amax(-1) - signal.amin(-1)).amax(-1)
    _refuse(
        size < SMALLEST,
        first,
        f"is flat (its largest lead spans less than {SMALLEST:g} mV)",
        "a signal that can be scaled to unit deviation was expected (is it in volts?)",
    )
    reach = (signal - signal.mean(-1, keepdim=True)).abs().amax((1, 2))
    _refuse(reach > LARGEST, first, f"reaches beyond {LARGEST:g} mV", "millivolts were expected (is it in microvolts?)")


def _refuse(bad: Tensor, first: int, found: str, expected: str) -> None:
    if bool(bad.any()):
        number = first + int(bad.int().argmax())
        raise InputError(f"record {number} (counted from 0) {found}", expected, "repair or omit it")


def _scale(waves: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Mean 0 and deviation 1; flat signals become 0, as a masked lead."""
    waves = waves - waves.mean(axes, keepdims=True)
    deviation = waves.std(axes, keepdims=True)
    return np.where(deviation > QUIET, waves / np.maximum(deviation, QUIET), 0.0)
