"""What a smaller model costs: it and the one it was made from, side by side on the same rows.

distill, prune and quantize end with this table, and each run keeps it (`price`) with those of its ancestors
(`lineage`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.hardware import memory
from nlpkit.measurement import speed
from nlpkit.metrics.evidence import Judgement
from nlpkit.models import files
from nlpkit.options import Config, option
from nlpkit.reporting import Cell, Table, counted, figures
from nlpkit.runs import standing as standings
from nlpkit.runs.few import few_rows
from nlpkit.runs.folder import human_bytes
from nlpkit.runs.standing import Standing

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.inference.predictor import Predictor
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.tasks.roles import Judged

WEIGHT_FILES = ("*.safetensors", "*.bin")
ALPHA = 0.05  # p below which two models are told apart
ONNX_DATA = ("*.onnx_data", "*.onnx.data")  # weights that an ONNX file has beside it, as nlpkit called them once


class ComparisonOptions(Config):
    """How long the comparison may take."""

    measure_seconds: float = option(
        speed.SECONDS,
        "Seconds of measuring the speed of each model in the end; 0 = leave it out.",
        panel="Output",
        ge=0,
    )


@dataclass
class Side:
    """One of the models that are compared.

    Attributes:
        name: for the table.
        predictor: the model, open.
        size: bytes of its weights on disk; None: as many as its tensors take.
        judged: how good it is on the compared rows, where that is known already.
        examples: these rows as the model's own task made them, where labels may be numbered in another way.
    """

    name: str
    predictor: Predictor
    size: int | None = None
    judged: Judgement | None = None
    examples: Dataset | None = None


def weight_bytes(folder: Path) -> int:
    """Bytes of the files that hold a model's weights (and its graph, where it was exported)."""
    exported = files.exported_file(folder)  # one file, under whatever names
    if exported is not None:
        weights = [*files.graphs(exported), *(file for pattern in ONNX_DATA for file in exported.parent.glob(pattern))]
    else:
        weights = [file for pattern in WEIGHT_FILES for file in folder.glob(pattern)]
    return sum(file.stat().st_size for file in weights)


def measure(
    sides: Sequence[Side],
    examples: Dataset,
    split: str,
    *,
    seconds: float = speed.SECONDS,
    batch_size: int = speed.BATCH_SIZE,
    standing: Standing | None = None,
) -> dict[str, Any]:
    """Quality, size and speed of each side, as nlpkit.json keeps them under `price`.

    Args:
        sides: the model that was begun with first; all of one task.
        examples: labelled rows that all are judged on; the speed is measured on a sample of them.
        split: their name.
        seconds: of measuring the speed of a side; 0: no speed.
        batch_size: rows at once, where several are measured together.
        standing: what the rows have decided before; nothing by default.
    """
    judged: list[Judgement] = []
    with reporting.current().progress("compare", len(sides) + 1, "models") as bar:
        for side in sides:
            judged.append(side.judged or judgement(side, examples))
            bar.advance()
        speeds: list[speed.Speed | None] = [None] * len(sides)
        if seconds:
            predictors = [side.predictor for side in sides]
            speeds = _speeds(predictors, examples, seconds, batch_size) or speeds
        bar.advance()
    first = sides[0].predictor
    return {
        "split": split,
        "rows": len(examples),
        **asdict(standing or Standing()),
        "written": first.task.judged_by_writing,
        "main_metric": first.task.main_metric,
        "device": [side.predictor.device.described for side in sides],
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "sides": [
            {
                "name": side.name,
                "metrics": dict(metrics),
                **_intervals(metrics, evidence),
                "points_lost": first.task.points_lost(judged[0][0], metrics),
                **_difference(first.task.main_metric, judged[0][1], evidence),
                "parameters": side.predictor.model.num_parameters(),
                "bytes": side.size if side.size is not None else side.predictor.weights.bytes,
                **(asdict(measured) if measured else {}),
            }
            for side, (metrics, evidence), measured in zip(sides, judged, speeds, strict=True)
        ],
    }


def judgement(side: Side, examples: Dataset) -> Judgement:
    """How good a side is on labelled rows, with what its metrics follow from."""
    own = examples if side.examples is None else side.examples
    outputs = side.predictor.outputs(own[:])
    task = side.predictor.task.with_conventions(outputs)
    return Judgement(task.score(outputs, own), task.evidence(outputs, own))


def _intervals(metrics: Mapping[str, float], evidence: Evidence | None) -> dict[str, Any]:
    """`metric_intervals` of a side, where there are any."""
    from nlpkit.metrics import intervals

    if evidence is None:
        return {}
    return {"metric_intervals": intervals.record({"side": evidence}, {"side": metrics})["metric_intervals"]["side"]}


def _difference(metric: str, first: Evidence | None, evidence: Evidence | None) -> dict[str, Any]:
    """`difference`: the main metric of a side less that of the first one, on the same rows."""
    from nlpkit.metrics import paired

    if first is None or evidence is None or first is evidence:
        return {}
    found = paired.differences(first, evidence).get(metric)
    return {} if found is None else {"difference": asdict(found)}


def _speeds(
    predictors: Sequence[Predictor], examples: Dataset, seconds: float, batch_size: int
) -> list[speed.Speed | None] | None:
    """None where there is no memory for it: what was made until here is worth more than its speed."""
    try:
        return [*speed.measure(predictors, speed.sample(examples[:]), batch_size=batch_size, seconds=seconds)]
    except Exception as error:
        if not memory.is_exhausted(error):
            raise
    memory.release()
    reporting.current().warn(
        f"the speed was not measured: out of memory with {counted(batch_size, 'row', 'rows')} at once beside what is "
        "in memory; "
        "`nlpkit benchmark` measures each model in a process of its own"
    )
    return None


def table(comparison: Mapping[str, Any], title: str = "before and after") -> Table:
    """A row a model."""
    metric = comparison["main_metric"]
    header = ["model", metric, "parameters", "size", *(["p50 ms", "p95 ms", "rows/s"] if _timed(comparison) else [])]
    rows = []
    for side in comparison["sides"]:
        (value,) = figures(side["metrics"], side.get("metric_intervals"), [metric])
        row: list[Cell] = [side["name"], value, f"{side['parameters'] / 1e6:.2f} M", human_bytes(side["bytes"])]
        if _timed(comparison):
            row += [f"{side['p50_ms']:.2f}", f"{side['p95_ms']:.2f}", f"{side['rows_per_second']:,.0f}"]
        rows.append(row)
    of = standings.title(comparison["split"], comparison.get("drawn_from"))
    return Table(f"{title} ({of}, {comparison['rows']:,} rows)", header, rows)


def lines(comparison: Mapping[str, Any], task: Judged, *, brackets: bool = True) -> list[str]:
    """What was gained for what was lost, a line for each side behind the first.

    Args:
        brackets: say what the brackets of the table are, where it has some.
    """
    first = comparison["sides"][0]
    metric = comparison.get("main_metric")
    gains = [f"{side['name']}: {gain(first, side, task, metric)}{sure(side, task)}" for side in comparison["sides"][1:]]
    few = few_rows({comparison["split"]: comparison["rows"]})
    told = _brackets(comparison) if brackets else []
    return [*gains, *few, *standings.lines(comparison), *told, *remarks(comparison)]


def sure(side: Mapping[str, Any], task: Judged) -> str:
    """How sure the change of the main metric is: its interval in points, and whether it is told from none."""
    difference = side.get("difference") or {}  # which records of older versions lack
    if difference.get("p") is None or difference.get("interval") is None:
        return ""
    if difference["p"] >= ALPHA:
        return f"; no clear difference on these rows (p = {difference['p']:.2g})"
    low, high = (end / task.point for end in difference["interval"])
    return f"; 95 % confidence interval of the change: {low:+.2f} to {high:+.2f} points"


def _brackets(comparison: Mapping[str, Any]) -> list[str]:
    """What the brackets of the table are; nothing where it has none."""
    if not any(side.get("metric_intervals") for side in comparison["sides"]):
        return []
    return ["in brackets: 95 % confidence intervals of each model by itself"]


def remarks(comparison: Mapping[str, Any]) -> list[str]:
    """How the speed was measured."""
    if not _timed(comparison):
        return []
    what = "of writing each text" if comparison.get("written") else "of the model alone"
    return [
        f"speed: {what}; p50 and p95 with one row at a time, rows/s in batches of "
        f"{comparison['sides'][0]['batch_size']}; {'; '.join(dict.fromkeys(comparison['device']))}"
    ]


def _timed(comparison: Mapping[str, Any]) -> bool:
    return "p50_ms" in comparison["sides"][0]


def gain(before: Mapping[str, Any], after: Mapping[str, Any], task: Judged, metric: str | None = None) -> str:
    """`2.0 times smaller, 1.9 times faster one by one and 2.1 in batches, for 0.8 points of accuracy (99.1 % kept)`.

    Args:
        metric: that both were judged by, where a task that was opened again does not tell; its main metric by default.
    """
    metric = metric or task.main_metric
    lost = after["points_lost"] - before["points_lost"]
    cost = f"for {lost:.2f} points of {metric}" if lost > 0 else f"with {metric} {-lost:.2f} points better"
    if round(lost, 2) == 0:
        cost = f"at the same {metric}"
    old, new = before["metrics"][metric], after["metrics"][metric]
    kept = f" ({new / old:.1%} kept)" if task.higher_is_better(metric) and old > 0 else ""
    faster = ""
    if "p50_ms" in before and "p50_ms" in after:
        singles, batches = before["p50_ms"] / after["p50_ms"], after["rows_per_second"] / before["rows_per_second"]
        faster = f"{singles:.1f} times faster one by one and {batches:.1f} in batches, "
    return f"{before['bytes'] / after['bytes']:.1f} times smaller, {faster}{cost}{kept}"


def lineage(parent: Mapping[str, Any] | None, comparison: Mapping[str, Any], command: str) -> list[dict[str, Any]]:
    """The ancestors of a run and itself, oldest first, each as its own price table saw it: `session` says when and
    where, `faster` how many times as fast it was as the one before it, one by one and in batches.

    Args:
        parent: nlpkit.json of the model that the run began with; None where it has none.
        comparison: of this run: the parent is its first side, the run itself the last.
        command: of this run.
    """
    before, after = comparison["sides"][0], comparison["sides"][-1]
    session = {"date": comparison["date"], "device": comparison["device"][-1]}
    known = (parent or {}).get("lineage") or [{"command": (parent or {}).get("command"), **before, "session": session}]
    made = {"command": command, **after, "session": session}
    if "p50_ms" in before and "p50_ms" in after:  # speeds of two sessions do not compare
        made["faster"] = [before["p50_ms"] / after["p50_ms"], after["rows_per_second"] / before["rows_per_second"]]
    return [*known, made]
