"""A reporter that keeps what is said; `heard` of conftest.py is one that listens while a test runs."""

from __future__ import annotations

from collections.abc import Sequence

from nlpkit import reporting


class Heard(reporting.Listener):
    """Keeps, besides what every listener keeps, what was said in one order, and the plans.

    Attributes:
        said: notes and warnings as they came, each warning with "warning: " before it.
        plans: in order, each by the titles of its rows.
    """

    def __init__(self) -> None:
        super().__init__(reporting.current())
        self.said: list[str] = []
        self.plans: list[dict[str, str]] = []

    @property
    def text(self) -> str:
        """All that was said, a message a line."""
        return "\n".join(self.said)

    def note(self, message: str) -> None:
        self.said.append(message)
        super().note(message)

    def warn(self, message: str) -> None:
        self.said.append(f"warning: {message}")
        super().warn(message)

    def plan(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        self.plans.append(dict(rows))
        super().plan(title, rows)
