"""Distances between two sets of feature vectors: Fréchet distance, KID, MMD, precision, recall, density, coverage."""
