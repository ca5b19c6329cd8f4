"""What the pages promise: links lead somewhere, every command has its page, and the lines to paste are understood."""

from __future__ import annotations

import importlib
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from nlpkit.cli import aliases, app
from nlpkit.cli.registry import COMMANDS
from nlpkit.options import flag_of
from nlpkit.recipes import evaluate, finetune_cls, predict
from nlpkit.reporting import Report

ROOT = Path(__file__).parents[1]
BESIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "recipes/README.md", "benchmarks/README.md")
PAGES = sorted([*(ROOT / name for name in BESIDE), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
# every command has these besides its own; --version is the program's
OF_ALL = {"--help", "--help-all", "--config", "--json", "--quiet", "--verbose", "--version"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    times: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        found.add(f"{anchor}-{times[anchor]}" if times[anchor] else anchor)
        times[anchor] += 1
    return found


def lines_to_paste(page: Path) -> list[str]:
    """The lines of shell blocks, continued ones as one; of a console those behind `$`."""
    lines: list[str] = []
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        joined = block.replace("\\\n", " ").splitlines()
        if language == "console":
            lines += [line[2:] for line in joined if line.startswith("$ ")]
        elif language in ("bash", ""):
            lines += joined
    return lines


def called(line: str) -> list[str] | None:
    """What nlpkit is given in a line of a shell; `...` stands for what the line leaves to its reader."""
    words = shlex.split(line, comments=True)
    starts = [at for at, word in enumerate(words[:-1]) if word == "nlpkit" and words[at + 1] in COMMANDS]
    if not starts:
        return None
    given = words[starts[0] + 1 :]
    end = next((at for at, word in enumerate(given) if word in ("|", ">", ";", "&&")), len(given))
    return [word for word in given[:end] if word != "..."]


def options_of(command: str) -> set[str]:
    fields = importlib.import_module(COMMANDS[command].module).Config.known_fields()
    flags = {flag_of(field) for field in fields}
    return flags | {f"--no-{flag[2:]}" for flag in flags} | OF_ALL


LINES = [(page, line) for page in PAGES for line in lines_to_paste(page) if "nlpkit " in line and called(line)]


def test_the_readme_is_one_page() -> None:
    assert (ROOT / "README.md").stat().st_size <= 12_000


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            lost.append(target)
    assert not lost


def test_every_command_has_a_page_and_no_page_lacks_one() -> None:
    assert {page.stem for page in (ROOT / "docs" / "reference" / "commands").iterdir()} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_a_command_is_found_and_calls_it(command: str) -> None:
    assert f"[`nlpkit {command}`](docs/reference/commands/{command}.md)" in prose(ROOT / "README.md")
    page = ROOT / "docs" / "reference" / "commands" / f"{command}.md"
    assert any(given and given[0] == command for given in map(called, lines_to_paste(page)))


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#\s]+\.md)\)", prose(index))}
    assert linked == set(PAGES) - {index}


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{name_of(page)}: {line[:60]}" for page, line in LINES])
def test_a_line_to_paste_is_understood(
    page: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options and their values are those of the command; nothing is run."""
    given = called(line)
    assert given is not None
    monkeypatch.setattr(importlib.import_module(COMMANDS[given[0]].module), "run", lambda config: Report({}))
    monkeypatch.chdir(ROOT)
    assert app.main(given) == 0, capsys.readouterr().err


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of)
def test_options_named_in_a_text_exist(page: Path) -> None:
    """In what begins with a command, and on pages where every option is one of nlpkit's: not of make, pip, scripts."""
    of_any = set().union(*map(options_of, COMMANDS)) | {f"--{name}" for name in aliases.SAME}
    of_nlpkit_alone = page.parent.name == "commands" or name_of(page) in (
        "README.md",
        "docs/reference/data.md",
        "docs/reference/machines.md",
    )
    unknown = []
    for span in SPAN.findall(prose(page)):
        words = span.removeprefix("nlpkit ").split()
        named = [word.partition("=")[0].replace("_", "-") for word in words if re.match(r"--[a-z]", word)]
        if words and words[0] in COMMANDS:
            unknown += [f"{words[0]} {flag}" for flag in named if flag not in options_of(words[0])]
        elif of_nlpkit_alone and words and words[0].startswith("--"):
            unknown += [flag for flag in named if flag not in of_any]
    assert not unknown


def test_the_python_of_the_readme_names_options_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    for module in (finetune_cls, predict, evaluate):
        monkeypatch.setattr(module, "run", lambda config: taken.append(config) or MagicMock())
    (block,) = [block for language, block in BLOCK.findall((ROOT / "README.md").read_text()) if language == "python"]
    exec(compile(block, "README.md", "exec"), {})
    assert [type(config) for config in taken] == [finetune_cls.Config, predict.Config, evaluate.Config]
