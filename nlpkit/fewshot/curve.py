"""How good ways to learn are with so many rows per label: each size is drawn ten times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.fewshot import candidates, choosing, tuning

if TYPE_CHECKING:
    from nlpkit.fewshot.candidates import Bench, Candidate
    from nlpkit.training.trainer import Split

DRAWS = 10
CHOSEN = "the frozen way that each draw chooses"
MOST_JUDGED = 500  # validation rows: an encoder that was trained reads them anew for each draw


def require_rows(sizes: Sequence[int], strata: np.ndarray, names: Sequence[str]) -> None:
    """Stop where a label has fewer rows than the largest size asks for.

    Raises:
        UserError: naming it.
    """
    counts = np.bincount(strata, minlength=len(names))
    if sizes and counts.min() < max(sizes):
        fewest = int(counts.argmin())
        has = reporting.counted(int(counts[fewest]), "row", "rows")
        raise UserError(
            f"--few-shot-curve {max(sizes)}: '{names[fewest]}' has {has} in train",
            f"Ask for {counts.min()} or less.",
        )


def trainings(sizes: Sequence[int], validation: int) -> float:
    """As many trainings of an encoder as the curve of one way takes: an answer costs a third of a step for a row.

    Args:
        sizes: rows per label.
        validation: rows of it.
    """
    answers = min(validation, MOST_JUDGED) / (3 * tuning.ROWS * candidates.STEPS)
    return DRAWS * len(sizes) * (1 + answers)


def record(
    bench: Bench, able: Sequence[Candidate], train: Split, validation: Split, sizes: Sequence[int]
) -> dict[str, Any]:
    """The curve of ways that were judged, for nlpkit.json.

    Args:
        able: the ways.
        bench: its parts are the features of train, then those of validation.
        sizes: rows per label.
    """
    task, metric = bench.task, bench.task.main_metric
    strata = np.asarray(task.strata(train.examples))
    generator = np.random.default_rng(bench.seed)
    rows = np.arange(len(validation.examples))
    if len(rows) > MOST_JUDGED:
        rows = np.sort(generator.choice(rows, MOST_JUDGED, replace=False))
    judged = validation.subset(rows)
    places = len(train.features) + np.flatnonzero(np.isin(validation.owner, rows))
    drawn = [[_drawn(strata, count, bench.seed, draw) for draw in range(DRAWS)] for count in sizes]
    cheap = [candidate for candidate in able if candidate.saved and not candidate.trains_encoder]
    values = np.zeros((len(able) + 1, len(sizes), DRAWS))  # of each way, and of the one that is chosen in each draw
    with reporting.current().progress("curve", len(able) * len(sizes) * DRAWS, "trainings") as bar:
        for row, candidate in enumerate(able):
            for size, draw in np.ndindex(len(sizes), DRAWS):
                candidate.fit(bench, np.flatnonzero(np.isin(train.owner, drawn[size][draw])))
                outputs = task.merge(candidate.logits(bench, places), {"example": judged.owner.tolist()})
                values[row, size, draw] = task.score(outputs, judged.examples)[metric]
                bar.advance()
    for size, draw in np.ndindex(len(sizes), DRAWS):
        kept = choosing.best_of(bench, cheap, drawn[size][draw], train, strata)
        values[-1, size, draw] = values[able.index(kept), size, draw]
    names = [*(candidate.name for candidate in able), CHOSEN]
    ways = [
        {"name": name, "points": [_point(of_size.tolist()) for of_size in of_way]}
        for name, of_way in zip(names, values, strict=True)
    ]
    return {"metric": metric, "sizes": list(sizes), "draws": DRAWS, "judged": len(rows), "ways": ways}


def _drawn(strata: np.ndarray, count: int, seed: int, draw: int) -> np.ndarray:
    """Rows of train, `count` of each label; those of one draw are among those of the same draw with more rows."""
    orders = [
        np.random.default_rng([seed, draw, int(label)]).permutation(np.flatnonzero(strata == label))[:count]
        for label in np.unique(strata)
    ]
    return np.concatenate(orders)


def _point(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation (n - 1), and the t-interval of the mean over draws."""
    from scipy import stats

    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * sd / len(values) ** 0.5
    return {"mean": mean, "sd": sd, "interval": [mean - reach, mean + reach], "values": list(map(float, values))}
