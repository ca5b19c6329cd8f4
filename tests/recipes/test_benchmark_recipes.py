"""The recipes of `nlpkit benchmark`: their models are the published ones in size, and run at every length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModel

from nlpkit.measurement import loading
from nlpkit.measurement.spec import Subject, parse_model
from nlpkit.measurement.worker import Worker
from nlpkit.recipes import benchmark

RECIPES = {path.stem: path for path in sorted((Path(__file__).parents[2] / "recipes").glob("benchmark-*.yaml"))}

# parameters of bert-base-uncased, distilbert-base-uncased, distilroberta-base, ... as they are published
PUBLISHED = {
    "BERT": 109_482_240,
    "DistilBERT": 66_362_880,
    "DistilRoBERTa": 82_118_400,
    "German DistilBERT": 66_808_320,
    "GPT-2": 124_439_808,
    "window 512": 148_659_456,
    "sparse": 127_468_800,
}
ENCODER = "num_hidden_layers=1,hidden_size=16,num_attention_heads=1,intermediate_size=32"
TINY = {
    **dict.fromkeys(["bert", "roberta", "longformer", "bigbird"], ENCODER),
    "distilbert": "n_layers=1,dim=16,n_heads=1,hidden_dim=32",
    "gpt2": "n_layer=1,n_embd=16,n_head=1",
    "reformer": (
        "hidden_size=16,axial_pos_embds_dim=[4,12],num_attention_heads=1,attention_head_size=8,feed_forward_size=16"
    ),
}


def load(name: str, **changes: Any) -> benchmark.Config:
    config = benchmark.Config.from_sources({}, RECIPES[name], benchmark.COMMAND)
    return config.changed(device="cpu", threads=1, **changes)


def subjects(config: benchmark.Config) -> list[Subject]:
    return [Subject(*parse_model(text)) for text in config.models]


def tiny(text: str) -> str:
    """The same model with a layer or two, and hardly any width."""
    _, name, overrides = parse_model(text)
    small = TINY[name]
    if name == "reformer":
        layers = overrides.get("attn_layers", ["local", "lsh"])[:2]
        small += f",attn_layers=[{','.join(layers)}]"
    return f"{text}{',' if overrides else ':'}{small}"


def opened(config: benchmark.Config, subject: Subject) -> Worker:
    worker = Worker()
    answer = worker.answer({"op": "open", "subject": subject.to_json(), "config": config.record()})
    assert answer.get("ok"), answer
    return worker


def prepared(worker: Worker, config: benchmark.Config, length: int, batch_size: int = 1) -> None:
    point = {"mode": config.mode, "batch_size": batch_size, "length": length}
    answer = worker.answer({"op": "prepare", "point": point})
    assert answer.get("tokens") == batch_size * length, answer
    answer = worker.answer({"op": "turn", "passes": 1, "warm": False})
    assert len(answer.get("seconds", [])) == 1, answer


@pytest.mark.parametrize("name", RECIPES)
def test_models_have_the_published_sizes(name: str) -> None:
    config = load(name)
    for subject in subjects(config):
        with torch.device("meta"):
            net = AutoModel.from_config(loading.random_config(subject, config))
        assert net.num_parameters() == PUBLISHED.get(subject.name, net.num_parameters())
    assert name == "benchmark-reformer" or PUBLISHED.keys() & {subject.name for subject in subjects(config)}


@pytest.mark.parametrize("name", RECIPES)
def test_tiny_versions_run_at_the_lengths(name: str) -> None:
    config = load(name)
    assert config.sequence_lengths and config.batch_sizes and len(config.batch_sizes) == 1
    config = config.changed(models=[tiny(text) for text in config.models])
    lengths = sorted(config.sequence_lengths or [])
    for subject in subjects(config):
        worker = opened(config, subject)
        for length in sorted({lengths[0], lengths[-1]}):
            prepared(worker, config, length, *(config.batch_sizes or []))


@pytest.mark.parametrize(("name", "first", "later"), [("bigbird", 256, 1024), ("reformer", 256, 4096)])
def test_a_length_does_not_depend_on_those_before_it(name: str, first: int, later: int) -> None:
    """BigBird gives up sparse attention for good at a short input; the first input settles Reformer's buckets."""
    config = load(f"benchmark-{name}")
    text = tiny(config.models[0]).replace("num_buckets=128,", "")
    (subject,) = subjects(config.changed(models=[text]))

    def traits_after(*lengths: int) -> Any:
        worker = opened(config, subject)
        for length in lengths:
            prepared(worker, config, length)
        return loading.traits(worker.model.net)

    assert traits_after(first, later) == traits_after(later)
    assert traits_after(first) != traits_after(later)


def test_dimensions_of_a_family_are_written_alike() -> None:
    """The training recipe measures the models of the inference recipe."""
    family, training = (
        yaml.safe_load(RECIPES[f"benchmark-{name}"].read_text(encoding="utf-8"))["models"]
        for name in ("bert-family", "training-cost")
    )
    assert family == training
