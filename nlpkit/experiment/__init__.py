"""The life of a run, which every command that trains shares: prepare, train, judge, compare, write, push."""
