"""The experiments of the exercises: variants of a small model of bytes, trained alike, told apart by their seeds."""
