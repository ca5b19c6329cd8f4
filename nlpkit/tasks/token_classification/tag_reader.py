"""Rows with tags into sentences whose tags are legal, and findings about the rows where they were not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data.findings import Finding
from nlpkit.data.places import LINES
from nlpkit.reporting import counted
from nlpkit.tasks.token_classification import spans, tagged
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.spans import Counting
from nlpkit.tasks.token_classification.tags import Scheme

if TYPE_CHECKING:
    from datasets import Dataset

SpanRows = tuple[Sequence[Any], Sequence[Any], Sequence[int]]
"""Of each row the text, the spans as they are written, and a number for its file."""

_MOST_CUT = 0.5  # share of the spans up to which those that cut words may be meant so


class TagReader:
    """Reads the rows of a split, and remembers what is wrong with them.

    Args:
        scheme: of the tags.
        places: where each row stands.
        lines: where each word of each row stands, see `token_lines`.
    """

    def __init__(self, scheme: Scheme, places: Sequence[str], lines: Sequence[Sequence[int]] | None) -> None:
        self.scheme, self.places, self.lines = scheme, places, lines
        self.total = self.words = 0
        self.left_out: list[str] = []
        self.untagged: list[str] = []
        self.unmarked: list[str] = []
        self.bad_tags: list[str] = []
        self.bad_spans: list[str] = []
        self.lost: list[str] = []
        self.moved: list[str] = []
        self.cut: list[str] = []
        self.countings: dict[int, Counting] = {}  # by file
        self.files: Sequence[int] = ()

    def settle_offsets(self, rows: SpanRows, offsets: str, other_rows: Iterable[SpanRows] = ()) -> None:
        """Find out how the spans of each file count characters.

        Args:
            rows: of the split.
            offsets: see `spans.counting`.
            other_rows: of other splits: rows that are held out of a file count as those that stay do.
        """
        self.files = rows[2]
        own = _by_file(*rows)
        whole = {file: (list(texts), list(marks)) for file, (texts, marks) in own.items()}
        for others in other_rows:
            for file, (texts, marks) in _by_file(*others).items():
                if file in whole:
                    whole[file][0].extend(texts)
                    whole[file][1].extend(marks)
        self.countings = {
            file: spans.counting(*texts_and_marks, offsets).of(*own[file]) for file, texts_and_marks in whole.items()
        }

    def read(self, row: int, value: Any, tags: Any) -> tagged.TaggedSentence | None:
        """The sentence of a row with its tags as BIO or plain, None for one that cannot be used."""
        where = self.places[row]
        self.total += 1
        try:
            counting = self.countings[self.files[row]] if self.files else Counting()
            sentence = tagged.tagged_sentence(value, tags, counting)
        except tagged.LostSpan as error:
            self.lost.append(f"{where}: {error}")
            return None
        except ValueError as error:
            self.left_out.append(f"{where}: {error}")
            return None
        assert sentence.tags is not None
        if isinstance(value, str) and tags is None:
            self.unmarked.append(where)
        self.bad_spans += [f"{where}: {fault}" for fault in sentence.faults]
        self.moved += [f"{where}: {problem}" for problem in sentence.moved]
        self.cut += [f"{where}: {problem}" for problem in sentence.cut]
        if self.scheme == "plain" and not all(sentence.tags):
            bare = counted(sum(not tag for tag in sentence.tags), "word", "words")
            self.untagged.append(f"{where}: {bare} without a tag")
            return None
        self.words += len(sentence.tags)
        if not isinstance(value, str):
            for word, problem in schemes.problems(sentence.tags, self.scheme):
                start, end = sentence.places[word]
                self.bad_tags.append(f"{self._place(row, word)}: {sentence.text[start:end]!r}: {problem}")
            sentence.tags = schemes.converted(sentence.tags, self.scheme)
        return sentence

    def _place(self, row: int, word: int) -> str:
        """File and line of a word, where each word has a line; else the row, and the number of the word."""
        where = self.places[row]
        if self.lines is None or not self.lines[row]:
            return f"{where}, word {word + 1}"
        return f"{where.rpartition(' ')[0]} {self.lines[row][word]}"

    def findings(self, split: str, on_bad_tags: str) -> list[Finding]:
        """What was found, in one finding a kind."""
        stop = on_bad_tags == "error"
        level: Any = "error" if stop else "warning"
        end = " (--on-bad-tags error)" if stop else ""
        scheme = self.scheme.upper()
        rows, total = f"of {self.total:,} rows", sum(made.total for made in self.countings.values())
        kinds: list[tuple[str, Any, list[str], str]] = [
            (
                "unreadable-row",
                "warning",
                self.left_out,
                f"{rows} have no words, or not a tag for each, and are left out",
            ),
            ("missing-tag", "warning", self.untagged, f"{rows} have words without a tag and are left out"),
            (
                "missing-spans",
                "note",
                self.unmarked,
                f"{rows} have an empty cell in place of spans: read as texts without an entity",
            ),
            (
                "bad-tags",
                level,
                self.bad_tags,
                f"of {self.words:,} tags are illegal in {scheme}" + (end or " and are read as conlleval does"),
            ),
            ("bad-spans", level, self.bad_spans, f"spans cannot be right{end or ' and are left out'}"),
            (
                "lost-spans",
                level,
                self.lost,
                f"{rows} have a span that stands nowhere in the text{end or ' and are left out'}",
            ),
            (
                "moved-spans",
                level,
                self.moved,
                f"of {total:,} spans do not cover the text that they name"
                + (end or ", which stands in one other place, which is taken"),
            ),
            ("cut-words", *self._cut(total)),
        ]
        return self._offsets(split) + [
            Finding(level, check, f"{split}: {len(rows_of):,} {message}", len(rows_of), rows_of)
            for check, level, rows_of, message in kinds
            if rows_of
        ]

    def _cut(self, total: int) -> tuple[Any, list[str], str]:
        """Level, examples and message for spans that cut words: some are right where words have parts, most are not."""
        message = f"of {total:,} spans begin or end inside a word"
        by_option = any(made.reason == "asked" for made in self.countings.values())
        if by_option or len(self.cut) <= _MOST_CUT * total:
            return "warning", self.cut, f"{message} (--offsets)"
        return "error", self.cut, f"{message}, whatever they count; --offsets characters takes them as they stand"

    def _offsets(self, split: str) -> list[Finding]:
        """How spans are counted, where it is not in characters."""
        findings = []
        for file, made in self.countings.items():
            if made.reason is None or (made.reason != "asked" and not made.moved):
                continue
            why = {
                "asked": "as asked",
                "text": "only so do all cover the text that they name",
                "words": "so none begins or ends inside a word, where else some would",
            }[made.reason]
            name = next(place for place, of in zip(self.places, self.files, strict=True) if of == file)
            message = (
                f"{split}: {made.moved:,} of {made.total:,} spans of {name.rsplit(' ', 2)[0]} are counted "
                f"{spans.SAID[made.offsets]}: {why} (--offsets)"
            )
            # what the texts prove is no guess
            level: Any = "warning" if made.reason == "words" else "note"
            findings.append(Finding(level, "offsets", message, made.moved))
        return findings


def _by_file(
    texts: Sequence[Any], cells: Sequence[Any], files: Sequence[int]
) -> dict[int, tuple[list[str], list[list[spans.Mark]]]]:
    pairs: dict[int, tuple[list[str], list[list[spans.Mark]]]] = {file: ([], []) for file in files}
    for text, cell, file in zip(texts, cells, files, strict=True):
        with contextlib.suppress(ValueError):  # told when the row is read
            marks = spans.marks_of(cell)
            if isinstance(text, str):
                pairs[file][0].append(text)
                pairs[file][1].append(marks)
    return pairs


def token_lines(rows: Dataset) -> list[list[int]] | None:
    """The line of each word of each row, where the rows come from files of one word a line."""
    return rows[LINES][:] if LINES in rows.column_names else None
