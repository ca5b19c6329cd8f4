"""Names of topics that people give: in a file that they edit, and that a later run takes over."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.reporting import counted
from nlpkit.runs.files import small_text

FILE = "names.csv"
COLUMNS = ("topic", "name", "words")
SAME = 0.9  # cosine of the centres from which on a topic of an earlier run is the same topic


@dataclass(frozen=True)
class Given:
    """Names that people gave, with the centres of their topics.

    Attributes:
        names: by the place of the centre.
        centres: of all topics of that run, float32 of shape (topics, width).
    """

    names: Mapping[int, str]
    centres: np.ndarray


def read(folder: Path, automatic: Sequence[str]) -> dict[int, str]:
    """The names in a folder that are not those that nlpkit gave, by topic.

    Args:
        automatic: names that nlpkit gave.

    Raises:
        UserError: the file is damaged, or names a topic that there is not.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        text = small_text(path).lstrip("\ufeff")
        first = text.partition("\n")[0]
        # spreadsheets of some languages write semicolons
        rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if ";" in first and "," not in first else ","))
    except (csv.Error, UnicodeError) as error:
        raise UserError(f"{path} cannot be read: {error}", "Save it as csv in UTF-8.") from None
    if missing := [name for name in COLUMNS[:2] if rows and name not in rows[0]]:
        raise UserError(f"{path} has no column '{missing[0]}'", f"Its first line is {','.join(COLUMNS)}.")
    given: dict[int, str] = {}
    known: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        number, name = str(row.get("topic", "")), (row.get("name") or "").strip()
        if not number.isdecimal() or int(number) >= len(automatic):
            raise UserError(
                f"{path}, line {line}: there is no topic {number!r}", f"They go from 0 to {len(automatic) - 1}."
            )
        if known.setdefault(number, line) != line:
            raise UserError(f"{path}, line {line}: topic {number} stands in line {known[number]} too", "Keep one.")
        if name and name != automatic[int(number)]:
            given[int(number)] = name
    return given


def write(path: Path, names: Sequence[str], words: Sequence[Sequence[str]]) -> None:
    """Write the file that people edit."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for number, (name, some) in enumerate(zip(names, words, strict=True)):
        table.writerow([number, name, " ".join(some)])
    path.write_text(out.getvalue(), encoding="utf-8")


def carried(given: Given, centres: np.ndarray) -> dict[int, str]:
    """Names of an earlier run for the topics of this one, whose numbers may be others; says which were lost.

    A name goes to the topic with the nearest centre, where that is as good as the same and has no nearer one.

    Args:
        given: of the earlier run.
        centres: of this one, of length 1.
    """
    if not given.names:
        return {}
    cosines = given.centres @ centres.T
    found: dict[int, tuple[float, str]] = {}
    lost = []
    for old, name in given.names.items():
        new = int(cosines[old].argmax())
        value = float(cosines[old, new])
        if value < SAME:
            lost.append(name)
        elif new in found:
            lost.append(min((found[new], (value, name)))[1])
            found[new] = max(found[new], (value, name))
        else:
            found[new] = (value, name)
    if found:
        reporting.current().note(f"{counted(len(found), 'name', 'names')} of {FILE} stay with their topics")
    if lost:
        shown = ", ".join(f"'{name}'" for name in lost)
        names = counted(len(lost), "name", "names")
        reporting.current().warn(
            f"{names} of {FILE} found no topic and {'is' if len(lost) == 1 else 'are'} not used any more: {shown}"
        )
    return {number: name for number, (_, name) in found.items()}
