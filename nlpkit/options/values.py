"""Values of options as people write them: switches, numbers, lists at commas, KEY=VALUE."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

TRUE = frozenset({"true", "t", "yes", "y", "1"})  # as transformers reads switches of its scripts
FALSE = frozenset({"false", "f", "no", "n", "0"})
LARGEST = 2**63 - 1  # whole number that arrays and records of other programs hold


MOST_THREADS = 4096  # more than any machine has cores; what is asked for is begun, and each takes memory


MOST_ROWS = 2**24  # of a step: products of these stay whole numbers of 64 bits
TEXTS = frozenset({"run_name"})  # of KEY=VALUE those with any text, which may look like a number or a date


# a shell makes some separators hard to type
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}


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
        raise ValueError("this is not a number") from None
    if 0 < number < 1:
        return number
    if not (number >= 1 and number.is_integer()):
        raise ValueError("use a whole number of steps, or a share of all steps between 0 and 1")
    return int(number)


def _share_or_half(value: Any) -> Any:
    """A share from 0 up to 1, or the word `half`.

    Raises:
        ValueError: it is neither.
    """
    if value == "half":
        return value
    try:
        share = float("" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise ValueError("use a share of train from 0 up to 1, or half, for half of validation") from None
    if not 0 <= share < 1:
        raise ValueError("use a share of train from 0 up to 1, or half, for half of validation")
    return share


def truth_of(value: Any) -> bool | None:
    """What a word for yes or no says, as people and TrainingArguments write them; None of anything else."""
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    return False if word in {*FALSE, "none"} else None


def _repository(value: Any) -> Any:
    """Whether to upload at all, in any of the ways to write it, or else the name of a repository."""
    if value == "":
        raise ValueError("it is empty; was a variable of the shell not set?")
    truth = truth_of(value)
    return (truth or None) if truth is not None else value


Pairs = Annotated[dict[str, Any], BeforeValidator(_pairs)]
Strings = Annotated[list[str], BeforeValidator(_listed)]
Interval = Annotated[int | float | None, BeforeValidator(_steps_or_share)]
Apart = Annotated[float | Literal["half"], BeforeValidator(_share_or_half)]
AtCommas = BeforeValidator(_at_commas)  # for lists that are written 1,8,32
Names = Annotated[list[str], AtCommas]
Repository = Annotated[str | bool | None, BeforeValidator(_repository)]
