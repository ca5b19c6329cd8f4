"""Token classification: entities, phrases, parts of speech, and whatever else gives each word of a text a tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data import checks, pieces, words
from nlpkit.data.collating import Collator, PaddingCollator
from nlpkit.data.findings import SHOWN, Finding
from nlpkit.data.ignored import IGNORED
from nlpkit.data.inputs import Content
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.options import Config
from nlpkit.tasks import arrays, heads
from nlpkit.tasks.abstaining import ABSTAINED, Abstaining
from nlpkit.tasks.classical import Classical
from nlpkit.tasks.contract import Task
from nlpkit.tasks.explained import Question
from nlpkit.tasks.forward import Forward, Loss
from nlpkit.tasks.heads import Head
from nlpkit.tasks.options import MinScoreOptions, PerClassOptions
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Augmentable, Explainable, Teachable
from nlpkit.tasks.token_classification import baseline, explaining, features, merging, tagged
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.options import (
    AggregationOptions,
    LabellingOptions,
    TagOptions,
    TokenAnswerOptions,
    TokenClassificationOptions,
    TokenJudgeOptions,
)
from nlpkit.tasks.token_classification.record import TokenRecord
from nlpkit.tasks.token_classification.tag_sets import TagSet, mean_score, tag_set
from nlpkit.tasks.token_classification.tags import OUTSIDE, Scheme

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.calibration import Decisions
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.word_vectors.table import WordVectors


SURELY = 0.9  # share of the entities that a model's scheme is told by
RARE = 10  # entities under which a type is called rare


@dataclass(frozen=True, eq=False)
class TokenClassification(Teachable, Augmentable, Explainable):
    """See the module's docstring.

    A word's tag is predicted at its first token, and only that is trained unless `label_all_tokens`. Texts beyond
    `max_length` are read in windows that overlap by a quarter; each word is read once, where it has most context. A
    word that the tokenizer turns into nothing continues the entity around it, or is O; with plain tags it has the tag
    of the word before it.

    Pooled outputs are a list of arrays of logits, shape (words, labels), with NaN for such a word.

    Args:
        labels: names of the model's classes.
        scheme: of the labels: `bio` for every model trained here on entities, or `plain`; others have models from
            elsewhere.
        text: column of the words in the user's rows, lists of them or texts.
        tags: column of the tags or spans; None where it is not known yet.
        data_scheme: in which the tags of the training rows are written, for the record.
        label_all_tokens: whether every token of a word is trained, not its first alone.
        aggregation: which tokens of a word speak for it.
        scheme_by: what `scheme` is known by. That of a model from elsewhere is told by its names, or, as BIO and IOB1
            share them, by its answers.
        per_class: whether `evaluate` shows the figures of each class.
        abstaining: which entities are given; None for all.
    """

    labels: Sequence[str]
    scheme: Scheme
    _: KW_ONLY
    text: str = "tokens"
    tags: str | None = None
    data_scheme: Scheme | None = None
    label_all_tokens: bool = False
    aggregation: str = "first"
    scheme_by: Literal["record", "names", "answers"] = "record"
    per_class: bool = False
    abstaining: Abstaining | None = None

    name: ClassVar[str] = "token-classification"
    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    architectures: ClassVar[tuple[str, ...]] = ("ForTokenClassification",)
    pipeline_tag: ClassVar[str | None] = "token-classification"
    content: ClassVar[Content] = "words"
    trained_by: ClassVar[str] = "finetune-ner"
    reads: ClassVar[str] = "words and a tag for each, or a text and its spans"
    data_options: ClassVar[type[Config]] = TokenClassificationOptions
    predict_options: ClassVar[type[Config]] = TokenAnswerOptions
    evaluate_options: ClassVar[type[Config]] = TokenJudgeOptions
    column_options: ClassVar[type[Config]] = TagOptions
    record_type: ClassVar[type[TaskRecord]] = TokenRecord
    view_class: ClassVar[str] = "nlpkit.tasks.token_classification.view:TokenView"
    reading_class: ClassVar[str] = "nlpkit.tasks.token_classification.reading:TokenReader"
    # a .txt of labelled words has columns (CoNLL-2000); one to predict for may as well be running text
    file_formats: ClassVar[Mapping[str, str]] = {".txt": "conll"}
    slow_tokenizers: ClassVar[bool] = True
    withheld: ClassVar[frozenset[str]] = frozenset({"labels", "read"})

    @cached_property
    def tag_set(self) -> TagSet:
        """What the labels stand for, entities or each for itself, and all that depends on it."""
        return tag_set(self.labels, self.scheme)

    @property
    def main_metric(self) -> str:
        return self.table_metrics[0]

    @property
    def table_metrics(self) -> Sequence[str]:
        return self.tag_set.metrics

    @property
    def metric_notes(self) -> Mapping[str, str]:
        return self.tag_set.metric_notes

    @property
    def classes(self) -> list[str]:
        """What a person is told: the types of entities, or the plain tags."""
        return self.tag_set.classes

    # --- made from data, from a model folder ---

    @classmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Config) -> TokenClassification:
        given = TokenClassificationOptions.of(options)
        train = splits.get("train") or next(iter(splits.values()))
        text = tagged.words_column(train, given.text_column)
        tags = tagged.tags_column(train, text, given.tag_column, given.column)
        scheme_option: Scheme | None = None if given.scheme == "auto" else given.scheme
        spelled = tagged.spelled(scheme_option)
        scheme = tagged.scheme_of(train, tags, scheme_option, spelled)
        names = [tag for tag in tagged.distinct(train, tags, spelled) if tag]
        declared = tagged.class_names(train, tags)
        if spelled is not None and not tagged.holds_spans(train, tags):
            written = declared or tagged.distinct(train, tags, None)
            canonical = schemes.spelling(written)
            cls._tell_spelling(canonical, written)
            declared = declared and [canonical.get(name, name) for name in declared]
        if scheme == "plain":
            labels = declared or sorted(names)
        else:
            labels = schemes.label_names(schemes.types(names, scheme))
            # numbered as they are declared, with those that train lacks; where that is BIO too
            if declared and set(labels) <= set(declared) <= set(schemes.label_names(schemes.types(declared, "bio"))):
                labels = declared
        if len(labels) < 2:
            only = f"all are '{names[0]}'" if names else "no row has one that can be read"
            raise UserError(f"column '{tags}' holds no tags to learn: {only}", "Name another: --tag-column.")
        if scheme not in ("bio", "plain"):
            reporting.current().note(f"tags: written as {scheme.upper()}, converted to BIO (--scheme)")
        kinds = [] if scheme == "plain" else schemes.types(names, scheme)
        if kinds and all(name.isdecimal() for name in kinds):
            reporting.current().warn(
                f"column '{tags}' has numbers for types ({', '.join(kinds[:SHOWN])}), as annotation tools number their "
                "labels: the types are called so; write names in their place where you have them"
            )
        if names and all(name.isdecimal() for name in names):
            reporting.current().warn(
                f"column '{tags}' holds numbers without names: each is a plain tag, and entities are not scored as such"
            )
        return cls(
            labels,
            "plain" if scheme == "plain" else "bio",
            text=text,
            tags=tags,
            data_scheme=scheme,
            max_length=given.max_length,
        )

    @classmethod
    def _tell_spelling(cls, canonical: Mapping[str, str], written: Sequence[str]) -> None:
        """Say how tags are read that are not spelled as B-PER, or may not be read rightly."""
        if canonical:
            changed = {tag: read for tag, read in canonical.items() if tag != read}
            shown = [f"{tag} is read as {read}" for tag, read in changed.items() if read == OUTSIDE]
            if others := [
                f"{tag} is read as {read}, and so are all" for tag, read in changed.items() if read != OUTSIDE
            ]:
                shown.append(others[0])
            reporting.current().note(f"tags: {'; '.join(shown)} (--scheme plain: as they stand)")
        elif pairs := schemes.unread_pairs(written):
            others = [tag for tag in written if tag and tag.upper() != OUTSIDE and not any(p in tag for p in pairs)]
            reporting.current().warn(
                f"some tags come in pairs, as B_{pairs[0]} and I_{pairs[0]} would, others do not "
                f"({', '.join(others[:SHOWN])}): each is taken for a type of its own; write entities as B-TYPE, I-TYPE"
            )

        if "*" in written and any(tag.startswith("(") and tag.endswith("*") for tag in written):
            reporting.current().warn(
                "tags are brackets that open and close, as (PER* and *), which are not read as such: each is a tag of "
                "its own; write entities as B-TYPE, I-TYPE and O"
            )

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> TokenClassification:
        if record is None:
            names = opening.label_names(config)
            names = [schemes.spelling(names).get(name, name) for name in names]
            scheme = schemes.scheme_of_names(names)
            return cls(names, scheme, scheme_by="answers" if scheme == "bio" else "names")
        columns = record["columns"]
        return cls(
            record["labels"],
            record["scheme"],
            text=columns["text"],
            tags=columns["tags"],
            max_length=record["max_length"],
            training_length=record.get("training_length"),
        )

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": list(self.labels),
            "scheme": self.scheme,
            "data_scheme": self.data_scheme,
            "columns": {"text": self.text, "tags": self.tags},
            "label_all_tokens": self.label_all_tokens,
            "max_length": self.max_length,
            "training_length": self.training_length,
        }

    @classmethod
    def suits(cls, row: Mapping[str, Any]) -> bool:
        return tagged.is_tagged(row)

    def configured(self, options: Config) -> Self:
        settings: dict[str, Any] = {}
        if isinstance(options, AggregationOptions):
            settings["aggregation"] = options.aggregation
        if isinstance(options, MinScoreOptions):
            settings["abstaining"] = Abstaining.asked(options)
            if options.min_score is not None and self.tag_set.plain:
                raise UserError("--min-score: this model tags every word, and has no entities to leave out")
        if isinstance(options, PerClassOptions):
            settings["per_class"] = options.per_class
        return self.with_(**settings)

    def describe(self) -> str:
        names = self.classes
        shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        return f"{self.name}, {len(names)} {self.tag_set.class_noun}s ({shown})"

    # --- rows -> examples -> features ---

    def check(self, examples: Mapping[str, Dataset]) -> list[Finding]:

        keys = {split: list(rows["text"][:]) for split, rows in examples.items()}
        labels = {split: list(rows["tags"][:]) for split, rows in examples.items()}
        places = {split: rows["where"][:] for split, rows in examples.items()}
        findings = checks.duplicates(keys, labels, places) + checks.leakage(keys, places)
        if "train" in examples:
            findings += self._class_findings({split: self.tag_set.counts(tags) for split, tags in labels.items()})
        return findings

    def absent_labels(self, examples: Dataset) -> list[str]:
        counts = self.tag_set.counts(examples["tags"][:])
        return [name for name in self.classes if not counts[name]]

    def _class_findings(self, counts: Mapping[str, Counter[str]]) -> list[Finding]:
        """Classes that are missing or rare in train, or missing elsewhere; those that are spelt alike."""
        from nlpkit.data import look_alikes

        findings = []
        train, what = counts["train"], f"{self.tag_set.class_noun}s"
        if only := self.tag_set.nothing_to_learn(train):
            findings.append(Finding("error", "single-class", f"train: {only}: there is nothing to learn"))
        rare = [f"{name}: {train[name]}" for name in self.classes if 0 < train[name] < RARE]
        if rare:
            message = f"train: {len(rare)} of {len(self.classes)} {what} have fewer than {RARE} {self.tag_set.unit}"
            findings.append(Finding("note", "rare-class", message, len(rare), rare))
        for split, of_split in counts.items():
            absent = [name for name in self.classes if not of_split[name]]
            if absent:
                message = f"{split}: {len(absent)} of {len(self.classes)} {what} do not occur: "
                level: Any = "warning" if split == "train" else "note"
                shown = ", ".join(absent[:SHOWN]) + (", ..." if len(absent) > SHOWN else "")
                findings.append(Finding(level, "absent-class", message + shown, len(absent)))
        everywhere = sum(counts.values(), Counter[str]())
        return findings + look_alikes.alike(self.classes, everywhere, what, slips=False)

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        special = sum(map(len, words.frame(tokenizer)))
        return [count + special for count in pieces.counts(tokenizer, examples["text"])]

    def length_report(self, lengths: np.ndarray) -> str:
        longer = self.max_length is not None and bool((lengths > self.max_length).any())
        return super().length_report(lengths) + (" and read in windows" if longer else "")

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Windows of the texts, see `features.windows`."""
        return features.windows(
            tokenizer,
            examples,
            self.tag_set,
            max_length=self.max_length,
            aggregation=self.aggregation,
            label_all_tokens=self.label_all_tokens,
        )

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        ids = self.tag_set.ids
        return {"num_labels": len(self.labels), "id2label": dict(enumerate(self.labels)), "label2id": dict(ids)}

    def with_head_of(self, trained: Task) -> tuple[Self, Head]:
        assert isinstance(trained, TokenClassification)
        head = heads.fitted(self.labels, trained.labels)
        return self.with_(labels=head.names) if head.names else self, head

    def with_loss(self, options: Config, train: Dataset) -> Self:
        return self.with_(label_all_tokens=LabellingOptions.of(options).label_all_tokens)

    def loss(self, forward: Forward) -> Loss:
        """Cross-entropy in nats over the tokens whose label is not -100.

        Args:
            forward: logits of shape (rows, tokens, labels), labels of shape (rows, tokens).
        """
        import torch.nn.functional as F

        logits, labels = forward.logits.float().flatten(0, 1), forward.batch["labels"].flatten()
        total = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        return Loss(total, (labels != IGNORED).sum())

    def collate(self, tokenizer: Any, *, multiple: int = 1) -> Collator:
        pad = PaddingCollator(tokenizer, token_labels=True, multiple=multiple, limit=self.model_length)
        return features.Collator(pad)

    def reduce(self, forward: Forward) -> dict[str, torch.Tensor]:
        """The logits, and which tokens are read: to pick these on a GPU would wait for it."""
        return {"logits": forward.logits, "read": forward.batch["read"]}

    def collect(self, reduced: Mapping[str, torch.Tensor]) -> list[np.ndarray]:
        """For each row the logits of the tokens that are read, shape (read, labels)."""
        read = arrays.on_cpu(reduced["read"])
        kept = arrays.on_cpu(arrays.float32(reduced["logits"][reduced["read"]]))
        return np.split(kept, np.cumsum(read.sum(1))[:-1])

    # --- learning from a teacher ---

    def soft_loss(self, student: Forward, teacher: Forward, temperature: float) -> Loss:
        """T^2 KL for each token that speaks for a word."""
        from nlpkit.tasks import soft_losses

        read = student.batch["read"]
        each = soft_losses.soft_targets(student.logits, teacher.logits, temperature)
        return Loss((each * read).sum(), read.sum())

    def soft_entries(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return batch["read"].sum()

    def without_label(self, example: Mapping[str, Any]) -> dict[str, Any]:
        return {**example, "tags": [""] * len(example["starts"])}  # which is no tag of any model

    # --- judging and answering ---

    def merge(self, outputs: Sequence[np.ndarray], features: Mapping[str, Sequence[Any]]) -> list[np.ndarray]:
        """Logits of each word, see `merging.merged`."""
        return merging.merged(outputs, features, self.tag_set, self.aggregation)

    def numbers(self, examples: Mapping[str, Sequence[Any]] | Dataset) -> int:
        return sum(map(len, examples["starts"])) * len(self.labels)

    def predicted(self, outputs: Sequence[np.ndarray]) -> tuple[list[list[str]], list[np.ndarray]]:
        """For each example the tags of its words, and their probabilities (NaN for a word without a token)."""
        return self.tag_set.predicted(outputs)

    def as_bio(self, tags: list[list[str]]) -> list[list[str]]:
        """Tags as the metrics want them: what is illegal in the model's scheme stays so, for the strict figures."""
        return self._in_scheme_of(tags).tag_set.as_bio(tags)

    def _in_scheme_of(self, tags: list[list[str]]) -> Self:
        """The task with the scheme in which a model answered, where its names do not tell BIO from IOB1."""
        if self.scheme_by != "answers":
            return self
        inside, begun = schemes.opening(tags)
        return self.with_(scheme="iob1") if inside and inside >= SURELY * (inside + begun) else self

    def with_conventions(self, outputs: Sequence[np.ndarray]) -> Self:
        """With the scheme in which a model from elsewhere answers, where its names do not tell."""
        if self.scheme_by == "record":
            return self
        how, task = "", self
        if self.scheme_by == "answers":
            tags = self.predicted(outputs)[0]
            inside, begun = schemes.opening(tags)
            if not inside + begun:
                return self
            how = f" ({inside:,} of {inside + begun:,} entities begin with I-)"
            task = self._in_scheme_of(tags)
            if task.scheme == "bio" and begun < SURELY * (inside + begun):
                reporting.current().warn(f"the model's tags are read as BIO, though not all are legal in it{how}")
        if task.scheme not in ("bio", "plain"):
            reporting.current().note(
                f"the model's tags are read as {task.scheme.upper()}{how}; all are compared as BIO"
            )
        return task.with_(scheme_by="record")

    def score(self, outputs: Sequence[np.ndarray], examples: Dataset) -> dict[str, float]:
        from nlpkit.metrics import calibration

        scores = self.tag_set.score(self.as_bio(self.predicted(outputs)[0]), examples["tags"][:])
        return {**scores, **calibration.figures(self.decisions(outputs, examples))}

    def decisions(self, outputs: Sequence[np.ndarray], examples: Dataset) -> Decisions:
        return self.tag_set.decisions(outputs, examples["tags"][:])

    def evidence(self, outputs: Sequence[np.ndarray], examples: Dataset) -> Evidence:
        """Sentences: which document each is of, no file format that is read here tells."""
        return self.tag_set.evidence(self.as_bio(self.predicted(outputs)[0]), examples["tags"][:])

    def possible_metrics(self) -> Collection[str]:
        from nlpkit.metrics import calibration

        tags = [[self.labels[0]]]
        decided = self.tag_set.decisions([np.zeros((1, len(self.labels)))], tags)
        return [*self.tag_set.score(tags, tags), *calibration.figures(decided)]

    def details(self, outputs: Sequence[np.ndarray], examples: Dataset) -> dict[str, Any]:
        return self.tag_set.details(self.as_bio(self.predicted(outputs)[0]), list(examples["tags"][:]))

    def decode(self, outputs: Sequence[np.ndarray], inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Answers whose `prediction` lists what was found: text, label, score, and start and end in the text.

        With plain tags every word is found. The score of an entity is the mean probability of the tags of its words;
        the `score` of the answer is that mean over all words.
        """
        for tags, scores, entry in zip(*self.predicted(outputs), inputs, strict=True):
            entities = []
            for start, end, label in self.tag_set.entities_of(tags):
                first, behind = entry["starts"][start], entry["ends"][end - 1]
                entity = {"text": entry["text"][first:behind], "label": label, "score": mean_score(scores[start:end])}
                entities.append({**entity, "start": first, "end": behind})
            answer: dict[str, Any] = {"prediction": entities, "score": mean_score(scores)}
            if self.abstaining is not None:
                answer["prediction"] = [entity for entity in entities if entity["score"] >= self.abstaining.least]
                if left_out := len(entities) - len(answer["prediction"]):
                    answer[ABSTAINED] = left_out
            yield answer

    @property
    def listed(self) -> str:
        return "entities"

    # --- explaining ---

    movable: ClassVar[bool] = False

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: Sequence[np.ndarray], asked: str | None = None
    ) -> list[Question]:
        """How sure the model is of the tags of each entity; none where it finds none."""
        (tags,), _ = self.predicted(outputs)
        places = list(zip(example["starts"], example["ends"], strict=True))
        sentence = explaining.Sentence(example["text"], places, tags, self.tag_set.entities_of(tags))
        made = self.features(tokenizer, {name: [example[name]] for name in ("text", "starts", "ends")})
        averages = self.aggregation == "average"
        return explaining.questions(
            tokenizer, sentence, made, self.tag_set, asked, max_length=self.max_length, averages=averages
        )

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        return explaining.explained(forward, target)

    def baseline(self, train: Dataset, seed: int, name: str = "", vectors: WordVectors | None = None) -> Classical:
        return baseline.MostFrequentTag(train, self.tag_set.ids)
