from __future__ import annotations

import pytest

from nlpkit.distillation.layers import chosen_layers, layer_map, mapped_layers


def test_even_layers_are_those_of_distilbert() -> None:
    assert chosen_layers(12, 6, "even") == [0, 2, 4, 7, 9, 11]
    assert chosen_layers(6, 3, "even") == [0, 2, 5]
    assert chosen_layers(6, 6, "even") == list(range(6))
    assert chosen_layers(6, 1, "even") == [5]


def test_first_and_last_layers() -> None:
    assert chosen_layers(6, 2, "first") == [0, 1]
    assert chosen_layers(6, 2, "last") == [4, 5]


def test_layers_are_mapped_at_the_same_share_of_the_depth() -> None:
    assert layer_map(4, 12) == [(1, 3), (2, 6), (3, 9), (4, 12)]  # TinyBERT's
    assert layer_map(4, 6)[-1] == (4, 6)
    assert all(1 <= taught <= 2 for _, taught in layer_map(8, 2))


def test_written_map() -> None:
    assert mapped_layers("1:2,2:4") == [(1, 2), (2, 4)]
    for text in ("1", "1:2:3", "a:b"):
        with pytest.raises(ValueError):
            mapped_layers(text)
