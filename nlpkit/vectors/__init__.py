"""Vectors of texts in files: how their numbers are stored, what they were made with, and how like two of them are."""
