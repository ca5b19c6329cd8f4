"""brat's standoff files (https://brat.nlplab.org/standoff.html): a text in a.txt, its annotations in a.ann beside it.

A line of the text is a row, or several where a span goes over their ends. Relations, events and notes are passed over.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data.layouts.base import SHOWN, Texts
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from nlpkit.data.inputs import Reading

SUFFIX = ".ann"
SHAPE = "brat: a folder with a.txt and a.ann, b.txt and b.ann, ... (or such folders train/, dev/, test/)"
_SPAN = re.compile(r"(?P<id>T\S*)\s+(?P<label>\S+) (?P<places>\d+ \d+(?:;\d+ \d+)*)(?:\t(?P<text>.*))?")
_OTHERS = "REAMN#*"  # what a line of another annotation begins with
_DISCONTINUOUS = "have a span in several pieces, which no tags can say, and are left out"


def documents_of(folder: Path) -> list[Path]:
    """The annotation files of a folder that have their text beside them."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if path.with_suffix(".txt").is_file()]


def read(paths: Sequence[Path], reading: Reading) -> Texts:
    """The rows of annotation files: text, and spans with start, end, label and text.

    Raises:
        UserError: a text is missing or does not decode, or a line of annotations is none.
    """
    import pyarrow as pa

    from nlpkit.data.places import LINE

    rows: list[dict[str, Any]] = []
    files: list[Path] = []
    digest, size = hashlib.sha256(), 0
    left_out: list[str] = []
    total = others = 0
    for path in paths:
        text_path = path.with_suffix(".txt")
        if not text_path.is_file():
            raise UserError(f"{path}: there is no {text_path.name} beside it", "brat keeps the text there.")
        text, notes = _text(text_path, reading), _text(path, reading)
        digest.update(f"{path.name}\0{text}\0{notes}\0".encode())
        size += text_path.stat().st_size + path.stat().st_size
        spans, more = _spans(notes, path)
        others += more
        for line, row in _rows(text, spans):
            total += 1
            if row is None:
                left_out.append(f"{text_path} line {line}")
                continue
            rows.append({**row, LINE: line})
            files.append(text_path)
    name = str(paths[0]) if len(paths) == 1 else str(paths[0].parent)
    reporter = reporting.current()
    reporter.note(
        f"{name}: read as brat's annotations, {counted(len(paths), 'text', 'texts')}, a row per line: "
        f"{counted(total, 'row', 'rows')}"
    )
    if others:
        passed = counted(others, "relation, event or note is", "relations, events and notes are")
        reporter.note(f"{name}: {passed} passed over")
    if left_out:
        shown = ", ".join(left_out[:SHOWN]) + (", ..." if len(left_out) > SHOWN else "")
        reporter.warn(f"{name}: {len(left_out):,} of {total:,} rows {_DISCONTINUOUS} ({shown})")
    if not rows:
        raise UserError(
            f"{name}: no row is left of {total:,}", "Add annotations that can be used, or name another folder."
        )
    span = pa.struct({"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "text": pa.string()})
    schema = pa.schema({"text": pa.string(), "spans": pa.list_(span), LINE: pa.int64()})
    return Texts(pa.Table.from_pylist(rows, schema), files, digest.hexdigest(), size)


def tell_unannotated(folder: Path) -> None:
    """Say which texts of a folder have no annotations."""
    lonely = [path for path in sorted(folder.glob("*.txt")) if not path.with_suffix(SUFFIX).exists()]
    if lonely:
        shown = ", ".join(path.name for path in lonely[:SHOWN]) + (", ..." if len(lonely) > SHOWN else "")
        texts = counted(len(lonely), f"text has no {SUFFIX} file and is", f"texts have no {SUFFIX} file and are")
        reporting.current().warn(f"{folder}: {texts} left out: {shown}")


def _text(path: Path, reading: Reading) -> str:
    from nlpkit.data.inputs import Input

    return Input.of(path, dataclasses.replace(reading, format="txt", columns=())).whole()


def _spans(notes: str, path: Path) -> tuple[list[dict[str, Any]], int]:
    """The spans of an annotation file, each with its `pieces`; and how many annotations of other kinds there are."""
    spans, others = [], 0
    for number, line in enumerate(notes.split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        match = _SPAN.fullmatch(line)
        if match is None and line[0] in _OTHERS:
            others += 1
            continue
        if match is None:
            raise UserError(
                f"{path} line {number}: no annotation of brat: {line[:60]!r}",
                "A span is written T1, a tab, its type, start and end, a tab, its text.",
            )
        pieces = [tuple(map(int, piece.split())) for piece in match["places"].split(";")]
        spans.append(
            {
                "start": pieces[0][0],
                "end": pieces[-1][1],
                "label": match["label"],
                "text": match["text"],
                "pieces": len(pieces),
            }
        )
    return spans, others


def _rows(text: str, spans: Sequence[dict[str, Any]]) -> Iterable[tuple[int, dict[str, Any] | None]]:
    """The number of the first line of each row, and the row, None for one with a span in pieces."""
    lines: list[tuple[int, int]] = []
    place = 0
    for line in re.findall(r"[^\n]*\n|[^\n]+|^$", text):
        lines.append((place, place + len(line)))
        place += len(line)
    waiting = sorted(spans, key=lambda span: span["start"])
    first, start = 1, 0
    for number, (begin, end) in enumerate(lines, start=1):
        if begin == start:
            first = number
        last = number == len(lines)
        if not last and any(span["start"] < end < span["end"] for span in waiting):
            continue  # it goes on in the next line
        # what lies behind the text stays with its last line, where it is told
        own = [span for span in waiting if span["start"] < end or last]
        waiting = waiting[len(own) :]
        piece = text[start:end].rstrip("\r\n")
        if piece.strip() or own:
            yield (
                first,
                None
                if any(span["pieces"] > 1 for span in own)
                else {
                    "text": piece,
                    "spans": [
                        {
                            "start": span["start"] - start,
                            "end": span["end"] - start,
                            "label": span["label"],
                            "text": span["text"],
                        }
                        for span in own
                    ],
                },
            )
        start = end
