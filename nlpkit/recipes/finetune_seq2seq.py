"""Train a model to turn a text into another: a translation, a summary, an answer. Writes a run folder: model, metrics,
worst texts, plots, model card.

From weights (T5, BART, Marian and the like; GPT-2 and Llama learn to answer a prompt), of two models that are joined
(--encoder, --decoder), or small from scratch with --arch and a tokenizer that is learned from the rows. What the model
writes is judged, by BLEU or ROUGE.

Examples: nlpkit finetune-seq2seq --data pairs.tsv --arch bart --size nano
nlpkit finetune-seq2seq --data papers.jsonl --model t5-small --prefix "summarize: "
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nlpkit.errors import UserError
from nlpkit.experiment import finetune
from nlpkit.experiment.beginnings import Beginning, FromScratch, Paired, PreTrained
from nlpkit.experiment.finetune import Finetuning
from nlpkit.options import (
    ModelOptions,
    OptimizerChoiceOptions,
    OptimizerOptions,
    StoppingOptions,
    option_like,
    require_one_optimizer,
)
from nlpkit.pretraining.encoder_decoders import EncoderDecoderOptions, learning_rate
from nlpkit.reporting import Report
from nlpkit.tasks.roles import Trainable
from nlpkit.tasks.text2text_generation.options import LearnedOptions, LossOptions
from nlpkit.tasks.text2text_generation.task import Text2Text
from nlpkit.tokenization.joint import JointTokenizerOptions

if TYPE_CHECKING:
    from nlpkit.training.trainer_features import TrainerFeature

COMMAND = "finetune-seq2seq"
EPOCHS = 30.0  # from scratch: of Multi30k 32 are what an hour of a core reads; after 3 a model writes next to nothing
ESSENTIAL: tuple[str, ...] = (
    "data",
    "text_column",
    "target_columns",
    "model",
    "arch",
    "epochs",
    "output",
    "resume",
)


class Config(
    LossOptions,
    LearnedOptions,
    JointTokenizerOptions,
    EncoderDecoderOptions,
    finetune.OneBaselineOptions,
):
    """Options of `nlpkit finetune-seq2seq`."""

    model: str | None = option_like(  # type: ignore[assignment]
        ModelOptions, "model", None, "Folder or hub name of the model to begin with.", shown_default="none: --arch"
    )
    optimizer: Literal["adamw", "muon"] = option_like(
        OptimizerChoiceOptions, "optimizer", shown_default="muon from scratch, adamw with --model"
    )
    epochs: float = option_like(StoppingOptions, "epochs", shown_default=f"3; {EPOCHS:g} from scratch")
    learning_rate: float = option_like(
        OptimizerOptions,
        "learning_rate",
        shown_default="from scratch 5e-3 x 128 / width, at most 1e-2; 5e-5 with --model",
    )


class _Training(Finetuning):
    """A run that may begin without weights."""

    @classmethod
    def settled(cls, config: finetune.FinetuneOptions) -> Config:
        assert isinstance(config, Config)
        if config.model or config.encoder or config.decoder:
            require_one_optimizer(config.optimizer, config)
            return config
        if not {"arch", "size"} & config.given:
            raise UserError(
                "there is nothing to begin with",
                "Name a model with --model, or train a small one from scratch: --arch bart --size nano.",
            )
        if "optimizer" not in config.given:
            config = config.changed(optimizer="muon")
        require_one_optimizer(config.optimizer, config)
        if "epochs" not in config.given:
            config = config.changed(epochs=EPOCHS)
        if "learning_rate" not in config.given:
            config = config.changed(learning_rate=learning_rate(config, config.optimizer))
        return config

    @classmethod
    def added(cls, config: finetune.FinetuneOptions) -> list[TrainerFeature]:
        from nlpkit.training.muon import MuonOptimizer

        assert isinstance(config, Config)
        return [MuonOptimizer()] if config.optimizer == "muon" else []

    @classmethod
    def begun(cls, config: finetune.FinetuneOptions, task_class: type[Trainable]) -> Beginning:
        assert isinstance(config, Config)
        if config.encoder and config.decoder:
            return Paired(config, config)
        return PreTrained(config, task_class) if config.model else FromScratch(config, config, config)


def build(config: Config) -> Any:
    """The Trainer of this run, ready to train."""
    return finetune.prepare(config, COMMAND, Text2Text, _Training).trainer


def run(config: Config) -> Report:
    """Train, measure and write the run folder.

    The phases stand in `lifecycle.live`, what they are here in `nlpkit.experiment.finetune`, the training step and the
    evaluation loop in `nlpkit.training.trainer`, the loss in `nlpkit.tasks.text2text_generation.task`, from token to
    token in `nlpkit.generation.loop`.
    """
    return finetune.run(config, COMMAND, Text2Text, _Training)
