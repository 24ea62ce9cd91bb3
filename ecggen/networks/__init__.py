"""Neural networks on tensors, independent of conditions and ECG objects, and their storage."""
