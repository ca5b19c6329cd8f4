"""One interface from a model folder to answers: load once, then rows in, answers out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

import numpy as np

from nlpkit.data import pieces
from nlpkit.errors import RunError, UserError
from nlpkit.hardware import memory
from nlpkit.inference import light
from nlpkit.inference.overlap import ahead, arriving
from nlpkit.inference.placed import Placed
from nlpkit.models import fitting, onnx, opening
from nlpkit.models.onnx import OnnxModel
from nlpkit.options import BatchOptions, DeviceOptions, GivenModelOptions, OpeningOptions, option_like
from nlpkit.reporting import Progress
from nlpkit.runs.folder import read_record
from nlpkit.tasks import features
from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks.contract import BOOKKEEPING, NAN, Task
from nlpkit.tasks.options import LengthOptions, TaskChoiceOptions
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from nlpkit.hardware.devices import Device
    from nlpkit.inference.remembered import Remembered
    from nlpkit.models.bare import Bare
    from nlpkit.options import Config
    from nlpkit.tasks.forward import Forward
    from nlpkit.tasks.outputs import Outputs
    from nlpkit.tasks.reading import Reader

CHUNK = 8_192  # examples whose features are in memory at a time, fewer of long texts:
AHEAD = 2_048  # and on a GPU, which has nothing to do until the first have theirs
CHUNK_CHARACTERS = pieces.TOGETHER
CHUNK_NUMBERS = 2**25  # of their outputs
SHOWN = 5  # weights that a message names
T = TypeVar("T")
R = TypeVar("R", bound=Task)
# A task's `answer` or `judge`: a model and a batch -> what is read of the model
Ask: TypeAlias = "Callable[[Any, Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]"
GENERATIONS = 20  # of models that were made one of another: records may name each other in a circle


class TrainedModelOptions(TaskChoiceOptions, GivenModelOptions, DeviceOptions):
    """A trained model, as `predict` and `evaluate` take it."""

    batch_size: int = option_like(BatchOptions, "batch_size", help="Inputs per forward pass.", panel="Device")
    max_length: int | None = option_like(
        LengthOptions,
        "max_length",
        help="Tokens per input.",
        panel="Model",
        shown_default="as asked in training, else what the model takes",
    )


@dataclass
class Trained(Generic[R]):
    """A model that was trained for a task, as a folder or the hub holds it.

    Attributes:
        name: as the user gave it.
        place: its folder or hub name.
        record: its nlpkit.json, None for a plain Transformers folder.
        limit: tokens of an input where nothing else is asked for, None for any number.
        most: tokens that it takes, None for any number.
        seconds: that opening the model took, of a torch model with reading its weights.
    """

    name: str
    place: str
    task: R
    model: Any
    tokenizer: Any
    config: PreTrainedConfig  # or a `BareConfig`, where it is opened without transformers
    record: dict[str, Any] | None
    limit: int | None
    most: int | None
    seconds: float


def open_trained(
    name: str,
    options: OpeningOptions,
    needs: type[R] = Task,  # type: ignore[assignment]
    command: str = "predict",
    *,
    revision: str | None = None,
    flag: str = "MODEL",
    exported: bool = True,
    overrides: Mapping[str, Any] | None = None,
    task_name: str | None = None,
    bare: Bare | None = None,
    threads: int = 0,
) -> Trained[R]:
    """Open a model with its task and tokenizer, in float32 on the CPU, ready to answer.

    Args:
        name: run folder, model folder or hub name.
        options: how it may be opened.
        needs: the role of the task that the command needs.
        command: for messages.
        revision: of a hub model.
        flag: the option that named it, for messages.
        exported: whether a model that runs in ONNX Runtime, or is quantized, will do: it answers, and cannot change.
        overrides: entries of the config to replace.
        task_name: the task that the user asks for, None for the one that it was trained for.
        bare: what is known of an exported model that is opened without torch and transformers.
        threads: that it then computes with.

    Raises:
        UserError: it cannot be opened, belongs to no task known here or to one that the command is not for, or has
            untrained weights.
    """
    from nlpkit.tasks import registry

    place = opening.resolve(name, flag)
    trust: Any = {"revision": revision, "trust_remote_code": options.trust_remote_code}
    # a bare one has all that is read of a config where torch is not needed
    bare_config = bare.config if bare else None
    config = cast("PreTrainedConfig", bare_config or opening.load_config(place, **trust))
    record = read_record(place)
    claimed = registry.task_of_model(config, (record or {}).get("task"), place, named=task_name)
    task = registry.require(claimed, needs, command)
    options.for_task(type(task))  # what is for another task is refused before the weights are read
    slow = task.slow_tokenizers
    if bare:
        tokenizer: Any = bare.tokenizer()
    elif options.tokenizer:
        named = opening.resolve(options.tokenizer, "--tokenizer")
        tokenizer = opening.load_tokenizer(named, trust_remote_code=options.trust_remote_code, slow=slow)
    else:
        tokenizer = opening.load_tokenizer(place, slow=slow, **trust)
    task = task.attached(tokenizer)
    start = time.perf_counter()
    new: list[str] = []
    if bare and bare_config:
        model: Any = bare.model(bare_config, threads)
    else:
        model, new = opening.load_model(
            place, task.auto_class, allow_pickle=options.allow_pickle, exported=exported, **trust, **(overrides or {})
        )
    seconds = time.perf_counter() - start
    new = [weight for weight in new if not weight.startswith(task.unread_weights)]
    if new:
        raise UserError(
            f"{name} has no trained {', '.join(new[:SHOWN])}{', ...' if len(new) > SHOWN else ''}: "
            "its answers would be random",
            "Is it a checkpoint that was fine-tuned for this task, with the config.json that belongs to its weights?",
        )
    fitting.fit(model, tokenizer)
    task = task.opened(model)
    limit = opening.max_positions(model.config, tokenizer, model)
    most = opening.takes(model.config, model)
    length, training_length = task.max_length, task.training_length
    if _chosen_before(task, record):
        length, training_length = limit, length
    if length is None:
        length = limit
    bound = most if record and record.get("task") else limit  # which a run may have gone beyond
    if bound is not None and length is not None:
        length = min(length, bound)
    task = task.with_(max_length=length, training_length=training_length, model_length=most)
    return Trained(name, place, task, model.eval(), tokenizer, config, record, limit, most, seconds)


def _chosen_before(task: Task, record: dict[str, Any] | None) -> bool:
    """Whether `max_length` was chosen from the training rows by an nlpkit whose records do not yet say so.

    A model that was made of another, by `distill`, `prune` or `quantize`, has that one's.
    """
    if record is None or "training_length" in record.get("task", {}) or task.default_max_length is not None:
        return False
    for _ in range(GENERATIONS):
        if record is None or record.get("config", {}).get("max_length") is not None:
            return False
        if str(record.get("command")).startswith("finetune"):
            return True
        parents = record.get("parents") or {}
        given = (parents.get("teacher") or parents.get("model") or {}).get("given")
        record = read_record(given) if given and Path(given).is_dir() else None
    return False


def _placed(model: Any, device: Device, *, lent: bool) -> Placed:
    """A model on a device, see `Predictor`."""
    if isinstance(model, OnnxModel):
        return Placed(model, onnx.device_of(model, device))
    from nlpkit.inference.weights import Weights

    return Weights(model, device, lent=lent)


class Predictor(Generic[R]):
    """A model with its tokenizer and task, on a device.

    Args:
        task: of the model.
        model: is moved to the device and put into evaluation mode; or it is `Placed` there already.
        tokenizer: of the model.
        device: where the model runs, and in which arithmetic.
        batch_size: rows per forward pass.
        lent: whether the model belongs to the caller, see `Weights`.
        record: nlpkit.json of the model's folder; None where it has none, or was opened by the caller.
        batch_tokens: tokens per forward pass at most, with padding, unless one row has more; None: any number.
        batch_padding: tokens of padding per forward pass at most; None: any number.
        folder: of the model, by whose content what it gives is kept where the task says so; None: nothing is.
    """

    def __init__(
        self,
        task: R,
        model: Any,
        tokenizer: Any,
        device: Device,
        batch_size: int = 32,
        *,
        lent: bool = True,
        record: dict[str, Any] | None = None,
        batch_tokens: int | None = None,
        batch_padding: int | None = None,
        folder: Path | None = None,
    ) -> None:
        self.task, self.tokenizer, self.batch_size, self.record = task, tokenizer, batch_size, record
        self.folder = folder
        self.weights = model if isinstance(model, Placed) else _placed(model, device, lent=lent)
        self.model = self.weights.model
        self.batch_tokens, self.batch_padding = batch_tokens, batch_padding
        self.collate = task.collate(tokenizer)
        self.cut = features.Truncation(0, 0, 0, task.max_length)
        self.lost: dict[int, int] = {}
        self.reused = 0

    def configured(self, options: Config, *, batch_tokens: int | None = None) -> Predictor:
        """A predictor with the same model that answers as a command or a request asks for it.

        Args:
            options: a config with the task's own options.
            batch_tokens: see the class.

        Raises:
            UserError: it asks for what the task or this model has not.
        """
        task = self.task.configured(options)
        task.require_fit(self.model.config)
        return self._with(task, batch_tokens)

    def reading(self, reader: Reader[R]) -> Predictor[R]:
        """A predictor with the same model that asks it what these rows tell of the task: labels that nobody named."""
        if reader.task.feature_settings == self.task.feature_settings:
            return self
        return self._with(reader.task, self.batch_tokens)

    def asking(self, task: R) -> Predictor[R]:
        """A predictor with the same model that answers by another setting of its task."""
        return self._with(task, self.batch_tokens)

    def _with(self, task: R, batch_tokens: int | None) -> Predictor[R]:
        return Predictor(
            task,
            self.weights,
            self.tokenizer,
            self.device,
            self.batch_size,
            record=self.record,
            batch_tokens=batch_tokens,
            batch_padding=self.batch_padding,
            folder=self.folder,
        )

    @property
    def device(self) -> Device:
        """Where the model is, and in which arithmetic."""
        return self.weights.device

    def outputs(self, examples: Mapping[str, Sequence[Any]], bar: Progress | None = None) -> Outputs:
        """Merged model outputs of examples that are judged (columns of equal length, at least one row), in their order.

        An array, or a list of arrays where the task's outputs are ragged. What was cut of the texts is in `cut` and
        `lost` (example: tokens), and how many inputs the model was not asked about again in `reused`, until the next
        call.
        """
        if not isinstance(self.task, Judged):
            raise TypeError(f"the answers of {self.task.name} are not judged")
        remembered = self._remembered()
        (chunk,) = self._computed([(None, examples)], self.task.judge, bar, remembered)
        if remembered is not None:
            remembered.keep()
        self.cut, self.lost = chunk.cut, chunk.lost
        self.reused = remembered.reused if remembered is not None else 0
        return model_outputs.joined(chunk.outputs)

    def _remembered(self) -> Remembered | None:
        """What the model gave before; None where it is not kept."""
        from nlpkit.inference.remembered import Remembered

        if self.folder is None or not self.task.remembered:
            return None
        made = [type(self.model).__name__, self.device.name, self.device.precision, self.task.record()]
        return Remembered.of(self.folder, made)

    def _computed(
        self,
        chunks: Iterable[tuple[Any, Mapping[str, Sequence[Any]]]],
        ask: Ask,
        bar: Progress | None = None,
        remembered: Remembered | None = None,
    ) -> Iterator[_Chunk]:
        """Examples that went through the model, as they were given together, in their order.

        On a GPU the next chunk is asked for, and made into features, before the last is given out. What goes wrong with
        asking is raised when all that came before is given out.

        Args:
            chunks: what the examples come with, and their columns; there may be no columns, where there are no rows.
            ask: `answer` or `judge` of the task.
            remembered: what the model gave before, to which what it gives is added.
        """
        waiting: deque[_Chunk] = deque()
        failed: list[Exception] = []

        def parts() -> Iterator[_Part]:
            try:
                for item, examples in chunks:
                    waiting.append(self._chunk(item, examples))
                    yield from waiting[-1].parts
            except Exception as error:
                failed.append(error)

        for (part, rows), reduced in arriving(self._reduced_batches(parts(), ask, remembered)):
            if reduced.pop(NAN, False):
                raise self._no_number()
            part.collected.append(self.task.collect(reduced))
            if remembered is not None:
                remembered.add([part.digests[i] for i in rows.tolist()], part.collected[-1])
            part.left -= len(rows)
            if bar is not None:
                bar.advance(int(part.starts[rows].sum()))
            if not part.left:
                part.chunk.take(part, self.task)
            while waiting and waiting[0].done:
                yield waiting.popleft()
        yield from waiting  # those without rows
        if failed:
            raise failed[0]

    def _no_number(self) -> UserError:
        exported = isinstance(self.model, OnnxModel)
        return UserError(
            f"what the model gives is no number (NaN), {'on' if exported else 'in'} "
            f"{self.device.described if exported else self.device.precision}",
            "Its weights are damaged, or too large for this arithmetic: try "
            f"{'`nlpkit quantize --to onnx-fp32`' if exported else '--precision fp32'}.",
        )

    def _chunk(self, item: Any, examples: Mapping[str, Sequence[Any]]) -> _Chunk:
        chunk = _Chunk(item, features.Truncation(0, 0, 0, self.task.max_length))
        if not examples:
            return chunk
        rows = len(next(iter(examples.values())))
        features.require_room(self.task, examples, rows)
        most = max(min(CHUNK if self._alone else AHEAD, rows * CHUNK_NUMBERS // max(self.task.numbers(examples), 1)), 1)
        for start, end in pieces.chunks(examples, most, CHUNK_CHARACTERS):
            some = {name: column[start:end] for name, column in examples.items()}
            chunk.parts.append(_Part(chunk, start, some))
        return chunk

    @property
    def _alone(self) -> bool:
        """Whether the CPU does all of the work."""
        return not self.device.name.startswith("cuda")

    def _reduced_batches(
        self, parts: Iterable[_Part], ask: Ask, remembered: Remembered | None
    ) -> Iterator[tuple[tuple[_Part, np.ndarray], dict[str, Any]]]:
        """What the task reduces each batch to, with its rows; on a GPU nothing waits for it."""

        def made_of(part: _Part) -> Mapping[str, Sequence[Any]]:
            return self.task.features(self.tokenizer, part.examples)

        made_parts = ((part, made_of(part)) for part in parts) if self._alone else ahead(parts, made_of)
        for part, made in made_parts:
            part.begin(made, self.task)
            known = part.recall(remembered) if remembered is not None else 0
            if remembered is not None and known:
                rows = part.order[:known]
                yield (part, rows), {"logits": remembered.values([part.digests[i] for i in rows])}
            for rows in self._batches(part.order[known:], np.asarray(made["length"])):
                for some, reduced in self._reduced(part, rows, ask):
                    yield (part, some), reduced

    def _batches(self, order: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
        """The rows of each forward pass; of one length, where the model would read padding."""
        parts = [order]
        if not self._reads_mask:
            parts = np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1)
        for part in parts:
            start = 0
            while start < len(part):
                most = self.batch_size
                if self.batch_tokens is not None:  # The first row is the longest, to which the others are padded.
                    most = min(most, max(self.batch_tokens // int(lengths[part[start]]), 1))
                if self.batch_padding is not None:
                    padding = np.cumsum(lengths[part[start]] - lengths[part[start : start + most]])
                    most = int(np.searchsorted(padding, self.batch_padding, "right"))
                yield part[start : start + most]
                start += most

    @cached_property
    def _reads_mask(self) -> bool:
        """See `fitting.reads_mask`, which takes longer than a short text to answer."""
        return fitting.reads_mask(self.model)

    def _reduced(self, part: _Part, rows: np.ndarray, ask: Ask) -> list[tuple[np.ndarray, dict[str, Any]]]:
        """What the task reduces these rows to, in several batches where they do not fit into memory together."""
        inputs = part.inputs(rows)
        batch = self.batch(inputs)
        try:
            with self._inference(), self.masked(inputs):
                return [(rows, self.weights.call(partial(ask, self.model, batch)))]
        except Exception as error:  # ONNX Runtime has classes of its own
            if not memory.is_exhausted(error):
                raise
            if len(rows) == 1:
                raise RunError("out of memory with one input", "Lower --max-length.") from error
        del batch  # what did not fit must not stay beside its halves
        half = (len(rows) + 1) // 2
        return [*self._reduced(part, rows[:half], ask), *self._reduced(part, rows[half:], ask)]

    def entries(self, made: Mapping[str, Sequence[Any]]) -> Iterator[tuple[np.ndarray, Outputs]]:
        """What the task keeps of features that are asked about together, some rows at a time, as they come back.

        Features of several requests may stand behind each other: `example` is not read.

        Args:
            made: columns of features, as `task.features` gives them.

        Yields:
            The rows, and an entry for each.
        """
        part = _Part(_Chunk(None, features.Truncation(0, 0, 0, None)), 0, {}, made=made)
        lengths = np.asarray(made["length"])
        batches = self._batches(np.argsort(-lengths, kind="stable"), lengths)
        asked = (one for rows in batches for one in self._reduced(part, rows, self.task.answer))
        for rows, reduced in arriving(asked):
            if reduced.pop(NAN, False):
                raise self._no_number()
            yield rows, self.task.collect(reduced)

    @property
    def _of_arrays(self) -> bool:
        """Whether the model takes arrays and gives arrays, and torch is not needed."""
        return self.device.name == "cpu" and isinstance(self.model, OnnxModel) and not self.task.needs_torch

    def _inference(self) -> AbstractContextManager[Any]:
        """Where no gradients are kept."""
        if self._of_arrays:
            return nullcontext()
        import torch

        return torch.inference_mode()

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Features (without bookkeeping) padded to one length, on the device; arrays for a model that takes these."""
        if self._of_arrays:
            return dict(self.collate.arrays(rows))
        made = self.collate(rows)
        if self._alone:
            return {name: tensor.to(self.device.name) for name, tensor in made.items()}
        # from pinned memory alone a copy waits for nothing
        return {name: part.pin_memory().to(self.device.name, non_blocking=True) for name, part in made.items()}

    def masked(self, rows: list[dict[str, Any]]) -> AbstractContextManager[None]:
        """Where the model is told whether a batch of these rows has padding: it would ask the device."""
        if self._alone:
            return nullcontext()
        from nlpkit.models import attention_masks

        return attention_masks.taken_as_given(padded=len({len(row["input_ids"]) for row in rows}) > 1)

    def run(self, batch: Mapping[str, Any]) -> Forward:
        """What the model gives for a batch."""
        with self._inference():
            return self.weights.call(lambda: self.task.run(self.model, batch))

    def answers(self, rows: Sequence[Mapping[str, Any]], reader: Reader[Any] | None = None) -> list[dict[str, Any]]:
        """An answer for each row of a user's data; a row that cannot be read gets an answer with `error`.

        One whose text was not read to its end has `cut`, the number of tokens that were left out.

        Args:
            rows: with any columns.
            reader: reads them; None: they have the columns of training.
        """
        ((_, answers, self.cut),) = self.answered([(None, reader or self.task.reader(), rows)])
        return answers

    def answered(
        self, chunks: Iterable[tuple[T, Reader[Any], Sequence[Mapping[str, Any]]]]
    ) -> Iterator[tuple[T, list[dict[str, Any]], features.Truncation]]:
        """The answers to each chunk of rows, see `answers`, with what the chunk comes with and what was cut.

        Each chunk has what reads it: rows of several files or requests may have different columns.

        On a GPU one or two more chunks are asked for before the answers to one are given out.
        """

        def given() -> Iterator[tuple[Any, dict[str, list[Any]]]]:
            for item, reader, rows in chunks:
                inputs, places, answers = self._inputs(reader, rows)
                columns = {name: [entry[name] for entry in inputs] for name in inputs[0]} if inputs else {}
                yield (item, inputs, places, answers), columns

        for chunk in self._computed(given(), self.task.answer):
            item, inputs, places, answers = chunk.item
            if inputs:
                outputs = model_outputs.joined(chunk.outputs)
                for i, answer in zip(places, self.task.decode(outputs, inputs), strict=True):
                    answers[i] = answer
            for i, tokens in chunk.lost.items():
                answers[places[i]]["cut"] = tokens
            yield item, answers, chunk.cut

    def computed(
        self, chunks: Iterable[tuple[T, Mapping[str, Sequence[Any]]]], bar: Progress | None = None
    ) -> Iterator[tuple[T, Computed]]:
        """What the answers to examples are made of, where these are no words: merged outputs.

        Args:
            chunks: what the examples come with, and their columns (of equal length).
            bar: counts examples.
        """
        for chunk in self._computed(chunks, self.task.answer, bar):
            outputs = model_outputs.joined(chunk.outputs) if chunk.outputs else None
            yield chunk.item, Computed(outputs, chunk.cut, chunk.lost, chunk.tokens)

    def _inputs(
        self, reader: Reader[Any], rows: Sequence[Mapping[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[int], list[dict[str, Any]]]:
        """What is read of the rows that can be read, which these are, and answers that lack theirs alone."""
        inputs: list[dict[str, Any]] = []
        places: list[int] = []
        answers: list[dict[str, Any]] = [{} for _ in rows]
        for i, row in enumerate(rows):
            try:
                inputs.append(reader.inputs(row))
                places.append(i)
            except ValueError as error:
                answers[i] = {**self.task.no_answer(), "error": str(error)}
        return inputs, places, answers


def open_predictor(
    options: TrainedModelOptions,
    needs: type[R] = Task,  # type: ignore[assignment]
    command: str = "predict",
    *,
    exported: bool = True,
) -> Predictor[R]:
    """The predictor of a trained model.

    Args:
        options: which model, where it runs and how.
        needs: the role of the task that the command needs.
        command: for messages.
        exported: whether a model that runs in ONNX Runtime, or is quantized, will do.

    Raises:
        UserError: the model cannot be opened, its task lacks the role, or it cannot run where it is asked to.
    """
    from nlpkit.hardware import devices

    bare, threads = None, 0
    if exported:
        bare = light.found(options.model, options, tokenizer=options.tokenizer, task=options.task)
    if bare is None:
        device = devices.choose(options)  # before torch touches CUDA
    else:
        device, threads = devices.cpu(options)
    trained = open_trained(
        options.model,
        options,
        needs,
        command,
        revision=options.model_revision,
        task_name=options.task,
        exported=exported,
        bare=bare,
        threads=threads,
    )
    device = onnx.placed(trained.model, device, options)
    task = trained.task
    if options.max_length:
        features.require_length(options.max_length, trained.most)
        task = task.with_(max_length=options.max_length)
    place = Path(trained.place)
    return Predictor(
        task,
        trained.model,
        trained.tokenizer,
        device,
        options.batch_size,
        lent=False,
        record=trained.record,
        folder=place if place.is_dir() else None,
    )


@dataclass(frozen=True)
class Computed:
    """What came of examples that went through the model together.

    Attributes:
        outputs: merged, one entry per example; None where there are none.
        cut: how many were not read to their end.
        lost: tokens that were left out of those, by the example's place.
        tokens: that the model read.
    """

    outputs: Outputs | None
    cut: features.Truncation
    lost: Mapping[int, int]
    tokens: int


@dataclass
class _Chunk:
    """Examples that were given together, and what came of them.

    Attributes:
        item: what they came with.
        cut: how many were not read to their end.
        lost: tokens that were left out of those.
        tokens: that the model reads.
        parts: that are worked on, or wait.
        outputs: of those that are done.
    """

    item: Any
    cut: features.Truncation
    lost: dict[int, int] = field(default_factory=dict)
    tokens: int = 0
    parts: list[_Part] = field(default_factory=list)
    outputs: list[Outputs] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return len(self.outputs) == len(self.parts)

    def take(self, part: _Part, task: Task) -> None:
        """Merge the outputs of a part, all of whose rows have come back, and let go of the rest of it."""
        self.outputs.append(
            task.merge(model_outputs.in_order(model_outputs.joined(part.collected), part.order), part.made)
        )
        part.examples, part.made, part.collected = {}, {}, []


@dataclass
class _Part:
    """Examples of a chunk whose features are in memory together.

    Attributes:
        first: of the chunk's examples.
        examples: columns.
        made: features.
        order: of their rows, the longest first.
        starts: whether a row is the first of its example, which is counted then.
        left: rows that have not come back.
        digests: of the features, where what the model gives is remembered.
        collected: what the task kept of the others, in the order in which they were asked about.
    """

    chunk: _Chunk
    first: int
    examples: Mapping[str, Sequence[Any]]
    made: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    order: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    starts: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    left: int = 0
    digests: list[bytes] = field(default_factory=list)
    collected: list[Outputs] = field(default_factory=list)

    def begin(self, made: Mapping[str, Sequence[Any]], task: Task) -> None:
        """Settle the order of the rows, and note what was cut."""
        self.made, self.left = made, len(made["example"])
        self.order = np.argsort(-np.asarray(made["length"]), kind="stable")
        self.starts = np.diff(np.asarray(made["example"]), prepend=-1) > 0
        self.chunk.cut += features.cut_of(task, made)
        self.chunk.tokens += sum(made["length"])
        lost = zip(made["example"], made.get("lost", ()), strict=False)
        self.chunk.lost |= {self.first + i: tokens for i, tokens in lost if tokens}

    def recall(self, remembered: Remembered) -> int:
        """Put the rows first that the model need not be asked about; how many these are."""
        self.digests = remembered.digests(self.made)
        known = np.array([digest in remembered.known for digest in self.digests], dtype=bool)[self.order]
        self.order = np.concatenate([self.order[known], self.order[~known]])
        return int(known.sum())

    def inputs(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """What the model is given of these rows."""
        names = [name for name in self.made if name not in BOOKKEEPING]
        return [{name: self.made[name][i] for name in names} for i in rows.tolist()]
