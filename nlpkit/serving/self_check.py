"""Whether the service answers as its models do, and these as well as their records say: rows that were held out in
training are asked about over HTTP, as a client asks, and judged."""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data.places import user_columns
from nlpkit.errors import NlpkitError
from nlpkit.options import SourceOptions
from nlpkit.reporting import Cell, Table, counted
from nlpkit.serving.contract import Served
from nlpkit.serving.served import ServedModel
from nlpkit.serving.service import Service
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.reading import Reader

SHOWN = 3  # inputs that are named
SHOWN_TEXT = 60  # characters of them
# What a number may be off by: the same rows go through the same model, by other paths.
RELATIVE, ABSOLUTE = 1e-3, 1e-4
SECONDS = 600  # for an answer


@dataclass(frozen=True)
class Figure:
    """The main metric of a model, on the rows that were asked about and in its record.

    Attributes:
        metric: its name.
        split: of the rows.
        rows: that were judged.
        value, interval: here; the interval None where there is no telling.
        recorded, recorded_interval: what the record says; None where it says nothing.
    """

    metric: str
    split: str
    rows: int
    value: float
    interval: Sequence[float] | None
    recorded: float | None
    recorded_interval: Sequence[float] | None

    @property
    def compatible(self) -> bool | None:
        """Whether both may be of one model: their intervals have something in common. None: the record tells none."""
        if self.recorded is None:
            return None
        if _near(self.value, self.recorded):
            return True
        low, high = self.interval or (self.value, self.value)
        other_low, other_high = self.recorded_interval or (self.recorded, self.recorded)
        return low <= other_high and other_low <= high


@dataclass
class Checked:
    """What came of the check of one model.

    Attributes:
        inputs: that were asked.
        differing: of these, whose answers were others over HTTP: how many, and the first of them in words.
        unread: rows that the model cannot read.
        figure: None where no rows could be judged.
        why_not: why not.
        seconds: that it took.
    """

    model: str
    inputs: int = 0
    differing: int = 0
    named: list[str] = field(default_factory=list)
    unread: int = 0
    figure: Figure | None = None
    why_not: str = ""
    seconds: float = 0.0

    @property
    def failures(self) -> list[str]:
        """What does not hold."""
        made = []
        if self.differing:
            answers = counted(self.differing, "answer", "answers")
            made.append(f"{self.model}: {answers} of {self.inputs:,} differ over HTTP: {'; '.join(self.named)}")
        if (figure := self.figure) is not None and figure.compatible is False:
            made.append(
                f"{self.model}: {figure.split} {figure.metric} is {figure.value:.4f}, and its record says "
                f"{figure.recorded:.4f}"
            )
        return made

    def record(self) -> dict[str, Any]:
        """JSON values."""
        told: dict[str, Any] = {
            "model": self.model,
            "inputs": self.inputs,
            "differing": self.differing,
            "unread": self.unread,
            "seconds": round(self.seconds, 3),
        }
        if self.figure is not None:
            told["figure"] = {**self.figure.__dict__, "compatible": self.figure.compatible}
        return {**told, "why_not": self.why_not} if self.why_not else told

    def lines(self) -> list[str]:
        """What is said of it besides its row of the table, and what does not hold."""
        made = [f"{self.model}: its example alone was asked about: {self.why_not}"] if self.why_not else []
        if self.unread:
            made.append(f"{self.model}: {counted(self.unread, 'row', 'rows')} cannot be read and was not asked about")
        return made + self.failures


def check(service: Service, address: str, most: int) -> list[Checked]:
    """Ask each model over HTTP and in this process.

    Args:
        address: of the service.
        most: rows of each model.
    """
    made = []
    for model in service.models.values():
        start = time.perf_counter()
        checked = _checked(_Client(address, service.keys), model, most)
        checked.seconds = time.perf_counter() - start
        made.append(checked)
    return made


def table(checked: Sequence[Checked]) -> Table:
    """What people are told."""
    header = ["model", "inputs", "other answers over HTTP", "rows", "metric", "here", "in its record", "seconds"]
    body: list[list[Cell]] = []
    for one in checked:
        figure = one.figure
        judged: list[Cell] = ["-"] * 4
        if figure is not None:
            here, recorded = _shown(figure.value, figure.interval), _shown(figure.recorded, figure.recorded_interval)
            judged = [f"{figure.rows:,} of {figure.split}", figure.metric, here, recorded]
        body.append([one.model, one.inputs, one.differing, *judged, f"{one.seconds:.1f}"])
    return Table("self-check", header, body)


def _shown(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" + (f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval is not None else "")


@dataclass(frozen=True)
class _Client:
    """Asks a service over HTTP.

    Attributes:
        keys: of which it wants one; none: it wants none.
    """

    address: str
    keys: Sequence[bytes]

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer, or `error`."""
        headers = {"content-type": "application/json"}
        if self.keys:
            headers["authorization"] = f"Bearer {self.keys[0].decode()}"
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the service is on this machine
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                made: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            made = json.load(error)
        return made


def _checked(client: _Client, model: Served[Any, Any], most: int) -> Checked:
    held = _held_out(model, most) if isinstance(model, ServedModel) else "an index has no rows to be judged on"
    checked = Checked(model.name)
    path = f"/v1/models/{model.name}/{model.routes[0]}"
    if isinstance(held, str):
        checked.why_not = held
        (answer,) = _answers(client.post(path, model.form["example"]))[:1]
        _compare(checked, model.example(), answer, _as_json(model.try_example()))
        return checked
    variant = held.model.variant({})
    for row in held.rows:
        given = {name: row[name] for name in variant.reads}
        try:
            variant.reader.inputs(given)
        except ValueError:
            checked.unread += 1
            continue
        (answer,) = _answers(client.post(path, {"input": [given]}))
        (expected,) = variant.predictor.answers([given], variant.reader)
        _compare(checked, given, answer, _as_json(expected))
    checked.figure = held.figure()
    return checked


def _answers(body: Mapping[str, Any]) -> list[Any]:
    """The answers of either form; of a refusal the refusal."""
    if "results" in body:
        both = zip(body["results"], body["chances"], strict=True)
        return [{"found": found, "chance": chance} for found, chance in both]
    answers: list[Any] = body.get("answers", [body])
    return answers


def _compare(checked: Checked, given: Any, answer: Any, expected: Any) -> None:
    """Note whether an answer is the one that it should be."""
    checked.inputs += 1
    if _alike(answer, expected):
        return
    checked.differing += 1
    if len(checked.named) < SHOWN:
        checked.named.append(json.dumps(given, ensure_ascii=False)[:SHOWN_TEXT])


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same, but for the last digits of their numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return _near(one, other)
    return bool(one == other)


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


@dataclass(frozen=True)
class _Held:
    """Rows that a model was not trained on.

    Attributes:
        split: of its data.
        rows: the first of them, as the user's file has them.
        examples: those that can be judged.
        reader: of them.
    """

    model: ServedModel
    split: str
    rows: Sequence[Mapping[str, Any]]
    examples: Dataset
    reader: Reader[Any]

    def figure(self) -> Figure | None:
        """How good the model is on these rows, beside what its record says."""
        from nlpkit.metrics import intervals

        if not len(self.examples):
            return None
        predictor, record = self.model.predictor.reading(self.reader), self.model.predictor.record or {}
        outputs = predictor.outputs(self.examples[:])
        task = self.reader.task.with_conventions(outputs)
        metrics, metric = task.score(outputs, self.examples), task.main_metric
        told = intervals.record({self.split: task.evidence(outputs, self.examples)}, {self.split: metrics})
        return Figure(
            metric=metric,
            split=self.split,
            rows=len(self.examples),
            value=float(metrics[metric]),
            interval=told["metric_intervals"].get(self.split, {}).get(metric),
            recorded=((record.get("metrics") or {}).get(self.split) or {}).get(metric),
            recorded_interval=((record.get("metric_intervals") or {}).get(self.split) or {}).get(metric),
        )


def _held_out(model: ServedModel, most: int) -> _Held | str:
    """The first rows that the run of a model held out; why there are none."""
    record, task = model.predictor.record, model.task
    if record is None or not isinstance(task, Judged):
        return "it is no run, whose record tells of its data"
    try:
        from nlpkit.experiment import inherited_data

        if inherited_data.is_of_corpus(record):
            return "it was trained on running text, of which other lines would be drawn now"
        with reporting.silent():  # what is guessed and drawn again was told in training
            loaded, _ = inherited_data.own_splits(SourceOptions(), record, model.config.model, task)
            split = next((name for name in ("validation", "test") if name in loaded.splits), None)
            if split is None:
                return "its data have no rows that were held out"
            rows = loaded.splits[split].select(range(min(most, len(loaded.splits[split]))))
            reader = task.reader(user_columns(rows.column_names)).settled(rows, split, loaded)
            examples = reader.examples(rows, split, loaded, [])
    except NlpkitError as error:
        return error.message
    except ImportError as error:  # a service of exported models needs less than what reads data
        return f"{error.name} is not installed, which reads its data"
    return _Held(model, split, list(rows), examples, reader)
