"""A command that is killed leaves nothing that looks finished, and comes to the same result when it is run again.

`make kills` does this to all commands at random moments; this is a sample.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "faults"))

import commands
import kills

pytestmark = pytest.mark.slow

NAMES = ("distill", "quantize")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, commands.Case]:
    return commands.make(tmp_path_factory.mktemp("made") / "made", NAMES.__contains__)


def kill_when(process: subprocess.Popen[str], there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("name", NAMES)
def test_killed_and_run_again(name: str, cases: dict[str, commands.Case], tmp_path: Path) -> None:
    case, run = cases[name], tmp_path / "run"
    expected = kills.finished(case, tmp_path / "whole")
    # behind the first checkpoint; or while the result is written
    sign = "checkpoints/*/trainer_state.json" if case.again == "--resume" else ".partial/*"
    kill_when(kills.start(case, run), lambda: any(run.glob(sign)))
    assert kills.stage(case, run) == ("behind a checkpoint" if case.again == "--resume" else "before a checkpoint")
    assert kills.finished(case, run, case.again) == expected
    assert not list(run.glob(".*"))
