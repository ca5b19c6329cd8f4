"""Tokenizers: pipelines to train, the right class to save them as, extending, measuring."""
