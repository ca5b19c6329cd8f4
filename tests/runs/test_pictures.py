"""Pictures: what stands in them is what the user wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Drawing

from nlpkit.runs import plots

# each of which matplotlib takes for a formula, a wrong one but for the last
NASTY = ["$", "$$", r"$\frac$", r"a $\nope{ b$", "$^$", "5 $ to 10 $", "$x^2$"]

PICTURES = {
    "confusion": plots.confusion(np.eye(len(NASTY), dtype=int), NASTY, "$^$", unit=r"$\frac$"),
    "grouped_bars": plots.grouped_bars(NASTY, {"$^$": np.arange(len(NASTY)), "$$": np.arange(len(NASTY))}, r"$\frac$"),
    "histograms": plots.histograms({"$^$": np.arange(9.0)}, r"$\frac$"),
    "scatter": plots.scatter(np.arange(3.0), np.arange(3.0), "$^$"),
    "front": plots.front([1, 2], [1, 2], ["$", r"$\frac$"], "$^$", "$$"),
    "sweep": plots.sweep({"$^$": [plots.Line(r"$\frac$", [1, 2], [1, 20], [None, None], 0)]}, "$_$", "$$"),
    "pareto": plots.pareto([r"$\frac$", "$^$"], [1, 2], [1, 2], [True, False], "$_$", "$$", knee="$^$"),
    "curves": plots.curves([{"step": 1, "loss": 1.0, "eval_$^$": 1.0}], ["$^$"]),
    "over_steps": plots.over_steps([{"step": 1, "$^$": 1.0}, {"step": 2, "$^$": 1e4}], "$^$", log=True),
}


@pytest.mark.parametrize("name", PICTURES)
def test_text_is_never_markup(name: str, tmp_path: Path, drawing: Drawing) -> None:
    import matplotlib

    with drawing(), matplotlib.rc_context({"text.usetex": True}):  # as a user's matplotlibrc may say
        PICTURES[name](tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.parametrize(("low", "high"), [(7, 7), (3, 16), (0, 25), (5, 400)])
def test_bins_hold_as_many_whole_numbers_each(low: int, high: int) -> None:
    edges = plots.bin_edges(np.array([low, high]))
    assert edges[0] < low
    assert high < edges[-1]
    assert len(edges) <= plots.BINS + 1
    held = np.histogram(np.arange(edges[0] + 0.5, edges[-1]), edges)[0]
    assert len(set(held)) == 1


def test_a_formula_and_plain_numbers_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: kept.append(figure))
    PICTURES["confusion"](tmp_path / "x.png")
    PICTURES["over_steps"](tmp_path / "x.png")
    assert [tick.get_text() for tick in kept[0].axes[0].get_yticklabels()] == NASTY
    assert not any(text.get_parse_math() for text in kept[0].axes[0].get_yticklabels())
    kept[1].canvas.draw()
    ticks = [tick.get_text() for tick in kept[1].axes[0].get_yticklabels()]
    assert "10,000" in ticks
    assert not any("$" in tick for tick in ticks)
