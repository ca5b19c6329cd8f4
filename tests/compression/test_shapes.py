"""Limits, and the shapes that could meet them."""

from __future__ import annotations

import pytest

from nlpkit.compression import shapes
from nlpkit.compression.shapes import WHOLE, Shape, Table
from nlpkit.compression.wishes import Figures, Wishes, bytes_of
from nlpkit.errors import UserError


class Linear:
    """A layer takes 1 ms and 1 MB, half of it may go; the rest takes 1 ms and 8 MB, half of it pieces that may go."""

    layers, parts, shares = 6, ["ffn"], [step / 16 for step in range(16, 0, -1)]

    def expected(self, shape: Shape) -> Figures:
        grown = 1 + shape.layers * (1 + shape.share) / 2
        size = 1e6 * (grown + (7 if shape.table == WHOLE else 3))
        return Figures(int(size), 1e-3 * grown, 7 / grown)


COSTS = Linear()
SMALL = Table(1.0, 4)


def of(branches: list[shapes.Branch]) -> list[tuple[int, float]]:
    return [(branch.shape.layers, 16 * branch.shape.share) for branch in branches]


@pytest.mark.parametrize(
    ("text", "count"), [("10MB", 10_000_000), ("1.5 gb", 1_500_000_000), ("12MiB", 12 * 2**20), ("800", 800)]
)
def test_sizes_are_read_as_they_are_written(text: str, count: int) -> None:
    assert bytes_of(text) == count


@pytest.mark.parametrize("text", ["10 megs", "MB", "-3MB", "0kB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="10MB"):
        bytes_of(text)


def test_each_number_of_layers_is_a_branch_with_as_much_of_them_as_fits() -> None:
    # 7 ms as it is; 3.5 ms are 2.5 ms of layers: 4 x (1 + w) / 2 <= 2.5 for w = 1/4, 3 x (1 + w) / 2 for w = 2/3
    found = shapes.within(Wishes(seconds=3.5e-3), COSTS, [WHOLE], margin=0.0)
    assert of(found) == [(4, 4), (3, 10), (2, 16)]


def test_the_first_table_that_leaves_room_is_taken() -> None:
    whole, small = (
        {branch.shape.table for branch in shapes.within(Wishes(size=size), COSTS, [WHOLE, SMALL])}
        for size in (9_500_000, 8_500_000)
    )
    assert (whole, small) == ({WHOLE}, {SMALL})
    # with 4.5 MB of layers beside the small one all is there but 1.5 MB of FFN
    assert of(shapes.within(Wishes(size=8_500_000), COSTS, [SMALL]))[0] == (6, 8)


def test_a_limit_that_no_shape_meets_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="so small and fast") as error:
        shapes.require_some(Wishes(speedup=20), COSTS, [WHOLE, SMALL])
    assert "one layer with 6% of its FFN neurons" in str(error.value) and "4.6 times as fast" in str(error.value)
    shapes.require_some(Wishes(speedup=4), COSTS, [WHOLE])
    shapes.require_some(Wishes(drop=1), COSTS, [WHOLE])


def test_trials_are_spread_over_the_depths() -> None:
    found = shapes.within(Wishes(speedup=1.2), COSTS, [WHOLE], margin=0.0)
    kept = [branch.shape.layers for branch in shapes.spread(found, 2)]
    assert kept == [found[0].shape.layers, found[-1].shape.layers]


def test_limits_are_tightened_by_what_a_shape_turned_out_to_be() -> None:
    wishes = Wishes(size=1000, speedup=10.0)
    tightened = wishes.against(Figures(100, 1e-3, 12.0), Figures(110, 1.2e-3, 10.0))
    assert tightened.size == 909 and tightened.speedup == pytest.approx(12.0)
    assert wishes.missed(Figures(990, 1e-3, 9.8)) == ["9.8 times as fast, wished for 10"]
    assert not wishes.missed(Figures(990, 1e-3, 9.8), slack=0.05)
