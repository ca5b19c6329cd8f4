"""Shapes that a model can be brought to, what each is expected to be like, and which are worth a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from nlpkit.compression.wishes import Figures, Wishes
from nlpkit.errors import UserError
from nlpkit.runs.folder import human_bytes

SHARES = 16  # shares of a layer that are considered: sixteenths of the whole
MARGIN = 0.03  # a shape is planned by so much below a limit on time: two measurements of one model differ by some


class Table(NamedTuple):
    """The table of embeddings, half of the bytes of a small model.

    Attributes:
        growth: percent by which unread text may have more tokens for a smaller vocabulary; None: it is whole.
        bits: of each of its numbers, once it is exported.
    """

    growth: float | None = None
    bits: int = 8

    def named(self) -> str:
        """A name for folders and tables; empty of the whole table."""
        parts = [] if self.growth is None else [f"growth-{self.growth:g}"]
        return "-".join([*parts, *(["4-bit"] if self.bits == 4 else [])])


WHOLE = Table()


@dataclass(frozen=True)
class Shape:
    """What is left of a model.

    Attributes:
        layers: how many.
        share: of the weights of each, its attention heads and FFN neurons.
        table: of embeddings.
    """

    layers: int
    share: float = 1.0
    table: Table = WHOLE


class Costs(Protocol):
    """What models of a shape cost on this machine in the format that they are to be served in."""

    @property
    def layers(self) -> int:
        """Of the model that is begun with."""

    @property
    def parts(self) -> Sequence[str]:
        """Of a layer that may go: `ffn`, `heads`."""

    @property
    def shares(self) -> Sequence[float]:
        """Shares of a layer that may stay, the largest first: 1.0 is all of it."""

    def expected(self, shape: Shape) -> Figures:
        """Size and speed of a shape, before it is made."""


@dataclass(frozen=True)
class Branch:
    """A shape that could meet the wishes, and what it is expected to be like."""

    shape: Shape
    expected: Figures


def spoken(parts: Sequence[str]) -> str:
    """Parts of a layer, for people."""
    return " and ".join({"ffn": "FFN neurons", "heads": "attention heads"}[part] for part in parts)


def within(wishes: Wishes, costs: Costs, tables: Sequence[Table], *, margin: float = MARGIN) -> list[Branch]:
    """For each number of layers the largest share of them that meets the wishes, with the first table that leaves room.

    At equal cost a model may be deep and narrow or flat and wide; which of these learns best no table tells, so that
    each is a branch of its own.

    Args:
        costs: of shapes.
        tables: of embeddings, the one to be preferred first.
        margin: share of a limit on time that is kept free.

    Returns:
        The deepest first; empty where nothing is small or fast enough.
    """
    for table in tables:
        found = []
        for layers in range(costs.layers, 0, -1):
            for share in costs.shares:
                shape = Shape(layers, share, table)
                expected = costs.expected(shape)
                if fits(wishes, expected, margin):
                    found.append(Branch(shape, expected))
                    break
        if found:
            return _undominated(found)
    return []


def fits(wishes: Wishes, figures: Figures, margin: float = 0.0) -> bool:
    """Whether a shape is within the limits, and by a margin within those on time."""
    if wishes.size is not None and figures.size > wishes.size:
        return False
    if wishes.seconds is not None and figures.seconds * (1 + margin) > wishes.seconds:
        return False
    return wishes.speedup is None or figures.speedup >= wishes.speedup * (1 + margin)


def _undominated(branches: Sequence[Branch]) -> list[Branch]:
    """Without those that have neither more layers nor larger ones than another."""
    return [
        branch
        for branch in branches
        if not any(
            other is not branch
            and other.shape.layers >= branch.shape.layers
            and other.shape.share >= branch.shape.share
            for other in branches
        )
    ]


def require_some(wishes: Wishes, costs: Costs, tables: Sequence[Table]) -> None:
    """Stop where no shape meets the wishes.

    Raises:
        UserError: saying which comes nearest, and what that one is like.
    """
    if not wishes.of_shape or within(wishes, costs, tables):
        return
    smallest = [Shape(1, costs.shares[-1], table) for table in tables]
    nearest = max(smallest, key=lambda shape: wishes.room(costs.expected(shape)))
    figures, parts = costs.expected(nearest), spoken(costs.parts)
    raise UserError(
        f"no shape of this model is so small and fast: {wishes.described()}",
        f"The nearest has one layer with {nearest.share:.0%} of its {parts}: {human_bytes(figures.size)}, "
        f"{1e3 * figures.seconds:.3g} ms, {figures.speedup:.1f} times as fast. Wish for that or less "
        "(--resume goes on from what was measured), or distil another student first (nlpkit distill --student).",
    )


def spread(branches: Sequence[Branch], count: int) -> list[Branch]:
    """At most `count` of the branches, evenly over their depths, the deepest and the flattest among them."""
    if len(branches) <= count:
        return list(branches)
    if count == 1:
        return [branches[len(branches) // 2]]
    return [branches[round(i * (len(branches) - 1) / (count - 1))] for i in range(count)]
