"""Long recordings in blocks, and live recordings in chunks."""
