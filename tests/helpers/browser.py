"""A headless Chromium in which tests look at pages, over its DevTools protocol on a pair of pipes.

Nothing is needed beside the browser: neither a driver nor a library for websockets.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
]
WAIT = 120.0  # seconds after which what is waited for does not come, also where many others work


def found() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab at a time, in a browser of its own.

    Attributes:
        complaints: what the page wrote to the console as an error, exceptions and refused loads included.
        requested: the address of every request that it made.
    """

    def __init__(self, folder: Path) -> None:
        ours_read, theirs_write = os.pipe()
        theirs_read, ours_write = os.pipe()
        # the protocol speaks on the descriptors 3 and 4
        command = ["bash", "-c", f'exec "$@" 3<&{theirs_read} 4>&{theirs_write}', "_"]
        command += [str(found()), *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        kept = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "pass_fds": (theirs_read, theirs_write)}
        self._process = subprocess.Popen(command, **kept)  # type: ignore[call-overload]
        os.close(theirs_read)
        os.close(theirs_write)
        self._read, self._write = ours_read, ours_write
        self._waiting, self._number, self._tab, self._session = b"", 0, "", ""
        self._loaded = False
        self.complaints: list[str] = []
        self.requested: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something of its protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._hear(answer)

    def _message(self) -> dict[str, Any]:
        until = time.monotonic() + WAIT
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._read], [], [], max(until - time.monotonic(), 0))
            if not ready or not (some := os.read(self._read, 2**20)):
                raise TimeoutError("the browser says nothing")
            self._waiting += some
        message, _, self._waiting = self._waiting.partition(b"\0")
        return dict(json.loads(message))

    def _hear(self, event: dict[str, Any]) -> None:
        """Note what goes wrong in the page, and what it asks for."""
        if event.get("sessionId") != self._session:  # of a tab before
            return
        method, told = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requested.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
            self.complaints.append(" ".join(str(part.get("value")) for part in told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript in the page, awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"].get("exception", {}).get("description"))
        return answer["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + WAIT
        while not self.run(f"Boolean({script})"):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {script}\n{self.text('body')}\n{self.complaints}")
            time.sleep(0.02)

    def open(self, address: str) -> None:
        """Load a page in a new tab, which knows nothing of the one before."""
        before, self._session = self._tab, ""
        self._tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        if before:
            self.call("Target.closeTarget", targetId=before)
        self._session = self.call("Target.attachToTarget", targetId=self._tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.complaints.clear()
        self.requested.clear()
        self._loaded = False
        self.call("Page.navigate", url=address)
        while not self._loaded:
            self._hear(self._message())

    def text(self, selector: str) -> str:
        """What is to be read in an element."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def press(self, key: str, *, control: bool = False) -> None:
        """Press a key where the focus is."""
        code = {"Enter": 13, "Tab": 9}.get(key, 0)
        told = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 2 if control else 0}
        self.call("Input.dispatchKeyEvent", type="rawKeyDown", **told)
        self.call("Input.dispatchKeyEvent", type="keyUp", **told)

    def type(self, selector: str, text: str) -> None:
        """Replace what stands in a field by a text, as a keyboard would."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        self.call("Input.insertText", text=text)

    def resize(self, width: int, height: int = 800) -> None:
        """Give the page another size, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def look(self, file: Path, *, width: int = 1000, height: int = 800, dark: bool = False) -> None:
        """Write a picture of the whole page."""
        theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=theme)
        self.resize(width, height)
        self.resize(width, max(height, int(self.run("document.documentElement.scrollHeight"))))
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        self.call("Emulation.clearDeviceMetricsOverride")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the browser."""
        with contextlib.suppress(Exception):
            self._session = ""
            self.call("Browser.close")
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)
