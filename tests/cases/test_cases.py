"""Files as people have them, one folder a kind of fault: what is made of each stands beside it, in expect.yaml.

An entry of expect.yaml is a file, or several with commas between, and what `check-data` makes of it (a list where
options change that): `exit` (0), `rows` that are used in all splits, `problem`, `labels` (types of entities), texts
that it `says`, or that it is `silent`: warns of nothing. `trained` asks for a short training on the file, and for the
rows that `predict` answers and `evaluate` judges then. `sheet` holds the cells of a workbook that is made of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from qa_models import make_reader

from nlpkit import reporting
from nlpkit.data import readers
from nlpkit.errors import UserError
from nlpkit.options import ReadingOptions
from nlpkit.recipes import check_data, evaluate, finetune_cls, finetune_ner, finetune_qa, predict

HERE = Path(__file__).parent
TRAINING: dict[str, Any] = {
    "text-classification": finetune_cls,
    "token-classification": finetune_ner,
    "question-answering": finetune_qa,
}
KNOWN = {"task", "options", "exit", "rows", "problem", "labels", "says", "silent", "trained", "sheet"}
FAST = {"device": "cpu", "threads": 1}


class Case(NamedTuple):
    """A file and what is right for it."""

    kind: str
    file: str
    expected: dict[str, Any]


def cases() -> list[Case]:
    found = []
    for path in sorted(HERE.glob("*/expect.yaml")):
        for file, entries in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            for entry in entries if isinstance(entries, list) else [entries]:
                assert entry.keys() <= KNOWN, f"{path}: {file}: {sorted(entry.keys() - KNOWN)}"
                found.append(Case(path.parent.name, file, entry))
    return found


CASES = cases()
IDS = [f"{case.kind}/{case.file}{'+options' if 'options' in case.expected else ''}" for case in CASES]


@pytest.fixture
def data(case: Case, tmp_path: Path) -> str:
    """The value of --data."""
    if rows := case.expected.get("sheet"):
        import openpyxl

        book = openpyxl.Workbook()
        for cells in rows:
            book.active.append(cells)
        book.save(tmp_path / case.file)
        return str(tmp_path / case.file)
    return ",".join(str(HERE / case.kind / name) for name in case.file.split(","))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_is_made_of_a_file(case: Case, data: str) -> None:
    expected = case.expected
    with reporting.listening() as heard:
        try:
            report = check_data.run(
                check_data.Config(data=data, model="none", **task(case), **expected.get("options", {}))
            )
        except UserError as error:
            said = "\n".join([*heard.warnings, *heard.notes, str(error)])
            assert expected.get("exit") == 2, said
            assert [text for text in expected["says"] if text not in said] == [], said
            return
    assert report.exit_code == expected.get("exit", 0)
    warned = heard.warnings + [line for line in report.lines if line.startswith(("warning", "error"))]
    said = "\n".join([*heard.notes, *(f"warning: {text}" for text in heard.warnings), *report.lines])
    assert [text for text in expected.get("says", []) if text not in said] == [], said
    assert not (expected.get("silent") and warned)
    found = report.record["task"]
    if "rows" in expected:
        assert sum(report.record["rows"].values()) == expected["rows"]
    if "problem" in expected:
        assert found["problem"] == expected["problem"]
    if "labels" in expected:
        assert names(found) == expected["labels"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.expected.get("trained")],
    ids=[name for name, case in zip(IDS, CASES, strict=True) if case.expected.get("trained")],
)
def test_what_a_model_makes_of_it(case: Case, data: str, tiny_model: Path, tmp_path: Path) -> None:
    trained, options = case.expected["trained"], case.expected.get("options", {})
    module = TRAINING[case.expected.get("task", "text-classification")]
    model = make_reader(tmp_path / "reader") if module is finetune_qa else tiny_model
    run = tmp_path / "run"
    module.run(module.Config(data=data, model=str(model), output=run, max_steps=1, max_length=48, **FAST, **options))

    file = data.partition(",")[0]
    reading = {name: value for name, value in options.items() if name in ReadingOptions.model_fields}
    predict.run(predict.Config(model=str(run), input=file, output=tmp_path / "answers.jsonl", **FAST, **reading))
    answers = [row.values for row in readers.read_rows(tmp_path / "answers.jsonl")]
    assert len(answers) == trained["answers"]
    assert [row["prediction_error"] for row in answers if row["prediction_error"]] == []

    report = evaluate.run(evaluate.Config(model=str(run), data=data, **FAST, **reading))
    assert sum(report.record["rows"].values()) == trained["judged"]


def test_every_file_is_a_case() -> None:
    named = {(case.kind, name) for case in CASES for name in case.file.split(",")}
    files = {(path.parent.name, path.name) for path in HERE.glob("*/*") if path.suffix not in (".yaml", ".pyc")}
    assert files - named == set()


def task(case: Case) -> dict[str, str]:
    return {"task": case.expected["task"]} if "task" in case.expected else {}


def names(record: dict[str, Any]) -> list[str]:
    """The labels of a task, or the types of entities that its tags are made of."""
    if record["name"] != "token-classification":
        return record["labels"]
    return sorted({tag.partition("-")[2] for tag in record["labels"] if tag != "O"})
