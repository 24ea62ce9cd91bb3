"""A blinded reader study: real and synthetic ECGs for cardiologists, and the evaluation of their answers."""
