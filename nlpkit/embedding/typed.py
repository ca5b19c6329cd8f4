"""Vectors of texts that are typed, and how alike these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.embedding.opened import Counts, Opened, digest_of_model, loss_line, made_with, tell_of_cuts
from nlpkit.embedding.options import EmbedOptions
from nlpkit.errors import UserError
from nlpkit.reporting import Report, Table
from nlpkit.vectors import codes, compared, formats

if TYPE_CHECKING:
    import numpy as np

    from nlpkit.embedding.embedder import Embedded

COMPARED = 200  # texts, at most, of which all pairs are compared
COLUMNS = 12  # of them in a table
CUT = 24  # characters of a text at the left of a table


def embed_texts(opened: Opened, config: EmbedOptions) -> Report:
    """The vectors of texts, and how alike these are."""
    rows, reader = opened.task.reader().typed(config)
    ((_, embedded),) = opened.embedder.embedded([(None, reader, rows)])
    vectors, errors = embedded.vectors, embedded.errors
    counts = Counts(opened.task.max_length)
    counts.longer(embedded)
    tell_of_cuts(opened, config, counts)
    answers = [_answer(row, i, embedded) for i, row in enumerate(rows)]
    tables = [_vector_table(answers)]
    record: dict[str, Any] = {"model": config.model, "vectors": opened.task.vectors.record(), "answers": answers}
    lines = [f"vectors: {opened.how}"]
    told = [i for i in range(len(rows)) if i not in errors]
    if vectors is not None and len(told) > 1:
        tables.append(_compared(opened, config, told[:COMPARED], rows, vectors, record))
        if len(told) > COMPARED:
            lines.append(f"the first {COMPARED} of {len(told):,} texts are compared")
    elif config.plot is not None:
        raise UserError("--plot shows how alike texts are, and needs two", "Give another text.")
    if config.output is not None and vectors is not None:
        largest = float(abs(vectors[told]).max())
        made = made_with(
            opened, config, digest_of_model(opened, config), vectors.shape, largest, sorted(errors), config.dtype
        )
        stored = codes.encode(vectors, made.dtype, made.scale)
        beside = [{**row, "vector_error": errors.get(i)} for i, row in enumerate(rows)]
        names = ("vector", "vector_error")
        formats.write(config.output, lambda: [(beside, stored)], made, names, overwrite=config.overwrite)
        record["output"] = str(config.output)
        lines += [
            *loss_line(vectors[told], made, record),
            f"{reporting.counted(len(rows), 'vector', 'vectors')} to {config.output}",
        ]
    failure = f"{len(errors)} of {len(rows)} texts have no vector; {next(iter(errors.values()))}" if errors else ""
    report = Report(record, tables, lines, exit_code=1 if failure else 0, failure=failure)
    report.vectors = vectors
    return report


def _answer(row: Mapping[str, Any], place: int, embedded: Embedded) -> dict[str, Any]:
    """A text with its vector, or why it has none, and how many of its tokens were not read."""
    has = place not in embedded.errors and embedded.vectors is not None
    lost = {"vector_cut": embedded.lost[place]} if place in embedded.lost else {}
    vector = embedded.vectors[place].tolist() if has and embedded.vectors is not None else None
    return {**row, "vector": vector, "vector_error": embedded.errors.get(place), **lost}


def _vector_table(answers: Sequence[Mapping[str, Any]]) -> Table:
    """The first numbers of each vector, and how many there are."""
    body = []
    for answer in answers:
        vector = answer["vector"]
        begins = answer["vector_error"] if vector is None else " ".join(f"{x:.4f}" for x in vector[:4]) + " ..."
        body.append([answer["text"], None if vector is None else len(vector), begins])
    return Table("vectors", ["text", "dimensions", "vector"], body)


def _compared(
    opened: Opened,
    config: EmbedOptions,
    places: Sequence[int],
    rows: Sequence[Mapping[str, Any]],
    vectors: np.ndarray,
    record: dict[str, Any],
) -> Table:
    """How alike texts are: into the record, into the picture where one is asked for, and as a table."""
    how = config.similarity or opened.task.vectors.similarity
    values = compared.matrix(vectors[list(places)], how)
    texts = [str(rows[i]["text"]) for i in places]
    record["similarity"], record["similarities"] = how, values.tolist()
    if config.plot is not None:
        compared.draw_matrix(config.plot, values, texts, how, overwrite=config.overwrite)
        record["plot"] = str(config.plot)
    shown = len(places) if len(places) <= COLUMNS else COLUMNS
    header = ["text", *(str(i + 1) for i in places[:shown])]
    body: list[list[Any]] = [
        [f"{place + 1} {compared.shortened(text, CUT)}", *(round(float(x), 4) for x in line[:shown])]
        for place, text, line in zip(places, texts, values, strict=True)
    ]
    whole = f", the first {shown} of {len(places)} columns" if shown < len(places) else ""
    return Table(f"{compared.named(how)}{whole}", header, body)
