"""Encoder-decoders from scratch: sizes, parameters of the published models, opened and run by the stock library."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import transformers

from nlpkit.errors import UserError
from nlpkit.pretraining import encoder_decoders
from nlpkit.pretraining.encoder_decoders import EncoderDecoder, EncoderDecoderOptions, learning_rate, new_config
from nlpkit.tokenization import joint

ARCHITECTURES = get_args(EncoderDecoder)
SHAPE = {"encoder_layers": 2, "decoder_layers": 1, "hidden_size": 32, "heads": 4, "intermediate_size": 48}


class Vocabulary:
    """The ids of a tokenizer of any size."""

    pad_token_id, eos_token_id, bos_token_id = 0, 1, None

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    words = "ein Hund läuft über die Straße a dog runs across the street"
    return joint.learned([(words, words)] * 3, joint.JointTokenizerOptions(vocab_size=400))


def parameters(options: dict[str, Any], vocabulary: int) -> int:
    config = new_config(EncoderDecoderOptions(**options), Vocabulary(vocabulary), 1024)
    with torch.device("meta"):
        model = encoder_decoders.new_model(config)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("options", "vocabulary", "published"),
    [
        ({"arch": "marian", "size": "nano"}, 9_712, 2.6),  # Wu et al. 2021, table 1
        ({"arch": "marian", "size": "base"}, 37_000, 65),  # Vaswani et al. 2017, table 3
        ({"arch": "t5", "size": "base"}, 32_128, 60.5),  # t5-small
    ],
)
def test_parameters_of_the_published_models(options: dict[str, Any], vocabulary: int, published: float) -> None:
    assert parameters(options, vocabulary) / 1e6 == pytest.approx(published, rel=0.035)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_each_dimension_has_its_flag(arch: str, tokenizer: Any) -> None:
    model = encoder_decoders.new_model(new_config(EncoderDecoderOptions(arch=arch, **SHAPE), tokenizer, 16))
    stacks = (model.encoder.block, model.decoder.block) if arch == "t5" else (
        model.get_encoder().layers, model.get_decoder().layers
    )  # fmt: skip
    assert [len(stack) for stack in stacks] == [2, 1]
    assert model.config.d_model == 32
    assert model.config.num_attention_heads == 4
    widths = {tuple(p.shape) for p in model.parameters() if p.dim() == 2}
    assert (48, 32) in widths
    assert (32, 48) in widths
    # one table for source, target and logits
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert sum(tuple(p.shape) == (len(tokenizer), 32) for p in model.parameters()) == 1


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_stock_library_opens_trains_and_writes(arch: str, tokenizer: Any, tmp_path: Path) -> None:
    """It learns one pair by heart, and writes it after both files are opened again."""
    torch.manual_seed(0)
    options = EncoderDecoderOptions(arch=arch, **SHAPE)
    model = encoder_decoders.new_model(new_config(options, tokenizer, 24))
    source, target = "a dog runs", "ein Hund läuft über die Straße"
    batch, labels = tokenizer([source], return_tensors="pt"), tokenizer([target], return_tensors="pt")["input_ids"]
    first = float(model.eval()(**batch, labels=labels).loss)
    assert first < 2 * torch.tensor(float(len(tokenizer))).log()  # not surer of anything than of chance
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(80):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    opened = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path)
    written = opened.generate(**reader([source], return_tensors="pt"), max_new_tokens=20, do_sample=False)[0]
    assert reader.decode(written, skip_special_tokens=True) == target
    start = reader.eos_token_id if arch == "bart" else reader.pad_token_id
    assert written[0] == start == opened.generation_config.decoder_start_token_id
    assert written[-1] == reader.eos_token_id
    assert opened.generation_config.forced_eos_token_id is None  # what is cut does not look as if it had ended


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 100, "heads": 3}, "--hidden-size 100 is not a multiple of --heads 3"),
        ({"max_positions": 64}, "--max-positions 64 is below the longest text, 128 tokens"),
        ({"arch": "t5", "max_positions": 256}, "its positions are relative"),
    ],
)
def test_combinations_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        new_config(EncoderDecoderOptions(**options), Vocabulary(500), 128)


def test_learning_rates_go_with_the_width() -> None:
    sizes = [EncoderDecoderOptions(size=size) for size in ("nano", "tiny", "small")]
    assert [learning_rate(size, "adamw") for size in sizes] == [2e-3, 1e-3, 5e-4]
    assert [learning_rate(size, "muon") for size in sizes] == [5e-3, 2.5e-3, 1.25e-3]
    assert learning_rate(EncoderDecoderOptions(hidden_size=32), "muon") == 1e-2


# --- two models that are there, joined ---


def folder_of(place: Path, name: str, tokenizer: Any, model_type: str = "bert", **settings: Any) -> str:
    """A tiny random model with its tokenizer."""
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": len(tokenizer)}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    config = transformers.AutoConfig.for_model(model_type, **{**shape, **ids, **settings})
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(place / name)
    tokenizer.save_pretrained(place / name)
    return str(place / name)


@pytest.mark.parametrize("widths", [(32, 32), (32, 48)], ids=["the same width", "another width"])
def test_two_encoders_become_one_model(widths: tuple[int, int], tokenizer: Any, tmp_path: Path) -> None:
    names = [folder_of(tmp_path, f"{i}", tokenizer, hidden_size=width) for i, width in enumerate(widths)]
    pair = encoder_decoders.pair_of(*names)
    (model, new), both = encoder_decoders.joined(pair), pair.tokenizer
    weights = {name: weight.clone() for name, weight in model.named_parameters()}
    theirs = [transformers.AutoModelForCausalLM.from_pretrained(name).state_dict() for name in names]
    for name, weight in weights.items():  # all that is not told of as new is theirs
        side, _, own = name.partition(".")
        if side == "decoder" and name not in new:
            assert torch.equal(weight, theirs[1][own]), name
        elif side == "encoder" and "pooler" not in own:
            assert torch.equal(weight, theirs[0][f"bert.{own}"]), name
    assert any("crossattention" in name for name in new)
    assert ("enc_to_dec_proj.weight" in new) == (widths[0] != widths[1])

    model.save_pretrained(tmp_path / "both")
    both.save_pretrained(tmp_path / "both")
    opened = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "both")
    batch = both(["ein Hund"], return_tensors="pt")
    with torch.no_grad():
        written = opened.generate(**batch, max_new_tokens=3, do_sample=False)
        assert torch.equal(written, model.eval().generate(**batch, max_new_tokens=3, do_sample=False))
    assert written[0, 0] == both.eos_token_id != both.pad_token_id  # it has no token for the beginning
    assert opened.generation_config.eos_token_id == both.eos_token_id


def test_models_that_cannot_be_joined(tokenizer: Any, tmp_path: Path) -> None:
    mine = folder_of(tmp_path, "mine", tokenizer)
    small = joint.learned([("a dog", "ein Hund")], joint.JointTokenizerOptions(vocab_size=300))
    other = folder_of(tmp_path, "other", small)
    with pytest.raises(UserError, match=rf"have two tokenizers, of {len(tokenizer)} and {len(small)} tokens"):
        encoder_decoders.pair_of(mine, other)
    llama = folder_of(tmp_path, "llama", tokenizer, "llama", intermediate_size=32)
    with pytest.raises(UserError, match="a llama cannot attend to what another model reads"):
        encoder_decoders.pair_of(mine, llama)
    tokenizer.save_pretrained(tmp_path / "endless")
    endless = transformers.AutoTokenizer.from_pretrained(tmp_path / "endless", eos_token=None, pad_token="<unk>")
    endless.save_pretrained(mine)
    with pytest.raises(UserError, match="no token for the end of a text apart from padding"):
        encoder_decoders.pair_of(mine, mine)
