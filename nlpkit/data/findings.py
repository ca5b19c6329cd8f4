"""What is noticed about a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SHOWN = 3  # examples of a finding that are printed
KEPT = 100  # and that a document holds


@dataclass
class Finding:
    """Something noticed about a data set.

    Attributes:
        level: `error` means that training would be meaningless.
        check: short name, stable, for machines (`empty-text`, `leakage`, ...).
        message: one sentence with counts.
        examples: where, with the offending value; the first `KEPT` are kept, the first `SHOWN` are printed.
    """

    level: Literal["error", "warning", "note"]
    check: str
    message: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.examples = self.examples[:KEPT]

    def __str__(self) -> str:
        shown = "".join(f"\n    {example}" for example in self.examples[:SHOWN])
        return f"{self.message}{shown}"
