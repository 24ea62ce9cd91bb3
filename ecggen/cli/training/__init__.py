"""Commands that train: generators, evaluators and the text encoder."""
