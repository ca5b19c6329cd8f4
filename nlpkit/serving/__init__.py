"""Trained models behind HTTP: requests in, answers out."""
