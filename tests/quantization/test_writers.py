"""Models that write in ONNX Runtime: one graph with a cache, which writes what torch writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import encoder_decoders
import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, GenerationConfig
from writers import PROMPTS, batch_of, byte_tokenizer, ends, make_model

from nlpkit.errors import UserError
from nlpkit.generation import loop
from nlpkit.generation.settings import Settings

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx_ir")
pytestmark = pytest.mark.slow  # an export takes seconds


def saved(model: Any, folder: Path) -> Any:
    """The model as an exported folder holds it, open."""
    from nlpkit.models import onnx
    from nlpkit.quantization import export, writers

    if model.config.is_encoder_decoder:
        made = dict(zip(("encoder_model", "decoder_model_merged"), writers.encoder_and_decoder(model), strict=True))
    else:
        made = {"model": writers.decoder_alone(model)}
    for graph in made.values():
        export.finish(graph, model, fused=False)
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    return onnx.opened(export.save_all(made, folder), model.config)


@pytest.fixture(scope="module", params=["gpt2", "qwen3"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A model and the same exported; qwen3 with heads that share their keys."""
    shared = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8} if request.param == "qwen3" else {}
    model = make_model(request.param, **shared)
    with torch.no_grad():  # biases are zeros at first
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)))
    model.generation_config = GenerationConfig(eos_token_id=[1, 7], max_new_tokens=9)
    return model, saved(model, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module", params=["t5", "mbart", "marian"])
def translators(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A model with an encoder and a decoder, and the same exported."""
    model = encoder_decoders.make(request.param, byte_tokenizer())
    return model, saved(model, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(max_new_tokens=10),
        Settings(max_new_tokens=10, temperature=1.0, sequences=2),
        Settings(max_new_tokens=10, beams=3, sequences=2),
    ],
)
def test_an_encoder_and_a_decoder_write_what_torch_writes(translators: tuple[Any, Any], settings: Settings) -> None:
    tokenizer, texts = byte_tokenizer(), encoder_decoders.TEXTS

    def written(model: Any, chosen: list[str]) -> list[list[int]]:
        way = loop.beams if settings.beams > 1 else loop.write
        with torch.inference_mode():
            batch = encoder_decoders.read(tokenizer, chosen)
            return [text.ids for text in way(model, batch, settings, encoder_decoders.ends(tokenizer))]

    model, exported = translators
    wanted = written(model, texts)
    assert written(exported, texts) == wanted
    assert [ids for text in texts for ids in written(exported, [text])] == wanted


@pytest.mark.parametrize(
    "settings",
    [
        Settings(max_new_tokens=24),
        Settings(max_new_tokens=12, temperature=0.9, top_p=0.9, sequences=2, seed=3),
        Settings(max_new_tokens=12, repetition_penalty=1.3, no_repeat_ngram=2, stop=["b", "7"]),
        Settings(max_new_tokens=8, beams=3),
    ],
)
def test_it_writes_what_torch_writes(both: tuple[Any, Any], settings: Settings) -> None:
    tokenizer = byte_tokenizer()
    steps: list[list[tuple[int, int]]] = []

    def written(model: Any, prompts: list[str]) -> list[loop.Text]:
        steps.append([])
        with torch.inference_mode():
            if settings.beams > 1:
                return loop.beams(model, batch_of(tokenizer, prompts), settings, ends(tokenizer))
            return loop.write(
                model,
                batch_of(tokenizer, prompts),
                settings,
                ends(tokenizer, settings.stop),
                runners_up=3,
                on_token=lambda number, text: steps[-1].append((number, len(text.ids))),
            )

    model, exported = both
    wanted, found = written(model, PROMPTS), written(exported, PROMPTS)
    alone = [text for prompt in PROMPTS for text in written(exported, [prompt])]
    assert [text.ids for text in found] == [text.ids for text in wanted] == [text.ids for text in alone]
    assert [text.ended for text in found] == [text.ended for text in wanted]
    assert steps[0] == steps[1]
    for one, other in zip(found, wanted, strict=True):
        assert one.chances == pytest.approx(other.chances, abs=1e-4)
        assert [[token for token, _ in likely] for likely in one.others] == [
            [token for token, _ in likely] for likely in other.others
        ]


def test_its_weights_are_there_once_and_the_last_logits_alone_are_computed(both: tuple[Any, Any]) -> None:
    import onnx_ir

    model, exported = both
    stored = sum(value.const_value.size for value in onnx_ir.load(exported.path).graph.initializers.values())
    table = model.get_input_embeddings().weight.numel()  # that of a tied head is there turned round too
    assert stored < model.num_parameters() + table + 2000
    assert str(Path.cwd()).encode() not in exported.path.read_bytes()
    batch = batch_of(byte_tokenizer(), PROMPTS)
    whole = exported(**batch)
    last = exported(**batch, logits_to_keep=1)
    assert last["logits"].shape == (3, 1, model.config.vocab_size)
    torch.testing.assert_close(last["logits"], whole["logits"][:, -1:])
    assert "past_key_values" not in exported(**batch, use_cache=False)
    assert exported.num_parameters() == model.num_parameters()


def test_the_folder_says_where_texts_end(both: tuple[Any, Any]) -> None:
    _, exported = both
    assert exported.generation_config.eos_token_id == [1, 7]
    assert exported.generation_config.max_new_tokens == 9


def test_what_has_no_cache_of_keys_and_values_is_refused() -> None:
    config = CONFIG_MAPPING["mamba"](
        vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4, intermediate_size=32
    )
    from nlpkit.quantization import writers

    with pytest.raises(UserError, match="MambaForCausalLM cannot be exported to ONNX"):
        writers.decoder_alone(AutoModelForCausalLM.from_config(config).eval())


def test_a_graph_without_a_cache_does_not_write(tmp_path: Path) -> None:
    from nlpkit.models.onnx import OnnxModel
    from nlpkit.quantization import export

    model = make_model(n_layer=1)
    batch = batch_of(byte_tokenizer(), PROMPTS[:2])
    export.save(
        export.export(model, batch, graph=lambda forward, given: {"logits": forward(**given).logits}),
        tmp_path / "model.onnx",
    )
    exported = OnnxModel(tmp_path / "model.onnx", model.config)
    assert exported(**batch)["logits"].shape[:2] == batch["input_ids"].shape
    with pytest.raises(UserError, match="exported without a cache"):
        loop.write(exported, batch, Settings(max_new_tokens=2), ends(byte_tokenizer()))
