"""One streaming reader per file format; each row knows the line it came from.

Training reads a whole file (`read_table`), prediction streams one of any size in bounded memory (`read_rows`), and
running text comes in blocks of lines (`Input.blocks`); all go through the same code and give the same messages.
"""

from __future__ import annotations

import codecs
import csv
import functools
import gzip
import io
import itertools
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from nlpkit import nearby, reporting
from nlpkit.data import conll, delimited, layouts, split_names
from nlpkit.data.layouts import ANYTHING, Wanted
from nlpkit.data.layouts.triples import spans_as_objects
from nlpkit.data.one_type import Parts, as_text, plain
from nlpkit.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from nlpkit.options import ReadingOptions

FORMATS: dict[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".txt": "txt",
    **dict.fromkeys((".conll", ".conllu", ".iob", ".iob2", ".bio", ".bioes"), "conll"),
}
"""File name suffix -> format; each may be followed by one of `PACKED`."""

PACKED = (".gz", ".zst")

LEGACY = ("cp1252", "latin-1")
"""Encodings that text which is not UTF-8 is mostly in: of Windows, and one in which every byte is a character."""

# what people have besides, and what to do with it
_UNREAD = {
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz"), "Unpack it first, and name what it held."),
    **dict.fromkeys((".xls", ".ods"), "Save it as .xlsx or .csv."),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".npy", ".npz"), "Write the rows as .parquet, .jsonl or .csv."),
    **dict.fromkeys((".arrow", ".feather"), "Name the folder that `save_to_disk` wrote, or save it as .parquet."),
}

_POINTER = b"version https://git-lfs"
NO_TEXT: dict[bytes, tuple[str, str]] = {
    b"PK\x03\x04": ("an Excel file or another zip archive", "For Excel: --format xlsx; unpack others."),
    b"PAR1": ("a parquet file", "Read it as such: --format parquet."),
    b"\x1f\x8b": ("packed with gzip", "Give its name the suffix .gz, or unpack it."),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "Give its name the suffix .zst, or unpack it."),
    b"BZh": ("packed with bzip2", "Unpack it: bunzip2."),
    b"\xfd7zXZ": ("packed with xz", "Unpack it: unxz."),
    b"\xd0\xcf\x11\xe0": ("an Excel 97 file or another of old Office", "Save it as .xlsx or .csv."),
    b"%PDF-": ("a PDF file", "Save its text as .txt."),
    _POINTER: ("a pointer of Git LFS to the file", "Fetch the file itself: git lfs pull."),
    b"ARROW1": ("an Arrow file", "Write it as parquet: pandas.read_feather(...).to_parquet(...)."),
}
"""First bytes of files that are no text, whatever their names say: what they are, and what to do."""

NAMELESS = ("csv", "tsv", "xlsx", "txt", "conll")
"""Formats whose columns may have no names in the file."""

LINE = "__line__"
"""The column that `read_table` adds: where in its file a row stands."""

LINES = "__lines__"
"""The column that `read_table` adds to sentences of one word a line: where each word stands."""

# An unclosed quote swallows the rest of a file: this bounds the memory that takes, and the longest cell, in characters.
_LONGEST_CELL = 16 * 2**20
_CHUNK = 20_000  # rows turned into one arrow chunk
_START = 64  # bytes that tell what a file is
_BLOCK = 2**20  # bytes of text decoded at a time
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_OTHER_FORMAT = "Name the format that it has: --format."
_KNOWN_JSON = 'Known: a list of objects, {"data": [...]}, or {"column": [...]}; one object a line is .jsonl.'
_UNDECODABLE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Reading:
    """How files are read: what the user said, and what is then no longer guessed from each file.

    Attributes:
        format: one of the values of `FORMATS`, "squad", or None: from the file's name.
        encoding: of the text formats; a UTF-8 byte order mark is dropped.
        delimiter: one character; None: a tab for tsv, guessed from the header line for csv.
        quoting: whether quotes enclose the fields of csv and tsv ("standard") or are text as any other ("none").
        columns: names for the columns of a file without a header, whose first line is then a row as any other.
        formats: file name suffix -> format.
        wanted: what the rows are read for, by which layouts of annotation tools are recognised.
    """

    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    quoting: Literal["auto", "standard", "none"] = "auto"
    columns: tuple[str, ...] = ()
    formats: Mapping[str, str] = field(default_factory=lambda: FORMATS)
    wanted: Wanted = ANYTHING

    @classmethod
    def of(cls, options: ReadingOptions, formats: Mapping[str, str] = FORMATS, wanted: Wanted = ANYTHING) -> Reading:
        """What the options of a command say."""
        return cls(
            format=options.format,
            encoding=options.encoding,
            delimiter=options.delimiter,
            quoting=options.quoting,
            columns=tuple(options.columns),
            formats=formats,
            wanted=wanted,
        )

    def format_of(self, path: str | Path) -> str | None:
        """The format that was asked for, else the one that a file's name promises, None when it is not known."""
        return self.format or format_of(path, self.formats)

    def key(self) -> list[Any]:
        """All that decides how a file of a known format is read, for cache keys."""
        return [self.encoding, self.delimiter, self.quoting, self.columns, self.wanted]


AS_FOUND = Reading()


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
    """

    line: int
    values: dict[str, Any]
    error: str | None = None
    lines: Sequence[int] = ()
    split: str | None = None


def read_rows(
    path: str | Path | IO[Any], reading: Reading = AS_FOUND, *, on_error: Literal["raise", "keep"] = "raise"
) -> Iterator[Row]:
    """Stream the rows of a file; only json is read whole, as its grammar asks for it.

    Args:
        path: a file, "-" for standard input, or an open stream of text or bytes.
        reading: how; its `format` is needed for a stream without a name.
        on_error: "raise" stops at the first bad row; "keep" yields it with its `error` and those of its values
            that could be read, and goes on.

    Raises:
        UserError: the file is missing, empty, of an unknown format or unreadable as a whole; with on_error="raise"
            also for the first bad row. The message names file and line.
    """
    return Input.of(path, reading, keep=on_error == "keep").rows()


def read_table(path: str | Path, reading: Reading = AS_FOUND) -> pa.Table:
    """A whole file as an arrow table of its columns and the int64 column `LINE`; arguments as for `read_rows`.

    Raises:
        UserError: as `read_rows`; also when the values of one column have no common type.
    """
    import pyarrow as pa

    source = Input.of(path, reading)
    # rows of a layout pass through Python; other parquet stays as arrow has it
    with source.failures():
        as_it_is = source.format == "parquet" and not layouts.recognises(_parquet_rows(source), reading.wanted)
    if as_it_is:
        with source.failures(), source.parquet() as file:
            table = _distinct(plain(file.read(), source.say), source)
        if not table.num_rows:
            raise source.empty()
        lines = pa.array(range(1, table.num_rows + 1), pa.int64())
        return table.drop_columns([LINE] if LINE in table.column_names else []).append_column(LINE, lines)

    rows = source.rows()
    parts = Parts(source.at)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        lines = [row.line for row in chunk]
        names = dict.fromkeys(name for row in chunk for name in row.values)
        names.pop(LINE, None)
        columns: dict[str, Sequence[Any]] = {
            name: spans_as_objects([row.values.get(name) for row in chunk]) for name in names
        }
        if any(row.split for row in chunk):
            columns[split_names.COLUMN] = [row.split for row in chunk]
        if any(row.lines for row in chunk):
            columns[LINES] = [row.lines for row in chunk]
        parts.add({**columns, LINE: lines}, lines)
    return parts.table()


def unit(format: str | None) -> str:
    """What `Row.line` counts in a file of this format: "line", "row" or "question"."""
    if format == "squad":
        return "question"
    return "row" if format in ("json", "parquet", "xlsx") else "line"


def format_of(path: str | Path, formats: Mapping[str, str] = FORMATS) -> str | None:
    """The format that a file name promises, None when its suffix is not known.

    Args:
        path: of which only the name is looked at.
        formats: suffix -> format.
    """
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return formats.get(suffixes[-1]) if suffixes else None


def missing(path: str | Path) -> UserError:
    """The error for a path that does not exist, with the nearest name that does."""
    path = Path(path)
    found = nearby.nearest(path)
    meant = f"Did you mean {found}?" if found is not None else None
    if not path.parent.is_dir():
        hint = meant or "Check the path; it is relative to where you are."
        return UserError(f"{path}: there is no folder {path.parent}", hint)
    return UserError(f"{path}: no such file", meant or f"There is nothing like it in {path.parent.resolve()}.")


def refuse_address(spec: str) -> None:
    """Files are local, or of a data set on the hub.

    Raises:
        UserError: this is an address on the web or in a store.
    """
    found = _ADDRESS.match(spec)
    if found is None:
        return
    scheme, rest = found[1], spec[found.end() :]
    data_set = re.match(r"(?:www\.)?huggingface\.co/datasets/([\w.-]+/[\w.-]+)", rest)
    if data_set or scheme == "hf":
        name = data_set[1] if data_set else rest.removeprefix("datasets/")
        raise UserError(f"{spec}: an address, where a file or a name is needed", f"On the hub by its name: {name}")
    name = rest.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or "data.csv"
    fetch = f"curl -L -o {name} '{spec}'" if scheme in ("http", "https", "ftp") else f"copy it to {name}"
    raise UserError(
        f"{spec}: nlpkit reads local files and data sets of the Hugging Face hub, no addresses",
        f"Fetch it first ({fetch}), and pass {name}.",
    )


@dataclass
class Input:
    """A file or stream and how to read it; arguments as for `read_rows`.

    Attributes:
        said: what was told of the file; what reads it once more is given the same set, and tells nothing twice.
        columns: of a file that names them once, from when its first row was asked for.
        parted: whether blank lines part the words of sentences, so that they mean something.
    """

    name: str
    file: Path | IO[Any]
    format: str
    reading: Reading
    keep: bool
    said: set[str] = field(default_factory=set)
    columns: list[str] | None = field(default=None, init=False)
    parted: bool = field(default=False, init=False)
    _blank: int = field(default=0, init=False)
    _style: Callable[[], Style] | None = field(default=None, init=False)
    _opened: IO[bytes] | None = field(default=None, init=False)
    _consumed: int = field(default=0, init=False)

    @classmethod
    def of(cls, path: str | Path | IO[Any], reading: Reading = AS_FOUND, *, keep: bool = False) -> Input:
        """Check what can be checked without reading.

        Raises:
            UserError: no such file, unknown format or encoding, bad delimiter, or columns that have names already.
        """
        file: Path | IO[Any]
        format = reading.format
        if isinstance(path, str | Path) and str(path) != "-":
            name, file = str(path), Path(path).expanduser()
            if file.is_dir():
                raise UserError(f"{name} is a folder, not a file", "Name a file in it.")
            refuse_address(name)
            if not file.exists():
                raise missing(file)
            format = reading.format_of(file)
        else:
            name, file = "stdin", sys.stdin if isinstance(path, str | Path) else path
        known = sorted(_READERS)
        if format not in known:
            if isinstance(file, Path) and (refusal := layouts.refusal(file)):
                raise refusal
            what = f"unknown format {format!r}" if format else "its name does not tell its format"
            listed = f"{', '.join(known)} (each also as {', '.join(PACKED)})"
            hint = _UNREAD.get(Path(name).suffix.lower()) or f"Name it with --format; known: {listed}."
            raise UserError(f"{name}: {what}", hint)
        try:
            b"a".decode(reading.encoding, "ignore")  # base64 and the like are known, but no encodings of text
        except UnicodeError:
            pass
        except LookupError:
            raise UserError(f"Unknown encoding {reading.encoding!r}", "Usual ones: utf-8, latin-1, utf-16.") from None
        mark = reading.delimiter
        if mark is not None and (len(mark) != 1 or mark in '"\r\n'):
            raise UserError(f"The delimiter must be one character and no quote, found {mark!r}")
        if reading.columns and format not in NAMELESS:
            raise UserError(f"{name}: --columns names the columns of a file without a header; {format} has its own")
        return cls(name, file, format, reading, keep)

    @property
    def encoding(self) -> str:
        return self.reading.encoding

    @property
    def packed(self) -> str | None:
        """The suffix in `PACKED` that the file's name ends in."""
        suffix = self.file.suffix.lower() if isinstance(self.file, Path) else ""
        return suffix if suffix in PACKED else None

    @property
    def style(self) -> Style | None:
        """How the fields of a csv or tsv file are written, as far as it was read; None for another, or none was."""
        return self._style() if self._style is not None else None

    def consumed(self) -> int:
        """Bytes of the file, as it lies on the disk, that were read so far; 0 for a stream."""
        return self._opened.tell() if self._opened is not None else self._consumed

    def rows(self, *, needed: bool = True) -> Iterator[Row]:
        """The rows of the file; see `read_rows`.

        Args:
            needed: whether there must be one; else a file that is complete without (a header, an empty list) will do.
        """
        row = None
        with self.failures():
            for row in layouts.reshaped(_READERS[self.format](self), self):
                yield row
        if self._blank and not self.parted:
            self.say(f"{self._blank:,} blank lines between rows are no rows")
        if row is None and (needed or self.columns is None):
            raise self.empty()

    def first_line(self) -> str:
        """The first line of a text file, with its end; empty where there is none that decodes."""
        with self.failures(), self.text(newline="") as text:
            line = next(iter(text), "")
            return "" if text.problem else line

    def decodes(self, encoding: str) -> bool:
        """Whether all bytes of a file are text in this encoding."""
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        try:
            with self.failures(), self.binary() as stream:
                while data := stream.read(_BLOCK):
                    decoder.decode(data)
                decoder.decode(b"", final=True)
        except UserError as error:
            if isinstance(error.__cause__, UnicodeError):
                return False
            raise
        return True

    def blocks(self) -> Iterator[str]:
        """The text of a plain text file in blocks of about a megabyte, cut anywhere; faster than `rows`.

        Raises:
            UserError: bytes that do not decode, or a NUL character: the message names file and line.
        """
        line, place = 1, 0  # where the next block begins: line number, bytes of that line before it
        with self.failures(), self.undecoded() as (stream, encoding):
            decoder = codecs.getincrementaldecoder(encoding)("strict")
            while True:
                data = stream.read(_BLOCK)
                try:
                    text = decoder.decode(data, final=not data)
                except UnicodeDecodeError as error:
                    # the decoder keeps the bytes of a character that was cut: `object` begins where the text ended
                    text = error.object[: error.start].decode(encoding, "replace")
                    line, place = self._after(text, line, place)
                    rest = error.object[error.start :].partition(b"\n")[0]
                    problem = _undecodable(line, place + 1, rest, self.encoding)
                    raise UserError(f"{self.at(line)}: {problem[0]}", problem[1]) from None
                if "\0" in text:
                    line, place = self._after(text[: text.index("\0")], line, place)
                    problem = _nul(line, place + 1)
                    raise UserError(f"{self.at(line)}: {problem[0]}", problem[1])
                if text:
                    yield text
                if not data:
                    return
                line, place = self._after(text, line, place)

    def _after(self, text: str, line: int, place: int) -> tuple[int, int]:
        """Line number and bytes of that line behind `text`, which begins at `line` and `place`."""
        if "\n" not in text:
            return line, place + len(text.encode(self.encoding))
        return line + text.count("\n"), len(text[text.rindex("\n") + 1 :].encode(self.encoding))

    def at(self, line: int) -> str:
        return f"{self.name} {unit(self.format)} {line}"

    def bad(self, line: int, message: str, hint: str, values: dict[str, Any] | None = None) -> Row:
        """A bad row: raised, or kept with the values that could be read."""
        message = f"{self.at(line)}: {message}"
        if not self.keep:
            raise UserError(message, hint)
        return Row(line, values or {}, message)

    def names(self, found: Sequence[Any]) -> list[Any]:
        """The names that the user gives the columns, of which there are as many as `found`; else those found.

        Raises:
            UserError: there are more or fewer.
        """
        given = list(self.reading.columns)
        if given and len(given) != len(found):
            raise UserError(
                f"{self.name}: --columns {','.join(given)} names {len(given)} columns, the first row has {len(found)}",
                f"It begins: {', '.join(str(cell)[:40] for cell in found[:6])}",
            )
        return given or list(found)

    def empty(self) -> UserError:
        return UserError(f"{self.name}: the file holds no rows", "Check that it was written to its end.")

    def record(self, value: Any) -> Any:
        """A JSON value as the object that it stands for in a known layout; others as they are."""
        if isinstance(value, dict) or (found := layouts.record(value)) is None:
            return value
        row, name = found
        if name is not None:
            self.say(f"read as {name}")
        return row

    def skipped_blank(self, count: int) -> None:
        """Remember how many blank lines between rows were passed over; told behind the last row."""
        self._blank = count

    def say(self, fact: str, line: int | None = None) -> None:
        """Tell a fact about the file, or a line of it, once."""
        self._tell(fact, line, reporting.current().note)

    def warn(self, what: str, line: int | None = None) -> None:
        """Warn of something about the file, or a line of it, once."""
        self._tell(what, line, reporting.current().warn)

    def _tell(self, what: str, line: int | None, tell: Callable[[str], None]) -> None:
        message = f"{self.name if line is None else self.at(line)}: {what}"
        if message not in self.said:
            self.said.add(message)
            tell(message)

    @contextmanager
    def binary(self) -> Iterator[IO[bytes]]:
        """The bytes, unpacked; a stream that was handed in stays open."""
        if not isinstance(self.file, Path):
            yield getattr(self.file, "buffer", self.file)
            return
        with ExitStack() as stack:
            stream: IO[bytes] = stack.enter_context(self.file.open("rb"))
            self._opened = stream if stream.seekable() else None  # a pipe does not tell how far it was read
            if self.packed == ".gz":
                stream = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=stream)))
            elif self.packed == ".zst":
                import pyarrow as pa

                stream = stack.enter_context(pa.CompressedInputStream(stream, "zstd"))
            try:
                yield stream
            finally:
                self._consumed, self._opened = self.consumed(), None

    @contextmanager
    def undecoded(self) -> Iterator[tuple[IO[bytes], str]]:
        """The bytes, buffered, and the name of the codec that reads them and drops a byte order mark."""
        with self.binary() as stream:
            buffered: Any = stream if hasattr(stream, "peek") else io.BufferedReader(cast(io.RawIOBase, stream))
            utf8 = codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")
            self._require_text(bytes(buffered.peek(_START)[:_START]))
            if utf8 and buffered.peek(4)[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
                raise UserError(f"{self.name} line 1: the file is UTF-32, not UTF-8", "Pass --encoding utf-32.")
            if utf8 and buffered.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise UserError(f"{self.name} line 1: the file is UTF-16, not UTF-8", "Pass --encoding utf-16.")
            try:
                yield buffered, "utf-8-sig" if utf8 else self.encoding
            finally:
                if buffered is not stream and not isinstance(self.file, Path):
                    buffered.detach()

    def require_no_pointer(self) -> None:
        """Raises UserError: this is what Git LFS puts in place of a file until it is fetched."""
        if isinstance(self.file, Path) and self.file.is_file():
            with self.file.open("rb") as stream:
                start = stream.read(_START)
            if start.startswith(_POINTER):
                self._require_text(start)

    def _require_text(self, start: bytes) -> None:
        """Raises UserError: the first bytes are those of a file that holds no plain text."""
        for magic, (what, hint) in NO_TEXT.items():
            if start.startswith(magic):
                raise UserError(f"{self.name}: this is {what}, no {self.format}", hint)
        if self.format != "txt" and re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)\b", start, re.IGNORECASE):
            raise UserError(
                f"{self.name}: this is a web page, no {self.format}",
                "A download may have led to a page about the file: fetch the file itself (its raw or download link).",
            )

    @contextmanager
    def text(self, newline: str) -> Iterator[_Text]:
        if isinstance(self.file, io.StringIO):
            yield _Text(self.file, self.encoding)
            return
        with self.undecoded() as (stream, encoding):
            # surrogateescape keeps the bytes that do not decode, so the line that holds them can be named.
            wrapper = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline=newline)
            try:
                yield _Text(wrapper, self.encoding)
            finally:
                if not isinstance(self.file, Path):
                    wrapper.detach()

    def parquet(self) -> AbstractContextManager[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # ParquetFile and not read_table: the latter reads columns out of folder names such as lang=en.
            return pq.ParquetFile(self.seekable())
        except pa.ArrowInvalid as error:
            self.require_no_pointer()
            raise UserError(f"{self.name}: not a parquet file ({error})", _OTHER_FORMAT) from error

    def seekable(self) -> Path | IO[bytes]:
        """What libraries that jump about in a file can open; a packed file, a pipe or a stream is read into memory."""
        if isinstance(self.file, Path) and self.file.is_file() and not self.packed:
            return self.file
        with self.binary() as stream:
            return io.BytesIO(stream.read())

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn what makes a whole file unreadable into one message."""
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{self.name}: damaged gzip file ({error})", "Copy or pack it again.") from error
        except UnicodeError as error:
            raise UserError(f"{self.name}: not {self.encoding} ({error})", "Pass the right --encoding.") from error
        except OSError as error:
            if self.packed == ".zst" and error.errno is None:  # how arrow says it
                raise UserError(f"{self.name}: damaged zst file ({error})", "Copy or pack it again.") from error
            if self.format == "parquet" and error.errno is None:
                raise self.damaged_parquet(error) from error
            raise UserError(f"{self.name}: cannot be read ({error.strerror or error})") from error
        except Exception as error:
            if self.format == "parquet" and type(error).__module__.partition(".")[0] == "pyarrow":
                raise self.damaged_parquet(error) from error
            raise

    def damaged_parquet(self, error: Exception) -> UserError:
        return UserError(f"{self.name}: damaged parquet file ({error})", "Copy or write it again.")


@dataclass
class _Text:
    """The decoded lines of a file.

    A character that cannot be used (bytes that do not decode, NUL) is replaced, and `problem` says where it stood
    until the reader takes it with `take_problem`.
    """

    stream: Iterable[str]
    encoding: str
    number: int = 0
    problem: tuple[str, str] | None = field(default=None)

    def __iter__(self) -> Iterator[str]:
        for line in self.stream:
            self.number += 1
            if "\0" in line or not (line.isascii() or _UNDECODABLE.search(line) is None):
                self.problem = self.problem or self._problem(line)
                line = _UNDECODABLE.sub("\ufffd", line).replace("\0", "")
            yield line

    def _problem(self, line: str) -> tuple[str, str]:
        undecodable = _UNDECODABLE.search(line)
        at = undecodable.start() if undecodable else line.index("\0")
        place = len(line[:at].encode(self.encoding, "surrogateescape")) + 1
        if undecodable is None:
            return _nul(self.number, place)
        rest = bytes([ord(line[at]) - 0xDC00]) + line[at + 1 :].encode(self.encoding, "surrogateescape")
        return _undecodable(self.number, place, rest, self.encoding)

    def take_problem(self) -> tuple[str, str] | None:
        problem, self.problem = self.problem, None
        return problem


def _nul(line: int, place: int) -> tuple[str, str]:
    """Message and hint for a NUL at the 1-based byte `place` of a line."""
    utf16 = "utf-16-le" if place % 2 == 0 else "utf-16-be"  # the half of a Latin letter that is empty
    return (
        f"NUL character (byte {place} of line {line})",
        f"The file is damaged, binary, or UTF-16 without a byte order mark (--encoding {utf16}).",
    )


def _undecodable(line: int, place: int, rest: bytes, encoding: str) -> tuple[str, str]:
    """Message and hint for what does not decode, from the 1-based byte `place` of a line to its end."""
    message = f"byte 0x{rest[0]:02x} (byte {place} of line {line}) is not {encoding}"
    for name in LEGACY if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii") else ():
        try:
            text = rest.decode(name).strip()
        except UnicodeDecodeError:
            continue
        shown = text if len(text) <= 20 else f"{text[:20]}…"
        return message, f"Pass the file's encoding; with --encoding {name} it goes on with {shown!r} there."
    return message, "Pass the file's encoding, for example --encoding latin-1."


def _txt_rows(source: Input) -> Iterator[Row]:
    (name,) = source.names(["text"])
    blank = behind = rows = objects = 0
    tabs: set[int] = set()
    with source.text(newline="\n") as text:
        for number, line in enumerate(text, start=1):
            values = {name: line.rstrip("\r\n")}
            problem = text.take_problem()
            if problem is None and not line.strip():
                behind += 1
                continue
            blank, behind = blank + behind, 0  # at the end of a file they are no gap
            rows += 1
            objects += line.startswith('{"')
            tabs.add(0 if line.startswith("__label__") else line.count("\t"))
            if rows == 1 and (mark := _header_mark(line)):
                source.warn(f"the first line is a text as any other; if it names columns: --format {mark}", number)
            yield Row(number, values) if problem is None else source.bad(number, *problem, values)
    source.skipped_blank(blank)
    if objects == rows > 0:
        source.warn("every line is a JSON object, and is read as one text; if these are rows: --format jsonl")
    elif rows > 1 and len(tabs) == 1 and (found := tabs.pop()):
        many = "a tab" if found == 1 else f"{found} tabs"
        source.warn(f"every line holds {many}, and is one text with it; if tabs separate columns: --format tsv")


def _header_mark(line: str) -> str | None:
    """The format of columns whose names, known ones, a line seems to hold."""
    for format, mark in (("tsv", "\t"), ("csv", ",")):
        cells = [cell.strip().strip('"').lower() for cell in line.split(mark)]
        if len(cells) > 1 and delimited.KNOWN_NAMES.issuperset(cells):
            return format
    return None


def _conll_rows(source: Input) -> Iterator[Row]:
    most = rows = 0
    with source.text(newline="\n") as text:
        lines = ((number, line, text.take_problem()) for number, line in enumerate(text, start=1))
        for count, (layout, sentence) in enumerate(conll.sentences(lines, source.reading.delimiter), start=1):
            most, rows = max(most, len(sentence.lines)), count
            if len(layout.columns) > conll.MOST_COLUMNS:
                message = f"{source.name}: {len(layout.columns):,} columns; no file of words and tags has as many"
                raise UserError(message, "Is it another --format, or another --delimiter?")
            found = sentence.columns(layout)
            values = dict(zip(source.names(list(found)), found.values(), strict=True))
            if layout.header is not None:
                source.say(f"line {layout.header} names the columns, and is no word")
            if sentence.problem:
                yield source.bad(*sentence.problem, values)
            else:
                yield Row(sentence.lines[0], values, lines=sentence.lines)
    if rows == 1 and most > conll.LONG:
        source.warn(f"all {most:,} words are one sentence, as no blank line ends one")


def _csv_rows(source: Input) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_CELL)
    with source.text(newline="") as text:
        lines = delimited.Lines(text)
        mark = _delimiter(source, lines)
        records = delimited.Records(lines, source, mark, source.reading.quoting, len(source.reading.columns))
        columns: list[str] = []
        header: list[str] = []  # where it is sure to be one, so that no row should repeat it
        for record in records:
            if not columns:
                columns, named = _columns(source, record, lambda: delimited.loosely(lines.peek(), mark))
                source._style = functools.partial(_style, records, lines.taken[0][1], len(record.cells))
                if named:
                    header = record.cells if delimited.names_columns(record.cells) else []
                    continue
            cells: list[Any] = record.cells
            if len(cells) > len(columns) and not any(cells[len(columns) :]):
                cells = cells[: len(columns)]  # a separator at the end of the line
            if "" in cells:
                cells = [cell or None for cell in cells]
            values = dict(zip(columns, cells, strict=False))
            if len(values) < len(columns):  # of a row that cannot be read, but is kept
                values = {**dict.fromkeys(columns), **values}
            if record.fault:
                yield source.bad(record.line, *record.fault, values)
            elif len(cells) != len(columns):
                yield source.bad(record.line, *_misfit(records, columns, len(cells)), values)
            elif record.cells == header:
                yield source.bad(record.line, "the header stands here again", "Take the line out.", values)
            else:
                yield Row(record.line, values)


def _style(records: delimited.Records, first: str, width: int) -> Style:
    """How a file is written, by its first line and what was settled of its quotes."""
    quotes: Literal["all", "some", "none"] = "all" if first.count('"') >= 2 * width else "some"
    if records.quotes is not None and not records.quotes.enclose:
        quotes = "none"
    return Style(records.mark, quotes, next((end for end in ("\r\n", "\r") if first.endswith(end)), "\n"))


def _misfit(records: delimited.Records, columns: Sequence[str], found: int) -> tuple[str, str]:
    """Message and hint for a row with more or fewer fields than there are columns."""
    message = f"expected {len(columns)} fields ({', '.join(columns)}), found {found}"
    if len(columns) == 1:
        return message, (
            "The first line names the columns: take out what stands above it. "
            "Where each line is one text: --format txt, and no header."
        )
    if records.quotes is not None and not records.quotes.enclose:
        return message, "Quotes are read as text in this file; where they enclose fields: --quoting standard."
    if found < len(columns):
        return message, "The row is cut off, or belongs to no table: complete it, or take it out."
    hint = "Quote the fields that contain the delimiter, or pass --delimiter."
    named = " Where rows begin with a name or number of their own: name that column too."
    return message, hint + named * (found == len(columns) + 1)


def _delimiter(source: Input, lines: delimited.Lines) -> str:
    """The delimiter that was asked for, that the file names, or that its first lines tell."""
    ahead = lines.peek()
    named = delimited.separator_line(ahead[0]) if ahead else None
    if named:
        next(lines)
        ahead = ahead[1:]
    asked = source.reading.delimiter
    if asked:
        return asked
    if named:
        source.say(f"columns are separated by {named!r}, as its first line says")
        return named
    usual = "\t" if source.format == "tsv" else ","
    if not ahead or (usual == "\t" and usual in ahead[0]):
        return usual
    best = delimited.guess_mark(ahead[:100])
    if usual == "\t" and best == ",":
        return usual  # one column, with a comma in its name
    if best != usual:
        source.say(f"columns are separated by {best!r}")
    return best


def _columns(source: Input, record: delimited.Record, rows: Callable[[], list[list[str]]]) -> tuple[list[str], bool]:
    """The names of the columns: those that the user gives, else those in the first row; and whether that names them.

    Words with their tags have names of their own where the first row is one of them.

    Args:
        source: of the rows.
        record: the first row.
        rows: some of those behind it.

    Raises:
        UserError: the first row cannot be read, or has more or fewer cells than there are names.
    """
    if record.fault:
        raise UserError(f"{source.at(record.line)}: in the first row: {record.fault[0]}", record.fault[1])
    if source.reading.columns:
        found = source.names(record.cells)
        if delimited.names_columns(record.cells):
            source.warn(
                "--columns names the columns, so the first row is a row as any other, "
                f"but it looks like a header: {', '.join(record.cells[:6])}",
                record.line,
            )
    elif source.reading.wanted.content == "words" and conll.begins_with_a_word(record.cells, rows()):
        found = conll.names(record.cells)
        source.say(f"the first row is a word with its tag, and names no columns: {', '.join(found)} (--columns)")
        source.columns = found
        return found, False
    else:
        found, said = delimited.names(record.cells)
        for what in said:
            source.say(what, record.line)
        if delimited.looks_like_data(record.cells, rows()):
            shown = ", ".join(repr(cell[:40]) for cell in record.cells[:6])
            source.warn(
                "the first row is taken for the names of the columns, but looks like data: "
                f"{shown}; for a file without a header: --columns NAME,...",
                record.line,
            )
    source.columns = found
    return found, not source.reading.columns


def _jsonl_rows(source: Input) -> Iterator[Row]:
    with source.text(newline="\n") as text:
        yield from _json_lines(source, text)


def _json_lines(source: Input, text: _Text, *, begun: bool = False) -> Iterator[Row]:
    """Rows of one object a line; `begun`: a line that opens a document is bad, as those behind it do not close it."""
    hint = 'Each line must hold one JSON object, for example {"text": "...", "label": "..."}.'
    commas = 0
    decoder, repeated = _Decoder(), ""
    for number, line in enumerate(text, start=1):
        if problem := text.take_problem():
            yield source.bad(number, *problem)
            continue
        if not line.strip():
            continue
        if not begun and (line.strip() in ("[", "{", "[{") or _is_table(line)):
            lines = ["\n"] * (number - 1) + [line, *_readable(source, text)]
            try:
                _Decoder().decode("".join(lines))
            except (json.JSONDecodeError, RecursionError):
                yield from _json_lines(source, _Text(lines, source.encoding), begun=True)
                return
            source.say("holds one JSON document, read as json")
            source.format = "json"
            yield from _document(source, lines, _records)
            return
        begun, before = True, decoder.repeated
        try:
            values = decoder.decode(line)
        except RecursionError:
            yield source.bad(number, "nested too deep", hint)
            continue
        except json.JSONDecodeError as error:
            decoder.repeated = before
            if line[error.pos :].strip() != "," or not line[: error.pos].strip():
                yield source.bad(number, f"column {error.colno}: {_said(error)}", hint)
                continue
            values = decoder.decode(line[: error.pos])
            commas += 1
        if decoder.repeated and not repeated:
            repeated = f"line {number}, "
        values = source.record(values)
        if not isinstance(values, dict):
            yield source.bad(number, f"expected an object, found {_kind(values)}", hint)
        elif "\\u" in line and (lone := _lone_surrogate(values)):
            yield source.bad(number, *lone)
        else:
            yield Row(number, values)
    if commas:
        source.say(f"{commas:,} lines end in a comma, which is left out")
    decoder.tell(source, repeated)


def _said(error: json.JSONDecodeError) -> str:
    """What is wrong, without the "at" before a place that is named elsewhere."""
    return error.msg.removesuffix(" at").removesuffix(" starting")


def _is_table(line: str) -> bool:
    """Whether a line is a list of objects: a whole JSON document."""
    if not line.lstrip().startswith("["):
        return False
    try:
        found = _Decoder().decode(line)
    except (json.JSONDecodeError, RecursionError):
        return line.lstrip()[1:].lstrip().startswith("{")  # it goes on in the next line
    return isinstance(found, list) and _is_records(found)


def _is_records(found: Sequence[Any]) -> bool:
    """Whether items of JSON are objects, of which there is one at least."""
    return bool(found) and all(isinstance(item, dict) for item in found)


def _missing_number(name: str) -> float | None:
    """What JSON's dialect of Python and JavaScript writes for numbers that JSON does not have: NaN is a gap."""
    return None if name == "NaN" else float(name)


class _Decoder(json.JSONDecoder):
    """Reads JSON, and keeps the last value of a name that stands twice in an object.

    Attributes:
        repeated: in how many objects one did.
        name: the first such.
    """

    def __init__(self) -> None:
        super().__init__(parse_constant=_missing_number, object_pairs_hook=self._object)
        self.repeated, self.name = 0, ""

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            self.repeated += 1
            names = Counter(name for name, _ in pairs)
            self.name = self.name or next(name for name in names if names[name] > 1)
        return made

    def tell(self, source: Input, where: str = "") -> None:
        """Warn where values were lost; `where` the first ones were."""
        if self.repeated:
            source.warn(
                f"{self.repeated:,} objects hold a name twice, of which the last value is kept (first: {where}"
                f"{self.name!r})"
            )


def _json_rows(source: Input) -> Iterator[Row]:
    yield from _document_rows(source, _records)


def _squad_rows(source: Input) -> Iterator[Row]:
    """Questions in SQuAD's nested layout; JSON of another shape is read as ever."""
    from nlpkit.data import squad

    def rows(source: Input, document: Any) -> list[Any]:
        found = squad.questions(document, source.name)
        return _records(source, document) if found is None else found

    yield from _document_rows(source, rows)


def _document_rows(source: Input, rows_of: Callable[[Input, Any], list[Any]]) -> Iterator[Row]:
    with source.text(newline="\n") as text:
        lines = list(_readable(source, text))
    yield from _document(source, lines, rows_of)


def _readable(source: Input, text: _Text) -> Iterator[str]:
    """The lines of a document, which is of no use without one of them."""
    for line in text:
        if problem := text.take_problem():
            raise UserError(f"{source.name} line {text.number}: {problem[0]}", problem[1])
        yield line


def _document(source: Input, lines: list[str], rows_of: Callable[[Input, Any], list[Any]]) -> Iterator[Row]:
    content = "".join(lines)
    if not content.strip():
        raise source.empty()
    try:
        decoder = _Decoder()
        document = decoder.decode(content)
        decoder.tell(source)
    except RecursionError:
        raise UserError(f"{source.name}: nested too deep", "Rows are objects in a list.") from None
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            source.say("holds one object a line, read as JSON Lines")
            source.format = "jsonl"
            yield from _json_lines(source, _Text(lines, source.encoding))
            return
        where = f"{source.name} line {error.lineno}, column {error.colno}"
        raise UserError(f"{where}: {_said(error)}", "Check the file with `python -m json.tool`.") from error
    if isinstance(document, dict) and document and not any(isinstance(v, list | dict) for v in document.values()):
        source.say("holds one object, read as one row")
        document = [document]
    if document == []:
        source.columns = []
    escaped = "\\u" in content
    numbers = itertools.count(1)
    held = split_names.parts_of(document)
    if held:
        source.say(f"holds the splits {', '.join(held)}")
    parts: list[tuple[str | None, Any]] = [*held.items()] if held else [(None, document)]
    for split, part in parts:
        converted = layouts.document(part, source)
        for number, values in converted or ((next(numbers), row) for row in rows_of(source, part)):
            values = source.record(values)
            if not isinstance(values, dict):
                yield source.bad(number, f"expected an object, found {_kind(values)}", "Make every item an object.")
            elif escaped and (lone := _lone_surrogate(values)):
                yield source.bad(number, *lone)
            else:
                yield Row(number, values, split=split)


def _records(source: Input, document: Any) -> list[Any]:
    """The rows of a JSON document: a list, a list under "data" or the only one of objects, or columns of one length."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        data = document.get("data")
        if isinstance(data, list) and (len(document) == 1 or (data and isinstance(data[0], dict))):
            return data
        columns = list(document.values())
        held = [name for name, column in document.items() if isinstance(column, list) and _is_records(column)]
        even = len(columns) > 1 and len({len(column) if isinstance(column, list) else -1 for column in columns}) == 1
        if len(held) == 1 and not even:
            source.say(f"the rows are those under {held[0]!r}")
            return cast(list[Any], document[held[0]])
        if columns and all(isinstance(column, list) for column in columns):
            lengths = {name: len(column) for name, column in document.items()}
            if len(set(lengths.values())) > 1:
                raise UserError(f"{source.name}: the columns differ in length: {lengths}", _KNOWN_JSON)
            return [dict(zip(document, row, strict=True)) for row in zip(*columns, strict=True)]
    raise UserError(f"{source.name}: found {_kind(document)} that holds no rows", _KNOWN_JSON)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _lone_surrogate(values: dict[str, Any]) -> tuple[str, str] | None:
    r"""Half of a \ud83d\ude00 pair: json allows it, no text encoding does."""
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"{ord(error.object[error.start]):04x}"
        return f"\\u{half} is half of a surrogate pair", "Write the whole character; the text was cut inside it."
    return None


def _parquet_rows(source: Input) -> Iterator[Row]:
    import pyarrow as pa

    with source.parquet() as file:
        source.columns = _distinct(file.schema_arrow.empty_table(), source).column_names
        numbers = itertools.count(1)
        for batch in file.iter_batches(batch_size=1024):
            for values in _distinct(plain(pa.Table.from_batches([batch]), source.say), source).to_pylist():
                yield Row(next(numbers), values)


def _distinct(table: pa.Table, source: Input) -> pa.Table:
    """The table with a name of its own for each column."""
    if len(set(table.column_names)) == table.num_columns:
        return table
    names, said = delimited.names(table.column_names)
    for what in said:
        source.say(what)
    return table.rename_columns(names)


def _xlsx_rows(source: Input) -> Iterator[Row]:
    try:
        import openpyxl
    except ImportError:
        raise UserError(f"{source.name}: openpyxl is not installed", "Run: pip install 'nlpkit[xlsx]'") from None
    with ExitStack() as stack:
        file = source.seekable()
        if isinstance(file, Path):  # of a name openpyxl would want its own suffix
            file = stack.enter_context(file.open("rb"))
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except Exception as error:  # openpyxl lets through whatever its zip and xml parsers raise
            source.require_no_pointer()
            raise UserError(f"{source.name}: not an xlsx file ({error})", _OTHER_FORMAT) from error
        stack.callback(book.close)
        if not book.worksheets:
            raise UserError(f"{source.name}: the workbook has no sheet of cells")
        sheet = book.worksheets[0]
        if len(book.worksheets) > 1:
            others = ", ".join(repr(other.title) for other in book.worksheets[1:])
            source.say(f"reading the first sheet, {sheet.title!r}; left out: {others}")
        filled = _filled(source, sheet)
        head = list(itertools.islice(filled, delimited.HEAD_LINES))
        columns: list[str] = []
        kinds: dict[str, Counter[bool]] = {}
        for number, cells in itertools.chain(head, filled):
            typed = _as_typed(cells)
            if not columns:
                first = delimited.Record(number, [cell or "" for cell in typed])
                columns, named = _columns(
                    source, first, lambda: [[cell or "" for cell in _as_typed(row)] for _, row in head[1:]]
                )
                kinds = {name: Counter() for name in columns}
                if named:
                    continue
            for name, cell in zip(columns, cells, strict=False):
                if cell is not None and cell != "":
                    kinds[name][isinstance(cell, str)] += 1
            values = dict(itertools.zip_longest(columns, typed[: len(columns)]))
            if len(typed) > len(columns):
                message = f"expected {len(columns)} cells ({', '.join(columns)}), found {len(typed)}"
                yield source.bad(number, message, "Name every column that holds values.", values)
            else:
                yield Row(number, values)
        for name, counts in kinds.items():
            if len(counts) > 1:
                source.say(f"column {name!r}: {counts[False]:,} numbers, dates and the like are read as text")


def _filled(source: Input, sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows of a sheet that have a cell, with their numbers."""
    for number, cells in enumerate(_cells(source, sheet), start=1):
        if any(cell is not None and cell != "" for cell in cells):
            yield number, cells


def _as_typed(cells: Iterable[Any]) -> list[str | None]:
    """Cells of a sheet as people typed them, without empty ones at the end: Excel makes numbers and dates of text."""
    typed = [None if cell is None or cell == "" else as_text(cell) for cell in cells]
    while typed and typed[-1] is None:
        typed.pop()
    return typed


def _cells(source: Input, sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The values of each row of a sheet, which openpyxl parses on the way."""
    rows = iter(sheet.iter_rows(values_only=True))
    while True:
        try:
            row = next(rows, None)
        except Exception as error:  # as above
            raise UserError(f"{source.name}: damaged xlsx file ({error})", "Save it again.") from error
        if row is None:
            return
        yield row


_READERS = {
    "csv": _csv_rows,
    "tsv": _csv_rows,
    "json": _json_rows,
    "squad": _squad_rows,
    "jsonl": _jsonl_rows,
    "parquet": _parquet_rows,
    "xlsx": _xlsx_rows,
    "txt": _txt_rows,
    "conll": _conll_rows,
}
