"""A text that is told while it is written: whole characters, and nothing of what ends it."""

from __future__ import annotations

from typing import Any

import pytest
from writers import byte_tokenizer

from nlpkit.generation.loop import Ends, Text
from nlpkit.generation.words import Growing, Unfolding, continuation, said, unfolded


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


def test_bytes_are_held_back_until_they_are_a_character(tokenizer: Any) -> None:
    ids = tokenizer("é€", add_special_tokens=False)["input_ids"]
    assert len(ids) == 5  # one for each byte
    unfolding = Unfolding(tokenizer)
    assert [unfolding.take(ids[:i]) for i in range(1, 6)] == ["", "é", "", "", "€"]
    assert unfolded(tokenizer, Text(ids)) == ["", "é", "", "", "€"]
    assert unfolded(tokenizer, Text(ids[:3])) == ["", "é", "\ufffd"]  # what stopped in the middle is shown as it is


def test_what_may_be_the_text_that_ends_it_is_held_back(tokenizer: Any) -> None:
    heard: list[str] = []
    growing = Growing(tokenizer, ["xyz"], lambda piece, _: heard.append(piece))
    ids = tokenizer("qxyqxyz", add_special_tokens=False)["input_ids"]
    assert len(ids) == 7
    text = Text()
    for token in ids[:6]:
        text.ids.append(token)
        text.chances.append(-1.0)
        growing(0, text)
    assert heard == ["q", "xyq"]
    text.characters = 4
    growing.end(text)
    assert "".join(heard) == "qxyq"


def test_what_stands_before_a_stop_text_in_its_token_is_kept(tokenizer: Any) -> None:
    room = tokenizer(" room", add_special_tokens=False)["input_ids"]
    assert len(room) == 1
    ends = Ends(frozenset(), ["om"], lambda ids: continuation(tokenizer, ids))
    assert ends.found_in(room) == (1, 3)
    assert ends.found_in(tokenizer(" ro", add_special_tokens=False)["input_ids"]) is None


def test_a_token_that_says_nothing_has_its_name(tokenizer: Any) -> None:
    assert said(tokenizer, tokenizer.eos_token_id) == tokenizer.eos_token
