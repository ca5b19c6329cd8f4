"""Turn texts into vectors with any encoder. Prints them, and how alike they
are; --output writes those of the rows of a file.

What a vector is made of (pooling, length, prompt, tokens that are read) is read from the model's folder, and said; a
guess is said to be one. Texts that are longer than the model reads are counted (--long-text). A file may have any size;
what was interrupted goes on with --resume. --dtype int8 or binary makes vectors smaller, and says what is lost.

Examples: nlpkit embed minilm "A cat sleeps." "A dog runs."
nlpkit embed minilm --input questions.csv --output vectors.parquet
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data import memory
from nlpkit.data.labels import is_missing
from nlpkit.embedding.options import EmbedOptions
from nlpkit.errors import UserError
from nlpkit.recipes import predict
from nlpkit.reporting import Report
from nlpkit.runs.files import require_writable
from nlpkit.sharding import batch
from nlpkit.tasks.contract import Task
from nlpkit.vectors import formats

if TYPE_CHECKING:
    from nlpkit.sharding.worker import Answer

COMMAND = "embed"
FORMATS = ", ".join(suffix.lstrip(".") for suffix in formats.SUFFIXES)
NEEDS = Task  # of the task of the model
ESSENTIAL: tuple[str, ...] = (
    "model",
    "texts",
    "input",
    "output",
    "resume",
    "dtype",
    "long_text",
    "plot",
    "pairs_from",
)


class Config(EmbedOptions):
    """Options of `nlpkit embed`."""


def writes_to_stdout(config: Config) -> bool:
    """Whether standard output carries the vectors of a file, and nothing else may go there."""
    return config.input is not None and config.output is None and not memory.is_name(config.input)


def run(config: Config) -> Report:
    """Embed; returns the vectors of texts, counts and speed of a file."""
    if batch.is_asked_for(config):
        return _sharded(config)
    pairs = _pairs(config)
    ways = [bool(pairs), bool(config.texts) and not pairs, bool(config.input)]
    if sum(ways) != 1:
        raise UserError(
            "give texts, or --input FILE (- for a pipe), or --pairs-from FILE FILE"
            if not any(ways)
            else "give texts, --input FILE or --pairs-from FILE FILE, one of them"
        )
    predict.require_one_input(config.input, config.texts, config.model, COMMAND)
    if not pairs and config.texts:
        predict.require_typed("texts", config.texts, config.known_fields(), COMMAND)
        _require_texts(config.texts)
    config.refuse_unread()
    _require_outputs(config, typed=not config.input)
    from nlpkit.embedding import file, typed
    from nlpkit.embedding.opened import open_embedder
    from nlpkit.embedding.pairs import compare_files

    opened = open_embedder(config)
    if pairs:
        return compare_files(opened, config, *pairs)
    if config.texts:
        return typed.embed_texts(opened, config)
    return file.give(opened, config) if config.output is None else file.embed_file(opened, config)


def answering(options: Mapping[str, Any]) -> Answer:
    """Open the model that options name; what it gives embeds the rows of a file with it."""
    from nlpkit.embedding import file
    from nlpkit.embedding.opened import open_embedder

    config = Config(**options)
    opened = open_embedder(config)
    return lambda name, output: file.embed_file(opened, config.changed(input=name, output=output))


def _sharded(config: Config) -> Report:
    """Embed many files, each into one of its own."""
    if config.pairs_from:
        raise UserError("--pairs-from compares two files, and writes no vectors", "Leave out --shards and --jobs.")
    config = config.changed(shards=True)
    suffix = f".{config.output_format or 'parquet'}"
    if suffix not in formats.SUFFIXES:
        raise UserError(f"--output-format {config.output_format}: unknown format", f"Known are: {FORMATS}.")
    formats.require_format(Path(f"NAME{suffix}"), config.dtype)
    return batch.run(config, batch.Command(COMMAND, answering, lambda _: suffix, "vector (column vector_error)"))


def _require_texts(texts: Sequence[str]) -> None:
    """Refuse a text without a letter, as a shell makes one of a variable that is not set."""
    if empty := [number for number, text in enumerate(texts, start=1) if is_missing(text)]:
        raise UserError(
            f"text {empty[0]} of {len(texts)} is empty",
            "Leave it out. Rows of a file without a text are kept, with their error: --input FILE.",
        )


def _pairs(config: Config) -> tuple[str, str] | None:
    """The two files of --pairs-from; the shell gives the second as a text."""
    if not config.pairs_from:
        return None
    files = [*config.pairs_from, *config.texts]
    if len(files) != 2:
        raise UserError(
            f"--pairs-from takes two files, and {reporting.counted(len(files), 'is', 'are')} given",
            "--pairs-from ENGLISH.txt GERMAN.txt",
        )
    return files[0], files[1]


def _require_outputs(config: Config, *, typed: bool) -> None:
    """Refuse what cannot be written, before a model is opened."""
    if config.output is not None:
        formats.require_format(config.output, config.dtype)
        if config.pairs_from:
            raise UserError("--pairs-from compares, and writes no vectors", "Leave out --output; --plot has a picture.")
        if typed or not config.resume:
            require_writable(config.output, overwrite=config.overwrite)
    elif config.dtype != "fp32":
        raise UserError(
            f"--dtype {config.dtype} says how vectors are stored, and nothing is written", "Name a file: --output FILE."
        )
    if config.plot is not None:
        if config.plot.suffix != ".png":
            raise UserError(f"--plot {config.plot}: a picture is a PNG", "End its name in .png.")
        require_writable(config.plot, overwrite=config.overwrite)
