"""Baselines: generators without a network, for comparison with trained generators."""
