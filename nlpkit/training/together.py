"""Several processes that train one model: what they agree on, and that the failure of one ends all of them.

A process that fails leaves the others in an operation that takes all of them: gloo fails there once its process is
gone, NCCL waits. So a failure is noted in the store through which the processes found each other. A thread of each
looks there every second, and ends its process, which cannot be reached in any other way. The main process speaks.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from nlpkit import interrupts, process
from nlpkit.errors import Interrupted, NlpkitError, RunError, first_line
from nlpkit.runs import lock

LOOK = 1.0  # seconds between two looks
GRACE = 2.0  # seconds for one that hears of a failure to fail by itself: what is wrong for all, each says by itself
PATIENCE = 10.0  # seconds for which one that failed waits until the main process has spoken
CONNECTING = 2.0  # seconds to wait for the store
TRIES = 4  # to reach it again before it counts as gone
WRITING = 600.0  # seconds to wait for what is being written

EVERY = 1.0  # seconds between two agreements, as far as steps allow
MOST = 100  # steps between them: some are far longer than others

unbroken = threading.RLock()  # held while something is written that should not be cut
_runs = itertools.count()
_group: tuple[Any, Any] | None = None  # of all processes, on the CPU; and the one that it was made beside


class Agreement:
    """What several processes agree on about once a second, at the same step each.

    At which steps follows from how long they take, on which they agree as well. The numbers are reduced on the CPU: a
    GPU would first do all that is queued there.

    Attributes:
        leaving: whether this process was asked to end.
    """

    def __init__(self) -> None:
        self.leaving: Callable[[], bool] = interrupts.caught
        self._all_leave = False
        self.begin(0)

    def begin(self, step: int) -> None:
        """Start over: a step comes first that is asked about."""
        self._next, self._steps = step, 1
        self._last = step, time.monotonic()

    def at(self, step: int, mine: Sequence[float]) -> list[float] | None:
        """The largest that any process says of each number, after a step; None at those at which none is asked."""
        if process.world_size() == 1:
            return list(mine)
        if step < self._next:
            return None
        then, since = self._last
        now = time.monotonic()
        *agreed, leave, seconds = largest([*mine, self.leaving(), (now - since) / max(step - then, 1)])
        self._all_leave = bool(leave)
        self._last = step, now
        self._steps = max(min(int(EVERY / max(seconds, 1e-6)), 2 * self._steps, MOST), 1)
        self._next = step + self._steps
        return agreed

    def to_leave(self) -> bool:
        """Whether the run is to end, as far as all know that by now."""
        return self.leaving() if process.world_size() == 1 else self._all_leave


def largest(mine: Sequence[float]) -> list[float]:
    """The largest that any process says of each number; every one has to be asked. Alone, one's own."""
    if process.world_size() == 1:
        return list(mine)
    import torch
    import torch.distributed as dist

    numbers = torch.tensor(list(mine), dtype=torch.float64)
    dist.all_reduce(numbers, op=dist.ReduceOp.MAX, group=_on_the_cpu())
    return [float(number) for number in numbers.tolist()]


def average_gradients(model: Any) -> None:
    """Give each process the mean of the gradients of all, where nothing else does."""
    import torch
    import torch.distributed as dist

    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(together)
    together /= process.world_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(together[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def leave_behind_the_main_process() -> None:
    """Wait until all are here, which all are about to leave, and then for the main one: a launcher ends all processes
    when one has ended, the main one while it saves or speaks."""
    if process.world_size() == 1:
        return
    largest([0.0])
    if not process.is_main_process():
        time.sleep(LOOK)


def _on_the_cpu() -> Any:
    """All processes, in a group that needs no GPU.

    Raises:
        RunError: they do not reach each other over the network in this way.
    """
    global _group
    import torch.distributed as dist

    world = dist.group.WORLD
    if dist.get_backend() == "gloo":
        return world
    if _group is None or _group[1] is not world:
        try:
            _group = dist.new_group(backend="gloo"), world
        except RuntimeError as error:
            raise RunError(
                f"the processes do not reach each other over gloo: {first_line(error)}",
                "Name the network between the machines: GLOO_SOCKET_IFNAME=eth0, or what it is called there.",
            ) from error
    return _group[0]


@contextmanager
def ending_together() -> Iterator[None]:
    """End all processes when the block fails in one of them; each enters it.

    Raises:
        RunError: another process failed first; in the main one it says which, and why.
    """
    if process.world_size() == 1:
        yield
        return
    watch = _Watch(next(_runs))
    try:
        yield
    except (Interrupted, KeyboardInterrupt):  # comes to all of them, or is agreed on
        raise
    except Exception as error:
        if (cause := watch.told(error)) is not None:
            raise cause from error
        raise
    finally:
        watch.leave()


class _Watch:
    """Looks whether another process has failed, until this one leaves.

    Args:
        run: its number in this process, as in the others: a failure of the last one is none of this.
    """

    def __init__(self, run: int) -> None:
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # torchrun keeps the store when it starts again
        self._failure, self._heard, self._said = (f"nlpkit/{attempt}/{run}/{n}" for n in ("failure", "heard", "said"))
        self._store: Any = None
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True, name="nlpkit-together")
        self._thread.start()

    def leave(self) -> None:
        """Look no more."""
        self._left.set()
        self._thread.join()

    # --- in the thread ---

    def _look(self) -> None:
        in_vain = 0
        while in_vain < TRIES:
            if self._left.wait(LOOK):
                return
            try:
                # two threads that import torch at once meet modules of it that are half there
                if "torch" not in sys.modules or interrupts.importing_torch() or not self._connected():
                    in_vain += in_vain > 0  # before there is one, there is none to miss
                    continue
                in_vain = 0
                if self._store.check([self._failure]):
                    self._store.add(self._heard, 1)
                    self._end(_of_another(self._noted(self._store.get(self._failure))))
                    return
            except RuntimeError:
                self._store, in_vain = None, 1
        self._end(RunError("the process through which this one found the others has ended"))

    def _end(self, error: RunError) -> None:
        if self._left.wait(GRACE):
            return
        unbroken.acquire(timeout=WRITING)
        if self._left.is_set():
            return
        if process.is_main_process():
            process.speak_last(error)
            with contextlib.suppress(RuntimeError, AttributeError):
                self._store.set(self._said, "")
        else:
            self._wait_for_the_main_process()
        lock.give_all_back()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(RunError.exit_code)

    # --- in the process that fails ---

    def told(self, error: Exception) -> NlpkitError | None:
        """Tell the others of a failure; None where it is the first, or the same as the first."""
        self.leave()
        mine = {"rank": process.rank(), "host": platform.node(), **_described(error)}
        try:
            # the store of another kind of start than torchrun's is in the main process, from its first steps on
            if not self._connected(0.0 if process.is_main_process() else PATIENCE):
                return None
            first = self._noted(self._store.compare_set(self._failure, "", json.dumps(mine)))
            if first == mine and _of_one_that_is_gone(error) and process.is_main_process():
                self._store.set(self._said, "")
                return RunError(  # at once: the launcher ends this process as well
                    "a process that trained with this one is gone: it was killed, or cannot be reached any more",
                    "The launcher (torchrun) says which; often the machine is out of memory. --resume goes on from "
                    "the last checkpoint.",
                )
            if first["rank"] != mine["rank"]:
                self._store.add(self._heard, 1)
            if not process.is_main_process():
                self._wait_for_the_main_process()
            else:
                if first == mine:
                    self._wait_until_heard()
                self._store.set(self._said, "")  # as good as: it is raised now
        except RuntimeError:  # it went with the main process, which has spoken
            return None
        return None if first["message"] == mine["message"] else _of_another(first)

    def _wait_until_heard(self) -> None:
        until = time.monotonic() + LOOK + CONNECTING
        while self._store.add(self._heard, 0) < process.world_size() - 1 and time.monotonic() < until:
            time.sleep(0.05)

    def _wait_for_the_main_process(self) -> None:
        """A launcher ends all processes when one has ended: let the main one speak before."""
        until = time.monotonic() + PATIENCE
        with contextlib.suppress(RuntimeError, AttributeError):
            while not self._store.check([self._said]) and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(LOOK)

    # --- the store ---

    def _connected(self, patience: float = 0.0) -> bool:
        """Whether there is a store; where it is not yet, it may be later."""
        until = time.monotonic() + patience
        while self._store is None:
            try:
                self._store = _store()
            except (OSError, RuntimeError):
                if time.monotonic() >= until:
                    return False
                time.sleep(0.1)
        return True

    @staticmethod
    def _noted(text: bytes) -> dict[str, Any]:
        noted: dict[str, Any] = json.loads(text)
        return noted


def _store() -> Any:
    """A connection of its own to the store of `torch.distributed`: that of the process group waits within.

    Raises:
        OSError, RuntimeError: there is none.
    """
    host, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500"))
    socket.create_connection((host, port), timeout=CONNECTING).close()  # torch would try for longer, and say so
    from torch.distributed import TCPStore

    return TCPStore(host, port, is_master=False, wait_for_workers=False, timeout=timedelta(minutes=5))


def _described(error: Exception) -> dict[str, Any]:
    if isinstance(error, NlpkitError):
        return {"message": error.message, "hint": error.hint}
    return {"message": f"{type(error).__name__}: {first_line(error)}", "hint": None}


def _of_one_that_is_gone(error: Exception) -> bool:
    """Whether gloo has lost the connection to another process, which has said nothing."""
    return "gloo" in str(error) and " by peer" in str(error)


def _of_another(noted: dict[str, Any]) -> RunError:
    where = "" if noted["host"] == platform.node() else f" on {noted['host']}"
    return RunError(f"rank {noted['rank']} of {process.world_size()}{where} failed: {noted['message']}", noted["hint"])
