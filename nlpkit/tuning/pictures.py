"""Pictures of a search: its course, which options mattered, how values and figures hang together, the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.runs.plot_style import COLOURS, FAINT, HEIGHT, INK, QUIET, QUIET_TEXT, SMALL
from nlpkit.runs.plots import Plot, new_figure, save_figure, with_style
from nlpkit.tuning.search import LATENCY, Told, shown_value
from nlpkit.tuning.space import Range, Space

MOST_OPTIONS = 8  # of parallel coordinates: more cannot be told apart
MARGIN = 0.12  # inches beside an axis for its ends


def pictures(
    trials: Sequence[Told], space: Space, names: Sequence[str], found: Mapping[str, float] | None, *, lower: bool
) -> dict[str, Plot]:
    """Each picture by the name of its file.

    Args:
        trials: of which those are drawn that have figures.
        names: of the objectives.
        found: what each option accounts for, see `told.importance`.
        lower: whether smaller values of the metric are better.
    """
    judged = [each for each in trials if each.figures]
    drawn = {"history": history(judged, names[0], lower=lower or names[0] == LATENCY)}
    if found:
        drawn["importance"] = importance(found)
    drawn["parallel"] = parallel(judged, space, names[0], lower=lower or names[0] == LATENCY)
    if len(names) == 2:
        drawn["front"] = front(judged, names, lower=lower)
    return drawn


def history(trials: Sequence[Told], name: str, *, lower: bool) -> Plot:
    """The figure of each trial, and the best until then."""

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure()
        numbers = [each.number for each in trials]
        values = [each.figures[name] for each in trials]
        best = np.minimum.accumulate(values) if lower else np.maximum.accumulate(values)
        axes.step(numbers, best, where="post", color=COLOURS[0], label="best so far")
        axes.plot(numbers, values, color=QUIET, linestyle="none", marker="o", label="trial")
        for each in trials:
            if each.is_default:
                value = each.figures[name]
                axes.axhline(value, color=COLOURS[1], linewidth=1, linestyle="--", zorder=1, label="the defaults")
        axes.set(xlabel="trial", ylabel=f"{name} on validation")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        save_figure(figure, path)

    return draw


def importance(found: Mapping[str, float]) -> Plot:
    """What share of the spread each option accounts for."""

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure(height=0.9 + 0.32 * len(found))
        names = [*found][::-1]
        bars = axes.barh(names, [found[name] for name in names], color=COLOURS[0], height=0.65)
        axes.bar_label(bars, [f" {found[name]:.0%}" for name in names], fontsize=SMALL, color=QUIET_TEXT)
        axes.set(xlabel="share of the spread over the trials (fANOVA)", xlim=(0, 1))
        save_figure(figure, path)

    return draw


def parallel(trials: Sequence[Told], space: Space, name: str, *, lower: bool) -> Plot:
    """A line for each trial through its values, the better ones darker; the last axis is its figure."""

    @with_style
    def draw(path: Path) -> None:
        import matplotlib

        figure, axes = new_figure(height=1.15 * HEIGHT)
        options = [*space.searched][:MOST_OPTIONS]
        scales = [_scale(trials, space, option) for option in options]
        figures = np.array([each.figures[name] for each in trials])
        ends = (float(figures.min()), float(figures.max()))
        good = _within(figures, *ends)
        order = np.argsort(-good if lower else good)
        colours = matplotlib.colormaps["viridis_r"]
        for i in order:
            trial = trials[int(i)]
            heights = [scale[0](trial.value(option, space)) for option, scale in zip(options, scales, strict=True)]
            shade = 1 - good[i] if lower else good[i]
            style: dict[str, Any] = (
                {"linestyle": "--", "color": COLOURS[1]} if trial.is_default else {"color": colours(0.1 + 0.9 * shade)}
            )
            axes.plot(range(len(options) + 1), [*heights, good[i]], linewidth=1.2, alpha=0.85, **style)
        labels = [*(scale[1] for scale in scales), [(0.0, f"{ends[0]:.4g}"), (1.0, f"{ends[1]:.4g}")]]
        for place, marks in enumerate(labels):
            axes.axvline(place, color=FAINT, linewidth=1, zorder=0)
            for height, text in marks:
                axes.annotate(
                    text, (place, height), (4, 0), textcoords="offset points", fontsize=SMALL, color=INK, va="center",
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
                )  # fmt: skip
        if any(each.is_default for each in trials):
            axes.plot([], [], color=COLOURS[1], linestyle="--", label="the defaults")
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
        axes.set_xticks(range(len(options) + 1), [*options, f"{name} on validation"])
        axes.set(yticks=[], ylim=(-0.06, 1.06), xlim=(-MARGIN, len(options) + 0.45))
        axes.spines["left"].set_visible(False)
        save_figure(figure, path)

    return draw


def _scale(trials: Sequence[Told], space: Space, option: str) -> tuple[Any, list[tuple[float, str]]]:
    """How high a value of an option stands, from 0 to 1, and what is written beside its axis."""
    values = space.searched[option]
    if isinstance(values, Range):
        drawn = [each.value(option, space) for each in trials]
        numbers = [value for value in drawn if isinstance(value, int | float)]
        low, high = min([values.low, *numbers]), max([values.high, *numbers])  # the default may lie outside
        bend = np.log if values.log else np.asarray

        def height(value: Any) -> float:
            if not isinstance(value, int | float):
                return float("nan")
            return float(_within(bend(float(value)), bend(low), bend(high)))

        return height, [(0.0, shown_value(low)), (1.0, shown_value(high))]
    listed = [str(value) for value in values.listed]
    others = [str(each.value(option, space)) for each in trials]
    listed += [value for value in dict.fromkeys(others) if value not in listed]
    places = {value: i / max(len(listed) - 1, 1) for i, value in enumerate(listed)}
    return lambda value: places[str(value)], [(place, value) for value, place in places.items()]


def _within(value: Any, low: Any, high: Any) -> Any:
    """Where values lie between two, from 0 to 1; in the middle where the two are one."""
    return (value - low) / (high - low) if high > low else value * 0 + 0.5


def front(trials: Sequence[Told], names: Sequence[str], *, lower: bool) -> Plot:
    """Both figures of each trial, with a line through those that no other beats."""

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure()
        across, up = (names[1], names[0]) if names[1] == LATENCY else (names[0], names[1])
        signs = {name: 1 if name == LATENCY or lower else -1 for name in names}
        xs, ys = ([each.figures[name] for each in trials] for name in (across, up))
        costs = np.array([[signs[name] * each.figures[name] for name in (across, up)] for each in trials])
        beaten = [bool(((costs <= one).all(axis=1) & (costs < one).any(axis=1)).any()) for one in costs]
        axes.plot(xs, ys, color=QUIET, linestyle="none", marker="o", label="trial")
        best = sorted((x, y) for x, y, is_beaten in zip(xs, ys, beaten, strict=True) if not is_beaten)
        axes.plot(*zip(*best, strict=True), color=COLOURS[0], marker="o", label="no trial is better in both")
        for each, x, y in zip(trials, xs, ys, strict=True):
            if each.is_default:
                axes.plot([x], [y], color=COLOURS[1], linestyle="none", marker="D", label="the defaults")
        titles = {LATENCY: "ms for one row"}
        axes.set(xlabel=titles.get(across, f"{across} on validation"), ylabel=titles.get(up, f"{up} on validation"))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        save_figure(figure, path)

    return draw
