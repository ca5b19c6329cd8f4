"""Labels that are named when asked, and the words that say what each of them means."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.nearby import expanded, nearest
from nlpkit.runs.files import small_text
from nlpkit.tasks.zero_shot.options import CandidateOptions

LABEL, DESCRIPTION = "label", "description"  # columns of a csv file of labels
NO_LINES = (".json", ".jsonl", ".yaml", ".yml")  # files whose lines are no labels, whatever stands in them


class Candidates(NamedTuple):
    """The labels to choose from.

    Attributes:
        names: as answers have them, each once.
        meanings: what stands in the template of each: its description, or its name where it has none.
    """

    names: list[str]
    meanings: list[str]

    @property
    def described(self) -> int:
        """How many have a description."""
        return sum(name != meaning for name, meaning in zip(self.names, self.meanings, strict=True))


def named(options: CandidateOptions) -> Candidates:
    """The labels of --labels and --labels-file, in their order.

    Raises:
        UserError: the file cannot be read or holds no label, a label is empty or named twice, also in another spelling,
            or two of them mean the same.
    """
    if "" in options.labels:  # of "a, b" without quotes the shell makes "a," and a text
        raise UserError(
            f"--labels {','.join(options.labels)}: a label is empty",
            "Write them without blanks, or in quotes: --labels 'a, b'.",
        )
    pairs = [(name, name) for name in options.labels]
    if options.labels_file is not None:
        of_file = _of_file(options.labels_file)
        if not of_file:
            raise UserError(f"--labels-file: {options.labels_file} holds no label", "Write one on each line.")
        pairs += of_file
    found = Candidates([name for name, _ in pairs], [meaning for _, meaning in pairs])
    if places := alike(found.names):
        first, second = (found.names[place] for place in places)
        if first == second:
            raise UserError(f"the label '{first}' is named twice", "Name each label once.")
        raise UserError(
            f"the labels '{first}' and '{second}' differ in how they are written alone, and mean the same",
            "Name one of them.",
        )
    if places := alike(found.meanings):
        first, second = (found.names[place] for place in places)
        meaning = found.meanings[places[0]]
        raise UserError(
            f"the labels '{first}' and '{second}' mean the same: {meaning[:60]!r}", "Describe each in words of its own."
        )
    return found


def alike(values: Sequence[str]) -> tuple[int, int] | None:
    """The places of the first two that are one but for case, blanks and marks that nobody sees."""
    seen: dict[str, int] = {}
    for place, value in enumerate(values):
        if (first := seen.setdefault(folded(value), place)) != place:
            return first, place
    return None


def _of_file(path: Path) -> list[tuple[str, str]]:
    """Labels and what they mean: lines `label` or `label TAB description`, or a csv file with these columns."""
    if path.suffix.lower() in NO_LINES:
        raise UserError(
            f"--labels-file: {path} is read line by line, and its name ends in {path.suffix}",
            f"Write a label on each line of a txt file, or a csv file with the columns {LABEL},{DESCRIPTION}.",
        )
    try:
        text = small_text(expanded(str(path)))
    except OSError as error:
        raise UserError(f"--labels-file: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"--labels-file: {path} is not UTF-8", "Save it as UTF-8, with one label per line.") from None
    if path.suffix.lower() == ".csv":
        return _of_table(text, path)
    pairs = []
    for number, line in enumerate(text.split("\n"), start=1):
        name, _, description = (part.strip() for part in line.strip().partition("\t"))
        if not name or (number == 1 and (name.lower(), description.lower()) == (LABEL, DESCRIPTION)):
            continue  # the first line of a table names its columns
        if "\t" in description:
            raise UserError(
                f"--labels-file: {path}, line {number} has more than one tab",
                "A line is a label, or a label, a tab and its description.",
            )
        pairs.append((name, description or name))
    return pairs


def _of_table(text: str, path: Path) -> list[tuple[str, str]]:
    lines = csv.reader(text.splitlines(keepends=True))
    header = [name.strip().lower() for name in next(lines, [])]
    if LABEL not in header:
        raise UserError(
            f"--labels-file: {path} has no column '{LABEL}'; its first line is {','.join(header)[:60]!r}",
            f"A csv file begins with the line {LABEL} or {LABEL},{DESCRIPTION}; in a txt file each line is a label.",
        )
    if DESCRIPTION not in header and (meant := nearest(DESCRIPTION, header)) is not None:
        raise UserError(
            f"--labels-file: {path} has a column '{meant}', and descriptions are read from '{DESCRIPTION}'",
            f"Name it {DESCRIPTION}, or drop it.",
        )
    pairs = []
    for row in lines:
        cells = {name: cell.strip() for name, cell in zip(header, row, strict=False)}
        name = cells.get(LABEL, "")
        if not name and any(cells.values()):
            raise UserError(f"--labels-file: {path}, line {lines.line_num} has no label", "Name it, or drop the line.")
        if name:
            pairs.append((name, cells.get(DESCRIPTION) or name))
    return pairs
