"""What the ways of zero-shot classification share: labels that are named when asked, and the classification they make.

Metrics, answers and mistakes are those of text classification; how a model comes to a number for each label is what the
ways differ in.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit.data.labels import Labels, Problem
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.options import MarginOptions, PerClassOptions
from nlpkit.tasks.roles import Explainable, Judged
from nlpkit.tasks.text_classification.options import AllScoresOptions
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.tasks.zero_shot import candidates
from nlpkit.tasks.zero_shot.options import (
    TEMPLATE,
    CandidateOptions,
    ZeroShotAnswerOptions,
    ZeroShotColumnOptions,
    ZeroShotJudgeOptions,
)

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.metrics.calibration import Decisions
    from nlpkit.metrics.evidence import Evidence

NAME_THEM = "Name them: --labels sports,politics or --labels-file FILE."


@dataclass(frozen=True, eq=False, kw_only=True)
class ZeroShot(Judged, Explainable):
    """See the module's docstring.

    Args:
        classifier: what is asked: labels, threshold, columns, how much an answer holds.
        meanings: what stands in the template of each label; none: the labels themselves.
        template: sentence that says of a text that it has a label, which stands for {}.
    """

    classifier: TextClassification = field(default_factory=lambda: TextClassification(Labels("single-label", [])))
    meanings: tuple[str, ...] = ()
    template: str = TEMPLATE

    reads: ClassVar[str] = "a text and a label"
    predict_options: ClassVar[type[Config]] = ZeroShotAnswerOptions
    evaluate_options: ClassVar[type[Config]] = ZeroShotJudgeOptions
    column_options: ClassVar[type[Config]] = ZeroShotColumnOptions
    reading_class: ClassVar[str] = "nlpkit.tasks.zero_shot.reading:ZeroShotReader"

    # --- asked for labels ---

    @classmethod
    def asked_before(cls, record: Mapping[str, Any] | None) -> dict[str, Any]:
        """The settings of this class as a record has them; none without one."""
        if record is None:
            return {}
        columns = record["columns"]
        classifier = TextClassification(
            Labels(record["problem"], list(record["labels"])),
            text=columns["text"],
            label=columns["label"],
            label_columns=columns["labels"],
            threshold=record["threshold"],
        )
        return {
            "classifier": classifier,
            "meanings": tuple(record.get("meanings", ())),
            "template": record["template"],
            "max_length": record["max_length"],
        }

    def record(self) -> dict[str, Any]:
        asked = self.classifier
        return {
            "name": self.name,
            "problem": asked.labels.problem,
            "labels": asked.labels.names,
            "meanings": list(self.meanings),
            "template": self.template,
            "threshold": asked.threshold,
            "columns": {"text": asked.text, "label": asked.label, "labels": list(asked.label_columns)},
            "max_length": self.max_length,
        }

    def configured(self, options: Config) -> Self:
        """With the labels that were named, in the order in which they were; else with those of the record.

        Raises:
            UserError: fewer are named than can be chosen among; of labelled rows none need be, as they have labels.
        """
        asked, found = CandidateOptions.of(options), candidates.named(CandidateOptions.of(options))
        names = found.names or self.classifier.labels.names
        problem: Problem = self.classifier.labels.problem
        if "multi_label" in options.given:
            problem = "multi-label" if asked.multi_label else "single-label"
        judged = isinstance(options, ZeroShotColumnOptions)
        if names or not judged:
            # One label alone can be judged by itself, but figures compare labels.
            require_several(names, 1 if problem == "multi-label" and not judged else 2)
        given = {name for name in ("template", "threshold") if name in options.given}
        classifier = self.classifier.with_(labels=Labels(problem, list(names)))
        if isinstance(options, MarginOptions):
            classifier = classifier.with_(abstaining=classifier.asked_to_abstain(options))
        classifier = classifier.with_(
            threshold=asked.threshold if "threshold" in given else self.classifier.threshold,
            labels_of="--labels",
            all_scores=options.all_scores if isinstance(options, AllScoresOptions) else False,
            per_class=options.per_class if isinstance(options, PerClassOptions) else False,
        )
        meanings = self.meanings
        if found.names:
            meanings = tuple(found.meanings) if found.described else ()
        template = asked.template if "template" in given else self.template
        return self.with_(classifier=classifier, meanings=meanings, template=template)

    def with_labels(self, names: Sequence[str]) -> Self:
        """The task with the labels of data, where none were named."""
        labels = Labels(self.classifier.labels.problem, list(names))
        return self.with_(classifier=self.classifier.with_(labels=labels), meanings=())

    @property
    def sentences(self) -> list[str]:
        """The template of each label, with what the label means.

        Raises:
            UserError: there are no labels.
        """
        names = self.classifier.labels.names
        require_several(names, 1)
        return [self.template.replace("{}", meaning) for meaning in self.meanings or names]

    @property
    def feature_settings(self) -> str:
        """The labels that are asked about, as far as they are known: data may name them."""
        return "\n".join(self.meanings or self.classifier.labels.names)

    @property
    def told_of_labels(self) -> str:
        """How many of the labels have a description, which stands in the template; "" where none has."""
        names = self.classifier.labels.names
        described = sum(name != meaning for name, meaning in zip(names, self.meanings, strict=False))
        return f" ({described:,} of {len(names):,} labels are described)" if described else ""

    @property
    @abstractmethod
    def way(self) -> str:
        """How a model comes to its answers, in one line."""

    @property
    def listed(self) -> str:
        return self.classifier.listed

    def describe(self) -> str:
        return f"{self.name} with {self.classifier.describe()}"

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        """None: the model is the same whatever labels are asked about."""
        return {}

    # --- judging and answering ---

    def margins(self, outputs: np.ndarray) -> np.ndarray | None:
        return self.classifier.margins(outputs)

    def sureness(self, outputs: np.ndarray, examples: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
        return self.classifier.sureness(outputs, examples)

    @property
    def main_metric(self) -> str:
        return self.classifier.main_metric

    @property
    def table_metrics(self) -> Sequence[str]:
        return self.classifier.table_metrics

    @property
    def metric_notes(self) -> Mapping[str, str]:
        return self.classifier.metric_notes

    def possible_metrics(self) -> Collection[str]:
        """Those of one label per text and of several: which of them are asked about is known when labels are named."""
        problems: tuple[Problem, ...] = ("single-label", "multi-label")
        two = ["", "-"]  # there are more metrics of two labels than of many
        known = [TextClassification(Labels(problem, two)).possible_metrics() for problem in problems]
        return list(dict.fromkeys(name for names in known for name in names))

    def metric_names(self, examples: Dataset) -> Collection[str]:
        return self.classifier.metric_names(examples)

    def numbers(self, examples: Mapping[str, Sequence[Any]] | Dataset) -> int:
        return self.classifier.numbers(examples)

    @property
    def answer_size(self) -> int:
        return self.classifier.answer_size

    def decisions(self, outputs: np.ndarray, examples: Dataset) -> Decisions | None:
        return self.classifier.decisions(outputs, examples)

    def score(self, outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        return self.classifier.score(outputs, examples)

    def evidence(self, outputs: np.ndarray, examples: Dataset) -> Evidence:
        return self.classifier.evidence(outputs, examples)

    def details(self, outputs: np.ndarray, examples: Dataset) -> dict[str, Any]:
        return self.classifier.details(outputs, examples)

    def decode(self, outputs: np.ndarray, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        return self.classifier.decode(outputs, inputs)

    @property
    def scored_labels(self) -> Sequence[str]:
        return self.classifier.labels.names

    @property
    def score_options(self) -> Mapping[str, Any]:
        return {"all_scores": True}

    def no_answer(self) -> dict[str, Any]:
        return self.classifier.no_answer()


def require_several(names: Sequence[str], fewest: int) -> None:
    """Refuse fewer labels than can be chosen among.

    Raises:
        UserError: saying how they are named.
    """
    if len(names) < fewest:
        named = f"{len(names)} {'is' if len(names) == 1 else 'are'} named"
        raise UserError(f"zero-shot classification chooses among labels, and {named}", NAME_THEM)
