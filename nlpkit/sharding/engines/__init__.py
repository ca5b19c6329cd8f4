"""What runs the workers: this process, several processes of this machine, or a Ray cluster.

An engine is a function of the work and the shards that gives `Event`s as shards are done, in any order; when it is
closed before its end, so are its workers.
"""

from __future__ import annotations

from typing import NamedTuple

from nlpkit.sharding.listing import Shard
from nlpkit.sharding.worker import Outcome


class Done(NamedTuple):
    """What became of a shard, in the end."""

    shard: Shard
    outcome: Outcome


class Retried(NamedTuple):
    """A shard that is tried again, and why."""

    shard: Shard
    why: str


Event = Done | Retried
