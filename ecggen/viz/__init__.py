"""Plots of ECGs on standard paper: ``draw`` makes a figure, ``save`` writes it."""

from ecggen.viz.ecg import draw
from ecggen.viz.paper import save

__all__ = ["draw", "save"]
