"""Each piece gives what torch or Transformers gives, in float64 unless these compute in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpkit.learn.pieces import feed_forward, masks, norms, positions, schedules
from nlpkit.learn.pieces.attention import scaled_dot_product
from nlpkit.learn.pieces.decoder import DecoderLayer
from nlpkit.learn.pieces.embeddings import Embeddings, TiedOutput
from nlpkit.learn.pieces.encoder import EncoderLayer
from nlpkit.learn.pieces.multi_head import MultiHeadAttention

WIDTH, HEADS, INNER, LENGTH = 16, 4, 24, 7


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Float64, and the same numbers for each test."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def same(ours: Tensor, theirs: Tensor, within: float = 1e-9) -> None:
    torch.testing.assert_close(ours, theirs, atol=within, rtol=0, check_dtype=False)


def states(texts: int = 2, length: int = LENGTH) -> Tensor:
    return torch.randn(texts, length, WIDTH)


def drawn(module: nn.Module) -> Any:
    """A module of torch whose biases and norms are not 0 and 1."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return module.eval()


def take_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """Weights of torch, which keeps those of query, key and value in one matrix."""
    parts = zip(
        (ours.query, ours.key, ours.value), theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True
    )
    for part, weight, bias in parts:
        part.load_state_dict({"weight": weight, "bias": bias})
    ours.output.load_state_dict(theirs.out_proj.state_dict())


def take_layer(ours: EncoderLayer | DecoderLayer, theirs: Any) -> None:
    take_attention(ours.attention, theirs.self_attn)
    names = ["attention_norm", "feed_forward_norm"]
    if isinstance(ours, DecoderLayer):
        take_attention(ours.cross_attention, theirs.multihead_attn)
        names.insert(1, "cross_norm")
    for number, name in enumerate(names, 1):
        getattr(ours, name).load_state_dict(getattr(theirs, f"norm{number}").state_dict())
    inner: Any = ours.feed_forward
    inner.up.load_state_dict(theirs.linear1.state_dict())
    inner.down.load_state_dict(theirs.linear2.state_dict())


def test_attention_and_causal_mask() -> None:
    query, key, value = (torch.randn(2, HEADS, LENGTH, 5) for _ in range(3))
    ours, weights = scaled_dot_product(query, key, value, visible=masks.causal(LENGTH))
    same(ours, functional.scaled_dot_product_attention(query, key, value, is_causal=True))
    same(weights.sum(dim=-1), torch.ones(2, HEADS, LENGTH))
    assert not weights.triu(1).any()
    biased, _ = scaled_dot_product(query, key, value, bias=torch.ones(LENGTH, LENGTH).tril() * 3, scale=1.0)
    same(
        biased,
        functional.scaled_dot_product_attention(
            query, key, value, attn_mask=torch.ones(LENGTH, LENGTH).tril() * 3, scale=1.0
        ),
    )


def test_a_query_that_sees_nothing_looks_at_all_alike() -> None:
    """As the first row of a text that is padded on the left, in Transformers; NaN would spread."""
    _, weights = scaled_dot_product(*(torch.randn(3, 3, 2).unbind()), visible=torch.zeros(3, 3, dtype=torch.bool))
    same(weights, torch.full((3, 3), 1 / 3))


def test_multi_head_attention_with_padding() -> None:
    theirs = drawn(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    ours = MultiHeadAttention(WIDTH, HEADS)
    take_attention(ours, theirs)
    there = torch.tensor([[1] * LENGTH, [1] * 4 + [0] * 3])
    given = states()
    expected = theirs(given, given, given, key_padding_mask=~there.bool(), average_attn_weights=False)
    for mine, one in zip(ours(given, visible=masks.padding(there)), expected, strict=True):
        same(mine, one)


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
def test_layers_of_encoder_and_decoder(norm_first: bool) -> None:
    settings: dict[str, Any] = {"dim_feedforward": INNER, "batch_first": True, "norm_first": norm_first, "dropout": 0.0}
    theirs = drawn(nn.TransformerEncoderLayer(WIDTH, HEADS, activation=functional.gelu, **settings))
    ours = EncoderLayer(WIDTH, HEADS, INNER, activation=feed_forward.gelu, norm_first=norm_first)
    take_layer(ours, theirs)
    same(ours(given := states())[0], theirs(given))

    writer = drawn(nn.TransformerDecoderLayer(WIDTH, HEADS, **settings))
    mine = DecoderLayer(WIDTH, HEADS, INNER, norm_first=norm_first)
    take_layer(mine, writer)
    read, there = states(length=5), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    expected = writer(given, read, tgt_mask=~masks.causal(LENGTH), memory_key_padding_mask=~there.bool())
    same(mine(given, read, visible_read=masks.padding(there))[0], expected)


def test_sinusoidal_is_distilberts() -> None:
    from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings

    table = torch.empty(50, WIDTH)
    create_sinusoidal_embeddings(50, WIDTH, table)
    same(positions.sinusoidal(50, WIDTH), table, within=1e-6)


def test_rotary_is_llamas_and_tells_distances() -> None:
    import transformers
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    config = transformers.LlamaConfig(hidden_size=32, num_attention_heads=4, max_position_embeddings=16)
    query, key = torch.randn(2, 1, 4, 12, 8)
    cos, sin = LlamaRotaryEmbedding(config)(query, torch.arange(12)[None])
    angles = positions.rotary_angles(12, 8)
    for ours, theirs in zip(
        (positions.rotate(query, angles), positions.rotate(key, angles)),
        apply_rotary_pos_emb(query, key, cos, sin),
        strict=True,
    ):
        same(ours, theirs, within=1e-6)
    one, other = torch.randn(2, 8)
    scores = positions.rotate(one.expand(12, 8), angles) @ positions.rotate(other.expand(12, 8), angles).T
    same(scores[3, 1], scores[10, 8])  # both two apart


@pytest.mark.parametrize("both_ways", [True, False])
def test_relative_bias_is_t5s(both_ways: bool) -> None:
    import transformers
    from transformers.models.t5.modeling_t5 import T5Attention

    config = transformers.T5Config(d_model=16, num_heads=HEADS, d_kv=4, is_decoder=not both_ways)
    theirs = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    ours = positions.RelativeBias(HEADS, both_ways=both_ways)
    ours.table.load_state_dict(theirs.relative_attention_bias.state_dict())
    same(ours(200, 200), theirs.compute_bias(200, 200)[0])


def test_relative_keys_by_the_formula() -> None:
    """Shaw et al., formula 5, entry by entry."""
    module, query = positions.RelativeKeys(4, before=2, after=1), torch.randn(1, 5, 4)
    ours, table = module(query, 5), module.table.weight
    for i in range(5):
        for j in range(5):
            near = min(max(j - i, -2), 1) + 2
            assert float(ours[0, i, j]) == pytest.approx(float(query[0, i] @ table[near]) / 2)  # √4


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (feed_forward.relu, functional.relu),
        (feed_forward.leaky_relu, functional.leaky_relu),
        (feed_forward.gelu, functional.gelu),
        (feed_forward.gelu_tanh, lambda x: functional.gelu(x, approximate="tanh")),
        (feed_forward.silu, functional.silu),
    ],
)
def test_activations(ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor]) -> None:
    x = torch.linspace(-5, 5, 101)
    same(ours(x), theirs(x))


def test_gated_feed_forward_is_llamas() -> None:
    import transformers
    from transformers.models.llama.modeling_llama import LlamaMLP

    theirs = LlamaMLP(transformers.LlamaConfig(hidden_size=WIDTH, intermediate_size=INNER, num_attention_heads=HEADS))
    ours = feed_forward.GatedFeedForward(WIDTH, INNER)
    for mine, one in ((ours.gate, theirs.gate_proj), (ours.up, theirs.up_proj), (ours.down, theirs.down_proj)):
        mine.load_state_dict(one.state_dict())
    same(ours(given := states()), theirs(given))


def test_norms() -> None:
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    given = states() * 3 + 1
    for ours, theirs in (
        (norms.LayerNorm(WIDTH, 1e-12), nn.LayerNorm(WIDTH, 1e-12)),
        (norms.RMSNorm(WIDTH), LlamaRMSNorm(WIDTH)),
    ):
        ours.load_state_dict(drawn(theirs).state_dict())
        same(ours(given), theirs(given), within=1e-6)  # Llama's computes in float32


def test_batch_norm_in_training_and_afterwards() -> None:
    ours, theirs = norms.BatchNorm(WIDTH), nn.BatchNorm1d(WIDTH)
    for given in (states() * 3 + 1, states()):
        same(ours(given), theirs(given.transpose(1, 2)).transpose(1, 2))
    given = states()
    same(ours.eval()(given), theirs.eval()(given.transpose(1, 2)).transpose(1, 2))
    same(ours.running_variance, theirs.running_var)


def test_embeddings_and_the_output_that_shares_their_table() -> None:
    embed = Embeddings(11, WIDTH, "sinusoidal", scale=WIDTH**0.5)
    ids = torch.tensor([[3, 1, 4]])
    same(embed(ids)[0, 2], embed.table.weight[4] * 4 + positions.sinusoidal(3, WIDTH)[2])
    output = TiedOutput(embed.table)
    same(output(given := states()), given @ embed.table.weight.T)
    assert sum(parameter.numel() for parameter in nn.ModuleList([embed, output]).parameters()) == 11 * WIDTH


def test_schedules() -> None:
    from transformers import get_inverse_sqrt_schedule, get_linear_schedule_with_warmup

    def rates(make: Callable[[Any], Any], steps: int = 30) -> list[float]:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make(optimizer)
        found = []
        for _ in range(steps):
            found.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        return found

    theirs = rates(lambda optimizer: get_linear_schedule_with_warmup(optimizer, 5, 25))
    assert [schedules.linear(step, 25, 5) for step in range(30)] == pytest.approx(theirs)
    peak = schedules.noam(5, 64, 5)
    theirs = rates(lambda optimizer: get_inverse_sqrt_schedule(optimizer, 5))
    assert [schedules.noam(step, 64, 5) / peak for step in range(30)] == pytest.approx(theirs)
