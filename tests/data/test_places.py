"""Which columns are the user's: all but those in which rows carry where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import rows, write_csv

from nlpkit.cli.app import main


@pytest.mark.parametrize("command", ["finetune-cls", "evaluate", "predict", "check-data"])
def test_a_column_of_the_user_may_begin_with_two_underscores(
    command: str, trained: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [{"__id": row["text"], "label": row["label"]} for row in rows(40)]
    data = str(write_csv(tmp_path / "data.csv", named))
    columns = ["--text-column", "__id"]
    arguments = {
        "finetune-cls": ["--model", str(tiny_model), "--data", data, "--dry-run", "--output", str(tmp_path / "run")],
        "evaluate": [str(trained), "--data", data, "--no-save"],
        "predict": [str(trained), "--input", data, "--output", str(tmp_path / "out.csv")],
        "check-data": ["--data", data, "--task", "text-classification"],
    }[command]
    assert main([command, *arguments, *columns]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("command", ["finetune-cls", "evaluate", "check-data"])
def test_a_message_lists_the_columns_of_the_user(
    command: str, trained: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [{"__id": row["text"], "label": row["label"]} for row in rows(40)]
    data = ["--data", str(write_csv(tmp_path / "data.csv", named)), "--text-column", "none"]
    arguments = {
        "finetune-cls": ["--model", str(tiny_model), "--output", str(tmp_path / "run")],
        "evaluate": [str(trained), "--no-save"],
        "check-data": ["--task", "text-classification"],
    }[command]
    assert main([command, *arguments, *data]) == 2
    assert "the columns are __id, label" in " ".join(capsys.readouterr().err.split())
