"""Benchmarks: protocols define what is measured on which data, for any generator and the baselines."""
