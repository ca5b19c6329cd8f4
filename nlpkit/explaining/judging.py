"""How faithful each method is to one model, over many texts; how far methods agree; which of them to use.

The figure of two models does not compare as it is: one that is sure of everything loses more without a word. So it is
also given as a share of what the best and the worst order of words would have on the same text, as Edin et al. 2024
normalise it (https://arxiv.org/abs/2408.08137); both are sought by a beam search, and are no worse than what any method
found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlpkit.explaining.explanation import RANDOM, Explanation
from nlpkit.explaining.faithfulness import SHARES, sizes
from nlpkit.explaining.methods import METHODS
from nlpkit.explaining.variants import Variants
from nlpkit.metrics import intervals
from nlpkit.reporting import Estimate, Table

DRAWS = 2_000  # of texts, for intervals
BEAM = 5  # orders that are followed side by side
LONGEST = 30  # words of a text whose bounds are sought: of n words the search asks about 5 n variants a step
TOP = 0.2  # share of the words that two methods are compared by, beside all
FIGURES = ("comprehensiveness", "sufficiency")


def bound(variants: Variants, *, upper: bool) -> float:
    """The highest comprehensiveness that an order of the units was found to have, or the lowest.

    Args:
        variants: of one input; `BEAM` orders are followed, a unit longer with each step.
    """
    units, sign = len(variants), 1.0 if upper else -1.0
    counts = np.bincount(sizes(units), minlength=units + 1)
    beam: dict[frozenset[int], float] = {frozenset(): 0.0}
    best = 0.0
    for size in range(1, max(sizes(units)) + 1):
        longer: dict[frozenset[int], float] = {}
        for out, total in beam.items():
            for unit in set(range(units)) - out:
                key = out | {unit}
                longer[key] = max(total, longer.get(key, -math.inf))
        kept = np.ones((len(longer), units), dtype=bool)
        for row, out in zip(kept, longer, strict=True):
            row[list(out)] = False
        lost = sign * (variants.whole - variants.removed(kept))
        totals = np.array(list(longer.values())) + counts[size] * lost
        order = np.argsort(-(totals + lost), kind="stable")[:BEAM]
        found = list(longer)
        beam = {found[i]: float(totals[i]) for i in order}
        best = max(beam.values())
    return sign * best / len(SHARES)


@dataclass
class Judging:
    """What is known of methods so far.

    Args:
        methods: their names.
        seed: of draws.

    Attributes:
        texts: explanations that were judged.
    """

    methods: Sequence[str]
    seed: int
    texts: int = field(default=0, init=False)
    _figures: dict[str, list[tuple[float, float]]] = field(default_factory=dict, init=False)
    _seconds: dict[str, list[float]] = field(default_factory=dict, init=False)
    _asked: dict[str, list[int]] = field(default_factory=dict, init=False)
    _shares: dict[str, list[float]] = field(default_factory=dict, init=False)
    _agreement: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict, init=False)

    def take(self, found: Explanation, bounds: tuple[float, float] | None = None) -> None:
        """Count one more text.

        Args:
            bounds: the lowest and the highest comprehensiveness of its words; None where they were not sought.
        """
        from scipy import stats

        self.texts += 1
        figures = {name: one.faithfulness for name, one in found.attributed.items()} | {RANDOM: found.chance}
        for name, given in figures.items():
            self._figures.setdefault(name, []).append((given.comprehensiveness, given.sufficiency))
        for name, one in found.attributed.items():
            self._seconds.setdefault(name, []).append(one.seconds)
            self._asked.setdefault(name, []).append(one.asked)
        if bounds is not None:
            lows = [bounds[0], *(given.comprehensiveness for given in figures.values())]
            highs = [bounds[1], *(given.comprehensiveness for given in figures.values())]
            low, width = min(lows), max(highs) - min(lows)
            for name, given in figures.items():
                share = (given.comprehensiveness - low) / width if width > 0 else math.nan
                self._shares.setdefault(name, []).append(share)
        for name, another in itertools.combinations(found.attributed, 2):
            first, second = (np.asarray(found.attributed[which].scores) for which in (name, another))
            top = max(math.ceil(TOP * len(first)), 1)
            both = [set(np.argsort(-scores, kind="stable")[:top].tolist()) for scores in (first, second)]
            alike = np.ptp(first) > 0 and np.ptp(second) > 0 and len(first) > 1
            order = float(stats.spearmanr(first, second).statistic) if alike else math.nan
            jaccard = len(both[0] & both[1]) / len(both[0] | both[1])
            self._agreement.setdefault((name, another), []).append((order, jaccard))

    @property
    def bounded(self) -> int:
        """Texts whose bounds were sought."""
        return len(next(iter(self._shares.values()), []))

    def _estimate(self, values: np.ndarray) -> Estimate:
        drawn = self._drawn(values)
        mean = float(np.nanmean(values))
        if len(values) < 2:
            return Estimate(mean, mean, mean)
        return Estimate(mean, *intervals.percentiles(drawn, len(values)))

    def _drawn(self, values: np.ndarray) -> np.ndarray:
        """Means of texts that are drawn anew, the same ones for every method."""
        chosen = np.random.default_rng(self.seed).integers(0, len(values), (DRAWS, len(values)))
        return np.asarray(np.nanmean(values[chosen], axis=1))

    @property
    def recommended(self) -> str:
        """The method that asks the least time of those whose comprehensiveness is not below that of the best."""
        means = {name: np.mean(self._figures[name], axis=0)[0] for name in self.methods}
        best = max(means, key=lambda name: float(means[name]))
        as_good = [name for name in self.methods if name == best or self._difference(name, best).high >= 0]
        return min(as_good, key=lambda name: float(np.mean(self._seconds[name])))

    def _difference(self, name: str, other: str) -> Estimate:
        """Of the comprehensiveness of two methods on the same texts."""
        first, second = (np.array(self._figures[one])[:, 0] for one in (name, other))
        return self._estimate(first - second)

    def record(self) -> dict[str, Any]:
        """JSON values."""
        made: dict[str, Any] = {}
        for name, figures in self._figures.items():
            told = {metric: self._estimate(np.array(figures)[:, i]) for i, metric in enumerate(FIGURES)}
            made[name] = {metric: {"mean": one.value, "low": one.low, "high": one.high} for metric, one in told.items()}
            if name in self._shares:
                made[name]["of_bounds"] = float(np.nanmean(self._shares[name]))
            if name in self._seconds:
                made[name] |= {
                    "seconds": float(np.mean(self._seconds[name])),
                    "variants": float(np.mean(self._asked[name])),
                    "weak": METHODS[name].weak,
                }
        agreement = [
            {"methods": list(pair), "spearman": order, "jaccard": top}
            for pair, (order, top) in self.agreement().items()
        ]
        return {
            "explanations": self.texts,
            "bounds_sought": self.bounded,
            "methods": made,
            "agreement": agreement,
            "recommended": self.recommended,
        }

    def agreement(self) -> Mapping[tuple[str, str], tuple[float, float]]:
        """Of two methods the mean over texts of Spearman's correlation, and of the overlap of the strongest words."""
        return {
            pair: (float(np.nanmean([one for one, _ in given])), float(np.mean([top for _, top in given])))
            for pair, given in self._agreement.items()
        }

    def tables(self) -> list[Table]:
        """What people see."""
        header = ["method", *FIGURES, "seconds", "variants"]
        if self.bounded:
            header.insert(3, "of the bounds")
        rows: list[list[Any]] = []
        for name in [*sorted(self.methods, key=self._mean_of, reverse=True), RANDOM]:
            figures = np.array(self._figures[name])
            row: list[Any] = [_titled(name), *(self._estimate(figures[:, i]) for i in range(2))]
            if self.bounded:
                row.append(f"{np.nanmean(self._shares[name]):.0%}")
            timed = name in self._seconds
            row += [float(np.mean(self._seconds[name])) if timed else None]
            row += [round(float(np.mean(self._asked[name]))) if timed else None]
            rows.append(row)
        tables = [Table(f"how faithful, mean of {self.texts:,} explanations", header, rows)]
        if len(self.methods) > 1:
            agreed = self.agreement()
            lines: list[list[Any]] = [
                [f"{one}, {other}", *agreed[one, other]]
                for one, other in sorted(agreed, key=lambda pair: -agreed[pair][0])
            ]
            tables.append(Table("how far they agree", ["methods", "spearman", f"top {TOP:.0%} in common"], lines))
        return tables

    def _mean_of(self, name: str) -> float:
        return float(np.mean(self._figures[name], axis=0)[0])

    def lines(self) -> list[str]:
        """What follows from it."""
        told = []
        if len(self.methods) > 1:
            told.append(
                f"on this model: --method {self.recommended}, the fastest whose comprehensiveness is not below the best"
            )
        if self.texts > 1:
            told.append(f"in brackets: 95 % confidence intervals ({self.texts:,} explanations)")
        if self.bounded:
            told.append(
                f"of the bounds: 0 % is the worst order of words that was found, 100 % the best ({self.bounded:,} of "
                f"{self.texts:,} explanations, at most {LONGEST} words each, beam of {BEAM})"
            )
        return told


def _titled(name: str) -> str:
    if name == RANDOM:
        return f"({RANDOM})"
    return f"{name} (weak)" if METHODS[name].weak else name
