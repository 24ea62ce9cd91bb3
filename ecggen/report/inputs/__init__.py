"""Sets of ECGs found, opened, brought into one form and measured once."""
