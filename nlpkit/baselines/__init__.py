"""Simpler models that stand beside one that is trained: learnt from the same rows, judged on the same, and timed."""
