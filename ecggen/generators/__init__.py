"""Models that turn a condition into an ECG. The folder is the registry: one file, one class of the same name."""
