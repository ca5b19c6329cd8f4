"""Word vectors of other tools are opened as those tools open them, and damaged ones are refused with the line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from nlpkit.errors import UserError
from nlpkit.word_vectors import files
from nlpkit.word_vectors.table import WordVectors

ROWS = {"the": [0.5, -1.0], "Paris": [1e-07, 2.25], ". . .": [3.0, 4.0]}
LINES = [f"{word} {row[0]} {row[1]}" for word, row in ROWS.items()]


def written(path: Path, lines: list[str]) -> Path:
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize(
    ("name", "lines"),
    [("glove.txt", LINES), ("crawl.vec", ["3 2", *(f"{line} " for line in LINES)]), ("glove.txt.gz", LINES)],
)
def test_text_is_read_with_and_without_a_header(name: str, lines: list[str], tmp_path: Path) -> None:
    found = files.opened(written(tmp_path / name, lines))
    assert list(found.words) == list(ROWS)
    np.testing.assert_array_equal(found.matrix, np.array(list(ROWS.values()), np.float32))


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_is_read_to_the_last_digit(binary: bool, tmp_path: Path) -> None:
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(5)
    vectors.add_vectors(["a", "ü"], np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32))
    path = tmp_path / ("v.bin" if binary else "v.txt")
    vectors.save_word2vec_format(str(path), binary=binary)
    found = files.opened(path)
    assert list(found.words) == ["a", "ü"]
    np.testing.assert_array_equal(found.matrix, vectors.vectors)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["4 2", *LINES], "holds 3 vectors, and its first line tells of 4"),
        ([*LINES, "cut 1.0"], "line 4: this is no word with 2 numbers"),
        ([*LINES, "odd 1.0 x"], "line 4: this is no word with 2 numbers"),
        ([*LINES, "odd 1.0 nan"], "the vector of 'odd' has numbers that are NaN"),
        (["Much good may they do him."], "line 1: this is no word with 5 numbers"),
        ([], "holds 0 vectors"),
    ],
)
def test_what_is_damaged_or_something_else_is_refused_with_its_place(
    lines: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        files.opened(written(tmp_path / "v.txt", lines))


def test_a_text_is_the_mean_of_its_known_words() -> None:
    vectors = WordVectors(["the", "paris"], np.array([[1, 0], [0, 4]], np.float32))
    texts = ["The Paris, unseen!", "nothing"]
    np.testing.assert_array_equal(vectors.mean(texts), [[0.5, 2.0], [0.0, 0.0]])
    np.testing.assert_array_equal(vectors.known(texts), [[2, 3], [0, 1]])
