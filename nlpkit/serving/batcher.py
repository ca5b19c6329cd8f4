"""What waits for a model, and what goes through it together.

The thread of a model takes what waits as soon as it is free: nothing waits for a batch to be full, so that an idle
server adds no time, and a busy one fills its batches by itself. A model that is called with one core has a thread for
each core; what waits is shared among them. Requests take turns, a unit each, so that a request of
a thousand texts does not hold up one of a single text.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlpkit.errors import NlpkitError, UserError, first_line
from nlpkit.generation import wanted
from nlpkit.serving.contract import Asked, Key, Served, Unit
from nlpkit.serving.refusals import Refusal

# Seconds of work that are taken together at most, as far as it can be foretold: what comes meanwhile waits for them.
TAKEN_SECONDS = 0.02
FIRST_RATE = 10_000.0  # units of work in a second, before anything was measured
REMEMBERED = 0.9  # how much of what was measured before counts when a batch more is
FAILURES = 3  # takes that fail one behind the other, after which the model counts as broken
RETRY_SECONDS = 5.0  # after which a broken model is tried with its example again
NICE = 5  # how far the threads of models stand behind the event loop


@dataclass(eq=False)
class Job:
    """A unit that waits or is computed, for one or several requests that asked the same.

    Attributes:
        requests: each with the place of the answer among its own.
        answered: whether its answer is on its way.
    """

    unit: Unit
    requests: list[tuple[Pending, int]] = field(default_factory=list)
    answered: bool = False

    @property
    def wanted(self) -> bool:
        """Whether a client still waits for it."""
        return any(not request.gone for request, _ in self.requests)


@dataclass(eq=False)
class Pending:
    """A request whose answers are not all there.

    Attributes:
        variant: how the model is asked.
        future: of the answers, in the order of the inputs.
        answers: those that are there.
        left: how many are not.
        jobs: its own that wait; what another request asks for already is not among them.
        twins: places of inputs that are equal to one before them, with their keys.
        writing: shows a text while it is written; such a request is computed by itself.
        started: when the first of its units was taken, in seconds of `time.perf_counter`; 0: not yet.
        gone: whether the client is.
        tokens: that were read for the answers that are there, of equal inputs each time.
    """

    variant: Asked
    future: asyncio.Future[list[dict[str, Any]]]
    answers: list[dict[str, Any]]
    left: int
    queued: float
    jobs: deque[Job] = field(default_factory=deque)
    twins: list[tuple[int, Key]] = field(default_factory=list)
    writing: Any = None
    started: float = 0.0
    gone: bool = False
    tokens: int = 0

    def cancel(self) -> None:
        """Forget the request: what nobody else waits for is not computed."""
        self.gone = True


@dataclass
class Seen:
    """What the metrics are told of a batch.

    Attributes:
        rows, tokens: of the batch.
        seconds: that the model took.
        waited: seconds that each of its units had waited.
    """

    rows: int
    tokens: int
    seconds: float
    waited: list[float]


class Batcher:
    """The queue of one model, and the threads that run it.

    Args:
        model: is called by these threads alone, see `Served.callers`.
        cache: answers that are kept for equal units.
        seen: is told of each batch, in the thread that has computed it.
    """

    def __init__(self, model: Served[Any, Any], *, cache: int = 0, seen: Callable[[Seen], None] | None = None) -> None:
        self.model, self.seen = model, seen
        self.failing = ""  # why the model counts as broken
        self.computed = 0  # units so far
        self._loop = asyncio.get_running_loop()
        self._more = threading.Condition()
        self._queue: deque[Pending] = deque()
        self._jobs: dict[Key, Job] = {}
        self._cache: OrderedDict[Key, tuple[dict[str, Any], int]] = OrderedDict()  # with the tokens that were read
        self._kept = cache
        self._waiting_work = 0  # of what is queued
        self._running: dict[int, tuple[int, float]] = {}  # thread -> its work, and since when
        self._rate = FIRST_RATE  # of one thread
        self._failed = 0
        self._closed = False
        self._callers = model.callers
        self._threads = [
            threading.Thread(target=self._run, name=f"model {model.name}", daemon=True) for _ in range(self._callers)
        ]
        for thread in self._threads:
            thread.start()

    # --- in the event loop ---

    @property
    def waiting_seconds(self) -> float:
        """Seconds of work before a unit that comes now, by the pace so far."""
        running = 0.0
        if self._waiting_work or len(self._running) == self._callers:
            now = time.perf_counter()
            # what takes longer than was foretold may take as long again as it is late
            running = sum(abs(work / self._rate - (now - since)) for work, since in list(self._running.values()))
        return (self._waiting_work / self._rate + running) / self._callers

    def ask(self, variant: Asked, keys: Sequence[Key], writing: Any = None) -> tuple[Pending, list[int]]:
        """Begin a request: what is known, or asked for by another one already, is not computed again.

        Args:
            variant: how the model is asked.
            keys: of the inputs, in order.
            writing: see `Pending`; such a request shares nothing.

        Returns:
            The request, and the places of its inputs that have to be computed, each of equal ones once: `queue` takes
            their units.
        """
        pending = Pending(
            variant, self._loop.create_future(), [{}] * len(keys), len(keys), time.perf_counter(), writing=writing
        )
        missing: dict[Key, int] = {}
        with self._more:
            for i, key in enumerate(keys):
                if key in missing:
                    pending.twins.append((i, key))
                elif writing is not None:
                    missing[key] = i
                elif (kept := self._cache.get(key)) is not None:
                    self._cache.move_to_end(key)
                    pending.answers[i] = kept[0]
                    pending.tokens += kept[1]
                    pending.left -= 1
                elif (job := self._jobs.get(key)) is not None and job.wanted:
                    job.requests.append((pending, i))
                else:
                    missing[key] = i
        if not pending.left:
            pending.future.set_result(pending.answers)
        return pending, list(missing.values())

    def queue(self, pending: Pending, places: Sequence[int], units: Sequence[Unit]) -> None:
        """Put what has to be computed for a request into the queue.

        Args:
            places, units: of its inputs, as `ask` named them.
        """
        if not units or pending.gone:
            return
        with self._more:
            made: dict[Key, Job] = {}
            for i, unit in zip(places, units, strict=True):
                job = self._jobs.get(unit.key) if pending.writing is None else None
                if job is None or not job.wanted:  # nobody has asked for it since
                    job = Job(unit)
                    pending.jobs.append(job)
                    self._waiting_work += unit.work
                    if pending.writing is None:
                        self._jobs[unit.key] = job
                job.requests.append((pending, i))
                made[unit.key] = job
            for i, key in pending.twins:
                made[key].requests.append((pending, i))
            if pending.jobs:
                self._queue.append(pending)
                self._more.notify()

    def close(self, seconds: float = 0.0) -> bool:
        """End the threads; what waits is not answered.

        Args:
            seconds: that are waited for what is computed.

        Returns:
            Whether all of them have ended.
        """
        with self._more:
            self._closed = True
            self._more.notify_all()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _deliver(self, done: list[tuple[Job, dict[str, Any] | Refusal]]) -> None:
        """Hand answers to all who wait for them."""
        for job, answer in done:
            if self._jobs.get(job.unit.key) is job:
                del self._jobs[job.unit.key]
            if isinstance(answer, dict) and self._kept:
                self._cache[job.unit.key] = answer, job.unit.tokens
                if len(self._cache) > self._kept:
                    self._cache.popitem(last=False)
            for pending, i in job.requests:
                if pending.gone or pending.future.done():
                    continue
                if isinstance(answer, Refusal):
                    pending.gone = True  # the rest of it is not worth computing
                    pending.future.set_exception(answer)
                    continue
                pending.answers[i] = answer
                pending.tokens += job.unit.tokens
                pending.left -= 1
                if not pending.left:
                    pending.future.set_result(pending.answers)

    # --- in the thread of the model ---

    def _run(self) -> None:
        _after_the_loop()
        while not self._closed:
            try:
                self._take_turn()
            except Exception as error:  # of the queue itself: a thread that ended would leave everybody waiting
                self.failing = f"{self.model.name}: {type(error).__name__}: {first_line(error)}"

    def _take_turn(self) -> None:
        """Wait for work and do it; where the model is broken, look now and then whether it still is."""
        with self._more:
            while not (self._queue or self._closed):
                if not self._more.wait(RETRY_SECONDS if self.failing else None) and self.failing:
                    break
            if self._closed:
                return
            variant, jobs, writing = self._taken() if self._queue else (None, [], None)
        if variant is not None:
            self._compute(variant, jobs, writing)
        elif self.failing:
            self._try_again()

    def _taken(self) -> tuple[Asked | None, list[Job], Any]:
        """What goes through the model next, all asked in one way: a unit of each request in turn, as much as
        `TAKEN_SECONDS` allow and as is this thread's share; of a model that writes a batch."""
        jobs: list[Job] = []
        work = 0
        now = time.perf_counter()
        first: Pending | None = None
        most, rows = min(self._rate * TAKEN_SECONDS, self._waiting_work / self._callers), 0
        together = self.model.rows_together
        others: deque[Pending] = deque()
        while self._queue:
            pending = self._queue.popleft()
            if pending.gone:
                self._drop(pending)
                continue
            alike = first is None or (pending.variant is first.variant and pending.writing is None)
            if not alike or (first is not None and first.writing is not None):
                others.append(pending)
                continue
            job = pending.jobs[0]
            full = work + job.unit.work > most if together is None else rows >= together
            if jobs and full:
                others.append(pending)
                break
            first = first or pending
            pending.started = pending.started or now
            jobs.append(pending.jobs.popleft())
            work += job.unit.work
            rows += job.unit.rows
            if pending.jobs:
                self._queue.append(pending)
        # whoever could not go now is first in the next turn
        others.extend(self._queue)
        self._queue = others
        self._waiting_work -= work
        self._running[threading.get_ident()] = work, now
        return (first.variant, jobs, first.writing) if first is not None else (None, [], None)

    def _drop(self, pending: Pending) -> None:
        """Forget the units of a request whose client is gone, but for those that another client waits for: these are
        queued for that one."""
        for job in pending.jobs:
            heirs = [request for request, _ in job.requests if not request.gone]
            if heirs:
                if not heirs[0].jobs:
                    self._queue.append(heirs[0])
                heirs[0].jobs.append(job)
                continue
            self._waiting_work -= job.unit.work
            if self._jobs.get(job.unit.key) is job:  # it may have been asked for anew meanwhile
                del self._jobs[job.unit.key]
        pending.jobs.clear()

    def _compute(self, variant: Asked, jobs: list[Job], writing: Any) -> None:
        start, whole = time.perf_counter(), True
        try:
            with wanted.as_long_as(lambda: not self._closed and any(job.wanted for job in jobs)):
                self._answer(variant, jobs, writing)
        except wanted.Unwanted:
            whole = False
        except Exception as error:
            if len(jobs) > 1:  # one of them may be what the model cannot take
                for job in jobs:
                    if not job.answered:
                        self._compute(variant, [job], writing)
                return
            self._fail(jobs[0], error)
        seconds = time.perf_counter() - start
        work = sum(job.unit.work for job in jobs)
        with self._more:
            if whole:
                self._rate = REMEMBERED * self._rate + (1 - REMEMBERED) * work / max(seconds, 1e-6)
            self._running.pop(threading.get_ident(), None)
            self.computed += len(jobs)
        if self.seen is not None:
            waited = [start - request.queued for job in jobs for request, _ in job.requests]
            tokens = sum(job.unit.tokens for job in jobs)
            self.seen(Seen(sum(job.unit.rows for job in jobs), tokens, seconds, waited))

    def _answer(self, variant: Asked, jobs: list[Job], writing: Any) -> None:
        """Compute units, and hand out each answer when its rows have come back."""
        for answers in self.model.computed(variant, [job.unit for job in jobs], writing):
            done: list[tuple[Job, dict[str, Any] | Refusal]] = [(jobs[place], answer) for place, answer in answers]
            for job, _ in done:
                job.answered = True
            # whoever has an answer finds the model ready
            self._failed, self.failing = 0, ""
            self._loop.call_soon_threadsafe(self._deliver, done)

    def _fail(self, job: Job, error: Exception) -> None:
        """Answer a unit that could not be computed with the reason. Several of them one behind the other mean that the
        model is broken, unless it is the options of the request that the model cannot take."""
        said = error.message if isinstance(error, NlpkitError) else f"{type(error).__name__}: {first_line(error)}"
        kind, where = "internal", []
        asked_otherwise, _ = job.unit.key
        if asked_otherwise and isinstance(error, UserError):
            kind, where = "invalid_options", [(["options"], "do not fit")]
        else:
            self._failed += 1
        if self._failed >= FAILURES:
            self.failing = f"{self.model.name}: {said}"
        refusal: dict[str, Any] | Refusal = Refusal(kind, f"{self.model.name} could not answer: {said}", where)
        self._loop.call_soon_threadsafe(self._deliver, [(job, refusal)])

    def _try_again(self) -> None:
        """Ask a broken model for its example: it may have been other programs that took the memory."""
        try:
            self.model.try_example()
        except Exception as error:
            self.failing = f"{self.model.name}: {first_line(error)}"
        else:
            self._failed, self.failing = 0, ""


def _after_the_loop() -> None:
    """Let the event loop go before this thread: with more to compute than there are cores, requests would wait for
    them to be read, and even to be refused."""
    if sys.platform == "linux":  # elsewhere it is the process that would step back
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICE)
