"""A text on its way from the model's thread, where it is written, to the client, who sees it grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from nlpkit.generation.wanted import Unwanted
from nlpkit.serving.batcher import Pending


class Stream:
    """What `Task.watched` shows a text with.

    Args:
        loop: of the client's side.

    Attributes:
        text: what was written so far.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.text = ""
        self._loop = loop
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._pending: Pending | None = None
        self._left = False

    # --- in the thread of the model ---

    def begin(self, prompt: str, *, shaded: bool) -> None:
        """The client knows the prompt."""

    def add(self, piece: str, probability: float) -> None:
        """Send what comes next.

        Raises:
            Unwanted: nobody waits for it, so that no more of it need be written.
        """
        if self._left:
            raise Unwanted
        self.text += piece
        self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    # --- in the event loop ---

    def follow(self, pending: Pending) -> None:
        """End with the answer of this request."""
        self._pending = pending
        pending.future.add_done_callback(lambda _: self._pieces.put_nowait(None))

    async def pieces(self) -> AsyncIterator[str]:
        """The pieces as they come, until the text is whole.

        Raises:
            Refusal: the model could not go on.
        """
        while (piece := await self._pieces.get()) is not None:
            if piece:
                yield piece
        if self._pending is not None:
            self._pending.future.result()

    def leave(self) -> None:
        """The client has gone, or has it all."""
        self._left = True
        if self._pending is not None:
            self._pending.cancel()
