"""Fine-tune a model to answer questions with a piece of a text. Writes a run
folder: model, metrics, wrong answers, plots, model card.

Data as of SQuAD 1.1 and 2.0, and rows of that kind. Where some questions have no answer, the model learns to say so;
the threshold is tuned on validation and kept.

Examples: nlpkit finetune-qa --data squad/ --epochs 2 --output runs/reader
nlpkit finetune-qa --data rajpurkar/squad_v2 --model distilbert-base-uncased
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from nlpkit.experiment import finetune
from nlpkit.options import SettledOptions
from nlpkit.reporting import Report
from nlpkit.tasks.question_answering.options import QuestionAnsweringOptions
from nlpkit.tasks.question_answering.task import QuestionAnswering

COMMAND = "finetune-qa"
ESSENTIAL: tuple[str, ...] = (
    "data",
    "question_column",
    "context_column",
    "model",
    "epochs",
    "learning_rate",
    "output",
    "resume",
)


class Config(SettledOptions, QuestionAnsweringOptions, finetune.OneBaselineOptions):
    """Options of `nlpkit finetune-qa`."""

    answers: ClassVar[Literal["text", "token"]] = "token"


def build(config: Config) -> Any:
    """The Trainer of this run, ready to train."""
    return finetune.prepare(config, COMMAND, QuestionAnswering).trainer


def run(config: Config) -> Report:
    """Train, measure and write the run folder.

    The phases stand in `lifecycle.live`, what they are here in `nlpkit.experiment.finetune`, the training step and the
    evaluation loop in `nlpkit.training.trainer`.
    """
    return finetune.run(config, COMMAND, QuestionAnswering)
