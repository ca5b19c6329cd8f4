"""Fine-tune a model to tag words: named entities, phrases, parts of speech. Writes
a run folder: model, metrics, wrong answers, plots, model card.

Reads CoNLL columns, lists of words and tags, and texts with character spans; how entities are written (BIO, IOB1,
BIOES, IO) is found out, and what several columns hold (--column pos, chunk or ner).

Examples: nlpkit finetune-ner --data wnut17/ --epochs 3 --output runs/wnut17
nlpkit finetune-ner --data annotations.jsonl --model bert-base-cased
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from nlpkit.experiment import finetune
from nlpkit.options import CalibrationOptions, SettledOptions
from nlpkit.reporting import Report
from nlpkit.tasks.token_classification.options import LabellingOptions, TokenClassificationOptions
from nlpkit.tasks.token_classification.task import TokenClassification

COMMAND = "finetune-ner"
ESSENTIAL: tuple[str, ...] = (
    "data",
    "text_column",
    "tag_column",
    "model",
    "epochs",
    "learning_rate",
    "output",
    "resume",
)


class Config(
    SettledOptions,
    LabellingOptions,
    TokenClassificationOptions,
    CalibrationOptions,
    finetune.OneBaselineOptions,
):
    """Options of `nlpkit finetune-ner`."""

    answers: ClassVar[Literal["text", "token"]] = "token"


def build(config: Config) -> Any:
    """The Trainer of this run, ready to train."""
    return finetune.prepare(config, COMMAND, TokenClassification).trainer


def run(config: Config) -> Report:
    """Train, measure and write the run folder.

    The phases stand in `lifecycle.live`, what they are here in `nlpkit.experiment.finetune`, the training step and the
    evaluation loop in `nlpkit.training.trainer`.
    """
    return finetune.run(config, COMMAND, TokenClassification)
