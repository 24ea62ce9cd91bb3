"""Generation of an ECG as a rhythm, a median beat and a residual (``ecggen.core.beats``)."""
