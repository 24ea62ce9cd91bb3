"""Generators without a network: what a trained one must beat to be worth shipping."""
