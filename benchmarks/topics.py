"""Topics of nlpkit (side a) and of BERTopic (side b, where it can be imported) on the same texts and vectors, by turns.

Of each round and side: seconds of CPU from vectors to named topics, topics, share of texts without one, NPMI by
documents and by windows of ten words, diversity. Both sides are judged by the same words, those of nlpkit's own
tokenizer; BERTopic runs with its defaults and a seed.

Example: python benchmarks/topics.py texts.tsv --columns text,split,label --model minilm --rounds 5
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from typing import Any

import numpy as np

from nlpkit.clustering import words
from nlpkit.embedding.corpus import Corpus, open_corpus
from nlpkit.embedding.opened import open_embedder
from nlpkit.recipes import topics as recipe
from nlpkit.topic_models import coherence, found

Judged = dict[str, float]


def ours(corpus: Corpus, config: Any) -> tuple[list[list[str]], float]:
    """Words of the topics of nlpkit, and how many texts have none."""
    none = np.empty((0, corpus.vectors.shape[1]), np.float32)
    made = found.find(corpus, config, [], none, None)
    return [[word for word, _ in topic.words] for topic in made.found], float(made.figures["outlier_share"] or 0)


def theirs(texts: list[str], vectors: np.ndarray, seed: int) -> tuple[list[list[str]], float]:
    """The same of BERTopic."""
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer
    from umap import UMAP

    reduction = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
    model = BERTopic(umap_model=reduction, vectorizer_model=CountVectorizer(analyzer=words.words_of))
    labels, _ = model.fit_transform(texts, vectors)
    named = [[word for word, _ in model.get_topic(topic)] for topic in sorted(set(labels)) if topic >= 0]
    return named, float(np.mean(np.asarray(labels) < 0))


def judged(named: list[list[str]], outside: float, split: list[list[str]]) -> Judged:
    """Figures of topics."""
    return {
        "topics": len(named),
        "without": outside,
        "npmi": coherence.npmi(named, split) or 0.0,
        "npmi_windows": coherence.npmi(named, split, found.WINDOW) or 0.0,
        "diversity": coherence.diversity(named) or 0.0,
    }


def main() -> None:
    """Print a line per round and side, then means, and the ratio of seconds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("input", help="file of texts")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--columns", default="", help="names of columns of a file without a header")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    options: dict[str, Any] = {"columns": given.columns} if given.columns else {}
    config = recipe.Config(model=given.model, input=given.input, **options)
    corpus = open_corpus(open_embedder(config), config)
    places = corpus.there
    texts = [corpus.texts[i] for i in places]
    vectors = corpus.units(places)
    split = [words.words_of(text) for text in texts]
    sides = ["nlpkit", *(["BERTopic"] if importlib.util.find_spec("bertopic") else [])]
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    figures: dict[str, list[Judged]] = {side: [] for side in sides}
    for turn in range(given.rounds):
        for side in sides if turn % 2 == 0 else reversed(sides):
            start = time.process_time()
            seeded = config.changed(seed=turn)
            named, outside = ours(corpus, seeded) if side == "nlpkit" else theirs(texts, vectors, turn)
            seconds[side].append(time.process_time() - start)
            figures[side].append(judged(named, outside, split))
            told = ", ".join(f"{name} {value:.3f}" for name, value in figures[side][-1].items())
            print(f"{side}, seed {turn}: {seconds[side][-1]:.1f} s of CPU, {told}")
    for side in sides:
        means = {name: np.mean([one[name] for one in figures[side]]) for name in figures[side][0]}
        told = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
        print(f"{side}: {np.mean(seconds[side]):.1f} s of CPU, {told}")
    if len(sides) > 1:
        ratios = [b / a for a, b in zip(seconds["nlpkit"], seconds["BERTopic"], strict=True)]
        print(f"BERTopic takes {np.mean(ratios):.2f} times as long ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
