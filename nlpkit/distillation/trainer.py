"""Training with a teacher, beside the labels or instead of them: losses, and where the teacher's outputs come from."""

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
from nlpkit.training.trainer_features import TrainerFeature

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.distillation.teacher_cache import TeacherLogits
    from nlpkit.inference.predictor import Predictor
    from nlpkit.tasks.roles import Teachable

PROJECTION = "distillation_projection"
# keys of a batch: the numbers of its training rows; the teacher's logits for them, or the features that the teacher
# reads; the number of entries of the soft loss
ROW, TEACHER, ENTRIES = "row", "teacher", "entries"
RELATED = ("query", "key", "value")
Recorded: TypeAlias = dict[str, list[torch.Tensor]]  # name of `RELATED` -> one tensor per layer


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses that the student is trained with; a weight of 0 leaves its loss out.

    Attributes:
        alpha: weight of the loss against the teacher's logits; the loss against the labels has 1 - alpha.
        temperature: the logits of teacher and student are divided by it before they are compared.
        hidden, attention, relation, cosine: weights of the losses on hidden layers, see `nlpkit.distillation.losses`.
        layers: pairs of a student's and a teacher's layer, counted from 1; 0 stands for the embeddings.
        relation_layer: the teacher's layer from which the student's last layer learns relations.
        relation_heads: the number of heads into which queries, keys and values are split for relations.
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
class TeacherOutputs:
    """Where the teacher's outputs for a training row come from.

    Attributes:
        logits: the logits of all training rows, computed before training; None where the teacher runs in every step.
        features: what the teacher reads where it runs in every step; None where it reads the student's own batch.
    """

    logits: TeacherLogits | None = None
    features: Dataset | None = None


class DistillationCollator:
    """Pads features; a batch of training rows, which are numbered, comes with the teacher's outputs or features.

    Args:
        task: the student's task.
        outputs: where the teacher's outputs for the training rows come from.
        pad: makes the batches that the student reads.
        pad_for_teacher: makes the batches that the teacher reads, where they are not the student's.
    """

    def __init__(self, task: Teachable, outputs: TeacherOutputs, pad: Collate, pad_for_teacher: Collate) -> None:
        self.task, self.outputs = task, outputs
        self.pad, self.pad_for_teacher = pad, pad_for_teacher
        self.epoch = 0

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        if ROW not in features[0]:
            return self.pad(features)
        rows = [feature[ROW] for feature in features]
        plain = [{name: value for name, value in feature.items() if name != ROW} for feature in features]
        batch = self.pad(self.task.renewed(plain, rows, self.epoch))
        # counted here, on the CPU: on a GPU the count would have to be waited for
        batch[ENTRIES] = int(self.task.soft_entries(batch))
        if self.outputs.logits is not None:
            batch[TEACHER] = {"logits": self.outputs.logits.of(rows, _mask(batch))}
        elif self.outputs.features is not None:
            # `__getitems__` reads all rows at once, not one by one
            batch[TEACHER] = self.pad_for_teacher(self.outputs.features.__getitems__(rows))
        return batch


class Teacher(TrainerFeature):
    """A teacher, from which the model learns besides the labels.

    loss = (1 - alpha) * hard + alpha * T^2 KL (Hinton et al. 2015) + the weighted losses on hidden layers. Losses are
    summed over layers, and averaged over the entries or rows of the whole optimizer step.

    Where hidden widths differ, the student's states pass through a learned projection (TinyBERT, Jiao et al. 2020). It
    is a part of the model while it trains, so that checkpoints hold it, and of its forward pass, so that what wraps the
    model in a run of several processes sees it used.

    Args:
        teacher: the teacher, open and in evaluation mode; it is never changed.
        weights: the weights of the losses.
        outputs: where the teacher's outputs for the training rows come from.
    """

    own_keys = (TEACHER,)

    def __init__(self, teacher: Predictor, weights: LossWeights, outputs: TeacherOutputs) -> None:
        self.teacher, self.weights, self.outputs = teacher, weights, outputs
        self.want = {"hidden"} if weights.states else set()
        runs_in_each_step = outputs.logits is None
        # a batch of the teacher's own is compared token by token: both are padded alike
        self.aligned = not runs_in_each_step or outputs.features is None
        self.readers = [teacher.model] if runs_in_each_step and outputs.features is None else []
        self.attention: tuple[AttentionRecorder, AttentionRecorder] | None = None  # of student and teacher
        # `attach` sets these three: the task and the accelerator are the Trainer's
        self.task: Any = None
        self.accelerator: Any = None
        self.collator: Any = None
        self._projecting: Any = None
        self._recorded: Recorded = {}  # what the student's attention computed with in its last forward pass
        # the number of rows, and of entries of the soft loss, in all batches of the optimizer step
        self._in_step: tuple[int | torch.Tensor, int | torch.Tensor] = (0, 0)

    def change_model(self, model: Any) -> None:
        """Add the projection, where hidden states are compared and their widths differ."""
        widths = model.config.hidden_size, self.teacher.model.config.hidden_size
        if self.weights.states and widths[0] != widths[1]:
            setattr(model, PROJECTION, nn.Linear(*widths))
            self._projecting = model.register_forward_hook(functools.partial(_project, self.weights))

    def attach(self, trainer: Any) -> None:
        """Number the training rows, and let their batches come with the teacher's outputs or features."""
        self.task, self.accelerator = trainer.task, trainer.accelerator
        rows = trainer.train_dataset
        trainer.train_dataset = rows.add_column(ROW, np.arange(len(rows)))
        collate = self._collate(trainer.args.device)
        self.collator = DistillationCollator(trainer.task, self.outputs, trainer.data_collator, collate)
        trainer.data_collator = self.collator
        if self.weights.attentions:
            self.attention = AttentionRecorder(trainer.model), AttentionRecorder(self.teacher.model)

    def after_training(self, model: Any) -> None:
        """Take the projection out."""
        if self._projecting is not None:
            self._projecting.remove()
            delattr(model, PROJECTION)
            self._projecting = None

    def _collate(self, device: torch.device) -> Collate:
        """The collator of the batches that the teacher reads, where they are not the student's."""
        teacher, rows = self.teacher, self.outputs.features
        if rows is None or device.type != "cuda":
            return teacher.collate
        return padding.collator(teacher.task, teacher.tokenizer, [teacher.model], rows, align=False)

    def set_epoch(self, epoch: int) -> None:
        self.collator.epoch = epoch

    def on_step_batches(self, batches: list[Any], entries: Any, device: Any) -> Any:
        """Count rows and entries of the soft loss; where no row has a label, there are no labelled entries."""
        rows, soft = sum(len(batch["input_ids"]) for batch in batches), sum(batch.pop(ENTRIES) for batch in batches)
        self._in_step = max(rows, 1), max(soft, 1)
        if process.world_size() > 1:
            # written on the device with `full`: a copy to the device, or a value read from it, would be waited for
            counts = torch.stack([torch.full((), count, device=device) for count in (rows, soft)])
            all_rows, all_soft = self.accelerator.gather(counts[None]).sum(0).clamp(min=1)
            self._in_step = all_rows, all_soft
        return torch.as_tensor(1 if entries is None else entries).clamp(min=1)

    @contextmanager
    def forward_pass(self) -> Iterator[None]:
        """Keep what the student's attention computes with."""
        with _recording(self.attention and self.attention[0]) as recorded:
            yield
        self._recorded = recorded

    def on_loss(self, loss: torch.Tensor, forward: Forward, inputs: Any) -> torch.Tensor:
        recorded, self._recorded = self._recorded, {}
        teacher, teacher_recorded = self._run(inputs.get(TEACHER, {}), forward.batch)

        (rows, entries), mask = self._in_step, _mask(forward.batch)
        student = replace(forward, batch={**forward.batch, "attention_mask": mask})
        soft = self.weights.alpha * self.task.soft_loss(student, teacher, self.weights.temperature).total / entries
        if student.hidden is not None and teacher.hidden is not None:
            soft = soft + self._states_loss(student.hidden, teacher.hidden, mask).sum() / rows
        if self.weights.attentions:
            soft = soft + self._attention_loss(recorded, teacher_recorded, mask).sum() / rows
        # gradients are averaged over processes, each of which divides by the rows of all
        return (1 - self.weights.alpha) * loss + self.accelerator.num_processes * soft

    def _run(self, given: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> tuple[Forward, Recorded]:
        """The teacher's outputs for a batch, and what its attention computed with where it runs; all in float32."""
        if "logits" in given:
            return Forward(batch, given["logits"]), {}
        task, read = self.teacher.task, given or batch

        def run() -> tuple[Forward, Recorded]:
            with _recording(self.attention and self.attention[1]) as recorded:
                return task.run(self.teacher.model, read, self.want), recorded

        with torch.no_grad():
            forward, recorded = self.teacher.weights.call(run)
            hidden = None if forward.hidden is None else [states.float() for states in forward.hidden]
            return (
                replace(forward, logits=forward.logits.float(), hidden=hidden),
                {name: [tensor.float() for tensor in layers] for name, layers in recorded.items()},
            )

    def _states_loss(
        self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor], mask: torch.Tensor
    ) -> torch.Tensor:
        """Weighted losses on hidden states, embeddings first; shape (rows,)."""
        weights = self.weights
        total = torch.zeros(len(mask), device=mask.device)
        if weights.hidden:
            for own, theirs in [(0, 0), *weights.layers]:
                total = total + weights.hidden * losses.hidden_mse(student[own], teacher[theirs], mask)
        if weights.cosine:
            total = total + weights.cosine * losses.cosine(student[-1], teacher[-1], mask)
        return total

    def _attention_loss(self, student: Recorded, teacher: Recorded, mask: torch.Tensor) -> torch.Tensor:
        """Weighted losses on queries, keys and values; shape (rows,)."""
        weights = self.weights
        total = torch.zeros(len(mask), device=mask.device)
        if weights.attention:
            heads = self.teacher.model.config.num_attention_heads
            for own, theirs in weights.layers:
                of_student = student["query"][own - 1], student["key"][own - 1]
                of_teacher = teacher["query"][theirs - 1], teacher["key"][theirs - 1]
                total = total + weights.attention * losses.attention_mse(of_student, of_teacher, heads, mask)
        if weights.relation:
            for name in RELATED:
                both = student[name][-1], teacher[name][weights.relation_layer - 1]
                related = losses.self_attention_relations(*both, weights.relation_heads, mask)
                total = total + weights.relation * related
        return total


def _mask(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """1 for the tokens of a batch, 0 for padding; shape (rows, tokens). A batch without a mask has no padding."""
    mask = batch.get("attention_mask")
    return torch.ones_like(batch["input_ids"]) if mask is None else mask


def _project(weights: LossWeights, student: Any, arguments: Any, output: Any) -> None:
    """Project the hidden states that are compared to the teacher's width."""
    states = output.get("hidden_states")
    if states is not None:
        compared = {0, *(own for own, _ in weights.layers)} if weights.hidden else set()
        compared |= {len(states) - 1} if weights.cosine else set()
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
