"""What the pages promise: links lead somewhere, every command has its page, and the lines to paste are understood."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import forked
import pytest
import yaml
from conftest import nlpkit_command

import nlpkit
from nlpkit.cli import aliases, app
from nlpkit.cli.registry import COMMANDS
from nlpkit.options import Config, flag_of
from nlpkit.reporting import Report

ROOT = Path(__file__).parents[1]
BESIDE = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *("recipes/README.md", "recipes/accelerate/README.md", "benchmarks/README.md"),
)
PAGES = sorted([*(ROOT / name for name in BESIDE), *(ROOT / "docs").rglob("*.md")])
HERE = re.compile(r"^(.*)<<'?(\w+)'?\n.*?^\2\n", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
# Programs that pages call and no test does, with why; what nlpkit, make and scripts of this repository are given is
# checked.
NOT_RUN = {
    "cat": "of the shell",
    "cd": "of the shell",
    "mkdir": "of the shell",
    "zcat": "of the shell",
    "source": "of the shell",
    "export": "of the shell",
    "set": "of the shell",
    "test": "of the shell",
    "echo": "of the shell",
    "printf": "of the shell",
    "paste": "of the shell",
    "rm": "of the shell",
    "mv": "of the shell",
    "curl": "asks a service, which the tests of nlpkit/serving/ do",
    "jq": "is seldom there where tests run",
    "hf": "downloads, from the hub",
    "text-embeddings-router": "is a server of its own, and no package of Python",
    "pip": "installs, from the network",
    "pipx": "installs, from the network",
    "uv": "installs, from the network",
    "docker": "is seldom there where tests run",
    "kubectl": "asks a cluster",
    "kustomize": "is seldom there where tests run",
    "python": "makes a wheel (-m build; make test-wheel does)",
    "python3": "makes an environment (-m venv)",
    "npm": "installs, from the network",
    "/tmp/st/bin/pip": "installs another library, from the network",
    ".venv/bin/python": "runs the tests",
}
# Languages of blocks that no test reads, with why.
NOT_CHECKED = {
    "dockerfile": "is seldom there where tests run",
    "text": "shows a picture or a file",
    "json": "shows an output",
    "javascript": "tests/models runs it",
    "html": "a browser is seldom there where tests run",
}
# every command has these besides its own; --version is the program's
OF_ALL = {"--help", "--help-all", "--config", "--json", "--quiet", "--verbose", "--version", "--install-completion"}


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


def blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of code of a page, each with its language."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def lines_to_paste(page: Path) -> list[str]:
    """The lines of shell blocks, of a console those behind `$`, and the steps of a YAML file of a CI service.

    Lines that are continued are one. What a line reads from `<<'END'` on is left out.
    """
    lines: list[str] = []
    for language, block in blocks(page):
        if language in ("bash", "console", ""):
            joined = HERE.sub(r"\1\n", block.replace("\\\n", " ")).splitlines()
            lines += [line[2:] for line in joined if line.startswith("$ ")] if language == "console" else joined
        elif language == "yaml":
            lines += [
                line for step in steps_in(yaml.safe_load(block)) for line in step.replace("\\\n", " ").splitlines()
            ]
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def steps_in(document: Any) -> Iterator[str]:
    """What a workflow of a CI service runs: the values of `run` and `script`, at any depth."""
    if isinstance(document, list):
        for entry in document:
            yield from steps_in(entry)
    elif isinstance(document, dict):
        for key, value in document.items():
            steps = value if isinstance(value, list) else [value]
            if key in ("run", "script"):
                yield from (step for step in steps if isinstance(step, str))
            else:
                yield from steps_in(value)


def commands_in(line: str) -> list[list[str]]:
    """The commands of a line of a shell, as words: without comments, and without what is written to a file."""
    commands: list[list[str]] = [[]]
    words = iter(shlex.split(line, comments=True))
    for word in words:
        if word in ("&&", "||", ";", "|", "&"):
            commands.append([])
        elif word in (">", ">>", "2>", "<"):
            next(words, None)
        elif commands[-1] or not re.match(r"[A-Z_]+=", word):
            commands[-1].append(word)
    return [command for command in commands if command]


def called(command: list[str]) -> list[str] | None:
    """What nlpkit is given, as a program or as a module; `...` stands for what the line leaves to its reader."""
    runs_module = [at + 1 for at, word in enumerate(command[:-1]) if word == "-m" and command[at + 1] == "nlpkit"]
    start = 0 if Path(command[0]).name == "nlpkit" else next(iter(runs_module), None)
    return None if start is None else [word for word in command[start + 1 :] if word != "..."]


def options_of(command: str) -> set[str]:
    fields = importlib.import_module(COMMANDS[command].module).Config.known_fields()
    flags = {flag_of(field) for field in fields}
    return flags | {f"--no-{flag[2:]}" for flag in flags} | OF_ALL


COMMAND_LINES = [(page, command) for page in PAGES for line in lines_to_paste(page) for command in commands_in(line)]
OF_NLPKIT = [(page, given) for page, command in COMMAND_LINES if (given := called(command))]
OF_OTHERS = [(page, command) for page, command in COMMAND_LINES if called(command) is None]


def test_the_readme_is_one_page() -> None:
    assert (ROOT / "README.md").stat().st_size <= 12_000


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """To files and headings that there are; of those to the web it is seen that they are addresses, no more."""
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            lost += [] if re.fullmatch(r"https?://[\w-]+(\.[\w-]+)+(:\d+)?(/[^\s<>]*)?", target) else [target]
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
    assert f"\n| `{command}` | " in prose(ROOT / "README.md")
    assert f"](reference/commands/{command}.md)" in prose(ROOT / "docs/index.md")
    page = ROOT / "docs" / "reference" / "commands" / f"{command}.md"
    assert any(given[0] == command for on, given in OF_NLPKIT if on == page)


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#\s]+\.md)\)", prose(index))}
    assert linked == set(PAGES) - {index}


@pytest.mark.parametrize(
    ("page", "given"), OF_NLPKIT, ids=[f"{name_of(page)}: {' '.join(given)[:60]}" for page, given in OF_NLPKIT]
)
def test_a_line_to_paste_is_understood(
    page: Path, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command exists, options and their values are its own, and each is read beside the others; nothing is run.

    Files of options have stand-ins.
    """

    def run(config: Config) -> Report:
        if given[0] != "prune":  # which settles --what by the other options first
            config.refuse_unread()
        return Report({})

    if given[0] in COMMANDS:
        monkeypatch.setattr(importlib.import_module(COMMANDS[given[0]].module), "run", run)
    monkeypatch.chdir(tmp_path)
    # --install-completion writes there, for the shell of the environment, which CI services leave out
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    for flag, value in pairwise(given):
        if flag == "--config" and "/" in value and not Path(value).exists():
            Path(value).parent.mkdir(parents=True)
            stand_in = {"schema_version": 1, "status": "complete", "command": given[0], "config": {}}
            Path(value).write_text(json.dumps(stand_in if value.endswith(".json") else {"command": given[0]}))
    assert app.main(given) == 0, capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_other_programs_are_given_is_there(page: Path) -> None:
    """Targets of make, scripts of this repository with their options; what else is called is listed, with why."""
    wrong = []
    for command in [command for on, command in OF_OTHERS if on == page]:
        program, *given = command
        if program == "make":
            wrong += [f"make {word}" for word in given if "=" not in word and not is_target(word)]
        elif re.fullmatch(r"(\.venv/bin/)?python3?", program) and given[0].endswith(".py"):
            wrong += wrong_for_script(given[0], given[1:])
        elif program not in NOT_RUN:
            wrong.append(" ".join(command))
    assert not wrong


def is_target(word: str) -> bool:
    """Whether the Makefile has a target of this name; recipe-NAME stands for each recipe."""
    if word.startswith("recipe-"):
        return (ROOT / "recipes" / f"{word.removeprefix('recipe-')}.yaml").exists()
    return re.search(rf"^{re.escape(word)}:", (ROOT / "Makefile").read_text(), re.MULTILINE) is not None


def wrong_for_script(script: str, given: list[str]) -> list[str]:
    """Options that a script does not name; those behind `--` are another program's."""
    if not (ROOT / script).exists():
        return [script]
    own = given[: given.index("--")] if "--" in given else given
    source = (ROOT / script).read_text()
    flags = [word.partition("=")[0] for word in own if word.startswith("--")]
    return [f"{script} {flag}" for flag in flags if f'"{flag}"' not in source]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_block_is_of_a_language_that_is_checked_or_needs_none(page: Path) -> None:
    checked = {"bash", "console", "", "python", "yaml"}
    assert {language for language, _ in blocks(page)} <= checked | set(NOT_CHECKED)


RECIPES = [(page, block) for page in PAGES for language, block in blocks(page) if language == "yaml"]


@pytest.mark.parametrize(("page", "block"), RECIPES, ids=[name_of(page) for page, _ in RECIPES])
def test_a_recipe_on_a_page_has_options_of_its_command(page: Path, block: str) -> None:
    values = yaml.safe_load(block)
    if isinstance(values, dict) and values.get("command") in COMMANDS:
        command = values.pop("command")
        importlib.import_module(COMMANDS[command].module).Config(**values)


PYTHON = [(page, block) for page in PAGES for language, block in blocks(page) if language == "python"]


@pytest.mark.parametrize(("page", "block"), PYTHON, ids=[name_of(page) for page, _ in PYTHON])
def test_python_on_a_page_names_what_nlpkit_has(page: Path, block: str) -> None:
    """It compiles, and every module, function and keyword of nlpkit in it exists; nothing is run."""
    tree = ast.parse(block, name_of(page))
    names: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "nlpkit":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                found = getattr(module, alias.name, None) or importlib.import_module(f"{node.module}.{alias.name}")
                names[alias.asname or alias.name] = found
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "nlpkit":
                    importlib.import_module(alias.name)
                    names[alias.asname or "nlpkit"] = importlib.import_module((alias.asname and alias.name) or "nlpkit")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (function := of_nlpkit(node.func, names)) is not None:
            given = [keyword.arg for keyword in node.keywords if keyword.arg]
            if inspect.isclass(function) and issubclass(function, Config):
                assert set(given) <= function.known_fields().keys()
            else:
                signature = inspect.signature(function)
                signature.bind_partial(*[None for _ in node.args], **dict.fromkeys(given))


def of_nlpkit(node: ast.expr, names: dict[str, Any]) -> Any:
    """What an expression of names and dots stands for, where it begins with something of nlpkit; else None.

    Raises:
        AttributeError: there is nothing of that name.
    """
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and (whole := of_nlpkit(node.value, names)) is not None:
        return getattr(whole, node.attr)
    return None


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


def test_wheels_on_pages_are_of_this_version() -> None:
    named = {version for page in PAGES for version in re.findall(r"nlpkit-(\d[\w.]*?)-py3", page.read_text())}
    assert named == {nlpkit.__version__}


def written_on(page: Path) -> dict[str, str]:
    """The files that the shell blocks of a page write (`cat > FILE <<'END'`), with what they hold."""
    found = re.compile(r"^cat > (\S+) <<'?(\w+)'?\n(.*?)^\2\n", re.MULTILINE | re.DOTALL)
    return {name: text for _, block in blocks(page) for name, _, text in found.findall(block)}


def printed_on(page: Path) -> Iterator[tuple[list[str], list[str]]]:
    """What nlpkit is given in the console blocks of a page, and the lines that are shown below it."""
    for block in [block for language, block in blocks(page) if language == "console"]:
        joined = block.replace("\\\n", " ")
        for line, text in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", joined, re.MULTILINE):
            for command in commands_in(line):
                yield called(command) or [], text.splitlines()


CHECKED = [
    (page, given, lines)
    for page in PAGES
    for given, lines in printed_on(page)
    if given[:1] == ["check-data"] and written_on(page).keys() & set(given)
]


@pytest.mark.slow
@pytest.mark.real_weights
@pytest.mark.parametrize(("page", "given", "lines"), CHECKED, ids=[name_of(page) for page, _, _ in CHECKED])
def test_what_a_page_shows_of_its_data_is_what_is_printed(
    page: Path, given: list[str], lines: list[str], tmp_path: Path
) -> None:
    for name, text in written_on(page).items():
        (tmp_path / name).write_text(text)
    done = forked.run(nlpkit_command(*given), cwd=tmp_path)
    assert sorted((done.stdout + done.stderr).splitlines()) == sorted(lines)
