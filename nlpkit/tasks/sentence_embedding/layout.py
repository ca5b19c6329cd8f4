"""Which columns of the user's rows hold what, and which kind of data that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nlpkit.tasks.sentence_embedding.options import ShapeName

SEARCHING, SOUGHT = ("query", "question"), ("answer", "context", "document", "passage", "positive", "response")
"""Columns of texts that search, and of those that are searched: models with a prompt for each side know them apart."""


@dataclass(frozen=True)
class Layout:
    """Which columns hold what.

    Attributes:
        shape: the kind of data; "nli" of inference pairs.
        text, pair: columns of the first and the second text.
        negatives: columns of texts that do not belong to the first; one of them may hold lists.
        label: column of the score, or of the label.
        vector: column of vectors.
        names: of the numbers in the column of the label, in their order; of labelled texts all classes.
        guessed: columns that nobody has named.
    """

    shape: ShapeName
    text: str
    pair: str | None = None
    negatives: tuple[str, ...] = ()
    label: str | None = None
    vector: str | None = None
    names: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        return [name for name in (self.text, self.pair, *self.negatives, self.label, self.vector) if name]

    @property
    def searches(self) -> bool:
        """Whether the first texts are queries and the second ones what these look for, by the names of the columns."""
        return self.text.strip().lower() in SEARCHING and (self.pair or "").strip().lower() in SOUGHT

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "shape": self.shape,
            "text": self.text,
            "text_pair": self.pair,
            "negatives": list(self.negatives),
            "label": self.label,
            "vector": self.vector,
            "label_names": list(self.names),
        }

    @classmethod
    def recorded(cls, record: Mapping[str, Any]) -> Layout:
        """The layout of which `record` is that."""
        return cls(
            record["shape"],
            record["text"],
            pair=record["text_pair"],
            negatives=tuple(record["negatives"]),
            label=record["label"],
            vector=record["vector"],
            names=tuple(record["label_names"]),
        )

    def described(self) -> str:
        """Columns and shape, in a line."""
        parts = [f"'{self.text}'"]
        parts += [f"'{self.pair}' belongs to it"] if self.pair and self.shape in ("pairs", "triplets") else []
        parts += [f"'{self.pair}'"] if self.pair and self.shape not in ("pairs", "triplets") else []
        parts += [f"{', '.join(map(repr, self.negatives))} does not"] if self.negatives else []
        parts += [f"label '{self.label}'"] if self.label else []
        parts += [f"vectors '{self.vector}'"] if self.vector else []
        return f"{self.shape}: {', '.join(parts)}"
