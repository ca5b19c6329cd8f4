"""A model that is served: opened once, asked by requests that may each set the options of its task."""

from __future__ import annotations

import itertools
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.models import fitting
from nlpkit.options.problems import OptionError
from nlpkit.serving import form
from nlpkit.serving.options import AnsweringOptions, ServedModelOptions
from nlpkit.serving.refusals import Refusal, in_json
from nlpkit.tasks.contract import Task
from nlpkit.tasks.outputs import in_order, joined
from nlpkit.tasks.reading import Reader

VARIANTS = 64  # ways of asking one model that are kept ready
SHOWN = 20  # places that a refusal names
# Work is tokens that the model reads, and as many more as a row costs besides: a short text is not much faster than one
# of a few tokens more. Of a model that writes the tokens to be written count for far more than those that are read.
ROW_COST = 16
WRITING_COST = 1_000


@dataclass(frozen=True, eq=False)
class Unit:
    """One input of a request, ready for the model.

    Attributes:
        key: equal of equal inputs that are asked about in the same way.
        inputs: what was read of it.
        made: columns of its features.
        work: what it costs, see `ROW_COST`.
        tokens: that the model reads.
        cut: that it does not read, as the input is too long.
    """

    key: tuple[str, str]
    inputs: Mapping[str, Any]
    made: Mapping[str, Sequence[Any]]
    work: int
    tokens: int
    cut: int


@dataclass(frozen=True, eq=False)
class Variant:
    """A model with the options of a request.

    Attributes:
        key: equal of equal options.
        warnings: what was said of the options.
        reads: the columns of an input, the main text first.
        template: the column that an input which is a text alone stands for, and its reader; None where an input has
            several.
    """

    key: str
    predictor: Predictor[Any]
    reader: Reader[Any]
    warnings: Sequence[str]
    template: tuple[str, Reader[Any]] | None
    reads: Sequence[str] = field(default_factory=list)


class ServedModel:
    """A model behind a name.

    Args:
        name: in addresses.
        predictor: of the model.
        config: how it was opened, with the options of its task.
    """

    def __init__(self, name: str, predictor: Predictor[Any], config: AnsweringOptions) -> None:
        self.name, self.predictor, self.config = name, predictor, config
        self.task: Task = predictor.task
        # a length of 0 says that the model would read padding, so that rows of one length alone go together
        self.pads = fitting.reads_mask(predictor.model)
        self._variants: OrderedDict[str, Variant] = OrderedDict()
        self._tokenizing = threading.Lock()  # a tokenizer's settings are changed by asking it

    @classmethod
    def open(cls, name: str, run: str, options: ServedModelOptions, batch_tokens: int) -> ServedModel:
        """Open a model, which takes seconds.

        Args:
            name: in addresses.
            run: run folder, model folder or hub name.
            options: how it is opened.
            batch_tokens: that go through it together at most.

        Raises:
            UserError: it cannot be opened.
        """
        given = {name: getattr(options, name) for name in options.given if name in ServedModelOptions.model_fields}
        config = AnsweringOptions(model=run, **given)
        opened: Predictor[Any] = open_predictor(config, Task, "serve")
        opened.batch_tokens = batch_tokens
        # the options are for requests to set: a model without labels of its own is opened without any
        return cls(name, opened, config.for_task(type(opened.task)))

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that a request may set, by name."""
        return form.request_options(type(self.task))

    @property
    def form(self) -> form.Form:
        """What a page needs to ask the model."""
        variant = self.variant(self.task.view.example_options())  # a model without labels is opened with some alone
        columns = variant.reads if variant.template is None else [variant.template[0]]
        return form.of_task(self.task, columns, ["predict"])

    def variant(self, options: Mapping[str, Any]) -> Variant:
        """The model as a request asks it.

        Raises:
            Refusal: an option is unknown, or has a value that it does not take.
        """
        key = json.dumps(options, sort_keys=True) if options else ""
        known = self._variants.get(key)
        if known is None:
            known = self._made(key, options)
            self._variants[key] = known
            if len(self._variants) > VARIANTS:
                self._variants.popitem(last=False)
        self._variants.move_to_end(key)
        return known

    def _made(self, key: str, options: Mapping[str, Any]) -> Variant:
        takes = self.options
        if unknown := [name for name in options if name not in takes]:
            known = f"it takes {', '.join(takes)}" if takes else "it takes none"
            raise Refusal(
                "invalid_options",
                f"{self.name} has no option {unknown[0]!r}: {known}",
                [(["options", name], "is unknown") for name in unknown[:SHOWN]],
            )
        try:
            with reporting.silent(), reporting.listening() as heard:
                config = self.config.changed(**options) if options else self.config
                config.refuse_unread()
                predictor = self.predictor.configured(config, batch_tokens=self.predictor.batch_tokens)
                reader = predictor.task.reader()
        except OptionError as error:
            places = [(["options", problem.field], in_json(problem.line)) for problem in error.problems]
            raise Refusal("invalid_options", in_json(error.message), places) from None
        except UserError as error:
            hint = f" {error.hint}" if error.hint else ""
            raise Refusal("invalid_options", in_json(error.message + hint), [(["options"], "do not fit")]) from None
        try:
            (row,), typed = reader.typed(config.changed(texts=["text"]))
            template = (next(iter(row)), typed) if len(row) == 1 else None
        except UserError:  # an input has several parts
            template = None
        warnings = [in_json(message) for message in heard.warnings]
        return Variant(key, predictor, reader, warnings, template, reader.input_columns)

    # --- from inputs to units ---

    def keys(self, variant: Variant, inputs: Sequence[Any]) -> tuple[list[tuple[str, str]], list[dict[str, Any]]]:
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
            many = f" ({len(wrong):,} of {len(inputs):,} inputs)" if len(inputs) > 1 else ""
            raise Refusal("invalid_input", f"{_path(wrong[0][0])} {wrong[0][1]}{many}", wrong[:SHOWN])
        return [(variant.key, json.dumps(one, sort_keys=True, default=str)) for one in read], read

    def _read(self, variant: Variant, given: Any, place: list[str | int]) -> dict[str, Any]:
        """What is read of one input.

        Raises:
            ValueError: it cannot be read; `place` is then where.
        """
        if isinstance(given, str):
            if variant.template is None:
                raise ValueError(f"is a text; this model reads an object with {', '.join(variant.reads)}")
            column, reader = variant.template
            row: Mapping[str, Any] = {column: given}
        elif isinstance(given, Mapping):
            row, reader = given, variant.reader
            if variant.template is not None and set(given) == {variant.template[0]}:
                reader = variant.template[1]
            elif missing := [name for name in variant.reads if name not in given]:
                raise ValueError(f"lacks {', '.join(missing)}; this model reads {', '.join(variant.reads)}")
            elif foreign := [name for name in given if name not in variant.reads]:
                raise ValueError(f"has {foreign[0]!r}, which this model does not read: {', '.join(variant.reads)}")
        else:
            kind = "a text" if variant.template is not None else "an object"
            raise ValueError(f"is {_kind(given)}; give {kind}")
        for name, value in row.items():
            words = isinstance(value, list) and all(isinstance(word, str) for word in value)
            if not isinstance(value, str) and not words:
                place.append(name)
                raise ValueError(f"is {_kind(value)}; give a text")
            try:
                "".join(value).encode()
            except UnicodeEncodeError:
                raise ValueError("holds half of a surrogate pair, which is no character") from None
        return reader.inputs(row)

    def prepared(
        self, variant: Variant, keys: Sequence[tuple[str, str]], read: Sequence[Mapping[str, Any]]
    ) -> list[Unit]:
        """Units of what was read of inputs; safe to call in any thread.

        Raises:
            Refusal: the inputs do not go together with the options: labels that leave no room for a text.
        """
        if not read:
            return []
        task = variant.predictor.task
        columns = {name: [one[name] for one in read] for name in read[0]}
        try:
            with self._tokenizing:
                made = task.features(variant.predictor.tokenizer, columns)
        except UserError as error:
            hint = f" {error.hint}" if error.hint else ""
            raise Refusal("invalid_input", in_json(error.message + hint)) from None
        bounds = np.searchsorted(np.asarray(made["example"]), np.arange(len(read) + 1)).tolist()
        units = []
        for i, (start, end) in enumerate(itertools.pairwise(bounds)):
            own = {name: column[start:end] for name, column in made.items()} if len(read) > 1 else dict(made)
            own["example"] = [0] * (end - start)
            tokens = int(sum(own["length"]))
            work = tokens + (WRITING_COST if task.writes else ROW_COST) * (end - start)
            cut = int(sum(own["lost"])) if "lost" in own else 0
            units.append(Unit(keys[i], read[i], own, work, tokens, cut))
        return units

    def example(self) -> Any:
        """An input that the model answers: what it is warmed up with, and what its pages show."""
        given = self.form["example"]["input"]
        return given[0] if isinstance(given, list) else given

    def try_example(self) -> dict[str, Any]:
        """The answer to the example, computed here and now: in the thread of the model, or before there is one.

        Raises:
            Exception: whatever keeps the model from answering.
        """
        variant = self.variant(self.task.view.example_options())
        keys, read = self.keys(variant, [self.example()])
        (unit,) = self.prepared(variant, keys, read)
        predictor = variant.predictor
        back = list(predictor.entries(together([unit])))
        rows = np.concatenate([rows for rows, _ in back])
        outputs = in_order(joined([part for _, part in back]), rows)
        (answer,) = predictor.task.decode(predictor.task.merge(outputs, unit.made), [unit.inputs])
        return dict(answer)


def together(units: Sequence[Unit]) -> dict[str, list[Any]]:
    """The features of several units behind each other."""
    if len(units) == 1:
        return {name: list(column) for name, column in units[0].made.items()}
    return {name: [value for unit in units for value in unit.made[name]] for name in units[0].made}


def _path(place: Sequence[str | int]) -> str:
    """A place of a body in words: `input[3].question`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _kind(value: Any) -> str:
    """What a JSON value is, for messages."""
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)
