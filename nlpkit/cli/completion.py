"""What Tab offers on an `nlpkit` command line.

A shell asks with the words so far (`shells.py` has the scripts), and gets a line per offer. Only the registry is read
for the name of a command, and only its `Config` for its options: neither typer nor what a run needs is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nlpkit.annotations import kinds_of
from nlpkit.cli import passing
from nlpkit.cli.manual import SPEECH
from nlpkit.cli.registry import COMMANDS
from nlpkit.cli.shells import SHELLS

MODEL_FILES = ("nlpkit.json", "config.json")
MOST = 500  # entries of one folder that are looked at
ROOT = (
    ("--help", "What nlpkit is for, and its commands."),
    ("--version", "Print the version."),
    ("--install-completion", "Have Tab complete what is typed in this shell."),
    ("--show-completion", "Print the script of the completion."),
)
MODELS = ("PATH|NAME", "MODEL", "TEACHER")  # what stands for a model in the help
RUNS = ("run", "runs")  # arguments that are run folders, whatever else stands for them


class Offer(NamedTuple):
    """A word that may stand where one is begun, and what it means; one that ends in a slash is to be gone on with."""

    value: str
    help: str = ""


def offers(words: Sequence[str]) -> list[Offer]:
    """What may stand in place of the last word.

    Args:
        words: behind `nlpkit`; the last is begun, or empty.
    """
    *before, begun = words
    place = next((i for i, word in enumerate(before) if not word.startswith("-")), None)
    if before and before[-1] in ("--install-completion", "--show-completion"):
        return _beginning(begun, map(Offer, SHELLS))
    if place is None or before[place:] == ["help"]:
        named = [Offer(name, entry.help) for name, entry in COMMANDS.items()]
        return _beginning(begun, [Offer(*row) for row in ROOT] if begun.startswith("-") else named)
    if before[place] not in COMMANDS:
        return []
    module, behind = importlib.import_module(COMMANDS[before[place]].module), before[place + 1 :]
    return _of_command({**module.Config.known_fields(), **passing.fields_of(module, behind)}, behind, begun)


def _of_command(fields: Mapping[str, Any], before: Sequence[str], begun: str) -> list[Offer]:
    """What may stand behind a command and these words."""
    places = [name for name, info in fields.items() if info.json_schema_extra["positional"]]
    places.sort(key=lambda name: list in kinds_of(fields[name].annotation))  # the order of the usage line
    given: set[str] = set()
    taken, value_of, only_places = 0, None, False
    for word in before:
        name = _field(word.partition("=")[0])
        if value_of is not None:
            value_of = None
        elif word == "--" and not only_places:
            only_places = True
        elif only_places or not word.startswith("-"):
            taken += 1
        elif "=" not in word:
            given.add(name)
            value_of = name if _takes_value(name, fields) else None
    if value_of is not None:
        return _values(value_of, fields, begun)
    if begun.startswith("--") and "=" in begun and not only_places:
        flag, _, part = begun.partition("=")
        found = _values(_field(flag), fields, part)
        return [offer._replace(value=f"{flag}={offer.value}") for offer in found]
    if begun.startswith("-") and not only_places:
        return _beginning(begun, _flags(fields, given, off=begun.startswith("--no-")))
    if not places:
        return []
    return _values(places[min(taken, len(places) - 1)], fields, begun) if taken < len(places) or _last(fields) else []


def _last(fields: Mapping[str, Any]) -> bool:
    """Whether what is given without a flag may be given any number of times."""
    return any(info.json_schema_extra["positional"] and list in kinds_of(info.annotation) for info in fields.values())


def _field(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _takes_value(name: str, fields: Mapping[str, Any]) -> bool:
    return name == "config" or (name in fields and kinds_of(fields[name].annotation) != {bool})


def _flags(fields: Mapping[str, Any], given: set[str], *, off: bool) -> Iterator[Offer]:
    """The options that may still be given.

    Args:
        given: fields that are named already.
        off: also how switches are unset.
    """
    for name, info in fields.items():
        repeated = kinds_of(info.annotation) & {list, dict}
        if info.json_schema_extra["positional"] or (name in given and not repeated):
            continue
        flag, text = f"--{name.replace('_', '-')}", str(info.description)
        yield Offer(flag, text)
        if off and kinds_of(info.annotation) == {bool}:
            yield Offer(flag.replace("--", "--no-", 1), f"Unset: {text}")
    for written, text in SPEECH:
        flag = written.split()[0].rstrip(",")
        if _field(flag) not in given:
            yield Offer(flag, text)


def _values(name: str, fields: Mapping[str, Any], begun: str) -> list[Offer]:
    """What may be the value of an option, or stand without a flag."""
    from nlpkit.options import choices, shipped

    if name == "config":
        recipes = _beginning(begun, map(Offer, shipped.names())) if begun else []  # too many to be offered unasked
        return [*_paths(begun, suffixes=(".yaml", ".yml", ".json")), *recipes]
    info = fields.get(name)
    if info is None:
        return []
    metavar = str(info.json_schema_extra["metavar"] or "")
    named = choices(info.annotation) or [part for part in metavar.split("|") if "|" in metavar and part.islower()]
    if named:
        # of several the last is begun
        start, comma, last = begun.rpartition(",") if list in kinds_of(info.annotation) else ("", "", begun)
        others = [choice for choice in named if choice not in start.split(",")]
        return [Offer(f"{start}{comma}{choice}") for choice in others if choice.startswith(last)]
    if name == "data":
        samples = [f"sample:{folder.name}" for folder in _samples()]
        return [*_beginning(begun, map(Offer, samples)), *_paths(begun)]
    if metavar in MODELS or name in RUNS:
        by_name = [] if name in RUNS else [Offer("minilm", "all-MiniLM-L6-v2")]
        return [*_beginning(begun, by_name), *_models(begun)]
    if metavar == "DIR":
        return _paths(begun, suffixes=())
    return _paths(begun) if metavar.startswith(("FILE", "DIR|FILE")) else []


def _samples() -> list[Path]:
    import nlpkit

    return [entry for entry in _entries(Path(nlpkit.__file__).parent / "data" / "samples") if entry.is_dir()]


def _beginning(begun: str, offered: Iterable[Offer]) -> list[Offer]:
    return [offer for offer in offered if offer.value.startswith(begun)]


def _entries(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):  # no folder, or not ours to read
        return sorted(folder.iterdir())[:MOST]
    return []


def _is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MODEL_FILES)


def _like(begun: str) -> Iterator[tuple[str, Path]]:
    """Entries of the folder that a path leads to and that begin as it does, as they are typed."""
    start, slash, name = begun.rpartition("/")
    for entry in _entries(Path(os.path.expanduser(f"{start}{slash}" or "."))):  # noqa: PTH111
        if entry.name.startswith(name) and (name.startswith(".") or not entry.name.startswith(".")):
            yield f"{start}{slash}{entry.name}", entry


def _models(begun: str) -> list[Offer]:
    """Folders of models, and those that lead to some: where that is one step, the models themselves."""
    found = []
    for typed, folder in _like(begun):
        if not folder.is_dir():
            continue
        inside = [entry for entry in _entries(folder) if entry.is_dir() and not entry.name.startswith(".")]
        models = [entry for entry in inside if _is_model(entry)]
        if _is_model(folder):
            found.append(Offer(typed))
        elif models:
            found += [Offer(f"{typed}/{entry.name}") for entry in models]
        elif inside:
            found.append(Offer(f"{typed}/"))
    return found


def _paths(begun: str, suffixes: tuple[str, ...] | None = None) -> list[Offer]:
    """Files and folders; of files those that end so."""
    return [
        Offer(f"{typed}/" if entry.is_dir() else typed)
        for typed, entry in _like(begun)
        if entry.is_dir() or suffixes is None or entry.suffix in suffixes
    ]


def reply(shell: str, arguments: Sequence[str]) -> list[str]:
    """The lines that a script of `shells` reads.

    Args:
        shell: bash, zsh or fish.
        arguments: what its script passes: for bash the line up to the cursor and the characters at which it breaks
            words, else the words behind `nlpkit`.
    """
    if shell == "bash":
        line, breaks = arguments
        words, quoted = _split(line)
        # bash replaces only what stands behind the last of these
        kept = max((words[-1].rfind(sign) + 1 for sign in ":=" if sign in breaks), default=0)
        found = offers(words[1:]) if len(words) > 1 else []
        return [offer.value[kept:] if quoted else _escaped(offer.value[kept:]) for offer in found]
    *before, begun = arguments or [""]
    found = offers([*before, begun.lstrip("'\"")])  # a quote that is still open
    if shell == "zsh":
        return [f"{offer.value.replace(':', chr(92) + ':')}:{_told(offer)}" for offer in found]
    return [f"{offer.value}\t{_told(offer)}" for offer in found]


def _told(offer: Offer) -> str:
    return " ".join(offer.help.split())


def _split(line: str) -> tuple[list[str], bool]:
    """The words of a line as a shell has them, and whether the last is in quotes that are still open."""
    for closing in ("", "'", '"'):
        with contextlib.suppress(ValueError):
            words = shlex.split(line + closing)
            ended = not closing and (not line or line[-1].isspace())
            return [*words, *([""] if ended else [])], bool(closing)
    return line.split(), False  # it ends in a backslash


def _escaped(value: str) -> str:
    return re.sub(r"([^\w@%+=:,./~-])", r"\\\1", value)
