from __future__ import annotations

import numpy as np
import pytest

from nlpkit.data import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jane's dog didn't see (the) U.S. flag.", "Jane 's dog did n't see ( the ) U.S. flag ."),
        ("It’s “Anglo-Dutch”, 3,000.50 or 10:30...", "It ’s “ Anglo-Dutch ” , 3,000.50 or 10:30 ..."),
        ("see http://a.b/c?d=1. @user #tag a@b.org,", "see http://a.b/c?d=1 . @user #tag a@b.org ,"),
        ("我在北京。東京タワー", "我 在 北 京 。 東 京 タ ワ ー"),
        ("नमस्ते दुनिया", "नमस्ते दुनिया"),  # vowel signs are no letters to Python's \w
        ("a\x01b\u00a0c\n\td", "a b c d"),
        ("Cafe\u0301 x", "Cafe\u0301 x"),
        ("'s", "'s"),
    ],
)
def test_words_of_running_text(text: str, expected: str) -> None:
    assert [text[start:end] for start, end in words.split(text)] == expected.split(" ")


def test_nothing_but_blanks_and_control_characters_is_outside_words() -> None:
    rng = np.random.default_rng(0)
    characters = [chr(code) for code in [*range(1, 0x250), 0x3042, 0x4E2D, 0x1F600, 0x200D, 0x0301, 0x2019]]
    for _ in range(300):
        text = "".join(rng.choice(characters, size=30))
        covered = [False] * len(text)
        last = 0
        for start, end in words.split(text):
            assert last <= start < end
            covered[start:end] = [True] * (end - start)
            last = end
        rest = [c for c, inside in zip(text, covered, strict=True) if not inside]
        assert all(c.isspace() or not c.isprintable() for c in rest), rest


def test_words_end_where_an_entity_does() -> None:
    text = "the Paris-based firm"
    cut = [text[start:end] for start, end in words.split(text, [4, 9])]
    assert cut == ["the", "Paris", "-based", "firm"]


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 12, 13, 40, 101])
@pytest.mark.parametrize("room", [1, 2, 4, 9, 10])
def test_each_token_is_read_once_where_it_has_most_context(length: int, room: int) -> None:
    found = words.windows(length, room)
    read = [place for window in found for place in range(window.first, window.last)]
    assert read == list(range(length))
    for window in found:
        assert window.stop - window.start == min(length, room)
        assert window.start <= window.first <= window.last <= window.stop
    for window in found:
        for place in range(window.first, window.last):
            # to an end of the text there is nothing more to see
            def context(w: words.Window, place: int = place) -> int:
                left = place - w.start if w.start else length
                return min(left, w.stop - 1 - place if w.stop < length else length)

            others = [w for w in found if w.start <= place < w.stop]
            assert context(window) >= max(map(context, others)) - 1


def test_no_limit_is_one_window() -> None:
    assert words.windows(1_000, None) == [(0, 1_000, 0, 1_000)]
