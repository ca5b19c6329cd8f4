"""Fine-tune a model to classify or score texts and text pairs.

Binary, multi-class, multi-label and regression are told apart by the labels (--problem overrides).

Example: nlpkit finetune-cls --data reviews.csv --epochs 3 --output runs/reviews
"""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from nlpkit.options import DataOptions, ModelOptions, OutputOptions, TrainingOptions, option
from nlpkit.recipes import finetune
from nlpkit.reporting import Report
from nlpkit.tasks.classification import ClassificationOptions, TextClassification

COMMAND = "finetune-cls"


class Config(OutputOptions, TrainingOptions, ModelOptions, ClassificationOptions, DataOptions):
    """Options of `nlpkit finetune-cls`."""

    oversample: bool = option(False, "Draw rare classes as often as the most frequent one.", panel="Task")
    baseline: bool = option(False, "Also train TF-IDF with a linear model, for comparison.", panel="Output")

    @field_validator("freeze")
    @classmethod
    def _known_part(cls, value: str) -> str:
        if value not in ("none", "embeddings", "encoder") and not value.isdecimal():
            raise ValueError("use none, embeddings, encoder or a number of layers")
        return value


def build(config: Config) -> Any:
    """The Trainer of this run, ready to train."""
    return finetune.build(config, COMMAND, TextClassification).trainer


def run(config: Config) -> Report:
    """Train, measure and write the run folder."""
    return finetune.run(config, COMMAND, TextClassification)
