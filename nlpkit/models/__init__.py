"""Opening models and tokenizers, and what is inside them: layers, shapes, embeddings, exported graphs."""
