"""Many files answered at once: shards in, shards out, and a manifest of what is done."""
