"""The run folder: write, read, lineage, model card, plots."""
