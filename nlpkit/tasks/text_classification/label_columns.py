"""Where the labels of texts stand: in one column, or in a column of 0 and 1 for each label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data.labels import Labels, as_number, is_missing, text_of
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.tasks.text_classification.label_cells import Cells, is_flag

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.options import ColumnOptions

LOOKED_AT = 1000  # rows of a column that is looked at for being of 0 and 1


class _NotPublic:
    def __repr__(self) -> str:
        return "-1"


NOT_PUBLIC: Final = _NotPublic()
"""In place of a label that is kept back: the hub writes -1 where a column declares names for 0 and up."""


@dataclass(frozen=True)
class Places:
    """Where labels stand.

    Attributes:
        column: that holds them.
        columns: of 0 and 1, one for each label; none where there is a `column`.
    """

    column: str | None
    columns: Sequence[str] = ()

    @property
    def unsettled(self) -> bool:
        """Whether it is not known where they stand."""
        return self.column is None and not self.columns

    @property
    def shown(self) -> str:
        """The column, or the columns, for messages."""
        return self.column or ", ".join(self.columns)

    def stand_in(self, columns: Sequence[str]) -> bool:
        """Whether rows with these columns have labels."""
        here = {name.strip().lower() for name in columns}
        return all(name.strip().lower() in here for name in self.columns or [self.column or ""])

    def require(self, columns: Sequence[str], *, where: str) -> None:
        """Raise UserError where `stand_in` says no."""
        for name in self.columns or [self.column or ""]:
            column_names.require(name, columns, "label", where=where)

    def cells(self, rows: Dataset, numbered: Sequence[str] = ()) -> list[Any]:
        """The cell of each row: of a column with declared names the name, of several columns a list.

        None stands for a row without a label, `NOT_PUBLIC` for one whose label is kept back.

        Args:
            numbered: names of a model that has none but numbers: the declared ones are put aside.
        """
        if self.columns:
            values = [rows[column_names.require(name, rows.column_names, "label")][:] for name in self.columns]
            return [_flags(list(row)) for row in zip(*values, strict=True)]
        column = column_names.require(self.column or "", rows.column_names, "label")
        names = class_names(rows, column)
        column_values = rows[column][:]
        if names is None:
            return list(column_values)
        if numbered:
            names = list(numbered)
        return [_declared(value, names) for value in column_values]

    def taken_for(self, splits: Iterable[Dataset], numbered: Sequence[str]) -> str:
        """`LABEL_0 = neg, LABEL_1 = pos` where the column declares other names than a model has that has none but
        numbers; else nothing."""
        if self.column is None:
            return ""
        for rows in splits:
            names = class_names(rows, column_names.require(self.column, rows.column_names, "label"))
            if names is not None and list(names) != list(numbered):
                return ", ".join(f"{old} = {new}" for old, new in list(zip(numbered, names, strict=False))[:6])
        return ""


def _flags(row: list[Any]) -> list[Any] | Any:
    if any(map(is_missing, row)):
        return None
    return NOT_PUBLIC if all(as_number(cell) == -1 for cell in row) else row


def _declared(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_declared(item, names) for item in value]
    if not isinstance(value, int):
        return value
    if value < 0:
        return NOT_PUBLIC
    return names[value] if value < len(names) else str(value)  # the data may declare more than the model has


def class_names(rows: Dataset, column: str) -> list[str] | None:
    """The names that a column of numbers declares for them, in their order."""
    from datasets import ClassLabel

    feature: Any = rows.features[column]
    feature = getattr(feature, "feature", feature)
    return list(feature.names) if isinstance(feature, ClassLabel) else None


def settle(rows: Dataset, options: ColumnOptions, taken: set[str | None]) -> Places:
    """Find the labels of rows; a guess is told.

    Args:
        taken: columns that hold something else.

    Raises:
        UserError: a named column does not exist, or none looks like labels.
    """
    columns = user_columns(rows.column_names)
    if named := _named(columns, options):
        return named
    of_flags = [name for name in columns if name not in taken and _holds_flags(rows, name)]
    column = column_names.guess([name for name in columns if name not in taken], column_names.LABEL_NAMES)
    listed = ",".join(of_flags)
    if column is None:
        message = f"no column looks like a label; the columns are {', '.join(columns)}"
        if len(of_flags) > 1:
            raise UserError(
                f"{message}; {', '.join(of_flags)} hold 0 and 1",
                f"If these are the labels: --label-columns {listed}. If one column is: name it with --label-column.",
            )
        raise UserError(message, "Name it with --label-column, or columns of 0 and 1 with --label-columns a,b,c.")
    reporting.current().note(f"label: column '{column}' (guessed; --label-column)")
    if column in of_flags and len(of_flags) > 1:
        reporting.current().warn(
            f"{', '.join(of_flags)} all hold 0 and 1, and '{column}' alone is taken for the label "
            f"(--label-columns {listed} if each is a label)"
        )
    return Places(column)


def bind(columns: Sequence[str], options: ColumnOptions, known: Places, taken: set[str | None]) -> Places:
    """The same for a model that knows where labels stood when it was trained.

    Raises:
        UserError: as `settle`.
    """
    if named := _named(columns, options):
        return named
    if not known.unsettled and known.stand_in(columns):
        return known
    missing = [name for name in known.columns if not Places(name).stand_in(columns)]
    if len(missing) < len(known.columns):
        raise UserError(
            f"the model's labels are columns of 0 and 1, {known.shown}; there is no {', '.join(missing)} here",
            f"The columns are {', '.join(columns)}. Add what is missing, or name others with --label-columns a,b,c.",
        )
    column = column_names.guess([name for name in columns if name not in taken], column_names.LABEL_NAMES)
    if column is None:
        raise UserError(
            f"no column looks like a label; the columns are {', '.join(columns)}",
            "Name it with --label-column, or columns of 0 and 1 with --label-columns a,b,c.",
        )
    reporting.current().note(f"label: column '{column}' (guessed; --label-column)")
    return Places(column)


def _named(columns: Sequence[str], options: ColumnOptions) -> Places | None:
    if options.label_column and options.label_columns:
        raise UserError("--label-column and --label-columns exclude each other", "Give one of them.")
    if options.label_column:
        return Places(column_names.require(options.label_column, columns, "label"))
    if len(options.label_columns) == 1:
        raise UserError(
            "--label-columns names one column, but needs several, one per label",
            "Name a single column with --label-column.",
        )
    label_columns = [column_names.require(name, columns, "label") for name in options.label_columns]
    if repeated := sorted({name for name in label_columns if label_columns.count(name) > 1}):
        raise UserError(f"--label-columns names {repeated[0]} twice", "Name each column once.")
    return Places(None, label_columns) if label_columns else None


def _holds_flags(rows: Dataset, column: str) -> bool:
    values = [value for value in rows[column][:LOOKED_AT] if not is_missing(value)]
    return bool(values) and not any(isinstance(value, list | dict) for value in values) and all(map(is_flag, values))


def named(cells: Cells, names: Sequence[str], places: Places) -> Cells:
    """Cells whose places or numbers have names: those given with --label-names, else LABEL_0 and so on.

    Raises:
        UserError: not as many as there are places.
    """
    if cells.form == "flags" and not cells.names:
        if names and len(names) != cells.width:
            raise UserError(
                f"--label-names gives {len(names)} names; column '{places.shown}' has 0 or 1 for {cells.width} labels"
            )
        if not names:
            names = [f"LABEL_{i}" for i in range(cells.width)]
            shown = f"called LABEL_0 to LABEL_{cells.width - 1} (--label-names a,b,... gives them names)"
            cells = replace(cells, notes=(*cells.notes, f"column '{places.shown}': its labels are {shown}"))
    elif names and cells.form == "flags":
        raise UserError(
            f"--label-names: the labels in '{places.shown}' have names already ({', '.join(cells.names[:6])})",
            "Leave it out.",
        )
    tell(cells)
    return cells.named(names) if names else cells


def tell(cells: Cells) -> None:
    """Say what was decided about cells."""
    for line in cells.notes:
        reporting.current().note(line)
    for line in cells.doubtful:
        reporting.current().warn(line)


def readable(cells: Cells, values: Iterable[Any]) -> list[Any]:
    """What the cells say, without those that cannot be read: the reader of rows names these."""
    return _read(cells, values)[0]


def _read(cells: Cells, values: Iterable[Any]) -> tuple[list[Any], list[str]]:
    labels, problems = [], []
    for value in values:
        if value is NOT_PUBLIC:
            continue
        try:
            labels.append(cells.read(value))
        except ValueError as error:
            problems.append(str(error))
    return labels, problems


def trained_on(cells: Cells, values: Sequence[Any], names: Sequence[str], places: Places) -> list[Any]:
    """What the cells of train say.

    Args:
        names: given with --label-names.

    Raises:
        UserError: none can be read, no row has a cell in all of several columns, or a label has none of the names.
    """
    labels, problems = _read(cells, values)
    if places.columns and not problems and all(map(is_missing, labels)):
        raise UserError(
            f"every row has an empty cell in one of the columns {places.shown}",
            "Write 0 or 1 into each: rows where one is empty are left out.",
        )
    if problems and (names or all(map(is_missing, labels))):
        flag = f"--label-names {','.join(names)}: " if names else ""
        raise UserError(
            f"{flag}{len(problems):,} of {len(values):,} labels in column '{places.shown}' cannot be read; the first "
            f"{problems[0]}",
            "Name every label, in the order of their numbers from 0." if names else None,
        )
    return labels


def require_named(labels: Labels, values: Iterable[Any], places: Places) -> None:
    """Labels of train must be among --label-names.

    Raises:
        UserError: naming those that are not.
    """
    unknown = {name for value in values if not is_missing(value) for name in labels.unknown(value)}
    if unknown:
        raise UserError(
            f"--label-names {','.join(labels.names)}: column '{places.shown}' also holds "
            f"{', '.join(sorted(unknown)[:5])}",
            "Name every label, in the order of their numbers.",
        )


def fitted(cells: Cells, labels: Labels, values: Sequence[Any], numbered: Sequence[str] = ()) -> Cells:
    """Cells of data that a model is measured on, whose labels are those of the model.

    Args:
        numbered: names that numbers, or places of flags, were given in training, from 0; none where it knew names.

    Raises:
        UserError: flags for more or fewer labels than the model has, or for others.
    """
    if cells.form == "flags" and cells.names and not labels.anonymous:
        unknown = labels.unknown(list(cells.names))
        known = {labels.id_of(name) for name in cells.names if name not in unknown}
        if unknown or len(known) < labels.size:
            raise UserError(
                f"the rows have 0 or 1 for {', '.join(cells.names)}; the labels of the model are "
                f"{', '.join(labels.names)}",
                "Give them for every label of the model, by its name.",
            )
    elif cells.form == "flags":
        if cells.width != labels.size:
            raise UserError(
                f"the rows have 0 or 1 for {cells.width} labels, the model {labels.size}: {', '.join(labels.names)}",
                "Give every row one number for each label of the model, in its order.",
            )
        names = numbered or labels.names
        order = "as they were named in training" if numbered else "in its order"
        note = f"0 and 1 are taken for the labels of the model {order}: {', '.join(names[:6])}"
        cells = replace(cells, names=tuple(names), notes=(*cells.notes, note))
    elif not labels.numeric and _are_numbers_of(labels, readable(cells, values)):
        names = numbered or labels.names
        note = f"the labels are numbers, taken for those of the model: 0 is {names[0]}, 1 is {names[1]}"
        if numbered:
            cells = replace(cells, notes=(*cells.notes, f"{note}, as in training"))
        else:
            cells = replace(cells, doubtful=(*cells.doubtful, note))
        cells = replace(cells, names=tuple(names))
    tell(cells)
    return cells


def _are_numbers_of(labels: Labels, values: Sequence[Any]) -> bool:
    """Whether no label is a name of the model, and all are numbers that it has labels for."""
    present = [value for value in values if not is_missing(value)]
    names = {text_of(item) for value in present for item in (value if isinstance(value, list) else [value])}
    numbers = [as_number(name) for name in names]
    whole = all(number is not None and number.is_integer() and 0 <= number < labels.size for number in numbers)
    return bool(names) and whole and len(labels.unknown(list(names))) == len(names)
