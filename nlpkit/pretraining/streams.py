"""Texts as one long row of token ids, in memory or memory-mapped, and the part of them that is held out."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.data import cache, sentences

if TYPE_CHECKING:
    from nlpkit.data.corpus import Batch, Corpus

_TEXTS_AT_ONCE = 2**16


@dataclass(frozen=True)
class TokenStream:
    """Token ids of a sequence of texts, without special tokens but for a separator at the end of each document.

    Attributes:
        tokens: ids, shape (n,), uint16 or int32, possibly memory-mapped.
        texts: where each text starts, and n at the end; int64, shape (texts + 1,).
        documents: index into `texts` of each document's first text; int64, shape (documents,).
    """

    tokens: np.ndarray
    texts: np.ndarray
    documents: np.ndarray

    def document_starts(self) -> np.ndarray:
        """Token index at which each document starts."""
        return self.texts[self.documents]


@dataclass(frozen=True)
class HeldOut:
    """Which texts of a corpus are kept for validation: every `stride`-th run of `run` consecutive ones.

    A rule instead of a draw: it needs neither the size of the corpus nor a second pass, so it serves streams too.
    """

    stride: int
    run: int = 1
    offset: int = 0

    @classmethod
    def share(cls, share: float, *, run: int, seed: int) -> HeldOut:
        """About this share of the texts."""
        stride = max(round(1 / share), 2)
        return cls(stride, run, seed % stride)

    def __contains__(self, text: int) -> bool:
        return (text // self.run) % self.stride == self.offset


def parts(held_out: HeldOut | None) -> list[str]:
    """The parts of a corpus, `train` first."""
    return ["train", "validation"] if held_out else ["train"]


def belongs(part: str, held_out: HeldOut | None) -> Callable[[int], bool]:
    """Says of a text's number in the corpus whether it belongs to a part; all do where nothing is held out."""
    if held_out is None:
        return lambda text: True
    return lambda text: (text in held_out) == (part == "validation")


@dataclass
class Encoder:
    """Turns batches of texts into token ids, with the tokenizers library's threads.

    Args:
        tokenizer: of transformers.
        sentences: split texts into sentences first; each becomes a text of its own.
        joined: the texts of a document will follow one another in a row, so a blank stands before all but the first;
            byte-level tokenizers would join the last word of a line with the first of the next one without it.
        separator: id of the token that ends each document; None: that which parts two texts (BERT's [SEP]).
    """

    tokenizer: Any
    sentences: bool = False
    joined: bool = True
    separator: int | None = None
    _backend: Any = field(init=False)

    def __post_init__(self) -> None:
        from tokenizers import Tokenizer

        if self.separator is None:
            self.separator = self.tokenizer.sep_token_id
        # a copy: saved tokenizers may truncate and pad, which must stay as it is in theirs
        self._backend = Tokenizer.from_str(self.tokenizer.backend_tokenizer.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        # WordPiece and SentencePiece see no blank there: no need for texts of their own in the cache
        self.joined &= self._backend.encode(" a").ids != self._backend.encode("a").ids

    @property
    def dtype(self) -> Any:
        """The smallest integer type that holds every id."""
        return np.uint16 if len(self.tokenizer) < 2**16 else np.int32

    def ids(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text; empty where it gives no token."""
        encoded = self._backend.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, dtype=self.dtype) for encoding in encoded]

    def encode(self, texts: list[str], starts: list[bool]) -> tuple[list[np.ndarray], list[bool]]:
        """Ids of each text, and whether it starts a document; texts that give no token are left out."""
        if self.sentences:
            pieces = [sentences.split(text) for text in texts]
            starts = [start and i == 0 for parts, start in zip(pieces, starts, strict=True) for i in range(len(parts))]
            texts = [part for parts in pieces for part in parts]
        if self.joined:
            texts = [text if start else f" {text}" for text, start in zip(texts, starts, strict=True)]
        rows, kept, pending = [], [], False
        for ids, start in zip(self.ids(texts), starts, strict=True):
            pending |= start
            if len(ids):
                rows.append(ids)
                kept.append(pending)
                pending = False
        return rows, kept


class _Builder:
    """Collects texts into a stream; a separator closes each document."""

    def __init__(self, separator: int | None, dtype: Any) -> None:
        self.separator = np.array([separator], dtype=dtype)
        self.parts: list[np.ndarray] = []
        self.lengths: list[int] = []
        self.documents: list[int] = []
        self.tokens = 0

    def add(self, rows: Iterable[np.ndarray], starts: Iterable[bool]) -> None:
        for row, start in zip(rows, starts, strict=True):
            if start or not self.lengths:
                self.close()
                self.documents.append(len(self.lengths))
            self.parts.append(row)
            self.lengths.append(len(row))
            self.tokens += len(row)

    def close(self) -> None:
        """End the last document."""
        if self.lengths:
            self.parts.append(self.separator)
            self.lengths[-1] += 1
            self.tokens += 1

    def taken(self) -> np.ndarray:
        """The tokens collected since the last call."""
        out = np.concatenate(self.parts) if self.parts else np.empty(0, self.separator.dtype)
        self.parts = []
        return out

    def index(self) -> tuple[np.ndarray, np.ndarray]:
        texts = np.zeros(len(self.lengths) + 1, dtype=np.int64)
        np.cumsum(self.lengths, out=texts[1:])
        return texts, np.asarray(self.documents, dtype=np.int64)

    def stream(self) -> TokenStream:
        self.close()
        return TokenStream(self.taken(), *self.index())


def in_memory(
    batches: Iterable[Batch], encoder: Encoder, *, keep: Callable[[int], bool], limit: int
) -> tuple[TokenStream, int]:
    """Encode until `limit` tokens are there.

    Args:
        keep: says of a text's number in the corpus whether it belongs here.

    Returns:
        The stream, and the number of the first text that was not looked at.
    """
    builder = _Builder(encoder.separator, encoder.dtype)
    following, kept = 0, _Filter(keep)
    for batch in batches:
        texts, starts = kept(batch)
        if texts:
            builder.add(*encoder.encode(texts, starts))
        following = batch.first + len(batch.texts)
        if builder.tokens >= limit:
            break
    return builder.stream(), following


class _Filter:
    """The texts of a corpus that belong; a document whose first texts are left out starts with the next one.

    Args:
        keep: says of a text's number in the corpus whether it belongs.
    """

    def __init__(self, keep: Callable[[int], bool]) -> None:
        self.keep = keep
        self.pending = False

    def __call__(self, batch: Batch) -> tuple[list[str], list[bool]]:
        texts, starts = [], []
        for number, (text, start) in enumerate(zip(batch.texts, batch.starts, strict=True), start=batch.first):
            self.pending |= start
            if self.keep(number):
                texts.append(text)
                starts.append(self.pending)
                self.pending = False
        return texts, starts


def unseen(held_out: TokenStream, train: TokenStream) -> tuple[TokenStream, int]:
    """What is held out without the texts that also stand in train, which would make its figures too good.

    Texts of the same tokens are the same; a separator behind them does not count.

    Returns:
        The stream, and how many texts it lacks.
    """
    if not len(held_out.documents) or not len(train.documents):
        return held_out, 0
    ends, other_ends = _ends(held_out), _ends(train)
    ours, theirs = _fingerprints(held_out, ends), _fingerprints(train, other_ends)
    # a fingerprint rules out what differs, of what is left the tokens decide
    both = np.intersect1d(ours, theirs)
    known = {_bytes(train, other_ends, i) for i in np.flatnonzero(np.isin(theirs, both)).tolist()}
    seen = {i for i in np.flatnonzero(np.isin(ours, both)).tolist() if _bytes(held_out, ends, i) in known}
    if not seen:
        return held_out, 0
    builder = _Builder(int(held_out.tokens[-1]), held_out.tokens.dtype)
    first, pending = set(held_out.documents.tolist()), False
    for i, start in enumerate(held_out.texts[:-1].tolist()):
        pending |= i in first
        if i not in seen:
            builder.add([held_out.tokens[start : ends[i]]], [pending])
            pending = False
    return builder.stream(), len(seen)


def _ends(stream: TokenStream) -> np.ndarray:
    """Where each text ends, before the separator behind the last one of a document; shape (texts,)."""
    ends = stream.texts[1:].copy()
    ends[np.append(stream.documents[1:], len(ends)) - 1] -= 1
    return ends


def _fingerprints(stream: TokenStream, ends: np.ndarray) -> np.ndarray:
    """A number for each text, equal for texts of the same tokens; int64, shape (texts,)."""
    starts = stream.texts[:-1]
    prints = np.empty(len(starts), np.int64)
    for low in range(0, len(starts), _TEXTS_AT_ONCE):
        part = slice(low, low + _TEXTS_AT_ONCE)
        begin, end = starts[part], ends[part]
        tokens = np.append(stream.tokens[begin[0] : end[-1]].astype(np.int64), 0)
        # reduceat takes places in turn: the sums between start and end stand at the even ones
        sums = np.add.reduceat(tokens, np.column_stack((begin, end)).ravel() - begin[0])[::2]
        prints[part] = (sums * 1_000_003 + (end - begin)) * 1_000_003 + tokens[begin - begin[0]]
    return prints


def _bytes(stream: TokenStream, ends: np.ndarray, text: int) -> bytes:
    return stream.tokens[stream.texts[text] : ends[text]].tobytes()


def cached(corpus: Corpus, encoder: Encoder, held_out: HeldOut | None) -> dict[str, TokenStream]:
    """Token streams of a whole corpus, kept in the cache under a key made of its content, and memory-mapped.

    They are in memory where there is no cache to write to.

    Args:
        held_out: what goes into `validation`; None puts everything into `train`.
    """
    key = _key(corpus, encoder, held_out)
    entry = cache.kept("streams", key, lambda folder: _encode_to(folder, corpus, encoder, held_out))
    if entry is None:
        return {name: builder.stream() for name, builder in _encoded(corpus, encoder, held_out, {}).items()}
    return {name: _open(entry.path, name, encoder.dtype) for name in parts(held_out)}


def _open(folder: Path, name: str, dtype: Any) -> TokenStream:
    path = folder / f"{name}.tokens"
    empty = path.stat().st_size == 0  # which cannot be mapped
    tokens = np.empty(0, dtype) if empty else np.memmap(path, dtype=dtype, mode="r")
    return TokenStream(tokens, np.load(folder / f"{name}.texts.npy"), np.load(folder / f"{name}.documents.npy"))


def _encode_to(folder: Path, corpus: Corpus, encoder: Encoder, held_out: HeldOut | None) -> None:
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.tokens").open("wb")) for name in parts(held_out)}
        builders = _encoded(corpus, encoder, held_out, files)
        for name, file in files.items():
            builders[name].close()
            file.write(builders[name].taken().data)
    for name, builder in builders.items():
        texts_at, documents = builder.index()
        np.save(folder / f"{name}.texts.npy", texts_at)
        np.save(folder / f"{name}.documents.npy", documents)


def _encoded(
    corpus: Corpus, encoder: Encoder, held_out: HeldOut | None, files: Mapping[str, IO[bytes]]
) -> dict[str, _Builder]:
    """The texts of each part; what a file is there for goes to it on the way."""
    builders = {name: _Builder(encoder.separator, encoder.dtype) for name in parts(held_out)}
    kept = {name: _Filter(belongs(name, held_out)) for name in builders}
    with reporting.current().progress("tokenize", corpus.size or 0, "bytes") as bar:
        for batch in corpus.batches(bar=bar):
            for name, builder in builders.items():
                texts, starts = kept[name](batch)
                if texts:
                    builder.add(*encoder.encode(texts, starts))
                    if name in files:
                        files[name].write(builder.taken().data)
    return builders


def _key(corpus: Corpus, encoder: Encoder, held_out: HeldOut | None) -> str:
    digest = hashlib.blake2b(digest_size=16)
    how = (encoder.tokenizer.backend_tokenizer.to_str(), encoder.sentences, encoder.joined, encoder.separator)
    for part in (corpus.fingerprint(), *how, held_out):
        digest.update(repr(part).encode())
    return digest.hexdigest()
