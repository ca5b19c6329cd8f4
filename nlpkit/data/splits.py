"""From the data options of a command to its splits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from nlpkit import reporting
from nlpkit.data import draws, duplicates, memory, pipes, sources
from nlpkit.data.glue import glue_task
from nlpkit.data.inputs import FORMATS, Reading, Wanted
from nlpkit.data.places import MADE_BY, SOURCE, source_id, user_columns
from nlpkit.data.sources import LoadedData
from nlpkit.errors import UserError
from nlpkit.options import DataOptions, SourceOptions, suggest
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from nlpkit.data.findings import Finding
    from nlpkit.data.inputs import Content

R = TypeVar("R", bound="RowReader")
SAMPLES = Path(__file__).parent / "samples"
SAMPLE_PREFIX = "sample:"
# Rows of a half of validation, at least. Of fewer one alone is more than a point, in which prices are told; and what
# half of them leave unsure is more than what rows that have chosen flatter, see docs/explanation/held-out-rows.md.
LEAST_APART = 100
HALVING_SEED = (
    0  # whatever the seed of a run: all runs on the same validation rows, and all that come of them, halve alike
)
HIDDEN = ("-1", "None", "")  # labels that are kept back


class FileReader(Protocol):
    """What reading files for a kind of data takes; each task class has it, see `nlpkit.tasks.contract`."""

    @property
    def content(self) -> Content:
        """What a row of its data has a label for."""

    @property
    def file_formats(self) -> Mapping[str, str]:
        """File name suffix to format, of labelled files that are read otherwise than their names say."""

    @property
    def input_formats(self) -> Mapping[str, str]:
        """The same of files to answer for."""

    @property
    def reads_collections(self) -> bool:
        """Whether its data may be documents, queries and judgements, see `collections`."""


class RowReader(Protocol):
    """What reads the rows of a user, and knows by which columns they belong together."""

    @property
    def balance_column(self) -> str | None:
        """By which a held-out split is stratified and a sample balanced."""

    @property
    def group_column(self) -> str | None:
        """What rows share that stay together."""

    @property
    def drawn_together(self) -> str | None:
        """What rows share that are drawn together, or not at all, when there are more than are wanted."""

    def keys(self, rows: Dataset) -> Iterator[str]:
        """What would leak if another row with the same key stood in another split."""

    def row_keys(self, rows: Dataset) -> Iterator[str]:
        """What each row says by itself, whatever it shares with others."""

    def labelled(self, columns: Sequence[str]) -> bool:
        """Whether rows with these columns can be judged."""

    def usable(self, columns: Sequence[str]) -> bool:
        """Whether rows with these columns are examples, be there something to judge them by or not."""

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        """The reader after a look at the cells of the first labelled rows."""

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        """Rows that can be used, parsed; what is wrong with others goes into `findings`."""


def sample_folder(data: str | None) -> str | None:
    """The folder of a sample that ships with nlpkit (`sample:feedback`); any other value as it is.

    Raises:
        UserError: there is no such sample.
    """
    if data is None or not data.startswith(SAMPLE_PREFIX):
        return data
    name = data.removeprefix(SAMPLE_PREFIX)
    known = sorted(folder.name for folder in SAMPLES.iterdir() if folder.is_dir())
    if name not in known:
        raise UserError(f"there is no sample '{name}'", suggest(name, known) or f"Samples: {', '.join(known)}")
    return str(SAMPLES / name)


def load(options: SourceOptions, task: FileReader | None, *, labelled: bool = True) -> LoadedData:
    """Load what `--data` and its kin describe.

    Args:
        task: files are read as it reads them; None: as their names say.
        labelled: whether labels are wanted, which some formats hold in a way of their own.
    """
    known: Mapping[str, str] = {}
    wanted = Wanted(task.content if task else None, labelled)
    if task is not None:
        known = task.file_formats if labelled else task.input_formats
    glue = glue_task(options.data, options.data_config)
    renamed = glue.validation if glue and glue.validation != "validation" and not options.validation_split else None
    reading = Reading.of(options, {**FORMATS, **known}, wanted)
    loaded = sources.load(
        sample_folder(options.data),
        train_files=options.train_file,
        validation_files=options.validation_file,
        test_files=options.test_file,
        config=options.data_config,
        revision=options.data_revision,
        reading=replace(reading, collections=task is not None and labelled and task.reads_collections),
        train_split=options.train_split,
        validation_split=renamed or options.validation_split,
        test_split=options.test_split,
    )
    if renamed:
        del loaded.splits[renamed]  # it is `validation` now, and need not be judged twice
    return loaded


def prepare(loaded: LoadedData, reader: RowReader, options: DataOptions, seed: int, *, training: bool = True) -> None:
    """Make the validation split where there is none, the test split where --test-share wants one, and draw the samples
    that were asked for; changes `loaded`.

    Args:
        training: whether rows are trained on, or were, so that others must be held out.
    """
    seed = options.shuffle_seed if options.shuffle_seed is not None else seed
    reporter = reporting.current()
    there = "test" in loaded.splits and judges(loaded.splits["test"], reader)
    if there and options.test_share != "half" and options.test_share > 0:
        reporter.note("test: the split that there is; --test-share holds nothing out of train")
    elif not there and options.test_share != "half" and options.test_share > 0 and training:
        how = _take_out(loaded, "train", "test", options.test_share, reader, options, seed)
        loaded.source.drawn["test"] = "train"
        rows = counted(len(loaded.splits["test"]), "row", "rows")
        reporter.note(f"test: {rows} held out of train ({how}seed {seed}; --test-share): they choose nothing")
    held_out = training and "train" in loaded.splits and "validation" not in loaded.splits
    if held_out:
        how = _take_out(loaded, "train", "validation", options.validation_share, reader, options, seed)
        rows = counted(len(loaded.splits["validation"]), "row", "rows")
        reporter.note(f"validation: {rows} held out of train ({how}seed {seed}; --validation-file)")
    elif training and options.group_column and {"train", "validation"} <= loaded.splits.keys():
        _tell_shared(loaded.splits, options.group_column)
    if options.test_share == "half" and not (there and (training or "validation" in loaded.splits)):
        _halve(loaded, reader, options)
    splits = loaded.splits
    if training:
        _require_apart(splits, reader)
    limits: dict[str, Any] = dict.fromkeys(splits, options.max_eval_samples)
    if training:
        limits["train"] = options.max_train_samples
    for split, limit in limits.items():
        if limit and split in splits and limit < len(splits[split]):
            balance = reader.balance_column if split == "train" else None
            floats = options.hold_out == "texts"  # runs that drew single rows did not balance them
            if not draws.has_classes(splits[split], balance, floats=floats):
                balance = None
            whole = reader.drawn_together
            if whole is not None and whole in splits[split].column_names:
                splits[split] = draws.sample_whole(splits[split], limit, whole=whole, seed=seed)
                how = f", whole groups of '{whole}'"
            else:
                splits[split] = draws.sample_balanced(
                    splits[split], limit, balance_by=balance, seed=seed, floats=floats
                )
                how = ", balanced by label" if balance else ""
            reporter.note(f"{split}: {counted(len(splits[split]), 'row', 'rows')} drawn (seed {seed}{how})")


def judges(rows: Dataset, reader: RowReader) -> bool:
    """Whether a split can judge: labels of a test split may be kept back, by leaving them out or as -1."""
    if not (reader.labelled(rows.column_names) or reader.usable(rows.column_names)):
        return False
    column = reader.balance_column
    if column is None or column not in rows.column_names:
        return True
    return any(str(label) not in HIDDEN for label in rows[column])


def _halve(loaded: LoadedData, reader: RowReader, options: DataOptions) -> None:
    """Take half of validation out as a test split, unless the halves would be too small to say anything.

    Of data without a validation split, where nothing is trained, it is half of the test split, or of the first one; the
    other half is called validation. Changes `loaded`.
    """
    before, reporter = loaded.splits, reporting.current()
    source = next((name for name in ("validation", "test") if name in before), next(iter(before)))
    rows, name = before[source], title(loaded, source)
    all_rows = f"{name}: {counted(len(rows), 'row', 'rows')}"
    if len(rows) < 2 * LEAST_APART:
        reporter.note(
            f"{all_rows}, too few to be halved (from {2 * LEAST_APART} on, see --test-share): they choose and judge"
        )
        return
    loaded.splits = {("validation" if split == source else split): part for split, part in before.items()}
    how = _take_out(loaded, "validation", "test", len(rows) // 2, reader, options, HALVING_SEED).removesuffix(", ")
    choosing, judging = (len(loaded.splits[split]) for split in ("validation", "test"))
    if min(choosing, judging) < LEAST_APART:
        loaded.splits = before
        reporter.note(f"{all_rows}, in groups too large to be halved (--test-share): they choose and judge")
        return
    loaded.source.drawn["test"] = "validation" if source == "train" else source
    drawn = f" ({how})" if how else ""
    reporter.note(
        f"test: {counted(judging, 'row', 'rows')}, half of {name}{drawn}: they choose nothing; the other {choosing:,} "
        "do (--test-share)"
    )


def _take_out(
    loaded: LoadedData,
    source: str,
    name: str,
    share_or_count: float | int,
    reader: RowReader,
    options: DataOptions,
    seed: int,
) -> str:
    """Hold rows of a split out as another one; changes `loaded`.

    Args:
        source: the split that they are drawn from.
        name: of the split that they become.
        share_or_count: see `draws.hold_out`.

    Returns:
        How they were drawn, in words that end in a comma; empty where nothing but the seed decided.
    """
    splits = loaded.splits
    rows, column, together = splits[source], reader.balance_column, reader.group_column
    if not draws.has_classes(rows, column, floats=options.hold_out == "texts"):
        column = None
    groups = belonging([rows], reader, options)
    parts = draws.class_numbers(rows, together) if groups is None else groups
    single = together is not None and len(rows) > 1 and not parts.any()
    if single and groups is None:
        reporting.current().warn(f"all rows are of one '{together}': those that are held out are trained on too")
    rest, held = draws.hold_out(
        rows,
        share_or_count,
        stratify_by=column,
        group_by=together if groups is None else None,
        groups=groups,
        seed=seed,
    )
    held, copies = _collected(held)
    others = {split: part for split, part in splits.items() if split not in (source, name)}
    loaded.splits = {source: rest, name: held, **others}
    if "train" in others:
        loaded.splits = {"train": others["train"], **loaded.splits}
    shared = options.group_column or (None if single else together)
    how = f"stratified by '{column}', " if column else ""
    if shared and (options.group_column or not column):
        how += f"whole groups of '{shared}', "
    equal = 0 if groups is None or together or options.group_column else len(groups) - int(groups.max()) - 1
    if equal and SOURCE not in rows.column_names:
        stay = counted(equal, "row that repeats a text stays", "rows that repeat a text stay")
        how += f"{stay} with it, "
    if copies:
        how += f"{counted(copies, 'changed copy', 'changed copies')} of them left out, "
    elif len(held) and MADE_BY in held.column_names and all(held[MADE_BY][:]):
        how += "all of them changed copies, as there are no rows as they were, "
    return how


def belonging(parts: Sequence[Dataset], reader: RowReader, options: DataOptions) -> np.ndarray | None:
    """A number for each row of the user's, from 0 without gaps, the same for rows that stay together: by their text, or
    what the task has them share, and by --group-column.

    Args:
        parts: splits, numbered one after the other.

    Returns:
        int64, shape (all rows,); None where rows are held out one by one.

    Raises:
        UserError: there is no such column, or all rows have one value in it.
    """
    copied = any(SOURCE in rows.column_names for rows in parts)
    if options.hold_out != "texts":
        if copied:
            raise UserError(
                f"--hold-out rows: the rows have copies ('{SOURCE}'), of which some would be held out while their row "
                "is trained on",
                "Leave it out: copies stay with their row.",
            )
        return None
    by_text = duplicates.groups(chain.from_iterable(reader.keys(rows) for rows in parts))
    if copied:
        by_source = duplicates.groups(chain.from_iterable(_sources(rows, reader) for rows in parts))
        by_text = duplicates.joined(by_text, by_source)
    if options.group_column is None:
        return by_text
    by_column = duplicates.groups(chain.from_iterable(_cells(rows, options.group_column) for rows in parts))
    if len(by_column) > 1 and not by_column.any():
        raise UserError(
            f"--group-column {options.group_column}: all rows have the same value, and none could be held out",
            "Name a column with several, or leave it out.",
        )
    return duplicates.joined(by_text, by_column)


def _sources(rows: Dataset, reader: RowReader) -> Iterator[str]:
    """Of each row the one that it was made of, see `places.SOURCE`: of a file without copies each row itself."""
    own = map(source_id, reader.row_keys(rows))
    if SOURCE not in rows.column_names:
        return own
    return (given or mine for given, mine in zip(rows[SOURCE][:], own, strict=True))


def _collected(held: Dataset) -> tuple[Dataset, int]:
    """Of rows that are held out those that were collected, and how many copies there were beside them; all of them
    where there is nothing else."""
    import numpy as np

    if MADE_BY not in held.column_names:
        return held, 0
    kept = np.flatnonzero([not by for by in held[MADE_BY][:]])
    return (held.select(kept), len(held) - len(kept)) if len(kept) else (held, 0)


def told_copies(loaded: LoadedData, splits: Collection[str] = ("train",)) -> str:
    """How many rows are changed copies, for people; empty where none is.

    Args:
        splits: that are looked at.
    """
    counts = {
        split: sum(bool(by) for by in rows[MADE_BY][:])
        for split, rows in loaded.splits.items()
        if split in splits and MADE_BY in rows.column_names
    }
    found = [f"{counted(count, 'row', 'rows')} of {split}" for split, count in counts.items() if count]
    are = "is a changed copy" if sum(counts.values()) == 1 else "are changed copies"
    return f"{' and '.join(found)} {are} ('{MADE_BY}')" if found else ""


def refuse_copies(loaded: LoadedData, what: str, splits: Collection[str] = ("train",)) -> None:
    """Refuse changed copies where rows are judged by what others have taught, and copies do not stay with their row.

    Args:
        what: the option or the command that does so.
        splits: that are looked at.

    Raises:
        UserError: there are some.
    """
    if told := told_copies(loaded, splits):
        raise UserError(
            f"{what}: {told}: some would be judged by what their row has taught",
            f"Give the rows as they were collected, those with an empty '{MADE_BY}'.",
        )


def _require_apart(splits: Mapping[str, Dataset], reader: RowReader) -> None:
    """Refuse copies of rows that stand in a split that is judged.

    Raises:
        UserError: there are some in train.
    """
    train = splits.get("train")
    if train is None or not {SOURCE, MADE_BY} <= set(train.column_names):
        return
    sources = [source for source, by in zip(train[SOURCE][:], train[MADE_BY][:], strict=True) if source and by]
    for split, rows in splits.items():
        # what lacks a column of train, such as the label, is not judged
        if split == "train" or not set(user_columns(train.column_names)) <= set(rows.column_names):
            continue
        judged = set(_sources(rows, reader))
        if leaked := [source for source in sources if source in judged]:
            of = counted(len(set(leaked)), "row", "rows")
            raise UserError(
                f"train has {counted(len(leaked), 'copy', 'copies')} of {of} of {split} ('{SOURCE}'): what is judged "
                "there would have been trained on",
                f"Augment the rows of train alone, with {split} beside them: `nlpkit augment --data FOLDER`.",
            )


def _cells(rows: Dataset, column: str) -> Iterator[str]:
    """What is in the cells of a column, as text; empty where there is nothing.

    Raises:
        UserError: there is no such column.
    """
    if column not in rows.column_names:
        named = suggest(column, user_columns(rows.column_names))
        raise UserError(
            f"--group-column: there is no column {column!r}",
            named or f"Columns: {', '.join(user_columns(rows.column_names))}",
        )
    return ("" if cell is None else str(cell) for cell in rows[column][:])


def _tell_shared(splits: Mapping[str, Dataset], column: str) -> None:
    """Warn of values of --group-column that stand in train and in the validation split that there is."""
    trained, held = ({cell for cell in _cells(splits[split], column) if cell} for split in ("train", "validation"))
    if shared := trained & held:
        values = counted(len(shared), "value of", "values of")
        reporting.current().warn(
            f"{values} '{column}' stand in train and in validation (for one {min(shared)!r}): validation tells of rows "
            "whose group was trained on"
        )


def title(loaded: LoadedData, split: str) -> str:
    """What people call a split: by its file where that is all there is, as it is named after none."""
    files = loaded.source.files.get(split, [])
    if split != "train" or set(loaded.splits) != {"train"} or not files:
        return split
    if memory.is_name(files[0].path):
        return memory.SHOWN
    return Path(files[0].path).name + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def require(split: str, names_of_splits: Collection[str], loaded: LoadedData) -> str:
    """The split that --split names.

    Args:
        names_of_splits: the splits that there are; those of `loaded` that hold a row.

    Raises:
        UserError: it is none of them.
    """
    if split in names_of_splits:
        return split
    names = [title(loaded, name) for name in names_of_splits]
    hint = (
        suggest(split, names_of_splits)
        if list(names_of_splits) == names
        else "Without --split all rows of the file are taken."
    )
    raise UserError(f"--split {split}: found {', '.join(names)}", hint)


def name_by_file(loaded: LoadedData) -> None:
    """Call a single split by its file: `train`, as a file without a split is called, it was hardly trained on."""
    name = title(loaded, "train")
    if name != "train":
        loaded.splits = {name: loaded.splits["train"]}
        loaded.source.files = {name: loaded.source.files["train"]}


def settled(loaded: LoadedData, reader: R) -> R:
    """The reader after a look at the first split that has labels: the others are read as that one is."""
    first = next(_labelled(loaded, reader), None)
    return reader.settled(loaded.splits[first], first, loaded) if first else reader


def examples(
    loaded: LoadedData, reader: RowReader, findings: list[Finding], *, bare: bool = False
) -> dict[str, Dataset]:
    """The examples of every split that has labels; what is wrong with rows goes into `findings`.

    Args:
        bare: also those of splits that are examples without any, see `RowReader.usable`.
    """
    reader = settled(loaded, reader)
    wanted = list(_labelled(loaded, reader))
    if bare:
        wanted = [name for name, rows in loaded.splits.items() if name in wanted or reader.usable(rows.column_names)]
    return {split: reader.examples(draws.gathered(loaded.splits[split]), split, loaded, findings) for split in wanted}


def _labelled(loaded: LoadedData, reader: RowReader) -> Iterator[str]:
    """The splits whose labels are read; of train and validation it is told where they have none."""
    for split, rows in loaded.splits.items():
        if split in ("train", "validation") or reader.labelled(rows.column_names):
            yield split


def short_name(options: SourceOptions) -> str:
    """A name for the data that fits in a folder name."""
    spec = options.data or (options.train_file[0] if options.train_file else "data")
    spec = spec.removeprefix(SAMPLE_PREFIX).partition("@")[0].replace(":", "-").rstrip("/")
    name = pipes.name_of(spec.split(",")[0]).replace("*", "")
    return name.split(".")[0] or "data"
