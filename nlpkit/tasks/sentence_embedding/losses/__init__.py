"""The losses that embedders are trained with: those of sentence-transformers, over nlpkit's own forward pass."""
