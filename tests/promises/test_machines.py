"""What docs/reference/machines.md says of the streams and exit codes of every command."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import every_task
import forked
import pytest
from conftest import RunOf, nlpkit_command, rows
from scripted_service import Reply, scripted

from nlpkit.cli import app
from nlpkit.cli.registry import COMMANDS
from nlpkit.errors import RunError
from nlpkit.recipes import index

pytestmark = pytest.mark.slow

TRAINING = {"device": "cpu", "threads": 1, "max_steps": 1, "batch_size": 16}
DEVICE = {"device": "cpu", "threads": 1}
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
# what each needs at least to begin; nothing of it is opened
BARE: dict[str, list[str]] = {
    "tokenize": ["a text", "--tokenizer", "t"],
    "distill": ["r"],
    "tune": ["finetune-cls", "--data", "d", "--epochs", "1,2"],
    "train-vectors": ["f"],
    "prune": ["r"],
    "compress": ["r"],
    "quantize": ["r"],
    "predict": ["r", "a text"],
    "zero-shot": ["r", "a text"],
    "explain": ["r", "a text"],
    "probe": ["r", "--data", "d"],
    "embed": ["r", "a text"],
    "cluster": ["r", "--input", "f"],
    "search": ["i", "a question"],
    "serve": ["r"],
    "topics": ["r", "--input", "f"],
    "evaluate": ["r"],
    "benchmark": ["r"],
    "loadtest": ["http://127.0.0.1:9", "--input", "f"],
    "recipes": [],
    "runs": [],
    "compare": ["r", "s"],
    "report": ["r"],
    "env": [],
    "augment": ["--data", "d", "--output", "o.csv"],
}


def flags(**given: Any) -> list[str]:
    return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def bare(command: str) -> list[str]:
    return [command, *BARE.get(command, ["--data", "d"])]


services = contextlib.ExitStack()


@functools.cache
def quick_service() -> str:
    """The address of a service that answers at once, for as long as this process lives."""
    return services.enter_context(scripted(lambda _: Reply())).url


def whole(command: str, run_of: RunOf, model: Path, folder: Path) -> list[str]:
    """A short run of a command that is done in a second or two."""
    run = run_of("classification")
    text = folder / "text.txt"
    text.write_text("".join(f"{row['text']}\n" for row in rows(80)))
    out = flags(output=folder / "out")
    tasks = {"finetune-cls": "classification", "finetune-ner": "token-classification", "finetune-embed": "embedding"}
    if command in tasks:
        return [command, *flags(data=run_of(tasks[command]).parent / "data", model=model, **TRAINING), *out]
    if command == "finetune-qa":
        reader = run_of("question-answering").parent
        sizes = {"max_length": 48, "doc_stride": 8}
        return [command, *flags(data=reader / "data", model=reader / "reader", **sizes, **TRAINING), *out]
    if command == "finetune-seq2seq":
        pairs = run_of("text-to-text").parent / "data"
        return [command, *flags(data=pairs, **every_task.SMALL_T5, **TRAINING), *out]
    if command == "search":
        index.run(index.Config(data=str(text), model=str(run_of("embedding")), output=folder / "index", **DEVICE))
    shape = {"layers": 1, "hidden_size": 16, "heads": 2, "intermediate_size": 32, "max_length": 16}
    return [
        command,
        *{
            "check-data": [*flags(data=run.parent / "data", model="none")],
            "augment": [*flags(data=run.parent / "data", copies=1, output=folder / "out.csv")],
            "train-tokenizer": [*flags(data=text, vocab_size=60), *out],
            "train-vectors": [str(text), *flags(vector_size=8, epochs=1, min_count=1), *out],
            "pretrain-mlm": [*flags(data=text, tokenizer=model, **shape, **TRAINING), *out],
            "pretrain-clm": [
                *flags(data=text, validation_file=text, tokenizer=run_of("causal-lm"), **shape, **TRAINING),
                *out,
            ],
            "distill": [str(run), *flags(student_layers=1, measure_seconds=0, **TRAINING), *out],
            "prune": [str(run), *flags(sparsity=0.5, measure_seconds=0, **DEVICE), *out],
            "compress": [
                str(run),
                "--dry-run",
                *flags(min_speedup=1.1, to="none", measure_seconds=0.1, **DEVICE),
                *out,
            ],
            "quantize": [str(run), *flags(to="bf16", measure_seconds=0, **DEVICE), *out],
            "tokenize": ["a good film", *flags(tokenizer=model)],
            "predict": [str(run), "a good film", *flags(**DEVICE)],
            "explain": [str(run), "a good film", *flags(**DEVICE)],
            "learn": ["masks", *out],
            "probe": [str(run), *flags(data=run.parent / "data", layers=0, **DEVICE), *out],
            "zero-shot": [str(run_of("zero-shot")), "a good film", *flags(labels="good,bad", **DEVICE)],
            "embed": [str(run_of("embedding")), "a good film", *flags(**DEVICE)],
            "index": [*flags(data=text, model=run_of("embedding"), **DEVICE), *out],
            "cluster": [str(run_of("embedding")), *flags(input=text, k=2, map="none", **DEVICE), *out],
            "search": [str(folder / "index"), "a good film", *flags(**DEVICE)],
            "serve": [str(run), "--self-check", *flags(port=0, **DEVICE)],
            "topics": [str(run_of("embedding")), *flags(input=text, min_size=5, map="none", **DEVICE), *out],
            "evaluate": [str(run), "--no-save", *flags(**DEVICE)],
            "benchmark": ["--config-only", str(model), "--dry-run", *out],
            "loadtest": [quick_service(), *flags(input=text, rate=50, seconds=0.2, warmup_seconds=0), *out],
            "recipes": [],
            "runs": [str(run.parent)],
            "compare": [str(run), str(run_of("pairs")), "--no-judge"],
            "report": [str(run), *flags(output=folder / "page.html")],
            "env": [],
            "tune": [
                *("finetune-cls", "--epochs", "1,2", "--dry-run"),
                *flags(data=run.parent / "data", model=model, **TRAINING),
                *out,
            ],
        }[command],
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_is_one_document_and_all_else_plain_lines(
    command: str, run_of: RunOf, tiny_model: Path, tmp_path: Path
) -> None:
    """Off a terminal, whatever the environment says of colours."""
    colours = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color", "COLUMNS": "80"}
    env = {**os.environ, **colours, "NLPKIT_CACHE": str(tmp_path / "cache")}
    arguments = whole(command, run_of, tiny_model, tmp_path)
    done = forked.run(nlpkit_command(*arguments, "--json"), cwd=tmp_path, env=env)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert isinstance(json.loads(done.stdout), dict)
    assert not CONTROLS.search(done.stdout + done.stderr)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_messages_are_plain_lines(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    for arguments, code in (["--help"], 0), (["--help-all"], 0), (["--nothing-like-it"], 2):
        assert app.main([command, *arguments]) == code
        said = capsys.readouterr()
        assert said.out + said.err
        assert not CONTROLS.search(said.out + said.err)


def ending(error: BaseException) -> Callable[[Any], Any]:
    def run(_: Any) -> Any:
        print("a library prints")
        raise error

    return run


ENDS: dict[str, tuple[BaseException, int, str]] = {
    "failure": (RunError("the disk is full", "Free some space."), 1, "the disk is full"),
    "surprise": (RuntimeError("something odd\nwith details"), 1, "RuntimeError: something odd"),
    "interrupt": (KeyboardInterrupt(), 130, "interrupted"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_ends_a_command_is_its_exit_code_its_message_and_its_document(
    command: str, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error, code, message = ENDS[end]
    monkeypatch.setattr(importlib.import_module(COMMANDS[command].module), "run", ending(error))
    assert app.main([*bare(command), "--json"]) == code
    said = capsys.readouterr()
    document = json.loads(said.out)["error"]
    assert (document["message"], document["exit_code"]) == (message, code)
    assert f"nlpkit: {message}\n" in said.err and "Traceback" not in said.err
    # without --json standard output holds no message
    assert app.main(bare(command)) == code
    said = capsys.readouterr()
    assert said.out == "a library prints\n" and f"nlpkit: {message}\n" in said.err
    # what is asked for besides changes nothing of it
    assert app.main([*bare(command), "--json", "--verbose"]) == code
    assert json.loads(capsys.readouterr().out)["error"] == document


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "wrong", [["--nothing-like-it"], ["--config", "nowhere.yaml"], ["--config"]], ids=["option", "file", "value"]
)
def test_a_mistake_of_the_user_is_2_and_a_document(
    command: str, wrong: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert app.main([*bare(command), "--json", *wrong]) == 2
    said = capsys.readouterr()
    document = json.loads(said.out)["error"]
    assert document["exit_code"] == 2
    assert said.err.startswith(f"nlpkit: {document['message']}\n")
    assert (document["hint"] or "") in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_there_is_not_and_a_name_that_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["finetune-clas", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)["error"]
    assert "finetune-clas" in document["message"] and "nlpkit finetune-cls " in document["hint"]
    # as bytes on a command line that are not UTF-8 come in
    done = forked.run(nlpkit_command("check-data", "--data", "caf\udce9.csv", "--json"), cwd=Path.cwd())
    assert done.returncode == 2
    assert "caf\udce9" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_colours_on_a_terminal_can_be_turned_off(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert app.main(["check-data", "--data", "nowhere.csv"]) == 2
    assert ("\x1b" in capsys.readouterr().err) == coloured
