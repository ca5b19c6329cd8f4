"""Fine-tune a model to classify or score texts and text pairs. Writes a run folder: model,
metrics, wrong answers, plots, model card.

Binary, multi-class, multi-label and regression are told apart by the labels (--problem overrides).

Examples: nlpkit finetune-cls --data reviews.csv --epochs 3 --output runs/reviews
nlpkit finetune-cls --data glue:mrpc --model bert-base-uncased --dry-run
"""

from __future__ import annotations

from typing import Any

from nlpkit.baselines.options import WordVectorsOptions
from nlpkit.experiment import finetune
from nlpkit.fewshot import experiment as few_labels
from nlpkit.options import CalibrationOptions, SettledOptions, option_like
from nlpkit.reporting import Report
from nlpkit.tasks.text_classification.options import (
    Baselines,
    ClassificationLossOptions,
    ClassificationOptions,
    HeadOptions,
)
from nlpkit.tasks.text_classification.task import TextClassification

COMMAND = "finetune-cls"
ESSENTIAL: tuple[str, ...] = (
    "data",
    "text_column",
    "label_column",
    "few_shot",
    "model",
    "epochs",
    "learning_rate",
    "baseline",
    "output",
    "resume",
    "dry_run",
)


class Config(
    SettledOptions,
    HeadOptions,
    WordVectorsOptions,
    ClassificationLossOptions,
    ClassificationOptions,
    CalibrationOptions,
    few_labels.FewLabelsConfig,
):
    """Options of `nlpkit finetune-cls`."""

    baseline: Baselines = option_like(
        finetune.FinetuneOptions,
        "baseline",
        help="Also train logistic|svm|bayes|word2vec|lstm|cnn|all.",
        metavar="[NAMES]",
    )


class _Training(finetune.Finetuning):
    """A run whose head reads what it was asked to read."""

    @classmethod
    def opened(
        cls, model: Any, config: finetune.FinetuneOptions, parts: finetune.Parts
    ) -> tuple[finetune.FinetuneOptions, list[tuple[str, str]]]:
        from nlpkit.models import mean_layer
        from nlpkit.tasks.text_classification import pooling

        assert isinstance(config, Config) and isinstance(parts.task, TextClassification)
        begin, asked = parts.begin, config.pooling
        trained = begin.trained is not None and begin.trained.name == parts.task.name
        if asked is None and parts.task.paired and not trained and config.batching != "random":
            asked = pooling.by_default(model, begin.place, begin.revision)
        if asked is None and mean_layer.is_mean_layer(model):  # training would make another layer of it
            asked = "mean"
        if asked is None:
            return config, []
        told = pooling.read(model, asked, frozen=config.freeze == "encoder")
        return config.changed(pooling=asked), [("head", told)]


def build(config: Config) -> Any:
    """The Trainer of this run, ready to train; of --few-shot and --heads one that judges."""
    kind = few_labels.FewLabels if config.few_shot or config.heads else _Training
    return finetune.prepare(config, COMMAND, TextClassification, kind).trainer


def run(config: Config) -> Report:
    """Train, measure and write the run folder.

    The phases stand in `lifecycle.live`, what they are here in `nlpkit.experiment.finetune`, the training step and the
    evaluation loop in `nlpkit.training.trainer`.
    """
    if config.few_shot or config.heads:
        return few_labels.run(config, COMMAND, TextClassification)
    return finetune.run(config, COMMAND, TextClassification, _Training)
