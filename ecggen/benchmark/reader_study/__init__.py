"""A blinded reader study: real and synthetic ECGs for cardiologists, and the scores of their answers."""
