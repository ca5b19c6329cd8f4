"""Why a model answers as it does: what its words are worth to an answer, and how far such figures can be believed."""
