"""What people see of text classification: tables of labels and answers, mistakes, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit import reporting
from nlpkit.reporting import Table
from nlpkit.tasks import usage
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.tasks.view import View, reliability_drawn

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.runs.plots import Plot

SHOWN_LABELS = 20  # columns of the answers


class ClassificationView(View[TextClassification]):
    """See the module's docstring."""

    example_inputs: ClassVar[Sequence[Sequence[str]]] = (
        ("The film is shorter than its trailer makes you fear, and the cast is lovely.", "The actors are good."),
    )

    def example_options(self) -> dict[str, Any]:
        return {"all_scores": True} if self.task.problem.has_classes else {}

    def tables(self, examples: Mapping[str, Dataset]) -> list[Table]:
        """Rows per label and split; for numbers their mean and spread."""
        return [self.task.problem.table(_gold(examples))]

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        if not self.task.per_class or "per_class" not in details:
            return []
        lines = [[label, *values.values()] for label, values in details["per_class"].items()]
        return [Table(f"{split}, by label", ["label", "precision", "recall", "f1", "support"], lines)]

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """With --all-scores a column for each label."""
        (table,) = super().answer_tables(rows, answers)
        names = self.task.labels.names if self.task.all_scores else []
        given = [answer.get("scores") or {name: answer.get(f"score_{name}") for name in names} for answer in answers]
        if (more := len(names) - SHOWN_LABELS) > 0:
            best = {name: max(scores[name] or 0 for scores in given) for name in names}
            names = sorted(names, key=lambda name: -best[name])[:SHOWN_LABELS]
            reporting.current().note(f"the {SHOWN_LABELS} likeliest labels are shown, {more:,} more with --json")
        body = [[*line, *(scores[name] for name in names)] for line, scores in zip(table.rows, given, strict=True)]
        return [Table(table.title, [*table.header, *names], body)]

    def gold(self, examples: Dataset) -> list[Any]:
        return [self.task.problem.named(label) for label in examples["label"][:]]

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        of = "a pair of texts" if recorded["columns"].get("text_pair") else "a text"
        count = len(recorded["labels"])
        given = {
            "regression": "a number",
            "relevance": "its relevance, a number from 0 to 1",
            "multi-label": f"any of {count:,} labels",
            "single-label": f"one of {count:,} labels",
        }
        return f"Gives {of} {given[recorded['problem']]}."

    @classmethod
    def longer_texts(cls, recorded: Mapping[str, Any]) -> str:
        how = {
            "windows": "longer ones are read in windows, whose answers are pooled",
            "head-tail": "of longer ones a quarter is read at the beginning and the rest at the end",
        }
        return how.get(recorded.get("long_text", ""), super().longer_texts(recorded))

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        text = usage.EXAMPLE
        if recorded["columns"].get("text_pair"):
            text = f'{{"text": {text}, "text_pair": "The text beside it."}}'
        more = {"regression": ', function_to_apply="none"', "multi-label": ", top_k=None"}
        answer = f"model({text}, truncation=True{more.get(recorded['problem'], '')})"
        if recorded["problem"] != "multi-label":
            return usage.pipeline_code("text-classification", [f"print({answer})"])
        kept = f'[label for label in {answer} if label["score"] >= {recorded["threshold"]:g}]'
        return usage.pipeline_code("text-classification", [f"print({kept})"])

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        texts = usage.EXAMPLE
        if recorded["columns"].get("text_pair"):
            texts += ', "The text beside it."'
        answers = {
            "regression": ["print(float(outputs[0][0, 0]))"],
            "relevance": ["print(1 / (1 + np.exp(-outputs[0][0, 0])))"],
            "multi-label": [
                "scores = 1 / (1 + np.exp(-outputs[0][0]))",
                f"print([config.id2label[i] for i in np.flatnonzero(scores >= {recorded['threshold']:g})])",
            ],
            "single-label": [
                "scores = np.exp(outputs[0][0] - outputs[0].max())",
                "print(config.id2label[int(scores.argmax())], scores.max() / scores.sum())",
            ],
        }
        numpy = [] if recorded["problem"] == "regression" else ["import numpy as np"]
        return usage.onnx_code(file, f"{texts}, truncation=True", answers[recorded["problem"]], imports=numpy)

    def label_counts(self, examples: Mapping[str, Dataset]) -> dict[str, dict[str, int]]:
        problem = self.task.problem
        if not problem.has_classes:
            return {}
        names = self.task.labels.names
        counts = {split: problem.counts(gold)[: len(names)].tolist() for split, gold in _gold(examples).items()}
        return {split: dict(zip(names, values, strict=True)) for split, values in counts.items()}

    def mistakes(self, outputs: np.ndarray, examples: Dataset) -> list[dict[str, Any]]:
        problem = self.task.problem
        wrong, certainty = problem.wrong(outputs, np.asarray(examples["label"][:]))
        order = wrong[np.argsort(-certainty[wrong], kind="stable")]
        mistakes = []
        for i in order.tolist():
            example = examples[i]
            label = problem.named(example["label"])
            entry = {"text": example["text"], "label": label, **problem.mistaken(outputs[i])}
            if "text_pair" in example:
                entry["text_pair"] = example["text_pair"]
            mistakes.append({**entry, "where": example["where"]})
        return mistakes

    def plots(self, outputs: Mapping[str, np.ndarray], examples: Mapping[str, Dataset]) -> dict[str, Plot]:
        problem, gold = self.task.problem, _gold(examples)
        drawn = {"label_distribution": problem.distribution(gold, self.task.label)}
        chosen = next((split for split in ("test", "validation") if split in outputs), None)
        if chosen:
            drawn |= problem.predictions_drawn(outputs[chosen], gold[chosen], chosen)
            drawn |= reliability_drawn(problem.decisions(outputs[chosen], gold[chosen]), chosen)
        return drawn


def _gold(examples: Mapping[str, Dataset]) -> dict[str, np.ndarray]:
    """The labels of the examples of each split."""
    return {split: np.asarray(rows["label"][:]) for split, rows in examples.items()}
