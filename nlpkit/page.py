"""Web pages that nlpkit writes: one file each, legible on light and dark screens, that load nothing; but for a map of
texts, which has one script, they run nothing.

What stands in them is given as plain text, and escaped here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

# A page shows what others wrote: where escaping should ever fail, no browser runs or fetches it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_STYLE = """:root { color-scheme: light dark; --line: color-mix(in srgb, currentcolor 15%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }
"""
_COLOURS = """:root { --error: #b3261e; --warning: #9a6700; --note: #57606a; --bar: #2f6db333 }
@media (prefers-color-scheme: dark) {
  :root { --error: #ff8a80; --warning: #e3b341; --note: #9aa4af; --bar: #6aa5e855 }
}
"""
LOOK = _STYLE + _COLOURS
"""CSS of fonts and colours, for pages that are served and have more of their own."""

# CSS of a page with headings, tables, findings and pictures, beside what all pages have.
DOCUMENT = (
    _COLOURS
    + """body { max-width: 60rem }
@media (prefers-color-scheme: dark) { img { filter: invert(.88) hue-rotate(180deg) } }
h1 { font-size: 1.6rem; margin-bottom: 0; overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 0 }
.verdict { font-size: 1.1rem; margin-top: .3rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600; white-space: nowrap }
th:first-child, td:first-child, .texts th, .texts td { text-align: left }
.texts td { min-width: 6rem; max-width: 28rem; overflow-wrap: anywhere }
td { background: linear-gradient(var(--bar), var(--bar)) no-repeat right / var(--share, 0%) 100% }
img { display: block; max-width: 100%; background: white; margin: .3rem 0 1.5rem }
.error, .warning, .note { border-left: .3rem solid var(--level); padding: .1rem 0 .1rem .8rem; margin: 1rem 0 }
.error { --level: var(--error) } .warning { --level: var(--warning) } .note { --level: var(--note) }
b.level { color: var(--level) }
p { margin: .3rem 0 }
ul { margin: .3rem 0; padding-left: 1.2rem; font: .85rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
ul.said { font: inherit }
footer { margin-top: 3rem; opacity: .7; font-size: .85rem }
@media print {
  body { max-width: none; margin: 0; font-size: 11pt }
  .scroll { overflow: visible }
  h2, h3, caption { break-after: avoid }
  tr, img, .error, .warning, .note { break-inside: avoid }
  details::details-content { display: block; content-visibility: visible; block-size: auto }
}
"""
)
OPEN_EXAMPLES = 10  # of a finding; the others unfold


def head(title: str, style: str = "", script: str = "") -> str:
    """What a page begins with; paragraphs follow, and nothing need be closed.

    Args:
        title: plain text.
        style: CSS beside what all pages have: the font, and `--line`, the colour of thin lines.
        script: the one script that the page may run, which a browser knows by its checksum; empty: none.
    """
    allowed = f"; script-src 'sha256-{_checksum(script)}'" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}{allowed}">
<title>{escape(title)}</title>
<style>
{_STYLE}{style}</style>
<body>
"""


def _checksum(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def finding(found: Mapping[str, Any]) -> str:
    """A finding in the data as records hold it, with its examples; of many the rest unfold."""
    level, examples = text(found["level"]), found["examples"]
    shown, folded = examples[:OPEN_EXAMPLES], examples[OPEN_EXAMPLES:]
    parts = [f'<div class="{level}"><h3><b class=level>{level}</b> {text(found["check"])}</h3>\n']
    parts.append(f"<p>{text(found['message'])}\n{listed(shown)}")
    if folded:
        left_out = found["count"] - len(examples)
        rest = f" (another {left_out:,} are not listed)" if left_out > 0 else ""
        parts.append(f"<details><summary>{len(folded):,} more{rest}</summary>{listed(folded)}</details>\n")
    return "".join([*parts, "</div>\n"])


def listed(items: Sequence[str], kind: str = "") -> str:
    """A list of texts; `said`: of sentences, else of rows and names, as they are typed."""
    lines = "".join(f"<li dir=auto>{text(item)}\n" for item in items)
    return f'<ul class="{kind}">\n{lines}</ul>\n' if items else ""


def table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[Any]], *, texts: bool = False, bars: bool = True
) -> str:
    """A table; behind whole numbers lies a bar, as long as their share of the largest in the column.

    Args:
        texts: align to the left, without bars.
        bars: whether numbers of a column can be compared.
    """
    columns = list(zip(*(row for row in rows if not _is_total(row)), strict=True))
    most = [max((value for value in column if type(value) is int), default=0) for column in columns]

    def cell(row: Sequence[Any], i: int) -> str:
        value = row[i]
        if bars and not texts and not _is_total(row) and type(value) is int and most[i]:
            return f"<td style=--share:{100 * value / most[i]:.1f}%>{value:,}"
        return f"<td dir=auto>{text(_worded(value))}"

    lines = ["".join(cell(row, i) for i in range(len(row))) for row in rows]
    head = "".join(f"<th>{text(name)}" for name in header)
    caption = f"<caption>{text(title)}</caption>" if title else ""
    body = "".join(f"<tr>{line}\n" for line in lines)
    return (
        f"<div class=scroll><table class={'texts' if texts else 'numbers'}>{caption}<tr>{head}\n{body}</table></div>\n"
    )


def _is_total(row: Sequence[Any]) -> bool:
    return isinstance(row[0], str) and row[0].startswith("(")


def _worded(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_worded(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_worded, value))
    return str(value)


def text(value: str) -> str:
    """What a page can hold of a text: characters that are none (half a surrogate pair) by their number."""
    return escape(value.encode("utf-8", "backslashreplace").decode())
