"""Sentences and their translations: line-aligned files of one language each, or tables with a column per language.

Each row with a text of the first language and one of another becomes a pair. What is left out is counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.data import columns as column_names
from nlpkit.data import sides
from nlpkit.data.findings import Finding
from nlpkit.data.inputs import Reading, missing, unit
from nlpkit.data.labels import as_number, is_missing
from nlpkit.data.layouts import aligned
from nlpkit.data.readers import read_rows
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from datasets import Dataset

FIRST = (*sides.ENGLISH, "source", "src")
"""Columns and endings of file names that are taken for the first language: it is English of most teachers."""
LOOKED_AT = 100  # rows of a table, of which a column with numbers alone is no language
SHOWN = 5


@dataclass
class Translations:
    """Pairs of sentences.

    Attributes:
        first: the language that all others are translations of, as columns or endings of files name it.
        named: whether the user named it.
        texts, translations: of each pair, stripped of blanks.
        languages: of each translation.
        where: of each pair, file and line.
        findings: what was left out, and what looks odd.
    """

    first: str
    named: bool
    texts: list[str] = field(default_factory=list)
    translations: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)

    def dataset(self) -> Dataset:
        """Columns text, text_pair, language and where."""
        from datasets import Dataset

        columns = {"text": self.texts, "text_pair": self.translations, "language": self.languages, "where": self.where}
        return Dataset.from_dict(columns)


@dataclass(frozen=True)
class _Lines:
    """What one source has of one line: a text per language, None where it could not be read."""

    where: str
    texts: dict[str, str]
    error: str | None = None


def read(specs: Sequence[str], reading: Reading, languages: Sequence[str] = ()) -> Translations:
    """Read all pairs of some sources.

    Args:
        specs: each a table, or files that are aligned line by line, joined by commas (`train.en,train.de`).
        reading: how tables and files are read.
        languages: columns of tables or endings of files, the first language before the others; empty: English where
            there is one, else the first, and all others.

    Raises:
        UserError: a file is missing, is alone without columns, or has another number of lines than its translation; a
            column is missing; no pair is left.
    """
    found: Translations | None = None
    empty: list[str] = []
    bad: list[str] = []
    equal: list[str] = []
    repeated = 0
    seen: set[tuple[str, str]] = set()
    for spec in specs:
        names, rows = _source(spec, reading, languages)
        first, others = _roles(spec, names, languages)
        if found is None:
            found = Translations(first, bool(languages))
        for row in rows:
            if row.error is not None:
                bad.append(row.error)
                continue
            text = row.texts.get(first, "")
            for other in others:
                pair = text, row.texts.get(other, "")
                if not all(pair):
                    empty.append(f"{row.where}: no {first if not text else other}")
                    continue
                if pair in seen:
                    repeated += 1
                    continue
                seen.add(pair)
                if pair[0] == pair[1]:
                    equal.append(f"{row.where}: {text[:60]}")
                found.texts.append(text)
                found.translations.append(pair[1])
                found.languages.append(other)
                found.where.append(row.where)
    if found is None or not len(found):
        raise UserError(f"{', '.join(specs)}: no pair of a text and its translation", next(iter(bad + empty), None))
    found.findings += _findings(len(found), empty, bad, equal, repeated)
    return found


def described(found: Translations) -> str:
    """What was read, in a line."""
    each = {name: found.languages.count(name) for name in dict.fromkeys(found.languages)}
    counts = ", ".join(f"{count:,} to {name}" for name, count in each.items())
    how = "" if found.named else " (guessed; --languages)"
    return f"{counted(len(found), 'pair', 'pairs')} from {found.first}{how}: {counts}"


def _findings(kept: int, empty: list[str], bad: list[str], equal: list[str], repeated: int) -> list[Finding]:
    out = []
    if bad:
        message = f"translations: {counted(len(bad), 'row', 'rows')} cannot be read and left out"
        out.append(Finding("warning", "bad-row", message, len(bad), bad))
    if empty:
        message = f"translations: {counted(len(empty), 'pair', 'pairs')} with an empty side left out"
        out.append(Finding("warning", "empty-side", message, len(empty), empty))
    if repeated:
        message = f"translations: {counted(repeated, 'pair that repeats', 'pairs that repeat')} another left out"
        out.append(Finding("note", "repeated-pair", message, repeated))
    if equal:
        message = f"translations: {len(equal):,} of {kept:,} are the same text in both languages, and kept"
        level = Finding("warning" if 2 * len(equal) > kept else "note", "untranslated", message, len(equal), equal)
        out.append(level)
    return out


def _source(spec: str, reading: Reading, languages: Sequence[str]) -> tuple[list[str], Iterator[_Lines]]:
    """The languages of a source, and its rows.

    Raises:
        UserError: see `read`.
    """
    path = Path(spec)
    names = [spec] if path.is_file() else [part.strip() for part in spec.split(",") if part.strip()]
    for name in names:
        if not Path(name).exists():
            raise missing(name)
    if len(names) > 1:
        return _aligned([Path(name) for name in names], reading)
    path = Path(names[0])
    if reading.format_of(path) in (None, "txt"):
        raise UserError(
            f"{path} has texts of one language, and no translations",
            f"Name the files that belong together, joined by commas: {path},{_sibling(path)}; or a table (csv, tsv, "
            "jsonl, parquet) with a column per language.",
        )
    return _table(path, reading, languages)


def _sibling(path: Path) -> str:
    others = [other for other in sorted(path.parent.glob(f"{path.name.split('.')[0]}*")) if other != path]
    return str(others[0]) if others else "train.de"


def _aligned(paths: list[Path], reading: Reading) -> tuple[list[str], Iterator[_Lines]]:
    files = sides.named(paths)

    def rows() -> Iterator[_Lines]:
        for row in aligned.rows(files, reading, keep=True):
            texts = {name: str(text).strip() for name, text in row.values.items()}
            yield _Lines(f"{paths[0]} line {row.line}", texts, row.error)

    return list(files), rows()


def _table(path: Path, reading: Reading, languages: Sequence[str]) -> tuple[list[str], Iterator[_Lines]]:
    rows = read_rows(path, reading, on_error="keep")
    ahead = list(itertools.islice(rows, LOOKED_AT))
    columns = next((list(row.values) for row in ahead if row.error is None), [])
    if not columns:
        raise UserError(f"{path}: no row can be read", next((row.error for row in ahead), None))
    if languages:
        names = [column_names.require(languages[0], columns, "language", where=f"{path}: ")]
        names += [name for name in columns if name in languages and name not in names]
        if len(names) == 1:
            column_names.require(languages[-1], columns, "language", where=f"{path}: ")
    else:
        names = [name for name in columns if _holds_text([row.values.get(name) for row in ahead if row.error is None])]
    counts = unit(reading.format_of(path))

    def parsed() -> Iterator[_Lines]:
        for row in itertools.chain(ahead, rows):
            cells = {name: row.values.get(name) for name in names}
            texts = {name: "" if is_missing(cell) else str(cell).strip() for name, cell in cells.items()}
            yield _Lines(f"{path} {counts} {row.line}", texts, row.error)

    return names, parsed()


def _holds_text(cells: list[Any]) -> bool:
    given = [cell for cell in cells if not is_missing(cell)]
    return (
        bool(given) and all(isinstance(cell, str) for cell in given) and any(as_number(cell) is None for cell in given)
    )


def _roles(spec: str, names: list[str], languages: Sequence[str]) -> tuple[str, list[str]]:
    """The first language of a source, and the others.

    Raises:
        UserError: it lacks one that was named, or has one alone, or so many columns that some may be no language.
    """
    if languages:
        first = next((name for name in names if name.lower() == languages[0].lower()), None)
        others = [name for name in names if name != first and name in languages]
        if first is None or not others:
            lacks = languages[0] if first is None else ", ".join(languages[1:])
            raise UserError(
                f"--languages {','.join(languages)}: {spec} has no {lacks}; it has {', '.join(names)}",
                "Name columns of the table or endings of the files, the teacher's language first.",
            )
        return first, others
    known = column_names.guess(names, FIRST)
    first = known or (names[0] if names else "")
    others = [name for name in names if name != first]
    if not others:
        raise UserError(
            f"{spec} has texts in one column: {first or 'none'}", "Name columns of two languages: --languages en,de."
        )
    if len(others) > 1 and known is None and "," not in spec:
        raise UserError(
            f"{spec} has texts in the columns {', '.join(names[:SHOWN])}: which are languages is not clear",
            "Name them, the teacher's language first: --languages en,de.",
        )
    return first, others
