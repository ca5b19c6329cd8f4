from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import WORDS, make_tokenizer

from nlpkit.augmentation.synonyms import read as read_synonyms
from nlpkit.distillation.augmentation import Augmenter, Way, near_words, words_of
from nlpkit.errors import UserError

TEXT = "the film was very good, and the soup was warm"


def copies(*ways: Way, count: int = 40, seed: int = 0, near: dict[str, list[str]] | None = None) -> list[str]:
    made = Augmenter(ways, "[MASK]", near or {}).copies([TEXT], count, np.random.default_rng(seed))
    return [text for (text,) in made]


def test_masked_copies_keep_everything_else() -> None:
    made = copies("mask")
    assert made and TEXT not in made and len(set(made)) == len(made)
    for text in made:
        assert "[MASK]" in text
        words = [(old, new) for old, new in zip(TEXT.split(), text.split(), strict=True) if old != new]
        assert all(new.rstrip(",") == "[MASK]" for _, new in words)
        assert ("good," in text) or "[MASK]," in text


def test_ngrams_are_pieces_of_the_text() -> None:
    made = copies("ngram")
    assert made
    assert all(text in " ".join(TEXT.split()) and 1 <= len(text.split()) <= 5 for text in made)


def test_synonyms_stand_for_their_word_only() -> None:
    made = copies("synonym", near={"good": ["great"], "warm": ["hot"]})
    assert set(made) == {
        TEXT.replace("good", "great"),
        TEXT.replace("warm", "hot"),
        TEXT.replace("good", "great").replace("warm", "hot"),
    }


def test_copies_are_those_of_the_seed() -> None:
    ways: tuple[Way, ...] = ("mask", "ngram")
    assert copies(*ways, seed=1) == copies(*ways, seed=1) != copies(*ways, seed=2)


def test_near_words_lie_next_to_each_other_in_the_table() -> None:
    tokenizer = make_tokenizer()
    table = torch.eye(len(tokenizer))
    ids = {word: tokenizer.convert_tokens_to_ids(word) for word in WORDS}
    table[ids["good"], ids["great"]] = 0.9
    found = near_words(tokenizer, table, words_of(["Good films"]), count=1)
    assert found == {"good": ["great"]}  # "films" is several pieces


def test_synonyms_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("\ufeffgood great fine\n\nBad awful\n", encoding="utf-8")  # as some editors begin a file
    assert read_synonyms(path) == {"good": ["great", "fine"], "bad": ["awful"]}
    path.write_text("good great\nlonely\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: 'lonely' has no synonym"):
        read_synonyms(path)
