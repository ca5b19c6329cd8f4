"""Sentence embedding: a vector per text, such that texts of like meaning have like vectors."""
