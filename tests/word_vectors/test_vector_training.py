"""Vectors that are learned here are those of gensim, and are the same when they are opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import rows

from nlpkit.data.corpus import Corpus
from nlpkit.errors import UserError
from nlpkit.recipes.train_vectors import Config
from nlpkit.word_vectors import files, training

SETTINGS: dict[str, Any] = {"vector_size": 8, "window": 3, "epochs": 2, "min_count": 3, "seed": 7}
BUCKETS = 300


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "corpus.txt"
    path.write_text("\n".join(row["text"] for row in rows(120)), encoding="utf-8")
    return path


def text_of(corpus: Path) -> training.Text:
    return training.Text(Corpus(Config(data=[str(corpus)])), lowercase=True)


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
def test_words_have_the_vectors_of_gensim(architecture: str, corpus: Path) -> None:
    from gensim.models import Word2Vec

    text = text_of(corpus)
    learned = training.train(text, Config(data=[str(corpus)], architecture=architecture, **SETTINGS))
    wanted = Word2Vec(list(text), sg=int(architecture == "skip-gram"), workers=1, **SETTINGS).wv
    assert list(learned.words) == wanted.index_to_key
    np.testing.assert_array_equal(learned.matrix, wanted.vectors)
    assert learned.counts == [wanted.get_vecattr(word, "count") for word in wanted.index_to_key]


def test_pieces_give_unseen_words_the_vectors_of_gensim_and_are_kept(corpus: Path, tmp_path: Path) -> None:
    from gensim.models import FastText, KeyedVectors

    text = text_of(corpus)
    options = Config(data=[str(corpus)], subwords=True, buckets=BUCKETS, **SETTINGS)
    learned = training.train(text, options)
    wanted = FastText(list(text), sg=1, workers=1, bucket=BUCKETS, **SETTINGS).wv
    np.testing.assert_array_equal(learned.matrix, wanted.vectors)
    assert learned.subwords is not None
    # of the buckets that no word has a piece in gensim takes the numbers that training began with
    wanted.vectors_ngrams[np.setdiff1d(np.arange(BUCKETS), learned.subwords.learned)] = np.nan
    seen = [word for word in ("lovelyfilm", "trains", "Überbrïght") if np.isfinite(wanted[word]).all()]
    assert seen
    for word in seen:
        np.testing.assert_allclose(learned.vector(word), wanted[word], atol=1e-7)
    assert learned.vector("qqqq") is None or np.isnan(wanted["qqqq"]).any()

    files.write(tmp_path, learned)
    (tmp_path / "nlpkit.json").write_text('{"command": "train-vectors", "status": "complete"}', encoding="utf-8")
    again = files.opened(tmp_path)
    np.testing.assert_array_equal(again.matrix, learned.matrix)
    np.testing.assert_array_equal(again.vector(seen[0]), learned.vector(seen[0]))
    by_gensim = KeyedVectors.load_word2vec_format(str(tmp_path / files.TEXT))
    assert by_gensim.index_to_key == list(learned.words)
    np.testing.assert_array_equal(by_gensim.vectors, learned.matrix)

    (tmp_path / files.VECTORS).write_bytes((tmp_path / files.VECTORS).read_bytes()[:-9])
    with pytest.raises(UserError, match=f"{tmp_path / files.VECTORS} cannot be read"):
        files.opened(tmp_path)


def test_no_word_of_a_long_text_is_left_out(tmp_path: Path) -> None:
    """gensim stops after 10,000 words of a text, and does not say so."""
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"text": "' + "one two " * 12_000 + '"}\n', encoding="utf-8")
    text = text_of(path)
    assert sum(map(len, text)) == text.size == 24_000
    assert max(map(len, text)) == training.LONGEST
    assert text.parted == 1
