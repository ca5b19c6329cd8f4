"""A file or a stream of rows, and how to read it: its format, encoding and delimiter, and what its rows are for."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import shutil
import sys
import tempfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from nlpkit import nearby, reporting
from nlpkit.data import memory, pipes
from nlpkit.data.rows import (
    DOCUMENT,
    LONGEST,
    OTHER_FORMAT,
    DecodedLines,
    Row,
    Style,
    nul_character,
    too_long,
    undecodable_byte,
)
from nlpkit.errors import UserError
from nlpkit.reporting import typed

if TYPE_CHECKING:
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

KNOWN = tuple(sorted({*FORMATS.values(), "squad"}))
"""All formats; `squad` is asked for, and no file name promises it."""

PACKED = (".gz", ".zst")


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

_START = 64  # bytes that tell what a file is
_BLOCK = 2**20  # bytes of text decoded at a time
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


Content = Literal["texts", "words", "questions", "pairs"]


_STOOD_FOR: dict[str, str] = {}  # what files that are copies are called in messages


@contextmanager
def standing_for(copy: Path, place: str) -> Iterator[None]:
    """Have a file be called by another name in what is said and written of its rows while the block runs.

    Args:
        copy: of the file, as it will be named.
        place: that it was copied from.
    """
    _STOOD_FOR[str(copy)] = place
    try:
        yield
    finally:
        del _STOOD_FOR[str(copy)]


@dataclass(frozen=True)
class Wanted:
    """What the rows of a file are read for.

    Attributes:
        content: what the task labels: whole texts, their words, or questions; or texts beside what is to be written for
            them (pairs); None where no task is known.
        labelled: whether labels are wanted; without them no row is left out for its label.
    """

    content: Content | None = None
    labelled: bool = False


ANYTHING = Wanted()


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
        collections: whether a folder of documents, queries and judgements is read as one, see `collections`.
    """

    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    quoting: Literal["auto", "standard", "none"] = "auto"
    columns: tuple[str, ...] = ()
    formats: Mapping[str, str] = field(default_factory=lambda: FORMATS)
    wanted: Wanted = ANYTHING
    collections: bool = False

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


@dataclass
class Input:
    """A file or stream and how to read it; arguments as for `read_rows`.

    Attributes:
        told: what was told of the file; what reads it once more is given the same set, and tells nothing twice.
        columns: of a file that names them once, from when its first row was asked for.
        parted: whether blank lines part the words of sentences, so that they mean something.
        blank: lines that were passed over as they hold nothing.
    """

    name: str
    file: Path | IO[Any]
    format: str
    reading: Reading
    keep: bool
    told: set[str] = field(default_factory=set)
    columns: list[str] | None = field(default=None, init=False)
    parted: bool = field(default=False, init=False)
    blank: array[int] = field(default_factory=lambda: array("q"), init=False)
    find_style: Callable[[], Style] | None = field(default=None, init=False)
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
        if isinstance(path, str | Path) and memory.is_name(path):
            return cls._in_memory(path, reading, keep)
        if isinstance(path, str | Path) and str(path) != "-":
            name, file = _STOOD_FOR.get(str(path), str(path)), nearby.expanded(path)
            if file.is_dir():
                raise UserError(f"{name} is a folder, not a file", "Name a file in it.")
            refuse_address(str(path))
            if not file.exists():
                raise missing(file)
            pipes.require_file(file)
            format = reading.format_of(file)
            if format is None and reading.wanted.content == "pairs" and file.suffix.lower() not in _UNREAD:
                format = "txt"  # of a text a line, whose name ends in its language
            if not keep:  # answers are given as rows come; all else may look at a file more than once
                file = pipes.on_disk(file)
        else:
            name = "stdin"
            file = sys.stdin if isinstance(path, str | Path) else path
        if format not in KNOWN:
            if isinstance(file, Path) and (refusal := spacy_binary(file)):
                raise refusal
            what = f"unknown format {format!r}" if format else "its name does not tell its format"
            listed = f"{', '.join(KNOWN)} (each also as {', '.join(PACKED)})"
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

    @classmethod
    def _in_memory(cls, path: str | Path, reading: Reading, keep: bool) -> Input:
        """Rows that the process was given from Python.

        Raises:
            UserError: it has not; or options say how they are written, and they are not.
        """
        memory.require_one(path)
        if reading.format not in (None, memory.FORMAT) or reading.delimiter is not None or reading.columns:
            raise UserError(
                f"{path}: rows in memory have names of columns, and neither format nor delimiter",
                "Leave out --format, --delimiter and --columns.",
            )
        return cls(memory.SHOWN, Path(path), memory.FORMAT, reading, keep)

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
        return self.find_style() if self.find_style is not None else None

    def consumed(self) -> int:
        """Bytes of the file, as it lies on the disk, that were read so far; 0 for a stream."""
        return self._opened.tell() if self._opened is not None else self._consumed

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
                    problem = undecodable_byte(line, place + 1, rest, self.encoding)
                    raise UserError(f"{self.at(line)}: {problem[0]}", problem[1]) from None
                if "\0" in text:
                    line, place = self._after(text[: text.index("\0")], line, place)
                    problem = nul_character(line, place + 1)
                    raise UserError(f"{self.at(line)}: {problem[0]}", problem[1])
                if text:
                    yield text
                if not data:
                    return
                line, place = self._after(text, line, place)

    def whole(self) -> str:
        """The text of a plain text file that is one text.

        Raises:
            UserError: see `blocks`; also where it is longer than `LONGEST`.
        """
        parts, size = list[str](), 0
        for block in self.blocks():
            parts.append(block)
            size += len(block)
            if size > LONGEST:
                what, hint = too_long("a text", LONGEST)
                raise UserError(f"{self.name}: {what}", hint)
        return "".join(parts)

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
        return Row(line, values or {}, message, hint=hint)

    def names(self, header: Sequence[Any]) -> list[Any]:
        """The names that the user gives the columns, of which there are as many as in `header`; else those found.

        Raises:
            UserError: there are more or fewer.
        """
        given = list(self.reading.columns)
        if given and len(given) != len(header):
            raise UserError(
                f"{self.name}: --columns {','.join(given)} names {len(given)} columns, the first row has {len(header)}",
                f"It begins: {', '.join(str(cell)[:40] for cell in header[:6])}",
            )
        return given or list(header)

    def empty(self) -> UserError:
        return UserError(f"{self.name}: the file holds no rows", "Check that it was written to its end.")

    def skipped_blank(self, line: int) -> None:
        """Remember a blank line that was passed over; told behind the last row."""
        self.blank.append(line)

    def say(self, fact: str, line: int | None = None) -> None:
        """Tell a fact about the file, or a line of it, once."""
        self._tell(fact, line, reporting.current().note)

    def warn(self, what: str, line: int | None = None) -> None:
        """Warn of something about the file, or a line of it, once."""
        self._tell(what, line, reporting.current().warn)

    def _tell(self, what: str, line: int | None, tell: Callable[[str], None]) -> None:
        message = f"{self.name if line is None else self.at(line)}: {what}"
        if message not in self.told:
            self.told.add(message)
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
    def text(self, newline: str, *, document: bool = False) -> Iterator[DecodedLines]:
        """The lines; `newline` as for `open`, `document`: they are one, and may be as long as that."""
        longest = DOCUMENT if document else LONGEST
        ends = ("\n",) if newline == "\n" else ("\n", "\r")
        if isinstance(self.file, io.StringIO):
            yield DecodedLines(self.file, self.encoding, ends, longest)
            return
        with self.undecoded() as (stream, encoding):
            # surrogateescape keeps the bytes that do not decode, so the line that holds them can be named.
            wrapper = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline=newline)
            try:
                yield DecodedLines(wrapper, self.encoding, ends, longest)
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
            raise UserError(f"{self.name}: not a parquet file ({error})", OTHER_FORMAT) from error

    def seekable(self) -> Path | IO[bytes]:
        """What libraries that jump about in a file can open; a pipe or a stream is copied to the disk."""
        if isinstance(self.file, Path) and self.file.is_file() and not self.packed:
            return self.file
        with self.binary() as stream:
            if not self.packed:
                copy = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115  (gone with the last who reads it)
                shutil.copyfileobj(stream, copy, _BLOCK)
                copy.seek(0)
                return copy
            data = stream.read(DOCUMENT + 1)
        if len(data) > DOCUMENT:
            message = f"{self.name}: more than {DOCUMENT:,} bytes when unpacked, which are read whole"
            raise UserError(message, "Unpack it, and pass the file that it held.")
        return io.BytesIO(data)

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


def unit(format: str | None) -> str:
    """What `Row.line` counts in a file of this format: "line", "row", "question" or "position"."""
    if format == "squad":
        return "question"
    if format == memory.FORMAT:
        return memory.UNIT
    return "row" if format in ("json", "parquet", "xlsx") else "line"


def format_of(path: str | Path, formats: Mapping[str, str] = FORMATS) -> str | None:
    """The format that a file name promises, None when its suffix is not known.

    Args:
        path: of which only the name is looked at.
        formats: suffix -> format.
    """
    if memory.is_name(path):
        return memory.FORMAT
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return formats.get(suffixes[-1]) if suffixes else None


def missing(path: str | Path) -> UserError:
    """The error for a path that does not exist, with the nearest name that does."""
    path = Path(path)
    if pipes.is_passing(str(path)):
        return UserError(f"{path}: this pipe is gone, with the command that wrote to it", "Name the data anew.")
    near = nearby.nearest_path(path)
    meant = f"Did you mean {near}?" if near is not None else None
    if not path.parent.is_dir():
        hint = meant or "Check the path; it is relative to where you are."
        return UserError(f"{path}: there is no folder {path.parent}", hint)
    return UserError(f"{path}: no such file", meant or f"There is nothing like it in {path.parent.resolve()}.")


def refuse_address(spec: str) -> None:
    """Files are local, or of a data set on the hub.

    Raises:
        UserError: this is an address on the web or in a store.
    """
    match = _ADDRESS.match(spec)
    if match is None:
        return
    scheme, rest = match[1], spec[match.end() :]
    if "@" in rest.partition("/")[0]:  # a name and a password, which logs are not to repeat
        rest = rest[rest.partition("/")[0].rindex("@") + 1 :]
        spec = f"{scheme}://{rest}"
    data_set = re.match(r"(?:www\.)?huggingface\.co/datasets/([\w.-]+/[\w.-]+)", rest)
    if data_set or scheme == "hf":
        name = data_set[1] if data_set else rest.removeprefix("datasets/")
        raise UserError(f"{spec}: an address, where a file or a name is needed", f"On the hub by its name: {name}")
    name = rest.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or "data.csv"
    fetch = f"curl -L -o {typed(name)} {typed(spec)}" if scheme in ("http", "https", "ftp") else f"copy it to {name}"
    raise UserError(
        f"{spec}: nlpkit reads local files and data sets of the Hugging Face hub, no addresses",
        f"Fetch it first ({fetch}), and pass {name}.",
    )


def spacy_binary(path: Path) -> UserError | None:
    """Why a file of spaCy's own format is not read, and what makes one that is; None for other files."""
    if path.suffix.lower() != ".spacy":
        return None
    code = (
        "import json, spacy; from spacy.tokens import DocBin; [print(json.dumps({'text': d.text, 'spans': "
        "[{'start': e.start_char, 'end': e.end_char, 'label': e.label_} for e in d.ents], "
        "**({'label': [k for k, v in d.cats.items() if v >= 0.5]} if d.cats else {})})) "
        f"for d in DocBin().from_disk('{path}').get_docs(spacy.blank('xx').vocab)]"
    )
    return UserError(
        f"{path}: documents of spaCy (DocBin), which only spaCy reads",
        f'Where spaCy is installed: python -c "{code}" > {path.with_suffix(".jsonl")}',
    )
