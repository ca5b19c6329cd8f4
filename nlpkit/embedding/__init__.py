"""From texts to vectors: `embed`."""
