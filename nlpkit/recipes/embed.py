"""Turn texts into vectors: the mean of an encoder's last hidden states. Prints
them; --output writes them to a file.

Any encoder gives vectors; of one that was trained for it (minilm) those of texts of like meaning are alike. Files and
columns are as for `predict`. A .parquet file keeps the columns of the rows and has the vectors as lists; a .npy file is
an array of float32 with one row per text. `evaluate` judges an encoder with --task sentence-embedding on pairs of texts
with a score of their likeness; `benchmark` and `quantize` take the same option.

Examples: nlpkit embed minilm "A cat sleeps." "A dog runs."
nlpkit embed minilm --input questions.csv --output vectors.npy
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from nlpkit.options import option_like
from nlpkit.recipes import predict
from nlpkit.reporting import Report
from nlpkit.tasks.options import TaskChoiceOptions
from nlpkit.tasks.sentence_embedding.options import EmbeddingAnswerOptions

COMMAND = "embed"
TASK = "sentence-embedding"
ESSENTIAL: tuple[str, ...] = ("model", "texts", "input", "output", "normalize", "max_errors")

writes_to_stdout = predict.writes_to_stdout


class Config(EmbeddingAnswerOptions, predict.Config):
    """Options of `nlpkit embed`."""

    settled_for: ClassVar[str | None] = TASK

    task: str | None = option_like(TaskChoiceOptions, "task", TASK)
    output: Path | None = option_like(predict.Config, "output", help="File to write: npy, parquet, jsonl, csv or tsv.")


def run(config: Config) -> Report:
    """Answer as `predict` does with --task sentence-embedding."""
    return predict.run(config)
