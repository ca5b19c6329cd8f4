"""Processes that begin with torch and transformers imported: what is tested in them starts at once.

A server imports the libraries, and nothing of nlpkit, and forks. A second one, forked from it, imports the commands,
for processes that import some. Workers of pytest share both: each has a child of theirs that forks for it, on its core.
What these fork are processes like others: with a pid, an exit code, signals, streams, a folder and an environment of
their own, and nothing that a test has left behind; but plots are empty files, as those of the tests are. Where a test
is about the start itself, about what is read from the environment while modules are imported, or about memory, it
takes a process that begins from nothing.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import inspect
import json
import os
import pkgutil
import re
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

LIBRARIES = (
    "torch",
    "transformers.trainer",
    "transformers.pipelines",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",
    "datasets",
    "evaluate",
    "sklearn.metrics",
    "sklearn.linear_model",
    "sklearn.feature_extraction.text",
    "matplotlib.pyplot",
    "pydantic",
    "typer",
    "rich.console",
    "rich.table",
    "yaml",
)
# what nlpkit sets before it imports them
QUIET = {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "DATASETS_VERBOSITY": "error"}
QUIET |= {"TORCH_CPP_LOG_LEVEL": "ERROR", "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1", "ACCELERATE_LOG_LEVEL": "ERROR"}


def unsynced(descriptor: Any) -> None:
    """`os.fsync` that does not wait for a disk."""


def undrawn(draw: Any, path: Path) -> None:
    """`plots.draw_in_style` that does not draw, which takes as long as a short run does."""
    path.touch()


class _Server:
    """A process that forks for this one alone; it is forked itself, when first asked, from one that all workers share.

    Args:
        name: of the socket that the shared one listens on.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._socket: socket.socket | None = None
        self._turn = threading.Lock()

    def ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> Any:
        with self._turn:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX)
                self._socket.connect(f"{shared()}/{self._name}")
                if hasattr(os, "sched_getaffinity"):  # what a worker starts stays on its core
                    self._ask({"cores": sorted(os.sched_getaffinity(0))}, ())
            return self._ask(request, descriptors)

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int]) -> Any:
        assert self._socket is not None
        socket.send_fds(self._socket, [json.dumps(request).encode() + b"\n"], descriptors)
        message, _ = _line(self._socket)
        return json.loads(message)


PLACE = "NLPKIT_TESTS_FORKED"
_kept: list[Any] = []  # what ends the shared processes when it is closed, and the folder of their sockets


def shared() -> str:
    """The folder of the sockets on which the shared processes listen; they are started where there are none yet.

    What pytest starts its workers with is asked first, so that libraries are imported once for all of them.
    """
    if PLACE not in os.environ:
        folder = tempfile.TemporaryDirectory()
        ends = [socket.socket(socket.AF_UNIX) for _ in ("libraries", "commands")]
        for end, name in zip(ends, ("libraries", "commands"), strict=True):
            end.bind(f"{folder.name}/{name}")
            end.listen()
        ours, theirs = socket.socketpair()
        numbers = [end.fileno() for end in (*ends, theirs)]
        subprocess.Popen(
            [sys.executable, __file__, *map(str, numbers)],
            pass_fds=numbers,
            env={**os.environ, **QUIET},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # it ends with this process, not with Ctrl-C
        )
        for end in (*ends, theirs):
            end.close()
        _kept.extend((ours, folder))
        os.environ[PLACE] = folder.name
    return os.environ[PLACE]


def _line(end: socket.socket) -> tuple[bytes, list[int]]:
    """What the other end says, up to a line break, and the descriptors that come with it; nothing when it is closed."""
    message, descriptors = b"", []
    while not message.endswith(b"\n"):
        part, more, _, _ = socket.recv_fds(end, 1 << 16, 3)
        if not part:
            return b"", []
        message += part
        descriptors += more
    return message, descriptors


_server = _Server("libraries")
_commands = _Server("commands")
_IMPORTS = re.compile(r"\b(from|import) nlpkit\b|run_module\('nlpkit'")
_PARAMETERS = list(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]  # type: ignore[attr-defined]


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """`subprocess.Popen` for `[sys.executable, "-m", MODULE, ...]` and `[sys.executable, "-c", CODE, ...]`."""

    def _execute_child(self, args: Any, *more: Any) -> None:
        # by name: a Python that names or orders them otherwise ends here
        given = dict(zip(_PARAMETERS, (args, *more), strict=True))
        unread = {name: given[name] for name in ("preexec_fn", "pass_fds", "shell", "uid", "gid") if given[name]}
        assert args[0] == sys.executable and args[1] in ("-m", "-c") and not unread, (args, unread)
        # a stream that was not redirected is ours
        ends = (given["p2cread"], given["c2pwrite"], given["errwrite"])
        streams = [end if end != -1 else own for own, end in enumerate(ends)]
        kind, what = args[1:3]
        self._server = _commands if what == "nlpkit" or (kind == "-c" and _IMPORTS.search(what)) else _server
        self.pid = self._server.ask(
            {
                "arguments": [str(argument) for argument in args[1:]],
                "cwd": str(Path.cwd() / (given["cwd"] or ".")),
                "env": dict(os.environ if given["env"] is None else given["env"]),
                "session": bool(given["start_new_session"]),
            },
            streams,
        )
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[name] for name in pipes))  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        pid, status = self._server.ask({"wait": self.pid, "flags": wait_flags})
        return pid, status

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid == self.pid:
                self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode


def run(
    command: Sequence[Any], *, input: str | None = None, timeout: float = 300, check: bool = False, **options: Any
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` with text in and out, in a process that was forked."""
    pipes = {"stdin": subprocess.DEVNULL if input is None else subprocess.PIPE}
    pipes |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(list(command), text=True, **pipes, **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    assert not check or done.returncode == 0, err
    return done


def imported(name: str, *, commands: bool = False) -> None:
    """Have a library imported once, for all processes to come: one that takes long, and that few tests need.

    Args:
        commands: for those that import nlpkit, and not for the others.
    """
    (_commands if commands else _server).ask({"import": name})


# what other programs start: it hands its arguments, folder, environment and streams on
PYTHON = """#!{python} -SE
import json, os, socket, sys
end = socket.socket(socket.AF_UNIX)
end.connect({place!r})
request = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
socket.send_fds(end, [json.dumps(request).encode() + b"\\n"], [0, 1, 2])
sys.exit(int(end.recv(16) or 1))
"""


@contextlib.contextmanager
def python() -> Iterator[str]:
    """A program that make and launchers start in place of `python`.

    What it is given runs in a process of `Popen`, whose exit code it has; signals do not reach that process.
    """
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as end:
        program, place = Path(folder, "python"), str(Path(folder, "asked"))
        program.write_text(PYTHON.format(python=sys.executable, place=place))
        program.chmod(0o755)
        end.bind(place)
        end.listen()
        threading.Thread(target=_answer, args=(end,), daemon=True).start()
        yield str(program)
        end.shutdown(socket.SHUT_RDWR)


def with_workers(program: str, command: Sequence[Any]) -> list[str]:
    """`python -m nlpkit ...` whose own processes are such too.

    Args:
        program: what `python` gives.
        command: see `conftest.nlpkit_command`.
    """
    begun = f"sys.executable, sys.argv = {program!r}, {[str(part) for part in command[2:]]!r}"
    return [
        sys.executable,
        "-c",
        f"import runpy, sys; {begun}; runpy.run_module('nlpkit', run_name='__main__', alter_sys=True)",
    ]


def _answer(end: socket.socket) -> None:
    """Start a process for each that asks, until nobody can ask any more."""
    while True:
        try:
            asking, _ = end.accept()
        except OSError:
            return
        threading.Thread(target=_run_for, args=(asking,), daemon=True).start()


def _run_for(asking: socket.socket) -> None:
    with asking:
        message, streams = _line(asking)
        request = json.loads(message)
        given = dict(zip(("stdin", "stdout", "stderr"), streams, strict=True))
        process = Popen([sys.executable, *request["arguments"]], cwd=request["cwd"], env=request["env"], **given)
        for stream in streams:
            os.close(stream)
        while process.poll() is None:  # to wait would keep the server from those who ask meanwhile
            time.sleep(0.02)
        code = process.returncode
        asking.sendall(str(code if code >= 0 else 128 - code).encode())


def serve(libraries: socket.socket, commands: socket.socket, alive: socket.socket) -> None:
    """Fork a process for each that connects, until the other end of `alive` is closed; import nothing before.

    Args:
        libraries: where those connect that want processes with the libraries.
        commands: where those do that want the commands too, from a process that is forked for them.
    """
    if alive in select.select([libraries, commands, alive], [], [])[0]:
        return
    for name in LIBRARIES:
        importlib.import_module(name)
    os.fsync = unsynced
    if os.fork() == 0:
        libraries.close()
        _accept(commands, alive, _with_commands)
    else:
        commands.close()
        _accept(libraries, alive)


def _with_commands() -> None:
    importlib.import_module("nlpkit.cli.app")
    recipes = importlib.import_module("nlpkit.recipes")
    for found in pkgutil.iter_modules(recipes.__path__, "nlpkit.recipes."):
        importlib.import_module(found.name)
    importlib.import_module("nlpkit.runs.plots").draw_in_style = undrawn  # type: ignore[attr-defined]


def _accept(listener: socket.socket, alive: socket.socket, prepare: Callable[[], None] | None = None) -> None:
    """Fork a process that answers each who connects; what it is prepared with is done before the first."""
    while alive not in select.select([listener, alive], [], [])[0]:
        if prepare is not None:
            prepare()
            prepare = None
        gc.collect()
        gc.freeze()
        asked, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            alive.close()
            _answer_on(asked)
            os._exit(0)
        asked.close()


def _answer_on(asked: socket.socket) -> None:
    """Fork for each request, until the other end is closed."""
    while True:
        message, descriptors = _line(asked)
        if not message:
            return
        request = json.loads(message)
        answer: Any = True
        if "cores" in request:
            os.sched_setaffinity(0, request["cores"])
        elif "import" in request:
            importlib.import_module(request["import"])
        elif "wait" in request:
            answer = os.waitpid(request["wait"], request["flags"])
        else:
            answer = os.fork()
            if answer == 0:
                asked.close()
                _become(request, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        asked.sendall(json.dumps(answer).encode() + b"\n")


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Do in this process, which is new, what `python ARGUMENTS` would do, and end it."""
    if request["session"]:
        os.setsid()
    for own, descriptor in enumerate(descriptors):
        os.dup2(descriptor, own)
    os.closerange(3, max([3, *descriptors]) + 1)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, what, *arguments = request["arguments"]
    sys.argv = [kind, *arguments]
    sys.path[0] = request["cwd"]
    code: Any = 0
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(what, "<string>", "exec"), main.__dict__)
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    try:
        # as the interpreter does before it ends: threads, then what was registered, then the streams
        import atexit
        import threading

        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(int(code or 0))


if __name__ == "__main__":
    serve(*(socket.socket(fileno=int(number)) for number in sys.argv[1:]))
