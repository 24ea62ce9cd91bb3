"""Jobs of commands that write folders of many records: shards, resuming, tables and files."""
