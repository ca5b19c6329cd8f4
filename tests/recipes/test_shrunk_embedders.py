"""Embedders learn the vectors of a teacher, text by text, and are pruned by how far theirs go away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snippets
from conftest import RunOf
from safetensors.torch import load_file

from nlpkit.errors import UserError
from nlpkit.recipes import distill, evaluate, predict, prune, quantize

QUICK: dict[str, Any] = {"device": "cpu", "threads": 1, "measure_seconds": 0, "batch_size": 16, "learning_rate": 5e-3}
TEXTS = ["the good film", "rude clerk"]


@pytest.fixture
def teacher(run_of: RunOf) -> Path:
    return run_of("embedding")


def options(of: Path, output: Path, **others: Any) -> dict[str, Any]:
    return {**QUICK, "data": str(of.parent / "data"), "output": output, **others}


def vectors(model: Path) -> np.ndarray:
    report = predict.run(predict.Config(model=str(model), texts=TEXTS, device="cpu"))
    return np.array([answer["prediction"] for answer in report.record["answers"]])


def far(teacher: Path, student: Path) -> float:
    """How far the vectors of two models are from each other: 1 - cosine, on the mean."""
    return 1 - float((vectors(teacher) * vectors(student)).sum(1).mean())


@pytest.mark.slow
def test_a_cut_student_comes_nearer_to_the_vectors_of_its_teacher(teacher: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.txt"
    more.write_text("a kind clerk\nthe soup was cold\n", encoding="utf-8")
    given = options(teacher, tmp_path / "run", teacher=str(teacher), student_layers="1", unlabelled=[str(more)])

    begun = distill.run(
        distill.Config(**{**given, "output": tmp_path / "begun", "max_steps": 1, "learning_rate": 1e-9})
    )
    record = distill.run(distill.Config(**given)).record

    assert far(teacher, tmp_path / "run") < 0.7 * far(teacher, tmp_path / "begun")
    # pairs are judged, and each of their texts is learnt; so are those without labels
    assert {"spearman", "pearson"} <= set(record["metrics"]["validation"])
    assert record["steps"] == 3 * -(-(2 * record["rows"]["train"] + 2) // 16)
    assert begun.record["parents"]["teacher"]["name"] == teacher.name


@pytest.mark.slow
def test_narrower_students_learn_the_principal_axes_of_the_teachers_vectors(teacher: Path, tmp_path: Path) -> None:
    given = options(teacher, tmp_path / "run", teacher=str(teacher), student="static", dims=8)
    static = tmp_path / "run"

    record = distill.run(distill.Config(**given)).record

    made, theirs = vectors(static), vectors(teacher)
    assert made.shape == (2, 8)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1)
    vocabulary = json.loads((static / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    table = load_file(static / "model.safetensors")["embeddings"].numpy()
    mean = table[[vocabulary[word] for word in TEXTS[0].split()]].mean(0)
    assert made[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert not table[vocabulary["[CLS]"]].any()
    assert made[0] @ made[1] == pytest.approx(theirs[0] @ theirs[1], abs=0.3)
    with pytest.raises(UserError, match="is a table of token vectors"):
        quantize.run(quantize.Config(model=str(static), output=tmp_path / "no", device="cpu"))
    code = snippets.blocks((static / "README.md").read_text(encoding="utf-8"))[-1]
    _, names = snippets.ran(code.replace("Your text here.", TEXTS[0]), static)
    assert names["vectors"][0] == pytest.approx(made[0], abs=1e-6)
    judged = evaluate.run(evaluate.Config(model=str(static), device="cpu")).record
    assert judged["metrics"]["validation"]["spearman"] == record["metrics"]["validation"]["spearman"]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"student_layers": "1", "alpha": 0.9}, "--alpha: .* learns the teacher's vector of each text"),
        ({"student_layers": "1", "epochs": 0}, "--epochs 0: the student would learn nothing"),
        ({"student": "static", "hidden_weight": 1.0}, "--hidden-weight: a static student has no layers"),
        ({"student": "static", "dims": 64}, "--dims 64: the teacher's vectors have 32 dimensions"),
        ({"student_layers": "1", "dims": 8}, "--dims is for --student static"),
    ],
)
def test_options_that_nothing_would_read_are_refused(
    asked: dict[str, Any], named: str, teacher: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=named):
        distill.run(distill.Config(**options(teacher, tmp_path / "run", teacher=str(teacher), **asked)))


def test_a_static_student_is_for_embedders(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--student static is for embedders"):
        distill.run(distill.Config(teacher=str(trained), student="static", output=tmp_path / "run", device="cpu"))


@pytest.mark.slow
def test_parts_are_cut_by_how_far_the_vectors_go_away_and_learnt_again(teacher: Path, tmp_path: Path) -> None:
    given = options(teacher, tmp_path / "cut", model=str(teacher), what=["ffn"], sparsity=0.8)
    given |= {"learning_rate": 1e-3}

    prune.run(prune.Config(**{**given, "epochs": 0}))
    prune.run(prune.Config(**{**given, "output": tmp_path / "by-size", "criterion": "magnitude", "epochs": 0}))
    recovered = prune.run(prune.Config(**{**given, "output": tmp_path / "recovered", "epochs": 6})).record

    by_distance = far(teacher, tmp_path / "cut")
    assert by_distance < far(teacher, tmp_path / "by-size")
    assert far(teacher, tmp_path / "recovered") < 0.7 * by_distance
    assert recovered["config"]["distill"] is True


@pytest.mark.slow
def test_a_smaller_vocabulary_leaves_the_vectors_of_known_words(teacher: Path, tmp_path: Path) -> None:
    prune.run(prune.Config(**options(teacher, tmp_path / "cut", model=str(teacher), what=["vocabulary"])))

    assert vectors(tmp_path / "cut") == pytest.approx(vectors(teacher), abs=1e-6)


@pytest.mark.slow
def test_texts_alone_tell_how_far_vectors_move_in_fewer_bits(tiny_model: Path, tmp_path: Path) -> None:
    for split in ("train", "validation"):
        lines = "".join(f"a good film {split} {i}\nthe rude clerk {i}\n" for i in range(8))
        (tmp_path / f"{split}.txt").write_text(lines, encoding="utf-8")
    chosen = {"data": str(tmp_path), "output": tmp_path / "run", "to": "fp16", "measure_seconds": 0, "device": "cpu"}
    record = quantize.run(quantize.Config(model=str(tiny_model), task="sentence-embedding", **chosen)).record
    sides = record["price"]["sides"]
    assert sides[0]["metrics"]["cosine"] == pytest.approx(1)
    assert 0.999 < sides[1]["metrics"]["cosine"] < 1


@pytest.fixture
def lines(tmp_path: Path) -> str:
    """Texts of which nothing is known, and no file that is called as a split is."""
    file = tmp_path / "corpus.txt"
    file.write_text("".join(f"a good film {i}\nthe rude clerk {i}\n" for i in range(24)), encoding="utf-8")
    return str(file)


@pytest.mark.slow
def test_texts_alone_are_learnt_and_judged_by_the_vectors_of_the_whole_model(
    teacher: Path, lines: str, tmp_path: Path
) -> None:
    """Also by those of a narrower student, and by a command whose model was trained on pairs."""
    given = {**QUICK, "data": lines, "shape": "texts"}
    made = {
        "cut": distill.run(distill.Config(**given, teacher=str(teacher), student_layers="1", output=tmp_path / "cut")),
        "table": distill.run(
            distill.Config(**given, teacher=str(teacher), student="static", dims=8, output=tmp_path / "table")
        ),
        "pruned": prune.run(
            prune.Config(**given, model=str(teacher), what=["ffn"], sparsity=0.5, output=tmp_path / "pruned")
        ),
    }
    for name, report in made.items():
        before, after = (side["metrics"]["cosine"] for side in report.record["price"]["sides"])
        assert before == pytest.approx(1), name
        assert 0 < after < 1, name
        assert report.record["metrics"]["validation"]["cosine"] == after, name
        assert "train" not in report.record["metrics"], name
    quantized = quantize.run(
        quantize.Config(
            model=str(teacher), data=lines, shape="texts", to="fp16", measure_seconds=0, output=tmp_path / "fp16"
        )
    )
    assert quantized.record["price"]["rows"] == 48
    less = prune.run(
        prune.Config(**given, model=str(tmp_path / "table"), what=["vocabulary"], output=tmp_path / "smaller")
    )
    assert "quantize" not in str(less.next_command)
