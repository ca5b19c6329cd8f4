"""Measure a trained model on labelled data. Prints the figures, and adds them to
the record of a run folder.

Works for a run folder, a plain Transformers folder and a hub model; a masked language model is measured on plain text.
Without data it is measured on the rows that its run held out.

`--fail-under accuracy=0.9` makes CI fail (exit code 1) when the model is worse.

Examples: nlpkit evaluate runs/reviews
nlpkit evaluate runs/reviews --data new.csv --fail-under accuracy=0.9
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from nlpkit import reporting
from nlpkit.data import draws, splits
from nlpkit.data.as_trained import settled
from nlpkit.data.findings import Finding
from nlpkit.data.inputs import FORMATS
from nlpkit.data.places import user_columns
from nlpkit.errors import RunError, UserError
from nlpkit.experiment import inherited_data, supervised
from nlpkit.experiment.supervised import require_metric, stop_on_errors
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.measurement import breakdown
from nlpkit.metrics import confused
from nlpkit.metrics.selective import COVERAGE, Point
from nlpkit.models import opening
from nlpkit.options import EvaluatedRowsOptions, Pairs, SourceOptions, flag_of, option
from nlpkit.reporting import Report, Table, counted, figures, titled
from nlpkit.runs import lock
from nlpkit.runs.few import few_rows, interval_notes
from nlpkit.runs.files import write_json, writing
from nlpkit.runs.folder import read_record
from nlpkit.runs.records import RECORD
from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks import registry
from nlpkit.tasks.deferred import DeferredOptions, Kind
from nlpkit.tasks.options import CoverageOptions, MarginCoverageOptions
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.tasks.outputs import Outputs


COMMAND = "evaluate"
LEAST = {"min_score": "score", "min_margin": "margin"}  # options that choose answers, and by what
PATIENCE = 10.0  # seconds to wait for another command that adds to the record
ESSENTIAL: tuple[str, ...] = ("model", "data", "split", "breakdown_by", "fail_under")


NEEDS = Judged  # of the task of the model


class Config(DeferredOptions, EvaluatedRowsOptions, SourceOptions, TrainedModelOptions):
    """Options of `nlpkit evaluate`."""

    kind: ClassVar[Kind] = "evaluate_options"

    split: str | None = option(
        None,
        "Split to measure.",
        panel="Data",
        shown_default="all but train; train if there is no other; without --data test, else validation",
    )
    breakdown_by: str | None = option(
        None,
        "Show figures of groups of rows: by the values of a column, a file with a line for each row, or the files of "
        "the data.",
        panel="Data",
        metavar="COLUMN|FILE|files",
    )
    fail_under: Pairs = option({}, "Exit with 1 if a metric is lower (repeatable).", panel="Gate", metavar="METRIC=X")
    fail_over: Pairs = option({}, "Exit with 1 if a metric is higher (repeatable).", panel="Gate", metavar="METRIC=X")
    save: bool = option(True, "Add the figures to the nlpkit.json of a run folder.", panel="Output")


class Gate(NamedTuple):
    """A condition under which the exit code is 1: `fails(value of the metric, bound)`."""

    flag: str
    metric: str
    bound: float
    fails: Callable[[float, float], bool]


def run(config: Config) -> Report:
    """Evaluate; returns a table with a row for each split."""
    from nlpkit.metrics import intervals

    gates = _gates(config)
    if gates:
        _require_possible(gates, config)
    predictor = open_predictor(config, NEEDS, "evaluate")
    config = config.for_task(type(predictor.task))
    predictor = predictor.configured(config)
    task = predictor.task
    own = not any(getattr(config, name) for name in inherited_data.NAMES_DATA)
    if own:
        loaded, _ = inherited_data.own_splits(config, predictor.record, config.model, task)
    else:
        keys = inherited_data.train_keys(predictor.record, config.model, task)
        if config.data and Path(config.data).is_file():
            formats = {**FORMATS, **task.file_formats}
            config = settled(config, config.data, predictor.record, task.reader().input_columns, formats)
        loaded = splits.load(config, type(task))
        if config.split is None:
            splits.name_by_file(loaded)
    chosen = chosen_splits(config, loaded, (predictor.record or {}).get("metrics", {}) if own else None)
    columns = loaded.splits[chosen[0]].column_names
    with registry.pointing_elsewhere(type(task), loaded.splits[chosen[0]], registry.OTHER_MODEL):
        reader = task.reader(user_columns(columns), config)
        if reader.labelled(columns):  # which columns are read, may hang on what the cells hold
            reader = reader.settled(limited(loaded.splits[chosen[0]], config), chosen[0], loaded)
    task = reader.task
    if not own:
        for warning in inherited_data.overlap(predictor.record, config.model, keys, reader, loaded, chosen):
            reporting.current().warn(warning)
    findings: list[Finding] = []
    metrics: dict[str, dict[str, float]] = {}
    evidence: dict[str, Evidence | None] = {}
    details: dict[str, Any] = {}
    judged: dict[str, Dataset] = {}
    rows: dict[str, int] = {}
    left_out: dict[str, int] = {}
    groups: dict[str, dict[str, Any]] = {}
    reused = 0
    start = time.monotonic()
    for split in chosen:
        if len(chosen) > 1 and not reader.labelled(loaded.splits[split].column_names):
            reporting.current().note(f"{split}: no labels, not measured")
            continue
        read = limited(loaded.splits[split], config)
        group_of: dict[str, str] = {}
        if config.breakdown_by is not None:
            group_of = breakdown.groups_of(config.breakdown_by, loaded.splits[split], split, loaded)
        with registry.pointing_elsewhere(type(task), loaded.splits[split], registry.OTHER_MODEL):
            before, reader = reader.task, reader.settled(read, split, loaded)
            task = task if reader.task is before else reader.task  # with what the rows told of it
            examples = reader.examples(read, split, loaded, findings)
        stop_on_errors(findings)
        left_out[split] = len(read) - len(examples)
        if not len(examples):
            continue
        known = [*task.metric_names(examples), *_of_coverage(config)]
        if not task.metric_names(examples):
            raise UserError(
                f"{split}: nothing in these rows tells which answers are right: {task.describe()}",
                f"Name rows of {task.reads}.",
            )
        for gate in gates:
            require_metric(gate.flag, gate.metric, known)
        predictor = predictor.reading(reader)
        with reporting.current().progress(f"evaluate {split}", len(examples), "rows") as bar:
            outputs = predictor.outputs(examples[:], bar)
        reused += predictor.reused
        if (cut := predictor.cut.finding(task, split)) is not None:
            findings.append(cut)
        task = task.with_conventions(outputs)
        covered, answered = None, None
        if _of_coverage(config):
            answered = examples["where"][:] if "where" in examples.column_names else None
            covered = _covered(task, outputs, examples, _least(config), split)
        if covered is not None:
            outputs, examples = model_outputs.selected(outputs, covered.rows), examples.select(covered.rows)
        metrics[split] = task.score(outputs, examples) | ({} if covered is None else {COVERAGE: covered.share})
        evidence[split] = task.evidence(outputs, examples)
        for gate in gates:  # which there are may hang on the answers
            require_metric(gate.flag, gate.metric, metrics[split])
        details[split] = task.details(outputs, examples) | ({} if covered is None else {COVERAGE: covered.details})
        rows[split], judged[split] = len(examples), examples
        if config.breakdown_by is not None:
            places = loaded.places(read, split)
            groups[split] = breakdown.of(task, outputs, examples, evidence[split], group_of, places, answered)
    if not metrics:
        why = "; ".join(finding.message for finding in findings)
        message = f"{', '.join(chosen)}: there is no row to judge" + (f": {why}" if why else "")
        findings.append(Finding("error", "no-rows", message))
    stop_on_errors(findings)
    for finding in findings:
        reporting.current().warn(str(finding))
    seen = {split: _seen(count, left_out[split]) for split, count in rows.items()}
    failures = _failures(gates, metrics, seen)
    seconds = time.monotonic() - start
    main = task.main_metric
    record = {
        "model": config.model,
        **({"task": config.task} if config.task else {}),
        **_least(config),
        "data": loaded.source.to_record(),
        "device": predictor.device.described,
        "rows": rows,
        "rows_left_out": left_out,
        "metrics": metrics,
        **intervals.record(evidence, metrics),
        **({"baselines": beside} if (beside := supervised.yardsticks(task, judged)) else {}),
        "metric_notes": dict(task.metric_notes),
        "details": details,
        **({} if config.breakdown_by is None else {"breakdown": _breakdown(config.breakdown_by, groups, main)}),
        "failures": failures,
        # what was not computed now says nothing of speed
        "rows_per_second": None if reused else round(sum(rows.values()) / seconds, 1),
        "from_cache": reused,
    }
    if config.save and predictor.record is not None:
        _add_to_run(Path(opening.resolve(config.model)), record)
    tables = _tables(config, task, record)
    lines = [f"{split}: {note}" for split, note in seen.items() if left_out[split]]
    for split, found in groups.items():
        lines += breakdown.lines(split, found, main, breakdown.mean_of(found, main))
    lines += few_rows(rows) + interval_notes(record)
    lines += [line for split, of_split in details.items() for line in _coverage_lines(split, of_split)]
    lines += failures
    return Report(record, tables, lines, exit_code=1 if failures else 0, failure="; ".join(failures))


def _breakdown(by: str, groups: Mapping[str, dict[str, Any]], metric: str) -> dict[str, Any]:
    """The figures of groups, by split, and the mean of the main metric over them, where there are several."""
    means = {split: breakdown.mean_of(found, metric) for split, found in groups.items()}
    return {
        "by": by,
        "groups": groups,
        "means": {split: {metric: mean} for split, mean in means.items() if mean is not None},
    }


class _Covered(NamedTuple):
    """The rows of a split whose answers are measured: which, their share, and what answers have which score."""

    rows: np.ndarray
    share: float
    details: dict[str, Any]


def _covered(task: Judged, outputs: Outputs, examples: Dataset, least: Mapping[str, float], split: str) -> _Covered:
    """The rows whose answer has as high a score, and as wide a margin, as is asked for.

    Args:
        least: see `_least`.

    Raises:
        UserError: answers have no score or no margin, or none has so high a one.
    """
    from nlpkit.metrics import selective

    sure = task.sureness(outputs, examples)
    if sure is None:
        flags = " and ".join(map(flag_of, least))
        raise UserError(
            f"{flags}: {task.describe()}: there is no one score per row", "Leave it out, or see --fail-over ece=X."
        )
    scores, right = sure
    values = {"min_score": scores}
    if "min_margin" in least:
        margins = task.margins(outputs)
        if margins is None:
            raise UserError(f"--min-margin: {task.describe()}: answers have no margin", "Leave it out.")
        values["min_margin"] = margins
    kept = np.ones(len(right), bool)
    told: dict[str, Any] = {"rows": len(right)}
    for name, bound in least.items():
        kept &= values[name] >= bound
        told |= {
            name: bound,
            _table_of(name): [_recorded(point, name) for point in selective.table(values[name], right)],
            _reached_of(name): {
                f"{share:g}": _recorded(point, name) for share, point in selective.reaching(values[name], right).items()
            },
        }
    rows = np.flatnonzero(kept)
    if not len(rows):
        highest = ", ".join(f"the highest {LEAST[name]} is {values[name].max():.4f}" for name in least)
        asked = " ".join(f"{flag_of(name)} {bound:g}" for name, bound in least.items())
        raise UserError(f"{asked}: no answer of {split} has it, {highest}")
    return _Covered(rows, len(rows) / len(right), {**told, "answered": len(rows)})


def _table_of(name: str) -> str:
    """The entry of the details with the table by an option."""
    return "table" if name == "min_score" else "margin_table"


def _reached_of(name: str) -> str:
    """The same with the shares of right answers that are reached by it."""
    return "reached" if name == "min_score" else "margin_reached"


def _recorded(point: Point, name: str) -> dict[str, Any]:
    """A point as records have it: its bound is called as the option."""
    return {name: point.least, "coverage": point.coverage, "rows": point.rows, "right": point.right}


def _of_coverage(config: Config) -> list[str]:
    """The names of the metrics that --min-score adds."""
    return [COVERAGE] if _least(config) else []


def _least(config: Config) -> dict[str, float]:
    """The values of --min-score and --min-margin, where they are given."""
    options: dict[str, Any] = dict(config.task_values)
    if isinstance(config, CoverageOptions):
        options["min_score"] = config.min_score
    if isinstance(config, MarginCoverageOptions):
        options["min_margin"] = config.min_margin
    return {name: options[name] for name in LEAST if options.get(name) is not None}


def _coverage_tables(split: str, details: Mapping[str, Any]) -> list[Table]:
    """The share of right answers over the share that is given, by each option that chooses answers."""
    tables = []
    for name in _chosen_by(details):
        body = [
            [point[name], f"{point['coverage']:.1%}", point["rows"], point["right"]]
            for point in details[COVERAGE][_table_of(name)]
        ]
        header = [name.replace("_", " "), "coverage", "rows", "right"]
        tables.append(Table(f"{split}, by {flag_of(name)}", header, body))
    return tables


def _chosen_by(details: Mapping[str, Any]) -> list[str]:
    """The options that chose the answers that are measured."""
    return [name for name in LEAST if name in details.get(COVERAGE, {})]


def _typed(score: float) -> str:
    """A bound that can be typed: never above the score itself, or the answer that has it would be left out."""
    return f"{math.floor(score * 10_000) / 10_000:.4f}"


def _coverage_lines(split: str, details: Mapping[str, Any]) -> list[str]:
    """How many answers are measured, and which scores or margins reach which share of right ones."""
    chosen = _chosen_by(details)
    if not chosen:
        return []
    told = details[COVERAGE]
    share = f"{told['answered']:,} of {told['rows']:,} rows ({told['answered'] / told['rows']:.1%})"
    bounds = " and ".join(f"a {LEAST[name]} of {told[name]:g} or more" for name in chosen)
    lines = [f"{split}: {share} have {bounds}; the metrics are of these"]
    for name in chosen:
        reached = [
            f"{target} by {flag_of(name)} {_typed(point[name])} (coverage {point['coverage']:.1%})"
            for target, point in told[_reached_of(name)].items()
        ]
        if reached:
            lines.append(
                f"{split}: a share of right answers of {', '.join(reached)} is reached; chosen on these rows, so "
                "expect somewhat less on others"
            )
    return lines


def _seen(rows: int, left_out: int) -> str:
    if left_out:
        return f"{rows:,} of {rows + left_out:,} rows {'was' if rows == 1 else 'were'} judged"
    return counted(rows, "row was judged", "rows were judged")


def chosen_splits(config: Config, loaded: LoadedData, labelled: Collection[str] | None) -> list[str]:
    """The splits that are measured.

    Args:
        labelled: where they are those of the run that made the model: the ones that it was judged on, as labels of test
            may be kept back.
    """
    present = list(loaded.splits)
    if config.split is None and labelled is not None:
        held = [split for split in ("test", "validation") if split in present]
        chosen = next((split for split in held if split in labelled), (held or present)[0])
        reporting.current().note(f"{chosen}: the run's own rows (--split)")
        return [chosen]
    if config.split is None:
        return [split for split in present if split != "train"] or present
    return [splits.require(config.split, present, loaded)]


def limited(rows: Dataset, config: Config) -> Dataset:
    """The rows of a split that are judged: all, or a sample that is always the same."""
    if config.max_eval_samples is None:
        return rows
    return draws.sample_balanced(rows, config.max_eval_samples, balance_by=None, seed=0)


def _gates(config: Config) -> list[Gate]:
    """The conditions of --fail-under and --fail-over.

    Raises:
        UserError: a bound is no number.
    """
    gates = [
        Gate(flag, name, bound, fails)
        for flag, bounds, fails in (
            ("--fail-under", config.fail_under, operator.lt),
            ("--fail-over", config.fail_over, operator.gt),
        )
        for name, bound in bounds.items()
    ]
    for gate in gates:
        if not isinstance(gate.bound, int | float):
            raise UserError(f"{gate.flag} {gate.metric}={gate.bound}: the bound is not a number")
    return gates


def _require_possible(gates: list[Gate], config: Config) -> None:
    """Fail on a misspelt metric before weights and data are read.

    Raises:
        UserError: naming the nearest metric.
    """
    place = opening.resolve(config.model)
    trust: Any = {"revision": config.model_revision, "trust_remote_code": config.trust_remote_code}
    record = (read_record(place) or {}).get("task")
    claimed = registry.task_of_model(opening.load_config(place, **trust), record, place, named=config.task)
    task = registry.require(claimed, NEEDS, "evaluate")
    known = [*task.possible_metrics(), *_of_coverage(config)]
    for gate in gates:
        require_metric(gate.flag, gate.metric, known)


def _failures(gates: list[Gate], metrics: dict[str, dict[str, float]], seen: dict[str, str]) -> list[str]:
    """What did not hold, one line each.

    Args:
        seen: how many rows of each split the metrics are of.
    """
    failures = []
    for gate in gates:
        for split, values in metrics.items():
            value = values[gate.metric]
            # a metric that is not a number fails every gate
            if gate.fails(value, gate.bound) or value != value:
                figure = f"{split} {gate.metric} is {value:.4f}"
                failures.append(f"failed: {figure} ({gate.flag} {gate.bound:g}; {seen[split]})")
    return failures


def _tables(config: Config, task: Judged, record: Mapping[str, Any]) -> list[Table]:
    metrics, between = record["metrics"], record["metric_intervals"]
    names = [name for name in task.table_metrics if any(name in values for values in metrics.values())]
    named = (*_of_coverage(config), *config.fail_under, *config.fail_over)
    names += [name for name in dict.fromkeys(named) if name not in names]
    body = []
    for split, values in metrics.items():
        count = record["rows"][split]
        body.append([split, count, *figures(values, between.get(split), names)])
        body += supervised.beside(record, split, count, names)
    tables = [Table("result", ["split", "rows", *titled(names, record["metric_notes"])], body)]
    for split, found in record.get("breakdown", {}).get("groups", {}).items():
        tables.append(breakdown.table(split, record["breakdown"]["by"], found, names, record["metric_notes"]))
    for split, split_details in record["details"].items():
        tables += _coverage_tables(split, split_details)
        tables += [*confused.tables(split, split_details), *task.view.detail_tables(split, split_details)]
    return tables


def _add_to_run(folder: Path, record: dict[str, Any]) -> None:
    """Keep the figures in the record of the run; where that cannot be, they are shown all the same."""
    try:
        if (folder / RECORD).is_symlink():  # to the cache of the hub, for one
            raise UserError("it is a link, and nlpkit does not write through links")
        # two that judge a model at the same time keep both
        with lock.given_back(), writing(folder / RECORD):
            lock.take(folder, patience=PATIENCE)
            _append(folder, record)
    except (UserError, RunError) as error:
        reporting.current().warn(f"the figures are not added to {folder / RECORD}: {error.message}")


def _append(folder: Path, record: dict[str, Any]) -> None:
    run = read_record(folder)
    if run:
        told = ("task", *LEAST, "data", "device", "rows", "metrics", "metric_intervals", "interval_level", "failures")
        entry: dict[str, Any] = {key: record[key] for key in told if key in record}
        entry["date"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        run.setdefault("evaluations", []).append(entry)
        write_json(folder / RECORD, run)
