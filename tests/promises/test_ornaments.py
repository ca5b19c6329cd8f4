"""What a result is complete without (plots, card, the list of mistakes) costs a warning where it cannot be made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import RunOf

from nlpkit.cli.app import main
from nlpkit.runs import plots

pytestmark = pytest.mark.slow


def breaks(*_: Any, **__: Any) -> Any:
    raise ValueError("a bug of a library\nin two lines")


def flags(**given: Any) -> list[str]:
    return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a picture, nor a card, nor a list of mistakes can be made."""
    import huggingface_hub

    from nlpkit.tasks.text_classification.view import ClassificationView

    monkeypatch.setattr(plots, "draw_in_style", breaks)
    monkeypatch.setattr(huggingface_hub.ModelCard, "save", breaks)
    monkeypatch.setattr(ClassificationView, "mistakes", breaks)


LEFT_OUT = "could not be made and is left out, all else is there (ValueError: a bug of a library)"
SMALL = {"device": "cpu", "threads": 1, "max_steps": 2, "batch_size": 16}
Arguments = Callable[[RunOf, Path], list[str]]
COMMANDS: dict[str, tuple[Arguments, str, int]] = {
    "finetune-cls": (
        lambda run, model: flags(data=run("classification").parent / "data", model=model, **SMALL),
        "model.safetensors",
        4,
    ),
    "pretrain-mlm": (
        lambda run, model: flags(data=run("masked-lm").parent / "data", model=run("masked-lm"), max_length=32, **SMALL),
        "model.safetensors",
        4,
    ),
    "train-tokenizer": (lambda run, model: flags(data=run("masked-lm").parent / "data"), "tokenizer.json", 2),
    "quantize": (
        lambda run, model: [str(run("classification")), *flags(to="bf16", measure_seconds=0)],
        "model.safetensors",
        1,
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_model_is_kept(
    command: str,
    broken: None,
    run_of: RunOf,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make, file, count = COMMANDS[command]
    output = tmp_path / "run"
    assert main([command, *make(run_of, tiny_model), "--output", str(output)]) == 0
    said = capsys.readouterr().err
    assert said.count(LEFT_OUT) >= count, said
    assert json.loads((output / "nlpkit.json").read_text())["status"] == "complete"
    assert (output / file).stat().st_size > 0
    assert not (output / "README.md").exists()
    assert not list(output.glob("plots/*"))


def test_a_report_on_data_is_written_without_its_pictures(
    run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plots, "draw_in_style", breaks)
    page = tmp_path / "report.html"
    data = run_of("classification").parent / "data"
    assert main(["check-data", "--data", str(data), "--model", "none", "--output", str(page)]) == 0
    assert LEFT_OUT in capsys.readouterr().err
    assert "<img" not in page.read_text()
    assert "findings" in page.read_text().lower()
