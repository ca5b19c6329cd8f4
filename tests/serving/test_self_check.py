"""A service that asks itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import RunOf

from nlpkit.cli import app
from nlpkit.serving.served import ServedModel

pytestmark = pytest.mark.slow


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = app.main(["serve", *arguments, "--self-check", "--port", "0", "--device", "cpu", "--threads", "1", "--json"])
    return code, json.loads(capsys.readouterr().out)["self_check"]


def recorded(run: Path) -> Any:
    return json.loads((run / "nlpkit.json").read_text())


def test_rows_that_were_held_out_are_asked_about_and_judged(run_of: RunOf, capsys: pytest.CaptureFixture[str]) -> None:
    runs = {kind: run_of(kind) for kind in ("classification", "question-answering")}
    code, told = checked(capsys, *(f"{kind}={run}" for kind, run in runs.items()), "--self-check-rows", "1000")
    assert code == 0
    for one, (kind, run) in zip(told, runs.items(), strict=True):
        record, figure = recorded(run), one["figure"]
        assert (one["model"], one["differing"], one["inputs"]) == (kind, 0, record["rows"]["validation"])
        assert figure["split"] == "validation"
        # all of the rows, so that the figure is that of the record
        assert figure["value"] == pytest.approx(record["metrics"]["validation"][figure["metric"]], abs=1e-3)
        assert figure["compatible"] is True


def test_answers_that_differ_fail(
    run_of: RunOf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = ServedModel.computed

    def wrong(self: ServedModel, *given: Any) -> Iterator[list[tuple[int, dict[str, Any]]]]:
        for answers in computed(self, *given):
            yield [(place, {**answer, "score": answer["score"] + 0.01}) for place, answer in answers]

    monkeypatch.setattr(ServedModel, "computed", wrong)
    code, (told,) = checked(capsys, str(run_of("classification")), "--self-check-rows", "3")
    assert code == 1
    assert (told["inputs"], told["differing"]) == (3, 3)


@pytest.fixture
def copied(run_of: RunOf, tmp_path: Path) -> Path:
    shutil.copytree(run_of("classification"), tmp_path / "run")
    return tmp_path / "run"


def test_a_model_that_is_worse_than_its_record_says_fails(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = recorded(copied)
    record["metrics"]["validation"]["accuracy"] = 0.001
    record["metric_intervals"]["validation"]["accuracy"] = [0.0, 0.002]
    (copied / "nlpkit.json").write_text(json.dumps(record))
    code, (told,) = checked(capsys, str(copied), "--self-check-rows", "16")
    assert code == 1
    assert (told["differing"], told["figure"]["compatible"]) == (0, False)


@pytest.mark.parametrize(("data", "said"), [("/not/there", "/not/there"), (["book.txt"], "running text")])
def test_where_no_rows_can_be_asked_about_the_example_is(
    copied: Path, data: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = recorded(copied)
    record["config"]["data"] = data
    (copied / "nlpkit.json").write_text(json.dumps(record))
    code, (told,) = checked(capsys, str(copied))
    assert code == 0
    assert (told["inputs"], told["differing"]) == (1, 0)
    assert said in told["why_not"]
