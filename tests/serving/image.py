"""The commands of a Dockerfile of `nlpkit serve --dockerfile`, in an environment of their own: `make test-image`.

Where no Docker is at hand this is what can be told of an image. RUN and COPY are done in a scratch folder, ENV is all
that the service has of its environment, ENTRYPOINT and CMD start it, as user USER where this process may choose one,
HEALTHCHECK says when it is ready. It must answer a request, hold what README.md says, and end with exit code 0 after
SIGTERM. Where all models answer without torch, none must be there.

python image.py NLPKIT RUN
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

READY_SECONDS = 120
BASE_PATH = "/usr/local/bin:/usr/bin:/bin"


class Image:
    """A folder that stands for the root of an image's file system.

    Args:
        context: the folder of the Dockerfile.
        root: an empty folder.
    """

    def __init__(self, context: Path, root: Path) -> None:
        self.context, self.root = context, root
        self.environment = {"PATH": BASE_PATH, "LANG": "C.UTF-8"}
        self.user: int | None = None
        self.python = ""
        self.folder = root
        self.exec: dict[str, list[str]] = {}
        text = (context / "Dockerfile").read_text()
        if os.geteuid() == 0:
            self.user = int(re.search(r"^USER (\d+)", text, re.M)[1])
        self.python = self._python()
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                self._do(*line.split(None, 1))

    def _python(self) -> str:
        """A Python of this version that the image's user may run; else this one, which this process's user runs."""
        other = shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}", path=BASE_PATH)
        for program in filter(None, (sys.executable, other)):
            with contextlib.suppress(PermissionError):
                subprocess.run([program, "-c", ""], check=True, cwd="/", **self._as_user())
                return program
        print(f"user {self.user} may run no Python here: what follows is done as user {os.geteuid()}")
        self.user = None
        return sys.executable

    def _as_user(self) -> dict[str, Any]:
        return {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}

    def _do(self, instruction: str, arguments: str) -> None:
        match instruction:
            case "WORKDIR":
                self.folder = Path(self.inside(arguments))
                self.folder.mkdir(parents=True)
            case "COPY":
                if not arguments.startswith("--from"):  # both stages have one root here
                    source, target = arguments.split()
                    place = Path(self.inside(target)) if target.startswith("/") else self.folder / target
                    self._copy(self.context / source, place)
            case "RUN":
                if not arguments.startswith("useradd"):
                    command = self.inside(arguments).split()
                    # pip is that of this environment, whichever Python the packages are for
                    command[0] = self.python if command[1:3] == ["-m", "venv"] else sys.executable
                    subprocess.run(
                        [*command, *(["--quiet"] if "install" in command else [])], cwd=self.folder, check=True
                    )
            case "ENV":
                for name, value in re.findall(r"(\w+)=(\S+)", arguments):
                    self.environment[name] = self.inside(value).replace("$PATH", self.environment["PATH"])
            case "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                self.exec[instruction] = [self.inside(part) for part in json.loads(arguments[arguments.index("[") :])]
            case "FROM" | "ARG" | "USER" | "EXPOSE" | "STOPSIGNAL":
                pass
            case _:
                raise SystemExit(f"Dockerfile: what is {instruction}?")

    def inside(self, text: str) -> str:
        """A text with the image's folders in the scratch folder."""
        return re.sub("/(opt/nlpkit|models|packages)(?![a-z])", rf"{self.root}/\1", text)

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """A process in the image."""
        program = shutil.which(command[0], path=self.environment["PATH"])
        whole = [program or command[0], *command[1:]]
        return subprocess.Popen(whole, env=self.environment, cwd="/", **self._as_user())

    def run(self, *command: str) -> int:
        """The exit code of a command in the image."""
        return self.start(command).wait()


def main(nlpkit: str, run: str) -> int:
    """Do it; the exit code."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="nlpkit-image-") as scratch:
        Path(scratch).chmod(0o755)
        context = Path(scratch) / "context"
        asked = [nlpkit, "serve", f"model={run}", "--port", str(port), "--model-in-image", "--dockerfile", str(context)]
        subprocess.run(asked, check=True)
        root = Path(scratch) / "root"
        root.mkdir()
        image = Image(context, root)
        stated = float(re.findall(r"^\| together.*\| ([\d.]+) \|$", (context / "README.md").read_text(), re.M)[0])
        held = sum(
            file.stat().st_size
            for part in ("opt", "models")
            for file in (root / part).rglob("*")
            if file.is_file() and not file.is_symlink()
        )
        print(f"in the image: {held / 1e6:.1f} MB beside its base; README.md says {stated:.1f}")
        assert abs(held / 1e6 - stated) < 0.05 * stated, "README.md is wrong about the size"
        light = "torch==" not in (context / "requirements.txt").read_text()
        for name in ("torch", "transformers", "pip"):
            there = image.run("python", "-c", f"import importlib.util as of; exit(of.find_spec({name!r}) is None)") == 0
            assert there == (name != "pip" and not light), f"{name} is {'there' if there else 'not there'}"

        begun = time.perf_counter()
        service = image.start([*image.exec["ENTRYPOINT"], *image.exec["CMD"]])
        try:
            while image.run(*image.exec["HEALTHCHECK"]):
                assert service.poll() is None, "the service has ended"
                assert time.perf_counter() - begun < READY_SECONDS, "the service does not become ready"
            print(f"ready after {time.perf_counter() - begun:.1f} s")
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{port}/v1/models") as answer:
                (model,) = json.load(answer)["data"]
            body = json.dumps(model["form"]["example"]).encode()
            asked_for = urllib.request.Request(
                f"http://127.0.0.1:{port}/predict", body, {"Content-Type": "application/json"}
            )
            with opener.open(asked_for) as answer:
                print(answer.read().decode())
            service.send_signal(signal.SIGTERM)
            code = service.wait(60)
            print(f"exit code after SIGTERM: {code}")
            return code
        finally:
            service.kill()
            service.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
