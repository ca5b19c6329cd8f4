"""Tagged texts for other readers: a web page with the entities marked, and columns as CoNLL has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple, TextIO

from nlpkit import page
from nlpkit.data.writers import Write

_GOLDEN_ANGLE = 137.5  # degrees of hue from one label to the next: neighbours differ, however many there are

_STYLE = """body { line-height: 2 }
:root { --strength: 85% 84%; --edge: 45% 45% }
@media (prefers-color-scheme: dark) { :root { --strength: 45% 24%; --edge: 55% 65% } }
p { border-bottom: 1px solid var(--line); margin: 0; padding: .5rem 0; white-space: pre-wrap; overflow-wrap: anywhere }
mark { color: inherit; background: hsl(var(--hue) var(--strength)); padding: .15em .3em; border-radius: .3em;
  border: 1px solid hsl(var(--hue) var(--edge)) }
mark b { font-size: .7em; margin-left: .4em; letter-spacing: .03em }
.error { font-style: italic }
"""


class Answered(NamedTuple):
    """What a writer needs of a row.

    Attributes:
        text: that was tagged.
        entities: dicts with start and end (characters of the text), label, text and score; None without an answer.
        columns: the words, and what else the row has for each of them; the tags last.
        error: why there is no answer.
    """

    text: str
    entities: Sequence[Mapping[str, Any]] | None
    columns: Sequence[Sequence[str]] = ()
    error: str | None = None


Read = Callable[[Mapping[str, Any]], Answered]


def html(file: TextIO, read: Read, labels: Sequence[str]) -> Write:
    """A writer of one page for all rows, legible on light and dark screens, that loads nothing.

    The page needs no closing tags (HTML 5 has `</body>` and `</html>` optional), so it is whole after each row.

    Args:
        file: open for text.
        read: what to take from a row of answers.
        labels: that may occur, for their colours.
    """
    hues = {label: round(i * _GOLDEN_ANGLE) % 360 for i, label in enumerate(labels)}
    legend = " ".join(f'<mark style="--hue:{hue}">{escape(label)}</mark>' for label, hue in hues.items())
    file.write(f"{page.head('Tagged text', _STYLE)}<p>{legend}</p>\n")

    def paragraph(answered: Answered) -> str:
        if answered.entities is None:
            return f'<p class="error" dir=auto>{escape(answered.text)} ({escape(answered.error or "")})</p>\n'
        parts, done = [], 0
        for entity in answered.entities:
            parts.append(escape(answered.text[done : entity["start"]]))
            parts.append(
                f'<mark style="--hue:{hues[entity["label"]]}" title="score {entity["score"]:.4f}">'
                f"{escape(entity['text'])}<b>{escape(entity['label'])}</b></mark>"
            )
            done = entity["end"]
        return f"<p dir=auto>{''.join(parts)}{escape(answered.text[done:])}</p>\n"

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        file.writelines(paragraph(read(row)) for row in rows)

    return write


def conll(file: TextIO, read: Read) -> Write:
    """A writer of a word a line, tabs between its columns and a blank line behind a sentence, the answer's tag last.

    For rows that came with tags this is what conlleval takes. A row without an answer becomes a remark.

    Args:
        file: open for text.
        read: what to take from a row of answers.
    """

    def sentence(answered: Answered) -> str:
        if answered.entities is None:
            return f"# error: {' '.join((answered.error or '').split())}\n\n"
        # a word of a list may hold what separates columns and lines
        lines = ("\t".join(map(_cell, cells)) + "\n" for cells in zip(*answered.columns, strict=True))
        return "".join(lines) + "\n"

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        file.writelines(sentence(read(row)) for row in rows)

    return write


def _cell(text: str) -> str:
    return re.sub(r"[\t\r\n]", " ", text)
