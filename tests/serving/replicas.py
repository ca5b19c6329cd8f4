"""Two replicas behind nginx on loopback, each ended and begun anew under load: `make test-replicas`.

nginx has the file that `nlpkit serve --dockerfile` writes, with addresses of this machine in the place of those of
containers. Clients ask all the time over connections that stay open; SIGTERM goes to one replica, and to the other when
the first is back. No request may fail. What nginx answers by itself is asked for too.

python replicas.py NLPKIT RUN
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

CLIENTS = 6
SECONDS = 1.5  # of load before, between and after


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower case) and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", "X-Request-Id": "of-a-client"})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def wait_until_ready(port: int) -> None:
    """Wait for a replica or for nginx."""
    for _ in range(1_200):
        with contextlib.suppress(OSError):
            if ask(port, "GET", "/health/ready")[0] == 200:
                return
        time.sleep(0.05)
    raise SystemExit(f"port {port}: not ready")


class Load:
    """Clients that ask all the time, until the block ends.

    Attributes:
        statuses: how often each came back; an exception by its name.
    """

    def __init__(self, port: int) -> None:
        self.port, self.statuses, self._over = port, Counter[str](), threading.Event()
        self._clients = [threading.Thread(target=self._client) for _ in range(CLIENTS)]

    def _client(self) -> None:
        connection, count = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30), 0
        while not self._over.is_set():
            count += 1
            body = json.dumps({"input": f"a text of {threading.get_ident()}, number {count}"})
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                self.statuses[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.statuses[type(error).__name__] += 1
                connection.close()

    def __enter__(self) -> Load:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        for client in self._clients:
            client.join()


@contextlib.contextmanager
def nginx(conf: str, folder: Path) -> Iterator[None]:
    """nginx with a configuration."""
    (folder / "nginx.conf").write_text(conf)
    program = subprocess.Popen(
        ["nginx", "-e", str(folder / "log"), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    )
    try:
        yield
    finally:
        program.terminate()
        program.wait()


def here(conf: str, servers: list[int], listen: int, folder: Path) -> str:
    """nginx.conf for processes of this machine: what names containers, and Docker's own resolver, is replaced."""
    conf = re.sub(r" +server replica.*\n", "", conf)
    addresses = "".join(f"        server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;\n" for port in servers)
    conf = conf.replace("        least_conn;\n", f"        least_conn;\n{addresses}")
    conf = re.sub(r" +resolver .*\n", "", conf)
    conf = re.sub(r"listen \d+;", f"listen 127.0.0.1:{listen};", conf)
    return (
        conf.replace("/tmp/", f"{folder}/")
        .replace("/dev/stdout", f"{folder}/access")
        .replace("/dev/stderr", f"{folder}/log")
    )


def main(nlpkit: str, run: str) -> int:
    """Do it; the exit code."""
    if shutil.which("nginx") is None:
        print("not tried: there is no nginx here")
        return 0
    ports = [free_port(), free_port()]

    scratch = tempfile.TemporaryDirectory(prefix="nlpkit-nginx-")
    folder = Path(scratch.name)

    def replica(port: int) -> subprocess.Popen[bytes]:
        asked = [nlpkit, "serve", f"model={run}", "--port", str(port), "--threads", "1", "--quiet"]
        with (folder / f"{port}.log").open("a") as log:
            return subprocess.Popen(asked, stdout=log, stderr=log)

    with scratch:
        subprocess.run([nlpkit, "serve", f"model={run}", "--dockerfile", str(folder / "image"), "--quiet"], check=True)
        front = free_port()
        replicas = {port: replica(port) for port in ports}
        try:
            with nginx(here((folder / "image" / "nginx.conf").read_text(), ports, front, folder), folder):
                for port in (*ports, front):
                    wait_until_ready(port)
                with Load(front) as load:
                    time.sleep(SECONDS)
                    for port in ports:
                        replicas[port].send_signal(signal.SIGTERM)
                        assert (code := replicas[port].wait(60)) == 0, f"exit code {code} after SIGTERM"
                        time.sleep(SECONDS)
                        replicas[port] = replica(port)
                        wait_until_ready(port)
                        time.sleep(SECONDS)
                print(f"answers while each replica was ended and begun anew: {dict(load.statuses)}")
                assert set(load.statuses) == {"200"}, "a request failed"

                status, headers, _ = ask(front, "GET", "/v1/models")
                assert (status, headers["x-request-id"]) == (200, "of-a-client")
                status, _, body = ask(front, "POST", "/predict", b" " * 3_000_000)
                assert (status, json.loads(body)["error"]["type"]) == (413, "too_large")
                assert ask(front, "GET", "/metrics")[0] == 404
                for each in replicas.values():
                    each.send_signal(signal.SIGTERM)
                    each.wait(60)
                status, headers, body = ask(front, "POST", "/predict", b"{}")
                assert (status, headers["retry-after"]) == (503, "1")
                assert json.loads(body)["error"] == {
                    "message": "no replica answers", "type": "failing", "request_id": "of-a-client"
                }  # fmt: skip
                print("without replicas: 503, in the form of the service")
            return 0
        finally:
            for each in replicas.values():
                each.kill()
                each.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
