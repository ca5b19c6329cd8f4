"""The report of `check-data` as a page that can be handed on."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nlpkit import page
from nlpkit.runs.files import ornament
from nlpkit.runs.plots import Plot


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
    yield page.head(f"check-data: {spec}", page.DOCUMENT)
    yield f"<h1>{page.text(spec)}</h1>\n<p class=verdict>{page.text(record['verdict'])}\n"
    yield page.table("Rows", ["split", "rows"], list(record["rows"].items()))
    files = [
        [split, file["path"], file["bytes"], file["sha256"][:16]]
        for split, values in record["data"]["files"].items()
        for file in values
    ]
    if files:
        yield page.table("Files", ["split", "file", "bytes", "SHA-256 begins"], files, texts=True)
    yield f"<h2>Findings</h2>\n{'' if record['findings'] else '<p>Nothing wrong was found.'}\n"
    for finding in record["findings"]:
        yield page.finding(finding)
    if said := [*(f"warning: {message}" for message in record["warnings"]), *record["notes"]]:
        yield f"<h2>How the data were read</h2>\n{page.listed(said, 'said')}"
    yield "<h2>What is in them</h2>\n"
    for table in record["tables"]:
        yield page.table(table["title"], table["header"], table["rows"])
    if record["token_lengths"]:
        yield f"<h2>Lengths</h2>\n<p>{page.text(record['length'])}\n"
        figures = [[split, *values["figures"].values()] for split, values in record["token_lengths"].items()]
        first = next(iter(record["token_lengths"].values()))
        yield page.table("tokens", ["split", *first["figures"]], figures, bars=False)
    if plots:
        yield "<h2>Pictures</h2>\n"
    for name, plot in plots.items():
        title = name.replace("_", " ")
        picture: str | None = None
        with ornament(f"the picture of {title}"):
            picture = _svg(plot)
        if picture is not None:
            yield f'<h3>{page.text(title)}</h3>\n<img alt="" src="data:image/svg+xml;base64,{picture}">\n'
    if suspects := record["suspects"]:
        yield f"<h2>Labels to look at again</h2>\n<p>{page.text(suspects['said'])}\n"
        if rows := suspects["rows"]:
            yield "<p>What it contradicts most surely; some of these labels will be right.\n"
            header = list(dict.fromkeys(key for row in rows for key in row))
            yield page.table("", header, [[row.get(key) for key in header] for row in rows], texts=True)
    yield f"<footer>{page.text(written)}</footer>\n"


def _svg(plot: Plot) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plot.svg"
        plot(path)
        return base64.b64encode(path.read_bytes()).decode()
