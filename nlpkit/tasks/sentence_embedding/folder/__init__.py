"""The files beside a model by which sentence-transformers, and servers of its models, know what its vectors are.

A folder of sentence-transformers lists modules (modules.json): a transformer, what pools its states into one
(1_Pooling/config.json), and what scales it to length 1 (2_Normalize). How many tokens are read stands in
sentence_bert_config.json, prompts in config_sentence_transformers.json. sentence-transformers itself is not imported:
that takes seconds, and a folder is read and written by its files.
"""
