"""What the seeds say: means with intervals, differences between variants, and what may be said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.reporting import Estimate, counted

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Trained:
    """One training of a variant.

    Attributes:
        seed: of the first weights, and of which windows were drawn.
        losses: nats a byte of held-out text, for each part of a window.
        curve: steps, and the loss of the first part there.
        seconds: of the steps.
        diverged: whether the loss was no number, or in the end higher than before the first step.
    """

    seed: int
    losses: Sequence[float]
    curve: Sequence[tuple[int, float]]
    seconds: float
    diverged: bool


@dataclass(frozen=True)
class Result:
    """The trainings of a variant.

    Attributes:
        name: of the variant.
        against: of that which it is compared with.
        parameters: of a model.
        each: a training for each seed, in the order of the seeds.
    """

    name: str
    against: str | None
    parameters: int
    each: Sequence[Trained]

    @property
    def kept(self) -> list[Trained]:
        """Those that did not diverge: all figures are of these."""
        return [one for one in self.each if not one.diverged]

    @property
    def diverged(self) -> int:
        return len(self.each) - len(self.kept)

    @property
    def seconds(self) -> float | None:
        """The median of a training, as a machine that does other things makes some of them slow."""
        return float(np.median([one.seconds for one in self.kept])) if self.kept else None

    def loss(self, part: int) -> Estimate | float | None:
        """The mean over the seeds with its interval, which one seed alone does not give; None where all diverged."""
        return _mean([one.losses[part] for one in self.kept], 1 - CONFIDENCE)


@dataclass(frozen=True)
class Difference:
    """A variant against another, seed by seed: both had the same windows.

    Attributes:
        variant, against: their names.
        part: of the windows, from 0.
        estimate: the loss of the variant less that of the other; without an interval where one seed is left, None
            where none is.
        pairs: seeds with which neither diverged.
    """

    variant: str
    against: str
    part: int
    estimate: Estimate | float | None
    pairs: int

    @property
    def seen(self) -> bool:
        """Whether the interval leaves out 0."""
        return isinstance(self.estimate, Estimate) and not self.estimate.low <= 0 <= self.estimate.high


def differences(results: Sequence[Result], parts: int) -> list[Difference]:
    """Each variant against the one that it is compared with.

    The intervals hold all together with `CONFIDENCE`: each is as much surer as there are comparisons (Bonferroni).
    """
    by_name = {result.name: result for result in results}
    pairs = [(result, by_name[result.against], part) for result in results if result.against for part in range(parts)]
    found = []
    for result, other, part in pairs:
        theirs = {one.seed: one.losses[part] for one in other.kept}
        gaps = [one.losses[part] - theirs[one.seed] for one in result.kept if one.seed in theirs]
        estimate = _mean(gaps, (1 - CONFIDENCE) / len(pairs))
        found.append(Difference(result.name, other.name, part, estimate, len(gaps)))
    return found


def _mean(values: Sequence[float], error: float) -> Estimate | float | None:
    """A mean with its interval by Student's t; `error` is the share of intervals that miss."""
    from scipy.special import stdtrit  # scipy.stats takes three times as long to import

    if len(values) < 2:
        return values[0] if values else None
    mean = float(np.mean(values))
    half = float(stdtrit(len(values) - 1, 1 - error / 2)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def sentence(difference: Difference, where: str) -> str:
    """What the interval supports, and no more.

    Args:
        where: which bytes the loss is of; empty: of all.
    """
    names = f"{difference.variant} against {difference.against}{f', {where}' if where else ''}"
    estimate = difference.estimate
    if estimate is None:
        return f"{names}: cannot be compared, as with each seed one of them diverged"
    if not isinstance(estimate, Estimate):
        return f"{names}: {estimate:+.3f} with the one seed that both have, which tells nothing of others"
    interval = f"{estimate.low:+.3f} to {estimate.high:+.3f}"
    shown = f"{estimate.value:+.3f} ({interval}), {counted(difference.pairs, 'seed', 'seeds')}"
    if not difference.seen:
        return f"{names}: no difference seen, {shown}"
    return f"{names}: {'lower' if estimate.value < 0 else 'higher'} loss, {shown}"


def record(result: Result, parts: int) -> dict[str, Any]:
    """A variant as JSON values."""
    losses = [_interval(result.loss(part)) for part in range(parts)]
    return {
        "variant": result.name,
        "against": result.against,
        "parameters": result.parameters,
        "diverged": result.diverged,
        "loss": losses,
        "seconds": result.seconds,
        "each": [
            {
                "seed": one.seed,
                "losses": [_finite(loss) for loss in one.losses],
                "curve": [[step, _finite(loss)] for step, loss in one.curve],
                "seconds": one.seconds,
                "diverged": one.diverged,
            }
            for one in result.each
        ],
    }


def record_of_difference(difference: Difference) -> dict[str, Any]:
    """A comparison as JSON values."""
    return {
        "variant": difference.variant,
        "against": difference.against,
        "part": difference.part,
        "seeds": difference.pairs,
        "seen": difference.seen,
        **_interval(difference.estimate),
    }


def _finite(loss: float) -> float | None:
    """JSON has no word for what is no number."""
    return loss if math.isfinite(loss) else None


def _interval(estimate: Estimate | float | None) -> dict[str, float | None]:
    if isinstance(estimate, Estimate):
        return {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
    return {"mean": estimate, "low": None, "high": None}
