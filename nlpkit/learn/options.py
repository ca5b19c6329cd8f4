"""Options of `learn`."""

from __future__ import annotations

from pathlib import Path

from nlpkit.learn.experiments.options import ExperimentOptions
from nlpkit.learn.topics import TOPICS, only_where_read
from nlpkit.options import (
    FolderOptions,
    GivenModelOptions,
    OnlyWith,
    OpeningOptions,
    SeedOptions,
    Strings,
    option,
    option_like,
)

OF_PIECES = OnlyWith(
    ("topic",),
    tuple(name for name, topic in TOPICS.items() if topic.kind == "piece"),
    why=" is read by the pieces; an experiment has --seeds",
    shown="only with a piece",
)


class LearnOptions(ExperimentOptions, OpeningOptions):
    """What is looked at, on which model and text, and where the pictures go."""

    topic: str | None = option(
        None, "What to look at; without one: the list.", panel="Input", metavar="TOPIC", positional=True
    )
    model: str | None = option_like(
        GivenModelOptions,
        "model",
        None,
        "Run folder, model folder or hub name; without one: a small random BERT.",
        only_with=only_where_read("model"),
    )
    text: Strings = option(
        [],
        "Text to read (repeatable: a batch with padding).",
        panel="Input",
        metavar="TEXT",
        shown_default="a sentence",
        only_with=only_where_read("text"),
    )
    layer: int | None = option(
        None,
        "Layer to draw, from 1.",
        panel="Input",
        ge=1,
        shown_default="all",
        only_with=only_where_read("layer"),
    )
    model_revision: str | None = option_like(
        OpeningOptions, "model_revision", only_with=(only_where_read("model"), OnlyWith(("model",)))
    )
    tokenizer: str | None = option_like(
        OpeningOptions, "tokenizer", only_with=(only_where_read("model"), OnlyWith(("model",)))
    )
    allow_pickle: bool = option_like(OpeningOptions, "allow_pickle", only_with="model")
    trust_remote_code: bool = option_like(OpeningOptions, "trust_remote_code", only_with="model")
    seed: int = option_like(
        SeedOptions, "seed", help="Seed of weights that are drawn.", panel="Input", only_with=OF_PIECES
    )
    output: Path | None = option_like(
        FolderOptions, "output", help="Folder of the pictures.", shown_default="runs/<topic>-<model>"
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace what is in --output.")
