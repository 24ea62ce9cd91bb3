"""Networks on tensors; nothing here has heard of an ECG."""
