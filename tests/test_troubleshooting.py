"""Each message that docs/troubleshooting.md explains is one that the code still says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nlpkit

PAGE = Path(__file__).parents[1] / "docs" / "troubleshooting.md"
HEADINGS = re.findall(r"^### `+ ?(.+?) ?`+$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def texts_of(package: Path) -> Iterator[str]:
    """Every text in the modules of a package, with one `...` for what is put into a place of it."""
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
                yield re.sub(r"(\.\.\.)+", "...", "".join(str(part) for part in parts))


@pytest.fixture(scope="module")
def texts() -> set[str]:
    return set(texts_of(Path(nlpkit.__file__).parent))


def test_the_page_explains_some() -> None:
    assert len(HEADINGS) >= 25
    assert len(set(HEADINGS)) == len(HEADINGS)


@pytest.mark.parametrize("message", HEADINGS)
def test_the_message_is_one_of_the_code(message: str, texts: set[str]) -> None:
    assert any(message in text for text in texts)
