"""The stub from which editors and type checkers know `nlpkit`: made of the commands, as the functions are.

`make reference` writes it anew; a test asks for it to be current.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nlpkit
from nlpkit.api import functions, signatures

PATH = Path(nlpkit.__file__).with_suffix(".pyi")
_HEAD = '''# Made by `make reference` of the options of all commands; not to be edited.
"""{doc}"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias, overload

from nlpkit.api.predictor import Predictor as _Predictor
from nlpkit.api.runs import open_run as open_run
from nlpkit.errors import NlpkitError as NlpkitError
from nlpkit.errors import RunError as RunError
from nlpkit.errors import UserError as UserError
from nlpkit.reporting import Report as Report

__version__: str

class _Frame(Protocol):
    @property
    def columns(self) -> Any: ...

class _Dataset(Protocol):
    @property
    def column_names(self) -> Any: ...

# a path or name, or rows: docs/reference/python.md
Data: TypeAlias = (
    str
    | PathLike[str]
    | _Frame
    | _Dataset
    | Mapping[str, Any]
    | Sequence[Mapping[str, Any]]
    | Sequence[str | PathLike[str]]
    | tuple[Sequence[Any], Sequence[Any]]
)

def load(run: str | PathLike[str]) -> Any:
{load}
'''


def rendered() -> str:
    """The text of the stub."""
    parts = [_HEAD.format(doc=inspect.getdoc(nlpkit), load=_doc(inspect.getdoc(nlpkit.load) or ""))]
    parts += [_predictor(), *_finetune()]
    for name in sorted(functions.names()):
        function = functions.named(name)
        parts.append(_function(name, list(inspect.signature(function).parameters.values()), function.__doc__ or ""))
    return "\n".join(parts)


def _predictor() -> str:
    """`Predictor` with its options."""
    parameters = list(inspect.signature(nlpkit.Predictor).parameters.values())
    method = _function("__init__", parameters, "", first=["self"], returned="None")
    doc = _doc(inspect.getdoc(nlpkit.Predictor) or "")
    return f"class Predictor(_Predictor):\n{doc}\n\n{textwrap.indent(method, '    ')}"


def _finetune() -> Iterator[str]:
    """`finetune` for each task with the options of that task."""
    for command, tasks in functions.finetuning().items():
        named = ", ".join(repr(name) for name in dict.fromkeys([functions.short(command), *tasks]))
        kind = signatures.TypeText(f"Literal[{named}]")
        task = inspect.Parameter("task", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)
        of_task = functions.function_of(command)
        parameters = [task, *inspect.signature(of_task).parameters.values()]
        yield "@overload\n" + _function("finetune", parameters, of_task.__doc__ or "")


def _function(
    name: str,
    parameters: Sequence[inspect.Parameter],
    doc: str,
    *,
    first: Sequence[str] = (),
    returned: str = "Report",
) -> str:
    lines, named = [f"def {name}(", *(f"    {parameter}," for parameter in first)], False
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not named:
            lines.append("    *,")
            named = True
        lines.append(f"    {parameter.name}: {parameter.annotation}{_default(parameter.default)},")
    return "\n".join([*lines, f") -> {returned}:", _doc(doc) if doc else "    ...", ""])


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    return f" = {value!r}" if isinstance(value, str | int | float | None) else " = ..."


def _doc(text: str) -> str:
    return textwrap.indent(f'r"""{text}\n"""' if "\\" in text else f'"""{text}\n"""', "    ")


def main() -> None:
    """Write the stub."""
    PATH.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
