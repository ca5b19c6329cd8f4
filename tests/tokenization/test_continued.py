"""Which pieces a tokenizer gains for another language, and what stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import make_model, make_tokenizer
from tokenizers_trained import TEXTS, opened

from nlpkit.errors import UserError
from nlpkit.tokenization import continued, extend, quality, saving

KINDS = [("bert", "wordpiece"), ("bert", "bpe"), ("roberta", "byte-bpe"), ("gpt2", "byte-bpe"), ("albert", "unigram")]
GERMAN = ["Zwei weiße Hunde laufen über die Straße.", "Die Straßenbahn fährt, weiße Hunde schlafen."] * 5
RUSSIAN = ["Жучка бежит домой", "бежит Жучка"] * 5
OLD = ["the film was good and the plot was bad"] * 3


def grown(tokenizer: Any, texts: list[str], number: int, keep: list[str] | None = None) -> continued.Extension:
    pieces = continued.pieces_of(tokenizer, extend.count_words([texts]), number, 2)
    return continued.extended(tokenizer, pieces, number, extend.count_words([keep or []]))


@pytest.mark.parametrize(("style", "kind"), KINDS)
def test_new_text_takes_fewer_tokens_and_old_ids_stay(style: str, kind: str, tmp_path: Path) -> None:
    old = opened(tmp_path / "old", style, kind, special_token=["<extra>"], texts=TEXTS)
    extension = grown(old, GERMAN + RUSSIAN, 60, TEXTS)
    (tmp_path / "new").mkdir()
    new = saving.save(extension.backend, tmp_path / "new", saving.arguments_of(old), stock=type(old).__name__)
    assert len(new) == len(old) + len(extension.pieces)
    assert 10 < len(extension.pieces) <= 60
    assert new.convert_tokens_to_ids(extension.pieces) == list(range(len(old), len(new)))
    assert old.get_vocab().items() <= new.get_vocab().items()
    before, after = quality.measure([("old", old), ("new", new)], [GERMAN + RUSSIAN])
    assert after.tokens < 0.7 * before.tokens or (before.unknown and not after.unknown)
    assert not after.unknown
    whole = [text for text in TEXTS if old.unk_token_id not in old(text)["input_ids"]]
    assert len(whole) > 100
    assert [new(text)["input_ids"] for text in whole] == [old(text)["input_ids"] for text in whole]
    assert new.decode(new(GERMAN[0])["input_ids"], skip_special_tokens=True).strip()


def test_pieces_by_hand() -> None:
    tokenizer = make_tokenizer()  # it knows some whole words, and single letters
    # ab occurs most often, then the two that become abc; the letter д is unknown
    extension = grown(tokenizer, ["ab ab ab abc abc д д"], 4)
    assert extension.pieces == ["д", "ab", "abc"]
    assert extension.backend.encode("abcd", add_special_tokens=False).tokens == ["abc", "##d"]
    assert grown(tokenizer, ["ab ab ab abc abc д д"], 2).pieces == ["д", "ab"]


def test_pieces_that_change_kept_words_are_left_out() -> None:
    tokenizer = make_tokenizer()
    texts = ["ab ab ab abc abc xy xy"]
    free, kept = grown(tokenizer, texts, 4), grown(tokenizer, texts, 4, ["abd"])
    assert (sorted(free.pieces), free.refused) == (["ab", "abc", "xy"], [])
    assert "ab" in kept.refused and "xy" in kept.pieces
    cut = tokenizer.backend_tokenizer.encode("abd", add_special_tokens=False).tokens
    assert kept.backend.encode("abd", add_special_tokens=False).tokens == cut
    assert continued.changed_texts(tokenizer, free.backend, ["abd", "the film"]) == 1
    assert continued.changed_texts(tokenizer, kept.backend, ["abd", "the film"]) == 0


def test_a_join_goes_with_its_halves(tmp_path: Path) -> None:
    old = opened(tmp_path / "old", "roberta", "byte-bpe", texts=TEXTS)
    extension = grown(old, ["qxqz qxqz qxqz"], 5, ["qxv"])
    assert not any("qx" in piece and piece not in old.get_vocab() for piece in extension.pieces)
    assert old.backend_tokenizer.encode(" qxv").ids == extension.backend.encode(" qxv").ids


def test_kinds_without_joins_are_refused() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    lines = Tokenizer(models.BPE({"<unk>": 0, "a": 1}, [], unk_token="<unk>"))
    for inner, message in ((words, "WordLevel"), (lines, "a whole line as one word")):
        with pytest.raises(UserError, match=message):
            grown(PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>"), GERMAN, 3)


def test_a_model_grows_with_its_tokenizer(tmp_path: Path) -> None:
    import torch
    from transformers import BertModel

    make_model(tmp_path / "model")
    old = saving.open_tokenizer(str(tmp_path / "model"), "--extend")
    extension = grown(old, ["ab ab ab abc abc д д"], 4)
    (tmp_path / "new").mkdir()
    new = saving.save(extension.backend, tmp_path / "new", saving.arguments_of(old), stock="BertTokenizer")
    model = BertModel.from_pretrained(tmp_path / "model")
    weight = model.get_input_embeddings().weight.detach().clone()
    extend.grow(model, new, str(tmp_path / "model"))
    table = model.get_input_embeddings().weight
    assert table.shape[0] == model.config.vocab_size == len(new)
    assert torch.equal(table[: len(old)], weight)
    letters = old.convert_tokens_to_ids(["a", "##b", "##c"])
    torch.testing.assert_close(table[new.convert_tokens_to_ids("abc")], weight[letters].mean(0))
    torch.testing.assert_close(table[new.convert_tokens_to_ids("д")], weight.mean(0))  # nothing is known of it

    unchanged = BertModel.from_pretrained(tmp_path / "model")
    extend.grow(unchanged, make_tokenizer(), str(tmp_path / "model"))
    assert torch.equal(unchanged.get_input_embeddings().weight, weight)


@pytest.mark.slow
def test_commands_that_train_grow_the_model(tmp_path: Path, reviews: Path, trained: Path) -> None:
    from nlpkit.recipes import distill, finetune_cls

    make_model(tmp_path / "model")
    old = saving.open_tokenizer(str(tmp_path / "model"), "--extend")
    (tmp_path / "new").mkdir()
    backend = grown(old, ["ab ab ab abc abc д д"], 4).backend
    new = saving.save(backend, tmp_path / "new", saving.arguments_of(old), stock="BertTokenizer")
    place, out = str(tmp_path / "new"), tmp_path / "out"
    tuned = finetune_cls.build(
        finetune_cls.Config(data=str(reviews), model=str(tmp_path / "model"), tokenizer=place, output=out)
    )
    student = distill.build(
        distill.Config(teacher=str(trained), student_layers="1", student_tokenizer=place, output=out)
    )
    assert tuned.model.config.vocab_size == student.model.config.vocab_size == len(new)


def test_pieces_inside_a_word_begin_with_those_inside_a_word() -> None:
    tokenizer = make_tokenizer()
    assert extend.pieces_before(tokenizer, "##ab") == tokenizer.convert_tokens_to_ids(["##a", "##b"])
    assert extend.pieces_before(tokenizer, "дab") == tokenizer.convert_tokens_to_ids(["##a", "##b"])
