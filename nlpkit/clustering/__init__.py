"""Groups of texts by their vectors: `cluster`."""
