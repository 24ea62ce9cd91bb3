"""Training from scratch or from weights: trainer, masking of conditions, calibration, and evaluators' training."""
