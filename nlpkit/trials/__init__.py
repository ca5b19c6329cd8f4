"""Runs of other commands, each in a process of its own: what a search or a comparison is made of."""
