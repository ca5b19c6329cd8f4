"""Metrics as `evaluate` classes that need no network."""
