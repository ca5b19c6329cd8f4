"""Token classification: entities, phrases, parts of speech."""
