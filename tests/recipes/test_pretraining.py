"""The pre-training recipes: what they ask the hub for, the model they make, and a shrunken run to its folder."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from conftest import make_tokenizer, sentence
from transformers import AutoModel, AutoModelForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

from nlpkit.models import opening
from nlpkit.recipes import pretrain_mlm
from nlpkit.recipes.pretrain_mlm import Config

ROOT = Path(__file__).parents[2]
NAMES = [
    path.stem
    for path in sorted((ROOT / "recipes").glob("*.yaml"))
    if yaml.safe_load(path.read_text(encoding="utf-8"))["command"] == pretrain_mlm.COMMAND
]
WIKITEXT = ("Salesforce/wikitext", "wikitext-103-raw-v1", None)
IMDB = ("stanfordnlp/imdb", None, None)


@dataclass(frozen=True)
class Expected:
    """What a recipe is about.

    Attributes:
        request: name, configuration and revision of the data set.
        opened: the tokenizer and the model that are looked for.
        shape: model type, layers, width, heads, feed-forward width.
    """

    request: tuple[str, str | None, str | None]
    opened: set[str]
    shape: tuple[str, int, int, int, int]


EXPECTED = {
    "pretrain-bert-tiny": Expected(WIKITEXT, {"bert-base-uncased"}, ("bert", 2, 128, 2, 512)),
    "pretrain-bert-base": Expected(WIKITEXT, {"bert-base-uncased"}, ("bert", 12, 768, 12, 3072)),
    "pretrain-roberta-small": Expected(WIKITEXT, {"roberta-base"}, ("roberta", 4, 512, 8, 2048)),
    "pretrain-albert-small": Expected(WIKITEXT, {"albert-base-v2"}, ("albert", 4, 512, 8, 2048)),
    "pretrain-electra-small": Expected(WIKITEXT, {"google/electra-small-discriminator"}, ("electra", 12, 256, 4, 1024)),
    "imdb-adapt-distilbert": Expected(IMDB, {"distilbert-base-uncased"}, ("distilbert", 2, 32, 2, 64)),
}
SMALL = {"layers": 2, "hidden_size": 32, "heads": 2, "intermediate_size": 64}


@pytest.fixture(scope="session")
def distilbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny DistilBERT with its tokenizer, which serves the recipes from scratch."""
    folder = tmp_path_factory.mktemp("model") / "tiny-distilbert"
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 128
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=128
    )
    DistilBertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, distilbert: Path, tmp_path: Path) -> Any:
    """The config of a recipe whose data set, tokenizer and model are stand-ins."""
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))

    def resolved(name: str, **changes: Any) -> Config:
        assert name in EXPECTED, f"recipes/{name}.yaml is new: say above what it is about, so that it is tested"
        expected = EXPECTED[name]

        def load_dataset(
            path: str, config: str | None = None, *, split: str, revision: str | None = None, streaming: bool
        ) -> Any:
            assert (path, config, revision, split) == (*expected.request, "train")
            rng = random.Random(name)
            # two sentences a row, and the blank rows of WikiText
            texts = [f"{sentence(rng, 'positive', 25)} . The {sentence(rng, 'negative', 25)} ." for _ in range(200)]
            rows = [text for pair in zip(texts, [""] * len(texts), strict=True) for text in pair]
            return datasets.Dataset.from_dict({"text": rows}).to_iterable_dataset()

        def resolve(wanted: str, flag: str = "--model") -> str:
            assert wanted in expected.opened
            return str(distilbert)

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        monkeypatch.setattr(opening, "resolve", resolve)
        config = Config.from_sources({}, ROOT / "recipes" / f"{name}.yaml", pretrain_mlm.COMMAND)
        return config.changed(output=tmp_path / "run", device="cpu", **changes)

    return resolved


def test_every_recipe_is_described() -> None:
    assert set(EXPECTED) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_builds_the_model_it_names(name: str, tiny: Any) -> None:
    experiment = pretrain_mlm.build(tiny(name))
    config = experiment.objective.model.config
    shape = config.model_type, config.num_hidden_layers, config.hidden_size, config.num_attention_heads
    feed_forward = config.hidden_dim if config.model_type == "distilbert" else config.intermediate_size
    assert (*shape, feed_forward) == EXPECTED[name].shape
    assert experiment.trainer.args.per_device_train_batch_size == experiment.config.batch_size
    assert len(experiment.train[0].ids) <= 128
    assert not experiment.config.output.exists()


@pytest.mark.parametrize("name", NAMES)
def test_trains_a_step(name: str, tiny: Any) -> None:
    """To a finished run folder that stock Transformers opens, and that repeats the run."""
    changes = {} if name == "imdb-adapt-distilbert" else SMALL
    config = tiny(name, **changes, batch_size=4, max_steps=1)
    report = pretrain_mlm.run(config)
    assert report.record["steps"] == 1
    kept = json.loads((config.output / "nlpkit.json").read_text())
    assert kept["status"] == "complete"
    assert Config.from_sources({}, config.output / "nlpkit.json").record() == kept["config"]
    assert AutoModel.from_pretrained(config.output).config.model_type == EXPECTED[name].shape[0]
    filler = config.output / "generator" if config.objective == "rtd" else config.output
    _, problems = AutoModelForMaskedLM.from_pretrained(filler, output_loading_info=True)
    assert not problems["missing_keys"]
