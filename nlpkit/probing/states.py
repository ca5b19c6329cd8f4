"""Hidden states of given words and of whole sentences, layer by layer, and the attentions between their tokens.

Each sentence goes through the model once. `passes` gives what the model gives of it, token by token; `states` the means
over the tokens of each word, which is all that stays in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from nlpkit.data import words
from nlpkit.data.words import Place
from nlpkit.errors import UserError
from nlpkit.models import fitting
from nlpkit.probing.opened import Opened
from nlpkit.reporting import Progress

Pooling = Literal["mean", "cls", "last"]
Part = Literal["hidden", "attentions"]
HIDDEN: tuple[Part, ...] = ("hidden",)
BATCH_TOKENS = {"cpu": 1_024, "gpu": 32_768}  # of a forward pass with padding, as `embed` has them
BATCH_ATTENTIONS = 2**26  # numbers of the attentions of a forward pass
BYTES = 4  # of a number of a state


class Sentence(NamedTuple):
    """A text, and the places of the words in it whose states are wanted, ascending and apart from each other."""

    text: str
    places: Sequence[Place]

    @classmethod
    def of_words(cls, tokens: Sequence[str]) -> Sentence:
        """Words with a blank between two."""
        return cls(*words.joined(tokens))


class Pass(NamedTuple):
    """What a model gives of a sentence.

    Attributes:
        sentence: its index.
        ids: of its tokens, special ones included, shape (tokens,).
        words: for each token the index of its word; -1 for special tokens and those of no word; shape (tokens,).
        cut: words of which a token lies beyond what the model reads.
        hidden: float32 of shape (layers + 1, tokens, width), that of the embeddings first; None where not asked for.
        attentions: of each layer float32 of shape (heads, tokens, tokens), from the first to the second, as layers may
            have different numbers of heads; None likewise.
    """

    sentence: int
    ids: np.ndarray
    words: np.ndarray
    cut: np.ndarray
    hidden: np.ndarray | None
    attentions: Sequence[np.ndarray] | None


@dataclass(frozen=True)
class States:
    """States of words and of sentences.

    Attributes:
        layers: which, 0 for the embeddings.
        words: float32 of shape (layers, words of all sentences, width), those of a sentence together, in order; None
            where not asked for. A word of `lost` has zeros.
        sentences: float32 of shape (layers, sentences, width); None where not asked for.
        starts: index of the first word of each sentence, shape (sentences + 1,), the last the number of all words.
        cut: whether a word, or a part of it, lies beyond what the model reads, shape (words,).
        silent: whether a word has no token of its own, shape (words,).
        cut_sentences: whether a sentence was not read to its end, shape (sentences,).
    """

    layers: tuple[int, ...]
    words: np.ndarray | None
    sentences: np.ndarray | None
    starts: np.ndarray
    cut: np.ndarray
    silent: np.ndarray
    cut_sentences: np.ndarray

    @property
    def lost(self) -> np.ndarray:
        """Whether a word has no state, shape (words,)."""
        return self.cut | self.silent


class _Tokens(NamedTuple):
    """The tokens of a sentence as the model is given them, and the word of each, see `Pass`."""

    ids: np.ndarray
    words: np.ndarray
    cut: np.ndarray
    whole: bool


def bytes_of(layers: int, rows: int, width: int) -> int:
    """What the states of so many words or sentences take in memory."""
    return layers * rows * width * BYTES


def passes(
    opened: Opened,
    sentences: Sequence[Sentence],
    want: Collection[Part] = HIDDEN,
    *,
    layers: Sequence[int] | None = None,
    bar: Progress | None = None,
) -> Iterator[Pass]:
    """Each sentence through the model, the longest first.

    Attentions are there under eager attention only, see `nlpkit.models.attention`.

    Args:
        opened: the model.
        sentences: any number.
        want: what is given of the model.
        layers: of the hidden states, 0 for the embeddings; None: all.
        bar: is advanced by sentences.

    Raises:
        UserError: the model gives what is no number.
    """
    yield from _passes(opened, sentences, _tokenized(opened, sentences), want, layers, bar)


def states(
    opened: Opened,
    sentences: Sequence[Sentence],
    *,
    layers: Sequence[int] | None = None,
    word: Literal["mean", "first"] | None = "mean",
    pooling: Pooling | None = None,
    bar: Progress | None = None,
) -> States:
    """The states of the words of sentences, and of the sentences themselves.

    Args:
        opened, sentences, layers, bar: see `passes`.
        word: what stands for a word: the mean over its tokens, or its first one; None: no words are wanted.
        pooling: what stands for a sentence: the mean over all its tokens, special ones included (as
            sentence-transformers has it), its first token or its last one; None: no sentences are wanted.

    Raises:
        UserError: see `passes`.
    """
    chosen = tuple(range(opened.layers + 1) if layers is None else layers)
    tokenized = _tokenized(opened, sentences)
    starts = np.cumsum([0, *(len(sentence.places) for sentence in sentences)])
    of_words = np.zeros((len(chosen), starts[-1], opened.width), np.float32) if word else None
    of_sentences = np.zeros((len(chosen), len(sentences), opened.width), np.float32) if pooling else None
    cut, silent = np.zeros(starts[-1], bool), np.zeros(starts[-1], bool)
    for one in _passes(opened, sentences, tokenized, HIDDEN, chosen, bar):
        assert one.hidden is not None
        first, behind = starts[one.sentence], starts[one.sentence + 1]
        shares = _shares(one.words, behind - first, first_alone=word == "first")
        cut[first:behind][one.cut] = True
        silent[first:behind] = ~(shares.any(axis=1) | cut[first:behind])
        shares[one.cut] = 0
        if of_words is not None:
            of_words[:, first:behind] = shares @ one.hidden
        if of_sentences is not None:
            of_sentences[:, one.sentence] = _pooled(one.hidden, pooling)
    whole = np.array([tokens.whole for tokens in tokenized], bool)
    return States(chosen, of_words, of_sentences, starts, cut, silent, ~whole)


def _shares(owners: np.ndarray, count: int, *, first_alone: bool) -> np.ndarray:
    """What each token contributes to each word, float32 of shape (words, tokens), whose rows sum to 1 or are 0."""
    shares = (owners == np.arange(count)[:, None]).astype(np.float32)
    if first_alone:
        shares[:, 1:] *= owners[1:] != owners[:-1]
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)


def _pooled(hidden: np.ndarray, pooling: Pooling | None) -> np.ndarray:
    return hidden.mean(axis=1) if pooling == "mean" else hidden[:, 0 if pooling == "cls" else -1]


def _tokenized(opened: Opened, sentences: Sequence[Sentence]) -> list[_Tokens]:
    before, after = words.frame(opened.tokenizer)
    room = None if opened.limit is None else max(opened.limit - len(before) - len(after), 1)
    starts = [[start for start, _ in sentence.places] for sentence in sentences]
    ends = [[end for _, end in sentence.places] for sentence in sentences]
    made = []
    for found in words.tokenized(opened.tokenizer, [sentence.text for sentence in sentences], starts, ends):
        beyond = found.words[room:] if room is not None else found.words[:0]
        ids = np.array([*before, *found.ids[:room].tolist(), *after], np.int64)
        owners = np.pad(found.words[:room], (len(before), len(after)), constant_values=-1)
        made.append(_Tokens(ids, owners, np.unique(beyond[beyond >= 0]), room is None or len(found.ids) <= room))
    return made


def _passes(
    opened: Opened,
    sentences: Sequence[Sentence],
    tokenized: Sequence[_Tokens],
    want: Collection[Part],
    layers: Sequence[int] | None,
    bar: Progress | None,
) -> Iterator[Pass]:
    device = opened.weights.device.name
    padding = opened.tokenizer.pad_token_id
    for rows in _batches(opened, tokenized, attentions="attentions" in want):
        longest = len(tokenized[rows[0]].ids)
        ids = np.full((len(rows), longest), padding, np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(tokenized[row].ids)] = tokenized[row].ids
            mask[i, : len(tokenized[row].ids)] = 1
        batch = {"input_ids": torch.from_numpy(ids).to(device)}
        if fitting.reads_mask(opened.model):
            batch["attention_mask"] = torch.from_numpy(mask).to(device)
        given = _given(opened, batch, want)
        hidden = _numbers(given["hidden_states"], layers) if "hidden" in want else None
        attentions = [_numbers([layer], None)[0] for layer in given["attentions"]] if "attentions" in want else None
        for i, row in enumerate(rows):
            size = len(tokenized[row].ids)
            yield Pass(
                row,
                tokenized[row].ids,
                tokenized[row].words,
                tokenized[row].cut,
                hidden=None if hidden is None else hidden[:, i, :size],
                attentions=None if attentions is None else [layer[i, :, :size, :size] for layer in attentions],
            )
        if bar is not None:
            bar.advance(len(rows))


def _given(opened: Opened, batch: Mapping[str, torch.Tensor], want: Collection[Part]) -> Any:
    asked = {"output_hidden_states": "hidden" in want, "output_attentions": "attentions" in want}
    with torch.inference_mode():
        return opened.weights.call(lambda: opened.model(**batch, **asked))


def _numbers(layers: Sequence[torch.Tensor], chosen: Sequence[int] | None) -> np.ndarray:
    """What layers give, float32 of shape (layers, rows, ...), on the CPU.

    Raises:
        UserError: it is no number.
    """
    made = torch.stack([layers[i].float() for i in (range(len(layers)) if chosen is None else chosen)]).cpu().numpy()
    if not np.isfinite(made).all():
        raise UserError(
            "what the model gives is no number (NaN or infinite)",
            "Its weights are damaged, or too large for this arithmetic: try --precision fp32.",
        )
    return made


def _batches(opened: Opened, tokenized: Sequence[_Tokens], *, attentions: bool) -> Iterator[list[int]]:
    """Sentences that go through the model together, the longest first; of one length, where it would read padding."""
    most = BATCH_TOKENS["cpu" if opened.weights.device.name == "cpu" else "gpu"]
    lengths = np.array([len(tokens.ids) for tokens in tokenized], np.int64)
    order = np.argsort(-lengths, kind="stable")
    alike = not fitting.reads_mask(opened.model)
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        count = max(most // longest, 1)
        if attentions:
            heads = opened.layers * int(getattr(opened.model.config, "num_attention_heads", 1))
            count = max(min(count, BATCH_ATTENTIONS // (heads * longest * longest)), 1)
        rows = order[start : start + count]
        if alike:
            rows = rows[lengths[rows] == longest]
        yield rows.tolist()
        start += len(rows)
