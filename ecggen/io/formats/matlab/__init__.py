"""MATLAB files."""
