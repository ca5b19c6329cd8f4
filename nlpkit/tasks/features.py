"""Examples to token ids: in batches, in one process (the tokenizers library uses every core), cached by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from nlpkit import reporting
from nlpkit.data import cache, pieces
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.findings import Finding
    from nlpkit.tasks.contract import Task
    from nlpkit.tasks.roles import Trainable

T = TypeVar("T", bound="Trainable")
BATCH = 2_000
# Below this many examples tokenizing again is faster than opening a cache file is worth.
CACHE_FROM = 20_000
FEATURES = "features.arrow"
LENGTH_SAMPLE = 10_000  # examples from which a max length is chosen
PERCENTILE = 99.5
FREE_LENGTH = 128  # tokens up to which nothing is cut: batches are padded to their own longest row only


def choose_lengths(
    task: T,
    tokenizer: Any,
    examples: Mapping[str, Dataset],
    limit: int | None,
    most: int | None,
    seed: int,
    *,
    settled: bool = False,
    written: int | None = None,
) -> tuple[T, str]:
    """The task with how many tokens are read, unless that was asked for, and what this does to train.

    `max_length` is the task's default, else `limit`, but no shorter than 128 tokens where the model takes them.
    With the latter, rows of train are limited further (`training_length`): to the 99.5th percentile of a sample of
    them, but no shorter than 128 tokens either, as rows are only padded to the longest of their batch.

    Args:
        task: as its `from_data` made it, or a model that learned with a length that was chosen restored it.
        tokenizer: of the model.
        examples: by split.
        limit: tokens that are read of a text where none are asked for, None for any number; see `models.max_positions`.
        most: tokens that the model takes, None for any number.
        seed: of the sample.
        settled: the lengths of the task are those of a run that goes on, and stay.
        written: tokens that a decoder takes, where these are not `most`.

    Raises:
        UserError: what was asked for is more than the model takes.
    """
    stated = None if task.training_length and not settled else task.max_length
    if stated:
        require_length(stated, most)
    if limit is not None and limit < FREE_LENGTH:
        limit = min(FREE_LENGTH, most or FREE_LENGTH)
    rows = examples.get("train") or next(iter(examples.values()))
    if len(rows) > LENGTH_SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(rows), LENGTH_SAMPLE, replace=False)
        rows = rows.select(np.sort(chosen))
    lengths = np.asarray(token_lengths(task, tokenizer, rows[:]))
    task = task.with_(model_length=most)
    if stated is None and task.default_max_length:
        task = task.with_(max_length=min(task.default_max_length, limit or task.default_max_length))
    elif stated is None:
        wanted = -(-max(int(np.percentile(lengths, PERCENTILE)), FREE_LENGTH) // 8) * 8
        task = task.with_(max_length=limit, training_length=min(wanted, limit) if limit else wanted)
    sampled = " (sample)" if len(rows) == LENGTH_SAMPLE else ""
    median = int(np.median(lengths))
    said = f"{task.for_training().length_report(lengths)}{sampled}; median {median}, longest {int(lengths.max())}"
    if task.training_length and task.training_length != task.max_length:
        end = f"up to {task.max_length} tokens" if task.max_length else "to their end"
        said += f"; outside training, rows are read {end}"
    task, more = task.lengths_chosen(tokenizer, rows[:], written or most)
    return task, f"{said}; {more}" if more else said


def require_length(max_length: int, most: int | None, whose: str = "the model") -> None:
    """Check that a model takes as many tokens as --max-length says.

    Args:
        most: tokens that it takes, None for any number.
        whose: the model, for the message.

    Raises:
        UserError: it takes fewer.
    """
    if most is not None and max_length > most:
        raise UserError(f"--max-length {max_length}: {whose} takes at most {most} tokens", f"Use {most} or less.")


def token_lengths(task: Trainable, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
    """`task.token_lengths` of columns of any size, some rows at a time."""
    lengths: list[int] = []
    for start, end in pieces.chunks(examples, BATCH):
        lengths += task.token_lengths(tokenizer, {name: column[start:end] for name, column in examples.items()})
    return lengths


def featurize(task: Task, tokenizer: Any, examples: Dataset, split: str) -> Dataset:
    """Features of all examples of a split; `example` counts over the whole split.

    Large splits are written to the cache once, under a key made of the examples, the tokenizer and the task's
    settings, and memory-mapped; into memory where there is no cache to write to.
    """
    columns = [name for name in examples.column_names if name != "where"]
    with reporting.current().progress(f"tokenize {split}", len(examples), "rows") as bar:

        def step(batch: Mapping[str, Sequence[Any]], indices: list[int]) -> dict[str, list[Any]]:
            out: dict[str, list[Any]] = {}
            for start, end in pieces.chunks(batch, BATCH):
                part = task.features(tokenizer, {name: column[start:end] for name, column in batch.items()})
                part["example"] = [indices[0] + start + i for i in part["example"]]
                out = {name: [*out.get(name, ()), *column] for name, column in part.items()} if out else part
                bar.advance(end - start)
            return out

        arguments: dict[str, Any] = {"batched": True, "batch_size": BATCH, "with_indices": True}
        plain = examples.select_columns(columns)

        def make(**where: Any) -> Dataset:
            bar.reset(len(examples))
            return plain.map(step, remove_columns=columns, load_from_cache_file=False, **where, **arguments)

        entry = None
        if len(examples) >= CACHE_FROM:
            key = _key(task, tokenizer, plain)
            entry = cache.kept("tokens", key, lambda place: make(cache_file_name=str(place / FEATURES)))
        if entry is None:
            return make(keep_in_memory=True)
        from datasets import Dataset

        return Dataset.from_file(str(entry.path / FEATURES))


def inputs(task: Task, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """What the model is given of examples (columns of equal length), ready for `task.collate`, in their order."""
    from nlpkit.tasks.contract import BOOKKEEPING

    made = task.features(tokenizer, examples)
    names = [name for name in made if name not in BOOKKEEPING]
    return [{name: made[name][i] for name in names} for i in range(len(made["length"]))]


@dataclass(frozen=True)
class Truncation:
    """Texts that were not read to their end.

    Attributes:
        texts: how many.
        rows: of how many; where a row has several, these are all of them.
        longest: tokens of the longest of them.
        limit: tokens that were read of each.
    """

    texts: int
    rows: int
    longest: int
    limit: int | None

    def __add__(self, other: Truncation) -> Truncation:
        return Truncation(
            self.texts + other.texts, self.rows + other.rows, max(self.longest, other.longest), other.limit
        )

    def finding(
        self, task: Task, split: str, level: Literal["warning", "note"] = "warning", *, settable: bool = True
    ) -> Finding | None:
        """What to say of it, None where nothing was cut.

        Args:
            split: or whatever the rows are called.
            level: of the finding.
            settable: see `remedy`.
        """
        from nlpkit.data.findings import Finding

        if not self.texts:
            return None
        if said := task.cut_in_words(self.texts, self.rows, self.longest):
            return Finding(level, "truncation", f"{split}: {said}", self.texts)
        share = f"{self.texts:,} of {self.rows:,} texts are longer than {self.limit} tokens and were cut there"
        message = f"{split}: {share}, the longest has {self.longest:,}{remedy(task, self.limit, settable=settable)}"
        return Finding(level, "truncation", message, self.texts)


def remedy(task: Task, limit: int | None, *, settable: bool = True) -> str:
    """What helps where texts are cut at `limit` tokens, to be put behind what is said of them.

    Args:
        settable: whether the command has a --max-length.
    """
    ways = [f"see {task.uncut}"] if task.uncut else []
    if limit == task.model_length:
        return "; ".join(["; the model takes no more", *ways])
    if settable:
        more = f" (up to {task.model_length:,})" if task.model_length else ""
        ways = [f"see --max-length{more}", *([task.uncut] if task.uncut else [])]
    return f"; {' or '.join(ways)}" if ways else ""


def cut_of(task: Task, made: Mapping[str, Sequence[Any]]) -> Truncation:
    """Which texts the features of a task do not hold to their end; `made` are their columns.

    Texts are counted where features say how many they hold, as a query may come with a thousand documents; else rows.
    """
    rows = int(np.sum(made["texts"])) if "texts" in made else len(np.unique(np.asarray(made["example"])))
    if "lost" not in made:
        return Truncation(0, rows, 0, task.max_length)
    lost = np.asarray(made["lost"])
    whole = np.asarray(made["longest"]) if "longest" in made else lost + np.asarray(made["length"])
    texts = int(np.sum(made["cut"])) if "cut" in made else int((lost > 0).sum())
    return Truncation(texts, rows, int(whole[lost > 0].max(initial=0)), task.max_length)


class Columns(Mapping[str, Sequence[Any]]):
    """Columns of features as arrays, read when they are asked for: one array of numbers, or views on one for lists.

    Args:
        features: any selection of rows.
        replaced: columns that stand for those of the features.
    """

    def __init__(self, features: Dataset, **replaced: Any) -> None:
        self.features = features.with_format("arrow")
        self.replaced = replaced

    def __getitem__(self, name: str) -> Sequence[Any]:
        import pyarrow as pa

        if name in self.replaced:
            return self.replaced[name]
        values = self.features[name][:].combine_chunks()
        if not pa.types.is_list(values.type):
            return values.to_numpy(zero_copy_only=False)
        if not len(values):  # which `np.split` would make one empty list of
            return []
        bounds = np.cumsum(values.value_lengths().to_numpy())[:-1]
        return np.split(values.flatten().to_numpy(zero_copy_only=False), bounds)

    def __iter__(self) -> Iterator[str]:
        return iter(self.features.column_names)

    def __len__(self) -> int:
        return len(self.features.column_names)


def update_digest(digest: Any, rows: Dataset) -> None:
    """Add names and values of all columns to a hashlib object."""
    whole = rows if rows._indices is None else rows.flatten_indices(keep_in_memory=True)
    digest.update(repr(whole.column_names).encode())
    for batch in whole.data.table.to_batches():
        for column in batch.columns:
            digest.update(repr((column.type, column.offset, len(column))).encode())
            for buffer in column.buffers():
                if buffer is not None:
                    digest.update(buffer)


def _key(task: Task, tokenizer: Any, examples: Dataset) -> str:
    digest = hashlib.blake2b(digest_size=16)
    update_digest(digest, examples)
    digest.update(made_of(tokenizer).encode())
    digest.update(repr(sorted(task.record().items(), key=lambda item: item[0])).encode())
    digest.update(task.feature_settings.encode())
    return digest.hexdigest()


def made_of(tokenizer: Any) -> str:
    """All that decides which tokens a text becomes."""
    return tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else repr((tokenizer, tokenizer.get_vocab()))


def same_tokens(first: Any, second: Any) -> bool:
    """Whether two tokenizers give the same inputs for every text, truncation and padding apart."""

    def inputs(tokenizer: Any) -> Any:
        made = made_of(tokenizer)
        parts = json.loads(made) if tokenizer.is_fast else {"tokenizer": made}
        names = set(tokenizer.model_input_names) - {"attention_mask"}
        return {**parts, "truncation": None, "padding": None}, names, tokenizer.padding_side

    return first is second or inputs(first) == inputs(second)


def equal_ids(first: Dataset, second: Dataset) -> bool:
    """Whether two sets of features have the same token ids, row by row."""
    import pyarrow as pa

    if len(first) != len(second):
        return False
    kind = pa.list_(pa.int64())
    ours, theirs = (rows.with_format("arrow")["input_ids"][:].cast(kind) for rows in (first, second))
    return ours.equals(theirs)


MOST = 2**28  # numbers of the outputs of a split: 1 GB, of which two more copies are made


def require_room(task: Task, examples: Mapping[str, Sequence[Any]] | Dataset, rows: int, split: str = "") -> None:
    """Refuse to judge what takes too much memory, before any of the work is done.

    Args:
        task: whose outputs grow with its labels.
        examples: of a split.
        rows: how many there are.
        split: its name; empty where there is but one.

    Raises:
        UserError: saying what helps.
    """
    numbers = task.numbers(examples)
    if numbers > MOST:
        lead = f"{split}: " if split else ""
        fewer = max(rows * MOST // numbers, 1)
        raise UserError(
            f"{lead}the scores of all labels for {rows:,} rows take {4 * numbers / 1e9:,.1f} GB; at most "
            f"{4 * MOST / 1e9:.1f} GB are held",
            f"Judge fewer rows: --max-eval-samples {fewer}; or give rare labels one name together.",
        )
