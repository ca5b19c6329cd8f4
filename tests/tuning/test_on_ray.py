"""Trials as tasks of a cluster, which is pretended: a task runs as it would on a node, and both sides speak JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlpkit.sharding.engines import ray_data
from nlpkit.trials import running
from nlpkit.trials.running import Outcome, Trial
from nlpkit.tuning import on_ray


class Ray:
    """Two nodes, of which the smaller has four CPUs, and tasks that are done at once.

    Attributes:
        asked: what a task was to have.
    """

    asked: dict[str, Any]

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": count}} for count in (4.0, 8.0)]

    def remote(self, **asked: Any) -> Callable[[Callable[[str, str], str]], SimpleNamespace]:
        self.asked = asked
        return lambda task: SimpleNamespace(remote=task)

    def wait(self, waited: list[str], timeout: float) -> tuple[list[str], list[str]]:
        return waited, []

    def get(self, answer: str) -> str:
        return answer


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    pretended = Ray()

    @contextlib.contextmanager
    def cluster(address: str, flag: str) -> Iterator[Ray]:
        assert (address, flag) == ("local", "--ray")
        yield pretended

    monkeypatch.setattr(ray_data, "cluster", cluster)
    return pretended


def test_a_trial_is_run_on_a_node_with_its_part_of_the_cpus(
    ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Trial] = []

    def run(trial: Trial) -> Outcome:
        seen.append(trial)
        trial.folder.mkdir()
        return Outcome({"metrics": {"validation": {"accuracy": 0.5}}}, seconds=2.0)

    monkeypatch.setattr(running, "run", run)
    monkeypatch.chdir(tmp_path)
    with on_ray.tasks("local", 4, None) as begin:
        done = begin(Trial("finetune-cls", {"epochs": 2}, Path("000")), None)
    assert done.record == {"metrics": {"validation": {"accuracy": 0.5}}} and done.seconds == 2.0
    assert seen == [Trial("finetune-cls", {"epochs": 2, "threads": 2}, tmp_path / "000")]
    assert ray.asked["num_cpus"] == 2 and ray.asked["num_gpus"] == 0


def test_a_folder_that_only_a_node_has_is_a_failure(ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "run", lambda trial: Outcome({"metrics": {}}, seconds=1.0))
    with on_ray.tasks("local", 1, 1) as begin:
        done = begin(Trial("finetune-cls", {}, tmp_path / "000"), None)
    assert done.record is None and "must be on a disk that all nodes share" in str(done.error)
