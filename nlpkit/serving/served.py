"""A model that is served: opened once, asked by requests that may each set the options of its task."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nlpkit import reporting
from nlpkit.data.affirmative import affirmative
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.models import fitting
from nlpkit.models.onnx import OnnxModel
from nlpkit.serving import form
from nlpkit.serving.contract import Key, Served, options_refused, said
from nlpkit.serving.options import AnsweringOptions, ServedModelOptions
from nlpkit.serving.refusals import Refusal, in_json
from nlpkit.serving.values import kind_of
from nlpkit.tasks import registry
from nlpkit.tasks.contract import Task
from nlpkit.tasks.outputs import in_order, joined, selected
from nlpkit.tasks.reading import Reader

# Work is tokens that the model reads, and as many more as a row costs besides: a short text is not much faster than one
# of a few tokens more. A token that is written takes a call of the model, and counts for several that are read.
ROW_COST = 16
# Tokens of padding that a call of ONNX Runtime on a CPU may have: a call more costs less. (In torch, whose calls cost
# more, one padded batch is the faster.) `benchmarks/serve.py --parts calls` compares.
CPU_PADDING = 16
# One core for a call, and as many calls at once as there are cores, answers more than all cores for one call after the
# other, and makes a single call slower. It is so where one core has read `CALL_TOKENS` in `CALL_SECONDS`.
CALL_TOKENS, CALL_SECONDS = 128, 0.01
TRIED = 5  # times that the example is answered to tell
WRITING_COST = 20


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
        written: that it may have to write.
    """

    key: Key
    inputs: Mapping[str, Any]
    made: Mapping[str, Sequence[Any]]
    work: int
    tokens: int
    cut: int
    written: int

    @property
    def rows(self) -> int:
        """That the model is given: of a long text in windows several."""
        return len(self.made["length"])


class Template(NamedTuple):
    """How an input is read that names no columns.

    Attributes:
        columns: that its text stands for, or its two texts.
        reader: of these.
    """

    columns: Sequence[str]
    reader: Reader[Any]


@dataclass(frozen=True, eq=False)
class Variant:
    """A model with the options of a request.

    Attributes:
        key: equal of equal options.
        warnings: what was said of the options.
        reads: the columns of an input, the main text first.
        template: of an input that is a text alone; None where an input has several.
        pair: of one that is two texts; None where the model reads no pairs.
    """

    key: str
    predictor: Predictor[Any]
    reader: Reader[Any]
    warnings: Sequence[str]
    template: Template | None
    pair: Template | None
    reads: Sequence[str] = field(default_factory=list)


class ServedModel(Served[Variant, Unit]):
    """A model behind a name.

    Args:
        name: in addresses.
        predictor: of the model.
        config: how it was opened, with the options of its task.

    """

    def __init__(self, name: str, predictor: Predictor[Any], config: AnsweringOptions) -> None:
        super().__init__(name)
        self.predictor, self.config = predictor, config
        self.task: Task = predictor.task
        # a length of 0 says that the model would read padding, so that rows of one length alone go together
        self.pads = fitting.reads_mask(predictor.model)
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
        kind = registry.class_of_model(run, named=options.task, revision=options.model_revision)
        if kind is None and (kind := registry.embedder_of(run, revision=options.model_revision)) is not None:
            reporting.current().note(f"{run}: an encoder alone, which is served for {kind.name} (--task)")
            given["task"] = kind.name
        config = AnsweringOptions(model=run, **given)
        opened: Predictor[Any] = open_predictor(config, Task, "serve")
        opened.batch_tokens = batch_tokens
        if isinstance(opened.model, OnnxModel) and opened.model.scales_by_batch:
            opened.batch_size = 1  # an answer must not hang on the texts of other clients
        # the options are for requests to set: a model without labels of its own is opened without any
        served = cls(name, opened, config.for_task(type(opened.task)))
        served._settle_calls()
        return served

    def _settle_calls(self) -> None:
        """Settle how ONNX Runtime is called on a CPU: with how much padding, and whether several calls go on at once,
        with a core each."""
        model = self.predictor.model
        if not isinstance(model, OnnxModel) or model.kind != "cpu" or self.task.writes:
            return
        self.predictor.batch_padding = CPU_PADDING
        if (cores := model.cores) == 1:
            return
        model.compute_with(1)
        variant, unit = self.example_unit()
        seconds = math.inf
        for _ in range(TRIED):
            start = time.perf_counter()
            list(self.computed(variant, [unit]))
            seconds = min(seconds, time.perf_counter() - start)
        if seconds * (CALL_TOKENS + ROW_COST) / unit.work <= CALL_SECONDS:
            self.callers = cores
        else:
            model.compute_with(cores)

    @property
    def kind(self) -> str:
        return self.task.name

    @property
    def runs_on(self) -> str:
        return self.predictor.device.described

    @cached_property
    def routes(self) -> Sequence[str]:
        ways = {"predict": True, "embed": self.task.embeds, "rerank": self.relevant_label is not None}
        return [way for way, there in ways.items() if there]

    @cached_property
    def relevant_label(self) -> str | None:
        """The label whose score says how well two texts belong together; None of a model that does not tell."""
        names = self.task.scored_labels
        if not names or (variant := self.variant({})).pair is None:
            return None
        if len(names) == 1:
            return names[0]
        if len(names) != 2 or variant.template is not None:  # one that reads single texts too may be about anything
            return None
        place = affirmative(names)
        return None if place is None else names[place]

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that a request may set, by name."""
        return form.request_options(type(self.task))

    @cached_property
    def form(self) -> form.Form:
        variant = self.variant(self.example_options)  # a model without labels is opened with some alone
        columns = variant.reads if variant.template is None else variant.template.columns
        return form.of_task(self.task, columns, self.routes)

    def _made(self, key: str, options: Mapping[str, Any]) -> Variant:
        with options_refused(options), reporting.silent(), reporting.listening() as heard:
            config = self.config.changed(**options) if options else self.config
            config.refuse_unread()
            predictor = self.predictor.configured(config, batch_tokens=self.predictor.batch_tokens)
            reader = predictor.task.reader()
        template = _template(reader, config, texts=["text"])
        paired = "text_pair" in config.known_fields()
        pair = _template(reader, config, texts=["text"], text_pair=["text"]) if paired else None
        warnings = [in_json(message) for message in heard.warnings]
        return Variant(
            key,
            predictor,
            reader,
            warnings,
            template if template is not None and len(template.columns) == 1 else None,
            pair,
            reader.input_columns,
        )

    # --- from inputs to units ---

    def _read(self, variant: Variant, given: Any, place: list[str | int]) -> dict[str, Any]:
        reader = variant.reader
        named = [template for template in (variant.template, variant.pair) if template is not None]
        if isinstance(given, str):
            if variant.template is None:
                raise ValueError(f"is a text; this model reads an object with {', '.join(variant.reads)}")
            reader = variant.template.reader
            row: Mapping[str, Any] = {variant.template.columns[0]: given}
        elif isinstance(given, Mapping):
            row = given
            if (template := next((one for one in named if set(given) == set(one.columns)), None)) is not None:
                reader = template.reader
            elif missing := [name for name in variant.reads if name not in given]:
                raise ValueError(f"lacks {', '.join(missing)}; this model reads {', '.join(variant.reads)}")
            elif foreign := [name for name in given if name not in variant.reads]:
                raise ValueError(f"has {foreign[0]!r}, which this model does not read: {', '.join(variant.reads)}")
        else:
            kind = "a text" if variant.template is not None else "an object"
            raise ValueError(f"is {kind_of(given)}; give {kind}")
        for name, value in row.items():
            words = isinstance(value, list) and all(isinstance(word, str) for word in value)
            if not isinstance(value, str) and not words:
                place.append(name)
                raise ValueError(f"is {kind_of(value)}; give a text")
        return reader.inputs(row)

    def prepared(
        self, variant: Variant, keys: Sequence[Key], read: Sequence[Mapping[str, Any]], *, wait: bool = True
    ) -> list[Unit] | None:
        if not read:
            return []
        if not self._tokenizing.acquire(blocking=wait):
            return None
        task = variant.predictor.task
        columns = {name: [one[name] for one in read] for name in read[0]}
        try:
            made = task.features(variant.predictor.tokenizer, columns)
        except UserError as error:
            raise Refusal("invalid_input", said(error)) from None
        finally:
            self._tokenizing.release()
        bounds = np.searchsorted(np.asarray(made["example"]), np.arange(len(read) + 1)).tolist()
        units = []
        for i, (start, end) in enumerate(itertools.pairwise(bounds)):
            own = {name: column[start:end] for name, column in made.items()} if len(read) > 1 else dict(made)
            own["example"] = [0] * (end - start)
            tokens = int(sum(own["length"]))
            written = task.written_at_most * (end - start)
            work = tokens + ROW_COST * (end - start) + WRITING_COST * written
            cut = int(sum(own["lost"])) if "lost" in own else 0
            units.append(Unit(keys[i], read[i], own, work, tokens, cut, written))
        return units

    # --- from units to answers ---

    @property
    def rows_together(self) -> int | None:
        return self.predictor.batch_size if self.task.writes else None

    def computed(
        self, variant: Variant, units: Sequence[Unit], writing: Any = None
    ) -> Iterator[list[tuple[int, dict[str, Any]]]]:
        predictor = variant.predictor
        if writing is not None:
            watched = predictor.task.watched(units[0].inputs, writing)
            predictor = predictor if watched is None else predictor.asking(watched)
        owners = [i for i, unit in enumerate(units) for _ in range(unit.rows)]
        left = [unit.rows for unit in units]
        back: list[list[tuple[int, Any]]] = [[] for _ in units]
        for rows, outputs in predictor.entries(together(units)):
            done = []
            for place, row in enumerate(rows.tolist()):
                owner = owners[row]
                back[owner].append((row, selected(outputs, np.array([place]))))
                left[owner] -= 1
                if not left[owner]:
                    done.append((owner, _decoded(predictor.task, units[owner], back[owner])))
                    back[owner] = []
            if done:
                yield done

    def example(self) -> Any:
        given = self.form["example"]["input"]
        return given[0] if isinstance(given, list) else given

    @property
    def example_options(self) -> Mapping[str, Any]:
        return self.task.view.example_options()


def together(units: Sequence[Unit]) -> dict[str, list[Any]]:
    """The features of several units behind each other."""
    if len(units) == 1:
        return {name: list(column) for name, column in units[0].made.items()}
    return {name: [value for unit in units for value in unit.made[name]] for name in units[0].made}


def _decoded(task: Task, unit: Unit, rows: list[tuple[int, Any]]) -> dict[str, Any]:
    """The answer to a unit whose rows have come back, in any order."""
    outputs = in_order(joined([output for _, output in rows]), np.array([row for row, _ in rows]))
    (answer,) = task.decode(task.merge(outputs, unit.made), [unit.inputs])
    return {**answer, "cut": unit.cut} if unit.cut else dict(answer)


def _template(reader: Reader[Any], config: AnsweringOptions, **typed: list[str]) -> Template | None:
    """How an input is read that was typed without columns; None where the model reads something else."""
    try:
        (row,), made = reader.typed(config.changed(**typed))
    except UserError:
        return None
    return Template(list(row), made)
