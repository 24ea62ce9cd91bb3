"""The families of generators; the folder is the registry: one file, one ``Generator`` of the same name."""
