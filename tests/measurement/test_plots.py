"""Pictures of a benchmark: which there are, and what is drawn in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Drawing
from made_up import BIG, OPENED, lengths_document, measurement, rows_document

from nlpkit.measurement.figures import figures
from nlpkit.measurement.results import document
from nlpkit.runs import plots


@pytest.fixture
def drawn(monkeypatch, tmp_path: Path, drawing: Drawing):
    """Draws, and returns the figure instead of closing it."""
    kept = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: kept.append(figure))

    def draw(plot: plots.Plot):
        with drawing():
            plot(tmp_path / "x.png")
        return kept[-1]

    yield draw
    from matplotlib import pyplot

    pyplot.close("all")


def test_only_what_has_two_points_is_drawn():
    assert list(figures(rows_document())) == ["throughput-over-batch-size-inference", "accuracy-over-latency"]
    assert figures(document([BIG], OPENED, {}, [measurement("big", 0.01, length=8)])) == {}


def test_time_over_length_has_a_line_a_model_with_its_exponent(drawn):
    (axes,) = drawn(figures(lengths_document())["time-over-length-inference"]).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["full: length^2.00 ±0.00", "sparse: length^1.00 ±0.00"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    full, sparse = (container.lines[0].get_xdata().tolist() for container in axes.containers)
    assert (full[-1], sparse[-1]) == (2048, 4096)  # full attention was out of memory
    assert [tick.get_text() for tick in axes.get_xticklabels()][:2] == ["128", "256"]


def test_front_leaves_out_who_is_beaten(drawn):
    made = rows_document(slower=3.0)  # small is now slower than big, and worse
    axes = drawn(figures(made)["accuracy-over-latency"]).axes[0]
    (front,) = (line for line in axes.lines if line.get_label() == "Pareto front")
    assert front.get_ydata().tolist() == [0.76, 0.95]
    assert {text.get_text() for text in axes.texts} == {"big", "small", "tiny"}


def test_names_of_near_points_do_not_cover_each_other(drawn):
    names = [f"a model with a name {i}" for i in range(4)]
    figure = drawn(plots.pareto(names, [1, 1.01, 1.02, 9], [0.5, 0.501, 0.5, 0.9], [True] * 4, "x", "y"))
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_each_of_many_lines_looks_different():
    looks = {tuple(sorted(plots._look(i).items())) for i in range(35)}
    assert len(looks) == 35
