"""`nlpkit train-vectors`, from the command to the folder, and what the folder is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Drawing, rows

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.recipes import train_vectors
from nlpkit.recipes.train_vectors import Config
from nlpkit.word_vectors import files

SMALL: dict[str, Any] = {"vector_size": 8, "epochs": 1, "min_count": 2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "corpus.txt"
    path.write_text("\n".join(row["text"] for row in rows(120)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(corpus: Path, drawing: Drawing) -> Path:
    questions, pairs = corpus.with_name("questions.txt"), corpus.with_name("pairs.tsv")
    questions.write_text(
        ": moods\ngood bad lovely awful\nkind rude warm cold\ngood bad kind unheard\n", encoding="utf-8"
    )
    pairs.write_text("good\tlovely\t9\ngood\tbad\t2\nfilm\tsoup\t4\n", encoding="utf-8")
    output = corpus.with_name("vectors")
    with drawing():
        asked = {"evaluate": [str(questions), str(pairs)], "neighbours": ["good", "unheard"]}
        train_vectors.run(Config(data=[str(corpus)], output=output, **asked, **SMALL))
    return output


def test_the_folder_holds_vectors_figures_a_card_and_a_picture(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "nlpkit.json",
        "plots",
        "vectors.safetensors",
        "vectors.txt",
        "vocabulary.txt",
    ]
    assert (folder / "plots" / "words.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads((folder / "nlpkit.json").read_text())
    about = record["word_vectors"]
    assert record["status"] == "complete" and record["judged"] == {"questions": 2, "pairs": 3}
    assert about["words"] == len(files.opened(folder)) and about["covered"] == 1.0
    assert record["evaluated"]["questions"]["unknown"] == {"unheard": 1}
    assert record["unanswered"] == [f"'unheard' is not in the vocabulary of {about['words']} words"]
    assert "| moods | 3 | 2 |" in (folder / "README.md").read_text()


def test_the_same_seed_gives_the_same_numbers_and_nothing_is_replaced_unasked(folder: Path, corpus: Path) -> None:
    again = train_vectors.run(Config(data=[str(corpus)], output=folder.with_name("again"), **SMALL))
    assert again.path is not None
    np.testing.assert_array_equal(files.opened(again.path).matrix, files.opened(folder).matrix)
    with pytest.raises(UserError, match="holds a finished run"):
        train_vectors.run(Config(data=[str(corpus)], output=folder, **SMALL))


def test_vectors_are_asked_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--neighbours", "good", "--analogy", "good - bad + rude", "--top-k", "2", "--json"]
    for vectors in (folder, folder / "vectors.txt"):
        assert main(["train-vectors", "--vectors", str(vectors), *asked]) == 0
        said = json.loads(capsys.readouterr().out)
        found = said["analogies"]["good - bad + rude"]
        assert len(found) == len(said["neighbours"]["good"]) == 2
        assert not {word["word"] for word in found} & {"good", "bad", "rude"}
        units = files.opened(folder).units
        place = files.opened(folder).places
        wanted = units[place["good"]] - units[place["bad"]] + units[place["rude"]]
        cosine = units[place[found[0]["word"]]] @ wanted / np.linalg.norm(wanted)
        assert found[0]["cosine"] == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_count": 9999}, r"0 words stand in the text 9,999 times \(--min-count\)"),
        ({"data": []}, "name the text to learn from"),
        ({"vectors": "FOLDER"}, "FILE is text to learn from"),
        ({"vectors": "FOLDER", "data": []}, "say what to ask"),
        ({"vectors": "FOLDER", "data": [], "epochs": 3, "neighbours": ["good"]}, "--epochs: --vectors names some"),
        ({"vectors": "FOLDER", "data": [], "neighbours": ["goood"]}, "'goood' is not in the vocabulary"),
        ({"vectors": "FOLDER", "data": [], "analogy": ["good-bad"]}, "is no sum of words"),
        ({"vectors": "FOLDER", "data": [], "words": ["good"], "neighbours": ["good"]}, "--words are drawn"),
        ({"buckets": 5}, "--buckets is for --subwords"),
        ({"subwords": True, "shortest_piece": 5, "longest_piece": 3}, "no piece fits"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_leaves_nothing(
    options: dict[str, Any], said: str, folder: Path, corpus: Path, tmp_path: Path
) -> None:
    options = {"data": [str(corpus)], **options}
    if "vectors" in options:
        options["vectors"] = str(folder)
    else:
        options["output"] = tmp_path / "out"
    with pytest.raises(UserError, match=said):
        train_vectors.run(Config(**options))
    assert not list(tmp_path.iterdir())


def test_a_command_that_wants_a_model_says_what_the_folder_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(folder), "a good film"]) == 2
    assert "It holds the result of `nlpkit train-vectors`" in capsys.readouterr().err
