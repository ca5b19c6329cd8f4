"""The search for a chain that meets the wishes: what needs no training, short trials of what could, the best whole.

All that is decided here is decided by validation; what it cost is told by rows that chose nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.compression import shapes
from nlpkit.compression.chain import Chain, Effort, GivenUp, Made, drop_weights
from nlpkit.compression.shapes import Branch, Costs, Shape, Table
from nlpkit.compression.wishes import Figures, Wishes
from nlpkit.errors import RunError
from nlpkit.reporting import counted, duration
from nlpkit.runs.files import whole

JOURNAL = "search.json"
SHORT_EPOCHS = 1.0  # of a trial
SHORT_ROWS = 2_000  # that it learns from, at most
WHOLE_SHARE = 0.9  # of the time that is left, for a whole training: it is exported and measured then
LADDER = (1.5, 2.5, 4.0, 6.5, 10.0)  # times as fast as the format alone, where only the loss is limited
LEVELS = 3  # of the ladder are tried at most
LEAST_WHOLE = 0.5  # of a whole training that trials leave the time for, or there are none
FINALISTS = 2  # branches that are trained whole, where the first loses too much
FREE = 0.5  # points that a smaller table of embeddings may lose by itself: training wins some of them back
FREE_SHARE = 0.25  # of the points that may be lost, likewise
SLACK = 0.05  # two measurements of one model may differ by so much
SAME = 1e-9  # points that are no difference


@dataclass
class Candidate:
    """A model that was made and judged.

    Attributes:
        name: for tables.
        steps: folders of its steps, the last one holds it; empty of the model itself.
        shape: of it.
        effort: how it was trained: `none`, `short` or `trained`.
        figures: measured; the drop is that on validation.
        metric: its main metric there.
        stopped: why it was given up before its last step; None where it was not.
    """

    name: str
    steps: list[str]
    shape: Shape
    effort: str
    figures: Figures
    metric: float
    stopped: str | None = None

    @property
    def folder(self) -> Path:
        """That holds it."""
        return Path(self.steps[-1])

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Candidate:
        """What `record` gave."""
        shape = {**record["shape"], "table": Table(*record["shape"]["table"])}
        return cls(**{**record, "shape": Shape(**shape), "figures": Figures(**record["figures"])})


@dataclass
class Budget:
    """The time that a search may take.

    Attributes:
        minutes: in all; None: as long as it needs.
        used: seconds before this process.
    """

    minutes: float | None
    used: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self.used + time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds that are left; infinite where there is no limit."""
        return float("inf") if self.minutes is None else 60 * self.minutes - self.spent


@dataclass
class Search:
    """One search, which can be interrupted after any step and gone on with.

    Attributes:
        wishes: what is looked for.
        costs: of shapes.
        chain: makes models.
        judge: size, speed and loss of a model, and its main metric on validation, by its folder.
        metric: the main metric.
        lost: points of the main metric lost on validation, by the metrics of a model there.
        tables: of embeddings that may be taken, the largest first.
        epochs: of a whole training.
        branches: trials at most.
        budget: of time.
        folder: of the run; what was found is kept there, in search.json.
        train_rows: rows of train.
        guess: seconds of training for each row and layer, until a chain was run; None: not known.
        candidates: that were made and judged, in that order.
        stops: why the search did not go on, where it did not.
        seconds: of each chain that was trained, and its work, see `_work`.
        granted: minutes that each whole training was given.
        plan: what else is kept in search.json.
    """

    wishes: Wishes
    costs: Costs
    chain: Chain
    judge: Callable[[Path], tuple[Figures, float]]
    metric: str
    lost: Callable[[Mapping[str, float]], float]
    tables: Sequence[Table]
    epochs: float
    branches: int
    budget: Budget
    folder: Path
    train_rows: int
    guess: float | None = None
    candidates: list[Candidate] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    seconds: list[tuple[float, float]] = field(default_factory=list)
    granted: dict[str, float | None] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)

    # --- the course ---

    def run(self) -> Candidate:
        """Search, and give what is chosen."""
        self._untrained()
        if self.wishes.of_shape:
            if (found := self._best()) is not None:
                self.stops.append(f"{found.name} meets the wishes without any training")
                return found
            self._level(self.wishes)
        else:
            self._ladder()
        chosen = self._best() or self._nearest()
        self._tidy(chosen)
        return chosen

    def _untrained(self) -> None:
        """What needs no training: the format alone, and smaller tables of embeddings."""
        for table in self.tables:
            if self.chain.to is not None or table.growth is not None:
                shape = Shape(self.costs.layers, table=table)
                self._once(table.named() or "whole", shape, "none", partial(self.chain.untrained, table))

    def _preferred(self) -> list[Table]:
        """Tables for models that are trained, the one to be preferred first: where size counts, the smallest that loses
        nothing by itself, then smaller ones; else the largest."""
        if self.wishes.size is None and self.wishes.of_shape:
            return list(self.tables)
        allowed = FREE if self.wishes.drop is None else max(FREE, FREE_SHARE * self.wishes.drop)
        lost = {item.shape.table: _cost(item.figures) for item in self.candidates if item.effort == "none"}
        least = lost.get(self.tables[0], 0.0)
        free = [place for place, table in enumerate(self.tables) if lost.get(table, 0.0) <= least + allowed]
        return list(self.tables[max(free, default=0) :])

    def _level(self, wishes: Wishes) -> Candidate | None:
        """The best model within limits on its shape: short trials of all branches, then the best of them whole."""
        branches = [
            branch
            for branch in shapes.within(wishes, self.costs, self._preferred())
            if (branch.shape.layers, branch.shape.share) != (self.costs.layers, 1.0)  # made before
        ]
        if not branches:
            self.stops.append(f"no shape is so fast: {wishes.described()}")
            return None
        if len(self.tables) > 1:
            table = branches[0].shape.table
            reporting.current().note(
                f"embeddings of trained models: {table.named() or 'whole'}, {_why(table, self.tables)}"
            )
        branches = shapes.spread(branches, self.branches)
        if len(branches) > 1:
            branches = self._tried(branches, wishes)
        finished: list[Candidate] = []
        for branch in branches[:FINALISTS]:
            begun = f"{self.chain.named(branch.shape)}-trained" in self.granted
            if finished and not begun and self.budget.left < 2 * self._needed(branch.shape, self.epochs, None):
                self.stops.append("the time does not suffice for another branch to be trained whole")
                break
            candidate = self._whole(branch)
            finished.append(candidate)
            if not self.wishes.missed(candidate.figures, SLACK):
                break
        return min(finished, key=lambda item: _cost(item.figures), default=None)

    def _ladder(self) -> None:
        """Faster and faster models, until one loses too much; by bisection over a ladder of speeds."""
        alone = next((item.figures.speedup for item in self.candidates if item.effort == "none"), 1.0)
        steps = [factor * alone for factor in LADDER]
        low, high = -1, len(steps)  # the fastest that is good enough, the slowest that is not
        place = 1
        for _ in range(LEVELS):
            made = self._level(Wishes(speedup=steps[place], rows=self.wishes.rows, length=self.wishes.length))
            if made is not None and not self.wishes.missed(made.figures):
                low = place
            else:
                high = place
            if high - low < 2:
                break
            if self.budget.left <= 0:
                self.stops.append("the time is over")
                break
            place = (low + high) // 2 if high < len(steps) else min(low + 1, len(steps) - 1)

    def _tried(self, branches: Sequence[Branch], wishes: Wishes) -> list[Branch]:
        """Branches by how good they are after a short training, the best first; corrected where one is slower than it
        was expected to be."""
        effort = self._short(branches)
        middle = branches[len(branches) // 2]
        trial = self._needed(middle.shape, effort.epochs, effort.rows)
        least = 2 * trial + LEAST_WHOLE * self._needed(middle.shape, self.epochs, None)
        if self.budget.left < least and not any(self._tried_before(branch, effort) for branch in branches):
            self.stops.append(
                f"the time does not suffice for short trials (about {duration(trial)} each): of "
                f"{len(branches)} branches the middle one is trained without"
            )
            return [middle, *(branch for branch in branches if branch is not middle)]
        reporting.current().note(
            f"short trials of {counted(len(branches), 'branch', 'branches')}: {passes(effort.epochs)} of "
            f"{counted(effort.rows or self.train_rows, 'row', 'rows')} each"
        )
        ranked: list[tuple[float, int, Branch]] = []
        best: float | None = None
        for place, branch in enumerate(branches):
            known = self._tried_before(branch, effort)
            if ranked and not known and self.budget.left < 2 * self._needed(branch.shape, self.epochs, None):
                self.stops.append(
                    f"the time does not suffice to try {counted(len(branches) - place, 'more branch', 'more branches')}"
                )
                break
            candidate = self._trial(branch, effort, best)
            ranked.append((_cost(candidate.figures), place, self._corrected(branch, candidate, wishes)))
            if candidate.stopped is None:
                best = min(_cost(candidate.figures), float("inf") if best is None else best)
        return [branch for _, _, branch in sorted(ranked, key=lambda item: item[:2])]

    def _tried_before(self, branch: Branch, effort: Effort) -> bool:
        """Whether a search that is gone on with has this trial."""
        name = f"{self.chain.named(branch.shape)}-{effort.name}"
        return any(candidate.name == name for candidate in self.candidates)

    def _trial(self, branch: Branch, effort: Effort, best: float | None) -> Candidate:
        """A short training of a branch, which ends when what is made so far has lost more than another's end."""

        def goes_on(metrics: Mapping[str, float]) -> bool:
            return best is None or self.lost(metrics) <= best + SAME

        name = f"{self.chain.named(branch.shape)}-{effort.name}"
        return self._once(name, branch.shape, effort.name, lambda: self.chain.run(branch.shape, effort, goes_on))

    def _corrected(self, branch: Branch, candidate: Candidate, wishes: Wishes) -> Branch:
        """The largest share of as many layers that meets the wishes, by what this one was measured to be like."""
        if candidate.stopped or not wishes.missed(candidate.figures, shapes.MARGIN):
            return branch
        tightened = wishes.against(branch.expected, candidate.figures)
        again = shapes.within(tightened, self.costs, [branch.shape.table])
        return next((other for other in again if other.shape.layers == branch.shape.layers), branch)

    def _whole(self, branch: Branch) -> Candidate:
        name = f"{self.chain.named(branch.shape)}-trained"
        if name not in self.granted:  # a run that is gone on with has the options that it was begun with
            self.granted[name] = self._minutes()
            self.write()
        effort = Effort("trained", self.epochs, None, self.granted[name])
        return self._once(name, branch.shape, "trained", lambda: self.chain.run(branch.shape, effort))

    # --- time ---

    def _short(self, branches: Sequence[Branch]) -> Effort:
        """How much training a trial gets."""
        rows = min(SHORT_ROWS, self.train_rows)
        return Effort("short", min(SHORT_EPOCHS, self.epochs), rows if rows < self.train_rows else None)

    def _needed(self, shape: Shape, epochs: float, rows: int | None) -> float:
        """Seconds that a chain is expected to take, by those that were run, else by the guess; 0 without either."""
        each = min((seconds / work for seconds, work in self.seconds), default=self.guess or 0.0)
        return each * _work(shape, epochs, rows or self.train_rows)

    def _minutes(self) -> float | None:
        """What of the time is left for a whole training; its learning rate then ends with it."""
        if self.budget.left == float("inf"):
            return None
        return round(max(WHOLE_SHARE * self.budget.left / 60, 0.1), 2)

    # --- what is known ---

    def _once(self, name: str, shape: Shape, effort: str, make: Callable[[], Made]) -> Candidate:
        """A candidate, made and measured unless it was before."""
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        stopped = None
        try:
            made = make()
        except GivenUp as end:
            made, stopped = end.made, f"given up after {end.made.folder.name}: it had lost more than another at its end"
            self.stops.append(f"{name}: {stopped}")
        if stopped:
            metrics = made.record["metrics"]["validation"]
            figures, metric = replace(self.costs.expected(shape), drop=self.lost(metrics)), metrics[self.metric]
        else:
            figures, metric = self.judge(made.folder)
        candidate = Candidate(name, [str(step) for step in made.steps], shape, effort, figures, metric, stopped)
        self.candidates.append(candidate)
        if effort != "none" and made.seconds and not stopped:
            epochs, rows = (self.epochs, None) if effort == "trained" else (SHORT_EPOCHS, SHORT_ROWS)
            work = _work(shape, min(epochs, self.epochs), min(rows or self.train_rows, self.train_rows))
            self.seconds.append((made.seconds, work))
        self.write()
        return candidate

    def _best(self) -> Candidate | None:
        """Of those that lack nothing: with limits on the shape the one that loses least, else the fastest."""
        good = [item for item in self._complete() if not self.wishes.missed(item.figures, SLACK)]
        if not good:
            return None
        if self.wishes.of_shape:
            return min(good, key=lambda item: (_cost(item.figures), -item.figures.speedup))
        return max(good, key=lambda item: (item.figures.speedup, -item.figures.size))

    def _nearest(self) -> Candidate:
        """Where none lacks nothing: the one within the limits on the shape that loses least, else the one that is least
        beyond them."""
        complete = self._complete()
        if not complete:
            raise RunError("no model was finished", "Give more time (--max-minutes), or a smaller --epochs.")
        shaped = [item for item in complete if self.wishes.room(item.figures) * (1 + SLACK) >= 1]
        if shaped:
            return min(shaped, key=lambda item: _cost(item.figures))
        return min(complete, key=lambda item: self.wishes.beyond(item.figures))

    def _complete(self) -> list[Candidate]:
        return [item for item in self.candidates if item.stopped is None and item.effort != "short"]

    def _tidy(self, chosen: Candidate) -> None:
        kept = [Path(step) for item in self._complete() for step in item.steps]
        freed = drop_weights([Path(step) for item in self.candidates for step in item.steps], kept)
        if freed:
            reporting.current().note(f"weights of trials deleted: {freed / 1e6:,.0f} MB; their records stay")

    def write(self) -> None:
        """Keep what is known, so that an interrupted search goes on from here."""
        document = {
            "candidates": [item.record() for item in self.candidates],
            "seconds": self.seconds,
            "granted": self.granted,
            "stops": self.stops,
            "spent": self.budget.spent,
            **self.plan,
        }
        with whole(self.folder / JOURNAL) as partial:
            partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    def recall(self, document: Mapping[str, Any]) -> None:
        """Go on with what `write` kept."""
        self.candidates = [Candidate.from_record(item) for item in document["candidates"]]
        self.seconds = [tuple(item) for item in document["seconds"]]
        self.granted = dict(document["granted"])
        self.stops = list(document["stops"])
        self.budget.used = document["spent"]


def passes(epochs: float) -> str:
    """A number of epochs in words."""
    return f"{epochs:g} {'epoch' if epochs == 1 else 'epochs'}"


def _why(table: Table, tables: Sequence[Table]) -> str:
    """Why a table of embeddings is taken."""
    if table == tables[0]:
        return "as every smaller one loses too much by itself"
    return f"the smallest of {len(tables)} that loses hardly anything by itself, or the first that leaves room"


def _cost(figures: Figures) -> float:
    return float("inf") if figures.drop is None else figures.drop


def _work(shape: Shape, epochs: float, rows: int) -> float:
    """Training in rows times layers."""
    return epochs * rows * shape.layers
