"""How a model writes: settings, the loop from token to token, where it stops."""
