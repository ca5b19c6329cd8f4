"""Find what is wrong with a data set before an hour of training is lost.

Exit code 2 when training would be meaningless, 1 with --strict when there are warnings, else 0.

Example: nlpkit check-data --data reviews.csv
"""

from __future__ import annotations

from typing import Any, Literal

from nlpkit import models
from nlpkit.data import features, splits
from nlpkit.errors import UserError
from nlpkit.options import DEFAULT_MODEL, DataOptions, option
from nlpkit.reporting import Report
from nlpkit.tasks import registry
from nlpkit.tasks.base import Finding

COMMAND = "check-data"
TaskOptions: Any = registry.options_of_tasks("data_options")


class Config(TaskOptions, DataOptions):
    """Options of `nlpkit check-data`."""

    task: str = option(
        "text-classification", "The task that the data are for.", panel="Task", metavar="|".join(registry.TASKS)
    )
    model: str = option(
        DEFAULT_MODEL, "Model whose tokenizer measures lengths; `none` skips that.", panel="Model", metavar="PATH|NAME"
    )
    seed: int = option(42, "Seed of the hold-out when there is no validation split.", panel="Data", ge=0)
    show: int | None = option(None, "Print one example of train as the model will see it.", panel="Output", ge=0)
    strict: bool = option(False, "Exit with 1 when there are warnings.", panel="Output")


def run(config: Config) -> Report:
    """Check; returns the findings, and what is in the examples."""
    task_class = registry.task_class(config.task)
    registry.refuse_foreign_options(config, task_class, "data_options")
    loaded = splits.load(config, task_class)
    task = task_class.from_data(loaded.splits, config)
    splits.prepare(loaded, task, config, config.seed)
    findings: list[Finding] = []
    examples = {split: rows for split, rows in splits.examples(loaded, task, findings).items() if len(rows)}
    lines, lengths = [], None
    if examples:
        findings += task.check(examples)
    if examples and config.model != "none":
        tokenizer, limit = _tokenizer(config.model, slow=task.slow_tokenizers)
        lengths = features.choose_max_length(task, tokenizer, examples, limit, config.seed)
        lines.append(f"length: {lengths}")
        findings += task.length_findings(tokenizer, examples)
        if config.show is not None:
            shown = "train" in examples
            lines += _shown(task, tokenizer, examples["train"], config.show) if shown else ["train: no row to show"]
    rank = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: rank[finding.level])
    lines += [f"{finding.level}: {finding}" for finding in findings] or ["nothing wrong was found"]
    levels = [finding.level for finding in findings]
    record = {
        "task": task.record(),
        "rows": {split: len(rows) for split, rows in examples.items()},
        "length": lengths,
        "findings": [vars(finding) for finding in findings],
        "data": loaded.source.to_record(),
    }
    code = 2 if "error" in levels else 1 if config.strict and "warning" in levels else 0
    wrong: Literal["error", "warning"] = "error" if code == 2 else "warning"
    failure = f"{levels.count(wrong)} findings of the level {wrong} in the data"
    return Report(record, task.tables(examples), lines, exit_code=code, failure=failure)


def _tokenizer(name: str, *, slow: bool) -> tuple[Any, int | None]:
    resolved = models.resolve(name)
    tokenizer = models.load_tokenizer(resolved, slow=slow)
    return tokenizer, models.max_positions(models.load_config(resolved), tokenizer)


def _shown(task: Any, tokenizer: Any, rows: Any, index: int) -> list[str]:
    if index >= len(rows):
        raise UserError(f"--show {index}: train has {len(rows)} rows, counted from 0")
    example = rows[index]
    lines = [f"example {index} ({example['where']})"]
    return lines + [f"  {line}" for line in task.shown(tokenizer, example)]
