"""What people see of a task, and what a command may know of it before it imports anything heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from nlpkit.tasks.registry import TASKS, task_class
from nlpkit.tasks.view import View


class Words:
    """A task without a view of its own: its features are the numbers of letters of words."""

    def features(self, tokenizer: Any, examples: Any) -> dict[str, list[Any]]:
        return {"input_ids": [[len(word) for word in text.split()] for text in examples["text"]]}


class Letters:
    """A tokenizer of numbers."""

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [f"#{i}" for i in ids]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_shown_by_the_view_in_its_folder(name: str) -> None:
    kind = task_class(name)
    assert kind.view_type().__module__ == f"{kind.__module__.rpartition('.')[0]}.view"
    command = "embed" if kind is task_class("sentence-embedding") else "predict"
    assert kind.view_type().example_call(Path("runs/a b")).startswith(f"nlpkit {command} 'runs/a b' ")


def test_a_task_without_a_view_is_shown_by_the_defaults() -> None:
    view = View(Words())
    rows = Dataset.from_dict({"text": ["a bb", "ccc"], "where": ["x:1", "x:2"]})
    assert view.tables({"train": rows})[0].rows == [["train", 2]]
    assert view.shown(Letters(), rows[0]) == ["text: a bb", "tokens: #1 #2"]
    answers = [{"prediction": ["p", "q"], "score": 0.5}, {"prediction": None, "error": "no text"}]
    (table,) = view.answer_tables([{"text": "a"}, {"text": ""}], answers)
    assert (table.header, table.rows) == (
        ["text", "prediction", "score"],
        [["a", "p, q", 0.5], ["", "no text", None]],
    )
    assert (view.mistakes([], rows), view.plots({}, {}), view.answer_formats(lambda: None)) == ([], {}, {})


def test_the_options_of_tasks_are_known_without_anything_heavy() -> None:
    modules = [f"{value.partition(':')[0].rpartition('.')[0]}.options" for value in TASKS.values()]
    code = (
        f"import sys, {', '.join(modules)}\nprint(*{{'numpy', 'torch', 'transformers', 'datasets'}} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == ""
