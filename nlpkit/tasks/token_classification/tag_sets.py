"""What the tags of a model stand for: entities, that several words may make up, or each for itself (plain tags).

Everything in which the two differ once the tags are read stands here: how tags are counted, how a sentence of tags is
read, which figures there are, and how they are shown. `tag_set` gives the one of a scheme.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit.reporting import Marked, Table
from nlpkit.tasks.arrays import softmax
from nlpkit.tasks.outputs import exact
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.tags import OUTSIDE, Scheme, Span

if TYPE_CHECKING:
    from nlpkit.metrics.calibration import Decisions
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.metrics.tagging import Entity

SHOWN_TAGS = 20  # rows of the table of plain tags


@dataclass(frozen=True)
class TagSet(ABC):
    """See the module's docstring.

    Args:
        labels: names of the model's classes.
        scheme: that these are written in.
    """

    labels: Sequence[str]
    scheme: Scheme

    plain: ClassVar[bool]
    metrics: ClassVar[Sequence[str]]  # of the result table, the main one first
    metric_notes: ClassVar[Mapping[str, str]] = {}  # see `Judged.metric_notes`
    class_noun: ClassVar[str]  # what one of `classes` is called
    unit: ClassVar[str]  # what is counted of each class
    most_shown: ClassVar[int | None] = None  # classes in the table of the data

    @cached_property
    def ids(self) -> dict[str, int]:
        """The number of each of the labels."""
        return {name: i for i, name in enumerate(self.labels)}

    @property
    @abstractmethod
    def classes(self) -> list[str]:
        """What people are told of: the types of entities, or the plain tags."""

    @property
    @abstractmethod
    def as_examples(self) -> bool:
        """Whether the labels are named as the tags of examples are: plain, or BIO in capitals."""

    # --- tags of examples ---

    @abstractmethod
    def class_of(self, tag: str) -> str | None:
        """The class that a tag of an example is about; None for O."""

    @abstractmethod
    def has(self, tag: str) -> bool:
        """Whether the model can give a tag of an example, which is BIO whatever the model's scheme is."""

    @abstractmethod
    def counts(self, sentences: Iterable[Sequence[str]]) -> Counter[str]:
        """How often each class occurs in the tags of examples."""

    @abstractmethod
    def nothing_to_learn(self, counts: Counter[str]) -> str:
        """Why these classes of train teach nothing; "" where they do teach something."""

    def as_named(self, tags: Sequence[str]) -> Sequence[str]:
        """Tags of an example by the names that the model has for them; others, and "", stay as they are."""
        return tags

    def continuing(self, tag: str) -> str:
        """The tag of what goes on with a word that has this one."""
        return tag

    # --- tags that the model gives ---

    def predicted(self, outputs: Sequence[np.ndarray]) -> tuple[list[list[str]], list[np.ndarray]]:
        """The tags of the words of each example, and their probabilities.

        Args:
            outputs: logits per example, shape (words, labels), NaN for a word without a token: what speaks for it are
                its neighbours, and its probability is NaN.
        """
        logits = np.concatenate(outputs)
        silent = np.isnan(logits[:, 0])
        probabilities = softmax(np.where(silent[:, None], 0.0, logits))
        names = np.array(self.labels, dtype=object)
        best = names[probabilities.argmax(axis=1)]
        best[silent] = ""
        scores = np.where(silent, np.nan, probabilities.max(axis=1))
        bounds = np.cumsum([len(of_sentence) for of_sentence in outputs])[:-1]
        tags = [part.tolist() for part in np.split(best, bounds)]
        for sentence in tags:
            if "" in sentence:
                self.fill_gaps(sentence)
        return tags, np.split(scores, bounds)

    def fill_gaps(self, tags: list[str]) -> None:
        """Tag the words without a token, where `tags` has ""; changes it."""
        behind = list(tags)  # of each word the tag of the next one that has a token
        for i in range(len(tags) - 2, -1, -1):
            behind[i] = behind[i] or behind[i + 1]
        for i, tag in enumerate(tags):
            if not tag:
                tags[i] = self.between(tags[i - 1] if i else "", behind[i])

    @abstractmethod
    def between(self, before: str, following: str) -> str:
        """The tag of a word without a token.

        Args:
            before: the tag of the word before it; "" for the first word.
            following: the tag of the next word that has a token; "" where none follows.
        """

    def as_bio(self, sentences: list[list[str]]) -> list[list[str]]:
        """Tags as the metrics want them: what is illegal in the model's scheme stays so, for the strict figures."""
        return sentences

    @abstractmethod
    def entities_of(self, tags: Sequence[str]) -> list[Span]:
        """The entities of a sentence, or its words with their plain tags."""

    @abstractmethod
    def tags_of(self, spans: Sequence[Span], words: int) -> Sequence[str]:
        """The tags of a sentence of so many words in which these were found, as the model names them."""

    # --- figures ---

    def score(self, predicted: list[list[str]], gold: list[list[str]]) -> dict[str, float]:
        """Metrics of tags as `as_bio` gives them against those of examples."""
        from nlpkit.metrics import tagging

        return tagging.compute(predicted, gold, plain=self.plain)

    def decisions(self, outputs: Sequence[np.ndarray], gold: Sequence[Sequence[str]]) -> Decisions:
        """The tag of each word, but of those that no token of their own speaks for, and those without a tag.

        Args:
            outputs: as for `predicted`.
            gold: tags of examples.
        """
        from nlpkit.metrics.calibration import Decisions

        logits = np.concatenate(outputs)
        tags = [tag for sentence in gold for tag in self.as_named(sentence)]
        ids = np.array([self.ids.get(tag, len(self.labels)) for tag in tags], dtype=np.int64)
        row = np.repeat(np.arange(len(outputs)), [len(of_sentence) for of_sentence in outputs])
        told = np.isfinite(logits).all(axis=1) & np.array([tag != "" for tag in tags], dtype=bool)
        return Decisions(logits[told], ids[told], row[told])

    def evidence(self, predicted: list[list[str]], gold: list[list[str]]) -> Evidence:
        """What these metrics hang on."""
        from nlpkit.metrics import tagging

        return tagging.evidence(predicted, gold, plain=self.plain)

    def details(self, predicted: list[list[str]], gold: list[list[str]]) -> dict[str, Any]:
        """Figures of each class, and which was taken for which."""
        from nlpkit.metrics import confused, tagging

        names, matrix = self.confusion(predicted, gold)
        return {
            "per_class": tagging.per_class(predicted, gold, plain=self.plain),
            "confusion": {"names": names, "matrix": matrix.tolist()},
            "confused": confused.pairs(names, matrix),
        }

    def confusion(self, predicted: list[list[str]], gold: list[list[str]]) -> tuple[list[str], np.ndarray]:
        """Which class was taken for which: names, and counts of shape (names, names)."""
        from nlpkit.metrics import tagging

        return tagging.confusion(predicted, gold, plain=self.plain)

    # --- what people see ---

    def in_order(self, train: Counter[str]) -> Sequence[str]:
        """The classes as a table of the data lists them."""
        return self.classes

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        """Tables of what `details` gave for a split."""
        lines = [[name, *values.values()] for name, values in details["per_class"].items()]
        header = [self.class_noun, "precision", "recall", "f1", "support"]
        return [Table(f"{split}, by {self.class_noun}", header, lines)]

    @abstractmethod
    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """See `View.answer_tables`."""

    @abstractmethod
    def mistakes(
        self,
        predicted: list[list[str]],
        gold: list[list[str]],
        scores: Sequence[np.ndarray],
        columns: Mapping[str, Sequence[Any]],
    ) -> list[tuple[int, dict[str, Any]]]:
        """What is wrong, each with the number of its example and the `score` of the prediction.

        Args:
            predicted: tags as `as_bio` gives them.
            gold: those of the examples.
            scores: the probability of the tag of each word; NaN for a word without a token.
            columns: `text`, `starts` and `ends` of the examples.
        """


class EntityTags(TagSet):
    """Tags that say where entities begin, go on and end, and of which type each is."""

    plain = False
    metrics = ("f1", "precision", "recall", "accuracy")
    metric_notes: ClassVar[Mapping[str, str]] = {"f1": "of whole entities", "accuracy": "of words"}
    class_noun = "type"
    unit = "entities"

    @cached_property
    def classes(self) -> list[str]:
        return schemes.types(self.labels, self.scheme)

    @cached_property
    def _types(self) -> frozenset[str]:
        return frozenset(self.classes)

    @cached_property
    def as_examples(self) -> bool:
        return self.scheme == "bio" and set(self.labels) <= set(schemes.label_names(self.classes))

    def class_of(self, tag: str) -> str | None:
        return None if tag == OUTSIDE else tag[2:]

    def has(self, tag: str) -> bool:
        return tag in self.ids or (not self.as_examples and tag[2:] in self._types)

    def counts(self, sentences: Iterable[Sequence[str]]) -> Counter[str]:
        return Counter(span.type for tags in sentences for span in schemes.spans(tags))

    def nothing_to_learn(self, counts: Counter[str]) -> str:
        return "" if counts else "there is no entity"

    def as_named(self, tags: Sequence[str]) -> Sequence[str]:
        if self.as_examples:
            return tags
        named = {schemes.parse(name, self.scheme): name for name in self.labels}
        own = schemes.written(schemes.spans(tags), len(tags), self.scheme)
        return [tag and named.get(schemes.parse(other, self.scheme), tag) for tag, other in zip(tags, own, strict=True)]

    def continuing(self, tag: str) -> str:
        parsed = schemes.parse(tag, self.scheme)
        return tag if parsed is None or parsed[0] != "B" else f"I{tag[1:]}"

    def between(self, before: str, following: str) -> str:
        before, following = before or OUTSIDE, following or OUTSIDE
        one = schemes.spans([before, following], self.scheme)
        inside = before != OUTSIDE and following != OUTSIDE and len(one) == 1
        return self.continuing(before) if inside else OUTSIDE

    def as_bio(self, sentences: list[list[str]]) -> list[list[str]]:
        if self.as_examples:
            return sentences
        return [schemes.answered(tags, self.scheme) for tags in sentences]

    def entities_of(self, tags: Sequence[str]) -> list[Span]:
        return schemes.spans(tags, self.scheme)

    def tags_of(self, spans: Sequence[Span], words: int) -> Sequence[str]:
        return self.as_named(schemes.bio(spans, words))

    def details(self, predicted: list[list[str]], gold: list[list[str]]) -> dict[str, Any]:
        """Besides, the shares of kinds of mistakes."""
        from nlpkit.metrics import tagging

        return {**super().details(predicted, gold), "errors": tagging.error_shares(predicted, gold)}

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        matrix, errors = details["confusion"], details["errors"]
        rows = [[name, *counts] for name, counts in zip(matrix["names"], matrix["matrix"], strict=True)]
        return [
            *super().detail_tables(split, details),
            Table(f"{split}, true types (rows) and predicted", [self.class_noun, *matrix["names"]], rows),
            Table(f"{split}, shares of mistakes", list(errors), [list(errors.values())]),
        ]

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """The texts with their entities marked, and a table of these."""
        marked, body = list[list[Any]](), list[list[Any]]()
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True), start=1):
            entities = answer["prediction"]
            if entities is None:
                marked.append([f"{row['text']} ({answer['error']})"])
                continue
            marked.append([Marked(row["text"], [(e["start"], e["end"], e["label"]) for e in entities], self.classes)])
            body += [[*_cells(entity), *([number] if len(rows) > 1 else [])] for entity in entities]
        header = ["entity", "label", "score", "start", "end", *(["text"] if len(rows) > 1 else [])]
        return [Table("texts", ["text"], marked), *([Table("entities", header, body)] if body else [])]

    def mistakes(
        self,
        predicted: list[list[str]],
        gold: list[list[str]],
        scores: Sequence[np.ndarray],
        columns: Mapping[str, Sequence[Any]],
    ) -> list[tuple[int, dict[str, Any]]]:
        """Wrong entities, as `tagging.mistakes` tells their kinds."""
        from nlpkit.metrics import tagging

        mistakes = []
        for mistake in tagging.mistakes(predicted, gold):
            place = mistake.predicted or mistake.gold
            assert place is not None  # a mistake is about one of them
            entry = {
                "kind": mistake.kind,
                "label": mistake.gold and _described(columns, mistake.gold),
                "prediction": mistake.predicted and _described(columns, mistake.predicted),
                "score": mean_score(scores[place.sentence][place.start : place.end + 1]),
            }
            mistakes.append((place.sentence, entry))
        return mistakes


class PlainTags(TagSet):
    """Tags that stand for themselves, one for each word."""

    plain = True
    metrics = ("accuracy", "f1_macro")
    class_noun = "tag"
    unit = "words"
    most_shown = SHOWN_TAGS
    as_examples = True

    @property
    def classes(self) -> list[str]:
        return list(self.labels)

    def class_of(self, tag: str) -> str:
        return tag

    def has(self, tag: str) -> bool:
        return tag in self.ids

    def counts(self, sentences: Iterable[Sequence[str]]) -> Counter[str]:
        return Counter(tag for tags in sentences for tag in tags)

    def nothing_to_learn(self, counts: Counter[str]) -> str:
        if len(counts) > 1:
            return ""
        return f"every word has the tag {next(iter(counts))}" if counts else "there is no entity"

    def between(self, before: str, following: str) -> str:
        return before or following or self.labels[0]

    def entities_of(self, tags: Sequence[str]) -> list[Span]:
        return [Span(i, i + 1, tag) for i, tag in enumerate(tags)]

    def tags_of(self, spans: Sequence[Span], words: int) -> Sequence[str]:
        return [span.type for span in spans]

    def in_order(self, train: Counter[str]) -> Sequence[str]:
        """The most frequent tags of train first."""
        return sorted(self.classes, key=lambda name: -train[name])

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """A table of words for each text."""
        tables, failed = list[Table](), list[list[Any]]()
        for row, answer in zip(rows, answers, strict=True):
            if answer["prediction"] is None:
                failed.append([f"{row['text']} ({answer['error']})"])
                continue
            words = [_cells(word) for word in answer["prediction"]]
            tables.append(Table(row["text"], ["word", "tag", "score", "start", "end"], words))
        return [*tables, *([Table("no answer", ["text"], failed)] if failed else [])]

    def mistakes(
        self,
        predicted: list[list[str]],
        gold: list[list[str]],
        scores: Sequence[np.ndarray],
        columns: Mapping[str, Sequence[Any]],
    ) -> list[tuple[int, dict[str, Any]]]:
        """Words with a wrong tag."""
        mistakes = []
        for i, (tags, true) in enumerate(zip(predicted, gold, strict=True)):
            for word in (word for word, pair in enumerate(zip(tags, true, strict=True)) if pair[0] != pair[1]):
                text = columns["text"][i][columns["starts"][i][word] : columns["ends"][i][word]]
                score = mean_score(scores[i][word : word + 1])
                mistakes.append((i, {"word": text, "label": true[word], "prediction": tags[word], "score": score}))
        return mistakes


def tag_set(labels: Sequence[str], scheme: Scheme) -> TagSet:
    """What labels that are written in a scheme stand for, see `TagSet`."""
    return PlainTags(labels, scheme) if scheme == "plain" else EntityTags(labels, scheme)


def mean_score(scores: np.ndarray) -> float:
    """Mean probability of words with a token; 0 where none has one."""
    known = scores[~np.isnan(scores)]
    return exact(known.mean()) if len(known) else 0.0


def _cells(entity: Mapping[str, Any]) -> list[Any]:
    """An entity, or a word with its tag, as a row of a table."""
    return [entity[name] for name in ("text", "label", "score", "start", "end")]


def _described(columns: Mapping[str, Sequence[Any]], entity: Entity) -> dict[str, Any]:
    """An entity with its text and the characters where it starts and ends; `columns` are those of the examples."""
    i = entity.sentence
    start, end = columns["starts"][i][entity.start], columns["ends"][i][entity.end]
    return {"text": columns["text"][i][start:end], "label": entity.type, "start": start, "end": end}
