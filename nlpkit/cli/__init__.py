"""The command line: parsing and printing only. Nothing here imports torch or transformers."""
