"""Pre-train a model that writes on running text, from scratch or further. Writes a run folder: model, tokenizer,
record, plots.

From scratch needs a tokenizer (`nlpkit train-tokenizer --style gpt2` makes one) and takes --arch and --size; --model
goes on with a pre-trained model. Text keeps its line ends and is packed into full windows; a document sees no other
one. Loss, perplexity and bits per byte, which are comparable between tokenizers, and a sample are shown on the way.

Examples: nlpkit pretrain-clm --data plays.txt --tokenizer runs/tok --max-minutes 3
nlpkit pretrain-clm --data reports.jsonl --model gpt2 --epochs 3
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from nlpkit import process, reporting
from nlpkit.data.corpus import BLANK_LINE, FILE, Verbatim
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle, pretrain
from nlpkit.experiment.pretrain import Pretraining
from nlpkit.options import (
    CorpusOptions,
    ModelOptions,
    NotWith,
    OptimizerChoiceOptions,
    RunOptions,
    Strings,
    option,
    option_like,
    require_one_optimizer,
)
from nlpkit.pretraining import method, text
from nlpkit.pretraining.decoders import DecoderOptions, learning_rate, new_config
from nlpkit.pretraining.method import Method, PretrainOptions
from nlpkit.reporting import Report

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedConfig

    from nlpkit.data.corpus import Corpus
    from nlpkit.pretraining.batches import CausalCollator
    from nlpkit.pretraining.objectives import CausalLM

COMMAND = "pretrain-clm"
ESSENTIAL: tuple[str, ...] = (
    "data",
    "document_end",
    "tokenizer",
    "model",
    "size",
    "max_minutes",
    "output",
    "resume",
)


class Config(OptimizerChoiceOptions, PretrainOptions, DecoderOptions, ModelOptions, CorpusOptions):
    """Options of `nlpkit pretrain-clm`."""

    line_by_line: bool = option_like(
        PretrainOptions, "line_by_line", help="Each line is a document, whose end the model learns."
    )
    document_end: str = option(
        BLANK_LINE,
        "Plain text: blank-line, file, or the LINE that ends a document.",
        panel="Data",
        metavar="END",
        only_with=NotWith(("line_by_line",), why=": --line-by-line has a document per line"),
    )
    isolate_documents: bool = option_like(
        PretrainOptions, "isolate_documents", help="No attention between the documents of a window.", only_with=None
    )
    stride: int | None = option(
        None,
        "Tokens from one window to the next; fewer than --max-length: windows overlap.",
        panel="Data",
        ge=1,
        shown_default="--max-length",
    )
    model: str | None = option_like(  # type: ignore[assignment]
        PretrainOptions, "model", help="Folder or hub name of the model to go on with."
    )
    learning_rate: float = option_like(
        PretrainOptions, "learning_rate", shown_default="6e-4 x 768 / width, at most 3e-3; 5e-5 with --model"
    )
    max_minutes: float | None = option_like(PretrainOptions, "max_minutes", help="Stop after N minutes of training.")
    weight_decay: float = option_like(
        RunOptions, "weight_decay", 0.1, "Weight decay (GPT-3 paper); not on biases, norms."
    )
    baseline: Literal["ngram", "lstm", "both"] | None = option(
        None,
        "Beside the model: 1 to 5 tokens counted (Kneser-Ney); an LSTM of as many parameters on the same batches.",
        panel="Evaluation",
        only_with=NotWith(("streaming",), why=": a stream is not read again"),
    )
    sample: Strings = option(
        [],
        "Text that the model goes on from at each evaluation (repeatable).",
        panel="Output",
        metavar="TEXT",
        shown_default="the beginning of the validation text",
    )

    @field_validator("document_end")
    @classmethod
    def _a_line(cls, value: str) -> str:
        if not value.strip():
            raise ValueError(f"give {BLANK_LINE}, {FILE}, or the text of a line")
        return value.strip()


class CausalLanguageModeling(Method[Config]):
    """Language modelling, by a model that writes."""

    command = COMMAND
    auto_class = "AutoModelForCausalLM"

    # --- the model ---

    @property
    def new_name(self) -> str:
        """Architecture and size; dimensions of its own are not called after the grid's."""
        config = self.config
        own = any(getattr(config, name) for name in ("layers", "hidden_size", "heads", "intermediate_size"))
        return config.arch if own else f"{config.arch}-{config.size}"

    def new_config(self, tokenizer: Any) -> PreTrainedConfig:
        config = self.config
        made = new_config(config, tokenizer, config.max_length)
        tokenizer.model_max_length = config.max_positions or config.max_length  # saved with the model
        return made

    def require_architecture(self, config: PreTrainedConfig) -> None:
        from nlpkit.tasks.text_generation.task import TextGeneration

        # most encoders have a class that writes too, whose attention they were not trained with
        named = config.architectures or []
        if self.config.model and not any(name.endswith(TextGeneration.architectures) for name in named):
            raise UserError(
                f"--model {self.config.model}: {config.model_type} is no model that goes on with a text",
                "Give a GPT-2, Llama, Qwen or the like; `nlpkit pretrain-mlm` trains encoders.",
            )

    def require_tokens(self, tokenizer: Any, name: str) -> None:
        if tokenizer.eos_token_id is None:
            raise UserError(
                f"the tokenizer of {name} has no token for the end of a text",
                "Make one that has: `nlpkit train-tokenizer --style gpt2`.",
            )
        if tokenizer.pad_token_id is None:  # GPT-2's own: nothing attends to padding, and it is not judged
            tokenizer.pad_token = tokenizer.eos_token

    # --- the rows ---

    packs = True
    grouped = False
    unit = "windows"

    def rows(self, corpus: Corpus, tokenizer: Any, *, isolate: bool) -> tuple[Any, Any]:
        from nlpkit.pretraining import rows, streams

        config = self.config
        stride = config.stride or config.max_length

        def cut(stream: streams.TokenStream, first: int) -> Any:
            return rows.Windows(stream, tokenizer, config.max_length, first, stride=stride, isolate=isolate)

        def judged(stream: streams.TokenStream, first: int) -> Any:
            return rows.Windows(stream, tokenizer, config.max_length, first, stride=stride, isolate=isolate, once=True)

        return text.rows_of(
            config,
            corpus,
            streams.Encoder(tokenizer, joined=False, separator=tokenizer.eos_token_id),
            cut,
            judged=judged,
            neighbours=False,
            rows_per_step=method.rows_per_step(config),
            seed=config.seed,
            grouped=self.grouped,
        )

    def corpus(self) -> Corpus:
        from nlpkit.data.corpus import Corpus

        config = self.config
        return Corpus(config, verbatim=None if config.line_by_line else Verbatim(config.document_end))

    def collator(self, config: PreTrainedConfig, tokenizer: Any, *, starts: bool) -> CausalCollator:
        from nlpkit.pretraining.batches import CausalCollator

        return CausalCollator(pad_id=tokenizer.pad_token_id, starts=starts)

    # --- the objective ---

    def objective(self, model: Any, tokenizer: Any) -> CausalLM:
        from nlpkit.pretraining.objectives import CausalLM
        from nlpkit.tokenization.token_bytes import bytes_per_token

        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        return CausalLM(model, bytes_per_token(tokenizer))

    def described(self) -> str:
        config = self.config
        ends = {BLANK_LINE: "a blank line ends a document", FILE: "a file is a document"}
        end = ends.get(config.document_end, f"{config.document_end} ends a document")
        overlap = f", {config.stride:,} tokens apart" if config.stride else ""
        return f"the next token; windows of {config.max_length:,}{overlap}; " + (
            "a line is a document" if config.line_by_line else end
        )

    def predicted(self, tokens: int) -> int | None:
        return tokens

    def optimizer(self, model: Any, arguments: Any, decayed: set[str]) -> Any:
        from nlpkit.training import muon

        if self.config.optimizer == "adamw":
            return None
        return muon.of_arguments(model, arguments, decayed)

    # --- what is shown while it trains ---

    def samples(self, validation: Any, tokenizer: Any) -> list[Any]:
        from nlpkit.pretraining import written

        try:
            return written.prompts(self.config.sample, validation, tokenizer, self.config.max_length)
        except ValueError as error:
            raise UserError(f"--sample: {error}", "Give a shorter one.") from None

    def tried(self, objective: Any, tokenizer: Any, samples: Sequence[Any]) -> list[dict[str, Any]]:
        from nlpkit.pretraining.written import write

        return write(objective.model, tokenizer, samples, self.config.max_length)

    def told(self, metrics: Mapping[str, float], tried: Sequence[dict[str, Any]]) -> list[str]:
        from nlpkit.pretraining.written import described

        bits = metrics.get("eval_bits_per_byte")
        compared = f"{bits:.3f} bits per byte" if bits is not None else "no bits per byte: it has unknown tokens"
        figures = (
            f"validation loss {metrics['eval_loss']:.4f}, perplexity {metrics['eval_perplexity']:,.1f}, {compared}"
        )
        return [figures, *map(described, tried)]

    # --- the record ---

    def baselines(self, trainer: Any, tokenizer: Any) -> Mapping[str, np.ndarray]:
        asked = self.config.baseline
        return {
            **(self._ngrams(trainer, tokenizer) if asked in ("ngram", "both") else {}),
            **(self._lstm(trainer) if asked in ("lstm", "both") else {}),
        }

    def _ngrams(self, trainer: Any, tokenizer: Any) -> Mapping[str, np.ndarray]:
        from nlpkit.generation import ngrams

        validation = trainer.eval_dataset
        tokens, start = trainer.train_dataset.stream.tokens, time.monotonic()
        counted = tokens[: ngrams.MOST_TOKENS]
        fitted = ngrams.NGrams(counted, len(tokenizer), tokenizer.eos_token_id)
        rows = (validation[i] for i in range(len(validation)))
        made = ngrams.sums_of_rows(fitted, rows, trainer.objective.bytes_of.cpu().numpy())
        share = f"the first {len(counted):,} of {len(tokens):,}" if len(counted) < len(tokens) else f"{len(counted):,}"
        reporting.current().note(
            f"n-grams: counted on {share} tokens of train, {time.monotonic() - start:.1f} s for all orders"
        )
        return made

    def _lstm(self, trainer: Any) -> Mapping[str, np.ndarray]:
        import transformers

        from nlpkit.pretraining import recurrent

        transformers.set_seed(self.config.seed)
        model = recurrent.RecurrentLM.as_large_as(trainer.objective.model).to(trainer.args.device)
        size, steps, start = model.parameters_in_all, trainer.state.global_step, time.monotonic()
        recurrent.train(model, recurrent.steps_of(trainer), steps)
        reporting.current().note(
            f"LSTM: {recurrent.LAYERS} layers of {model.layers.hidden_size:,}, {size / 1e6:.1f} M parameters; the same "
            f"{steps:,} steps took {time.monotonic() - start:.0f} s"
        )
        bytes_of = trainer.objective.bytes_of.to(trainer.args.device)
        return {"LSTM": recurrent.sums_of_batches(model, trainer.get_eval_dataloader(), bytes_of)}

    def task_record(self) -> dict[str, Any] | None:
        from nlpkit.tasks.text_generation.task import TextGeneration

        return TextGeneration(max_length=self.config.max_length).record()


def build(config: Config) -> Pretraining:
    """Everything that the run is made of, ready to train."""
    return pretrain.prepare(CausalLanguageModeling(_settled(config)))


def run(config: Config) -> Report:
    """Pre-train, measure and write the run folder.

    The phases stand in `lifecycle.live`, what they are here in `nlpkit.experiment.pretrain`, the training step and the
    evaluation loop in `nlpkit.pretraining.trainer`, the loss in `nlpkit.generation.language_head`.
    """
    return lifecycle.unless_complete(
        config, COMMAND, _report, lambda resumed_config: lifecycle.live(_settled(resumed_config), build, _report)
    )


def _settled(config: Config) -> Config:
    """The config with what depends on other options filled in; combinations that mean nothing stop here."""
    config.refuse_unread()
    method.require_start(config)
    require_one_optimizer(config.optimizer, config)
    if config.baseline in ("lstm", "both") and process.world_size() > 1:
        raise UserError(
            f"--baseline {config.baseline} with several processes: the LSTM is trained in one",
            "Use --baseline ngram, or one process.",
        )
    if config.stride is not None and config.stride > config.max_length:
        raise UserError(
            f"--stride {config.stride} is more than --max-length {config.max_length}: tokens between would be left out",
            "Give at most --max-length.",
        )
    if "learning_rate" not in config.given and not config.model:
        config = config.changed(learning_rate=learning_rate(config))
    return method.settled(config)


def _report(record: dict[str, Any], folder: Path) -> Report:
    return pretrain.report(
        record, folder, f'nlpkit predict {reporting.typed(folder)} "Once upon a time" --temperature 0.8'
    )
