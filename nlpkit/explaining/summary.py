"""How faithful methods are over many rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nlpkit.explaining.explanation import RANDOM, Explanation
from nlpkit.reporting import Table


class Summary:
    """Means over explanations.

    Args:
        methods: their names.
    """

    def __init__(self, methods: Sequence[str]) -> None:
        self.rows = self.explained = 0
        self._figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (*methods, RANDOM)}

    def take(self, found: Iterable[Explanation]) -> None:
        """Count those of one more row."""
        self.rows += 1
        for one in found:
            self.explained += 1
            for name, given in one.attributed.items():
                told = given.faithfulness
                self._figures[name].append((told.comprehensiveness, told.sufficiency, given.seconds))
            self._figures[RANDOM].append((one.chance.comprehensiveness, one.chance.sufficiency, 0.0))

    def _means(self) -> dict[str, list[float]]:
        return {name: np.mean(figures, axis=0).tolist() for name, figures in self._figures.items() if figures}

    def record(self) -> dict[str, Any]:
        """JSON values."""
        names = ("comprehensiveness", "sufficiency", "seconds")
        means = {name: dict(zip(names, figures, strict=True)) for name, figures in self._means().items()}
        return {"rows": self.rows, "explanations": self.explained, "faithfulness": means}

    def table(self) -> Table:
        """The means by method."""
        rows: list[list[Any]] = [
            [f"({RANDOM})" if name == RANDOM else name, *figures[:2], None if name == RANDOM else figures[2]]
            for name, figures in self._means().items()
        ]
        title = f"how faithful, mean of {self.explained:,} explanations"
        return Table(title, ["method", "comprehensiveness", "sufficiency", "seconds"], rows)
