"""The task contract, the registry, and one folder per task."""
