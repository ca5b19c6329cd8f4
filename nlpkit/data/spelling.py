"""What of a text is only how it is written; the one rule for labels and for texts that are the same but for that."""

from __future__ import annotations

import unicodedata

VARIANTS = frozenset(map(chr, range(0xFE00, 0xFE10)))  # behind a heart: in colour or as text


class _Visible(dict[int, int | str | None]):
    """What `str.translate` makes of a character, found out when it is first met: a blank of any kind, or nothing
    of marks without width and control characters; others stay."""

    def __missing__(self, code: int) -> int | str | None:
        char = chr(code)
        unseen = unicodedata.category(char) in ("Cf", "Cc") or char in VARIANTS
        if char.isspace():
            self[code] = " "
        else:
            self[code] = None if unseen else code
        return self[code]


_VISIBLE = _Visible()


def folded(text: str) -> str:
    """A text without what the eye may miss: case, composed accents, widths, marks without width, repeated blanks."""
    if not (text.isascii() and text.isprintable()):
        # a Turkish capital I with a dot leaves that dot behind
        text = unicodedata.normalize("NFKC", text.translate(_VISIBLE)).casefold().replace("i\u0307", "i")
    return " ".join(text.casefold().split())
