"""Pieces for text that was not read: those that are frequent in general, as many as keep such text short."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import GOOD, make_tokenizer
from qa_models import byte_bpe

from nlpkit.pruning import unread, vocabulary


def length(tokenizer: Any, texts: list[str]) -> int:
    return sum(len(tokenizer.tokenize(text)) for text in texts)


def test_rows_beside_one_another_are_left_out_together() -> None:
    out = unread.left_out(500)
    assert out.sum() == 100
    assert np.flatnonzero(out)[:10].tolist() == list(range(40, 50))
    assert unread.left_out(7).tolist() == [False, False, False, False, True, False, False]
    assert unread.left_out(1).tolist() == [True]
    assert unread.sampled(np.ones(5_000, bool))[-1] == 4_999


@pytest.mark.parametrize("make", [make_tokenizer, byte_bpe])
def test_text_that_was_not_read_keeps_its_pieces(make: Any) -> None:
    """As many of the first pieces as the left-out text needs, and no more; growth is what its tokenizer gives."""
    tokenizer = make()
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    rest = {piece for word in GOOD for piece in tokenizer.tokenize(f"the {word} film")}
    left_out = ["the awful soup", "the good clerk"]
    read = rest | {piece for text in left_out for piece in tokenizer.tokenize(text)}
    choose = partial(unread.choose, tokenizer, read, rest, lambda own: length(own, left_out), rows=2)
    none, all_kept = choose(max_growth=1e6), choose(max_growth=0)
    assert none.chosen.general == 0 and none.pieces == ()
    spelt = vocabulary.smaller(tokenizer, rest)
    assert none.chosen.growth == length(spelt, left_out) / length(tokenizer, left_out) > 1
    assert none.chosen.kept == len(vocabulary.smaller(tokenizer, read))
    assert all_kept.chosen.growth == 1
    candidates = vocabulary.frequent_first(tokenizer, read)
    assert [names.index(piece) for piece in candidates] == sorted(names.index(piece) for piece in candidates)
    assert list(all_kept.pieces) == candidates[: all_kept.chosen.general]
    # fewer would not do: the last one tried below it grows
    fewer = [point for point in all_kept.points if point.general < all_kept.chosen.general]
    assert fewer and all(point.growth > 1 for point in fewer)


def test_pieces_that_no_text_like_it_has_are_not_kept() -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<mark>"])
    assert tokenizer.tokenize("42") and "awful" in vocabulary.frequent_first(tokenizer, {"good"})
    pieces = vocabulary.frequent_first(tokenizer, {"good", "film"})
    assert all(piece.removeprefix("##").isalpha() for piece in pieces)
    assert "<mark>" not in vocabulary.frequent_first(tokenizer, set(tokenizer.get_vocab()))
