"""Long recordings: from file to files in blocks, resumable, with an overview and pictures of chosen moments."""
