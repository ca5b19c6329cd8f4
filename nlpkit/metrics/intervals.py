"""95 % intervals of metrics: what other test rows of the same kind might have shown.

Shares have Wilson's interval (1927, https://doi.org/10.1080/01621459.1927.10502953), which holds where few rows are all
right; of trials that come in units (entities of a sentence) with the number of independent trials that spread as much
(Korn & Graubard 1998). F1 is that of its share of true positives among all that is true or predicted (Takahashi et al.
2022, https://doi.org/10.1007/s10489-021-02635-5). All other metrics have a bootstrap over units. Those with a least and
a greatest value have a t-interval of its standard error on the scale of the logit (of correlations that is Fisher's z):
near an end the percentiles of draws cover too little. The others have these percentiles, widened for few units as a
t-interval is (Hesterberg 2015, https://doi.org/10.1080/00031305.2015.1089789).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nlpkit.metrics.evidence import Evidence, Extremes, Share

LEVEL = 0.95
DRAWS = 1_000
FEWEST_DRAWS = 200  # of very many rows
MOST_COUNTED = 2 * 10**7  # rows of all draws together, until which no draw is left out
AT_ONCE = 2**18  # weights in memory at a time: as many as a core keeps close
UNDEFINED = 0.1  # share of draws without a metric, from which on it has no interval
SEED = 0
ROUNDING = 1e-9  # width of an interval, as a share of its ends, that rounding alone makes

Interval = tuple[float, float]


def of(evidence: Evidence, seed: int = SEED) -> dict[str, Interval]:
    """The interval of each metric that has one.

    Args:
        evidence: of at least one row.
        seed: of the draws.
    """
    found = {name: of_share(share, evidence.units) for name, share in evidence.shares.items()}
    observed, units = evidence.observed(), evidence.unit_count
    for name, values in draws(evidence, seed).items():
        if name in found or not defined(values, units):
            continue
        extremes = evidence.extremes.get(name)
        interval = percentiles(values, units) if extremes is None else within(observed[name], values, units, extremes)
        if interval is not None and spread(interval):
            found[name] = interval
    return found


def record(evidence: Mapping[str, Evidence | None], metrics: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What nlpkit.json says of intervals: `metric_intervals` and `interval_units` by split, and `interval_level`.

    Args:
        evidence: of each split; None where there is none.
        metrics: the figures of each split: intervals of others are left out.
    """
    known = {split: of_split for split, of_split in evidence.items() if of_split is not None}
    return {
        "metric_intervals": {
            split: {name: list(interval) for name, interval in of(of_split).items() if name in metrics[split]}
            for split, of_split in known.items()
        },
        "interval_level": LEVEL,
        "interval_units": {split: {of_split.unit: of_split.unit_count} for split, of_split in known.items()},
    }


def wilson(share: float, trials: float, z: float | None = None) -> Interval:
    """Wilson's score interval of a share from 0 to 1.

    Args:
        share: observed.
        trials: independent ones; need not be whole.
        z: standard deviations on either side; those of `LEVEL` by default.
    """
    from scipy import stats

    z = float(stats.norm.ppf((1 + LEVEL) / 2)) if z is None else z
    if trials <= 0:
        return 0.0, 1.0
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # rounding leaves 1e-17 of an end that is 0
    low = 0.0 if share == 0 else max(middle - half, 0.0)
    return low, 1.0 if share == 1 else min(middle + half, 1.0)


def within(value: float, values: np.ndarray, units: int, extremes: Extremes) -> Interval | None:
    """The interval of a metric that has a least and a greatest value; None where there is no telling.

    Args:
        value: observed.
        values: of the draws, NaN where there is none.
        units: that were drawn, each time as many; at least 2.
    """
    from scipy import stats

    width = extremes.high - extremes.low
    share = (value - extremes.low) / width
    if share <= 0 or share >= 1:  # no draw is worse, or better, though other rows could have been
        low, high = wilson(round(share), units if extremes.trials is None else extremes.trials)
        return extremes.low + width * low, extremes.low + width * high
    error = float(np.nanstd(values)) / width * math.sqrt(units / (units - 1))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, units - 1)) * error / (share * (1 - share))
    middle = math.log(share / (1 - share))
    low, high = (1 / (1 + math.exp(-min(max(end, -700.0), 700.0))) for end in (middle - reach, middle + reach))
    return extremes.low + width * low, extremes.low + width * high


def percentiles(values: np.ndarray, units: int) -> Interval:
    """The middle `LEVEL` of drawn values, a little more of few units.

    Args:
        values: of the draws, NaN where there is none.
        units: that were drawn, each time as many; at least 2.
    """
    from scipy import stats

    reach = stats.t.ppf((1 + LEVEL) / 2, units - 1) * math.sqrt(units / (units - 1))
    outside = stats.norm.cdf(-reach)
    low, high = np.nanquantile(values, [outside, 1 - outside])
    return float(low), float(high)


def spread(interval: Interval) -> bool:
    """Whether an interval is more than rounding: where all rows have the same figure, nothing tells of other rows."""
    low, high = interval
    return high - low > ROUNDING * max(abs(low), abs(high))


def defined(values: np.ndarray, units: int) -> bool:
    """Whether there is an interval: of draws of several units, of which nearly all have the metric."""
    return units > 1 and float(np.isnan(values).mean()) <= UNDEFINED


def draws(evidence: Evidence, seed: int = SEED) -> dict[str, np.ndarray]:
    """The metrics of draws of units, with replacement, as many as there are."""
    parts: list[Mapping[str, np.ndarray]] = [evidence.figures(weights) for weights in weights_of(evidence, seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def weights_of(evidence: Evidence, seed: int = SEED) -> Iterator[np.ndarray]:
    """How often each kind of row counts in draws of units, some draws at a time, shape (some, kinds) each."""
    from scipy import sparse

    generator = np.random.default_rng(seed)
    kinds, units = evidence.kind_count, evidence.unit_count
    # to draw how often a kind occurs is cheaper than to draw rows, where there are few kinds
    at_once = evidence.units is None and 8 * kinds < evidence.rows
    todo = evidence.draws or max(min(DRAWS, MOST_COUNTED // (kinds if at_once else max(units, kinds))), FEWEST_DRAWS)
    contents = None
    counts = np.bincount(evidence.kinds, minlength=kinds)
    if evidence.units is not None:
        shape = (kinds, units)
        contents = sparse.csr_array((np.ones(evidence.rows), (evidence.kinds, evidence.units)), shape=shape)
    while todo > 0:
        now = min(todo, max(AT_ONCE // max(units if contents is not None else 1, kinds), 1))
        if contents is not None:
            drawn = _counted(generator.integers(0, units, size=(now, units)), units)
            yield (contents @ drawn.T).T
        elif at_once:
            yield generator.multinomial(evidence.rows, counts / evidence.rows, size=now).astype(np.float64)
        else:
            yield _counted(evidence.kinds[generator.integers(0, units, size=(now, units))], kinds)
        todo -= now


def _counted(drawn: np.ndarray, size: int) -> np.ndarray:
    """How often each number below `size` occurs in each row."""
    shifted = drawn + size * np.arange(len(drawn))[:, None]
    return np.bincount(shifted.ravel(), minlength=size * len(drawn)).reshape(len(drawn), size).astype(np.float64)


def of_share(share: Share, units_of: np.ndarray | None = None) -> Interval:
    """The interval of a share.

    Args:
        share: of rows.
        units_of: the unit of each row, from 0, shape (rows,); None: each row is one.
    """
    from scipy import stats

    hits, trials = share.hits.astype(np.float64), share.trials.astype(np.float64)
    if units_of is not None:
        hits, trials = (np.bincount(units_of, weights=values).astype(np.float64) for values in (hits, trials))
    hits, trials = hits[trials > 0], trials[trials > 0]
    total, units, z = float(trials.sum()), len(trials), None
    if not units:
        return share.figure(0.0), share.figure(1.0)
    observed = float(hits.sum()) / total
    independent = total
    if trials.max() > 1:
        spread = float(((hits - observed * trials) ** 2).sum())
        independent = min(observed * (1 - observed) * total**2 / spread, total) if spread else float(min(units, total))
        z = float(stats.t.ppf((1 + LEVEL) / 2, units - 1)) if units > 1 else None
        independent = min(independent, 1.0) if units == 1 else independent
    low, high = wilson(observed, independent, z)
    return share.figure(low), share.figure(high)
