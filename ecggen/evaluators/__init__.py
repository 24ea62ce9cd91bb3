"""Evaluation networks: classifier, ECG–text encoder, delineator and public foundation models."""
