"""Which words are added to a tokenizer, what becomes of text and embeddings then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import make_model, make_tokenizer
from tokenizers_trained import TEXTS, opened

from nlpkit.errors import UserError
from nlpkit.tokenization import extend, saving

KINDS = [("bert", "wordpiece"), ("bert", "bpe"), ("roberta", "byte-bpe"), ("gpt2", "byte-bpe"), ("albert", "unigram")]
DOMAIN = ["Take metformin daily, metformin helps.", "No metformin? Then xarelto; XARELTO, naïvely.", "17 xarelto 17"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
KNOWN = [*TEXTS, "? ; , . 17 N T X", *(f"{a}{b}" for a in LETTERS for b in LETTERS)]  # every letter, no word of DOMAIN


def words_of(tokenizer: Any, number: int = 10, min_frequency: int = 1, texts: list[str] = DOMAIN) -> list[extend.Word]:
    return extend.worst_broken(tokenizer, extend.count_words([texts]), number, min_frequency)


def test_by_hand() -> None:
    tokenizer = make_tokenizer()  # knows some whole words, and single letters
    found = words_of(tokenizer, texts=["the film zebra zebra zebras", "café ok good", "123 zebra."])
    # frequency x (pieces - 1); the film good are whole, 123 is no word, the full stop is unknown but no word
    assert [(word.text, word.count, word.saved) for word in found] == [
        ("zebra", 3, 3 * 4),
        ("zebras", 1, 5),
        ("cafe", 1, 3),
        ("ok", 1, 1),
    ]
    assert found[0].pieces == tuple(tokenizer.convert_tokens_to_ids(["z", "##e", "##b", "##r", "##a"]))
    assert [word.text for word in words_of(tokenizer, 1, texts=["zebra zebras zebras"])] == ["zebras"]
    assert words_of(tokenizer, min_frequency=2, texts=["zebra zebras"]) == []


def test_a_token_that_is_never_chosen_is_not_added_twice() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁a", -1.0), ("b", -1.0), ("▁ab", -50.0)], unk_id=0))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    assert tokenizer.tokenize("ab") == ["▁a", "b"]
    assert [word.piece for word in words_of(tokenizer, texts=["ab abb"])] == ["▁abb"]


def test_an_unknown_word_counts_as_its_characters() -> None:
    (found,) = words_of(make_tokenizer(), texts=["ошибка ошибка"])
    assert (found.text, found.saved) == ("ошибка", 2 * 5)


@pytest.mark.parametrize(("style", "kind"), KINDS)
def test_added_words_are_one_token_and_all_else_stays(style: str, kind: str, tmp_path: Path) -> None:
    old = opened(tmp_path / "old", style, kind, special_token=["<extra>"], texts=KNOWN)
    before = [old(text)["input_ids"] for text in TEXTS]
    words = words_of(old, 3)
    assert "metformin" in [word.text.lower() for word in words]
    (tmp_path / "new").mkdir()
    backend = extend.extended(old, words)
    new = saving.save(backend, tmp_path / "new", saving.arguments_of(old), stock=type(old).__name__)
    assert len(new) == len(old) + 3
    assert [new.convert_tokens_to_ids(word.piece) for word in words] == list(range(len(old), len(old) + 3))
    assert new.special_tokens_map == old.special_tokens_map
    for role in ("pad", "unk", "mask", "eos"):
        assert getattr(new, f"{role}_token_id") == getattr(old, f"{role}_token_id")
    assert new.convert_tokens_to_ids("<extra>") == old.convert_tokens_to_ids("<extra>")
    for word in words:
        tokens = new(f"a {word.text} b", add_special_tokens=False)["input_ids"]
        assert new.convert_tokens_to_ids(word.piece) in tokens
    assert [new(text)["input_ids"] for text in TEXTS] == before
    for text in DOMAIN:
        assert len(new(text)["input_ids"]) < len(old(text)["input_ids"])
        assert new.decode(new(text)["input_ids"]) == old.decode(old(text)["input_ids"])


@pytest.mark.parametrize("head", ["BertModel", "BertForMaskedLM", "untied"])
def test_new_embeddings_are_the_mean_of_the_old_pieces(head: str, tmp_path: Path) -> None:
    import torch
    import transformers

    make_model(tmp_path / "old", tie_word_embeddings=head != "untied")
    old = saving.open_tokenizer(str(tmp_path / "old"), "--extend")
    model_class = getattr(transformers, "BertModel" if head == "BertModel" else "BertForMaskedLM")
    config = transformers.AutoConfig.from_pretrained(tmp_path / "old")
    torch.manual_seed(0)
    model = model_class(config)
    if head != "BertModel":
        torch.nn.init.normal_(model.get_output_embeddings().bias)
    words = words_of(old, 4)
    weight = model.get_input_embeddings().weight.detach().clone()
    extend.resize_model(model, len(old) + len(words), [word.pieces for word in words])
    saving.save(extend.extended(old, words), tmp_path / "old", saving.arguments_of(old), stock="BertTokenizer")
    model.save_pretrained(tmp_path / "old")

    reopened, info = model_class.from_pretrained(tmp_path / "old", output_loading_info=True)
    assert not info["missing_keys"]
    assert reopened.config.vocab_size == len(old) + 4
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "old")
    inputs = reopened.get_input_embeddings().weight
    assert torch.equal(inputs[: len(old)], weight)
    for i, word in enumerate(words):
        assert tokenizer.convert_tokens_to_ids(word.piece) == len(old) + i
        torch.testing.assert_close(inputs[len(old) + i], weight[list(word.pieces)].mean(0))
    outputs = reopened.get_output_embeddings()
    if outputs is not None:
        assert (outputs.weight is inputs) == (head == "BertForMaskedLM")
        for tensor in (outputs.weight, outputs.bias):
            for i, word in enumerate(words):
                torch.testing.assert_close(tensor[len(old) + i], tensor[list(word.pieces)].mean(0))
    out = reopened(**tokenizer("metformin helps", return_tensors="pt"))
    assert torch.isfinite(out[0]).all()


def test_models_with_spare_rows_keep_them(tmp_path: Path) -> None:
    import torch
    from transformers import BertModel

    make_model(tmp_path, vocab_size=200)
    old = saving.open_tokenizer(str(tmp_path), "--extend")
    model = BertModel.from_pretrained(tmp_path)
    words = words_of(old, 2)
    extend.resize_model(model, len(old) + 2, [word.pieces for word in words])
    weight = model.get_input_embeddings().weight
    assert weight.shape[0] == 200
    torch.testing.assert_close(weight[len(old)], weight[list(words[0].pieces)].mean(0))


def test_end_of_word_marks_are_refused() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE({"<unk>": 0, "a</w>": 1}, [], unk_token="<unk>", end_of_word_suffix="</w>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    with pytest.raises(UserError, match="marks the ends of words"):
        extend.extended(PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>"), [])
