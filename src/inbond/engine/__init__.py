"""The data engine: journal, completions, filters, shards."""
