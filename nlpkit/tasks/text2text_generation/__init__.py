"""One text to another: translations, summaries, answers."""
