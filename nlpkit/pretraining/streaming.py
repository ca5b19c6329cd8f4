"""Corpora larger than memory or disk: read, tokenized and shuffled a window at a time, resumable at the exact row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.utils.data import IterableDataset

from nlpkit.data.batching import LengthBatchSampler
from nlpkit.errors import UserError
from nlpkit.pretraining.rows import TokenRow, TokenRows
from nlpkit.pretraining.streams import Encoder, HeldOut, TokenStream, belongs, in_memory

if TYPE_CHECKING:
    from nlpkit.data.corpus import Corpus

WINDOW_TOKENS = 1_000_000  # rows are shuffled within this many tokens


@dataclass(frozen=True)
class Position:
    """Where a window of the stream starts.

    Attributes:
        epoch: passes over the corpus before it.
        text: number of its first text in the corpus.
        row: rows that came before it, over all passes.
    """

    epoch: int = 0
    text: int = 0
    row: int = 0


class StreamedRows(IterableDataset):
    """Rows of a corpus without end: after the last text it begins again, in another order.

    The order is a function of seed, pass and window, so a row's number is all that a checkpoint needs: resuming skips
    to the window, which costs reading but no tokenizing. Each window gives whole batches; its last rows that fill none
    are left out.

    Args:
        corpus: the texts.
        encoder: texts to token ids.
        held_out: texts that belong to validation.
        cut: makes rows of a token stream, their numbers beginning at `first`.
        batch: rows of one optimizer step, over all processes.
        seed: of the order.
        grouped: batches of rows of like length.
        window: tokens within which rows are shuffled.
    """

    def __init__(
        self,
        corpus: Corpus,
        encoder: Encoder,
        held_out: HeldOut | None,
        cut: Callable[[TokenStream, int], TokenRows],
        *,
        batch: int,
        seed: int,
        grouped: bool,
        window: int = WINDOW_TOKENS,
    ) -> None:
        self.corpus, self.encoder, self.cut = corpus, encoder, cut
        self.keep = belongs("train", held_out)
        self.batch, self.seed, self.grouped, self.window = batch, seed, grouped, window
        self.start, self.skip = Position(), 0
        self._windows: list[Position] = []

    def resume(self, position: Position, consumed: int) -> None:
        """Go on behind the first `consumed` rows, of which `position` is the last known window."""
        self.start, self.skip = position, consumed - position.row

    def position_of(self, consumed: int) -> Position:
        """The window in which the row after the first `consumed` ones stands, or the last one known before it."""
        known = [position for position in self._windows if position.row <= consumed]
        self._windows = [*known[-1:], *(position for position in self._windows if position.row > consumed)]
        return known[-1] if known else self.start

    def __iter__(self) -> Iterator[TokenRow]:
        position, skip = self.start, self.skip
        while True:
            row = position.row
            for window, rows, order in self._pass(position):
                self._windows.append(window)
                for index in order[skip:]:
                    yield rows[int(index)]
                skip = max(skip - len(order), 0)
                row = window.row + len(order)
            if row == position.row:
                raise UserError("the corpus gives no row to train on", "Give more text, or a shorter --max-length.")
            position = Position(position.epoch + 1, 0, row)

    def _pass(self, position: Position) -> Iterator[tuple[Position, TokenRows, Any]]:
        """The windows from a position to the end of the corpus, each with its rows and their order."""
        batches = iter(self.corpus.batches(start=position.text))
        while True:
            stream, following = in_memory(batches, self.encoder, keep=self.keep, limit=self.window)
            if following == 0:
                return
            rows = self.cut(stream, position.text)  # the same numbers in each pass: static masking stays static
            rows.set_epoch(position.epoch)
            sampler = LengthBatchSampler(rows.lengths, self.batch, seed=self.seed, grouped=self.grouped)
            order = sampler.order(position.row + position.epoch)
            whole = len(order) // self.batch * self.batch
            order = order[: whole or len(order)]
            yield position, rows, order
            position = Position(position.epoch, following, position.row + len(order))
