"""The cache of an exported model that writes: what its graph calls it, and how it goes in and comes out.

One graph reads a prompt, with a cache of length 0, and what was written since, with that of all tokens before: its
weights are there once. Names are those of optimum and transformers.js.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, EncoderDecoderCache

    Cache: TypeAlias = DynamicCache | EncoderDecoderCache

PAST, PRESENT = "past_key_values", "present"  # `past_key_values.0.key` goes in, `present.0.key` comes out
OF_ENCODER = "encoder"  # `past_key_values.0.encoder.key`: of what the encoder has read, which stays as it is
OF_DECODER = "decoder"
KEPT = "num_logits_to_keep"  # places at the end of the tokens whose logits are wanted; 0: all
IDS, WRITTEN = "input_ids", "decoder_input_ids"
POSITIONS, MASK = "position_ids", "attention_mask"
TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}


@dataclass(frozen=True)
class CacheLayout:
    """What a graph reads and gives of the keys and values of its layers.

    Attributes:
        past, present: names of inputs and outputs, key and value of the first layer before those of the second.
        heads, sizes: of each, as its shape is (rows, heads, tokens, size).
        kind: of their numbers, as torch and numpy call it.
        read: names of inputs that hold those of the tokens that an encoder has read.
        others: further inputs of the graph.
    """

    past: Sequence[str]
    present: Sequence[str]
    heads: Sequence[int]
    sizes: Sequence[int]
    kind: str
    read: Sequence[str]
    others: frozenset[str]

    @classmethod
    def of(cls, session: Any) -> Self | None:
        """Of an open session of ONNX Runtime; None where its graph has no cache."""
        inputs = {item.name: item for item in session.get_inputs()}
        caches = [name for name in inputs if name.startswith(f"{PAST}.")]
        if not caches:
            return None
        read = [name for name in caches if f".{OF_ENCODER}." in name]
        past = [name for name in caches if name not in read]
        shapes = [inputs[name].shape for name in past]
        return cls(
            past,
            [PRESENT + name.removeprefix(PAST) for name in past],
            [int(shape[1]) for shape in shapes],
            [int(shape[3]) for shape in shapes],
            TYPES[inputs[past[0]].type],
            read,
            frozenset(inputs) - frozenset(caches),
        )

    def inputs(self, given: Mapping[str, torch.Tensor], cache: Cache | None, kept: int = 0) -> dict[str, torch.Tensor]:
        """What the graph reads for tokens behind those of a cache, as a model of transformers fills it up.

        Args:
            given: the ids of the tokens, and what is known besides.
            cache: of the tokens before; None: there are none.
            kept: see `KEPT`.
        """
        import torch

        ids = given[WRITTEN if WRITTEN in self.others else IDS]
        rows, length = ids.shape
        own = _own(cache)
        before = 0 if own is None else own.get_seq_length()
        made = {name: tensor for name, tensor in given.items() if name in self.others}
        if MASK in self.others and MASK not in made and not self.read:
            made[MASK] = torch.ones((rows, before + length), dtype=torch.long, device=ids.device)
        if POSITIONS in self.others and POSITIONS not in made:
            made[POSITIONS] = torch.arange(before, before + length, device=ids.device).repeat(rows, 1)
        if KEPT in self.others:
            made[KEPT] = torch.tensor(kept)
        if not before:
            for name, heads, size in zip(self.past, self.heads, self.sizes, strict=True):
                made[name] = torch.empty((rows, heads, 0, size), dtype=getattr(torch, self.kind), device=ids.device)
        else:
            made |= _named(self.past, own)
        if self.read:
            made |= _named(self.read, getattr(cache, "cross_attention_cache", None))
        return made

    def taken(self, given: Mapping[str, torch.Tensor], cache: Cache | None) -> Cache:
        """The cache with what the graph gave, which has all tokens; it is changed in place, as that of torch is."""
        from transformers import DynamicCache

        pairs = _pairs([given[name] for name in self.present])
        if cache is None:
            return DynamicCache(pairs)
        own: Any = _own(cache)
        if own.get_seq_length():
            for layer, (keys, values) in zip(own.layers, pairs, strict=True):
                layer.keys, layer.values = keys, values
        else:
            own.layers = DynamicCache(pairs).layers
        return cache


def _own(cache: Cache | None) -> DynamicCache | None:
    """Of the tokens that were written."""
    known: Any = cache
    own: DynamicCache | None = getattr(known, "self_attention_cache", known)
    return own


def of_encoder(given: Sequence[torch.Tensor]) -> EncoderDecoderCache:
    """The cache of a decoder that has written nothing, and whose encoder gave these keys and values, layer by layer."""
    from transformers import DynamicCache, EncoderDecoderCache

    return EncoderDecoderCache(DynamicCache(), DynamicCache(_pairs(given)))


def _pairs(tensors: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(tensors[::2], tensors[1::2], strict=True))


def _named(names: Sequence[str], cache: Any) -> dict[str, torch.Tensor]:
    """Keys and values by the names of inputs; none of no cache."""
    if cache is None:
        return {}
    tensors = [states for layer in cache.layers for states in (layer.keys, layer.values)]
    return dict(zip(names, tensors, strict=True))
