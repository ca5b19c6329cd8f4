"""Zero-shot classification: labels that are named when asked, judged by a model for natural language inference."""
