"""SCP-ECG (EN 1064): sections, compression and patient data."""
