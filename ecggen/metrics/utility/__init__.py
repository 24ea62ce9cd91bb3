"""Are synthetic records worth training on: classifiers trained on real and synthetic records, and their scores."""
