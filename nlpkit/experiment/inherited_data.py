"""Working on a model whose task is settled: what distill, prune and quantize share before they begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from nlpkit import reporting
from nlpkit.data import duplicates, memory, pipes, splits
from nlpkit.data.places import user_columns
from nlpkit.data.sources import FileInfo
from nlpkit.errors import NlpkitError, UserError
from nlpkit.experiment.supervised import settle_findings, stop_on_errors
from nlpkit.options import Apart, DataOptions, SourceOptions, flag_of, naming, option_like
from nlpkit.runs.folder import files_by_split, read_record
from nlpkit.runs.records import RECORD
from nlpkit.tasks import registry
from nlpkit.tasks.deferred import DeferredOptions, Kind, group_of

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.findings import Finding
    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.contract import Task
    from nlpkit.tasks.reading import Reader

OVERLAP_BYTES = 50_000_000  # of training data that are read again to tell whether judged rows are among them
NAMES_DATA = ("data", "train_file", "validation_file", "test_file")
HOLD_OUT = ("validation_share", "hold_out", "shuffle_seed", "max_train_samples")


class TrainedDataOptions(DeferredOptions, DataOptions):
    """The rows that a trained model is worked on with; by default those that it was trained on."""

    kind: ClassVar[Kind] = "column_options"


class ComparedDataOptions(TrainedDataOptions):
    """The rows of a command that chooses by some and ends in a comparison, which is made on rows that chose nothing."""

    test_share: Apart = option_like(
        TrainedDataOptions,
        "test_share",
        default="half",
        help="Where there is no test split, half of validation judges what the other half has chosen; 0: all do both.",
        shown_default="half",
    )


C = TypeVar("C", bound=TrainedDataOptions)


def inherit_data(config: C, record: Mapping[str, Any] | None, name: str) -> C:
    """A config that names no data, with the data, columns and hold-out of the run that made the model.

    Args:
        config: as the user gave it; what it sets stays.
        record: nlpkit.json of the model, None where it has none.
        name: of the model, for messages.

    Raises:
        UserError: neither the user nor the record names data.
    """
    if any(getattr(config, option) for option in NAMES_DATA):
        if repeats_hold_out(config, record):
            _warn_of_changes(record, name)
        return config
    known = _as_trained(record)
    if is_of_corpus(record) and not known.get("validation_file"):
        reporting.current().warn(f"{name} held other lines of its text out than can be drawn here: name fresh text")
    if not any(known.get(option) for option in NAMES_DATA):
        raise UserError(f"{name} does not tell what it was trained on", "Name the data: --data PATH|NAME.")
    if passed := _passing(known):
        raise UserError(
            f"{name} was trained on rows of a pipe ({', '.join(passed)}), which can be read only once",
            "Name the data: --data PATH|NAME.",
        )
    if gone := [spec for spec in _specs(known) if memory.is_name(spec) and not memory.is_held(spec)]:
        raise UserError(
            f"{name} was trained on rows that a Python process had in memory ({', '.join(gone)}), and this one has not",
            "Name the data: --data PATH|NAME.",
        )
    fields = _of_data(record) & config.known_fields().keys() & known.keys() - config.given
    _require_same_test(config, known, name)
    if not known.get("test_share"):  # what it held no rows out for, this one may
        fields -= {"test_share"}
    data = ", ".join(str(known[option]) for option in NAMES_DATA if known.get(option))
    reporting.current().note(f"data: {data}, as {name} was trained (--data)")
    _warn_of_changes(record, name)
    with naming(Path(name) / RECORD, fields):
        return config.changed(**{field: known[field] for field in fields})


def _of_data(record: Mapping[str, Any] | None) -> set[str]:
    """The options of a run that say which rows it had: an option of another task may have the name of one of its
    training."""
    name = ((record or {}).get("task") or {}).get("name")
    if name not in registry.TASKS:
        return set(TrainedDataOptions.known_fields())
    own = group_of(registry.task_class(name), TrainedDataOptions.kind).model_fields
    return TrainedDataOptions.model_fields.keys() | own.keys()


def repeats_hold_out(config: TrainedDataOptions, record: Mapping[str, Any] | None) -> bool:
    """Whether a config names the data of the run that made the model and holds out the rows that this run held out.

    The record of a run that took its data from there does, so that it can be repeated.
    """
    known = _as_trained(record)
    if config.shuffle_seed is None or config.shuffle_seed != known.get("shuffle_seed"):
        return False
    own = config.changed(**{name: known[name] for name in (*NAMES_DATA, *HOLD_OUT) if name in known})
    shares = (_of_train(config.test_share), _of_train(known.get("test_share")))
    return dict(own) == dict(config) and shares[0] == shares[1]


def _of_train(test_share: float | str | None) -> float:
    """The share of train that a --test-share holds out: half of validation takes no row of train."""
    return test_share if isinstance(test_share, float) else 0.0


def _require_same_test(config: TrainedDataOptions, known: Mapping[str, Any], name: str) -> None:
    """Refuse a --test-share by which rows that a run was trained on would judge it.

    Args:
        config: as the user gave it.
        known: options of that run.
        name: of its model.

    Raises:
        UserError: naming both.
    """
    own, wanted = known.get("test_share"), config.test_share
    if "test_share" not in config.given or _of_train(own) == _of_train(wanted):
        return
    if _of_train(own):
        raise UserError(
            f"--test-share {wanted}: {name} held {own:g} of train out; others, which it was trained on, would be now",
            "Leave it out: the rows that it held out judge.",
        )
    raise UserError(
        f"--test-share {wanted}: {name} was trained on all of train, those rows among them",
        "Leave it out: half of validation judges. Or train the model with --test-share, or name rows: --test-file.",
    )


def _as_trained(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options of a run, as a command that goes on with its data takes them: a corpus is a file to train on, and the
    rows that were held out are drawn again, so that none of them was trained on."""
    known = TrainedDataOptions.with_new_names((record or {}).get("config", {}))
    if is_of_corpus(record):
        known["train_file"] = known.pop("data")
    if known.get("shuffle_seed") is None:
        known["shuffle_seed"] = known.get("seed")
    return known


def is_of_corpus(record: Mapping[str, Any] | None) -> bool:
    """Whether a run was trained on running text, of which other lines would be held out now."""
    return isinstance((record or {}).get("config", {}).get("data"), list)


def _passing(known: Mapping[str, Any]) -> list[str]:
    """Of the data that a run's options name, the pipes."""
    return [spec for spec in _specs(known) if pipes.is_passing(spec)]


def _specs(known: Mapping[str, Any]) -> list[str]:
    """All data that a run's options name."""
    return [spec for option in NAMES_DATA for spec in _listed(known.get(option))]


def _listed(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in value]
    return [str(value)] if value else []


def _changed_files(record: Mapping[str, Any] | None) -> list[str]:
    """Those of the run's files that are still there and hold something else."""
    recorded = {file["path"]: file["sha256"] for files in files_by_split(record).values() for file in files}
    return [
        path for path, known in recorded.items() if Path(path).is_file() and FileInfo.of(Path(path)).sha256 != known
    ]


def _warn_of_changes(record: Mapping[str, Any] | None, name: str) -> None:
    if changed := _changed_files(record):
        reporting.current().warn(
            f"{', '.join(changed)} is not as it was when {name} was trained; rows that are held out now may have been "
            "trained on then"
        )


def training_record(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The record of the run that trained a model's weights.

    Of a quantized model it is that of the model which it was made of. Where that one is not here, its own will do if it
    took its data from there; else it is None, as nobody knows.
    """
    passed: set[str] = set()
    while record is not None and record.get("quantization"):
        place = ((record.get("parents") or {}).get("model") or {}).get("given")
        if not place or place in passed or not Path(place).is_dir():
            return record if (record.get("config") or {}).get("shuffle_seed") is not None else None
        passed.add(place)
        record = read_record(place)
    return record


def own_splits(
    config: SourceOptions, record: Mapping[str, Any] | None, name: str, task: Task
) -> tuple[LoadedData, TrainedDataOptions]:
    """The rows that a run was trained on and those that it held out, as they were drawn then.

    Args:
        config: names no data; what it sets of columns and the like stays.
        record: nlpkit.json of the model, None where it has none.
        name: of the model, for messages.
        task: as its model restored it.

    Raises:
        UserError: the record names no data, or they cannot be read.
    """
    own = TrainedDataOptions().for_task(type(task))
    given = {field: getattr(config, field) for field in config.given & own.known_fields().keys()}
    options = inherit_data(own.changed(**given), record, name)
    loaded = splits.load(options, type(task))
    # what is held out is drawn from train; a file of its own may be of another shape
    rows = loaded.splits.get("train")
    if rows is not None and (lacking := sorted(set(task.reader().input_columns) - set(rows.column_names))):
        raise UserError(f"{name}: {splits.title(loaded, 'train')} has no column {', '.join(lacking)}")
    # a model that was not trained on rows of its data, as a quantized one, held none out
    trained = "train" in (record or {}).get("rows", {"train": 0})
    splits.prepare(loaded, task.reader(), options, options.shuffle_seed or 0, training=trained)
    return loaded, options


def train_keys(record: Mapping[str, Any] | None, name: str, task: Task) -> set[str] | None:
    """What the rows say that a run was trained on; None where nobody knows: their files are gone, changed or large, or
    it was trained for another task, which has other columns.

    Args:
        record: nlpkit.json of the model, None where it has none.
        name: of the model.
        task: as its model restored it.
    """
    record = training_record(record)
    files = [file for of_split in files_by_split(record).values() for file in of_split]
    here = all(Path(file["path"]).is_file() or memory.is_held(file["path"]) for file in files)
    if not files or not here or sum(file["bytes"] for file in files) > OVERLAP_BYTES or _changed_files(record):
        return None
    trained = (record or {}).get("task") or {}
    if trained.get("name") != task.name and not set(task.reader().input_columns) <= _texts_of(trained):
        return None
    try:
        with reporting.silent():  # what is guessed and drawn again was told when it was trained
            loaded, _ = own_splits(SourceOptions(), record, name, task)
            rows, columns = loaded.splits.get("train"), task.reader().input_columns
            return set() if rows is None else {key for key in duplicates.keys(rows, columns) if key}
    except NlpkitError:
        return None


def _texts_of(trained: Mapping[str, Any]) -> set[str]:
    """The columns of a recorded task."""
    return {name for name in (trained.get("columns") or {}).values() if isinstance(name, str)}


def overlap(
    record: Mapping[str, Any] | None,
    name: str,
    keys: set[str] | None,
    reader: Reader[Any],
    loaded: LoadedData,
    chosen: Sequence[str],
) -> list[str]:
    """Warnings where a model is judged on rows that it was trained on.

    Args:
        record, name: as for `train_keys`.
        keys: as that gives them.
        reader: of the rows.
        loaded: with the rows.
        chosen: splits that are judged.
    """
    record = training_record(record)
    advice = (
        "" if _passing((record or {}).get("config", {})) else "; without --data it is judged on rows that it held out"
    )
    warnings = []
    for split in chosen:
        if problem := trained_on(record, name, keys, reader, loaded, split):
            warnings.append(
                f"{splits.title(loaded, split)}: {problem}: the figures tell how well these were learnt{advice}"
            )
    return warnings


def tell_trained_on(
    config: TrainedDataOptions,
    record: Mapping[str, Any] | None,
    name: str,
    task: Task,
    reader: Reader[Any],
    loaded: LoadedData,
) -> None:
    """Warn where rows that the user named for more training are held out here, and the model was trained on them.

    Args:
        config: as the user gave it.
        record, name: as for `train_keys`.
        task: as its model restored it.
        reader: of the rows.
        loaded: with the rows.
    """
    if not any(getattr(config, option) for option in NAMES_DATA) or repeats_hold_out(config, record):
        return
    held_out = [split for split in ("validation", "test") if split in loaded.splits]
    for warning in overlap(record, name, train_keys(record, name, task), reader, loaded, held_out):
        reporting.current().warn(warning)


def trained_on(
    record: Mapping[str, Any] | None,
    name: str,
    keys: set[str] | None,
    reader: Reader[Any],
    loaded: LoadedData,
    split: str,
) -> str:
    """Which rows of a split a model was trained on, in words; "" where none is known to be. See `overlap`."""
    record = training_record(record)
    rows = loaded.splits[split]
    if keys is not None:
        count = sum(key in keys for key in duplicates.keys(rows, reader.input_columns))
        return f"{count:,} of {len(rows):,} rows are among those that {name} was trained on" if count else ""
    files = {file["sha256"] for file in files_by_split(record).get("train", [])}
    same = [file.path for file in loaded.source.files.get(split, []) if file.sha256 in files]
    return f"{name} was trained on rows of {', '.join(same)}" if same else ""


def refuse_hold_out(config: TrainedDataOptions) -> None:
    """Stop at options of a hold-out, where rows are only judged.

    Raises:
        UserError: naming one.
    """
    for name in (*HOLD_OUT, *(("test_share",) if _of_train(config.test_share) else ())):
        if getattr(config, name) != type(config).model_fields[name].default:
            raise UserError(
                f"{flag_of(name)}: nothing is trained here, so nothing is held out",
                "Leave it out; --max-eval-samples N judges on fewer rows.",
            )


def open_splits(
    config: TrainedDataOptions,
    task: Task,
    *,
    seed: int,
    needs: Sequence[str] = ("train", "validation"),
    training: bool = True,
) -> tuple[Reader[Any], LoadedData, dict[str, Dataset], list[Finding]]:
    """What reads the rows, with the task of their columns, and checked examples of each split, with the model's labels.

    Args:
        config: which data, for the task; the columns of training are taken where it names none.
        task: as its model restored it.
        seed: of the hold-out and the samples, unless the config has a --shuffle-seed.
        needs: splits that must not be empty.
        training: see `splits.prepare`.

    Raises:
        UserError: a split is missing, no row can be used, or the labels are not those of the model.
    """
    task = task.configured(config)
    loaded = splits.load(config, type(task))
    if not training and getattr(config, "split", None) is None:
        splits.name_by_file(loaded)
    first = next(iter(loaded.splits.values()))
    with registry.pointing_elsewhere(type(task), first, registry.OTHER_MODEL):
        reader = task.reader(user_columns(first.column_names), config)
    splits.prepare(loaded, reader, config, seed, training=training)
    findings: list[Finding] = []
    with registry.pointing_elsewhere(type(task), first, registry.OTHER_MODEL):
        reader = splits.settled(loaded, reader)
        examples = splits.examples(loaded, reader, findings, bare=True)
    stop_on_errors(findings)
    for split in needs:
        if not len(examples.get(split, ())):
            raise UserError(f"there is no row for {split}", f"Name some: --data PATH|NAME or --{split}-file FILE.")
    settle_findings(findings)
    return reader, loaded, {split: rows for split, rows in examples.items() if len(rows)}, findings
