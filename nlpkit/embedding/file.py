"""Vectors of the rows of a file, in a file: chunk by chunk, so that an interrupted one goes on."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit import __version__, reporting
from nlpkit.data import memory, pipes, streams
from nlpkit.data.writers import writer
from nlpkit.embedding.opened import (
    Counts,
    Opened,
    digest_of_model,
    loss_line,
    made_with,
    tell_of_cuts,
    width_of,
)
from nlpkit.embedding.options import EmbedOptions
from nlpkit.embedding.rows import CHUNK, CHUNK_CHARACTERS, Rows
from nlpkit.errors import RunError, UserError
from nlpkit.reporting import Report
from nlpkit.runs.files import require_writable
from nlpkit.vectors import codes, formats
from nlpkit.vectors.stored import read_vectors
from nlpkit.vectors.unfinished import Unfinished

BLOCK = 4_096  # rows that are written at a time


def give(opened: Opened, config: EmbedOptions) -> Report:
    """The vectors of rows without --output: as lines of JSON, or, of rows in memory, to the caller."""
    rows = Rows(config, opened, once=True)
    held = config.input is not None and memory.is_name(config.input)
    counts = Counts(opened.task.max_length)
    parts: list[tuple[int, np.ndarray | None]] = []
    total = streams.row_count(config.input, named=bool(config.columns))
    with writer(None) as write, reporting.current().progress("embed", total, "rows") as bar:
        for chunk, embedded in opened.embedder.embedded(rows.asked()):
            made, vectors = counts.take(chunk, embedded)
            if held:
                parts.append((len(chunk), vectors))
            else:
                vector, error = rows.columns
                lists = [None] * len(chunk) if vectors is None else vectors.tolist()
                write(
                    [
                        {**row.values, vector: None if i in made.errors else lists[i], error: made.errors.get(i)}
                        for i, row in enumerate(chunk)
                    ]
                )
            bar.advance(len(chunk))
    lines = [f"vectors: {opened.how}"] if held else []
    report = _report(opened, config, counts, {}, lines, rows)
    width = next((vectors.shape[1] for _, vectors in parts if vectors is not None), 0)
    if held:
        whole = [np.full((count, width), np.nan, np.float32) if made is None else made for count, made in parts]
        report.vectors = np.concatenate(whole) if whole else np.empty((0, 0), np.float32)
    return report


def embed_file(opened: Opened, config: EmbedOptions) -> Report:
    """The vectors of the rows of a file, in a file."""
    assert config.output is not None
    unfinished = Unfinished(config.output)
    going_on = _goes_on(config, unfinished)
    if config.resume and not going_on and config.output.exists():
        return _complete(opened, config)
    with unfinished:
        rows = Rows(config, opened)
        before = pipes.state(rows.place)
        digest = digest_of_model(opened, config)
        settings = _settings(opened, config, digest, rows)
        if going_on:
            _require_same(unfinished, settings)
        else:
            unfinished.begin(settings)
        finished = unfinished.settle()
        if finished:
            reporting.current().note(f"--resume: {reporting.counted(finished, 'row', 'rows')} are finished already")
        total = streams.row_count(str(rows.place), named=bool(config.columns))
        reporting.current().plan("embed", _plan(opened, config, total))
        counts = Counts(opened.task.max_length)
        for chunk in unfinished.chunks():
            counts.earlier(chunk)
        with reporting.current().progress("embed", total, "rows") as bar:
            bar.advance(finished)
            for some, embedded in opened.embedder.embedded(rows.asked(finished)):
                unfinished.add(*counts.take(some, embedded))
                bar.advance(len(some), tokens=f"{counts.tokens / counts.seconds:,.0f}/s")
        if pipes.state(rows.place) != before:
            raise RunError(
                f"{config.input} has changed while it was embedded", "Begin it anew with --overwrite, of a copy."
            )
        report = _written(opened, config, unfinished, rows, digest, counts)
        unfinished.discard()
    return report


def _goes_on(config: EmbedOptions, unfinished: Unfinished) -> bool:
    """Whether there are finished rows to go on with.

    Raises:
        UserError: there are, and it was not said what is to become of them; or there is a file already.
    """
    assert config.output is not None
    if config.resume and config.input == "-":
        raise UserError("--resume reads the rows once more, which a pipe does not give", "Name a file: --input FILE.")
    if config.resume and config.overwrite:
        raise UserError("--resume goes on with the file, --overwrite replaces it", "Give one of them.")
    if config.resume:
        if not unfinished.is_there and not config.output.exists():
            require_writable(config.output, overwrite=False)
            reporting.current().note(f"--resume: nothing of {config.output} is there yet; starting with the first row")
        return unfinished.is_there
    if not config.overwrite and (rows := unfinished.rows()):
        raise UserError(
            f"--output {config.output} was interrupted: {reporting.counted(rows, 'row is', 'rows are')} finished",
            "--resume goes on with it, --overwrite begins it anew.",
        )
    return False


def _complete(opened: Opened, config: EmbedOptions) -> Report:
    """The report of a file that --resume finds complete.

    Raises:
        UserError: it was made with another model or other options.
    """
    assert config.output is not None
    made = read_vectors(config.output).made
    width = width_of(opened) or made.width
    wanted = made_with(
        opened, config, digest_of_model(opened, config), (made.rows, width), 0.0, made.broken, config.dtype
    )
    read = Rows(config, opened).digest() if made.rows_sha256 else ""
    same = dataclasses.replace(
        wanted, model=made.model, scale=made.scale, version=made.version, column=made.column, rows_sha256=read
    )
    if same != made:
        other = "another model or other options"
        if dataclasses.replace(same, rows_sha256=made.rows_sha256) == made:
            other = "other rows, or rows that were read in another way"
        raise UserError(
            f"--resume: {config.output} is complete, and was made with {other}",
            "--overwrite begins it anew.",
        )
    reporting.current().note(f"{config.output} is complete: nothing to resume")
    told = {name: value for name, value in made.record().items() if name != "broken"}
    record = {"model": config.model, "input": config.input, "output": str(config.output), "rows": made.rows}
    return Report({**record, "failed": len(made.broken), "vectors": told})


def _settings(opened: Opened, config: EmbedOptions, digest: str, rows: Rows) -> dict[str, Any]:
    """All that decides what the vectors of a file are, as JSON values."""
    task = opened.task
    return {
        "version": __version__,
        "model": digest,
        "input": rows.read_as(),
        "vectors": {**task.vectors.record(), "max_length": task.max_length},
        "long_text": config.long_text,
        "chunks": [CHUNK, CHUNK_CHARACTERS],
        "batches": [config.batch_size, opened.predictor.batch_tokens],
        "device": opened.predictor.device.described,
    }


SAID = {
    "version": "nlpkit has another version",
    "model": "the model has changed",
    "input": "the rows of --input have changed, or are read in another way",
    "vectors": "the options of vectors are others",
    "long_text": "--long-text is another",
    "chunks": "nlpkit has another version",
    "batches": "--batch-size or --batch-tokens is another",
    "device": "it runs on another device",
}


def _require_same(unfinished: Unfinished, settings: Mapping[str, Any]) -> None:
    """Refuse to go on with vectors that would be of two kinds.

    Raises:
        UserError: saying what has changed.
    """

    begun, now = unfinished.settings(), json.loads(json.dumps(settings))
    different = [said for name, said in SAID.items() if begun.get(name) != now[name]]
    if different:
        raise UserError(
            f"--resume: since the file was begun {', and '.join(dict.fromkeys(different))}",
            "Give the same, or begin it anew with --overwrite.",
        )


def _plan(opened: Opened, config: EmbedOptions, total: int) -> list[tuple[str, str]]:
    """What is about to be done."""
    task = opened.task
    limit = f"{task.max_length} tokens" if task.max_length else "no limit"
    longer = {"truncate": "longer texts are cut", "mean-windows": "longer ones in windows", "error": "longer ones fail"}
    sizes = f"{opened.predictor.batch_tokens:,} tokens or {config.batch_size:,} texts a batch"
    return [
        ("model", config.model),
        ("vectors", opened.how),
        ("texts", f"{limit}, {longer[config.long_text]}" if task.max_length else limit),
        ("rows", f"{total:,} of {config.input}, by its lines" if total else str(config.input)),
        ("device", f"{opened.predictor.device.described}, {sizes}"),
        ("output", f"{config.output}, {config.dtype}"),
    ]


def _written(
    opened: Opened, config: EmbedOptions, unfinished: Unfinished, rows: Rows, digest: str, counts: Counts
) -> Report:
    """Write the file, of the rows, which are read once more, and of their vectors."""
    import numpy as np

    assert config.output is not None
    vectors = unfinished.vectors()
    chunks = list(unfinished.chunks()) if len(vectors) else []
    starts = np.cumsum([0, *(chunk.rows for chunk in chunks)])
    broken = [int(start) + row for start, chunk in zip(starts, chunks, strict=False) for row in chunk.errors]
    largest = max((chunk.largest for chunk in chunks), default=0.0)
    made = made_with(opened, config, digest, vectors.shape, largest, sorted(broken), config.dtype)
    made = dataclasses.replace(made, column=rows.columns[0], rows_sha256=rows.digest())
    if not len(vectors):
        reporting.current().warn(f"{config.input} holds no rows: there is nothing to embed")

    def blocks() -> Iterator[tuple[list[dict[str, Any]], np.ndarray]]:
        bare = config.output is not None and config.output.suffix in formats.BARE
        errors = unfinished.errors()
        given = iter([]) if bare else rows.again()
        for start in range(0, len(vectors), BLOCK):
            part = vectors[start : start + BLOCK]
            some = list(itertools.islice(given, len(part)))
            if not bare and len(some) < len(part):
                raise UserError(
                    f"{config.input} has fewer rows than when it was embedded", "Begin it anew with --overwrite."
                )
            entries = [{**row.values, rows.columns[1]: why} for row, why in zip(some, errors, strict=False)]
            yield entries, codes.encode(np.asarray(part), made.dtype, made.scale)
        if not len(vectors):
            yield [], np.empty((0, 0), codes.STORED[made.dtype])

    overwrite = config.resume or config.overwrite  # what is there then is of this command, killed at its very end
    output = config.output
    formats.write(output, blocks, made, rows.columns, lambda: rows.style_for(output), overwrite=overwrite)
    record: dict[str, Any] = {"vectors": {name: value for name, value in made.record().items() if name != "broken"}}
    there = np.setdiff1d(codes.sample(len(vectors)), broken)
    lines = loss_line(np.asarray(vectors[there]), made, record)
    return _report(opened, config, counts, record, lines, rows)


def _report(
    opened: Opened, config: EmbedOptions, counts: Counts, told: Mapping[str, Any], lines: Sequence[str], rows: Rows
) -> Report:
    """Counts and speed of a file.

    Args:
        told: what else goes into the record.
        lines: what else people are told.
        rows: that were read.
    """
    tell_of_cuts(opened, config, counts)
    done, failed, seconds = counts.rows, counts.failed, counts.seconds
    lacking = f"vector (column {rows.columns[1]})"
    failure = config.tell_of_failures(failed, done, lacking, counts.first_error, counts.hint)
    speed = f"{reporting.rate(counts.new / seconds, 'rows')}, {counts.tokens / seconds:,.0f} tokens/s"
    record = {
        "model": config.model,
        "input": config.input,
        "output": str(config.output) if config.output else None,
        "device": opened.predictor.device.described,
        "rows": done,
        "failed": failed,
        "longer_than_read": counts.cut,
        "seconds": round(seconds, 3),
        "rows_per_second": round(counts.new / seconds, 1),
        "tokens_per_second": round(counts.tokens / seconds, 1),
        "columns": rows.names,
        "read_columns": rows.read,
        **told,
    }
    written = [f"{reporting.counted(done, 'row', 'rows')} to {config.output}, {speed}"] if config.output else []
    return Report(record, [], [*lines, *written], exit_code=1 if failure else 0, failure=failure)
