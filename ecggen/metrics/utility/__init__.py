"""Utility of synthetic records as training data: classifiers trained on real and synthetic records (TSTR, TRTS)."""
