"""Trainer whose student learns from a teacher besides, or instead of, the labels."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from nlpkit import process
from nlpkit.distillation import losses
from nlpkit.models.anatomy import anatomy
from nlpkit.tasks.forward import Forward
from nlpkit.training import padding
from nlpkit.training.padding import Collate
from nlpkit.training.trainer import NlpkitTrainer

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.distillation.teacher_cache import TeacherLogits
    from nlpkit.inference.predictor import Predictor
    from nlpkit.tasks.roles import Teachable

PROJECTION = "distillation_projection"
# in a batch: which training rows it holds; what the teacher says of them, or is asked; entries of the soft loss
ROW, LESSON, ENTRIES = "row", "lesson", "entries"
RELATED = ("query", "key", "value")
Recorded: TypeAlias = dict[str, list[torch.Tensor]]  # name of `RELATED` -> a tensor a layer


@dataclass(frozen=True)
class Aims:
    """What the student is trained towards; every weight of 0 leaves a loss out.

    Attributes:
        alpha: share of the teacher's logits against the labels.
        temperature: by which logits are softened.
        hidden, attention, relation, cosine: weights of the losses on the inside, see `nlpkit.distillation.losses`.
        layers: pairs of a student's and a teacher's layer, counted from 1; 0 stands for the embeddings.
        relation_layer: of the teacher, from which the student's last learns relations.
        relation_heads: into which these are split.
    """

    alpha: float
    temperature: float
    hidden: float = 0.0
    attention: float = 0.0
    relation: float = 0.0
    cosine: float = 0.0
    layers: Sequence[tuple[int, int]] = ()
    relation_layer: int = 0
    relation_heads: int = 0

    @property
    def states(self) -> bool:
        """Whether hidden states are compared."""
        return bool(self.hidden or self.cosine)

    @property
    def attentions(self) -> bool:
        """Whether queries, keys and values are compared."""
        return bool(self.attention or self.relation)

    @property
    def inside(self) -> bool:
        """Whether anything but logits is compared: then the teacher runs in every step."""
        return self.states or self.attentions


@dataclass(frozen=True)
class Lessons:
    """Where the teacher's side of a training row comes from.

    Attributes:
        logits: computed before; None where the teacher runs in every step.
        features: what the teacher is asked then; None where it reads the student's own batch.
    """

    logits: TeacherLogits | None = None
    features: Dataset | None = None


class TeachingCollator:
    """Pads features; those of training rows, which are numbered, come with their lesson.

    Args:
        task: of the student.
        lessons: of the training rows.
        pad, pad_asked: make the batches that the student reads, and the teacher where it reads others.
    """

    def __init__(self, task: Teachable, lessons: Lessons, pad: Collate, pad_asked: Collate) -> None:
        self.task, self.lessons = task, lessons
        self.pad, self.pad_asked = pad, pad_asked
        self.epoch = 0

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        if ROW not in features[0]:
            return self.pad(features)
        rows = [feature[ROW] for feature in features]
        plain = [{name: value for name, value in feature.items() if name != ROW} for feature in features]
        batch = self.pad(self.task.renewed(plain, rows, self.epoch))
        batch[ENTRIES] = int(self.task.soft_entries(batch))  # counted here, where nothing is waited for
        if self.lessons.logits is not None:
            batch[LESSON] = {"logits": self.lessons.logits.of(rows, _mask(batch))}
        elif self.lessons.features is not None:
            batch[LESSON] = self.pad_asked(self.lessons.features.__getitems__(rows))  # at once, not one by one
        return batch


class DistillationTrainer(NlpkitTrainer):
    """A Trainer run with a teacher.

    loss = (1 - alpha) * hard + alpha * T^2 KL (Hinton et al. 2015) + each loss on the inside times its weight; sums
    over layers, means over entries or rows of the whole optimizer step.

    Where hidden widths differ, the student's states pass through a learned projection (TinyBERT, Jiao et al. 2020). It
    is a part of the model while it trains, so that checkpoints hold it, and of its forward pass, so that what wraps the
    model in a run of several processes sees it used; `remove_projection` takes it out.

    Args:
        teacher: open, in evaluation mode; it is never changed.
        aims: the losses.
        lessons: the teacher's side of the rows of `splits["train"]`.
        arguments: of `NlpkitTrainer`.
    """

    task: Teachable

    def __init__(self, *, teacher: Predictor, aims: Aims, lessons: Lessons, **arguments: Any) -> None:
        self.teacher, self.aims, self.lessons = teacher, aims, lessons
        student = arguments["model"]
        widths = student.config.hidden_size, teacher.model.config.hidden_size
        self._projecting: Any = None
        if aims.states and widths[0] != widths[1]:
            setattr(student, PROJECTION, nn.Linear(*widths))
            self._projecting = student.register_forward_hook(functools.partial(_project, aims))
        super().__init__(**arguments)
        self.want = {"hidden"} if aims.states else set()
        rows: Any = self.train_dataset
        self.train_dataset = rows.add_column(ROW, np.arange(len(rows)))
        self.collator = TeachingCollator(self.task, lessons, self.data_collator, self._collate_asked())
        self.data_collator = self.collator
        self.attention = (AttentionRecorder(student), AttentionRecorder(teacher.model)) if aims.attentions else None
        # rows, and entries of the soft loss, in all batches of the optimizer step
        self._in_step: tuple[int | torch.Tensor, int | torch.Tensor] = (0, 0)

    def remove_projection(self) -> None:
        """Leave the student alone; after `train`."""
        if self._projecting is not None:
            self._projecting.remove()
            delattr(self.model, PROJECTION)
            self._projecting = None

    def collating(self, model: Any, tokenizer: Any, device: torch.device) -> Collate:
        if device.type != "cuda" or self.lessons.logits is not None:
            return super().collating(model, tokenizer, device)
        shared = self.lessons.features is None
        # a batch of the teacher's own is compared token by token: both are padded alike
        readers, rows = [model, *([self.teacher.model] if shared else [])], self.splits["train"].for_training()
        return padding.collator(self.task, tokenizer, readers, rows, align=shared and self.grouped)

    def _collate_asked(self) -> Collate:
        """What makes the batches that the teacher reads, where they are not the student's."""
        teacher, rows = self.teacher, self.lessons.features
        if rows is None or self.args.device.type != "cuda":
            return teacher.collate
        return padding.collator(teacher.task, teacher.tokenizer, [teacher.model], rows, align=False)

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        self.collator.epoch = epoch

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """The batches of an optimizer step and their labelled entries, of which there may be none."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        rows, entries = sum(len(batch["input_ids"]) for batch in batches), sum(batch.pop(ENTRIES) for batch in batches)
        self._in_step = max(rows, 1), max(entries, 1)
        if process.world_size() > 1:
            # written on the device: what is copied there, or read from it, is waited for
            counts = torch.stack([torch.full((), count, device=device) for count in (rows, entries)])
            all_rows, all_entries = self.accelerator.gather(counts[None]).sum(0).clamp(min=1)
            self._in_step = all_rows, all_entries
        return batches, torch.as_tensor(1 if items is None else items).clamp(min=1)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        lesson = inputs.get(LESSON, {})
        batch = {name: tensor for name, tensor in inputs.items() if name != LESSON}
        with _recording(self.attention and self.attention[0]) as own:
            hard, student = super().compute_loss(model, batch, True, num_items_in_batch)
        teacher, taught = self._teach(lesson, batch)

        (rows, entries), mask = self._in_step, _mask(batch)
        student = replace(student, batch={**batch, "attention_mask": mask})
        loss = self.aims.alpha * self.task.soft_loss(student, teacher, self.aims.temperature).total / entries
        if student.hidden is not None and teacher.hidden is not None:
            loss = loss + self._states_loss(student.hidden, teacher.hidden, mask).sum() / rows
        if self.aims.attentions:
            loss = loss + self._attention_loss(own, taught, mask).sum() / rows
        # gradients are averaged over processes, each of which divides by the rows of all
        loss = (1 - self.aims.alpha) * hard + self.accelerator.num_processes * loss
        return (loss, student) if return_outputs else loss

    def _teach(self, lesson: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> tuple[Forward, Recorded]:
        """What the teacher gives for a batch, in float32, and where it runs in every step what was recorded of it."""
        if "logits" in lesson:
            return Forward(batch, lesson["logits"]), {}
        task, read = self.teacher.task, lesson or batch

        def run() -> tuple[Forward, Recorded]:
            with _recording(self.attention and self.attention[1]) as taught:
                return task.run(self.teacher.model, read, self.want), taught

        with torch.no_grad():
            forward, taught = self.teacher.weights.call(run)
            hidden = None if forward.hidden is None else [states.float() for states in forward.hidden]
            return (
                replace(forward, logits=forward.logits.float(), hidden=hidden),
                {name: [tensor.float() for tensor in layers] for name, layers in taught.items()},
            )

    def _states_loss(
        self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor], mask: torch.Tensor
    ) -> torch.Tensor:
        """Weighed losses on hidden states, embeddings first; shape (rows,)."""
        aims = self.aims
        total = torch.zeros(len(mask), device=mask.device)
        if aims.hidden:
            for own, taught in [(0, 0), *aims.layers]:
                total = total + aims.hidden * losses.hidden_mse(student[own], teacher[taught], mask)
        if aims.cosine:
            total = total + aims.cosine * losses.cosine(student[-1], teacher[-1], mask)
        return total

    def _attention_loss(self, student: Recorded, teacher: Recorded, mask: torch.Tensor) -> torch.Tensor:
        """Weighed losses on queries, keys and values; shape (rows,)."""
        aims = self.aims
        total = torch.zeros(len(mask), device=mask.device)
        if aims.attention:
            heads = self.teacher.model.config.num_attention_heads
            for own, taught in aims.layers:
                ours = student["query"][own - 1], student["key"][own - 1]
                theirs = teacher["query"][taught - 1], teacher["key"][taught - 1]
                total = total + aims.attention * losses.attention_mse(ours, theirs, heads, mask)
        if aims.relation:
            for name in RELATED:
                both = student[name][-1], teacher[name][aims.relation_layer - 1]
                related = losses.self_attention_relations(*both, aims.relation_heads, mask)
                total = total + aims.relation * related
        return total


def _mask(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """1 for the tokens of a batch, 0 for padding, of which one without a mask has none; shape (rows, tokens)."""
    mask = batch.get("attention_mask")
    return torch.ones_like(batch["input_ids"]) if mask is None else mask


def _project(aims: Aims, student: Any, arguments: Any, output: Any) -> None:
    """Make those hidden states of a student's output that are compared as wide as the teacher's."""
    states = output.get("hidden_states")
    if states is not None:
        compared = {0, *(own for own, _ in aims.layers)} if aims.hidden else set()
        compared |= {len(states) - 1} if aims.cosine else set()
        project = getattr(student, PROJECTION)
        output["hidden_states"] = tuple(project(x) if place in compared else x for place, x in enumerate(states))


class AttentionRecorder:
    """Keeps what the attention of each layer computes with, in the order in which the layers run.

    Args:
        model: of an architecture that `nlpkit.models.anatomy` knows.
    """

    def __init__(self, model: Any) -> None:
        self.seen: Recorded | None = None
        for layer in anatomy(model).layers:
            for name in RELATED:
                getattr(layer, name).register_forward_hook(functools.partial(self._keep, name))

    def _keep(self, name: str, module: nn.Module, arguments: Any, output: torch.Tensor) -> None:
        if self.seen is not None:
            self.seen[name].append(output)


@contextmanager
def _recording(recorder: AttentionRecorder | None) -> Iterator[Recorded]:
    """Queries, keys and values of what a model computes inside the block; shape (rows, tokens, heads x head size)."""
    seen: Recorded = {name: [] for name in RELATED}
    if recorder is None:
        yield seen
        return
    recorder.seen = seen
    try:
        yield seen
    finally:
        recorder.seen = None
