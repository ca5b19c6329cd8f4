"""Vectors learned from running text: word2vec (Mikolov et al. 2013, https://arxiv.org/abs/1310.4546) and fastText
(Bojanowski et al. 2017, https://arxiv.org/abs/1607.04606), by the loops of gensim."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from nlpkit import reporting
from nlpkit.data import words as word_places
from nlpkit.data.corpus import Corpus
from nlpkit.errors import RunError, UserError
from nlpkit.reporting import Progress, counted
from nlpkit.runs.files import writing
from nlpkit.word_vectors.options import WordVectorOptions
from nlpkit.word_vectors.subwords import Subwords
from nlpkit.word_vectors.table import WordVectors

INSTALL = "pip install 'nlpkit[vectors]'"
LONGEST = 10_000  # words of a text; of a longer one gensim would leave out the rest, and says nothing
BATCH = 1_000  # texts that are read at a time
FINAL_RATE = 1e-4  # of learning, as the C tool of word2vec has it


def require_gensim() -> None:
    """Refuse to begin what cannot be done.

    Raises:
        UserError: gensim is not installed.
    """
    try:
        import gensim.models  # noqa: F401
    except ImportError as error:
        raise UserError(f"vectors of words are trained by gensim, which is not installed: {error}", INSTALL) from None


class Text:
    """The words of a corpus, cut once and kept in a file without a name, which goes with this process.

    Args:
        corpus: read once.
        lowercase: read it in lower case.

    Attributes:
        counts: how often each word stands there, in the order in which they first come.
        texts: that have a word.
        parted: texts of more than `LONGEST` words, which are learned from in parts.

    Raises:
        RunError: the disk for temporary files is full.
    """

    def __init__(self, corpus: Corpus, *, lowercase: bool) -> None:
        self.counts: dict[str, int] = {}
        self.texts = self.parts = self.parted = 0
        self._bar: Progress | None = None
        self._file: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115 (see close)
        with (
            writing(Path(tempfile.gettempdir()), lambda: "Free some space, or set TMPDIR to a folder on another disk."),
            reporting.current().progress("read", corpus.size or 0, "bytes") as bar,
        ):
            for batch in corpus.batches(BATCH, bar=bar):
                for text in batch.texts:
                    self._add(word_places.plain(text, lowercase=lowercase))
            self._file.flush()

    def _add(self, words: list[str]) -> None:
        for word in words:
            self.counts[word] = self.counts.get(word, 0) + 1
        self.texts += bool(words)
        self.parted += len(words) > LONGEST
        for start in range(0, len(words), LONGEST):
            self._file.write(" ".join(words[start : start + LONGEST]) + "\n")
            self.parts += 1

    @property
    def size(self) -> int:
        """How many words the text has."""
        return sum(self.counts.values())

    def __iter__(self) -> Iterator[list[str]]:
        self._file.seek(0)
        waiting = 0
        for line in self._file:
            words = line[:-1].split(" ")
            waiting += len(words)
            if self._bar is not None and waiting >= LONGEST:
                self._bar.advance(waiting)
                waiting = 0
            yield words
        if self._bar is not None:
            self._bar.advance(waiting)

    def passing(self, bar: Progress) -> Text:
        """The same text, of which each pass advances a bar by the words that are read."""
        self._bar = bar
        return self

    def close(self) -> None:
        """Delete the file."""
        self._file.close()


@dataclass(frozen=True)
class Vocabulary:
    """Which words get a vector.

    Attributes:
        words: how many.
        standing: how many words of the text are one of them.
        different: different words that the text has.
        text: words that it has.
    """

    words: int
    standing: int
    different: int
    text: int

    def described(self) -> str:
        """In a sentence."""
        return (
            f"{counted(self.words, 'word gets a vector', 'words get a vector')}, which make up "
            f"{100 * self.standing / self.text:.1f} % of the {self.text:,} words of the text; "
            f"{self.different - self.words:,} rarer ones get none (--min-count)"
        )


def vocabulary_of(text: Text, min_count: int) -> Vocabulary:
    """Which words are frequent enough.

    Raises:
        UserError: there are none, or there is one alone, which nothing can be told from.
    """
    kept = [count for count in text.counts.values() if count >= min_count]
    if len(kept) < 2:
        if not text.counts:
            raise UserError("there is no word in the text", "Check that it is text, and its --encoding.")
        word, most = max(text.counts.items(), key=lambda entry: entry[1])
        raise UserError(
            f"{counted(len(kept), 'word stands', 'words stand')} in the text {min_count:,} times (--min-count), "
            f"too few to learn from; the most frequent of {len(text.counts):,} is {word!r}, "
            f"{counted(most, 'time', 'times')}",
            "Give more text, or a lower --min-count.",
        )
    return Vocabulary(len(kept), sum(kept), len(text.counts), text.size)


def train(text: Text, options: WordVectorOptions) -> WordVectors:
    """Learn vectors; with one thread the same text, options and seed give the same numbers.

    They are those of `gensim.models.Word2Vec` (with subwords `FastText`) with the same words, settings and seed.

    Raises:
        RunError: they have grown beyond all numbers.
    """
    from gensim.models import FastText, Word2Vec

    settings: dict[str, Any] = {
        "vector_size": options.vector_size,
        "window": options.window,
        "min_count": options.min_count,
        "sg": int(options.architecture == "skip-gram"),
        "negative": options.negative,
        "sample": options.sample,
        "alpha": options.learning_rate,
        "min_alpha": FINAL_RATE,
        "epochs": options.epochs,
        "workers": options.threads,
        "seed": options.seed,
    }
    if options.subwords:
        pieces = {"min_n": options.shortest_piece, "max_n": options.longest_piece, "bucket": options.buckets}
        model: Any = FastText(**settings, **pieces)
    else:
        model = Word2Vec(**settings)
    model.build_vocab_from_freq(text.counts, corpus_count=text.parts)
    with reporting.current().progress("train", options.epochs * text.size, "words") as bar:
        model.train(text.passing(bar), total_examples=text.parts, epochs=options.epochs)
    if not np.isfinite(model.wv.vectors).all():
        raise RunError("the vectors have grown beyond all numbers", "Give a lower --learning-rate.")
    words = list(model.wv.index_to_key)
    counts = [int(model.wv.get_vecattr(word, "count")) for word in words]
    matrix = np.ascontiguousarray(model.wv.vectors, np.float32)
    return WordVectors(words, matrix, counts, _pieces(model.wv, options) if options.subwords else None)


def _pieces(vectors: Any, options: WordVectorOptions) -> Subwords:
    """The buckets that words of the vocabulary have a piece in."""
    learned = np.unique(np.concatenate(vectors.buckets_word)).astype(np.int64)
    table = np.ascontiguousarray(vectors.vectors_ngrams[learned], np.float32)
    return Subwords(options.shortest_piece, options.longest_piece, options.buckets, learned, table)
