"""The code that a page shows, run as a reader runs it."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path
from typing import Any


def blocks(page: str, language: str = "python") -> list[str]:
    """The blocks of a page of Markdown that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def ran(script: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """What a script prints that is run in a folder, and its variables."""
    before, names, said = Path.cwd(), {"__name__": "snippet"}, io.StringIO()
    try:
        os.chdir(folder)
        with contextlib.redirect_stdout(said):
            exec(script, names)
    finally:
        os.chdir(before)
    return said.getvalue(), names
