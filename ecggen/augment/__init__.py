"""More records for a training set: drawn by class, checked, mixed with real ones, or changed as classical augmentation does."""
