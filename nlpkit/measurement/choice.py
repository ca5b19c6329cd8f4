"""Which model to pick: the smallest, the fastest, the best, and the knee of the front between the last two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.measurement import statistics
from nlpkit.measurement.spec import Measurement, Point
from nlpkit.runs.folder import human_bytes

Document = Mapping[str, Any]
Entry = dict[str, Any]
TELLING = ("inference", "decode", "prefill", "training")  # what is said first of how fast a model is


def size_to_judge_by(made: Document) -> Mapping[str, Any] | None:
    """The point that says how fast a model answers.

    Inference, where it was measured, or tokens written; the smallest batch; rows, where they were measured, else the
    middle length.
    """
    modes = [point["mode"] for point in made["points"]]
    mode = min(modes, key=TELLING.index, default=None)
    points = [point for point in made["points"] if point["mode"] == mode]
    rows = [point for point in points if point["length"] is None]
    points = rows or points
    smallest = min((point["batch_size"] for point in points), default=None)
    points = sorted((p for p in points if p["batch_size"] == smallest), key=lambda p: p["length"] or 0)
    return points[len(points) // 2] if points else None


def _latencies(made: Document) -> dict[str, float]:
    """Milliseconds per call of each subject that has figures at that point."""
    point = size_to_judge_by(made)
    return {r["subject"]: r["ms_a_call"] for r in (point or {"results": []})["results"] if r["ms_a_call"] is not None}


def _values(made: Document) -> dict[str, float]:
    """The main metric of each subject that has one."""
    metrics = {subject["name"]: (subject["metrics"] or {}).get(made["main_metric"]) for subject in made["subjects"]}
    return {name: value for name, value in metrics.items() if value is not None}


def front(made: Document) -> Entry | None:
    """The main metric over latency: which models no other beats in both, and the knee of these.

    Returns:
        mode, batch_size, length of the point that the latency is taken at; metric; points (subject, latency_ms, value,
        on_front) by latency; knee. None without metrics, or figures.
    """
    latencies, values = _latencies(made), _values(made)
    names = sorted(latencies.keys() & values.keys(), key=lambda name: latencies[name])
    point = size_to_judge_by(made)
    if not names or point is None:
        return None
    sign = 1 if made["higher_is_better"] else -1
    gains = [sign * values[name] for name in names]
    chosen = statistics.pareto([latencies[name] for name in names], gains)
    knee = statistics.knee([latencies[names[i]] for i in chosen], [gains[i] for i in chosen])
    return {
        **{key: point[key] for key in ("mode", "batch_size", "length")},
        "metric": made["main_metric"],
        "points": [
            {"subject": name, "latency_ms": latencies[name], "value": values[name], "on_front": i in chosen}
            for i, name in enumerate(names)
        ],
        "knee": names[chosen[knee]] if knee is not None else None,
    }


def picks(made: Document, launches_of: Mapping[tuple[Point, str], Mapping[int, Measurement]]) -> Entry:
    """The names of the smallest, the fastest and the best; several where they are equal.

    Equally fast are those of no difference to the fastest (see `statistics.verdict`); `perhaps` as fast those of which
    that is not certain.

    Args:
        launches_of: measurements by point and subject, then launch.
    """
    point, latencies, values = size_to_judge_by(made), _latencies(made), _values(made)
    fastest: list[str] = []
    perhaps: list[str] = []
    if point is not None and latencies:
        at = Point(point["mode"], point["batch_size"], point["length"])
        first = min(latencies, key=lambda name: latencies[name])
        for name in sorted(latencies, key=lambda name: latencies[name]):
            logs = statistics.log_speeds(launches_of[at, first], launches_of[at, name])
            verdict = statistics.verdict(statistics.over_launches(logs)) if logs and name != first else None
            if name == first or verdict == "no difference":
                fastest.append(name)
            elif verdict == "not certain":
                perhaps.append(name)
    figure = _figure_of_size(made)
    known = {s["name"]: s[figure] for s in made["subjects"] if s[figure] is not None}
    best = (max if made["higher_is_better"] else min)(values.values(), default=None)
    return {
        "smallest": [name for name, value in known.items() if value == min(known.values())],
        "fastest": fastest,
        "perhaps": perhaps,
        "best": [name for name, value in values.items() if value == best],
    }


def _figure_of_size(made: Document) -> str:
    """Bytes, unless a model has none on disk."""
    return "bytes" if all(subject["bytes"] is not None for subject in made["subjects"]) else "parameters"


def recommendation(made: Document) -> str:
    """One sentence: the smallest, the fastest, the best and the knee; of a single model, what it does."""
    if len(made["subjects"]) == 1:
        return _alone(made)
    chosen, sentences = made["picks"], []
    if chosen["smallest"]:
        size_said = _size_of(made, chosen["smallest"][0])
        one_size = len(chosen["smallest"]) == len(made["subjects"])
        sentences.append(
            f"all of one size ({size_said})" if one_size else f"smallest: {_listed(chosen['smallest'])} ({size_said})"
        )
    if chosen["fastest"]:
        sentences.append(f"fastest: {_fastest(made, chosen['fastest'], chosen['perhaps'])}")
    metric, values = made["main_metric"], _values(made)
    if chosen["best"]:
        sentences.append(f"best {metric}: {_listed(chosen['best'])} ({values[chosen['best'][0]]:.4f})")
    knee = made["front"]["knee"] if made["front"] else None
    if knee:
        figures = f"{_milliseconds(_latencies(made)[knee])}, {metric} {values[knee]:.4f}"
        sentences.append(f"between the fastest and the best: {knee} ({figures})")
    sentence = "; ".join(sentences)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentences else "Nothing could be measured."


def _fastest(made: Document, names: Sequence[str], perhaps: Sequence[str]) -> str:
    """The fastest with its figures; among equals the one of the lowest time. Behind it those that may be as fast."""
    point = size_to_judge_by(made)
    assert point is not None
    result = next(result for result in point["results"] if result["subject"] == names[0])
    figures = f"{_milliseconds(result['ms_a_call'])} at {size(point)}"
    doubt = f", not certain against {_listed(perhaps)}: more --launches tell" if perhaps else ""
    if len(names) > 1:
        return f"no difference between {_listed(names)} ({figures}){doubt}"
    reference = made["subjects"][0]["name"]
    if result["speed"] is not None and names[0] != reference:
        figures += f", {result['speed']:.2f} times as fast as {reference}"
    return f"{names[0]} ({figures}){doubt}"


def _alone(made: Document) -> str:
    subject, point = made["subjects"][0], size_to_judge_by(made)
    result = next((r for r in point["results"] if r["status"] == "ok"), None) if point else None
    facts = [_size_of(made, subject["name"])]
    if result and point:
        facts += [
            f"{_milliseconds(result['ms_a_call'])} at {size(point)}",
            f"{result['samples_per_second']:,.1f} samples/s",
            *([f"{human_bytes(result['peak_bytes'])} of memory"] if result["peak_bytes"] is not None else []),
        ]
    facts += [f"{made['main_metric']} {value:.4f}" for value in _values(made).values()]
    return f"{subject['name']}: {', '.join(facts)}."


def size(point: Mapping[str, Any]) -> str:
    """A point in words: `8 x 128 tokens`, `1 x rows`, with the mode where it is another than inference."""
    shown = str(Point(point["mode"], point["batch_size"], point["length"]))
    return shown.removeprefix("inference, ")


def _size_of(made: Document, name: str) -> str:
    subject = next(subject for subject in made["subjects"] if subject["name"] == name)
    if _figure_of_size(made) == "bytes":
        return human_bytes(subject["bytes"])
    return "not opened" if subject["parameters"] is None else f"{subject['parameters'] / 1e6:.1f} M parameters"


def _milliseconds(value: float) -> str:
    return f"{value:.3g} ms per call" if value < 100 else f"{value:,.0f} ms per call"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
