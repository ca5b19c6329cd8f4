"""Shards in several processes of this machine, each with the model and a part of the cores.

A process is asked for one shard at a time. One that dies, as it does where memory runs out, is begun anew, and its
shard is tried again, by whichever process is free.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from nlpkit import machine
from nlpkit.measurement.processes import Unmeasured, WorkerProcess, command_of
from nlpkit.sharding.engines import Done, Event, Retried
from nlpkit.sharding.listing import Shard
from nlpkit.sharding.worker import Failed, Outcome, Work, failed, from_json

WORKER = "nlpkit.sharding.worker"
LESS_MEMORY = "Fewer --jobs, or a smaller --batch-size, need less memory."


def run(work: Work, shards: Sequence[Shard], jobs: int, retries: int) -> Iterator[Event]:
    """Answer shards, several at a time.

    Args:
        jobs: processes.
        retries: how often a shard is tried again.
    """
    pool = _Pool(work, shards, retries)
    lanes = [threading.Thread(target=pool.answer, args=(number,), daemon=True) for number in range(jobs)]
    try:
        for lane in lanes:
            lane.start()
        yield from pool.events(len(shards))
    finally:
        pool.close(jobs)
        for lane in lanes:
            lane.join()


class _Pool:
    """Shards that wait, the processes that answer them, and what became of them.

    Args:
        work: what the processes are for.
        shards: to answer.
        retries: how often one is tried again.
    """

    def __init__(self, work: Work, shards: Sequence[Shard], retries: int) -> None:
        self.work, self.retries = work, retries
        self.waiting: queue.SimpleQueue[Shard | None] = queue.SimpleQueue()
        for shard in shards:
            self.waiting.put(shard)
        self.told: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._tries: Counter[str] = Counter()
        self._processes: list[WorkerProcess] = []
        self._turn = threading.Lock()
        self._closed = False

    def events(self, count: int) -> Iterator[Event]:
        """What becomes of so many shards."""
        while count:
            event = self.told.get()
            count -= isinstance(event, Done)
            yield event

    def answer(self, lane: int) -> None:
        """Answer shards until there are none, in a thread that asks one process, and a new one where that dies."""
        process: WorkerProcess | None = None
        while (shard := self.waiting.get()) is not None:
            opened = process is not None
            try:
                if process is None:
                    process = self._started(lane)
                    if refusal := process.ask("open", work=asdict(self.work)):
                        self.told.put(Done(shard, from_json(refusal)))
                        return
                    opened = True
                self._tell(shard, from_json(process.ask("answer", shard=shard.record())), opened)
            except Exception as error:  # nobody else hears of it
                if self._closed:
                    return
                process = None
                self._tell(shard, _died(error) if isinstance(error, Unmeasured) else failed(error), opened)

    def _tell(self, shard: Shard, outcome: Outcome, opened: bool) -> None:
        """Say what became of a shard, or have it tried again.

        Args:
            opened: whether the process had opened its model; where none can, no other shard would do any better.
        """
        with self._turn:
            self._tries[shard.output] += 1
            left = self._tries[shard.output] <= self.retries
        if isinstance(outcome, Failed) and outcome.again and left:
            self.told.put(Retried(shard, outcome.message))
            self.waiting.put(shard)
            return
        if isinstance(outcome, Failed) and not opened:
            outcome = replace(outcome, final=True)
        self.told.put(Done(shard, outcome))

    def _started(self, lane: int) -> WorkerProcess:
        with self._turn:
            if self._closed:
                raise Unmeasured("failed", "no process is begun any more")
            process = WorkerProcess(command_of(WORKER), gpu_of(lane, str(self.work.options.get("device", "auto"))))
            self._processes.append(process)
            return process

    def close(self, lanes: int) -> None:
        """End the processes, whatever they are doing, and the threads that ask them."""
        with self._turn:
            self._closed = True
            for process in self._processes:
                process.close()
        for _ in range(lanes):
            self.waiting.put(None)


def _died(error: Unmeasured) -> Failed:
    return Failed(error.message, LESS_MEMORY, again=True)


def gpu_of(lane: int, device: str) -> dict[str, str]:
    """What has a process see one GPU alone, of several; {} where it need not.

    Args:
        lane: number of the process.
        device: that was asked for.
    """
    if device not in ("auto", "cuda") or not machine.has_nvidia_driver():
        return {}
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = shown.split(",") if shown else [str(number) for number in range(len(machine.gpus()))]
    return {"CUDA_VISIBLE_DEVICES": gpus[lane % len(gpus)]} if len(gpus) > 1 else {}
