"""What a search may try: options of a command whose value is a range or a list, beside those that are fixed.

A range is `A..B`, both ends in it; `:log` draws evenly between their logarithms, `:int` whole numbers, `:0.05` steps of
that size from A on. A list is values at commas, for options that are a number or one of a few names; in a file it is a
YAML list, for any option that takes a single value.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from nlpkit import nearby
from nlpkit.annotations import kinds_of
from nlpkit.errors import UserError
from nlpkit.options import Config, choices, flag_of, naming, read_config_file
from nlpkit.options.problems import OptionError, Problem

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial
    from pydantic.fields import FieldInfo

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"({NUMBER})\.\.({NUMBER})((?::[^:]*)*)")
HOW = "Write it A..B, A..B:log, A..B:int or A..B:STEP."
TOLD = 1e-9  # of a step: how far from whole the number of steps in a range may be
MOST_CELLS = 10_000  # of a grid

# What the search itself decides for each run, or what would go out with each of them.
OWN: Mapping[str, str] = {
    **dict.fromkeys(
        ("output", "overwrite", "resume", "dry_run", "lr_finder"), "it is of the search: give it to tune itself"
    ),
    "seed": "all runs have the --seed of the search; the best of several seeds is luck",
    **dict.fromkeys(("push_to_hub", "public"), "each run would be uploaded; upload the folder best/"),
    "keep_checkpoints": "the runs of a search keep none",
}


@dataclass(frozen=True)
class Range:
    """Numbers between two.

    Attributes:
        low, high: its ends, which are in it.
        log: whether logarithms are drawn evenly.
        whole: whether only whole numbers are drawn.
        step: between two numbers that may be drawn, from `low` on; None: all between.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    step: float | None = None

    @property
    def tried(self) -> Sequence[Any]:
        """Values of which the command must take each."""
        return [self._number(self.low), self._number(self.high)]

    def values(self) -> list[Any] | None:
        """All of them, in order; None where there is no end to them."""
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            return None
        return [self._number(self.low + i * step) for i in range(round((self.high - self.low) / step) + 1)]

    def holds(self, value: Any) -> bool:
        """Whether a value may be drawn."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        step = self.step or (1 if self.whole else None)
        return step is None or _is_whole((value - self.low) / step)

    def as_listed(self, value: Any) -> Any:
        """A value that it holds, of its own type: 3 for 3.0."""
        return self._number(value)

    def distribution(self) -> BaseDistribution:
        """The same for Optuna."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def drawn(self, name: str, trial: Trial) -> Any:
        """A value for a trial."""
        if self.whole:
            low, high = int(self.low), int(self.high)
            return trial.suggest_int(name, low, high, log=self.log, step=int(self.step or 1))
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)

    def _number(self, value: float) -> float | int:
        return int(value) if self.whole else float(f"{value:.12g}")  # 0.1 + 2 * 0.1 is 0.3

    def __str__(self) -> str:
        ends = f"{self.low:g}..{self.high:g}"
        steps = ":int" if self.whole and not self.step else ""
        return f"{ends}{':log' if self.log else ''}{steps}{f':{self.step:g}' if self.step else ''}"


@dataclass(frozen=True)
class Choices:
    """Some values without an order."""

    listed: tuple[Any, ...]

    @property
    def tried(self) -> Sequence[Any]:
        """Values of which the command must take each."""
        return self.listed

    def values(self) -> list[Any] | None:
        """All of them."""
        return [*self.listed]

    def holds(self, value: Any) -> bool:
        """Whether a value may be drawn."""
        return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in self.listed)

    def as_listed(self, value: Any) -> Any:
        """A value that it holds, of its own type: 3 for 3.0."""
        return next(each for each in self.listed if value == each and isinstance(value, bool) == isinstance(each, bool))

    def distribution(self) -> BaseDistribution:
        """The same for Optuna."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.listed)

    def drawn(self, name: str, trial: Trial) -> Any:
        """A value for a trial."""
        return trial.suggest_categorical(name, self.listed)

    def __str__(self) -> str:
        return ",".join(map(str, self.listed))


Values = Range | Choices


@dataclass(frozen=True)
class Space:
    """What is fixed and what is searched.

    Attributes:
        fixed: options of the command that were given, as JSON values.
        searched: by option.
        defaults: the value that each searched option has where it is not given, as a JSON value; None where the
            command takes one that hangs on its model and its rows.
    """

    fixed: Mapping[str, Any]
    searched: Mapping[str, Values]
    defaults: Mapping[str, Any]

    def default_values(self) -> dict[str, Any]:
        """Of the searched options those whose default is among what is searched."""
        held = {name: values for name, values in self.searched.items() if values.holds(self.defaults[name])}
        return {name: values.as_listed(self.defaults[name]) for name, values in held.items()}

    def cells(self) -> int | None:
        """How many combinations there are; None where there is no end to them."""
        counts = [values.values() for values in self.searched.values()]
        return None if None in counts else math.prod(len(each or ()) for each in counts)

    def grid(self) -> Iterator[dict[str, Any]]:
        """All combinations, the last option the fastest.

        Raises:
            UserError: there is no end to them, or there are very many.
        """
        listed = {name: values.values() for name, values in self.searched.items()}
        endless = [name for name, values in listed.items() if values is None]
        if endless:
            name = endless[0]
            raise UserError(
                f"--sampler grid: {flag_of(name)} {self.searched[name]} has no end of values",
                f"Give it steps ({flag_of(name)} A..B:STEP) or a list.",
            )
        if (cells := self.cells() or 0) > MOST_CELLS:
            raise UserError(
                f"--sampler grid: {cells:,} combinations are more than anyone trains", "Search fewer values."
            )
        for combination in itertools.product(*(values or () for values in listed.values())):
            yield dict(zip(listed, combination, strict=True))


def read(kind: type[Config], given: Mapping[str, Any], file: Path | None, command: str) -> Space:
    """What is searched and what is fixed, checked by the command whose options they are.

    Args:
        kind: `Config` of the command.
        given: its options as they were typed, or as YAML or Python has them.
        file: of a space (`--space`); None without.
        command: its name.

    Raises:
        UserError: an option is unknown, decided by the search, or given twice; a value, or an end of a range, is none
            that the command takes; or nothing is searched.
    """
    fields = kind.known_fields()
    given = kind.with_new_names({name.replace("-", "_"): value for name, value in given.items()})
    _require_known(given, fields, command)
    read = {name: _read(name, fields[name], value) for name, value in given.items()}
    if file is not None:
        listed = read_config_file(file, command, fields)
        with naming(file, listed.keys()):
            _require_known(listed, fields, command)
            if twice := listed.keys() & given.keys():
                raise OptionError([Problem(name, f"{flag_of(name)} is given beside it, too") for name in sorted(twice)])
            read |= {name: _of_file(name, fields[name], value) for name, value in listed.items()}
    searched = {name: values for name, values in read.items() if isinstance(values, Range | Choices)}
    fixed = {name: value for name, value in read.items() if name not in searched}
    first = {name: values.tried[0] for name, values in searched.items()}
    config = kind(**fixed, **first)
    typed = _typed(config, searched)
    made: dict[str, Values] = {}
    problems: list[Problem] = []
    for name, values in searched.items():
        accepted = [typed[name]]
        for value in values.tried[1:]:
            try:
                accepted.append(_typed(kind(**fixed, **{**first, name: value}), [name])[name])
            except OptionError as error:
                problems += error.problems
        made[name] = Choices(tuple(accepted)) if isinstance(values, Choices) else values
    if problems:
        raise OptionError(problems)
    if not searched:
        raise UserError(
            "nothing is searched: each option has one value",
            "Give one a range or a list: --learning-rate 1e-5..5e-4:log --batch-size 16,32, or --space FILE.",
        )
    return Space(_typed(config, fixed), made, {name: _default(fields[name]) for name in searched})


def _default(info: FieldInfo) -> Any:
    """The value that an option has where it is not given; None where `--help` says in words what it becomes."""
    extra: Any = info.json_schema_extra
    return None if extra["shown_default"] else to_jsonable_python(info.get_default(call_default_factory=True))


def _require_known(given: Collection[str], fields: Mapping[str, FieldInfo], command: str) -> None:
    problems = []
    for name in given:
        if name in OWN:
            problems.append(Problem(name, f"{flag_of(name)} is not for the runs of a search", f"{OWN[name]}."))
        elif name not in fields:
            near = nearby.nearest(name, fields)
            hint = f"Did you mean '{near}'?" if near else f"See `nlpkit {command} --help-all`."
            problems.append(Problem(name, f"{command} has no option {flag_of(name)}", hint))
    if problems:
        raise OptionError(problems)


def _typed(config: Config, names: Collection[str]) -> dict[str, Any]:
    """The values that a config has read, as JSON has them."""
    values = config.given_values()
    return {name: to_jsonable_python(values[name]) for name in names}


def _read(name: str, info: FieldInfo, value: Any) -> Any:
    """What a flag gives: a range or a list where the option is a number, or one of a few names; else its value."""
    kinds = kinds_of(info.annotation)
    if not isinstance(value, str) or kinds & {list, dict}:
        return value
    if kinds & {int, float} and (found := RANGE.fullmatch(value.strip())):
        return _range(name, info, found)
    if "," in value and (kinds & {int, float, bool} or choices(info.annotation)):
        return _choices(name, [part.strip() for part in value.split(",")])
    return value


def _of_file(name: str, info: FieldInfo, value: Any) -> Values:
    """What a line of a space says.

    Raises:
        OptionError: it is neither a range nor a list, or the option takes a list itself.
    """
    kinds = kinds_of(info.annotation)
    if kinds & {list, dict}:
        told = f"{flag_of(name)} takes a list itself, and is not searched"
        raise OptionError([Problem(name, told, f"Give it beside the space: {flag_of(name)} VALUE.")])
    if isinstance(value, list):
        return _choices(name, value)
    read = _read(name, info, str(value))
    if not isinstance(read, Range | Choices):
        fix = f"Give a list or a range; or beside the space {flag_of(name)} {value}."
        raise OptionError([Problem(name, f"{flag_of(name)} {value} is one value, and nothing to search", fix)])
    return read


def _choices(name: str, listed: Sequence[Any]) -> Choices:
    if len(set(map(str, listed))) < max(len(listed), 2):
        said = "a value is listed twice" if len(listed) > 1 else "one value is nothing to search"
        raise OptionError([Problem(name, f"{flag_of(name)} {','.join(map(str, listed))}: {said}")])
    return Choices(tuple(listed))


def _range(name: str, info: FieldInfo, found: re.Match[str]) -> Range:
    low, high = float(found[1]), float(found[2])
    kinds, step, flags = kinds_of(info.annotation), None, set[str]()
    for part in found[3].split(":")[1:]:
        if part in ("log", "int"):
            flags.add(part)
        elif re.fullmatch(NUMBER, part) and float(part) > 0:
            step = float(part)
        else:
            raise _bad(name, found, f"':{part}' is neither log nor int nor a step", HOW)
    whole = "int" in flags or kinds == {int}
    if low >= high:
        raise _bad(name, found, "the low end must be below the high end", HOW)
    if "log" in flags and (low <= 0 or step is not None):
        raise _bad(name, found, "a step has no logarithms" if step else "logarithms begin above 0", HOW)
    if whole and any(number != int(number) for number in (low, high, step or 1.0)):
        raise _bad(name, found, "only whole numbers are drawn, and this is not one", HOW)
    if step is not None and not _is_whole((high - low) / step):
        raise _bad(name, found, f"steps of {step:g} do not lead from {low:g} to {high:g}", "Give another end or step.")
    return Range(low, high, "log" in flags, whole, step)


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < TOLD


def _bad(name: str, found: re.Match[str], why: str, hint: str) -> OptionError:
    return OptionError([Problem(name, f"{flag_of(name)} {found[0]}: {why}", hint)])
