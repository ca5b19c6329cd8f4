"""Options of `nlpkit tune`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from nlpkit.options import Config, FolderOptions, OutputOptions, SeedOptions, option, option_like
from nlpkit.options.values import Names

SECRET = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")  # of an address: the password behind the name


def _texts(value: Any) -> Any:
    """["a=1", "b=x", "b=y"] as {"a": "1", "b": ["x", "y"]}: the command reads the texts as it reads its own flags."""
    if not isinstance(value, list | tuple):
        return value
    given: dict[str, list[str]] = {}
    for entry in value:
        name, sign, text = str(entry).partition("=")
        if not sign:
            raise ValueError(f"'{entry}' is not of the form key=value")
        given.setdefault(name.strip().replace("-", "_"), []).append(text)
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in given.items()}


Given = Annotated[dict[str, Any], BeforeValidator(_texts)]


class SearchOptions(Config):
    """What is searched, and how."""

    space: Path | None = option(
        None,
        "YAML: OPTION: A..B[:log|:int|:STEP], or a list.",
        panel="Input",
        metavar="FILE",
    )
    lr_finder: bool = option(False, "Search rates around what a range test suggests.", panel="Method")
    trials: int | None = option(
        None,
        "Runs in all, with that of the defaults.",
        panel="Method",
        ge=2,
        shown_default="20, or the grid",
    )
    sampler: Literal["tpe", "random", "grid", "nsga2"] = option(
        "tpe", "What draws values: TPE, chance, all of a grid, NSGA-II.", panel="Method"
    )
    pruner: Literal["none", "median", "asha"] = option(
        "none", "End runs that lag behind: below the median, or by successive halving.", panel="Method"
    )
    objective: Names = option(
        [],
        "Metric on validation; or two, as accuracy,latency.",
        panel="Method",
        metavar="NAME,NAME",
        shown_default="which picks checkpoints",
    )
    max_minutes: float | None = option(None, "Begin no run that would end after N minutes.", panel="Method", gt=0)
    jobs: int = option(1, "Runs at a time; on a CPU they share its threads.", panel="Device", ge=1, le=256)
    ray: str | None = option(
        None,
        "Run on a Ray cluster, whose nodes share the disk of --output.",
        panel="Device",
        metavar="ADDRESS|local",
    )
    storage: str | None = option(
        None,
        "Journal file or database address that several machines share.",
        panel="Output",
        metavar="FILE|URL",
        shown_default="journal.log in --output",
    )


class TuneOptions(SearchOptions, FolderOptions, SeedOptions):
    """Options of a search over the options of another command."""

    target: str = option(
        ..., "Command that trains: finetune-cls, distill, ...", panel="Input", metavar="COMMAND", positional=True
    )
    options: Given = option(
        {},
        "Option of COMMAND, as --KEY VALUE.",
        panel="Input",
        metavar="KEY=VALUE",
    )
    resume: bool = option_like(OutputOptions, "resume", help="Go on with the search in --output.")
    dry_run: bool = option_like(OutputOptions, "dry_run", help="Check the space, show the plan, stop.")

    def record(self) -> dict[str, Any]:
        """Without the password of a database."""
        recorded = super().record()
        return {**recorded, "storage": without_password(recorded["storage"])}


def without_password(storage: str | None) -> str | None:
    """An address as records and messages may show it."""
    return storage and SECRET.sub(r"\1:***@", storage)
