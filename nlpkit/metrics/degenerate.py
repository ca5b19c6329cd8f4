"""What goes wrong with texts that a model writes: loops, and what is only copied."""

from __future__ import annotations

import numpy as np

from nlpkit.data import words as text_words

SHORTEST_PHRASE = 2  # words
TIMES = 3


def loops(text: str) -> bool:
    """Whether a text repeats itself: a phrase of two words or more stands there three times or more in a row.

    A loop as Holtzman et al. 2020 (https://arxiv.org/abs/1904.09751) count them, but of words, and anywhere: their
    program asks for three tokens or more, twice or more, at the end of a text. Said twice may be said on purpose. One
    word six times is such a phrase, too. Words are compared in lower case and without punctuation, unless there is
    nothing else.
    """
    words = text_words.plain(text)
    numbers = {word: i for i, word in enumerate(dict.fromkeys(words))}
    ids = np.array([numbers[word] for word in words], dtype=np.int64)
    for length in range(SHORTEST_PHRASE, len(ids) // TIMES + 1):
        # a phrase stands there again and again where each word is the one of a phrase before
        other = np.flatnonzero(ids[length:] != ids[:-length])
        runs = np.diff(other, prepend=-1, append=len(ids) - length) - 1
        if runs.max() >= (TIMES - 1) * length:
            return True
    return False


def copies(text: str, source: str) -> bool:
    """Whether a text that is not empty stands in its source word for word, whole or as a part of it."""
    words, of_source = text_words.plain(text), text_words.plain(source)
    return bool(words) and f" {' '.join(words)} " in f" {' '.join(of_source)} "
