"""WFDB: PhysioNet's text header with binary samples, and the variant of the PhysioNet Challenges."""
