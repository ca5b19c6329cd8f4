"""The text of an experiment, as bytes: what is trained on, and what is held out.

Bytes need no tokenizer and no vocabulary of their own, and no text has one that a model has never seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from nlpkit import reporting
from nlpkit.data.corpus import FILE, Corpus, Verbatim
from nlpkit.errors import UserError
from nlpkit.options import CorpusOptions
from nlpkit.reporting import counted

BYTES = 256  # different ones
MOST = 50_000_000  # bytes that are read: more than any experiment here sees
HELD_OUT = 0.1  # share of the text, its end
JUDGED = 4096  # bytes of the held-out text that a loss is of: windows spread over it evenly
LEAST = 20_000  # bytes: a text that is shorter is known by heart after a few steps

Windows = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Text:
    """A text in two parts.

    Attributes:
        train, held_out: bytes, shape (length,), uint8.
        source: where it comes from, for records.
    """

    train: torch.Tensor
    held_out: torch.Tensor
    source: dict[str, Any]

    @classmethod
    def read(cls, options: CorpusOptions) -> Text:
        """The text of --data, line ends kept, of which the end is held out.

        Raises:
            UserError: it cannot be read, or is too short.
        """
        corpus = Corpus(options, verbatim=Verbatim(FILE))
        documents = itertools.chain.from_iterable(
            zip(batch.starts, batch.texts, strict=True) for batch in corpus.batches()
        )
        parts: list[bytes] = []
        size = 0
        for starts, text in documents:
            part = (f"\n{text}" if starts and parts else text).encode()
            parts.append(part)
            size += len(part)
            if size > MOST:
                reporting.current().note(f"{', '.join(corpus.specs)}: the first {MOST:,} bytes are used")
                break
        whole = b"".join(parts)[:MOST]
        if len(whole) < LEAST:
            raise UserError(
                f"{', '.join(corpus.specs)}: {counted(len(whole), 'byte', 'bytes')} of text are too few to compare "
                "models by",
                f"Give {LEAST:,} or more: --data FILE, which may be repeated.",
            )
        read = torch.frombuffer(bytearray(whole), dtype=torch.uint8)
        cut = int(len(read) * (1 - HELD_OUT))
        return cls(read[:cut], read[cut:], corpus.record())

    def batches(self, length: int, size: int, seed: int) -> Iterator[Windows]:
        """Windows of the training part at places that the seed draws, without end: the same ones for every model.

        Returns:
            Pairs of the bytes that are read and those that come next, each of shape (size, length).
        """
        drawn = torch.Generator().manual_seed(seed)
        while True:
            starts = torch.randint(len(self.train) - length, (size,), generator=drawn)
            yield _windows(self.train, starts, length)

    def judged(self, length: int) -> Windows:
        """Windows of the held-out part, evenly spread, `JUDGED` bytes in all: shape (windows, length), as `batches`."""
        count = max(min(JUDGED, len(self.held_out) - 1) // length, 1)
        starts = torch.linspace(0, len(self.held_out) - 1 - length, count).long()
        return _windows(self.held_out, starts, length)

    def unigram_loss(self, length: int) -> float:
        """Nats a byte of what `judged` gives, for a model that knows how often each byte occurs, and no more.

        Every byte is counted once more than it occurs, so that none is impossible (Laplace).
        """
        counts = torch.bincount(self.train.long(), minlength=BYTES).double() + 1
        _, coming = self.judged(length)
        return float(-(counts / counts.sum()).log()[coming].mean())


def _windows(text: torch.Tensor, starts: torch.Tensor, length: int) -> Windows:
    taken = text[starts[:, None] + torch.arange(length + 1)].long()
    return taken[:, :-1], taken[:, 1:]
