"""Which rows of a split are held out, and which are drawn: by class, by groups that stay together, or at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlpkit import reporting
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

_ROWS = 10_000  # gathered at a time


def hold_out(
    dataset: Dataset,
    share_or_count: float | int,
    *,
    stratify_by: str | None,
    seed: int,
    group_by: str | None = None,
    groups: np.ndarray | None = None,
) -> tuple[Dataset, Dataset]:
    """Split off some rows at random; the same seed gives the same rows on every platform.

    Args:
        dataset: n rows.
        share_or_count: a share of the rows (float between 0 and 1) or their number (int from 1 to n - 1).
        stratify_by: column whose values keep their proportions (largest remainder); every value keeps at least one
            row in the part that stays. None, or a column of lists (or floats, without `groups`): plain random rows.
        seed: of the draw.
        group_by: column whose equal values stay on one side; whole groups are drawn until the rows are enough. Not
            together with `stratify_by`.
        groups: a number for each row, from 0 without gaps; rows of one number stay on one side. Groups that are larger
            than what is wanted are passed over. With `stratify_by` about as many rows of a value are held out as are
            wanted, see `_whole_groups`; without it whole groups until the rows are enough.

    Returns:
        (rest, held out), each in the order of `dataset`.

    Raises:
        UserError: the share or count is out of bounds.
    """
    import numpy as np

    n = len(dataset)
    count = max(1, round(share_or_count * n)) if isinstance(share_or_count, float) else share_or_count
    if share_or_count <= 0 or count >= n or (isinstance(share_or_count, float) and share_or_count >= 1):
        raise UserError(
            f"Cannot hold out {share_or_count} of {n} rows",
            f"Give a share between 0 and 1, or a number of rows from 1 to {n - 1}."
            if n > 1
            else "There must be two at least: one to train on, one to hold out (or name a --validation-file).",
        )
    rng = np.random.default_rng(seed)
    by_column = class_numbers(dataset, group_by)
    if by_column.any():
        held = np.isin(by_column, _groups_of(np.bincount(by_column), count, rng))
        return dataset.select(np.flatnonzero(~held)), dataset.select(np.flatnonzero(held))
    # classes may be written as floats; rows that were held out before texts were kept together are drawn as they were
    classes = class_numbers(dataset, stratify_by, floats=groups is not None)
    sizes = np.bincount(classes)
    if (sizes - 1).sum() < count:
        if len(sizes) > 1:
            reporting.current().note(f"Too few rows for each value of {stratify_by!r}: the held-out rows are random")
        classes, sizes = np.zeros(n, np.int64), np.array([n])
    wanted = _proportional(sizes, count)
    mask = np.zeros(n, bool)
    if groups is None or groups.max() in (0, n - 1):
        if groups is not None and n > 1 and not groups.any():
            reporting.current().warn("all rows are of one text: those that are held out are trained on too")
        mask[_draw(classes, wanted, rng)] = True
    elif len(sizes) > 1:
        mask = np.isin(groups, _whole_groups(groups, classes, wanted, rng))
    else:
        mask = np.isin(groups, _groups_of(np.bincount(groups), count, rng, largest=count))
    return dataset.select(np.flatnonzero(~mask)), dataset.select(np.flatnonzero(mask))


def sample_balanced(dataset: Dataset, n: int, *, balance_by: str | None, seed: int, floats: bool = False) -> Dataset:
    """Draw `n` rows, as many of each value of `balance_by` as the data allow, in an order shuffled by `seed`.

    A value with too few rows gives all it has and the others make up for it. With balance_by=None, or a column of
    lists or (unless `floats`) floats, the rows are plain random ones. `n` of at least len(dataset) returns `dataset`
    as it is.

    Raises:
        UserError: n is below 1.
    """
    import numpy as np

    if n < 1:
        raise UserError(f"Cannot draw {n} rows", "Give a number of rows from 1 up.")
    if n >= len(dataset):
        return dataset
    rng = np.random.default_rng(seed)
    classes = class_numbers(dataset, balance_by, floats=floats)
    drawn = _draw(classes, _even(np.bincount(classes), n, rng), rng)
    return gathered(dataset.select(rng.permutation(drawn)))


def sample_whole(dataset: Dataset, n: int, *, whole: str, seed: int) -> Dataset:
    """Draw `n` rows at most, each with all that have its value of the column `whole`, in the order of `dataset`.

    One value is drawn at least, also where it has more rows.
    """
    import numpy as np

    groups = class_numbers(dataset, whole, floats=True)
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    fit = int(np.searchsorted(np.cumsum(sizes[order]), n, side="right"))
    return gathered(dataset.select(np.flatnonzero(np.isin(groups, order[: max(fit, 1)]))))


def has_classes(dataset: Dataset, column: str | None, *, floats: bool) -> bool:
    """Whether rows are told apart by a column when some are drawn; `floats`: also by numbers that are floats.

    Raises:
        UserError: there is no such column.
    """
    import pyarrow as pa

    if column is None:
        return False
    if column not in dataset.column_names:
        shown = ", ".join(user_columns(dataset.column_names))
        raise UserError(f"There is no column {column!r}", f"Columns: {shown}.")
    kind = dataset.features.arrow_schema.field(column).type
    return not pa.types.is_nested(kind) and (floats or not pa.types.is_floating(kind))


def class_numbers(dataset: Dataset, column: str | None, *, floats: bool = False) -> np.ndarray:
    """The class of each row as int64 of shape (n,), numbered by first appearance; null is a class of its own.

    All zero without a column, or with one of lists or (unless `floats`) floats, whose values are no classes.
    """
    import numpy as np
    import pyarrow.compute as pc

    if column is None or not has_classes(dataset, column, floats=floats):
        return np.zeros(len(dataset), np.int64)
    # of the whole table, as `datasets` makes an arrow chunk of each selected row, of a kilobyte
    values = dataset.data.table[column]
    # Encode before the chunks are joined: joined text may be longer than arrow's 2 GiB.
    encoded = pc.dictionary_encode(values, null_encoding="encode").combine_chunks()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    if dataset._indices is not None:
        codes = codes[dataset._indices.column(0).to_numpy()]
    _, first, numbers = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first, kind="stable"))[numbers.reshape(-1)]


def gathered(dataset: Dataset) -> Dataset:
    """The same rows in a table of their own, where they were selected from one: quicker to read, in less memory."""
    import pyarrow as pa
    from datasets import Dataset as ArrowDataset

    if dataset._indices is None:
        return dataset
    rows = dataset.with_format("arrow")
    parts = [rows[start : start + _ROWS].combine_chunks() for start in range(0, len(dataset), _ROWS)]
    if not parts:
        return dataset
    return ArrowDataset(pa.concat_tables(parts), info=dataset.info, split=dataset.split)


def _proportional(sizes: np.ndarray, count: int) -> np.ndarray:
    """How many of each class to draw: shares of `count` by largest remainder, leaving each class at least one row.

    Whole numbers only, so that no rounding differs between platforms. Needs (sizes - 1).sum() >= count.
    """
    import numpy as np

    quota = sizes * count
    drawn = np.minimum(quota // sizes.sum(), sizes - 1)
    while (left := count - drawn.sum()) > 0:
        open_ = drawn < sizes - 1
        lacking = np.where(open_, quota - drawn * sizes.sum(), -(2**62))
        first = np.argsort(-lacking, kind="stable")[: min(left, open_.sum())]
        drawn[first] += 1
    return drawn


def _even(sizes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """How many of each class to draw: as even as the sizes allow; who gets the odd rows is drawn."""
    import numpy as np

    drawn = np.zeros_like(sizes)
    while (left := count - drawn.sum()) > 0:
        open_ = np.flatnonzero(drawn < sizes)
        if left < len(open_):
            drawn[rng.permutation(open_)[:left]] += 1
        else:
            drawn[open_] = np.minimum(drawn[open_] + left // len(open_), sizes[open_])
    return drawn


def _groups_of(sizes: np.ndarray, count: int, rng: np.random.Generator, largest: int | None = None) -> np.ndarray:
    """Random groups, of two at least, that have `count` rows together or a few more; one group stays.

    Args:
        largest: groups of more rows are passed over, where there are smaller ones.
    """
    import numpy as np

    order = rng.permutation(len(sizes))
    if largest is not None and (sizes <= largest).any():
        order = order[sizes[order] <= largest]
    enough = int(np.searchsorted(np.cumsum(sizes[order]), count)) + 1
    return order[: min(enough, len(sizes) - 1)]


def _whole_groups(groups: np.ndarray, classes: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Random groups that have about `wanted[c]` rows of each class c together; where none fits the smallest one.

    First those that fit into what is wanted of every class. Where groups are larger than that, rows are left to draw:
    of each class that has none so far its smallest group, then any that are not too many rows, as long as at least half
    of each class stays.
    """
    import numpy as np

    rows = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[rows], np.arange(groups.max() + 2))
    sizes, totals, count = np.diff(starts), np.bincount(classes), int(wanted.sum())
    order = rng.permutation(len(sizes)).tolist()
    held, drawn = np.zeros_like(wanted), dict[int, None]()

    def take(group: int, most: np.ndarray) -> None:
        nonlocal held
        together = held + np.bincount(classes[rows[starts[group] : starts[group + 1]]], minlength=len(held))
        if group not in drawn and (together <= most).all():
            held = together
            drawn[group] = None

    for group in order:
        if held.sum() == count:
            return list(drawn)
        take(group, wanted)
    most = np.maximum(wanted, totals // 2)
    place = np.argsort(order)
    for lacking in np.flatnonzero((held == 0) & (wanted > 0)).tolist():
        if held[lacking] == 0 and held.sum() < count:
            own = np.unique(groups[classes == lacking])
            smallest = min(own.tolist(), key=lambda group: (sizes[group], place[group]))
            if sizes[smallest] <= count:
                take(smallest, most)
    for group in order:
        if sizes[group] <= count - held.sum():
            take(group, most)
    return list(drawn) or [int(sizes.argmin())]


def _draw(classes: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Row numbers: `counts[c]` random rows of each class c."""
    import numpy as np

    order = rng.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]  # by class, random within
    starts = np.concatenate([[0], np.cumsum(np.bincount(classes))[:-1]])
    rank = np.arange(len(classes)) - starts[classes[order]]
    return order[rank < counts[classes[order]]]
