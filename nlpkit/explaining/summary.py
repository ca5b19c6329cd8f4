"""How faithful methods are over many rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nlpkit.explaining.counterfactual import Sought
from nlpkit.explaining.explanation import RANDOM, Explanation
from nlpkit.reporting import Table


class Summary:
    """Means over explanations.

    Args:
        methods: their names.
    """

    def __init__(self, methods: Sequence[str]) -> None:
        self.rows = self.explained = self.sought = 0
        self._needed: list[int] = []
        self._shares: list[float] = []
        self._figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (*methods, RANDOM)}

    def take(self, found: Iterable[Explanation], other: Sought | None = None) -> None:
        """Count those of one more row, and what the search for words that change its answer came to."""
        self.rows += 1
        if other is not None:
            self.sought += 1
            self._needed += [len(other.found.edits)] if other.found is not None else []
            self._shares += [len(other.found.edits) / other.words] if other.found is not None else []
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
        record: dict[str, Any] = {"rows": self.rows, "explanations": self.explained, "faithfulness": means}
        if self.sought:
            median = float(np.median(self._needed)) if self._needed else None
            record |= {"rows_sought": self.sought, "rows_flipped": len(self._needed), "median_words": median}
        return record

    def lines(self) -> list[str]:
        """How many words change how many answers."""
        if not self.sought:
            return []
        told = f"{len(self._needed):,} of {self.sought:,} answers change"
        if self._needed:
            told += f", with {np.median(self._needed):g} words at the median ({np.median(self._shares):.0%} of a row's)"
        return [told]

    def table(self) -> Table:
        """The means by method."""
        rows: list[list[Any]] = [
            [f"({RANDOM})" if name == RANDOM else name, *figures[:2], None if name == RANDOM else figures[2]]
            for name, figures in self._means().items()
        ]
        title = f"how faithful, mean of {self.explained:,} explanations"
        return Table(title, ["method", "comprehensiveness", "sufficiency", "seconds"], rows)
