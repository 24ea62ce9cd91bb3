"""Benchmarks: protocols that say what is measured on which data, run on any generator with the baselines beside it."""
