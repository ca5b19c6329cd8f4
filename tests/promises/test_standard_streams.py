"""Standard streams that are closed, full or have no reader, and interrupts at any moment: told, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import forked
import pytest
from conftest import RunOf, nlpkit_command

from nlpkit.cli import streams

pytestmark = pytest.mark.slow

# pictures are empty files, as in the other tests
PRELUDE = """
import os, signal, sys, weakref
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests that run under nohup ignore it
from nlpkit.runs import plots
plots.draw_in_style = lambda draw, path: path.touch()
"""
MAIN = "from nlpkit.__main__ import main\nsys.exit(main())\n"
LOST = "What was to be said there is lost; files that the command writes are there."


def flags(**given: Any) -> list[str]:
    return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def run(code: str, *arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """`nlpkit ARGUMENTS` in a process that does `code` first."""
    command = [sys.executable, "-c", PRELUDE + code + MAIN, *map(str, arguments)]
    return forked.run(command, cwd=Path.cwd(), **options)


def closing(*numbers: int) -> str:
    """Code after which standard streams are as a shell's `>&-` makes them."""
    names = ("stdin", "stdout", "stderr")
    return "".join(f"os.close({number}); sys.{names[number]} = None\n" for number in numbers)


def to_device(number: int) -> str:
    return f"os.dup2(os.open('/dev/full', os.O_WRONLY), {number})\n"


@pytest.fixture
def training(run_of: RunOf, tiny_model: Path, tmp_path: Path) -> list[str]:
    """A short training of a classifier, into `tmp_path / "run"`."""
    data = run_of("classification").parent / "data"
    small = {"device": "cpu", "threads": 1, "max_steps": 4, "batch_size": 16, "eval_steps": 2}
    return ["finetune-cls", *flags(data=data, model=tiny_model, output=tmp_path / "run", **small)]


def assert_complete(folder: Path) -> None:
    assert json.loads((folder / "nlpkit.json").read_text())["status"] == "complete"
    assert (folder / "model.safetensors").stat().st_size > 0


@pytest.mark.parametrize(
    ("code", "why", "more"),
    [(to_device(1), "No space left on device", ["--json"]), (closing(1), "it is closed", [])],
)
def test_training_is_kept_where_standard_output_fails(
    code: str, why: str, more: list[str], training: list[str], tmp_path: Path
) -> None:
    done = run(code, *training, *more)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith(("nlpkit: ", "Traceback", "Exception"))]
    assert errors == [f"nlpkit: standard output cannot be written to: {why}"]
    assert LOST in done.stderr
    assert_complete(tmp_path / "run")


def test_training_is_kept_where_nobody_reads_or_all_is_closed(training: list[str], tmp_path: Path) -> None:
    process = forked.Popen(
        [*nlpkit_command(*training)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == streams.NO_READER
    assert process.stderr.read() == ""
    assert_complete(tmp_path / "run")
    done = run(closing(0, 1, 2), *training, "--overwrite")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert_complete(tmp_path / "run")


@pytest.mark.parametrize("code", [closing(2), to_device(2)])
def test_without_standard_error_the_exit_code_and_the_document_are_the_same(code: str) -> None:
    done = run(code, "check-data", "--data", "sample:feedback", "--model", "none", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["rows"]["train"] > 0
    assert run(code, "check-data", "--data", "no/such.csv").returncode == 2


def test_a_closed_standard_input_is_told(run_of: RunOf) -> None:
    done = run(closing(0), "predict", run_of("classification"), "--input", "-")
    assert done.returncode == 2
    assert "nlpkit: standard input is closed: there is nothing to read at -" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_do_not_get_the_numbers_of_closed_streams(tmp_path: Path) -> None:
    """What a library prints, without Python, would stand in the file that has the number of standard output."""
    code = f"os.close(1)\nstreams.open_all()\nprint(os.open({str(tmp_path / 'f')!r}, os.O_CREAT), file=sys.stderr)\n"
    done = forked.run([sys.executable, "-c", f"{PRELUDE}from nlpkit.cli import streams\n{code}"], cwd=Path.cwd())
    assert int(done.stderr) > 2


def test_rows_without_a_reader_end_at_once(run_of: RunOf, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("a good film\n" * 20_000)
    command = nlpkit_command("predict", run_of("classification"), "--input", rows, "--quiet")
    process = forked.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd())
    assert process.stdout is not None and process.stderr is not None
    assert "prediction" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == streams.NO_READER
    assert process.stderr.read() == ""


def test_rows_on_a_full_disk_are_told(run_of: RunOf, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("a good film\n" * 3)
    done = run(to_device(1), "predict", run_of("classification"), "--input", rows)
    assert done.returncode == 1
    assert "nlpkit: standard output cannot be written to: No space left on device" in done.stderr


def test_a_failed_gate_is_not_hidden_by_a_missing_reader() -> None:
    done = run(to_device(1), "check-data", "--data", "no/such.csv")
    assert done.returncode == 2
    assert done.stderr.count("nlpkit: ") == 1


# --- interrupts ---


INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"
IN_A_CALLBACK = f"""
class Thing: pass
def interrupted(*_):
    thing = Thing()
    reference = weakref.ref(thing, lambda _: {INTERRUPT})
    del thing  # Python drops what is raised now
"""
AT = """
import {module} as module
original = module.{name}
def first(*arguments, **keywords):
    {how}
    return original(*arguments, **keywords)
module.{name} = first
"""


@pytest.mark.parametrize(
    ("module", "name", "how"),
    [
        ("nlpkit.tasks.features", "featurize", INTERRUPT),
        ("nlpkit.experiment.card", "write", INTERRUPT),
        ("nlpkit.runs.folder", "follow_umask", INTERRUPT.replace("INT", "HUP")),
        ("nlpkit.experiment.supervised", "report", "interrupted()"),
    ],
)
def test_interrupted_at_any_stage(module: str, name: str, how: str, training: list[str], tmp_path: Path) -> None:
    """Also where Python drops what is raised, as in callbacks while garbage is collected."""
    done = run(IN_A_CALLBACK + AT.format(module=module, name=name, how=how), *training)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.count("nlpkit: interrupted") == 1
    folder = tmp_path / "run"
    if name == "featurize":
        assert not folder.exists()
        return
    whole = name in ("follow_umask", "report")  # what moves files into place is not interrupted
    if name != "report":
        assert f"Go on with: nlpkit finetune-cls --output {folder} --resume" in done.stderr
    assert not (folder / ".lock").exists()
    assert not (folder / ".partial").exists()
    status = json.loads((folder / "nlpkit.json").read_text())["status"]
    assert status == ("complete" if whole else "running")
    assert (folder / "model.safetensors").exists() == whole
    if whole:
        return
    done = forked.run(nlpkit_command("finetune-cls", "--output", folder, "--resume"), cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    assert_complete(folder)


def test_an_interrupted_answer_leaves_no_file(run_of: RunOf, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("a good film\n" * 3)
    code = AT.format(module="nlpkit.recipes.predict", name="_answered", how=INTERRUPT)
    done = run(code, "predict", run_of("classification"), "--input", rows, "--output", tmp_path / "answers.csv")
    assert done.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["rows.txt"]


def test_an_interrupt_of_which_a_library_makes_an_error_is_one() -> None:
    code = f"import nlpkit.recipes.env as env\ndef run(_):\n    try:\n        {INTERRUPT}\n"
    code += "    except BaseException as stop:\n        raise ValueError('cannot be built') from stop\nenv.run = run\n"
    done = run(code, "env")
    assert (done.returncode, done.stderr) == (130, "nlpkit: interrupted\n")


def test_a_second_interrupt_does_not_wait() -> None:
    code = f"from nlpkit import interrupts\ninterrupts.install()\nwith interrupts.waiting():\n    {INTERRUPT}\n"
    code += f"    print(1, flush=True)\n    {INTERRUPT}\n    print(2)\n"
    done = forked.run([sys.executable, "-c", PRELUDE + code], cwd=Path.cwd())
    assert done.stdout == "1\n"
    assert "KeyboardInterrupt" in done.stderr


def test_an_interrupt_waits_until_torch_is_imported(tmp_path: Path) -> None:
    """What is raised in Python code that torch's C++ calls then ends the process in an abort."""
    (tmp_path / "torch.py").write_text("import signal\nsignal.raise_signal(signal.SIGTERM)\nprint('whole')\n")
    code = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom nlpkit import interrupts\n"
    code += "interrupts.install()\nimport torch\ninterrupts.check()\nprint('not reached')\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "whole\n"
    assert "KeyboardInterrupt" in done.stderr


def test_a_second_interrupt_at_the_very_end_changes_no_exit_code() -> None:
    """Behind the last word Python does not hear signals any more, and would be killed by one."""
    code = "import signal, sys\nclass Late:\n"
    code += "    def __del__(self, kill=signal.raise_signal, number=signal.SIGTERM):\n        kill(number)\n"
    code += "from nlpkit import interrupts\ninterrupts.install()\nlate = Late()\nprint('said')\n"
    code += "interrupts.leave(interrupts.EXIT_CODE)\nsys.exit(interrupts.EXIT_CODE)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "said\n")


def test_an_interrupt_of_the_start_is_told() -> None:
    code = "import nlpkit.cli\nsys.modules['nlpkit.cli.app'] = None\nvars(nlpkit.cli).pop('app', None)\n"
    code += f"nlpkit.cli.__getattr__ = lambda _: {INTERRUPT}\n"
    done = run(code, "env")
    assert (done.returncode, done.stderr) == (130, "nlpkit: interrupted\n")


def test_a_command_in_the_background_does_not_hear_ctrl_c(training: list[str], tmp_path: Path) -> None:
    """A script's `nlpkit ... &` is started with SIGINT ignored."""
    code = AT.format(module="nlpkit.experiment.supervised", name="_outputs", how=INTERRUPT)
    on_log = "from nlpkit.training.callbacks import MetricsFileCallback as Metrics\nlog = Metrics.on_log\n"
    on_log += f"Metrics.on_log = lambda *a, **k: ({INTERRUPT}, log(*a, **k)) and None\n"
    done = run("signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + code + on_log, *training)
    assert done.returncode == 0, done.stderr
    assert_complete(tmp_path / "run")
