"""Options of word vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from nlpkit.options import Config, DeviceOptions, NotWith, OnlyWith, SeedOptions, Strings, option, option_like
from nlpkit.options.values import Names

Architecture = Literal["skip-gram", "cbow"]
PANEL = "Training"
TRAINED = NotWith(("vectors",), why=": --vectors names some that are there, and none are trained")


class WordVectorOptions(Config):
    """How vectors of words are learned; the defaults are gensim's, those of pieces fastText's."""

    architecture: Architecture = option(
        "skip-gram",
        "What word2vec learns by.",
        panel=PANEL,
        only_with=TRAINED,
    )
    subwords: bool = option(False, "Learn pieces of words too, as fastText does.", panel=PANEL, only_with=TRAINED)
    vector_size: int = option(100, "Dimensions of a vector.", panel=PANEL, ge=1, le=10_000, only_with=TRAINED)
    window: int = option(5, "Words to either side, at most.", panel=PANEL, ge=1, le=10_000, only_with=TRAINED)
    min_count: int = option(5, "Leave out words that stand there less often.", panel=PANEL, ge=1, only_with=TRAINED)
    epochs: int = option(5, "Passes over the text.", panel=PANEL, ge=1, only_with=TRAINED)
    negative: int = option(5, "Drawn words that each word is told from.", panel=PANEL, ge=1, only_with=TRAINED)
    sample: float = option(
        1e-3, "Share of the text from which on a word is thinned out; 0 = none is.", panel=PANEL, ge=0, le=1,
        only_with=TRAINED,
    )  # fmt: skip
    learning_rate: float = option(
        0.025, "Learning rate, which falls to 0.0001.", panel=PANEL, gt=1e-4, le=10, only_with=TRAINED
    )
    lowercase: bool = option(True, "Read the text in lower case.", panel=PANEL, only_with=TRAINED)
    shortest_piece: int = option(3, "Characters of a piece, at least.", panel=PANEL, ge=1, only_with="subwords")
    longest_piece: int = option(6, "Characters of a piece, at most.", panel=PANEL, ge=1, only_with="subwords")
    buckets: int = option(
        2_000_000, "Places that pieces are hashed to; each is a vector in memory.", panel=PANEL, ge=1, le=2**31 - 1,
        only_with="subwords",
    )  # fmt: skip
    threads: int = option_like(
        DeviceOptions,
        "threads",
        1,
        "CPU threads; with more than one no two runs are alike.",
        panel=PANEL,
        only_with=TRAINED,
    )
    seed: int = option_like(SeedOptions, "seed", help="Seed of the first vectors and of draws.", only_with=TRAINED)

    @model_validator(mode="after")
    def _pieces(self) -> Self:
        if self.longest_piece < self.shortest_piece:
            raise ValueError(
                f"--longest-piece {self.longest_piece} is below --shortest-piece {self.shortest_piece}: no piece fits"
            )
        return self


class AskedOptions(Config):
    """What vectors are asked for."""

    evaluate: Strings = option([], "Analogies or scored pairs (repeatable).", panel="Questions", metavar="FILE")
    neighbours: Strings = option([], "Show the nearest words (repeatable).", panel="Questions", metavar="WORD")
    analogy: Strings = option([], "Show the sum 'king - man + woman' (repeatable).", panel="Questions", metavar="SUM")
    top_k: int = option(
        10, "Words that are shown of each.", panel="Questions", ge=1, only_with=OnlyWith(("neighbours", "analogy"))
    )
    words: Names = option(
        [],
        "Words of the picture.",
        panel="Questions",
        metavar="WORD,...",
        shown_default="of analogies, or frequent ones",
    )
    picture: Path | None = option(
        None, "PNG to draw the words in.", panel="Questions", metavar="FILE", only_with="vectors"
    )
