"""Words that name groups: by the arithmetic of the paper, without stop words of any language and without twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nlpkit.clustering import words


def test_class_tf_idf_by_hand() -> None:
    counts = csr_matrix(np.asarray([[3, 1, 0], [0, 2, 2]]))
    found = words.class_tf_idf(counts).toarray()
    # Both groups have 4 words, so A is 4; the words occur 3, 3 and 2 times.
    rare, often = math.log(1 + 4 / 2), math.log(1 + 4 / 3)
    np.testing.assert_allclose(found, [[3 / 4 * often, 1 / 4 * often, 0], [0, 2 / 4 * often, 2 / 4 * rare]])


def test_words_tell_groups_apart_and_stop_words_of_any_language_name_none() -> None:
    cats = ["die Katze und der Kater schlafen", "der Kater und die Katzen", "und die Katze schläft", "der Kater ist da"]
    ships = ["die Schiffe und der Hafen", "der Hafen und das Schiff", "und die Schiffe fahren", "der Hafen ist da"]
    texts = words.counted([*cats, *ships])
    assert not texts.english and not texts.stop_words
    first, second = words.of_groups(texts, np.repeat([0, 1], 4), 2)
    named = {word for word, _ in (*first, *second)}
    assert {"kater", "hafen"} <= named and not named & {"und", "der", "die", "ist", "da"}
    assert len({word for word, _ in second if word.startswith("schiff")}) == 1  # Schiff and Schiffe are one
    english = words.counted(["the cat is on the mat", "a dog of the house and the garden"])
    assert english.english and "the" in english.stop_words and "the" not in english.words
    assert "the" in words.counted(["the cat is on the mat"], frozenset()).words


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("game", "games", True),
        ("party", "parties", True),
        ("cricket", "cricketer", True),
        ("labour's", "labour", True),
        ("microsoft", "micro", False),
        ("labour", "label", False),
        ("c", "c++", False),
        ("oracle", "order", False),
    ],
)
def test_forms_of_one_word(one: str, other: str, said: bool) -> None:
    assert words.alike(one, other) is said and words.alike(other, one) is said


def test_words_keep_the_signs_of_names_and_no_numbers() -> None:
    assert words.words_of("C++ and C# in 2008, don't use 10g or .NET's R") == [
        *("c++", "and", "c#", "in", "don't", "use", "10g", "or", "net's"),
    ]


def test_names_differ() -> None:
    one = [("cat", 1.0), ("dog", 0.5), ("cow", 0.4), ("hen", 0.3)]
    assert words.distinct_names([one, one, [], []]) == [
        *("cat, dog, cow", "cat, dog, cow, hen", "(no word of its own)", "(no word of its own) (2)"),
    ]
