"""The files of an index."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nlpkit.errors import UserError
from nlpkit.searching import record
from nlpkit.searching.dense import Stored
from nlpkit.vectors import codes

VECTORS, DOCUMENTS, WORDS, GRAPH = "vectors.npy", "documents.arrow", "bm25", "graph.usearch"


def damaged(path: Path, why: object) -> UserError:
    """The error of a file of an index that cannot be read."""
    said = "it is no array of numbers" if "pickle" in str(why) else why  # numpy advises to load it nevertheless
    return UserError(f"{path} cannot be read: {said}", record.AGAIN.format(path.parent.parent))


def stored_in(place: Path, entry: record.IndexRecord) -> Stored:
    """The vectors of an index, mapped from the disk."""
    made = entry.made_with(place.parent)
    try:
        numbers = np.load(place / VECTORS, mmap_mode="r" if entry.passages else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(place / VECTORS, error) from None
    shape = (entry.passages, codes.stored_width(made.width, made.dtype))
    if numbers.shape != shape or numbers.dtype != codes.STORED[made.dtype]:
        raise damaged(place / VECTORS, f"it holds {numbers.shape} numbers of {numbers.dtype}, not {shape}")
    return Stored(numbers, made.dtype, made.width, made.scale, entry.measure)
