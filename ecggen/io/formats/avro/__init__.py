"""Avro: the object container, and the EmbracePlus recordings stored in it."""
