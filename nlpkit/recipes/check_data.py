"""Find what is wrong with a data set before an hour of training is lost.

Exit code 2 when training would be meaningless, 1 with --strict when there are warnings, else 0.

Example: nlpkit check-data --data reviews.csv
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nlpkit import models, reporting
from nlpkit.data import features, splits
from nlpkit.errors import UserError
from nlpkit.options import DEFAULT_MODEL, DataOptions, option
from nlpkit.reporting import Report, Table
from nlpkit.tasks.base import Finding
from nlpkit.tasks.classification import ClassificationOptions
from nlpkit.tasks.registry import task_class

COMMAND = "check-data"
SHOWN_LABELS = 20


class Config(ClassificationOptions, DataOptions):
    """Options of `nlpkit check-data`."""

    task: str = option("text-classification", "The task that the data are for.", panel="Task")
    model: str = option(
        DEFAULT_MODEL, "Model whose tokenizer measures lengths; `none` skips that.", panel="Model", metavar="PATH|NAME"
    )
    seed: int = option(42, "Seed of the hold-out when there is no validation split.", panel="Data", ge=0)
    show: int | None = option(None, "Print one example of train as the model will see it.", panel="Output", ge=0)
    strict: bool = option(False, "Exit with 1 when there are warnings.", panel="Output")


def run(config: Config) -> Report:
    """Check; returns the findings and the label counts."""
    loaded = splits.load(config)
    task = task_class(config.task).from_data(loaded.splits, config)
    splits.prepare(loaded, task, config, config.seed)
    findings: list[Finding] = []
    examples = {split: rows for split, rows in splits.examples(loaded, task, findings).items() if len(rows)}
    lines, lengths = [], None
    if examples:
        findings += task.check(examples)
    if examples and config.model != "none":
        tokenizer, limit = _tokenizer(config.model)
        lengths = features.choose_max_length(task, tokenizer, examples, limit, config.max_length, config.seed)
        lines.append(f"length: {lengths}")
        findings += _truncation(task, tokenizer, examples)
        if config.show is not None:
            lines += _shown(task, tokenizer, examples["train"], config.show)
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
    return Report(record, [_label_table(task, examples)], lines, exit_code=code)


def _tokenizer(name: str) -> tuple[Any, int | None]:
    resolved = models.resolve(name)
    tokenizer = models.load_tokenizer(resolved)
    return tokenizer, models.max_positions(models.load_config(resolved), tokenizer)


def _truncation(task: Any, tokenizer: Any, examples: dict[str, Any]) -> list[Finding]:
    """Warn where more than one row in a hundred loses text."""
    found = []
    for split, rows in examples.items():
        lengths = np.asarray(task.token_lengths(tokenizer, rows[: features.LENGTH_SAMPLE]))
        over = int((lengths > task.max_length).sum())
        if over > 0.01 * len(lengths) and task.long_text != "windows":
            message = (
                f"{split}: {over:,} of {len(lengths):,} rows ({over / len(lengths):.0%}) are cut at "
                f"{task.max_length} tokens; see --max-length, --long-text windows"
            )
            longest = int(lengths.argmax())
            example = f"{rows[longest]['where']}: {lengths[longest]:,} tokens"
            found.append(Finding("warning", "truncation", message, over, [example]))
    return found


def _shown(task: Any, tokenizer: Any, rows: Any, index: int) -> list[str]:
    if index >= len(rows):
        raise UserError(f"--show {index}: train has {len(rows)} rows, counted from 0")
    example = rows[index]
    lines = [f"example {index} ({example['where']})"]
    lines += [f"  {name}: {value}" for name, value in example.items() if name != "where"]
    made = task.features(tokenizer, {name: [value] for name, value in example.items()})
    lines += [f"  tokens: {' '.join(tokenizer.convert_ids_to_tokens(ids))}" for ids in made["input_ids"]]
    return lines


def _label_table(task: Any, examples: dict[str, Any]) -> Table:
    """Rows a label and split; for numbers their mean and spread."""
    record = task.record()
    if not record.get("labels"):
        rows: list[list[Any]] = [
            [split, len(found), float(np.mean(found["label"][:])), float(np.std(found["label"][:]))]
            for split, found in examples.items()
        ]
        return Table("targets", ["split", "rows", "mean", "std"], rows)
    counts = {}
    for split, found in examples.items():
        gold = np.asarray(found["label"][:])
        size = len(record["labels"])
        counts[split] = gold.sum(axis=0).astype(int) if gold.ndim > 1 else np.bincount(gold, minlength=size)
    body: list[list[Any]] = [
        [label, *(int(values[i]) for values in counts.values())]
        for i, label in enumerate(record["labels"][:SHOWN_LABELS])
    ]
    hidden = len(record["labels"]) - SHOWN_LABELS
    if hidden > 0:
        reporting.current().note(f"{hidden} more labels are in --json")
    body.append(["(rows)", *(len(found) for found in examples.values())])
    return Table("labels", ["label", *counts], body)
