"""List the experiments that ship as YAML files, or show one.

`nlpkit finetune-cls --config sst2` runs one, where there is no file of that name. What an experiment is, how its rows
are split and what has been published for it stands at the top of its file. `nlpkit recipes show NAME > mine.yaml` is a
copy to change.

Examples: nlpkit recipes
nlpkit recipes show sst2
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Literal

from nlpkit import options
from nlpkit.errors import UserError
from nlpkit.options import option, shipped, suggest
from nlpkit.reporting import Report, Table, typed

COMMAND = "recipes"
ESSENTIAL: tuple[str, ...] = ("action", "name")

_ROW = re.compile(r"^\| \[(.+?)\.yaml\]\(\1\.yaml\) \| (.+?) \| `", re.MULTILINE)
_SOURCE = re.compile(r"^# Source: (.+)$", re.MULTILINE)


class Config(options.Config):
    """Options of `nlpkit recipes`."""

    action: Literal["list", "show"] = option(
        "list", "list: a table of all; show: the file of one.", panel="Input", metavar="ACTION", positional=True
    )
    name: str | None = option(None, "Recipe to show.", panel="Input", metavar="NAME", positional=True)


def run(config: Config) -> Report:
    """List or show; imports neither torch nor transformers.

    Raises:
        UserError: there is no such recipe, or none is named.
    """
    if config.action == "list":
        return _list(config)
    names = shipped.names()
    if config.name is None:
        raise UserError("recipes show: no recipe is named", "`nlpkit recipes` lists them.")
    if config.name not in names:
        raise UserError(
            f"there is no recipe {config.name!r}", suggest(config.name, names) or "`nlpkit recipes` lists them."
        )
    entry = _entry(config.name)
    return Report(entry, lines=entry["yaml"].splitlines())


def _list(config: Config) -> Report:
    if config.name is not None:
        raise UserError("recipes list takes no name", f"nlpkit recipes show {typed(config.name)}")
    entries = [_entry(name) for name in shipped.names()]
    entries.sort(key=lambda entry: str(entry["command"]))
    # a table per command, so that names stay whole on a terminal of 80 columns
    header = ("name", "experiment", "data; source")
    tables = [
        Table(f"nlpkit {command} --config NAME", header, [*map(_row, of_one)], to_left=True)
        for command, of_one in itertools.groupby(entries, key=lambda entry: str(entry["command"]))
    ]
    return Report({"recipes": entries}, tables, ["nlpkit recipes show NAME shows the file of one"])


def _row(entry: dict[str, Any]) -> tuple[str, str, str]:
    return entry["name"], entry["experiment"], "; ".join(filter(None, [entry["data"], entry["source"]]))


def _entry(name: str) -> dict[str, Any]:
    """What the table and the document say of a recipe."""
    import yaml

    text = (shipped.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    told = dict(_ROW.findall((shipped.folder() / "README.md").read_text(encoding="utf-8")))
    values = yaml.safe_load(text)
    source = _SOURCE.search(text)
    return {
        "name": name,
        "command": values["command"],
        "experiment": told[name],
        "data": _shown_data(values),
        "source": source[1] if source else "",
        "yaml": text,
    }


def _shown_data(values: dict[str, Any]) -> str:
    data = values.get("data", "")
    return ", ".join(data) if isinstance(data, list) else str(data)
