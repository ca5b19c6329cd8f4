"""The main commands, run after each other and small in a process that begins from nothing.

`run` starts it: python every_command.py PLACE MODEL DATA CORPUS [COMMAND ...]. It writes PLACE/said.json: exit code and
output of each command, and what the network of the process has counted, where it has one of its own ($ALONE).
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import io
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# what libraries read: each may be set here, and none is where a user begins
SET = ("ORT_DISABLE_TELEMETRY", "NLPKIT_CACHE", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "HOME")
QUICK = ["--device", "cpu", "--threads", "1", "--batch-size", "16"]


def commands(place: Path, model: str, data: str, corpus: str) -> dict[str, list[str]]:
    """What is run, by name."""
    run = str(place / "finetune-cls")
    small = ["--launches", "1", "--seconds", "0.01", "--sequence-lengths", "8", "--batch-sizes", "1", "--device", "cpu"]
    untimed = ["--measure-seconds", "0"]
    # where the extra `onnx` is not installed, a format that needs nothing more
    target = ["--to", "onnx-int8" if importlib.util.find_spec("onnx") else "bf16"]
    found = {
        "env": [],
        "check-data": ["--data", data],
        "train-tokenizer": ["--data", corpus, "--vocab-size", "120"],
        "pretrain-mlm": ["--data", corpus, "--model", model, "--max-length", "32", "--max-steps", "2", *QUICK],
        "finetune-cls": ["--data", data, "--model", model, "--epochs", "1", *QUICK],
        "evaluate": [run, "--data", f"{data}/test.csv", *QUICK],
        "predict": [run, "a good film", *QUICK],
        "embed": [run, "a good film", *QUICK],
        "distill": [run, "--data", data, "--student-layers", "1", "--epochs", "1", *untimed, *QUICK],
        "prune": [run, "--data", data, "--what", "ffn", "--sparsity", "0.5", "--epochs", "1", *untimed, *QUICK],
        "quantize": [run, "--data", data, "--device", "cpu", *target, *untimed],
        "benchmark": [str(place / "quantize"), *small],
        "compare": [run, str(place / "quantize"), "--data", f"{data}/test.csv", *QUICK],
        "report": [run],
        "runs": [str(place)],
    }
    no_output = ("env", "check-data", "evaluate", "predict", "embed", "compare", "report", "runs")
    return {
        name: [name, *given, *([] if name in no_output else ["--output", str(place / name)])]
        for name, given in found.items()
    }


def begin_alone() -> None:
    """Turn on the one interface that a new network has, as some libraries only try where there is one."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, IFF_UP, IFF_RUNNING


def counted() -> int:
    """How often something of this network went to an address outside, in whatever language it is written."""
    rows = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")]
    return int(dict(zip(*rows, strict=True))["OutNoRoutes"])


def connect_in_c() -> None:
    """What no hook of Python sees."""
    libc = ctypes.CDLL(None)
    number = libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
    address = struct.pack("=H", socket.AF_INET) + struct.pack(">H", 53) + socket.inet_aton("192.0.2.1") + bytes(8)
    libc.connect(number, address, len(address))
    libc.close(number)


def without(*names: str) -> dict[str, str]:
    """The environment without variables of these names, and without those of the hub's libraries."""
    return {name: value for name, value in os.environ.items() if name not in names and not name.startswith("HF_")}


def run(place: Path, model: Path, data: Path, *names: str, before: Sequence[str] = (), **env: str) -> dict[str, Any]:
    """What such a process says of the commands of these names, of all without one; each of them ends well.

    Args:
        place: an empty folder; what it tries of the network is in its file `tries`.
        before: words that the command line begins with.
        env: of the process, instead of what is set here.
    """
    from conftest import rows

    corpus, out = place / "corpus.txt", place / "out"
    corpus.write_text("\n".join(row["text"] for row in rows(300, seed=5)), encoding="utf-8")
    out.mkdir()
    command = [*before, sys.executable, __file__, *map(str, (out, model, data, corpus)), *names]
    path = os.pathsep.join([str(HERE / "watched"), str(HERE.parents[1])])
    watched = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "WATCHED_TRIES": str(place / "tries")}
    done = subprocess.run(
        command, env={**without(*SET), **watched, **env}, cwd=place, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads((out / "said.json").read_text(encoding="utf-8"))
    for name, command_said in said["commands"].items():
        assert command_said["code"] == 0, f"{name}: {command_said['said']}"
    return said


def main(place: Path, model: str, data: str, corpus: str, names: list[str]) -> None:
    from nlpkit.cli.app import main as nlpkit

    said: dict[str, Any] = {"commands": {}}
    for name, arguments in commands(place, model, data, corpus).items():
        if names and name not in names:
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = nlpkit(arguments)
        said["commands"][name] = {"code": code, "said": out.getvalue()}
    if "ALONE" in os.environ:
        said["tried"] = counted()
        connect_in_c()
        said["seen"] = counted() > said["tried"]
    (place / "said.json").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    if "ALONE" in os.environ:
        begin_alone()
    folder, *inputs = sys.argv[1:5]
    main(Path(folder), *inputs, sys.argv[5:])
