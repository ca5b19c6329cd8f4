"""A benchmark for people: tables, sentences, a page of markdown; and for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nlpkit import markdown as markup
from nlpkit.measurement import choice, environment, figures, statistics
from nlpkit.measurement.spec import WRITING
from nlpkit.reporting import Cell, Table
from nlpkit.runs import plots
from nlpkit.runs.files import ornament
from nlpkit.runs.folder import human_bytes

Document = Mapping[str, Any]
Entry = dict[str, Any]
LATENCIES = {"p90 ms": "p90_ms", "p95 ms": "p95_ms", "p99 ms": "p99_ms"}
EVERY_CALL = {"p50 ms": "p50_ms", **LATENCIES, "samples/s": "samples_per_second", "tokens/s": "tokens_per_second"}
COLUMNS = {  # of models that write
    "prefill": {"first token ms": "p50_ms", **LATENCIES, "prompt tokens/s": "tokens_per_second"},
    "decode": {"ms a token": "p50_ms", **LATENCIES, "tokens/s": "tokens_per_second"},
}
PAGE = "benchmark.md"  # the result, the environment and the method, in words


def tables(made: Document) -> list[Table]:
    """The models; their figures at each size; how these grow with the length."""
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for point in made["points"]:
        groups.setdefault((point["mode"], point["batch_size"]), []).append(point)
    grown = _growth(made)
    sizes = [_at_batch_size(made, mode, size, points) for (mode, size), points in groups.items()]
    return [_models(made), *sizes, *([grown] if grown else [])]


def _models(made: Document) -> Table:
    """A row a model."""
    subjects, metric = made["subjects"], made["main_metric"]
    several = len({subject["backend"] for subject in subjects}) > 1
    kept = len(subjects) > 1 and any(subject["kept"] is not None for subject in subjects)
    evaluated_on = f" ({made['split']}, {made['rows']:,} rows)" if metric else ""
    header = ["model", *(["backend"] if several else []), *([metric] if metric else []), *(["kept"] if kept else [])]
    header += ["parameters", "size", "load s", "idle memory"]
    rows: list[list[Cell]] = []
    for subject in subjects:
        row: list[Cell] = [subject["name"], *([subject["backend"]] if several else [])]
        if metric:
            row.append((subject["metrics"] or {}).get(metric))
        if kept:
            row.append(None if subject["kept"] is None else f"{subject['kept']:.1%}")
        parameters, load = subject["parameters"], subject["load_seconds"]
        row.append(None if parameters is None else f"{parameters / 1e6:.2f} M")
        row += [_bytes(subject["bytes"]), None if load is None else f"{load:.2f}", _bytes(subject["idle_bytes"])]
        rows.append(row)
    return Table(f"models{evaluated_on}", header, rows)


def _at_batch_size(made: Document, mode: str, batch_size: int, points: list[Mapping[str, Any]]) -> Table:
    """A row a model and length; the length is in the title where there is one."""
    one = len(points) == 1
    title = choice.size(points[0]) if one else f"batch size {batch_size}"
    if mode == "inference" or not one:
        title = f"{mode}, {title}"
    results = [(point, result) for point in points for result in point["results"]]
    peak = any(result["share_of_peak"] is not None for _, result in results)
    energy = any(result["joules_per_sample"] is not None for _, result in results)
    versus = len(made["subjects"]) > 1
    failed = any(result["status"] != "ok" for _, result in results)
    columns = COLUMNS.get(mode, EVERY_CALL)
    disturbed = any(_disturbed(result) for _, result in results)
    header = ["model", *([] if one else ["prompt" if mode in WRITING else "tokens"]), *columns]
    header += ["memory", *(["of peak"] if peak else []), *(["J/sample"] if energy else [])]
    header += ["GPU"] if disturbed else []
    if versus or failed:
        header.append("speed" if versus else "status")
    rows: list[list[Cell]] = []
    for point, result in results:
        row: list[Cell] = [result["subject"], *([] if one else [point["length"] or "rows"])]
        row += [_number(result[name]) for name in columns.values()]
        row.append(_bytes(result["peak_bytes"]))
        if peak:
            row.append(None if result["share_of_peak"] is None else f"{result['share_of_peak']:.0%}")
        if energy:
            row.append(_number(result["joules_per_sample"]))
        if disturbed:
            row.append(_disturbed(result))
        if versus or failed:
            reference = result["subject"] == made["subjects"][0]["name"]
            row.append(_speed(result, reference) if result["status"] == "ok" else result["status"])
        rows.append(row)
    return Table(title, header, rows)


def _disturbed(result: Mapping[str, Any]) -> str | None:
    """What went on on the GPU meanwhile, in a word or two."""
    state = result.get("gpu") or {"slowed": {}, "shared": 0}
    return ", ".join([*(["slowed"] if state["slowed"] else []), *(["shared"] if state["shared"] else [])]) or None


def _speed(result: Mapping[str, Any], reference: bool) -> str | None:
    """Times as fast as the first model."""
    if reference or result["speed"] is None:
        return None
    if result["verdict"] == "no difference":
        return "no difference"
    return ratio(result["speed"], result["speed_interval"])


def ratio(value: float, interval: Sequence[float] | None) -> str:
    """`1.92x ±0.03`, the half of the interval behind it; `1.4x (0.6 to 3.2), not certain` where it covers 1."""
    if interval is not None and interval[0] <= 1 <= interval[1]:
        return f"{value:.3g}x ({interval[0]:.2g} to {interval[1]:.2g}), not certain"
    digits = 2 if value >= 1 else 3
    half = "" if interval is None else f" ±{(interval[1] - interval[0]) / 2:.{digits}f}"
    return f"{value:.{digits}f}x{half}"


def _growth(made: Document) -> Table | None:
    """A row a model, mode and batch size."""
    if not made["growth"]:
        return None
    rows: list[list[Cell]] = []
    for entry in made["growth"]:
        row: list[Cell] = [entry["subject"], entry["mode"], entry["batch_size"]]
        for figure in ("time", "memory"):
            exponent = entry[f"{figure}_exponent"]
            row.append(None if exponent is None else f"{exponent:.2f} ±{entry[f'{figure}_exponent_error']:.2f}")
        rows.append(row)
    header = ["model", "mode", "batch size", "time", "memory"]
    return Table("growth: exponent of the length, in its upper half (± standard error)", header, rows)


def _bytes(value: float | None) -> str | None:
    return None if value is None else human_bytes(value)


def _number(value: float | None) -> str | None:
    """Three significant digits or more."""
    if value is None:
        return None
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}"


# --- sentences ---


def sentences(made: Document) -> list[str]:
    """Where one model overtakes another, what bears on its figures, and why there are some missing."""
    lines = [
        f"{crossing['faster']} is faster than {crossing['slower']} from about {crossing['length']:,.0f} tokens on "
        f"({crossing['mode']}, batch size {crossing['batch_size']})"
        for crossing in made["crossings"]
    ]
    for subject in made["subjects"]:
        lines += [f"{subject['name']}: {remark}" for remark in subject.get("remarks", ())]
    for point in made["points"]:
        for result in point["results"]:
            if result["message"]:
                lines.append(f"{result['subject']}, {choice.size(point)}: {_why(result)}")
            lines += [f"{result['subject']}, {choice.size(point)}: {text}" for text in _state(result)]
    return lines


def _state(result: Mapping[str, Any]) -> list[str]:
    """What kept the GPU from being as fast as it is."""
    state, sentences_of = result.get("gpu"), []
    if state and state["slowed"]:
        by = ", ".join(f"{reason} in {turns} of {state['turns']} turns" for reason, turns in state["slowed"].items())
        units = (("mhz", "MHz"), ("celsius", "°C"), ("watts", "W"))
        course = [f"{_from_to(state[name])} {unit}" for name, unit in units if None not in state[name]]
        sentences_of.append(
            f"the clock of the GPU was kept down by {by}" + (f" ({', '.join(course)})" if course else "")
        )
    if state and state["shared"]:
        sentences_of.append(f"other processes were on the GPU in {state['shared']} of {state['turns']} turns")
    return sentences_of


def _from_to(values: Sequence[float]) -> str:
    first, last = (f"{value:,.0f}" for value in values)
    return first if first == last else f"{first} to {last}"


def _why(result: Mapping[str, Any]) -> str:
    return result["message"] if result["status"] == "ok" else f"{result['status']}: {result['message']}"


def method(made: Document) -> list[str]:
    """How it was measured, in sentences.

    Args:
        made: the record: the document beside `config`.
    """
    config = made["config"]
    results = [(point, result) for point in made["points"] for result in point["results"] if result["calls"]]
    launches = sorted({result["launches"] for _, result in results})
    if not launches:
        return []
    times = f"{launches[0]} times" if len(launches) == 1 else f"{launches[0]} to {launches[-1]} times"
    times = "once" if launches == [1] else times
    lines = [
        f"each model runs in a process of its own, started {times}; in a launch the models take turns at each "
        f"size, about {config['seconds']:g} s for each, after a warm-up until the times of calls settle",
        "latency: a call of the model, its inputs ready, up to the logits, over all calls of all launches; throughput: "
        "inputs and tokens (padding not counted) over the typical time of a pass (medians of its calls), the geometric "
        "mean of the launches",
    ]
    if any(point["mode"] == "training" for point, _ in results):
        lines.append("training: forward, backward and an AdamW step")
    if any(point["mode"] == "decode" for point, _ in results):
        lines.append(
            "prefill: a prompt is read (by an encoder, where there is one), up to the logits of the first token; "
            f"decode: {config['new_tokens']} tokens behind it, one a call, the likeliest each time and none of which "
            "ends a text: latency is of a token, throughput of those that are written for all prompts"
        )
    if any(point["length"] is None for point, _ in results):
        rows = f"rows: at most {config['sample_rows']:,} of {made['split']} at their own lengths"
        lines.append(f"{rows}, in batches of like length")
    if any(point["length"] is not None for point, _ in results):
        lines.append("lengths: exact, random tokens without padding")
    if len(made["subjects"]) > 1:
        lines.append(
            f"speed: the time of {made['subjects'][0]['name']} over that of the model, turn by turn, with a 95 % "
            f"t-interval over launches; 'no difference' where all of it lies within {statistics.MARGIN - 1:.0%} of 1, "
            "'not certain' where it covers 1 and more than that"
            if launches[-1] > 1
            else f"speed: the time of {made['subjects'][0]['name']} over that of the model, turn by turn; a single "
            "launch gives no interval"
        )
    meters = dict.fromkeys(subject["memory_method"] for subject in made["subjects"] if subject["memory_method"])
    lines.append(f"memory: the most while the size was measured, median of the launches: {'; '.join(meters)}")
    counters = dict.fromkeys(filter(None, (subject.get("energy_method") for subject in made["subjects"])))
    if counters and any(result["joules_per_sample"] is not None for _, result in results):
        lines.append(f"energy, while calls are made: {'; '.join(counters)}")
    if made["peak_flops"] and any(result["share_of_peak"] is not None for _, result in results):
        rate = f"{made['peak_flops'] / 1e9:,.0f} GFLOP/s"
        lines.append(f"peak: {rate} of a dense matrix product in torch, measured beside them")
    return lines


def doubts(made: Document) -> list[str]:
    """What may be wrong with the figures: calls that took much longer than others, times that did not settle."""
    results = [(point, result) for point in made["points"] for result in point["results"] if result["calls"]]
    doubts = []
    calls = sum(result["calls"] for _, result in results)
    outliers = sum(result["outliers"] for _, result in results)
    if outliers:
        point, result = max(results, key=lambda row: row[1]["largest_outlier_ms"] or 0)
        doubts.append(
            f"outliers: {outliers:,} of {calls:,} calls lie more than 3 interquartile ranges outside the quartiles "
            f"(Tukey); they are counted, the largest is {_number(result['largest_outlier_ms'])} ms "
            f"({result['subject']}, {choice.size(point)}, p50 {_number(result['p50_ms'])} ms)"
        )
    unstable = [f"{result['subject']} ({choice.size(point)})" for point, result in results if not result["stable"]]
    if unstable:
        more = f" and {len(unstable) - 3} more" if len(unstable) > 3 else ""
        doubts.append(f"still not settled after the warm-up: {', '.join(unstable[:3])}{more}")
    return doubts


# --- files ---


def markdown(made: Document) -> str:
    """A page with the result, the environment and the method, for an issue or a paper.

    Args:
        made: the record: the document beside `config` and `environment`.
    """
    parts = ["# Benchmark", markup.text(made["recommendation"])]
    for table in tables(made):
        parts += [f"## {markup.text(table.title[:1].upper() + table.title[1:])}", _markdown(table)]
    if lines := sentences(made):
        parts.append(_bullets(lines))
    here = environment.summary(made["environment"])
    parts += ["## Environment", _bullets([f"{name}: {text}" for name, text in here])]
    if lines := [*method(made), *doubts(made)]:
        parts += ["## Method", _bullets(lines)]
    return "\n\n".join(parts) + "\n"


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {markup.text(line)}" for line in lines)


def _markdown(table: Table) -> str:
    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cells)} |"

    def text(value: Cell) -> str:
        if value is None:
            return ""
        return f"{value:.4f}" if isinstance(value, float) else markup.text(value)

    rule = line(["---", *["---:"] * (len(table.header) - 1)])
    return "\n".join(
        [
            line([text(name) for name in table.header]),
            rule,
            *(line([text(value) for value in row]) for row in table.rows),
        ]
    )


def csv_rows(made: Document) -> list[Entry]:
    """A row a model and size, with every figure; intervals in columns of their own."""
    models = {subject["name"]: subject for subject in made["subjects"]}
    metric = made["main_metric"]
    on_gpu = any(result.get("gpu") for point in made["points"] for result in point["results"])
    rows = []
    for point in made["points"]:
        for result in point["results"]:
            subject = models[result["subject"]]
            row = {key: point[key] for key in ("mode", "batch_size", "length")}
            row |= {key: subject[key] for key in ("name", "model", "backend", "device", "parameters", "bytes")}
            row |= {key: subject[key] for key in ("load_seconds", "idle_bytes")}
            if metric:
                row |= {metric: (subject["metrics"] or {}).get(metric), "kept": subject["kept"]}
            for name, value in result.items():
                if name.endswith("_interval"):
                    row[f"{name}_low"], row[f"{name}_high"] = value or (None, None)
                elif name == "gpu":
                    row |= _state_columns(value) if on_gpu else {}
                elif name not in ("subject", "by_launch"):
                    row[name] = value
            rows.append(row)
    return rows


def _state_columns(state: Mapping[str, Any] | None) -> Entry:
    names = [f"gpu_{name}_{end}" for name in ("mhz", "celsius", "watts") for end in ("first", "last")]
    if state is None:
        return dict.fromkeys([*names, "gpu_slowed", "gpu_shared"])
    values = [value for name in ("mhz", "celsius", "watts") for value in state[name]]
    slowed = "; ".join(f"{reason}: {turns}" for reason, turns in state["slowed"].items())
    return {**dict(zip(names, values, strict=True)), "gpu_slowed": slowed, "gpu_shared": state["shared"]}


def write(made: Document, folder: Path) -> None:
    """Write benchmark.csv, benchmark.md and plots/*.png.

    Args:
        made: as for `markdown`.
        folder: that is there.
    """
    rows = csv_rows(made)
    with (folder / "benchmark.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]) if rows else [])
        out.writeheader()
        out.writerows(rows)
    (folder / PAGE).write_text(markdown(made), encoding="utf-8")
    drawings: dict[str, plots.Plot] = {}
    with ornament("plots/"):
        drawings = figures.figures(made)
    if drawings:
        plots.draw(drawings, folder / "plots")
