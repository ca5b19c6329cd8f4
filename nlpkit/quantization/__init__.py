"""Models in fewer bits: the exported graph, its rewrites, its int8 versions."""
