"""Texts and what is to be written for them: which columns they stand in, which rows are left out, and what is odd."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data import checks, sides
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.data.layouts import cells
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData

# columns of the sets in wide use for summaries, simplification, paraphrase, answers and instructions
NAMES = (
    ("source", "target"), ("src", "tgt"), ("src", "trg"), ("article", "highlights"), ("article", "summary"),
    ("article", "abstract"), ("document", "summary"), ("documents", "tldr"), ("dialogue", "summary"),
    ("text", "summary"), ("text", "headline"), ("text", "target"), ("text", "translation"), ("input", "output"),
    ("prompt", "completion"), ("prompt", "response"), ("instruction", "output"), ("instruction", "response"),
    ("question", "answer"), ("original", "paraphrase"), ("original", "simplification"), ("informal", "formal"),
    ("complex", "simple"), ("normal", "simple"), ("email_body", "subject_line"), ("description", "abstract"),
    ("abstract", "title"),
)  # fmt: skip
TEXT_NAMES = tuple(dict.fromkeys((*(text for text, _ in NAMES), *column_names.TEXT_NAMES)))
TARGET_NAMES = tuple(dict.fromkeys((*(target for _, target in NAMES), "answers", "reference", "references", "tldr")))
RATIO = 9.0
"""Times as many words that one side of a translation has at most: Moses' clean-corpus-n.perl, by default
(https://github.com/moses-smt/mosesdecoder/blob/master/scripts/training/clean-corpus-n.perl)."""
FEW = 0.05  # share of the pairs up to which those beyond `RATIO` are odd; of summaries nearly all are

_LIST = re.compile(r"""\[\s*(['"]).*\1\s*,?\s*\]""", re.DOTALL)
# as blanks part them; of scripts without blanks between words each character is one
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


@dataclass(frozen=True)
class Columns:
    """Which columns are read.

    Attributes:
        text: of what is read.
        targets: of what is to be written; of several each holds a right answer. None where that is not known.
        prefix: of what stands before the text; None for none.
    """

    text: str
    targets: tuple[str, ...] = ()
    prefix: str | None = None


def columns_of(
    columns: Sequence[str],
    *,
    text: str | None = None,
    targets: Sequence[str] = (),
    prefix: str | None = None,
    labelled: bool = True,
) -> Columns:
    """The columns that were named, and for the others a guess by their names, which is told; English is read, and the
    other language written, unless one of them is named.

    Args:
        columns: of the rows.
        text, targets, prefix: as named; `targets` alone, or `text` alone, leaves the other one to the guess.
        labelled: whether what is to be written is looked for.

    Raises:
        UserError: there is no column of a name, or columns of several languages to choose from.
    """
    named_text = text and column_names.require(text, columns, "text")
    named_targets = tuple(column_names.require(name, columns, "target") for name in targets)
    prefix = prefix and column_names.require(prefix, columns, "prefix")
    free = [name for name in columns if name not in (named_text, prefix, *named_targets)]
    guessed_text, guessed_target = _guess(free, named_text, named_targets)
    if named_text is None and guessed_text is None:
        raise UserError(
            f"no column is known to hold the texts; the columns are {', '.join(columns)}", "Name it with --text-column."
        )
    made = named_text or guessed_text
    assert made is not None
    told = [] if named_text else [f"text: column '{made}' (guessed; --text-column)"]
    if labelled and not named_targets:
        if isinstance(guessed_target, list):
            raise UserError(
                f"the columns {', '.join(guessed_target)} may each be what is to be written for '{made}'",
                f"Name one: --target-columns {guessed_target[0]}. To read another: --text-column.",
            )
        if guessed_target is not None:
            named_targets = (guessed_target,)
            told.append(f"to be written: column '{guessed_target}' (guessed; --target-columns)")
    for line in told:
        reporting.current().note(line)
    return Columns(made, named_targets, prefix)


def is_pair(row: Mapping[str, Any]) -> bool:
    """Whether a row holds a text and what is to be written for it, by the names of its columns."""
    columns = list(row)
    languages = _languages(columns, [])
    found = column_names.guess_pair(columns, NAMES) or (languages[:2] if len(languages) > 1 else [])
    return bool(found) and all(isinstance(row[name], str | list) for name in found)


def _guess(free: Sequence[str], text: str | None, targets: Sequence[str]) -> tuple[str | None, str | list[str] | None]:
    """A column of texts, and one of what is to be written, of those that are free; a list of targets where several
    would do, None where none is known."""
    if text is None and not targets and (known := column_names.guess_pair(free, NAMES)):
        return known
    languages = _languages(free, [name for name in (text, *targets) if name is not None])
    if text is None:
        text = (
            column_names.guess(free, TEXT_NAMES)
            or column_names.guess(languages, sides.ENGLISH)
            or (languages[0] if len(languages) in (1, 2) else None)
            or (free[0] if len(free) in (1, 2) else None)
        )
    others = [name for name in free if name != text]
    spoken = [name for name in languages if name != text]
    target: str | list[str] | None = column_names.guess(others, TARGET_NAMES)
    if target is None and spoken:
        target = spoken[0] if len(spoken) == 1 else spoken
    if target is None and len(others) == 1:
        target = others[0]
    return text, target


def _languages(free: Sequence[str], named: Sequence[str]) -> list[str]:
    """The columns that are called by a language: by two letters, or all of them by three, as the files that they came
    from; `id` is Indonesian where it is one of two."""
    found = [name for name in free if name in sides.LANGUAGES or (sides.is_language(name) and not name.isalpha())]
    found = [name for name in found if name != "id"] if len(found) + len(named) > 2 else found
    if not found and all(map(sides.is_language, (*free, *named))):
        return list(free)
    return found or [name for name in (column_names.guess(free, sides.ENGLISH),) if name is not None]


def text_of(cell: Any, column: str) -> str:
    """The text in a cell; of a list of sentences all of them, with blanks between.

    Raises:
        ValueError: there is none.
    """
    parts = listed(cell)
    if parts is not None:
        cell = " ".join(part for part in _stripped(parts, column) if part)
    return column_names.as_text(cell, column).strip()


def targets_of(row: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """What may be written for a row, by its cells, of which each holds one right answer or a list of them.

    Raises:
        ValueError: there is nothing.
    """
    made: list[str] = []
    for name in columns:
        parts = listed(row.get(name))
        made += _stripped([row.get(name)] if parts is None else parts, name)
    if not any(made):
        raise ValueError(f"column '{columns[0]}' is empty")
    return list(dict.fromkeys(filter(None, made)))


def _stripped(parts: Sequence[Any], column: str) -> list[str]:
    return ["" if is_missing(part) else column_names.as_text(part, column).strip() for part in parts]


def listed(cell: Any) -> list[Any] | None:
    """The texts that a cell holds as a list, or spells as JSON or Python do in a csv; None where it holds one text."""
    if isinstance(cell, str):
        found = cells.listed(cell) if _LIST.fullmatch(cell.strip()) else None
        return found if found and all(isinstance(part, str) for part in found) else None
    return list(cell) if isinstance(cell, list) else None


@dataclass(frozen=True)
class Rules:
    """Which rows of train are left out, besides those that lack a side.

    Attributes:
        length_ratio: times as many words that one side has as the other, at most.
        max_words: of either side.
        drop_copies: leave out what is to be written as it is read.
        drop_repeats: leave out a text with its target that stood before.
    """

    length_ratio: float | None = None
    max_words: int | None = None
    drop_copies: bool = False
    drop_repeats: bool = False


EVERY_ROW = Rules()


def read(
    rows: Dataset,
    split: str,
    origin: LoadedData,
    columns: Columns,
    findings: list[Finding] | None = None,
    rules: Rules = EVERY_ROW,
) -> Dataset:
    """Examples with `text`, `prefix`, `targets` (one right answer at least) and `where`, stripped of blanks.

    Each row is one of them, or it is named in `findings`: without a text, a target or its prefix, or, in train alone,
    left out by the rules, which judge the first target. A split of which no row is left is an error there.

    Raises:
        UserError: there is no such column, or none is known of what is to be written.
    """
    from datasets import Dataset as ArrowDataset
    from datasets import Features, List, Value

    if not columns.targets:
        raise UserError("the column of what is to be written is not known", "Name it with --target-columns.")
    existing = rows.column_names
    text, *targets = (
        column_names.require(name, existing, what, where=f"{split}: ")
        for name, what in ((columns.text, "text"), *((name, "target") for name in columns.targets))
    )
    prefix = columns.prefix and column_names.require(columns.prefix, existing, "prefix", where=f"{split}: ")
    held = {name: rows[name][:] for name in (text, *targets, *([prefix] if prefix else []))}
    kept: dict[str, list[Any]] = {"text": [], "prefix": [], "targets": [], "where": []}
    told = _Told(split, len(rows))
    sieve = _Sieve(rules if split == "train" else EVERY_ROW)
    for i, where in enumerate(origin.places(rows, split)):
        row = {name: column[i] for name, column in held.items()}
        try:
            entry = (
                text_of(row[text], text),
                column_names.as_text(row[prefix], prefix) if prefix else "",
                targets_of(row, targets),
            )
        except ValueError as error:
            told.lacking.append(f"{where}: {error}")
            continue
        if (reason := sieve.reason(entry[0], entry[2][0])) is not None:
            told.left_out.setdefault(reason, []).append(f"{where}: {entry[0][:60]}")
            continue
        told.joined += listed(row[text]) is not None
        told.several += len(entry[2]) > 1
        for name, value in zip(kept, (*entry, where), strict=True):
            kept[name].append(value)
    if findings is not None:
        findings += told.findings()
        if len(rows) and not kept["text"]:
            findings.append(checks.no_rows(split, len(rows), findings))
    string = Value("string")
    types = Features({"text": string, "prefix": string, "targets": List(string), "where": string})
    return ArrowDataset.from_dict(kept, features=types)


class _Told:
    """What is told of the rows of a split."""

    def __init__(self, split: str, rows: int) -> None:
        self.split, self.rows = split, rows
        self.lacking: list[str] = []
        self.left_out: dict[str, list[str]] = {}
        self.joined = self.several = 0

    def findings(self) -> list[Finding]:
        """Rows that were left out, and cells that hold lists."""
        found = []
        if self.lacking:
            message = f"{self.split}: {len(self.lacking):,} of {self.rows:,} rows lack a side and are left out"
            found.append(Finding("warning", "empty-side", message, len(self.lacking), self.lacking))
        for reason, where in self.left_out.items():
            message = f"{self.split}: {len(where):,} of {self.rows:,} rows are left out: {reason}"
            found.append(Finding("note", "filtered", message, len(where), where))
        if self.joined:
            message = f"{self.split}: {self.joined:,} texts are lists of sentences, joined by blanks"
            found.append(Finding("note", "joined-sentences", message, self.joined))
        if self.several:
            message = f"{self.split}: {self.several:,} of {self.rows:,} rows have several right answers"
            found.append(Finding("note", "several-targets", message, self.several))
        return found


class _Sieve:
    """Says why a pair is left out."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.seen: set[tuple[str, str]] = set()

    def reason(self, text: str, target: str) -> str | None:
        """In a few words; None for a pair that stays."""
        rules = self.rules
        if rules.drop_copies and text == target:
            return "to be written as they are read (--drop-copies)"
        if rules.max_words is not None and max(words(text), words(target)) > rules.max_words:
            return f"a side has more than {rules.max_words:,} words (--max-words)"
        if rules.length_ratio is not None and ratio(text, target) > rules.length_ratio:
            return f"one side has more than {rules.length_ratio:g} times the words of the other (--length-ratio)"
        if rules.drop_repeats:
            if (text, target) in self.seen:
                return "they repeat an earlier one (--drop-repeats)"
            self.seen.add((text, target))
        return None


def words(text: str) -> int:
    """How many words a text has."""
    return len(_WORD.findall(text)) if not text.isascii() else len(text.split())


def ratio(text: str, target: str) -> float:
    """How many times as many words the longer side has."""
    fewer, more = sorted((max(words(text), 1), max(words(target), 1)))
    return more / fewer


def noticed(examples: Mapping[str, Dataset]) -> list[Finding]:
    """What is odd about the examples of all splits: texts of validation or test that stand in train, pairs that repeat
    others, texts with several targets, targets that are the text itself, sides of very unlike lengths."""
    texts = {split: rows["text"][:] for split, rows in examples.items()}
    first = {split: [targets[0] for targets in rows["targets"][:]] for split, rows in examples.items()}
    places = {split: rows["where"][:] for split, rows in examples.items()}
    found = checks.leakage(texts, places)
    for split, sources in texts.items():
        found += _of_split(split, sources, first[split], places[split])
    return found


def _of_split(split: str, texts: Sequence[str], targets: Sequence[str], places: Sequence[str]) -> list[Finding]:
    total = len(texts)
    repeated, copied, unlike = [], [], []
    seen: dict[tuple[str, str], str] = {}
    by_text: dict[str, dict[str, None]] = {}
    for text, target, where in zip(texts, targets, places, strict=True):
        if (earlier := seen.setdefault((text, target), where)) != where:
            repeated.append(f"{where} = {earlier}: {text[:60]}")
        by_text.setdefault(text, {})[target] = None
        if text == target:
            copied.append(f"{where}: {text[:60]}")
        if ratio(text, target) > RATIO:
            unlike.append(f"{where}: {words(text):,} and {words(target):,} words: {text[:60]}")
    found = []
    if repeated:
        message = f"{split}: {len(repeated):,} of {total:,} rows repeat the text and the target of an earlier one"
        found.append(Finding("note", "repeats", message, len(repeated), repeated))
    if several := {text: wanted for text, wanted in by_text.items() if len(wanted) > 1}:
        message = f"{split}: {counted(len(several), 'text has', 'texts have')} several targets, in rows of their own"
        shown = [f"{text[:60]}: {' | '.join(target[:60] for target in wanted)}" for text, wanted in several.items()]
        found.append(Finding("note", "several-rows", message, len(several), shown))
    if copied:
        message = f"{split}: {len(copied):,} of {total:,} rows are to be written as they are read"
        found.append(Finding("warning" if 2 * len(copied) > total else "note", "copies", message, len(copied), copied))
    if unlike and len(unlike) <= FEW * total:
        message = f"{split}: in {len(unlike):,} of {total:,} rows one side has more than {RATIO:g} times the words"
        found.append(Finding("note", "unlike-lengths", message, len(unlike), unlike))
    return found
