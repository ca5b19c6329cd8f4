"""Pre-train an encoder on running text, from scratch or further.

From scratch needs a tokenizer (`nlpkit train-tokenizer` makes one) and takes --arch and --size; --model goes on with a
pre-trained model (domain adaptation). Text is packed into full blocks, and the vocabulary head is computed at the
masked positions only.

Examples: nlpkit pretrain-mlm --data corpus.txt --tokenizer runs/tok --max-minutes 20
nlpkit pretrain-mlm --data reviews.csv --model bert-base-uncased --epochs 3
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import field_validator

from nlpkit import limits, process, reporting
from nlpkit.data import pipes
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle
from nlpkit.hardware import gpus
from nlpkit.models import fitting, opening
from nlpkit.options import Config as BaseConfig
from nlpkit.options import CorpusOptions, Interval, ModelOptions, RunOptions, Strings, flag_of, option
from nlpkit.pretraining.architectures import Architecture, ArchitectureOptions, new_config
from nlpkit.reporting import Report, Table
from nlpkit.runs.few import few_rows
from nlpkit.runs.files import ornament
from nlpkit.runs.folder import RunFolder, human_bytes, read_record
from nlpkit.tasks import features
from nlpkit.training.schedules import TIMED

if TYPE_CHECKING:
    from nlpkit.data.corpus import Corpus
    from nlpkit.hardware.devices import Device
    from nlpkit.pretraining.attention import DocumentAttention
    from nlpkit.pretraining.samples import Sample
    from nlpkit.pretraining.streams import Encoder, HeldOut, TokenStream

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
EVALUATIONS = 10  # a run, unless --eval-steps
SAMPLES = 3  # masked words shown at each evaluation
STREAMED_VALIDATION_ROWS = 500
UNLIMITED = 10**9  # steps: more than any run has
LEARNING_RATE = {"new": 5e-4, "continued": 5e-5}
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
        0.25, "rtd: width of the generator relative to the discriminator.", panel="Objective", gt=0, le=1
    )

    @field_validator("mask_split")
    @classmethod
    def _three_shares(cls, value: str) -> str:
        parts = value.split("/")
        if len(parts) != 3 or not all(part.isdecimal() for part in parts) or sum(map(int, parts)) != 100:
            raise ValueError("give three whole numbers that sum to 100, such as 80/10/10")
        return value


class TextOptions(CorpusOptions):
    """How text becomes rows of tokens."""

    text_pair_column: str | None = option(None, "tlm: column of the translation.", panel="Data")
    validation_file: Strings = option(
        [], "Text to validate on (repeatable).", panel="Data", metavar="FILE", shown_default="held out of --data"
    )
    validation_share: float = option(0.05, "Share of the lines held out for validation.", panel="Data", gt=0, le=0.5)
    max_eval_samples: int | None = option(
        None,
        "Validate on at most N rows.",
        panel="Data",
        ge=1,
        shown_default=f"all; {STREAMED_VALIDATION_ROWS} streamed",
    )
    max_length: int = option(128, "Tokens a row (a block).", panel="Data", ge=8)
    line_by_line: bool = option(
        False, "A row is a line, batched with others of like length, instead of a full block.", panel="Data"
    )
    isolate_documents: bool = option(
        True, "No attention between the documents of a block (a blank line or a table row ends one).", panel="Data"
    )
    streaming: bool = option(False, "Read as it trains: for corpora larger than the disk has room for.", panel="Data")


class Config(RunOptions, ObjectiveOptions, ArchitectureOptions, ModelOptions, TextOptions):
    """Options of `nlpkit pretrain-mlm`."""

    model: str | None = option(  # type: ignore[assignment]
        None,
        "Folder or hub name of the model to go on with; without it a new one is made.",
        panel="Model",
        metavar="PATH|NAME",
        shown_default="from scratch",
    )
    tokenizer: str | None = option(
        None, "Folder or hub name of the tokenizer.", panel="Model", metavar="PATH|NAME", shown_default="the model's"
    )
    learning_rate: float = option(
        LEARNING_RATE["new"],
        "Peak learning rate.",
        panel="Training",
        gt=0,
        shown_default="5e-4 from scratch (ELECTRA paper), 5e-5 with --model",
    )
    weight_decay: float = option(0.01, "AdamW weight decay (BERT paper); not on biases, norms.", panel="Training", ge=0)
    max_tokens: int | None = option(None, "Stop after N tokens, whatever --epochs says.", panel="Training", ge=1)
    max_minutes: float | None = option(
        None, "Stop after N minutes of training; the learning rate is at its end by then.", panel="Training", gt=0
    )
    eval_steps: Interval = option(
        None,
        "Evaluate and save each N steps; below 1: a share of all steps.",
        panel="Training",
        metavar="N",
        shown_default=f"{EVALUATIONS} times a run",
    )
    best_metric: Literal["loss", "accuracy"] = option(
        "loss", "Validation metric that picks the best checkpoint.", panel="Training"
    )
    probe: Strings = option(
        [], "Sentence with <mask> to fill at each evaluation (repeatable).", panel="Output", metavar="TEXT"
    )


@dataclass(kw_only=True)
class Experiment(lifecycle.Experiment[dict[str, float]]):
    """Everything that a pre-training run is made of, before its first step; its evaluation gives validation metrics."""

    config: Config
    corpus: Corpus
    train: Any
    validation: Any
    objective: Any
    attention: DocumentAttention | None  # None where it is the model's own
    new_weights: list[str]
    samples: list[Sample]
    filled: list[dict[str, Any]] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, str]:
        return {"loss": "loss", "accuracy": "accuracy", "tokens_per_second": "tokens/s", "mfu": "MFU"}

    def origin(self) -> dict[str, Any]:
        return _origin(self)

    def head(self) -> dict[str, Any]:
        return {**super().head(), "attention": self.attention.name if self.attention else None}

    def evaluate(self) -> dict[str, float]:
        metrics: dict[str, float] = self.trainer.measure()
        return metrics

    def record(self, evaluated: dict[str, float]) -> dict[str, Any]:
        return {**self.head(), **_results(self, evaluated)}

    def write(self, record: dict[str, Any], evaluated: dict[str, float]) -> None:
        _write(self, record)


def run(config: Config) -> Report:
    """Pre-train, measure and write the run folder."""
    return lifecycle.unless_complete(
        config, COMMAND, _report, lambda resumed: lifecycle.live(_settled(resumed), build, _report)
    )


def build(config: Config) -> Experiment:
    """Open or make the model, cut the corpus into rows, and make the Trainer.

    Raises:
        UserError: whatever is wrong with options, data or model.
    """
    from nlpkit.data.corpus import Corpus
    from nlpkit.hardware import devices

    config = _settled(config)
    name = opening.display_name(config.model or _new_name(config))
    folder = lifecycle.usable_folder(config, _data_name(config), name)
    device = devices.choose(config)
    tokenizer = _open_tokenizer(config)
    corpus = Corpus(config)

    model, new = _model(config, tokenizer, device)
    size = sum(parameter.numel() for parameter in model.parameters())
    lifecycle.require_space(folder, size)
    attention = _attention(config, model, device, folder)
    apart = attention is not None and not attention.padding
    train, validation = _rows(config, corpus, tokenizer, isolate=apart)
    samples = _samples(config, validation, tokenizer)
    objective = _objective(config, model, tokenizer)
    experiment = Experiment(
        config=config,
        command=COMMAND,
        corpus=corpus,
        train=train,
        validation=validation,
        tokenizer=tokenizer,
        objective=objective,
        attention=attention,
        device=device,
        folder=folder,
        parameters=size,
        new_weights=new,
        samples=samples,
    )
    experiment.trainer, experiment.steps = _trainer(
        config, objective, attention, train, validation, tokenizer, device, folder
    )
    _show_samples(experiment)
    reporting.current().plan("plan", _plan(experiment))
    return experiment


# --- the parts of `build`, in order ---


def _settled(config: Config) -> Config:
    """The config with what depends on other options filled in; combinations that mean nothing stop here."""
    for name, why in _idle(config).items():
        default = Config.model_fields[name].default
        if getattr(config, name) != default:
            raise UserError(f"{flag_of(f'no_{name}' if default is True else name)}: {why}", "Leave it out.")
    if not config.model and not config.tokenizer:
        raise UserError(
            "a model from scratch needs a --tokenizer, and --model goes on with a trained one",
            "Make a tokenizer with `nlpkit train-tokenizer`, or name one.",
        )
    if config.objective == "rtd" and (config.model or config.arch != "electra"):
        raise UserError(
            "--objective rtd trains ELECTRA's two networks from scratch", "Give --arch electra, no --model."
        )
    if config.objective == "tlm" and (config.streaming or not (config.text_column and config.text_pair_column)):
        raise UserError(
            "--objective tlm reads a table of parallel texts into memory",
            "Name both columns with --text-column and --text-pair-column; leave out --streaming.",
        )
    if config.streaming and not (config.max_steps or config.max_tokens or config.max_minutes):
        raise UserError(
            "--streaming: how long the corpus is cannot be known beforehand",
            "Say when to stop: --max-steps, --max-tokens or --max-minutes.",
        )
    if [*config.data, *config.validation_file].count("-") > (0 if config.streaming else 1):
        where = "--streaming: " if config.streaming else ""
        raise UserError(f"{where}standard input can be read only once", "Write it to a file, and pass that.")
    if config.streaming and config.trainer.get("dataloader_num_workers"):
        raise UserError("--trainer dataloader_num_workers: a stream has one reader", "Leave it out with --streaming.")
    for name in (
        ("eval_steps", "logging_steps") if config.streaming and not (config.max_steps or config.max_tokens) else ()
    ):
        if (getattr(config, name) or 1) < 1:
            raise UserError(
                f"{flag_of(name)} {getattr(config, name)}: a stream has no number of steps to take a share of"
            )
    if config.max_minutes and config.schedule not in TIMED:
        raise UserError(
            f"--schedule {config.schedule} goes by steps, whose number --max-minutes leaves open",
            f"Use one of: {', '.join(TIMED)}.",
        )
    if config.trainer.get("label_smoothing_factor"):
        raise UserError("--trainer label_smoothing_factor: the losses of pre-training have no label smoothing")
    if "learning_rate" not in config.given:
        config = config.changed(learning_rate=LEARNING_RATE["continued" if config.model else "new"])
    return config


def _idle(config: Config) -> dict[str, str]:
    """The options that nothing would read in such a run, and why."""
    idle: dict[str, str] = {}
    if config.model:
        idle |= dict.fromkeys(ArchitectureOptions.model_fields, f"the shape of --model {config.model} is fixed")
    else:
        idle |= dict.fromkeys(("model_revision", "allow_pickle"), "it is for --model")
    if config.objective != "rtd":
        idle["generator_size"] = "it is for --objective rtd"
    if config.objective != "tlm":
        idle["text_pair_column"] = "it is for --objective tlm"
    if config.objective in (*PAIR_KIND, "tlm"):
        why = f"the rows of --objective {config.objective} are pairs"
        idle |= dict.fromkeys(("line_by_line", "isolate_documents"), why)
    elif config.line_by_line:
        idle["isolate_documents"] = "the rows of --line-by-line are of one document each"
    if config.validation_file:
        idle["validation_share"] = "--validation-file is all that is validated on"
    return idle


def _new_name(config: Config) -> str:
    """Architecture and size of a model from scratch; dimensions of its own are not called after the grid's."""
    own = any(getattr(config, name) for name in ("layers", "hidden_size", "heads", "intermediate_size"))
    return config.arch if own else f"{config.arch}-{config.size}"


def _data_name(config: Config) -> str:
    if not config.data or config.data[0] == "-":
        return "text"
    return pipes.name_of(config.data[0].rstrip("/")).split(".")[0].replace("*", "") or "text"


def _open_tokenizer(config: Config) -> Any:
    flag = "--tokenizer" if config.tokenizer else "--model"
    name = opening.resolve(config.tokenizer or config.model or "", flag)
    revision = None if config.tokenizer else config.model_revision
    tokenizer = opening.load_tokenizer(name, revision=revision, trust_remote_code=config.trust_remote_code)
    for what in ("cls", "sep", "mask"):
        if getattr(tokenizer, f"{what}_token_id") is None:
            raise UserError(
                f"the tokenizer of {name} has no {what} token", "Masked language modelling needs [CLS], [SEP], [MASK]."
            )
    return tokenizer


def _model(config: Config, tokenizer: Any, device: Device) -> tuple[Any, list[str]]:
    """The model with the heads of the objective, and the names of weights that an opened model did not have."""
    import transformers

    from nlpkit.pretraining import objectives
    from nlpkit.training import dropout, parameters

    transformers.set_seed(config.seed)
    auto_class = "AutoModelForPreTraining" if config.objective in PAIR_KIND else "AutoModelForMaskedLM"
    if config.model:
        name = opening.resolve(config.model)
        trust: Any = {"revision": config.model_revision, "trust_remote_code": config.trust_remote_code}
        model_config = opening.load_config(name, **trust)
        features.require_length(config.max_length, opening.takes(model_config), config.model)
    else:
        model_config = new_config(config, tokenizer, config.max_length)
        tokenizer.model_max_length = config.max_positions or config.max_length  # saved with the model
    overrides: Any = parameters.dropout_overrides(model_config, config.dropout)
    if config.objective in PAIR_KIND:
        objectives.require_pair_head(model_config, config.objective)
    new: list[str] = []
    if config.model:
        model, new = opening.load_model(name, auto_class, allow_pickle=config.allow_pickle, **trust, **overrides)
        hint = "Add its rows first: nlpkit train-tokenizer --extend ... --resize-model."
        fitting.require_vocabulary(model, tokenizer, hint)
    else:
        model_config.update(overrides)
        if config.objective == "rtd":
            electra: Any = model_config  # --objective rtd comes with --arch electra alone
            electra.generator_share = config.generator_size
            model = objectives.ReplacedTokenModel(electra)
        else:
            model = getattr(transformers, auto_class).from_config(model_config)
    if config.gradient_checkpointing and not model.supports_gradient_checkpointing:
        raise UserError(f"--gradient-checkpointing: {model.config.model_type} cannot recompute its activations")
    parameters.freeze(model, config.freeze)
    if device.name == "cpu" and config.batching != "random":  # see `experiment.cheapen`
        dropout.use_cpu_dropout(model)
    return model, new


def _attention(config: Config, model: Any, device: Device, folder: RunFolder) -> DocumentAttention | None:
    """What keeps the documents of a block apart, and on a GPU what leaves padding out; None where it is the model's own
    attention.
    """
    from nlpkit.pretraining.attention import MASK, attention_for, padding_attention
    from nlpkit.pretraining.batches import keeps_documents_apart

    packed = config.objective in ("mlm", "rtd") and not config.line_by_line
    if not packed:
        gains = device.name == "cuda" and keeps_documents_apart(model)
        return padding_attention(model, device) if gains else None
    if not config.isolate_documents:
        return None
    if not keeps_documents_apart(model):
        reporting.current().note(
            f"{model.config.model_type}: its attention takes no mask of documents, so those of a block see each other"
        )
        return None
    begun = read_record(folder.path) if config.resume else None
    if begun and "attention" not in begun and model.config.model_type not in get_args(Architecture):
        reporting.current().warn(
            "the run was begun by an older nlpkit, which may have let the documents of a block see each other in "
            f"{model.config.model_type}; from here on they do not (--no-isolate-documents lets them, --overwrite "
            "begins anew)"
        )
    return attention_for(model, device, begun.get("attention", MASK) if begun else None)


def _rows(config: Config, corpus: Corpus, tokenizer: Any, *, isolate: bool) -> tuple[Any, Any]:
    """Training rows and validation rows."""
    from nlpkit.data.corpus import Corpus
    from nlpkit.pretraining import streams
    from nlpkit.pretraining.streaming import StreamedRows

    if config.objective == "tlm":
        return _translations(config, tokenizer)
    pairs = config.objective in PAIR_KIND
    encoder = streams.Encoder(tokenizer, sentences=pairs, joined=not config.line_by_line)
    cut = _cutter(config, tokenizer, isolate=isolate)
    held_out = None
    if not config.validation_file:
        # runs of lines for pairs, which are made of neighbours
        held_out = streams.HeldOut.share(config.validation_share, run=10 if pairs else 1, seed=config.seed)
    if config.streaming:
        train: Any = StreamedRows(
            corpus, encoder, held_out, cut, batch=_rows_a_step(config), seed=config.seed, grouped=_grouped(config)
        )
        wanted = config.max_eval_samples or STREAMED_VALIDATION_ROWS
        source = Corpus(config, config.validation_file) if config.validation_file else corpus
        keep = streams.belongs(streams.parts(held_out)[-1], held_out)
        stream, _ = streams.in_memory(source.batches(), encoder, keep=keep, limit=wanted * config.max_length)
    else:
        found = _token_streams(corpus, encoder, held_out)
        train = cut(found["train"], 0)
        if "validation" not in found:
            stream = _token_streams(Corpus(config, config.validation_file), encoder, None)["train"]
        else:
            # pairs are made of neighbours, which have to stay
            stream = found["validation"] if pairs else _unseen(found["validation"], found["train"])
        wanted = config.max_eval_samples or len(stream.tokens)
        if not len(train):
            raise UserError(
                f"the corpus has {len(found['train'].tokens):,} tokens, too few for one row of {config.max_length}"
                if not pairs
                else "the corpus has no two passages to make pairs of",
                "Give more text or a shorter --max-length" + ("." if pairs else ", or use --line-by-line."),
            )
    validation = cut(stream, 0)
    if not len(validation):
        raise UserError(
            f"too little text for validation: {len(stream.tokens):,} tokens, a row has {config.max_length}"
            if not pairs
            else f"too little text for validation: {len(stream.tokens):,} tokens hold no two passages",
            "Raise --validation-share, give a --validation-file" + ("." if pairs else ", or use --line-by-line."),
        )
    return train, _validation_order(validation, wanted)


def _unseen(held_out: TokenStream, train: TokenStream) -> TokenStream:
    """What is held out without lines that are trained on too, unless all are; either is said."""
    from nlpkit.pretraining import streams

    stream, seen = streams.unseen(held_out, train)
    lines = len(held_out.texts) - 1
    if seen == lines > 0:
        reporting.current().warn(f"validation: all {lines:,} lines held out also stand in train (--validation-file)")
        return held_out
    if seen:
        reporting.current().note(
            f"validation: {seen:,} of {lines:,} lines held out also stand in train and are not validated on"
        )
    return stream


def _token_streams(corpus: Corpus, encoder: Encoder, held_out: HeldOut | None) -> dict[str, TokenStream]:
    """All tokens of a corpus, from the cache; standard input goes into memory, as nobody can read it again."""
    from nlpkit.pretraining import streams

    if corpus.record()["kind"] != "stdin":
        return streams.cached(corpus, encoder, held_out)
    batches = list(corpus.batches())
    return {
        name: streams.in_memory(batches, encoder, keep=streams.belongs(name, held_out), limit=2**62)[0]
        for name in streams.parts(held_out)
    }


def _cutter(config: Config, tokenizer: Any, *, isolate: bool) -> Callable[[TokenStream, int], Any]:
    """From a token stream to the rows of this objective."""
    from nlpkit.pretraining import rows

    if config.objective in PAIR_KIND:
        kind = PAIR_KIND[config.objective]
        return lambda stream, first: rows.Pairs(
            stream, tokenizer, config.max_length, first, kind=kind, seed=config.seed
        )
    if config.line_by_line:
        return lambda stream, first: rows.Lines(stream, tokenizer, config.max_length, first)
    return lambda stream, first: rows.Blocks(stream, tokenizer, config.max_length, first, isolate=isolate)


def _translations(config: Config, tokenizer: Any) -> tuple[Any, Any]:
    """Rows of parallel texts; every k-th is held out."""
    from nlpkit.data import columns, sources
    from nlpkit.data.inputs import Reading
    from nlpkit.pretraining import streams
    from nlpkit.pretraining.rows import Translations

    encoder = streams.Encoder(tokenizer)

    def read(specs: list[str]) -> list[tuple[Any, Any]]:
        found: list[tuple[Any, Any]] = []
        for spec in specs:
            loaded = sources.load(
                spec,
                config=config.data_config,
                revision=config.data_revision,
                reading=Reading.of(config),
            )
            if config.data_split not in loaded.splits:
                raise UserError(
                    f"{spec}: there is no split '{config.data_split}'; there is {', '.join(loaded.splits)}",
                    "Name one with --data-split.",
                )
            table = loaded.splits[config.data_split]
            names = user_columns(table.column_names)
            sides = [
                table[columns.require(str(column), names, what, where=f"{spec}: ")][:]
                for column, what in ((config.text_column, "text"), (config.text_pair_column, "translation"))
            ]
            both = [("" if a is None else str(a), "" if b is None else str(b)) for a, b in zip(*sides, strict=True)]
            ids = [encoder.ids([pair[side] for pair in both]) for side in (0, 1)]
            whole = [(a, b) for a, b in zip(*ids, strict=True) if len(a) and len(b)]
            if len(whole) < len(both):
                reporting.current().warn(
                    f"{spec}: {len(both) - len(whole):,} of {len(both):,} rows lack the text or its translation and "
                    "are left out"
                )
            found += whole
        return found

    pairs = read(config.data)
    if config.validation_file:
        kept, held = pairs, read(config.validation_file)
    else:
        rule = streams.HeldOut.share(config.validation_share, run=1, seed=config.seed)
        kept = [pair for i, pair in enumerate(pairs) if i not in rule]
        held = _without([pair for i, pair in enumerate(pairs) if i in rule], kept)
    if not kept or not held:
        raise UserError(
            f"{len(pairs)} parallel rows are too few to train and validate", "Give more, or a --validation-file."
        )
    validation = Translations(held, tokenizer, config.max_length)
    return Translations(kept, tokenizer, config.max_length), _validation_order(
        validation, config.max_eval_samples or len(held)
    )


def _without(held: list[tuple[Any, Any]], kept: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The pairs held out that are not trained on too."""
    known = {(a.tobytes(), b.tobytes()) for a, b in kept}
    unseen = [(a, b) for a, b in held if (a.tobytes(), b.tobytes()) not in known]
    if len(unseen) < len(held):
        seen = len(held) - len(unseen)
        reporting.current().note(
            f"validation: {seen:,} of {len(held):,} rows held out also stand in train and are not validated on"
        )
    return unseen


def _validation_order(rows: Any, wanted: int) -> Any:
    """At most `wanted` rows, evenly spaced, longest first: next to nothing is padding."""
    import numpy as np
    from torch.utils.data import Subset

    chosen = np.unique(np.linspace(0, len(rows) - 1, min(wanted, len(rows))).astype(int))
    chosen = chosen[np.argsort(-rows.lengths[chosen], kind="stable")]
    return Subset(rows, chosen.tolist())


def _samples(config: Config, validation: Any, tokenizer: Any) -> list[Sample]:
    from nlpkit.pretraining import samples

    try:
        asked = samples.from_texts(config.probe, tokenizer, config.max_length)
    except ValueError as error:
        raise UserError(f"--probe: {error}") from None
    return asked or samples.from_rows(validation, tokenizer, SAMPLES)


def _objective(config: Config, model: Any, tokenizer: Any) -> Any:
    from nlpkit.pretraining import objectives

    if config.objective == "rtd":
        return objectives.ReplacedTokens(model, tokenizer.pad_token_id)
    return objectives.PairedLM(model) if config.objective in PAIR_KIND else objectives.MaskedLM(model)


def _rows_a_step(config: Config) -> int:
    return config.batch_size * config.gradient_accumulation_steps * process.world_size()


def _grouped(config: Config) -> bool:
    """Whether rows differ in length, so that batching them by it saves padding."""
    return config.batching == "length" and (config.line_by_line or config.objective in (*PAIR_KIND, "tlm"))


def _steps(config: Config, train: Any, validation: Any) -> int:
    """Optimizer steps of the run, as far as steps, tokens and epochs decide them.

    Args:
        validation: a subset of rows, from which the length of a stream's rows is known.
    """
    from nlpkit.training.arguments import steps_per_epoch

    limits = [config.max_steps] if config.max_steps else []
    if config.max_tokens:
        rows = validation.dataset if config.streaming else train
        limits.append(max(math.ceil(config.max_tokens / (float(rows.lengths.mean()) * _rows_a_step(config))), 1))
    if limits:
        return min(limits)
    if config.streaming:
        return UNLIMITED  # the minutes are the limit
    return math.ceil(config.epochs * steps_per_epoch(len(train), config, process.world_size()))


def _trainer(
    config: Config,
    objective: Any,
    attention: DocumentAttention | None,
    train: Any,
    validation: Any,
    tokenizer: Any,
    device: Device,
    folder: RunFolder,
) -> tuple[Any, int]:
    from transformers.trainer_callback import EarlyStoppingCallback, PrinterCallback

    from nlpkit.hardware.devices import matmul_rate
    from nlpkit.pretraining.attention import window_of
    from nlpkit.pretraining.batches import MaskingCollator
    from nlpkit.pretraining.trainer import PretrainingTrainer
    from nlpkit.tasks.masked_lm.masking import masking_for
    from nlpkit.training import arguments as training_arguments
    from nlpkit.training.callbacks import LimitsCallback, MetricsFileCallback
    from nlpkit.training.schedules import Budget

    steps = _steps(config, train, validation)
    masking = masking_for(
        tokenizer,
        probability=config.mlm_probability,
        split=_split(config),
        whole_word=config.whole_word_masking,
        static=config.masking == "static",
        seed=config.seed,
    )
    model_config = objective.model.config
    collator = MaskingCollator(
        masking,
        pad_id=tokenizer.pad_token_id,
        type_ids=getattr(model_config, "type_vocab_size", 0) > 1,
        window=window_of(model_config),
        starts=attention is not None and attention.kernel is not None,
    )
    limits = {} if config.eval_steps else {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": UNLIMITED}
    arguments = training_arguments.training_arguments(
        config,
        folder.checkpoints,
        device,
        main_metric=config.best_metric,
        higher_is_better=config.best_metric == "accuracy",
        steps=steps,
        max_steps=steps,
        logging_steps=training_arguments.interval(config.logging_steps, steps) or min(max(steps // 50, 1), 50),
        **({**limits, "save_steps": UNLIMITED} if limits else {}),
        # the position in the stream is part of the checkpoint; Trainer would read and throw away what came before it
        **({"ignore_data_skip": True, "accelerator_config": {"dispatch_batches": False}} if config.streaming else {}),
    )
    training_arguments.try_out(arguments, objective.model, steps)
    trainer = PretrainingTrainer(
        objective=objective,
        attention=attention,
        grouped=_grouped(config),
        schedule=config.schedule,
        peak_flops=matmul_rate(device) if device.name == "cuda" else None,
        budget=Budget(steps, config.max_minutes),
        layer_decay=config.layer_decay,
        model=objective.model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=collator,
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(MetricsFileCallback(folder))
    trainer.add_callback(
        LimitsCallback(
            trainer,
            checkpoint_minutes=config.checkpoint_minutes,
            evaluations=0 if config.eval_steps else EVALUATIONS,
        )
    )
    if config.early_stopping:
        trainer.add_callback(EarlyStoppingCallback(config.early_stopping))
    return trainer, steps


# --- what is said before, while and after ---


def _show_samples(experiment: Experiment) -> None:
    """Fill the masks of the samples at each evaluation, and say so."""
    from transformers import TrainerCallback

    from nlpkit.pretraining import samples

    model, head = experiment.objective.filler()

    class ShowSamples(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
            found = samples.fill(model, head, experiment.tokenizer, experiment.samples)
            experiment.filled[:] = found
            if not state.is_world_process_zero:
                return
            metrics = keywords["metrics"]
            reporting.current().note(
                f"step {state.global_step:,}: validation loss {metrics['eval_loss']:.4f}, perplexity "
                f"{metrics['eval_perplexity']:,.1f}, masked accuracy {metrics['eval_accuracy']:.3f}"
            )
            for filled in found:
                reporting.current().note(f"    {samples.described(filled)}")

    experiment.trainer.add_callback(ShowSamples())


def _plan(experiment: Experiment) -> list[tuple[str, str]]:
    config, model = experiment.config, experiment.objective.model
    if config.streaming:
        amount = "streamed"
    else:
        lengths = experiment.train.lengths
        kind = "pairs" if config.objective in (*PAIR_KIND, "tlm") else "lines" if config.line_by_line else "blocks"
        amount = f"{len(lengths):,} {kind}, {int(lengths.sum()):,} tokens"
    name = opening.display_name(config.model) if config.model else f"{_new_name(config)}, new"
    shape = f"{model.config.num_hidden_layers} layers of {model.config.hidden_size}"
    new = sorted({weight.split(".")[0] for weight in experiment.new_weights})
    a, b, c = config.mask_split.split("/")
    masking = f"{config.mlm_probability:.0%} of the tokens ({a} % masked, {b} % random, {c} % as they are)"
    whole = ", whole words" if config.whole_word_masking else ""
    limits = [f"{experiment.steps:,} of {_rows_a_step(config)} rows"] if experiment.steps < UNLIMITED else []
    limits += [f"{config.max_minutes:g} minutes"] if config.max_minutes else []
    return [
        ("data", f"{amount}; validation {len(experiment.validation):,} rows"),
        ("objective", f"{config.objective}, {masking}{whole}, {config.masking}"),
        (
            "model",
            f"{name}, {shape}, {experiment.parameters / 1e6:.1f} M parameters"
            + (f"; new, untrained: {', '.join(new)}" if new else ""),
        ),
        ("tokenizer", f"{len(experiment.tokenizer):,} tokens"),
        *([("attention", experiment.attention.described)] if experiment.attention else []),
        ("device", gpus.shown(experiment.device) + _use(experiment)),
        ("steps", ", at most ".join(limits)),
        ("output", str(experiment.folder.path)),
    ]


def _use(experiment: Experiment) -> str:
    """What of a GPU the steps can use, where that is little; ELECTRA's two networks are not estimated."""
    from nlpkit.training import utilization

    config, trainer = experiment.config, experiment.trainer
    if not experiment.device.name.startswith("cuda") or config.objective == "rtd":
        return ""
    length = config.max_length if config.streaming else float(experiment.train.lengths.mean())
    tokens = round(config.batch_size * config.gradient_accumulation_steps * length)
    flops = trainer.flops(tokens, round(length), round(config.mlm_probability * tokens))
    step = utilization.estimated(config, experiment.device, experiment.objective.model, flops)
    rows = None if config.streaming else len(experiment.train)
    return utilization.described(config, step, experiment.steps, rows)


def _task_record(config: Config) -> dict[str, Any] | None:
    """What `predict` and `evaluate` need; a discriminator fills no masks, its generator in `generator/` does."""
    from nlpkit.tasks.masked_lm.task import MaskedLanguageModeling

    if config.objective == "rtd":
        return None
    return MaskedLanguageModeling(
        max_length=config.max_length, mlm_probability=config.mlm_probability, mask_split=_split(config)
    ).record()


def _split(config: Config) -> list[float]:
    return [int(part) / 100 for part in config.mask_split.split("/")]


def _origin(experiment: Experiment) -> dict[str, Any]:
    config = experiment.config
    model = lifecycle.parent(
        config.model or _new_name(config), config.model_revision, experiment.objective.model.config
    )
    return {
        "task": _task_record(config),
        "parents": {
            "model": {**model, "given": config.model},
            "tokenizer": config.tokenizer or config.model,
            "data": experiment.corpus.record(),
        },
        "rows": {
            "train": None if config.streaming else len(experiment.train),
            "validation": len(experiment.validation),
        },
        "findings": [],
    }


def _results(experiment: Experiment, metrics: dict[str, float]) -> dict[str, Any]:
    """What the record says of the training and of the best model."""
    trainer = experiment.trainer
    state = trainer.state
    rates = [entry["tokens_per_second"] for entry in state.log_history if "tokens_per_second" in entry]
    return {
        "metrics": {"validation": metrics},
        "judged": {"validation": len(experiment.validation)},
        "main_metric": experiment.config.best_metric,
        "table_metrics": list(metrics),
        "samples": experiment.filled,
        "steps": state.global_step,
        "epochs": None if experiment.config.streaming else round(state.epoch or 0.0, 2),
        "best_step": state.best_global_step or state.global_step,
        "parameters": experiment.parameters,
        "tokens_per_second": sorted(rates)[len(rates) // 2] if rates else None,
        "train_seconds": round(trainer.budget.seconds(), 2),
    }


def _write(experiment: Experiment, record: dict[str, Any]) -> None:
    """Everything that belongs into the run folder."""
    from nlpkit.experiment import card
    from nlpkit.runs import plots

    trainer, folder = experiment.trainer, experiment.folder
    with folder.staging() as staged:
        for place in experiment.objective.save(staged):
            limits.save_tokenizer(experiment.tokenizer, place, None)  # it is there to be trained further
        trainer.state.save_to_json(str(staged / "trainer_state.json"))
        lifecycle.write_results(staged, record["metrics"], record["train_seconds"])
        pictures = {
            "curves": plots.curves(trainer.state.log_history, ["accuracy"]),
            "perplexity": plots.over_steps(trainer.state.log_history, "perplexity", log=True),
            "learning_rate": plots.over_steps(trainer.state.log_history, "learning_rate"),
        }
        drawn = plots.draw(pictures, staged / "plots")
        with ornament("the card README.md"):
            card.write(staged / "README.md", record, drawn)
        folder.finish(record, staged, keep_checkpoints=experiment.config.keep_checkpoints)


def _report(record: dict[str, Any], folder: Path) -> Report:
    names = record["table_metrics"]
    rows = [
        [split, record["judged"][split], *(values.get(name) for name in names)]
        for split, values in record["metrics"].items()
    ]
    rate = f", {record['tokens_per_second']:,.0f} tokens/s" if record.get("tokens_per_second") else ""
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    lines = [
        f"{folder}: best checkpoint at step {record['best_step']} of {record['steps']} by validation "
        f"{record['main_metric']}; {record['train_seconds']:.0f} s of training{rate}",
        *few_rows({split: count for split, count in record["judged"].items() if split != "train"}),
        f"model {human_bytes(size)}, card README.md, plots/",
    ]
    following = f"nlpkit finetune-cls --model {reporting.typed(folder)} --data ..."
    if record.get("task"):
        following = f'nlpkit predict {reporting.typed(folder)} "The man worked as a <mask>."'
    return Report(
        {**record, "output": str(folder)},
        [Table("result", ["split", "rows", *names], rows)],
        lines,
        next_command=following,
    )
