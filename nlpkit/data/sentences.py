"""A text in sentences, by the marks that end them: no model, and no list of abbreviations."""

from __future__ import annotations

import re

_BEFORE_A_BLANK = re.compile(r"""(?<=[.!?…])(["'”’»)\]]*)\s+(?=["'“‘„«¿¡(\[]*([^\W_]))""")
_WITHOUT_BLANKS = re.compile(r"""(?<=[。！？])(["'”’」』）]*+)\s*(?=[^\s。！？])""")


def split(text: str) -> list[str]:
    """The sentences of a text, each with the quotes and brackets that close it; the blanks between them are left out.

    A mark and a blank end a sentence where a letter that is not small, or a digit, follows: "Dr. Brown" is parted,
    "e.g. this" is not. Marks of Chinese and Japanese need no blank.
    """
    ends = [end for end in _BEFORE_A_BLANK.finditer(text) if not end[2].islower()]
    ends += _WITHOUT_BLANKS.finditer(text)
    parts, start = [], 0
    for end in sorted(ends, key=lambda end: end.start()):
        parts.append(text[start : end.end(1)])
        start = end.end()
    return [*parts, text[start:]]
