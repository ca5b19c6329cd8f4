"""Vectors of an index that is being made, by the content of their texts: an interrupted build goes on with them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from nlpkit import interrupts
from nlpkit.runs.files import lock_alone, small_text, write_json
from nlpkit.searching.passages import DIGEST

NAME = ".unfinished"  # in the folder of the index
SETTINGS, VECTORS, DIGESTS, LOCK = "settings.json", "vectors.f32", "digests.bin", "lock"


class Unfinished:
    """See the module's docstring. A context manager: while it is open no other process builds the same index.

    Args:
        index: the folder of the index, which is there.
        settings: JSON values of all that decides what a vector is; what was begun with others is dropped.
        width: of a vector.

    Attributes:
        rows: digest of a text -> the place of its vector.
        dropped: how many vectors were there, of other settings.
    """

    def __init__(self, index: Path) -> None:
        self.folder = index / NAME
        self.rows: dict[bytes, int] = {}
        self.dropped = 0
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
        if not self.rows and (begun or not kept):  # nothing came of it; what was kept before is not looked at yet
            self.discard()
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
            for path in (vectors, digests):
                path.unlink(missing_ok=True)
            write_json(self.folder / SETTINGS, settings)
        for path in (vectors, digests):
            path.touch()
        # A killed process may have written vectors, and not yet whose they are.
        rows = min(digests.stat().st_size // DIGEST, vectors.stat().st_size // (4 * width))
        os.truncate(digests, rows * DIGEST)
        os.truncate(vectors, rows * 4 * width)
        raw = digests.read_bytes()
        self.rows = {raw[i * DIGEST : (i + 1) * DIGEST]: i for i in range(rows)}

    def _settings(self) -> Any:
        try:
            return json.loads(small_text(self.folder / SETTINGS))
        except ValueError:
            return None

    def add(self, digests: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep the vectors of some texts, shape (texts, width)."""
        with interrupts.waiting():
            for name, content in (
                (VECTORS, np.ascontiguousarray(vectors, "<f4").tobytes()),
                (DIGESTS, b"".join(digests)),
            ):
                with (self.folder / name).open("ab") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
        for digest in digests:
            self.rows[digest] = len(self.rows)

    def vectors(self) -> np.ndarray:
        """All that are kept, shape (texts, width), mapped from the disk."""
        if not self.rows:
            return np.empty((0, self._width), np.float32)
        return np.memmap(self.folder / VECTORS, np.dtype("<f4"), "r", shape=(len(self.rows), self._width))

    def discard(self) -> None:
        """Delete it, with all that it holds."""
        self.rows = {}
        with interrupts.waiting():
            shutil.rmtree(self.folder, ignore_errors=True)
