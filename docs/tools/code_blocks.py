"""Code on the pages of docs/learn/: the source of what a comment before the block names, without its docstrings.

`make reference` writes it, so that a page shows the lines that run.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "learn"
BLOCK = re.compile(r"^<!-- (\S+\.py): ([\w, ]+) -->\n```python\n.*?^```$", re.MULTILINE | re.DOTALL)


def pages() -> dict[Path, str]:
    """Each page that shows code, as it is to be."""
    found = {page: page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md"))}
    return {page: BLOCK.sub(_block, text) for page, text in found.items() if BLOCK.search(text)}


def source(file: Path, names: list[str]) -> str:
    """Functions and classes of a file as they are written there, without docstrings.

    Raises:
        KeyError: the file has none of that name.
    """
    text = file.read_text(encoding="utf-8")
    nodes = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    lines = text.splitlines()
    return "\n\n\n".join(_without_docstrings(nodes[name], lines) for name in names)


def _without_docstrings(node: ast.FunctionDef | ast.ClassDef, lines: list[str]) -> str:
    dropped: set[int] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part, clean=False) is not None:
            docstring = part.body[0]
            dropped |= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
            if isinstance(part, ast.ClassDef):  # and the blank line behind it
                dropped.add((docstring.end_lineno or docstring.lineno) + 1)
    numbers = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return "\n".join(lines[number - 1] for number in numbers if number not in dropped)


def _block(found: re.Match[str]) -> str:
    file, names = found[1], found[2]
    code = source(ROOT / file, [name.strip() for name in names.split(",")])
    return f"<!-- {file}: {names} -->\n```python\n{code}\n```"
