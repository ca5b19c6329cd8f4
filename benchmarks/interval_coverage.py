"""How often the 95 % intervals of `nlpkit.metrics.intervals` hold the figure of all rows that there might be.

Test sets of some size are drawn again and again from one population of rows, whose figure a million of them tell; the
coverage is the share of test sets whose interval holds it. 95 % is right; below it intervals are too narrow.

    python benchmarks/interval_coverage.py --sets 2000
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from nlpkit.metrics import intervals, resampled, squad, written
from nlpkit.metrics.evidence import Evidence

SIZES = (20, 50, 100, 1_000)
POPULATION = 400_000
TEXTS = 10_000  # different ones, of which that population consists
Draw = Callable[[np.random.Generator, int], Evidence]


def two_labels(generator: np.random.Generator, rows: int) -> Evidence:
    """30 % of the rows of class 1; a model that is right on nine of ten."""
    gold = (generator.random(rows) < 0.3).astype(int)
    margin = generator.normal(size=rows) + np.where(gold == 1, 1.2, -1.3)
    outputs = np.stack([-margin, margin], axis=1) / 2
    return resampled.of("single-label", outputs.argmax(axis=1), gold, outputs)


def ten_labels(generator: np.random.Generator, rows: int) -> Evidence:
    """Ten labels, the rarest a ninth as frequent as the most frequent."""
    shares = 1 / (1 + np.arange(10))
    gold = generator.choice(10, rows, p=shares / shares.sum())
    outputs = generator.normal(size=(rows, 10))
    outputs[np.arange(rows), gold] += 2.5
    return resampled.of("single-label", outputs.argmax(axis=1), gold, outputs)


def scores(generator: np.random.Generator, rows: int) -> Evidence:
    """Numbers that the model knows with a correlation of 0.8."""
    gold = generator.normal(size=rows)
    predicted = 0.8 * gold + 0.6 * generator.normal(size=rows)
    return resampled.of("regression", predicted, gold, predicted[:, None])


def questions(generator: np.random.Generator, rows: int) -> Evidence:
    """Five questions about each context, which is hard or easy for the model as a whole."""
    units = np.arange(rows) // 5
    ease = generator.beta(4, 1.3, size=int(units.max()) + 1)[units]
    exact = (generator.random(rows) < ease).astype(float)
    f1 = np.where(exact == 1, 1.0, np.where(generator.random(rows) < 0.5, generator.random(rows), 0.0))
    return squad.evidence_1([squad.Match(*pair) for pair in zip(exact, f1, strict=True)], units)


@functools.cache
def texts() -> written.Written:
    """Outputs that differ from a reference of 4 to 20 frequent and rare words in some words, some rows in most."""
    generator = np.random.default_rng(10**7)
    said, wanted = [], []
    for wrong in generator.beta(1.5, 2.5, size=TEXTS):
        words = generator.zipf(1.3, size=generator.integers(4, 21)) % 5_000
        kept = words[generator.random(len(words)) > 0.3 * wrong]
        other = generator.zipf(1.3, size=len(kept)) % 5_000
        said.append(" ".join(map(str, np.where(generator.random(len(kept)) < wrong, other, kept))))
        wanted.append([" ".join(map(str, words))])
    return written.compared(said, wanted)


def written_texts(generator: np.random.Generator, rows: int) -> Evidence:
    """Rows of these texts."""
    chosen, pool = generator.integers(0, TEXTS, size=rows), texts()
    of_sacrebleu = pool.statistics
    statistics = dataclasses.replace(
        of_sacrebleu, bleu=of_sacrebleu.bleu[chosen], chrf=of_sacrebleu.chrf[chosen], ter=of_sacrebleu.ter[chosen]
    )
    shares = {name: hits[chosen] for name, hits in pool.shares.items()}
    return dataclasses.replace(pool, statistics=statistics, rouge=pool.rouge[chosen], shares=shares).evidence()


CASES: dict[str, tuple[Draw, tuple[str, ...]]] = {
    "two labels": (two_labels, ("accuracy", "f1", "precision", "recall", "f1_macro", "mcc", "roc_auc")),
    "ten labels": (ten_labels, ("accuracy", "f1_macro", "f1_weighted", "mcc")),
    "numbers": (scores, ("pearson", "spearman", "rmse", "mae")),
    "questions, five a context": (questions, ("exact_match", "f1")),
    "written texts": (written_texts, ("bleu", "chrf", "ter", "rouge1", "rouge2", "rougeL")),
}


def coverage(draw: Draw, names: tuple[str, ...], rows: int, sets: int, truth: dict[str, float]) -> dict[str, float]:
    """Share of the test sets whose interval holds the truth, of those that have one."""
    held: dict[str, list[bool]] = {name: [] for name in names}
    for seed in range(sets):
        found = intervals.of(draw(np.random.default_rng(seed), rows), seed)
        for name in held.keys() & found.keys():
            low, high = found[name]
            held[name].append(low <= truth[name] <= high)
    return {name: float(np.mean(values)) for name, values in held.items()}


def main() -> None:
    """Print the coverage of each metric and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=2_000, help="test sets of each size")
    parser.add_argument("--only", choices=CASES, help="one of the kinds of rows")
    options = parser.parse_args()
    sets = options.sets
    for title, (draw, names) in CASES.items():
        if options.only not in (None, title):
            continue
        truth = draw(np.random.default_rng(10**6), POPULATION).observed()
        print(f"{title}: " + ", ".join(f"{name} {truth[name]:.3f}" for name in names))
        for rows in SIZES:
            found = coverage(draw, names, rows, sets, truth)
            print(f"  {rows:>5} rows  " + "  ".join(f"{name} {share:.1%}" for name, share in found.items()), flush=True)


if __name__ == "__main__":
    main()
