"""A Ray cluster of two nodes, of which one dies while it answers shards."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shard_answers

from nlpkit import reporting
from nlpkit.recipes import predict
from nlpkit.sharding import batch

pytestmark = pytest.mark.slow
COUNT = 8
# a dead node is noticed soon: by default that takes half a minute
SOON = {"period_ms": "500", "failure_threshold": "4", "initial_delay_ms": "1000", "timeout_ms": "3000"}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("ray")
    places = {str(Path(module.__file__ or "").parents[level]) for module, level in ((batch, 2), (shard_answers, 0))}
    monkeypatch.setenv("PYTHONPATH", ":".join(places))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "180")  # on a machine that does much else
    for name in ("enable_worker_prestart", "prestart_worker_first_driver"):  # one for each CPU, which nobody asks
        monkeypatch.setenv(f"RAY_{name}", "0")
    for name, value in SOON.items():
        monkeypatch.setenv(f"RAY_health_check_{name}", value)
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    made.add_node(num_cpus=2)
    yield made
    made.shutdown()


def test_a_node_that_dies_costs_no_shard_and_no_byte(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model", "s"):
        Path(name).mkdir()
    Path("model/config.json").write_text("{}")
    for number in range(COUNT):
        Path(f"s/{number}.csv").write_text(f"node {number}\n")
    command = batch.Command("predict", shard_answers.answering, lambda format: f".{format}", "answer")

    def run(output: str, **options: Any) -> dict[str, Any]:
        return batch.run(predict.Config(model="model", input="s/*.csv", output=output, **options), command).record

    def kill_when_both_work() -> None:
        deadline = time.monotonic() + 120
        while len({path.suffix for path in Path("s").glob("*.csv.*")}) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
        killed.append(len(list(Path("out").glob("*.csv"))))

    killed: list[int] = []
    killer = threading.Thread(target=kill_when_both_work)
    killer.start()
    with reporting.listening() as heard:
        record = run("out", engine="ray", ray_address=cluster.address)
    killer.join()
    assert any("2 nodes with 4 CPUs, 2 actors of 2 threads" in note for note in heard.notes)
    assert killed[0] < COUNT  # there was something left to do
    assert (record["done"], record["failed_shards"]) == (COUNT, {})

    run("one")
    for number in range(COUNT):
        assert Path(f"out/{number}.csv").read_bytes() == Path(f"one/{number}.csv").read_bytes()
    entries = json.loads(Path("out/manifest.json").read_text())["shards"].values()
    assert len({entry["worker"] for entry in entries}) >= 2
    assert run("out")["skipped"] == COUNT
    assert {path.name for path in Path("out").iterdir()} == {"manifest.json", *(f"{i}.csv" for i in range(COUNT))}
