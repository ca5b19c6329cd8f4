"""Topics of `nlpkit topics` (side a) and of BERTopic (side b) on the same texts and vectors, in processes by turns.

Of each round and side: seconds of the whole process from a file of vectors to topics, by the clock and of the CPU;
topics, share of texts without one, NPMI by documents and by windows of ten words, diversity. Side a is the whole
command, with its folder, map and pictures; side b imports BERTopic, fits it with its defaults and a seed, and writes
nothing. Both are judged by the same words, those of nlpkit's own tokenizer.

Side b needs bertopic, which may stand in an environment of its own: --bertopic-python.

Example: python benchmarks/topics.py texts.tsv --columns text,split,label --model minilm --rounds 3
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sides

SIDES = {"a": "nlpkit topics", "b": "BERTopic"}


def ours(spec: dict[str, Any]) -> dict[str, Any]:
    """Words of the topics of nlpkit, and the share of texts without one."""
    from nlpkit.recipes import topics

    report = topics.run(
        topics.Config(**spec["options"], vectors=spec["vectors"], seed=spec["seed"], output=Path("out"))
    )
    named = [[word["word"] for word in topic["words"]] for topic in report.record["topics_found"]]
    return {"words": named, "without": report.record["outlier_share"]}


def theirs(spec: dict[str, Any]) -> dict[str, Any]:
    """The same of BERTopic."""
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer
    from umap import UMAP

    from nlpkit.clustering import words

    texts = json.loads(Path(spec["texts"]).read_text(encoding="utf-8"))
    reduction = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=spec["seed"])
    model = BERTopic(umap_model=reduction, vectorizer_model=CountVectorizer(analyzer=words.words_of))
    labels, _ = model.fit_transform(texts, np.load(spec["bare"]))
    named = [[word for word, _ in model.get_topic(topic) if word] for topic in sorted(set(labels)) if topic >= 0]
    return {"words": named, "without": float(np.mean(np.asarray(labels) < 0))}


def timed(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of a process, with its seconds by the clock and of the CPU."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    found = run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**found, "seconds": time.perf_counter() - start, "cpu_seconds": cpu}


def judged(found: dict[str, Any], split: list[list[str]]) -> dict[str, float]:
    """Figures of topics."""
    from nlpkit.topic_models import coherence
    from nlpkit.topic_models.found import WINDOW

    named = found["words"]
    return {
        "seconds": found["seconds"],
        "cpu_seconds": found["cpu_seconds"],
        "topics": len(named),
        "without": found["without"],
        "npmi": coherence.npmi(named, split) or 0.0,
        "npmi_windows": coherence.npmi(named, split, WINDOW) or 0.0,
        "diversity": coherence.diversity(named) or 0.0,
    }


def prepared(given: argparse.Namespace, place: Path) -> tuple[dict[str, Any], list[str]]:
    """What both sides are told, and the texts: the vectors are made once, for both."""
    from nlpkit.embedding.corpus import open_corpus
    from nlpkit.embedding.opened import open_embedder
    from nlpkit.recipes import embed, topics

    options: dict[str, Any] = {
        "model": given.model,
        "input": str(Path(given.input).resolve()),
        "threads": given.threads,
    }
    options |= {"columns": given.columns} if given.columns else {}
    options |= {"text_column": given.text_column} if given.text_column else {}
    vectors = given.vectors or place / "vectors.npy"
    if given.vectors is None:
        embed.run(embed.Config(**options, output=vectors))
    config = topics.Config(**options, vectors=vectors)
    corpus = open_corpus(open_embedder(config), config)
    places = corpus.there
    texts = [corpus.texts[i] for i in places]
    (place / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    np.save(place / "bare.npy", corpus.units(places))
    files = {"vectors": str(vectors.resolve()), "texts": str(place / "texts.json"), "bare": str(place / "bare.npy")}
    return {"options": options, **files}, texts


def main() -> None:
    """Print a line per round and side, then medians, and the ratios of seconds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("input", help="file of texts")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--columns", default="", help="names of columns of a file without a header")
    parser.add_argument("--text-column", default="")
    parser.add_argument("--vectors", type=Path, help="of the same rows, as nlpkit embed wrote them; else they are made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bertopic-python", default=sys.executable, help="python of an environment with both")
    parser.add_argument("--json", type=Path, help="file for all figures")
    given = parser.parse_args()
    there = given.bertopic_python != sys.executable or importlib.util.find_spec("bertopic") is not None
    pythons = {"a": sys.executable, **({"b": given.bertopic_python} if there else {})}
    machine = sides.environment("transformers", "torch", "scikit-learn")
    results: dict[str, list[dict[str, float]]] = {side: [] for side in pythons}
    answers: dict[str, list[dict[str, Any]]] = {side: [] for side in pythons}
    with tempfile.TemporaryDirectory() as place:
        spec, texts = prepared(given, Path(place))
        from nlpkit.clustering import words

        split = [words.words_of(text) for text in texts]
        for number, side in sides.in_turns(list(pythons), given.rounds):
            asked = {**spec, "side": side, "seed": number}
            found = timed(lambda asked=asked, side=side: sides.start(__file__, asked, python=pythons[side]))
            answers[side].append(found)
            results[side].append(judged(found, split))
            told = ", ".join(f"{name} {value:.3f}" for name, value in results[side][-1].items())
            print(f"{SIDES[side]}, seed {number}: {told}", flush=True)
    for side, runs in results.items():
        told = ", ".join(f"{name} {statistics.median(run[name] for run in runs):.3f}" for name in runs[0])
        print(f"{SIDES[side]}, medians: {told}")
    for name in ("seconds", "cpu_seconds") if len(results) > 1 else ():
        times = [b[name] / a[name] for a, b in zip(results["a"], results["b"], strict=True)]
        print(f"{name}: BERTopic takes {sides.spread(times)} times as long")
    if given.json is not None:
        sides.write_json(given.json, {"machine": machine, "results": results, "answers": answers})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sides.answer(Path(sys.argv[2]), lambda spec: ours(spec) if spec["side"] == "a" else theirs(spec))
    else:
        main()
