"""Pictures: what stands in them is what the user wrote."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Drawing
from PIL import Image

from nlpkit.runs import plot_style, plots

# each of which matplotlib takes for a formula, a wrong one but for the last
NASTY = ["$", "$$", r"$\frac$", r"a $\nope{ b$", "$^$", "5 $ to 10 $", "$x^2$"]

PICTURES: dict[str, plots.Plot | None] = {
    "confusion": plots.confusion(np.eye(len(NASTY), dtype=int), NASTY, "$^$", unit=r"$\frac$"),
    "grouped_bars": plots.grouped_bars(NASTY, {"$^$": np.arange(len(NASTY)), "$$": np.arange(len(NASTY))}, r"$\frac$"),
    "histograms": plots.histograms({"$^$": np.arange(9.0)}, r"$\frac$"),
    "scatter": plots.scatter(np.arange(3.0), np.arange(3.0), "$^$"),
    "front": plots.front([1, 2], [1, 2], ["$", r"$\frac$"], "$^$", "$$"),
    "sweep": plots.sweep({"$^$": [plots.Line(r"$\frac$", [1, 2], [1, 20], [None, None], 0)]}, "$_$", "$$"),
    "pareto": plots.pareto([r"$\frac$", "$^$"], [1, 2], [1, 2], [True, False], "$_$", "$$", knee="$^$"),
    "curves": plots.curves([{"step": n, "loss": 1.0, "eval_$^$": 1.0} for n in (1, 2)], ["$^$"], best_step=2),
    "over_steps": plots.over_steps([{"step": 1, "$^$": 1.0}, {"step": 2, "$^$": 1e4}], "$^$", log=True),
}


@pytest.mark.parametrize("name", PICTURES)
def test_text_is_never_markup(name: str, tmp_path: Path, drawing: Drawing) -> None:
    import matplotlib

    plot = PICTURES[name]
    assert plot is not None
    theirs = {"text.usetex": True, "figure.facecolor": "black", "savefig.facecolor": "none"}  # a user's matplotlibrc
    with drawing(), matplotlib.rc_context(theirs):
        plot(tmp_path / "x.png")
    picture = Image.open(tmp_path / "x.png").convert("RGBA")
    assert picture.getpixel((0, 0)) == (255, 255, 255, 255)  # on a dark page too
    assert picture.width <= plot_style.WIDTH * plot_style.DPI


@pytest.mark.parametrize(("low", "high"), [(7, 7), (3, 16), (0, 25), (5, 400)])
def test_bins_hold_as_many_whole_numbers_each(low: int, high: int) -> None:
    edges = plots.bin_edges(np.array([low, high]))
    assert edges[0] < low
    assert high < edges[-1]
    assert len(edges) <= plots.BINS + 1
    held = np.histogram(np.arange(edges[0] + 0.5, edges[-1]), edges)[0]
    assert len(set(held)) == 1


Drawn = Callable[["plots.Plot | None"], Any]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, drawing: Drawing) -> Iterator[Drawn]:
    """Draws, and returns the figure instead of closing it."""
    from matplotlib import pyplot

    kept: list[Any] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: kept.append(figure))

    def draw(plot: plots.Plot | None) -> Any:
        assert plot is not None
        with drawing():
            plot(tmp_path / "x.png")
        kept[-1].canvas.draw()
        return kept[-1]

    yield draw
    pyplot.close("all")


def test_a_formula_and_plain_numbers_are_shown_as_they_are(drawn: Drawn) -> None:
    (matrix, *_) = drawn(PICTURES["confusion"]).axes
    assert [tick.get_text() for tick in matrix.get_yticklabels()] == NASTY
    assert not any(text.get_parse_math() for text in matrix.get_yticklabels())
    ticks = [tick.get_text() for tick in drawn(PICTURES["over_steps"]).axes[0].get_yticklabels()]
    assert "10,000" in ticks
    assert not any("$" in tick for tick in ticks)


def history(evaluations: int) -> list[dict[str, float]]:
    """Of 40 steps in 4 epochs."""
    steps = [{"step": n, "epoch": n / 10, "loss": 1 / n} for n in range(1, 41)]
    every = 40 // evaluations
    return steps + [{"step": n, "eval_loss": 0.5, "eval_f1": 0.8} for n in range(every, 41, every)]


def test_curves_mark_the_best_checkpoint_on_both_panels(drawn: Drawn) -> None:
    losses, metrics = drawn(plots.curves(history(4), ["f1"], best_step=20)).axes
    for axes in (losses, metrics):
        assert [20, 20] in [list(line.get_xdata()) for line in axes.lines]
        assert "best checkpoint" in [text.get_text() for text in axes.texts]
    assert losses.get_xlabel() == "optimizer step (10 per epoch)"
    assert losses.get_ylim()[0] == 0  # losses that differ by more than half: how near to nothing they are can be seen
    smoothed = next(line for line in losses.lines if line.get_label() == "train (mean of 3)")
    assert smoothed.get_xdata()[0] == 2
    assert smoothed.get_ydata()[0] == pytest.approx(np.mean([1, 1 / 2, 1 / 3]))


def test_one_evaluation_is_a_number_and_no_curve(drawn: Drawn) -> None:
    (losses,) = drawn(plots.curves(history(1), ["f1"], best_step=40)).axes
    assert "validation: 0.5, once" in [text.get_text() for text in losses.get_legend().get_texts()]
    assert plots.curves([{"step": 1, "loss": 1.0}, {"step": 1, "eval_loss": 1.0, "eval_f1": 0.5}], ["f1"]) is None
    assert plots.over_steps([{"step": 1, "eval_f1": 0.5}], "f1") is None


@pytest.mark.parametrize("count", [2, 8, 9, 77])
def test_names_are_whole_apart_from_each_other_and_sizes_start_at_0(count: int, drawn: Drawn) -> None:
    names = [f"a label with a name {i}" for i in range(count)]
    counts = {"train": np.arange(count) + 1, "validation": np.full(count, 2)}
    figure = drawn(plots.grouped_bars(names, counts, "share of rows"))
    (axes,) = figure.axes
    labels = axes.get_yticklabels()
    frequent = names[::-1] if count > plots.BARS else names
    assert [label.get_text() for label in labels] == frequent
    boxes = [label.get_window_extent() for label in labels]
    assert not any(above.overlaps(below) for above, below in itertools.pairwise(boxes))
    assert all(box.x0 >= 0 for box in boxes)
    assert axes.get_xlim()[0] == 0
    assert not axes.get_legend().get_window_extent().overlaps(axes.get_window_extent())


def test_more_names_than_can_be_read_are_shares_alone(drawn: Drawn) -> None:
    names = [str(i) for i in range(plots.MAX_NAMED + 1)]
    (axes,) = drawn(plots.grouped_bars(names, {"train": np.arange(len(names))}, "share of rows")).axes
    assert list(axes.lines[0].get_ydata()) == sorted(axes.lines[0].get_ydata(), reverse=True)
    assert axes.get_xlabel() == "161 names, in each split the most frequent first"


def test_a_picture_of_many_points_is_a_small_file(tmp_path: Path, drawing: Drawing) -> None:
    numbers = np.random.default_rng(0).random(3_000)
    with drawing():
        plots.scatter(numbers, numbers[::-1], "validation")(tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size < 150_000
