"""`learn`: the pieces of a Transformer by hand, and what they show of a model."""
