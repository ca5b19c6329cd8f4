"""Options of commands that answer many files, each into one of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nlpkit import reporting
from nlpkit.inference.predictor import TrainedModelOptions
from nlpkit.options import Config, FolderOptions, ReadingOptions, option, option_like
from nlpkit.tasks.options import AnsweredFileOptions, TypedOptions


class ShardOptions(Config):
    """How many files (shards) are answered: where, by how many processes, and what becomes of those that fail."""

    shards: bool = option(
        False,
        "Answer each file of --input, a pattern or a folder, into one of its own in the folder --output.",
        panel="Shards",
        shown_default="when --input names several and --output a folder",
    )
    jobs: int | None = option(
        None,
        "Processes, each with the model and its part of the cores; on ray actors.",
        panel="Shards",
        ge=1,
        le=4_096,
        shown_default="this one; on ray one for each node",
    )
    engine: Literal["processes", "ray"] | None = option(
        None, "What runs them: this machine, or a Ray cluster.", panel="Shards", shown_default="processes"
    )
    ray_address: str | None = option(
        None,
        "Address of the cluster.",
        panel="Shards",
        metavar="ADDRESS",
        shown_default="RAY_ADDRESS, else this machine",
        only_with={"engine": ("ray",)},
    )
    retries: int = option(
        3, "How often a shard is tried again whose process died.", panel="Shards", ge=0, le=100, only_with="shards"
    )
    output_format: str | None = option(
        None,
        "Format of the files in the folder --output.",
        panel="Shards",
        metavar="NAME",
        shown_default="predict: as the shard, else jsonl; embed: parquet",
        only_with="shards",
    )


class ShardedOptions(ShardOptions, AnsweredFileOptions, TypedOptions, ReadingOptions, TrainedModelOptions):
    """A command that answers texts, the rows of a file, or those of many."""

    output: Path | None = option(None, "File to write, or a folder.", panel="Output", metavar="FILE")
    overwrite: bool = option_like(FolderOptions, "overwrite")

    def tell_of_failures(self, failed: int, done: int, lacking: str, first: str, hint: str = "") -> str:
        """As of one file; of a shard it is told, and the gate is for the rows of all shards together."""
        if not self.shards:
            return super().tell_of_failures(failed, done, lacking, first, hint)
        if failed:
            message = f"{failed:,} of {done:,} rows have no {lacking}; {first}"
            reporting.current().warn(f"{message}. {hint}" if hint else message)
        return ""
