"""Shards on a Ray cluster: actors that hold the model, one shard a block, as a pipeline of Ray Data.

Ray spreads actors over the nodes, begins one anew whose node has died, and gives its shard to another. What goes wrong
in a shard itself is an outcome, which is tried again in the next round. Half a CPU of each actor is left to the tasks
that move blocks: where actors have all CPUs of a cluster, these wait for ever.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from nlpkit import process, reporting
from nlpkit.errors import RunError, UserError, first_line
from nlpkit.reporting import counted
from nlpkit.sharding.engines import Done, Event, Retried
from nlpkit.sharding.listing import Shard
from nlpkit.sharding.worker import Failed, Work, as_json, begun, from_json

INSTALL = "pip install 'nlpkit[ray]'"
LEFT = 0.5  # CPUs of each actor that are left to the tasks of Ray Data
LOST = "the processes that worked on it died"


class Actor:
    """A worker, as Ray Data calls it.

    Args:
        work: see `Work`, as JSON values.
    """

    def __init__(self, work: Mapping[str, Any]) -> None:
        process.apply(verbose=False)
        process.offer_to_be_killed()
        with contextlib.suppress(OSError):  # on a machine without that folder paths are absolute
            os.chdir(work["folder"])
        self.worker = begun(Work(**work))

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The outcomes of a batch of shards, both as JSON."""
        shards = [Shard(**json.loads(str(text))) for text in batch["shard"]]
        outcomes = [self.worker if isinstance(self.worker, Failed) else self.worker.answer(shard) for shard in shards]
        return {"shard": batch["shard"], "outcome": [json.dumps(as_json(outcome)) for outcome in outcomes]}


def run(
    work: Work, shards: Sequence[Shard], jobs: int | None, threads: int | None, retries: int, address: str | None
) -> Iterator[Event]:
    """Answer shards on a cluster.

    Args:
        jobs: actors; None: one for each node.
        threads: of each; None: its part of the CPUs of the smallest node.
        retries: how often a shard is tried again.
        address: of the cluster; None: that of RAY_ADDRESS, else one that is begun on this machine.

    Raises:
        UserError: ray is not installed, or there is no such cluster.
    """
    with cluster(address, "--ray-address") as ray:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        cpus = [int(node["CPU"]) for node in nodes]
        actors = min(jobs or len(nodes), len(shards))
        share = threads or max(min(cpus) // math.ceil(actors / len(nodes)), 1)
        gpus = sum(node.get("GPU", 0) for node in nodes)
        options = {**work.options, "threads": share}
        on_gpu = gpus >= actors and str(options.get("device", "auto")).startswith(("auto", "cuda"))
        reporting.current().note(
            f"ray: {counted(len(nodes), 'node', 'nodes')} with {sum(cpus)} CPUs, "
            f"{counted(actors, 'actor', 'actors')} of {counted(share, 'thread', 'threads')}"
        )
        asked = asdict(replace(work, options=options))
        resources = {"num_cpus": max(share - LEFT, LEFT), "num_gpus": 1 if on_gpu else 0}
        waiting = list(shards)
        for tries_left in range(retries, -1, -1):
            seen, again = set[str](), list[Shard]()
            for shard, outcome in _round(asked, waiting, actors, resources):
                seen.add(shard.output)
                if isinstance(outcome, Failed) and outcome.again and tries_left:
                    again.append(shard)
                    yield Retried(shard, outcome.message)
                else:
                    yield Done(shard, outcome)
            for shard in [shard for shard in waiting if shard.output not in seen]:
                if tries_left:
                    again.append(shard)
                    yield Retried(shard, LOST)
                else:
                    yield Done(shard, Failed(LOST, "The logs of Ray say why: --verbose.", again=True))
            if not (waiting := again):
                return


def _round(
    work: Mapping[str, Any], shards: Sequence[Shard], actors: int, resources: Mapping[str, Any]
) -> Iterator[tuple[Shard, Any]]:
    """The outcomes of shards, as they come; those that are lost are left out."""
    import ray

    by_output = {shard.output: shard for shard in shards}
    items = [{"shard": json.dumps(shard.record())} for shard in shards]
    given = ray.data.from_items(items, override_num_blocks=len(items))
    made = given.map_batches(
        Actor,
        fn_constructor_args=(work,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(actors, len(items)), max_tasks_in_flight_per_actor=1),
        max_task_retries=1,  # what a dead node has lost; without it a shard that kills its actor would do so for ever
        **resources,
    )
    for row in made.iter_rows():
        shard = json.loads(str(row["shard"]))
        yield by_output[shard["output"]], from_json(json.loads(str(row["outcome"])))


@contextlib.contextmanager
def cluster(address: str | None, flag: str) -> Iterator[Any]:
    """Ray, with a cluster; the one that this process is part of already stays.

    Args:
        address: of the cluster; None: that of RAY_ADDRESS, else one that is begun on this machine, as for `local`.
        flag: that names it, for messages.

    Raises:
        UserError: ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = not process.is_verbose()
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UserError(f"ray is not installed: {error}", INSTALL) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = not quiet
    context.max_errored_blocks = -1  # a block whose worker died again and again: its shard is named
    if quiet:
        for name in ("ray", "ray.data", "ray.train"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module="nlpkit.sharding")  # what of Ray's is to be called otherwise one day
    begun = not ray.is_initialized()
    handler = signal.getsignal(signal.SIGTERM)
    place = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        if begun:
            level = logging.ERROR if quiet else logging.INFO
            settings: dict[str, Any] = {"include_dashboard": False} if place == "local" else {}
            ray.init(address=place, log_to_driver=not quiet, logging_level=level, **settings)
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # ray's own ends this process in the middle of a line
    except Exception as error:  # Ray raises none of its own where a cluster does not answer or does not begin
        if place == "local":
            raise RunError(f"ray could not begin a cluster here: {first_line(error)}", "Try once more.") from error
        raise UserError(f"{flag} {place}: {first_line(error)}", "`ray status` says what there is.") from None
    try:
        yield ray
    except ray.exceptions.RayError as error:
        what = f"ray: {type(error).__name__}: {first_line(error)}"
        raise RunError(what, "--verbose shows the logs of Ray.") from error
    finally:
        if begun:
            ray.shutdown()
