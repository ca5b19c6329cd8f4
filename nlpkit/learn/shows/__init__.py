"""What `nlpkit learn TOPIC` shows, a module a topic."""
