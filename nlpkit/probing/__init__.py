"""What a model knows, layer by layer: probing classifiers, and what single heads do."""
