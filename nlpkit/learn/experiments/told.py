"""An experiment for people: its table, its curves, and what the intervals say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlpkit.learn.experiments.comparing import Difference, Result, sentence
from nlpkit.learn.experiments.variants import Experiment
from nlpkit.reporting import Estimate, Table, counted
from nlpkit.runs.plot_style import COLOURS, QUIET, WIDTH
from nlpkit.runs.plots import DASHES, Plot, save_figure, with_style

HIGHEST = 1.1  # times the loss of counting bytes: the top of the picture


def parts_of(experiment: Experiment) -> list[str]:
    """The parts of a window of held-out text in words: `bytes 65 to 128`; one alone has no need of any."""
    ends = [times * experiment.length for times in experiment.times]
    if len(ends) == 1:
        return [""]
    return [f"bytes {begin + 1} to {end}" for begin, end in zip([0, *ends], ends, strict=False)]


def table(experiment: Experiment, results: Sequence[Result]) -> Table:
    """A row for each variant: parameters, loss with its interval over the seeds, seconds, how many diverged."""
    losses = [f"loss, {part}" if part else "loss" for part in parts_of(experiment)]
    rows = [
        [
            result.name,
            result.parameters,
            *(_shown(result.loss(part)) for part in range(len(losses))),
            None if result.seconds is None else f"{result.seconds:.1f}",
            f"{result.diverged} of {len(result.each)}" if result.diverged else "0",
        ]
        for result in results
    ]
    return Table(experiment.title, ["variant", "parameters", *losses, "seconds", "diverged"], rows)


def _shown(loss: Estimate | float | None) -> str | None:
    if isinstance(loss, Estimate):
        return f"{loss.value:.3f} ({loss.low:.3f} to {loss.high:.3f})"
    return None if loss is None else f"{loss:.3f}"


def lines(experiment: Experiment, results: Sequence[Result], found: Sequence[Difference], unigram: float) -> list[str]:
    """What the table is of, what is to be known of it, and a sentence for each comparison."""
    seeds, where = len(results[0].each), parts_of(experiment)
    said = [
        f"loss: nats a byte of held-out text, {unigram:.3f} by counting bytes; seconds: median of a training's steps"
    ]
    if seeds > 1:
        said.append(
            f"intervals: 95 %, of the mean over {counted(seeds, 'seed', 'seeds')}; of the differences below, which are "
            "taken seed by seed, all together"
        )
    else:
        said.append("one seed: there are no intervals, and the differences tell nothing of other seeds")
    if any(result.diverged for result in results):
        said.append(
            "diverged: the loss was no number, or higher than before the first step; losses and seconds leave it out"
        )
    for result in results:
        stuck = sum(one.losses[0] >= unigram for one in result.kept)
        if stuck:
            said.append(f"{result.name}: {stuck} of {len(result.each)} trainings ended no better than counting bytes")
    if experiment.note:
        said.append(experiment.note)
    return [*said, *(sentence(difference, where[difference.part]) for difference in found)]


def _look(results: Sequence[Result], number: int) -> dict[str, Any]:
    """Colour and dashes of a line: where variants are compared in pairs, those of a pair have one colour."""
    firsts = [result.name for result in results if result.against is None]
    colour = dash = number
    if len(firsts) > 1:
        result = results[number]
        colour, dash = firsts.index(result.against or result.name), int(result.against is not None)
    return {"color": COLOURS[colour % len(COLOURS)], "linestyle": DASHES[dash % len(DASHES)]}


def plots(experiment: Experiment, results: Sequence[Result], unigram: float) -> dict[str, Plot]:
    """The picture, where any training has a curve."""
    return {"curves": curves(experiment, results, unigram)} if any(result.kept for result in results) else {}


def curves(experiment: Experiment, results: Sequence[Result], unigram: float) -> Plot:
    """Loss over steps, a line for each variant: the mean over its seeds, and in pale the range of them.

    Where windows are judged in parts, the last loss of each part stands on a panel of its own.
    """

    @with_style
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        parts = parts_of(experiment)
        beside = len(parts) > 1
        figure, grid = pyplot.subplots(
            1, 1 + beside, figsize=(WIDTH, 4.2), layout="constrained", squeeze=False, sharey=True
        )
        steps, ends = grid[0][0], grid[0][-1]
        for number, result in enumerate(results):
            look = _look(results, number)
            if not result.kept:
                continue  # the table says so
            at = [step for step, _ in result.kept[0].curve[1:]]
            losses = [[loss for _, loss in one.curve[1:]] for one in result.kept]
            steps.plot(at, [sum(each) / len(each) for each in zip(*losses, strict=True)], label=result.name, **look)
            steps.fill_between(
                at,
                [min(each) for each in zip(*losses, strict=True)],
                [max(each) for each in zip(*losses, strict=True)],
                color=look["color"],
                alpha=0.15,
                linewidth=0,
            )
            if beside:
                last = [[one.losses[part] for one in result.kept] for part in range(len(parts))]
                ends.plot(range(len(parts)), [sum(each) / len(each) for each in last], marker="o", **look)
        steps.axhline(unigram, color=QUIET, linewidth=1, linestyle=":", label="counting bytes")
        most = HIGHEST * unigram  # the first steps of one variant would press all the others together
        cut = steps.get_ylim()[1] > most
        if cut:
            steps.set_ylim(top=most)
        left_out = f" (losses above {most:.1f} left out)" if cut else ""
        steps.set(xlabel=f"optimizer step{left_out}", ylabel="loss, nats a byte of held-out text")
        steps.grid()
        if beside:
            ends.set_xticks(range(len(parts)), [part.removeprefix("bytes ") for part in parts])
            ends.set(xlabel="bytes of a window")
            ends.margins(x=0.12)  # room for the names at the sides
            ends.grid()
        figure.legend(*steps.get_legend_handles_labels(), loc="outside upper left", ncols=3)
        save_figure(figure, path)

    return draw
