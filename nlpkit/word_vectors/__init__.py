"""Vectors of words: learned from running text, kept in a folder, opened again, and measured."""
