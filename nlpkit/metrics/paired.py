"""Two models on the same rows: how sure it is that one is better.

The intervals of two models may overlap although one is better on nearly every row: what counts is on which rows they
differ. Of metrics that are the share of right rows that is McNemar's exact test (1947,
https://doi.org/10.1007/BF02295996) with the interval of Agresti & Min (2005, https://doi.org/10.1002/sim.1781); of all
others a bootstrap that draws the same rows for both (Efron & Tibshirani 1993, chapter 16).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from nlpkit.metrics import intervals
from nlpkit.metrics.evidence import Evidence, Share, numbered

MCNEMAR = "McNemar's exact test"
BOOTSTRAP = "paired bootstrap"


@dataclass(frozen=True)
class Difference:
    """A metric of the second model less that of the first, on the same rows.

    Attributes:
        value: above 0 where that of the second is larger.
        interval: 95 %; None where there is no telling.
        p: how likely models that are equally good differ as much; None where there is no telling.
        test: `MCNEMAR` or `BOOTSTRAP`.
        only_first, only_second: rows that one of them alone has right, of `MCNEMAR`.
    """

    value: float
    interval: tuple[float, float] | None
    p: float | None
    test: str
    only_first: int | None = None
    only_second: int | None = None

    @property
    def told_apart(self) -> bool:
        """Whether there is a difference beyond that of the draw of rows, at 5 %."""
        return self.p is not None and self.p < 1 - intervals.LEVEL


def differences(first: Evidence, second: Evidence, seed: int = intervals.SEED) -> dict[str, Difference]:
    """The difference of each metric that both have.

    Args:
        first, second: of the same rows, in the same order; the units are those of the first.
        seed: of the draws.

    Raises:
        ValueError: they have different numbers of rows.
    """
    if first.rows != second.rows:
        raise ValueError(f"{first.rows:,} and {second.rows:,} rows are not the same")
    found: dict[str, Difference] = {}
    for name in first.shares.keys() & second.shares.keys():
        one, other = first.shares[name], second.shares[name]
        if first.units is None and _of_rows(one) and _of_rows(other):
            found[name] = _mcnemar(one, other)
    before, after = first.observed(), second.observed()
    left = {name for name in before.keys() & after.keys() if name not in found}
    if left:
        drawn = _drawn(first, second, seed)
        found |= {
            name: _bootstrapped(after[name] - before[name], drawn[name], first.unit_count)
            for name in left
            if not math.isnan(after[name] - before[name])
        }
    return {name: found[name] for name in before if name in found}


def _of_rows(share: Share) -> bool:
    """Whether each row is one trial, right or wrong."""
    return bool((share.trials == 1).all()) and not share.dice


def _mcnemar(first: Share, second: Share) -> Difference:
    from scipy import stats

    rows = len(first.hits)
    lost, won = int((first.hits > second.hits).sum()), int((second.hits > first.hits).sum())
    p = float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0
    # Agresti and Min count half a row more in each of the four cells.
    middle = (won - lost) / (rows + 2)
    spread = won + lost + 1 - (won - lost) ** 2 / (rows + 2)
    half = float(stats.norm.ppf((1 + intervals.LEVEL) / 2)) * math.sqrt(spread) / (rows + 2)
    scale = first.scale
    interval = (scale * max(middle - half, -1.0), scale * min(middle + half, 1.0))
    return Difference(scale * (won - lost) / rows, interval, p, MCNEMAR, lost, won)


def _drawn(first: Evidence, second: Evidence, seed: int) -> dict[str, np.ndarray]:
    """Differences of the metrics in draws of the same units for both."""
    from scipy import sparse

    kinds = numbered(np.stack([first.kinds, second.kinds], axis=1))
    together = dataclasses.replace(first, kinds=kinds, draws=_fewest(first.draws, second.draws))
    folds = []
    for evidence in (first, second):
        pairs = np.unique(np.stack([kinds, evidence.kinds], axis=1), axis=0)
        shape = (together.kind_count, evidence.kind_count)
        folds.append(sparse.csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=shape))
    parts: dict[str, list[np.ndarray]] = {}
    for weights in intervals.weights_of(together, seed):
        before, after = (
            evidence.figures((fold.T @ weights.T).T) for evidence, fold in zip((first, second), folds, strict=True)
        )
        for name in before.keys() & after.keys():
            parts.setdefault(name, []).append(after[name] - before[name])
    return {name: np.concatenate(values) for name, values in parts.items()}


def _fewest(*draws: int | None) -> int | None:
    return min((count for count in draws if count is not None), default=None)


def _bootstrapped(value: float, drawn: np.ndarray, units: int) -> Difference:
    if not intervals.defined(drawn, units):
        return Difference(value, None, None, BOOTSTRAP)
    interval, known = intervals.percentiles(drawn, units), drawn[~np.isnan(drawn)]
    if not known.any():  # the models differ in no draw: they answer alike, as far as this metric sees
        return Difference(value, None, 1.0, BOOTSTRAP)
    side = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return Difference(
        value, interval if intervals.spread(interval) else None, min(2 * (side + 1) / (len(known) + 1), 1.0), BOOTSTRAP
    )
