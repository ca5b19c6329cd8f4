"""`nlpkit tokenize`: pieces side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import make_tokenizer
from tokenizers_trained import opened

from nlpkit.errors import UserError
from nlpkit.recipes import tokenize
from nlpkit.recipes.tokenize import Config
from nlpkit.reporting import Pieces


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A WordPiece tokenizer of known vocabulary, and a byte-level one."""
    place = tmp_path_factory.mktemp("tokenizers")
    make_tokenizer().save_pretrained(place / "words")
    opened(place / "bytes", "roberta")
    return str(place / "words"), str(place / "bytes")


def test_pieces_ids_places_and_whole_words(folders: tuple[str, str]) -> None:
    words, _ = folders
    report = tokenize.run(Config(texts=["The films, ø"], tokenizer=[words]))
    inner = make_tokenizer()
    ids = inner.convert_tokens_to_ids
    (cut,) = report.record["texts"][0]["tokenizers"]
    assert cut["tokens"] == 5
    assert cut["pieces"] == [
        {"piece": "the", "id": ids("the"), "start": 0, "end": 3},
        {"piece": "film", "id": ids("film"), "start": 4, "end": 8},
        {"piece": "##s", "id": ids("##s"), "start": 8, "end": 9},
        {"piece": "[UNK]", "id": 1, "start": 9, "end": 10},
        {"piece": "[UNK]", "id": 1, "start": 11, "end": 12},
    ]
    assert [(word["word"], word["pieces"], word["whole"]) for word in cut["words"]] == [
        ("The", [0], True),
        ("films", [1, 2], False),
        (",", [3], False),
        ("ø", [4], False),  # one token, but not in the vocabulary
    ]
    overview, by_word = report.tables
    assert overview.rows == [["words", 5, "1 of 3", 12 / 5, Pieces(["the", "film", "##s", "[UNK]", "[UNK]"])]]
    assert by_word.rows == [
        ["The", "the", ids("the"), "0-3", "yes"],
        ["films", "film", ids("film"), "4-8", "no"],
        ["", "##s", ids("##s"), "8-9", ""],
        [",", "[UNK]", 1, "9-10", "no"],
        ["ø", "[UNK]", 1, "11-12", "no"],
    ]


def test_side_by_side(folders: tuple[str, str]) -> None:
    report = tokenize.run(Config(texts=["the zebra", "a"], tokenizer=list(folders)))
    assert [len(text["tokenizers"]) for text in report.record["texts"]] == [2, 2]
    assert len(report.tables) == 4
    by_word = report.tables[1]
    assert list(by_word.header) == ["word", "words", "id", "place", "whole", "bytes", "id", "place", "whole"]
    starts = [row[0] for row in by_word.rows if row[0]]
    assert starts == ["the", "zebra"]
    lengths = [cut["tokens"] for cut in report.record["texts"][0]["tokenizers"]]
    assert len(by_word.rows) <= sum(lengths)
    for text in report.record["texts"]:
        for cut in text["tokenizers"]:
            of_words = [i for word in cut["words"] for i in word["pieces"]]
            assert of_words == sorted(set(of_words))
            assert all(cut["pieces"][i]["piece"] == "Ġ" for i in set(range(cut["tokens"])) - set(of_words))


def test_special_tokens_and_blanks_stand_beside_the_words(folders: tuple[str, str]) -> None:
    words, by_bytes = folders
    report = tokenize.run(Config(texts=["the  film"], tokenizer=[words], special_tokens=True))
    assert [row[0:2] for row in report.tables[1].rows] == [
        ["", "[CLS]"],
        ["the", "the"],
        ["film", "film"],
        ["", "[SEP]"],
    ]
    report = tokenize.run(Config(texts=["a  "], tokenizer=[by_bytes]))
    (cut,) = report.record["texts"][0]["tokenizers"]
    assert cut["words"] == [{"word": "a", "start": 0, "end": 1, "pieces": [0], "whole": True}]
    assert [row[0] for row in report.tables[1].rows] == ["a", *[""] * (cut["tokens"] - 1)]


def test_control_characters_are_written_out() -> None:
    assert tokenize.printable("a\x1b[31m\u202eb\té") == "a\\x1b[31m\\u202eb\\té"
    assert tokenize.printable("👩‍👧 日本") == "👩‍👧 日本"


def test_refused(folders: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give a TEXT"):
        tokenize.run(Config(tokenizer=[folders[0]]))
    with pytest.raises(UserError, match="--tokenizer is required"):
        tokenize.run(Config(texts=["a"]))
    with pytest.raises(UserError, match="there is no such folder"):
        tokenize.run(Config(texts=["a"], tokenizer=["./nowhere"]))
    with pytest.raises(UserError, match="has no tokenizer"):
        tokenize.run(Config(texts=["a"], tokenizer=[str(tmp_path)]))
    (tmp_path / "tokenizer.json").write_text('{"model":')
    with pytest.raises(UserError, match=r"tokenizer\.json is not valid JSON"):
        tokenize.run(Config(texts=["a"], tokenizer=[str(tmp_path)]))


def test_command(folders: tuple[str, str], nlpkit: Any, tmp_path: Path) -> None:
    arguments = ["tokenize", "the films", "--tokenizer", folders[0], "--tokenizer", folders[1]]
    lines = nlpkit(*arguments).stdout.splitlines()
    assert lines[0] == "the films"
    assert lines[2].split()[0] == "words" and lines[2].endswith("  the|film|##s")
    assert "\x1b" not in "".join(lines)
    document = json.loads(nlpkit(*arguments, "--json").stdout)
    assert document["texts"][0]["tokenizers"][0]["pieces"][1]["piece"] == "film"
