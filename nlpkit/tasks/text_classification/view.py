"""What people see of text classification: tables of labels and answers, mistakes, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.reporting import Table
from nlpkit.tasks.text_classification.task import TextClassification, parts_of
from nlpkit.tasks.view import View

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.runs.plots import Plot

SCORED = 50  # labels of which a mistake has the score
SHOWN_LABELS = 20  # rows of the label table, columns of the answers


class ClassificationView(View[TextClassification]):
    """See the module's docstring."""

    def tables(self, examples: Mapping[str, Dataset]) -> list[Table]:
        """Rows a label and split; for numbers their mean and spread."""
        gold = {split: np.asarray(rows["label"][:]) for split, rows in examples.items()}
        if self.task.labels.problem == "regression":
            rows: list[list[Any]] = [
                [split, len(values), float(np.mean(values)), float(np.std(values))] for split, values in gold.items()
            ]
            return [Table("targets", ["split", "rows", "mean", "std"], rows)]
        counts = {split: self.task.counts(values) for split, values in gold.items()}
        body: list[list[Any]] = [
            [label, *(int(found[i]) for found in counts.values())] for i, label in enumerate(self.task.labels.names)
        ]
        total: list[Any] = ["(rows)", *(len(values) for values in gold.values())]
        shown = body[:SHOWN_LABELS]
        if hidden := len(body) - len(shown):
            shown.append([f"({hidden} more)", *(int(found[SHOWN_LABELS:].sum()) for found in counts.values())])
        return [Table("labels", ["label", *counts], [*shown, total], whole=[*body, total])]

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        if not self.task.per_class or "per_class" not in details:
            return []
        lines = [[label, *values.values()] for label, values in details["per_class"].items()]
        return [Table(f"{split}, by label", ["label", "precision", "recall", "f1", "support"], lines)]

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """With --all-scores a column for each label."""
        (table,) = super().answer_tables(rows, answers)
        names = self.task.labels.names if self.task.all_scores and self.task.labels.problem != "regression" else []
        given = [answer.get("scores") or {name: answer.get(f"score_{name}") for name in names} for answer in answers]
        if (more := len(names) - SHOWN_LABELS) > 0:
            best = {name: max(scores[name] or 0 for scores in given) for name in names}
            names = sorted(names, key=lambda name: -best[name])[:SHOWN_LABELS]
            reporting.current().note(f"the {SHOWN_LABELS} likeliest labels are shown, {more:,} more with --json")
        body = [[*line, *(scores[name] for name in names)] for line, scores in zip(table.rows, given, strict=True)]
        return [Table(table.title, [*table.header, *names], body)]

    def mistakes(self, outputs: np.ndarray, examples: Dataset) -> list[dict[str, Any]]:
        gold = np.asarray(examples["label"][:])
        if self.task.labels.problem == "single-label":
            wrong = np.flatnonzero(outputs.argmax(axis=1) != gold)
            confidence = self._certainty(outputs)
        elif self.task.labels.problem == "multi-label":
            wrong = np.flatnonzero((self.task.predicted(outputs) != gold).any(axis=1))
            confidence = np.abs(self.task.probabilities(outputs) - gold).max(axis=1)
        else:
            wrong = np.arange(len(gold))
            confidence = np.abs(outputs[:, 0] - gold)
        order = wrong[np.argsort(-confidence[wrong], kind="stable")]
        found = []
        for i in order.tolist():
            example = examples[i]
            entry = {"text": example["text"], "label": self._label_text(example["label"]), **self._judged(outputs[i])}
            if self.task.pair:
                entry["text_pair"] = example["text_pair"]
            found.append({**entry, "where": example["where"]})
        return found

    def _certainty(self, outputs: np.ndarray) -> np.ndarray:
        """The probability of the likeliest label of each row, shape (examples,)."""
        return np.concatenate([self.task.probabilities(part).max(axis=1) for part in parts_of(outputs)])

    def _judged(self, output: np.ndarray) -> dict[str, Any]:
        """The answer of an output, with the scores of the likeliest labels."""
        if self.task.labels.problem == "regression":
            return self.task.decode(output[None], [{}])[0]
        (row,) = self.task.probabilities(output[None])
        return self.task.answer_of(row, np.sort(np.argsort(-row, kind="stable")[:SCORED]).tolist())

    def _label_text(self, label: Any) -> Any:
        if self.task.labels.problem == "single-label":
            return self.task.labels.names[label]
        if self.task.labels.problem == "multi-label":
            return [name for name, on in zip(self.task.labels.names, label, strict=True) if on]
        return label

    def plots(self, outputs: Mapping[str, np.ndarray], examples: Mapping[str, Dataset]) -> dict[str, Plot]:
        from nlpkit.runs import plots

        judged = next((split for split in ("test", "validation") if split in outputs), None)
        drawn: dict[str, Plot] = {}
        if self.task.labels.problem == "regression":
            values = {split: np.asarray(rows["label"][:]) for split, rows in examples.items()}
            drawn["label_distribution"] = plots.histograms(values, self.task.label or "score")
            if judged:
                drawn["predicted_over_gold"] = plots.scatter(values[judged], outputs[judged][:, 0], judged)
            return drawn
        counts, what = {}, "rows" if self.task.labels.problem == "single-label" else "labels given"
        for split, rows in examples.items():
            counts[split] = self.task.counts(np.asarray(rows["label"][:]))
        drawn["label_distribution"] = plots.grouped_bars(self.task.labels.names, counts, f"share of {what}")
        if judged and self.task.labels.problem == "single-label":
            from nlpkit.metrics import classification as metrics

            gold = np.asarray(examples[judged]["label"][:])
            names, matrix = metrics.confusion(gold, self.task.predicted(outputs[judged]), self.task.labels.names)
            drawn["confusion_matrix"] = plots.confusion(matrix, names, judged)
        return drawn
