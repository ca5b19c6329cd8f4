"""Topics of texts: found, wished for, merged, over time, and given to new texts: `topics`."""
