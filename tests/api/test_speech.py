"""What is seen of the work of a function: nothing unasked, the command line's lines when asked, a bar in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import rows

import nlpkit
from nlpkit.api import speech


class Shown:
    """What IPython gives for a display that can be drawn anew."""

    def __init__(self) -> None:
        self.states: list[dict[str, str]] = []

    def __call__(self, state: dict[str, str], **_: Any) -> Shown:
        self.states.append(state)
        return self

    def update(self, state: dict[str, str], **_: Any) -> None:
        self.states.append(state)


def test_a_notebook_has_one_bar_that_is_gone_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "REDRAWN", 0)
    shown = Shown()
    with speech.NotebookReporter(shown).progress("train <x>", 4, "steps") as bar:
        bar.advance(1, loss="0.50")
        bar.advance(1)
    first, second, third, last = shown.states
    assert "train &lt;x&gt;" in first["text/html"]
    assert 'value="1" max="4"' in second["text/html"]
    assert "loss 0.50" in third["text/plain"]  # the figures stay until there are others
    assert last == {"text/plain": "", "text/html": ""}


def test_a_notebook_is_known_and_progress_false_silences_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "_display", Shown)
    assert isinstance(speech.reporter(progress=None), speech.NotebookReporter)
    assert not isinstance(speech.reporter(progress=False), speech.NotebookReporter)


def test_elsewhere_nothing_is_printed_unless_it_is_asked_for(trained: Path, capfd: Any) -> None:
    options: dict[str, Any] = {"model": trained, "dry_run": True, "device": "cpu"}
    split = {"train": rows(8, seed=1), "validation": rows(8, seed=2)}
    nlpkit.finetune("cls", split, output=trained.parent / "none", **options)
    assert capfd.readouterr() == ("", "")
    nlpkit.finetune("cls", split, output=trained.parent / "none", progress=True, **options)
    out, err = capfd.readouterr()
    assert out == ""
    assert "steps" in err
