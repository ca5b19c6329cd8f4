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


def draws_of(size: int, strata: np.ndarray) -> int:
    """How many draws of so many rows per label there are: one where no label has more rows."""
    return DRAWS if np.bincount(strata).max() > size else 1


def trainings(sizes: Sequence[int], strata: np.ndarray) -> int:
    """How many trainings the curve of one way takes.

    Args:
        sizes: rows per label.
        strata: the label of each row of train.
    """
    return sum(draws_of(size, strata) for size in sizes)


def longer(validation: int) -> float:
    """How much longer than a training one of the curve takes: an answer costs a third of a step for a row.

    Args:
        validation: rows of it.
    """
    return 1 + min(validation, MOST_JUDGED) / (3 * tuning.ROWS * candidates.STEPS)


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
    drawn = [[_drawn(strata, size, bench.seed, draw) for draw in range(draws_of(size, strata))] for size in sizes]
    flat = [rows_drawn for of_size in drawn for rows_drawn in of_size]
    cheap = [candidate for candidate in able if candidate.saved and not candidate.trains_encoder]
    values = np.zeros((len(able) + 1, len(flat)))  # of each way, and of the one that is chosen in each draw
    with reporting.current().progress("curve", len(able) * len(flat), "trainings") as bar:
        for way, candidate in enumerate(able):
            for draw, rows_drawn in enumerate(flat):
                candidate.fit(bench, np.flatnonzero(np.isin(train.owner, rows_drawn)))
                outputs = task.merge(candidate.logits(bench, places), {"example": judged.owner.tolist()})
                values[way, draw] = task.score(outputs, judged.examples)[metric]
                bar.advance()
    for draw, rows_drawn in enumerate(flat):
        kept = choosing.best_of(bench, cheap, rows_drawn, train, strata)
        values[-1, draw] = values[able.index(kept), draw]
    names = [*(candidate.name for candidate in able), CHOSEN]
    ends = np.cumsum([len(of_size) for of_size in drawn])[:-1]
    ways = [
        {"name": name, "points": [_point(of_size.tolist()) for of_size in np.split(of_way, ends)]}
        for name, of_way in zip(names, values, strict=True)
    ]
    counts = np.bincount(strata)
    fewest = int(counts[counts > 0].min())
    return {
        "metric": metric,
        "sizes": list(sizes),
        "draws": DRAWS,
        "fewest": fewest,
        "judged": len(rows),
        "ways": ways,
    }


def _drawn(strata: np.ndarray, count: int, seed: int, draw: int) -> np.ndarray:
    """Rows of train, `count` of each label; those of one draw are among those of the same draw with more rows."""
    orders = [
        np.random.default_rng([seed, draw, int(label)]).permutation(np.flatnonzero(strata == label))[:count]
        for label in np.unique(strata)
    ]
    return np.concatenate(orders)


def _point(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation (n - 1), and the t-interval of the mean over draws; of one draw the mean alone."""
    from scipy import stats

    mean = float(np.mean(values))
    point: dict[str, Any] = {"mean": mean, "values": list(map(float, values))}
    if len(values) == 1:
        return point
    sd = float(np.std(values, ddof=1))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * sd / len(values) ** 0.5
    return point | {"sd": sd, "interval": [mean - reach, mean + reach]}
