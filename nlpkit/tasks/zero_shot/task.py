"""Zero-shot classification by inference (Yin et al. 2019, https://arxiv.org/abs/1909.00161).

A model for natural language inference is asked, for each label, whether the text entails a sentence that says so
("This example is about sports."). What it answers are the logits of a text classification whose labels are named when
it is asked: with one label per text the entailments of all labels compete, with `multi_label` each label's entailment
competes with its contradiction. With many labels an embedder can choose those that it is asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit.data import pieces
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.options import Config, DeviceOptions, OpeningOptions
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.explained import Question, readings_of, require_places
from nlpkit.tasks.forward import Forward
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.zero_shot.base import ZeroShot
from nlpkit.tasks.zero_shot.options import (
    InferenceAnswerOptions,
    InferenceColumnOptions,
    InferenceJudgeOptions,
    ShortlistOptions,
)
from nlpkit.tasks.zero_shot.record import ZeroShotRecord

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.tasks.zero_shot.shortlist import Shortlist

ASKED = "asked"  # in features: the place of the label that is asked about
NOT_ASKED = -10_000.0  # the logit of a label that the model was not asked about
SHORTLISTED = "shortlist_recall"
SHOWN_LABELS = 6  # names in a message
NLI = "ForSequenceClassification"  # ends the names of architectures that may be trained for inference


@dataclass(frozen=True, eq=False, kw_only=True)
class ZeroShotClassification(ZeroShot):
    """See the module's docstring.

    Args:
        entailment: index of the model's output for it.
        contradiction: the same.
        shortlist: chooses the labels about which the model is asked; None: it is asked about all.
    """

    entailment: int
    contradiction: int
    shortlist: Shortlist | None = None

    name: ClassVar[str] = "zero-shot-classification"
    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    pipeline_tag: ClassVar[str | None] = "zero-shot-classification"
    predict_options: ClassVar[type[Config]] = InferenceAnswerOptions
    evaluate_options: ClassVar[type[Config]] = InferenceJudgeOptions
    column_options: ClassVar[type[Config]] = InferenceColumnOptions
    record_type: ClassVar[type[TaskRecord]] = ZeroShotRecord
    view_class: ClassVar[str] = "nlpkit.tasks.zero_shot.view:ZeroShotView"

    # --- made from a model folder ---

    @classmethod
    def claims(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None, place: str | Path) -> Claim | None:
        """A classifier of pairs that tells entailment from contradiction could serve."""
        if record and record.get("name") == cls.name:
            return Claim.RECORD
        served = any(name.endswith(NLI) for name in config.architectures or [])
        return Claim.COULD_SERVE if served and None not in _outputs_for_inference(config) else None

    @classmethod
    def lacking(cls, config: PreTrainedConfig) -> str:
        """Outputs for inference, of a classifier of other things: they are found by their names."""
        if not any(name.endswith(NLI) for name in config.architectures or []):
            return ""
        return f"its labels are {_shown(config)}, and none is entailment beside a contradiction"

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> ZeroShotClassification:
        entailment, contradiction = _outputs_for_inference(config)
        if entailment is None or contradiction is None:
            raise UserError(
                f"the model has no outputs for entailment and contradiction, but {_shown(config)}",
                "Zero-shot classification takes a model that was trained for natural language inference.",
            )
        return cls(entailment=entailment, contradiction=contradiction, **cls.asked_before(record))

    def configured(self, options: Config) -> Self:
        """See `ZeroShot.configured`; with the labels that an embedder is to choose."""
        task, asked = super().configured(options), ShortlistOptions.of(options)
        if asked.shortlist is None or asked.embedder is None:
            return task
        from nlpkit.tasks.zero_shot.shortlist import Shortlist

        known = self.shortlist
        if known is not None and known.embedder == asked.embedder:
            return task.with_(shortlist=known.asking(asked.shortlist))
        placed = DeviceOptions.of(options)
        return task.with_(shortlist=Shortlist(asked.embedder, asked.shortlist, OpeningOptions.of(options), placed))

    @property
    def way(self) -> str:
        size = self.classifier.labels.size
        asked = f"the model is asked {self._asked:,} times a text whether it entails {self.template!r} of a label"
        asked += self.told_of_labels
        if self.shortlist is None:
            return f"by inference: {asked}"
        return f"by a cascade: {self.shortlist.embedder} chooses {self._asked:,} of {size:,} labels, {asked}"

    @property
    def _asked(self) -> int:
        """How often the model is asked about a text."""
        return self.classifier.labels.size if self.shortlist is None else self.shortlist.count

    @property
    def feature_settings(self) -> str:
        chosen = "" if self.shortlist is None else f"{self.shortlist.embedder}:{self.shortlist.count}\n"
        return chosen + super().feature_settings

    # --- examples -> features ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """One feature per text and label that is asked about, `asked` in the order of the labels, those of a text
        behind one another; texts are cut, sentences are not.

        Raises:
            UserError: a sentence leaves no room for a text.
        """
        sentences, texts = self.sentences, list(examples["text"])
        counts = pieces.counts(tokenizer, sentences)
        self._require_room_for_texts(tokenizer, counts)
        chosen = [list(range(len(sentences)))] * len(texts)
        if self.shortlist is not None:
            chosen = self.shortlist.labels(texts, self).tolist()
        out: dict[str, list[Any]] = {"input_ids": [], "length": [], "example": [], ASKED: []}
        longest, sizes = [], []  # of each text: the place of the feature with the longest sentence, and its tokens
        for example, (text, labels) in enumerate(zip(texts, chosen, strict=True)):
            encoded = tokenizer(
                [pieces.readable(tokenizer, text, self.max_length)] * len(labels),
                [sentences[label] for label in labels],
                truncation="only_first" if self.max_length else False,
                max_length=self.max_length,
                return_attention_mask=False,
            )
            for name in ("input_ids", "token_type_ids"):
                if name in encoded:
                    out.setdefault(name, []).extend(encoded[name])
            lengths = [len(ids) for ids in encoded["input_ids"]]
            longest.append(len(out["length"]) + int(np.argmax(lengths)))
            sizes.append(max(counts[label] for label in labels))
            out["length"] += lengths
            out["example"] += [example] * len(labels)
            out[ASKED] += labels
        # What is cut is told once per text: as much as the longest sentence makes it.
        out["lost"] = [0] * len(out["length"])
        special = tokenizer.num_special_tokens_to_add(pair=True)

        def whole(full: Sequence[int]) -> list[int]:
            read = pieces.counts(tokenizer, [texts[i] for i in full])
            return [tokens + sizes[i] + special for i, tokens in zip(full, read, strict=True)]

        lost = pieces.lost([out["length"][place] for place in longest], self.max_length, whole)
        for place, tokens in zip(longest, lost, strict=True):
            out["lost"][place] = tokens
        return out

    def _require_room_for_texts(self, tokenizer: Any, counts: Sequence[int]) -> None:
        """Check that each label's sentence, of so many tokens, leaves one for the text.

        Raises:
            UserError: naming the label.
        """
        if self.max_length is None:
            return
        special = tokenizer.num_special_tokens_to_add(pair=True)
        for name, count in zip(self.classifier.labels.names, counts, strict=True):
            if count + special >= self.max_length:
                raise UserError(
                    f"the sentence for the label {name[:60]!r} has {count} tokens, and leaves no room for a text in "
                    f"{self.max_length}",
                    "Shorten the label or --template, or raise --max-length as far as the model allows.",
                )

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        """With the longest of the sentences."""
        special = tokenizer.num_special_tokens_to_add(pair=True)
        longest = max(pieces.counts(tokenizer, self.sentences), default=0)
        return [count + longest + special for count in pieces.counts(tokenizer, list(examples["text"]))]

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Logits of the labels, shape (examples, labels): their softmax, or sigmoid, is the probability of each. Those
        that the model was not asked about have `NOT_ASKED`, which makes it 0.

        Args:
            outputs: logits for inference, shape (features, outputs of the model).
            features: as `features` gives them.
        """
        found = outputs[:, self.entailment]
        if self.classifier.labels.problem != "single-label":
            found = found - outputs[:, self.contradiction]
        example = np.asarray(features["example"], int)
        examples = int(example[-1]) + 1 if len(example) else 0
        logits = np.full((examples, self.classifier.labels.size), NOT_ASKED, outputs.dtype)
        logits[example, np.asarray(features[ASKED], int)] = found
        return logits

    # --- explaining ---

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: np.ndarray, asked: str | None = None
    ) -> list[Question]:
        """How sure the model is that the text entails the sentence of its label, and does not contradict it: what the
        label is worth by itself, whatever others there are."""
        require_places(tokenizer)
        text, found = example["text"], []
        made = self.features(tokenizer, {"text": [text]})
        for label, name in self.classifier.asked_labels(outputs, asked).items():
            if label not in made[ASKED]:
                raise UserError(
                    f"--target {name}: the model was not asked about this label, which --embedder has not chosen",
                    "Raise --shortlist, or leave it out.",
                )
            row, sentence = list(made[ASKED]).index(label), self.sentences[label]
            (encoding,) = tokenizer(
                pieces.readable(tokenizer, text, self.max_length),
                sentence,
                truncation="only_first" if self.max_length else False,
                max_length=self.max_length,
            ).encodings
            sides = zip(encoding.sequence_ids, encoding.offsets, strict=True)
            places = [("text", *offsets) if side == 0 else None for side, offsets in sides]
            one = {column: [values[row]] for column, values in made.items()}
            readings = readings_of(one, [places], {"text": text})
            found.append(Question(f"{name}: {sentence!r} follows", readings, {}, {"text": text}))
        return found

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        logits = forward.logits.float()
        return (logits[:, self.entailment] - logits[:, self.contradiction]).sigmoid()

    # --- judging ---

    @property
    def table_metrics(self) -> Sequence[str]:
        return [*super().table_metrics, *([SHORTLISTED] if self.shortlist is not None else [])]

    @property
    def metric_notes(self) -> Mapping[str, str]:
        if self.shortlist is None:
            return super().metric_notes
        return {**super().metric_notes, SHORTLISTED: "share of right labels that the model is asked about"}

    def possible_metrics(self) -> Collection[str]:
        return [*super().possible_metrics(), SHORTLISTED]

    def metric_names(self, examples: Dataset) -> Collection[str]:
        return [*super().metric_names(examples), *([SHORTLISTED] if self.shortlist is not None else [])]

    def score(self, outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        """Those of the classification, and how many of the right labels an embedder has left to be chosen."""
        found = super().score(outputs, examples)
        if self.shortlist is None:
            return found
        from nlpkit.metrics import calibration

        wanted, size = np.asarray(examples["label"][:]), self.classifier.labels.size
        if self.classifier.labels.problem == "single-label":
            known = wanted < size  # a label that is none of those named is not among the chosen either
            asked = outputs[np.arange(len(wanted)), np.where(known, wanted, 0)] > NOT_ASKED
            # a right label that the model is not asked about is one that it lacks, for this text
            judged = calibration.Decisions(outputs, np.where(asked & known, wanted, size), np.arange(len(wanted)))
            return {**found, **calibration.figures(judged), SHORTLISTED: float((asked & known).mean())}
        right = wanted[:, :size] > 0
        return {**found, SHORTLISTED: float((outputs > NOT_ASKED)[right].mean()) if right.any() else float("nan")}


def _shown(config: PreTrainedConfig) -> str:
    """The labels of a model, the first few of many."""
    names = opening.label_names(config)
    return ", ".join(names[:SHOWN_LABELS]) + (", ..." if len(names) > SHOWN_LABELS else "")


def _outputs_for_inference(config: PreTrainedConfig) -> tuple[int | None, int | None]:
    """The outputs of a model for entailment and for contradiction, by their names; None where there is none.

    Of two outputs, as models for zero-shot classification often have them, the other one is "not_entailment".
    """
    names = [name.casefold() for name in opening.label_names(config)]

    def of(beginning: str) -> int | None:
        found = [i for i, name in enumerate(names) if name.startswith(beginning)]
        return found[0] if len(found) == 1 else None

    contradiction = of("contra")
    if contradiction is None and len(names) == 2:
        contradiction = next((i for i, name in enumerate(names) if name.replace("_", " ") == "not entailment"), None)
    return of("entail"), contradiction
