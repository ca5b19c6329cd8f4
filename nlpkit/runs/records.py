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

# Options that came later, each beside an older one: a run whose record lacks it did this, and does it when it is
# resumed, repeated, or asked for the rows that it held out.
LATER = {"hold_out": ("shuffle_seed", "rows")}

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Figure = float | None
Figures = dict[str, Figure]  # metrics by name


class Part(BaseModel):
    """A part of a record; `strict`: readers are given the values as they stand."""

    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=())


class Origin(Part):
    """A model that a run began with: `given` as the user named it."""

    name: str | None = None
    given: str | None = None
    revision: str | None = None
    commit: str | None = None


class File(Part):
    """A file of data, as it was."""

    path: str
    sha256: str
    bytes: Count


class Data(Part):
    """The rows or the text of a run; `files` by split, of running text as one list."""

    spec: str | None = None
    kind: str | None = None
    files: dict[str, list[File]] | list[File] | None = None
    revision: str | None = None


class Parents(Part):
    """What a run was made of."""

    model: Origin | None = None
    teacher: Origin | None = None
    data: Data | None = None


class Side(Part):
    """A model in a table of prices; see `recipes.price`."""

    name: str
    metrics: Figures
    points_lost: Figure = None
    parameters: Count
    bytes: Count
    p50_ms: float | None = None
    p95_ms: float | None = None
    rows_per_second: float | None = None
    batch_size: int | None = None


class Price(Part):
    """What a smaller model costs."""

    split: str
    rows: Count
    main_metric: str
    device: list[str]
    date: str
    sides: Annotated[list[Side], Field(min_length=2)]  # before and after


class FrontPoint(Part):
    """One of several runs that were made in one go."""

    sparsity: float
    run: str
    price: Price


class Pruning(Part):
    """What was cut, and what had been asked for."""

    sparsity: float | None = None
    predicted_speedup: Figure = None
    predicted_rows: Count | None = None
    predicted_tokens: Count | None = None
    points_lost: Figure = None
    zeros: dict[str, Annotated[list[Count], Field(min_length=2, max_length=2)]] | None = None


class Session(Part):
    """When and where a price was measured."""

    date: str
    device: str


class Ancestor(Side):
    """A model that a run comes from, or the run itself."""

    command: str | None = None
    session: Session | None = None
    faster: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None


class Baseline(Part):
    """What a run is compared with."""

    name: str
    metrics: dict[str, Figures]


class Record(Part):
    """What the readers of any record count on. All of it may be missing: a run that has just begun has little."""

    schema_version: Annotated[int, Field(ge=0)] = 0
    status: Literal["running", "complete"] = "running"
    command: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]*|\?)$")] | None = None
    config: dict[str, Any] | None = None
    task: dict[str, Any] | None = None
    parents: Parents | None = None
    rows: dict[str, Count | None] | Count | None = None  # nobody knows how long a stream is
    held_out: bool = True
    metrics: dict[str, Figures] | None = None
    judged: dict[str, Count] | None = None
    metric_notes: dict[str, str] = {}
    main_metric: str | None = None
    table_metrics: list[str] | None = None
    baseline: Baseline | None = None
    attention: str | None = None
    steps: Count | None = None
    best_step: Count | None = None
    train_seconds: float | None = None
    train_samples_per_second: float | None = None
    tokens_per_second: float | None = None
    wall_seconds: float | None = None
    price: Price | None = None
    front: Annotated[list[FrontPoint], Field(min_length=1)] | dict[str, Any] | None = None
    lineage: list[Ancestor] | None = None
    evaluations: list[Any] = []
    pruning: Pruning = Pruning()
    quantization: dict[str, Any] = {}
    versions: dict[str, str] | None = None
    stopped: str | None = None


# What a finished run of a command that resumes is told with; without these its folder opens, and is no result to show.
_TRAINED = ("task", "parents", "metrics", "judged", "main_metric", "table_metrics", "steps", "train_seconds")
WHOLE: dict[str, tuple[str, ...]] = {
    "finetune-cls": _TRAINED,
    "finetune-ner": _TRAINED,
    "finetune-qa": _TRAINED,
    "distill": (*_TRAINED, "price"),
    "prune": (*_TRAINED, "price", "pruning"),
    "pretrain-mlm": ("metrics", "judged", "main_metric", "table_metrics", "steps", "best_step", "train_seconds"),
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
    missing = {name: then for name, (beside, then) in LATER.items() if beside in values and name not in values}
    return {**values, **missing}
