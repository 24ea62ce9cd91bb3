"""What a generator is given, and how it is encoded: conditions, text, metadata, and the priors of rhythm and patients."""
