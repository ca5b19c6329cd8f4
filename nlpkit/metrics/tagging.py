"""Metrics of tagged words, as `evaluate.Metric` classes over seqeval and scikit-learn that work offline.

Entities are what seqeval says they are. It does so in plain Python, so each sentence is read once, and every figure,
the strict ones too, comes from that.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import datasets
import evaluate
import numpy as np
from seqeval.metrics.sequence_labeling import get_entities
from sklearn import metrics as sk

from nlpkit.metrics import classification, computed
from nlpkit.metrics.class_counts import ClassCounts, ratio
from nlpkit.metrics.evidence import Evidence, Extremes, Share, Weights, numbered

CITATION = "Nakayama 2018, seqeval: A Python framework for sequence labeling evaluation"
SUFFIXES = ("precision", "recall", "f1")
ERRORS = ("boundary", "type", "boundary+type", "missed", "invented")
NONE = "(none)"  # in a confusion of types: no entity
UNIT = "sentences"  # what is drawn independently

Tagged = Sequence[Sequence[str]]


class Entity(NamedTuple):
    """An entity: its sentence, the first and the last word, and its type."""

    sentence: int
    start: int
    end: int
    type: str


def entities(sentences: Tagged) -> list[Entity]:
    """The entities in BIO tags, in order; an I- that follows O or another type begins one, as in conlleval.

    Args:
        sentences: tags of each sentence.
    """
    return [
        Entity(i, start, end, kind) for i, tags in enumerate(sentences) for kind, start, end in get_entities(list(tags))
    ]


def strict(all_entities: set[Entity], sentences: Tagged) -> set[Entity]:
    """Those of the entities that begin with B-: what seqeval's strict mode leaves of them under IOB2."""
    return {entity for entity in all_entities if sentences[entity.sentence][entity.start][0] == "B"}


def _ratios(right: int, predicted: int, gold: int) -> dict[str, float]:
    """Precision, recall and F1; 0 where there is nothing to divide by."""
    precision = right / predicted if predicted else 0.0
    recall = right / gold if gold else 0.0
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0.0
    return dict(zip(SUFFIXES, (precision, recall, f1), strict=True))


def _info(description: str) -> evaluate.MetricInfo:
    tags = datasets.List(datasets.Value("string"))
    return evaluate.MetricInfo(
        description=description,
        citation=CITATION,
        inputs_description="predictions, references: the tags of each sentence",
        features=datasets.Features({"predictions": tags, "references": tags}),
    )


class EntityScores(evaluate.Metric):
    """Precision, recall and F1 of whole entities over all types, the same in seqeval's strict mode, tag accuracy."""

    def _info(self) -> evaluate.MetricInfo:
        return _info(self.__doc__ or "")

    def _compute(self, predictions: Tagged, references: Tagged) -> dict[str, float]:
        gold, predicted = set(entities(references)), set(entities(predictions))
        strict_gold, strict_found = strict(gold, references), strict(predicted, predictions)
        strictly = _ratios(len(strict_gold & strict_found), len(strict_found), len(strict_gold))
        return {
            **_ratios(len(gold & predicted), len(predicted), len(gold)),
            **{f"strict_{name}": value for name, value in strictly.items()},
            "accuracy": _accuracy(predictions, references),
        }


class TagScores(evaluate.Metric):
    """Tag accuracy; precision, recall and F1 over the tags (macro, weighted)."""

    def _info(self) -> evaluate.MetricInfo:
        return _info(self.__doc__ or "")

    def _compute(self, predictions: Tagged, references: Tagged) -> dict[str, float]:
        predicted, gold, names = _numbers(predictions, references)
        scores = {"accuracy": _accuracy(predictions, references)}
        for average in ("macro", "weighted"):
            values = sk.precision_recall_fscore_support(
                gold, predicted, labels=range(len(names)), average=average, zero_division=0
            )
            scores |= {f"{suffix}_{average}": float(value) for suffix, value in zip(SUFFIXES, values[:3], strict=True)}
        return scores


def _accuracy(predicted: Tagged, gold: Tagged) -> float:
    pairs = [a == b for tags, true in zip(predicted, gold, strict=True) for a, b in zip(tags, true, strict=True)]
    return sum(pairs) / len(pairs)


def _numbers(predicted: Tagged, gold: Tagged) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The tags of all words as indices into the names of those that occur, alphabetically."""
    flat = [np.array([tag for tags in sentences for tag in tags], dtype=object) for sentences in (predicted, gold)]
    names = sorted(set(flat[0]) | set(flat[1]))
    numbers = {name: i for i, name in enumerate(names)}
    first, second = (np.fromiter((numbers[tag] for tag in tags), np.int64, len(tags)) for tags in flat)
    return first, second, names


def compute(predicted: Tagged, gold: Tagged, *, plain: bool) -> dict[str, float]:
    """All metrics of tagged sentences, of which one has a word.

    Args:
        predicted: tags of each sentence, BIO unless `plain`.
        gold: tags of the same words.
        plain: the tags stand each for themselves.
    """
    return computed(TagScores if plain else EntityScores, predictions=predicted, references=gold)


def evidence(predicted: Tagged, gold: Tagged, *, plain: bool) -> Evidence:
    """What the metrics of `compute` hang on: sentences, whose words belong together."""
    return _tag_evidence(predicted, gold) if plain else _entity_evidence(predicted, gold)


def _entity_evidence(predicted: Tagged, gold: Tagged) -> Evidence:
    found, true = set(entities(predicted)), set(entities(gold))
    strict_found, strict_true = strict(found, predicted), strict(true, gold)
    counted = [found & true, found, true, strict_found & strict_true, strict_found, strict_true]
    columns = [np.bincount([entity.sentence for entity in group], minlength=len(gold)) for group in counted]
    columns += _right_words(predicted, gold)
    kinds = numbered(np.stack(columns, axis=1))
    _, first = np.unique(kinds, return_index=True)
    table = np.stack(columns, axis=1)[first].astype(np.float64)
    prefixes = ("", "strict_")

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        sums = (weights @ table).T
        scores: dict[str, np.ndarray] = {}
        for prefix, (right, guessed, wanted) in zip(prefixes, (sums[:3], sums[3:6]), strict=True):
            values = (ratio(right, guessed), ratio(right, wanted), ratio(2 * right, guessed + wanted))
            scores |= {f"{prefix}{suffix}": value for suffix, value in zip(SUFFIXES, values, strict=True)}
        return {**scores, "accuracy": ratio(sums[6], sums[7])}

    shares = {"accuracy": Share(columns[6], columns[7])}
    for prefix, (right, guessed, wanted) in zip(prefixes, (columns[:3], columns[3:6]), strict=True):
        shares |= {
            f"{prefix}precision": Share(right, guessed),
            f"{prefix}recall": Share(right, wanted),
            f"{prefix}f1": Share(right, guessed + wanted - right, dice=True),
        }
    return Evidence(kinds, figures, shares, unit=UNIT)


def _tag_evidence(predicted: Tagged, gold: Tagged) -> Evidence:
    from scipy import sparse

    first, second, names = _numbers(predicted, gold)
    sentence = np.repeat(np.arange(len(gold)), [len(tags) for tags in gold])
    right, words = _right_words(predicted, gold)

    def table(tags: np.ndarray, rows: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((np.ones(len(tags)), (rows, tags)), shape=(len(gold), len(names)))

    same = first == second
    tables = (table(first[same], sentence[same]), table(first, sentence), table(second, sentence))
    counts_of_words = np.stack([right, words], axis=1).astype(np.float64)

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        counts = ClassCounts.of(tables, weights)
        hits, trials = (weights @ counts_of_words).T
        return {"accuracy": ratio(hits, trials), **counts.macro(), **counts.weighted()}

    accurate = Share(right, words)
    averages = [*(f"{suffix}_macro" for suffix in SUFFIXES), "precision_weighted", "f1_weighted"]
    extremes = dict.fromkeys(averages, Extremes())
    shares = {"accuracy": accurate, "recall_weighted": accurate}
    return Evidence(np.arange(len(gold)), figures, shares, extremes, unit=UNIT)


def _right_words(predicted: Tagged, gold: Tagged) -> tuple[np.ndarray, np.ndarray]:
    """Of each sentence how many words have the right tag, and how many words there are."""
    right = [sum(a == b for a, b in zip(tags, true, strict=True)) for tags, true in zip(predicted, gold, strict=True)]
    return np.array(right), np.array([len(true) for true in gold])


def per_class(predicted: Tagged, gold: Tagged, *, plain: bool) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each type of entity, or of each plain tag; those that occur."""
    if plain:
        first, second, names = _numbers(predicted, gold)
        columns = sk.precision_recall_fscore_support(second, first, labels=range(len(names)), zero_division=0)
        return {
            name: {**{s: float(columns[k][i]) for k, s in enumerate(SUFFIXES)}, "support": int(columns[3][i])}
            for i, name in enumerate(names)
        }
    predicted_entities, true = set(entities(predicted)), set(entities(gold))
    right, counts, support = (
        Counter(entity.type for entity in group) for group in (predicted_entities & true, predicted_entities, true)
    )
    return {
        kind: {**_ratios(right[kind], counts[kind], support[kind]), "support": support[kind]}
        for kind in sorted(counts | support)
    }


@dataclass(frozen=True)
class Mistake:
    """A predicted entity that is wrong, a true one that was not found, or one taken for the other.

    Attributes:
        kind: one of `ERRORS`.
        gold: the true entity; None for an invented one.
        predicted: what was found in its place; None for a missed one.
    """

    kind: str
    gold: Entity | None
    predicted: Entity | None


def mistakes(predicted: Tagged, gold: Tagged) -> list[Mistake]:
    """Every wrong entity once, in the order of the text.

    A true entity goes with the predicted one that shares most words with it (of equals with one of its type, then with
    the first), each with one at most; what is left over is missed or invented.
    """
    predicted_entities, true = set(entities(predicted)), set(entities(gold))
    by_sentence: dict[int, list[Entity]] = {}
    for entity in sorted(predicted_entities - true):
        by_sentence.setdefault(entity.sentence, []).append(entity)
    out: list[Mistake] = []
    lost = sorted(true - predicted_entities)
    # the entities of a sentence do not overlap, so that both their starts and their ends ascend
    pairs = sorted(
        (-_shared(entity, other), entity.type != other.type, entity, other)
        for entity in lost
        if (others := by_sentence.get(entity.sentence))
        for other in others[
            bisect.bisect_left(others, entity.start, key=lambda other: other.end) : bisect.bisect_right(
                others, entity.end, key=lambda other: other.start
            )
        ]
    )
    taken: set[tuple[str, Entity]] = set()
    for _, _, entity, other in pairs:
        if ("gold", entity) not in taken and ("predicted", other) not in taken:
            taken |= {("gold", entity), ("predicted", other)}
            out.append(Mistake(_kind(entity, other), entity, other))
    out += [Mistake("missed", entity, None) for entity in lost if ("gold", entity) not in taken]
    invented = (other for others in by_sentence.values() for other in others)
    out += [Mistake("invented", None, other) for other in invented if ("predicted", other) not in taken]
    return sorted(out, key=lambda mistake: mistake.gold or mistake.predicted or ())


def _shared(one: Entity, other: Entity) -> int:
    """Words in both."""
    return min(one.end, other.end) - max(one.start, other.start) + 1


def _kind(gold: Entity, predicted: Entity) -> str:
    if gold.type == predicted.type:
        return "boundary"
    return "type" if (gold.start, gold.end) == (predicted.start, predicted.end) else "boundary+type"


def confusion(predicted: Tagged, gold: Tagged, *, plain: bool) -> tuple[list[str], np.ndarray]:
    """Which types, or plain tags, were taken for which.

    Returns:
        Names, and counts of shape (names, names): true rows, predicted columns; of many see
        `classification.confusion`. With entities one name is `NONE`: its column counts the missed, its row the
        invented ones.
    """
    if plain:
        first, second, names = _numbers(predicted, gold)
        return classification.confusion(second, first, names)
    predicted_entities, true = set(entities(predicted)), set(entities(gold))
    names = [*sorted({entity.type for entity in predicted_entities | true}), NONE]
    places = {name: i for i, name in enumerate(names)}
    pairs = [(entity.type, entity.type) for entity in predicted_entities & true]
    for mistake in mistakes(predicted, gold):
        row, column = (entity.type if entity else NONE for entity in (mistake.gold, mistake.predicted))
        pairs.append((row, column))
    counted = np.array([(places[row], places[column]) for row, column in pairs], dtype=np.int64).reshape(-1, 2)
    return classification.confusion(counted[:, 0], counted[:, 1], names, kept=[places[NONE]])


def error_shares(predicted: Tagged, gold: Tagged) -> dict[str, float]:
    """How many mistakes there are (`count`), and which share of them each of `ERRORS` has."""
    counts = Counter(mistake.kind for mistake in mistakes(predicted, gold))
    return {"count": counts.total(), **{kind: counts[kind] / max(counts.total(), 1) for kind in ERRORS}}
