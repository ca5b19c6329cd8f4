"""Running text without labels, streamed from files, folders, the hub or standard input in bounded memory.

A corpus is a sequence of documents, a document a sequence of texts. In plain text a line is a text, and a blank line
ends a document, as does the end of the file (BERT's input format: Devlin et al. 2019, `create_pretraining_data.py`).
In a table a row is a document, and the lines in its cell are the texts.

A `Verbatim` reading keeps line ends, for models that write: a text is a document as it stands, or a part of a long one.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

from nlpkit import process, reporting
from nlpkit.data import columns, hub, memory, pipes, readers, sources, splits
from nlpkit.data.inputs import FORMATS, Input, Reading
from nlpkit.data.labels import is_missing
from nlpkit.errors import UserError
from nlpkit.nearby import expanded
from nlpkit.options import CorpusOptions
from nlpkit.reporting import Progress, counted

BLANK_LINE, FILE = "blank-line", "file"  # what ends a document of plain text, besides the end of the file
LONGEST_TEXT = 2**16  # characters; a longer line is cut at blanks: memory is bounded for a file without line ends too
PIECE = 2**12  # characters of the texts that a document is parted into, at line ends, where it is a whole file
_ROWS = 256  # rows of a table turned into texts at a time

Texts = tuple[list[str], list[bool]]


@dataclass(frozen=True)
class Verbatim:
    """How texts are read whose line ends belong to them.

    Attributes:
        document_end: of plain text: `blank-line`, `file`, or a line that stands between two documents.
    """

    document_end: str = BLANK_LINE


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive texts of a corpus.

    Attributes:
        texts: non-blank lines of text without line ending.
        starts: for each text, whether it begins a new document.
        first: how many texts stand before this batch in the corpus.
    """

    texts: list[str]
    starts: list[bool]
    first: int


class Corpus:
    """The texts of all sources, one source after the other, each in its own order.

    Args:
        options: which sources, and how they are read.
        specs: sources to read in place of `options.data`: files, folders (searched through and through; names with a
            leading dot are left out), globs, "-" for standard input, or hub data sets (`name:config@revision`).
        verbatim: keep line ends; None: a line is a text, without its end.

    Attributes:
        size: bytes on the disk of all files; None when some source is no file.

    Raises:
        UserError: nothing there, unknown format, encoding or column; the hub has no such data set.
    """

    def __init__(
        self, options: CorpusOptions, specs: Sequence[str] | None = None, *, verbatim: Verbatim | None = None
    ) -> None:
        self.verbatim = verbatim
        self.specs = list(options.data if specs is None else specs)
        if not self.specs:
            raise UserError("no data was given", "Pass --data with a file, a folder, or a data set of the hub.")
        self._sources: list[_File | _Hub | _Stdin] = []
        for spec in self.specs:
            self._sources += _open(spec, options, verbatim)
        from_hub = any(isinstance(source, _Hub) for source in self._sources)
        for flag, value in (("--data-config", options.data_config), ("--data-revision", options.data_revision)):
            if value and specs is None and not from_hub:
                raise UserError(f"{flag} {value}: it is for a data set of the hub, and there is none in --data")
        if options.text_column and specs is None and not any(source.column for source in self._sources):
            raise UserError(f"--text-column {options.text_column}: there is no table in --data, only plain text")
        guesses = {source.column for source in self._sources if source.column and not options.text_column}
        for name in sorted(guesses):
            reporting.current().note(f"text: column {name!r} (guessed; --text-column)")

    @property
    def size(self) -> int | None:
        if not all(isinstance(source, _File) for source in self._sources):
            return None
        return sum(source.bytes for source in self._sources if isinstance(source, _File))

    def batches(self, size: int = 1000, *, start: int = 0, bar: Progress | None = None) -> Iterator[Batch]:
        """The texts in batches of `size`; the last one may be smaller.

        Args:
            size: texts per batch.
            start: leave out this many texts at the beginning; what follows is as without.
            bar: advanced by the bytes read.

        Raises:
            UserError: a file cannot be read (the message names line and byte), the corpus holds no text, or standard
                input was read before.
        """
        before = 0  # texts of the corpus before those held here
        texts: list[str] = []
        starts: list[bool] = []
        for source in self._sources:
            for more, more_starts in source.read(bar):
                texts += more
                starts += more_starts
                skipped = min(max(start - before, 0), len(texts))
                ends = range(skipped + size, len(texts) + 1, size)
                for end in ends:
                    yield Batch(texts[end - size : end], starts[end - size : end], before + end - size)
                done = skipped + size * len(ends)
                before += done
                del texts[:done], starts[:done]
        if texts:
            yield Batch(texts, starts, before)
        elif not before:
            raise UserError(f"{', '.join(self.specs)}: there is no text in it", "Check that it was written to its end.")

    def record(self) -> dict[str, Any]:
        """Where the texts come from, as JSON values: `spec`, `kind`, and what identifies each source.

        `files` have path, sha256 and bytes (standard input only once it was read), `hub` data sets name, config,
        revision and split.
        """
        kinds = {source.kind for source in self._sources}
        return {
            "spec": ", ".join(self.specs),
            "kind": kinds.pop() if len(kinds) == 1 else "mixed",
            "files": [asdict(source.info) for source in self._sources if not isinstance(source, _Hub)],
            "hub": [source.identity() for source in self._sources if isinstance(source, _Hub)],
        }

    def fingerprint(self) -> str:
        """A hash of the content and of how it is read, for cache keys: 16 hex digits.

        Of a hub data set it is its name, configuration, revision and split that are hashed.

        Raises:
            UserError: the corpus is read from standard input.
        """
        return hashlib.sha256(repr([source.key() for source in self._sources]).encode()).hexdigest()[:16]


# --- the kinds of sources: each has a `kind`, a `column` (None in plain text), `read` and `key` ---


@dataclass
class _File:
    """A local file, or rows in memory."""

    path: Path
    options: CorpusOptions
    format: str
    verbatim: Verbatim | None = None
    kind: str = "files"
    column: str | None = None

    def __post_init__(self) -> None:
        self.kind = "memory" if memory.is_name(self.path) else "files"
        self.reading = replace(Reading.of(self.options), format=self.format)
        self._told: set[str] = set()
        self._begun = pipes.state(self.path)
        source = self._source()  # checks format, encoding and delimiter
        if self.format == "txt":
            source.names(["text"])
        elif self.format == "parquet":
            with source.failures(), source.parquet() as file:
                self._choose(file.schema_arrow.names)
        else:
            self._choose(next(readers.rows_of(source)).values)

    def _source(self) -> Input:
        source = Input.of(self.path, self.reading)
        source.told = self._told  # each pass over the file finds the same
        return source

    @property
    def bytes(self) -> int:
        """Size on the disk, or in memory."""
        if memory.is_name(self.path):
            return memory.held(self.path).bytes
        return pipes.on_disk(self.path).stat().st_size

    def _choose(self, names: Iterable[str]) -> None:
        self.column = text_column(list(names), self.options.text_column, str(self.path))

    def read(self, bar: Progress | None) -> Iterator[Texts]:
        source = self._source()
        size, told = self.bytes, 0
        shares = {"txt": self._lines, "parquet": self._parquet}.get(self.format, self._rows)(source)
        for texts, share in shares:
            if bar is not None:
                consumed = round(share * size)
                bar.advance(consumed - told)
                told = consumed
            yield texts
        if bar is not None:
            bar.advance(size - told)
        pipes.tell_changed(self.path, self._begun)

    def _lines(self, source: Input) -> Iterator[tuple[Texts, float]]:
        size = max(self.bytes, 1)
        for texts in _plain(source, self.verbatim):
            yield texts, source.consumed() / size

    def _rows(self, source: Input) -> Iterator[tuple[Texts, float]]:
        size = max(self.bytes, 1)
        assert self.column is not None
        rows = readers.rows_of(source)
        while some := list(itertools.islice(rows, _ROWS)):
            values = [row.values.get(self.column) for row in some]
            texts = _cells(values, self.column, [row.line for row in some], source.at, self.verbatim)
            yield texts, source.consumed() / size

    def _parquet(self, source: Input) -> Iterator[tuple[Texts, float]]:
        assert self.column is not None
        done = 0
        with source.failures(), source.parquet() as file:
            for batch in file.iter_batches(batch_size=_ROWS, columns=[self.column]):
                numbers = range(done + 1, done + len(batch) + 1)
                texts = _cells(batch.column(0).to_pylist(), self.column, numbers, source.at, self.verbatim)
                done += len(batch)
                yield texts, done / file.metadata.num_rows

    @functools.cached_property
    def info(self) -> sources.FileInfo:
        return sources.FileInfo.of(self.path)

    def key(self) -> list[Any]:
        return [self.info.sha256, self.format, self.reading.key(), self.column, *_key_of(self.verbatim)]


@dataclass
class _Stdin:
    """Plain text on standard input, hashed as it is read."""

    options: CorpusOptions
    verbatim: Verbatim | None = None
    kind: str = "stdin"
    column: str | None = None
    info: sources.FileInfo = field(default_factory=lambda: sources.FileInfo("-", "", 0))
    begun: bool = False

    def read(self, bar: Progress | None) -> Iterator[Texts]:
        if self.begun:
            raise UserError("standard input can be read only once", "Write it to a file, and pass that.")
        self.begun = True
        # the unbuffered stream: Python aborts at its end when a thread still waits for input in the buffered one
        piped = process.standard_input()
        stream = _Hashed(getattr(piped, "raw", piped))
        reading = Reading("txt", self.options.encoding)
        source = Input.of(cast(IO[bytes], stream), reading)
        source.name = "stdin"
        told = 0
        for texts in _plain(source, self.verbatim):
            if bar is not None:
                bar.advance(stream.bytes - told)
                told = stream.bytes
            yield texts
        self.info = sources.FileInfo("-", stream.hash.hexdigest(), stream.bytes)

    def key(self) -> list[Any]:
        raise UserError("standard input cannot be cached", "Write it to a file, and pass that.")


class _Hashed(io.RawIOBase):
    """A stream that counts and hashes what passes through it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.hash, self.bytes = stream, hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        self.hash.update(data)
        self.bytes += len(data)
        return len(data)


@dataclass
class _Hub:
    """A split of a data set of the hub, streamed."""

    name: str
    config: str | None
    revision: str | None
    options: CorpusOptions
    verbatim: Verbatim | None = None
    kind: str = "hub"
    column: str | None = None

    def __post_init__(self) -> None:
        reporting.current().note(f"{self.name!r} is no local path: looking for it on the Hugging Face hub")
        try:
            self.dataset = self._load()
            names = self.dataset.column_names or list(next(iter(self.dataset)))
        except Exception as error:  # the hub client and the format readers raise many kinds; each has one message
            raise self._explained(error) from error
        self.column = text_column(names, self.options.text_column, self.name)

    def _load(self) -> Any:
        import datasets

        split = self.options.data_split
        with hub.quiet():
            return datasets.load_dataset(self.name, self.config, split=split, revision=self.revision, streaming=True)

    def _explained(self, error: Exception) -> UserError:
        if isinstance(error, ValueError) and "split" in str(error).lower():
            return UserError(f"{self.name}: {error}", "Name one with --data-split.")
        return hub.explained(self.name, self.config, self.revision, error)

    def read(self, bar: Progress | None) -> Iterator[Texts]:
        assert self.column is not None
        done = 0
        batches = self.dataset.iter(batch_size=_ROWS)
        while True:
            try:
                values: list[Any] = next(batches, {self.column: []})[self.column]
            except Exception as error:  # as when it was opened: the network may go at any time
                raise self._explained(error) from error
            if not values:
                return
            numbers = range(done + 1, done + len(values) + 1)
            texts = _cells(values, self.column, numbers, lambda number: f"{self.name} row {number}", self.verbatim)
            done += len(values)
            if bar is not None:
                bar.advance(sum(map(len, texts[0])))
            yield texts

    def identity(self) -> dict[str, str | None]:
        return {
            "name": self.name,
            "config": self.config,
            "revision": self.revision,
            "split": self.options.data_split,
        }

    def key(self) -> list[Any]:
        return [*self.identity().values(), self.column, *_key_of(self.verbatim)]


def _key_of(verbatim: Verbatim | None) -> list[str]:
    return [] if verbatim is None else [verbatim.document_end]


def _open(spec: str, options: CorpusOptions, verbatim: Verbatim | None) -> list[_File | _Hub | _Stdin]:
    """The sources that one value of --data stands for."""
    if spec == "-":
        if options.format not in (None, "txt"):
            raise UserError(f"--format {options.format}: standard input is plain text here", "Write it to a file.")
        return [_Stdin(options, verbatim)]
    spec = splits.sample_folder(spec) or spec
    folder = expanded(spec)
    if folder.is_dir():
        reading = Reading.of(options)
        return [_File(path, options, str(reading.format_of(path)), verbatim) for path in _files_in(folder, reading)]
    if not sources.is_local(spec):
        parsed = hub.NAME.fullmatch(spec)
        assert parsed is not None  # `is_local` saw to it
        config, revision = options.data_config or parsed["config"], options.data_revision or parsed["revision"]
        return [_Hub(parsed["name"], config, revision, options, verbatim)]
    files = []
    for path in sources.expand(spec):
        format = Reading.of(options).format_of(path)
        if format is None:  # wiki.train.tokens, text8
            reporting.current().note(f"{path}: its name does not tell its format; read as plain text (--format)")
        files.append(_File(path, options, format or "txt", verbatim))
    return list(files)


def _files_in(folder: Path, reading: Reading) -> list[Path]:
    """Every data file below a folder, by path."""
    files: list[Path] = []
    others: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            known = reading.format_of(path) is not None and not sources.NOT_DATA.fullmatch(path.name)
            (files if known else others).append(path)
    left = f"{', '.join(path.name for path in others[:5])}{', ...' if len(others) > 5 else ''}"
    if not files:
        known_formats = ", ".join(suffix.lstrip(".") for suffix in FORMATS)
        there = f"; there is {left}" if others else ""
        raise UserError(
            f"{folder}: no text files in this folder{there}", f"Known formats: {known_formats} (or .gz, .zst)."
        )
    if others:
        reporting.current().note(f"{folder}: {counted(len(others), 'file is', 'files are')} left out ({left})")
    return files


def text_column(names: list[str], wanted: str | None, where: str) -> str:
    """The column that was asked for, or the one whose name says that it holds text."""
    if wanted is not None:
        return columns.require(wanted, names, "text", where=f"{where}: ")
    column = columns.guess(names, columns.TEXT_NAMES) or (names[0] if len(names) == 1 else None)
    if column is None:
        raise UserError(f"{where}: which column holds the text? There are {', '.join(names)}", "Pass --text-column.")
    return column


def _plain(source: Input, verbatim: Verbatim | None) -> Iterator[Texts]:
    """The texts of a file of plain text."""
    if verbatim is None:
        return _documents(source.blocks(), source.say)
    return _as_they_stand(source.blocks(), verbatim.document_end)


def _as_they_stand(blocks: Iterable[str], end: str) -> Iterator[Texts]:
    """Documents with all their line ends, long ones in parts; those behind the last line of a document are left out,
    unless it is a whole file.

    Args:
        blocks: cut anywhere.
        end: see `Verbatim`.
    """
    document = _Document(end)
    rest = ""
    for block in itertools.chain(blocks, [None]):
        lines = _at_line_feeds((rest + (block or "")).replace("\r\n", "\n"))
        rest = ""
        if block is not None and lines and not lines[-1].endswith("\n") and len(lines[-1]) <= LONGEST_TEXT:
            rest = lines.pop()
        for line in lines:
            if document.ended_by(line):
                yield document.taken(over=True)
            else:
                document.add(line)
            if document.is_long:
                yield document.taken(over=False)
    yield document.taken(over=True)


class _Document:
    """The lines of a document that were read and not given out yet."""

    def __init__(self, end: str) -> None:
        self.end = "" if end == BLANK_LINE else end
        self.whole = end == FILE
        self.most = PIECE if self.whole else LONGEST_TEXT
        self.lines: list[str] = []
        self.size, self.new = 0, True

    def ended_by(self, line: str) -> bool:
        return not self.whole and line.strip() == self.end

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.size += len(line)

    @property
    def is_long(self) -> bool:
        return self.size >= self.most

    def taken(self, *, over: bool) -> Texts:
        """What was collected as texts, and whether each begins a document; `over`: the document ends here."""
        text = "".join(self.lines)
        parts = [part for part in _cut(text.rstrip("\n") if over and not self.whole else text) if part]
        starts = [self.new and i == 0 for i in range(len(parts))]
        self.lines, self.size = [], 0
        self.new = over or (self.new and not parts)
        return parts, starts


def _at_line_feeds(text: str) -> list[str]:
    """The text in lines, each with its end; other characters that Python takes for line ends part none."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _documents(blocks: Iterable[str], say: Callable[[str], None]) -> Iterator[Texts]:
    """Lines of plain text, with where documents begin; the blocks are cut anywhere. `say` is told what was cut."""
    rest, new, cuts = "", True, 0
    for block in itertools.chain(blocks, [None]):
        text = rest + (block or "")
        lines = text.split("\n")
        rest = "" if block is None else lines.pop()
        if len(text) > LONGEST_TEXT:
            whole = len(lines)
            lines = [part for line in lines for part in _cut(line)]
            *more, rest = _cut(rest)
            lines += more
            cuts += len(lines) - whole
        if "\r" in text:
            lines = [line.rstrip("\r") for line in lines]
        if all(map(str.strip, lines)):  # the common case, at the speed of C
            starts = [False] * len(lines)
            starts[:1] = [new][: len(lines)]
            new = new and not lines
            yield lines, starts
            continue
        texts, starts = [], []
        for line in lines:
            if line.strip():
                texts.append(line)
                starts.append(new)
                new = False
            else:
                new = True
        yield texts, starts
    if cuts:
        where = counted(cuts, "cut", "cuts")
        say(f"lines of more than {LONGEST_TEXT:,} characters are read in pieces, at blanks if there are any: {where}")


def _cut(line: str) -> list[str]:
    """The line in parts of at most `LONGEST_TEXT` characters that end in a blank where there is one."""
    parts = []
    while len(line) > LONGEST_TEXT:
        end = line.rfind(" ", 0, LONGEST_TEXT) + 1 or LONGEST_TEXT
        parts.append(line[:end])
        line = line[end:]
    return [*parts, line]


def _cells(
    values: Sequence[Any],
    column: str,
    numbers: Sequence[int],
    at: Callable[[int], str],
    verbatim: Verbatim | None,
) -> Texts:
    """The lines in the cells of a column; `at` names the place of a row by its number."""
    texts: list[str] = []
    starts: list[bool] = []
    for value, number in zip(values, numbers, strict=True):
        if is_missing(value):
            continue
        try:
            text = value if isinstance(value, str) else columns.as_text(value, column)
        except ValueError as error:
            raise UserError(f"{at(number)}: {error}", "Name another: --text-column.") from None
        if verbatim is not None:
            whole = text.replace("\r\n", "\n").rstrip("\n")
            lines = [part for part in _cut(whole) if part] if whole.strip() else []
        else:
            lines = [part for line in text.split("\n") if line.strip() for part in _cut(line.rstrip("\r"))]
        texts += lines
        starts += [i == 0 for i in range(len(lines))]
    return texts, starts
