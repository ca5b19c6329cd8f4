"""Texts typed on the command line that are names of files: their rows were meant, as a rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nlpkit import nearby, reporting
from nlpkit.data.inputs import format_of
from nlpkit.errors import UserError
from nlpkit.reporting import typed


def require_texts(texts: Sequence[str], instead: str) -> None:
    """Stop where a text is the name of a file, which nobody wants an answer for; warn where it looks like one.

    Args:
        texts: as typed.
        instead: what to type for the rows of FILE, and how the name itself is given as a text.

    Raises:
        UserError: a text is the path of a file that is there, or not in UTF-8.
    """
    for text in texts:
        if not reporting.is_text(text):
            raise UserError(
                f"{text!r} is not in UTF-8", "Convert it (iconv); in a locale without UTF-8 set PYTHONUTF8=1."
            )
        if not is_file(text):
            if format_of(text) is not None and not any(map(str.isspace, text)):
                meant = nearby.nearest_path(Path(text))
                hint = f"; did you mean {meant}?" if meant is not None else ""
                reporting.current().warn(f"{text!r} is taken for a text: there is no such file{hint}")
            continue
        raise UserError(
            f"{text!r} is a file: its name would be taken for the text", instead.replace("FILE", typed(text))
        )


def is_file(text: str) -> bool:
    """Whether a text is the path of a file, with a suffix, that is there."""
    return Path(text).suffix != "" and is_there(text)


def is_there(text: str) -> bool:
    """Whether a text is the path of anything but a folder."""
    try:
        path = nearby.expanded(text)
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):  # longer than a name may be, or with a NUL
        return False
