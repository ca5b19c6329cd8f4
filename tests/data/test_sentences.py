"""Texts in sentences."""

from __future__ import annotations

import pytest

from nlpkit.data import sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("He was late. She left! Why?", ["He was late.", "She left!", "Why?"]),
        ('He said "no." (Really.) Then he left.', ['He said "no."', "(Really.)", "Then he left."]),
        ("At 3.5 percent, e.g. this one", ["At 3.5 percent, e.g. this one"]),
        ("Bitti.  Öğleden sonra geldi. “Şimdi.” 12 kişi", ["Bitti.", "Öğleden sonra geldi.", "“Şimdi.”", "12 kişi"]),
        ("他来了。「走吧！」她说。", ["他来了。", "「走吧！」", "她说。"]),
        ("「走吧。」", ["「走吧。」"]),
        ("no mark", ["no mark"]),
        ("", [""]),
    ],
)
def test_a_text_is_parted_where_a_sentence_ends(text: str, parts: list[str]) -> None:
    assert sentences.split(text) == parts
