"""A range test of the learning rate (Smith 2017): a short training in which it grows from step to step.

Too small a rate leaves the loss where it is, too large a one drives it up: a good one lies between. As in fastai the
loss is smoothed, and the test ends where it is several times its best.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

LOWEST, HIGHEST = 1e-6, 1e-1  # rates of the first and the last step
STEPS = 100
KEPT = 0.9  # of the smoothed loss from step to step; with the .98 of fastai it lags behind by half of the test
DIVERGED = 4.0  # times its best is a loss at which the test ends; as fastai
SAFE = 10.0  # what the rate of the smallest loss is divided by; as fastai's `minimum`
FIRST = 10  # steps before which nothing is concluded


class Tried(NamedTuple):
    """A step of the test.

    Attributes:
        rate: of this step.
        loss: of its rows, before the step.
        smoothed: the loss over this step and those before it.
    """

    rate: float
    loss: float
    smoothed: float


class Found(NamedTuple):
    """What a test says.

    Attributes:
        suggested: a `SAFE`th of the rate at which the smoothed loss is smallest, in two digits.
        smallest: the step where it is smallest.
        steepest: the step where it falls fastest over the logarithm of the rate.
    """

    suggested: float
    smallest: Tried
    steepest: Tried


def tried(trainer: Any) -> Iterator[Tried]:
    """The steps of a test, which changes the weights of the model.

    Args:
        trainer: an `NlpkitTrainer` that has not trained; rows are drawn as it would.
    """
    usual = trainer.args.learning_rate
    optimizer = trainer.accelerator.prepare(trainer.create_optimizer())
    shares = [group["lr"] / usual for group in optimizer.param_groups]  # below 1 with --layer-decay
    batches = _batches(trainer)
    mean, best = 0.0, math.inf
    for step in range(STEPS):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            group["lr"] = rate * share
        parts, entries = trainer.get_batch_samples(
            batches, trainer.args.gradient_accumulation_steps, trainer.args.device
        )
        loss = sum(float(trainer.training_step(trainer.model, part, entries)) for part in parts)
        mean = KEPT * mean + (1 - KEPT) * loss
        smoothed = mean / (1 - KEPT ** (step + 1))
        if not smoothed <= DIVERGED * best:  # nor is it where the loss is no number
            return
        best = min(best, smoothed)
        yield Tried(rate, loss, smoothed)
        if trainer.args.max_grad_norm:
            trainer.accelerator.clip_grad_norm_(trainer.model.parameters(), trainer.args.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()


def _batches(trainer: Any) -> Iterator[Any]:
    loader = trainer.get_train_dataloader()
    for epoch in itertools.count():
        trainer.set_epoch(epoch)
        yield from loader


def found(steps: Sequence[Tried]) -> Found | None:
    """What the steps of a test say; None where the loss has not fallen, or the test was over at once."""
    if len(steps) <= FIRST:
        return None
    smallest = min(steps[FIRST:], key=lambda step: step.smoothed)
    if smallest.smoothed >= steps[FIRST - 1].smoothed:
        return None
    until = steps[FIRST : steps.index(smallest) + 1]
    # rates grow by one factor, so that the loss over their logarithm falls as it does from step to step
    falls = [later.smoothed - earlier.smoothed for earlier, later in itertools.pairwise([steps[FIRST - 1], *until])]
    steepest = until[falls.index(min(falls))]
    return Found(float(f"{smallest.rate / SAFE:.1e}"), smallest, steepest)
