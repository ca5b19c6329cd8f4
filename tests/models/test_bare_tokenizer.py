"""A tokenizer without transformers gives what it gives with it: ids, places, special tokens, cuts and windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tokenizers_trained
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from nlpkit.models import bare
from nlpkit.models.bare_tokenizer import BareTokenizer

STYLES = {"WordPiece": "bert", "byte-level BPE": "roberta", "Unigram": "albert"}
TEXTS = [
    *tokenizers_trained.CORNERS,
    "a",
    " ",
    "[MASK] <mask> </s> [SEP] <s>",
    "n't 's , . ! it 's",
    "x" * 5_000,
    "\ud7ff\ue000\U0010ffff",
]
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "without special tokens": {"add_special_tokens": False, "return_offsets_mapping": True},
    "cut": {"truncation": True, "max_length": 9},
    "masks": {"return_special_tokens_mask": True, "return_token_type_ids": True, "return_attention_mask": False},
    "windows": {
        "truncation": True,
        "max_length": 10,
        "stride": 3,
        "return_overflowing_tokens": True,
        "return_offsets_mapping": True,
    },
}


@pytest.fixture(scope="module", params=STYLES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, BareTokenizer]:
    """A tokenizer as transformers opens it, and without it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizers_trained.opened(folder, STYLES[request.param])
    full = AutoTokenizer.from_pretrained(folder)
    return full, without(folder, full)


def without(folder: Path, full: Any) -> BareTokenizer:
    assert not bare._more_than_read(folder, full)
    return BareTokenizer.open(folder / bare.TOKENIZER, bare.facts_of(full))


def same(ours: Any, theirs: Any) -> None:
    assert dict(ours) == {name: theirs[name] for name in theirs}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_of_texts_nobody_likes(both: tuple[Any, BareTokenizer], way: str) -> None:
    full, plain = both
    same(plain(TEXTS, **WAYS[way]), full(TEXTS, **WAYS[way]))
    same(plain(TEXTS[0], **WAYS[way]), full(TEXTS[0], **WAYS[way]))


@pytest.mark.parametrize("truncation", [False, True, "only_first", "only_second"])
def test_the_same_of_pairs(both: tuple[Any, BareTokenizer], truncation: Any) -> None:
    full, plain = both
    long = ["the train was late and cold", "a good film", "", "日本語の文章。中文字符"]
    other = ["the soup was cold " * 3, "", "bad", "שלום"]
    options = {"truncation": truncation, "max_length": 14 if truncation else None}
    if truncation in ("only_first", "only_second"):  # the other one is longer than all that is left
        long, other = long[1:2] * 2, ["bad", "good"]
    same(plain(long, other, **options), full(long, other, **options))
    ours, theirs = plain(long[0], other[0]), full(long[0], other[0])
    same(ours, theirs)
    assert ours.sequence_ids(0) == theirs.sequence_ids(0)
    same(plain(long[0], ""), full(long[0], ""))


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_the_same_of_any_text(both: tuple[Any, BareTokenizer], texts: list[str]) -> None:
    full, plain = both
    for options in (WAYS["windows"], WAYS["without special tokens"]):
        same(plain(texts, **options), full(texts, **options))


def test_the_same_is_told_of_it(both: tuple[Any, BareTokenizer]) -> None:
    full, plain = both
    for name in ("padding_side", "model_max_length", "model_input_names", "pad_token_type_id", "all_special_ids"):
        assert getattr(plain, name) == getattr(full, name), name
    for kind in bare.TOKENS:
        assert getattr(plain, f"{kind}_token") == getattr(full, f"{kind}_token")
        assert getattr(plain, f"{kind}_token_id") == getattr(full, f"{kind}_token_id")
    assert len(plain) == len(full)
    assert plain.get_vocab() == full.get_vocab()
    assert [plain.num_special_tokens_to_add(pair) for pair in (False, True)] == [
        full.num_special_tokens_to_add(pair) for pair in (False, True)
    ]
    ids = full(TEXTS[7] + "it 's a good film , is n't it ?")["input_ids"]
    assert plain.convert_ids_to_tokens(ids) == full.convert_ids_to_tokens(ids)
    assert [plain.decode([i]) for i in ids] == [full.decode([i]) for i in ids]
    assert plain.decode(ids, skip_special_tokens=True) == full.decode(ids, skip_special_tokens=True)
    with pytest.raises(AttributeError, match="has no chat_template"):
        _ = plain.chat_template


def test_blanks_before_punctuation_are_taken_out_as_transformers_does(tmp_path: Path) -> None:
    tokenizers_trained.opened(tmp_path, "bert")
    full = AutoTokenizer.from_pretrained(tmp_path, clean_up_tokenization_spaces=True)
    ids = full("it 's a good film , is n't it ? .")["input_ids"]
    assert without(tmp_path, full).decode(ids) == full.decode(ids)


def test_a_tokenizer_that_does_more_than_its_file_says_is_left_to_transformers(tmp_path: Path) -> None:
    tokenizers_trained.opened(tmp_path, "bert")
    full = AutoTokenizer.from_pretrained(tmp_path)

    class Own(type(full)):  # type: ignore[misc]
        def _encode_plus(self, *arguments: Any, **options: Any) -> Any:
            return super()._encode_plus(*arguments, **options)

    assert "does more than its tokenizer.json says" in bare._more_than_read(tmp_path, Own.from_pretrained(tmp_path))
    cased = AutoTokenizer.from_pretrained(tmp_path, do_lower_case=not full.do_lower_case)
    assert "makes another tokenizer" in bare._more_than_read(tmp_path, cased)


def test_several_threads_cut_at_different_lengths(both: tuple[Any, BareTokenizer]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    _, plain = both
    text = "the train was late and cold " * 20
    with ThreadPoolExecutor(4) as threads:
        lengths = [4 + i % 5 for i in range(200)]
        made = threads.map(lambda length: plain(text, truncation=True, max_length=length)["input_ids"], lengths)
        assert [len(ids) for ids in made] == lengths
