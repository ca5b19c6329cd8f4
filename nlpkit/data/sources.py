"""Where data comes from: a file, several, a folder, a saved data set or the Hugging Face hub.

Every source becomes one `datasets.Dataset` per split. Two hidden columns (`PLACE`) travel with each row through
slices, samples and splits, so that a message about a row can name the file and line that it came from.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nlpkit import reporting
from nlpkit.data import collections, hub, inputs, memory, pipes, places, readers, sides, split_names
from nlpkit.data.collections import Collection, Corpus
from nlpkit.data.inputs import AS_FOUND, FORMATS, Input, Reading, Wanted
from nlpkit.data.layouts import aligned, brat, class_folders, label_files, translation
from nlpkit.data.layouts import registry as layouts
from nlpkit.data.one_type import agreed, type_conflict
from nlpkit.data.places import FILE, HIDDEN, PLACE
from nlpkit.data.sides import Unit
from nlpkit.data.split_names import SPLIT_NAMES
from nlpkit.errors import UserError
from nlpkit.nearby import expanded
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

PAIRS = Wanted("pairs", labelled=True)
NOT_DATA = re.compile(r"(readme|licen[cs]e|copying|notice|changelog|requirements|dataset_infos?)\b.*", re.IGNORECASE)


@dataclass(frozen=True)
class FileInfo:
    """A file that was read, or rows in memory: path or name as given, SHA-256 in hex, size in bytes."""

    path: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> FileInfo:
        """Read a file for its digest.

        Raises:
            UserError: its name is no text, as which tables and records keep it.
        """
        if memory.is_name(path):
            rows = memory.held(path)
            return cls(rows.name, rows.sha256, rows.bytes)
        if not reporting.is_text(str(path)):
            raise UserError(f"{path}: the name of this file is not in UTF-8", "Rename it.")
        with pipes.on_disk(path).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            return cls(str(path), hashlib.file_digest(stream, "sha256").hexdigest(), size)


@dataclass
class Source:
    """What was loaded, for the record of a run.

    Attributes:
        spec: the `data` argument; empty when only explicit files were given.
        kind: of `spec`: "files", "hub", "disk" (a `save_to_disk` folder), or "memory" (rows given from Python).
        files: split -> the files behind it; none for splits that come from the hub.
        revision: on the hub, the commit that was loaded where it is known, else the revision asked for.
        drawn: a test split that no file has, and the split that its rows were taken out of.
    """

    spec: str
    kind: Literal["files", "hub", "disk", "memory"] = "files"
    files: dict[str, list[FileInfo]] = field(default_factory=dict)
    revision: str | None = None
    drawn: dict[str, str] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """The source as plain JSON types."""
        return asdict(self)


@dataclass
class LoadedData:
    """Splits by canonical name (train, validation, test; others as found), each with the `PLACE` columns.

    `splits` may be changed by the caller (`hold_out`); `where` keeps telling the truth about its rows.
    `origins` are the file names, or split names for the hub, that the column `FILE` points to, each with what the
    column `LINE` counts in it ("line" or "row"). `corpus` are the documents that the queries in its rows search, where
    the data are a collection.
    """

    splits: dict[str, Dataset]
    source: Source
    origins: list[tuple[str, str]]
    corpus: Corpus | None = None

    def where(self, split: str, row: int) -> str:
        """Where the 0-based `row` of `split` came from, for example "data/train.csv line 17"."""
        hidden = self.splits[split].select_columns(list(PLACE)).with_format(None)[row]
        name, unit = self.origins[hidden[FILE]]
        return f"{name} {unit} {hidden[places.LINE]}"

    def files(self, rows: Dataset) -> list[int]:
        """A number for the file, or split of the hub, that each of `rows` comes from."""
        if FILE not in rows.column_names:
            return [0] * len(rows)
        names = [name for name, _ in self.origins]
        first = {name: i for i, name in reversed(list(enumerate(names)))}  # rows of one file may have an origin each
        return [first[names[i]] for i in rows[FILE][:]]

    def places(self, rows: Dataset, split: str) -> list[str]:
        """`where` of each of `rows`, which may be any selection of a split of this data."""
        if FILE not in rows.column_names:
            return [f"{split} row {i}" for i in range(1, len(rows) + 1)]
        prefixes = [f"{name} {unit} " for name, unit in self.origins]
        return [prefixes[i] + str(line) for i, line in zip(rows[FILE][:], rows[places.LINE][:], strict=True)]


def load(
    data: str | None,
    *,
    train_files: Sequence[str] = (),
    validation_files: Sequence[str] = (),
    test_files: Sequence[str] = (),
    config: str | None = None,
    revision: str | None = None,
    reading: Reading = AS_FOUND,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
) -> LoadedData:
    """Load every split of a data source.

    Args:
        data: a folder with train, validation and test files; a `save_to_disk` folder; a file (becomes train); a glob
            or several comma-separated files (split by their names when those tell, else all train); or a data set on
            the hub: `name`, `name:config`, `name@revision`, `name:config@revision`. What exists locally wins.
        train_files, validation_files, test_files: files or globs that make up that split, in place of what `data` has.
        config: of the data set on the hub, or the sub-folder of a folder; wins over the one in `data`.
        revision: branch, tag or commit on the hub; wins over the one in `data`.
        reading: how files are read.
        train_split, validation_split, test_split: what to use as that split, in the split grammar of `datasets`, for
            example "train[:80%]" or "train[:500]+train[-500:]". All of them slice the splits as they were loaded.

    Raises:
        UserError: nothing there, unreadable, ambiguous, or a slice that does not fit; the message says what to do.
    """
    explicit = {
        split: [path for spec in specs for path in expand(spec)]
        for split, specs in (("train", train_files), ("validation", validation_files), ("test", test_files))
        if specs
    }
    if data is None and not explicit:
        raise UserError("no data was given", "Pass --data with a file, a folder or the name of a data set on the hub.")

    source = Source(data or "")
    files: dict[str, list[Path]] = {}
    loaded = LoadedData({}, source, [])
    if data is not None:
        folder = expanded(data)
        if memory.is_name(data):
            source.kind = "memory"
            parts = memory.held(data).parts or {"train": data}
            files = {split: [Path(name)] for split, name in parts.items()}
        elif _is_saved(folder):
            source.kind = "disk"
            _add_saved(loaded, folder)
        elif reading.collections and folder.is_dir() and (found := collections.places(folder)) is not None:
            _add_collection(loaded, collections.read(found, reading))
        elif is_local(data):
            files = find_files(data, config=config, reading=reading)
        else:
            source.kind = "hub"
            _add_hub(loaded, data, config, revision)
        if reading.wanted.content == "pairs" and source.kind in ("disk", "hub"):
            loaded.splits = {split: translation.flattened(rows) for split, rows in loaded.splits.items()}
    for split, paths in {**files, **explicit}.items():
        rows = _read(loaded, split, paths, reading)
        parts = _parted(loaded, rows, paths) if split in explicit or set(files) == {"train"} else {}
        if split in explicit and parts:
            if split not in parts:
                raise UserError(
                    f"--{split}-file {paths[0]}: holds rows of {' and '.join(parts)}, none of {split}",
                    "Rename what names its splits, or give another file.",
                )
            parts = {split: parts[split]}
        loaded.splits.update(parts or {split: rows})
        loaded.source.files.update(dict.fromkeys(parts, loaded.source.files[split]))

    wanted = {"train": train_split, "validation": validation_split, "test": test_split}
    slices = {split: select_slice(loaded.splits, spec) for split, spec in wanted.items() if spec}
    loaded.splits.update(slices)
    return loaded


def find_files(data: str, *, config: str | None = None, reading: Reading = AS_FOUND) -> dict[str, list[Path]]:
    """The data files behind a local folder, file, glob or comma-separated list, by split.

    Args:
        data: as for `load`.
        config: sub-folder to look in when `data` is a folder.
        reading: which files of a folder can be read.

    Raises:
        UserError: nothing found, or it is not clear which file is which split.
    """
    folder = expanded(data)
    if folder.is_dir():
        return _find_in_folder(folder, config, reading)
    paths = expand(data)
    if len(paths) == 1:
        return {"train": paths}
    named = _by_split(paths)
    if None not in named:
        return {split: _shards(split, files, reading) for split, files in named.items() if split}
    if set(named) <= {None, "train"}:
        return {"train": paths}
    raise UserError(
        f"{data}: some of these files are named after a split, others are not: {_names(paths)}",
        "Say which is which with --train-file, --validation-file and --test-file.",
    )


def select_slice(splits: Mapping[str, Dataset], spec: str) -> Dataset:
    """The rows that `spec` names in the split grammar of `datasets`, for example "train[:10%]+validation".

    Raises:
        UserError: the spec does not parse, names no split, selects no row, or joins splits of different columns.
    """
    from datasets import ReadInstruction, concatenate_datasets

    known = dict(splits)
    for alias, canonical in SPLIT_NAMES.items():
        if canonical in splits:
            known.setdefault(alias, splits[canonical])
    try:
        parts = ReadInstruction.from_spec(spec.strip()).to_absolute({name: len(rows) for name, rows in known.items()})
        pieces = [known[part.splitname].select(range(part.from_, part.to)) for part in parts if part.from_ < part.to]
        if not pieces:
            raise ValueError("it selects no rows")
        return concatenate_datasets(pieces)
    except (ValueError, AssertionError) as error:
        sizes = ", ".join(f"{name} ({counted(len(rows), 'row', 'rows')})" for name, rows in splits.items())
        raise UserError(
            f"The split {spec!r} cannot be read: {error}",
            f"There are: {sizes}. Examples: train, train[:2000], train[:10%]+train[-10%:].",
        ) from error


def is_local(data: str) -> bool:
    """Whether `data` is, or is meant to be, a path and not a name on the hub."""
    return (
        _exists(expanded(data))
        or data == "-"
        or memory.is_name(data)
        or data.startswith((".", "/", "~"))
        or inputs.format_of(data) is not None
        or any(mark in data for mark in ("*", "?", "[", ",", "://"))
        or hub.NAME.fullmatch(data) is None
        or ("/" in data and Path(data).parent.is_dir())  # what has neighbours here is meant to be here
    )


def _is_saved(folder: Path) -> bool:
    """Whether `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote this folder."""
    return _exists(folder / "dataset_dict.json") or _exists(folder / "state.json")


def _exists(path: Path) -> bool:
    """Whether there is such a file; many names between commas are longer than a name may be, and are none."""
    return os.path.exists(path)  # noqa: PTH110


def expand(spec: str) -> list[Path]:
    """The existing files that a path, a glob or a comma-separated list of them stands for, in order."""
    if memory.is_name(spec):
        memory.require_one(spec)
        return [Path(spec)]
    path = pipes.STDIN if spec == "-" else expanded(spec)
    if _exists(path) and not path.is_dir():
        pipes.require_file(path)
        return [path]
    inputs.refuse_address(spec)
    if "," in spec:
        return list(dict.fromkeys(file for part in spec.split(",") if part.strip() for file in expand(part.strip())))
    if glob.has_magic(spec):
        # Path.glob takes no absolute pattern.
        files = [file for name in sorted(glob.glob(str(path), recursive=True)) if (file := Path(name)).is_file()]  # noqa: PTH207
        if not files:
            raise UserError(
                f"{spec}: no file matches", "Check the pattern; quote it so that the shell leaves it alone."
            )
        return files
    if class_folders.classes_of(path):
        return [path]
    if path.is_dir():
        raise UserError(f"{spec} is a folder, a file is needed", f"For all its files: {path / '*'}")
    raise inputs.missing(path)


def _find_in_folder(folder: Path, config: str | None, reading: Reading) -> dict[str, list[Path]]:
    """The split files of a folder, of its sub-folder `config` or, as the hub exports them, of `data`."""
    root = folder / config if config else folder
    if not root.is_dir():
        raise inputs.missing(root)
    if (root / "config.json").is_file() and any(root.glob("*.safetensors")):
        raise UserError(f"{root} holds a model, not rows", "Data are files with rows, or a folder of such.")
    for place in (root, root / "data"):
        if _marks_words(reading) and (documents := brat.documents_of(place)):
            brat.tell_unannotated(place)
            by_name = _by_split(documents)
            return (
                {"train": [place]} if None in by_name else {split: files for split, files in by_name.items() if split}
            )
        paths = _data_files(place, reading)
        named = _by_split(paths)
        others = named.pop(None, [])
        if not named and (nested := _nested(place, reading)):
            # a table is likelier what is meant than folders that happen to hold texts
            tables = [path for path in others if reading.format_of(path) != "txt"]
            if nested == {"train": [place]} and tables:
                reporting.current().note(f"{place}: folders of texts beside {_names(tables)} are left out")
                others = tables
            else:
                if others and nested != {"train": [place]}:  # which tells itself what lies beside
                    left_out = _names(others)
                    reporting.current().note(f"{place}: files beside the folders of texts are left out: {left_out}")
                return nested
        if named:
            if others:
                reporting.current().note(f"{place}: not named after a split, left out: {_names(others)}")
            return {
                split: _shards(split, files, reading)
                for split, files in sorted(named.items(), key=_split_order)
                if split
            }
        if len(_units(others, reading)) == 1:
            return {"train": others}
        if others:
            raise UserError(
                f"{place}: no file is named after a split: {_names(others)}",
                "Name them train, validation and test, or pass --train-file and --validation-file; "
                f"{_all_of(place, others, reading)}{_known_layouts(reading)}",
            )
    for path in sorted(root.iterdir()):
        if refusal := inputs.spacy_binary(path):
            raise refusal
    suffixes = ", ".join(suffix.lstrip(".") for suffix in FORMATS)
    raise UserError(
        f"{root}: no data files in this folder",
        f"Expected train.SUFFIX with one of {suffixes} (or .gz, .zst).{_known_layouts(reading)}",
    )


def _known_layouts(reading: Reading) -> str:
    return f" {layouts.known(reading.wanted.content)}" if reading.wanted.content else ""


def _nested(place: Path, reading: Reading) -> dict[str, list[Path]]:
    """What the folders in `place` hold: the texts of a class each, or a split each; empty where it is neither.

    Raises:
        UserError: two folders are the same split, or the files of one do not belong together.
    """
    if not place.is_dir():
        return {}
    texts = reading.wanted.content == "texts"
    if texts and class_folders.classes_of(place):
        return {"train": [place]}
    splits: dict[str, list[Path]] = {}
    unnamed: list[Path] = []
    for folder in sorted(path for path in place.iterdir() if path.is_dir()):
        split = SPLIT_NAMES.get(folder.name.lower())
        whole = class_folders.classes_of(folder) if texts else _marks_words(reading) and brat.documents_of(folder)
        paths = [folder] if whole else _data_files(folder, reading)
        if split is None:
            unnamed += [folder] if paths else []
            continue
        if paths and split in splits:
            raise UserError(
                f"{place}: several folders could be {split}: {_names([*splits[split], *paths])}", "Keep one."
            )
        if paths:
            splits[split] = _shards(split, paths, reading)
    if splits and unnamed:
        reporting.current().note(f"{place}: folders not named after a split, left out: {_names(unnamed)}")
    return dict(sorted(splits.items(), key=_split_order))


def _marks_words(reading: Reading) -> bool:
    return reading.wanted == Wanted("words", labelled=True)


def _data_files(folder: Path, reading: Reading) -> list[Path]:
    if not folder.is_dir():
        return []
    files = sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.name[0] != "."
        and (reading.format_of(path) or _is_side(path, reading))
        and not NOT_DATA.fullmatch(path.name)
    )
    labels = {_labels_of(path, reading) for path in files}
    return [path for path in files if path not in labels]


def _is_side(path: Path, reading: Reading) -> bool:
    """Whether a file whose format is not known is to be read beside others, line by line."""
    return reading.wanted.content == "pairs" and sides.side_of(path) is not None


def _labels_of(path: Path, reading: Reading) -> Path | None:
    """The file that has the labels of a file of plain texts, line by line; None where it has none of its own."""
    plain = reading.format_of(path) in ("txt", None)
    return label_files.labels_of(path) if plain and reading.wanted == Wanted("texts", labelled=True) else None


def _by_split(paths: Iterable[Path]) -> dict[str | None, list[Path]]:
    """Files by the first word of their name that names a split; None for those without one."""
    named: dict[str | None, list[Path]] = {}
    for path in paths:
        words = re.split(r"[\W_\d]+", path.name.lower())
        split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)
        named.setdefault(split, []).append(path)
    return named


def _split_order(item: tuple[str | None, list[Path]]) -> int:
    return ["train", "validation", "test"].index(item[0] or "train")


def _shards(split: str, paths: list[Path], reading: Reading) -> list[Path]:
    """The files, if they can only be the numbered parts of one, or of several that are read beside one another."""
    named = [unit.stem for unit in _units(paths, reading)]
    if len({re.sub(r"\d+", "0", name) for name in named}) > 1:
        raise UserError(
            f"{paths[0].parent}: several files could be {split}: {_names(paths)}",
            f"Keep one, or pass --{split}-file with those that you mean.",
        )
    promised = re.search(r"-of-(\d+)", named[0])
    if promised and int(promised[1]) != len(named):
        raise UserError(
            f"{paths[0].parent}: {len(named)} of {int(promised[1])} parts of {split} are there: {_names(paths)}",
            "Fetch the parts that are missing.",
        )
    return paths


def _units(paths: Sequence[Path], reading: Reading) -> list[Unit]:
    """The files that are read by themselves, and those that are read line by line beside one another."""
    if reading.wanted.content != "pairs":
        return [Unit.of(path) for path in paths]
    plain = [path for path in paths if _is_plain(path, reading)]
    return [*sides.units(plain), *(Unit.of(path) for path in paths if path not in plain)]


def _is_plain(path: Path, reading: Reading) -> bool:
    return reading.format_of(path) in (None, "txt") and not path.is_dir()


def _all_of(place: Path, others: list[Path], reading: Reading) -> str:
    """How the files of a folder are named that belong together."""
    together = [unit.paths for unit in _units(others, reading) if len(unit.paths) > 1]
    if together:
        return f"--data {','.join(map(str, together[0]))} reads some line by line beside one another."
    return f"'{place}/*{others[0].suffix}' reads all of them as one set."


def _names(paths: list[Path]) -> str:
    shown = ", ".join(memory.SHOWN if memory.is_name(path) else path.name for path in paths[:6])
    return shown if len(paths) <= 6 else f"{shown} and {len(paths) - 6} more"


def _read(loaded: LoadedData, split: str, paths: list[Path], reading: Reading) -> Dataset:
    """Read the files of one split into one data set, and enter them into the record."""
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features

    kinds = [reading.format_of(path) for path in paths]
    before = [pipes.state(path) for path in paths]
    units = _beside(_units(paths, reading), reading)
    parts = [_part(unit, reading) for unit in units]
    for path, state in zip(paths, before, strict=True):
        pipes.tell_changed(path, state)
    tables = _agreeing([part.table for part in parts], [unit.paths[0] for unit in units])
    table = pa.concat_tables(tables, promote_options="permissive")
    for index, column in enumerate(table.schema):
        if pa.types.is_null(column.type):  # nothing but empty cells: text, as in every other column of a csv file
            table = table.set_column(index, column.name, pa.nulls(len(table), pa.string()))
    if FILE in table.column_names:
        table = table.drop_columns([FILE])
    first = len(loaded.origins)
    numbers = []
    for part in parts:
        start, rows = len(loaded.origins), len(part.table)
        one_each = len(part.origins) > 1
        numbers.append(pa.array(range(start, start + rows)) if one_each else pa.repeat(start, rows))
        loaded.origins += part.origins
    table = table.append_column(FILE, pa.chunked_array(numbers, pa.int64()))
    loaded.source.files[split] = infos = [info for part in parts for info in part.infos]
    # Named after the content, so that whatever is cached by fingerprint (token ids) is found again by the next run.
    key = repr([first, [info.sha256 for info in infos], kinds, reading.key(), table.schema.to_string()])
    fingerprint = hashlib.sha256(key.encode()).hexdigest()[:16]
    info = DatasetInfo(features=Features.from_arrow_schema(table.schema))
    return Dataset(table, info=info, fingerprint=fingerprint)


def _parted(loaded: LoadedData, rows: Dataset, paths: list[Path]) -> dict[str, Dataset]:
    """The rows by split, where a column names it (or did in a JSON document); empty where none does."""
    import numpy as np

    column = split_names.column_of(rows.column_names)
    named = split_names.splits_of(rows[column][:]) if column is not None else None
    if column is None:
        return {}
    if named is None:
        _tell_unparted(loaded, rows, column, paths)
        return {}
    counts = Counter(named)
    ordered = sorted(counts, key=lambda split: _split_order((split, [])))
    shown = ", ".join(f"{split} {counts[split]:,}" for split in ordered)
    reporting.current().note(f"{_names(paths)}: '{column}' tells the split of each row: {shown}")
    kept = rows.remove_columns([column])
    return {split: kept.select(np.flatnonzero(np.array(named) == split)) for split in ordered}


def _tell_unparted(loaded: LoadedData, rows: Dataset, column: str, paths: list[Path]) -> None:
    """Warn where most rows of a column name their split, so that the others keep it from being followed."""
    cells = rows[column][:]
    others = [i for i, cell in enumerate(cells) if split_names.canonical(cell) is None]
    if others and 2 * len(others) < len(cells):
        first = rows[others[0]]
        shown = "empty" if first[column] is None else repr(first[column])
        place = f"{loaded.origins[first[FILE]][1]} {first[places.LINE]}: {shown}"
        reporting.current().warn(
            f"{_names(paths)}: '{column}' names a split in {len(cells) - len(others):,} of {len(cells):,} rows, not "
            f"in others ({place}): it is passed over, and all rows are of one split. "
            "Name one in every row (train, validation or test), or leave the others out"
        )


@dataclass
class _Part:
    """What a file of a split holds, a folder, or files that are read beside one another.

    Attributes:
        origins: as `LoadedData.origins`; of a path with one file per row, one origin for each.
    """

    table: pa.Table
    origins: list[tuple[str, str]]
    infos: list[FileInfo]


def _beside(units: list[Unit], reading: Reading) -> list[Unit]:
    """The same units; where each is a file of plain texts whose name tells nothing, they can only be the sides of the
    same rows, in the order in which they are named."""
    if reading.wanted != PAIRS or len(units) == 1:
        return units
    lone = [unit.paths[0] for unit in units if len(unit.paths) == 1 and _is_plain(unit.paths[0], reading)]
    if len(lone) < len(units) or any(_has_tabs(path, reading) for path in lone):
        return units
    return [Unit("", tuple(lone))]


def _has_tabs(path: Path, reading: Reading) -> bool:
    return aligned.has_tabs(Input.of(path, replace(reading, format="txt", columns=())))


def _alone(path: Path, reading: Reading) -> Reading:
    """How one file is read of texts and what is to be written for them.

    Raises:
        UserError: it holds texts alone, where both are needed.
    """
    if reading.wanted.content != "pairs" or reading.format is not None or not _is_plain(path, reading):
        return reading
    if _has_tabs(path, reading):
        reporting.current().note(f"{path}: tabs stand between texts, read as columns (--format tsv)")
        return replace(reading, format="tsv")
    if reading.wanted.labelled:
        raise UserError(
            f"{path}: a text a line, and nothing that belongs to them",
            f"Name the file of the other side too, with a comma between: {path},{_other_side(path)}. "
            f"{layouts.known('pairs')}",
        )
    return replace(reading, format="txt")


def _other_side(path: Path) -> str:
    """A file that may be the other side of the rows of a file."""
    stem = path.name.split(".")[0]
    others = (other for other in sorted(path.parent.glob(f"{glob.escape(stem)}*")) if other != path)
    return str(next(others, path.with_name(f"{stem}.de")))


def _part(unit: Unit, reading: Reading) -> _Part:
    """Read a file, a file with its labels beside it, files beside one another, or a folder of texts: one for each
    class, or with annotations."""
    path = unit.paths[0]
    if len(unit.paths) > 1:
        files = sides.named(unit.paths)
        aligned.tell(files)
        infos = [FileInfo.of(file) for file in unit.paths]
        return _Part(aligned.read_table(files, reading), [(str(path), "line")], infos)
    reading = _alone(path, reading)
    if path.is_dir() or path.suffix == brat.SUFFIX:
        if path.suffix == brat.SUFFIX:
            texts = brat.read([path], reading)
        elif _marks_words(reading):
            texts = brat.read(brat.documents_of(path), reading)
        else:
            texts = class_folders.read(path, reading)
        info = FileInfo(str(path), texts.sha256, texts.bytes)
        return _Part(texts.table, [(str(file), "line") for file in texts.files], [info])
    if labels := _labels_of(path, reading):
        table = label_files.read_table(path, labels, reading)
        return _Part(table, [(str(path), "line")], [FileInfo.of(path), FileInfo.of(labels)])
    counted_by = inputs.unit(reading.format_of(path) or "")
    name = memory.SHOWN if memory.is_name(path) else str(path)
    return _Part(readers.read_table(path, reading), [(name, counted_by)], [FileInfo.of(path)])


def _agreeing(tables: list[pa.Table], paths: list[Path]) -> list[pa.Table]:
    """The files of one split with columns of the same types; that they differ in types or names is told.

    Raises:
        UserError: they number their classes differently.
    """
    from datasets import ClassLabel, Features

    while conflict := type_conflict(tables):
        column, types, first, second = conflict
        declared = [Features.from_arrow_schema(tables[index].schema)[column] for index in (first, second)]
        if any(isinstance(feature, ClassLabel) for feature in declared):
            raise UserError(
                f"column {column!r} numbers its classes in {paths[first]} or {paths[second]}, and not in the other",
                "Write both files with class names in place of numbers.",
            )
        tables, mixed = agreed(tables, column)
        if not mixed:  # whole numbers and others
            continue
        reporting.current().warn(
            f"column {column!r} has another type in {paths[first]} than in {paths[second]} ({types}): "
            f"it is read as {tables[first].schema.field(column).type} in both"
        )
    first_features = Features.from_arrow_schema(tables[0].schema)
    for table, path in zip(tables[1:], paths[1:], strict=True):
        features = Features.from_arrow_schema(table.schema)
        if different := sorted(set(features) ^ set(first_features)):
            reporting.current().warn(f"{paths[0]} and {path} differ in columns, gaps are left empty: {different}")
        for name, feature in features.items():
            names, first_names = getattr(feature, "names", None), getattr(first_features.get(name), "names", None)
            if names and first_names and names != first_names:
                raise UserError(
                    f"Column {name!r} numbers its classes in {paths[0]} and {path} differently",
                    "Write both files with the same class names, or with names in place of numbers.",
                )
    return tables


def _add_saved(loaded: LoadedData, folder: Path) -> None:
    from datasets import Dataset, load_from_disk

    with hub.quiet():
        try:
            saved = load_from_disk(str(folder))
            for rows in [saved] if isinstance(saved, Dataset) else saved.values():
                rows.data.table.validate(full=True)  # a damaged offset ends Python itself
        except Exception as error:  # whatever json, arrow and fsspec raise on a damaged folder
            raise UserError(f"{folder}: the saved data set cannot be read ({error})", "Save it again.") from error
    _add_splits(loaded, {"train": saved} if isinstance(saved, Dataset) else saved, f"{folder} ")
    for split, rows in loaded.splits.items():
        loaded.source.files[split] = [FileInfo.of(Path(cache["filename"])) for cache in rows.cache_files]


def _add_collection(loaded: LoadedData, collection: Collection) -> None:
    loaded.origins.append((str(collection.queries), "line"))
    loaded.corpus = collection.corpus
    loaded.splits.update(collection.splits)
    for split, paths in collection.files.items():
        loaded.source.files[split] = [FileInfo.of(path) for path in paths]


def _add_hub(loaded: LoadedData, data: str, config: str | None, revision: str | None) -> None:
    import datasets

    parsed = hub.NAME.fullmatch(data)
    assert parsed is not None  # `is_local` saw to it
    name = parsed["name"]
    config, revision = config or parsed["config"], revision or parsed["revision"]
    reporting.current().note(f"{name!r} is no local path: looking for it on the Hugging Face hub")
    with hub.quiet():
        try:
            splits = datasets.load_dataset(name, config, revision=revision)
        except Exception as error:  # the hub client and the format readers raise many kinds; each has one message
            raise hub.explained(name, config, revision, error) from error
    _add_splits(loaded, splits, f"{name} ")
    urls = " ".join(key for rows in splits.values() for key in (rows.info.download_checksums or {}))
    commit = re.search(r"@([0-9a-f]{40})/", urls)
    loaded.source.revision = commit[1] if commit else revision


def _add_splits(loaded: LoadedData, splits: Mapping[Any, Dataset], prefix: str) -> None:
    """Enter the splits under their canonical names, with the hidden columns."""
    import numpy as np

    for name, rows in splits.items():
        canonical = SPLIT_NAMES.get(str(name), str(name))
        split = str(name) if canonical != str(name) and canonical in splits else canonical
        with hub.quiet():
            rows = rows.remove_columns([column for column in HIDDEN if column in rows.column_names])
            rows = rows.add_column(FILE, np.full(len(rows), len(loaded.origins)))
            rows = rows.add_column(places.LINE, np.arange(1, len(rows) + 1))
        loaded.splits[split] = rows
        loaded.origins.append((f"{prefix}{name}", "row"))
