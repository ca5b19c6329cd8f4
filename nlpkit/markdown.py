"""Markdown that nlpkit writes (cards, pages of benchmarks): what others named is text in it, and marks nothing up."""

from __future__ import annotations

import re

from nlpkit.reporting import shown

# what begins a span, a link, a tag, an entity, a formula or a cell; an underscore within a word is none of these
_MARKS = re.compile(
    r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])|^\s*(?:[#+-]|\d+(?=[.)]\s))|(?<=\w)@(?=\w)|:(?=//)|(?<=www)\.", re.I
)


def text(value: object) -> str:
    """A name or a sentence of somebody else's, on one line, as it is read and not as it is marked up."""
    return _MARKS.sub(_escaped, shown(str(value)))


def _escaped(match: re.Match[str]) -> str:
    mark = match[0]
    if mark[-1].isdigit():  # a number that would begin a list
        return f"{mark}\\"
    return f"{mark[:-1]}\\{mark[-1]}"


def code(value: object) -> str:
    """The same between backticks, of which there are more than in it."""
    inner = shown(str(value)).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", inner)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {inner} {fence}" if longest else f"{fence}{inner}{fence}"
