"""The search itself: which run is next, how many at a time, which are ended early, and whose weights are kept."""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import interrupts, reporting
from nlpkit.errors import RunError, UserError
from nlpkit.overview.listing import lower_is_better
from nlpkit.overview.run import Run
from nlpkit.reporting import counted
from nlpkit.tuning import study as account
from nlpkit.tuning import weights
from nlpkit.tuning.options import SearchOptions
from nlpkit.tuning.space import Space

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    from nlpkit.trials.running import Entries, Outcome

LATENCY = "latency"  # of --objective: milliseconds of one row
TRIALS = 20  # where neither --trials nor a grid says how many
HOPELESS = 2  # runs that are refused for the same reason, before any has ended: the next would be, too
VALIDATION = "validation"  # the rows that choose

Runs = Callable[[int, Mapping[str, Any], "Callable[[Entries], bool]"], "Outcome"]
Latency = Callable[[Path], float]


@dataclass(frozen=True)
class Told:
    """A trial as the account has it.

    Attributes:
        number: from 0 on, in the order in which they were begun.
        state: `complete`, `ended early`, `failed` or `running`.
        values: of the searched options; those of the defaults that lie outside of the space are not among them.
        figures: of each objective, as it is measured; empty where there are none.
        is_default: whether it is the run of the defaults.
        own: of the run of the defaults, what its command took for the searched options.
        repeats: the trial with the same values, of which the figures are; None where it was run itself.
        error: why it failed.
        minutes: that its run took.
        machine: where it was run.
        folder: of the run there.
    """

    number: int
    state: str
    values: Mapping[str, Any]
    figures: Mapping[str, float]
    is_default: bool = False
    own: Mapping[str, Any] = field(default_factory=dict)
    repeats: int | None = None
    error: str | None = None
    minutes: float = 0.0
    machine: str = ""
    folder: str = ""

    def value(self, name: str, space: Space) -> Any:
        """Of a searched option, also where it was not drawn."""
        return self.values.get(name, self.own.get(name, space.defaults[name]))

    @property
    def here(self) -> bool:
        """Whether its folder is on this machine."""
        return self.machine == platform.node() and Path(self.folder).is_dir()


STATES = {"COMPLETE": "complete", "PRUNED": "ended early", "FAIL": "failed", "RUNNING": "running"}


@dataclass
class Search:
    """A search under way in this process.

    Attributes:
        study: its account, which other processes may share.
        space: what is searched.
        options: how.
        seed: of the search.
        folder: of the runs of this process.
        run: a trial by its number, its options, and what may end it early.
        latency: milliseconds of the model in a folder, one row at a time.
        metric: on validation that is told by the runs; None until one has ended.
        lower: whether the smaller value of it is the better.
    """

    study: Study
    space: Space
    options: SearchOptions
    seed: int
    folder: Path
    run: Runs
    latency: Latency
    metric: str | None = None
    lower: bool = False
    _began: float = field(default_factory=time.monotonic)
    _stopping: bool = False
    _refusals: list[str | None] = field(default_factory=list)

    # --- what there is ---

    @property
    def names(self) -> list[str]:
        """The objectives, as tables call them; the metric is known when a run has ended."""
        return [name if name == LATENCY else self.metric or "metric" for name in self.options.objective or ["metric"]]

    def limit(self) -> int:
        """How many trials there may be."""
        if self.options.trials is not None:
            return self.options.trials
        return (self.space.cells() or 0) + 1 if self.options.sampler == "grid" else TRIALS

    def trials(self) -> list[Told]:
        """All that were begun, in their order."""
        frozen = self.study.get_trials(deepcopy=False)
        return [self._told(each) for each in frozen if each.state.name in STATES]

    def _told(self, trial: FrozenTrial) -> Told:
        known = trial.user_attrs
        recorded = known.get("folder", "")
        moved = not Path(recorded).is_dir() and self.folder_of(trial.number).is_dir()  # with all of the search
        return Told(
            trial.number,
            STATES[trial.state.name],
            trial.params,
            known.get("figures", {}),
            bool(known.get(account.DEFAULTS)),
            known.get(account.OWN, {}),
            known.get(account.REPEATS),
            known.get("error"),
            known.get("seconds", 0.0) / 60,
            known.get("machine", ""),
            str(self.folder_of(trial.number)) if moved else recorded,
        )

    def best(self) -> list[Told]:
        """The trial that is best on validation, the first of equal ones; of two objectives all that no other beats in
        both, those that are best in the first one first."""
        told = {each.number: each for each in self.trials()}
        if not any(each.state == "complete" for each in told.values()):
            return []
        if len(self.names) == 1:
            return [told[self.study.best_trial.number]]
        front = sorted(self.study.best_trials, key=lambda trial: (-trial.values[0], trial.number))
        return [told[trial.number] for trial in front if account.REPEATS not in trial.user_attrs]

    # --- the work ---

    def work(self) -> None:
        """Run what is left of the search.

        Raises:
            KeyboardInterrupt: runs that were under way are gone on with when the search is.
        """
        self._known()
        limit = self.limit()
        with reporting.current().progress("tune", limit, "trials") as bar:
            bar.advance(sum(each.state not in ("running",) for each in self.trials()))

            def settled(trial: Trial, outcome: Outcome) -> None:
                self._settle(trial, outcome)
                bar.advance()

            if self.options.jobs == 1:
                for trial, values in self._next():
                    settled(trial, self._one(trial, values))
            else:
                self._several(settled)

    def _several(self, settled: Callable[[Trial, Outcome], None]) -> None:
        """Several runs at a time, each followed by a thread."""
        following = self._next()
        under_way: dict[Future[Outcome], Trial] = {}
        with ThreadPoolExecutor(self.options.jobs) as pool:
            try:
                more = True
                while more or under_way:
                    while more and len(under_way) < self.options.jobs:
                        found = next(following, None)
                        more = found is not None
                        if found is not None:
                            under_way[pool.submit(self._one, *found)] = found[0]
                    done, _ = wait(under_way, timeout=0.5, return_when=FIRST_COMPLETED)
                    interrupts.check()
                    for future in done:
                        settled(under_way.pop(future), future.result())
            except BaseException:
                self._stopping = True  # no thread of the pool hears of it otherwise
                raise

    def _next(self) -> Iterator[tuple[Trial, dict[str, Any]]]:
        """Trials to be run: first those that a process of this machine has left, then new ones until the budget ends.

        A trial with the values of one that is complete is not run again: its figures are those.
        """
        for frozen in self._left():
            reporting.current().note(f"trial {frozen.number} was under way, and is gone on with")
            trial = account.continued(self.study, frozen)
            yield trial, account.values_of(trial, self.space)
        while not self._over():
            trial, values = account.asked(self.study, self.space, self.options, self.seed)
            if (same := self._same(trial, values)) is not None:
                reporting.current().note(f"trial {trial.number} has the values of trial {same.number}: not run again")
                trial.set_user_attr(account.REPEATS, same.number)
                for name in ("figures", "machine", "folder"):
                    trial.set_user_attr(name, same.user_attrs.get(name))
                self.study.tell(trial, same.values)
                continue
            yield trial, values

    def _left(self) -> list[FrozenTrial]:
        """Trials that are under way as the account has it, and were of a process here that is no more."""
        from optuna.trial import TrialState

        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        mine = [each for each in running if each.user_attrs.get("machine") in (None, platform.node())]
        return [each for each in mine if not _alive(each.user_attrs.get("process"))]

    def _over(self) -> bool:
        """Whether the budget is spent, or nothing is left to be tried."""
        from optuna.trial import TrialState

        frozen = self.study.get_trials(deepcopy=False)
        begun = [each for each in frozen if each.state != TrialState.WAITING]
        if len(begun) >= self.limit():
            return True
        if self.options.sampler == "grid" and len(begun) == len(frozen):
            return True
        cells = self.space.cells()
        different = {
            tuple(sorted(each.params.items())) for each in begun if len(each.params) == len(self.space.searched)
        }
        if cells is not None and len(different) >= cells:
            reporting.current().note(f"all {cells:,} combinations were tried")
            return True
        if self.options.max_minutes is None:
            return False
        took = [each.user_attrs["seconds"] for each in begun if "seconds" in each.user_attrs]
        expected = statistics.median(took) if took else 0.0
        over = time.monotonic() - self._began + expected > 60 * self.options.max_minutes
        if over:
            reporting.current().note(f"--max-minutes {self.options.max_minutes:g}: no run is begun any more")
        return over

    def _same(self, trial: Trial, values: Mapping[str, Any]) -> FrozenTrial | None:
        from optuna.trial import TrialState

        complete = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        wanted = {**self.space.defaults, **values}
        for each in complete:
            if account.REPEATS in each.user_attrs:
                continue
            if wanted == {**self.space.defaults, **each.user_attrs.get(account.OWN, {}), **each.params}:
                return each
        return None

    # --- a trial ---

    def _one(self, trial: Trial, values: Mapping[str, Any]) -> Outcome:
        """Run a trial, and tell what it says of itself on the way."""
        folder = self.folder_of(trial.number).resolve()
        for name, value in (("machine", platform.node()), ("process", _this_process()), ("folder", str(folder))):
            trial.set_user_attr(name, value)
        outcome = self.run(trial.number, values, self._watching(trial))
        if outcome.seconds:
            trial.set_user_attr("seconds", round(outcome.seconds + trial.user_attrs.get("seconds", 0.0), 1))
        return outcome

    def folder_of(self, number: int) -> Path:
        """Where the run of a trial of this process goes."""
        return self.folder / f"{number:03}"

    def _watching(self, trial: Trial) -> Callable[[Entries], bool]:
        """What reports each evaluation of a run, counted from 1, and says whether it lags too far behind."""
        reported: set[int] = set()

        def watch(entries: Entries) -> bool:
            if self._stopping:
                return True
            if self.options.pruner == "none" or self.metric is None:  # which the first run to end tells
                return False
            values = [entry.get(f"eval_{self.metric}") for entry in entries]
            for step, value in enumerate([value for value in values if value is not None], start=1):
                if step not in reported and math.isfinite(value):
                    reported.add(step)
                    trial.report(self._signed(value), step)
            return trial.should_prune()

        return watch

    def _signed(self, value: float) -> float:
        return -value if self.lower else value

    def _known(self) -> None:
        """What the metric of a search is that was begun before."""
        known = self.study.user_attrs
        if "metric" in known:
            self.metric, self.lower = known["metric"], known["lower"]

    def _settle(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the account what became of a trial."""
        from optuna.trial import TrialState

        if outcome.ended_early:
            reporting.current().note(f"trial {trial.number} lags behind and was ended ({self.options.pruner})")
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            figures, error = self._figures(outcome, self.folder_of(trial.number))
            if trial.user_attrs.get(account.DEFAULTS) and outcome.record is not None:
                took = outcome.record.get("config") or {}
                trial.set_user_attr(account.OWN, {name: took[name] for name in self.space.searched if name in took})
            if error is None:
                trial.set_user_attr("figures", figures)
                self.study.tell(trial, [-v if n == LATENCY else self._signed(v) for n, v in figures.items()])
                told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
                reporting.current().note(f"trial {trial.number}: {told}{self._described(trial)}")
            else:
                trial.set_user_attr("error", error)
                self.study.tell(trial, state=TrialState.FAIL)
                reporting.current().warn(f"trial {trial.number} failed{self._described(trial)}: {error}")
                self._refuse_hopeless(outcome)
        self.tidy()

    def _refuse_hopeless(self, outcome: Outcome) -> None:
        """Stop where nothing that was tried could be begun, for one and the same reason.

        Raises:
            UserError: saying which.
        """
        self._refusals.append(outcome.error if outcome.refused else None)
        if len(self._refusals) == HOPELESS and len(set(self._refusals)) == 1 and outcome.refused:
            raise UserError(f"no trial can be begun: {outcome.error}", outcome.hint)

    def _described(self, trial: Trial) -> str:
        if trial.user_attrs.get(account.DEFAULTS):
            return " (the defaults)"
        return f" ({', '.join(f'{name} {shown_value(value)}' for name, value in trial.params.items())})"

    def _figures(self, outcome: Outcome, folder: Path) -> tuple[dict[str, float], str | None]:
        """What the objectives of a run are, or why there are none."""
        record = outcome.record
        if record is None:
            return {}, outcome.error or "it did not finish"
        figures: dict[str, float] = {}
        for name in self.options.objective or [str(record.get("main_metric"))]:
            if name == LATENCY:
                figures[name] = self.latency(folder)
                continue
            known = (record.get("metrics") or {}).get(VALIDATION) or {}
            if name not in known:
                return {}, f"validation has no {name}; it has {', '.join(known) or 'no metrics'}"
            if known[name] is None or not math.isfinite(known[name]):
                return {}, f"{name} of validation is not a number"
            figures[name] = float(known[name])
            if self.metric is None:
                self.metric, self.lower = name, lower_is_better(Run(folder, record).task, name)
                self.study.set_user_attr("metric", self.metric)
                self.study.set_user_attr("lower", self.lower)
        return figures, None

    # --- the disk ---

    def tidy(self) -> None:
        """Delete the weights of all finished runs of this process but the best and the defaults', which it is compared
        with."""
        trials = self.trials()
        kept = {each.number for each in self.best()} | {each.number for each in trials if each.is_default}
        kept |= {each.repeats for each in trials if each.number in kept and each.repeats is not None}
        for each in trials:
            if each.state != "running" and each.number not in kept and each.repeats is None and each.here:
                weights.drop(Path(each.folder))

    def require_any(self) -> None:
        """Raises RunError: no trial has ended well."""
        trials = self.trials()
        if any(each.state == "complete" for each in trials):
            return
        failed = [each for each in trials if each.state == "failed"]
        if not failed:
            raise RunError("no trial has ended", "Give the search more --max-minutes, and --resume.")
        first = failed[0]
        raise RunError(
            f"{counted(len(failed), 'trial has', 'trials have')} failed, and none ended well; trial {first.number}: "
            f"{first.error}",
            f"What it said: {first.folder}.log",
        )


def shown_value(value: Any) -> str:
    """A value as tables show it: 3.2e-05, 16, cosine."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _this_process() -> list[float]:
    """Number of this process, and when it was started: numbers are given again."""
    import psutil

    return [os.getpid(), psutil.Process().create_time()]


def _alive(process: Any) -> bool:
    """Whether a process of this machine is still at work, and is not this one."""
    import psutil

    if not process or process[0] == os.getpid():
        return False
    try:
        return abs(psutil.Process(int(process[0])).create_time() - process[1]) < 1
    except psutil.NoSuchProcess:
        return False


def ordered(trials: Sequence[Told], names: Sequence[str], *, lower: bool) -> list[Told]:
    """Trials, the best by the first objective first, then those without figures as they were begun.

    Args:
        names: of the objectives.
        lower: whether the smaller value of the metric is the better; that of a latency always is.
    """
    sign = 1 if lower or names[0] == LATENCY else -1
    with_figures = [each for each in trials if each.figures]
    rest = [each for each in trials if not each.figures]
    return [*sorted(with_figures, key=lambda each: (sign * each.figures[names[0]], each.number)), *rest]
