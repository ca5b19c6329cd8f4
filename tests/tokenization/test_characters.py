"""A tokenizer of characters: nothing of a text is lost, and what is left out is counted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest

from nlpkit.errors import UserError
from nlpkit.recipes import train_tokenizer
from nlpkit.tokenization.token_bytes import bytes_per_token

TEXT = "HAMLET.\n  To be , or n't to be: that 's caf\u00e9\t\u2665\n\nExeunt.\n"

OPEN = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer(sys.stdin.read())["input_ids"]
roles = [tokenizer.unk_token, tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token]
print(json.dumps([ids, tokenizer.decode(ids), len(tokenizer), roles]))
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "play.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def run(corpus: Path, folder: Path, **options: Any) -> dict[str, Any]:
    return train_tokenizer.run(
        train_tokenizer.Config(data=[str(corpus)], output=folder, kind="character", **options)
    ).record


def test_a_fresh_process_gives_back_the_text(corpus: Path, tmp_path: Path) -> None:
    record = run(corpus, tmp_path / "new")
    done = forked.run([sys.executable, "-c", OPEN, str(tmp_path / "new")], input=TEXT, check=True)
    ids, text, size, roles = json.loads(done.stdout)
    assert text == TEXT
    assert len(ids) == len(TEXT)
    assert roles == ["<|unknown|>", "<|padding|>", "<|endoftext|>", "<|endoftext|>"]
    assert size == len(set(TEXT)) + 3 == record["tokenizer"]["vocab_size"]
    assert record["findings"] == []
    assert record["measured_on"] == "train"


@pytest.mark.parametrize("style", ["bert", "roberta", "albert"])
def test_every_style_has_it(style: str, corpus: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    run(corpus, tmp_path / "new", style=style)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert len(tokenizer("to be", add_special_tokens=False)["input_ids"]) == 5
    assert tokenizer.cls_token_id == tokenizer("to be")["input_ids"][0]


def test_what_a_limit_leaves_out_is_counted_and_has_no_known_bytes(corpus: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    corpus.write_text("aaabbbccd\u00e9\n" * 3, encoding="utf-8")
    record = run(corpus, tmp_path / "new", limit_alphabet=4)
    assert record["notes"] == [
        "--limit-alphabet leaves out 2 of 5 characters, 6 times in the text (20 %), which are unknown: d \u00e9"
    ]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    bytes_of = bytes_per_token(tokenizer)
    assert np.isnan(bytes_of[tokenizer.unk_token_id])
    assert [bytes_of[tokenizer.convert_tokens_to_ids(one)] for one in ("a", "\n", "<|endoftext|>")] == [1, 1, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 99}, "--vocab-size with --kind character"),
        ({"min_frequency": 3}, "--min-frequency with --kind character"),
        ({"validation_share": 0.2}, "--validation-share with --kind character"),
    ],
)
def test_refused(options: dict[str, Any], message: str, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        run(corpus, tmp_path / "new", **options)
