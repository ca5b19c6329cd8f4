"""Smaller and faster models: pure functions on models and tokenizers."""
