"""Pruning while training: when which share of the weights goes, and that only a pruned model can be the best."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import TrainerCallback

from nlpkit.pruning import masks
from nlpkit.pruning.masks import Prunable, Scope
from nlpkit.runs.folder import RunFolder
from nlpkit.training.trainer_features import TrainerFeature

if TYPE_CHECKING:
    from nlpkit.training.schedules import Budget

# Movement pruning removes at every step between these shares of the run: warm-up of the scores before, cool-down after.
# Sanh et al. 2020 (https://github.com/huggingface/block_movement_pruning): 5,400 and 10,800 of 55,000 steps on SQuAD.
MOVEMENT_BEGINS, MOVEMENT_ENDS = 0.1, 0.8
SCORES_LEARNING_RATE = 1e-2  # the same source

Course = Literal["cubic", "linear"]


@dataclass(frozen=True)
class Schedule:
    """Which sparsity is in force when.

    Attributes:
        sparsity: in the end, 0 to 1.
        course: `cubic` removes most at the beginning, while there is much to spare (Zhu and Gupta 2017,
            arXiv:1710.01878): s (1 - (1 - t)^3); `linear` the same at each round.
        rounds: of pruning, evenly spaced, each followed by training, the first one at the start; None prunes at every
            step from `MOVEMENT_BEGINS` to `MOVEMENT_ENDS`.
    """

    sparsity: float
    course: Course = "cubic"
    rounds: int | None = 1

    def at(self, progress: float) -> float:
        """The sparsity at a share of the run, 0 to 1."""
        if self.rounds is None:
            done = (progress - MOVEMENT_BEGINS) / (MOVEMENT_ENDS - MOVEMENT_BEGINS)
        else:
            # a progress of k / rounds may come out a little lower in floating point
            done = (int(progress * self.rounds + 1e-9) + 1) / self.rounds
        left = 1 - min(max(done, 0.0), 1.0)
        return self.sparsity * (1 - left ** (3 if self.course == "cubic" else 1))


class Sparsifier(TrainerCallback):
    """Sets the masks of a model in training as its schedule says.

    Args:
        tensors: with masks on them (`masks.attach`).
        importance: gives a number for each entry of each; asked whenever entries are to be removed.
        for_good: what is pruned stays so; otherwise an entry comes back when it has become important.
    """

    def __init__(
        self,
        tensors: Sequence[Prunable],
        importance: Callable[[], Sequence[torch.Tensor]],
        schedule: Schedule,
        scope: Scope,
        *,
        for_good: bool = True,
    ) -> None:
        self.tensors, self.importance = tensors, importance
        self.schedule, self.scope, self.for_good = schedule, scope, for_good
        self.budget: Budget | None = None  # of the Trainer, which knows how far the run is
        self.in_force: float | None = None  # sparsity; None before the first step of this process

    @property
    def complete(self) -> bool:
        """Whether the final sparsity is in force."""
        return self.in_force == self.schedule.sparsity

    def apply(self, sparsity: float) -> None:
        """Prune to a sparsity now."""
        masks.prune_to(self.tensors, self.importance(), sparsity, self.scope, for_good=self.for_good)
        self.in_force = sparsity

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        assert self.budget is not None
        wanted = self.schedule.at(self.budget.progress(state.global_step))
        # The first step of a resumed run finds the masks of its checkpoint: what is pruned for good, pruned again to
        # the same sparsity, stays as it is. Learned scores change at every step.
        if wanted != self.in_force or not self.for_good:
            self.apply(wanted)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # a run cut short by a limit has no checkpoint that counts, see `GradualPruning`
        if state.best_global_step is None:
            self.apply(self.schedule.sparsity)


class KeepStart(TrainerCallback):
    """Keep the model that training starts from beside its checkpoints: a resumed run opens that.

    How a structure is chosen hangs on measured times, which are not the same twice.

    Args:
        folder: to write to, unless it is there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        if state.is_world_process_zero and not self.folder.exists():
            unfinished = self.folder.with_name(f".{self.folder.name}")
            with RunFolder(self.folder.parent.parent).writing():
                try:
                    keywords["model"].save_pretrained(unfinished)
                    unfinished.replace(self.folder)
                finally:
                    shutil.rmtree(unfinished, ignore_errors=True)


class GradualPruning(TrainerFeature):
    """Masks follow a schedule, and only a model of the final sparsity can be the best.

    Args:
        sparsifier: of the model; scores that it learns from get a learning rate of their own.
    """

    needs_whole_weights = "masks over weights"

    def __init__(self, sparsifier: Sparsifier) -> None:
        self.sparsifier = sparsifier
        self.model: Any = None  # of the Trainer

    def attach(self, trainer: Any) -> None:
        self.model = trainer.model
        self.sparsifier.budget = trainer.budget
        trainer.add_callback(self.sparsifier)

    def is_candidate(self) -> bool:
        return self.sparsifier.complete

    def optimizer(self, create: Callable[[], torch.optim.Optimizer]) -> torch.optim.Optimizer:
        scores = [parameter for name, parameter in self.model.named_parameters() if name.endswith("_scores")]
        for parameter in scores:
            parameter.requires_grad_(False)  # not among the weights
        optimizer = create()
        for parameter in scores:
            parameter.requires_grad_(True)
        if scores:
            optimizer.add_param_group({"params": scores, "lr": SCORES_LEARNING_RATE, "weight_decay": 0.0})
        return optimizer
