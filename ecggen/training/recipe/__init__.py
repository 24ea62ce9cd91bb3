"""Recipes: training configs with stages, which one command runs one after another (``ecggen train``)."""
