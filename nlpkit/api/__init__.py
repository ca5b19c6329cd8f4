"""The Python API: a function for each command, the report that it returns, and a model that answers.

`nlpkit` itself hands these on when they are asked for, so that `import nlpkit` takes no time.
"""
