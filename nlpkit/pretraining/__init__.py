"""From running text to a pre-trained encoder: architectures, token streams, masking, objectives, the Trainer run."""
