"""What vectors were made with: it stands beside them, so that they are compared with none of another kind."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from nlpkit.errors import UserError

Dtype = Literal["fp32", "fp16", "int8", "binary"]
"""How a number of a vector is stored."""

LongText = Literal["truncate", "mean-windows", "error"]
"""What becomes of a text with more tokens than the model reads."""

KEY = "nlpkit"  # of the metadata of a file, whose value is `Made.record` as JSON
DECIDING = {
    "model_sha256": "model",
    "pooling": "pooling",
    "layers": "layers",
    "normalized": "normalization",
    "width": "dimensions",
}
"""What two vectors must have in common to be compared, and what people call it. A prompt need not be: questions and
documents have each their own."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """See the module's docstring.

    Attributes:
        model: as the user named it.
        model_sha256: of its weights and its tokenizer, in hex.
        pooling: how one vector is made of the states of many tokens, such as "mean".
        layers: how many of the last layers are averaged.
        normalized: whether each vector has length 1.
        prompt: text that stood before each text; empty where there was none.
        width: dimensions of a vector.
        dtype: how its numbers are stored.
        scale: number that one step of an int8 code stands for; None for other types.
        max_length: tokens that were read of a text, None for any number.
        long_text: what became of texts with more.
        similarity: the measure that the model was trained for.
        version: of nlpkit.
        rows: how many there are.
        column: that they are in, of a file with columns.
        broken: positions of rows that have no vector, from 0.
        rows_sha256: of the file of the rows and of how it was read, in hex; empty in files of before this was kept.
    """

    model: str
    model_sha256: str
    pooling: str
    layers: int
    normalized: bool
    prompt: str
    width: int
    dtype: Dtype
    scale: float | None
    max_length: int | None
    long_text: LongText
    similarity: str
    version: str
    rows: int
    column: str = "vector"
    broken: tuple[int, ...] = ()
    rows_sha256: str = ""

    def record(self) -> dict[str, Any]:
        """JSON values, from which `of` makes it again."""
        return {**dataclasses.asdict(self), "broken": list(self.broken)}

    @classmethod
    def of(cls, record: Any, where: object) -> Self:
        """Read it from JSON.

        Args:
            record: of `record`; entries of later versions are left out.
            where: names the file, for messages.

        Raises:
            UserError: it is none.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        known = {name: record[name] for name in names if name in record} if isinstance(record, Mapping) else {}
        lacking = sorted(names - known.keys() - {"broken", "column", "rows_sha256"})
        if lacking or not _possible(known):
            raise UserError(f"{where} does not say what its vectors were made with", "Make them again: nlpkit embed.")
        return cls(**{**known, "broken": tuple(known.get("broken", ()))})

    def require_like(self, other: Made, ours: object, theirs: object) -> None:
        """Refuse to compare vectors that were made in another way.

        Args:
            other: what the others were made with.
            ours, theirs: name the two, for the message.

        Raises:
            UserError: naming each difference.
        """
        pairs = [(name, said, getattr(self, name), getattr(other, name)) for name, said in DECIDING.items()]
        different = [
            f"{said} {_shown(name, mine)} and {_shown(name, other_one)}"
            for name, said, mine, other_one in pairs
            if mine != other_one
        ]
        if different:
            raise UserError(
                f"the vectors of {ours} ({self.model}) and {theirs} ({other.model}) cannot be compared: "
                f"{'; '.join(different)}",
                "Make both with the same model and options: nlpkit embed.",
            )


def _possible(known: Mapping[str, Any]) -> bool:
    """Whether the entries can be true together: a file from someone else may say anything."""
    rows, width, scale, broken = known["rows"], known["width"], known["scale"], known.get("broken", ())
    if not all(_count(number) for number in (rows, width)) or known["dtype"] not in get_args(Dtype):
        return False
    if not isinstance(broken, list | tuple) or not all(_count(place) and place < rows for place in broken):
        return False
    if not isinstance(known["prompt"], str) or not isinstance(known.get("column", ""), str):
        return False
    if known["dtype"] != "int8":
        return scale is None
    return isinstance(scale, int | float) and not isinstance(scale, bool) and 0 < scale < math.inf


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _shown(name: str, value: Any) -> str:
    return str(value)[:12] if name == "model_sha256" else str(value)
