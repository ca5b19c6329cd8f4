"""Models that answer the same rows: how each does, by how much they differ, and on which rows one alone is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.metrics import intervals, paired
from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.metrics.evidence import Evidence
    from nlpkit.metrics.paired import Difference
    from nlpkit.tasks.outputs import Outputs

WHERE = "where"  # the column of examples that tells their rows apart
LABEL = "label"


@dataclass
class Judgement:
    """A model's answers to rows.

    Attributes:
        name: of the model, as the user gave it.
        task: of the model, with what its answers told of it.
        examples: the rows as its task reads them.
        outputs: merged, one per example.
    """

    name: str
    task: Judged
    examples: Dataset
    outputs: Outputs

    def on(self, wheres: Sequence[str]) -> Judgement:
        """The same of some of its rows, in this order."""
        places = {where: i for i, where in enumerate(self.examples[WHERE][:])}
        rows = np.array([places[where] for where in wheres], dtype=int)
        outputs = model_outputs.selected(self.outputs, rows)
        return Judgement(self.name, self.task, self.examples.select(rows), outputs)


@dataclass(frozen=True)
class DifferingRow:
    """A row that the models do not answer alike.

    Attributes:
        texts: its columns of text, by name.
        label: in words; of several a list; None where it is not known.
        answers: what each model said, by its name: `right`, `prediction` and `score`, as far as they are known.
        where: the place of the row.
    """

    texts: Mapping[str, str]
    label: Any
    answers: Mapping[str, Mapping[str, Any]]
    where: str


@dataclass(frozen=True)
class Comparison:
    """A model beside the first, on the same rows.

    Attributes:
        name: of the model.
        differences: of each metric, its own less that of the first.
        unlike: metrics that are of something else for this model than for the first, as of another label; they have
            no difference.
        adjusted: p of each, corrected for the number of models (Holm 1979).
        better: whether the main metric tells them apart, and how: "better", "worse", or None.
        measure: the metric that says whether a row is right; None where a row is neither right nor wrong.
        right: for the first and for this one, whether each row is right, shape (rows,) each; None as `measure`.
        agreement: share of the rows that both answer alike; None where answers are numbers, or not known.
    """

    name: str
    differences: Mapping[str, Difference]
    unlike: Sequence[str]
    adjusted: Mapping[str, float | None]
    better: str | None
    measure: str | None
    right: tuple[np.ndarray, np.ndarray] | None
    agreement: float | None

    def counts(self) -> dict[str, int] | None:
        """How many rows both have right, one alone, and neither."""
        if self.right is None:
            return None
        first, second = self.right
        return {
            "both_right": int((first & second).sum()),
            "only_first": int((first & ~second).sum()),
            "only_second": int((~first & second).sum()),
            "both_wrong": int((~first & ~second).sum()),
        }


def aligned(judged: Sequence[Judgement]) -> tuple[list[Judgement], int]:
    """The rows that all of them answered, in the order of the first; and how many rows some of them lack.

    Raises:
        UserError: there is none, or a row cannot be told from another.
    """
    wheres = [judgement.examples[WHERE][:] for judgement in judged]
    if any(len(set(each)) < len(each) for each in wheres):
        raise UserError("rows cannot be told apart: several have the same place", "Give the rows as one file: --data.")
    common = set(wheres[0]).intersection(*wheres[1:])
    if not common:
        raise UserError("there is no row that all of them take", "Name rows that all were made for: --data.")
    kept = [where for where in wheres[0] if where in common]
    lost = len(set().union(*wheres)) - len(kept)
    if all(list(each) == kept for each in wheres):
        return list(judged), lost
    return [judgement.on(kept) for judgement in judged], lost


def compared(judged: Sequence[Judgement], answers: Sequence[Sequence[Mapping[str, Any]] | None]) -> list[Comparison]:
    """Each model beside the first.

    Args:
        judged: of the same rows, see `aligned`.
        answers: of each model, see `View.judged_answers`.

    Raises:
        UserError: what is judged of a row differs between models, as words that are hidden by other tokenizers.
    """
    evidence = [judgement.task.evidence(judgement.outputs, judgement.examples) for judgement in judged]
    first = judged[0].task
    if first.of_tokens:
        _require_same_tokens(judged, evidence)
    unlike = [unlike_metrics(first, judgement.task) for judgement in judged]
    differences = [_differences(evidence[0], each, judged[i].name, unlike[i]) for i, each in enumerate(evidence)][1:]
    names = list(dict.fromkeys(name for each in differences for name in each))
    adjusted = {name: holm([each[name].p if name in each else None for each in differences]) for name in names}
    found = []
    for i, (judgement, each) in enumerate(zip(judged[1:], differences, strict=True)):
        corrected = {name: adjusted[name][i] for name in each}
        measure, right = _right(first, evidence[0], evidence[i + 1])
        found.append(
            Comparison(
                judgement.name,
                each,
                unlike[i + 1],
                corrected,
                _told_apart(first, each, corrected),
                measure,
                right,
                _agreement(answers[0], answers[i + 1]),
            )
        )
    return found


def unlike_metrics(first: Judged, other: Judged) -> list[str]:
    """Metrics that are of something else for two models: F1 of the second of two labels, where their order differs."""
    one, two = first.metric_notes, other.metric_notes
    return [name for name in dict.fromkeys([*one, *two]) if one.get(name) != two.get(name)]


def _require_same_tokens(judged: Sequence[Judgement], evidence: Sequence[Evidence | None]) -> None:
    """Refuse models that were asked about another number of tokens of some row.

    Raises:
        UserError: naming one.
    """
    first = evidence[0]
    for judgement, each in zip(judged, evidence, strict=True):
        if first is None or each is None:
            continue
        if any(not np.array_equal(share.trials, first.shares[name].trials) for name, share in each.shares.items()):
            raise UserError(
                f"{judgement.name} is asked about other tokens of the rows than {judged[0].name}",
                "Give both the same options of the task, as --mlm-probability and --seed.",
            )


def _differences(
    first: Evidence | None, other: Evidence | None, name: str, unlike: Sequence[str]
) -> dict[str, Difference]:
    if first is None or other is None:
        return {}
    try:
        found = paired.differences(first, other)
    except ValueError as error:
        raise UserError(f"{name} is not judged on what the first is judged on: {error}") from None
    return {metric: each for metric, each in found.items() if metric not in unlike}


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p of several tests together, by Holm (1979, https://www.jstor.org/stable/4615733); None stays None."""
    known = sorted((value, i) for i, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    least = 0.0
    for rank, (value, i) in enumerate(known):
        least = max(least, min((len(known) - rank) * value, 1.0))
        adjusted[i] = least
    return adjusted


def _told_apart(task: Judged, differences: Mapping[str, Difference], p: Mapping[str, float | None]) -> str | None:
    metric = task.main_metric
    if metric not in differences or (known := p[metric]) is None or known >= 1 - intervals.LEVEL:
        return None
    higher = differences[metric].value > 0
    return "better" if higher == task.higher_is_better(metric) else "worse"


def _right(
    task: Judged, first: Evidence | None, other: Evidence | None
) -> tuple[str | None, tuple[np.ndarray, np.ndarray] | None]:
    """Whether each row is right: all that a metric counts in it, which is a share of such; the main metric if it is."""
    if first is None or other is None:
        return None, None
    names = [task.main_metric, *task.table_metrics, *first.shares]
    measure = next((name for name in names if name in first.shares and name in other.shares), None)
    if measure is None:
        return None, None
    shares = first.shares[measure], other.shares[measure]
    return measure, (shares[0].hits >= shares[0].trials, shares[1].hits >= shares[1].trials)


def _agreement(first: Sequence[Mapping[str, Any]] | None, other: Sequence[Mapping[str, Any]] | None) -> float | None:
    if first is None or other is None or any(isinstance(answer["prediction"], float) for answer in (*first, *other)):
        return None
    pairs = zip(first, other, strict=True)
    same = [without_scores(one["prediction"]) == without_scores(two["prediction"]) for one, two in pairs]
    return sum(same) / len(same)


def without_scores(prediction: Any) -> Any:
    """What was answered, without how sure the model was; parts of a text in their order."""
    if isinstance(prediction, list):
        return [without_scores(part) for part in prediction]
    if isinstance(prediction, Mapping):
        return {name: value for name, value in prediction.items() if name != "score"}
    return prediction


def rows_that_differ(
    judged: Sequence[Judgement],
    answers: Sequence[Sequence[Mapping[str, Any]] | None],
    comparisons: Sequence[Comparison],
) -> Iterator[DifferingRow]:
    """The rows that some model has right and another wrong, of what is neither all; with all answers.

    Those come first of which the models are most sure.
    """
    rights = [comparisons[0].right[0]] if comparisons[0].right is not None else []
    rights += [comparison.right[1] for comparison in comparisons if comparison.right is not None]
    table = np.stack(rights) if rights else None
    chosen = np.arange(len(judged[0].examples))
    if table is not None:
        chosen = np.flatnonzero(table.any(axis=0) & ~table.all(axis=0))
    labels = _labels(judged)
    order = sorted(chosen.tolist(), key=lambda i: -_surest(answers, i))
    for i in order:
        example = judged[0].examples[i]
        texts = {name: value for name, value in example.items() if isinstance(value, str) and name != WHERE and value}
        said: dict[str, dict[str, Any]] = {}
        for number, judgement in enumerate(judged):
            told: dict[str, Any] = {} if table is None else {"right": bool(table[number, i])}
            given = answers[number]
            if given is not None:
                told |= {"prediction": without_scores(given[i]["prediction"]), "score": given[i].get("score")}
            said[judgement.name] = told
        texts.pop(LABEL, None)  # told in words beside the texts
        yield DifferingRow(texts, labels.get(example[WHERE]), said, example[WHERE])


def _labels(judged: Sequence[Judgement]) -> dict[str, Any]:
    """The label of each row that some model has wrong, in words; of several in a row a list."""
    found: dict[str, dict[str, Any]] = {}
    for judgement in judged:
        for mistake in judgement.task.view.mistakes(judgement.outputs, judgement.examples):
            label = mistake.get("label", mistake.get("answers"))
            if label is not None:
                found.setdefault(str(mistake[WHERE]), {})[repr(label)] = label
    return {where: next(iter(each.values())) if len(each) == 1 else [*each.values()] for where, each in found.items()}


def _surest(answers: Sequence[Sequence[Mapping[str, Any]] | None], row: int) -> float:
    scores = [given[row].get("score") for given in answers if given is not None]
    return max((float(score) for score in scores if score is not None), default=0.0)
