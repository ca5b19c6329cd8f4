"""Encoders from scratch: sizes, options that fit together, parameter counts of the published models, MFU's FLOPs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from pretraining_runs import ARCHITECTURES, byte_bpe, tiny_config, tiny_model, wordpiece

from nlpkit.errors import UserError
from nlpkit.pretraining.architectures import ArchitectureOptions, TrainingFlops, new_config


class Vocabulary:
    """The ids of a tokenizer of any size."""

    bos_token_id = eos_token_id = None
    pad_token_id, cls_token_id, sep_token_id = 0, 2, 3

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


def config_of(tokenizer: Any = None, max_length: int = 128, **options: Any) -> Any:
    return new_config(ArchitectureOptions(**options), tokenizer or wordpiece(), max_length)


def shape(config: Any) -> tuple[int, int, int, int]:
    feed_forward = config.hidden_dim if config.model_type == "distilbert" else config.intermediate_size
    return config.num_hidden_layers, config.hidden_size, config.num_attention_heads, feed_forward


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(
    ("size", "layers", "hidden"),
    [("tiny", 2, 128), ("mini", 4, 256), ("small", 4, 512), ("medium", 8, 512), ("base", 12, 768)],
)
def test_the_grid(arch: str, size: str, layers: int, hidden: int) -> None:
    config = config_of(arch=arch, size=size)
    wide = hidden * 3 // 2 if arch == "modernbert" else 4 * hidden
    assert shape(config) == (layers, hidden, hidden // 64, wide)
    assert config.model_type == arch
    assert config.vocab_size == len(wordpiece())
    assert config.pad_token_id == wordpiece().pad_token_id


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_each_dimension_has_its_flag(arch: str) -> None:
    options = {"layers": 3, "hidden_size": 96, "heads": 6, "intermediate_size": 100, "max_positions": 200}
    config = config_of(arch=arch, **options)
    assert shape(config) == (3, 96, 6, 100)
    # a row of 200 tokens goes in
    limit = config.max_position_embeddings - (config.pad_token_id + 1 if arch == "roberta" else 0)
    assert limit == 200


def test_a_width_by_itself_brings_heads_of_64() -> None:
    assert shape(config_of(hidden_size=192))[1:] == (192, 3, 768)
    assert shape(config_of(hidden_size=32))[1:] == (32, 1, 128)  # at least one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 100, "heads": 3}, "--hidden-size 100 is not a multiple of --heads 3"),
        ({"max_positions": 64}, "--max-positions 64 is below --max-length 128"),
        ({"embedding_size": 64}, "--embedding-size: in bert the embeddings are as wide as the layers"),
    ],
)
def test_combinations_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        config_of(**options)
    assert error.value.message == message


@pytest.mark.parametrize(("arch", "expected"), [("albert", 128), ("electra", 128)])
def test_narrow_embeddings(arch: str, expected: int) -> None:
    assert config_of(arch=arch, size="small").embedding_size == expected
    assert config_of(arch=arch, size="small", embedding_size=64).embedding_size == 64
    assert config_of(arch=arch, hidden_size=32).embedding_size == 32


def parameters(config: Any, auto_class: str = "AutoModel") -> int:
    with torch.device("meta"):
        model = getattr(transformers, auto_class).from_config(config)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "vocabulary", "published"),
    [
        # https://github.com/google-research/bert, the table of smaller BERTs
        ({"arch": "bert", "size": "tiny"}, 30522, 4.4),
        ({"arch": "bert", "size": "mini"}, 30522, 11.2),
        ({"arch": "bert", "size": "small"}, 30522, 28.8),
        ({"arch": "bert", "size": "medium"}, 30522, 41.4),
        ({"arch": "bert", "size": "base"}, 30522, 109.5),
        ({"arch": "roberta", "size": "base"}, 50265, 124.6),
        ({"arch": "distilbert", "size": "base", "layers": 6}, 30522, 66.4),
        ({"arch": "albert", "size": "base"}, 30000, 11.7),
        ({"arch": "electra", "layers": 12, "hidden_size": 256}, 30522, 13.5),
    ],
)
def test_parameters_of_the_published_models(options: dict[str, Any], vocabulary: int, published: float) -> None:
    config = config_of(Vocabulary(vocabulary), 512, **options)
    assert parameters(config) / 1e6 == pytest.approx(published, abs=0.06)


@pytest.mark.parametrize(
    ("arch", "stock"),
    [
        ("bert", transformers.BertConfig(vocab_size=1000, max_position_embeddings=128)),
        ("roberta", transformers.RobertaConfig(vocab_size=1000, max_position_embeddings=129, type_vocab_size=1)),
        ("modernbert", transformers.ModernBertConfig(vocab_size=1000, num_hidden_layers=12, pad_token_id=0)),
    ],
)
def test_base_is_the_stock_configuration(arch: str, stock: Any) -> None:
    mine = config_of(Vocabulary(1000), arch=arch, size="base")
    assert parameters(mine, "AutoModelForMaskedLM") == parameters(stock, "AutoModelForMaskedLM")


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("tokenizer", [wordpiece, byte_bpe], ids=["wordpiece", "byte-bpe"])
def test_a_row_of_max_length_goes_through(arch: str, tokenizer: Any) -> None:
    """RoBERTa counts positions from behind the padding id, which differs from tokenizer to tokenizer."""
    model = tiny_model(arch, tokenizer=tokenizer(), max_length=16).eval()
    ids = torch.arange(10, 26)[None]
    with torch.no_grad():
        assert model(ids).logits.shape == (1, 16, len(tokenizer()))
    assert model.config.pad_token_id == tokenizer().pad_token_id


def test_flops_count_what_is_computed() -> None:
    """Against torch's own counter, forward and backward, with the head at all positions."""
    from torch.utils.flop_counter import FlopCounterMode

    for arch in ("bert", "albert", "modernbert"):
        model = tiny_model(arch, hidden_size=64, heads=4, max_length=64)
        model.set_attn_implementation("eager")  # the counter knows no fused attention on the CPU
        ids = torch.randint(5, 60, (4, 64))
        with FlopCounterMode(display=False) as counter:
            model(ids).logits.sum().backward()
        assert TrainingFlops(model)(4 * 64, 64, 4 * 64) == pytest.approx(counter.get_total_flops(), rel=0.02), arch


def test_flops_of_documents_are_those_of_each_by_itself() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    for arch in ("bert", "modernbert"):
        model = tiny_model(arch, max_length=64)
        model.set_attn_implementation("eager")
        lengths = [64, 40, 20, 4]
        with FlopCounterMode(display=False) as counter:
            for length in lengths:
                model(torch.randint(5, 60, (1, length))).logits.sum().backward()
        pairs = sum(length**2 for length in lengths)
        found = TrainingFlops(model)(128, 64, 128, {"full_attention": pairs, "sliding_attention": pairs})
        assert found == pytest.approx(counter.get_total_flops(), rel=0.02), arch


def test_flops_of_replaced_tokens_count_both_networks() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from nlpkit.pretraining.objectives import ReplacedTokenModel

    config = tiny_config("electra", hidden_size=64, heads=4, embedding_size=16, max_length=64)
    config.generator_share = 0.5
    model = ReplacedTokenModel(config).train()
    model.set_attn_implementation("eager")
    ids = torch.randint(5, 60, (4, 64))
    places = torch.arange(64).expand(4, 64)
    with FlopCounterMode(display=False) as counter:
        guessed, judged, _ = model(ids, original=ids, positions=places)
        (guessed.sum() + judged.sum()).backward()
    assert TrainingFlops(model)(4 * 64, 64, 4 * 64) == pytest.approx(counter.get_total_flops(), rel=0.02)
