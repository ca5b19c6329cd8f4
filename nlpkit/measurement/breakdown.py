"""Figures of groups of rows: languages, sources, customers. Each row that was judged is in one group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data import columns as column_names
from nlpkit.data.labels import is_missing
from nlpkit.data.places import FILE, user_columns
from nlpkit.errors import UserError
from nlpkit.metrics import intervals
from nlpkit.metrics.selective import COVERAGE
from nlpkit.nearby import expanded
from nlpkit.reporting import Table, counted, figures, titled
from nlpkit.tasks import outputs as model_outputs

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.tasks.outputs import Outputs
    from nlpkit.tasks.roles import Judged

FILES = "files"
"""Groups are the files of the data, where no column is called so."""
NONE = "(none)"  # the group of rows whose cell is empty
SHOWN = 40  # groups of a table, the largest; a record has all
MOST = 1_000  # groups: of more a row is hardly one of a group


def groups_of(by: str, rows: Dataset, split: str, loaded: LoadedData) -> dict[str, str]:
    """The group of each row of a split, by where the row stands.

    Args:
        by: a column, a file with a line for each row, or `FILES`.
        rows: of the split, all of them.
        loaded: the data that it is of.

    Raises:
        UserError: there is neither such a column nor such a file, the file has another number of lines than the split
            rows, or nearly each row would be a group.
    """
    values = _values(by, rows, split, loaded)
    if len(set(values)) > MOST:
        raise UserError(
            f"--breakdown-by {by}: {split} would have {len(set(values)):,} groups of {len(rows):,} rows, and "
            f"{MOST:,} are the most",
            "Name a column with a few values.",
        )
    groups: dict[str, str] = {}
    for place, value in zip(loaded.places(rows, split), values, strict=True):
        if groups.setdefault(place, value) != value:
            raise UserError(
                f"--breakdown-by {by}: {place} would be in two groups, {groups[place]} and {value}",
                "What is judged there is one row of the data; name a column in which it has one value.",
            )
    return groups


def _values(by: str, rows: Dataset, split: str, loaded: LoadedData) -> list[str]:
    columns = user_columns(rows.column_names)
    named = [name for name in columns if name.strip().lower() == by.strip().lower()]
    if not named and by == FILES and FILE in rows.column_names:
        return [loaded.origins[i][0] for i in rows[FILE][:]]
    path = expanded(by)
    if not named and path.is_file():
        return _lines(path, by, rows, split)
    column = (
        named[0] if named else column_names.require(by, columns, "--breakdown-by", where=f"there is no file {by}, and ")
    )
    return [NONE if is_missing(value) else str(value).strip() for value in rows[column][:]]


def _lines(path: Path, by: str, rows: Dataset, split: str) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except OSError as error:
        raise UserError(f"--breakdown-by: cannot read {by}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"--breakdown-by: {by} is not UTF-8", "Save it as UTF-8, a line for each row.") from None
    if len(lines) != len(rows):
        raise UserError(
            f"--breakdown-by: {by} has {counted(len(lines), 'line', 'lines')}, and {split} {len(rows):,} rows",
            "It needs a line for each row, in their order; --split names one of several splits.",
        )
    return [line.strip() or NONE for line in lines]


def of(
    task: Judged,
    outputs: Outputs,
    examples: Dataset,
    evidence: Evidence | None,
    groups: Mapping[str, str],
    read: Sequence[str],
    answered: Sequence[str] | None = None,
) -> dict[str, dict[str, Any]]:
    """The figures of each group, the largest first: rows, rows that were left out, metrics and their intervals.

    Args:
        task: that has judged.
        outputs, examples: merged, of the rows that were judged.
        evidence: of the same rows; None where there is none: then there are no intervals.
        groups: the group of each row, by its place.
        read: the places of the rows that were to be judged.
        answered: those of the rows with an answer, where some answers are not measured: each group then has its own
            share of those that are; None: all are.

    Raises:
        UserError: examples do not say which rows they come from.
    """
    places = examples["where"][:] if "where" in examples.column_names else []
    known = evidence is None or evidence.rows == len(examples)
    if len(places) != len(examples) or not known or any(place not in groups for place in places):
        raise UserError(
            f"--breakdown-by: what {task.name} judges is not one row of the data each", "Leave it out for such data."
        )
    members = np.asarray([groups[place] for place in places])
    meant, judged = Counter(groups[place] for place in read), Counter(members.tolist())
    given = judged if answered is None else Counter(groups[place] for place in answered)
    found = {}
    for group, count in judged.most_common():
        rows = np.flatnonzero(members == group)
        part = None if evidence is None else evidence.part(rows)
        if part is None:
            metrics = task.score(model_outputs.selected(outputs, rows), examples.select(rows))
        else:
            metrics = part.observed()
        told = intervals.record({group: part}, {group: metrics})["metric_intervals"]
        found[group] = {
            "rows": count,
            "rows_left_out": max(meant[group] - given[group], 0),
            "metrics": {**metrics, **({} if answered is None else {COVERAGE: count / given[group]})},
            "metric_intervals": told.get(group, {}),
        }
    found |= {
        group: {
            "rows": 0,
            "rows_left_out": max(count - given[group], 0),
            "metrics": {COVERAGE: 0.0} if given[group] else {},
            "metric_intervals": {},
        }
        for group, count in meant.items()
        if group not in judged
    }
    return found


def table(split: str, by: str, found: Mapping[str, Mapping[str, Any]], names: Sequence[str], notes: Any) -> Table:
    """A row for each group.

    Args:
        found: as `of` gives it.
        names: of the metrics that are columns.
        notes: what metrics are of.
    """
    left_out = any(group["rows_left_out"] for group in found.values())
    header = ["group", "rows", *(["left out"] if left_out else []), *titled(names, notes)]
    body = [
        [
            name,
            group["rows"],
            *([group["rows_left_out"]] if left_out else []),
            *figures(group["metrics"], group["metric_intervals"], names),
        ]
        for name, group in found.items()
    ]
    return Table(f"{split}, by {by}", header, body[:SHOWN], whole=body if len(body) > SHOWN else None)


def mean_of(found: Mapping[str, Mapping[str, Any]], metric: str) -> float | None:
    """The mean of a metric over the groups that have it, each counting once; None where fewer than two do.

    Args:
        found: as `of` gives it.
    """
    values = [group["metrics"][metric] for group in found.values() if metric in group["metrics"]]
    return float(np.mean(values)) if len(values) > 1 else None


def lines(split: str, found: Mapping[str, Mapping[str, Any]], metric: str, mean: float | None) -> list[str]:
    """How many rows are in how many groups, the mean of these, which groups are small, and which are not shown.

    Args:
        metric: of which
        mean: is the mean over groups, see `mean_of`.
    """
    rows = sum(group["rows"] for group in found.values())
    said = [f"{split}: {counted(rows, 'row', 'rows')} in {counted(len(found), 'group', 'groups')}"]
    if mean is not None:
        said.append(f"{split}: {metric} {mean:.4f} on average over the groups, each counting once")
    if len(found) > SHOWN:
        said.append(f"{split}: the {SHOWN} largest groups are shown, --json has all {len(found):,}")
    return said
