"""The rows of a file with their vectors, all of them in memory: what groups and topics are found in.

What was embedded is kept in nlpkit's cache by the content of each text, so that a second command on the same rows
embeds nothing, and one that was interrupted goes on where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import nearby, reporting
from nlpkit.data import pieces
from nlpkit.embedding.embedder import weight_files
from nlpkit.embedding.opened import SHOWN, Counts, Opened, digest_of_model, made_with, tell_of_cuts, width_of
from nlpkit.embedding.options import EmbeddedRowsOptions
from nlpkit.embedding.rows import CHUNK, CHUNK_CHARACTERS, Rows
from nlpkit.errors import UserError
from nlpkit.inference.remembered import DIGEST, Remembered
from nlpkit.metrics.similarity import unit
from nlpkit.reporting import counted
from nlpkit.vectors.stored import read_vectors

if TYPE_CHECKING:
    from nlpkit.data.rows import Row
    from nlpkit.reporting import Progress
    from nlpkit.tasks.reading import Reader
    from nlpkit.vectors.made import Made


@dataclass(frozen=True)
class Corpus:
    """Rows with their vectors.

    Attributes:
        rows: as they were read, in their order.
        texts: the text of each row; empty where it has none.
        vectors: float32, shape (rows, width); NaN where a row has none.
        errors: why a row has none, by its place.
        first: for each row the place of the first one with the same text, int64 of shape (rows,); of a row without a
            vector its own.
        made: what the vectors are made with.
        reader: of the rows, which knows the column of the text.
        source: the rows in their file, for what is written like it.
        record: counts, as JSON values.
    """

    rows: Sequence[Row]
    texts: Sequence[str]
    vectors: np.ndarray
    errors: Mapping[int, str]
    first: np.ndarray
    made: Made
    reader: Reader[Any]
    source: Rows
    record: Mapping[str, Any]

    @property
    def there(self) -> np.ndarray:
        """Places of the rows that have a vector, int64."""
        return np.setdiff1d(np.arange(len(self.rows)), list(self.errors))

    def units(self, places: np.ndarray) -> np.ndarray:
        """The vectors of some rows at length 1, so that their products are cosines; float32 of shape (places, width).

        A vector of zeros stays as it is: it is like nothing.
        """
        return np.asarray(unit(self.vectors[places]), np.float32)


def open_corpus(
    opened: Opened, config: EmbeddedRowsOptions, plan: Callable[[Sequence[Row], int, int], None] | None = None
) -> Corpus:
    """The rows of --input with their vectors; says how many have none, are equal, or were cut.

    Args:
        opened: the model.
        config: of the command.
        plan: shows what comes, as soon as the rows are read: it is given them, how many texts that differ are
            among them, and the width of a vector, 0 where it is not known yet.

    Raises:
        UserError: there are no rows, no row has a text, or --vectors are of other rows or of another model.
    """
    if config.input is None:
        raise UserError("name the file with the texts: --input FILE (- for a pipe)")
    source = Rows(config, opened)
    rows: list[Row] = []
    texts: list[str] = []
    errors: dict[int, str] = {}
    reader: Reader[Any] = opened.task.reader()
    for chunk, reader in source.chunks():
        for row in chunk:
            text, error = _text_of(row, reader)
            if error is not None:
                errors[len(rows)] = error
            rows.append(row)
            texts.append(text)
    if not rows:
        raise UserError(f"{config.input} holds no rows", "Name a file with a text in each row.")
    if len(errors) == len(rows):
        raise UserError(f"no row of {config.input} has a text; {next(iter(errors.values()))}")
    first = _first_of_equal(texts, errors)
    if plan is not None:
        different = int((first == np.arange(len(rows))).sum()) - len(errors)
        plan(rows, different, width_of(opened) or 0)
    if config.vectors is not None:
        vectors, made = _stored(opened, config, source, len(rows))
        broken = np.flatnonzero(np.isnan(vectors).any(axis=1)).tolist()
        errors |= {place: f"row {rows[place].line}: {config.vectors} has no vector of it" for place in broken}
        counts: dict[str, Any] = {"longer_than_read": None}
    else:
        vectors, found, counts = _embedded(opened, config, rows, texts, errors, first, reader)
        errors |= found
        broken = sorted(errors)
        made = made_with(opened, config, digest_of_model(opened, config), vectors.shape, 0.0, broken)
    errors = dict(sorted(errors.items()))
    if len(errors) == len(rows):
        raise UserError(f"no row of {config.input} has a vector; {next(iter(errors.values()))}")
    alone = np.asarray(list(errors), np.int64)
    vectors[alone], first[alone] = np.nan, alone
    equal = int((first != np.arange(len(rows))).sum())
    record = {"rows": len(rows), "without_vector": len(errors), "equal_to_an_earlier_row": equal, **counts}
    _tell(config, record, errors)
    return Corpus(rows, texts, vectors, errors, first, made, reader, source, record)


def _text_of(row: Row, reader: Reader[Any]) -> tuple[str, str | None]:
    """The text of a row, and why it has none."""
    if row.error is not None:
        return "", str(row.error)
    try:
        return str(reader.inputs(row.values)["text"]), None
    except ValueError as error:
        return "", f"row {row.line}: {error}"


def _first_of_equal(texts: Sequence[str], errors: Mapping[int, str]) -> np.ndarray:
    known: dict[str, int] = {}
    return np.asarray([i if i in errors else known.setdefault(text, i) for i, text in enumerate(texts)], np.int64)


def _tell(config: EmbeddedRowsOptions, record: Mapping[str, Any], errors: Mapping[int, str]) -> None:
    """Say how many rows have no vector, and how many say the same."""
    if errors:
        some = list(errors.values())[:SHOWN]
        reporting.current().warn(
            f"{counted(len(errors), 'row of', 'rows of')} {config.input} "
            f"{'has' if len(errors) == 1 else 'have'} no vector and {'is' if len(errors) == 1 else 'are'} left out: "
            f"{'; '.join(some)}{'; ...' if len(errors) > len(some) else ''}"
        )
    if equal := record["equal_to_an_earlier_row"]:
        reporting.current().note(f"{counted(equal, 'row has', 'rows have')} the text of an earlier row")


# --- vectors of a file ---


def _stored(opened: Opened, config: EmbeddedRowsOptions, source: Rows, rows: int) -> tuple[np.ndarray, Made]:
    """The vectors of --vectors.

    Raises:
        UserError: they are of another model, or of other rows.
    """
    assert config.vectors is not None and config.input is not None
    stored = read_vectors(config.vectors)
    width = width_of(opened) or stored.made.width
    ours = made_with(opened, config, digest_of_model(opened, config), (rows, width), 0.0, ())
    stored.made.require_like(ours, config.vectors, "the model as it is asked for")
    beside = nearby.expanded(config.input) == nearby.expanded(str(config.vectors))  # which holds the rows itself
    other = not beside and stored.made.rows_sha256 not in ("", source.digest())
    if len(stored) != rows or other:
        held = f"{len(stored):,} vectors" if len(stored) != rows else "vectors of other rows, or of another text column"
        raise UserError(
            f"{config.vectors} holds {held}, and {config.input} has {counted(rows, 'row', 'rows')}",
            "Make them of the same file: nlpkit embed MODEL --input FILE --output VECTORS.",
        )
    for name, asked, found in (
        ("prompt", ours.prompt, stored.made.prompt),
        ("limit of tokens", ours.max_length, stored.made.max_length),
        ("--long-text", ours.long_text, stored.made.long_text),
    ):
        if asked != found:
            reporting.current().warn(f"{config.vectors}: made with another {name}, {found!r} and not {asked!r}")
    return stored.floats(), stored.made


# --- vectors that are made now ---


def _embedded(
    opened: Opened,
    config: EmbeddedRowsOptions,
    rows: Sequence[Row],
    texts: Sequence[str],
    errors: Mapping[int, str],
    first: np.ndarray,
    reader: Reader[Any],
) -> tuple[np.ndarray, dict[int, str], dict[str, Any]]:
    """The vectors of rows, why some have none, and counts; equal texts are embedded once.

    In the cache the tokens that were not read stand behind each vector: texts that were cut are told of each time.
    """
    places = [i for i in np.flatnonzero(first == np.arange(len(rows))).tolist() if i not in errors]
    digests = {i: hashlib.blake2b(_bytes(texts[i]), digest_size=DIGEST).digest() for i in places}
    remembered = _remembered(opened, config)
    known = [i for i in places if digests[i] in remembered.known]
    fresh = [i for i in places if digests[i] not in remembered.known]
    found: dict[int, str] = {}
    parts: list[tuple[list[int], np.ndarray]] = []
    if known:
        parts.append((known, remembered.values([digests[i] for i in known])))
        reporting.current().note(
            f"{len(known):,} of {counted(len(places), 'text', 'texts')} had their vectors in the cache"
        )
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(reporting.current().progress("embed", len(fresh), "texts")) if fresh else None
        for some, made, refused in _made(opened, fresh, rows, texts, reader, bar):
            found |= refused
            if len(some):
                parts.append((some, made))
                remembered.add([digests[i] for i in some], made)
                remembered.keep()
                remembered.fresh.clear()
    width = next((made.shape[1] - 1 for _, made in parts), 0)
    every = np.full((len(rows), width + 1), np.nan, np.float32)
    for some, made in parts:
        every[some] = made
    every = every[first]  # of equal texts the first has it
    found = {row: found[int(first[row])] for row in range(len(rows)) if int(first[row]) in found}
    lost = {row: int(tokens) for row, tokens in enumerate(every[:, width]) if tokens > 0}
    limit = opened.task.max_length
    counts = Counts(limit)
    counts.rows, counts.failed, counts.cut = len(rows), len(errors) + len(found), len(lost)
    counts.longest = max(lost.values(), default=0) + (limit or 0)
    counts.places = [f"row {rows[i].line}" for i in list(lost)[:SHOWN]]
    tell_of_cuts(opened, config, counts)
    return np.ascontiguousarray(every[:, :width]), found, {"longer_than_read": len(lost)}


def _made(
    opened: Opened,
    fresh: Sequence[int],
    rows: Sequence[Row],
    texts: Sequence[str],
    reader: Reader[Any],
    bar: Progress | None,
) -> Iterator[tuple[list[int], np.ndarray, dict[int, str]]]:
    """Places of rows with their vectors, behind each the tokens that were not read; and places without, with why."""

    def chunks() -> Iterator[tuple[list[int], Reader[Any], list[Mapping[str, Any]]]]:
        for start, end in pieces.chunks({"text": [texts[i] for i in fresh]}, CHUNK, CHUNK_CHARACTERS):
            some = list(fresh[start:end])
            yield some, reader, [rows[i].values for i in some]

    for some, embedded in opened.embedder.embedded(chunks() if fresh else [], bar):
        refused = {some[i]: f"row {rows[some[i]].line}: {why}" for i, why in embedded.errors.items()}
        good = [i for i in range(len(some)) if i not in embedded.errors]
        if embedded.vectors is None:
            yield [], np.empty((0, 1), np.float32), refused
            continue
        lost = np.asarray([embedded.lost.get(i, 0) for i in good], np.float32)
        yield [some[i] for i in good], np.concatenate([embedded.vectors[good], lost[:, None]], axis=1), refused


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _remembered(opened: Opened, config: EmbeddedRowsOptions) -> Remembered:
    """Vectors of texts that the same model gave before with the same settings."""
    predictor = opened.predictor
    folder = predictor.folder or weight_files(predictor.model, config.model, config.model_revision)[0].parent
    backend = getattr(predictor.tokenizer, "backend_tokenizer", None)
    tokenizer = backend.to_str() if backend is not None else repr(sorted(predictor.tokenizer.get_vocab().items()))
    settings = [
        "texts",
        type(predictor.model).__name__,
        predictor.device.name,
        predictor.device.precision,
        opened.task.vectors.record(),
        opened.task.max_length,
        config.long_text,
        hashlib.sha256(_bytes(tokenizer)).hexdigest(),
    ]
    return Remembered.of(folder, settings)
