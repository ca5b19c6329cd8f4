"""Shards in this process, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from nlpkit.sharding.engines import Done, Event, Retried
from nlpkit.sharding.listing import Shard
from nlpkit.sharding.worker import Failed, Work, begun

PAUSE = 1.0  # seconds before a shard is tried again, twice as many each time: a store or a disk may have come back


def run(work: Work, shards: Sequence[Shard], retries: int) -> Iterator[Event]:
    """Answer shards with one model.

    Args:
        retries: how often a shard is tried again.
    """
    worker = begun(work)
    for shard in shards:
        if isinstance(worker, Failed):
            yield Done(shard, worker)
            return
        outcome = worker.answer(shard)
        for tried in range(retries):
            if not (isinstance(outcome, Failed) and outcome.again):
                break
            yield Retried(shard, outcome.message)
            time.sleep(PAUSE * 2**tried)
            outcome = worker.answer(shard)
        yield Done(shard, outcome)
