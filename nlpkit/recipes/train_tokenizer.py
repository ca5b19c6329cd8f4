"""Train a tokenizer on running text, retrain one, or add the words of a domain. Writes a folder that
AutoTokenizer opens.

A --style has everything as the models of that family have it; each part has a flag of its own. --like trains the
pipeline of an existing tokenizer on new text; --extend adds the words that cost it most tokens, or the pieces of
another language (--add-as pieces), behind the ids that it has. What is learned is measured on held-out text, beside any
other tokenizer (--compare).

Examples: nlpkit train-tokenizer --data corpus.txt --vocab-size 8000 --compare minilm
nlpkit train-tokenizer --data de.txt --extend minilm --add 900
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nlpkit import reporting
from nlpkit.data import pipes
from nlpkit.data.corpus import Corpus
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle
from nlpkit.models import opening
from nlpkit.options import (
    CorpusOptions,
    DataOptions,
    OnlyWith,
    OutputOptions,
    SeedOptions,
    Strings,
    flag_of,
    option,
    option_like,
)
from nlpkit.reporting import Report
from nlpkit.runs import lock
from nlpkit.runs.files import ornament
from nlpkit.runs.folder import RunFolder, human_bytes, versions
from nlpkit.tokenization import characters, continued, extend, quality, saving
from nlpkit.tokenization.pipelines import (
    MIN_FREQUENCY,
    PANEL,
    Pipeline,
    PipelineOptions,
    in_bytes,
    require_new,
    require_room,
)
from nlpkit.tokenization.training import BATCH, HELD_OUT_TEXTS, HoldOut, Reading, explained, interruptible, train

if TYPE_CHECKING:
    from nlpkit.tokenization.quality import Quality

Added = Literal["words", "pieces"]

COMMAND = "train-tokenizer"
ESSENTIAL: tuple[str, ...] = ("data", "style", "vocab_size", "like", "extend", "add", "add_as", "output")
WORDS_SHOWN = 12
KEPT_SHARE = 0.1  # of the texts of --keep, which only show whether others like them stay as they were
EXTENDED = OnlyWith(("extend",), hint="Name the model to extend: --extend MODEL.")


class Config(PipelineOptions, CorpusOptions):
    """Options of `nlpkit train-tokenizer`."""

    validation_file: Strings = option_like(
        DataOptions, "validation_file", help="Text to measure on (repeatable).", shown_default="--validation-share"
    )
    validation_share: float = option_like(
        DataOptions,
        "validation_share",
        0.01,
        f"Share of the texts held out, {HELD_OUT_TEXTS:,} at most; 0 = none.",
        gt=None,
        ge=0,
    )
    seed: int = option_like(SeedOptions, "seed", help="Seed of what is held out.", panel="Data")
    like: str | None = option(None, "Train the pipeline of this tokenizer anew.", panel=PANEL, metavar="PATH|NAME")
    extend: str | None = option(None, "Add tokens to the tokenizer of this model.", panel=PANEL, metavar="PATH|NAME")
    add: int | None = option(None, "Number of tokens to add.", panel=PANEL, ge=1, only_with=EXTENDED)
    add_as: Added = option(
        "words",
        "Add the words that cost most tokens, or pieces of another language.",
        panel=PANEL,
        only_with=EXTENDED,
    )
    keep: Strings = option(
        [],
        "Text whose words are cut as before: pieces that change one are left out (repeatable).",
        panel=PANEL,
        metavar="FILE",
        only_with={"add_as": ("pieces",)},
    )
    resize_model: bool = option(
        False, "Write the model too, with an embedding for each new token.", panel=PANEL, only_with=EXTENDED
    )
    compare: Strings = option([], "Measure this tokenizer too (repeatable).", panel="Output", metavar="PATH|NAME")
    output: Path | None = option_like(
        OutputOptions, "output", help="Folder to write.", shown_default="runs/<data>-<kind>"
    )
    overwrite: bool = option_like(OutputOptions, "overwrite")
    dry_run: bool = option_like(OutputOptions, "dry_run", help="Check data and options, show the plan, stop.")


@dataclass
class Made:
    """A tokenizer that was made, before it is saved; see `saving.save` for the first four.

    Attributes:
        asked: tokens that it should have.
        record: what nlpkit.json says of it.
        pieces_before: of each token that was added, the ids that the old tokenizer cuts it into.
        notes: what the user should know.
    """

    backend: Any
    arguments: dict[str, Any]
    stock: str
    stock_arguments: dict[str, Any]
    asked: int
    record: dict[str, Any]
    pieces_before: list[Sequence[int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def save(self, folder: Path) -> Any:
        return saving.save(self.backend, folder, self.arguments, stock=self.stock, stock_arguments=self.stock_arguments)


@lock.given_back()
def run(config: Config) -> Report:
    """Train, measure on held-out text, and write the folder; returns the table of measures."""
    started = time.monotonic()
    pipeline = _pipeline(config)
    if pipeline is not None and pipeline.kind == "character":
        config = config.changed(validation_share=0.0)  # a text held out would lack no character that is in it
    given = config.like or config.extend
    folder = RunFolder(config.output or RunFolder.default_path(_short_name(config), _kind(config, pipeline)))
    folder.require_usable(resume=None, overwrite=config.overwrite)
    corpus = Corpus(config)
    validation = _validation(config)
    flag = "--like" if config.like else "--extend"
    old = saving.open_tokenizer(given, flag) if given else None
    if config.like:
        _require_trainable(config, old)
    others = [saving.open_tokenizer(name, "--compare") for name in config.compare]
    model = _open_model(config, old) if config.resize_model else None
    reporting.current().plan("plan", _plan(config, pipeline, corpus, folder, old))
    if config.dry_run:
        return lifecycle.dry_run(config)

    held_out = HoldOut(0.0 if validation else config.validation_share, config.seed)
    if pipeline is not None:
        made, reading = _train(pipeline, corpus, held_out)
    elif config.like:
        made, reading = _train_like(config, old, corpus, held_out)
    else:
        made, reading = _extend(config, old, corpus, held_out)
    with tempfile.TemporaryDirectory() as place:
        tokenizer = made.save(Path(place))
    names = saving.distinct_names([str(folder.path), *([given] if given else []), *config.compare])
    compared = list(zip(names, [tokenizer, *([old] if given else []), *others], strict=True))
    measured_on, qualities = _measure(compared, validation, held_out, reading)
    record = {
        "command": COMMAND,
        "config": config.record(),
        "tokenizer": {"class": type(tokenizer).__name__, "vocab_size": len(tokenizer), **made.record},
        "parents": {
            "data": corpus.record(),
            "validation": validation.record() if validation else None,
            "model": {"name": opening.display_name(given), "given": given} if given else None,
        },
        "texts": reading.count,
        "measured_on": measured_on,
        "metrics": {measured_on: qualities[0].figures()},
        "compared": [one.record() for one in qualities],
        "findings": _findings(config, made, len(tokenizer)),
        "notes": made.notes,
        "seed": config.seed,
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - started, 2),
    }
    if model is not None:
        extend.resize_model(model, len(tokenizer), made.pieces_before)
    _write(folder, config, made, model, record, qualities)
    return _report(record, folder.path, qualities)


# --- before ---


def _pipeline(config: Config) -> Pipeline | None:
    """The pipeline to train; None when an existing tokenizer brings it.

    Raises:
        UserError: options that do not go together.
    """
    if config.like and config.extend:
        raise UserError("--like and --extend are two ways to go on from a tokenizer", "Give one of them.")
    if config.extend and config.add is None:
        raise UserError("--extend needs --add N, the number of words or pieces")
    config.refuse_unread()
    if config.validation_file and config.validation_share not in (0, Config.model_fields["validation_share"].default):
        raise UserError("--validation-share with --validation-file: nothing else is held out", "Give one of them.")
    if config.validation_share == 0 and not config.validation_file:
        reporting.current().note("nothing is held out: the figures will be of the text that was trained on")
    if config.like or config.extend:
        return None
    pipeline = Pipeline.of(config)
    if pipeline.kind == "character" and "validation_share" in config.given and config.validation_share:
        raise UserError(
            "--validation-share with --kind character: all of the text gives its characters, so none is held out",
            "Leave it out; --validation-file measures on other text.",
        )
    return pipeline


def _require_trainable(config: Config, old: Any) -> None:
    """Check that the trainer of an existing tokenizer's kind has what is asked of it.

    Raises:
        UserError: it has no such setting, or no room for anything to learn.
    """
    kind, by_bytes = type(old.backend_tokenizer.model).__name__, in_bytes(old.backend_tokenizer)
    refused = {"min_frequency": kind == "Unigram", "limit_alphabet": kind == "Unigram" or by_bytes}
    for name, without in refused.items():
        if without and getattr(config, name):
            what = "a unigram model" if kind == "Unigram" else "byte-level"
            raise UserError(f"{flag_of(name)}: {config.like} is {what}, which has none", "Leave it out.")
    require_new(config.special_token, old.get_added_vocab())
    if config.vocab_size:
        require_room(config.vocab_size, len(old.get_added_vocab()) + len(config.special_token), in_bytes=by_bytes)


def _validation(config: Config) -> Corpus | None:
    """The text to measure on; that there is some is found out now, not when all is trained.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    if not config.validation_file:
        return None
    validation = Corpus(config, config.validation_file)
    if "-" not in config.validation_file:
        next(validation.batches(1))
    elif "-" in config.data:
        raise UserError("standard input can be read only once", "Write it to a file, and pass that.")
    return validation


def _kind(config: Config, pipeline: Pipeline | None) -> str:
    if pipeline is not None:
        return pipeline.kind
    return f"like-{opening.display_name(config.like)}" if config.like else opening.display_name(str(config.extend))


def _short_name(config: Config) -> str:
    spec = config.data[0] if config.data else "data"
    return pipes.name_of(spec.partition("@")[0].replace("*", "")).split(".")[0] or "data"


def _open_model(config: Config, tokenizer: Any) -> Any:
    """The model to extend, as the class that its weights were saved from."""
    import torch
    import transformers

    from nlpkit.models import fitting

    name = opening.resolve(str(config.extend), "--extend")
    architecture = (opening.load_config(name).architectures or ["AutoModel"])[0]
    model, _ = opening.load_model(name, architecture if hasattr(transformers, architecture) else "AutoModel")
    if not isinstance(fitting.token_embedding(model), torch.nn.Embedding):
        raise UserError(f"{config.extend}: {type(model).__name__} has no plain table of token embeddings to extend")
    fitting.require_vocabulary(model, tokenizer, f"The tokenizer in {config.extend} is not that of its model.")
    return model


def _plan(
    config: Config, pipeline: Pipeline | None, corpus: Corpus, folder: RunFolder, old: Any
) -> list[tuple[str, str]]:
    size = f", {human_bytes(corpus.size)}" if corpus.size is not None else ""
    rows = [("data", ", ".join(corpus.specs) + size)]
    if pipeline is not None:
        style = pipeline.style
        size = "one per character" if pipeline.kind == "character" else f"{style.vocab_size:,}"
        rows.append(("tokenizer", f"{pipeline.kind}, {pipeline.name} style, {size} tokens"))
        parts = [
            "lowercased" if style.lowercase else "case kept",
            "accents stripped" if style.strip_accents else "accents kept",
            *([style.form.upper()] if style.form != "none" else []),
        ]
        rows.append(("text", ", ".join(parts)))
        rows.append(("special", " ".join(pipeline.specials)))
    elif config.like:
        rows.append(("tokenizer", f"like {config.like}, {config.vocab_size or len(old):,} tokens"))
    else:
        rows.append(("tokenizer", f"{config.extend} ({len(old):,} tokens) and {config.add:,} {config.add_as}"))
    share = f"{100 * config.validation_share:.3g} % of the texts, {HELD_OUT_TEXTS:,} at most"
    rows.append(("held out", ", ".join(config.validation_file) or (share if config.validation_share else "nothing")))
    return [*rows, ("output", str(folder.path))]


# --- the three ways ---


def _train(pipeline: Pipeline, corpus: Corpus, held_out: HoldOut) -> tuple[Made, Reading]:
    backend = pipeline.untrained()
    by_character = pipeline.kind == "character"
    seen = characters.Characters(backend) if by_character and pipeline.limit_alphabet else None
    reading = Reading(
        corpus,
        held_out,
        "now the characters are listed" if by_character else "now the pieces are learned",
        joined=pipeline.line_ends_are_blanks,
        also=seen.add if seen else None,
    )
    train(backend, pipeline.trainer(), reading)
    finished = pipeline.finish(backend)
    made = Made(
        finished,
        pipeline.init_arguments(),
        pipeline.style.stock,
        pipeline.stock_arguments(),
        finished.get_vocab_size() if by_character else pipeline.style.vocab_size,
        pipeline.record(),
        notes=seen.left_out(backend) if seen else [],
    )
    return made, reading


def _train_like(config: Config, old: Any, corpus: Corpus, held_out: HoldOut) -> tuple[Made, Reading]:
    kind = type(old.backend_tokenizer.model).__name__
    settings: dict[str, Any] = {"show_progress": False}
    if kind != "Unigram":
        settings["min_frequency"] = config.min_frequency or MIN_FREQUENCY
    if config.limit_alphabet:
        settings["limit_alphabet"] = config.limit_alphabet
    size = config.vocab_size or len(old)
    reading = Reading(corpus, held_out, "now the pieces are learned")

    def retrain() -> Any:
        return old.train_new_from_iterator(
            iter(reading), size, new_special_tokens=config.special_token or None, **settings
        )

    try:
        new = interruptible(retrain, reading.stop)
    except Exception as error:
        raise explained(error) from error
    return _made_from(new, new.backend_tokenizer, config, size, {"like": config.like, "kind": kind.lower()}), reading


def _extend(config: Config, old: Any, corpus: Corpus, held_out: HoldOut) -> tuple[Made, Reading]:
    """An old tokenizer with more tokens."""
    if config.add_as == "pieces":
        return _with_pieces(config, old, corpus, held_out)
    reading = Reading(corpus, held_out, "now the words that cost most tokens are looked for")
    frequency = config.min_frequency or MIN_FREQUENCY
    words = extend.worst_broken(old, extend.count_words(reading), config.add or 0, frequency)
    if not words:
        raise UserError(
            f"{config.extend} keeps every word whole that occurs {frequency:,} times in the text",
            "There is nothing to add.",
        )
    record = {
        "extend": config.extend,
        "added": [
            {"word": word.text, "count": word.count, "pieces": len(word.pieces), "tokens_saved": word.saved}
            for word in words
        ],
    }
    wanted_size = len(old) + (config.add or 0)
    made = _made_from(old, extend.extended(old, words), config, wanted_size, record)
    made.pieces_before = [word.pieces for word in words]
    return made, reading


def _with_pieces(config: Config, old: Any, corpus: Corpus, held_out: HoldOut) -> tuple[Made, Reading]:
    """An old tokenizer with pieces of another language, of which none changes how words of --keep are cut."""
    reading = Reading(corpus, held_out, "now its pieces are learned")
    runs, number = extend.count_words(reading), config.add or 0
    pieces = interruptible(
        lambda: continued.pieces_of(old, runs, number, config.min_frequency or MIN_FREQUENCY), reading.stop
    )
    kept = HoldOut(KEPT_SHARE, config.seed)
    stays = Reading(Corpus(config, config.keep), kept, "its words are cut as before") if config.keep else None
    extension = continued.extended(old, pieces, number, extend.count_words(stays or []))
    if not extension.pieces:
        raise UserError(
            f"{config.extend} has every piece of the text that may be added", "Give more text, or less of --keep."
        )
    record = {
        "extend": config.extend,
        "added": [{"word": continued.shown(old, piece)} for piece in extension.pieces],
        "left_out_to_keep": len(extension.refused) if stays else None,
    }
    made = _made_from(old, extension.backend, config, len(old) + number, record)
    made.pieces_before = [extend.pieces_before(old, piece) for piece in extension.pieces]
    made.notes = _changed(old, extension, kept, asked=stays is not None)
    return made, reading


def _changed(old: Any, extension: continued.Extension, kept: HoldOut, *, asked: bool) -> list[str]:
    """What becomes of texts that the old tokenizer was made for."""
    if not asked:
        return ["whether other texts are cut as before was not looked at: --keep FILE sees to it, and counts"]
    changed, number = continued.changed_texts(old, extension.backend, kept.texts), len(kept.texts)
    left_out = f"{len(extension.refused):,} pieces were left out, as they change words of --keep"
    return [
        *([left_out] if extension.refused else []),
        f"{changed:,} of {number:,} texts of --keep that took no part in the choice are cut in another way than before",
    ]


def _made_from(tokenizer: Any, backend: Any, config: Config, wanted_size: int, record: dict[str, Any]) -> Made:
    """What an existing tokenizer becomes, with the arguments that it was made of."""
    arguments = saving.arguments_of(tokenizer)
    if config.model_max_length:
        arguments["model_max_length"] = config.model_max_length
    about = {"vocab_size_asked": wanted_size, "model_max_length": arguments.get("model_max_length")}
    return Made(backend, arguments, type(tokenizer).__name__, {}, wanted_size, {**record, **about})


# --- after ---


def _measure(
    tokenizers: list[tuple[str, Any]], validation: Corpus | None, held_out: HoldOut, reading: Reading
) -> tuple[str, list[Quality]]:
    """Measure on the validation files, else on what was held out, else on the beginning of the corpus."""
    if validation is not None:
        with reporting.current().progress("measure", validation.size or 0, "bytes") as bar:
            batches: Iterator[list[str]] = (batch.texts for batch in validation.batches(BATCH, bar=bar))
            return "validation", quality.measure(tokenizers, batches)
    texts = held_out.texts or reading.beginning
    if not held_out.texts and held_out.share:
        reporting.current().warn("the corpus is one text: the figures are of the text that was trained on")
    with reporting.current().progress("measure", len(texts), "texts") as bar:

        def advancing() -> Iterator[list[str]]:
            for first in range(0, len(texts), BATCH):
                yield texts[first : first + BATCH]
                bar.advance(len(texts[first : first + BATCH]))

        return "validation" if held_out.texts else "train", quality.measure(tokenizers, advancing())


def _findings(config: Config, made: Made, size: int) -> list[str]:
    """What the user should know of the size that came out."""
    if config.extend:
        missing = made.asked - size
        why = "no other is broken" if config.add_as == "words" else "the text has no other"
        return [f"{missing:,} {config.add_as} fewer than asked for: {why}"] if missing else []
    if size < made.asked:
        frequency = config.min_frequency or MIN_FREQUENCY
        why = f"no other pieces occur together {frequency} times (--min-frequency)"
        if frequency == 1:
            why = "every word of it is one by now"
        if made.record["kind"] == "unigram":
            why = "it has no more pieces than that"
        return [f"the corpus is too small for {made.asked:,} tokens: {size:,} were learned, {why}"]
    if size > made.asked:
        return [
            f"{size:,} tokens, more than the {made.asked:,} asked for: there are so many characters (--limit-alphabet)"
        ]
    return []


def _write(
    folder: RunFolder, config: Config, made: Made, model: Any, record: dict[str, Any], qualities: list[Quality]
) -> None:
    """The folder: tokenizer, model, plot, card, and last the record that says that it is complete."""
    from nlpkit.runs import plots
    from nlpkit.tokenization import card

    if model is not None:
        folder.require_space(4 * sum(parameter.numel() for parameter in model.parameters()))
    folder.start({"command": COMMAND, "config": config.record()}, overwrite=config.overwrite, resume=False)
    with folder.staging() as staged:
        if model is not None:
            model.save_pretrained(staged)
        made.save(staged)  # behind the model: it is opened for a check, and the class depends on config.json too
        names = ["1 token", *(f"{n} tokens" for n in range(2, quality.MOST_PIECES)), f"{quality.MOST_PIECES} or more"]
        counts = {one.name: one.pieces for one in qualities}
        plots.draw({"tokens_per_word": plots.grouped_bars(names, counts, "share of words")}, staged / "plots")
        with ornament("the card README.md"):
            card.write(staged / "README.md", record, quality.table(qualities, "measured"))
        folder.finish(record, staged, keep_checkpoints=False)


def _report(record: dict[str, Any], folder: Path, qualities: list[Quality]) -> Report:
    for finding in record["findings"]:
        reporting.current().warn(finding)
    words = record["tokenizer"].get("added", [])
    shown = ", ".join(word["word"] for word in itertools.islice(words, WORDS_SHOWN))
    more = ", ..." if len(words) > WORDS_SHOWN else ""
    added = record["config"].get("add_as", "words")
    lines = [f"added {reporting.counted(len(words), added.removesuffix('s'), added)}: {shown}{more}"] if words else []
    lines += record["notes"]
    lines.append(
        f"{folder}: {record['tokenizer']['class']}, {record['tokenizer']['vocab_size']:,} tokens, "
        f"from {record['texts']:,} texts in {record['wall_seconds']:.1f} s; card README.md, plots/"
    )
    what = {"validation": "held-out text", "train": "training text"}[record["measured_on"]]
    title = f"measured on {what} ({qualities[0].words:,} words)"
    return Report(
        {**record, "output": str(folder)},
        [quality.table(qualities, title)],
        lines,
        next_command=f'nlpkit tokenize "..." --tokenizer {reporting.typed(folder)}',
    )
