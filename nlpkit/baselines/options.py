"""Options of the classical models that stand beside one that is trained."""

from __future__ import annotations

from nlpkit.options import Config, option

READERS = ("word2vec", "lstm", "cnn")


class WordVectorsOptions(Config):
    """What networks over words, and the mean of vectors, begin with."""

    word_vectors: str | None = option(
        None,
        f"Vectors that {', '.join(READERS)} begin with: of train-vectors, or a file of word2vec, GloVe or fastText.",
        panel="Output",
        metavar="PATH",
        shown_default="learnt from train",
        only_with={"baseline": (*READERS, "all")},
    )
