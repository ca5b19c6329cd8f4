"""Which of two labels says yes, as one of a cross-encoder does of a text that answers another."""

from __future__ import annotations

from collections.abc import Sequence

from nlpkit.data.spelling import folded

YES = frozenset({"1", "yes", "true", "positive", "relevant", "label 1"})
NO = frozenset({"0", "no", "false", "negative", "label 0"})
DENIALS = ("not", "no", "non", "un", "ir", "dis")  # of the other label, as in not_equivalent beside equivalent


def affirmative(names: Sequence[str]) -> int | None:
    """Which of two labels says yes, by their names and never by their places; None where they do not tell."""
    first, second = (folded(name.replace("_", " ").replace("-", " ")) for name in names)
    for number, (yes, no) in enumerate(((first, second), (second, first))):
        denied = {f"{denial}{gap}{yes}" for denial in DENIALS for gap in ("", " ")}
        if no in denied or (yes in YES and no in NO):
            return number
    return None
