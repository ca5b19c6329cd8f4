"""Learning rates over the steps of a training: the schedule of the paper, and the linear one of BERT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlpkit.learn.pictures import lines
from nlpkit.learn.pieces.schedules import linear, noam
from nlpkit.learn.shown import Shown
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions

WIDTHS = ((512, 4_000), (512, 8_000), (256, 4_000))  # of the paper's base model, and two beside it, with their warm-up
SHARES = (0.0, 0.06, 0.1)  # of the steps that are warm-up: none, RoBERTa's, BERT's
STEPS = 20_000
PEAK = 5e-5  # of BERT's fine-tuning
SHOWN = (0, 500, 1_000, 2_000, 4_000, 8_000, 20_000)


def show(options: LearnOptions) -> Shown:
    """Rates at some steps, and a picture of each schedule."""
    steps = range(0, STEPS + 1, 50)
    papers = {f"width {width}, warm-up {warmup:,}": (width, warmup) for width, warmup in WIDTHS}
    linears = {f"warm-up {share:.0%}": round(share * STEPS) for share in SHARES}
    rows: list[list[Cell]] = [
        [f"noam, {name}", *(f"{noam(step, *given):.1e}" for step in SHOWN)] for name, given in papers.items()
    ]
    rows += [
        [f"linear, {name}", *(f"{PEAK * linear(step, STEPS, warmup):.1e}" for step in SHOWN)]
        for name, warmup in linears.items()
    ]
    record = {
        "steps": list(SHOWN),
        "noam": {name: [noam(step, *given) for step in SHOWN] for name, given in papers.items()},
        "linear": {name: [PEAK * linear(step, STEPS, warmup) for step in SHOWN] for name, warmup in linears.items()},
    }
    return Shown(
        record,
        [Table("learning rate by step", ["schedule", *(f"{step:,}" for step in SHOWN)], rows)],
        [f"linear: {STEPS:,} steps up to {PEAK:g}"],
        {
            "noam": lines(
                {name: (steps, [noam(step, *given) for step in steps]) for name, given in papers.items()},
                "step",
                "learning rate",
            ),
            "linear": lines(
                {
                    name: (steps, [PEAK * linear(step, STEPS, warmup) for step in steps])
                    for name, warmup in linears.items()
                },
                "step",
                "learning rate",
            ),
        },
    )
