from __future__ import annotations

import pytest

from nlpkit.probing.heads.reading import sentence

ROW = {
    "id": ["1", "2", "3"],
    "tokens": ["the", "film", "ends"],
    "head": ["2", "3", "0"],
    "deprel": ["det", "nsubj", "root"],
}


def test_heads_are_places_of_words() -> None:
    assert sentence(ROW).heads.tolist() == [1, 2, -1]
    # an empty node between two words has a number that no line has
    assert sentence({**ROW, "id": ["1", "2", "4"], "head": ["2", "4", "0"]}).heads.tolist() == [1, 2, -1]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"head": ["2", "3", "_"]}, "head _, which is no word of the sentence"),
        ({"head": ["2", "2", "0"]}, "a word that is its own head"),
        ({"head": ["2", "0"]}, "words, head and deprel of different number"),
        ({"tokens": []}, "no words"),
    ],
)
def test_what_is_no_tree_is_refused(changed: dict[str, list[str]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sentence({**ROW, **changed})
