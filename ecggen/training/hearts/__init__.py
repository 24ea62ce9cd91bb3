"""Training of the heart-first model (``ecggen.generators.hearts``)."""
