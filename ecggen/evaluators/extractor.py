"""What turns ECGs into features: one row of numbers a record, on which FID, KID and PRDC compare sets.

A network that is fed with the wrong leads, rate or scale answers all the same, with features that mean nothing.
So an extractor owns its preparation: it is given ECGs (named leads, Hz, mV), brings them into the form that its
network was trained on, and refuses those for which that is impossible. It says in ``preprocessing`` what it did.
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
        """What is done to an ECG before the network sees it, in plain values for a report."""
        ...

    def features(self, ecg: ECG) -> np.ndarray:
        """(record, width) float64.

        Raises:
            InputError: Where the ECG cannot be brought into the extractor's form.
        """
        ...
