"""EDF, EDF+ and BDF: reading and writing."""
