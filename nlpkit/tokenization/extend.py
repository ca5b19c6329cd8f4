"""Extending a tokenizer with the words of a domain, and its model with their embeddings."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.tokenization.pipelines import in_bytes, with_tokens

_WORD = re.compile(r"▁?\w+")


@dataclass(frozen=True)
class Word:
    """A word that may become a token.

    Attributes:
        text: as a person reads it.
        piece: as the vocabulary has it (`Ġword`, `▁word`).
        count: occurrences in the corpus.
        pieces: ids of its present tokens.
        saved: tokens of the corpus that it would save.
    """

    text: str
    piece: str
    count: int
    pieces: tuple[int, ...]
    saved: int


def count_words(batches: Iterable[Sequence[str]]) -> Counter[str]:
    """How often each run of characters without blanks occurs; this table is all that grows with the corpus."""
    counts: Counter[str] = Counter()
    for texts in batches:
        for text in texts:
            counts.update(text.split())
    return counts


def worst_broken(tokenizer: Any, counts: Counter[str], number: int, min_frequency: int) -> list[Word]:
    """The words whose tokens cost most: those with the largest frequency x (pieces - 1).

    That product is the number of tokens that the corpus shrinks by when the word becomes one. A word that has no
    letters is left out; one that is unknown (or contains what is) counts as broken into its characters.

    Args:
        tokenizer: a fast tokenizer of transformers.
        counts: from `count_words`.
        number: of words at most.
        min_frequency: words that occur less often are left out.

    Returns:
        The words, worst first; ties by the alphabet.
    """
    backend = tokenizer.backend_tokenizer
    by_bytes = in_bytes(backend)
    words: Counter[str] = Counter()
    for run, count in counts.items():
        # as inside a line: what stands before a word is part of it for byte-level and metaspace tokenizers
        text = f" {run}"
        text = backend.normalizer.normalize_str(text) if backend.normalizer is not None else text
        parts = backend.pre_tokenizer.pre_tokenize_str(text) if backend.pre_tokenizer is not None else [(text, ())]
        for piece, _ in parts:
            if not by_bytes:  # metaspace leaves punctuation on words; in bytes, words stand alone and look like nothing
                word = _WORD.match(piece)
                piece = word.group() if word else ""
            words[piece] += count
    del words[""]
    broken = []
    for piece, count in words.items():
        if count < min_frequency or backend.token_to_id(piece) is not None:
            continue
        ids = tuple(token.id for token in backend.model.tokenize(piece))
        unknown = tokenizer.unk_token_id in ids
        text = (backend.decoder.decode([piece]) if backend.decoder is not None else piece).strip()
        if not any(character.isalpha() for character in text) or "\ufffd" in text:
            continue
        saved = count * ((len(text) if unknown else len(ids)) - 1)
        if saved:
            broken.append(Word(text, piece, count, ids, saved))
    broken.sort(key=lambda word: (-word.saved, word.piece))
    return broken[:number]


def extended(tokenizer: Any, words: Sequence[Word]) -> Any:
    """The `tokenizers.Tokenizer` of a tokenizer with `words` as tokens of its model, behind all other ids.

    They are pieces of the vocabulary and not added tokens: as all others they are found in normalised text, and
    decoded with the blank before them.

    Raises:
        UserError: its kind of model cannot take whole words.
    """
    from tokenizers import Tokenizer

    backend = tokenizer.backend_tokenizer
    document = json.loads(backend.to_str())
    model = document["model"]
    if model["type"] == "BPE":
        if model["end_of_word_suffix"]:
            raise UserError(
                f"the tokenizer marks the ends of words ({model['end_of_word_suffix']}): words cannot be added to it",
                "Train a new one like it: --like.",
            )
        # a word in the vocabulary is taken as it is, whatever merges there are: no halves are needed as tokens
        model["ignore_merges"] = True
        backend = Tokenizer.from_str(json.dumps(document, ensure_ascii=False))
    scores = None
    if model["type"] == "Unigram":
        # as likely as the likeliest of its pieces, hence likelier than all of them together
        scores = [max(model["vocab"][number][1] for number in word.pieces) for word in words]
    return with_tokens(backend, [word.piece for word in words], scores)


def resize_model(model: Any, size: int, pieces: Sequence[Sequence[int]]) -> None:
    """Give new tokens an embedding each: the mean of those of their old pieces; the output layer likewise.

    The ids of the new tokens are the last of the `size` tokens, in order.

    Args:
        model: a transformers model whose embeddings stand for the old tokenizer; changed in place.
        size: tokens of the new tokenizer.
        pieces: of each new token the ids of its old pieces; the mean of all old tokens stands for none.
    """
    import torch

    rows = model.get_input_embeddings().num_embeddings
    if rows < size:  # some models have more rows than tokens
        shared = _shared(model)
        model.resize_token_embeddings(size, mean_resizing=False)
        # Of an untied model two copies of the output bias become one, which is then saved once and missed on opening.
        for name in _shared(model) - shared:
            module, _, attribute = name.rpartition(".")
            bias = getattr(model.get_submodule(module), attribute)
            setattr(model.get_submodule(module), attribute, torch.nn.Parameter(bias.detach().clone()))
    first = size - len(pieces)
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    tensors = [inputs.weight]
    if outputs is not None:
        if outputs.weight is not inputs.weight:
            tensors.append(outputs.weight)
        if getattr(outputs, "bias", None) is not None:
            tensors.append(outputs.bias)
    with torch.no_grad():
        for tensor in tensors:
            every = tensor[:first].mean(dim=0)
            for i, own in enumerate(pieces):
                tensor[first + i] = tensor[list(own)].mean(dim=0) if own else every


def grow(model: Any, tokenizer: Any, name: str, **opening_arguments: Any) -> None:
    """Give a model an embedding for each token that a tokenizer was extended with since it was the model's own.

    Each is the mean of those of the pieces that the old tokenizer cuts the token into (Gee et al. 2022,
    https://arxiv.org/abs/2402.09977); where it knows none of its characters, the mean of all embeddings. A tokenizer
    that is no extension of the model's own, and one with whose tokens the model was saved, change nothing.

    Args:
        model: changed in place.
        tokenizer: with which the model is to be used.
        name: folder or hub name that the model was opened from.
        opening_arguments: see `opening.load_tokenizer`.
    """
    import torch

    from nlpkit.models import fitting, opening

    if opening.lacks_tokenizer(name) or not isinstance(fitting.token_embedding(model), torch.nn.Embedding):
        return
    try:
        old = opening.load_tokenizer(name, slow=True, **opening_arguments)
    except UserError:  # it may be the reason why another one is named
        return
    added = sorted(set(tokenizer.get_vocab().items()) - set(old.get_vocab().items()), key=lambda item: item[1])
    behind = list(range(len(old), len(tokenizer)))
    if not old.is_fast or not added or [number for _, number in added] != behind:
        return
    pieces = [pieces_before(old, token) for token, _ in added]
    resize_model(model, len(tokenizer), pieces)
    foreign = sum(not own for own in pieces)
    last = f"; {foreign:,} have none and begin as the mean of all" if foreign else ""
    reporting.current().note(
        f"{len(added):,} tokens that the model's own tokenizer lacks: each begins as the mean of the embeddings of its "
        f"old pieces{last}"
    )


def pieces_before(old: Any, token: str) -> list[int]:
    """The ids that a tokenizer cuts a token of another one into; characters that it lacks are left out."""
    backend = old.backend_tokenizer
    prefix = getattr(backend.model, "continuing_subword_prefix", None) or ""
    if not (prefix and token.startswith(prefix)):
        found = [part.id for part in backend.model.tokenize(token)]
        if old.unk_token_id not in found:
            return found
    vocabulary, inside = backend.get_vocab(), bool(prefix) and token.startswith(prefix)
    rest = token.removeprefix(prefix) if inside else token
    ids = []
    while rest:  # the longest piece first, as WordPiece does
        lead = prefix if inside else ""
        end = next((end for end in range(len(rest), 0, -1) if lead + rest[:end] in vocabulary), 0)
        if end:
            ids.append(vocabulary[lead + rest[:end]])
        rest, inside = rest[max(end, 1) :], True
    return ids


def _shared(model: Any) -> set[str]:
    """Names of parameters that are another one under a second name."""
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return names - {name for name, _ in model.named_parameters()}
