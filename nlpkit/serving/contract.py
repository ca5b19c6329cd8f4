"""What the service asks of whatever stands behind a name: a model of any task, or an index that is searched.

A request is read to units, one for each input, which wait and are computed together with those of other requests that
ask in the same way. Routes, pages and figures know no more of what is served than stands here.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from pydantic.fields import FieldInfo

from nlpkit.errors import UserError
from nlpkit.options.problems import OptionError
from nlpkit.serving.form import Form, FormOption, described, wrong_types
from nlpkit.serving.refusals import Refusal, flags_in, in_json

VARIANTS = 64  # ways of asking that are kept ready
SHOWN = 20  # places that a refusal names

Key = tuple[str, str]
"""How a unit is known: equal of equal inputs that are asked about in the same way."""


class Asked(Protocol):
    """How something is asked: with the options of a request."""

    @property
    def key(self) -> str:
        """Equal of equal options."""

    @property
    def warnings(self) -> Sequence[str]:
        """What was said of the options."""


class Unit(Protocol):
    """One input of a request, ready to be answered."""

    @property
    def key(self) -> Key:
        """See `Key`."""

    @property
    def work(self) -> int:
        """What it costs, in the measure of what is served."""

    @property
    def tokens(self) -> int:
        """That the model reads."""

    @property
    def written(self) -> int:
        """Tokens that the model may have to write, of all texts and beams."""

    @property
    def rows(self) -> int:
        """That the model is given."""


Way = TypeVar("Way", bound=Asked)
One = TypeVar("One", bound=Unit)


class Served(ABC, Generic[Way, One]):
    """See the module's docstring.

    Args:
        name: in addresses.

    Attributes:
        callers: threads that may compute at once.
    """

    callers = 1

    def __init__(self, name: str) -> None:
        self.name = name
        self._variants: OrderedDict[str, Way] = OrderedDict()

    # --- what is told of it ---

    @property
    @abstractmethod
    def kind(self) -> str:
        """What it does: the name of a task, or `search`."""

    @property
    @abstractmethod
    def runs_on(self) -> str:
        """Where, or how, it is computed, in words."""

    @property
    @abstractmethod
    def routes(self) -> Sequence[str]:
        """What it answers behind its address, the first of them what its page asks: `predict`, `embed`, ..."""

    @property
    @abstractmethod
    def form(self) -> Form:
        """What a page needs to ask it."""

    # --- from a request to units ---

    @property
    @abstractmethod
    def options(self) -> Mapping[str, FieldInfo]:
        """The options that a request may set, by name."""

    @cached_property
    def _described_options(self) -> Mapping[str, FormOption]:
        return {option["name"]: option for option in described(self.options)}

    def variant(self, options: Mapping[str, Any]) -> Way:
        """It, as a request asks it.

        Raises:
            Refusal: an option is unknown, or has a value that it does not take; none of another type is read as if
                it were of the right one.
        """
        self._require_known(options)
        if wrong := wrong_types(self._described_options, options):
            places = [(["options", *place], why) for place, why in wrong[:SHOWN]]
            raise Refusal("invalid_options", f"{path_of(wrong[0][0])} {wrong[0][1]}", places)
        key = json.dumps(options, sort_keys=True) if options else ""
        known = self._variants.get(key)
        if known is None:
            known = self._made(key, options)
            self._variants[key] = known
            if len(self._variants) > VARIANTS:
                self._variants.popitem(last=False)
        self._variants.move_to_end(key)
        return known

    def _require_known(self, options: Mapping[str, Any]) -> None:
        takes = self._described_options
        if unknown := [name for name in options if name not in takes]:
            known = f"it takes {', '.join(takes)}" if takes else "it takes none"
            raise Refusal(
                "invalid_options",
                f"{self.name} has no option {unknown[0]!r}: {known}",
                [(["options", name], "is unknown") for name in unknown[:SHOWN]],
            )

    @abstractmethod
    def _made(self, key: str, options: Mapping[str, Any]) -> Way:
        """See `variant`."""

    def keys(self, variant: Way, inputs: Sequence[Any]) -> tuple[list[Key], list[dict[str, Any]]]:
        """What is read of the inputs of a request, and by what equal ones are known.

        Args:
            inputs: texts, or objects by column.

        Raises:
            Refusal: naming each place that cannot be read.
        """
        read: list[dict[str, Any]] = []
        wrong: list[tuple[list[str | int], str]] = []
        for i, given in enumerate(inputs):
            place: list[str | int] = ["input", i]
            try:
                read.append(self._read(variant, given, place))
            except ValueError as error:
                wrong.append((place, in_json(str(error))))
        if wrong:
            raise wrong_inputs(wrong, len(inputs))
        return [(variant.key, json.dumps(one, sort_keys=True, default=str)) for one in read], read

    @abstractmethod
    def _read(self, variant: Way, given: Any, place: list[str | int]) -> dict[str, Any]:
        """What is read of one input.

        Raises:
            ValueError: it cannot be read; `place` is then where.
        """

    @abstractmethod
    def prepared(
        self, variant: Way, keys: Sequence[Key], read: Sequence[Mapping[str, Any]], *, wait: bool = True
    ) -> list[One] | None:
        """Units of what was read of inputs; safe to call in any thread.

        Args:
            wait: for another thread that is at it; False: there are none then, as the event loop waits for nothing.

        Raises:
            Refusal: the inputs do not go together with the options: labels that leave no room for a text.
        """

    # --- from units to answers, in as many threads as there are callers ---

    @property
    def rows_together(self) -> int | None:
        """Rows that are taken together at most; None: as much as is done in a short time."""
        return None

    @abstractmethod
    def computed(
        self, variant: Way, units: Sequence[One], writing: Any = None
    ) -> Iterator[list[tuple[int, dict[str, Any]]]]:
        """The answers to units that are asked in one way, as they come back: each with the place of its unit.

        Args:
            writing: shows a text while it is written, of a single unit.
        """

    @abstractmethod
    def example(self) -> Any:
        """An input that it answers: what it is warmed up with, and what its pages show."""

    @property
    @abstractmethod
    def example_options(self) -> Mapping[str, Any]:
        """The options that the example is asked with."""

    def example_unit(self) -> tuple[Way, One]:
        """The example, ready to be answered, and how it is asked."""
        variant = self.variant(self.example_options)
        keys, read = self.keys(variant, [self.example()])
        (unit,) = self.prepared(variant, keys, read) or []
        return variant, unit

    def try_example(self) -> dict[str, Any]:
        """The answer to the example, computed here and now: in the thread of the model, or before there is one.

        Raises:
            Exception: whatever keeps it from answering.
        """
        variant, unit = self.example_unit()
        ((_, answer),) = [one for done in self.computed(variant, [unit]) for one in done]
        return answer


@contextmanager
def options_refused(options: Mapping[str, Any]) -> Iterator[None]:
    """Refuse a request whose options do not fit, in the words of a request.

    Args:
        options: of the request; where one is wrong with another, the first that the message names is meant.

    Raises:
        Refusal: where an option is wrong inside the block.
    """
    try:
        yield
    except OptionError as error:
        places = [(["options", problem.field], in_json(problem.line)) for problem in error.problems]
        raise Refusal("invalid_options", said(error), places) from None
    except UserError as error:
        meant = next((name for name in flags_in(error.message) if name in options), None)
        place = (["options"], "do not fit") if meant is None else (["options", meant], "does not fit")
        raise Refusal("invalid_options", said(error), [place]) from None


def said(error: UserError) -> str:
    """What is wrong and what to do, in the words of a request."""
    hint = f". {error.hint}" if error.hint else ""
    return in_json(error.message.rstrip(".") + hint if hint else error.message)


def wrong_inputs(wrong: Sequence[tuple[Sequence[str | int], str]], inputs: int) -> Refusal:
    """The refusal of a request some of whose inputs cannot be read.

    Args:
        wrong: their places, with what is wrong there.
        inputs: of the request.
    """
    many = f" ({len(wrong):,} of {inputs:,} inputs)" if inputs > 1 else ""
    return Refusal("invalid_input", f"{path_of(wrong[0][0])} {wrong[0][1]}{many}", wrong[:SHOWN])


def path_of(place: Sequence[str | int]) -> str:
    """A place of a body in words: `input[3].question`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
