"""What a reader gives: rows, each with its line, how their file is written, and the decoded lines behind them."""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

LEGACY = ("cp1252", "latin-1")
"""Encodings that text which is not UTF-8 is mostly in: of Windows, and one in which every byte is a character."""


SHOWN = 1_000  # characters that are kept of what is too long

OTHER_FORMAT = "Name the format that it has: --format."


LONGEST = 16 * 2**20
"""Characters of a line, a cell, or a text in a file of its own, at most: memory is bounded for a file without line
ends, for a quote that never closes, and for a small packed file that grows to any size."""

DOCUMENT = 512 * 2**20
"""Characters of a JSON document, and bytes of an unpacked table, at most: they are read whole."""

_STEP = 2**16  # characters of what is too long that are passed over at a time
_UNDECODABLE = re.compile("[\udc80-\udcff]")


def half_of_pair(value: Any) -> str | None:
    """The first half of a surrogate pair without the other in the texts of a value, in hex; no text encoding has it."""
    try:
        json.dumps(value, ensure_ascii=False, default=str, skipkeys=True).encode()
    except UnicodeEncodeError as error:
        return f"{ord(error.object[error.start]):04x}"
    return None


def spells_half(text: str, value: Any) -> bool:
    """Whether the list or object in a cell of text escapes half of a character; such a cell is read as its text."""
    return ("\\u" in text or "\\U" in text) and half_of_pair(value) is not None


@dataclass(frozen=True)
class Style:
    """How the fields of a csv or tsv file are written.

    Attributes:
        delimiter: separates them.
        quotes: around "all" of them, around those that need it ("some"), or "none".
        end: of a line.
    """

    delimiter: str
    quotes: Literal["all", "some", "none"] = "some"
    end: str = "\n"


@dataclass(slots=True)  # frozen, each would take twice as long to make
class Row:
    """One row of a file.

    Attributes:
        line: the 1-based line on which the row starts (the header counts); for json, parquet and xlsx the 1-based
            row number (in xlsx the header counts), for squad the number of the question.
        values: column name -> value; csv, tsv and txt values are str, an empty cell is None.
        error: what is wrong with the row, with file and line; None when nothing is.
        lines: of a sentence with one word a line, the line of each word.
        split: that the row belongs to, of a JSON document that holds several.
        hint: what to do about the error, where that is known.
    """

    line: int
    values: dict[str, Any]
    error: str | None = None
    lines: Sequence[int] = ()
    split: str | None = None
    hint: str | None = None


@dataclass
class DecodedLines:
    """The decoded lines of a file.

    A character that cannot be used (bytes that do not decode, NUL) is replaced, and `problem` says where it stood
    until the reader takes it with `take_problem`. Of a line with more than `longest` characters there is only the
    beginning, with a problem; what is left of it is passed over.

    Args:
        stream: of text, or lines.
        encoding: in which they were.
        ends: what ends a line.
        longest: characters of a line; None: any number, of a document that is read whole.
    """

    stream: Iterable[str]
    encoding: str
    ends: tuple[str, ...] = ("\n",)
    longest: int | None = None
    number: int = 0
    problem: tuple[str, str] | None = field(default=None)

    def __iter__(self) -> Iterator[str]:
        for line in self._lines():
            self.number += 1
            if self.longest is not None and len(line) > self.longest and not line.endswith(self.ends):
                self.problem = too_long("a line", self.longest)
                yield line[:SHOWN]
                self._pass_over()
                continue
            if "\0" in line or not (line.isascii() or _UNDECODABLE.search(line) is None):
                self.problem = self.problem or self._problem(line)
                line = _UNDECODABLE.sub("\ufffd", line).replace("\0", "")
            yield line

    def _lines(self) -> Iterable[str]:
        read = getattr(self.stream, "readline", None)
        if self.longest is None or read is None:
            return self.stream
        return iter(functools.partial(read, self.longest + 1), "")

    def _pass_over(self) -> None:
        """Go on behind a line of which only the beginning was read."""
        read: Any = getattr(self.stream, "readline", None)
        while read is not None and (more := read(_STEP)) and not more.endswith(self.ends):
            pass

    def _problem(self, line: str) -> tuple[str, str]:
        undecodable = _UNDECODABLE.search(line)
        at = undecodable.start() if undecodable else line.index("\0")
        place = len(line[:at].encode(self.encoding, "surrogateescape")) + 1
        if undecodable is None:
            return nul_character(self.number, place)
        rest = bytes([ord(line[at]) - 0xDC00]) + line[at + 1 :].encode(self.encoding, "surrogateescape")
        return undecodable_byte(self.number, place, rest, self.encoding)

    def take_problem(self) -> tuple[str, str] | None:
        problem, self.problem = self.problem, None
        return problem


def too_long(what: str, most: int) -> tuple[str, str]:
    """Message and hint for what has more characters than are read of it."""
    hint = "Is it another --format, or no text? A text of this length must be cut into several rows."
    if most == DOCUMENT:
        hint = "Write one object per line (jq -c '.[]' FILE > rows.jsonl); if it is so already: --format jsonl."
    return f"{what} of more than {most:,} characters", hint


def nul_character(line: int, place: int) -> tuple[str, str]:
    """Message and hint for a NUL at the 1-based byte `place` of a line."""
    utf16 = "utf-16-le" if place % 2 == 0 else "utf-16-be"  # the half of a Latin letter that is empty
    return (
        f"NUL character (byte {place} of line {line})",
        f"The file is damaged, binary, or UTF-16 without a byte order mark (--encoding {utf16}).",
    )


def undecodable_byte(line: int, place: int, rest: bytes, encoding: str) -> tuple[str, str]:
    """Message and hint for what does not decode, from the 1-based byte `place` of a line to its end."""
    message = f"byte 0x{rest[0]:02x} (byte {place} of line {line}) is not {encoding}"
    for name in LEGACY if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii") else ():
        try:
            text = rest.decode(name).strip()
        except UnicodeDecodeError:
            continue
        shown = text if len(text) <= 20 else f"{text[:20]}…"
        return message, f"Pass the file's encoding: with --encoding {name} the text there is {shown!r}."
    return message, "Pass the file's encoding, for example --encoding latin-1."
