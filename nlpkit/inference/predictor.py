"""One interface from a model folder to answers: load once, then rows in, answers out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import models
from nlpkit.errors import RunError, UserError
from nlpkit.options import DeviceOptions, option
from nlpkit.reporting import Progress
from nlpkit.runs.folder import read_record
from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks.base import BOOKKEEPING

if TYPE_CHECKING:
    from nlpkit.tasks.base import Task
    from nlpkit.tasks.outputs import Outputs
    from nlpkit.training.devices import Device

CHUNK = 8_192  # examples whose features are in memory at a time, fewer of long texts:
CHUNK_CHARACTERS = 2**24


class TrainedModelOptions(DeviceOptions):
    """A trained model, as `predict` and `evaluate` take it."""

    model: str = option(..., "Run folder, model folder or hub name.", panel="Input", metavar="MODEL", positional=True)
    model_revision: str | None = option(None, "Revision of a hub model.", panel="Model", metavar="REV")
    tokenizer: str | None = option(
        None, "Folder or hub name of the tokenizer.", panel="Model", metavar="PATH|NAME", shown_default="the model's"
    )
    allow_pickle: bool = option(False, "Load weights stored as pickle (they can run code).", panel="Model")
    trust_remote_code: bool = option(False, "Run model code that comes with the weights.", panel="Model")
    batch_size: int = option(32, "Inputs a forward pass.", panel="Device", ge=1)
    max_length: int | None = option(None, "Tokens an input.", panel="Model", ge=4, shown_default="as trained")


class Predictor:
    """A model with its tokenizer and task, on a device.

    Args:
        options: which model, where, how.
    """

    def __init__(self, options: TrainedModelOptions) -> None:
        from nlpkit.tasks.registry import task_of_model
        from nlpkit.training import devices

        self.device: Device = devices.choose(options)
        name = models.resolve(options.model)
        trust: Any = {"revision": options.model_revision, "trust_remote_code": options.trust_remote_code}
        config = models.load_config(name, **trust)
        self.record = read_record(name)
        self.task: Task = task_of_model(config, (self.record or {}).get("task"), options.model)
        slow = self.task.slow_tokenizers
        if options.tokenizer:
            self.tokenizer = models.load_tokenizer(
                models.resolve(options.tokenizer, "--tokenizer"), trust_remote_code=options.trust_remote_code, slow=slow
            )
        else:
            self.tokenizer = models.load_tokenizer(name, slow=slow, **trust)
        self.task.attach(self.tokenizer)
        self.model, new = models.load_model(name, self.task.auto_class, allow_pickle=options.allow_pickle, **trust)
        if new:
            raise UserError(
                f"{options.model} has no trained {', '.join(new)}: its answers would be random",
                "Is it a checkpoint that was fine-tuned for this task?",
            )
        self.batch_size = options.batch_size
        limit = models.max_positions(config, self.tokenizer)
        self.task.max_length = options.max_length or self.task.max_length or limit
        if limit and self.task.max_length and self.task.max_length > limit:
            self.task.max_length = limit
        self.model.to(self.device.name).eval()
        self.collate = self.task.collate(self.tokenizer)

    def outputs(self, examples: Mapping[str, Sequence[Any]], bar: Progress | None = None) -> Outputs:
        """Pooled model outputs of examples (columns of equal length, at least one row), in their order.

        An array, or a list of arrays where the task's outputs are ragged.
        """
        parts = []
        for start, end in _chunks(examples):
            parts.append(self._pooled({name: column[start:end] for name, column in examples.items()}, bar))
        return model_outputs.joined(parts)

    def _pooled(self, examples: Mapping[str, Sequence[Any]], bar: Progress | None) -> Outputs:
        features = self.task.features(self.tokenizer, examples)
        order = np.argsort(-np.asarray(features["length"]), kind="stable")
        owner = np.asarray(features["example"])
        starts = np.diff(owner, prepend=-1) > 0  # an example is counted with its first feature
        names = [name for name in features if name not in BOOKKEEPING]
        found = []
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            found.append(self._forward([{name: features[name][i] for name in names} for i in rows.tolist()]))
            if bar is not None:
                bar.advance(int(starts[rows].sum()))
        return self.task.pool(model_outputs.in_order(model_outputs.joined(found), order), features)

    def _forward(self, rows: list[dict[str, Any]]) -> Outputs:
        import torch

        batch = {name: tensor.to(self.device.name) for name, tensor in self.collate(rows).items()}
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.device.precision)
        try:
            with torch.inference_mode(), torch.autocast(self.device.name, dtype=kind, enabled=kind is not None):
                return self.task.keep(self.task.forward(self.model, batch), batch)
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                raise RunError("out of memory with one input", "Lower --max-length.") from error
        del batch  # what did not fit must not stay beside its halves
        half = (len(rows) + 1) // 2
        return model_outputs.joined([self._forward(rows[:half]), self._forward(rows[half:])])

    def answers(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """An answer for each row of a user's data; a row that cannot be read gets an answer with `error`."""
        inputs: list[dict[str, Any]] = []
        places: list[int] = []
        answers: list[dict[str, Any]] = [{} for _ in rows]
        for i, row in enumerate(rows):
            try:
                inputs.append(self.task.inputs(row))
                places.append(i)
            except ValueError as error:
                answers[i] = {"prediction": None, "score": None, "error": str(error)}
        if inputs:
            columns = {name: [entry[name] for entry in inputs] for name in inputs[0]}
            for i, answer in zip(places, self.task.decode(self.outputs(columns), inputs), strict=True):
                answers[i] = answer
        return answers


def _chunks(examples: Mapping[str, Sequence[Any]]) -> Iterator[tuple[int, int]]:
    """Bounds [start, end) of consecutive examples that are worked on together, at least one each."""
    count = len(next(iter(examples.values())))
    texts = [column for column in examples.values() if isinstance(column[0], str)]
    start = characters = 0
    for i in range(count):
        more = sum(len(column[i]) for column in texts)
        if i > start and (i - start == CHUNK or characters + more > CHUNK_CHARACTERS):
            yield start, i
            start, characters = i, 0
        characters += more
    yield start, count
