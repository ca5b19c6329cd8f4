"""The report of `check-data` as a page that can be handed on."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from nlpkit import page
from nlpkit.runs.files import ornament
from nlpkit.runs.plots import Plot

OPEN_EXAMPLES = 10  # of a finding; the others unfold

_STYLE = """body { max-width: 60rem }
:root { --error: #b3261e; --warning: #9a6700; --note: #57606a; --bar: #2f6db333 }
@media (prefers-color-scheme: dark) {
  :root { --error: #ff8a80; --warning: #e3b341; --note: #9aa4af; --bar: #6aa5e855 }
  img { filter: invert(.88) hue-rotate(180deg) }
}
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
"""


def html(record: Mapping[str, Any], plots: Mapping[str, Plot], written: str) -> str:
    """The page.

    Args:
        record: what `check-data` found, as its JSON has it.
        plots: by name.
        written: by whom and when, for the foot of the page.
    """
    return "".join(_parts(record, plots, written))


def _parts(record: Mapping[str, Any], plots: Mapping[str, Plot], written: str) -> Iterator[str]:
    spec = record["data"]["spec"] or "data"
    yield page.head(f"check-data: {spec}", _STYLE)
    yield f"<h1>{_text(spec)}</h1>\n<p class=verdict>{_text(record['verdict'])}\n"
    yield _table("Rows", ["split", "rows"], list(record["rows"].items()))
    files = [
        [split, file["path"], file["bytes"], file["sha256"][:16]]
        for split, values in record["data"]["files"].items()
        for file in values
    ]
    if files:
        yield _table("Files", ["split", "file", "bytes", "SHA-256 begins"], files, texts=True)
    yield f"<h2>Findings</h2>\n{'' if record['findings'] else '<p>Nothing wrong was found.'}\n"
    for finding in record["findings"]:
        yield _finding(finding)
    if said := [*(f"warning: {message}" for message in record["warnings"]), *record["notes"]]:
        yield f"<h2>How the data were read</h2>\n{_list(said, 'said')}"
    yield "<h2>What is in them</h2>\n"
    for table in record["tables"]:
        yield _table(table["title"], table["header"], table["rows"])
    if record["token_lengths"]:
        yield f"<h2>Lengths</h2>\n<p>{_text(record['length'])}\n"
        figures = [[split, *values["figures"].values()] for split, values in record["token_lengths"].items()]
        first = next(iter(record["token_lengths"].values()))
        yield _table("tokens", ["split", *first["figures"]], figures, bars=False)
    if plots:
        yield "<h2>Pictures</h2>\n"
    for name, plot in plots.items():
        title = name.replace("_", " ")
        picture: str | None = None
        with ornament(f"the picture of {title}"):
            picture = _svg(plot)
        if picture is not None:
            yield f'<h3>{_text(title)}</h3>\n<img alt="" src="data:image/svg+xml;base64,{picture}">\n'
    if suspects := record["suspects"]:
        yield f"<h2>Labels to look at again</h2>\n<p>{_text(suspects['said'])}\n"
        if rows := suspects["rows"]:
            yield "<p>What it contradicts most surely; some of these labels will be right.\n"
            header = list(dict.fromkeys(key for row in rows for key in row))
            yield _table("", header, [[row.get(key) for key in header] for row in rows], texts=True)
    yield f"<footer>{_text(written)}</footer>\n"


def _finding(finding: Mapping[str, Any]) -> str:
    level, examples = finding["level"], finding["examples"]
    shown, folded = examples[:OPEN_EXAMPLES], examples[OPEN_EXAMPLES:]
    parts = [f"<div class={level}><h3><b class=level>{level}</b> {_text(finding['check'])}</h3>\n"]
    parts.append(f"<p>{_text(finding['message'])}\n{_list(shown)}")
    if folded:
        left_out = finding["count"] - len(examples)
        rest = f" (another {left_out:,} are not listed)" if left_out > 0 else ""
        parts.append(f"<details><summary>{len(folded):,} more{rest}</summary>{_list(folded)}</details>\n")
    return "".join([*parts, "</div>\n"])


def _list(items: Sequence[str], kind: str = "") -> str:
    lines = "".join(f"<li dir=auto>{_text(item)}\n" for item in items)
    return f'<ul class="{kind}">\n{lines}</ul>\n' if items else ""


def _table(
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
        return f"<td dir=auto>{_text(_worded(value))}"

    lines = ["".join(cell(row, i) for i in range(len(row))) for row in rows]
    head = "".join(f"<th>{_text(name)}" for name in header)
    caption = f"<caption>{_text(title)}</caption>" if title else ""
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


def _text(value: str) -> str:
    """What a page can hold of a text: characters that are none (half a surrogate pair) by their number."""
    return escape(value.encode("utf-8", "backslashreplace").decode())


def _svg(plot: Plot) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plot.svg"
        plot(path)
        return base64.b64encode(path.read_bytes()).decode()
