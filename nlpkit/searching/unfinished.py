"""Vectors of an index that is being made, by the content of their texts: an interrupted build goes on with them.

They go to the disk after each few seconds of work. A file that is replaced last says how many hold, so that of texts
that were embedded together all are there or none, whenever the process is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from nlpkit import interrupts
from nlpkit.errors import UserError
from nlpkit.runs.files import lock_alone, small_text, write_json
from nlpkit.searching.passages import DIGEST

NAME = ".unfinished"  # in the folder of the index
SETTINGS, VECTORS, DIGESTS, KEPT, LOCK = "settings.json", "vectors.f32", "digests.bin", "kept.json", "lock"
SECONDS = 5.0  # of work between two times at which vectors go to the disk; the first go at once


class Unfinished:
    """See the module's docstring. A context manager: while it is open no other process builds the same index.

    Args:
        index: the folder of the index, which is there.
        settings: JSON values of all that decides what a vector is; what was begun with others is dropped.
        width: of a vector.

    Attributes:
        rows: digest of a text -> the place of its vector.
        kept: how many of them are on the disk.
        dropped: how many vectors were there, of other settings.
    """

    def __init__(self, index: Path) -> None:
        self.folder = index / NAME
        self.rows: dict[bytes, int] = {}
        self.kept = self.dropped = 0
        self._waiting: list[np.ndarray] = []
        self._written = -SECONDS
        self._lock: int | None = None
        self._width = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        self._lock = lock_alone(self.folder / LOCK, "builds this index")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is None:
            return
        begun, kept = self._width > 0, (self.folder / VECTORS).is_file()
        try:
            with contextlib.suppress(OSError):  # a full disk is what the block has ended by, and is said
                self.keep()
            if not self.kept and (begun or not kept):  # nothing came of it; what was kept before is not looked at yet
                self.discard()
        finally:
            os.close(self._lock)
            self._lock = None

    def begin(self, settings: Mapping[str, Any], width: int) -> None:
        """Take up what was begun with these settings; else start anew."""
        self._width = width
        vectors, digests = self.folder / VECTORS, self.folder / DIGESTS
        same = (self.folder / SETTINGS).is_file() and self._settings() == json.loads(json.dumps(settings))
        there = digests.stat().st_size // DIGEST if digests.is_file() else 0
        if not same:
            self.dropped = there
            for path in (vectors, digests, self.folder / KEPT):
                path.unlink(missing_ok=True)
            write_json(self.folder / SETTINGS, settings)
        for path in (vectors, digests):
            path.touch()
        # A killed process may have written vectors, and not yet whose they are, or not all that belong together.
        rows = min(digests.stat().st_size // DIGEST, vectors.stat().st_size // (4 * width), self._counted())
        os.truncate(digests, rows * DIGEST)
        os.truncate(vectors, rows * 4 * width)
        raw = digests.read_bytes()
        self.rows = {raw[i * DIGEST : (i + 1) * DIGEST]: i for i in range(rows)}
        self.kept = rows

    def _settings(self) -> Any:
        try:
            return json.loads(small_text(self.folder / SETTINGS))
        except ValueError:
            return None

    def _counted(self) -> int:
        """How many vectors are said to hold.

        Raises:
            UserError: the file cannot be read.
        """
        path = self.folder / KEPT
        try:
            found = json.loads(small_text(path))["rows"]
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            return 0
        except OSError as error:
            raise UserError(
                f"{path} cannot be read: {error.strerror}", f"Delete {self.folder}: what it holds is embedded again."
            ) from None
        return found if isinstance(found, int) and found >= 0 else 0

    def add(self, digests: Sequence[bytes], vectors: np.ndarray) -> None:
        """Take the vectors of texts that belong together, shape (texts, width): all of them are kept, or none."""
        with interrupts.waiting():
            self._waiting.append(np.ascontiguousarray(vectors, "<f4"))
            for digest in digests:
                self.rows[digest] = len(self.rows)
        if time.monotonic() - self._written >= SECONDS:
            self.keep()

    def keep(self) -> None:
        """Bring to the disk what is not there yet."""
        if not self._waiting:
            return
        digests = list(self.rows)[self.kept :]
        vectors = [part.tobytes() for part in self._waiting]
        parts = ((VECTORS, vectors, 4 * self._width), (DIGESTS, digests, DIGEST))
        with interrupts.waiting():
            for name, contents, size in parts:
                with (self.folder / name).open("r+b") as file:
                    file.seek(self.kept * size)  # behind it may stand what a full disk has cut off
                    file.write(b"".join(contents))
                    file.truncate()
                    file.flush()
                    os.fsync(file.fileno())
            self.kept += len(digests)
            self._waiting = []
            write_json(self.folder / KEPT, {"rows": self.kept})
            self._written = time.monotonic()

    def vectors(self) -> np.ndarray:
        """All that there are, shape (texts, width), mapped from the disk."""
        self.keep()
        if not self.rows:
            return np.empty((0, self._width), np.float32)
        return np.memmap(self.folder / VECTORS, np.dtype("<f4"), "r", shape=(len(self.rows), self._width))

    def discard(self) -> None:
        """Delete it, with all that it holds."""
        self.rows, self.kept, self._waiting = {}, 0, []
        with interrupts.waiting():
            shutil.rmtree(self.folder, ignore_errors=True)
