"""The label of what is no target: a token between targets, padding, a row without a label."""

IGNORED = -100
"""Left out of losses, as torch's cross-entropy does by itself, and of what they are divided by."""
