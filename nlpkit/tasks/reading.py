"""From the rows of a user to what a task works on: which columns are read, and what is in their cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from nlpkit.data.findings import Finding
from nlpkit.options import Config

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions
    from nlpkit.tasks.rewording import Rewordable


TaskRead = TypeVar("TaskRead")
Group = TypeVar("Group", bound=Config)


def asked(group: type[Group], options: Config | None) -> Group:
    """A group of options of a command; its defaults where no command asks."""
    return group() if options is None else group.of(options)


@dataclass(frozen=True, eq=False)
class Reader(ABC, Generic[TaskRead]):
    """Reads rows for a task, by the columns that were named, those of training, or a guess; it never changes.

    Args:
        task: with the names of the columns that are read here.
    """

    task: TaskRead

    @classmethod
    @abstractmethod
    def of(cls, task: TaskRead, columns: Sequence[str] | None, options: Config | None, *, labelled: bool) -> Self:
        """See `Task.reader`."""

    @property
    @abstractmethod
    def input_columns(self) -> list[str]:
        """Columns that a row must have for prediction, the main text first."""

    @property
    def balance_column(self) -> str | None:
        """Column of the rows by which a held-out split is stratified and a sample balanced."""
        return None

    @property
    def group_column(self) -> str | None:
        """Column of what rows share though they are different ones, so that they stay together when a split is held
        out; None where only equal rows do."""
        return None

    @property
    def drawn_together(self) -> str | None:
        """Column of what rows share that are drawn together, or not at all, when there are more than are wanted, as
        several of them become one example; None where each row does."""
        return None

    def keys(self, rows: Dataset) -> Iterator[str]:
        """For each of the user's rows what would leak if another one with the same key stood in another split.

        Capitals, blanks and the like make no difference; the key of a row without a text is empty.
        """
        from nlpkit.data import duplicates

        shared = self.group_column
        return duplicates.keys(rows, [shared]) if shared else self.row_keys(rows)

    def row_keys(self, rows: Dataset) -> Iterator[str]:
        """For each of the user's rows what it says by itself, whatever it shares with others; see `keys`."""
        from nlpkit.data import duplicates

        return duplicates.keys(rows, self.input_columns)

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        """Rows made of what was typed for `predict`, here `text` of each of `options.texts`, and what reads them.

        Raises:
            UserError: the model takes something else.
        """
        return [{"text": text} for text in options.texts], self

    def labelled(self, columns: Sequence[str]) -> bool:
        """Whether rows with these columns can be judged: public test files often come without labels."""
        return False

    def usable(self, columns: Sequence[str]) -> bool:
        """Whether rows with these columns are examples, be there something to judge them by or not; as a rule those
        with labels are."""
        return self.labelled(columns)

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        """The reader after a look at the cells of the first labelled rows, where columns alone do not tell how all of
        them are read; one that has had it stays as it is.

        Raises:
            UserError: the rows cannot be read.
        """
        return self

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        """Parse labelled rows into examples; rows that cannot be used are left out and put into `findings`."""
        raise NotImplementedError(f"{type(self).__name__} reads no labelled rows")

    @property
    def rewordable_columns(self) -> list[str]:
        """Columns of rows whose texts may be changed without moving what is right of the row."""
        return []

    def rewordable(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding]) -> Rewordable:
        """The user's rows with the words of each that may be changed, of a task that is `Augmentable`; rows that cannot
        be used are left out, and put into `findings`."""
        from nlpkit.tasks import rewording

        return rewording.of_texts(rows, self.rewordable_columns)

    @abstractmethod
    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The unlabelled part of an example from one row of a user's file, for prediction.

        Raises:
            ValueError: what is wrong with this row, in a few words.
        """

    def unlabelled(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The part of an example from one row of a user's file that is there without a label, as `features` takes it.

        Raises:
            ValueError: what is wrong with this row, in a few words.
        """
        return self.inputs(row)
