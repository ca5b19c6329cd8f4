"""Hyperparameters: what is searched, the trials of a search, what they say, and what they are worth on other rows."""
