"""Options of another command on the line of one that runs it: `nlpkit tune finetune-cls --learning-rate 1e-5..5e-4`.

Such a recipe has `PASSES_TO`, the commands that it may run, with their modules, and an option `options`, to which each
`--name value` of the other command goes that is not its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.annotations import kinds_of

GATHERED = "options"


def target(module: Any, arguments: Sequence[str]) -> str | None:
    """The command that a line names to be run; None where the recipe runs no others, or the line names none."""
    targets: Mapping[str, str] = getattr(module, "PASSES_TO", {})
    return next((argument for argument in arguments if argument in targets), None)


def require_target(module: Any, arguments: Sequence[str]) -> None:
    """Raises UserError: the line begins with a name of no command that the recipe may run."""
    begins_with_a_name = bool(arguments) and not arguments[0].startswith("-")
    if hasattr(module, "PASSES_TO") and begins_with_a_name and target(module, arguments) is None:
        module.target_of(arguments[0])


def fields_of(module: Any, arguments: Sequence[str]) -> Mapping[str, Any]:
    """The options of the command that a line names to be run, but for those that the recipe has itself."""
    named = target(module, arguments)
    if named is None:
        return {}
    fields = importlib.import_module(module.PASSES_TO[named]).Config.known_fields()
    return {name: info for name, info in fields.items() if name not in module.Config.known_fields()}


def gathered(arguments: Sequence[str], passed: Mapping[str, Any]) -> list[str]:
    """A command line with each option that is passed on as `--options NAME=VALUE`.

    Args:
        arguments: as other options are read, with dashes in names.
        passed: see `fields_of`.
    """
    made: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*made, argument, *rest]
        written, sign, value = argument.removeprefix("--").partition("=")
        name = written.replace("-", "_")
        off = name.removeprefix("no_")
        if not argument.startswith("--") or not (name in passed or (off in passed and _is_switch(passed[off]))):
            made.append(argument)
        elif name not in passed:
            made += [f"--{GATHERED}", f"{off}=false"]
        elif _is_switch(passed[name]):
            made += [f"--{GATHERED}", f"{name}={value or 'true'}"]
        else:
            found = value if sign else next(rest, None)
            # without a value it is left as it stands, for the message
            made += [argument] if found is None else [f"--{GATHERED}", f"{name}={found}"]
    return made


def _is_switch(info: Any) -> bool:
    return kinds_of(info.annotation) == {bool}
