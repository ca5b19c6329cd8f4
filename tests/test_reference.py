"""The reference says what the code does: options, fields of records, exit codes and variables of the environment."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import reference

import nlpkit
from nlpkit import errors, interrupts
from nlpkit.cli import streams

PAGES = Path(__file__).parents[1] / "docs" / "reference"
# variables whose names stand in a list or in a constant, and those that only the libraries read
ELSEWHERE = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "COLUMNS"}
ELSEWHERE |= {"ACCELERATE_MIXED_PRECISION", "NLPKIT_VISIBLE_GPU"}


def test_the_generated_parts_are_those_of_the_code() -> None:
    stale = [page.name for page in reference.out_of_date()]
    assert not stale, f"run `make reference`: out of date are {', '.join(stale)}"


def test_a_page_that_is_out_of_date_is_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "reference" / "x.md"
    page.parent.mkdir(parents=True)
    page.write_text("# x\n\nBy hand.\n")
    monkeypatch.setattr(reference, "PAGES", page.parent)
    monkeypatch.setattr(reference, "generated", lambda: {page: "the code"})
    assert reference.main(["--check"]) == 1
    assert "docs/reference/x.md is out of date: run `make reference`" in capsys.readouterr().err
    assert reference.main([]) == 0
    assert page.read_text() == f"# x\n\nBy hand.\n\n{reference.BEGIN}\n\nthe code\n\n{reference.END}\n"
    page.write_text(page.read_text() + "\nBehind it.\n")
    assert reference.main(["--check"]) == 0


def test_each_field_of_the_record_of_a_run_is_explained(trained: Path) -> None:
    page = (PAGES / "run-folder.md").read_text()
    fields = json.loads((trained / "nlpkit.json").read_text())
    assert not [field for field in fields if f"`{field}`" not in page]


def test_each_file_of_a_run_folder_is_explained(trained: Path) -> None:
    page = (PAGES / "run-folder.md").read_text()
    files = {f"{item.name}/" if item.is_dir() else item.name for item in trained.iterdir()}
    assert not [name for name in files if f"`{name}`" not in page]


def test_the_exit_codes_are_those_of_the_code() -> None:
    codes = {0, errors.RunError.exit_code, errors.UserError.exit_code, interrupts.EXIT_CODE, streams.NO_READER}
    section = (PAGES / "environment.md").read_text().partition("## Variables")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)} == codes


def variables_of(folder: Path) -> Iterator[str]:
    """The names with which the modules of a package read or set variables of the environment."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                whose, key = node.func.value, node.args[0]
            elif isinstance(node, ast.Subscript):
                whose, key = node.value, node.slice
            elif isinstance(node, ast.Compare):
                whose, key = node.comparators[0], node.left
            else:
                continue
            if ast.unparse(whose) == "os.environ" and isinstance(key, ast.Constant):
                yield key.value


def test_each_variable_of_the_environment_is_explained() -> None:
    page = (PAGES / "environment.md").read_text()
    told = set(re.findall(r"`(_?[A-Z][A-Z0-9_]+)`", page)) - {"PCI_BUS_ID"}
    used = set(variables_of(Path(nlpkit.__file__).parent))
    assert told == used | ELSEWHERE
