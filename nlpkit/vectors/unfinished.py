"""Vectors that are being made: a hidden folder beside the file that they will be written to.

Vectors are added to it a chunk of rows at a time, in float32, each chunk with a line that says what came of it. What
stands behind the last whole line is cut off when it is opened again, so that a process may be killed at any time. The
file itself is written at the end, of the rows, which are read once more, and of these vectors: it is the same whether
they were made in one go or in several.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from nlpkit import interrupts
from nlpkit.errors import UserError
from nlpkit.runs.files import lock_alone, write_json

BEGUN = "begun.json"
VECTORS = "vectors.f32"
CHUNKS = "chunks.jsonl"


@dataclass(frozen=True)
class Chunk:
    """What came of some consecutive rows.

    Attributes:
        rows: how many.
        width: dimensions of their vectors; 0 where no row has one.
        errors: why a row has no vector, by its position in the chunk.
        cut: texts that were not read to their end.
        longest: tokens of the longest of them.
        places: of the first of them, for messages.
        tokens: that the model read.
        largest: the largest number of their vectors, without its sign.
    """

    rows: int
    width: int
    errors: Mapping[int, str] = field(default_factory=dict)
    cut: int = 0
    longest: int = 0
    places: tuple[str, ...] = ()
    tokens: int = 0
    largest: float = 0.0

    def line(self) -> str:
        """As JSON, on one line."""
        return json.dumps({**self.__dict__, "errors": {str(row): why for row, why in self.errors.items()}}) + "\n"

    @classmethod
    def of(cls, line: str) -> Self:
        """Read from such a line."""
        record = json.loads(line)
        errors = {int(row): why for row, why in record["errors"].items()}
        return cls(**{**record, "errors": errors, "places": tuple(record["places"])})


class Unfinished:
    """See the module's docstring. A context manager: while it is open no other process works on the same file.

    Args:
        output: the file that the vectors are for.

    Attributes:
        folder: where they are kept meanwhile.
    """

    def __init__(self, output: Path) -> None:
        output = Path(os.path.realpath(output))
        self.folder = output.with_name(f".{output.name}.unfinished")
        self._lock: int | None = None
        self._width = 0

    @property
    def is_there(self) -> bool:
        """Whether an earlier command left one with finished rows."""
        return self.rows() > 0

    def rows(self) -> int:
        """How many rows are finished."""
        return sum(chunk.rows for chunk in self.chunks()) if (self.folder / BEGUN).is_file() else 0

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        self._lock = lock_alone(self.folder / "lock", "writes the same --output")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is None:
            return
        if error is not None and not self.rows():
            self.discard()  # what was wrong was found before there was anything to keep
        os.close(self._lock)
        self._lock = None

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Start anew, without what was there.

        Args:
            settings: JSON values of all that decides what the vectors are.
        """
        for name in (BEGUN, VECTORS, CHUNKS):
            (self.folder / name).unlink(missing_ok=True)
        for name in (VECTORS, CHUNKS):
            (self.folder / name).touch()
        write_json(self.folder / BEGUN, settings)

    def settings(self) -> dict[str, Any]:
        """What it was begun with.

        Raises:
            UserError: that cannot be read.
        """
        try:
            found: dict[str, Any] = json.loads((self.folder / BEGUN).read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{self.folder / BEGUN} is damaged: {error}", "Start again with --overwrite.") from None
        return found

    def chunks(self) -> Iterator[Chunk]:
        """What came of the rows that are finished."""
        if not (self.folder / CHUNKS).is_file():
            return
        with (self.folder / CHUNKS).open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):  # the last was not written to its end, where the process was killed in it
                    yield Chunk.of(line)

    def settle(self) -> int:
        """Cut off what a killed process left behind the last finished chunk.

        Returns:
            How many rows are finished.
        """
        rows = kept = 0
        with (self.folder / CHUNKS).open("r+b") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                chunk = Chunk.of(line.decode())
                rows, kept, self._width = rows + chunk.rows, kept + len(line), self._width or chunk.width
            file.truncate(kept)
        size = rows * self._width * 4
        if (self.folder / VECTORS).stat().st_size < size:
            raise UserError(f"{self.folder / VECTORS} is damaged: it is too short", "Start again with --overwrite.")
        os.truncate(self.folder / VECTORS, size)
        return rows

    def add(self, chunk: Chunk, vectors: np.ndarray | None) -> None:
        """Keep the vectors of a chunk.

        Args:
            chunk: what came of its rows.
            vectors: float32, shape (rows, width); None where no row of it has one, and none before had.
        """
        earlier = sum(each.rows for each in self.chunks()) if vectors is not None and not self._width else 0
        with interrupts.waiting(), (self.folder / VECTORS).open("ab") as file:
            if earlier:  # rows before the first vector, which told how wide they are
                file.write(np.full((earlier, chunk.width), np.nan, "<f4").tobytes())
            if vectors is not None:
                file.write(np.ascontiguousarray(vectors, "<f4").data)
            elif self._width:
                file.write(np.full((chunk.rows, self._width), np.nan, "<f4").tobytes())
            file.flush()
            os.fsync(file.fileno())
            self._width = self._width or chunk.width
            with (self.folder / CHUNKS).open("a", encoding="utf-8") as log:
                log.write(chunk.line())
                log.flush()
                os.fsync(log.fileno())

    def vectors(self) -> np.ndarray:
        """All vectors so far, in the order of the rows, shape (rows, width), mapped from the disk; width 0: no row has
        one."""
        rows = sum(chunk.rows for chunk in self.chunks())
        if not self._width or not rows:
            return np.empty((rows, 0), np.float32)
        return np.memmap(self.folder / VECTORS, np.dtype("<f4"), "r", shape=(rows, self._width))

    def errors(self) -> Iterator[str | None]:
        """For each row why it has no vector, None where it has one."""
        for chunk in self.chunks():
            yield from (chunk.errors.get(row) for row in range(chunk.rows))

    def discard(self) -> None:
        """Delete it, with all that it holds."""
        with interrupts.waiting():
            shutil.rmtree(self.folder, ignore_errors=True)
