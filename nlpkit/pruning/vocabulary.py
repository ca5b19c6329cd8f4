"""A smaller vocabulary: the pieces that the user's text needs, and what any other text can be spelt with.

Half of a small encoder is its embedding table, most of whose rows a given text never uses. Text whose pieces are all
kept is tokenized as before, and the model computes the same from it; other text falls back to smaller pieces, at the
least to single characters or bytes.
"""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nlpkit.data.ignored import IGNORED
from nlpkit.errors import UserError
from nlpkit.models import fitting
from nlpkit.tokenization import saving

BATCH = 1_000  # texts tokenized at a time
# of generation_config.json: tokens and phrases that are not written, or that must be
TOKEN_LISTS = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "force_words_ids")


@dataclass(frozen=True)
class VocabularyReport:
    """What a smaller vocabulary saves and costs.

    Attributes:
        kept: pieces left.
        total: pieces before.
        bytes_saved: of the model's weights.
        unchanged: share of the tokens of held-out text that are the same tokens as before, None without such text.
        growth: tokens of held-out text after / before, None likewise.
    """

    kept: int
    total: int
    bytes_saved: int
    unchanged: float | None = None
    growth: float | None = None

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        summary = f"{self.kept:,} of {self.total:,} pieces kept, {self.bytes_saved / 1e6:.1f} MB saved"
        if self.unchanged is None or self.growth is None:
            return summary
        return f"{summary}; of held-out text {self.unchanged:.1%} of the tokens are unchanged ({self.growth:.3f} times)"


def keep_pieces(
    model: Any,
    tokenizer: Any,
    texts: Iterable[str],
    *,
    token_ids: Iterable[Sequence[int]] = (),
    min_count: int = 1,
    more: Iterable[str] = (),
    held_out: Iterable[str] = (),
) -> tuple[Any, Any, VocabularyReport]:
    """Keep the pieces that a text uses.

    Besides those: added and special tokens, single characters (bytes), and the pieces that a BPE needs on its way.

    Args:
        model: changed in place: rows of the embeddings, of either side where it has two, and of an output layer, and
            the ids in its configs.
        tokenizer: a fast tokenizer of transformers with a WordPiece, BPE, Unigram or WordLevel model; left alone.
        texts: that the model will see the like of.
        token_ids: of tokenized text that counts as well; -100 is no token.
        min_count: a piece that occurs less often goes.
        more: pieces that are kept besides, see `unread.choose`.
        held_out: other text, on which the smaller vocabulary is measured.

    Returns:
        The model, the new tokenizer as `AutoTokenizer` opens it, and what was saved.

    Raises:
        UserError: the tokenizer is not of such a kind, or does not belong to the model.
    """
    if not tokenizer.is_fast:
        raise UserError(
            f"the vocabulary of a {type(tokenizer).__name__} cannot be cut: it has no fast version",
            "Take layers out instead (--what layers), or distil into a smaller model.",
        )
    before = _bare(tokenizer)
    counts = count_ids(tokenizer, texts)
    for ids in token_ids:
        counts.update(int(number) for number in ids if number != IGNORED)
    vocabulary = tokenizer.get_vocab()
    if not isinstance(fitting.token_embedding(model), nn.Embedding):
        raise UserError(f"{type(model).__name__} has no plain table of token embeddings: its vocabulary cannot be cut")
    fitting.require_vocabulary(model, tokenizer, "They do not belong together.")
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    used = {piece for piece, number in vocabulary.items() if counts[number] >= min_count}
    kept = needed(document, vocabulary, used.union(more))
    order = _order(vocabulary, kept, model)
    smaller = _renumbered(tokenizer, document, order, vocabulary)
    saved = _select_rows(model, torch.tensor([vocabulary[piece] for piece in order]))
    _renumber_config(model, {vocabulary[piece]: number for number, piece in enumerate(order)})
    unchanged, growth = _measured(before, _bare(smaller), held_out)
    return model, smaller, VocabularyReport(len(order), len(vocabulary), saved, unchanged, growth)


def count_ids(tokenizer: Any, texts: Iterable[str]) -> Counter[int]:
    """How often each token id occurs in texts, which are not cut short."""
    bare = _bare(tokenizer)
    counts: Counter[int] = Counter()
    for batch in _batches(texts):
        for encoding in bare.encode_batch_fast(batch, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def pieces_of(tokenizer: Any, counts: Mapping[int, int]) -> set[str]:
    """The pieces whose ids occur."""
    return {piece for piece, number in tokenizer.get_vocab().items() if counts.get(number, 0) > 0}


def smaller(tokenizer: Any, used: set[str]) -> Any:
    """A tokenizer with these pieces alone, and those that it cannot do without; of no model, so that ids may differ."""
    document, vocabulary = json.loads(tokenizer.backend_tokenizer.to_str()), tokenizer.get_vocab()
    kept = needed(document, vocabulary, used)
    return _renumbered(tokenizer, document, sorted(kept, key=vocabulary.__getitem__), vocabulary)


def _bare(tokenizer: Any) -> Any:
    """A copy of the `tokenizers.Tokenizer` that neither cuts nor pads."""
    from tokenizers import Tokenizer

    bare = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    bare.no_truncation()
    bare.no_padding()
    return bare


def _batches(texts: Iterable[str]) -> Iterable[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


# --- which pieces ---


def frequent_first(tokenizer: Any, used: Iterable[str]) -> list[str]:
    """The pieces that other text of the same script may need, the most frequent in general first.

    A Unigram model tells how likely each piece is; WordPiece, WordLevel and BPE number theirs by frequency as they are
    trained, or as they are merged.

    Args:
        used: pieces of the text that was read: those of a script that it has nothing of are left out.
    """
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    vocabulary, special = tokenizer.get_vocab(), set(tokenizer.get_added_vocab())
    scripts = {_script(character) for character in set().union(*used)}
    pieces = [piece for piece in vocabulary if piece not in special and scripts.issuperset(map(_script, piece))]
    if model["type"] == "Unigram":
        scores = dict(model["vocab"])
        return sorted(pieces, key=lambda piece: -scores.get(piece, 0.0))
    split = tokenizer.backend_tokenizer.pre_tokenizer
    if model["type"] == "WordPiece" and split is not None:  # [unused7] is first, and no text has it
        prefix = model["continuing_subword_prefix"]
        pieces = [piece for piece in pieces if len(split.pre_tokenize_str(piece.removeprefix(prefix))) == 1]
    return sorted(pieces, key=vocabulary.__getitem__)


@functools.cache
def _script(character: str) -> str:
    """What the first word of a character's name says: LATIN, CYRILLIC, CJK, DIGIT, ..."""
    return unicodedata.name(character, "").partition(" ")[0]


def needed(document: Mapping[str, Any], vocabulary: Mapping[str, int], used: set[str]) -> set[str]:
    """The used pieces and those without which tokenization would fail or come out otherwise."""
    model = document["model"]
    kind = model["type"]
    kept = used | {token["content"] for token in document["added_tokens"]}
    kept |= {piece for piece in (model.get("unk_token"),) if piece in vocabulary}
    if model.get("byte_fallback"):
        kept |= {f"<0x{byte:02X}>" for byte in range(256)} & vocabulary.keys()
    prefix, suffix = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    if kind in ("WordPiece", "BPE", "Unigram"):
        kept |= {piece for piece in vocabulary if len(piece.removeprefix(prefix).removesuffix(suffix)) == 1}
    if kind == "BPE":
        ranks = {tuple(pair): rank for rank, pair in enumerate(_merges(model))}
        for piece in list(kept):
            kept.update(_on_the_way(piece, ranks, prefix, suffix))
        return kept & vocabulary.keys()
    if kind == "Unigram":
        # what an unknown character costs follows from the lowest score: it must not change
        kept.add(min(model["vocab"], key=lambda entry: entry[1])[0])
        if model.get("unk_id") is not None:
            kept.add(model["vocab"][model["unk_id"]][0])
    elif kind not in ("WordPiece", "WordLevel"):
        raise UserError(f"the vocabulary of a {kind} tokenizer cannot be cut")
    return kept


def _merges(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a BPE, first merged first; old files have them as text."""
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
    return [(first, second) for first, second in pairs]


def _on_the_way(piece: str, ranks: Mapping[tuple[str, ...], int], prefix: str, suffix: str) -> list[str]:
    """The characters that a BPE puts a piece together from, and all that it has in between.

    Inside a word the merges within a piece are the same and in the same order as in the piece alone: none ever crossed
    its ends, or it would not be a piece.
    """
    ended = bool(suffix) and piece.endswith(suffix) and piece != suffix
    continues = bool(prefix) and piece.startswith(prefix) and piece != prefix
    body = piece.removesuffix(suffix) if ended else piece
    body = body.removeprefix(prefix) if continues else body
    parts = [(prefix if i or continues else "") + character for i, character in enumerate(body)]
    if ended:
        parts[-1] += suffix
    seen = list(parts)
    while len(parts) > 1:
        rank, place = min((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(itertools.pairwise(parts)))
        if rank == len(ranks):
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1].removeprefix(prefix)]
        seen.append(parts[place])
    return seen


def _order(vocabulary: Mapping[str, int], kept: set[str], model: Any) -> list[str]:
    """The kept pieces by their old ids; the padding token keeps its own, from which some models count positions.

    Raises:
        UserError: it cannot keep it, and the model is one of those.
    """
    order = sorted(kept, key=lambda piece: vocabulary[piece])
    padding = getattr(model.config, "pad_token_id", None)
    at = next((i for i, piece in enumerate(order) if vocabulary[piece] == padding), None)
    if at is None or padding is None:
        return order
    if padding < len(order):
        order.insert(padding, order.pop(at))
    elif getattr(getattr(model.base_model, "embeddings", None), "padding_idx", None) is not None:
        raise UserError(
            f"the model counts positions from its padding token, whose id ({padding:,}) lies behind all that is kept"
        )
    return order


# --- the tokenizer ---


def _renumbered(tokenizer: Any, document: dict[str, Any], order: Sequence[str], old: Mapping[str, int]) -> Any:
    """The tokenizer with these pieces, numbered in their order."""
    from tokenizers import Tokenizer

    new = {piece: number for number, piece in enumerate(order)}
    ids = {old[piece]: number for piece, number in new.items()}
    model = document["model"]
    if model["type"] == "Unigram":
        scores = dict(model["vocab"])
        unknown = model["vocab"][model["unk_id"]][0] if model.get("unk_id") is not None else None
        # an added token beside the model takes its place among the pieces, as the place is the id
        model["vocab"] = [[piece, scores.get(piece, 0.0)] for piece in order]
        model["unk_id"] = None if unknown is None else new[unknown]
    else:
        if model["type"] == "BPE":
            prefix = model.get("continuing_subword_prefix") or ""
            model["merges"] = [
                list(pair)
                for pair in _merges(model)
                if pair[0] in new and pair[1] in new and pair[0] + pair[1].removeprefix(prefix) in new
            ]
        model["vocab"] = {piece: number for piece, number in new.items() if piece in model["vocab"]}
    for token in document["added_tokens"]:
        token["id"] = new[token["content"]]
    if document.get("padding"):
        document["padding"]["pad_id"] = ids[document["padding"]["pad_id"]]
    _renumber_specials(document.get("post_processor"), ids)
    with tempfile.TemporaryDirectory() as folder:
        return saving.save(
            Tokenizer.from_str(json.dumps(document, ensure_ascii=False)),
            Path(folder),
            saving.arguments_of(tokenizer),
            stock=type(tokenizer).__name__,
        )


def _renumber_specials(processor: Any, ids: Mapping[int, int]) -> None:
    """Put the new ids into a post-processor, in place: BERT's and RoBERTa's name two, templates list them."""
    if processor is None:
        return
    for part in processor.get("processors", []):
        _renumber_specials(part, ids)
    for role in ("sep", "cls"):
        if role in processor:
            content, number = processor[role]
            processor[role] = [content, ids[number]]
    for special in processor.get("special_tokens", {}).values():
        special["ids"] = [ids[number] for number in special["ids"]]


# --- the model ---


def _select_rows(model: Any, rows: torch.Tensor) -> int:
    """Keep these rows of all that has one for each token; returns the bytes saved."""
    before = byte_size(model)
    tables, output = _token_tables(model), model.get_output_embeddings()
    sizes = {len(table.weight) for table in tables}
    if len(sizes) > 1:
        raise UserError(
            "encoder and decoder have vocabularies of their own, of which one tokenizer cannot be cut",
            "Take layers out instead: --what layers.",
        )
    size = sizes.pop()
    owners: list[nn.Module] = [*tables]
    if output is not None:
        # beside the output layer some heads have a bias of their own
        name = next(name for name, module in model.named_modules() if module is output)
        owners += [output, model.get_submodule(name.rpartition(".")[0])]
    # what was one parameter under several names stays one
    tied = {id(parameter) for holder in owners for parameter in holder.parameters(recurse=False)}
    owners += [
        module
        for module in model.modules()
        if module not in owners and any(id(parameter) in tied for parameter in module.parameters(recurse=False))
    ]
    made: dict[int, nn.Parameter] = {}
    for holder in owners:
        for name, parameter in list(holder.named_parameters(recurse=False)):
            if parameter.shape[0] == size:
                if id(parameter) not in made:
                    selected = parameter.detach().index_select(0, rows.to(parameter.device))
                    made[id(parameter)] = nn.Parameter(selected, requires_grad=parameter.requires_grad)
                setattr(holder, name, made[id(parameter)])
        for name, buffer in list(holder.named_buffers(recurse=False)):
            if buffer.shape == (1, size):  # of BART and its kin, a bias of the logits
                setattr(holder, name, nn.Buffer(buffer.index_select(1, rows.to(buffer.device))))
        if isinstance(holder, nn.Embedding) and holder.num_embeddings == size:
            holder.num_embeddings = len(rows)
            if holder.padding_idx is not None:
                holder.padding_idx = int((rows == holder.padding_idx).nonzero()[0])
        elif isinstance(holder, nn.Linear) and holder.out_features == size:
            holder.out_features = len(rows)
    for config in _configs(model):
        for name in ("vocab_size", "decoder_vocab_size"):
            if getattr(config, name, None) is not None:
                setattr(config, name, len(rows))
    return before - byte_size(model)


def _token_tables(model: Any) -> list[nn.Embedding]:
    """The tables that look tokens up: of an encoder and of a decoder, which may be one."""
    holders = [model]
    if model.config.is_encoder_decoder:
        holders += [model.get_encoder(), model.get_decoder()]
    tables: list[nn.Embedding] = []
    for holder in holders:
        table = holder.get_input_embeddings()
        if not any(table is other for other in tables):
            tables.append(table)
    return tables


def _configs(model: Any) -> list[Any]:
    """All configs that a model and its parts go by."""
    found = [model.config, *(getattr(model.config, side, None) for side in ("encoder", "decoder"))]
    found += [getattr(part, "config", None) for part in model.modules()]
    return list({id(config): config for config in found if hasattr(config, "to_dict")}.values())


def byte_size(model: nn.Module) -> int:
    """Bytes of all parameters."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def _renumber_config(model: Any, ids: Mapping[int, int]) -> None:
    """New ids for what the configs call by id; a token that the tokenizer never had is none, and no phrase holds it."""
    for config in (*_configs(model), getattr(model, "generation_config", None)):
        for name, value in list(vars(config).items()) if config is not None else ():
            if not name.endswith("_token_id") and name not in TOKEN_LISTS:
                continue
            if isinstance(value, int):
                setattr(config, name, ids.get(value))
            elif isinstance(value, list) and value and isinstance(value[0], list):  # phrases
                setattr(config, name, [[ids[one] for one in phrase] for phrase in value if set(phrase) <= ids.keys()])
            elif isinstance(value, list):
                setattr(config, name, [ids[one] for one in value if one in ids])


def _measured(before: Any, after: Any, texts: Iterable[str]) -> tuple[float | None, float | None]:
    """Share of the tokens that are the same at the same place, and tokens after / before; None without a token."""
    same = old = new = 0
    for batch in _batches(texts):
        pairs = zip(before.encode_batch(batch), after.encode_batch(batch), strict=True)
        for first, second in pairs:
            tokens = Counter(zip(first.tokens, first.offsets, strict=True))
            same += (tokens & Counter(zip(second.tokens, second.offsets, strict=True))).total()
            old, new = old + len(first), new + len(second)
    return (same / old, new / old) if old else (None, None)
