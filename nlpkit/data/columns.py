"""Which column holds what, when the user does not say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nlpkit.data import one_type
from nlpkit.data.labels import is_missing
from nlpkit.errors import UserError
from nlpkit.options import suggest

TEXT_NAMES = (
    "text", "sentence", "review", "content", "comment", "body", "message", "tweet", "question", "document", "utterance",
    "description", "title", "query", "input", "comment_text", "review_text", "review_body", "tweet_text", "full_text",
    "sentiment_text", "headline", "phrase", "excerpt", "abstract",
)  # fmt: skip
# column pairs of the sentence-pair sets in wide use (GLUE, SNLI, SICK, PAWS, MRPC, retrieval sets)
PAIR_NAMES = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence"),
    ("text", "text_pair"), ("text1", "text2"), ("text_a", "text_b"), ("query", "passage"), ("sentence_a", "sentence_b"),
    ("sentence_1", "sentence_2"), ("1_string", "2_string"),
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "category", "class", "score", "target", "sentiment", "rating", "stars", "intent", "topic",
    "coarse_label", "similarity", "similarity_score", "tag", "tags", "y", "output", "gold_label", "class_label",
    "class_index", "is_duplicate", "entailment_label", "polarity", "emotion", "emotions", "overall",
    "airline_sentiment", "quality",
)  # fmt: skip
_WORDS = re.compile(r"[^\W_]+?(?=(?<=[a-z0-9])[A-Z]|[\W_]|$)")


LOOKED_AT = 100  # rows


def require(name: str, columns: Iterable[str], what: str, *, where: str = "") -> str:
    """`name`, matched without regard to case and stray blanks.

    Raises:
        UserError: there is no such column; the message lists those that exist.
    """
    existing = list(columns)
    for column in existing:
        if column == name or column.strip().lower() == name.strip().lower():
            return column
    parts = [part.strip() for part in name.split(",")]
    several = len(parts) > 1 and set(parts) <= set(existing)
    hint = "Name one column." if several else suggest(name, existing)
    raise UserError(f"{where}there is no {what} column '{name}'; the columns are {', '.join(existing)}", hint)


def guess(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of `names` that is a column, however words are joined in it and whatever their case."""
    by_name = _by_name(columns)
    return next((by_name[name] for name in names if name in by_name), None)


def _by_name(columns: Sequence[str]) -> dict[str, str]:
    """Columns by their names in lower case; where nothing else is called so, by their words too: ReviewText is
    review_text, Class Index is class_index, #1 String is 1_string."""
    parted = {"_".join(_WORDS.findall(column)).lower(): column for column in reversed(columns)}
    return {**parted, **{column.strip().lower(): column for column in columns}}


def guess_pair(columns: Sequence[str], names: Sequence[tuple[str, str]] = PAIR_NAMES) -> tuple[str, str] | None:
    """Two columns that commonly hold a pair of texts, by default of sentences."""
    by_name = _by_name(columns)
    return next(((by_name[a], by_name[b]) for a, b in names if a in by_name and b in by_name), None)


def wordiest(rows: Any, columns: Sequence[str]) -> str | None:
    """The column with the longest texts in the first rows, to be proposed where no name tells; None if none has words.

    Args:
        rows: a data set.
        columns: of them, which may be chosen.
    """
    words = {
        name: sum(len(value.split()) for value in cells if isinstance(value, str))
        for name, cells in rows[:LOOKED_AT].items()
        if name in columns
    }
    longest = max(words, key=words.__getitem__, default=None)
    return longest if longest is not None and words[longest] > min(LOOKED_AT, len(rows)) else None


def cell(row: Mapping[str, Any], column: str, others: Sequence[str]) -> str:
    """The text in `column` of a user's row, or in the first of `others` that the row has instead.

    Raises:
        ValueError: there is no such column, it is empty, or it holds a list or an object.
    """
    name = column if column in row else guess(list(row), others)
    if name is None:
        raise ValueError(f"no column '{column}'")
    return as_text(row[name], name)


def as_text(value: Any, column: str) -> str:
    """A cell as the text that it is, the same in a row by itself as in a column of several types.

    Raises:
        ValueError: it is empty, holds a list or an object, or bytes that are not UTF-8.
    """
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"column '{column}' holds bytes that are not UTF-8") from None
    if is_missing(value):
        raise ValueError(f"column '{column}' is empty")
    if isinstance(value, list | dict):
        raise ValueError(f"column '{column}' holds {'a list' if isinstance(value, list) else 'an object'}, not text")
    return one_type.as_text(value)
