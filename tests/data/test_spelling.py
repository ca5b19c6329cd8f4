"""Labels and texts are the same by one rule, whatever of them is only how they are written."""

from __future__ import annotations

import pytest

from nlpkit.data.spelling import folded


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Good  Film", "good film"),
        ("good\u00a0film\n", "good film"),
        ("a line\nand another", "a line and another"),  # an end of line is a blank, and no mark without width
        ("a caf\u200b\u00e9", "A CAFE\u0301 "),
        ("\uff41 b", "a b"),
        ("\u200bspam\ufeff", "spam"),
        ("\u2764\ufe0f", "\u2764"),
        ("\u0130stanbul", "istanbul"),
        ("stra\u00dfe", "STRASSE"),
        ("\u202agood\u202c", "good"),
    ],
)
def test_what_differs_in_writing_alone_is_the_same(text: str, other: str) -> None:
    assert folded(text) == folded(other)


@pytest.mark.parametrize(("text", "other"), [("ab", "a b"), ("cafe", "caf\u00e9"), ("one", "one.")])
def test_what_differs_otherwise_is_not(text: str, other: str) -> None:
    assert folded(text) != folded(other)
