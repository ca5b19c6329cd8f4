"""Options of the experiments of `learn`: of their text, their trainings, and where these run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import field_validator

from nlpkit.learn.topics import only_where_read
from nlpkit.options import (
    AtCommas,
    CorpusOptions,
    DeviceOptions,
    SeedsOptions,
    StoppingOptions,
    Strings,
    option_like,
)

SEEDS = [1, 2, 3, 4, 5]


class ExperimentOptions(CorpusOptions, DeviceOptions):
    """What the variants of an experiment learn, how often and how long."""

    data: Strings = option_like(
        CorpusOptions,
        "data",
        ["sample:feedback"],
        "Text to learn (repeatable).",
        only_with=only_where_read("data"),
    )
    text_column: str | None = option_like(CorpusOptions, "text_column", only_with=only_where_read("data"))
    data_config: str | None = option_like(CorpusOptions, "data_config", only_with=only_where_read("data"))
    data_split: str = option_like(CorpusOptions, "data_split", only_with=only_where_read("data"))
    data_revision: str | None = option_like(CorpusOptions, "data_revision", only_with=only_where_read("data"))
    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "txt", "conll", "squad"] | None = option_like(
        CorpusOptions, "format", only_with=only_where_read("data")
    )
    encoding: str = option_like(CorpusOptions, "encoding", only_with=only_where_read("data"))
    delimiter: str | None = option_like(CorpusOptions, "delimiter", only_with=only_where_read("data"))
    quoting: Literal["auto", "standard", "none"] = option_like(
        CorpusOptions, "quoting", only_with=only_where_read("data")
    )
    columns: Annotated[list[str], AtCommas] = option_like(CorpusOptions, "columns", only_with=only_where_read("data"))
    seeds: Annotated[list[int], AtCommas] = option_like(
        SeedsOptions,
        "seeds",
        SEEDS,
        "Seeds to train each variant with.",
        shown_default=",".join(map(str, SEEDS)),
        only_with=only_where_read("seeds"),
    )
    max_steps: int | None = option_like(
        StoppingOptions,
        "max_steps",
        help="Steps of each training.",
        shown_default="of the experiment",
        only_with=only_where_read("max_steps"),
    )
    max_minutes: float | None = option_like(
        StoppingOptions,
        "max_minutes",
        help="Take fewer steps, to end within N minutes.",
        only_with=only_where_read("max_minutes"),
    )
    device: str = option_like(DeviceOptions, "device", only_with=only_where_read("device"))
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = option_like(
        DeviceOptions, "precision", only_with=only_where_read("precision")
    )
    threads: int | None = option_like(DeviceOptions, "threads", only_with=only_where_read("device"))

    @field_validator("seeds")
    @classmethod
    def _different(cls, value: list[int]) -> list[int]:
        if not value or len(set(value)) < len(value):
            raise ValueError("name one or more, and each once")
        if any(not 0 <= seed < 2**32 for seed in value):
            raise ValueError("a seed is a number from 0 to 4294967295")
        return value
