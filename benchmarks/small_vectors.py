"""What smaller vectors lose: nDCG@10 of a collection, and Spearman of scored pairs, by type and dimensions.

A collection is a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv (the layout of BEIR); pairs are a file with
the columns sentence1, sentence2 and score. Documents are embedded as title and text. int8 has one scale for documents
and queries together, and is compared code by code; binary by the bits that are equal; with rescoring the 40 nearest by
bits are put in the order of their int8 codes.

Example: python benchmarks/small_vectors.py --collection cranfield --pairs stsb/validation.parquet
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nlpkit.metrics.similarity import of_pairs
from nlpkit.recipes.embed import Config, run
from nlpkit.vectors import codes

DEPTH = 10
RESCORED = 40
CUTS = (256, 192, 128, 64)
Scores = Callable[[np.ndarray, np.ndarray], np.ndarray]


def embedded(model: str, texts: list[str]) -> np.ndarray:
    """Vectors in float32, shape (texts, width)."""
    found = run(Config(model=model, input=held(texts), device="cpu")).vectors
    empty = np.isnan(found).any(axis=1)
    if empty.any():
        print(f"{empty.sum()} of {len(texts):,} texts are empty, and alike to none")
    return np.where(empty[:, None], 0, found).astype(np.float32)


def held(texts: list[str]) -> str:
    """The name of texts in memory."""
    from nlpkit.data import memory

    return memory.hold([{"text": text} for text in texts])


def dots(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Products of vectors of length 1, shape (queries, documents)."""
    return queries @ documents.T


def cut(width: int) -> Scores:
    """Products of the first dimensions, scaled to length 1."""

    def scores(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        short = [
            side[:, :width] / np.maximum(np.linalg.norm(side[:, :width], axis=1, keepdims=True), 1e-12)
            for side in (queries, documents)
        ]
        return dots(*short)

    return scores


def half(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Products of numbers in float16."""
    return dots(*(side.astype(np.float16).astype(np.float32) for side in (queries, documents)))


def coded(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Products of int8 codes, as whole numbers."""
    scale = codes.scale_of(float(max(np.abs(queries).max(), np.abs(documents).max())))
    ours, theirs = (codes.encode(side, "int8", scale).astype(np.float32) for side in (queries, documents))
    return ours @ theirs.T


def bits(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """How many bits are equal, but for a constant."""
    width = queries.shape[1]
    return dots(*(codes.decode(codes.encode(side, "binary"), "binary", width) for side in (queries, documents)))


def rescored(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """int8 of the documents whose bits are nearest; the others come behind them."""
    near = bits(queries, documents)
    best = np.argsort(-near, axis=1, kind="stable")[:, :RESCORED]
    found = np.full(near.shape, -np.inf, np.float32)
    np.put_along_axis(found, best, np.take_along_axis(coded(queries, documents), best, 1), 1)
    return found


WAYS: dict[str, Scores] = {"fp32": dots, "fp16": half, "int8": coded, "binary": bits, "binary, int8 rescored": rescored}
WAYS |= {f"first {width} dimensions": cut(width) for width in CUTS}


def ndcg(scores: np.ndarray, relevant: list[dict[int, int]]) -> float:
    """nDCG@10 with gains as they are judged, as of trec_eval; the mean over queries."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    discounts = 1 / np.log2(np.arange(DEPTH) + 2)
    values = []
    for found, judged in zip(order.tolist(), relevant, strict=True):
        gained = np.array([judged.get(document, 0) for document in found])
        ideal = np.sort(list(judged.values()))[::-1][:DEPTH]
        values.append(float((gained * discounts[: len(gained)]).sum() / (ideal * discounts[: len(ideal)]).sum()))
    return float(np.mean(values))


def collection(model: str, folder: Path) -> dict[str, float]:
    """nDCG@10 by each way."""
    documents = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    queries = {row["_id"]: row["text"] for row in map(json.loads, (folder / "queries.jsonl").open(encoding="utf-8"))}
    places = {row["_id"]: i for i, row in enumerate(documents)}
    judged: dict[str, dict[int, int]] = defaultdict(dict)
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                judged[row["query-id"]][places[row["corpus-id"]]] = int(row["score"])
    names = [name for name in queries if name in judged]
    print(f"{folder.name}: {len(documents):,} documents, {len(names)} judged queries of {len(queries)}")
    ours = embedded(model, [queries[name] for name in names])
    theirs = embedded(model, [f"{row.get('title', '')} {row['text']}".strip() for row in documents])
    return {way: ndcg(scores(ours, theirs), [judged[name] for name in names]) for way, scores in WAYS.items()}


def pairs(model: str, path: Path) -> dict[str, float]:
    """Spearman's correlation by each way; rescoring has no meaning for pairs."""
    import pyarrow.parquet as pq
    from scipy.stats import spearmanr

    table = pq.read_table(path)
    sides = [embedded(model, table[name].to_pylist()) for name in ("sentence1", "sentence2")]
    gold = table["score"].to_numpy()
    scale = codes.scale_of(float(max(np.abs(side).max() for side in sides)))
    width = sides[0].shape[1]
    kept = {"fp32": sides, "fp16": [side.astype(np.float16).astype(np.float32) for side in sides]}
    for kind in ("int8", "binary"):
        kept[kind] = [codes.decode(codes.encode(side, kind, scale), kind, width, scale) for side in sides]
    kept |= {f"first {size} dimensions": [side[:, :size] for side in sides] for size in CUTS}
    return {way: float(spearmanr(of_pairs(*both), gold).statistic) for way, both in kept.items()}


def main() -> None:
    """Print a table with each figure, and its share of that of fp32."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--collection", type=Path, action="append", default=[])
    parser.add_argument("--pairs", type=Path, action="append", default=[])
    options = parser.parse_args()
    for name, measure, places in (("nDCG@10", collection, options.collection), ("Spearman", pairs, options.pairs)):
        for place in places:
            found = measure(options.model, place)
            print(f"| {place} | {name} | of fp32 |\n|---|---|---|")
            for way, value in found.items():
                print(f"| {way} | {value:.4f} | {value / found['fp32']:.1%} |")


if __name__ == "__main__":
    main()
