from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nlpkit
from nlpkit.recipes import finetune_cls

PACKAGE = Path(nlpkit.__file__).parent


def untyped(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each argument, attribute or variable that holds options or a config, and is of type Any."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg):
            name, annotation = node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign):
            name, annotation = ast.unparse(node.target).rpartition(".")[2], node.annotation
        else:
            continue
        kinds = ast.unparse(annotation).strip("'\"").split(" | ") if annotation is not None else []
        if name.split("_")[-1] in ("config", "options") and "Any" in kinds:
            yield node.lineno, name


@pytest.mark.slow
def test_options_are_passed_as_the_group_that_is_read() -> None:
    """Not as Any, of which a misspelt option is found by whoever runs into it."""
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in untyped(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "def run(config: Any) -> None: ...",
        "def run(*, model_config: Any | None = None) -> None: ...",
        "class Run:\n    options: Any",
        "class Run:\n    def __init__(self) -> None:\n        self.config: Any = None",
    ],
)
def test_any_is_seen_wherever_options_are_passed(source: str) -> None:
    assert list(untyped(source))


@pytest.mark.slow
def test_what_commands_are_built_of_imports_no_command() -> None:
    """Not for its config either: what is read of it is a group of options that stands below."""
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in ("recipes", "api", "cli")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom) and "nlpkit.recipes" in ast.unparse(node)
    ]
    assert not found


def test_a_record_gives_what_was_not_given_here() -> None:
    recorded = {"epochs": 7.0, "seed": 3, "input_format": "tsv", "gone": True}
    config = finetune_cls.Config(seed=5, data="rows.txt").on_top_of(recorded)
    assert (config.epochs, config.seed, config.data, config.batch_size) == (7.0, 5, "rows.txt", 32)
    assert config.format == "tsv", "under the name that the option has now"
    assert config.given == {"seed", "data", "epochs", "format"}
