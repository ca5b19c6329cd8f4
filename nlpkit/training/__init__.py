"""What every Trainer run shares."""
