"""Which columns hold a text and what is to be written for it, and what is in their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data.labels import is_missing
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE_NAMES = ("source", "src", "article", "dialogue", "document", *column_names.TEXT_NAMES, "en")
TARGET_NAMES = (
    "target", "tgt", "summary", "highlights", "translation", "answer", "response", "completion", "output", "tldr",
    "paraphrase", "simplification",
)  # fmt: skip
SURE = 6  # of these, names that hardly mean anything else
LOOKED_AT = 100  # rows
MORE_THAN_A_SUMMARY = 0.5  # of the characters of a text, from which on what is to be written is no summary


def source(columns: Sequence[str], named: str | None, known: str) -> str:
    """The column of the text: the one that was named, that of training, or a guess, which is told.

    Raises:
        UserError: there is none such.
    """
    if named:
        return column_names.require(named, columns, "text")
    if known in columns:
        return known
    guessed = column_names.guess(columns, SOURCE_NAMES) or (columns[0] if columns else None)
    if guessed is None:
        raise UserError("there is no column of texts", "Name it with --text-column.")
    reporting.current().note(f"text: column '{guessed}' (guessed; --text-column)")
    return guessed


def targets(columns: Sequence[str], named: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The columns of what is to be written: those that were named, those of training; else one that is called like one,
    or the only one beside the text, which is told; none where nothing tells.

    Args:
        columns: but that of the text.

    Raises:
        UserError: one that was named does not exist.
    """
    if named:
        return tuple(column_names.require(name, columns, "target") for name in named)
    if known and set(known) <= set(columns):
        return tuple(known)
    guessed = column_names.guess(columns, TARGET_NAMES) or (columns[0] if len(columns) == 1 else None)
    if guessed is None:
        return ()
    reporting.current().note(f"target: column '{guessed}' (guessed; --target-columns)")
    return (guessed,)


def text(cell: Any, name: str) -> str:
    """A text, whose sentences may stand apart in a list.

    Raises:
        ValueError: there is none.
    """
    if isinstance(cell, list) and all(isinstance(part, str) for part in cell):
        cell = " ".join(part.strip() for part in cell if part.strip())
    return column_names.as_text(cell, name)


def answers(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """What may be written for a row, at least one.

    Raises:
        ValueError: there is nothing.
    """
    made = [
        column_names.as_text(one, name)
        for name in names
        for one in (row[name] if isinstance(row[name], list) else [row[name]])
        if not is_missing(one) and str(one).strip()
    ]
    if not made:
        raise ValueError(f"column '{names[0]}' is empty")
    return made


def measured_as(rows: Dataset, source: str, targets: Sequence[str]) -> Literal["translation", "summary"]:
    """Whether what is to be written is a summary, as it is much shorter than its text; a guess, which is told."""
    shares = []
    for row in rows.select(range(min(len(rows), LOOKED_AT))):
        try:
            shares.append(len(answers(row, targets)[0]) / len(text(row[source], source)))
        except ValueError:
            continue
    share = float(np.median(shares)) if shares else 1.0
    kind: Literal["translation", "summary"] = "summary" if share < MORE_THAN_A_SUMMARY else "translation"
    reporting.current().note(
        f"judged as a {kind}: what is to be written has {share:.0%} of the characters of its text (guessed; --measure)"
    )
    return kind


def is_pair(row: Mapping[str, Any]) -> bool:
    """Whether a row holds a text and what is to be written for it, by the names of its columns."""
    target = column_names.guess(list(row), TARGET_NAMES[:SURE])
    source = column_names.guess([name for name in row if name != target], SOURCE_NAMES)
    return source is not None and target is not None and isinstance(row[target], str | list)
