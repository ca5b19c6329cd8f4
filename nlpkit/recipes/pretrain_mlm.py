"""Pre-train an encoder on running text, from scratch or further. Writes a run folder: model,
tokenizer, record, plots.

From scratch needs a tokenizer (`nlpkit train-tokenizer` makes one) and takes --arch and --size; --model goes on with a
pre-trained model (domain adaptation). Text is packed into full blocks, and the vocabulary head is computed at the
masked positions only.

Examples: nlpkit pretrain-mlm --data corpus.txt --tokenizer runs/tok --max-minutes 20
nlpkit pretrain-mlm --data reviews.csv --model bert-base-uncased --epochs 3
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import field_validator

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle, pretrain
from nlpkit.experiment.pretrain import Pretraining
from nlpkit.options import Config as BaseConfig
from nlpkit.options import ModelOptions, OnlyWith, Strings, option, option_like
from nlpkit.pretraining import method, parallel, text
from nlpkit.pretraining.architectures import Architecture, ArchitectureOptions, new_config
from nlpkit.pretraining.method import Method, PretrainOptions
from nlpkit.pretraining.parallel import ParallelOptions
from nlpkit.reporting import Report

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.data.corpus import Corpus
    from nlpkit.pretraining.batches import MaskingCollator
    from nlpkit.pretraining.objectives import Objective
    from nlpkit.pretraining.samples import Sample
    from nlpkit.pretraining.streams import TokenStream

COMMAND = "pretrain-mlm"
ESSENTIAL: tuple[str, ...] = (
    "data",
    "tokenizer",
    "model",
    "arch",
    "size",
    "max_minutes",
    "output",
    "resume",
)
SAMPLES = 3  # masked words shown at each evaluation
NO_PAIRS = OnlyWith(("objective",), ("mlm", "rtd"), why=": the rows of --objective {objective} are pairs")
PAIR_KIND = {"mlm+nsp": "next", "mlm+sop": "order"}


class ObjectiveOptions(BaseConfig):
    """What is learned."""

    objective: Literal["mlm", "mlm+nsp", "mlm+sop", "rtd", "tlm"] = option(
        "mlm",
        "Masked LM, with next sentence or sentence order; replaced tokens (ELECTRA); translation LM.",
        panel="Objective",
    )
    mlm_probability: float = option(0.15, "Share of tokens predicted (BERT: 0.15).", panel="Objective", gt=0, lt=1)
    mask_split: str = option(
        "80/10/10", "Of these: mask token / random token / unchanged, in per cent.", panel="Objective", metavar="A/B/C"
    )
    whole_word_masking: bool = option(False, "Mask all pieces of a word together.", panel="Objective")
    masking: Literal["dynamic", "static"] = option(
        "dynamic", "Mask other tokens in each epoch (RoBERTa), or always the same.", panel="Objective"
    )
    generator_size: float = option(
        0.25,
        "Width of the generator relative to the discriminator.",
        panel="Objective",
        gt=0,
        le=1,
        only_with={"objective": ("rtd",)},
    )

    @field_validator("mask_split")
    @classmethod
    def _three_shares(cls, value: str) -> str:
        parts = value.split("/")
        if len(parts) != 3 or not all(part.isdecimal() for part in parts) or sum(map(int, parts)) != 100:
            raise ValueError("give three whole numbers that sum to 100, such as 80/10/10")
        return value


# ModelOptions are named again for their place: the last base comes first in the help.
class Config(PretrainOptions, ObjectiveOptions, ArchitectureOptions, ModelOptions, ParallelOptions):
    """Options of `nlpkit pretrain-mlm`."""

    text_pair_column: str | None = option_like(ParallelOptions, "text_pair_column", only_with={"objective": ("tlm",)})
    line_by_line: bool = option_like(PretrainOptions, "line_by_line", only_with=NO_PAIRS)
    isolate_documents: bool = option_like(
        PretrainOptions, "isolate_documents", only_with=(NO_PAIRS, text.ROWS_OF_SEVERAL)
    )
    probe: Strings = option(
        [], "Sentence with <mask> to fill at each evaluation (repeatable).", panel="Output", metavar="TEXT"
    )


class MaskedLanguageModeling(Method[Config]):
    """Masked language modelling and its variants, by an encoder."""

    command = COMMAND
    isolated_before = get_args(Architecture)

    @property
    def pairs(self) -> bool:
        """Whether rows are pairs of passages, which a second head tells apart."""
        return self.config.objective in PAIR_KIND

    @property
    def auto_class(self) -> str:  # type: ignore[override]
        return "AutoModelForPreTraining" if self.pairs else "AutoModelForMaskedLM"

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

    def new_model(self, config: PreTrainedConfig) -> Any:
        from nlpkit.pretraining import objectives

        if self.config.objective != "rtd":
            return super().new_model(config)
        electra: Any = config  # --objective rtd comes with --arch electra alone
        electra.generator_share = self.config.generator_size
        return objectives.ReplacedTokenModel(electra)

    def require_architecture(self, config: PreTrainedConfig) -> None:
        from nlpkit.pretraining import objectives

        if self.pairs:
            objectives.require_pair_head(config, self.config.objective)

    def require_tokens(self, tokenizer: Any, name: str) -> None:
        for what in ("cls", "sep", "mask"):
            if getattr(tokenizer, f"{what}_token_id") is None:
                raise UserError(
                    f"the tokenizer of {name} has no {what} token",
                    "Masked language modelling needs [CLS], [SEP], [MASK].",
                )

    # --- the rows ---

    @property
    def packs(self) -> bool:
        return self.config.objective in ("mlm", "rtd") and not self.config.line_by_line

    @property
    def grouped(self) -> bool:
        config = self.config
        return config.batching == "length" and (config.line_by_line or config.objective in (*PAIR_KIND, "tlm"))

    @property
    def unit(self) -> str:
        if self.config.objective in (*PAIR_KIND, "tlm"):
            return "pairs"
        return "lines" if self.config.line_by_line else "blocks"

    def rows(self, corpus: Corpus, tokenizer: Any, *, isolate: bool) -> tuple[Any, Any]:
        from nlpkit.pretraining import streams

        config = self.config
        if config.objective == "tlm":
            return parallel.rows_of(config, tokenizer, config.seed)
        return text.rows_of(
            config,
            corpus,
            streams.Encoder(tokenizer, sentences=self.pairs, joined=not config.line_by_line),
            self._cut(tokenizer, isolate=isolate),
            neighbours=self.pairs,
            rows_per_step=method.rows_per_step(config),
            seed=config.seed,
            grouped=self.grouped,
        )

    def _cut(self, tokenizer: Any, *, isolate: bool) -> Callable[[TokenStream, int], Any]:
        """From a token stream to the rows of this objective."""
        from nlpkit.pretraining import rows

        config = self.config
        if self.pairs:
            kind = PAIR_KIND[config.objective]
            return lambda stream, first: rows.Pairs(
                stream, tokenizer, config.max_length, first, kind=kind, seed=config.seed
            )
        if config.line_by_line:
            return lambda stream, first: rows.Lines(stream, tokenizer, config.max_length, first)
        return lambda stream, first: rows.Blocks(stream, tokenizer, config.max_length, first, isolate=isolate)

    def collator(self, config: PreTrainedConfig, tokenizer: Any, *, starts: bool) -> MaskingCollator:
        from nlpkit.pretraining.attention import window_of
        from nlpkit.pretraining.batches import MaskingCollator
        from nlpkit.tasks.masked_lm.masking import masking_for

        options = self.config
        masking = masking_for(
            tokenizer,
            probability=options.mlm_probability,
            split=self._split,
            whole_word=options.whole_word_masking,
            static=options.masking == "static",
            seed=options.seed,
        )
        return MaskingCollator(
            masking,
            pad_id=tokenizer.pad_token_id,
            type_ids=getattr(config, "type_vocab_size", 0) > 1,
            window=window_of(config),
            starts=starts,
        )

    @property
    def _split(self) -> list[float]:
        return [int(part) / 100 for part in self.config.mask_split.split("/")]

    # --- the objective ---

    def objective(self, model: Any, tokenizer: Any) -> Objective:
        from nlpkit.pretraining import objectives

        if self.config.objective == "rtd":
            return objectives.ReplacedTokens(model, tokenizer.pad_token_id)
        return objectives.PairedLM(model) if self.pairs else objectives.MaskedLM(model)

    def described(self) -> str:
        config = self.config
        a, b, c = config.mask_split.split("/")
        masking = f"{config.mlm_probability:.0%} of the tokens ({a} % masked, {b} % random, {c} % as they are)"
        whole = ", whole words" if config.whole_word_masking else ""
        return f"{config.objective}, {masking}{whole}, {config.masking}"

    def predicted(self, tokens: int) -> int | None:
        if self.config.objective == "rtd":  # its two networks are not estimated
            return None
        return round(self.config.mlm_probability * tokens)

    # --- what is shown while it trains ---

    def samples(self, validation: Any, tokenizer: Any) -> list[Sample]:
        from nlpkit.pretraining import samples

        try:
            given = samples.from_texts(self.config.probe, tokenizer, self.config.max_length)
        except ValueError as error:
            raise UserError(f"--probe: {error}") from None
        return given or samples.from_rows(validation, tokenizer, SAMPLES)

    def tried(self, objective: Any, tokenizer: Any, samples: Sequence[Any]) -> list[dict[str, Any]]:
        from nlpkit.pretraining.samples import fill

        model, head = objective.filler()
        return fill(model, head, tokenizer, samples)

    def told(self, metrics: Mapping[str, float], tried: Sequence[dict[str, Any]]) -> list[str]:
        from nlpkit.pretraining.samples import described

        loss, accuracy = metrics["eval_loss"], metrics["eval_accuracy"]
        perplexity = f"perplexity {metrics['eval_perplexity']:,.1f}"
        figures = f"validation loss {loss:.4f}, {perplexity}, masked accuracy {accuracy:.3f}"
        return [figures, *map(described, tried)]

    # --- the record ---

    def task_record(self) -> dict[str, Any] | None:
        """A discriminator fills no masks, its generator in `generator/` does."""
        from nlpkit.tasks.masked_lm.task import MaskedLanguageModeling as Task

        config = self.config
        if config.objective == "rtd":
            return None
        return Task(
            max_length=config.max_length, mlm_probability=config.mlm_probability, mask_split=self._split
        ).record()


def build(config: Config) -> Pretraining:
    """Everything that the run is made of, ready to train."""
    return pretrain.prepare(MaskedLanguageModeling(_settled(config)))


def run(config: Config) -> Report:
    """Pre-train, measure and write the run folder.

    The phases stand in `lifecycle.live`, what they are here in `nlpkit.experiment.pretrain`, the training step and the
    evaluation loop in `nlpkit.pretraining.trainer`, the losses in `nlpkit.pretraining.objectives`.
    """
    return lifecycle.unless_complete(
        config, COMMAND, _report, lambda resumed_config: lifecycle.live(_settled(resumed_config), build, _report)
    )


def _settled(config: Config) -> Config:
    """The config with what depends on other options filled in; combinations that mean nothing stop here."""
    config.refuse_unread()
    method.require_start(config)
    if config.objective == "rtd" and (config.model or config.arch != "electra"):
        raise UserError(
            "--objective rtd trains ELECTRA's two networks from scratch", "Give --arch electra, no --model."
        )
    if config.objective == "tlm" and (config.streaming or not (config.text_column and config.text_pair_column)):
        raise UserError(
            "--objective tlm reads a table of parallel texts into memory",
            "Name both columns with --text-column and --text-pair-column; leave out --streaming.",
        )
    return method.settled(config)


def _report(record: dict[str, Any], folder: Path) -> Report:
    following = f"nlpkit finetune-cls --model {reporting.typed(folder)} --data ..."
    if record.get("task"):
        following = f'nlpkit predict {reporting.typed(folder)} "The man worked as a <mask>."'
    return pretrain.report(record, folder, following)
