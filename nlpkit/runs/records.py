"""What a nlpkit.json holds: the one account of it, which every reader of a record goes through.

A record may be cut, edited by hand, of an older nlpkit or somebody else's. What is not there takes the value that it
had before nlpkit wrote it (`opened`); what is there is of the type that readers count on, or refused with the file and
the field (`checked`). Names that nobody here knows are kept as they are: a later nlpkit adds some.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nlpkit.errors import UserError
from nlpkit.runs.files import small_text

RECORD = "nlpkit.json"
SCHEMA_VERSION = 1
LONGEST_VALUE = 60  # characters of a wrong value that a message shows
DAMAGED = "The folder is damaged: copy it again, or begin it anew with --overwrite."

# Options that came later, each beside an older one or one of several: a run whose record lacks it did this, and does it
# when it is resumed, repeated, or asked for the rows that it held out.
LATER: Mapping[str, tuple[Sequence[str], Any]] = {
    "hold_out": (["shuffle_seed"], "rows"),
    "test_share": (["shuffle_seed"], 0.0),
    "calibrate": (["label_smoothing", "label_all_tokens", "cache_teacher", "sparsity"], False),
}

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Figure = float | None
Figures = dict[str, Figure]  # metrics by name
Intervals = dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]]  # low and high end by metric


class Part(BaseModel):
    """A part of a record; `strict`: readers are given the values as they stand."""

    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=())


class Origin(Part):
    """A model that a run began with: `given` as the user named it."""

    name: str | None = None
    """The model, as it names itself."""
    given: str | None = None
    """The model, as the command was given it: a hub name or a folder."""
    revision: str | None = None
    """The revision that was asked for (`--model-revision`)."""
    commit: str | None = None
    """The commit of the hub that was opened."""
    encoder: str | None = None
    """Of two models that were joined, the one that reads."""
    decoder: str | None = None
    """The one that writes."""


class File(Part):
    """A file of data, as it was."""

    path: str
    """Where it stood."""
    sha256: str
    """Its checksum, as hexadecimal digits."""
    bytes: Count
    """Its size."""


class Data(Part):
    """The rows or the text of a run; `files` by split, of running text as one list."""

    spec: str | None = None
    """The data, as `--data` named them."""
    kind: str | None = None
    """How they were read: `files`, `hub`, `sample`, ..."""
    files: dict[str, list[File]] | list[File] | None = None
    """The files, by split; of running text one list."""
    revision: str | None = None
    """The revision of a data set of the hub."""
    drawn: dict[str, str] = {}
    """The split that the rows of a test split were taken out of, where the data have none: `{"test": "validation"}`."""


class Parents(Part):
    """What a run was made of."""

    model: Origin | None = None
    """The model that the run began with."""
    teacher: Origin | None = None
    """The model that it learned from (`distill`, `prune --distill`)."""
    data: Data | None = None
    """The rows or the text."""


class Difference(Part):
    """The main metric of a second model less that of the first, on the same rows; see `metrics.paired.Difference`."""

    value: float
    """Above 0 where the figure of the second model is larger."""
    interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """Low and high end of its 95 % interval."""
    p: float | None = None
    """How likely models that are equally good differ as much."""
    test: str
    """Where `interval` and `p` come from: McNemar's exact test, or a paired bootstrap."""


class BaselineDifference(Difference):
    """Of a trained model less that of its baseline."""

    metric: str
    """The main metric."""
    better: Literal["model", "baseline"] | None = None
    """Which of them is better; null where the rows do not tell."""


class Side(Part):
    """A model in a table of prices; see `recipes.price`."""

    name: str
    """What the table calls it."""
    metrics: Figures
    """Metrics on the split that is compared."""
    metric_intervals: Intervals = {}
    """Low and high end of the 95 % interval of each metric."""
    points_lost: Figure = None
    """Percentage points of the main metric lost against the first side."""
    difference: Difference | None = None
    """Its main metric less that of the first side, on the same rows."""
    parameters: Count
    """Number of parameters."""
    bytes: Count
    """Size of the weights on disk."""
    p50_ms: float | None = None
    """Median time of one call, in milliseconds."""
    p95_ms: float | None = None
    """95th percentile of that time, in milliseconds."""
    rows_per_second: float | None = None
    """Rows per second in batches."""
    batch_size: int | None = None
    """Rows per batch of that figure."""


class Price(Part):
    """What a smaller model costs."""

    split: str
    """The split that was compared on."""
    rows: Count
    """How many rows it has."""
    drawn_from: str | None = None
    """The split that these rows were taken out of; null where they are a split of the data."""
    chose: bool = False
    """Whether something of the run was chosen by these rows."""
    chose_before: bool = False
    """Whether the model that the run began with was chosen by them."""
    main_metric: str
    """The metric that quality is told with."""
    device: list[str]
    """Where each side was timed."""
    written: bool = False
    """Whether each side wrote its answers to be timed."""
    date: str
    """When."""
    sides: Annotated[list[Side], Field(min_length=2)]  # before and after
    """Before, and after."""


class FrontPoint(Part):
    """One of several runs that were made in one go."""

    sparsity: float
    """The share that was cut."""
    run: str
    """Folder of that run, below this one."""
    price: Price
    """Before and after."""


class Pruning(Part):
    """What was cut, and what had been asked for."""

    sparsity: float | None = None
    """The share that was asked for."""
    predicted_speedup: Figure = None
    """How many times faster the cut model was predicted to be."""
    promised_speedup: Figure = None
    """How many times faster it was when it was timed, before any training, beside the whole model."""
    predicted_rows: Count | None = None
    """Rows per batch of that prediction."""
    predicted_tokens: Count | None = None
    """Tokens per row of that prediction."""
    points_lost: Figure = None
    """Percentage points of the main metric lost by cutting alone, as the search for `--max-drop` found."""
    zeros: dict[str, Annotated[list[Count], Field(min_length=2, max_length=2)]] | None = None
    """By weight: how many entries are zero, and how many there are."""


class Session(Part):
    """When and where a price was measured."""

    date: str
    """When."""
    device: str
    """Where."""


class Ancestor(Side):
    """A model that a run comes from, or the run itself."""

    command: str | None = None
    """The command that made it."""
    session: Session | None = None
    """When and where its speed was measured."""
    faster: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """How many times as fast as the one before: one row at a time, and in batches."""


class Calibration(Part):
    """What was done so that the scores of a run mean something; without a temperature they stayed as they were."""

    temperature: Figure = None
    """What the logits were divided by; null where they stayed as they were."""
    layer: str | None = None
    """The layer of the head whose weights were divided by it."""
    rows: Count
    """Rows of validation that it was fitted on."""
    before: Figures
    """`ece`, `brier` and `nll` of validation as training left the model."""
    after: Figures
    """The same of the model in the folder."""
    why: str = ""
    """Why scores stayed as they were."""


class Judged(Part):
    """A model of several, and what it was judged on."""

    rows: Count
    """Rows that it was judged on."""
    metrics: Figures
    """Its metrics on these."""


class Spread(Part):
    """Mean and standard deviation of several models, and the figures over the rows of all."""

    mean: Figures
    """Mean of each metric over the models."""
    sd: Figures
    """Standard deviation (n - 1)."""
    pooled: Figures
    """Metrics over the rows of all, each with the answer of the model that judged it."""
    pooled_intervals: Intervals = {}
    """95 % intervals of these, for the draw of rows."""


class PooledDifference(Part):
    """A metric of the models less that of a classical one, over all rows."""

    metric: str
    """Its name."""
    value: float
    """Above 0 where that of the models is larger."""
    interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """95 %, for the draw of rows."""
    p: float | None = None
    """How likely models that are equally good differ as much."""
    told_apart: bool = False
    """Whether that is less than 5 %."""


class ClassicalSpread(Spread):
    """The same of a classical model."""

    name: str
    """Name of the model."""
    difference: PooledDifference | None = None
    """How far the models are from it."""


class Doubted(Part):
    """Rows whose label may be wrong."""

    rows: list[dict[str, Any]]
    """As the task shows mistakes, the surest first."""


class SeedFigures(Part):
    """A run of several."""

    seed: Count
    """Its seed."""
    metrics: dict[str, Figures]
    """Its metrics, by split."""


class Seeds(Part):
    """What runs with several seeds came to; the rest is by split."""

    chosen: Count
    """Seed of the run that was kept."""
    chosen_by: str
    """Split and metric that it is best by."""
    each: list[SeedFigures]
    """The runs, in the order of `--seeds`."""
    mean: dict[str, Figures]
    """Mean of each metric over the runs."""
    sd: dict[str, Figures]
    """Standard deviation (n - 1)."""
    least: dict[str, Figures]
    """Smallest value of each metric."""
    most: dict[str, Figures]
    """Largest value of each metric."""


class CrossValidation(Spread):
    """What the folds of a run said."""

    folds: Count
    """How many there are."""
    rows: Count
    """Rows of all, each judged once."""
    each: list[Judged]
    """The folds."""
    baseline: ClassicalSpread | None = None
    """The classical model on the same folds (`--baseline`)."""
    suspects: Doubted
    """Rows whose label the models contradict."""


class Way(Part):
    """A way to learn from few labels."""

    name: str
    """What was done."""
    saved: bool
    """Whether a stock model can hold what it learns: another is compared, and never kept."""
    seconds: float
    """Seconds that its folds took."""
    left_out: str | None = None
    """Why it was not judged; it has no figures then."""
    metrics: Figures = {}
    """Metrics over the rows of all folds."""
    metric_intervals: Intervals = {}
    """95 % intervals of these, for the draw of rows."""
    loss: float | None = None
    """Mean negative log-likelihood of the right label, by which ways are told apart."""


class FewShot(Part):
    """What was compared to learn from few labels."""

    folds: Count
    """Folds that the train rows were cut into."""
    rows: Count
    """Train rows."""
    rows_per_label: dict[str, Count]
    """How many each label has."""
    ways: list[Way]
    """The ways, those that cost least first."""
    chosen: str
    """The way by which the saved model has learnt, from all train rows."""
    why: str = ""
    """Why that one was kept."""
    mean_of_tokens: bool
    """Whether the last layer of the model is one that makes the mean of the tokens."""
    curve: dict[str, Any] | None = None
    """Figures by rows per label (`--few-shot-curve`)."""
    next: dict[str, Any] | None = None
    """Rows to label next (`--label-next`)."""


class ConfusedPair(Part):
    """A label and what it was taken for."""

    label: str
    """The label of the rows."""
    prediction: str
    """What they were taken for."""
    count: Count
    """How many rows."""
    share: float
    """Of the rows with this label."""


class Confused(Part):
    """Which labels are taken for which."""

    classes: Count
    """How many labels there are."""
    mistakes: Count
    """How many rows are wrong in all."""
    pairs: list[ConfusedPair]
    """The most frequent mistakes, at most 20."""


class Details(Part):
    """Figures of a split beyond one number for each metric; others than these hang on the task."""

    confused: Confused | None = None
    """Labels that are taken for one another."""


class UnknownWords(Part):
    """How many words of a split a model does not know."""

    unknown: Count
    """Of these words, each as often as it stands there."""
    all: Count
    """Words of the split."""


class Baseline(Part):
    """What a run is compared with."""

    name: str
    """What it is: TF-IDF with a linear model, for text."""
    described: str = ""
    """What it has learnt, and how."""
    seconds: float | None = None
    """Seconds that its training took."""
    rows_per_second: float | None = None
    """Rows a second that it answers, from their texts on."""
    bytes: Count | None = None
    """Bytes of its numbers and its vocabulary."""
    words: dict[str, UnknownWords] = {}
    """Words that it does not know, by split that is held out."""
    metrics: dict[str, Figures]
    """Its metrics, by split."""
    metric_intervals: dict[str, Intervals] = {}
    """Low and high end of the 95 % interval of each metric, by split."""
    differences: dict[str, BaselineDifference] = {}
    """The main metric of the run less that of the baseline, by split that is held out."""
    before: bool = False
    """Whether it is the model that was begun with, as it was before training."""
    details: dict[str, Details] = {}
    """Its figures beyond one number a metric, by split that is held out."""


class Record(Part):
    """What the readers of any record count on. All of it may be missing: a run that has just begun has little."""

    schema_version: Annotated[int, Field(ge=0)] = 0
    """Version of this schema; one of a newer nlpkit is refused."""
    status: Literal["running", "complete"] = "running"
    """`running` until the folder is whole, then `complete`."""
    command: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]*|\?)$")] | None = None
    """The command that wrote the folder."""
    config: dict[str, Any] | None = None
    """Every option as it was resolved: `--config RUN/nlpkit.json` repeats the run."""
    task: dict[str, Any] | None = None
    """Name of the task, its columns, labels and settings."""
    parents: Parents | None = None
    """What the run was made of: model, teacher, data with checksums."""
    rows: dict[str, Count | None] | Count | None = None  # nobody knows how long a stream is
    """Rows that were used, by split; null where nobody knows how long a stream is."""
    held_out: bool = True
    """Whether rows are held out of train where a set has no split of its own (`benchmark`)."""
    metrics: dict[str, Figures] | None = None
    """Metrics, by split."""
    metric_intervals: dict[str, Intervals] | None = None
    """Low and high end of the interval of each metric that has one, by split."""
    interval_level: float | None = None
    """How often such an interval holds what it should: 0.95."""
    interval_units: dict[str, dict[str, Count]] | None = None
    """What was drawn independently, and how many there are of it, by split: `{"test": {"contexts": 48}}`."""
    details: dict[str, Details] | None = None
    """More figures, by split that is held out."""
    judged: dict[str, Count] | None = None
    """Rows behind these metrics, by split."""
    metric_notes: dict[str, str] = {}
    """What a metric is of, by metric: the label of f1, say."""
    label_counts: dict[str, dict[str, Count]] = {}
    """How often each label occurs, by split."""
    main_metric: str | None = None
    """The metric that picks the best checkpoint and is told first."""
    table_metrics: list[str] | None = None
    """Metrics of the table at the end, in its order."""
    baseline: Baseline | None = None
    """What the run is compared with (`--baseline`): of several models the one that is best on validation."""
    baselines: list[Baseline] = []
    """Further models beside it; of `pretrain-clm` all that have learnt from the same text."""
    rows_per_second: float | None = None
    """Rows a second that the model answers, from their texts on, where it was timed beside others (`--baseline`)."""
    calibration: Calibration | None = None
    """What was done so that scores mean something (`--calibrate`)."""
    cv: CrossValidation | None = None
    """What the folds of `--cv` said; not of the saved model."""
    seeds: Seeds | None = None
    """What the runs of `--seeds` came to; the saved model is one of them."""
    few_shot: FewShot | None = None
    """The ways to learn that were compared (`--few-shot`, `--heads`)."""
    attention: str | None = None
    """Implementation of attention."""
    steps: Count | None = None
    """Steps of the optimizer that were done."""
    best_step: Count | None = None
    """The step whose weights are in the folder."""
    checkpoints_judged: Count | None = None
    """Checkpoints that validation has chosen among."""
    train_seconds: float | None = None
    """Seconds of training alone."""
    train_samples_per_second: float | None = None
    """Rows per second of training."""
    compile: dict[str, Any] | None = None
    """Whether steps were compiled, and what each kind took (`--compile auto`)."""
    tokens_per_second: float | None = None
    """Tokens per second of training (`pretrain-mlm`)."""
    wall_seconds: float | None = None
    """Seconds of the whole command, loading and evaluation among them."""
    price: Price | None = None
    """Before and after (`distill`, `prune`, `quantize`, `compress`)."""
    translations: dict[str, Any] | None = None
    """Teacher and student on translations that were held out (`distill --parallel`)."""
    front: Annotated[list[FrontPoint], Field(min_length=1)] | dict[str, Any] | None = None
    """Several runs made in one go (`prune` with several sparsities); of `benchmark`, which models no other beats in
    both speed and quality."""
    lineage: list[Ancestor] | None = None
    """The models that this one comes from, oldest first, and the run itself."""
    evaluations: list[Any] = []
    """What `evaluate` has measured since, each with its date."""
    pruning: Pruning = Pruning()
    """What was cut (`prune`)."""
    compression: dict[str, Any] | None = None
    """What was wished for, all models that were made and what stopped the search (`compress`)."""
    quantization: dict[str, Any] = {}
    """Formats that were written and what each costs (`quantize`)."""
    word_vectors: dict[str, Any] | None = None
    """How many words have a vector, how wide it is, and the text they are learned from (`train-vectors`)."""
    search: dict[str, Any] | None = None
    """What was searched, each trial, and the best beside the defaults (`tune`)."""
    versions: dict[str, str] | None = None
    """nlpkit, Python and the libraries."""
    stopped: str | None = None
    """What was not measured, and why (`benchmark`)."""
    failure: str | None = None
    """Why a run that has not finished ended, where that was an error; a run that goes on has it no more."""


# What a finished run of a command that resumes is told with; without these its folder opens, and is no result to show.
_TRAINED = ("task", "parents", "metrics", "judged", "main_metric", "table_metrics", "steps", "train_seconds")
WHOLE: dict[str, tuple[str, ...]] = {
    "finetune-cls": _TRAINED,
    "finetune-ner": _TRAINED,
    "finetune-qa": _TRAINED,
    "finetune-seq2seq": _TRAINED,
    "distill": (*_TRAINED, "price"),
    "prune": (*_TRAINED, "price", "pruning"),
    "compress": ("task", "parents", "metrics", "judged", "main_metric", "table_metrics", "price", "compression"),
    "tune": ("metrics", "main_metric", "search"),
    "train-vectors": ("word_vectors", "parents"),
    "pretrain-mlm": ("metrics", "judged", "main_metric", "table_metrics", "steps", "best_step", "train_seconds"),
    "pretrain-clm": ("metrics", "judged", "main_metric", "table_metrics", "steps", "best_step", "train_seconds"),
}


def read(path: Path) -> dict[str, Any] | None:
    """The record in a file, checked; None where there is no such file, {} where it is empty.

    Raises:
        UserError: it cannot be read, is no JSON, is of a newer nlpkit, or a field is not of its type.
    """
    document = document_of(path)
    return document if document is None or document == {} else opened(document, path)


def document_of(path: Path) -> Any:
    """The JSON value in a file; None where there is no such file, {} where it is empty.

    Raises:
        UserError: it cannot be read, or is no JSON.
    """
    try:
        if path.is_fifo():  # which may never answer
            raise UserError(f"{path} is a pipe, not a file", DAMAGED)
        text = small_text(path)
        if not text.strip():
            return {}
        document = json.loads(text, object_pairs_hook=each_once)
        if "\\ud" in text.lower():  # halves of characters, which need each other
            json.dumps(document, ensure_ascii=False).encode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        said: object = "it is nested too deep" if isinstance(error, RecursionError) else error
        if isinstance(error, UnicodeEncodeError):
            said = f"it holds half of a character, {error.object[error.start : error.start + 1]!r}"
        raise UserError(f"{path} is not valid JSON: {said}", DAMAGED) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", DAMAGED) from None
    if document is None or document == {}:
        raise UserError(f"{path} holds nothing but {text.strip()}", DAMAGED)
    return document


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two equal names the last would count, and nobody told.

    Raises:
        ValueError: a name is there twice.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1)
        raise ValueError(f"{json.dumps(twice)} is given twice")
    return values


def opened(document: Any, path: Path) -> dict[str, Any]:
    """A record that was read, as readers count on it: what older versions did not write has its value of then.

    Args:
        path: where it stands, for messages.

    Raises:
        UserError: it is no record, is of a newer nlpkit, or a field is not of its type.
    """
    if not isinstance(document, dict):
        raise UserError(f"{path} is not the record of a run, but {_shown(document)}", DAMAGED)
    version = document.get("schema_version", 0)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        known = document.get("versions")
        newer = known.get("nlpkit") if isinstance(known, dict) else None
        raise UserError(
            f"{path} was written by a newer nlpkit ({newer or f'with records of version {version}'})",
            f"Upgrade nlpkit: this one reads records up to version {SCHEMA_VERSION}.",
        )
    checked(Record, document, path)
    return _with_defaults(document)


def checked(schema: type[BaseModel], values: Any, path: Path | str, above: Sequence[str] = ()) -> Any:
    """Values as they are, once they are of the types that a schema says.

    Args:
        path: of the file, for messages.
        above: names of the fields that the values stand in.

    Raises:
        UserError: naming file and field.
    """
    try:
        schema.model_validate(values)
    except ValidationError as error:
        raise UserError(*_explained(error, path, above)) from None
    return values


def filled(schema: type[BaseModel], values: Any, path: Path | str, above: Sequence[str] = ()) -> dict[str, Any]:
    """As `checked`, with the schema's defaults for what is not there."""
    return schema.model_validate(checked(schema, values, path, above)).model_dump()


def require_whole(record: Mapping[str, Any], path: Path) -> None:
    """Refuse the record of a finished run that lacks what its result is told with.

    Raises:
        UserError: naming what is missing.
    """
    wanted = () if record.get("front") else WHOLE.get(record.get("command") or "", ())
    missing = [name for name in wanted if record.get(name) is None]
    if missing:
        raise UserError(
            f"{path}: the record of a finished run lacks {', '.join(missing)}",
            "Copy the folder again, or run again with --overwrite.",
        )
    evaluated, metrics = record.get("judged") or {}, record.get("metrics") or {}
    if unknown := sorted(metrics.keys() - evaluated.keys()):
        raise UserError(f"{path}: judged: there is no number of rows for {', '.join(unknown)}", DAMAGED)


def _with_defaults(record: dict[str, Any]) -> dict[str, Any]:
    """With what nlpkit did before it said so."""
    record = {name: value for name, value in record.items() if value is not None or name not in ("config", "parents")}
    if "config" in record:
        record["config"] = of_record(record["config"])
    metrics, rows = record.get("metrics"), record.get("rows")
    if record.get("status") == "complete" and metrics and isinstance(rows, dict):
        record.setdefault("judged", {split: rows[split] for split in metrics if split in rows})
        record.setdefault(
            "table_metrics", list(dict.fromkeys(name for figures in metrics.values() for name in figures))
        )
    return record


_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
}


def _explained(error: ValidationError, path: Path | str, above: Sequence[str]) -> tuple[str, str]:
    # of the choices of a union that one says most which has come deepest
    first = max(error.errors(include_url=False), key=lambda entry: len(entry["loc"]))
    place = [*above, *(str(key) for key in first["loc"] if not _names_choice(key))]
    field = ".".join(place) or "all of it"
    if first["type"] == "missing":
        return f"{path}: {field} is missing", DAMAGED
    if wanted := _WANTED.get(first["type"]):
        return f"{path}: {field}: expected {wanted}, found {_shown(first['input'])}", DAMAGED
    said = first["msg"].removeprefix("Value error, ")
    return f"{path}: {field} {_shown(first['input'])}: {said[0].lower() + said[1:]}", DAMAGED


def _names_choice(key: Any) -> bool:
    """Whether a part of a place is not in the file, but pydantic's name for one of several types."""
    return isinstance(key, str) and ("[" in key or key in ("int", "constrained-int", "float", "str", "none"))


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def of_record(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a record, with what it did before some of them were there; see `LATER`."""
    missing = {
        name: then
        for name, (beside, then) in LATER.items()
        if name not in values and any(older in values for older in beside)
    }
    return {**values, **missing}
