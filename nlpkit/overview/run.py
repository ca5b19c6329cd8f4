"""One run, as its folder tells of it: read from files alone, so that it takes no library and no model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from nlpkit.data import pipes
from nlpkit.errors import UserError
from nlpkit.reporting import Estimate
from nlpkit.runs.files import small_text
from nlpkit.runs.folder import read_record
from nlpkit.runs.records import RECORD

ERRORS = "errors.jsonl"
LISTED = "`nlpkit runs` lists the run folders that there are."
# the options that name the data of a run, in the order in which they are asked
NAMES_DATA = ("data", "train_file", "validation_file", "test_file")


class Figure(NamedTuple):
    """A metric of a split; `interval` holds its lower and upper bound, None where the record has none."""

    value: float | None
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "not a number"
        if self.interval is None:
            return f"{self.value:.4f}"
        return str(Estimate(self.value, *self.interval))


def parameters(count: int) -> str:
    """How many a model has, as the field writes it: 22.71 M, 35.2 k."""
    return f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count / 1e3:.1f} k"


@dataclass(frozen=True)
class Run:
    """A run folder of any command.

    Attributes:
        path: the folder.
        record: its nlpkit.json as `records` opens it; {} for a run that was killed before it wrote one.
    """

    path: Path
    record: Mapping[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Read the record of a folder.

        Raises:
            UserError: there is no such folder, it is no run of nlpkit, or its record cannot be read.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}", LISTED)
        record = read_record(folder)
        if record is None:
            raise UserError(
                f"{folder} is no run folder: it holds no {RECORD}",
                LISTED,
            )
        return cls(folder, record)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name or str(self.path)

    @property
    def command(self) -> str | None:
        """The command that made it."""
        return self.record.get("command")

    @property
    def complete(self) -> bool:
        """Whether it came to its end."""
        return self.record.get("status") == "complete"

    @property
    def config(self) -> Mapping[str, Any]:
        """The options that it was run with."""
        return self.record.get("config") or {}

    @property
    def task(self) -> str | None:
        """What the model does: its task, or what an encoder was pre-trained with; None where there is no model."""
        task, objective = self.record.get("task") or {}, self.config.get("objective")
        name = task.get("name") or (objective if isinstance(objective, str) else None)  # `tune` has a list of metrics
        return str(name) if name else None

    @property
    def problem(self) -> str | None:
        """What kind of its task it is, where the task has kinds."""
        problem = (self.record.get("task") or {}).get("problem")
        return str(problem) if problem else None

    @property
    def model(self) -> str | None:
        """The model that it began with; None where it began from nothing, or with none."""
        parents = self.record.get("parents") or {}
        origin = parents.get("teacher") or parents.get("model") or {}
        return origin.get("given") or origin.get("name")

    @property
    def data(self) -> str | None:
        """The data, by the last part of each name that they were given by."""
        spec = ((self.record.get("parents") or {}).get("data") or {}).get("spec")
        given = next((self.config[name] for name in NAMES_DATA if self.config.get(name)), spec)
        if not given:
            return None
        first, *others = given if isinstance(given, list) else [given]
        return pipes.name_of(str(first)) + (f" + {len(others)}" if others else "")

    @property
    def metrics(self) -> dict[str, dict[str, float | None]]:
        """Metrics by split."""
        return dict(self.record.get("metrics") or {})

    @property
    def main_metric(self) -> str | None:
        """The metric that the run was chosen by; of a run that chose by none, the first that it has."""
        if metric := self.record.get("main_metric"):
            return str(metric)
        return next((name for figures in self.metrics.values() for name in figures), None)

    def figure(self, split: str, metric: str) -> Figure | None:
        """A metric of a split with its interval; None where the record has no such metric."""
        if metric not in (self.metrics.get(split) or {}):
            return None
        interval = ((self.record.get("metric_intervals") or {}).get(split) or {}).get(metric)
        return Figure(self.metrics[split][metric], (interval[0], interval[1]) if interval else None)

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each split had; of running text nothing."""
        rows = self.record.get("rows")
        return {split: count for split, count in rows.items() if count is not None} if isinstance(rows, dict) else {}

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What was noticed about its data, as `page.finding` shows it; a tokenizer's run holds a sentence of each."""
        known = {"level": "note", "check": "", "message": "", "examples": [], "count": 0}
        return [
            {**known, **(found if isinstance(found, Mapping) else {"level": "warning", "message": str(found)})}
            for found in self.record.get("findings") or []
        ]

    @property
    def parameters(self) -> int | None:
        """Parameters of the model, as far as the record tells."""
        if (count := self.record.get("parameters")) is not None:
            return int(count)
        sides = (self.record.get("price") or {}).get("sides")
        return int(sides[-1]["parameters"]) if sides else None

    @property
    def seconds(self) -> float | None:
        """Seconds of training; of a run that trained nothing, of all its work."""
        seconds = self.record.get("train_seconds") or self.record.get("wall_seconds")
        return None if seconds is None else float(seconds)

    @property
    def date(self) -> datetime | None:
        """When it ended; of one that has not, when it began."""
        for name in ("finished", "started"):
            try:
                when = datetime.strptime(self.record[name], "%Y-%m-%dT%H:%M:%S%z")
            except (KeyError, TypeError, ValueError):  # of an older version, or written by hand
                continue
            return when
        return None

    def mistakes(self) -> list[dict[str, Any]]:
        """The wrong answers of the split that was held out, the most confident first; [] where the run kept none."""
        try:
            lines = small_text(self.path / ERRORS).split("\n")  # a text may hold other ends of lines
        except (OSError, ValueError):
            return []
        found = []
        for line in lines:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):  # cut by a full disk
                continue
            if isinstance(entry, dict):
                found.append(entry)
        return found
