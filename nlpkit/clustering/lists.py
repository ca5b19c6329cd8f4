"""Small files that people write for an option: an entry a line."""

from __future__ import annotations

from pathlib import Path

from nlpkit import nearby
from nlpkit.errors import UserError
from nlpkit.runs.files import small_text


def lines_of(flag: str, file: str, what: str) -> list[str]:
    """The lines of a file that hold something.

    Args:
        flag: of the option, for messages.
        file: as it was given.
        what: belongs in it.

    Raises:
        UserError: there is no such file, or it is no text in UTF-8.
    """
    path = Path(nearby.expanded(file))
    if not path.is_file():
        raise UserError(f"{flag} {file}: there is no such file", f"Give {what}.")
    try:
        text = small_text(path)
    except (OSError, UnicodeError) as error:
        raise UserError(f"{flag} {file} cannot be read: {error}", f"Give {what}, in UTF-8.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
