"""Scores that mean something: the temperature that a run divides its logits by, in the last layer of its head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.metrics import calibration
from nlpkit.options import CalibrationOptions
from nlpkit.training import parameters

if TYPE_CHECKING:
    from nlpkit.options import RunOptions
    from nlpkit.tasks.outputs import Outputs
    from nlpkit.tasks.roles import Trainable
    from nlpkit.training.trainer import NlpkitTrainer, Split

LEAST_GAIN = 0.5  # share of the fitted gain in likelihood that the changed head must give
ROUNDING = 1e-6  # of a metric, for two scores that were all but equal
NO_LAYER = "the head ends in no layer that a temperature could go into"


def calibrate(
    config: RunOptions, task: Trainable, trainer: NlpkitTrainer, split: Split, outputs: Outputs
) -> tuple[Outputs, dict[str, Any] | None]:
    """Divide the logits of the best model by the temperature that validation asks for.

    It goes into the weights of the head's last layer, so that every program that opens the model gives the same scores.
    Where the model does not give them then, the weights are put back.

    Args:
        task: as it judges answers.
        trainer: with the best model.
        split: validation.
        outputs: of the best model for it.

    Returns:
        The outputs of the model as it is then, and what the record says of it; None without --calibrate, and where
        answers have no probability.
    """
    import torch

    if not isinstance(config, CalibrationOptions) or not config.calibrate:
        return outputs, None
    decided = task.decisions(outputs, split.examples)
    if decided is None:
        return outputs, None
    found = calibration.fit(decided)
    told: dict[str, Any] = {"temperature": None, "rows": found.rows, "before": found.before, "after": found.before}
    if found.why:
        return outputs, {**told, "why": found.why}
    weights = parameters.last_layer(trainer.model)
    if not weights:
        return outputs, {**told, "why": NO_LAYER}
    were = {name: weight.detach().clone() for name, weight in weights.items()}
    with torch.no_grad():
        for weight in weights.values():
            weight.div_(found.temperature)
    after = trainer.outputs(split, anew=True)
    made = task.decisions(after, split.examples)
    assert made is not None, "there were decisions on the same rows"
    before = calibration.mean_loss(decided)
    wanted = before - calibration.mean_loss(decided.divided(found.temperature))
    if before - calibration.mean_loss(made) < LEAST_GAIN * wanted:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(were[name])
        return outputs, {**told, "why": NO_LAYER}
    main = task.main_metric
    was, now = (task.score(values, split.examples)[main] for values in (outputs, after))
    if abs(now - was) > ROUNDING:
        reporting.current().note(f"validation {main} {was:.4f} -> {now:.4f}: the threshold is of calibrated scores")
    return after, {
        **told,
        "temperature": found.temperature,
        "layer": next(iter(weights)).rpartition(".")[0],
        "after": calibration.figures(made),
        "why": "",
    }


def lines(record: Mapping[str, Any]) -> list[str]:
    """What is said of the scores of a finished run; nothing of one without probabilities, or of an older one."""
    told = record.get("calibration")
    if not told:
        return []
    before, after = told["before"], told["after"]
    if told["temperature"] is None:
        return [f"scores: not calibrated: {told['why']}"]
    names = [name for name in ("ece", "nll") if name in before]
    moved = ", ".join(f"{name} {before[name]:.3f} -> {after[name]:.3f}" for name in names)
    return [f"scores: divided by temperature {told['temperature']:.2f}, from {told['rows']:,} validation rows: {moved}"]
