"""Training: texts streamed into the trainer of the tokenizers library, some of them held out, Ctrl-C heard."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from nlpkit import reporting
from nlpkit.data.corpus import Corpus
from nlpkit.errors import Interrupted, RunError, UserError
from nlpkit.runs.folder import human_bytes

BATCH = 1_000  # texts handed to the library at once
JOINED_CHARACTERS = 4_000  # short lines handed over as one text of this size: a text has a fixed cost in the library
HELD_OUT_TEXTS = 10_000
HELD_OUT_CHARACTERS = 20_000_000  # bounds the memory where texts are long

Result = TypeVar("Result")


class HoldOut:
    """A random share of the texts, at most `HELD_OUT_TEXTS`, chosen in one pass (reservoir sampling, Vitter 1985).

    Args:
        share: of the texts, from 0 to 1.
        seed: of the choice.

    Attributes:
        texts: those held out.
    """

    def __init__(self, share: float, seed: int) -> None:
        self.share = share
        self.texts: list[str] = []
        self._rng = np.random.default_rng(seed)
        self._drawn = self._characters = 0

    def rest(self, texts: list[str]) -> list[str]:
        """Take some of the texts, and return those to train on (with those that made place for others)."""
        drawn = np.flatnonzero(self._rng.random(len(texts)) < self.share)
        if self.share and not self._drawn and not len(drawn) and len(texts) > 1:
            drawn = self._rng.integers(len(texts), size=1)  # a small corpus has its held-out text too
        if not len(drawn):
            return texts
        rest = list(texts)
        released = [self._keep(rest.pop(int(i))) for i in drawn[::-1]]
        return rest + [text for text in released if text is not None]

    def _keep(self, text: str) -> str | None:
        """Take one text; returns the one that is not, or no longer, held out."""
        self._drawn += 1
        if len(self.texts) < HELD_OUT_TEXTS and self._characters < HELD_OUT_CHARACTERS:
            self.texts.append(text)
            self._characters += len(text)
            return None
        place = int(self._rng.integers(self._drawn))
        if place >= len(self.texts):
            return text
        self.texts[place], text = text, self.texts[place]
        self._characters += len(self.texts[place]) - len(text)
        return text


class Reading:
    """One pass over a corpus, as the library wants it: an iterator over lists of texts.

    Args:
        corpus: what is read.
        held_out: what takes its share first.
        then: said when all is read, as the library tells nothing of the rest.
        joined: hand over several lines as one text; for pipelines to which a line end is a blank as any other.
        also: what else looks at the texts that are trained on.

    Attributes:
        count: texts read, those held out included.
        beginning: the first of the texts trained on.
    """

    def __init__(
        self,
        corpus: Corpus,
        held_out: HoldOut,
        then: str,
        *,
        joined: bool = False,
        also: Callable[[list[str]], None] | None = None,
    ) -> None:
        self.corpus, self.held_out, self.then, self.joined, self.also = corpus, held_out, then, joined, also
        self.count = 0
        self.beginning: list[str] = []
        self.stop = threading.Event()

    def __iter__(self) -> Iterator[list[str]]:
        reporter = reporting.current()
        with reporter.progress("read", self.corpus.size or 0, "bytes") as bar:
            for batch in self.corpus.batches(BATCH, bar=bar):
                if self.stop.is_set():
                    raise RunError("interrupted")
                self.count += len(batch.texts)
                texts = self.held_out.rest(batch.texts)
                self.beginning = self.beginning or texts
                if self.also is not None:
                    self.also(texts)
                yield _joined(texts) if self.joined else texts
        size = f" ({human_bytes(self.corpus.size)})" if self.corpus.size else ""
        reporter.note(f"{self.count:,} texts read{size}; {self.then}")


def _joined(texts: list[str]) -> list[str]:
    size = sum(map(len, texts)) / max(len(texts), 1)
    lines = max(round(JOINED_CHARACTERS / max(size, 1)), 1)
    return ["\n".join(texts[i : i + lines]) for i in range(0, len(texts), lines)]


def train(backend: Any, trainer: Any, reading: Reading) -> None:
    """Train a `tokenizers.Tokenizer` in place.

    Raises:
        UserError: the corpus cannot be read, or the vocabulary is too small for its characters.
    """
    try:
        interruptible(lambda: backend.train_from_iterator(iter(reading), trainer), reading.stop)
    except Exception as error:
        raise explained(error) from error


def explained(error: Exception) -> Exception:
    """What the library says, in the words of the options."""
    if "not large enough to contain all chars" in str(error):
        return UserError(
            "--vocab-size: the corpus has more characters than the vocabulary has places",
            "Give a larger one, or train a byte-bpe, which needs no more than 256.",
        )
    return error


def interruptible(work: Callable[[], Result], stop: threading.Event) -> Result:
    """Run `work` in a thread of its own: in the main one, Ctrl-C would wait until the library has finished.

    Args:
        work: what to run.
        stop: set on Ctrl-C, for `work` to end where it can see it; where it cannot, it ends with the process.

    Raises:
        KeyboardInterrupt, and whatever `work` raises.
    """
    results: list[Result] = []
    errors: list[BaseException] = []
    ended = threading.Event()  # Thread.join, once interrupted, takes a running thread for one that has ended

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    try:
        threading.Thread(target=run, daemon=True).start()
        while not ended.wait(0.1):
            pass
    except KeyboardInterrupt:
        stop.set()
        if not ended.wait(1.0):
            atexit.register(_leave_running, ended)
        raise
    if errors:
        raise errors[0]
    return results[0]


def _leave_running(ended: threading.Event) -> None:
    """End the process at once: Python's own way out aborts when the library comes back to it from another thread."""
    if not ended.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(Interrupted.exit_code)
