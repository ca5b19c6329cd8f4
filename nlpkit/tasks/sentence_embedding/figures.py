"""What is told of vectors beyond their metrics, and how they are judged where rows do not tell what is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.tasks.sentence_embedding import shapes

if TYPE_CHECKING:
    from datasets import Dataset

DIMS = "dims"  # among details: figures of vectors that are cut, by how many numbers are kept
KEPT = 20  # rows on which vectors go wrong that a record keeps; a run has all of them in errors.jsonl


def details(outputs: np.ndarray, examples: Dataset, how: str, trained: tuple[int, ...]) -> dict[str, Any]:
    """The figures by each similarity, where there are these, those of vectors that are cut to each number of dimensions
    that was trained, and where vectors go wrong.

    Args:
        outputs: vectors, shape (examples, texts, width).
        how: vectors are compared.
        trained: the numbers of dimensions that were trained besides all (Matryoshka).
    """
    shape = shapes.of_examples(examples)
    found: dict[str, Any] = {"similarity": how}
    if trained and shape.table_metrics:
        width = outputs.shape[-1]
        dims = sorted({width, *(dim for dim in trained if dim < width)}, reverse=True)
        cut = {f"{dim}": shape.score(outputs[..., :dim], examples, how) for dim in dims}
        found[DIMS] = {dim: {name: figures[name] for name in shape.table_metrics} for dim, figures in cut.items()}
    if shape.every:
        found["figures"] = shape.score(outputs, examples, how)
    if shape.worst is not None:
        found["worst"] = shape.worst(outputs, examples, how)[:KEPT]
    return found


def with_vectors_before(
    examples: Mapping[str, Dataset], answers: Callable[[Dataset], np.ndarray]
) -> dict[str, Dataset]:
    """Rows of which nothing is known that vectors could be judged by, with the vectors of the model as it is."""
    from datasets import Features, List, Value

    made = {}
    for split, rows in examples.items():
        vectors = answers(rows)
        before = [row[~np.isnan(row[:, 0])].tolist() for row in vectors]
        column = Features({"before": List(List(Value("float32")))})["before"]
        made[split] = rows.add_column("before", before, feature=column)
        reporting.current().note(
            f"{split}: nothing in these rows tells how good vectors are: `cosine` is that of each vector with the "
            "one that its text had before, 1 where none has moved"
        )
    return made
