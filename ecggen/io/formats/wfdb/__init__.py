"""WFDB: PhysioNet's text header beside binary samples, also as the Challenges publish it."""
