"""What a model is called with at a point, and the calls: inference, or steps of training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from nlpkit.generation import loop
from nlpkit.models import attention_masks
from nlpkit.tasks import features
from nlpkit.tasks.roles import Trainable
from nlpkit.training import padding

if TYPE_CHECKING:
    from nlpkit.hardware.timing import Call
    from nlpkit.measurement.loading import Model
    from nlpkit.tasks.contract import Task

LEARNING_RATE = 1e-5  # of the measured steps: the weights hardly move

Batch = Mapping[str, torch.Tensor]


@dataclass
class Workload:
    """The calls of a pass.

    Attributes:
        calls: in order.
        batches: what each is given.
        samples: inputs of a pass.
        forget: frees what calls leave for the next.
        written: tokens that a pass writes; None: it writes none, and its tokens are those that it reads.
    """

    calls: Sequence[Call]
    batches: Sequence[Batch]
    samples: int
    forget: Call = lambda: None
    written: int | None = None

    @property
    def tokens(self) -> int:
        """Tokens of a pass, without padding."""
        if self.written is not None:
            return self.written
        masks = [batch.get("attention_mask", torch.ones_like(batch["input_ids"])) for batch in self.batches]
        return sum(int(mask.sum()) for mask in masks)


# --- inputs ---


def random_batch(model: Model, batch_size: int, length: int, seed: int) -> dict[str, torch.Tensor]:
    """Token ids of an exact length, without padding.

    They are drawn from the middle half of the vocabulary, which special tokens are not in. The same seed gives all
    backends the same.

    Returns:
        Tensors of shape (batch_size, length): `input_ids`, and what else the model has to be given.
    """
    size = int(model.config.vocab_size)
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(size // 4, max(3 * size // 4, size // 4 + 1), (batch_size, length), generator=generator)
    others = {"attention_mask": torch.ones_like(ids)}
    if model.exported:  # a graph has no defaults
        needed = {item.name for item in model.net.session.get_inputs()}
        others["token_type_ids"] = torch.zeros_like(ids)
    else:
        needed = set(inspect.signature(model.net.forward).parameters)
        needed.discard("token_type_ids")
    chosen = {"input_ids": ids, **{name: tensor for name, tensor in others.items() if name in needed}}
    return {name: tensor.to(model.device.name) for name, tensor in chosen.items()}


def inputs_of(model: Model, examples: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """What a model is given of examples of its task; without a task, of the column `text`."""
    if model.task is not None:
        return features.inputs(model.task, model.tokenizer, examples)
    made = model.tokenizer(list(examples["text"]), truncation=model.limit is not None, max_length=model.limit)
    return [{name: made[name][i] for name in made} for i in range(len(examples["text"]))]


def batches_of(
    model: Model, rows: Sequence[dict[str, Any]], batch_size: int, *, trains: bool = False
) -> list[dict[str, torch.Tensor]]:
    """Rows in batches of like length, the longest first.

    Args:
        rows: see `inputs_of`.
        trains: whether the batches are made as training makes them, which on a GPU pads to other lengths.
    """
    from datasets import Dataset

    from nlpkit.data.collating import PaddingCollator

    own = model.task.collate(model.tokenizer) if model.task else PaddingCollator(model.tokenizer)
    collate: padding.Collate = own
    if trains and model.task and model.device.name == "cuda":
        collate = padding.collator(model.task, model.tokenizer, [model.net], Dataset.from_list(list(rows)))
    return [
        {name: tensor.to(model.device.name) for name, tensor in collate(some).items()}
        for some in of_like_length(rows, batch_size)
    ]


def of_like_length(rows: Sequence[dict[str, Any]], batch_size: int) -> list[list[dict[str, Any]]]:
    """Model inputs in batches, the longest in the first."""
    ordered = sorted(rows, key=lambda row: -len(row["input_ids"]))
    return [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]


# --- calls ---


def inference(model: Model, batches: Sequence[Batch], samples: int, *, served: bool) -> Workload:
    """A forward pass for each batch.

    Args:
        samples: inputs that the batches were made of.
        served: whether the task asks the model, as when it answers; else all of its output is computed, that of a
            masked language model at every token.
    """
    forward = model.task.run if served and model.task else _whole
    return Workload([_forward(model, batch, forward) for batch in batches], batches, samples)


def answering(model: Model, batches: Sequence[Batch], samples: int) -> Workload:
    """The whole answer to each batch, of a task whose models write it.

    Args:
        samples: inputs that the batches were made of.
    """
    assert model.task is not None
    return Workload([_forward(model, batch, model.task.answer) for batch in batches], batches, samples)


def training(model: Model, batches: Sequence[Batch], samples: int) -> Workload:
    """A step with each batch: zero the gradients, forward, loss, backward, AdamW; in fp16 the loss is scaled, and a
    step whose gradients overflow is left out, as the Trainer does.

    The loss is that of the task where the batches have what it takes, as labels. Where they have not it is the mean
    square of the output: next to the model, either costs nothing.
    """
    optimizer = torch.optim.AdamW(model.net.parameters(), lr=LEARNING_RATE, fused=True)
    scaler = torch.amp.GradScaler(model.device.name, enabled=model.device.precision == "fp16")
    model.net.train()

    def forget() -> None:
        optimizer.zero_grad(set_to_none=True)
        optimizer.state.clear()

    return Workload([_step(model, batch, optimizer, scaler) for batch in batches], batches, samples, forget)


def prefill(model: Model, batch: Batch, samples: int) -> Workload:
    """Prompts are read, up to the logits of the first token behind them."""

    def call() -> Any:
        with torch.inference_mode():
            return model.weights.call(lambda: _begun(model, batch).logits())

    return Workload([call], [batch], samples)


def decode(model: Model, batch: Batch, samples: int, count: int) -> Workload:
    """Tokens are written behind prompts that have been read, the likeliest each time and none of which ends a text.

    Args:
        count: of tokens a prompt; a call writes one behind each.
    """

    def read() -> tuple[loop.Steps, torch.Tensor]:
        steps = _begun(model, batch)
        return steps, steps.logits().argmax(-1)

    with torch.inference_mode():
        begun, first = model.weights.call(read)
    steps, token = begun.again(), first

    def write(number: int) -> None:
        nonlocal steps, token
        with torch.inference_mode():
            if number == 0:
                steps, token = begun.again(), first
            steps.add(token)
            token = model.weights.call(steps.logits).argmax(-1)

    def forget() -> None:
        nonlocal steps, token
        steps, token = begun.again(), first

    calls = [partial(write, number) for number in range(count)]
    return Workload(calls, [batch], samples, forget, written=samples * count)


def _begun(model: Model, batch: Batch) -> loop.Steps:
    ids = batch["input_ids"]
    return loop.begun(model.net, ids, batch.get("attention_mask", torch.ones_like(ids)))


def _whole(net: Any, batch: Batch) -> Any:
    return net(**batch)


def _masked(model: Model, batch: Batch) -> Callable[[], AbstractContextManager[None]]:
    """What a call is made within: on CUDA the model is told whether the batch has padding, as in training and when it
    answers, where it would wait to find out. Compiled code does not look.
    """
    if model.device.name != "cuda" or model.exported or model.net._compiled_call_impl is not None:
        return nullcontext
    mask = batch.get("attention_mask")
    return partial(attention_masks.taken_as_given, padded=mask is not None and not bool(mask.all()))


def _forward(model: Model, batch: Batch, forward: Callable[[Any, Batch], Any]) -> Call:
    net, masked = model.net, _masked(model, batch)

    def call() -> Any:
        with torch.inference_mode(), masked():
            return model.weights.call(lambda: forward(net, batch))

    return call


def _step(model: Model, batch: Batch, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> Call:
    masked = _masked(model, batch)
    net, task = model.net, model.task
    loss_of: Callable[[Batch], torch.Tensor] = partial(_mean_square, net, task)
    if isinstance(task, Trainable) and task.loss_entries(batch) is not None:
        loss_of = partial(_task_loss, net, task)

    def call() -> None:
        optimizer.zero_grad(set_to_none=True)
        with masked():
            loss = model.weights.call(lambda: loss_of(batch))
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return call


def _task_loss(net: Any, task: Trainable, batch: Batch) -> torch.Tensor:
    return task.loss(task.run(net, batch)).mean()


def _mean_square(net: Any, task: Task | None, batch: Batch) -> torch.Tensor:
    return net(**(task.model_inputs(batch) if task else batch))[0].float().square().mean()
