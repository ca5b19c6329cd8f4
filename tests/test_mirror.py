"""The tests mirror the package: the tests of a room lie in the folder of its name, and no test file needs another."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nlpkit

PACKAGE = Path(nlpkit.__file__).parent
TESTS = Path(__file__).parent

# Folders whose tests go through the whole package, with what they hold; `helpers` has no tests.
ACROSS = {
    "audit": "known weaknesses of the pinned packages",
    "cases": "files that went wrong once",
    "fuzz": "spoilt files, records and command lines",
    "promises": "what docs/reference/machines.md and SECURITY.md promise",
}


def folders_of_tests(tests: Path = TESTS) -> set[str]:
    """Names of the folders directly below `tests` that hold a test file, at any depth."""
    return {file.relative_to(tests).parts[0] for file in tests.rglob("test_*.py") if file.parent != tests}


def imports_of_tests(tests: Path = TESTS) -> Iterator[str]:
    """File, line and name of each import, in any file below `tests`, of a test file.

    `tests.NAME` is told too: pytest imports the same file as `NAME`, and there would be two modules of it.
    """
    test_files = {file.stem for file in tests.rglob("test_*.py")}
    for file in sorted(tests.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                if name.startswith("tests.") or test_files & set(name.split(".")):
                    yield f"{file}:{node.lineno}: imports {name}"


def test_each_room_has_a_folder_of_tests_and_each_folder_a_room() -> None:
    rooms = {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")}
    assert folders_of_tests() == rooms | set(ACROSS)


def test_no_file_imports_a_test_file() -> None:
    found = list(imports_of_tests())
    assert not found, "what several files use stands in tests/helpers/:\n" + "\n".join(found)


def test_no_two_files_have_one_name() -> None:
    """pytest imports them by that alone."""
    names = Counter(file.name for file in TESTS.rglob("*.py") if file.name not in ("conftest.py", "__init__.py"))
    assert not [name for name, count in names.items() if count > 1]


def test_what_is_found(tmp_path: Path) -> None:
    files = {
        "conftest.py": "",
        "helpers/tiny.py": "def f():\n    from test_b import helper\n",
        "data/test_a.py": "import test_b\nfrom data.test_b import helper\nfrom tiny import f\n",
        "data/test_b.py": "from tests.conftest import rows\nfrom conftest import rows\n",
        "test_all.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert folders_of_tests(tmp_path) == {"data"}
    assert [line.removeprefix(f"{tmp_path}/") for line in imports_of_tests(tmp_path)] == [
        "data/test_a.py:1: imports test_b",
        "data/test_a.py:2: imports data.test_b.helper",
        "data/test_b.py:1: imports tests.conftest.rows",
        "helpers/tiny.py:2: imports test_b.helper",
    ]
