"""Trials on a Ray cluster: a task runs one, in a process of its own on some node; the account stays with the search."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nlpkit import interrupts, reporting
from nlpkit.reporting import counted
from nlpkit.sharding.engines import ray_data
from nlpkit.trials import running
from nlpkit.trials.running import Outcome, Trial

POLL = 0.5  # seconds between two looks at a task


@contextmanager
def tasks(address: str, jobs: int, threads: int | None) -> Iterator[Callable[[Trial, object], Outcome]]:
    """What runs a trial on a cluster, and waits for it; nobody watches it on the way.

    Args:
        address: of the cluster; `local` begins one on this machine.
        jobs: trials at a time.
        threads: of each; None: its part of the CPUs of the smallest node.

    Raises:
        UserError: ray is not installed, or there is no such cluster.
    """
    with ray_data.cluster(address, "--ray") as ray:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        gpus = sum(node.get("GPU", 0) for node in nodes)
        share = threads or max(int(min(node["CPU"] for node in nodes)) // -(-jobs // len(nodes)), 1)
        reporting.current().note(
            f"ray: {counted(len(nodes), 'node', 'nodes')}, {counted(jobs, 'trial', 'trials')} at a time "
            f"with {counted(share, 'thread', 'threads')} each"
        )
        resources = {"num_cpus": share, "num_gpus": 1 if gpus >= jobs else 0}
        task = ray.remote(**resources, max_retries=1)(_answer)  # of a node that died

        def run(trial: Trial, watch: object) -> Outcome:
            options = {**trial.options, "threads": share}
            asked = {"command": trial.command, "options": options, "folder": str(trial.folder.resolve())}
            waited = task.remote(json.dumps(asked), str(Path.cwd()))
            while not ray.wait([waited], timeout=POLL)[0]:
                interrupts.check()
            outcome = Outcome(**json.loads(ray.get(waited)))
            if outcome.record is not None and not trial.folder.is_dir():
                told = "its folder is on the disk of a node alone: --output must be on a disk that all nodes share"
                return Outcome(None, told, seconds=outcome.seconds)
            return outcome

        yield run


def _answer(asked: str, folder: str) -> str:
    """Run a trial on a node; both it and its outcome as JSON."""
    os.chdir(folder)
    given: dict[str, Any] = json.loads(asked)
    trial = Trial(given["command"], given["options"], Path(given["folder"]))
    return json.dumps(asdict(running.run(trial)))
