"""Muon for the matrices within layers, AdamW for all else, as one optimizer.

Muon (Jordan et al. 2024) makes the steps of a matrix orthogonal; embeddings, the head, norms and biases are no such
maps and keep AdamW. Its steps are scaled so that one learning rate serves both (Liu et al. 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch

from nlpkit import process
from nlpkit.errors import UserError
from nlpkit.training.trainer_features import TrainerFeature

ADJUSTED = "match_rms_adamw"


class MuonWithAdamW(torch.optim.Optimizer):
    """Two optimizers of torch that are stepped, saved and scheduled together.

    Args:
        matrices: groups of parameters of two dimensions, for Muon.
        others: groups of the others, for AdamW.
        learning_rate: of both.
        betas, eps: of AdamW.
    """

    def __init__(
        self,
        matrices: Sequence[dict[str, Any]],
        others: Sequence[dict[str, Any]],
        *,
        learning_rate: float,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            self.parts.append(torch.optim.Muon(list(matrices), lr=learning_rate, adjust_lr_fn=ADJUSTED))
        if others:
            self.parts.append(torch.optim.AdamW(list(others), lr=learning_rate, betas=betas, eps=eps))
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Let the parts work on the groups and the state of the whole, which are saved and scheduled."""
        start = 0
        for part in self.parts:
            count = len(part.param_groups)
            part.param_groups = self.param_groups[start : start + count]
            part.state = self.state
            start += count

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of both."""
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()


class MuonOptimizer(TrainerFeature):
    """Trains with `MuonWithAdamW`."""

    def attach(self, trainer: Any) -> None:
        self.trainer = trainer

    def optimizer(self, create: Callable[[], torch.optim.Optimizer]) -> torch.optim.Optimizer:
        trainer = self.trainer
        if trainer.optimizer is None:
            trainer.optimizer = of_arguments(
                trainer.model, trainer.args, set(trainer.get_decay_parameter_names(trainer.model))
            )
        return create()


def of_arguments(model: Any, arguments: Any, decayed: set[str]) -> MuonWithAdamW:
    """As `of_model`.

    Args:
        arguments: TrainingArguments.
    """
    return of_model(
        model,
        decayed,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        betas=(arguments.adam_beta1, arguments.adam_beta2),
        eps=arguments.adam_epsilon,
    )


def of_model(
    model: torch.nn.Module,
    decayed: set[str],
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    eps: float,
) -> MuonWithAdamW:
    """The optimizer of a model's trained parameters.

    Args:
        model: of transformers.
        decayed: names of those with weight decay.

    Raises:
        UserError: DeepSpeed would give it pieces in place of matrices.
    """
    if process.launched_for_deepspeed():
        raise UserError(
            "--optimizer muon: DeepSpeed divides matrices into pieces, which it cannot make orthogonal",
            "--optimizer adamw; or recipes/accelerate/fsdp2.yaml, which gathers them.",
        )
    outside = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    head = cast(Any, model).get_output_embeddings()
    if head is not None:
        outside.add(id(head.weight))
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kind = parameter.dim() == 2 and id(parameter) not in outside, name in decayed
            groups.setdefault(kind, []).append(parameter)
    made = {
        matrix: [
            {"params": groups[matrix, decays], "weight_decay": weight_decay if decays else 0.0}
            for decays in (True, False)
            if (matrix, decays) in groups
        ]
        for matrix in (True, False)
    }
    return MuonWithAdamW(made[True], made[False], learning_rate=learning_rate, betas=betas, eps=eps)
