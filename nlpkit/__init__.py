"""nlpkit: check data, fine-tune, measure and use encoder models.

Every subcommand is a module of `nlpkit.recipes` with a `Config` and a `run`:

>>> from nlpkit.recipes import finetune_cls
>>> report = finetune_cls.run(finetune_cls.Config(data="reviews.csv"))  # doctest: +SKIP
"""

__version__ = "0.1.0"
