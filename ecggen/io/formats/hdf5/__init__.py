"""HDF5, read in a process of its own: CODE-15 %, OpenSignals and plain arrays."""
