"""Fine-tune a model to give like vectors to texts that belong together. Writes a run folder: model,
metrics, plots, model card.

The kind of rows chooses the loss (--shape, --loss): pairs that belong together, perhaps with texts that do not;
triplets; pairs with a score or with 0 and 1; inference pairs. Columns are told by their names.

Examples: nlpkit finetune-embed --data pairs.csv --model minilm --output runs/embedder
nlpkit finetune-embed --data nli.tsv --validation-file sts.csv
"""

from __future__ import annotations

from typing import Any

from nlpkit.experiment import finetune
from nlpkit.reporting import Report
from nlpkit.tasks.sentence_embedding.losses.options import LossOptions
from nlpkit.tasks.sentence_embedding.negative_options import NegativeOptions
from nlpkit.tasks.sentence_embedding.options import EmbeddingDataOptions, SidePromptOptions, VectorOptions
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding

COMMAND = "finetune-embed"
ESSENTIAL: tuple[str, ...] = (
    "data",
    "shape",
    "validation_file",
    "model",
    "epochs",
    "batch_size",
    "output",
    "dry_run",
)


class Config(
    NegativeOptions, LossOptions, SidePromptOptions, VectorOptions, EmbeddingDataOptions, finetune.OneBaselineOptions
):
    """Options of `nlpkit finetune-embed`."""


def build(config: Config) -> Any:
    """The Trainer of this run, ready to train."""
    return finetune.prepare(config, COMMAND, SentenceEmbedding).trainer


def run(config: Config) -> Report:
    """Train, measure and write the run folder; see `finetune_cls.run`."""
    return finetune.run(config, COMMAND, SentenceEmbedding)
