"""Networks that look at ECGs: classifier, ECG-text encoder, delineator and public foundation models."""
