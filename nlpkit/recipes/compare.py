"""Compare runs. Prints in what they differ, and whether one is better on the same rows by more than chance.

Every model answers the rows of --data, or those that the first run held out; each is compared with the first. A share
of right rows is tested with McNemar's exact test, all other metrics with a paired bootstrap; of several models p is
corrected (Holm). `--fail-if worse` makes CI fail (exit code 1) when one is worse than the first by more than chance.
--no-judge compares the records alone: options, data and the figures that stand there.

Examples: nlpkit compare runs/old runs/new
nlpkit compare runs/large runs/small runs/int8 --data new.csv --output rows.csv --fail-if worse
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from nlpkit import reporting
from nlpkit.data import splits
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.experiment import inherited_data
from nlpkit.experiment.supervised import stop_on_errors
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor
from nlpkit.options import (
    DeviceOptions,
    EvaluatedRowsOptions,
    FolderOptions,
    OpeningOptions,
    SourceOptions,
    Strings,
    option,
    option_like,
)
from nlpkit.overview import differences
from nlpkit.overview.run import Run
from nlpkit.recipes import evaluate
from nlpkit.recipes.report import options_of
from nlpkit.reporting import Cell, Report, Table, counted, titled
from nlpkit.runs import standing
from nlpkit.runs.few import few_rows
from nlpkit.tasks import registry
from nlpkit.tasks.deferred import DeferredOptions, Kind
from nlpkit.tasks.options import TaskChoiceOptions
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from nlpkit.data.findings import Finding
    from nlpkit.data.sources import LoadedData
    from nlpkit.overview.same_rows import Comparison, DifferingRow, Judgement
    from nlpkit.tasks.contract import Task

COMMAND = "compare"
ESSENTIAL: tuple[str, ...] = ("runs", "data", "split", "output", "fail_if", "judge")
NEEDS = Judged  # of the task of the models
OF_EVALUATE = frozenset({"min_score", "min_margin"})
"""Options of tasks that are not read here: all rows are compared, whatever the score of an answer."""
SHOWN_ROWS = 5
SHOWN_TEXT = 80  # characters of a text in a table


class Config(DeferredOptions, EvaluatedRowsOptions, SourceOptions, TaskChoiceOptions, DeviceOptions):
    """Options of `nlpkit compare`."""

    kind: ClassVar[Kind] = "evaluate_options"
    opened: ClassVar[str] = "runs"

    runs: Strings = option(
        [], "Runs, the one that the others are compared with first.", panel="Input", metavar="MODEL", positional=True
    )
    split: str | None = option_like(
        evaluate.Config,
        "split",
        help="Split whose rows the models answer.",
        shown_default="without --data test, else validation, of the first run; with it all but train",
    )
    batch_size: int = option_like(TrainedModelOptions, "batch_size")
    max_length: int | None = option_like(TrainedModelOptions, "max_length")
    allow_pickle: bool = option_like(OpeningOptions, "allow_pickle")
    trust_remote_code: bool = option_like(OpeningOptions, "trust_remote_code")
    judge: bool = option(True, "Ask the models; --no-judge compares the records alone.", panel="Input")
    fail_if: Literal["worse"] | None = option(
        None, "Exit with 1 if a run is worse than the first by more than chance.", panel="Gate", only_with="judge"
    )
    output: Path | None = option(
        None,
        "File for the rows on which the models differ: csv, tsv, jsonl or parquet.",
        panel="Output",
        metavar="FILE",
        only_with="judge",
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output if it exists.", only_with="output")

    @classmethod
    def known_fields(cls) -> Mapping[str, FieldInfo]:
        """Without those that `evaluate` alone reads."""
        return {name: info for name, info in super().known_fields().items() if name not in OF_EVALUATE}

    @classmethod
    def declared(cls) -> Mapping[str, Sequence[tuple[FieldInfo, Sequence[str]]]]:
        """As `known_fields`."""
        return {name: ways for name, ways in super().declared().items() if name not in OF_EVALUATE}

    @classmethod
    def task_of(cls, values: Mapping[str, Any]) -> type[Task] | None:
        """As for other commands, of the first run."""
        runs = values.get("runs") or []
        return super().task_of({**values, "runs": runs[0] if runs else None})


def run(config: Config) -> Report:
    """Compare; returns tables of differences, figures and rows.

    Raises:
        UserError: fewer than two runs, models of different tasks, or rows that not all of them take.
    """
    _require_runs(config.runs)
    config.refuse_unread()
    if config.output is not None:
        _require_output(config.output, overwrite=config.overwrite)
    known = {name: Run.open(name) for name in config.runs if _has_record(name)}
    record: dict[str, Any] = {"runs": config.runs}
    tables = _differing(list(known.values()), record)
    lines = [f"{name} is no run of nlpkit: it has no record to compare" for name in config.runs if name not in known]
    if not config.judge:
        tables += _recorded(list(known.values()))
        record["metrics"] = {name: each.metrics for name, each in known.items()}
        return Report(record, tables, lines)
    judged = _ask_all(config, {name: known[name].record if name in known else {} for name in config.runs})
    told, failures = _told(config, judged, record)
    tables += told.tables
    lines += told.lines + failures
    return Report(record, tables, lines, exit_code=1 if failures else 0, failure="; ".join(failures))


def _require_runs(runs: Sequence[str]) -> None:
    if len(runs) < 2:
        raise UserError("give two runs or more", "nlpkit compare RUN RUN; `nlpkit runs` lists those that there are.")
    if twice := sorted({name for name in runs if runs.count(name) > 1}):
        raise UserError(f"{twice[0]} is given twice", "Give two different runs.")


def _require_output(path: Path, *, overwrite: bool) -> None:
    from nlpkit.data.writers import FORMATS
    from nlpkit.runs.files import require_writable

    if path.suffix.removeprefix(".") not in FORMATS:
        endings = ", ".join(f".{name}" for name in FORMATS)
        raise UserError(f"--output {path}: unknown format", f"End its name in one of: {endings}.")
    require_writable(path, overwrite=overwrite)


def _has_record(name: str) -> bool:
    from nlpkit.runs.folder import RECORD

    return (Path(name) / RECORD).is_file()


# --- records ---


def _differing(runs: list[Run], record: dict[str, Any]) -> list[Table]:
    """What differs between the records, as tables; it is put into the record of this command, too."""
    if len(runs) < 2:
        return []
    kinds = [options_of(run.command) for run in runs]
    found = {
        "options": differences.options(runs, kinds),
        "surroundings": differences.surroundings(runs),
        "data": differences.data(runs),
    }
    record.update(found)
    titles = {"options": "options that differ", "surroundings": "made with", "data": "data"}
    header = [str(run.path) for run in runs]
    return [
        Table(titles[name], ["", *header], [[key, *map(_cell, values)] for key, values in rows.items()], to_left=True)
        for name, rows in found.items()
        if rows
    ]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _recorded(runs: list[Run]) -> list[Table]:
    """The figures that stand in the records, side by side: each run was judged on rows of its own."""
    rows: list[list[Any]] = []
    for split in dict.fromkeys(split for run in runs for split in run.metrics):
        names = dict.fromkeys(name for run in runs for name in (run.record.get("table_metrics") or [run.main_metric]))
        for name in names:
            for title in dict.fromkeys(
                _title(run, name) for run in runs
            ):  # of one label for one run, another for others
                values = [run.figure(split, name) if _title(run, name) == title else None for run in runs]
                if any(value is not None for value in values):
                    rows.append([split, title, *(None if value is None else str(value) for value in values)])
    title = "figures in the records (each run was judged on its own rows)"
    return [Table(title, ["split", "metric", *(str(run.path) for run in runs)], rows, to_left=True)] if rows else []


def _title(run: Run, metric: str | None) -> str | None:
    """A metric with what it is of, as the record tells."""
    return None if metric is None else titled([metric], run.record.get("metric_notes") or {})[0]


# --- the same rows ---


@dataclass
class _Judged:
    """What all models said of the same rows.

    Attributes:
        loaded, split: whose rows they are.
        models: the answers of each.
        lost: rows that only some of them take.
        trained_on: which of the rows a model was trained on, in words, by its name.
        found: what is odd about the rows, as it was told.
        vocabulary: of the tokenizers, where the metrics are of tokens.
    """

    loaded: LoadedData
    split: str
    models: list[Judgement] = field(default_factory=list)
    lost: int = 0
    trained_on: dict[str, str] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    vocabulary: dict[str, int] = field(default_factory=dict)

    def ask(self, name: str, predictor: Predictor[Judged], config: evaluate.Config) -> None:
        """Add the answers of a model.

        Raises:
            UserError: it cannot be compared with the first, or takes none of the rows.
        """
        from nlpkit.overview.same_rows import Judgement

        task, loaded, split = predictor.task, self.loaded, self.split
        if self.models:
            _require_one_task(self.models[0], name, task)
        rows = evaluate.limited(loaded.splits[split], config)
        findings: list[Finding] = []
        with registry.pointing_elsewhere(type(task), rows, registry.OTHER_MODEL):
            reader = task.reader(user_columns(rows.column_names), config).settled(rows, split, loaded)
            if self.models:  # as the rows, not those that each was trained on, tell what is measured
                _require_alike(self.models[0], name, reader.task)
            self._require_tokens(name, predictor.tokenizer.get_vocab() if reader.task.of_tokens else {}, reader.task)
            examples = reader.examples(rows, split, loaded, findings)
        stop_on_errors(findings)
        for finding in findings:
            if str(finding) not in self.found:  # of one model, where the others do not find the same
                reporting.current().warn(f"{name}: {finding}" if self.models else str(finding))
                self.found.add(str(finding))
        if not len(examples):
            raise UserError(f"{name}: no row of {split} can be judged", "Name other rows: --data, --split.")
        keys = inherited_data.train_keys(predictor.record, name, task)
        if said := inherited_data.trained_on(predictor.record, name, keys, reader, loaded, split):
            self.trained_on[name] = said
        predictor = predictor.reading(reader)
        with reporting.current().progress(f"ask {name}", len(examples), "rows") as bar:
            outputs = predictor.outputs(examples[:], bar)
        if (cut := predictor.cut.finding(reader.task, split)) is not None:
            reporting.current().warn(f"{name}: {cut}")
        self.models.append(Judgement(name, reader.task.with_conventions(outputs), examples, outputs))

    def _require_tokens(self, name: str, vocabulary: dict[str, int], task: Judged) -> None:
        """Raises UserError: metrics are of tokens, and this model has others than the first."""
        if self.models and vocabulary != self.vocabulary:
            raise UserError(
                f"{name} cuts texts into other tokens than {self.models[0].name}; {task.main_metric} is of tokens",
                "Compare models with the same tokenizer.",
            )
        self.vocabulary = vocabulary


def _ask_all(config: Config, records: Mapping[str, Mapping[str, Any]]) -> _Judged:
    """Ask each model, one after the other: at most one of them is in memory.

    Args:
        records: nlpkit.json of each; empty where it has none.
    """
    from nlpkit.overview import same_rows

    given = {name: value for name, value in config.given_values().items() if name in evaluate.Config.known_fields()}
    judged: _Judged | None = None
    for name in config.runs:
        asked = evaluate.Config(**{**given, "model": name})
        predictor = open_predictor(asked, NEEDS, COMMAND)
        asked = asked.for_task(type(predictor.task))
        predictor = predictor.configured(asked)
        if judged is None:
            owner = standing.fairest(records)
            record = predictor.record if owner == name else records[owner]
            judged = _Judged(*_rows_of(asked, record, predictor.task, owner))
        judged.ask(name, predictor, asked)
        del predictor
    assert judged is not None
    judged.models, judged.lost = same_rows.aligned(judged.models)
    return judged


def _require_one_task(first: Judgement, name: str, task: Judged) -> None:
    """Refuse a model of another task than the first.

    Raises:
        UserError: naming both tasks.
    """
    if type(task) is not type(first.task):
        raise UserError(
            f"{name} is for {task.name}, and {first.name} for {first.task.name}", "Compare runs of one task."
        )


def _require_alike(first: Judgement, name: str, task: Judged) -> None:
    """Refuse a model whose figures cannot stand beside those of the first.

    Raises:
        UserError: it is of other kinds of labels, or its main metric is of another label.
    """
    from nlpkit.overview import same_rows

    if task.main_metric != first.task.main_metric:
        raise UserError(
            f"{name} is judged by {task.main_metric}, and {first.name} by {first.task.main_metric}",
            "Compare runs for the same kind of labels.",
        )
    metric, notes = task.main_metric, (first.task.metric_notes, task.metric_notes)
    if metric in same_rows.unlike_metrics(first.task, task):
        one, other = (each.get(metric, "of all labels") for each in notes)
        raise UserError(
            f"{metric} of {name} is {other}, and that of {first.name} {one}",
            "Compare runs with the same order of labels.",
        )


def _rows_of(
    config: evaluate.Config, record: Mapping[str, Any] | None, task: Task, owner: str
) -> tuple[LoadedData, str]:
    """The rows that all are asked about, and their split: those of --data, or those that a run held out."""
    if not any(getattr(config, name) for name in inherited_data.NAMES_DATA):
        loaded, _ = inherited_data.own_splits(config, record, owner, task)
        return loaded, evaluate.chosen_splits(config, loaded, (record or {}).get("metrics", {}))[0]
    loaded = splits.load(config, type(task))
    if config.split is None:
        splits.name_by_file(loaded)
    chosen = evaluate.chosen_splits(config, loaded, None)
    if len(chosen) > 1:
        chosen = [next((name for name in ("test", "validation") if name in chosen), chosen[0])]
        reporting.current().note(f"{chosen[0]}: these rows are answered (--split)")
    return loaded, chosen[0]


# --- what is told ---


def _told(config: Config, judged: _Judged, record: dict[str, Any]) -> tuple[Report, list[str]]:
    """Figures, rows and verdicts of the models; and why the gate does not hold."""
    from nlpkit.overview import same_rows

    first, models = judged.models[0], judged.models
    metric, rows = first.task.main_metric, len(first.examples)
    metrics = {model.name: model.task.score(model.outputs, model.examples) for model in models}
    answers = [model.task.view.judged_answers(model.outputs, model.examples) for model in models]
    compared = same_rows.compared(models, answers)
    differing = list(same_rows.rows_that_differ(models, answers, compared))
    lines: list[str] = []
    for said in judged.trained_on.values():
        reporting.current().warn(f"{judged.split}: {said}: a model that was trained on rows knows them")
    if judged.lost:
        lines.append(f"{counted(judged.lost, 'row is', 'rows are')} left out, which only some of the runs take")
    tables: list[Table] = []
    verdicts = {}
    for each in compared:
        if left_out := [name for name in each.unlike if all(name in metrics[one] for one in (first.name, each.name))]:
            told = f"{', '.join(left_out)}: left out, as they are of another label in {each.name} than in {first.name}"
            reporting.current().warn(told)
        tables.append(_figures(first, each, metrics, judged.split, several=len(compared) > 1))
        if (counts := each.counts()) is not None:
            tables.append(_two_by_two(first.name, each, counts))
        verdicts[each.name] = _verdict(first, each, metric)
        lines.append(verdicts[each.name])
        if each.agreement is not None:
            lines.append(f"{each.name} and {first.name} answer {each.agreement:.1%} of the rows alike")
    if len(compared) > 1:
        lines.append(f"p is corrected for {len(compared)} comparisons (Holm)")
    lines += few_rows({judged.split: rows})
    if shown := _shown(models, differing):
        tables.append(shown)
    for model in models:  # those that --per-class and the like ask for
        details = model.task.details(model.outputs, model.examples)
        tables += model.task.view.detail_tables(f"{model.name}, {judged.split}", details)
    if config.output is not None:
        _write(config.output, [_flat(row) for row in differing], overwrite=config.overwrite)
        lines.append(f"rows: {config.output}, {counted(len(differing), 'row', 'rows')}")
    record.update(
        task=first.task.name,
        rows=rows,
        split=judged.split,
        rows_left_out=judged.lost,
        judged_on=judged.loaded.source.to_record(),
        trained_on=judged.trained_on,
        main_metric=metric,
        metrics=metrics,
        comparisons=[_as_record(each, verdicts[each.name]) for each in compared],
        rows_that_differ=len(differing),
    )
    failures = []
    if config.fail_if == "worse":
        worse = [each.name for each in compared if each.better == "worse"]
        failures = [f"failed: {name} is worse than {first.name} (--fail-if worse)" for name in worse]
    return Report({}, tables, lines), failures


def _as_record(each: Comparison, verdict: str) -> dict[str, Any]:
    return {
        "run": each.name,
        "verdict": verdict,
        "better": each.better,
        "differences": {
            name: {
                "value": found.value,
                "interval": None if found.interval is None else list(found.interval),
                "p": found.p,
                "p_adjusted": each.adjusted[name],
                "test": found.test,
            }
            for name, found in each.differences.items()
        },
        "right_by": each.measure,
        "counts": each.counts(),
        "agreement": each.agreement,
        "unlike": list(each.unlike),
    }


def _figures(
    first: Judgement, each: Comparison, metrics: Mapping[str, Mapping[str, float]], split: str, *, several: bool
) -> Table:
    both = metrics[first.name].keys() & metrics[each.name].keys() - set(each.unlike)
    names = [name for name in first.task.table_metrics if name in both]
    body: list[list[Any]] = []
    for name, title in zip(names, titled(names, first.task.metric_notes), strict=True):
        line: list[Any] = [title, metrics[first.name][name], metrics[each.name][name]]
        found = each.differences.get(name)
        if found is None:
            body.append([*line, f"{metrics[each.name][name] - metrics[first.name][name]:+.4f}", None, None, None])
            continue
        between = None if found.interval is None else "{:+.4f} to {:+.4f}".format(*found.interval)
        body.append([*line, f"{found.value:+.4f}", between, _p(each.adjusted[name]), found.test])
    header = ["metric", first.name, each.name, "difference", "95 % interval", "p (Holm)" if several else "p", "test"]
    return Table(f"{split}, {len(first.examples):,} rows", header, body)


def _p(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.4f}" if value >= 1e-4 else "< 0.0001"


def _two_by_two(first: str, each: Comparison, counts: Mapping[str, int]) -> Table:
    body: list[list[Cell]] = [
        [f"{first} right", counts["both_right"], counts["only_first"]],
        [f"{first} wrong", counts["only_second"], counts["both_wrong"]],
    ]
    return Table(f"rows by {each.measure}", ["", f"{each.name} right", f"{each.name} wrong"], body)


def _verdict(first: Judgement, each: Comparison, metric: str) -> str:
    found = each.differences.get(metric)
    if found is None:
        return f"{each.name}: there is no test of {metric}"
    p = each.adjusted[metric]
    between = "" if found.interval is None else ", 95 % interval {:+.4f} to {:+.4f}".format(*found.interval)
    said = f"{metric} {found.value:+.4f}{between}" + ("" if p is None else f", p {_p(p)}") + f", {found.test}"
    if each.better is None:
        return f"{each.name} and {first.name} are not told apart: {said}"
    return f"{each.name} is {each.better} than {first.name}: {said}"


def _shown(models: Sequence[Judgement], differing: Sequence[DifferingRow]) -> Table | None:
    """The first rows that are not answered alike, of which the models are most sure."""
    with_answers = [row for row in differing if all("prediction" in told for told in row.answers.values())]
    if not with_answers:
        return None
    body = [
        [
            _cut(next(iter(row.texts.values()), "")),
            _cut(_cell(row.label)),
            *(_cut(_answer(row.answers[model.name])) for model in models),
        ]
        for row in with_answers[:SHOWN_ROWS]
    ]
    title = f"rows that one has right and another wrong: {min(len(body), SHOWN_ROWS)} of {len(differing):,}"
    if "right" not in with_answers[0].answers[models[0].name]:
        title = f"answers: {len(body)} of {len(differing):,} rows"
    return Table(title, ["text", "label", *(model.name for model in models)], body, to_left=True)


def _answer(told: Mapping[str, Any]) -> str:
    prediction, score = told["prediction"], told.get("score")
    if isinstance(prediction, list):
        parts = [f"{part['text']}: {part['label']}" if isinstance(part, dict) else str(part) for part in prediction]
        prediction = ", ".join(parts) or "(none)"
    said = str(prediction) if prediction != "" else "(no answer)"
    return said if score is None else f"{said} ({score:.2f})"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_TEXT else text[: SHOWN_TEXT - 1] + "…"


def _flat(row: DifferingRow) -> dict[str, Any]:
    """A row with a column for each thing that a model said, as tables take it."""
    flat: dict[str, Any] = {**row.texts, "label": _cell(row.label)}
    for name, told in row.answers.items():
        for said, value in told.items():
            flat[f"{name} {said}"] = _cell(value) if isinstance(value, list | dict) else value
    return {**flat, "where": row.where}


def _write(path: Path, rows: list[dict[str, Any]], *, overwrite: bool) -> None:
    from nlpkit.data.writers import writer

    with writer(path, overwrite=overwrite) as write:
        write(rows)
