"""Documents and their passages as the table of an index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data.one_type import as_text
from nlpkit.searching.documents import Document, other_columns
from nlpkit.searching.passages import DIGEST, Passage, digest
from nlpkit.searching.table import COLUMN

if TYPE_CHECKING:
    import pyarrow as pa


def made(documents: Sequence[Document], passages: Sequence[Passage]) -> pa.Table:
    """The table of passages.

    `document` is the place of its document, `passage` its number there, `start` and `end` its characters; `digest` is
    that of its text, `body` that of the text of its document, `whole` that of all that the document holds.
    """
    import pyarrow as pa

    texts = [documents[each.document].text[each.start : each.end] for each in passages]
    wholes = [_whole(document) for document in documents]
    bodies = [digest(document.text) for document in documents]
    place = np.asarray([each.document for each in passages], np.int64)
    columns: dict[str, Any] = {
        "id": pa.array([documents[i].id for i in place], pa.string()),
        "named": pa.array([documents[i].named for i in place], pa.bool_()),
        "document": pa.array(place, pa.int64()),
        "passage": pa.array([each.number for each in passages], pa.int32()),
        "start": pa.array([each.start for each in passages], pa.int64()),
        "end": pa.array([each.end for each in passages], pa.int64()),
        "text": pa.array(texts, pa.large_string()),
        "digest": pa.array([digest(text) for text in texts], pa.binary(DIGEST)),
        "body": pa.array([bodies[i] for i in place], pa.binary(DIGEST)),
        "whole": pa.array([wholes[i] for i in place], pa.binary(DIGEST)),
    }
    others = other_columns(documents)
    if others is not None:
        taken = others.take(pa.array(place))
        columns |= {f"{COLUMN}{name}": taken.column(name) for name in taken.column_names}
    return pa.table(columns)


def _whole(document: Document) -> bytes:
    """A digest of all that is known of a document."""
    content = json.dumps([document.text, {name: as_text(value) for name, value in document.values.items()}])
    return hashlib.blake2b(content.encode(), digest_size=DIGEST).digest()
