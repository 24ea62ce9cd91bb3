"""Avro's object container, and the EmbracePlus recordings that are stored in it."""
