"""Leads that a recording lacks, drawn by a generator: how a data set of few leads teaches twelve."""

from __future__ import annotations

from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG
from ecggen.generators.base import Generator


class LeadImputer:
    """Draws the leads that a recording lacks.

    Args:
        generator: What draws them; its name stands for the answer.
    """

    def __init__(self, generator: Generator):
        self.generator, self.name = generator, generator.name

    def __call__(self, ecg: ECG) -> ECG:
        """Twelve leads, those of ``ecg`` as they are; one draw, always the same."""
        return self.generator.sample(Condition(ecg))
