"""Text classification: binary, multi-class, multi-label and regression."""
