"""Training the encoder on few rows: by likeness (contrastive), or with the labels as any fine-tuning.

A step's rows are drawn when it comes, so that nothing grows with the number of pairs. All layers are trained: of
product reviews, 8 rows per label, MiniLM told .82 right so and .70 with its upper third. Embeddings are not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from nlpkit.fewshot.states import Head
from nlpkit.hardware import products, timing
from nlpkit.models import mean_layer
from nlpkit.models.anatomy import FAMILIES, anatomy
from nlpkit.training.dropout import use_cpu_dropout

if TYPE_CHECKING:
    from nlpkit.tasks.contract import Task

ROWS = 16  # of a step
# Rows of a step that a CPU computes together: those of like length, as the padding of all 16 costs half as much again.
# The loss is of all rows of the step, so that it hangs on this by no more than the masks of dropout.
TOGETHER = 4
WARMUP = 0.1  # share of the steps in which the learning rate rises
SHARPNESS = 10.0  # what cosines are multiplied by before the softmax of `alike`: a temperature of 0.1 (Khosla 2020)

Batch = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Few:
    """The rows that are learnt from.

    Attributes:
        features: of each row, as the task makes them, without bookkeeping.
        labels: of each, int of shape (rows,).
        collate: makes batches of features.
    """

    features: Sequence[Mapping[str, Any]]
    labels: np.ndarray
    collate: Callable[[list[Any]], dict[str, torch.Tensor]]

    def of(self, rows: np.ndarray) -> list[Mapping[str, Any]]:
        """The features of some rows."""
        return [self.features[i] for i in rows]

    def batches(self, rows: np.ndarray, size: int) -> list[dict[str, torch.Tensor]]:
        """Some rows, in their order, `size` a batch."""
        return [self.collate(list(map(dict, self.of(rows[i : i + size])))) for i in range(0, len(rows), size)]

    def by_length(self, rows: np.ndarray) -> np.ndarray:
        """These rows, the shortest first."""
        lengths = [len(row["input_ids"]) for row in self.of(rows)]
        return rows[np.argsort(lengths, kind="stable")]


class Weights:
    """The weights of a model as they were, to begin with again.

    Args:
        model: as it is.
    """

    def __init__(self, model: Any) -> None:
        self.kept = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def restore(self, model: Any) -> None:
        """Give a model these weights."""
        model.load_state_dict(self.kept)


@dataclass
class Lesson:
    """What an encoder learns from few rows.

    Attributes:
        model: a classifier.
        few: the rows.
        drawn: the rows of one step after the other.
        outputs: what of the model's answers to a batch the loss is of, shape (rows, ...).
        loss: of the outputs of all rows of a step and of their labels, shape (rows,).
    """

    model: Any
    few: Few
    drawn: Iterator[np.ndarray]
    outputs: Callable[[Batch], torch.Tensor]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def backward(self) -> None:
        """The gradients of the next step's loss."""
        device = next(self.model.parameters()).device
        rows = self.few.by_length(next(self.drawn))
        found = []
        for batch in self.few.batches(rows, TOGETHER if device.type == "cpu" else ROWS):
            found.append(self.outputs({name: tensor.to(device) for name, tensor in batch.items()}))
        labels = torch.from_numpy(self.few.labels[rows]).to(device)
        self.loss(torch.cat(found).float(), labels).backward()


def contrastive(task: Task, model: Any, few: Few, seed: int) -> Lesson:
    """To draw rows of one label together and those of others apart.

    Args:
        model: a classifier whose states are compared below its square layer, or below its labels where it has none.
        seed: of the rows of each step.
    """
    head = Head(model)

    def states(batch: Batch) -> torch.Tensor:
        with head.watched() as seen:
            task.run(model, batch)
        return seen.get("before", seen["last"])

    return Lesson(model, few, draws(few.labels, np.random.default_rng(seed)), states, alike)


def labelled(task: Task, model: Any, few: Few, seed: int) -> Lesson:
    """To tell labels, by encoder and head together.

    Args:
        seed: of the rows of each step.
    """

    def logits(batch: Batch) -> torch.Tensor:
        found: torch.Tensor = task.run(model, batch).logits
        return found

    drawn = shuffled(len(few.labels), np.random.default_rng(seed))
    return Lesson(model, few, drawn, logits, F.cross_entropy)


def alike(states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The supervised contrastive loss (Khosla et al. 2020, equation 2) of the rows of a batch.

    Args:
        states: shape (rows, width).
        labels: shape (rows,).

    Returns:
        The mean over the rows that share their label with another, shape (); 0 where none does.
    """
    unit = F.normalize(states, dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    scores = (SHARPNESS * unit @ unit.T).masked_fill(itself, float("-inf"))
    shares = scores.log_softmax(dim=1).masked_fill(itself, 0.0)
    same = (labels[:, None] == labels[None, :]) & ~itself
    partners = same.sum(dim=1)
    each = -(shares * same).sum(dim=1)[partners > 0] / partners[partners > 0]
    return each.sum() / max(len(each), 1)


def draws(labels: np.ndarray, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of one step after the other: of as many labels as there is room for, two or more rows each, labels in turn.

    Args:
        labels: of all rows, int.
        generator: draws.
    """
    of_label = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
    waiting: list[int] = []
    while True:
        at_once = min(len(of_label), ROWS // 2)
        chosen: list[int] = []
        while len(chosen) < at_once:
            if not waiting:
                waiting = [int(label) for label in generator.permutation(list(of_label))]
            label = waiting.pop()
            chosen += [label] * (label not in chosen)
        parts = []
        for i, label in enumerate(chosen):
            count = ROWS // at_once + (i < ROWS % at_once)
            rows = of_label[label]
            parts.append(generator.choice(rows, count, replace=len(rows) < count))
        yield np.concatenate(parts)


def shuffled(count: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """All rows in an order that is drawn anew for each pass, `ROWS` a step."""
    while True:
        order = generator.permutation(count)
        for start in range(0, count, ROWS):
            yield order[start : start + ROWS]


def train(lesson: Lesson, *, steps: int, rate: float, seed: int) -> None:
    """Learn, in place: AdamW with a linear rise and fall of the learning rate.

    Args:
        steps: of `ROWS` rows each.
        rate: the highest learning rate.
        seed: of dropout.
    """
    model = lesson.model
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.01)
    rise = max(round(WARMUP * steps), 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rise, (steps - step) / max(steps - rise, 1))
    )
    with _training(model, seed):
        for _ in range(steps):
            optimizer.zero_grad()
            lesson.backward()
            torch.nn.utils.clip_grad_norm_(learnt, 1.0)
            optimizer.step()
            schedule.step()


def step_seconds(lesson: Lesson) -> float:
    """How long a step takes, but for the optimizer's share; nothing is learnt.

    The first call of a shape takes longer, so that the second of the same rows is timed.
    """
    step = replace(lesson, drawn=itertools.repeat(next(lesson.drawn)))
    with _training(lesson.model, 0):
        step.backward()
        seconds = timing.stopwatch(str(next(lesson.model.parameters()).device))(step.backward)
    lesson.model.zero_grad()
    return seconds


@contextmanager
def _training(model: Any, seed: int) -> Iterator[None]:
    """A model in training, with dropout of this seed, and a generator that is elsewhere as it was."""
    device = next(model.parameters()).device
    use_cpu_dropout(model)
    products.use_faster(model)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model.train()
        yield
        model.eval()


def freeze(model: Any) -> None:
    """Leave the layers and the head of a model to training, in place: not its embeddings, nor a mean layer.

    Of a model whose layers are not known, or are one layer that runs many times, all but the token embeddings.
    """
    model.get_input_embeddings().requires_grad_(False)
    if model.config.model_type not in FAMILIES or anatomy(model).shared_layers:
        return
    stack = list(anatomy(model).stack)
    own = stack[: len(stack) - mean_layer.is_mean_layer(model)]
    learnt = {id(part) for layer in own for part in layer.parameters()}
    for part in model.base_model.parameters():
        part.requires_grad_(id(part) in learnt)


def prepare(model: Any) -> bool:
    """Make a classifier ready for few labels, in place; whether its head reads the mean of the tokens then.

    Where a mean layer would not compute exactly that, the head reads the first token as the stock class does.
    """
    fits = mean_layer.fits(model)
    if fits:
        mean_layer.append(model)
    return fits or mean_layer.is_mean_layer(model)
