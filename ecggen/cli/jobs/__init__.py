"""Jobs of commands that fill a folder with many records: prompts, shards, resuming, lists and files."""
