"""Pieces of another language for a tokenizer: the training of its vocabulary goes on where it had ended.

WordPiece and BPE: the new text, cut by the old tokenizer, is where joining goes on, so that each new piece is made of
pieces that are there ("continued BPE training", Purason et al. 2025, https://arxiv.org/abs/2512.03989); characters that
the old vocabulary lacks come first. Unigram: a vocabulary is learned from the new text, and of it joins what is not
there, with the log probability that it has in that text. Old tokens keep their ids, and BPE its old joins, which come
before the new ones.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlpkit.errors import UserError
from nlpkit.tokenization.pipelines import in_bytes, with_tokens

_WORD = re.compile(r"▁?\w+|[^\w\s]")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # what stands for one byte of a character that a vocabulary lacks
_CODES = 0x10000  # from here on a character stands for a piece, when joining goes on
_TEXT = 10_000  # words handed to the library as one text
SPARE = 2  # so many times the pieces asked for are learned: some are there already, some may not be used


@dataclass(frozen=True)
class Piece:
    """A piece that may become a token.

    Attributes:
        text: as the vocabulary has it (`##ung`, `Ġnicht`).
        score: of a unigram model, its log probability.
        halves: of a BPE, the two that become this piece.
    """

    text: str
    score: float = 0.0
    halves: tuple[tuple[str, str], ...] = ()


@dataclass
class Extension:
    """What a tokenizer gains.

    Attributes:
        backend: the `tokenizers.Tokenizer` with the new pieces, behind all other ids.
        pieces: as the vocabulary has them, in the order of their ids.
        refused: pieces that were not taken, as they change words that are to stay.
    """

    backend: Any
    pieces: list[str]
    refused: list[str] = field(default_factory=list)


def pieces_of(tokenizer: Any, runs: Counter[str], number: int, min_frequency: int) -> list[Piece]:
    """What could be added to a tokenizer for a text, the most useful first; more than `number` where there are more.

    Args:
        tokenizer: a fast tokenizer of transformers.
        runs: how often each run of characters without blanks occurs in the text, from `extend.count_words`.
        number: of pieces that will be taken.
        min_frequency: pieces that occur less often are left out; a unigram model has no such limit.

    Raises:
        UserError: its kind cannot be extended.
    """
    backend = tokenizer.backend_tokenizer
    kind = type(backend.model).__name__
    if kind not in ("WordPiece", "BPE", "Unigram"):
        raise UserError(f"a {kind} tokenizer has no pieces that could be joined further", "Train one: --style.")
    if backend.pre_tokenizer is None:
        raise UserError(
            "the tokenizer takes a whole line as one word, so pieces would reach over words",
            "Train a new one: --style.",
        )
    words = _words(backend, runs)
    if kind == "Unigram":
        return _learned(tokenizer, words, number)
    letters = [] if in_bytes(backend) else _letters(tokenizer, words, min_frequency)[:number]
    grown = _with(backend, letters)
    return letters + _joined(grown, _unknown(tokenizer), words, number, min_frequency)


def extended(tokenizer: Any, pieces: Sequence[Piece], number: int, kept: Counter[str]) -> Extension:
    """A tokenizer with the first `number` of `pieces` that leave the runs in `kept` as they are cut.

    Pieces that change one of them are taken out, with those that are made of them, until none is changed. A run that
    the old tokenizer does not know whole may change.
    """
    old, unknown = tokenizer.backend_tokenizer, _unknown(tokenizer)
    known = set(old.get_vocab())
    cuts = {run: _cut(old, run) for run in kept}
    before = {run: cut for run, cut in cuts.items() if not any(map(unknown, cut))}
    refused: set[str] = set()
    while True:
        chosen = _first(_usable(pieces, refused, known), number, known)
        backend = _with(old, chosen)
        new = {piece.text for piece in chosen}
        guilty = {
            piece for run, cut in before.items() if (now := _cut(backend, run)) != cut for piece in now if piece in new
        }
        if not guilty:
            return Extension(backend, [piece.text for piece in chosen if piece.text not in known], sorted(refused))
        refused |= guilty


def changed_texts(tokenizer: Any, backend: Any, texts: Sequence[str]) -> int:
    """How many of some texts are cut into other tokens by a tokenizer's extended `backend` than by itself."""
    from tokenizers import Tokenizer

    old = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"] if texts else []
    whole = Tokenizer.from_str(backend.to_str())
    whole.no_truncation()
    whole.no_padding()
    new = whole.encode_batch(list(texts), add_special_tokens=False)
    return sum(before != after.ids for before, after in zip(old, new, strict=True))


def shown(tokenizer: Any, piece: str) -> str:
    """A piece as a person reads it: one that goes on with a word keeps its mark."""
    backend = tokenizer.backend_tokenizer
    if _continues(backend) or backend.decoder is None:
        return piece
    return str(backend.decoder.decode([piece])).strip() or piece


def _words(backend: Any, runs: Counter[str]) -> Counter[str]:
    """The words of a text as the model is given them, with how often each occurs."""
    by_bytes = in_bytes(backend)
    words: Counter[str] = Counter()
    for run, count in runs.items():
        for part in _parts(backend, run):
            # metaspace leaves punctuation on words, which is a word of its own; in bytes, words look like nothing
            for word in [part] if by_bytes else _WORD.findall(part):
                words[word] += count
    del words["▁"]
    return words


def _parts(backend: Any, run: str) -> list[str]:
    # as inside a line: what stands before a word is part of it for byte-level and metaspace tokenizers
    text = f" {run}"
    text = backend.normalizer.normalize_str(text) if backend.normalizer is not None else text
    return [part for part, _ in backend.pre_tokenizer.pre_tokenize_str(text)]


def _cut(backend: Any, run: str) -> list[str]:
    """The pieces of a run."""
    return [token.value for part in _parts(backend, run) for token in backend.model.tokenize(part)]


def _unknown(tokenizer: Any) -> Any:
    """Whether a piece stands for characters that the vocabulary lacks."""
    return lambda piece: piece == tokenizer.unk_token or _BYTE.fullmatch(piece) is not None


def _continues(backend: Any) -> str:
    """What marks a piece that goes on with a word; empty where nothing does."""
    return getattr(backend.model, "continuing_subword_prefix", None) or ""


def _letters(tokenizer: Any, words: Counter[str], min_frequency: int) -> list[Piece]:
    """The characters of the words that the vocabulary lacks, the most frequent first: a WordPiece has each at the
    beginning of a word and inside it."""
    backend, unknown, prefix = tokenizer.backend_tokenizer, _unknown(tokenizer), _continues(tokenizer.backend_tokenizer)
    counts: Counter[str] = Counter()
    for word, count in words.items():
        if any(unknown(token.value) for token in backend.model.tokenize(word)):
            for place, character in enumerate(word):
                counts[(prefix if place else "") + character] += count
    known = backend.get_vocab()
    found = [(letter, count) for letter, count in counts.items() if letter not in known and count >= min_frequency]
    return [Piece(letter) for letter, _ in sorted(found, key=lambda item: (-item[1], item[0]))]


def _joined(backend: Any, unknown: Any, words: Counter[str], number: int, min_frequency: int) -> list[Piece]:
    """Pieces that are two of the vocabulary's joined, in the order in which they are learned.

    The trainer of the tokenizers library is given words in which each piece is one character.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    codes: dict[str, str] = {}  # of pieces
    coded: list[tuple[str, int]] = []
    for word, count in words.items():
        cut = [token.value for token in backend.model.tokenize(word)]
        if len(cut) > 1 and not any(map(unknown, cut)):
            coded.append(("".join(codes.setdefault(piece, chr(_CODES + len(codes))) for piece in cut), count))
    if not coded:
        return []
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=len(codes) + SPARE * number, min_frequency=min_frequency, show_progress=False
    )
    learner.train_from_iterator(_repeated(coded), trainer)
    plain = {code: piece for piece, code in codes.items()}
    prefix = _continues(backend)

    def joined(codes: str) -> str:
        first, *rest = (plain[code] for code in codes)
        return first + "".join(piece.removeprefix(prefix) for piece in rest)

    halves: dict[str, list[tuple[str, str]]] = {}  # of a piece, which may come about in several ways
    bpe = type(backend.model).__name__ == "BPE"
    for left, right in json.loads(learner.to_str())["model"]["merges"]:
        ways = halves.setdefault(joined(left + right), [])
        way = (joined(left), joined(right))
        if bpe and way not in ways:
            ways.append(way)
    return [Piece(text, halves=tuple(ways)) for text, ways in halves.items()]


def _learned(tokenizer: Any, words: Counter[str], number: int) -> list[Piece]:
    """Pieces of a unigram model of the words that the tokenizer lacks, the likeliest first."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    known = tokenizer.get_vocab()
    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    unk = tokenizer.unk_token or "<unk>"
    trainer = trainers.UnigramTrainer(
        # what is there already takes places too, and is most of what two languages of one script have in common
        vocab_size=min(len(known), 10_000) + SPARE * number,
        unk_token=unk,
        special_tokens=[unk],
        show_progress=False,
    )
    if not words:
        return []
    learner.train_from_iterator(_repeated(list(words.items())), trainer)
    vocabulary = json.loads(learner.to_str())["model"]["vocab"]
    return [Piece(piece, score) for piece, score in sorted(vocabulary, key=lambda item: -item[1]) if piece not in known]


def _repeated(words: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Each word as often as it occurs: the trainers count them themselves."""
    for word, count in words:
        for first in range(0, count, _TEXT):
            yield " ".join([word] * min(_TEXT, count - first))


def _usable(pieces: Sequence[Piece], refused: set[str], known: set[str]) -> list[Piece]:
    """The pieces that can be had without those refused: a join needs both of its halves."""
    there = set(known)
    usable = []
    for piece in pieces:
        if piece.text in refused:
            continue
        ways = tuple(way for way in piece.halves if there.issuperset(way))
        if piece.halves and not ways:
            continue
        there.add(piece.text)
        if piece.text not in known or ways:
            usable.append(Piece(piece.text, piece.score, ways))
    return usable


def _first(pieces: Sequence[Piece], number: int, known: set[str]) -> list[Piece]:
    """Of pieces the first, until `number` of them are new."""
    new = [place for place, piece in enumerate(pieces) if piece.text not in known]
    return list(pieces[: new[number] if len(new) > number else len(pieces)])


def _with(backend: Any, pieces: Sequence[Piece]) -> Any:
    """A copy of a tokenizer with more pieces in its model, and what joins them."""
    from tokenizers import Tokenizer

    known = backend.get_vocab()
    new = [piece for piece in pieces if piece.text not in known]
    grown = with_tokens(backend, [piece.text for piece in new], [piece.score for piece in new])
    if not any(piece.halves for piece in pieces):
        return grown
    document = json.loads(grown.to_str())
    document["model"]["merges"] += [list(way) for piece in pieces for way in piece.halves]
    return Tokenizer.from_str(json.dumps(document, ensure_ascii=False))
