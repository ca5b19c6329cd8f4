"""A structure that is as fast as was asked for: planned by what single layers take, timed as a whole, planned anew.

What layers take alone, as a table has it, is not what they take one behind the other: the cache is full of the others'
weights, the batches are of other lengths, and a pruned vocabulary spells words with more tokens. So the cut model
itself is timed beside the whole one, each on its own tokens of the rows on which the run is measured in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nlpkit import reporting
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from nlpkit.models.structures import Structure

TRIES = 4
SHORT = 0.02  # of the target, by which a structure may be slower,
OVER = 0.05  # and by which it may be faster


class Plans(Protocol):
    """What plans a structure for a speed, as `search.Planner` does."""

    def plan(self, *, target_speedup: float) -> Structure:
        """The structure that is expected to cost the least loss of those that are as fast."""

    def speedup(self, structure: Structure) -> float:
        """What is expected of it."""


@dataclass(frozen=True)
class Try:
    """One structure.

    Attributes:
        predicted: times as fast as the whole model, by the latencies of its layers.
        timed: times as fast, as a whole model.
        structure: which it is.
    """

    predicted: float
    timed: float
    structure: Structure

    def record(self) -> dict[str, Any]:
        """JSON values, without the structure."""
        return {name: value for name, value in asdict(self).items() if name != "structure"}


def reach(planner: Plans, target: float, timed: Callable[[Structure], float]) -> list[Try]:
    """Plan for a speed until the cut model has it, each time for as much more as the last one fell short.

    Args:
        planner: plans by predicted speeds.
        target: times as fast as the whole model.
        timed: cuts a copy of the model, and tells how many times as fast it is.

    Returns:
        What was tried; the last is the one to take: within 2 % below and 5 % above the target, or, where sizes are too
        coarse for that, the slowest of those that are fast enough, else the fastest.

    Raises:
        UserError: nothing that may be removed makes the model so fast.
    """
    tries: list[Try] = []
    aim = target
    with reporting.current().progress("time what is planned", TRIES, "structures") as bar:
        for _ in range(TRIES):
            try:
                structure = planner.plan(target_speedup=aim)
            except UserError:
                if not tries:
                    raise
                break  # the fastest that there is falls short, which is told below
            if any(structure == made.structure for made in tries):
                break
            tries.append(Try(planner.speedup(structure), timed(structure), structure))
            bar.advance(1, predicted=f"{tries[-1].predicted:.2f}", timed=f"{tries[-1].timed:.2f}")
            if 1 - SHORT <= tries[-1].timed / target <= 1 + OVER:
                return tries
            aim *= target / tries[-1].timed
    enough = [made for made in tries if made.timed >= target * (1 - SHORT)]
    best = min(enough, key=lambda made: made.timed) if enough else max(tries, key=lambda made: made.timed)
    if not enough:
        reporting.current().warn(
            f"--target-speedup {target:g}: the fastest structure that was found is {best.timed:.2f} times as fast when "
            "it is timed as a whole; let more be removed (ffn, heads, layers), or set a lower target"
        )
    return [*(made for made in tries if made is not best), best]
