"""Learning rates that rise before they fall: at first steps are large in no useful direction, Adam's means short."""

from __future__ import annotations


def noam(step: int, width: int, warmup: int = 4_000) -> float:
    """width^-0.5 · min(step^-0.5, step · warmup^-1.5), the rate itself (Vaswani et al. 2017, section 5.3).

    It rises linearly, is highest at step `warmup`, and falls with the root of the step; there is no last step.

    Args:
        step: from 0 on, where the rate is 0.
        width: of the model, 512 in the paper.
        warmup: steps, 4,000 in the paper.
    """
    if step == 0:
        return 0.0
    return float(width**-0.5 * min(step**-0.5, step * warmup**-1.5))


def linear(step: int, steps: int, warmup: int = 0) -> float:
    """The share of the highest rate: step / warmup, then (steps - step) / (steps - warmup) (Devlin et al. 2019, BERT,
    https://arxiv.org/abs/1810.04805).

    Args:
        step: from 0 on.
        steps: of the training; the share is 0 at the last.
        warmup: steps in which it rises; a tenth of all in BERT.
    """
    if step < warmup:
        return step / warmup
    return max(steps - step, 0) / max(steps - warmup, 1)
