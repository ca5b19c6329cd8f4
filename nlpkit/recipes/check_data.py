"""Find what is wrong with a data set before an hour of training is lost. Prints what it finds;
--output writes it to a file.

Exit code 2 when training would be meaningless, 1 with --strict when there are warnings, else 0. With --output
report.html it leaves a page that can be handed on: counts, lengths, labels, each finding with its rows.

Examples: nlpkit check-data --data reviews.csv
nlpkit check-data --data reviews.csv --output report.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nlpkit import __version__, reporting
from nlpkit.data import splits
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.options import DataOptions, FolderOptions, ModelOptions, SeedOptions, option, option_like
from nlpkit.reporting import Report, counted
from nlpkit.tasks import features, registry, suspects
from nlpkit.tasks import lengths as token_lengths
from nlpkit.tasks.contract import Task
from nlpkit.tasks.deferred import DeferredOptions, Kind
from nlpkit.tasks.roles import Trainable

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from nlpkit.runs.plots import Plot

COMMAND = "check-data"
ESSENTIAL: tuple[str, ...] = ("data", "task", "model", "show", "output", "strict")
DOCUMENTS = (".html", ".json")
SUSPECTS = 10


NEEDS = Trainable  # of the task of the model


class Config(DeferredOptions, DataOptions):
    """Options of `nlpkit check-data`."""

    kind: ClassVar[Kind] = "data_options"
    opened: ClassVar[str] = "task"

    task: str = option(
        "text-classification", "The task that the data are for.", panel="Task", metavar="|".join(registry.TASKS)
    )
    model: str = option_like(ModelOptions, "model", help="Model whose tokenizer measures lengths; `none` skips that.")
    seed: int = option_like(
        SeedOptions, "seed", help="Seed of the hold-out when there is no validation split.", panel="Data"
    )
    show: int | None = option(None, "Print one example of train as the model will see it.", panel="Output", ge=0)
    suspects: int | None = option(
        None,
        "Name N rows whose label a simple model, trained on the other rows, contradicts most surely.",
        panel="Output",
        ge=0,
        shown_default=f"{SUSPECTS} with --output, else 0",
    )
    output: Path | None = option(None, "Report to write: .html or .json.", panel="Output", metavar="FILE")
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output if it exists.")
    strict: bool = option(False, "Exit with 1 when there are warnings.", panel="Output")

    @classmethod
    def task_of(cls, values: Mapping[str, Any]) -> type[Task] | None:
        return registry.task_class(values["task"]) if values.get("task") else None


def run(config: Config) -> Report:
    """Check; returns the findings, and what is in the examples."""
    if config.output is not None:
        _require_output(config.output, overwrite=config.overwrite)
    task_class = registry.require_class(registry.task_class(config.task), NEEDS, "check-data")
    config = config.for_task(task_class)
    findings: list[Finding] = []
    with reporting.listening() as heard:
        loaded = splits.load(config, task_class)
        first = next(iter(loaded.splits.values()))
        with registry.pointing_elsewhere(task_class, first, "--task {task} checks them."):
            task = task_class.from_data(loaded.splits, config)
            reader = task.reader(options=config)
            splits.prepare(loaded, reader, config, config.seed)
            examples = {split: rows for split, rows in splits.examples(loaded, reader, findings).items() if len(rows)}
        lines, length, lengths = [], None, {}
        if examples:
            findings += task.check(examples)
        if examples and config.model != "none":
            tokenizer, limit, most = _tokenizer(config.model, slow=task.slow_tokenizers)
            task, length = features.choose_lengths(task, tokenizer, examples, limit, most, config.seed)
            lines.append(f"length: {length}")
            findings += task.length_findings(tokenizer, examples)
            lengths = token_lengths.sampled(task, tokenizer, examples, config.seed)
            if config.show is not None:
                shown = "train" in examples
                lines += _shown(task, tokenizer, examples["train"], config.show) if shown else ["train: no row to show"]
        tables = task.view.tables(examples) if examples else []
    rank = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: rank[finding.level])
    lines += [f"{finding.level}: {finding}" for finding in findings] or ["nothing wrong was found"]
    errors = sum(finding.level == "error" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings) + len(heard.warnings)
    most = SUSPECTS if config.output else 0
    if config.suspects is not None:
        most = config.suspects
    copies = splits.told_copies(loaded, tuple(loaded.splits))
    suspected = suspects.find(task, examples, most, config.seed) if most and not copies else None
    if most and copies:
        suspected = suspects.Suspects(f"not looked for: {copies}, some would be judged by what their row has taught")
    if suspected is not None:
        lines += [f"suspects: {suspected.said}", *(f"    {suspects.line(row)}" for row in suspected.rows)]
    record = {
        "task": task.record(),
        "verdict": _verdict(errors, warnings),
        "rows": {split: len(rows) for split, rows in examples.items()},
        "length": length,
        "token_lengths": token_lengths.described(lengths),
        "tables": [
            {"title": table.title, "header": table.header, "rows": table.whole or table.rows} for table in tables
        ],
        "findings": [vars(finding) for finding in findings],
        "notes": heard.notes,
        "warnings": heard.warnings,
        "suspects": suspected.to_record() if suspected else None,
        "data": loaded.source.to_record(),
    }
    if config.output is not None:
        _write(config.output, record, task, examples, lengths, overwrite=config.overwrite)
        lines.append(f"report: {config.output}")
    code = 1 if config.strict and warnings else 0
    if errors:
        code = 2
    return Report(record, tables, lines, exit_code=code, failure=f"{_counted(errors, warnings)} in the data")


def _counted(errors: int, warnings: int) -> str:
    counts = {"error": errors, "warning": warnings}
    return ", ".join(counted(count, name, f"{name}s") for name, count in counts.items() if count)


def _verdict(errors: int, warnings: int) -> str:
    lead = "Training on these data would be meaningless" if errors else "These data can be trained on"
    return f"{lead}: {_counted(errors, warnings)}." if errors or warnings else f"{lead}."


def _require_output(path: Path, *, overwrite: bool) -> None:
    from nlpkit.runs.files import require_writable

    if path.suffix not in DOCUMENTS:
        raise UserError(f"--output {path}: unknown format", f"End its name in one of: {', '.join(DOCUMENTS)}.")
    require_writable(path, overwrite=overwrite)


def _write(
    path: Path,
    record: Mapping[str, Any],
    task: Trainable,
    examples: Mapping[str, Dataset],
    lengths: Mapping[str, np.ndarray],
    *,
    overwrite: bool,
) -> None:
    from nlpkit.runs import data_report, plots
    from nlpkit.runs.files import whole, write_json, writing

    with writing(path):
        if path.suffix == ".json":
            write_json(path, record, overwrite=overwrite)
            return
        drawn: dict[str, Plot] = {"token lengths": plots.histograms(lengths, "tokens per row")} if lengths else {}
        drawn |= task.view.plots({}, examples) if examples else {}
        written = f"nlpkit {__version__} check-data, {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}"
        with whole(path, overwrite=overwrite) as partial:
            partial.write_text(data_report.html(record, drawn, written), encoding="utf-8")


def _tokenizer(name: str, *, slow: bool) -> tuple[Any, int | None, int | None]:
    """The tokenizer of a model, and how many tokens are read where none are asked for, and at most."""
    resolved = opening.resolve(name)
    tokenizer = opening.load_tokenizer(resolved, slow=slow)
    config = opening.load_config(resolved)
    return tokenizer, opening.max_positions(config, tokenizer), opening.takes(config)


def _shown(task: Trainable, tokenizer: Any, rows: Dataset, index: int) -> list[str]:
    if index >= len(rows):
        raise UserError(f"--show {index}: train has {len(rows)} rows, counted from 0")
    example = rows[index]
    lines = [f"example {index} ({example['where']})"]
    return lines + [f"  {line}" for line in task.view.shown(tokenizer, example)]
