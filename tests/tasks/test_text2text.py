"""`predict` with models that turn a text into another: what pipelines of transformers 4 gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import write_csv
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from nlpkit.errors import UserError
from nlpkit.recipes import predict

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
TEXTS = ["a good film", "the soup was cold and the room was late, very late"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("t5")
    (folder / "data").mkdir()
    return every_task.make_text_to_text(folder)


def answers(model: Path, **options: Any) -> list[dict[str, Any]]:
    return predict.run(predict.Config(model=str(model), **{"texts": TEXTS, **CPU, **options})).record["answers"]


def test_it_is_what_generate_gives_behind_the_prefix(model: Path) -> None:
    theirs, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    found = answers(model, prefix="translate: ", max_new_tokens=6)
    for text, answer in zip(TEXTS, found, strict=True):
        tokens = tokenizer(f"translate: {text}", return_tensors="pt")
        wanted = theirs.generate(**tokens, max_new_tokens=6, do_sample=False)[0]
        assert answer["prediction"] == tokenizer.decode(wanted, skip_special_tokens=True).strip()
        assert answer["prediction_tokens"] <= 6
    assert found != answers(model, max_new_tokens=6)


def test_what_the_folder_says_is_done_unless_the_user_says_otherwise(model: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    theirs = AutoModelForSeq2SeqLM.from_pretrained(model)
    theirs.generation_config.update(num_beams=3, max_length=5)
    theirs.save_pretrained(asked)
    AutoTokenizer.from_pretrained(model).save_pretrained(asked)
    own, named = answers(asked), answers(model, beams=3, max_new_tokens=5)
    assert own == named
    assert answers(asked, max_new_tokens=8, beams=1) == answers(model, max_new_tokens=8)


def test_a_file_gets_what_each_text_alone_gets(model: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "rows.csv", [{"source": text, "id": i} for i, text in enumerate(TEXTS)])
    config = {"model": str(model), "input": str(data), "output": tmp_path / "out.jsonl", "max_new_tokens": 6, **CPU}
    predict.run(predict.Config(**config))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == [
        answers(model, texts=[text], max_new_tokens=6)[0]["prediction"] for text in TEXTS
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_language": "de_DE"}, "--target-language de_DE: the tokenizer has no such language"),
        ({"temperature": 1.0, "beams": 3}, "--beams looks for the most likely text"),
        ({"task": "translation_en_to_de"}, "there is no task 'translation_en_to_de'"),
    ],
)
def test_what_is_refused(model: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        answers(model, **options)
    assert message in str(error.value)


def test_an_old_name_points_to_the_task(model: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'text2text-generation'"):
        answers(model, task="summarization")
