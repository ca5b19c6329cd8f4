"""How vectors of each kind of data are judged: which are compared with which, and where they go wrong.

Functions take vectors (examples, texts, width), NaN where an example has fewer texts, the examples, and the similarity
that the model was made for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.metrics import retrieval, similarity

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.metrics.evidence import Evidence
    from nlpkit.metrics.retrieval import Judged, Ranking

WORST_PAIRS = 0.1  # share of pairs with a score that are told as mistakes, those whose ranks differ most
ABOVE = 3  # documents that are told of a query
TOLD = 200  # characters of such a document


# --- pairs ---


def scored_pairs(vectors: np.ndarray, examples: Dataset, how: str) -> Evidence:
    """Correlations of likeness with the scores of pairs."""
    return similarity.scored_pairs(vectors[:, 0], vectors[:, 1], np.asarray(examples["label"][:]), how)


def labelled_pairs(vectors: np.ndarray, examples: Dataset, how: str) -> Evidence:
    """How well likeness parts pairs that are alike from others."""
    return similarity.labelled_pairs(vectors[:, 0], vectors[:, 1], np.asarray(examples["label"][:]), how)


def triplets(vectors: np.ndarray, examples: Dataset, how: str) -> Evidence:
    """How often a text is more alike to its partner than to what does not belong to it."""
    return similarity.triplets(vectors[:, 0], vectors[:, 1], vectors[:, 2:], how)


def unmoved(vectors: np.ndarray, examples: Dataset, how: str) -> Evidence:
    """How near vectors are to those that the model gave before it was changed."""
    before = np.full_like(vectors, np.nan, dtype=np.float32)
    for row, texts in zip(before, examples["before"][:], strict=True):
        row[: len(texts)] = texts
    return similarity.unmoved(before, vectors)


def worst_scored(vectors: np.ndarray, examples: Dataset, how: str) -> list[dict[str, Any]]:
    """Pairs whose place by likeness is farthest from that by score; places are shares of all, 1 for the most alike."""
    from scipy import stats

    likeness = similarity.of_pairs(vectors[:, 0], vectors[:, 1], how)
    gold = np.asarray(examples["label"][:])
    places = [stats.rankdata(values) / len(values) for values in (likeness, gold)]
    off = np.abs(places[0] - places[1])
    worst = np.argsort(-off, kind="stable")[: max(round(WORST_PAIRS * len(off)), 1)]
    return [
        {
            **_texts(example),
            "label": float(gold[i]),
            "prediction": float(likeness[i]),
            "place by likeness": f"{places[0][i]:.0%}",
            "place by score": f"{places[1][i]:.0%}",
            "where": example["where"],
        }
        for i, example in _at(examples, worst)
    ]


def worst_labelled(vectors: np.ndarray, examples: Dataset, how: str) -> list[dict[str, Any]]:
    """Pairs on the wrong side of the threshold of the best F1, the farthest from it first."""
    alike = np.asarray(examples["label"][:]) > 0
    likeness = similarity.of_pairs(vectors[:, 0], vectors[:, 1], how)
    threshold = similarity.decided(likeness, alike).observed()["f1_threshold"]
    wrong = np.flatnonzero((likeness >= threshold) != alike)
    wrong = wrong[np.argsort(-np.abs(likeness[wrong] - threshold), kind="stable")]
    return [
        {
            **_texts(example),
            "label": "alike" if alike[i] else "not alike",
            "prediction": "not alike" if alike[i] else "alike",
            how: float(likeness[i]),
            "where": example["where"],
        }
        for i, example in _at(examples, wrong)
    ]


def worst_triplets(vectors: np.ndarray, examples: Dataset, how: str) -> list[dict[str, Any]]:
    """Anchors with a negative that is more alike than the positive, by how much."""
    near = similarity.of_pairs(vectors[:, 0], vectors[:, 1], how)
    far = similarity.of_pairs(vectors[:, :1], vectors[:, 2:], how)
    gap = near - np.nanmax(far, axis=1)
    wrong = np.flatnonzero(gap <= 0)
    wrong = wrong[np.argsort(gap[wrong], kind="stable")]
    return [
        {
            "text": example["text"],
            "label": example["text_pair"],
            "prediction": example["negatives"][int(np.nanargmax(far[i]))],
            f"{how} of the positive": float(near[i]),
            f"{how} of the negative": float(np.nanmax(far[i])),
            "where": example["where"],
        }
        for i, example in _at(examples, wrong)
    ]


def _at(examples: Dataset, places: np.ndarray) -> list[tuple[int, dict[str, Any]]]:
    """The examples at these places, each with its place."""
    return list(zip(places.tolist(), examples.select(places).to_list(), strict=True))


def _texts(example: Mapping[str, Any]) -> dict[str, str]:
    return {name: example[name] for name in ("text", "text_pair")}


# --- one text among many ---


@dataclass(frozen=True, eq=False)
class Searched:
    """Queries and what they search.

    Attributes:
        queries, documents: vectors, shape (queries, width) and (documents, width).
        texts: of the documents.
        judged: how relevant which documents are to each query.
    """

    queries: np.ndarray
    documents: np.ndarray
    texts: Sequence[str]
    judged: Sequence[Judged]

    def ranking(self, how: str) -> Ranking:
        return retrieval.search(self.queries, self.documents, how)

    def worst(self, examples: Dataset, how: str, measure: str) -> list[dict[str, Any]]:
        """Queries that do not find what they should first, the worst first, with what stood above.

        Args:
            measure: the metric of a query that says how well it does.
        """
        ranking = self.ranking(how)
        values = retrieval.per_query(ranking, self.judged)[measure]
        wrong = np.flatnonzero(values < 1)
        told = []
        asked = examples.select_columns(["text", "where"])
        for i, example in _at(asked, wrong[np.argsort(values[wrong], kind="stable")]):
            grades = self.judged[i]
            found = ranking.documents[i].tolist()
            rank = next((n for n, place in enumerate(found, start=1) if grades.get(place, 0) > 0), None)
            above = found[: min(ABOVE, ABOVE if rank is None else rank - 1)]
            wanted = max((place for place in grades if place >= 0), key=lambda place: grades[place], default=None)
            first = wanted if rank is None or wanted is None else found[rank - 1]
            told.append(
                {
                    "text": example["text"],
                    "label": "a document without a text" if first is None else _shortened(self.texts[first]),
                    "prediction": _shortened(self.texts[found[0]]),
                    "rank": f"beyond {len(found)}" if rank is None else rank,
                    measure: float(values[i]),
                    "above": [
                        f"{_shortened(self.texts[place])} ({ranking.scores[i, n]:.3f})" for n, place in enumerate(above)
                    ],
                    "where": example["where"],
                }
            )
        return told


def _shortened(text: str) -> str:
    return text if len(text) <= TOLD else f"{text[:TOLD]}..."


def pool_of_pairs(vectors: np.ndarray, examples: Dataset) -> Searched:
    """Each text searches its partner among the partners, and negatives, of all; equal texts are one document."""
    texts, partners = examples["text"][:], examples["text_pair"][:]
    known: dict[str, int] = {}
    first: list[np.ndarray] = []
    for i, partner in enumerate(partners):
        if known.setdefault(partner, len(known)) == len(first):
            first.append(vectors[i, 1])
    if "negatives" in examples.column_names:
        for i, negatives in enumerate(examples["negatives"][:]):
            for n, negative in enumerate(negatives, start=2):
                if known.setdefault(negative, len(known)) == len(first):
                    first.append(vectors[i, n])
    relevant: dict[str, dict[int, float]] = {}
    for text, partner in zip(texts, partners, strict=True):
        relevant.setdefault(text, {})[known[partner]] = 1.0
    return Searched(vectors[:, 0], np.stack(first), list(known), [relevant[text] for text in texts])


def collection(vectors: np.ndarray, examples: Dataset) -> Searched:
    """Queries, and the documents that `reading` has dealt out over them.

    Raises:
        UserError: some of the documents are not there.
    """
    shares = examples["documents"][:]
    counts = np.array([len(share) for share in shares])
    if counts.sum() != (expected := examples["corpus"][0]):
        raise UserError(
            f"{counts.sum():,} of the {expected:,} documents stand beside these queries: figures would be of a part",
            "Judge all queries of the collection, or draw some with --max-eval-samples.",
        )
    places = {name: i for i, name in enumerate(name for names in examples["document_ids"][:] for name in names)}
    judged = []
    for of_query in examples["judged"][:]:
        # What was judged and cannot be found, as it has no text, counts as missed: a place that no ranking has.
        judged.append({places.get(each["id"], -1 - n): each["grade"] for n, each in enumerate(of_query)})
    there = np.arange(vectors.shape[1] - 1) < counts[:, None]
    return Searched(vectors[:, 0], vectors[:, 1:][there], [text for share in shares for text in share], judged)


def pairs(vectors: np.ndarray, examples: Dataset, how: str) -> Evidence:
    """Where the partner of each text stands among those of all."""
    pool = pool_of_pairs(vectors, examples)
    return replace(retrieval.of_pairs(pool.ranking(how), pool.judged), unit="pairs")


def worst_pairs(vectors: np.ndarray, examples: Dataset, how: str) -> list[dict[str, Any]]:
    """Texts whose partner does not stand first."""
    return pool_of_pairs(vectors, examples).worst(examples, how, "mrr@10")


def queries(vectors: np.ndarray, examples: Dataset, how: str) -> Evidence:
    """How well queries find the documents that were judged relevant."""
    pool = collection(vectors, examples)
    return retrieval.evidence(pool.ranking(how), pool.judged)


def worst_queries(vectors: np.ndarray, examples: Dataset, how: str) -> list[dict[str, Any]]:
    """Queries whose relevant documents do not all stand first."""
    return collection(vectors, examples).worst(examples, how, retrieval.MAIN)


def translations(vectors: np.ndarray, examples: Dataset, how: str) -> Evidence:
    """How often the nearest text of the other language is the translation."""
    same = []
    for name in ("text", "text_pair"):
        numbers: dict[str, int] = {}
        same.append(np.array([numbers.setdefault(text, len(numbers)) for text in examples[name][:]]))
    return retrieval.translations(vectors[:, 0], vectors[:, 1], (same[0], same[1]), how)


def worst_translations(vectors: np.ndarray, examples: Dataset, how: str) -> list[dict[str, Any]]:
    """Texts whose nearest neighbour is not their translation."""
    texts, others = examples["text"][:], examples["text_pair"][:]
    ranking = retrieval.search(vectors[:, 0], vectors[:, 1], how, 1)
    nearest = ranking.documents[:, 0].tolist()
    own = similarity.of_pairs(vectors[:, 0], vectors[:, 1], how)
    wrong = [i for i, place in enumerate(nearest) if others[place] != others[i]]
    wrong.sort(key=lambda i: float(own[i] - ranking.scores[i, 0]))
    return [
        {
            "text": texts[i],
            "label": others[i],
            "prediction": others[nearest[i]],
            f"{how} of the translation": float(own[i]),
            f"{how} of the nearest": float(ranking.scores[i, 0]),
            "where": examples["where"][i],
        }
        for i in wrong
    ]


def labelled_texts(vectors: np.ndarray, examples: Dataset, how: str) -> Evidence:
    """How often the text that is most alike, and another one, has the same label: `neighbour_accuracy`."""
    nearest = _neighbours(vectors[:, 0], how)
    labels = np.asarray(examples["label"][:])
    hits = (labels[nearest] == labels).astype(np.float64)
    return replace(retrieval.of_queries({"neighbour_accuracy": hits}, ("neighbour_accuracy",)), unit="texts")


def _neighbours(vectors: np.ndarray, how: str) -> np.ndarray:
    """The place of the vector most alike to each, itself left out, shape (texts,)."""
    both = retrieval.search(vectors, vectors, how, 2).documents
    own = np.arange(len(vectors))
    return np.where(both[:, 0] == own, both[:, -1], both[:, 0])
