"""Feature extractors: one feature vector per record, on which FID, KID and PRDC compare sets.

A network that is given the wrong leads, sampling rate or scale returns meaningless features without an error. So an
extractor includes its preprocessing: it takes ECGs (named leads, Hz, mV), converts them to the format that its network
was trained on, and raises an error where that is impossible. ``preprocessing`` documents the steps.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from ecggen.core.ecg import ECG


@runtime_checkable
class Extractor(Protocol):
    """Features of ECGs."""

    @property
    def name(self) -> str:
        """Kind and first twelve digits of the SHA-256 of the weights ("ecg-founder@0123456789ab")."""
        ...

    @property
    def width(self) -> int:
        """Features per record."""
        ...

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Preprocessing of an ECG, as plain values for a report."""
        ...

    def features(self, ecg: ECG) -> np.ndarray:
        """(record, width) float64.

        Raises:
            InputError: If the ECG cannot be converted to the network's input format.
        """
        ...
