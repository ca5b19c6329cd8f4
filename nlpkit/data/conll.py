"""Words and tags in columns: a token a line, a blank line between sentences (CoNLL-2000, -2003, -U, WNUT, GermEval).

The files have no header. `layout_of` finds out how one is written from its first sentence, `sentences` reads it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nlpkit.data.places import PROVENANCE
from nlpkit.data.rows import LONGEST, too_long

if TYPE_CHECKING:
    from nlpkit.data.rows import Row

DOCSTART = "-DOCSTART-"
TOKENS = "tokens"  # the column of the words
NUMBERS = "id"  # the column that counts them, before them
# https://universaldependencies.org/format.html; its FORM are the words
CONLL_U = (NUMBERS, TOKENS, "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
HINT = "Give every line the same columns, and put a blank line between sentences; --delimiter sets the separator."

_BLANKS = " \t\r\n"
_NOT_A_WORD = re.compile(r"\d+[-.]\d+")  # CoNLL-U: the words that a multi-word token stands for, an empty node
_REMARK = re.compile(r"#\s*\w[\w.:-]*\s*=|#\s+id\s")  # where it could be a word with tags: "# key = value", "# id 7"
_PROVENANCE = re.compile(rf"#\s*(?P<name>{'|'.join(PROVENANCE)})\s*=[^\S\r\n]*(?P<value>\S*)")
LONG = 200  # words of a sentence, of which a file that holds no other may lack its blank lines
MOST_COLUMNS = 200  # CoNLL-2012 has one for each verb of a sentence
_FIRST_LINES = 1_000  # lines from which the layout is found, where the first sentence is longer

# what a first line holds that names the columns
_WORD_NAMES = frozenset(("word", "words", "token", "tokens", "form", "text"))
_TAG_NAMES = frozenset(("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "pos", "pos_tag", "pos_tags",
                        "chunk", "upos", "xpos", "entity", "iob", "bio"))  # fmt: skip
_OTHER_NAMES = frozenset(("id", "index", "sentence", "sentence_id", "doc", "doc_id", *CONLL_U))
_TAG = re.compile(r"[Oo]|[BIESLUM][-_.:/=]\S+", re.IGNORECASE)

# number from 1, text, and message and hint where it could not be decoded
Line = tuple[int, str, tuple[str, str] | None]


@dataclass(frozen=True)
class Layout:
    """How a file is written.

    Attributes:
        delimiter: between columns; None for any number of blanks and tabs.
        columns: a name each: `tokens` for the words, `id` for their numbers, those of CoNLL-U, else `column3` by place.
        header: the line that names them, which is no word; None where none does.
    """

    delimiter: str | None
    columns: tuple[str, ...]
    header: int | None = None

    def cells(self, text: str) -> list[str]:
        """The cells of a line."""
        text = text.rstrip(_BLANKS)
        return text.split(self.delimiter) if self.delimiter else re.split(r"[ \t]+", text.lstrip(" \t"))

    def is_comment(self, text: str, cells: Sequence[str]) -> bool:
        """Whether a line is a remark (`# sent_id = 3`) and not the word "#" or a hashtag with its tags."""
        if not text.startswith("#"):
            return False
        return len(cells) != len(self.columns) or (self.delimiter is None and bool(_REMARK.match(text)))

    @property
    def numbered(self) -> bool:
        """Whether the first column counts the words."""
        return self.columns[0] == NUMBERS


@dataclass
class ConllSentence:
    """A sentence as it stands in the file.

    Attributes:
        lines: for each word the line that it stands on, from 1.
        cells: the cells of each word.
        problem: line, message and hint of the first line that cannot be read; what follows it is left out.
        provenance: what remarks before its words say of where a copy comes from, see `places.PROVENANCE`.
    """

    lines: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    problem: tuple[int, str, str] | None = None
    provenance: dict[str, str] = field(default_factory=dict)

    def columns(self, layout: Layout) -> dict[str, list[str]]:
        """The sentence by columns."""
        return {name: [word[i] for word in self.cells] for i, name in enumerate(layout.columns)}


def layout_of(lines: Iterable[str], delimiter: str | None = None) -> Layout:
    """Find the separator, the number of columns and what they are.

    Args:
        lines: of the first sentence, with what stands before it.
        delimiter: where the user named it; else a tab where there is one, so that words may hold blanks, else blanks.
    """
    words = [line for line in lines if line.strip() and not line.startswith(("#", DOCSTART))] or [TOKENS]
    delimiter = delimiter or ("\t" if "\t" in words[0].strip(_BLANKS) else None)
    rows = [Layout(delimiter, ()).cells(line) for line in words]
    width = len(rows[0])
    numbers = [row[0] for row in rows if not _NOT_A_WORD.fullmatch(row[0])]
    counted = numbers == [str(i) for i in range(1, len(numbers) + 1)]
    if counted and width == len(CONLL_U):
        return Layout(delimiter, CONLL_U)
    if width == 2 and len(rows) > 1 and _tags_stand_first(rows):
        return Layout(delimiter, ("column1", TOKENS))
    # one word "1" may be a word; that a sentence reads "1 2 3" is unlikely
    first = (NUMBERS, TOKENS) if counted and width > 1 and len(numbers) > 1 else (TOKENS,)
    return Layout(delimiter, (*first, *(f"column{i}" for i in range(len(first) + 1, width + 1))))


def _tags_stand_first(rows: Sequence[Sequence[str]]) -> bool:
    """Whether each line is a tag and its word (the MIT corpora of films and restaurants): no sentence reads so."""
    return all(_TAG.fullmatch(row[0]) for row in rows) and not all(_TAG.fullmatch(row[-1]) for row in rows)


def sentences(lines: Iterable[Line], delimiter: str | None = None) -> Iterator[tuple[Layout, ConllSentence]]:
    """The sentences of a file, with its layout. Remarks (but for those of `augment`), `-DOCSTART-` and
    CoNLL-U's ranges and empty nodes are dropped.

    Args:
        lines: of the file.
        delimiter: see `layout_of`.
    """
    lines = iter(lines)
    first = list(_first_sentence(lines))
    layout = layout_of((text for _, text, _ in first), delimiter)
    if (header := next((line for line in first if _is_header(line[1], layout)), None)) is not None:
        first.remove(header)
        if not any(_is_word(text) for _, text, _ in first):
            first += _first_sentence(lines)
        layout = replace(layout_of((text for _, text, _ in first), delimiter), header=header[0])
    sentence, size = ConllSentence(), 0
    for number, text, undecodable in itertools.chain(first, lines):
        if not text.strip() or text.startswith(DOCSTART):
            if sentence.lines or sentence.problem:
                yield layout, sentence
                sentence, size = ConllSentence(), 0
            continue
        if sentence.problem:
            continue
        cells = layout.cells(text)
        if undecodable:
            sentence.problem = (number, *undecodable)
        elif layout.is_comment(text, cells):
            if match := _PROVENANCE.match(text):
                sentence.provenance[match["name"]] = match["value"]
        elif layout.numbered and _NOT_A_WORD.fullmatch(cells[0]):
            continue
        elif (size := size + len(text)) > LONGEST:
            sentence = ConllSentence(problem=(number, *too_long("a sentence", LONGEST)))
        elif len(cells) != len(layout.columns):
            expected = f"{len(layout.columns)} columns ({', '.join(layout.columns)})"
            sentence.problem = (number, f"expected {expected}, found {len(cells)}", HINT)
        else:
            sentence.lines.append(number)
            sentence.cells.append(cells)
    if sentence.lines or sentence.problem:
        yield layout, sentence


def _is_word(text: str) -> bool:
    return bool(text.strip()) and not text.startswith(("#", DOCSTART))


def _is_header(text: str, layout: Layout) -> bool:
    """Whether a line of the first sentence names columns, of words and of tags."""
    names = {cell.strip().lower() for cell in layout.cells(text)} if _is_word(text) else set()
    return bool(names & _WORD_NAMES and names & _TAG_NAMES) and names <= _WORD_NAMES | _TAG_NAMES | _OTHER_NAMES


def are_tagged(rows: Sequence[Row]) -> bool:
    """Whether rows of plain text are words with their tags: as many cells in each, the last of which is a tag."""
    cells = [cells for row in rows if (cells := str(next(iter(row.values.values()), "")).split())]
    widths = {len(line) for line in cells}
    return len(widths) == 1 and widths != {1} and all(_TAG.fullmatch(line[-1]) for line in cells)


def begins_with_a_word(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table is a word with its tag, as nearly all that follow are, and no header."""
    if first[-1].strip().upper() != "O" and {cell.strip().lower() for cell in first} & (_WORD_NAMES | _OTHER_NAMES):
        return False
    filled = [cells for cells in rows if any(cell.strip() for cell in cells)]
    tags = [cells[-1].strip() for cells in (first, *filled) if len(cells) == len(first)]
    fitting = sum(_TAG.fullmatch(tag) is not None for tag in tags)
    outside = any(tag.upper() == "O" for tag in tags)
    return len(first) > 1 and outside and _TAG.fullmatch(tags[0]) is not None and fitting > max(0.9 * len(filled), 1)


def names(first: Sequence[str]) -> list[str]:
    """Names for the columns of a table without, by its first row: those of a file of words and tags."""
    counts = len(first) > 2 and first[0].strip().isdecimal()
    fixed = [NUMBERS, TOKENS] if counts else [TOKENS]
    return fixed + [f"column{i}" for i in range(len(fixed) + 1, len(first) + 1)]


def _first_sentence(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines up to the first blank one behind a word."""
    begun = False
    for line in itertools.islice(lines, _FIRST_LINES):
        yield line
        text = line[1]
        begun = begun or _is_word(text)
        if begun and not text.strip():
            return
