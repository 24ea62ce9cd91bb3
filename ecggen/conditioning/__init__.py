"""Conditions and their encoding: leads, PPG, text and metadata, and the priors of rhythm and patients."""
