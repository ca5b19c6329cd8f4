"""Options, declared once.

A recipe's `Config` is the only place where an option's name, type, default, bounds and help stand: the flags, the
YAML keys, `--help`, validation, the Python API and the JSON record are all read from it. The groups here are shared by
several recipes, so that the same thing has the same flag everywhere.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from nlpkit import nearby
from nlpkit.errors import UserError

DEFAULT_MODEL = "minilm"

# Options that were renamed: a recipe or a script that was written before still runs.
OLD_NAMES = {"input_format": "format"}

TRUE = frozenset({"true", "t", "yes", "y", "1"})  # as transformers reads switches of its scripts
FALSE = frozenset({"false", "f", "no", "n", "0"})
LARGEST = 2**63 - 1  # whole number that arrays and records of other programs hold
LONGEST_NAME = 255  # bytes of the name of a file
# what stands for a path in `--help`
PLACES = frozenset({"PATH", "FILE", "DIR", "MODEL", "TEACHER"})


# Fields that say where and how to speak, not what to compute: a record of a run does not repeat them.
NOT_REPEATED = frozenset({"output", "overwrite", "resume", "dry_run", "push_to_hub"})


# Fields that let code run, or send something away: a record may be somebody else's, so they are given by hand each
# time.
PERMISSIONS = frozenset({"trust_remote_code", "allow_pickle", "push_to_hub", "public", "report_to"})
HARMLESS = ("none", "tensorboard")  # values of --report-to that stay here
# TrainingArguments that say how a model is trained and nothing else, which a record may repeat. Others reach for the
# network, for files with settings of a library, for kernels and compilers: they are given by hand, too.
ARITHMETIC = re.compile(
    "(adam|dataloader|ddp|eval|gradient|log|logging|lr_scheduler|save)_[a-z0-9_]+|optim|optim_args|neftune_noise_alpha"
    "|average_tokens_across_devices|batch_eval_metrics|(bf16|fp16)_full_eval|data_seed|disable_tqdm|ignore_data_skip"
    "|include_for_metrics|include_num_input_tokens_seen|label_smoothing_factor|prediction_loss_only|tf32|use_cache"
    "|skip_memory_metrics|torch_empty_cache_steps"
)
MOST_THREADS = 4096  # more than any machine has cores; what is asked for is begun, and each takes memory
MOST_ROWS = 2**24  # of a step: products of these stay whole numbers of 64 bits
TEXTS = frozenset({"run_name"})  # of KEY=VALUE those with any text, which may look like a number or a date


def option(
    default: Any,
    help: str,
    *,
    panel: str = "Options",
    metavar: str | None = None,
    positional: bool = False,
    shown_default: str | None = None,
    **bounds: Any,
) -> Any:
    """Declare one option of a config class.

    Args:
        default: the value when neither flag nor file names one; `...` makes the option required.
        help: one line, with the unit.
        panel: heading under which `--help` lists it.
        metavar: stands for the value in `--help`.
        positional: an argument without a flag, on the command line.
        shown_default: text for `--help` where `default` is None but means something.
        bounds: pydantic's `ge`, `gt`, `le`, `lt`, ...
    """
    extra: Any = {"panel": panel, "metavar": metavar, "positional": positional, "shown_default": shown_default}
    return Field(default, description=help, json_schema_extra=extra, **bounds)


def _pairs(value: Any) -> Any:
    """Turn ["a=1", "b=x"] into {"a": 1, "b": "x"}, values read as YAML reads them."""
    if isinstance(value, dict):
        return {name: item if name in TEXTS else as_number(item) for name, item in value.items()}
    if not isinstance(value, list | tuple):
        return value
    import yaml

    out: dict[str, Any] = {}
    for item in value:
        name, sign, text = str(item).partition("=")
        if not sign:
            raise ValueError(f"'{item}' is not of the form key=value")
        name = name.strip().replace("-", "_")
        try:
            out[name] = text if name in TEXTS else as_number(yaml.safe_load(text))
        except yaml.YAMLError:
            raise ValueError(f"the value of '{item}' cannot be read; quote it as YAML does") from None
    return out


def as_number(value: Any) -> Any:
    """A text that is a number as that, also in a list or an object: YAML takes 1e-6 for text."""
    if isinstance(value, dict):
        return {name: as_number(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_number(item) for item in value]
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _at_commas(value: Any) -> Any:
    given = value if isinstance(value, list | tuple) else [value]
    return [part.strip() for entry in given for part in str(entry).split(",")]


def _steps_or_share(value: Any) -> Any:
    """A number of steps, or a share of all: a float below 1.

    Raises:
        ValueError: it is neither.
    """
    if value is None:
        return None
    try:
        number = float("" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise ValueError("this is no number") from None
    if 0 < number < 1:
        return number
    if not (number >= 1 and number.is_integer()):
        raise ValueError("use a whole number of steps, or a share of all steps between 0 and 1")
    return int(number)


def truth_of(value: Any) -> bool | None:
    """What a word for yes or no says, as people and TrainingArguments write them; None of anything else."""
    word = str(value).strip().lower()
    return True if word in TRUE else False if word in {*FALSE, "none"} else None


def _repository(value: Any) -> Any:
    """Whether to upload at all, in any of the ways to write it, or else the name of a repository."""
    if value == "":
        raise ValueError("it is empty; was a variable of the shell not set?")
    said = truth_of(value)
    return (said or None) if said is not None else value


Pairs = Annotated[dict[str, Any], BeforeValidator(_pairs)]
Strings = Annotated[list[str], BeforeValidator(_listed)]
Interval = Annotated[int | float | None, BeforeValidator(_steps_or_share)]
AtCommas = BeforeValidator(_at_commas)  # for lists that are written 1,8,32
Names = Annotated[list[str], AtCommas]
# a shell makes some separators hard to type
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}


class OptionError(UserError):
    """An option has a value that it does not take.

    Attributes:
        field: its name.
    """

    def __init__(self, message: str, hint: str | None, field: str) -> None:
        super().__init__(message, hint)
        self.field = field


class Config(BaseModel):
    """Base of every recipe's configuration.

    Constructing one with a bad value or an unknown name raises `UserError` that names the nearest valid option.
    """

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, protected_namespaces=(), coerce_numbers_to_str=True
    )
    # the options the user gave, as opposed to defaults: a resumed run overrides only these
    _given: frozenset[str] = PrivateAttr(default=frozenset())

    def __init__(self, **values: Any) -> None:
        values = self.with_new_names(values)
        _require_places(values, type(self))
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise OptionError(*_explain(error, type(self)), _field_of(error)) from None
        self._given = frozenset(values)
        _require_apart(self)

    @field_validator("*")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        """Numbers that no arithmetic here holds are slips, and records are JSON, which has none that is infinite."""
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError("give a finite number")
            if isinstance(number, int) and abs(number) > LARGEST:
                raise ValueError(f"give a number up to {LARGEST}")
        return value

    @classmethod
    def with_new_names(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same values, with old names of options replaced where this config has the new one; see `OLD_NAMES`."""
        new = {old: name for old, name in OLD_NAMES.items() if old not in cls.model_fields and name in cls.model_fields}
        return {new.get(key, key): value for key, value in values.items()}

    @property
    def given(self) -> frozenset[str]:
        """Names of the options that were set by a flag, a file or a caller."""
        return self._given

    @classmethod
    def of(cls, config: Config) -> Self:
        """This group of options, of the config of a command that has it.

        Raises:
            TypeError: it has not.
        """
        if not isinstance(config, cls):
            raise TypeError(f"{type(config).__module__}.{type(config).__name__} has no {cls.__name__}")
        return config

    def changed(self, **values: Any) -> Self:
        """A copy with some values replaced, validated again."""
        given = {name: getattr(self, name) for name in self._given}
        return type(self)(**{**given, **values})

    def on_top_of(self, recorded: Mapping[str, Any]) -> Self:
        """The options of a record, as far as there are such, with those that were given here on top."""
        values = self.with_new_names(recorded)
        known = {name: value for name, value in values.items() if name in type(self).model_fields}
        return self.changed(**{name: value for name, value in known.items() if name not in self._given})

    def record(self) -> dict[str, Any]:
        """The resolved configuration as JSON values, without where it was written (see `NOT_REPEATED`)."""
        return self.model_dump(mode="json", exclude=set(NOT_REPEATED))

    @classmethod
    def from_sources(cls, flags: Mapping[str, Any], file: Path | None = None, command: str | None = None) -> Self:
        """Resolve the precedence flag > file > default.

        Raises:
            UserError: the file cannot be read, is of another command, or has an unknown key or a bad value.
        """
        values = read_config_file(file, command, cls) if file is not None else {}
        if flags.get("resume") and flags.get("output"):
            values = {**cls._required_of(Path(flags["output"])), **values}
        if file is None:
            return cls(**{**values, **flags})
        with naming(file, values.keys() - flags.keys()):
            return cls(**{**values, **flags})

    @classmethod
    def _required_of(cls, folder: Path) -> dict[str, Any]:
        """What a run that goes on was given where an option is required: --output and --resume are enough."""
        from nlpkit.runs import records

        recorded = (records.read(folder / records.RECORD) or {}).get("config") or {}
        required = [name for name, info in cls.model_fields.items() if info.is_required()]
        return {name: recorded[name] for name in required if name in recorded}


@contextlib.contextmanager
def naming(path: Path, fields: Collection[str]) -> Iterator[None]:
    """Say of an option that is refused in the block, and was read from a file, which file that is.

    Args:
        fields: names of the options that stand in the file.

    Raises:
        UserError: as it was raised, with the file before it.
    """
    try:
        yield
    except OptionError as error:
        if error.field not in fields:
            raise
        raise UserError(f"{path}: {error.message}", error.hint) from None


def without_permissions(values: Mapping[str, Any], record: Path) -> dict[str, Any]:
    """The options of a record that may be repeated: neither `PERMISSIONS` nor where to write, nor what of --trainer is
    more than `ARITHMETIC`. What of these a record has set is said.

    Args:
        values: by name.
        record: where they stand, for the message.
    """
    from nlpkit import reporting

    kept = {name: value for name, value in values.items() if name not in PERMISSIONS | NOT_REPEATED}
    given = [flag_of(name) for name in sorted((PERMISSIONS | NOT_REPEATED) & values.keys()) if values[name]]
    if values.get("report_to") in HARMLESS:
        kept["report_to"] = values["report_to"]
        given.remove("--report-to")
    if isinstance(trainer := values.get("trainer"), list | tuple):
        trainer = dict(str(entry).partition("=")[::2] for entry in trainer)
    if isinstance(trainer, dict):
        foreign = sorted(str(key) for key in trainer if not ARITHMETIC.fullmatch(str(key).strip().replace("-", "_")))
        given += [f"--trainer {key if key.isidentifier() else repr(key)}" for key in foreign]
        kept["trainer"] = {key: value for key, value in trainer.items() if str(key) not in foreign}
    if given:
        reporting.current().warn(f"{record}: not taken from a record, give anew what is meant: {', '.join(given)}")
    return kept


def read_config_file(path: Path, command: str | None, config: type[Config]) -> dict[str, Any]:
    """Read a YAML recipe or the `nlpkit.json` of an earlier run; keys may be written with dashes.

    Raises:
        UserError: it cannot be read, is of another command, or has an unknown key.
    """
    from nlpkit.runs import records

    document = _document(path)
    if not isinstance(document, dict):
        raise UserError(f"{path}: expected `option: value` lines, found {type(document).__name__}")
    # whoever names a run's record takes it for one: without a version, too, it gives no permissions
    if path.name == records.RECORD or ("schema_version" in document and isinstance(document.get("config"), dict)):
        document = records.opened(document, path)
        if "config" not in document:
            raise UserError(f"{path} does not tell the options of its run", "Name a recipe (YAML), or another record.")
        values = without_permissions(document["config"], path)
    else:
        values = {key: value for key, value in document.items() if key != "command"}
    recorded = document.get("command")
    if recorded and command and recorded != command:
        raise UserError(f"{path} is for `nlpkit {recorded}`, not for `nlpkit {command}`")
    values = config.with_new_names({str(key).replace("-", "_"): value for key, value in values.items()})
    for key in values:
        if key not in config.model_fields:
            raise UserError(f"{path}: unknown option {key!r}", _known_as(key, config.model_fields))
    return values


def _document(path: Path) -> Any:
    """What a YAML or JSON file holds.

    Raises:
        UserError: it cannot be read, or gives a key twice.
    """
    import yaml

    from nlpkit.runs.files import small_text

    class Loader(yaml.SafeLoader):
        """Of two equal keys the last would count, and nobody told."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            found: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in found and key.value != "<<":
                    raise yaml.MarkedYAMLError(problem=f"'{key.value}' is given twice", problem_mark=key.start_mark)
                found |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(small_text(path), Loader)
    except FileNotFoundError:
        raise UserError(f"there is no config file {path}") from None
    except IsADirectoryError:
        record = path / "nlpkit.json"
        hint = f"Did you mean {record}?" if record.is_file() else "Name the YAML file in it."
        raise UserError(f"the config file {path} is a folder", hint) from None
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot read the config file {path}: {said}", "Name a YAML file.") from None
    except RecursionError:
        raise UserError(f"{path}: not valid YAML: it is nested too deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UserError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', error)}") from None
    except ValueError as error:  # of what looks like a date or a number, and is none
        raise UserError(f"{path}: not valid YAML: {error}", "Quote what is no date and no number.") from None
    except (AttributeError, LookupError, TypeError):  # PyYAML's, of `!!bool x`
        raise UserError(f"{path}: not valid YAML: a value is not what its tag (!!) says") from None


def suggest(name: str, valid: Any) -> str | None:
    """A hint that names the nearest of `valid`, or None when nothing is near."""
    near = nearby.nearest(name.replace("-", "_"), valid)
    return f"Did you mean '{near}'?" if near else None


def _known_as(name: str, fields: Collection[str]) -> str | None:
    """A hint that names the option that a field of TrainingArguments is here, or else the nearest option."""
    from nlpkit.trainer_fields import OPTIONS, PASSED

    if OPTIONS.get(name) in fields:
        return f"It is '{OPTIONS[name]}' here."
    if name in PASSED and "trainer" in fields:
        return f"It stands under trainer, {name}: VALUE."
    return suggest(name, fields)


def choices(annotation: Any) -> list[str]:
    """The values that an option takes, where these are a few names."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [value for part in get_args(annotation) for value in choices(part)]


def taking(value: str, fields: Mapping[str, Any]) -> str | None:
    """A hint that names the options with such a value, or with one of which it is a part; None when there is none."""
    fitting = [
        f"{flag_of(field)} {choice}"
        for field, info in fields.items()
        for choice in choices(info.annotation)
        if value == choice or value in choice.split("-")
    ]
    return f"Did you mean {' or '.join(fitting)}?" if value and fitting else None


def flag_of(field: str) -> str:
    """The command-line flag of a config field."""
    return "--" + field.replace("_", "-")


def _require_places(values: Mapping[str, Any], config: type[Config]) -> None:
    """Refuse an empty path, which would be the folder one is in: a variable of the shell was not set. And one with a
    name that no system takes, at which each look at the disk would be an error of its own: it is a text.

    Raises:
        UserError: naming the option.
    """
    for field, value in values.items():
        if not _names_place(field, config):
            continue
        for place in value if isinstance(value, list | tuple) else [value]:
            name = shown_name(field, config.model_fields)
            if place == "":
                raise OptionError(f"{name} is empty", "Was a variable of the shell not set?", field)
            if any(len(part.encode(errors="replace")) > LONGEST_NAME for part in re.split("[/,]", str(place))):
                shown = f"{name} {_cut(str(place))!r}"
                raise OptionError(f"{shown}: no file or folder has so long a name", "It looks like a text.", field)


def _require_apart(config: Config) -> None:
    """Refuse to write over what is read: with --overwrite a model or a file would be replaced by what is made of it.

    Raises:
        UserError: naming the option that says the same as --output.
    """
    output = getattr(config, "output", None)
    if output is None or not Path(output).exists() or getattr(config, "resume", False):
        return
    for field in type(config).model_fields:
        value = getattr(config, field) if field != "output" and _names_place(field, type(config)) else None
        for place in value if isinstance(value, list | tuple) else [value]:
            with contextlib.suppress(OSError, ValueError):
                if place and nearby.expanded(str(place)).samefile(output):
                    said = shown_name(field, type(config).model_fields)
                    raise UserError(f"--output {output} is also what {said} reads", "Give another --output.")


def _names_place(field: str, config: type[Config]) -> bool:
    info = config.model_fields.get(field)
    extra: Any = info.json_schema_extra if info else {}
    return any(word in PLACES for word in (extra.get("metavar") or "").split("|"))


def shown_name(field: str, fields: Mapping[str, Any]) -> str:
    """How an option is called on the command line: by its flag, or what stands for it without one."""
    extra: Any = fields[field].json_schema_extra
    return str(extra["metavar"]) if extra["positional"] else flag_of(field)


def _cut(text: str, longest: int = 80) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


_NO_NUMBER = {
    "float_parsing": "this is no number",
    "int_parsing": "this is no whole number",
    "int_from_float": "this is no whole number",
}


def _field_of(error: ValidationError) -> str:
    place = error.errors()[0]["loc"]
    return str(place[0]) if place else ""


def _explain(error: ValidationError, config: type[Config]) -> tuple[str, str | None]:
    first, field = error.errors()[0], _field_of(error)
    if first["type"] == "extra_forbidden":
        return f"unknown option '{field}'", _known_as(field, config.model_fields)
    if first["type"] == "missing":
        extra: Any = config.model_fields[field].json_schema_extra
        return f"{extra['metavar'] if extra['positional'] else flag_of(field)} is required", None
    text = _NO_NUMBER.get(first["type"], first["msg"].removeprefix("Value error, "))
    text = _cut(text[0].lower() + text[1:], 400)
    hint = None
    if first["type"] == "literal_error":
        given = str(first["input"])
        hint = taking(given, config.model_fields) or suggest(given, choices(config.model_fields[field].annotation))
    elif first["type"] in ("less_than", "less_than_equal") and first["ctx"].get("lt", first["ctx"].get("le")) == 1:
        hint = "It is a share: 0.2 stands for 20 %."
    elif "is not of the form" in text:
        hint = f"Write it {flag_of(field)} {config.model_fields[field].json_schema_extra['metavar']}."  # type: ignore[index]
    shown = f" {_cut(repr(first['input']))}" if isinstance(first["input"], str | int | float) else ""
    return (f"{flag_of(field)}{shown}: {text}" if field else text), hint


class ReadingOptions(Config):
    """How files are read, the same in every command that reads rows or text from some; see `Reading`."""

    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "txt", "conll", "squad"] | None = option(
        None, "Format of the files.", panel="Data", shown_default="from their names"
    )
    encoding: str = option("utf-8", "Text encoding of the files.", panel="Data", metavar="NAME")
    delimiter: str | None = option(
        None,
        "Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab, pipe, space.",
        panel="Data",
        metavar="CHAR",
        shown_default="from the header",
    )
    quoting: Literal["auto", "standard", "none"] = option(
        "auto", "Quotes in csv and tsv files: around fields (standard), or text as any other (none).", panel="Data"
    )
    columns: Annotated[list[str], AtCommas] = option(
        [], "Names of the columns of files without a header.", panel="Data", metavar="NAME,..."
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = DELIMITERS.get(value.lower(), value)
        if len(value) != 1 or value in '"\r\n':
            raise ValueError(f"use one character that is no quote, or {', '.join(DELIMITERS)}")
        return value

    @field_validator("columns")
    @classmethod
    def _names(cls, value: list[str]) -> list[str]:
        if "" in value or len(set(value)) < len(value):
            raise ValueError("give each column a name of its own")
        return value


class SourceOptions(ReadingOptions):
    """Where the rows come from."""

    data: str | None = option(
        None,
        "Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision).",
        panel="Data",
        metavar="PATH|NAME",
    )
    train_file: Strings = option([], "File of the train split (repeatable, glob).", panel="Data", metavar="FILE")
    validation_file: Strings = option([], "File of the validation split.", panel="Data", metavar="FILE")
    test_file: Strings = option([], "File of the test split.", panel="Data", metavar="FILE")
    data_config: str | None = option(None, "Configuration of a hub data set.", panel="Data", metavar="NAME")
    data_revision: str | None = option(None, "Revision of a hub data set.", panel="Data", metavar="REV")
    train_split: str | None = option(
        None, "Rows to train on, e.g. 'train[:2000]+train[-2000:]'.", panel="Data", metavar="SPLIT"
    )
    validation_split: str | None = option(None, "Rows to validate on.", panel="Data", metavar="SPLIT")
    test_split: str | None = option(None, "Rows to test on.", panel="Data", metavar="SPLIT")
    max_eval_samples: int | None = option(None, "Evaluate on at most N rows a split.", panel="Data", ge=1)


class DataOptions(SourceOptions):
    """Which rows are trained on, and which are held out."""

    validation_share: float = option(
        0.1, "Share of train held out when there is no validation split.", panel="Data", gt=0, lt=1
    )
    hold_out: Literal["texts", "rows"] = option(
        "texts",
        "What is held out: equal texts together (QA: contexts), or rows one by one, as older runs did.",
        panel="Data",
    )
    max_train_samples: int | None = option(None, "Train on at most N rows, balanced by label.", panel="Data", ge=1)
    shuffle_seed: int | None = option(
        None, "Seed of the hold-out and of the sampling.", panel="Data", shown_default="--seed", ge=0, le=2**32 - 1
    )


class TextColumnOptions(Config):
    """Which columns of the rows are the input."""

    text_column: str | None = option(None, "Column of the text.", panel="Data", shown_default="guessed")
    text_pair_column: str | None = option(None, "Column of the second text of a pair.", panel="Data")


class ColumnOptions(TextColumnOptions):
    """Which columns of labelled rows are read."""

    label_column: str | None = option(None, "Column of the label.", panel="Data", shown_default="guessed")
    label_columns: Names = option([], "Columns of 0 and 1, one for each label.", panel="Data", metavar="NAME,NAME")


class CorpusOptions(ReadingOptions):
    """Running text without labels, from any number of places."""

    data: Strings = option(
        [],
        "Files, folders or globs, a hub data set, - for standard input (repeatable).",
        panel="Data",
        metavar="PATH|NAME",
    )
    text_column: str | None = option(None, "Column of the text in tables.", panel="Data", shown_default="guessed")
    data_config: str | None = option(None, "Configuration of a hub data set.", panel="Data", metavar="NAME")
    data_split: str = option("train", "Split of a hub data set.", panel="Data", metavar="SPLIT")
    data_revision: str | None = option(None, "Revision of a hub data set.", panel="Data", metavar="REV")


class OpeningOptions(Config):
    """How a model is opened."""

    model_revision: str | None = option(None, "Revision of a hub model.", panel="Model", metavar="REV")
    tokenizer: str | None = option(
        None, "Folder or hub name of the tokenizer.", panel="Model", metavar="PATH|NAME", shown_default="the model's"
    )
    allow_pickle: bool = option(False, "Load weights stored as pickle (they can run code).", panel="Model")
    trust_remote_code: bool = option(False, "Run model code that comes with the weights.", panel="Model")


class ModelOptions(OpeningOptions):
    """Which model, and how it is opened."""

    model: str = option(
        DEFAULT_MODEL,
        "Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.",
        panel="Model",
        metavar="PATH|NAME",
    )


class DeviceOptions(Config):
    """Where the arithmetic is done."""

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps.", panel="Device", metavar="NAME")
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = option(
        "auto", "Arithmetic of the forward pass.", panel="Device", shown_default="bf16 or fp16 on GPU, fp32 on CPU"
    )
    threads: int | None = option(
        None,
        "CPU threads of torch.",
        panel="Device",
        ge=1,
        le=MOST_THREADS,
        shown_default="as cores, CPU time and OMP_NUM_THREADS allow",
    )


class TrainingOptions(DeviceOptions):
    """What every training run shares. Defaults are Trainer's unless the help names another source."""

    epochs: float = option(3.0, "Passes over the train split.", panel="Training", gt=0)
    max_steps: int | None = option(
        None, "Stop after N optimizer steps, whatever --epochs says; -1: do not.", panel="Training", ge=1
    )
    max_minutes: float | None = option(None, "Stop training after N minutes of wall time.", panel="Training", gt=0)
    batch_size: int = option(32, "Rows a step on each device.", panel="Training", ge=1, le=MOST_ROWS)
    eval_batch_size: int = option(64, "Rows a step in evaluation.", panel="Training", ge=1, le=MOST_ROWS)
    gradient_accumulation_steps: int = option(1, "Batches summed before a step.", panel="Training", ge=1, le=MOST_ROWS)
    learning_rate: float = option(
        5e-5, "Peak learning rate (BERT paper: 2e-5 to 5e-5; smaller models take more).", panel="Training", gt=0
    )
    schedule: Literal[
        "linear",
        "cosine",
        "constant",
        "wsd",
        "cosine_with_restarts",
        "cosine_with_min_lr",
        "cosine_warmup_with_min_lr",
        "polynomial",
        "inverse_sqrt",
        "reduce_lr_on_plateau",
        "greedy",
    ] = option(
        "linear",
        "Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %; --trainer "
        "lr_scheduler_kwargs={...} is for the others, which are those of transformers.",
        panel="Training",
    )
    warmup: float = option(
        0.06, "Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.", panel="Training", ge=0
    )
    weight_decay: float = option(0.0, "AdamW weight decay; biases and norms are exempt.", panel="Training", ge=0)
    max_grad_norm: float = option(1.0, "Clip the gradient to this L2 norm; 0 = off.", panel="Training", ge=0)
    layer_decay: float = option(
        1.0, "Learning rate factor a layer, from the head down (ELECTRA: 0.8); 1 = off.", panel="Training", gt=0, le=1
    )
    freeze: str = option(
        "none", "Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).", panel="Training"
    )
    dropout: float | None = option(
        None, "Dropout probability everywhere.", panel="Training", ge=0, lt=1, shown_default="the model's"
    )
    batching: Literal["length", "random"] = option(
        "length", "Batches of rows of like length; or of random rows, as a plain Trainer trains.", panel="Training"
    )
    gradient_checkpointing: bool = option(False, "Save memory: recompute activations.", panel="Training")
    compile: bool = option(False, "torch.compile the model.", panel="Training")
    seed: int = option(42, "Seed of initialisation, order and dropout.", panel="Training", ge=0, le=2**32 - 1)
    full_determinism: bool = option(False, "Deterministic kernels on GPU too (slower).", panel="Training")
    eval_steps: Interval = option(
        None,
        "Evaluate and save each N steps; below 1: a share of all steps.",
        panel="Training",
        metavar="N",
        shown_default="each epoch",
    )
    logging_steps: Interval = option(
        None,
        "Log the loss each N steps; below 1: a share of all steps.",
        panel="Training",
        metavar="N",
        shown_default="50 times a run",
    )
    checkpoint_minutes: float = option(
        10.0, "Also save a checkpoint when the last is N minutes old.", panel="Training", gt=0
    )
    best_metric: str | None = option(
        None, "Metric that picks the best checkpoint.", panel="Training", metavar="NAME", shown_default="the task's"
    )
    early_stopping: int | None = option(
        None, "Stop after N evaluations without a better metric.", panel="Training", ge=1
    )
    trainer: Pairs = option(
        {}, "Any other TrainingArguments field (repeatable).", panel="Training", metavar="KEY=VALUE"
    )

    @field_validator("max_steps", mode="before")
    @classmethod
    def _no_limit(cls, value: Any) -> Any:
        return None if str(value).strip() == "-1" else value  # as Trainer has it

    @field_validator("schedule", mode="before")
    @classmethod
    def _short_name(cls, value: Any) -> Any:
        name = str(value).replace("-", "_")
        return {"constant_with_warmup": "constant", "warmup_stable_decay": "wsd"}.get(name, name)

    @field_validator("best_metric", mode="before")
    @classmethod
    def _plain_metric(cls, value: Any) -> Any:
        return value.removeprefix("eval_") if isinstance(value, str) else value  # as Trainer logs it

    @field_validator("freeze")
    @classmethod
    def _known_part(cls, value: str) -> str:
        if value not in ("none", "embeddings", "encoder") and not value.isdecimal():
            raise ValueError("use none, embeddings, encoder or a number of layers")
        return value


class OutputOptions(Config):
    """Where the run folder goes and who is told."""

    output: Path | None = option(
        None, "Run folder to write.", panel="Output", metavar="DIR", shown_default="runs/<data>-<model>"
    )
    overwrite: bool = option(False, "Replace an earlier run in --output.", panel="Output")
    resume: bool = option(False, "Go on with the interrupted run in --output.", panel="Output")
    dry_run: bool = option(False, "Check data and model, show the plan, stop.", panel="Output")
    keep_checkpoints: bool = option(False, "Keep best and last checkpoint after the run.", panel="Output")
    report_to: Literal["none", "tensorboard", "wandb", "all"] = option(
        "none", "Send metrics to a tracker, or to all that are installed.", panel="Output"
    )
    push_to_hub: Annotated[str | bool | None, BeforeValidator(_repository)] = option(
        None,
        "Upload the finished run to this hub repository, `true`: of the folder's name (private unless --public).",
        panel="Output",
        metavar="REPO",
    )
    public: bool = option(False, "With --push-to-hub: make a new repository public.", panel="Output")


class RunOptions(OutputOptions, TrainingOptions):
    """What every command takes that trains a model: how, where the run folder goes, and who is told."""
