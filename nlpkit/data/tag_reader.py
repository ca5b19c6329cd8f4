"""Rows with tags into sentences whose tags are legal, and findings about the rows where they were not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data import tagged
from nlpkit.data import tags as schemes
from nlpkit.data.readers import LINES
from nlpkit.data.tags import Scheme
from nlpkit.tasks.base import Finding

if TYPE_CHECKING:
    from datasets import Dataset


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
        self.bad_tags: list[str] = []
        self.bad_spans: list[str] = []

    def read(self, row: int, value: Any, tags: Any) -> tagged.Sentence | None:
        """The sentence of a row with its tags as BIO or plain, None for one that cannot be used."""
        where = self.places[row]
        self.total += 1
        try:
            sentence = tagged.tagged_sentence(value, tags)
        except ValueError as error:
            self.left_out.append(f"{where}: {error}")
            return None
        assert sentence.tags is not None
        self.bad_spans += [f"{where}: {fault}" for fault in sentence.faults]
        if self.scheme == "plain" and not all(sentence.tags):
            self.untagged.append(f"{where}: {sum(not tag for tag in sentence.tags)} words without a tag")
            return None
        self.words += len(sentence.tags)
        if not isinstance(value, str):
            for word, said in schemes.problems(sentence.tags, self.scheme):
                start, end = sentence.places[word]
                self.bad_tags.append(f"{self._place(row, word)}: {sentence.text[start:end]!r}: {said}")
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
        rows = f"of {self.total:,} rows"
        kinds: list[tuple[str, Any, list[str], str]] = [
            (
                "unreadable-row",
                "warning",
                self.left_out,
                f"{rows} have no words, or not a tag for each, and are left out",
            ),
            ("missing-tag", "warning", self.untagged, f"{rows} have words without a tag and are left out"),
            (
                "bad-tags",
                level,
                self.bad_tags,
                f"of {self.words:,} tags are illegal in {scheme}" + (end or " and are read as conlleval does"),
            ),
            ("bad-spans", level, self.bad_spans, f"spans cannot be right{end or ' and are left out'}"),
        ]
        return [
            Finding(level, check, f"{split}: {len(found):,} {said}", len(found), found)
            for check, level, found, said in kinds
            if found
        ]


def token_lines(rows: Dataset) -> list[list[int]] | None:
    """The line of each word of each row, where the rows come from files of one word a line."""
    return rows[LINES][:] if LINES in rows.column_names else None
