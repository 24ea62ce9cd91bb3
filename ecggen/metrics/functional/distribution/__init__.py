"""Distances between two sets of records on named features: Fréchet distance, KID, and precision and recall."""
