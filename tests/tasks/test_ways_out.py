"""Rows that are for another task: the refusal says which, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import RunOf, rows, write_csv, write_jsonl

from nlpkit.errors import UserError
from nlpkit.recipes import check_data, embed, evaluate, finetune_cls, predict
from nlpkit.tasks import registry

SPANS = {"text": "Mira lives in Rome.", "label": [[0, 4, "PER"], [14, 18, "LOC"]]}
ROWS = {
    "text-classification": [
        {"text": "a fine day", "label": "good"},
        {"sentence1": "a", "sentence2": "b", "score": 1.0},
    ],
    "token-classification": [
        {"tokens": ["Mira", "lives"], "ner_tags": ["B-PER", "O"]},
        {"sentence_id": 1, "word": "Mira", "tag": "B-PER"},
        {"text": "Mira lives.", "entities": [{"start": 0, "end": 4, "label": "PER"}]},
        {"text": "Mira lives.", "entities": [{"start_offset": 0, "end_offset": 4, "label": "PER"}]},
        SPANS,
    ],
    "fill-mask": [{"text": "Running text without labels."}],
    "question-answering": [
        {"question": "Who?", "context": "Mira lives.", "answers": {"text": ["Mira"], "answer_start": [0]}},
        {"title": "t", "paragraphs": [{"context": "Mira lives.", "qas": [{"question": "Who?"}]}]},
        {"context": "Mira lives.", "qas": [{"question": "Who?"}]},
    ],
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_suits_its_task_alone(name: str) -> None:
    for row in ROWS[name]:
        assert [task for task in registry.TASKS if registry.task_class(task).suits(row)] == [name], row


def write(folder: Path) -> dict[str, Path]:
    """A file of each kind of rows."""
    sentences = "\n\n".join(f"Mira B-PER\nlives O\nin O\nRome{i} B-LOC" for i in range(8))
    (folder / "words.conll").write_text(sentences + "\n")
    article = {"title": "t", "paragraphs": [{"context": "Mira lives.", "qas": [{"question": "Who?", "answers": []}]}]}
    (folder / "squad.json").write_text(json.dumps({"data": [article] * 3}))
    (folder / "plain.txt").write_text("".join(f"Line {i} of running text.\n" for i in range(8)))
    write_jsonl(folder / "spans.jsonl", [SPANS] * 8)
    entity = {"start": 0, "end": 4, "label": "PER"}
    few = [{"text": "It rains.", "spans": []}] + [{"text": "Mira lives.", "spans": [entity]}] * 7
    write_jsonl(folder / "first_without.jsonl", few)
    return {path.stem: path for path in [*folder.iterdir(), write_csv(folder / "texts.csv", rows(8))]}


@pytest.mark.parametrize(
    ("task", "data", "other", "command"),
    [
        ("text-classification", "words", "token-classification", "finetune-ner"),
        ("text-classification", "first_without", "token-classification", "finetune-ner"),
        ("text-classification", "plain", "fill-mask", "pretrain-mlm"),
        ("token-classification", "texts", "text-classification", "finetune-cls"),
        ("question-answering", "texts", "text-classification", "finetune-cls"),
        ("question-answering", "words", "token-classification", "finetune-ner"),
        ("question-answering", "spans", "token-classification", "finetune-ner"),
    ],
)
def test_data_of_another_task(task: str, data: str, other: str, command: str, tmp_path: Path) -> None:
    path = write(tmp_path)[data]
    with pytest.raises(UserError) as error:
        check_data.run(check_data.Config(task=task, data=str(path), model="none"))
    assert f"{task} reads" in str(error.value)
    assert f"--task {other} checks them" in str(error.value)
    assert registry.task_class(other).trained_by == command


def test_every_command_says_it(trained: Path, tiny_model: Path, tmp_path: Path) -> None:
    data = str(write(tmp_path)["words"])
    with pytest.raises(UserError, match="`nlpkit finetune-ner` trains for them"):
        finetune_cls.run(finetune_cls.Config(data=data, model=str(tiny_model), output=tmp_path / "run", device="cpu"))
    with pytest.raises(UserError, match="a model that `nlpkit finetune-ner` trains takes them"):
        evaluate.run(evaluate.Config(model=str(trained), data=data, device="cpu"))
    with pytest.raises(UserError, match="a model that `nlpkit finetune-ner` trains takes them"):
        predict.run(predict.Config(model=str(trained), input=data, device="cpu"))


def test_a_misnamed_column_of_the_right_data_stays_the_message(tmp_path: Path) -> None:
    data = str(write(tmp_path)["texts"])
    with pytest.raises(UserError, match="Did you mean 'label'") as error:
        check_data.run(check_data.Config(data=data, label_column="labl", model="none"))
    assert "look like" not in str(error.value)


def test_a_misnamed_column_of_a_task_that_nothing_is_trained_for(run_of: RunOf, tmp_path: Path) -> None:
    data = str(write_csv(tmp_path / "a.csv", [{"text": "a good day", "label": "good"}] * 4))
    with pytest.raises(UserError, match="Did you mean 'text'") as error:
        embed.run(embed.Config(model=str(run_of("embedding")), input=data, text_column="txet", device="cpu"))
    assert "look like" not in str(error.value)


def test_what_is_of_no_task_is_answered_with_the_known_layouts(tmp_path: Path) -> None:
    data = str(write_csv(tmp_path / "a.csv", [{"a": 1, "b": 2}] * 4))
    for task, shape in (
        ("text-classification", "one folder per class: train/pos/1.txt"),
        ("question-answering", 'paragraphs {"context", "qas"'),
    ):
        with pytest.raises(UserError) as error:
            check_data.run(check_data.Config(task=task, data=data, model="none"))
        assert "Known layouts: " in str(error.value)
        assert shape in str(error.value)


def test_of_columns_whose_names_do_not_tell_the_one_with_the_longest_texts_is_proposed(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "v.csv", [{"v1": "ham", "v2": row["text"], "v3": 7} for row in rows(20)])
    with pytest.raises(UserError) as error:
        check_data.run(check_data.Config(data=str(path), model="none"))
    assert error.value.message == "no column looks like text; the columns are v1, v2, v3"
    assert str(error.value.hint).startswith("Name it: --text-column 'v2' has the longest texts. Known layouts: ")
    ids = write_csv(tmp_path / "ids.csv", [{"a": f"x{i}", "b": i} for i in range(20)])
    with pytest.raises(UserError) as error:
        check_data.run(check_data.Config(data=str(ids), model="none"))
    assert str(error.value.hint).startswith("Name it with --text-column. ")


def test_a_task_by_the_name_of_its_command() -> None:
    with pytest.raises(UserError, match="Did you mean 'token-classification'"):
        registry.task_class("ner")
    with pytest.raises(UserError, match="Did you mean 'question-answering'"):
        registry.task_class("qa")
