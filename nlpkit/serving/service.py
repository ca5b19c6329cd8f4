"""The service: its models, and whether it takes requests."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nlpkit import interrupts
from nlpkit.errors import UserError
from nlpkit.nearby import nearest
from nlpkit.serving.batcher import RETRY_SECONDS, Batcher, Pending
from nlpkit.serving.contract import Asked, Served
from nlpkit.serving.logs import Log
from nlpkit.serving.metrics import Metrics
from nlpkit.serving.options import ServiceOptions
from nlpkit.serving.refusals import Refusal

KEY_VARIABLE = "NLPKIT_API_KEY"
CLOSING_SECONDS = 1.0  # for what a model computes when the time to drain is over: a batch, not a long text
INLINE = 4_000  # characters that are made into tokens where the request is read; of more another thread makes them
WATCH_SECONDS = 0.02  # after which it is looked whether the client is still there


class Service:
    """What is behind the routes.

    Args:
        options: of the command.

    Attributes:
        models: by name, when they are open.
        status: `starting`, `ready`, `draining` or `failing`.
    """

    def __init__(self, options: ServiceOptions) -> None:
        self.options = self.limits = options
        self.metrics, self.log = Metrics(), Log(texts=options.log_texts)
        self.keys = keys_of(options)
        # with a key, whoever asks has been told of it
        self.only_local = is_loopback(options.host) and not self.keys
        self.models: dict[str, Served[Any, Any]] = {}
        self.batchers: dict[str, Batcher] = {}
        self.draining = False
        self.open_requests = 0  # that were let in and are not answered
        self.created = int(time.time())
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tokens")
        self.metrics.ready.set_function(lambda: float(self.status == "ready"))

    def add(self, model: Served[Any, Any]) -> None:
        """Serve a model, in the event loop."""
        batcher = Batcher(model, cache=self.options.cache)
        batcher.seen = self.metrics.of_model(model.name, lambda: batcher.waiting_seconds)
        self.models[model.name], self.batchers[model.name] = model, batcher

    # --- whether it takes requests ---

    @property
    def status(self) -> str:
        """See the class."""
        if self.draining:
            return "draining"
        if not self.batchers:
            return "starting"
        return "failing" if any(batcher.failing for batcher in self.batchers.values()) else "ready"

    @property
    def reason(self) -> str:
        """Why it does not take requests."""
        if (status := self.status) == "failing":
            return next(batcher.failing for batcher in self.batchers.values() if batcher.failing)
        reasons = {"draining": "the service ends; another replica answers", "starting": "the models are being opened"}
        return reasons.get(status, "")

    @property
    def retry_after(self) -> float:
        """Seconds after which it is worth asking again."""
        return self.options.drain_seconds if self.draining else 1.0

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self.open_requests

    def require_room(self) -> None:
        """Refuse a request where all models have as much before them as may wait.

        Raises:
            Refusal: with the seconds until there is room.
        """
        waiting = min(batcher.waiting_seconds for batcher in self.batchers.values())
        if waiting > self.limits.max_queue_seconds:
            raise overloaded(waiting, self.limits.max_queue_seconds)

    def model(self, name: str | None, route: str | None = None) -> Served[Any, Any]:
        """What is served under a name; the only one that answers a route, where none is named.

        Args:
            route: that it must answer, see `Served.routes`; None: any.

        Raises:
            Refusal: there is none of that name, it does not answer the route, or there are several to choose from.
        """
        able = [model for model in self.models.values() if route is None or route in model.routes]
        if name is None:
            if not able:
                raise Refusal(
                    "wrong_task", f"nothing here answers {route}: {', '.join(map(_told, self.models.values()))}"
                )
            if len(able) > 1:
                raise Refusal("unknown_model", f"name one of the models: {', '.join(model.name for model in able)}")
            return able[0]
        if (model := self.models.get(name)) is None:
            near = nearest(name, self.models)
            meant = f"; did you mean {near}?" if near else ""
            raise Refusal(
                "unknown_model", f"there is no model {name[:100]!r} here, but {', '.join(self.models)}{meant}"
            )
        if model not in able:
            raise Refusal("wrong_task", f"{_told(model)} does not answer {route}, but {', '.join(model.routes)}")
        return model

    # --- answers ---

    async def begun(
        self, model: Served[Any, Any], inputs: Sequence[Any], options: Mapping[str, Any], writing: Any = None
    ) -> tuple[Pending, Asked]:
        """Put a request into the queue of a model.

        Returns:
            The request, and how the model is asked.

        Raises:
            Refusal: it is too large, wrong, or there is too much to do.
        """
        limits, batcher = self.limits, self.batchers[model.name]
        if batcher.failing:
            raise Refusal("failing", batcher.failing, retry_after=RETRY_SECONDS)
        if len(inputs) > limits.max_inputs:
            raise Refusal(
                "too_large",
                f"the request has {len(inputs):,} inputs, and may have {limits.max_inputs:,} (--max-inputs)",
            )
        variant = model.variant(options)
        keys, read = model.keys(variant, inputs)
        pending, places = batcher.ask(variant, keys, writing)
        missing = ([keys[i] for i in places], [read[i] for i in places])
        try:
            units = None
            if sum(len(key) for _, key in missing[0]) <= INLINE:
                units = model.prepared(variant, *missing, wait=False)
            if units is None:
                loop = asyncio.get_running_loop()
                units = await loop.run_in_executor(self._pool, model.prepared, variant, *missing) or []
            tokens = sum(unit.tokens for unit in units)
            if tokens > limits.max_input_tokens:
                raise Refusal(
                    "too_large",
                    f"the inputs have {tokens:,} tokens, and may have {limits.max_input_tokens:,} (--max-input-tokens)",
                )
            written = sum(unit.written for unit in units)
            if written > limits.max_written_tokens:
                message = f"{written:,} tokens may have to be written, over all texts and beams"
                raise Refusal(
                    "too_large", f"{message}; a request may have {limits.max_written_tokens:,} (--max-written-tokens)"
                )
            waiting = batcher.waiting_seconds
            if units and waiting > limits.max_queue_seconds:
                raise overloaded(waiting, limits.max_queue_seconds)
        except BaseException:
            pending.cancel()
            raise
        batcher.queue(pending, places, units)
        return pending, variant

    async def answered(self, pending: Pending, receive: Any) -> list[dict[str, Any]]:
        """The answers of a request, as long as its client is there.

        Args:
            receive: tells when the client goes away.

        Raises:
            Refusal: the client is gone, or the model could not answer.
        """
        if pending.future.done():
            return pending.future.result()
        watching: list[asyncio.Task[None]] = []

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            pending.cancel()
            if not pending.future.done():
                pending.future.set_exception(Refusal("gone", "the client went away"))

        timer = asyncio.get_running_loop().call_later(
            WATCH_SECONDS, lambda: watching.append(asyncio.ensure_future(watch()))
        )
        try:
            return await pending.future
        except asyncio.CancelledError:
            pending.cancel()
            raise
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()

    def counts(self) -> dict[str, int]:
        """How many requests were answered, and how many not."""
        made = {"answered": 0, "refused": 0}
        for sample in next(iter(self.metrics.requests.collect())).samples:
            if sample.name.endswith("_total") and sample.labels["route"] not in ("GET", "HEAD"):
                made["answered" if sample.labels["status"] < "400" else "refused"] += int(sample.value)
        return made

    def close(self) -> None:
        """End all threads."""
        ended = [batcher.close(CLOSING_SECONDS) for batcher in self.batchers.values()]
        if not all(ended):
            interrupts.abandon()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _told(model: Served[Any, Any]) -> str:
    return f"{model.name} ({model.kind})"


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone; a name that begins like one is anybody's."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def overloaded(waiting: float, most: float) -> Refusal:
    """There is too much to do."""
    message = f"{waiting:.2f} s of work wait, and {most:g} s may (--max-queue-seconds); ask again later"
    return Refusal("overloaded", message, retry_after=waiting - most)


def keys_of(options: ServiceOptions) -> list[bytes]:
    """The keys of which clients must send one; none: whoever reaches the service may ask.

    Raises:
        UserError: the file cannot be read, or holds none.
    """
    if options.api_key_file is None:
        given = os.environ.get(KEY_VARIABLE, "").strip()
        return [given.encode()] if given else []
    path = Path(options.api_key_file)
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--api-key-file {path} cannot be read: {error}") from None
    if not lines:
        raise UserError(f"--api-key-file {path} holds no key", "Write one key per line.")
    return [line.encode() for line in lines]


def dumped(value: Any) -> bytes:
    """JSON of an answer."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
