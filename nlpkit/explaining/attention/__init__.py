"""Attention as pictures, and as one page that works from the disk: which token each head reads."""
