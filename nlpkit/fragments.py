"""Pieces of HTML that a notebook shows: they take font and colours from the page around them.

They load nothing and run nothing; what others wrote (labels, texts, paths) is escaped. Lines and shades are mixed of
the colour of the text, so that they can be read on light and on dark.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

SHOWN_ROWS = 100  # of a table
SHOWN_PLOTS = 6
_LINE = "color-mix(in srgb, currentcolor 25%, transparent)"
_SHADE = "color-mix(in srgb, currentcolor 12%, transparent)"

Parts = Sequence[tuple[str, str | None]]
"""A cell: pieces of text, each with its label, None for one without."""


def whole(parts: Sequence[str]) -> str:
    """Pieces as one."""
    return f'<div class="nlpkit">{"".join(parts)}</div>'


def paragraph(text: str, *, strong: bool = False) -> str:
    """A line of text."""
    return f"<p><b>{escape(text)}</b></p>" if strong else f"<p>{escape(text)}</p>"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Parts]], left: Sequence[bool]) -> str:
    """A table; of a long one the first rows, and how many there are.

    Args:
        left: which columns are aligned to the left.
    """

    def row(values: Sequence[str], tag: str) -> str:
        cells = (
            f'<{tag} style="text-align: {"left" if is_left else "right"}; padding: 0.1em 0.7em">{value}</{tag}>'
            for value, is_left in zip(values, left, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    head = row([escape(name) for name in header], "th")
    body = "".join(row([_cell(cell) for cell in cells], "td") for cells in rows[:SHOWN_ROWS])
    rest = f"<p>{SHOWN_ROWS} of {len(rows):,} rows</p>" if len(rows) > SHOWN_ROWS else ""
    caption = f'<caption style="text-align: left; font-weight: bold">{escape(title)}</caption>'
    style = f"border-collapse: collapse; border-bottom: 1px solid {_LINE}"
    return f'<table style="{style}">{caption}<thead>{head}</thead><tbody>{body}</tbody></table>{rest}'


def _cell(parts: Parts) -> str:
    return "".join(escape(text) if label is None else _marked(escape(text), escape(label)) for text, label in parts)


def _marked(text: str, label: str) -> str:
    named = f" <small><b>{label}</b></small>" if label else ""
    return f'<mark style="background: {_SHADE}; color: inherit">{text}{named}</mark>'


def folded(title: str, messages: Sequence[str], *, is_open: bool = False) -> str:
    """A list that unfolds; nothing where it is empty."""
    items = "".join(f"<li>{escape(message)}</li>" for message in messages)
    return f"<details{' open' if is_open else ''}><summary>{escape(title)}</summary><ul>{items}</ul></details>"


def pictures(folder: Path) -> Iterator[str]:
    """The pictures in a folder, within the page."""
    files = sorted(folder.glob("*.png")) if folder.is_dir() else []
    for file in files[:SHOWN_PLOTS]:
        if content := file.read_bytes():
            data = base64.b64encode(content).decode("ascii")
            name = escape(file.stem.replace("_", " "), quote=True)
            style = "max-width: min(32rem, 100%); background: white; margin: 0.5em 0.5em 0 0"
            yield f'<img alt="{name}" title="{name}" style="{style}" src="data:image/png;base64,{data}">'
    if len(files) > SHOWN_PLOTS:
        yield paragraph(f"{len(files) - SHOWN_PLOTS} more in {folder}")
