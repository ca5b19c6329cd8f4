"""Options of `probe`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from nlpkit.options import (
    DataOptions,
    FolderOptions,
    Names,
    SeedOptions,
    SourceOptions,
    TextColumnOptions,
    option,
    option_like,
)
from nlpkit.options.device import DeviceOptions
from nlpkit.options.model import GivenModelOptions

PANEL = "Probe"
OF_LAYERS = {"what": ("layers",)}
_LAYERS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


class LookedIntoOptions(GivenModelOptions, DeviceOptions):
    """A model, as commands take it that look into its layers."""


class ProbeOptions(LookedIntoOptions, FolderOptions, SeedOptions, SourceOptions):
    """What is probed for, in which layers, by how many words."""

    what: Literal["layers", "heads", "attention"] = option(
        "layers",
        "What layers know; what attention heads find; a parser of all heads.",
        panel=PANEL,
    )
    label: Names = option(
        [],
        "What is probed for: a column, a feature (Tense), dependency, root-tense, length, coreference; of heads: "
        "relations to draw.",
        panel=PANEL,
        metavar="NAME,...",
        shown_default="of the data",
        only_with={"what": ("layers", "heads")},
    )
    layers: str | None = option(
        None,
        "0,3-6; 0 is the embeddings.",
        panel=PANEL,
        metavar="N,N-N",
        shown_default="all",
        only_with=OF_LAYERS,
    )
    pooling: Literal["mean", "cls", "last"] = option(
        "mean",
        "What stands for a sentence: the mean of its tokens, the first, the last.",
        panel=PANEL,
        only_with=OF_LAYERS,
    )
    word: Literal["mean", "first"] = option(
        "mean", "What stands for a word: the mean of its tokens, or the first.", panel=PANEL, only_with=OF_LAYERS
    )
    max_words: int = option(
        20_000,
        "Words to learn from, and to judge by; of texts without words: texts.",
        panel=PANEL,
        ge=100,
        metavar="N",
    )
    output: Path | None = option_like(FolderOptions, "output", shown_default="runs/<data>-probe")
    untrained: bool = option(
        True,
        "Probe a model of the same shape with random weights too, which takes as long again.",
        panel=PANEL,
        only_with=OF_LAYERS,
    )
    text_column: str | None = option_like(TextColumnOptions, "text_column", only_with=OF_LAYERS)
    validation_share: float = option_like(DataOptions, "validation_share")
    seed: int = option_like(SeedOptions, "seed", help="Seed of all that is drawn.", panel=PANEL)

    @field_validator("layers")
    @classmethod
    def _written_so(cls, value: str | None) -> str | None:
        if value is not None and not _LAYERS.fullmatch(value.replace(" ", "")):
            raise ValueError("write numbers and ranges at commas, as in 0,3-6")
        return value

    @field_validator("label")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if "" in value:
            raise ValueError("a name is empty")
        return list(dict.fromkeys(value))
