"""`explain --show attention`: files, what is said of them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_jsonl
from PIL import Image
from writers import make_writer

from nlpkit.errors import UserError
from nlpkit.explaining.attention.options import AttentionOptions
from nlpkit.explaining.attention.seen import Row
from nlpkit.explaining.attention.view import attention_view
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.recipes import explain, predict
from nlpkit.reporting import Report

TEXT = "the clerk was kind and the room was cold"


@pytest.fixture(scope="module")
def model(trained: Path) -> Iterator[Predictor[Any]]:
    yield open_predictor(predict.Config(model=str(trained), device="cpu", threads=1))


def view(model: Predictor[Any], output: Path, *texts: str, overwrite: bool = False, **asked: Any) -> Report:
    options = predict.Config(model="MODEL", texts=list(texts) or [TEXT]).for_task(type(model.task))
    values, reader = model.task.reader().typed(options)
    rows = [Row(f"text {number}", row, reader) for number, row in enumerate(values, 1)]
    return attention_view(model, "MODEL", rows, AttentionOptions(**asked), output, overwrite=overwrite)


def test_a_page_and_a_picture_beside_it(
    model: Predictor[Any], tmp_path: Path, drawing: Callable[[], AbstractContextManager[None]]
) -> None:
    with drawing():
        report = view(model, tmp_path / "look.html", layer=1)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["look.html", "look.png"]
    assert report.record["bytes"] == (tmp_path / "look.html").stat().st_size
    (text,) = report.record["texts"]
    assert text["rows"] == ["[CLS]", *TEXT.split(), "[SEP]"]
    assert np.sum(text["attention"], axis=1) == pytest.approx(1, abs=1e-3)
    assert (text["layer"], text["head"]) == (1, None)
    width, height = Image.open(tmp_path / "look.png").size
    assert height > width > 400  # the map above, the grid of heads below


def test_pictures_alone_a_number_for_each_text(model: Predictor[Any], tmp_path: Path) -> None:
    view(model, tmp_path / "look.png", TEXT, "a good film", head=2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["look-1.png", "look-2.png"]
    with pytest.raises(UserError, match=r"look-1\.png"):
        view(model, tmp_path / "look.png", TEXT, "a good film")
    view(model, tmp_path / "look.png", TEXT, "a good film", overwrite=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layer": 9}, "--layer 9: there are 2"),
        ({"head": 5}, "--head 5: layer 2 has 2"),
        ({"stack": "cross"}, "--stack cross: the model has one stack"),
    ],
)
def test_what_is_not_there_is_named(model: Predictor[Any], tmp_path: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        view(model, tmp_path / "look.html", **asked)
    assert not list(tmp_path.iterdir())


def test_other_files_and_too_many_texts_are_refused(model: Predictor[Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a page or a picture"):
        view(model, tmp_path / "look.csv")
    with pytest.raises(UserError, match="a page of attention takes at most 8 texts"):
        view(model, tmp_path / "look.html", *[TEXT] * 9)


def test_the_command_takes_a_file_and_refuses_what_is_for_words(
    model: Predictor[Any], trained: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"model": str(trained), "show": "attention", "device": "cpu", "threads": 1}
    data = write_jsonl(tmp_path / "rows.jsonl", [{"text": TEXT}, {"text": "a good film"}])
    output = tmp_path / "look.html"
    report = explain.run(explain.Config(**asked, input=str(data), output=output))
    assert [text["text"] for text in report.record["texts"]] == [TEXT, "a good film"]
    page = output.read_text(encoding="utf-8")
    assert f"<h1>{trained.name}</h1>" in page  # and not where it lies
    assert str(trained.parent) not in page
    with pytest.raises(UserError, match="--by is for what words are worth"):
        explain.run(explain.Config(**asked, texts=[TEXT], output=tmp_path / "by.html", by="tokens"))
    with pytest.raises(UserError, match="--layer is for --show attention"):
        explain.run(explain.Config(**{**asked, "show": "words"}, texts=[TEXT], layer=1))


def test_a_model_that_writes_is_opened_by_the_command(tmp_path: Path) -> None:
    folder = make_writer(tmp_path / "run")
    output = tmp_path / "look.html"
    asked: dict[str, Any] = {"model": str(folder), "show": "attention", "device": "cpu", "threads": 1}
    report = explain.run(explain.Config(**asked, texts=["the film was"], output=output))
    assert report.record["layers_with_vectors"] == 2
