"""Figures of word vectors are those of gensim, and of a toy those that one computes by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlpkit.errors import UserError
from nlpkit.word_vectors import evaluation
from nlpkit.word_vectors.table import WordVectors

# royal, male, other: king - man + woman is (1, -1, 0), which is queen
TOY = {
    "king": [1, 1, 0],
    "queen": [1, -1, 0],
    "man": [0, 1, 0],
    "woman": [0, -1, 0],
    "apple": [0, 0, 1],
    "Pear": [0, 0.2, 1],
}
VECTORS = WordVectors(list(TOY), np.array(list(TOY.values()), np.float32))


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_toy(tmp_path: Path) -> None:
    said = ": family\nman king woman queen\nMan King Woman pear\nman king woman unseen\n: empty\n: fruit\nx y z w\n"
    read = evaluation.read(written(tmp_path / "questions.txt", said))
    found = evaluation.measured(VECTORS, read)
    assert found.metrics == {"accuracy": 1 / 2, "accuracy_all": 1 / 4}
    assert (found.judged, found.given) == (2, 4)
    assert found.sections["family"]["right"] == 1 and found.sections["fruit"]["accuracy"] is None
    assert "empty" not in found.sections
    assert found.unknown == {"unseen": 1, "x": 1, "y": 1, "z": 1, "w": 1}
    assert found.lines() == [
        "questions: 2 of 4 have a word that is not in the vocabulary: unseen, w, x, y, z",
    ]


@pytest.mark.parametrize(
    "said",
    [
        "king\tqueen\t5\nman\twoman\t4\napple\tpear\t9.5\nking\tapple\t1\nking\tzebra\t2\n",
        "word1\tword2\tPOS\tSimLex999\tSD\nking\tqueen\tN\t5\t1\nman\twoman\tN\t4\t1\napple\tpear\tN\t9.5\t1\n"
        "king\tapple\tN\t1\t2\nking\tzebra\tN\t2\t2\n",
        "Word 1,Word 2,Human (mean)\nking,queen,5\nman,woman,4\napple,pear,9.5\nking,apple,1\nking,zebra,2\n",
        "# people's\nking queen 5\nman woman 4\napple pear 9.5\nking apple 1\nking zebra 2\n",
    ],
    ids=["plain", "SimLex-999", "WordSim-353", "blanks"],
)
def test_pairs_are_read_as_they_are_published(said: str, tmp_path: Path) -> None:
    """Cosines 0, -1, 0.98, 0 beside 5, 4, 9.5, 1: ranks 2.5, 1, 4, 2.5 and 3, 2, 4, 1."""
    found = evaluation.measured(VECTORS, evaluation.read(written(tmp_path / "pairs.txt", said)))
    ranks = np.corrcoef([2.5, 1, 4, 2.5], [3, 2, 4, 1])[0, 1]
    assert found.metrics["spearman"] == pytest.approx(ranks)
    assert (found.judged, found.given, found.unknown) == (4, 5, {"zebra": 1})


def test_figures_are_those_of_gensim(tmp_path: Path) -> None:
    from gensim.models import KeyedVectors

    rng = np.random.default_rng(3)
    words = [*(f"w{i}" for i in range(30)), *(f"W{i}" for i in range(5))]
    matrix = rng.normal(size=(len(words), 4)).astype(np.float32)
    vectors = KeyedVectors(4)
    vectors.add_vectors(words, matrix)
    questions = "\n".join(" ".join(rng.choice(words[:30], 4, replace=False)) for _ in range(300))
    pairs = "\n".join(
        f"{a}\t{b}\t{i % 7}" for i, (a, b) in enumerate(rng.permuted(np.tile([*words, "zz"], (80, 1)), axis=1)[:, :2])
    )
    asked = written(tmp_path / "a.txt", f": one\n{questions}\n"), written(tmp_path / "p.txt", pairs + "\n")
    ours = [evaluation.measured(WordVectors(words, matrix), evaluation.read(path)) for path in asked]
    accuracy, _ = vectors.evaluate_word_analogies(asked[0])
    _, spearman, unknown = vectors.evaluate_word_pairs(asked[1])
    assert 0 < accuracy == ours[0].metrics["accuracy"]
    assert ours[1].metrics["spearman"] == pytest.approx(spearman.statistic)
    assert 100 * (1 - ours[1].judged / ours[1].given) == pytest.approx(unknown)
    low, high = ours[1].intervals["spearman"]
    assert low < spearman.statistic < high


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (": one\na b c\n", "line 2: an analogy has four words, found 3"),
        ("king\tqueen\t5\nman\twoman\tfour\n", "line 2: a score behind two words is wanted"),
        ("king queen\n", "line 1: two words and a score are wanted"),
        (": one\n", "there is no question in it"),
    ],
)
def test_other_files_are_refused_with_their_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        evaluation.read(written(tmp_path / "asked.txt", text))


def test_what_knows_none_of_the_words_has_no_figure(tmp_path: Path) -> None:
    read = evaluation.read(written(tmp_path / "german.txt", "Haus\tHütte\t5\nBaum\tStrauch\t4\n"))
    with pytest.raises(UserError, match="0 of 2 pairs have both words in the vocabulary"):
        evaluation.measured(VECTORS, read)
