"""A model that writes as an ONNX graph with a cache: one that reads a prompt and what was written behind it; an encoder
is a graph of its own.

It is traced where several tokens follow a cache, so that the number of either is open: with a cache of length 0 the
same graph reads a prompt, and the weights are there once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer
from transformers.masking_utils import sdpa_mask
from transformers.modeling_outputs import BaseModelOutput

from nlpkit.errors import UserError
from nlpkit.models.onnx import OnnxModel
from nlpkit.models.onnx_cache import (
    IDS,
    KEPT,
    MASK,
    OF_DECODER,
    OF_ENCODER,
    PAST,
    POSITIONS,
    PRESENT,
    WRITTEN,
)
from nlpkit.quantization import export, graph

if TYPE_CHECKING:
    import onnx_ir as ir

ATTENTION = "nlpkit_onnxruntime_with_cache"  # the name of the attention function
ROWS, READ, BEFORE, NEW = 2, 7, 5, 3  # sizes of the trace, each other than the others
PADDED = 2  # places before the first row: a mask of ones alone would be optimized away
CROSS = "cross"  # a cache that a traced decoder reads: of what the encoder has read
LAYER = re.compile(r"(?:input\.|output\.)?(past_key_values|cross)\.layers\.(\d+)\.(keys|values)")  # of the exporter
TO_KEEP = "logits_to_keep"  # places of the tokens whose logits a model of transformers is to give


def decoder_alone(model: Any, *, fusions: Literal["cuda"] | None = None) -> ir.Model:
    """Trace a model that goes on with a text into a graph with a cache.

    It reads `input_ids` (rows, tokens), `attention_mask` (rows, tokens before and these), `position_ids` where the
    model does, `num_logits_to_keep` and `past_key_values.N.key` and `.value` (rows, heads, tokens before, size); it
    gives `logits` (rows, tokens that are kept, vocabulary) and `present.N.key` and `.value`.

    Args:
        model: of transformers, in float32 or float16, in evaluation mode.
        fusions: see `export.export`.

    Raises:
        UserError: the architecture cannot be exported, or its cache holds other things than keys and values.
    """
    inputs = _behind_a_prompt(model)
    made = export.traced(model, inputs, fusions=fusions, attention=None if fusions else ATTENTION)
    _name(made, inputs, f"total_{graph.DIMENSIONS[1]}")
    if TO_KEEP in inputs:
        graph.count_kept(made, TO_KEEP, KEPT)
    return made


def encoder_and_decoder(model: Any, *, fusions: Literal["cuda"] | None = None) -> tuple[ir.Model, ir.Model]:
    """Trace a model with an encoder and a decoder into two graphs.

    The encoder reads `input_ids` and `attention_mask` (rows, tokens) and gives `present.N.encoder.key` and `.value`, by
    which layer N of the decoder attends to them. The decoder reads `decoder_input_ids` (rows, tokens), the
    `attention_mask` of what the encoder read, `past_key_values.N.encoder.key`, and `past_key_values.N.decoder.key` of
    the tokens before; it gives `logits` (rows, tokens, vocabulary) and `present.N.decoder.key`.

    Args, Raises: as `decoder_alone`.
    """
    ids, mask = _tokens(model, READ)
    _, own = _tokens(model, BEFORE + NEW)
    written = torch.full_like(own, model.config.decoder_start_token_id or 0)
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask, decoder_input_ids=written[:, :BEFORE], use_cache=True)
    cache = before.get(PAST)
    parts = [getattr(cache, f"{side}_attention_cache", None) for side in ("self", "cross")]
    _require_keys_and_values(model, *parts)
    encoder_config = getattr(model.config, "encoder", model.config)
    width = encoder_config.hidden_size
    attention = None if fusions else ATTENTION

    def read(plain: Callable[..., Any], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        states = model.get_encoder()(input_ids=inputs[IDS], attention_mask=inputs[MASK]).last_hidden_state
        made = plain(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=inputs[MASK],
            decoder_input_ids=inputs[IDS][:, :1],  # any token: its own keys and values are not read
            use_cache=True,
        )
        return {PAST: made.past_key_values.cross_attention_cache}

    def write(plain: Callable[..., Any], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        cache = EncoderDecoderCache(inputs[PAST], inputs[CROSS])
        cache.is_updated = dict.fromkeys(range(len(cache.cross_attention_cache.layers)), True)
        # of the states that the encoder gave the shape alone is looked at: their keys and values are in the cache
        states = inputs[MASK][:, :, None].to(model.dtype).expand(-1, -1, width)
        made = plain(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=inputs[MASK],
            decoder_input_ids=inputs[WRITTEN],
            past_key_values=cache,
            use_cache=True,
        )
        return {"logits": made.logits, PAST: made.past_key_values.self_attention_cache}

    given: dict[str, Any] = {IDS: ids, MASK: mask}
    with export.computing(model, read):
        encoder = export.traced(model, given, fusions=fusions, attention=attention)
    given = {WRITTEN: written[:, BEFORE:], MASK: mask, PAST: parts[0], CROSS: parts[1]}
    with export.computing(model, write):
        decoder = export.traced(model, given, fusions=fusions, attention=attention)
    _name(encoder, {}, graph.DIMENSIONS[1], own=OF_ENCODER)
    _name(decoder, given, f"read_{graph.DIMENSIONS[1]}", own=OF_DECODER)
    return encoder, decoder


def in_two_steps(model: OnnxModel, **batch: Any) -> Mapping[str, torch.Tensor]:
    """The logits of texts of which the second half is read behind the cache of the first, for comparison with those of
    texts that are read whole.

    Args:
        batch: what the model is given, shape (rows, tokens).
    """
    name = WRITTEN if WRITTEN in batch else IDS
    half = batch[name].shape[1] // 2
    if not half:
        return model(**batch)
    first: dict[str, Any] = dict(batch)
    second: dict[str, Any] = dict(batch)
    for each in {name, POSITIONS} & set(batch):
        first[each], second[each] = batch[each][:, :half], batch[each][:, half:]
    if name == IDS:
        first[MASK] = batch[MASK][:, :half]
    before = model(**first)
    rest = model(**second, past_key_values=before[PAST])
    return {"logits": torch.cat([before["logits"], rest["logits"]], 1)}


def _tokens(model: Any, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of so many tokens a row, of which the first row is padded."""
    vocabulary = getattr(model.config, "encoder", model.config).vocab_size
    ids = torch.arange(ROWS * count, device=model.device).reshape(ROWS, -1) % vocabulary
    mask = torch.ones_like(ids)
    mask[0, :PADDED] = 0
    return ids, mask


def _behind_a_prompt(model: Any) -> dict[str, Any]:
    """An example of what a model reads that goes on with a text.

    Raises:
        UserError: its cache holds other things than keys and values.
    """
    ids, mask = _tokens(model, BEFORE + NEW)
    takes = signature(model.forward).parameters
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    before, inputs = {IDS: ids[:, :BEFORE], MASK: mask[:, :BEFORE]}, {IDS: ids[:, BEFORE:], MASK: mask}
    if POSITIONS in takes:
        before[POSITIONS], inputs[POSITIONS] = positions[:, :BEFORE], positions[:, BEFORE:]
    with torch.no_grad():
        cache = model(**before, use_cache=True).get(PAST)
    _require_keys_and_values(model, cache)
    if TO_KEEP in takes:  # fewer than there are tokens: sizes that are the same would be taken for one
        inputs[TO_KEEP] = torch.arange(1, NEW, device=ids.device)
    return {**inputs, PAST: cache, "use_cache": True}


def _require_keys_and_values(model: Any, *caches: Any) -> None:
    """Stop at a cache that holds something else.

    Raises:
        UserError: naming the architecture.
    """
    for cache in caches:
        if not isinstance(cache, DynamicCache) or not all(isinstance(layer, DynamicLayer) for layer in cache.layers):
            raise UserError(
                f"{type(model).__name__} cannot be exported to ONNX: it remembers what it has read in another way than "
                "by the keys and values of each layer",
                "--to torch-int8 needs no export.",
            )


def _name(made: ir.Model, given: Mapping[str, Any], masked: str, own: str = "") -> None:
    """Give inputs and outputs of the cache, and the dimensions that are open, the names of `onnx_cache`.

    Args:
        given: what was traced.
        masked: what the tokens of the mask are called.
        own: what the parts of the graph's own cache are called besides; "" for nothing.
    """
    import onnx_ir

    rows, tokens = graph.DIMENSIONS
    for value in [*made.graph.inputs, *made.graph.outputs]:
        assert value.name is not None and value.shape is not None
        found = LAYER.fullmatch(value.name)
        if found is not None:
            goes_in = value in made.graph.inputs
            part = OF_ENCODER if found[1] == CROSS else own
            there = f"past_{tokens}" if goes_in else f"total_{tokens}"
            heads, size = value.shape[1], value.shape[3]
            if goes_in:  # no operation may tell them
                layer = given[found[1]].layers[int(found[2])]
                _, heads, _, size = (layer.keys if found[3] == "keys" else layer.values).shape
            names = [PAST if goes_in else PRESENT, found[2], *([part] if part else []), found[3].removesuffix("s")]
            value.name = ".".join(names)
            value.shape = onnx_ir.Shape([rows, heads, masked if part == OF_ENCODER else there, size])
        elif value.name == MASK:
            value.shape = onnx_ir.Shape([rows, masked])
        elif value.name == "logits" and TO_KEEP in given:
            value.shape = onnx_ir.Shape([rows, f"kept_{tokens}", value.shape[2]])


def _mask(*, attention_mask: torch.Tensor | None, mask_function: Any, **arguments: Any) -> torch.Tensor | None:
    """What is added to the products of queries and keys, shape (batch, 1, queries, keys): 0 where a key is seen."""
    for skip in ("allow_is_causal_skip", "allow_is_bidirectional_skip"):  # they would look at the example's mask
        arguments[skip] = False
    seen = sdpa_mask(attention_mask=attention_mask, mask_function=mask_function, **arguments)
    kind = arguments["dtype"]
    assert seen is not None  # as nothing is skipped
    return (~seen).to(kind) * torch.finfo(kind).min


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    position_bias: torch.Tensor | None = None,
    **arguments: Any,
) -> tuple[torch.Tensor, None]:
    """MultiHeadAttention of ONNX Runtime over keys and values of the cache, as they stand there.

    Args:
        query: shape (batch, heads, queries, head size).
        key, value: shape (batch, heads or groups of them, keys, head size).
        attention_mask: as `_mask` gives it.
        position_bias: what is added to it (T5), shape (1, heads, queries, keys).

    Returns:
        Shape (batch, queries, heads, head size), and no weights.
    """
    heads, size = query.shape[1], query.shape[3]
    if key.shape[1] != heads:
        key, value = (states.repeat_interleave(heads // key.shape[1], 1) for states in (key, value))
    if position_bias is not None:
        attention_mask = position_bias if attention_mask is None else attention_mask + position_bias
    queries = query.transpose(1, 2).flatten(2)
    context = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (queries, key, value, None, None, attention_mask),
        {"num_heads": heads, "scale": scaling or size**-0.5},
        dtype=query.dtype,
        shape=queries.shape,
        version=1,
    )
    return context.unflatten(2, (heads, size)), None


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, _mask)
