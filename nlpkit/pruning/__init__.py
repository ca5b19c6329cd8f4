"""Taking weights, structures and vocabulary out of a model: what goes, what it costs, the Trainer that recovers."""
