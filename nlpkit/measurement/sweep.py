"""The sweep over models and sizes: launches, turns, and a journal of what came of them.

A launch starts a fresh process for every model. At each size all of them get ready, then they take turns, one at a
time, in rounds whose order changes, so that whatever else the machine does hits all alike. Two processes of one model
differ by a few per cent (memory lies elsewhere, threads land on other cores), which no number of rounds averages out:
so there are several launches, and intervals are over these.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.errors import RunError, UserError
from nlpkit.hardware import nvml
from nlpkit.measurement import statistics
from nlpkit.measurement.processes import Unmeasured, WorkerProcess
from nlpkit.measurement.spec import Measurement, Opened, Point, Subject
from nlpkit.reporting import counted
from nlpkit.runs.folder import RunFolder

TURNS = 10  # of a model at a size in a launch, unless a single pass takes longer
MOST_LAUNCHES = 3  # times those asked for, where intervals are still too wide
FULL = "out of memory"
ALONE = "measured with the other models' memory released: it does not fit beside them"


@dataclass
class Method:
    """How much is measured.

    Attributes:
        launches: fresh processes for each model.
        seconds: of measuring a model at a size, in each launch.
        interval: half-width of a 95 % interval, in per cent, above which more launches follow.
        max_minutes: when to stop with what there is; None: never.
    """

    launches: int
    seconds: float
    interval: float
    max_minutes: float | None = None


@dataclass
class Journal:
    """What has been measured, in memory and as a line each in a file, which is made with the first point.

    Args:
        path: of the file.
        fresh: do not go on with what is there.
    """

    path: Path
    fresh: bool = False
    opened: dict[str, list[Opened]] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_place: dict[tuple[int, Point, str], Measurement] = {}
        self._unwritten: list[dict[str, Any]] = []
        text = self.path.read_bytes() if self.path.exists() and not self.fresh else b""
        if text and not text.endswith(b"\n"):  # a kill has cut the last line in half
            text = text[: text.rfind(b"\n") + 1]
            os.truncate(self.path, len(text))
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                reason = f"{type(error).__name__}: {error}"
                raise UserError(
                    f"{self.path}, line {number}: no line of a benchmark ({reason})", "Begin anew with --overwrite."
                ) from None

    def _take(self, entry: dict[str, Any]) -> None:
        kind = entry.pop("kind")
        if kind == "opened":
            self.opened.setdefault(entry.pop("subject"), []).append(Opened(**entry))
        elif kind == "score":
            self.scores[entry.pop("subject")] = entry
        else:
            self._keep(Measurement.from_json(entry))

    def _keep(self, measurement: Measurement) -> None:
        # a point that was half written is measured again: the later one counts
        self._by_place[measurement.launch, measurement.point, measurement.subject] = measurement

    @property
    def measurements(self) -> list[Measurement]:
        """All of them, in the order in which they were made."""
        return list(self._by_place.values())

    def note_opened(self, subject: Subject, opened: Opened) -> None:
        """Keep how a subject was opened in a launch."""
        self.opened.setdefault(subject.name, []).append(opened)
        self._unwritten.append({"kind": "opened", "subject": subject.name, **asdict(opened)})

    def note_score(self, subject: Subject, score: Mapping[str, Any]) -> None:
        """Keep the metrics of a subject."""
        self.scores[subject.name] = dict(score)
        self._unwritten.append({"kind": "score", "subject": subject.name, **score})

    def note_point(self, measurements: Sequence[Measurement]) -> None:
        """Keep what all subjects showed at a point in a launch."""
        for measurement in measurements:
            self._keep(measurement)
        entries = [
            *self._unwritten,
            *({"kind": "measurement", **measurement.to_json()} for measurement in measurements),
        ]
        with RunFolder(self.path.parent).writing(), self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(entry) + "\n" for entry in entries))
        self._unwritten = []

    def missing(self, launch: int, point: Point, subjects: Sequence[Subject]) -> bool:
        """Whether a point has not been measured in a launch, for one subject at least."""
        return any((launch, point, subject.name) not in self._by_place for subject in subjects)


class Sweep:
    """All models at all sizes.

    Args:
        subjects: the reference first.
        points: sizes, in the order in which they are measured.
        method: how much is measured.
        journal: where it is kept; what is there already is not measured again.
        settings: what a process is told beside its subject, as JSON values.
        evaluates: whether the task's metrics are wanted.
        ready: called in each launch when all models are open and judged, before anything is measured and written.
        start: makes a process; None: a `WorkerProcess`.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        points: Sequence[Point],
        method: Method,
        journal: Journal,
        settings: Mapping[str, Any],
        *,
        evaluates: bool = False,
        ready: Callable[[], None] = lambda: None,
        start: Callable[[], WorkerProcess] | None = None,
    ) -> None:
        self.subjects, self.points, self.method, self.journal = subjects, points, method, journal
        self.settings, self.evaluates, self.ready, self.start = settings, evaluates, ready, start or WorkerProcess
        self.workers: dict[str, WorkerProcess] = {}
        self.too_large: dict[str, Unmeasured] = {}  # models that do not even open
        self.last: str | None = None  # whose turn was the last

    def run(self) -> bool:
        """Measure what is missing.

        Returns:
            Whether there was time for all of it.

        Raises:
            UserError: a model cannot be opened, or they cannot be compared.
            KeyboardInterrupt: what was measured until then is kept.
        """
        stop = time.monotonic() + 60 * self.method.max_minutes if self.method.max_minutes else None
        launches, launch = self.method.launches, 0
        with reporting.current().progress("benchmark", launches * len(self.points), "sizes") as bar:
            while launch < launches:
                if not self._launch(launch, bar, stop):
                    return False
                launch += 1
                # two tell too little of their spread to plan by
                if launch == launches and launches == self.method.launches > 2:
                    launches = self._needed()
                    bar.expect(launches * len(self.points))
        return True

    def _needed(self) -> int:
        planned = self.method.launches
        reference = self.subjects[0].name
        needed = statistics.launches_needed(self.journal.measurements, self.method.interval, reference)
        most = MOST_LAUNCHES * planned
        if needed > planned:
            launches = counted(planned, "launch", "launches")
            wide = f"after {launches} intervals are wider than --interval {self.method.interval:g} %"
            many = f"{most}, the most there will be" if needed > most else str(needed)
            reporting.current().note(f"{wide}: going on to {many}")
        return min(max(needed, planned), most)

    def _launch(self, launch: int, bar: reporting.Progress, stop: float | None) -> bool:
        """Start a process for every subject and measure the points that are missing.

        Returns:
            Whether there was time for all of them.
        """
        missing = [point for point in self.points if self.journal.missing(launch, point, self._at(point))]
        bar.advance(len(self.points) - len(missing))
        if not missing:
            return True
        try:
            for subject in self.subjects:
                self.workers[subject.name] = self.start()
            # all have imported their libraries before the time that one takes to load its model is measured
            for subject in self.subjects:
                self._require(subject, "ready")
            for subject in self.subjects:
                self._open(subject)
            if self.evaluates:
                self._score()
            self.ready()
            for point in missing:
                if stop is not None and time.monotonic() > stop:
                    return False
                self.journal.note_point(self._measure(launch, point))
                bar.advance(1, launch=str(launch + 1), at=str(point))
        finally:
            for worker in self.workers.values():
                worker.close()
            self.workers = {}
        return True

    def _at(self, point: Point) -> list[Subject]:
        """The subjects that are measured at a point."""
        return [subject for subject in self.subjects if not (subject.exported and point.mode == "training")]

    def _require(self, subject: Subject, op: str) -> dict[str, Any]:
        """Ask a process what the sweep cannot go on without.

        Raises:
            UserError: the user has asked for what cannot be.
            RunError: anything else went wrong.
        """
        try:
            return self._with_room(subject, lambda: self._living(subject).ask(op))
        except Unmeasured as error:
            raise _ending(subject, error) from None

    def _open(self, subject: Subject) -> None:
        try:
            answer = self._with_room(subject, lambda: self._opened(subject))
        except Unmeasured as error:
            if error.status != FULL:
                raise _ending(subject, error) from None
            self.too_large[subject.name] = error
            return
        self.journal.note_opened(subject, Opened(**answer["opened"]))
        if any(point.length is None for point in self.points):
            self._require_one_task(subject)

    def _opened(self, subject: Subject) -> dict[str, Any]:
        """Let a process open its model, a new process where a try before was the end of it."""
        if not self.workers[subject.name].alive:
            self.workers[subject.name].close()
            self.workers[subject.name] = self.start()
        others = len(self.subjects) > 1
        return self.workers[subject.name].ask("open", subject=subject.to_json(), others=others, **self.settings)

    def _with_room(self, subject: Subject, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask for something, and once more where there was no memory for it while other models held some.

        Raises:
            Unmeasured: as `WorkerProcess.ask`.
        """
        try:
            return ask()
        except Unmeasured as error:
            if error.status != FULL or not self._release_others(subject):
                raise
        return ask()

    def _release_others(self, subject: Subject) -> bool:
        """Let the other processes give back what they hold of the device, until they are asked for their models again.

        Returns:
            Whether that can help: not where there are none, nor where each has a limit of its own.
        """
        if self.settings.get("config", {}).get("memory_limit"):
            return False
        others = [worker for name, worker in self.workers.items() if name != subject.name and worker.alive]
        for worker in others:
            with contextlib.suppress(Unmeasured):  # one that dies of it gives back all
                worker.ask("release")
        return bool(others)

    def _require_one_task(self, subject: Subject) -> None:
        """Raises UserError: rows are of one task, and this subject is of another than the first."""
        first = next(subject for subject in self.subjects if subject.name in self.journal.opened)
        one, other = self.journal.opened[first.name][-1], self.journal.opened[subject.name][-1]
        if (one.task, one.main_metric) != (other.task, other.main_metric):
            described = [f"{m.task} ({m.main_metric})" if m.task else "no task" for m in (other, one)]
            raise UserError(
                f"{subject.name} is for {described[0]}, {first.name} for {described[1]}",
                "Compare models of one task, or measure on random inputs: --sequence-lengths N,N,...",
            )

    def _score(self) -> None:
        known = {*self.journal.scores, *self.too_large}
        todo = [subject for subject in self.subjects if subject.name not in known]
        if not todo:
            return
        told: set[str] = set()
        with reporting.current().progress("judge", len(todo), "models") as bar:
            for subject in todo:
                answer = self._require(subject, "score")
                for say, texts in (("note", answer["notes"]), ("warn", answer["warnings"])):
                    for text in texts:
                        if text not in told:  # the data are the same for all
                            getattr(reporting.current(), say)(text)
                            told.add(text)
                if answer["note"]:
                    reporting.current().warn(f"{subject.name}: {answer['note']}")
                for finding in answer["findings"]:
                    reporting.current().warn(f"{subject.name}: {finding}")
                self.journal.note_score(subject, {name: answer[name] for name in ("metrics", "split", "rows")})
                bar.advance()
        self._tell_other_rows()

    def _tell_other_rows(self) -> None:
        """Warn where models could not be judged on the same rows."""
        counts = {name: score["rows"] for name, score in self.journal.scores.items() if score["metrics"]}
        if len(set(counts.values())) > 1:
            listing = ", ".join(f"{name} on {count:,}" for name, count in counts.items())
            reporting.current().warn(f"metrics are not of the same rows: {listing}")

    # --- a point ---

    def _measure(self, launch: int, point: Point) -> list[Measurement]:
        """What each subject shows at a point, in the order of the subjects.

        One that is out of memory beside the others has a turn without them before that is said of it.
        """
        subjects = self._at(point)
        known = {subject.name for subject in subjects if self._failed_before(point, subject)}
        measured = self._side_by_side(launch, point, subjects)
        for subject in subjects:
            together = measured[subject.name]
            if together.status != FULL or subject.name in known or not self._release_others(subject):
                continue
            alone = self._side_by_side(launch, point, [subject])[subject.name]
            message = ALONE if alone.status == "ok" else f"{alone.message} (with the other models' memory released)"
            measured[subject.name] = replace(alone, message=message)
        return [measured[subject.name] for subject in subjects]

    def _side_by_side(self, launch: int, point: Point, subjects: Sequence[Subject]) -> dict[str, Measurement]:
        """What subjects show that take turns at a point."""
        results: dict[str, Measurement] = {}
        ready: dict[str, _Ready] = {}
        for subject in subjects:
            with self._kept_going(results, launch, point, subject):
                ready[subject.name] = self._prepare(point, subject)
        self._take_turns(ready, results, launch, point)
        memories: dict[str, dict[str, Any]] = {}
        for subject in subjects:
            if subject.name not in results:
                with self._kept_going(results, launch, point, subject):
                    memories[subject.name] = self.workers[subject.name].ask("memory")
        # behind that, as counting and the probe take memory of their own: what fails in them spoils no figure before
        flops = {subject.name: self._flops(point, subject) for subject in subjects if subject.name not in results}
        peak = self._probe(ready, results)
        for subject in subjects:
            if subject.name in results:
                continue
            measured, memory = ready[subject.name], memories[subject.name]
            results[subject.name] = Measurement(
                launch,
                point,
                subject.name,
                turns=measured.turns,
                calls=measured.calls,
                samples=measured.samples,
                tokens=measured.tokens,
                warm_up_calls=measured.warm_up["calls"],
                warm_up_seconds=measured.warm_up["seconds"],
                stable=measured.warm_up["stable"],
                peak_bytes=memory["peak_bytes"],
                before_bytes=memory["before_bytes"],
                joules=[j for j in measured.joules if j is not None] if None not in measured.joules else None,
                flops=flops[subject.name],
                peak_flops=peak,
                gpu=nvml.course(measured.states),
            )
        for subject in subjects:
            with contextlib.suppress(Unmeasured):  # what goes wrong now is said at the next size
                if self.workers[subject.name].alive:
                    self.workers[subject.name].ask("forget")
        return results

    def _prepare(self, point: Point, subject: Subject) -> _Ready:
        if before := self._failed_before(point, subject):
            raise before
        worker = self._living(subject)
        size = worker.ask("prepare", point=asdict(point))
        warm_up = worker.ask("warm", seconds=self.method.seconds)
        passes = max(round(self.method.seconds / TURNS / warm_up["pass_seconds"]), 1)
        self.last = subject.name
        return _Ready(size["calls"], size["samples"], size["tokens"], warm_up, passes)

    def _failed_before(self, point: Point, subject: Subject) -> Unmeasured | None:
        """Why there will be no figure: it did not fit at this size, or at a smaller one, in this sweep."""
        if error := self.too_large.get(subject.name):
            return Unmeasured("out of memory", f"while it was opened: {error.message}")
        for measurement in self.journal.measurements:
            if (
                measurement.subject != subject.name
                or measurement.status == "ok"
                or measurement.point.mode != point.mode
            ):
                continue
            if measurement.point == point:
                return Unmeasured(measurement.status, measurement.message or "")
            smaller = measurement.point.batch_size <= point.batch_size and (measurement.point.length or 0) <= (
                point.length or 0
            )
            rows = (measurement.point.length is None, point.length is None)
            if measurement.status == FULL and smaller and rows == (False, False):
                return Unmeasured("out of memory", f"as with {measurement.point}")
        return None

    def _living(self, subject: Subject) -> WorkerProcess:
        """The process of a subject, a new one where an earlier size was the end of it."""
        if not self.workers[subject.name].alive:
            try:
                self._opened(subject)
            except Unmeasured:
                self.workers[subject.name].close()  # it has no model: at the next size it is to be tried anew
                raise
        return self.workers[subject.name]

    def _take_turns(
        self, ready: Mapping[str, _Ready], results: dict[str, Measurement], launch: int, point: Point
    ) -> None:
        """Rounds in which each subject has a turn, until each has had its time; the order changes."""
        names = [name for name in ready if name not in results]
        subjects = {subject.name: subject for subject in self.subjects}
        spent = 0.0
        rounds = 0
        while names and (rounds == 0 or spent < self.method.seconds * len(names)):
            # who goes first changes, as the one behind a slow model meets a warmer chip
            for name in names[rounds % len(names) :] + names[: rounds % len(names)]:
                with self._kept_going(results, launch, point, subjects[name]):
                    measured = ready[name]
                    again = self.last != name and measured.pass_seconds < self.method.seconds
                    answer = self.workers[name].ask("turn", passes=measured.passes, warm=again)
                    self.last = name
                    measured.turns.append(answer["seconds"])
                    measured.joules.append(answer["joules"])
                    if answer.get("after"):
                        measured.states.append(answer)
                    spent += sum(answer["seconds"])
            names = [name for name in names if name not in results]
            rounds += 1

    def _flops(self, point: Point, subject: Subject) -> float | None:
        """Operations of a pass, which do not change from launch to launch; None where they cannot be counted."""
        for known in self.journal.measurements:
            if (known.point, known.subject) == (point, subject.name) and known.flops is not None:
                return known.flops
        with contextlib.suppress(Unmeasured):
            return self.workers[subject.name].ask("flops")["flops"]
        return None

    def _probe(self, ready: Mapping[str, _Ready], measured: Mapping[str, Measurement]) -> float | None:
        """FLOP/s of matrix products now, as the first subject that can be asked measures it."""
        for name in ready:
            if name not in measured:
                with contextlib.suppress(Unmeasured):
                    return float(self.workers[name].ask("probe")["flops_per_second"])
        return None

    @contextlib.contextmanager
    def _kept_going(
        self, measured: dict[str, Measurement], launch: int, point: Point, subject: Subject
    ) -> Iterator[None]:
        """Turn what goes wrong with one subject into a result that says so; the others go on.

        Raises:
            UserError: the user has asked for what cannot be.
        """
        try:
            yield
        except Unmeasured as error:
            if error.status == "user":
                raise UserError(error.message, error.hint) from None
            status: Any = error.status
            measured[subject.name] = Measurement(launch, point, subject.name, status=status, message=error.message)


def _ending(subject: Subject, error: Unmeasured) -> UserError | RunError:
    """What ends the whole sweep."""
    if error.status == "user":
        return UserError(error.message, error.hint)
    return RunError(f"{subject.name}: {error.message}", error.hint)


@dataclass
class _Ready:
    """A subject that has its inputs of a point and is warm."""

    calls: int
    samples: int
    tokens: int
    warm_up: Mapping[str, Any]
    passes: int
    turns: list[list[float]] = field(default_factory=list)
    joules: list[float | None] = field(default_factory=list)
    states: list[Mapping[str, Any]] = field(default_factory=list)  # of the GPU

    @property
    def pass_seconds(self) -> float:
        return float(self.warm_up["pass_seconds"])
