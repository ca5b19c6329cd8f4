"""Which rows without labels to label next: those that the model is least sure of, and no two of a kind.

The rows with the smallest margin between the two most likely labels are clustered by their states, the less sure of
them with more weight; of each cluster the row nearest to its middle is named (Zhdanov 2019, arXiv 1901.05954).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data import readers
from nlpkit.data.inputs import FORMATS, Input, Reading, Wanted
from nlpkit.errors import UserError
from nlpkit.fewshot import heads
from nlpkit.metrics.similarity import unit

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.fewshot.candidates import Bench
    from nlpkit.options.data import ReadingOptions
    from nlpkit.tasks.roles import Trainable

UNSURE = 10  # times as many unsure rows are clustered as are named


@dataclasses.dataclass(frozen=True)
class Unlabelled:
    """The rows of a file that may be labelled.

    Attributes:
        texts: of each row, for people.
        where: the place of each in the file.
        examples: as the task reads them.
        unread: rows that could not be read.
    """

    texts: list[str]
    where: list[int]
    examples: Dataset
    unread: int


def read(path: str, task: Trainable, config: ReadingOptions) -> Unlabelled:
    """The rows of a file.

    Raises:
        UserError: there are none that could be read.
    """
    from datasets import Dataset

    reading = Reading.of(config, {**FORMATS, **task.input_formats}, Wanted(task.content))
    reader, texts, where, inputs, unread = None, list[str](), list[int](), list[dict[str, Any]](), 0
    for number, row in enumerate(readers.rows_of(Input.of(path, reading), needed=False), start=1):
        if row.error is not None:
            unread += 1
            continue
        reader = reader or task.reader(list(row.values), config, labelled=False)
        try:
            inputs.append(dict(reader.inputs(row.values)))
        except ValueError:
            unread += 1
            continue
        texts.append(" | ".join(str(row.values[name]) for name in reader.input_columns))
        where.append(number)
    if not inputs:
        raise UserError(f"--label-next: {path} has no row that could be labelled", "Name a file of texts.")
    columns = {name: [row[name] for row in inputs] for name in inputs[0]}
    return Unlabelled(texts, where, Dataset.from_dict(columns), unread)


def record(bench: Bench, rows: Unlabelled, count: int, names: Sequence[str]) -> dict[str, Any]:
    """The rows to label, for nlpkit.json.

    Args:
        bench: its model has learnt.
        count: how many are named.
        names: of the labels.
    """
    from datasets import Dataset

    features = Dataset.from_dict(bench.task.features(bench.tokenizer, rows.examples[:]))
    owner = np.asarray(features["example"][:])
    states = bench.states(features)
    first = np.searchsorted(owner, np.arange(len(rows.texts)))
    outputs = bench.task.merge(heads.of_model(bench.model).logits(states), {"example": owner.tolist()})
    shares = _softmax(outputs)
    order = np.argsort(-shares, axis=1)
    top, second = order[:, 0], order[:, 1]
    margin = shares[np.arange(len(shares)), top] - shares[np.arange(len(shares)), second]
    known = {str(ids) for ids in bench.parts[0]["input_ids"]}
    new = []
    for i, ids in enumerate(map(str, features.select(first)["input_ids"])):
        if ids not in known:
            known.add(ids)
            new.append(i)
    chosen = _chosen(states.last[first], margin, np.asarray(new, dtype=np.int64), count, bench.seed)
    return {
        "rows": [
            {
                "row": rows.where[i],
                "text": rows.texts[i],
                "prediction": names[top[i]],
                "second": names[second[i]],
                "margin": float(margin[i]),
            }
            for i in chosen
        ],
        "among": len(rows.texts),
        "known": len(rows.texts) - len(new),
        "unread": rows.unread,
    }


def _chosen(states: np.ndarray, margin: np.ndarray, rows: np.ndarray, count: int, seed: int) -> list[int]:
    """Of these rows those to label, the least sure first."""
    from sklearn.cluster import KMeans

    unsure = rows[np.argsort(margin[rows], kind="stable")][: UNSURE * count]
    if len(unsure) <= count:
        return [int(i) for i in unsure]
    points = unit(states[unsure])
    weights = 1.0 - margin[unsure] + 1e-6
    clusters = KMeans(count, n_init=4, random_state=seed).fit(points, sample_weight=weights)
    far = clusters.transform(points)
    chosen = []
    for cluster in range(count):
        members = np.flatnonzero(clusters.labels_ == cluster)
        if len(members):
            chosen.append(int(unsure[members[far[members, cluster].argmin()]]))
    return sorted(chosen, key=lambda i: margin[i])


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return shares
