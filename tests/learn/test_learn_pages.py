"""docs/learn/ shows each piece by the lines that run."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import code_blocks

import nlpkit

PIECES = Path(nlpkit.__file__).parent / "learn" / "pieces"


def test_each_piece_stands_on_a_page() -> None:
    """But for what holds a result."""
    shown = "".join(page.read_text() for page in code_blocks.PAGES.glob("*.md"))
    missing = []
    for file in PIECES.glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not getattr(node, "decorator_list", []):
                missing += [] if code_blocks.source(file, [node.name]) in shown else [f"{file.name}: {node.name}"]
    assert not missing


def test_code_is_shown_without_docstrings(tmp_path: Path) -> None:
    written = '''
        """Module."""

        def first(x):
            """Says it.

            At length.
            """
            return x  # why


        class Second:
            """Of two lines."""

            def third(self):
                """No more."""
                return "string"
        '''
    file = tmp_path / "piece.py"
    file.write_text(textwrap.dedent(written))
    assert code_blocks.source(file, ["first"]) == "def first(x):\n    return x  # why"
    assert code_blocks.source(file, ["Second"]) == ('class Second:\n    def third(self):\n        return "string"')
