"""What a run of each kind is asked, and what it answers; it is imported where torch and transformers cannot be."""

from __future__ import annotations

from typing import Any

from nlpkit.inference.predictor import open_predictor
from nlpkit.recipes import predict

TEXTS = [
    "the soup was cold and bad",
    "a good film 😀 中文字 with ünïcode, שלום!",
    "",
    "the train was late " * 60,
    "control \x00\x07 and\u200f marks",
]
ROWS: dict[str, list[dict[str, Any]]] = {
    "pairs": [{"sentence1": one, "sentence2": other} for one, other in zip(TEXTS, TEXTS[::-1], strict=True)],
    "embedding": [{"sentence1": text} for text in TEXTS],
    "question-answering": [
        {"question": "where is the cat ?", "context": "the cat is in the house . " * 20},
        {"question": "who", "context": "x"},
    ],
    "masked-lm": [{"text": "the <mask> was good"}, {"text": "a [MASK] and <mask>" + " good" * 70}, {"text": "none"}],
}
ASKED: dict[str, list[dict[str, Any]]] = {
    "token-classification": [{"aggregation": "average"}],
    "question-answering": [{"n_best": 3}],
    "masked-lm": [{"top_k": 3}],
    "embedding": [{"dims": 8}, {"normalize": False}, {"prompt": "query: "}],
    "zero-shot": [{"labels": "good,bad and worse", "multi_label": True}],
    "zero-shot-embedding": [{"labels": "good,bad and worse,cold"}],
}
"""Options of a task besides the usual ones, by the kind of its run."""


def of(model: str, kind: str) -> list[Any]:
    """The answers of a run of a kind to its rows, once for each set of options, and where it ran."""
    found: list[Any] = []
    rows = ROWS.get(kind, [{"text": text} for text in TEXTS])
    for asked in [{}, *ASKED.get(kind, [])]:
        config = predict.Config(model=model, device="cpu", threads=1, **asked)
        predictor = open_predictor(config)
        own = config.for_task(type(predictor.task))
        predictor = predictor.configured(own)
        reader = predictor.task.reader(list(rows[0]), own, labelled=False)
        found.append([predictor.answers(rows, reader), predictor.device.described])
    return found
