"""A Locust file with the same requests, which needs Locust and nothing of nlpkit to run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

from nlpkit import __version__
from nlpkit.errors import UserError
from nlpkit.loadtesting.target import KEY_VARIABLE, Target
from nlpkit.runs.files import require_writable, whole, writing

BODIES = ".jsonl"  # of the file beside it, with a request on each line

# no text of the user's stands in it but as a literal
_FILE = Template('''"""Load for a service, written by nlpkit $version.

    locust -f FILE.py --headless --users 100 --spawn-rate 100 --run-time 60s

The file of the same name that ends in $suffix has a request on each line: workers on other machines need both. Each
user sends a request a second, so --users is the rate. A user waits for its answer before it sends the next request; so
the time of each request counts from when it was due, and a user that is behind sends at once: what a stall holds up is
in the figures. The key of the service, if it wants one, is read from $variable.
"""

import itertools
import os
import random
import time
from pathlib import Path

from locust import FastHttpUser, task

BODIES = Path(__file__).with_suffix("$suffix").read_bytes().splitlines()
KEY = os.environ.get("$variable", "").strip()
HEADERS = {"Content-Type": "application/json", **({"Authorization": f"Bearer {KEY}"} if KEY else {})}
PERIOD = 1.0  # seconds from one request of a user to its next
OVERLOADED = (429, 503)


class Asking(FastHttpUser):
    """Sends a request a period, each counted from when it was due."""

    host = $origin

    def on_start(self):
        self.bodies = itertools.cycle(random.sample(BODIES, len(BODIES)))
        time.sleep(random.random() * PERIOD)  # users that start together do not ask together
        self.due = time.perf_counter()

    def wait_time(self):
        return max(self.due - time.perf_counter(), 0.0)

    @task
    def ask(self):
        late = max(time.perf_counter() - self.due, 0.0)
        self.due += PERIOD
        with self.client.post(
            $path, data=next(self.bodies), headers=HEADERS, catch_response=True, allow_redirects=False
        ) as response:
            response.request_meta["response_time"] += late * 1000
            status = response.status_code or 0
            if status in OVERLOADED:
                response.failure(f"refused ({status})")
            elif not 200 <= status < 300:
                response.failure(f"HTTP {status}" if status else f"no answer: {response.error}")
''')


def require(path: Path, *, overwrite: bool) -> None:
    """Refuse a place where the two files cannot be written.

    Raises:
        UserError: its name does not end in .py, one is there already, or the folder cannot be written to.
    """
    if path.suffix != ".py":
        raise UserError(f"--locust {path}: it is a file of Python", "End its name in .py.")
    for each in (path, path.with_suffix(BODIES)):
        try:
            require_writable(each, overwrite=overwrite)
        except UserError as error:
            raise UserError(error.message.replace("--output", "--locust"), error.hint) from None


def write(path: Path, target: Target, asked: str, bodies: Sequence[bytes], *, overwrite: bool) -> None:
    """Write the Locust file, and its requests beside it.

    Args:
        path: of the file.
        target: the service; its key is not written.
        asked: the path of the service.
        bodies: of the requests.
        overwrite: replace what is there.
    """
    code = _FILE.substitute(
        version=__version__,
        suffix=BODIES,
        variable=KEY_VARIABLE,
        origin=json.dumps(target.origin),
        path=json.dumps(asked),
    )
    with writing(path):
        with whole(path.with_suffix(BODIES), overwrite=overwrite) as partial:
            partial.write_bytes(b"".join(body + b"\n" for body in bodies))
        with whole(path, overwrite=overwrite) as partial:
            partial.write_text(code, encoding="utf-8")
