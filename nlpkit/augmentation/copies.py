"""Copies of rows: which operation makes which, and which of them are dropped, counted by why."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlpkit.augmentation.operation import Operation
from nlpkit.data.spelling import folded
from nlpkit.data.wording import Wording
from nlpkit.tasks.rewording import Rewordable

TRIES = 3  # of one copy: what is drawn anew where the first draw changes nothing, or makes what is there already
DROPPED = ("unchanged", "duplicate", "held out")
DOUBTED = "doubted"  # why copies are dropped besides, where a model checks their labels

Key = Callable[[Mapping[str, Any]], tuple[str, ...]]


@dataclass(frozen=True)
class Copy:
    """A changed copy of a row.

    Attributes:
        row: the number of the row in `Rewordable.rows`.
        by: the operation.
        column: whose words were changed.
        wording: what they are now.
        values: the whole row, by column.
    """

    row: int
    by: str
    column: str
    wording: Wording
    values: dict[str, Any]


@dataclass
class Made:
    """What was made, and what was not.

    Attributes:
        copies: by row, and in the order in which they were made.
        dropped: operation -> why -> how many copies that were wanted are not there: the operation found nothing to
            change in the row, or made a copy that is there already, or a row of a split that is judged; or a model
            doubts the label of the copy.
        fixed: rows of which nothing may be changed, as they have no text.
        checked: whether a model looked at the labels.
    """

    copies: list[Copy] = field(default_factory=list)
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    fixed: int = 0
    checked: bool = False

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why copies may have been dropped."""
        return (*DROPPED, DOUBTED) if self.checked else DROPPED

    def without(self, doubted: Sequence[bool]) -> Made:
        """The same without the copies whose label a model doubts, which are counted.

        Args:
            doubted: of each copy.
        """
        dropped = {name: Counter(why) for name, why in self.dropped.items()}
        for copy, doubtful in zip(self.copies, doubted, strict=True):
            dropped[copy.by][DOUBTED] += bool(doubtful)
        kept = [copy for copy, doubtful in zip(self.copies, doubted, strict=True) if not doubtful]
        return Made(kept, dropped, self.fixed, checked=True)

    def count(self, why: str) -> int:
        """Copies that were dropped for a reason, of all operations."""
        return sum(counts[why] for counts in self.dropped.values())


@dataclass(frozen=True)
class _Slot:
    """One copy that is wanted."""

    row: int
    turn: int


def key_of(columns: Sequence[str]) -> Key:
    """What makes a row the same as another one: what these columns say, but for how it is written."""

    def key(row: Mapping[str, Any]) -> tuple[str, ...]:
        cells = (row.get(column) for column in columns)
        return tuple(folded(" ".join(map(str, cell)) if isinstance(cell, list) else str(cell or "")) for cell in cells)

    return key


def make(
    rows: Rewordable,
    operations: Sequence[Operation],
    wanted: Sequence[int],
    columns: Sequence[str],
    held_out: Collection[tuple[str, ...]],
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Made:
    """Make copies. Operations take turns: the first copy of row 3 is made by the fourth of them, and so on around.

    What is drawn for a copy hangs on the seed, its row and its turn alone.

    Args:
        rows: of train.
        operations: of --by.
        wanted: copies of each row.
        columns: by which rows are the same.
        held_out: the keys (`key_of`) of rows that no copy may be.
        seed: of all that is drawn.
        progress: told of copies that are done with.
    """
    made = Made(dropped={operation.name: Counter() for operation in operations})
    made.fixed = sum(not wordings for wordings in rows.wordings)
    key = key_of(columns)
    own = {key(row) for row in rows.rows}
    judged = set(held_out) - own  # a row that stands in train as well leaks by itself, which `check-data` tells
    seen = {exact(row, columns) for row in rows.rows}
    found: list[tuple[_Slot, Copy]] = []
    for turn in range(max(wanted, default=0)):
        slots = [_Slot(row, turn) for row, count in enumerate(wanted) if count > turn and rows.wordings[row]]
        for number, operation in enumerate(operations):
            own_slots = [slot for slot in slots if (slot.row + turn) % len(operations) == number]
            why: dict[_Slot, str] = {}
            for attempt in range(TRIES):
                open_slots = [slot for slot in own_slots if attempt == 0 or slot in why]
                for slot, copy in _tried(rows, operation, open_slots, seed, attempt):
                    if copy is None:
                        why[slot] = "unchanged"
                    elif exact(copy.values, columns) in seen:
                        why[slot] = "duplicate"
                    elif key(copy.values) in judged:
                        why[slot] = "held out"
                    else:
                        why.pop(slot, None)
                        seen.add(exact(copy.values, columns))
                        found.append((slot, copy))
            made.dropped[operation.name].update(why.values())
            progress(len(own_slots))
    found.sort(key=lambda pair: (pair[0].row, pair[0].turn))
    if rows.identity is not None:
        _number(found, rows.identity, {str(row[rows.identity]) for row in rows.rows})
    made.copies = [copy for _, copy in found]
    return made


def _number(found: Sequence[tuple[_Slot, Copy]], identity: str, taken: set[str]) -> None:
    """Put the number of the copy behind the identity of its row, or the next one where rows have that already, as
    those of a file that was augmented before.

    Args:
        taken: identities of rows.
    """
    for slot, copy in found:
        names = (f"{copy.values[identity]}-{number}" for number in itertools.count(slot.turn + 1))
        copy.values[identity] = next(name for name in names if name not in taken)
        taken.add(copy.values[identity])


def exact(row: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    """What the columns of a row say, as it is written."""
    return tuple(str(row.get(column)) for column in columns)


def _tried(
    rows: Rewordable, operation: Operation, slots: Sequence[_Slot], seed: int, attempt: int
) -> Iterator[tuple[_Slot, Copy | None]]:
    """Each copy that is wanted, changed in one column of its row; None where nothing was changed."""
    generators = [np.random.default_rng([seed, slot.row, slot.turn, attempt]) for slot in slots]
    chosen = [
        list(rows.wordings[slot.row].items())[int(generator.integers(len(rows.wordings[slot.row])))]
        for slot, generator in zip(slots, generators, strict=True)
    ]
    changed = operation.changed([wording for _, wording in chosen], generators) if slots else []
    for slot, (column, before), after in zip(slots, chosen, changed, strict=True):
        if after is None or same(before, after):
            yield slot, None
            continue
        values = rows.reworded(slot.row, {column: after})
        yield slot, Copy(slot.row, operation.name, column, after, values)


def same(before: Wording, after: Wording) -> bool:
    """Whether two wordings are written the same, with the same tags."""
    return [(word.text, word.tag) for word in before] == [(word.text, word.tag) for word in after]


def balanced(labels: Sequence[Any], usable: Sequence[bool]) -> list[int]:
    """Copies of each row, so that every class has as many rows as the most frequent one.

    Args:
        labels: of each row; None of one without, which is of no class.
        usable: whether a row may be copied.
    """
    sizes = Counter(label for label in labels if label is not None)
    most = max(sizes.values(), default=0)
    wanted = [0] * len(labels)
    for label, size in sizes.items():
        of_class = [row for row, own in enumerate(labels) if own == label and usable[row]]
        for place, row in enumerate(of_class):
            each, more = divmod(most - size, len(of_class))
            wanted[row] = each + (place < more)
    return wanted
