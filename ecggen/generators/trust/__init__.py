"""How unlike the training data a recording is, and how much wider its prediction interval must be."""

from ecggen.generators.trust.widening import Trust, Widening

__all__ = ["Trust", "Widening"]
