"""What a notebook shows of a report: pieces of HTML that take font and colours from the page around them.

They load nothing and run nothing; what others wrote (labels, texts, paths) is escaped. Lines and shades are mixed of the
colour of the text, so that they can be read on light and on dark.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from nlpkit.reporting import Marked, cell, shown, to_left

if TYPE_CHECKING:
    from nlpkit.reporting import Cell, Report, Table

SHOWN_ROWS = 100  # of a table
SHOWN_PLOTS = 6
_LINE = "color-mix(in srgb, currentcolor 25%, transparent)"
_SHADE = "color-mix(in srgb, currentcolor 12%, transparent)"


def report(of: Report) -> str:
    """A report: where it is, its tables, what was said, its pictures."""
    parts = [*_head(of), *map(table, of.tables)]
    parts += [f"<p>{escape(shown(line))}</p>" for line in of.lines]
    if of.failure and of.exit_code:
        parts.append(f"<p><b>{escape(shown(of.failure))}</b></p>")
    parts += _said("warning", "warnings", of.warnings, is_open=True)
    parts += _said("note", "notes", of.notes)
    parts += pictures(of.path) if of.path is not None else []
    return f'<div class="nlpkit">{"".join(parts)}</div>'


def _head(of: Report) -> Iterator[str]:
    name = of.record.get("command")
    if of.path is not None:
        yield f"<p><b>{escape(shown(str(name or 'written')))}</b> <code>{escape(shown(str(of.path)))}</code></p>"


def table(of: Table) -> str:
    """A table with its title; of a long one the first rows, and how many there are."""
    left = to_left(of)

    def row(values: list[str], tag: str) -> str:
        cells = (
            f'<{tag} style="text-align: {"left" if is_left else "right"}; padding: 0.1em 0.7em">{value}</{tag}>'
            for value, is_left in zip(values, left, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    head = row([escape(shown(str(name))) for name in of.header], "th")
    body = "".join(row([_cell(value) for value in values], "td") for values in of.rows[:SHOWN_ROWS])
    rest = f"<p>{SHOWN_ROWS} of {len(of.rows):,} rows</p>" if len(of.rows) > SHOWN_ROWS else ""
    style = f"border-collapse: collapse; border-bottom: 1px solid {_LINE}"
    caption = f'<caption style="text-align: left; font-weight: bold">{escape(shown(of.title))}</caption>'
    return f'<table style="{style}">{caption}<thead>{head}</thead><tbody>{body}</tbody></table>{rest}'


def _cell(value: Cell) -> str:
    if not isinstance(value, Marked):
        return escape(shown(cell(value)))
    return "".join(
        escape(shown(part))
        if label is None
        else f'<mark style="background: {_SHADE}; color: inherit">{escape(shown(part))} '
        f"<small><b>{escape(shown(label))}</b></small></mark>"
        for part, label in value.parts()
    )


def _said(one: str, many: str, messages: list[str], *, is_open: bool = False) -> Iterator[str]:
    if messages:
        items = "".join(f"<li>{escape(shown(message, lines=True))}</li>" for message in messages)
        title = f"{len(messages)} {one if len(messages) == 1 else many}"
        yield f"<details{' open' if is_open else ''}><summary>{title}</summary><ul>{items}</ul></details>"


def pictures(folder: Path) -> Iterator[str]:
    """The plots of a run, within the page."""
    files = sorted((folder / "plots").glob("*.png")) if folder.is_dir() else []
    for file in files[:SHOWN_PLOTS]:
        if content := file.read_bytes():
            data = base64.b64encode(content).decode("ascii")
            name = escape(file.stem.replace("_", " "), quote=True)
            yield f'<img alt="{name}" title="{name}" style="max-width: 32rem" src="data:image/png;base64,{data}">'
    if len(files) > SHOWN_PLOTS:
        yield f"<p>{len(files) - SHOWN_PLOTS} more in {escape(str(folder / 'plots'))}</p>"
