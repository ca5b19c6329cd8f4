"""Options of `topics`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nlpkit.clustering.options import PANEL, MapOptions, NamingOptions
from nlpkit.options import FolderOptions, GivenModelOptions, option, option_like
from nlpkit.topic_models.times import Unit

SAMPLE = 100_000
# The options that decide what a vector is: those of a folder of topics hold for new texts.
OF_VECTORS = (
    "model",
    "model_revision",
    "tokenizer",
    "pooling",
    "layers",
    "normalize",
    "prompt",
    "prompt_name",
    "dims",
    "max_length",
    "long_text",
    "task",
)
FINDING = (
    "topics",
    "wish_threshold",
    "min_size",
    "merge",
    "outliers",
    "time_column",
    "time_unit",
    "stop_words",
    "sample",
    "map",
    "seed",
    "vectors",
)
"""The options that find topics, and are refused where a folder has them already."""


class TopicOptions(MapOptions, NamingOptions):
    """Which rows topics are found in, how, and where they go."""

    model: str = option_like(GivenModelOptions, "model", help="Model; or a folder of topics, for new texts.")
    topics: str | None = option(
        None,
        "Wished topics, a line each; others are found too.",
        panel="Input",
        metavar="FILE",
    )
    wish_threshold: float | None = option(
        None,
        "Cosine from which on a text is about a wished topic.",
        panel=PANEL,
        ge=-1,
        le=1,
        shown_default="of each three robust standard deviations above the median of all texts",
        only_with="topics",
    )
    min_size: int | None = option(
        None, "Rows of the smallest topic.", panel=PANEL, ge=2, shown_default="1 %, at least 5"
    )
    merge: int | None = option(None, "Join the nearest until N are left.", panel=PANEL, metavar="N", ge=1)
    outliers: Literal["keep", "nearest"] = option("keep", "Texts between topics.", panel=PANEL)
    time_column: str | None = option(None, "Dates: how topics come and go.", panel="Data", metavar="NAME")
    time_unit: Unit | None = option(
        None,
        "Parts of time that are counted.",
        panel="Data",
        shown_default="the shortest that makes at most 40 parts",
        only_with="time_column",
    )
    sample: int = option(
        SAMPLE,
        "Rows that topics are found in; of more a draw, and the others join the topic that they are most like.",
        panel=PANEL,
        ge=100,
    )
    output: Path | None = option_like(
        FolderOptions,
        "output",
        help="Folder; of new texts a file.",
        shown_default="runs/<file>-topics",
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output; names that you gave stay.")
