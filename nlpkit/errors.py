"""What can go wrong, by whose fault: the exit code follows from the class.

0 done, 1 failed while working, 2 wrong usage, config or data, 130 interrupted.
"""

from __future__ import annotations

LONGEST = 2_000  # characters of a message, and of a hint: they repeat names and values of the user's


class NlpkitError(Exception):
    """Base of every error that nlpkit reports as one message.

    Args:
        message: what is wrong and where (file, line or row, column).
        hint: what to do about it, one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(_cut(message))
        self.message = _cut(message)
        self.hint = hint and _cut(hint)

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class UserError(NlpkitError):
    """Wrong usage, configuration or data: nothing was started (exit code 2)."""

    exit_code = 2


class RunError(NlpkitError):
    """The work failed while it was running (exit code 1)."""


class Interrupted(NlpkitError):
    """A signal ended the run after its state was saved (exit code 130)."""

    exit_code = 130


def first_line(error: BaseException) -> str:
    """What an error says in its first line; its class where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)
