"""Launches, turns and the journal, with processes that are made up."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from nlpkit import reporting
from nlpkit.errors import RunError, UserError
from nlpkit.measurement.processes import Unmeasured, WorkerProcess
from nlpkit.measurement.spec import Opened, Point, Subject
from nlpkit.measurement.sweep import ALONE, Journal, Method, Sweep

POINTS = [Point("inference", 1, length) for length in (8, 16, 32)]
TWO = [Subject("a", "a"), Subject("b", "b")]
ONCE = Method(launches=1, seconds=0.1, interval=5.0)


class Machine:
    """Makes workers, and keeps what they were asked.

    Args:
        takes: seconds a call of each model.
        limit: length from which a model is out of memory, by name.
        deadly: whether that is the end of its process.
        task: of each model.
    """

    def __init__(self, takes: dict[str, float], **more: Any) -> None:
        self.takes = takes
        self.limit: dict[str, int] = more.get("limit", {})
        self.deadly: bool = more.get("deadly", False)
        self.task: dict[str, str] = more.get("task", {})
        self.refused: str | None = more.get("refused")
        self.huge: str | None = more.get("huge")
        self.log: list[tuple[str, str]] = []
        self.stop_at: int | None = more.get("stop_at")
        self.room: int | None = more.get("room")  # tokens that all processes may hold together
        self.holds: dict[str, int] = {}
        self.alive = 0

    def __call__(self) -> Any:
        self.alive += 1
        return Fake(self)

    def turns(self) -> str:
        return "".join(name for op, name in self.log if op == "turn")


class Fake:
    def __init__(self, machine: Machine) -> None:
        self.machine, self.name, self.alive = machine, "", True
        self.length = 0

    def ask(self, op: str, **values: Any) -> dict[str, Any]:
        machine = self.machine
        if op == "open":
            self.name = values["subject"]["name"]
            if machine.refused == self.name:
                raise Unmeasured("user", "there is no such folder", "name another")
            if machine.huge == self.name:
                raise Unmeasured("out of memory", "4 GB are needed")
        machine.log.append((op, self.name))
        if machine.stop_at is not None and len(machine.log) > machine.stop_at:
            raise KeyboardInterrupt
        return dict(getattr(self, op)(**values))

    def ready(self) -> dict[str, Any]:
        return {}

    def open(self, subject: Any, config: Any, others: bool) -> dict[str, Any]:
        assert others
        self.hold(1)
        task = self.machine.task.get(self.name)
        return {"opened": asdict(Opened("cpu", "Bert", 10, None, 0.1, 64, 1_000, task, task and "accuracy"))}

    def prepare(self, point: dict[str, Any]) -> dict[str, Any]:
        self.length = point["length"] or 0
        if self.length >= self.machine.limit.get(self.name, 1_000):
            self.alive = not self.machine.deadly
            raise Unmeasured("out of memory", "too much")
        self.hold(self.length)
        return {"calls": 1, "samples": point["batch_size"], "tokens": self.length}

    def hold(self, tokens: int) -> None:
        machine = self.machine
        machine.holds[self.name] = tokens
        if machine.room is not None and sum(machine.holds.values()) > machine.room:
            del machine.holds[self.name]
            raise Unmeasured("out of memory", "there is no more")

    def forget(self) -> dict[str, Any]:
        if self.name in self.machine.holds:
            self.machine.holds[self.name] = 1
        return {}

    def release(self) -> dict[str, Any]:
        self.machine.holds.pop(self.name, None)
        return {}

    def warm(self, seconds: float) -> dict[str, Any]:
        return {"calls": 2, "seconds": 0.1, "stable": True, "pass_seconds": self.machine.takes[self.name]}

    def turn(self, passes: int, warm: bool) -> dict[str, Any]:
        return {"seconds": [self.machine.takes[self.name]] * passes, "joules": None}

    def memory(self) -> dict[str, Any]:
        return {"peak_bytes": 2_000, "before_bytes": 1_000}

    def flops(self) -> dict[str, Any]:
        return {"flops": 7.0}

    def probe(self) -> dict[str, Any]:
        return {"flops_per_second": 9.0}

    def score(self) -> dict[str, Any]:
        said = {"note": None, "findings": [], "notes": ["text: guessed"], "warnings": ["a row is odd"]}
        return {"metrics": {"accuracy": 0.5}, "split": "validation", "rows": 4, **said}

    def close(self) -> None:
        self.alive = False
        self.machine.alive -= 1


def swept(place: Path, machine: Machine, method: Method = ONCE, points: Any = POINTS, **more: Any) -> Journal:
    journal = Journal(place / "journal.jsonl")
    subjects = more.pop("subjects", TWO)
    Sweep(subjects, points, method, journal, {"config": {}}, start=machine, **more).run()
    return journal


def statuses(journal: Journal, name: str) -> list[str]:
    return [found.status for found in journal.measurements if found.subject == name]


def test_turns_alternate_and_are_as_many_for_all(tmp_path: Path) -> None:
    machine = Machine({"a": 0.01, "b": 0.02})
    journal = swept(tmp_path, machine, points=POINTS[:1])
    a, b = journal.measurements
    # ten turns of a hundredth of a second each: one call of a, and one of b, which may not be less
    assert len(a.turns) == len(b.turns) and [len(turn) for turn in a.turns] == [1] * len(a.turns)
    assert machine.turns().startswith("abba")
    assert sum(map(sum, a.turns)) + sum(map(sum, b.turns)) >= 2 * ONCE.seconds
    assert (a.flops, a.peak_flops, a.peak_bytes, a.before_bytes, a.warm_up_calls) == (7.0, 9.0, 2_000, 1_000, 2)


def test_fast_calls_fill_a_turn(tmp_path: Path) -> None:
    journal = swept(tmp_path, Machine({"a": 0.001, "b": 0.001}), points=POINTS[:1])
    assert {len(turn) for turn in journal.measurements[0].turns} == {10}


def test_a_slow_model_has_one_turn(tmp_path: Path) -> None:
    machine = Machine({"a": 5.0, "b": 5.0})
    swept(tmp_path, machine, points=POINTS[:1])
    assert machine.turns() == "ab"


def test_each_launch_has_processes_of_its_own(tmp_path: Path) -> None:
    machine = Machine({"a": 0.05, "b": 0.05})
    journal = swept(tmp_path, machine, Method(3, 0.1, interval=100.0))
    assert [name for op, name in machine.log if op == "open"] == ["a", "b"] * 3
    assert machine.alive == 0
    assert {found.launch for found in journal.measurements} == {0, 1, 2}
    assert len(journal.measurements) == 3 * len(POINTS) * 2
    assert len(journal.opened["a"]) == 3
    # the probe takes memory of its own
    assert [op for op, _ in machine.log if op in ("memory", "probe")][:3] == ["memory", "memory", "probe"]
    # operations do not change from launch to launch
    assert len([1 for op, _ in machine.log if op == "flops"]) == len(POINTS) * 2


@pytest.mark.parametrize("deadly", [False, True])
def test_out_of_memory_is_a_row_and_the_sweep_goes_on(tmp_path: Path, deadly: bool) -> None:
    machine = Machine({"a": 0.05, "b": 0.05}, limit={"b": 16}, deadly=deadly)
    journal = swept(tmp_path, machine, Method(2, 0.1, interval=100.0))
    assert statuses(journal, "a") == ["ok"] * 6
    assert statuses(journal, "b") == ["ok", "out of memory", "out of memory"] * 2
    messages = [found.message for found in journal.measurements if found.subject == "b" and found.launch == 0]
    alone = "too much (with the other models' memory released)"
    assert messages == [None, alone, "as with inference, 1 x 16 tokens"]
    # what did not fit once, beside the other and without it, is not tried again
    assert [name for op, name in machine.log if op == "prepare"].count("b") == 4
    assert [name for op, name in machine.log if op == "release"] == ["a"]


def test_what_does_not_fit_beside_the_others_is_measured_without_them(tmp_path: Path) -> None:
    machine = Machine({"a": 0.05, "b": 0.05}, room=40)
    journal = swept(tmp_path, machine, Method(2, 0.1, interval=100.0))
    assert statuses(journal, "a") == statuses(journal, "b") == ["ok"] * 6
    told = [found.message for found in journal.measurements if found.subject == "b" and found.launch == 0]
    assert told == [None, None, ALONE]  # 32 tokens each
    assert [found.message for found in journal.measurements if found.subject == "a"] == [None] * 6
    assert all(found.peak_flops == 9.0 and found.peak_bytes == 2_000 for found in journal.measurements)
    # what is too large for the device by itself stays so, and each has been tried without the other
    machine = Machine({"a": 0.05, "b": 0.05}, room=20)
    (tmp_path / "journal.jsonl").unlink()
    journal = swept(tmp_path, machine)
    assert statuses(journal, "a") == statuses(journal, "b") == ["ok", "ok", "out of memory"]
    assert [name for op, name in machine.log if op == "release"].count("b") == 1


DEVICE = """
import json, pathlib, sys
device, name = pathlib.Path(sys.argv[1]), ""
OPENED = dict(device="cpu", architecture="Bert", parameters=1, bytes=1, load_seconds=0.1, max_length=64, idle_bytes=1)
def hold(size):
    (device / name).write_text(str(size))
    if sum(int(file.read_text()) for file in device.iterdir()) > 40:
        (device / name).write_text("0")
        return dict(error="out of memory", message=f"{size} more do not fit")
for line in sys.stdin:
    request = json.loads(line)
    op, point = request["op"], request.get("point")
    name = request["subject"]["name"] if op == "open" else name
    answer = hold(point["length"] if point else 1) if op in ("open", "prepare", "forget") else None
    if op == "release":
        (device / name).write_text("0")
    print(json.dumps(answer or dict(opened=OPENED, calls=1, samples=1, tokens=1, stable=True, pass_seconds=1.0,
        seconds=[0.1] if op == "turn" else 0.1, joules=None, peak_bytes=2, before_bytes=1, flops=1, flops_per_second=1,
    )), flush=True)
"""


def test_processes_that_share_a_device_which_is_too_small_for_both(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.mkdir()
    command = (sys.executable, "-c", DEVICE, str(device))
    journal = Journal(tmp_path / "j")
    points = [Point("inference", 1, length) for length in (16, 32, 48)]
    Sweep(TWO, points, ONCE, journal, {"config": {}}, start=lambda: WorkerProcess(command)).run()
    assert statuses(journal, "a") == statuses(journal, "b") == ["ok", "ok", "out of memory"]
    assert [found.message for found in journal.measurements if found.subject == "b"] == [
        None,
        ALONE,
        "48 more do not fit (with the other models' memory released)",
    ]


@pytest.mark.parametrize("op", ["flops", "probe"])
def test_what_fails_behind_the_measuring_spoils_no_figure(tmp_path: Path, op: str) -> None:
    class Full(Fake):
        def ask(self, op: str, **values: Any) -> dict[str, Any]:
            if op == failing:
                self.prepared = False
                raise Unmeasured("out of memory", "no room to count")
            self.prepared = op == "prepare" or self.prepared
            assert self.prepared or op not in ("memory", "turn", "flops")
            return super().ask(op, **values)

        prepared = False

    failing, machine = op, Machine({"a": 0.05, "b": 0.05})
    journal = Journal(tmp_path / "j")
    Sweep(TWO, POINTS[:1], ONCE, journal, {"config": {}}, start=lambda: Full(machine)).run()  # type: ignore[arg-type,return-value]
    assert statuses(journal, "a") == statuses(journal, "b") == ["ok"]
    wanted = (None, 9.0) if op == "flops" else (7.0, None)
    assert {(found.flops, found.peak_flops) for found in journal.measurements} == {wanted}


def test_a_limit_of_its_own_is_no_matter_of_the_others(tmp_path: Path) -> None:
    machine = Machine({"a": 0.05, "b": 0.05}, limit={"b": 16})
    Sweep(TWO, POINTS, ONCE, Journal(tmp_path / "j"), {"config": {"memory_limit": 4.0}}, start=machine).run()
    assert not [name for op, name in machine.log if op == "release"]


def test_models_that_do_not_fit_together_are_opened_and_judged_one_by_one(tmp_path: Path) -> None:
    machine = Machine({"a": 0.05, "b": 0.05}, room=1)
    journal = Journal(tmp_path / "j")
    Sweep(TWO, [Point("inference", 1, 1)], ONCE, journal, {"config": {}}, evaluates=True, start=machine).run()
    assert statuses(journal, "a") == statuses(journal, "b") == ["ok"]
    assert set(journal.scores) == {"a", "b"}


@pytest.mark.parametrize("huge", ["a", "b"])
def test_a_model_that_does_not_even_open_has_rows(tmp_path: Path, huge: str) -> None:
    other = "ab".replace(huge, "")
    machine = Machine({"a": 0.05, "b": 0.05}, huge=huge, task={other: "text-classification"})
    journal = swept(tmp_path, machine, points=[Point("inference", 1, None), POINTS[0]])
    assert statuses(journal, huge) == ["out of memory"] * 2
    assert statuses(journal, other) == ["ok"] * 2
    assert [bool(found.message) for found in journal.measurements if found.subject == huge] == [True, True]


def test_a_model_that_dies_is_started_again(tmp_path: Path) -> None:
    machine = Machine({"a": 0.05, "b": 0.05}, limit={"b": 16}, deadly=True)
    points = [Point("inference", 1, 8), Point("inference", 1, 16), Point("training", 1, 8)]
    journal = swept(tmp_path, machine, points=points)
    assert statuses(journal, "b") == ["ok", "out of memory", "ok"]
    # once for the try without the other, once for the next size
    assert [name for op, name in machine.log if op == "open"] == ["a", "b", "b", "b"]


def test_a_model_that_cannot_be_opened_again_is_tried_at_each_size(tmp_path: Path) -> None:
    class Filling(Machine):
        def __call__(self) -> Any:
            made.append(self)
            self.huge = "b" if len(made) > 2 else None  # in a process that takes the place of another
            return super().__call__()

    made: list[Machine] = []
    machine = Filling({"a": 0.05, "b": 0.05}, limit={"b": 16}, deadly=True)
    points = [Point("inference", 1, 16), Point("training", 1, 8)]
    journal = swept(tmp_path, machine, points=points)
    assert statuses(journal, "a") == ["ok", "ok"]
    assert statuses(journal, "b") == ["out of memory", "out of memory"]


def test_exported_models_do_not_train(tmp_path: Path) -> None:
    subjects = [Subject("a", "a"), Subject("b", "b", backend="onnx")]
    points = [Point("inference", 1, 8), Point("training", 1, 8)]
    journal = swept(tmp_path, Machine({"a": 0.05, "b": 0.05}), points=points, subjects=subjects)
    assert [(found.point.mode, found.subject) for found in journal.measurements] == [
        ("inference", "a"),
        ("inference", "b"),
        ("training", "a"),
    ]


def test_interrupted_and_resumed(tmp_path: Path) -> None:
    method = Method(2, 0.1, interval=100.0)
    machine = Machine({"a": 0.05, "b": 0.05}, stop_at=25)
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path, machine, method)
    assert machine.alive == 0
    path = tmp_path / "journal.jsonl"
    kept = Journal(path)
    assert 0 < len(kept.measurements) < 2 * len(POINTS) * 2
    # a kill while a line is written
    path.write_text(path.read_text() + '{"kind": "measurement", "laun')
    again = Machine({"a": 0.05, "b": 0.05})
    journal = swept(tmp_path, again, method)
    assert journal.measurements[: len(kept.measurements)] == kept.measurements
    found = [(f.launch, f.point, f.subject) for f in journal.measurements]
    assert len(found) == len(set(found)) == 2 * len(POINTS) * 2
    # and nothing is left to do
    idle = Machine({})
    swept(tmp_path, idle, method)
    assert idle.log == []


def test_a_point_that_was_half_written_is_measured_again(tmp_path: Path) -> None:
    swept(tmp_path, Machine({"a": 0.05, "b": 0.05}))
    path = tmp_path / "journal.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    journal = swept(tmp_path, Machine({"a": 0.05, "b": 0.05}))
    assert len(journal.measurements) == 2 * len(POINTS)
    for line in path.read_text().splitlines():
        json.loads(line)
    # read again, the half that was written first does not count twice
    found = [(f.launch, f.point, f.subject) for f in Journal(path).measurements]
    assert len(found) == len(set(found)) == 2 * len(POINTS)


def test_more_launches_where_intervals_are_wide(tmp_path: Path) -> None:
    class Jumpy(Machine):
        """Every other launch, b takes twice as long."""

        def __call__(self) -> Any:
            self.takes["b"] = (0.02, 0.04)[self.started // 2 % 2]
            self.started += 1
            return super().__call__()

        started = 0

    journal = swept(tmp_path, Jumpy({"a": 0.02, "b": 0.02}), Method(3, 0.1, 5.0), points=POINTS[:1])
    assert {found.launch for found in journal.measurements} == set(range(9))
    # where all launches agree, those asked for are enough
    (tmp_path / "journal.jsonl").unlink()
    journal = swept(tmp_path, Machine({"a": 0.02, "b": 0.02}), Method(3, 0.1, 5.0), points=POINTS[:1])
    assert {found.launch for found in journal.measurements} == {0, 1, 2}


def test_metrics_are_judged_once_and_checked(tmp_path: Path) -> None:
    machine = Machine({"a": 0.05, "b": 0.05})
    seen: list[Any] = []
    journal = Journal(tmp_path / "j")
    method = Method(2, 0.1, 100.0)

    def ready() -> None:
        seen.append(dict(journal.scores))
        assert seen[1:] or not journal.path.exists()  # nothing is written before

    with reporting.listening() as said:
        Sweep(TWO, POINTS[:1], method, journal, {"config": {}}, evaluates=True, ready=ready, start=machine).run()
    assert (said.notes, said.warnings) == (["text: guessed"], ["a row is odd"])  # of the data, which are those of both
    assert [name for op, name in machine.log if op == "score"] == ["a", "b"]
    assert seen[0] == {name: {"metrics": {"accuracy": 0.5}, "split": "validation", "rows": 4} for name in "ab"}


def test_time_is_over(tmp_path: Path) -> None:
    journal = swept(tmp_path, Machine({"a": 0.05, "b": 0.05}), Method(5, 0.1, 5.0, max_minutes=1e-9))
    assert journal.measurements == []


def test_a_model_that_cannot_be_opened_stops_the_sweep(tmp_path: Path) -> None:
    machine = Machine({"a": 0.05, "b": 0.05}, refused="b")
    with pytest.raises(UserError, match="there is no such folder"):
        swept(tmp_path, machine)
    assert machine.alive == 0


def test_rows_are_of_one_task(tmp_path: Path) -> None:
    rows = [Point("inference", 1, None)]
    machine = Machine({"a": 0.05, "b": 0.05}, task={"a": "text-classification", "b": "fill-mask"})
    with pytest.raises(UserError, match=r"b is for fill-mask \(accuracy\), a for text-classification \(accuracy\)"):
        swept(tmp_path, machine, points=rows)
    # random inputs go to any model
    assert swept(tmp_path, Machine({"a": 0.05, "b": 0.05}, task=machine.task)).measurements


def test_a_crash_while_opening_is_a_failure_of_the_run(tmp_path: Path) -> None:
    class Crashes(Fake):
        def open(self, subject: Any, config: Any, others: bool) -> dict[str, Any]:
            raise Unmeasured("failed", "exit code 1")

    with pytest.raises(RunError, match="a: exit code 1"):
        Sweep(TWO, POINTS, ONCE, Journal(tmp_path / "j"), {"config": {}}, start=lambda: Crashes(Machine({}))).run()  # type: ignore[arg-type,return-value]
