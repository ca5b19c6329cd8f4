"""--lr-finder: which learning rate a training would take, found out in a hundred steps, drawn, and told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nlpkit import process, reporting
from nlpkit.errors import UserError
from nlpkit.experiment.supervised import SupervisedExperiment
from nlpkit.options import Config, NotWith, RunOptions, TrainingOptions, option
from nlpkit.reporting import Cell, Report, Table, counted

if TYPE_CHECKING:
    from nlpkit.runs.plots import Plot
    from nlpkit.training.range_test import Found, Tried

SHOWN = 12  # rows of the table
READ = ("batch_size",)  # of what a training takes by default
UNTOLD = ("steps", "compile", "output")  # of the plan: of a training, which does not take place


class RateFinderOptions(Config):
    """Whether a learning rate is looked for, and nothing trained."""

    lr_finder: Path | None = option(
        None,
        "Range test (Smith 2017): try growing rates for 100 steps, draw the losses to FILE.png, suggest one, stop.",
        panel="Optimizer",
        metavar="FILE",
        only_with=NotWith(
            ("cv", "seeds", "resume", "dry_run", "baseline", "push_to_hub"),
            why=": it trains nothing that is judged, shown or kept",
            hint="Leave out what stands beside it: --cv, --seeds, --resume, --dry-run, --baseline or --push-to-hub.",
        ),
    )


R = TypeVar("R", bound=RunOptions)


def run(config: R, picture: Path, prepare: Callable[[R], SupervisedExperiment]) -> Report:
    """Try rates on the model and the rows of a run, which is thrown away; the picture is all that is written.

    Raises:
        UserError: the picture is no .png or is there, there are several processes, no rate was found, or whatever is
            wrong with options, data or model.
    """
    from nlpkit.training import range_test

    if picture.suffix != ".png":
        raise UserError(f"--lr-finder {picture}: it draws a picture", "Name a file that ends in .png.")
    if picture.exists() and not config.overwrite:
        raise UserError(f"--lr-finder {picture} is there", "Name another file, or add --overwrite.")
    if process.world_size() > 1:
        raise UserError("--lr-finder tries rates in one process", "Start it without torchrun.")
    experiment = prepare(config.changed(overwrite=True))  # of a run that is there nothing is touched
    for feature in experiment.trainer.features:
        feature.begin(experiment.trainer)
    steps: list[Tried] = []
    with reporting.current().progress("try rates", range_test.STEPS, "steps") as bar:
        for step in range_test.tried(experiment.trainer):
            steps.append(step)
            bar.advance()
    found = range_test.found(steps)
    if found is None:
        raise UserError(
            f"--lr-finder: the loss has not fallen in {len(steps)} steps, whatever the rate",
            "See that rows and labels belong together, or give it more rows a step: --batch-size.",
        )
    picture.parent.mkdir(parents=True, exist_ok=True)
    _plot(steps, found)(picture)
    every = max(len(steps) // SHOWN, 1)
    rows: list[list[Cell]] = [[f"{step.rate:.1e}", step.loss, step.smoothed] for step in steps[::every]]
    record = {
        "lr_finder": {
            "learning_rate": found.suggested,
            "smallest_loss_at": found.smallest.rate,
            "steepest_at": found.steepest.rate,
            "steps": [step._asdict() for step in steps],
        },
        "output": str(picture),
    }
    ended = "" if len(steps) == range_test.STEPS else f", ended there as it was {range_test.DIVERGED:g} times its best"
    lines = [
        f"{len(steps)} steps of rates up to {steps[-1].rate:.1e}{ended}; nothing of it is kept but {picture}",
        f"the smoothed loss is smallest at {found.smallest.rate:.1e} and falls fastest at {found.steepest.rate:.1e}",
        f"suggested, a tenth of where it is smallest: --learning-rate {found.suggested:g}",
    ]
    if found.smallest is steps[-1]:
        lines.append("the loss still fell at the highest rate that was tried: where it begins to rise was not seen")
    return Report(record, [Table("rates tried", ["rate", "loss", "smoothed"], rows)], lines)


def planned(config: TrainingOptions, picture: Path) -> list[tuple[str, str]]:
    """Lines of the plan."""
    from nlpkit.training import range_test

    rows = counted(config.batch_size * config.gradient_accumulation_steps, "row", "rows")
    lowest, highest = range_test.LOWEST, range_test.HIGHEST
    return [
        ("range test", f"{range_test.STEPS:,} steps of {rows}, rates from {lowest:g} to {highest:g}; no training"),
        ("picture", str(picture)),
    ]


def _plot(steps: Sequence[Tried], found: Found) -> Plot:
    """Losses over rates, with the rate that is suggested."""
    from nlpkit.runs import plots

    marks = {
        "smallest loss": (found.smallest.rate, found.smallest.smoothed),
        "fastest fall": (found.steepest.rate, found.steepest.smoothed),
    }
    return plots.rates(
        [step.rate for step in steps],
        [step.loss for step in steps],
        [step.smoothed for step in steps],
        marks,
        found.suggested,
    )
