"""The rows of a file that are embedded, as often as they are needed."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import nearby, process, reporting
from nlpkit.data import pipes, readers, streams
from nlpkit.data.as_trained import as_trained
from nlpkit.data.inputs import FORMATS, Input, Reading, Wanted
from nlpkit.data.labels import as_number
from nlpkit.data.sources import FileInfo
from nlpkit.embedding.opened import Opened
from nlpkit.embedding.options import EmbedderOptions
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from nlpkit.data.rows import Row, Style
    from nlpkit.tasks.reading import Reader

CHUNK = 8_192  # rows that are kept together, fewer of long texts:
CHUNK_CHARACTERS = 2**21


class Rows:
    """The rows of --input, which are read more than once: those of a pipe are copied first.

    Args:
        config: of the command.
        opened: the model.
        once: rows are asked for once alone, as they come.

    Attributes:
        place: of the rows.
        columns: names of the vector and of its error, free among those of the rows; from when rows have been read.
        names, read: of the columns of the rows, and of those that are embedded; from then, too.
    """

    def __init__(self, config: EmbedderOptions, opened: Opened, *, once: bool = False) -> None:
        assert config.input is not None
        self.config, self.opened = config, opened
        task = opened.task
        reading = Reading.of(config, {**FORMATS, **task.input_formats}, Wanted(task.content))
        self.place = Path(config.input)
        given: Any = config.input
        if config.input == "-":
            reading = dataclasses.replace(reading, format=config.format or "txt")
            if once:
                given = process.standard_input()
            else:
                given = self.place = pipes.on_disk(pipes.STDIN)
        else:
            columns = task.reader().input_columns
            reading = as_trained(reading, config.input, opened.predictor.record, config.given, columns)
            if pipes.is_passing(config.input) and not once:
                reading = dataclasses.replace(reading, format=reading.format_of(config.input))
                given = self.place = pipes.on_disk(nearby.expanded(config.input))
        self._open = lambda: Input.of(given, reading, keep=True)
        self.source: Input = self._open()
        self.reading = reading
        self._told = self.source.told
        self.columns = ("vector", "vector_error")
        self.names: list[str] = []
        self.read: list[str] = []

    def again(self) -> Iterator[Row]:
        """The rows from the first; what was said of them is not said again."""
        self.source = self._open()
        self.source.told = self._told
        return readers.rows_of(self.source, needed=False)

    def chunks(self) -> Iterator[tuple[list[Row], Reader[Any]]]:
        """Rows that are worked on together, the same in each run, with what reads them."""
        reader: Reader[Any] = self.opened.task.reader()
        bound = False
        for chunk in streams.chunks_of(self.again(), CHUNK, CHUNK_CHARACTERS):
            names = [] if bound else next((list(row.values) for row in chunk if row.error is None), [])
            if names:
                reader = self.opened.task.reader(names, self.config, labelled=False)
                self.columns, bound = _free_names(names), True
                self.names, self.read = names, list(reader.input_columns)
                _require_texts(chunk, reader.input_columns[0])
            yield chunk, reader

    def asked(self, finished: int = 0) -> Iterator[tuple[list[Row], Reader[Any], list[dict[str, Any]]]]:
        """What an `Embedder` is asked for, without the rows that are finished."""
        done = 0
        for chunk, reader in self.chunks():
            done += len(chunk)
            if done > finished:
                yield chunk, reader, [row.values for row in chunk if row.error is None]

    def style_for(self, output: Path) -> Style | None:
        """How the fields of an output are written: as those of an input of the same kind."""
        return self.source.style if output.suffix == f".{self.source.format}" else None

    def read_as(self) -> dict[str, Any]:
        """All that decides which texts are embedded, as JSON values."""
        return {
            "sha256": FileInfo.of(self.place).sha256,
            "text_column": self.config.text_column,
            "reading": repr(self.reading.key()),
        }

    def digest(self) -> str:
        """SHA-256 of the same, in hex."""
        return hashlib.sha256(json.dumps(self.read_as(), sort_keys=True).encode()).hexdigest()


def _require_texts(rows: Sequence[Row], column: str) -> None:
    """Refuse a column of numbers, which was named or guessed in place of that of the texts.

    Raises:
        UserError: each of several rows has a number there.
    """
    values = [row.values.get(column) for row in rows if row.error is None]
    given = [value for value in values if value not in (None, "")]
    if len(given) > 1 and all(as_number(value) is not None for value in given):
        raise UserError(
            f"the column '{column}' holds numbers ({given[0]}, {given[1]}, ...) and no texts",
            "Name that of the texts: --text-column.",
        )


def _free_names(columns: Sequence[str]) -> tuple[str, str]:
    """`vector` and `vector_error`, or numbered where the rows have such columns (of another model)."""
    taken = {name.strip() for name in columns}
    names = itertools.chain(["vector"], (f"vector{number}" for number in itertools.count(2)))
    free = next(name for name in names if name not in taken and f"{name}_error" not in taken)
    if free != "vector":
        reporting.current().note(f"the rows have a column of vectors: the new ones are in {free}")
    return free, f"{free}_error"
