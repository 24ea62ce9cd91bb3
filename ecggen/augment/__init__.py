"""Training-set augmentation: synthetic records by class, checks, mixing with real records, classical transforms."""
