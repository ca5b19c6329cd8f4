"""What labels mean, in words: their names, or a file of the user's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nlpkit.data import by_label
from nlpkit.errors import UserError

NONE = "none"
# The sentence that a name stands in (SetFit's, Tunstall et al. 2022): an encoder of sentences places a word alone less
# well.
TEMPLATE = "This sentence is {}."
NUMBERED = re.compile(r"label_?\d+", re.IGNORECASE)


def of_labels(names: Sequence[str], given: str | None) -> list[tuple[int, str]]:
    """Texts that say what labels mean, each with the number of its label; none where nothing says it.

    Args:
        names: of the labels, in the order of their numbers.
        given: of --label-texts: a file, `none`, or None for the names.

    Raises:
        UserError: the file cannot be read, or does not say it of exactly these labels.
    """
    if given == NONE:
        return []
    if given is not None:
        texts = _read(given, names)
        return [(number, text) for number, name in enumerate(names) for text in texts[name]]
    if not all(map(is_word, names)):
        return []
    return [(number, TEMPLATE.format(spoken(name))) for number, name in enumerate(names)]


def is_word(name: str) -> bool:
    """Whether a label says in words what it means: not 3, nor LABEL_3."""
    return any(letter.isalpha() for letter in name) and not NUMBERED.fullmatch(name)


def spoken(name: str) -> str:
    """A label as people would write it in a text: `card_payment-failed` as `card payment failed`."""
    return re.sub(r"[_\-./]+", " ", name).strip() or name


def _read(path: str, names: Sequence[str]) -> Mapping[str, list[str]]:
    given = by_label.read(path, names, "--label-texts", "Or say none.")
    texts = {name: [value] if isinstance(value, str) else value for name, value in given.items()}
    for name, value in texts.items():
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(text, str) and text.strip() for text in value)
        ):
            raise UserError(f"--label-texts: {path} gives {name} no text", "Write a text, or a list of texts.")
    return texts
