"""Signals as values: the ECG, its errors, rhythm, simulated hearts and artifacts; knows no files and no networks."""
