"""First figures on a GPU, in less than ten minutes: what `make gpu-check` runs.

Each step is a process of its own with a time limit of its own; what fails is named, and the others go on. The figures
stand in a table, and in a JSON that is written after each step. Without a GPU all steps run at tiny sizes, which tries
the script. See benchmarks/README.md for what each step measures.

Example: python benchmarks/gpu_check.py --json gpu-check.json
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = 1
SECONDS = {
    "machine": 45,
    "inputs": 60,
    "finetune-32": 80,
    "finetune-256": 90,
    "pretrain-128": 60,
    "pretrain-512": 75,
    "equality": 60,
    "out-of-memory": 75,
    "waits": 75,
    "determinism": 60,
    "benchmark": 45,
    "compile": 120,
}
ALWAYS = ("machine", "inputs")  # what the others need
MINUTES = 9.5
# (step, figure, at least or at most, value, whether it holds at tiny sizes too)
AIMS = (
    ("finetune-32", "ratio", "at least", 2.0, False),
    ("finetune-256", "ratio", "at least", 1.3, False),
    ("finetune-32", "waiting for data", "at most", 3.0, False),
    ("finetune-256", "waiting for data", "at most", 3.0, False),
    ("pretrain-128", "documents apart: MFU", "at least", 40.0, False),
    ("pretrain-512", "documents apart: MFU", "at least", 40.0, False),
    ("pretrain-128", "documents apart: waiting for data", "at most", 3.0, False),
    ("pretrain-512", "documents apart: waiting for data", "at most", 3.0, False),
    ("equality", "cuda fp32: answers that differ", "at most", 0, False),
    ("out-of-memory", "earlier models alive in a later try", "at most", 0, True),
    ("waits", "fine-tuning: waits a step", "at most", 0, False),
    ("waits", "pre-training: waits a step", "at most", 0, False),
    ("waits", "replaced tokens: waits a step", "at most", 0, False),
    ("waits", "distillation: waits a step", "at most", 0, False),
    ("determinism", "different results", "at most", 1, True),
)
METHOD = {
    "MFU": "FLOP that the step needs (6 a weight and token that is no padding, attention, the vocabulary head at the "
    "predicted positions) over the rate of large matrix products measured on this GPU in the same arithmetic; "
    "the aims are by this",
    "MFU of the data sheet": "the same over the maker's dense rate, where the script's table has the card",
    "waiting for data": "share of the time in which the GPU has nothing to do while the next batch is fetched, by CUDA "
    "events; a batch's copy counts as waiting",
    "ratio": "rows/s of nlpkit over rows/s of the stock Trainer, a round each; the median of the rounds",
    "peak memory": "peak of what torch allocated in the window that is measured",
}
TINY = "tiny sizes on the CPU: the figures say nothing about a GPU"
TAIL = 2_000  # characters of what a failed step said


class Figures:
    """The figures of a step; each is on disk at once, so that a step that is cut leaves what it has.

    Args:
        path: of the step's answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, dict[str, Any]] = {}

    def put(self, name: str, value: Any, unit: str = "", reason: str = "") -> None:
        """See `gpu_steps.Out`."""
        if isinstance(value, float) and not math.isfinite(value):
            value, reason = None, f"measured as {value}"
        figure: dict[str, Any] = {"value": round(value, 6) if isinstance(value, float) else value, "unit": unit}
        self.found[name] = figure if value is not None else {**figure, "reason": reason}
        self.write()

    def write(self, **more: Any) -> None:
        """All of them, with whatever else is known."""
        write(self.path, {"figures": self.found, **more})


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON so that the file is whole at any time."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")
    temporary.replace(path)


# --- a step, in its own process ---


def work(spec: Mapping[str, Any]) -> int:
    """Do a step and leave its answer; returns the exit code."""
    import gpu_steps

    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # here CUDA itself is asked
    figures = Figures(Path(spec["answer"]))
    try:
        if spec["device"] == "auto":
            import torch

            spec = {**spec, "device": "cuda" if torch.cuda.is_available() else "cpu"}
        more = gpu_steps.STEPS[spec["step"]](spec, figures)
        figures.write(done=True, more=more, device=spec["device"], gpu=gpu_steps.condition())
    except BaseException as error:
        traceback.print_exc()
        figures.write(error=f"{type(error).__name__}: {error}")
        return 1
    return 0


class Steps:
    """Starts the process of a step and waits for it.

    Args:
        folder: for all that is made.
        fresh: whether a process begins from nothing; else it is forked, which spares it the imports, as long as CUDA
            has not been touched here.

    Attributes:
        interrupted: whether a step was, by Ctrl-C or SIGTERM.
    """

    def __init__(self, folder: Path, *, fresh: bool) -> None:
        self.folder, self.fresh = folder, fresh
        self.interrupted = False

    def interrupt(self, *_: Any) -> None:
        """End the step that is under way, and begin no other."""
        self.interrupted = True

    def run(self, spec: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer of a step: its figures, `status`, `seconds`, `error` and what was said where it failed."""
        name = spec["step"]
        place = self.folder / name
        place.mkdir(exist_ok=True)
        spec = {**spec, "answer": str(place / "answer.json"), "folder": str(place)}
        log = place / "log"
        log.touch()  # it is read, however early the process ends
        started = time.monotonic()
        pid = self._started(spec, log)
        code = None
        while code is None and time.monotonic() - started < seconds and not self.interrupted:
            found, status = os.waitpid(pid, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status) if found else None
            time.sleep(0.02)
        if code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # with what it has started: compilers
            os.kill(pid, signal.SIGKILL)  # which may have had no time for a group of its own
            os.waitpid(pid, 0)
        answer: dict[str, Any] = {"figures": {}}
        with contextlib.suppress(FileNotFoundError):
            answer |= json.loads(Path(spec["answer"]).read_text(encoding="utf-8"))
        status = "done" if code == 0 and answer.pop("done", False) else "failed"
        if code is None:
            answer["error"] = "interrupted" if self.interrupted else f"cut after {seconds:.0f} s"
        elif status == "failed" and "error" not in answer:
            answer["error"] = f"ended with exit code {code}"
        said = {"said": log.read_text(encoding="utf-8", errors="replace")[-TAIL:]} if status == "failed" else {}
        return {"status": status, "seconds": round(time.monotonic() - started, 1), **answer, **said}

    def _started(self, spec: dict[str, Any], log: Path) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        if self.fresh:
            file = Path(spec["folder"]) / "spec.json"
            file.write_text(json.dumps(spec, default=str), encoding="utf-8")
            with log.open("w", encoding="utf-8") as out:
                command = [sys.executable, str(Path(__file__).resolve()), "--child", str(file)]
                environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
                started = subprocess.Popen(
                    command, stdout=out, stderr=out, cwd=spec["folder"], start_new_session=True, env=environment
                )
            return started.pid
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.chdir(spec["folder"])
            code = work(spec)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


# --- all of them ---


def judged(results: Mapping[str, Any], *, tiny: bool) -> list[dict[str, Any]]:
    """The aims: `met` is None where nothing was measured, or where tiny sizes say nothing of them."""
    out = []
    for step, name, how, aim, always in AIMS:
        value = results.get(step, {}).get("figures", {}).get(name, {}).get("value")
        met = None
        if value is not None and (always or not tiny):
            met = value >= aim if how == "at least" else value <= aim
        out.append({"step": step, "figure": name, "aim": f"{how} {aim:g}", "value": value, "met": met})
    return out


def shown(value: Any) -> str:
    """A figure for people."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(document: Mapping[str, Any]) -> str:
    """One table of all figures."""
    aims = {(aim["step"], aim["figure"]): aim for aim in document["aims"]}
    lines = [f"{'step':<15} {'figure':<52} {'value':>12}  unit"]
    for step, result in document["steps"].items():
        for name, figure in result["figures"].items():
            value, unit = figure["value"], figure["unit"]
            said = f"{shown(value):>12}  {unit}" if value is not None else f"{'-':>12}  {unit} ({figure['reason']})"
            aim = aims.get((step, name))
            if aim is not None and aim["met"] is not None:
                said += f" [{aim['aim']}: {'met' if aim['met'] else 'NOT MET'}]"
            lines.append(f"{step:<15} {name:<52} {said}".rstrip())
        if result["status"] != "done":
            why = str(result.get("error", "")).splitlines()
            lines.append(f"{step:<15} {result['status'].upper()}: {why[0] if why else ''}")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECONDS), help="steps, comma-separated (default: all)")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="train.*, validation.*: text, label; corpus.txt(.gz)"
    )
    parser.add_argument(
        "--json", type=Path, default=Path("gpu-check.json"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of all steps (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="start each step's process from nothing: slower")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    named = options.only.split(",")
    if unknown := [name for name in named if name not in SECONDS]:
        parser.error(f"--only: there is no step {', '.join(unknown)}; there are {', '.join(SECONDS)}")
    if options.data is not None and not options.data.is_dir():
        parser.error(f"--data: {options.data} is no folder")
    if not options.json.parent.is_dir() or options.json.is_dir():  # known before there is something to lose
        parser.error(f"--json: {options.json} cannot be written; name a file in a folder that is there")
    options.only = [name for name in SECONDS if name in (*ALWAYS, *named)]
    return options


def settings(cache: Path) -> dict[str, str]:
    """The environment of all processes; set before libraries are imported."""
    return {
        # the first alone: the stock Trainer would take all
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0],
        "HF_HUB_OFFLINE": "1",
        "WANDB_MODE": "disabled",
        "NLPKIT_CACHE": str(cache),
        "TOKENIZERS_PARALLELISM": "true",
        "TRANSFORMERS_VERBOSITY": "error",
        # whether there is a GPU is asked without touching CUDA, which no process may have done that is forked
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }


def main() -> int:
    """Run the steps; returns the exit code: 1 where one failed."""
    options = parse()
    if options.child is not None:
        return work(json.loads(options.child.read_text(encoding="utf-8")))
    from nlpkit import process

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update(settings(folder / "cache"))
        process.prepare_gpus()  # as a command does
        return checked(options, folder, started)


def checked(options: argparse.Namespace, folder: Path, started: float) -> int:
    """Run the steps in a folder; see `main`."""
    from nlpkit import interrupts, machine
    from nlpkit.hardware import devices

    steps = Steps(folder, fresh=options.fresh)
    for number in interrupts.heeded():
        signal.signal(number, steps.interrupt)

    if not options.fresh:
        import gpu_steps

        for name in gpu_steps.LIBRARIES:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()  # each run collects several times, which takes longer the more there is to go through
    wanted = options.device != "cpu" and os.environ["CUDA_VISIBLE_DEVICES"] not in ("", "-1")
    gpus = machine.gpus() if wanted else []
    spec: dict[str, Any] = {"device": options.device, "data": options.data and str(options.data.resolve())}
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "device": None,
        "note": None,
        "machine": None,
        "method": METHOD,
        "steps": {},
        "aims": [],
        "seconds": None,
    }
    for name in options.only:
        left = 60 * options.minutes - (time.monotonic() - started)
        missing = [needed for needed in ALWAYS if document["steps"].get(needed, {"status": "done"})["status"] != "done"]
        if steps.interrupted or missing or left < 5:
            why = f"{missing[0]} failed" if missing else f"the {options.minutes:g} minutes are over"
            why = "interrupted" if steps.interrupted else why
            result: dict[str, Any] = {"status": "not run", "seconds": 0.0, "figures": {}, "error": why}
        else:
            result = steps.run({**spec, "step": name}, min(SECONDS[name], left))
            unseen = name == "machine" and bool(gpus) and result.get("device") != "cuda" and not steps.interrupted
            if unseen and not steps.fresh:
                print("torch sees no GPU from a forked process: each step starts from nothing", flush=True)
                steps.fresh = True
                result = steps.run({**spec, "step": name}, min(SECONDS[name], left))
            if name == "machine" and gpus and result.get("device") == "cpu":  # its figures would pass for those of one
                why = f"the driver lists {gpus[0]['name']}, torch sees no GPU: {devices.why_unused()}"
                result |= {"status": "failed", "error": f"{why}; --device cpu tries the script"}
        more = result.pop("more", None) or {}
        if name == "machine":
            spec["device"] = document["device"] = result.pop("device", None)
            document["machine"], spec["machine"] = more, more
            if document["device"] == "cpu":
                document["note"] = None if gpus else TINY
                print(document["note"] or result["error"], flush=True)
        elif name == "inputs":
            spec["inputs"] = document["inputs"] = more
        result.pop("device", None)
        document["steps"][name] = result
        document["aims"] = judged(document["steps"], tiny=document["device"] == "cpu")
        document["seconds"] = round(time.monotonic() - started, 1)
        write(options.json, document)
        print(f"{name}: {result['status']}, {result['seconds']} s", flush=True)
    print(f"\n{table(document)}\n")
    failed = [name for name, result in document["steps"].items() if result["status"] != "done"]
    unmet = sum(aim["met"] is False for aim in document["aims"])
    print(f"{document['note'] or document['machine'].get('name')}: {document['seconds']} s, {unmet} aims not met")
    if steps.interrupted:
        print(f"interrupted; what was measured stands in {options.json}", file=sys.stderr)
        return 130
    if failed:
        print(f"not done: {', '.join(failed)}; what they said stands in {options.json}", file=sys.stderr)
    else:
        print(f"all of it: {options.json}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
