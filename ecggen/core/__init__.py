"""Basic types and signal functions: ECG, errors, filters, rhythm, simulation and artifacts. No files, no networks."""
