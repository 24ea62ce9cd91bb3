"""An extractor whose network looks at a window of fixed leads, rate and length, brought to unit deviation.

Scaling divides the millivolts out: a record in another unit would pass unnoticed, and a flat one would turn into
loud noise. So a recording is looked over before it is scaled, and what reaches the network is looked over once more.
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
"""mV from a lead's mean: more than any heart or shaken electrode gives, so the unit must be wrong."""
SMALLEST = 0.02
"""mV from top to bottom of the largest lead: with less the record is flat, or in volts."""
MARGIN = 1.0
"""Seconds kept beyond the window until the rate is changed, so that the window does not feel the cut."""
QUIET = 1e-4
"""mV; a lead that deviates less is flat: 0.1 µV lies below the resolution of recorders, so only rounding is left."""


class WindowExtractor(ABC):
    """Cuts, filters and scales ECGs for a network; what a kind of network needs stands in its subclass.

    A record is cut to its first ``seconds`` s; where that is several windows, its features are the mean of theirs.

    Args:
        network: Prepared waves (record, lead, sample) → (record, width).
        name: As of ``Extractor``.
        leads: The leads that the network looks at, in its order; all twelve, or lead I, if left out.
        seconds: How much of a record is looked at: a whole number of windows, one if left out.
        device: Where the network computes.
        batch: Records at a time.

    Raises:
        InputError: Where the leads are not the network's, or the seconds no whole number of windows.
    """

    title: str
    rate = 500.0
    """Hz of the network's input."""
    window: float
    """Seconds that the network was trained on."""
    least_rate: float
    """Hz; the slowest recording that holds the network's band."""
    scaled_over: tuple[int, ...]
    """Axes of (record, lead, sample) over which the deviation is taken."""

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
        """Each step and its numbers, in order."""
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
        """(record, width) float64; all records are looked over before the first is computed.

        Raises:
            InputError: Without records, on too few leads, too slow or too short a recording, a missing value, a flat
                record and an amplitude that no heart has.
        """
        self._check_form(ecg)
        for first, part in self._parts(ecg):
            _check_records(self._cut(part).crop(0, self.seconds), first)
        return torch.cat([self.network(self._prepare(part)) for _, part in self._parts(ecg)]).double().cpu().numpy()

    def prepare(self, ecg: ECG) -> Tensor:
        """What the network is given: float32 (record, lead, sample), without unit.

        Raises:
            InputError: As ``features``.
        """
        self._check_form(ecg)
        _check_records(self._cut(ecg).crop(0, self.seconds), 0)
        return self._prepare(ecg)

    @torch.inference_mode()
    def network(self, x: Tensor) -> Tensor:
        """Features (record, width) of what ``prepare`` gives.

        Raises:
            InputError: On another shape, a missing value, or waves that have not been scaled.
        """
        self._check_prepared(x)
        windows = x.unflatten(-1, (-1, round(self.window * self.rate))).transpose(1, 2)
        return self._model(windows.flatten(0, 1).to(self.device)).unflatten(0, windows.shape[:2]).mean(1)

    @abstractmethod
    def _filter(self, waves: np.ndarray) -> np.ndarray:
        """float64 waves (record, lead, sample) at ``rate``, filtered as the network's training data were."""

    @abstractmethod
    def _filtering(self) -> dict[str, Any]:
        """The numbers of ``_filter``."""

    def _scaled(self) -> str:
        return "each lead" if self.scaled_over == (2,) else "all leads of a record together"

    def _parts(self, ecg: ECG) -> Iterator[tuple[int, ECG]]:
        for first in range(0, len(ecg), self.batch):
            yield first, ecg[first : first + self.batch]

    def _cut(self, ecg: ECG) -> ECG:
        """The network's leads, by name, of the part that matters."""
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
                f"{self.title} is to look at {', '.join(self.leads)}",
                f"its network looks at {self.channels} lead(s)"
                + (", the twelve in standard order" if self.channels == 12 else ""),
            )
        windows = self.seconds / self.window
        if not (windows >= 1 and windows % 1 == 0):
            raise InputError(
                f"{self.title} is to look at {self.seconds:g} s", f"a multiple of {self.window:g} s was expected"
            )

    def _check_form(self, ecg: ECG) -> None:
        """An InputError where no record can be brought into the network's form."""
        if not len(ecg):
            raise InputError("there is no record", "at least one was expected")
        unknown = [lead for lead in self.leads if lead not in determined_by(ecg.leads)]
        if unknown:
            raise InputError(
                f"the ECG has leads {', '.join(ecg.leads)}, from which {', '.join(unknown)} do not follow",
                f"{self.title} looks at {', '.join(self.leads)}",
                "reconstruct the missing leads first, or use a classifier that needs fewer",
            )
        if ecg.fs < self.least_rate:
            raise InputError(
                f"the sampling rate is {ecg.fs:g} Hz",
                f"at least {self.least_rate:g} Hz were expected: below, {self.title}'s band is not in the recording",
                "use the recording at its original rate",
            )
        if ecg.seconds < self.seconds - 1e-6:
            raise InputError(
                f"the records last {ecg.seconds:.4g} s",
                f"{self.title} looks at {self.seconds:g} s and pads nothing",
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
        silent = ((mean == 0) & (deviation == 0)).reshape(len(x), -1)
        # A lead may be hidden, a record not.
        hidden = (silent & ~silent.all(1, keepdim=True)).reshape(mean.shape)
        off = torch.where(hidden, 0, torch.maximum(mean.abs(), (deviation - 1).abs()))
        if float(off.max()) > 0.05:
            worst = int(off.argmax())
            raise InputError(
                f"the network's input has mean {mean.flatten()[worst]:.2g} and deviation "
                f"{deviation.flatten()[worst]:.2g}",
                f"mean 0 and deviation 1 over {self._scaled()} were expected",
                do,
            )


def _check_records(ecg: ECG, first: int) -> None:
    """An InputError for the first record that cannot be scaled; ``first`` is the number of the first one here."""
    signal = ecg.signal
    _refuse(~torch.isfinite(signal).all(-1).all(-1), first, "lacks values", "a value for every sample was expected")
    size = (signal.amax(-1) - signal.amin(-1)).amax(-1)
    _refuse(
        size < SMALLEST,
        first,
        f"is flat (its largest lead spans less than {SMALLEST:g} mV)",
        "a signal was expected: nothing can be brought to unit deviation here (is it in volts?)",
    )
    reach = (signal - signal.mean(-1, keepdim=True)).abs().amax((1, 2))
    _refuse(reach > LARGEST, first, f"reaches beyond {LARGEST:g} mV", "millivolts were expected (is it in microvolts?)")


def _refuse(bad: Tensor, first: int, found: str, expected: str) -> None:
    if bool(bad.any()):
        number = first + int(bad.int().argmax())
        raise InputError(f"record {number} (counted from 0) {found}", expected, "mend it or leave it out")


def _scale(waves: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Mean 0 and deviation 1; what is flat becomes 0, as a lead that the network does not see."""
    waves = waves - waves.mean(axes, keepdims=True)
    deviation = waves.std(axes, keepdims=True)
    return np.where(deviation > QUIET, waves / np.maximum(deviation, QUIET), 0.0)
