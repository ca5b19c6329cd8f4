"""One tokenizer for sources and targets: what it cuts, gives back and says, and what others lack."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers_trained import CORNERS, opened

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.tokenization import joint
from nlpkit.tokenization.token_bytes import bytes_per_token

WORDS = [
    "der",
    "die",
    "das",
    "Hündin",
    "läuft",
    "über",
    "weiße",
    "Straße",
    "the",
    "dog",
    "runs",
    "zwei",
    "1987",
    "3,50",
]
DRAWN = random.Random(0)
PAIRS = [(" ".join(DRAWN.choices(WORDS, k=6)) + ".", " ".join(DRAWN.choices(WORDS, k=7)) + "!") for _ in range(300)]


def learned(pairs: list[tuple[str, str]] = PAIRS, special: list[str] | None = None, **options: Any) -> Any:
    return joint.learned(pairs, joint.JointTokenizerOptions(**{"vocab_size": 400, **options}), special=special or [])


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return learned()


@pytest.mark.parametrize(
    "text", [*CORNERS, "Zwei weiße Hündinnen, „über“ 1.234,50 €.", " it 's  here ", *(text for text in PAIRS[0])]
)
def test_every_text_comes_back(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.unk_token_id not in ids


def test_a_word_is_the_same_at_the_beginning(tokenizer: Any) -> None:
    first, inside = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Hündin", "die Hündin"))
    assert inside[-len(first) :] == first


def test_bytes_of_tokens_add_up(tokenizer: Any) -> None:
    """What makes losses comparable: those of a text are its own and the blank before it."""
    text = "die Hündin läuft 日本"
    sizes = bytes_per_token(tokenizer)
    assert sizes[tokenizer(text)["input_ids"]].sum() == len(text.encode()) + 1


def test_the_same_pairs_in_any_order_give_the_same(tokenizer: Any) -> None:
    assert learned(PAIRS[::-1]).backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_special_tokens_are_never_cut() -> None:
    codes = learned(special=["<de>", "<tr>"])
    ids = codes("<tr>die Hündin")["input_ids"]
    assert codes.convert_ids_to_tokens(ids)[0] == "<tr>"
    assert codes.decode(ids, skip_special_tokens=True) == "die Hündin"


def test_size() -> None:
    with reporting.listening() as heard:
        assert len(learned(vocab_size=300)) == 300
        assert len(learned(vocab_size=None)) < 1_000  # the words give no more
    assert heard.notes == [
        "tokenizer: 300 pieces, learned from sources and targets (--vocab-size)",
        f"tokenizer: {len(learned(vocab_size=None)):,} pieces of 1,000 asked for, as the texts have no more pieces "
        "that occur twice, learned from sources and targets (chosen for 300 pairs; --vocab-size sets it)",
    ]
    with pytest.raises(UserError, match="256 bytes and 3 special tokens"):
        learned(vocab_size=200)


def test_pieces_by_the_number_of_pairs() -> None:
    assert joint.vocabulary_for(29_000) == 8_000
    assert joint.vocabulary_for(4 * 29_000) == 16_000
    assert joint.vocabulary_for(1) == 1_000
    assert joint.vocabulary_for(10**9) == 32_000


# --- one that was made for other models ---


def ready(folder: Path, style: str, kind: str | None = None, **options: Any) -> tuple[Any, list[str]]:
    texts = [text for pair in PAIRS for text in pair]
    with reporting.listening() as heard:
        made = joint.made_ready(opened(folder, style, kind, texts=texts, **options), "runs/mine", [PAIRS[0][1]] * 3)
    return made, heard.notes + heard.warnings


def test_of_gpt2_texts_end(tmp_path: Path) -> None:
    made, said = ready(tmp_path, "gpt2")
    ids = made("die Hündin")["input_ids"]
    assert ids[-1] == made.eos_token_id != made.pad_token_id
    assert made.decode(ids, skip_special_tokens=True) == "die Hündin"
    assert said == ["the tokenizer of runs/mine: texts end with <|endoftext|>"]


def test_of_bert_the_separator_ends_a_text_and_what_is_lost_is_told(tmp_path: Path) -> None:
    made, said = ready(tmp_path, "bert")
    assert made.eos_token == "[SEP]"
    assert made("die Hündin")["input_ids"][-1] == made.eos_token_id
    before = PAIRS[0][1]
    (warned,) = said
    assert warned.startswith(
        "the tokenizer of runs/mine cannot give 3 of 3 targets back as they are, so no model can write them: "
        f"{before!r} becomes '{before[:3].lower()}"
    )


def test_what_it_lacks_is_added(tmp_path: Path) -> None:
    bare = opened(tmp_path, "roberta", single_template="$A")
    bare.pad_token = bare.eos_token  # as GPT-2's is padded
    with reporting.listening() as heard:
        made = joint.made_ready(bare, "mine", [])
    assert heard.notes == ["the tokenizer of mine: texts end with </s>"]
    assert made.pad_token == "<pad>"
    assert made.pad_token_id == bare.convert_tokens_to_ids("<pad>")


def test_one_that_is_ready_stays_as_it_is(tmp_path: Path, tokenizer: Any) -> None:
    with reporting.listening() as heard:
        assert joint.made_ready(tokenizer, "mine", [PAIRS[0][1]]) is tokenizer
    assert not heard.notes + heard.warnings
