"""What each shape is expected to be like, from a few that were made and timed on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from nlpkit.compression.shapes import SHARES, Shape, Table
from nlpkit.compression.wishes import Figures

if TYPE_CHECKING:
    from nlpkit.pruning.latency_table import LatencyTable, Precision


class Kept(NamedTuple):
    """What a table of embeddings keeps.

    Attributes:
        pieces: its rows.
        growth: how many times as many tokens texts have.
        saved: bytes that fewer bits save.
    """

    pieces: int
    growth: float = 1.0
    saved: int = 0


@dataclass(frozen=True)
class ListedCosts:
    """Costs of every shape that is considered.

    Attributes:
        layers: of the model that is begun with.
        parts: of a layer that may go: `ffn`, `heads`.
        shares: of these, the largest first.
        listed: by shape.
        error: largest error of the times at a size that was measured, as a share.
    """

    layers: int
    parts: Sequence[str]
    shares: Sequence[float]
    listed: Mapping[Shape, Figures]
    error: float

    def expected(self, shape: Shape) -> Figures:
        """Size and speed of a shape, before it is made."""
        return self.listed[shape]

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        rows = [
            [shape.layers, shape.share, list(shape.table), found.size, found.seconds, found.speedup]
            for shape, found in self.listed.items()
        ]
        own = {"layers": self.layers, "parts": list(self.parts), "shares": list(self.shares), "error": self.error}
        return {**own, "shapes": rows}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ListedCosts:
        """What `record` gave."""
        listed = {Shape(row[0], row[1], Table(*row[2])): Figures(*row[3:]) for row in record["shapes"]}
        return cls(record["layers"], record["parts"], record["shares"], listed, record["error"])


def listed(
    table: LatencyTable,
    precision: Precision,
    calls: int,
    tables: Mapping[Table, Kept],
    besides: int = 0,
    *,
    parts: Sequence[str],
    split: Callable[[float], tuple[int, int]],
) -> ListedCosts:
    """Costs of all shapes, by a table of what sizes cost.

    Args:
        table: measured on the user's batches, in float32 too.
        precision: that models are served in.
        calls: batches that the table was measured on.
        tables: of embeddings, and what each keeps.
        besides: bytes that a file has besides its weights.
        parts: of a layer that may go: `ffn`, `heads`.
        split: what stays of a layer of which a share stays, (heads, FFN neurons).
    """
    whole = table.whole
    shares = _shares(table, "heads" in parts)
    kept_of = {share: split(share) if share < 1 else (whole.heads, whole.width) for share in shares}
    before = table.measured["fp32"][whole] / calls
    found = {}
    for layers in range(1, whole.layers + 1):
        for share in shares:
            heads, width = kept_of[share]
            seconds = table.seconds(layers, width, heads, precision) / calls
            for embeddings, kept in tables.items():
                size = table.bytes(layers, width, kept.pieces, precision, heads=heads) + besides - kept.saved
                taken = seconds * kept.growth
                found[Shape(layers, share, embeddings)] = Figures(size, taken, before / taken)
    return ListedCosts(whole.layers, parts, shares, found, table.fit_error[precision])


def _shares(table: LatencyTable, cuts_heads: bool) -> list[float]:
    """Shares of a layer, the largest first; of heads one stays at least, whatever it weighs."""
    whole = table.whole
    shares = [step / SHARES for step in range(SHARES, 0, -1)]
    if not cuts_heads:
        return shares
    of_all = table.bytes(whole.layers) - table.bytes(whole.layers, 0, heads=0)
    fewest = table.bytes(whole.layers, max(whole.width // SHARES, 1), heads=1) - table.bytes(whole.layers, 0, heads=0)
    return [share for share in shares if share >= fewest / of_all]


def measured(
    model: Any,
    task: Any,
    batches: Sequence[Mapping[str, Any]],
    precision: Precision,
    tables: Mapping[Table, Kept],
    device: str,
    size: int | None,
    seconds: float,
    *,
    parts: Sequence[str],
    split: Callable[[float], tuple[int, int]],
) -> ListedCosts:
    """Make and time a few sizes of a model, and list what all shapes cost; see `latency_table.measured`.

    Args:
        size: bytes of the model's own weights on disk, where they are there.
        seconds: of timing, all sizes together.
        parts, split: see `listed`.
    """
    from nlpkit.pruning import latency_table

    precisions: list[Precision] = ["fp32"] if precision == "fp32" else ["fp32", precision]
    table = latency_table.measured(model, task, batches, precisions, device=device, seconds=seconds)
    besides = size - table.bytes(table.whole.layers) if precision == "fp32" and size is not None else 0
    return listed(table, precision, len(batches), tables, max(besides, 0), parts=parts, split=split)
