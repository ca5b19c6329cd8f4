"""The figures of a tokenizer, against figures counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from nlpkit.tokenization import quality


def wordpiece(*tokens: str) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", *tokens])}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]")


def test_by_hand() -> None:
    tokenizer = wordpiece("the", "play", "##ing", "##s", ".", "dogs", "##1", "a", "##b", "##c", "##d", "##e", "##f")
    # The|play##ing|dogs|[UNK]|.|play##s   and   a##b##c##d##e##f|.|.   and   nothing
    texts = ["The playing dogs zoo. Plays", "abcdef..", ""]
    (found,) = quality.measure([("mine", tokenizer)], [texts])
    assert found.record() == {
        "tokenizer": "mine",
        "vocabulary": 15,
        "characters": 27 + 8,
        "tokens": 8 + 8,
        "unknown": 1,
        "words": 6,
        "whole": 2,  # The, dogs; zoo is one token, but an unknown one
        "tokens_per_word": (1 + 2 + 1 + 1 + 2 + 6) / 6,
        "characters_per_token": 35 / 16,
        "unknown_share": 1 / 16,
        "whole_word_share": 2 / 6,
        "words_by_tokens": [3, 2, 0, 0, 1],
    }


def test_batches_add_up_and_tokenizers_stand_side_by_side() -> None:
    small, large = wordpiece("a", "##a"), wordpiece("a", "##a", "aaa")
    one = quality.measure([("small", small), ("large", large)], [["aaa a", "a"]])
    two = quality.measure([("small", small), ("large", large)], [["aaa a"], ["a"]])
    assert [found.record() for found in one] == [found.record() for found in two]
    table = quality.table(one, "measured")
    assert [list(row[:3]) for row in table.rows] == [["small", 4, 5 / 3], ["large", 5, 1.0]]


def test_bytes_of_one_character_and_blanks_in_front() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner)
    (found,) = quality.measure([("bytes", tokenizer)], [["é ab"]])
    # two bytes of é, the blank (of no word), a, b
    assert (found.tokens, found.words, found.word_tokens, found.whole, found.unknown) == (5, 2, 4, 0, 0)


def test_nothing_to_measure() -> None:
    (found,) = quality.measure([("mine", wordpiece("a"))], [["..."], ["\x07"]])
    assert found.words == 0
    assert found.figures()["tokens_per_word"] is None
    assert quality.measure([("mine", wordpiece("a"))], [[]])[0].figures() == dict.fromkeys(quality.FIGURES)


def test_words_that_a_tokenizer_drops_are_not_whole() -> None:
    from tokenizers import normalizers

    tokenizer = wordpiece("a")
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("b", "")
    (found,) = quality.measure([("mine", tokenizer)], [["a b a"]])
    assert (found.words, found.whole) == (3, 2)
    assert found.figures()["tokens_per_word"] == pytest.approx(2 / 3)
