"""Which way to learn is best on few rows: each is judged by cross-validation on the same folds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data import folds as fold_rows
from nlpkit.errors import UserError
from nlpkit.fewshot.candidates import Bench, Candidate

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.reporting import Progress
    from nlpkit.training.trainer import Split

SHARPNESS = np.geomspace(0.1, 10.0, 17)  # what logits are multiplied by
FOLDS = 3  # at most: as many as the smallest label has rows; an encoder that is trained takes a while for each


@dataclass(frozen=True)
class Fold:
    """Features that a fold learns from, and those that it is judged on; indices."""

    known: np.ndarray
    judged: np.ndarray


@dataclass(frozen=True)
class Judged:
    """How good a way to learn is.

    Attributes:
        candidate: the way.
        outputs: what the folds said of each row, merged, in the order of the rows; None where time did not suffice.
        metrics: of these outputs.
        losses: of each row, see `losses_of`; of none where time did not suffice.
        seconds: that its folds took.
        why: it was left out.
        trained: how many folds were learnt.
    """

    candidate: Candidate
    outputs: np.ndarray | None
    metrics: dict[str, float]
    losses: np.ndarray
    seconds: float
    why: str = ""
    trained: int = 0


def require_two(strata: np.ndarray, names: Sequence[str]) -> None:
    """Stop where a label has too few rows to learn from one and be judged by another.

    Args:
        strata: the label of each row.
        names: of the labels.

    Raises:
        UserError: naming the labels.
    """
    counts = np.bincount(strata, minlength=len(names))
    alone = [name for name, count in zip(names, counts, strict=True) if count < 2]
    if not alone:
        return
    shown = ", ".join(f"'{name}'" for name in alone[:6]) + (", ..." if len(alone) > 6 else "")
    have = "has" if len(alone) == 1 else "have"
    raise UserError(
        f"train: {shown} {have} fewer than two rows, and ways to learn are compared on rows that they have not learnt "
        "from",
        "Label one more row of each, or leave these labels out. Rows are also held out for validation: "
        "--validation-file keeps all of train.",
    )


def folds_of(bench: Bench, owner: np.ndarray, strata: np.ndarray, names: Sequence[str], seed: int) -> list[Fold]:
    """Stratified folds in which rows of equal tokens stay together.

    Args:
        owner: the row of each feature.
        strata: the label of each row.
        names: of the labels.
        seed: of the draw.
    """
    first = np.searchsorted(owner, np.arange(len(strata)))
    tokens = [str(ids) for ids in bench.features.select(first)["input_ids"]]
    groups = np.unique(tokens, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(strata)
    rows = fold_rows.Rows(groups, strata, lambda number: names[number])
    distinct = min(len(np.unique(groups[strata == label])) for label in np.unique(strata))
    number = rows.drawn(max(min(FOLDS, int(counts[counts > 0].min()), distinct), 2), seed)
    parts = []
    for fold in range(int(number.max()) + 1):
        judged = number[owner] == fold
        parts.append(Fold(np.flatnonzero(~judged), np.flatnonzero(judged)))
    return parts


def judged(
    bench: Bench,
    candidate: Candidate,
    folds: Sequence[Fold],
    owner: np.ndarray,
    examples: Dataset,
    bar: Progress,
    rival: Judged | None = None,
) -> Judged:
    """Judge a way to learn on the rows of all folds.

    Args:
        owner: the row of each feature.
        examples: the rows.
        bar: counts folds.
        rival: the way goes no further than a fold behind which this one has the smaller loss of the rows until there;
            None: it goes through all folds.
    """
    started = time.monotonic()
    logits = np.zeros((len(owner), bench.size))
    labels = np.asarray(bench.task.strata(examples))
    outputs = np.empty(0)
    for number, fold in enumerate(folds, start=1):
        candidate.fit(bench, fold.known)
        logits[fold.judged] = candidate.logits(bench, fold.judged)
        bar.advance()
        outputs = bench.task.merge(logits, {"example": owner.tolist()})
        if rival is None or number == len(folds):
            continue
        assert rival.outputs is not None, "a rival was judged"
        rows = np.unique(owner[np.concatenate([each.judged for each in folds[:number]])])
        mine, its = (float(losses_of(found[rows], labels[rows]).mean()) for found in (outputs, rival.outputs))
        if mine >= its:
            bar.advance(len(folds) - number)
            after = f"after fold {number} of {len(folds)} its loss is {mine:.4f}"
            why = f"{after}, and that of {rival.candidate.name} {its:.4f} on the same rows"
            return Judged(candidate, None, {}, np.empty(0), time.monotonic() - started, why, number)
    seconds = time.monotonic() - started
    metrics = bench.task.score(outputs, examples)
    return Judged(candidate, outputs, metrics, losses_of(outputs, labels), seconds, trained=len(folds))


def losses_of(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The negative log-likelihood of the right label of each row, shape (rows,), at the temperature that suits best.

    How sure a way is of its answers can be set afterwards, and says nothing of how good they are: without a temperature
    of its own, the way with the largest logits won, and answered worse.
    """
    each = [_losses(logits * sharper, labels) for sharper in SHARPNESS]
    return min(each, key=lambda losses: float(losses.mean()))


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses: np.ndarray = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return losses


def best_of(
    bench: Bench, candidates: Sequence[Candidate], rows: np.ndarray, train: Split, strata: np.ndarray
) -> Candidate:
    """The way that would be kept if these rows were all there are.

    Args:
        candidates: that are compared.
        rows: of train, int.
        train: its features are the first of the bench.
        strata: the label of each row of train.
    """
    from sklearn.model_selection import StratifiedKFold

    count = min(FOLDS, int(np.unique(strata[rows], return_counts=True)[1].min()))
    parts = list(StratifiedKFold(count, shuffle=True, random_state=bench.seed).split(rows, strata[rows]))
    compared = []
    for candidate in candidates:
        outputs = np.zeros((len(rows), bench.size))
        for known, other in parts:
            candidate.fit(bench, np.flatnonzero(np.isin(train.owner, rows[known])))
            places = np.sort(rows[other])
            features = np.flatnonzero(np.isin(train.owner, places))
            numbers = np.searchsorted(places, train.owner[features])
            merged = bench.task.merge(candidate.logits(bench, features), {"example": numbers.tolist()})
            outputs[other[np.argsort(rows[other])]] = merged
        compared.append(Judged(candidate, outputs, {}, losses_of(outputs, strata[rows]), 0.0))
    return best(compared)[0].candidate


def left_out(candidate: Candidate, why: str) -> Judged:
    """A way that was not judged."""
    return Judged(candidate, None, {}, np.empty(0), 0.0, why)


def best(compared: Sequence[Judged]) -> tuple[Judged, str]:
    """The way that is kept, and why.

    It is the one with the smallest loss on rows that it had not learnt from, where that is smaller than the loss of the
    usual way by more than a standard error of the difference on the same rows (the rule of Breiman et al. 1984); else
    the usual way. Of few rows the smallest of many figures is often so by chance. The loss tells ways apart by all
    that they say of a row: with sixteen rows, accuracy moves in steps of six points.
    """
    able = [each for each in compared if each.outputs is not None and each.candidate.saved]
    usual = max(able, key=lambda each: each.candidate.usual)
    least = min(able, key=lambda each: float(each.losses.mean()))
    gained = usual.losses - least.losses
    error = float(gained.std(ddof=1)) / len(gained) ** 0.5
    if least is usual:
        return usual, "it has the smallest loss"
    if gained.mean() > error:
        return least, f"its loss is smaller than that of {usual.candidate.name} by more than a standard error"
    return usual, "no other way has a loss that is smaller by more than a standard error"


def record(
    compared: Sequence[Judged],
    chosen: Judged,
    why: str,
    bench: Bench,
    examples: Dataset,
    names: Sequence[str],
    folds: int,
) -> dict[str, Any]:
    """What nlpkit.json says of the comparison."""
    from nlpkit.metrics import intervals
    from nlpkit.models import mean_layer

    counts = np.bincount(np.asarray(bench.task.strata(examples)), minlength=len(names)).tolist()
    ways = []
    for each in compared:
        found: dict[str, Any] = {
            "name": each.candidate.name,
            "saved": each.candidate.saved,
            "seconds": round(each.seconds, 2),
            "left_out": each.why or None,
        }
        if each.outputs is not None:
            evidence = bench.task.evidence(each.outputs, examples)
            between = intervals.record({"all": evidence}, {"all": each.metrics})["metric_intervals"].get("all", {})
            found |= {"metrics": each.metrics, "metric_intervals": between, "loss": float(each.losses.mean())}
        ways.append(found)
    return {
        "folds": folds,
        "rows": len(examples),
        "rows_per_label": dict(zip(names, counts, strict=True)),
        "ways": ways,
        "chosen": chosen.candidate.name,
        "why": why,
        "mean_of_tokens": mean_layer.is_mean_layer(bench.model),
    }
