"""Texts that are found by what they mean and by their words: `index` and `search`."""
