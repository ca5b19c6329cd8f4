"""The pieces of a Transformer, each a few lines of torch beside its formula and paper; nothing here needs nlpkit."""
