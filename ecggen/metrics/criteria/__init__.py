"""Diagnostic criteria: textbook rules of ECG statements, evaluated on delineated intervals, amplitudes and rhythm."""
