"""Finished and unfinished runs looked at from outside: listed, compared, reported."""
