"""Imputation of missing leads with a generator, to use data sets with few leads for twelve-lead training."""

from __future__ import annotations

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.generators.base import Generator


class LeadImputer:
    """Imputes missing leads with one draw of a generator.

    Args:
        generator: The generator; its name is used as name of the imputer.
    """

    def __init__(self, generator: Generator):
        self.generator, self.name = generator, generator.name

    def __call__(self, ecg: ECG) -> ECG:
        """Twelve leads; the leads of ``ecg`` are returned unchanged. The draw is deterministic (seed 0)."""
        return self.generator.sample(Condition(ecg))
