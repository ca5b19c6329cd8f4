"""From the address to the last answer: listen, open the models, answer, and drain after SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from nlpkit import interrupts, reporting
from nlpkit.errors import NlpkitError, UserError
from nlpkit.serving import logs, searched
from nlpkit.serving.contract import Served
from nlpkit.serving.options import ServiceOptions
from nlpkit.serving.searched import ServedIndex
from nlpkit.serving.served import ServedModel
from nlpkit.serving.service import KEY_VARIABLE, Service, is_loopback

INSTALL = "pip install 'nlpkit[serve]'"
KEEP_ALIVE_SECONDS = 75  # of a connection without a request: longer than proxies keep theirs
# The interpreter hands over between threads at most every 5 ms by default, which is longer than a request may take.
SWITCH_SECONDS = 0.0005
POLL_SECONDS = 0.02
LAST_SECONDS = 1  # for answers that are on their way when the time to drain is over


def require_packages() -> None:
    """Refuse to start without what serves.

    Raises:
        UserError: naming what is missing.
    """
    try:
        import fastapi  # noqa: F401
        import httptools  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UserError(f"a service needs {error.name}, which is not installed", INSTALL) from None


def require_models(names: Mapping[str, str], options: ServiceOptions) -> None:
    """Refuse models that cannot be opened, as far as their configs and records tell.

    Raises:
        UserError: see `registry.class_of_model`.
    """
    from nlpkit.models import opening
    from nlpkit.tasks import registry

    for run in names.values():
        if searched.is_index(run):
            continue
        opening.resolve(run, "RUN")
        registry.class_of_model(run, named=options.task, revision=options.model_revision)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens, so that an address that is taken is known before models are opened.

    Raises:
        UserError: the address is not free, or is none of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family)
        if sys.platform != "win32":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(2048)
    except OSError as error:
        taken = getattr(error, "errno", None) in (98, 48, 10048)
        hint = f"Another program listens there; --port {port + 1}, or 0 for a free one." if taken else "See --host."
        raise UserError(f"--host {host} --port {port}: {error.strerror or error}", hint) from None
    made.setblocking(False)
    return made


def serve(options: ServiceOptions, names: dict[str, str], began: Callable[[Service, str], bool]) -> Service:
    """Serve models until a signal ends it.

    Args:
        options: of the command.
        names: of each model, with its run.
        began: is given the address when the models answer, in a thread of its own; whether the service goes on.

    Raises:
        UserError: a model cannot be opened, or the address is taken.
    """
    require_packages()
    service = Service(options)
    sockets = [listening(options.host, options.port)]
    if not is_loopback(options.host) and not service.keys:
        reporting.current().warn(
            f"--host {options.host}: whoever reaches this machine may ask, as there is no key "
            f"({KEY_VARIABLE} or --api-key-file)"
        )
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with logs.of_the_server(service.log):
            _runner()(_until_the_end(service, sockets[0], names, began))
    finally:
        sys.setswitchinterval(before)
        sockets[0].close()
        service.close()
    return service


def _runner() -> Callable[[Any], Any]:
    """What runs the event loop: uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    run: Callable[[Any], Any] = uvloop.run
    return run


async def _until_the_end(
    service: Service, listener: socket.socket, names: dict[str, str], began: Callable[[Service, str], bool]
) -> None:
    import uvicorn

    from nlpkit.serving.app import application
    from nlpkit.serving.protocol import Server, guarding

    config = uvicorn.Config(
        application(service),
        http=guarding(service),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = Server(config)
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    heeded = interrupts.heeded() if threading.current_thread() is threading.main_thread() else []
    before = {number: signal.getsignal(number) for number in heeded}
    for number in heeded:
        loop.add_signal_handler(number, _end, service, ending)
    running = asyncio.create_task(server.serve([listener]))
    try:
        opened = await _opened(service, names, ending)
        for model in opened:
            service.add(model)
        # what is there by now stays: to look through it for garbage stops all answers for a tenth of a second and more
        gc.collect()
        gc.freeze()
        if opened and not await asyncio.to_thread(began, service, address_of(listener)):
            return
        await ending.wait()
        await _drain(service)
    finally:
        gc.unfreeze()
        config.timeout_graceful_shutdown = LAST_SECONDS  # of what is not answered by now nothing will be
        server.should_exit = True
        await running
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def _opened(service: Service, names: dict[str, str], ending: asyncio.Event) -> list[Served[Any, Any]]:
    """The models, each of which has answered its example; none where the service ends meanwhile.

    Raises:
        UserError: one cannot be opened.
    """

    def opened(name: str, run: str) -> Served[Any, Any]:
        model: Served[Any, Any] = (
            ServedIndex.open(name, run, service.options)
            if searched.is_index(run)
            else ServedModel.open(name, run, service.options, service.options.batch_tokens)
        )
        try:
            model.try_example()
        except NlpkitError:
            raise
        except Exception as error:
            raise UserError(f"{run} cannot answer its own example: {type(error).__name__}: {error}") from error
        return model

    made = []
    for name, run in names.items():
        task = asyncio.ensure_future(asyncio.to_thread(opened, name, run))
        stopping = asyncio.ensure_future(ending.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if ending.is_set() and not task.done():
            return []
        made.append(await task)
    return made


def _end(service: Service, ending: asyncio.Event) -> None:
    """Begin to drain; a second signal ends at once."""
    if ending.is_set():
        os._exit(interrupts.EXIT_CODE)
    service.draining = True
    ending.set()
    reporting.current().note("draining: what waits is answered, what comes is refused")


async def _drain(service: Service) -> None:
    """Wait until all that was taken is answered, or for `--drain-seconds`."""
    end = time.monotonic() + service.options.drain_seconds
    while not service.idle and time.monotonic() < end:
        await asyncio.sleep(POLL_SECONDS)


def address_of(listener: socket.socket) -> str:
    """The address of a listening socket, as a browser takes it."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
