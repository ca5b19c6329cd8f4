"""What a fine-tuning does where its user names nothing: a rate by head and width of the model, epochs by the rows.

Small models take larger steps (Turc et al. 2019 up to 3e-4, BERT-base 2e-5 to 5e-5), and few rows are gone through more
often, so that there are steps enough to learn anything (Mosbach et al. 2021, Zhang et al. 2021). One answer for a whole
text wants half the rate that answers per token want. The figures behind these numbers stand in docs/measured.md.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, TypeVar

from nlpkit import process
from nlpkit.options import SettledOptions, TrainingOptions
from nlpkit.reporting import counted
from nlpkit.training.arguments import steps_per_epoch

# Widths up to which a model takes the rate: MiniLM, small, base.
RATES = {
    "text": ((448, 1.5e-4), (640, 1e-4), (896, 5e-5)),
    "token": ((448, 3e-4), (640, 1e-4), (896, 5e-5)),
}
WIDEST = 2e-5  # what a wider one takes: large
ENOUGH_STEPS = 250
FEWEST_EPOCHS, MOST_EPOCHS = 3, 20
EVALUATIONS = 10  # at most: of few rows in train and many in validation they would take longer than the training
MANY_ROWS = 2_000  # from which batches are as large as elsewhere
FEW_ROWS_BATCH = 16

T = TypeVar("T", bound=TrainingOptions)


class Settled(NamedTuple):
    """An option that was not given, what it becomes, and why.

    Attributes:
        why: for people, behind name and value.
    """

    name: str
    value: float
    why: str


def learning_rate(width: int, answers: Literal["text", "token"]) -> float:
    """The peak learning rate of AdamW.

    Args:
        width: of the states between the layers.
        answers: what the head answers for: a whole text or pair, or each token.
    """
    return next((rate for widest, rate in RATES[answers] if width <= widest), WIDEST)


def epochs(steps: int) -> int:
    """Passes over the rows.

    Args:
        steps: of one pass.
    """
    return min(max(math.ceil(ENOUGH_STEPS / steps), FEWEST_EPOCHS), MOST_EPOCHS)


def settle(options: T, model: Any, rows: int) -> tuple[T, list[Settled]]:
    """Give the options of `SettledOptions` that were not given their values.

    Args:
        options: of another command they stay as they are.
        model: that is trained.
        rows: features of the train split.

    Returns:
        The options, and which of them were settled.
    """
    if not isinstance(options, SettledOptions):
        return options, []
    found, answers = [], options.answers
    if "batch_size" not in options.given and rows < MANY_ROWS:
        found.append(Settled("batch_size", FEW_ROWS_BATCH, f"below {MANY_ROWS:,} rows"))
        options = options.changed(batch_size=FEW_ROWS_BATCH)
    if "epochs" not in options.given and options.max_steps is None:
        steps = steps_per_epoch(rows, options, process.world_size())
        why = f"{counted(steps, 'step', 'steps')} each, {ENOUGH_STEPS} in all are aimed at"
        found.append(Settled("epochs", epochs(steps), why))
        options = options.changed(epochs=epochs(steps))
        if options.epochs > EVALUATIONS and options.early_stopping is None and "eval_steps" not in options.given:
            found.append(Settled("eval_steps", 1 / EVALUATIONS, f"{EVALUATIONS} evaluations in all"))
            options = options.changed(eval_steps=1 / EVALUATIONS)
    if "learning_rate" not in options.given:
        width = width_of(model)
        rate = learning_rate(width, answers)
        found.append(Settled("learning_rate", rate, f"one answer per {answers}, {width:,} wide"))
        options = options.changed(learning_rate=rate)
    return options, found


def width_of(model: Any) -> int:
    """Numbers in the state of a token between the layers."""
    return int(getattr(model.config, "hidden_size", None) or model.get_input_embeddings().embedding_dim)


def described(found: list[Settled]) -> list[tuple[str, str]]:
    """A line of the plan for what was settled; none where all was given."""
    told = (f"{one.name.replace('_', ' ')} {one.value:g} ({one.why})" for one in found)
    return [("by default", "; ".join(told))] if found else []
