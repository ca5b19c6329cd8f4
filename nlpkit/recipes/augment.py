"""Copy the rows to train on with other words. Writes a file with both.

Copies come from the train split alone, and none that is a row of another split gets in; two columns say which row each
comes from (augmented_from) and which operation made it (augmented_by), and training keeps a copy and its row together.

Examples: nlpkit augment --data reviews.csv --copies 4 --output more.csv
nlpkit augment --data reviews.csv --copies 4 --measure --output runs/gain
"""

from __future__ import annotations

import importlib
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nlpkit import reporting
from nlpkit.augmentation.options import CommandOptions
from nlpkit.data import draws, splits
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.data.places import MADE_BY, SOURCE, source_id
from nlpkit.errors import UserError
from nlpkit.options import Config as BaseConfig
from nlpkit.options import DataOptions, NotWith, SeedOptions, naming, option, option_like, read_config_file
from nlpkit.reporting import Cell, Report, Table, counted
from nlpkit.tasks import registry
from nlpkit.tasks.contract import Task
from nlpkit.tasks.deferred import DeferredOptions, Kind
from nlpkit.tasks.roles import Augmentable

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.augmentation import measured
    from nlpkit.augmentation.copies import Copy, Made
    from nlpkit.augmentation.doubts import Checker
    from nlpkit.augmentation.operation import Operation
    from nlpkit.data.sources import LoadedData
    from nlpkit.data.wording import Wording
    from nlpkit.tasks.reading import Reader
    from nlpkit.tasks.rewording import Rewordable

COMMAND = "augment"
ESSENTIAL: tuple[str, ...] = ("data", "task", "by", "copies", "measure", "output", "dry_run")
NEEDS = Augmentable  # of the task that the rows are for
EXAMPLES = 3  # of each operation that --dry-run shows
_LOOKED_AT = 50  # rows among which --dry-run looks for them


class Config(DeferredOptions, CommandOptions):
    """Options of `nlpkit augment`."""

    kind: ClassVar[Kind] = "data_options"
    opened: ClassVar[str] = "task"

    task: str = option(
        "text-classification", "Task that the rows are for.", panel="Task", metavar="|".join(registry.TASKS)
    )
    max_train_samples: int | None = option_like(
        DataOptions,
        "max_train_samples",
        help="Take at most N rows, balanced by label.",
        only_with=NotWith(("measure",), why=": --measure takes as many as --rows says", hint="Give --rows N."),
    )
    seed: int = option_like(
        SeedOptions,
        "seed",
        help="Seed of all that is drawn.",
        panel="Augmentation",
        only_with=NotWith(("measure",), why=": --measure draws with each of --seeds", hint="Give --seeds N,N."),
    )
    only_copies: bool = option(
        False,
        "Write the copies alone.",
        panel="Output",
        only_with=NotWith(("measure",), why=": --measure trains on rows and copies"),
    )

    @classmethod
    def task_of(cls, values: Mapping[str, Any]) -> type[Task] | None:
        return registry.task_class(values["task"]) if values.get("task") else None


def run(config: Config) -> Report:
    """Make the copies and write them; returns how many of each operation there are, and how many were dropped. With
    --measure returns what they gain.
    """
    from nlpkit.augmentation import measuring, written
    from nlpkit.runs.files import require_writable

    config.refuse_unread()
    task_class = registry.require_class(registry.task_class(config.task), NEEDS, COMMAND)
    if config.measure:
        own, loaded, reader = _opened(config, task_class)
        columns = {name: getattr(own, name) for name in own.given & task_class.data_options.model_fields.keys()}
        return measuring.run(own, COMMAND, loaded, reader, columns, partial(_written, own, loaded, reader), _training)
    format = ""
    if config.output is not None:
        format = written.format_of(config.output, task_class.file_formats)
        require_writable(config.output, overwrite=config.overwrite)
    elif not config.dry_run:
        raise UserError("--output is missing", "Name the file to write, or look first: --dry-run.")
    config, loaded, reader = _opened(config, task_class)
    train = _sampled(loaded.splits["train"], reader, config)
    begun = _begun(config, loaded, reader, train)
    if config.output is not None:
        written.require_fitting(config.output, format, begun.rows)
    _tell_plan(config, loaded, task_class, begun.rows, begun.operations, begun.wanted, begun.rate)
    if config.dry_run:
        return _dry_run(config, begun.rows, begun.operations, reader, begun.held_out)
    made = _made(config, loaded, reader, begun)
    lines = _checked_rows(loaded, begun, train)
    assert config.output is not None
    all_rows = _with_provenance(begun.rows, made, _sources(train, reader), train, only_copies=config.only_copies)
    style = written.style_of(config.output, loaded, config)
    written.write(config.output, format, all_rows, style, overwrite=config.overwrite)
    report = _report(config, loaded, task_class, reader, begun.rows, made, begun.wanted, begun.rate)
    report.lines += lines
    return report


def _training(command: str, path: Path) -> Mapping[str, Any]:
    """The options of --training, as the command that trains takes them.

    Raises:
        UserError: it does not.
    """
    kind = _config_of(command)
    options = read_config_file(path, command, kind.known_fields())
    with naming(path, options.keys()):
        kind(**options)
    return options


def _config_of(command: str) -> type[BaseConfig]:
    """The options of a command that trains."""
    config: type[BaseConfig] = importlib.import_module(f"nlpkit.recipes.{command.replace('-', '_')}").Config
    return config


def _opened(config: Config, task_class: type[Augmentable]) -> tuple[Config, LoadedData, Reader[Any]]:
    """The options with those of the task, the data, and what reads them.

    Raises:
        UserError: there is no train split, or the rows are of another task.
    """
    config = config.for_task(task_class)
    loaded = splits.load(config, task_class)
    if "train" not in loaded.splits:
        raise UserError(
            f"there is no train split, which alone is augmented; found {', '.join(loaded.splits)}",
            "Name its rows: --train-file FILE, or --train-split SPLIT.",
        )
    with registry.pointing_elsewhere(task_class, loaded.splits["train"], "--task {task} augments them."):
        task = task_class.from_data(loaded.splits, config)
        return config, loaded, splits.settled(loaded, task.reader(options=config))


@dataclass(frozen=True)
class _Begun:
    """Rows of train, and what is to be made of them.

    Attributes:
        wanted: copies of each.
        held_out: the keys of rows that no copy may be.
        checker: the model of --checked-by.
    """

    rows: Rewordable
    operations: Sequence[Operation]
    wanted: Sequence[int]
    rate: float
    held_out: set[tuple[str, ...]]
    checker: Checker | None


def _begun(config: Config, loaded: LoadedData, reader: Reader[Any], train: Dataset) -> _Begun:
    from nlpkit.augmentation import doubts
    from nlpkit.augmentation import registry as operations
    from nlpkit.augmentation.operation import Material
    from nlpkit.experiment.supervised import settle_findings

    findings: list[Finding] = []
    with registry.pointing_elsewhere(type(reader.task), train, "--task {task} augments them."):
        rows = reader.rewordable(train, "train", loaded, findings)
    settle_findings(findings)
    if not any(rows.wordings):
        raise UserError(
            f"no row of train has a text that {COMMAND} may change", f"{reader.task.name} reads {reader.task.reads}."
        )
    wanted = _wanted(config, reader, rows)
    rate, _ = _recommended(config, rows)
    material = Material([wording for found in rows.wordings for wording in found.values()], rate, rows.tags)
    checker = doubts.open_checker(config.checked_by, config.least, config) if config.checked_by else None
    return _Begun(rows, operations.make(config, material), wanted, rate, _held_out(loaded, reader), checker)


def _made(config: Config, loaded: LoadedData, reader: Reader[Any], begun: _Begun) -> Made:
    """The copies, without those whose label the model of --checked-by doubts.

    Raises:
        UserError: there is none.
    """
    from nlpkit.augmentation import copies

    rows, wanted = begun.rows, begun.wanted
    with reporting.current().progress(COMMAND, sum(wanted), "copies") as bar:
        made = copies.make(
            rows, begun.operations, wanted, reader.input_columns, begun.held_out, config.seed, bar.advance
        )
    if made.copies and begun.checker is not None:
        found = begun.checker.doubts([copy.values for copy in made.copies], "copies", loaded)
        made = made.without(found.doubted.tolist())
    if not made.copies:
        raise UserError(f"no copy was made: {_dropped(made, sum(wanted))}", "Try other operations: --by.")
    return made


def _checked_rows(loaded: LoadedData, begun: _Begun, train: Dataset) -> list[str]:
    """Of the rows as they were collected those whose label the model of --checked-by doubts; they stay."""
    from nlpkit.tasks import suspects

    if begun.checker is None:
        return []
    name, wheres = begun.checker.name, loaded.places(train, "train")
    found = begun.checker.doubts(begun.rows.rows, "train", loaded, [wheres[number] for number in begun.rows.numbers])
    count = int(found.doubted.sum())
    if not count:
        return [f"labels: {name} doubts that of no row as it was collected"]
    doubted = f"{counted(count, 'row', 'rows')} as {'it was' if count == 1 else 'they were'} collected"
    return [
        f"labels to look at: {name} doubts that of {doubted}; they stay, with the copies that it does not doubt",
        *(f"  {suspects.line(row)}" for row in found.named),
    ]


def _written(
    config: Config, loaded: LoadedData, reader: Reader[Any], size: int | None, seed: int, place: Path
) -> measured.Material:
    """Files of rows of train and of these with their copies, for a training; of all rows where `size` is None."""
    from nlpkit.augmentation import measured, written

    drawn = config.changed(max_train_samples=size, seed=seed)
    train = _sampled(loaded.splits["train"], reader, drawn)
    begun = _begun(drawn, loaded, reader, train)
    made = _made(drawn, loaded, reader, begun)
    both = list(_with_provenance(begun.rows, made, _sources(train, reader), train, only_copies=False))
    files = (place / f"rows.{measured.FORMAT}", place / f"copies.{measured.FORMAT}")
    material = measured.Material(*files, len(begun.rows.rows), len(made.copies))
    for file, rows in ((material.plain, both[: material.rows]), (material.augmented, both)):
        written.write(file, measured.FORMAT, rows, None, overwrite=True)
    return material


def _sampled(train: Dataset, reader: Reader[Any], config: Config) -> Dataset:
    limit = config.max_train_samples
    if limit is None or limit >= len(train):
        return train
    balance = reader.balance_column
    if not draws.has_classes(train, balance, floats=True):
        balance = None
    reporting.current().note(f"train: {limit:,} of {len(train):,} rows drawn (seed {config.seed})")
    return draws.sample_balanced(train, limit, balance_by=balance, seed=config.seed, floats=True)


def _recommended(config: Config, rows: Rewordable) -> tuple[float, int]:
    """The rate and the copies of each row: those asked for, else what EDA recommends for so many rows."""
    from nlpkit.augmentation import eda

    rate, copies = eda.recommended(len(rows.rows))
    return config.rate or rate, config.copies or copies


def _wanted(config: Config, reader: Reader[Any], rows: Rewordable) -> list[int]:
    """The copies of each row."""
    from nlpkit.augmentation import copies

    usable = [bool(found) for found in rows.wordings]
    if config.balance:
        return copies.balanced(_labels(config, reader, rows), usable)
    _, each = _recommended(config, rows)
    return [each if able else 0 for able in usable]


def _labels(config: Config, reader: Reader[Any], rows: Rewordable) -> list[Any]:
    """The label of each row; None of one without.

    Raises:
        UserError: rows of the task have no label that is one of some classes.
    """
    column = reader.balance_column
    if column is None:
        raise UserError("--balance: these rows have no class each that could be balanced", "Say how many: --copies N.")
    labels = [row[column] for row in rows.rows]
    if any(isinstance(label, float) for label in labels):
        raise UserError(f"--balance: column '{column}' holds numbers, not classes", "Say how many: --copies N.")
    return [None if is_missing(label) else label for label in labels]


def _held_out(loaded: LoadedData, reader: Reader[Any]) -> set[tuple[str, ...]]:
    """The keys of rows that stand in other splits than train, which no copy may be."""
    from nlpkit.augmentation import copies

    columns = reader.input_columns
    key = copies.key_of(columns)
    return {
        key(dict(zip(columns, cells, strict=True)))
        for split, rows in loaded.splits.items()
        if split != "train" and set(columns) <= set(rows.column_names)
        for cells in zip(*(rows[column][:] for column in columns), strict=True)
    }


def _sources(train: Dataset, reader: Reader[Any]) -> list[str]:
    """Of each row the one that it was made of: by default itself."""
    own = map(source_id, reader.row_keys(train))
    if SOURCE not in train.column_names:
        return list(own)
    return [given or mine for given, mine in zip(train[SOURCE][:], own, strict=True)]


def _with_provenance(
    rows: Rewordable, made: Made, sources: Sequence[str], train: Dataset, *, only_copies: bool
) -> Iterator[dict[str, Any]]:
    """The rows that are written, originals first."""
    made_by = train[MADE_BY][:] if MADE_BY in train.column_names else [None] * len(train)
    if not only_copies:
        for row, number in zip(rows.rows, rows.numbers, strict=True):
            yield {**row, SOURCE: sources[number], MADE_BY: made_by[number] or ""}
    for copy in made.copies:
        yield {**copy.values, SOURCE: sources[rows.numbers[copy.row]], MADE_BY: copy.by}


# --- what is said ---


def _tell_plan(
    config: Config,
    loaded: LoadedData,
    task: type[Task],
    rows: Rewordable,
    chosen: Sequence[Operation],
    wanted: Sequence[int],
    rate: float,
) -> None:
    alone = "no other split" + (": training holds rows out, without their copies" if _reads_splits(task) else "")
    others = [f"{split} ({len(found):,} rows)" for split, found in loaded.splits.items() if split != "train"]
    lines = [
        ("rows", counted(len(rows.rows), "row of train", "rows of train")),
        ("untouched", ", ".join(others) or alone),
        ("operations", ", ".join(operation.name for operation in chosen)),
        ("changed", _changed(config, chosen, rate)),
        (
            "copies",
            f"{sum(wanted):,}" + (", until classes are even" if config.balance else f", {max(wanted)} of a row"),
        ),
        ("output", str(config.output) if config.output else "none (--output)"),
    ]
    reporting.current().plan("plan", lines)


def _changed(config: Config, chosen: Sequence[Operation], rate: float) -> str:
    """How much an operation changes, for the plan."""
    from nlpkit.augmentation.registry import OPERATIONS
    from nlpkit.augmentation.tagged import OF_ALL

    of_entities = [OPERATIONS[operation.name].needs == "entities" for operation in chosen]
    parts = [] if all(of_entities) else [f"{rate:g} of the words of a text, one at least"]
    parts += [f"{config.rate or OF_ALL:g} of its entities and of the segments between them"] if any(of_entities) else []
    return "; ".join(parts)


def _shown(wording: Wording) -> str:
    """A wording for people, entities in brackets."""
    from nlpkit.augmentation.tagged import segments, type_of
    from nlpkit.data.wording import is_outside, text_of

    parts = []
    for start, end in segments(wording):
        text = text_of(wording[start:end])
        parts.append(text if is_outside(wording[start]) else f"[{text} {type_of(wording[start])}]")
    return " ".join(parts) if len(parts) > 1 else text_of(wording)


def _dry_run(
    config: Config,
    rows: Rewordable,
    chosen: Sequence[Operation],
    reader: Reader[Any],
    held_out: set[tuple[str, ...]],
) -> Report:
    """Three copies of each operation, beside their rows."""
    from nlpkit.augmentation import copies

    wanted = [1 if place < _LOOKED_AT else 0 for place in range(len(rows.rows))]
    shown: list[tuple[str, Copy]] = []
    for operation in chosen:
        made = copies.make(rows, [operation], wanted, reader.input_columns, held_out, config.seed)
        shown += [(operation.name, copy) for copy in made.copies[:EXAMPLES]]
    cells = [(name, _shown(rows.wordings[copy.row][copy.column]), _shown(copy.wording)) for name, copy in shown]
    record = {
        "dry_run": True,
        "examples": [{"operation": name, "before": before, "after": after} for name, before, after in cells],
        "config": config.record(),
    }
    table = Table("copies", ["operation", "row", "copy"], cells, to_left=True)
    return Report(record, [table], ["dry run: nothing was written"])


def _dropped(made: Made, wanted: int) -> str:
    """Of the copies that were wanted those that are not there, by why."""
    said = {
        "unchanged": "with nothing to change",
        "duplicate": "equal to a row or a copy that is there",
        "held out": "equal to a row of another split",
        "doubted": "with a label that the model of --checked-by doubts",
    }
    parts = [f"{made.count(why):,} {said[why]}" for why in made.reasons if made.count(why)]
    return f"of {wanted:,} wanted, {', '.join(parts)}" if parts else f"all {wanted:,} wanted"


def _report(
    config: Config,
    loaded: LoadedData,
    task: type[Task],
    reader: Reader[Any],
    rows: Rewordable,
    made: Made,
    wanted: Sequence[int],
    rate: float,
) -> Report:
    count = Counter(copy.by for copy in made.copies)
    header = ["operation", "copies", *(f"dropped: {why}" for why in made.reasons)]
    cells: list[list[Cell]] = [
        [name, count[name], *(dropped[why] for why in made.reasons)] for name, dropped in made.dropped.items()
    ]
    tables = [Table("copies", header, cells)]
    classes = _classes(config, reader, rows, made)
    if classes:
        tables.append(
            Table("classes", ["class", "rows", "with copies"], [[str(name), *of] for name, of in classes.items()])
        )
    before = 0 if config.only_copies else len(rows.rows)
    total = before + len(made.copies)
    lines = [f"dropped: {_dropped(made, sum(wanted))}"] if sum(wanted) > len(made.copies) else []
    if made.fixed:
        lines.append(f"not changed: {counted(made.fixed, 'row', 'rows')} without a text to change")
    if not _reads_splits(task) and "validation" not in loaded.splits:
        lines.append(
            f"{task.trained_by} holds lines out without a look at '{SOURCE}': rows would be judged whose copies are "
            "trained on. Give it text of its own to judge by: --validation-file FILE"
        )
    of = f"{before:,} as they were, {len(made.copies):,} copies"
    lines.append(f"written: {config.output}: {counted(total, 'row', 'rows')} ({of})")
    record = {
        "task": task.name,
        "output": str(config.output),
        "rows": {"read": len(rows.rows), "copies": len(made.copies), "written": total, "not_changeable": made.fixed},
        "wanted": sum(wanted),
        "rate": rate,
        "operations": {
            name: {"copies": count[name], **{why.replace(" ", "_"): dropped[why] for why in made.reasons}}
            for name, dropped in made.dropped.items()
        },
        "classes": {str(name): {"rows": rows_of, "with_copies": both} for name, (rows_of, both) in classes.items()},
        "config": config.record(),
        "data": loaded.source.to_record(),
    }
    return Report(record, tables, lines, next_command=_next(config, loaded, task))


def _classes(config: Config, reader: Reader[Any], rows: Rewordable, made: Made) -> dict[Any, tuple[int, int]]:
    """Class -> rows, and rows with copies; with --balance, as else all classes grow alike."""
    if not config.balance:
        return {}
    labels = _labels(config, reader, rows)
    before = Counter(label for label in labels if label is not None)
    added = Counter(labels[copy.row] for copy in made.copies)
    return {label: (size, size + added[label]) for label, size in before.most_common()}


def _reads_splits(task: type[Task]) -> bool:
    """Whether the command that trains for a task reads rows in splits, whose copies it knows; one of running text takes
    lines as they come."""
    return "train_file" in _config_of(task.trained_by).known_fields()


def _next(config: Config, loaded: LoadedData, task: type[Task]) -> str:
    judged = [info.path for info in loaded.source.files.get("validation", [])]
    files = [part for path in judged for part in ("--validation-file", path)]
    flag = "--train-file" if _reads_splits(task) else "--data"
    return shlex.join(["nlpkit", task.trained_by, flag, str(config.output), *files])
