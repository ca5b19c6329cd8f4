"""Going on with a text."""
