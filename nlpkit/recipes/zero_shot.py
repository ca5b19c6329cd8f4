"""Sort texts into labels that are named when asked: nothing is trained.
Prints the answers; --output writes them to a file.

The model is one for natural language inference (its labels are entailment, neutral, contradiction): for each label it
is asked whether the text entails the sentence of --template. Without --multi-label each text gets one label. Files,
columns and answers are as for `predict`; `evaluate`, `benchmark` and `quantize` take such a model with
--task zero-shot-classification.

Examples: nlpkit zero-shot MODEL "The match ended in a draw." --labels sports,politics,weather
nlpkit zero-shot MODEL --input news.csv --labels-file labels.txt --multi-label --output answers.csv
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from nlpkit.options import option_like
from nlpkit.recipes import predict
from nlpkit.reporting import Report
from nlpkit.tasks.options import TaskChoiceOptions
from nlpkit.tasks.zero_shot.options import ZeroShotAnswerOptions

COMMAND = "zero-shot"
TASK = "zero-shot-classification"
ESSENTIAL: tuple[str, ...] = (
    "model",
    "texts",
    "labels",
    "labels_file",
    "template",
    "multi_label",
    "input",
    "output",
)

writes_to_stdout = predict.writes_to_stdout


class Config(ZeroShotAnswerOptions, predict.Config):
    """Options of `nlpkit zero-shot`."""

    settled_for: ClassVar[str | None] = TASK

    task: str | None = option_like(TaskChoiceOptions, "task", TASK)
    output: Path | None = option_like(predict.Config, "output", help="File to write: csv, tsv, jsonl or parquet.")


def run(config: Config) -> Report:
    """Answer as `predict` does with --task zero-shot-classification."""
    return predict.run(config)
