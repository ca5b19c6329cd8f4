"""Word vectors in files: the folder of `train-vectors`, and files of word2vec, GloVe and fastText. No pickle.

| file of the folder | holds |
|---|---|
| vectors.safetensors | `vectors`; of vectors with subwords also `ngrams` and the `buckets` that they are of |
| vocabulary.txt | a word and its count a line, in the order of `vectors` |
| vectors.txt | the same vectors as text, as word2vec writes them |
"""

from __future__ import annotations

import contextlib
import itertools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit import reporting
from nlpkit.data.inputs import Input, Reading
from nlpkit.data.rows import DecodedLines
from nlpkit.errors import UserError, first_line
from nlpkit.nearby import expanded
from nlpkit.runs.folder import read_record
from nlpkit.runs.records import RECORD
from nlpkit.word_vectors.subwords import Subwords
from nlpkit.word_vectors.table import WordVectors

COMMAND = "train-vectors"  # that makes such folders
VECTORS, VOCABULARY, TEXT = "vectors.safetensors", "vocabulary.txt", "vectors.txt"
TABLE, NGRAMS, BUCKETS = "vectors", "ngrams", "buckets"  # tensors
BINARY = ".bin"
AGAIN = "Copy it again, or train the vectors anew with --overwrite."
KNOWN = (
    "Vectors are the folder of `nlpkit train-vectors`, or a file of word2vec, GloVe or fastText (.vec): lines of a "
    "word and its numbers."
)
LONGEST_WORD = 1_000  # bytes of a word in a binary file: where none ends, it is another file
_HEADER = re.compile(r"(\d{1,12}) (\d{1,6})\s*")  # no such file has more of either


def is_folder(name: str | Path) -> bool:
    """Whether a folder of `train-vectors` is named.

    Raises:
        UserError: its record is damaged.
    """
    return ((read_record(expanded(name)) or {}) if expanded(name).is_dir() else {}).get("command") == COMMAND


def opened(path: str | Path) -> WordVectors:
    """Open word vectors.

    Args:
        path: a folder of `train-vectors`, or a file of word2vec (as text, with its header; binary, named .bin), GloVe
            (without one) or fastText (.vec), also packed (.gz).

    Raises:
        UserError: there are none, or they are damaged; the message names the line.
    """
    place = expanded(path)
    if place.is_dir():
        return _of_folder(place)
    source = Input.of(place, Reading(format="txt"))
    binary = place.with_suffix("").suffix if source.packed else place.suffix
    found = _of_binary(source) if binary == BINARY else _of_text(source)
    if not np.isfinite(found.matrix).all():
        word = found.words[int(np.flatnonzero(~np.isfinite(found.matrix).all(axis=1))[0])]
        raise UserError(f"{place}: the vector of {word!r} has numbers that are NaN or infinite", "Copy the file again.")
    return found


def write(folder: Path, vectors: WordVectors) -> None:
    """Write the files of a folder, see the module's docstring."""
    from safetensors.numpy import save_file

    tensors = {TABLE: np.ascontiguousarray(vectors.matrix, np.float32)}
    about: dict[str, str] = {}
    if (pieces := vectors.subwords) is not None:
        tensors |= {NGRAMS: pieces.table, BUCKETS: pieces.learned}
        about = {name: str(getattr(pieces, name)) for name in ("shortest", "longest", "buckets")}
    save_file(tensors, folder / VECTORS, about)
    with (folder / VOCABULARY).open("w", encoding="utf-8", newline="\n") as file:
        for word, count in zip(vectors.words, vectors.counts or [0] * len(vectors), strict=True):
            file.write(f"{word} {count}\n")
    with (folder / TEXT).open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(vectors)} {vectors.width}\n")
        for word, row in zip(vectors.words, vectors.matrix, strict=True):
            file.write(f"{word} {' '.join(row.astype(str))}\n")


# --- the folder ---


def _of_folder(folder: Path) -> WordVectors:
    record = read_record(folder)
    if record is None or record.get("command") != COMMAND:
        what = "there is no nlpkit.json" if record is None else f"{folder / RECORD} tells of none"
        raise UserError(f"{folder} holds no word vectors: {what}", KNOWN)
    if record.get("status") != "complete":
        raise UserError(f"{folder}: its training has not finished", "Train the vectors anew with --overwrite.")
    with _damage(folder / VOCABULARY):
        words, counts = _vocabulary(folder / VOCABULARY)
    with _damage(folder / VECTORS):
        tensors, about = _tensors(folder / VECTORS)
        matrix = tensors[TABLE]
        if matrix.dtype != np.float32 or matrix.ndim != 2 or len(matrix) != len(words) or not matrix.size:
            shape = " x ".join(f"{size:,}" for size in matrix.shape)
            raise ValueError(f"{shape} numbers of type {matrix.dtype} for the {len(words):,} words of {VOCABULARY}")
        found = WordVectors(words, matrix, counts, _subwords(tensors, about))
        tables = [matrix, *([found.subwords.table] if found.subwords else [])]
        if not all(np.isfinite(table).all() for table in tables):
            raise ValueError("some numbers are NaN or infinite")
    return found


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Name the file that cannot be read."""
    try:
        yield
    except Exception as error:
        said = f"it has no {error}" if isinstance(error, KeyError) else first_line(error)
        raise UserError(f"{path} cannot be read: {said}", AGAIN) from None


def _tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 (no mapping)


def _vocabulary(path: Path) -> tuple[list[str], list[int]]:
    words, counts = [], []
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            word, _, count = line.rstrip("\n").rpartition(" ")
            words.append(word)
            counts.append(int(count))
    if len(set(words)) < len(words):
        raise ValueError(f"{path.name} has a word twice")
    return words, counts


def _subwords(tensors: dict[str, np.ndarray], about: dict[str, str]) -> Subwords | None:
    if NGRAMS not in tensors:
        return None
    pieces = Subwords(
        int(about["shortest"]), int(about["longest"]), int(about["buckets"]), tensors[BUCKETS], tensors[NGRAMS]
    )
    shape = (len(pieces.learned), tensors[TABLE].shape[1])
    if pieces.table.shape != shape or pieces.table.dtype != np.float32 or pieces.learned.dtype != np.int64:
        raise ValueError(f"{pieces.table.shape} numbers for {len(pieces.learned):,} buckets")
    if (np.diff(pieces.learned) <= 0).any():
        raise ValueError("its buckets are not in order")
    return pieces


# --- files of other tools ---


class _Gathered:
    """Vectors that are read one by one, with what is said of them at the end; memory grows with what is there, whatever
    a header says."""

    def __init__(self, source: Input, width: int) -> None:
        self.source, self.width = source, width
        self.numbers = bytearray()
        self.words: dict[str, None] = {}
        self.repeated = self.broken = 0

    def add(self, word: str, row: np.ndarray) -> None:
        """Take a vector; the first of a word counts."""
        if word in self.words:
            self.repeated += 1
            return
        self.words[word] = None
        self.broken += "\ufffd" in word
        self.numbers += row.tobytes()

    def vectors(self, announced: int | None, there: int) -> WordVectors:
        """All of them.

        Args:
            announced: how many the header says.
            there: how many were read.
        """
        if not there or (announced is not None and announced != there):
            raise UserError(
                f"{self.source.name} holds {there:,} vectors"
                + (f", and its first line tells of {announced:,}" if announced is not None else ""),
                "Copy the file again.",
            )
        reporter = reporting.current()
        if self.repeated:
            reporter.warn(
                f"{self.source.name}: {self.repeated:,} words are there again; the first vector of each counts"
            )
        if self.broken:
            reporter.note(f"{self.source.name}: {self.broken:,} words hold bytes that are no UTF-8, shown as \ufffd")
        return WordVectors(list(self.words), np.frombuffer(self.numbers, np.float32).reshape(-1, self.width))


def _of_text(source: Input) -> WordVectors:
    with source.failures(), source.text(newline="\n") as lines, warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # an older numpy only warns of what is no number
        numbered = _lines(source, lines)
        first = next(numbered, (1, ""))
        announced, width, begun = None, first[1].count(" "), [first]
        if header := _HEADER.fullmatch(first[1]):
            announced, width, begun = int(header[1]), int(header[2]), []
        gathered, there = _Gathered(source, width), 0
        for number, line in itertools.chain(begun if first[1] else [], numbered):
            word, row = _word_and_row(line, width)
            if row is None:
                said = f"{source.at(number)}: this is no word with {width:,} numbers: {reporting.shown(line[:60])!r}"
                raise UserError(said, KNOWN)
            gathered.add(word, row)
            there += 1
    return gathered.vectors(announced, there)


def _lines(source: Input, lines: DecodedLines) -> Iterator[tuple[int, str]]:
    """The lines with their numbers and without their ends; blank ones at the end are none."""
    size = source.file.stat().st_size if isinstance(source.file, Path) else 0
    with reporting.current().progress("read", size, "bytes") as bar:
        told = 0
        for line in lines:
            if (consumed := source.consumed()) > told:
                bar.advance(consumed - told)
                told = consumed
            if text := line.rstrip():
                yield lines.number, text


def _word_and_row(line: str, width: int) -> tuple[str, np.ndarray | None]:
    """The word of a line and its numbers; None where they are not so many. A word of GloVe may hold blanks."""
    parts = line.rsplit(" ", width) if width > 0 else []
    if len(parts) <= width or not parts or not parts[0]:
        return "", None
    try:
        row = np.fromstring(line[len(parts[0]) + 1 :], np.float32, sep=" ")
    except (ValueError, DeprecationWarning):
        return "", None
    return parts[0], row if len(row) == width else None


def _of_binary(source: Input) -> WordVectors:
    """As the C tool of word2vec writes them: a header, then each word, a blank, and its numbers."""
    with source.failures(), source.binary() as stream:
        header = _HEADER.fullmatch(stream.readline(LONGEST_WORD).decode("ascii", "replace"))
        if header is None:
            hint = "That of fastText is another: take its .vec, or gensim's save_word2vec_format."
            raise UserError(f"{source.name}: this is no binary file of word2vec", hint)
        announced, width = int(header[1]), int(header[2])
        gathered, there, size = _Gathered(source, width), 0, 4 * width
        with reporting.current().progress("read", announced, "words") as bar:
            while there < announced and (word := _binary_word(source, stream)) is not None:
                numbers = stream.read(size)
                if len(numbers) < size or not width:
                    break
                gathered.add(word, np.frombuffer(numbers, "<f4"))
                there += 1
                bar.advance()
    return gathered.vectors(announced, there)


def _binary_word(source: Input, stream: Any) -> str | None:
    """The next word of a binary file, up to its blank; None at the end."""
    word = bytearray()
    while (byte := stream.read(1)) and byte != b" ":
        if byte != b"\n" or word:  # ends of lines stand between vectors, in files of some tools
            word += byte
        if len(word) > LONGEST_WORD:
            raise UserError(f"{source.name}: a word does not end; this is no binary file of word2vec", KNOWN)
    return word.decode("utf-8", "replace") if byte else None
