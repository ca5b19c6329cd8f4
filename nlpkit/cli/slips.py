"""What a newcomer meant by an argument, option or command that nlpkit does not have, and how it is written here."""

from __future__ import annotations

import glob
import importlib.util
import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from nlpkit.annotations import kinds_of
from nlpkit.cli.manual import SPEECH
from nlpkit.cli.registry import COMMANDS
from nlpkit.errors import UserError
from nlpkit.nearby import near, nearest

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"  # what word processors and web pages make of "-" and "--"
MODEL_FILES = ("config.json", "nlpkit.json")

# option that a command lacks -> those that it may have instead; in capitals: what is given without a flag
MEANT: dict[str, tuple[str, ...]] = {
    "input": ("data", "texts"),
    "data": ("input", "texts", "data"),
    "file": ("data", "input"),
    "in": ("input", "data"),
    "csv": ("input", "data"),
    "input-file": ("data", "input"),
    "data-file": ("data", "input"),
    "dataset": ("data", "input"),
    "train": ("train-file", "data", "input"),
    "train-data": ("train-file", "data", "input"),
    "valid-file": ("validation-file",),
    "val-file": ("validation-file",),
    "dev-file": ("validation-file",),
    "eval-file": ("validation-file",),
    "validation-data": ("validation-file",),
    "eval-data": ("validation-file",),
    "test": ("test-file", "data", "input"),
    "test-data": ("test-file", "data", "input"),
    "train-file": ("data", "input"),
    "test-file": ("data", "input"),
    "text": ("texts", "text-column"),
    "texts": ("texts", "text-column"),
    "sentence": ("texts", "text-column"),
    "label": ("label-column", "tag-column"),
    "labels": ("label-column", "tag-column"),
    "target-column": ("label-column", "tag-column"),
    "model": ("model", "models", "teacher", "tokenizer"),
    "models": ("models", "model", "teacher"),
    "run": ("model", "models", "teacher"),
    "checkpoint": ("model", "models", "teacher"),
    "teacher": ("teacher", "model"),
    "teacher-model": ("teacher", "model"),
    "student-model": ("student",),
    "out": ("output",),
    "output-file": ("output",),
    "save": ("output",),
    "save-dir": ("output",),
    "bs": ("batch-size",),
    "batch": ("batch-size",),
    "n-epochs": ("epochs",),
    "gpu": ("device",),
    "cuda": ("device",),
    "sep": ("delimiter",),
    "separator": ("delimiter",),
    "force": ("overwrite",),
    "threshold": ("fail-under",),
    "metric": ("best-metric", "fail-under", "fail-if"),
    "rps": ("rate",),
    "qps": ("rate",),
    "duration": ("seconds",),
    "concurrency": ("connections",),
    "amount": ("sparsity",),
    # of gensim, and of fastText
    "size": ("vector-size",),
    "dim": ("vector-size",),
    "ws": ("window",),
    "workers": ("threads",),
    "mincount": ("min-count",),
    "minn": ("shortest-piece",),
    "min-n": ("shortest-piece",),
    "maxn": ("longest-piece",),
    "max-n": ("longest-piece",),
    "bucket": ("buckets",),
    "ratio": ("sparsity",),
    "onnx": ("backends", "to"),
    "max-train-samples": ("max-tokens",),
}

# a letter behind one dash, which nlpkit has none of
LETTERS: dict[str, tuple[str, ...]] = {
    "i": ("input", "data"),
    "f": ("input", "data"),
    "d": ("data", "input"),
    "m": MEANT["model"],
    "o": MEANT["out"],
    "t": MEANT["text"],
    "b": MEANT["bs"],
    "e": MEANT["n-epochs"],
}

COMMANDS_MEANT: dict[str, tuple[str, ...]] = {
    "train": (
        "finetune-cls",
        "finetune-ner",
        "finetune-qa",
        "finetune-embed",
        "finetune-seq2seq",
        "pretrain-mlm",
        "pretrain-clm",
    ),
    "fit": ("finetune-cls", "finetune-ner", "finetune-qa", "finetune-embed", "finetune-seq2seq"),
    "finetune": ("finetune-cls", "finetune-ner", "finetune-qa", "finetune-embed", "finetune-seq2seq"),
    "fine-tune": ("finetune-cls", "finetune-ner", "finetune-qa", "finetune-embed", "finetune-seq2seq"),
    "classify": ("predict", "finetune-cls"),
    "interpret": ("explain",),
    "attribute": ("explain",),
    "why": ("explain",),
    "infer": ("predict",),
    "inference": ("predict",),
    "run": ("predict",),
    "generate": ("predict",),
    "translate": ("predict", "finetune-seq2seq"),
    "summarize": ("predict", "finetune-seq2seq"),
    "test": ("evaluate",),
    "eval": ("evaluate",),
    "score": ("evaluate",),
    "shrink": ("compress", "distill", "prune", "quantize"),
    "compression": ("compress",),
    "export": ("quantize",),
    "onnx": ("quantize",),
    "check": ("check-data",),
    "validate": ("check-data",),
    **dict.fromkeys(("augmentation", "augmenter", "eda", "nlpaug", "textattack", "oversample"), ("augment",)),
    "mlm": ("pretrain-mlm",),
    "clm": ("pretrain-clm",),
    "pretrain": ("pretrain-mlm", "pretrain-clm"),
    "speed": ("benchmark", "loadtest"),
    "load": ("loadtest",),
    "stress": ("loadtest",),
    "locust": ("loadtest",),
    "version": ("--version",),
    "info": ("env",),
}


def unknown_command(name: str) -> str:
    """What to type in place of a command that there is not."""
    plain = name.lower().replace("_", "-")
    meant = (plain,) if plain in COMMANDS else COMMANDS_MEANT.get(plain) or near(plain, COMMANDS)
    if not meant and _is_model(name):
        return f'A command comes first: nlpkit predict {shlex.quote(name)} "..."'
    if not meant and _is_data(name):
        return f"A command comes first: nlpkit check-data --data {shlex.quote(name)}"
    if not meant:
        return "See `nlpkit --help`."
    help_of = {name: entry.help for name, entry in COMMANDS.items()} | {"--version": "Print the version and exit."}
    return "Did you mean:\n" + "\n".join(f"    nlpkit {name:<15}  {help_of[name]}" for name in meant)


def unknown_option(name: str, given: Sequence[str], fields: Mapping[str, Any]) -> str | None:
    """What to write in place of an option that a command does not have; None where nothing is known of it.

    Args:
        name: with its dashes.
        given: all arguments of the command.
        fields: of the command's Config, by name; each tells whether it is positional.
    """
    written = next((argument for argument in given if argument.startswith(name)), name)
    if "texts" in fields and (any(map(str.isspace, written)) or name[1:2].isdigit()):
        return f"A text that begins with a dash stands behind --, in the end: -- {shlex.quote(written)}"
    if not name.startswith("--"):  # "-data" reaches us as "-d"
        known = written.lstrip("-").partition("=")[0].replace("-", "_") in (*fields, "help", "config", "json", "quiet")
        if known:
            return f"Did you mean -{written}?"
    if "trainer" in fields and name.startswith("--") and (field := name[2:].replace("-", "_")) in _trainer_fields():
        value = _value_of(name[2:], given) or "VALUE"
        return f"It is a field of TrainingArguments: --trainer {shlex.quote(f'{field}={value}')}"
    letter = LETTERS.get(written.lstrip("-"), ())
    for meant in letter or MEANT.get(name.lstrip("-").replace("_", "-").lower(), ()):
        info = fields.get(meant.replace("-", "_"))
        if info is None:
            continue
        extra = info.json_schema_extra
        return f"{extra['metavar']} is given without a flag." if extra["positional"] else f"Did you mean --{meant}?"
    flags = [field for field, info in fields.items() if not info.json_schema_extra["positional"]]
    switches = [f"no_{field}" for field in flags if fields[field].annotation is bool]
    others = [text.split()[0].lstrip("-") for text, _ in SPEECH]
    alike = near(name.lstrip("-").lower(), [text.replace("_", "-") for text in (*flags, *switches, *others)])
    return f"Did you mean {' or '.join(f'--{text}' for text in alike)}?" if alike else None


def _trainer_fields() -> set[str]:
    """The fields of TrainingArguments as transformers has them, without its import, which takes seconds."""
    spec = importlib.util.find_spec("transformers")
    places = spec.submodule_search_locations if spec else None
    if not places:
        return set()
    text = (Path(places[0]) / "training_args.py").read_text(encoding="utf-8")
    return set(re.findall(r"^    (\w+): .*= field\(", text, re.MULTILINE))


def extra_arguments(command: str, extra: Sequence[str], given: Sequence[str], fields: Mapping[str, Any]) -> UserError:
    """The error for arguments without a flag that a command does not take.

    Args:
        command: its name.
        extra: those arguments.
        given: all arguments of the command.
        fields: as for `unknown_option`.
    """
    first = extra[0]
    message = f"{command} does not know what {first!r} is: it stands there without a flag"
    hint = _meant(command, extra, given, fields)
    return UserError(message, hint or f"See `nlpkit {command} --help`.")


def given_twice(given: Sequence[str], fields: Mapping[str, Any]) -> list[str]:
    """What to say of options with one value that were given several.

    Args:
        given: all arguments of a command.
        fields: as for `unknown_option`.

    Raises:
        UserError: they name data: all of the files may have been meant.
    """
    values: dict[str, list[str]] = {}
    rest = iter(given)
    for argument in rest:
        if argument == "--":
            break
        name, sign, value = argument.removeprefix("--").partition("=")
        info = fields.get(name.replace("-", "_")) if argument.startswith("--") else None
        if info is None or info.annotation is bool:
            continue
        value = value if sign else next(rest, "")
        if not any(kind in str(info.annotation) for kind in ("list", "dict")):
            values.setdefault(name, []).append(value)
    several = {name: texts for name, texts in values.items() if len(set(texts)) > 1}
    for name in ("data", "input"):
        if name in several:
            hint = f"Several files: --data {','.join(several[name])}" if name == "data" else "One file at a time."
            raise UserError(f"--{name} is given twice: {' and '.join(several[name])}", hint)
    return [f"--{name} is given twice: {texts[-1]} counts, not {texts[0]}" for name, texts in several.items()]


def refuse_files_as_models(values: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Refuse a file of rows that stands where a model belongs.

    Args:
        values: of the command's options, as they were given.
        fields: as for `unknown_option`.

    Raises:
        UserError: naming the option of the command that takes rows.
    """
    from nlpkit.options import shown_name

    for field in ("model", "models", "teacher", "student"):
        given = values.get(field) or []
        for name in [given] if isinstance(given, str) else given:
            if not _exists(name) or not Path(name).is_file() or _is_model(str(Path(name).parent)):
                continue
            flag = next((flag for flag in ("input", "data") if flag in fields), None)
            hint = f"; rows of a file go behind --{flag}" if flag else ""
            raise UserError(
                f"{shown_name(field, fields)} {name} is a file, not a model folder",
                f"Give a model folder or a hub name{hint}.",
            )


def _meant(command: str, extra: Sequence[str], given: Sequence[str], fields: Mapping[str, Any]) -> str | None:
    from nlpkit.options import choices, flag_of, taking

    first = extra[0]
    if first.startswith(tuple(DASHES)):
        return f"It begins with a dash of another kind: type two hyphens, --{first.lstrip(DASHES + '-')}"
    name, sign, value = first.partition("=")
    if sign and name.replace("-", "_") in fields:
        return f"Did you mean --{name.replace('_', '-')} {shlex.quote(value)}?"
    if "--resume" in given and _exists(first) and Path(first).is_dir():
        return f"Did you mean --resume --output {shlex.quote(first)}?"
    data = next((flag for flag in ("input", "data") if flag in fields), None)
    files = [argument for argument in extra if _is_data(argument)]
    whole = " ".join([_value_of(data, given) or "", *extra]) if data else ""
    if whole and _exists(whole):
        return f"Put what holds blanks into quotes: --{data} {shlex.quote(whole)}"
    if data and files and (used := _value_of(data, given)) is not None:
        return _several([used, *files], data, fields)
    if data and files:
        return f"Did you mean --{data} {shlex.quote(first)}?" if len(files) == 1 else _several(files, data, fields)
    if _is_model(first):
        for flag in ("model", "student", "tokenizer"):
            if flag in fields and not fields[flag].json_schema_extra["positional"]:
                return f"Did you mean --{flag} {shlex.quote(first)}?"
    if hint := taking(first, fields):
        return hint
    for field, info in fields.items():  # a switch that may be followed by a name or names
        known = choices(info.annotation) if bool in kinds_of(info.annotation) else []
        if known and (choice := nearest(first, known)):
            return f"Did you mean {flag_of(field)} {choice}?"
        # where nothing stood behind the switch it has got its value by now: --compile=true
        if known and (flag_of(field), first) in ((one.partition("=")[0], other) for one, other in pairwise(given)):
            return f"Behind {flag_of(field)} may stand {', '.join(known)}, or nothing."
    if len(extra) > 1 and not any(map(_is_data, extra)):
        return "Put what holds blanks into quotes."
    return None


def _several(files: Sequence[str], flag: str, fields: Mapping[str, Any]) -> str:
    """How several files are named: the shell has made them of a pattern, as a rule."""
    if flag == "input":
        return f"--{flag} takes one file at a time."
    if fields[flag].annotation is not None and "list" in str(fields[flag].annotation):
        return "Write the flag before each: " + " ".join(f"--{flag} {shlex.quote(file)}" for file in files[:3])
    shown = ",".join(files[:3]) + (",..." if len(files) > 3 else "")
    return f"Several files: --{flag} {shlex.quote(shown)}, or a pattern in quotes, --{flag} '*{Path(files[0]).suffix}'."


def _value_of(flag: str, given: Sequence[str]) -> str | None:
    """What a flag was given on the command line."""
    for i, argument in enumerate(given):
        if argument == f"--{flag}" and i + 1 < len(given):
            return given[i + 1]
        if argument.startswith(f"--{flag}="):
            return argument.partition("=")[2]
    return None


def _is_model(argument: str) -> bool:
    try:
        return any((Path(argument) / name).is_file() for name in MODEL_FILES)
    except OSError:  # a text, longer than a name may be
        return False


def _exists(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except OSError:  # a text, longer than a name may be
        return False


def _is_data(argument: str) -> bool:
    """Whether an argument names data that are here, or looks as if it should."""
    from nlpkit.data.inputs import format_of

    if _is_model(argument):
        return False
    return _exists(argument) or format_of(argument) is not None or glob.has_magic(argument)
