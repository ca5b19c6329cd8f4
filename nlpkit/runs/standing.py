"""What rows have decided before they judge, and where they come from: said beside their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Standing:
    """Of the rows that a model and the one that it was made from are compared on.

    Attributes:
        drawn_from: the split that they were taken out of; None where they are a split of the data.
        chose: whether something of this run was chosen by them: a checkpoint, what is pruned, what stays in float32.
        chose_before: whether the model that the run began with was chosen by them.
    """

    drawn_from: str | None = None
    chose: bool = False
    chose_before: bool = False

    @classmethod
    def of(cls, split: str, data: Mapping[str, Any], before: Mapping[str, Any] | None, *, chose: bool) -> Self:
        """Of the rows of a split.

        Args:
            data: as the record of the run has them under `parents`.
            before: the record of the model that the run began with; None where it has none.
            chose: whether something of this run was chosen by validation.
        """
        drawn_from = (data.get("drawn") or {}).get(split)
        return cls(drawn_from, chose and split == "validation", _chosen_by(split, data, before or {}))


def _chosen_by(split: str, data: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether a trained model was chosen among its checkpoints by rows of a split.

    Args:
        data: with these rows.
        record: of the model.
    """
    own = (record.get("parents") or {}).get("data") or {}
    drawn_from = (data.get("drawn") or {}).get(split)
    if split == "test" and (drawn_from != "validation" or drawn_in(record, "test") == drawn_from):
        return False
    if not record.get("steps") or record.get("checkpoints_judged") in (0, 1):  # records of older versions do not tell
        return False
    return bool(read := _validated_on(data)) and read == _validated_on(own)


def _validated_on(data: Mapping[str, Any]) -> list[Any]:
    """What the rows of validation were read from: files, by their checksums, or a data set of the hub."""
    files = data.get("files") or {}
    if isinstance(files, Mapping) and files:
        return [file["sha256"] for file in files.get("validation") or files.get("train") or ()]
    return [data["spec"], data.get("revision")] if data.get("spec") else []


def drawn_in(record: Mapping[str, Any], split: str) -> str | None:
    """The split that the rows of a run's test split were taken out of; None where they are a split of the data."""
    data = (record.get("parents") or {}).get("data") or {}
    drawn: str | None = (data.get("drawn") or {}).get(split)  # which records of older versions lack
    return drawn


def fairest(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Of runs that are asked about the same rows, the one that held them out.

    It is the first, unless that has no test split and another one, on the same data, has kept half of validation apart.

    Args:
        records: nlpkit.json by the name of the run; empty of a model that has none.
    """
    first, *others = records
    if "test" in (records[first].get("metrics") or {}):
        return first
    read = _validated_on((records[first].get("parents") or {}).get("data") or {})
    for name in others:
        record = records[name]
        if drawn_in(record, "test") == "validation" and read == _validated_on(record["parents"]["data"]):
            return name
    return first


def title(split: str, drawn_from: str | None) -> str:
    """A split as people read it: `test (half of validation)`."""
    if drawn_from is None:
        return split
    return f"{split} ({origin(drawn_from)})"


def origin(drawn_from: str) -> str:
    """Where rows come from that were taken out of a split, in words."""
    return "held out of train" if drawn_from == "train" else f"half of {drawn_from}"


def lines(price: Mapping[str, Any]) -> list[str]:
    """Which way a price is wrong where its rows have chosen; nothing where they have not.

    Args:
        price: of a record; those of older versions do not tell.
    """
    split = price["split"]
    if price.get("chose"):
        return [
            f"{split}: these rows have chosen too, which flatters what was chosen, so the price is rather too low; a "
            "test split (--test-file) tells it fairly"
        ]
    if price.get("chose_before"):
        first = price["sides"][0]["name"]
        return [
            f"{split}: the checkpoint of {first} was chosen by these rows too, which flatters it, so the price is "
            "rather too high; trained with --test-share it has rows that tell it fairly"
        ]
    return []
