"""Zero-shot classification (Yin et al. 2019, https://arxiv.org/abs/1909.00161).

A model for natural language inference is asked, for each label, whether the text entails a sentence that says so
("This example is about sports."). What it answers are the logits of a text classification whose labels are named when
it is asked: with one label per text the entailments of all labels compete, with `multi_label` each label's entailment
competes with its contradiction. Metrics, answers and mistakes are those of text classification.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit.data import pieces
from nlpkit.data.labels import Labels, Problem
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.nearby import expanded
from nlpkit.options import Config
from nlpkit.runs.files import small_text
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.options import AbstainOptions, PerClassOptions
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Judged
from nlpkit.tasks.text_classification.options import AllScoresOptions
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.tasks.zero_shot.options import (
    TEMPLATE,
    CandidateOptions,
    ZeroShotAnswerOptions,
    ZeroShotColumnOptions,
    ZeroShotJudgeOptions,
)
from nlpkit.tasks.zero_shot.record import ZeroShotRecord

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.calibration import Decisions
    from nlpkit.metrics.evidence import Evidence

NLI = "ForSequenceClassification"  # ends the names of architectures that may be trained for inference


@dataclass(frozen=True, eq=False, kw_only=True)
class ZeroShotClassification(Judged):
    """See the module's docstring.

    Args:
        entailment: index of the model's output for it.
        contradiction: the same.
        classifier: what is asked: labels, threshold, columns, how much an answer holds.
        template: sentence that says of a text that it has a label, which stands for {}.
    """

    entailment: int
    contradiction: int
    classifier: TextClassification
    template: str = TEMPLATE

    name: ClassVar[str] = "zero-shot-classification"
    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    pipeline_tag: ClassVar[str | None] = "zero-shot-classification"
    reads: ClassVar[str] = "a text and a label"
    predict_options: ClassVar[type[Config]] = ZeroShotAnswerOptions
    evaluate_options: ClassVar[type[Config]] = ZeroShotJudgeOptions
    column_options: ClassVar[type[Config]] = ZeroShotColumnOptions
    record_type: ClassVar[type[TaskRecord]] = ZeroShotRecord
    reading_class: ClassVar[str] = "nlpkit.tasks.zero_shot.reading:ZeroShotReader"
    view_class: ClassVar[str] = "nlpkit.tasks.zero_shot.view:ZeroShotView"

    # --- made from a model folder, asked for labels ---

    @classmethod
    def claims(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None, place: str | Path) -> Claim | None:
        """A classifier of pairs that tells entailment from contradiction could serve."""
        if record and record.get("name") == cls.name:
            return Claim.RECORD
        served = any(name.endswith(NLI) for name in config.architectures or [])
        return Claim.COULD_SERVE if served and None not in _outputs_for_inference(config) else None

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> ZeroShotClassification:
        entailment, contradiction = _outputs_for_inference(config)
        if entailment is None or contradiction is None:
            names = ", ".join(opening.label_names(config))
            raise UserError(
                f"the model has no outputs for entailment and contradiction, but {names}",
                "Zero-shot classification takes a model that was trained for natural language inference.",
            )
        if record is None:
            return cls(
                entailment=entailment,
                contradiction=contradiction,
                classifier=TextClassification(Labels("single-label", [])),
            )
        columns = record["columns"]
        classifier = TextClassification(
            Labels(record["problem"], list(record["labels"])),
            text=columns["text"],
            label=columns["label"],
            label_columns=columns["labels"],
            threshold=record["threshold"],
        )
        return cls(
            entailment=entailment,
            contradiction=contradiction,
            classifier=classifier,
            template=record["template"],
            max_length=record["max_length"],
        )

    def record(self) -> dict[str, Any]:
        asked = self.classifier
        return {
            "name": self.name,
            "problem": asked.labels.problem,
            "labels": asked.labels.names,
            "template": self.template,
            "threshold": asked.threshold,
            "columns": {"text": asked.text, "label": asked.label, "labels": list(asked.label_columns)},
            "max_length": self.max_length,
        }

    def configured(self, options: Config) -> Self:
        """With the labels that were named, in the order in which they were; else with those of the record."""
        asked = CandidateOptions.of(options)
        names = _named_labels(asked) or self.classifier.labels.names
        problem: Problem = self.classifier.labels.problem
        if "multi_label" in options.given:
            problem = "multi-label" if asked.multi_label else "single-label"
        # One label alone can be judged by itself, but figures compare labels.
        fewest = 1 if problem == "multi-label" and not isinstance(options, ZeroShotColumnOptions) else 2
        if len(names) < fewest:
            raise UserError(
                f"zero-shot classification chooses among labels, and {len(names)} {'is' if names else 'are'} named",
                "Name them: --labels sports,politics or --labels-file FILE.",
            )
        given = {name for name in ("template", "threshold") if name in options.given}
        classifier = self.classifier.with_(labels=Labels(problem, list(names)))
        if isinstance(options, AbstainOptions):
            classifier = classifier.with_(abstaining=classifier.asked_to_abstain(options))
        classifier = classifier.with_(
            threshold=asked.threshold if "threshold" in given else self.classifier.threshold,
            labels_of="--labels",
            all_scores=options.all_scores if isinstance(options, AllScoresOptions) else False,
            per_class=options.per_class if isinstance(options, PerClassOptions) else False,
        )
        return self.with_(classifier=classifier, template=asked.template if "template" in given else self.template)

    @property
    def listed(self) -> str:
        return self.classifier.listed

    def sureness(self, outputs: np.ndarray, examples: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
        return self.classifier.sureness(outputs, examples)

    def describe(self) -> str:
        return f"{self.name} with {self.classifier.describe()}"

    # --- examples -> features ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """One feature per text and label, the labels of a text behind one another; texts are cut, sentences are not.

        Raises:
            UserError: a sentence leaves no room for a text.
        """
        claims, texts = self._claims, list(examples["text"])
        self._require_room_for_texts(tokenizer)
        out: dict[str, list[Any]] = {"input_ids": [], "length": [], "example": []}
        longest = []  # place of the feature with the longest sentence, per text
        for example, text in enumerate(texts):
            encoded = tokenizer(
                [pieces.readable(tokenizer, text, self.max_length)] * len(claims),
                claims,
                truncation="only_first" if self.max_length else False,
                max_length=self.max_length,
                return_attention_mask=False,
            )
            for name in ("input_ids", "token_type_ids"):
                if name in encoded:
                    out.setdefault(name, []).extend(encoded[name])
            lengths = [len(ids) for ids in encoded["input_ids"]]
            longest.append(len(out["length"]) + int(np.argmax(lengths)))
            out["length"] += lengths
            out["example"] += [example] * len(claims)
        # What is cut is told once per text: as much as the longest sentence makes it.
        out["lost"] = [0] * len(out["length"])
        lost = pieces.lost(
            [out["length"][place] for place in longest],
            self.max_length,
            lambda full: self.token_lengths(tokenizer, {"text": [texts[i] for i in full]}),
        )
        for place, tokens in zip(longest, lost, strict=True):
            out["lost"][place] = tokens
        return out

    def _require_room_for_texts(self, tokenizer: Any) -> None:
        """Check that each label's sentence leaves a token for the text.

        Raises:
            UserError: naming the label.
        """
        if self.max_length is None:
            return
        special = tokenizer.num_special_tokens_to_add(pair=True)
        for name, count in zip(self.classifier.labels.names, pieces.counts(tokenizer, self._claims), strict=True):
            if count + special >= self.max_length:
                raise UserError(
                    f"the sentence for the label {name[:60]!r} has {count} tokens, and leaves no room for a text in "
                    f"{self.max_length}",
                    "Shorten the label or --template, or raise --max-length as far as the model allows.",
                )

    @property
    def _claims(self) -> list[str]:
        return [self.template.replace("{}", name) for name in self.classifier.labels.names]

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        """With the longest of the sentences."""
        special = tokenizer.num_special_tokens_to_add(pair=True)
        longest = max(pieces.counts(tokenizer, self._claims), default=0)
        return [count + longest + special for count in pieces.counts(tokenizer, list(examples["text"]))]

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        """None: the head is that for inference, whatever labels are asked about."""
        return {}

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Logits of the labels, shape (examples, labels): their softmax, or sigmoid, is the probability of each.

        Args:
            outputs: logits for inference, shape (features, outputs of the model).
            features: as `features` gives them.
        """
        asked = outputs.reshape(-1, self.classifier.labels.size, outputs.shape[1])
        entailed = asked[:, :, self.entailment]
        if self.classifier.labels.problem == "single-label":
            return entailed
        return entailed - asked[:, :, self.contradiction]

    # --- judging and answering ---

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

    def no_answer(self) -> dict[str, Any]:
        return self.classifier.no_answer()


def _outputs_for_inference(config: PreTrainedConfig) -> tuple[int | None, int | None]:
    """The outputs of a model for entailment and for contradiction, by their names; None where there is none."""
    names = [name.casefold() for name in opening.label_names(config)]

    def of(beginning: str) -> int | None:
        found = [i for i, name in enumerate(names) if name.startswith(beginning)]
        return found[0] if len(found) == 1 else None

    return of("entail"), of("contra")


def _named_labels(options: CandidateOptions) -> list[str]:
    """The labels of --labels and --labels-file, in their order.

    Raises:
        UserError: the file cannot be read, or a label is empty or named twice.
    """
    names = list(options.labels)
    if "" in names:  # of "a, b" without quotes the shell makes "a," and a text
        raise UserError(
            f"--labels {','.join(names)}: a label is empty", "Write them without blanks, or in quotes: --labels 'a, b'."
        )
    if options.labels_file is not None:
        try:
            lines = small_text(expanded(str(options.labels_file))).split("\n")
        except OSError as error:
            raise UserError(f"--labels-file: cannot read {options.labels_file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UserError(
                f"--labels-file: {options.labels_file} is not UTF-8", "Save it as UTF-8, with one label per line."
            ) from None
        names += [line.strip() for line in lines if line.strip()]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"the label '{twice}' is named twice", "Name each label once.")
    return names
