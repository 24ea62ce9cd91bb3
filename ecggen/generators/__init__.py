"""Generative models of ECGs. The folder is the registry: one file per generator, with one class of the same name."""
