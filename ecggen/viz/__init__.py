"""An ECG on paper, as a cardiologist reads it: ``draw`` makes the figure, ``save`` writes it."""

from ecggen.viz.ecg import draw
from ecggen.viz.paper import save

__all__ = ["draw", "save"]
