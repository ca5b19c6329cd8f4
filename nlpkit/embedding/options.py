"""Options of `embed`, and of commands that work on the vectors of the rows of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nlpkit.inference.predictor import TrainedModelOptions
from nlpkit.options import (
    BatchOptions,
    FolderOptions,
    NotWith,
    OutputOptions,
    ReadingOptions,
    Strings,
    option,
    option_like,
)
from nlpkit.sharding.options import ShardedOptions
from nlpkit.tasks.options import AnsweredFileOptions, InputOptions, TaskChoiceOptions, TypedOptions
from nlpkit.tasks.sentence_embedding.options import EmbeddingAnswerOptions, VectorOptions
from nlpkit.vectors.made import Dtype, LongText

TASK = "sentence-embedding"


class VectorModelOptions(VectorOptions, TrainedModelOptions):
    """A model that gives vectors, and how."""

    task: str | None = option_like(TaskChoiceOptions, "task", TASK)
    batch_size: int = option_like(
        BatchOptions, "batch_size", 256, help="Texts per forward pass, at most.", panel="Device"
    )
    batch_tokens: int | None = option(
        None,
        "Tokens per forward pass, at most, with padding, unless one text has more.",
        panel="Device",
        shown_default="1,024 on a CPU, whose caches hold that; 32,768 on a GPU",
        ge=1,
    )


class EmbedderOptions(EmbeddingAnswerOptions, InputOptions, ReadingOptions, VectorModelOptions):
    """A model that gives vectors, the rows that it is asked for, and how."""

    long_text: LongText = option(
        "truncate",
        "Longer than the model reads.",
        panel="Model",
    )


class EmbeddedRowsOptions(EmbedderOptions):
    """The rows of a file whose vectors are worked on, made now or by `embed`."""

    input: str | None = option_like(InputOptions, "input", help="File with a text in each row; - for a pipe.")
    vectors: Path | None = option(
        None,
        "Vectors of the same rows, as `embed` wrote them: nothing is embedded.",
        panel="Input",
        metavar="FILE",
        shown_default="embed the rows, or take from the cache what was embedded before",
    )


class EmbedOptions(EmbedderOptions, ShardedOptions):
    """What is embedded, how, and where the vectors go."""

    texts: Strings = option_like(TypedOptions, "texts", help="Texts to embed; two or more are compared.")
    pairs_from: Strings = option(
        [],
        "Two files of lines, to compare line by line.",
        panel="Input",
        metavar="FILE FILE",
    )
    output: Path | None = option(
        None,
        "File to write: parquet, npy, safetensors, jsonl, csv or tsv. Of many files a folder.",
        panel="Output",
        metavar="FILE",
        shown_default="print",
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output if it exists.")
    max_errors: float = option_like(
        AnsweredFileOptions,
        "max_errors",
        help="Exit with 1 if more rows of --input have no vector: a number, or a share below 1.",
    )
    resume: bool = option_like(
        OutputOptions, "resume", help="Go on with an --output that was interrupted.", only_with=("output", "input")
    )
    dtype: Dtype = option(
        "fp32",
        "How a number is stored.",
        panel="Output",
    )
    similarity: Literal["cosine", "dot", "euclidean", "manhattan", "angular"] | None = option(
        None,
        "How vectors are compared; angular is 1 - arccos(cosine) / pi.",
        panel="Output",
        shown_default="the model's",
        only_with=NotWith(("input",), why=" is for texts that are typed, and for --pairs-from"),
    )
    plot: Path | None = option(
        None,
        "Picture of the similarities of texts, or pairs.",
        panel="Output",
        metavar="FILE.png",
        only_with=NotWith(("input",), why=" is for texts that are typed, and for --pairs-from"),
    )
