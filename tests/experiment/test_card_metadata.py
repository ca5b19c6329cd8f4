"""What a card says to the hub: by the hub's rules, and never more than is known."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from nlpkit import reporting
from nlpkit.experiment import card, card_metadata
from nlpkit.models import opening
from nlpkit.options.card import CardOptions
from nlpkit.options.problems import OptionError

# The fields that the hub reads (https://huggingface.co/docs/hub/model-cards), each with what it may be.
HUB_FIELDS: dict[str, Any] = {
    "base_model": str,
    "base_model_relation": {"finetune", "quantized", "adapter", "merge"},
    "datasets": list,
    "language": (str, list),
    "library_name": {"transformers", "onnx"},
    "license": card_metadata.LICENSES,
    "license_name": str,
    "license_link": str,
    "metrics": list,
    "model-index": list,
    "pipeline_tag": {
        "text-classification", "token-classification", "fill-mask", "zero-shot-classification", "sentence-similarity",
        "question-answering",
    },
    "tags": list,
}  # fmt: skip


def front(path: Path) -> dict[str, Any]:
    """The metadata of a card, once the hub would take them."""
    written = re.match(r"---\n(.*?)\n---\n", path.read_text(encoding="utf-8"), re.S)
    assert written is not None
    found: dict[str, Any] = yaml.safe_load(written[1])
    for name, value in found.items():
        allowed = HUB_FIELDS[name]
        assert value in allowed if isinstance(allowed, set | frozenset) else isinstance(value, allowed), name
    assert ("license_name" in found) == (found.get("license") == "other")
    for model in found.get("model-index", []):
        assert model["name"]
        for result in model["results"]:
            assert result["task"]["type"] == found["pipeline_tag"]
            assert {"name", "type"} <= result["dataset"].keys()
            assert re.fullmatch(r"[\w./-]+", result["dataset"]["type"])
            for metric in result["metrics"]:
                assert isinstance(metric["value"], float)
                assert metric["type"] in found["metrics"]
    assert ModelCard.load(path).data.to_dict().keys() >= found.keys() - {"model-index"}
    return found


@pytest.fixture
def record(trained: Path) -> dict[str, Any]:
    return copy.deepcopy(json.loads((trained / "nlpkit.json").read_text(encoding="utf-8")))


def written(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    card.write(folder / "README.md", record, ())
    return front(folder / "README.md")


def test_what_is_not_known_is_left_out(trained: Path) -> None:
    found = front(trained / "README.md")
    assert not found.keys() & {"license", "language", "base_model", "base_model_relation", "datasets"}
    body = (trained / "README.md").read_text()
    assert "License: not known" in body
    assert "Language: not known" in body


def test_minilm_has_its_name_license_and_language(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "minilm").mkdir()
    (tmp_path / "minilm" / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n")
    monkeypatch.setattr(opening, "resolve", lambda name: str(tmp_path / "minilm"))
    record["parents"]["model"]["given"] = "minilm"
    found = written(record, tmp_path)
    assert found["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert (found["license"], found["language"], found["base_model_relation"]) == ("apache-2.0", "en", "finetune")
    assert "as the card of the base model says" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("theirs", "wanted"),
    [
        ("license: apache-2.0", {"license": "apache-2.0"}),
        ("license: my own words", {}),
        ("license: unknown", {}),
        ("license: other", {}),
        (
            "license: other\nlicense_name: acme\nlicense_link: LICENSE",
            {"license": "other", "license_name": "acme", "license_link": "LICENSE"},
        ),
        ("license: [mit, x]", {}),
        ("license: {a: 1}\nlanguage: {b: 2}", {}),
        ("language: [en, tr, nonsense, 3]", {"language": ["en", "tr"]}),
        ("language: English", {}),
        ("a: [", {}),
    ],
)
def test_of_another_card_only_what_the_hub_takes_is_repeated(
    theirs: str, wanted: dict[str, Any], record: dict[str, Any], tmp_path: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "README.md").write_text(f"---\n{theirs}\n---\n# a model\n")
    record["parents"]["model"]["given"] = str(base)
    found = written(record, tmp_path)
    said = {name: found[name] for name in ("license", "license_name", "license_link", "language") if name in found}
    assert said == wanted


def test_options_win(record: dict[str, Any], tmp_path: Path) -> None:
    record["config"] |= {"license": "MIT", "language": ["tr", "en"]}
    found = written(record, tmp_path)
    assert (found["license"], found["language"]) == ("mit", ["tr", "en"])
    record["config"]["license"] = "ACME internal, v2"
    assert written(record, tmp_path)["license_name"] == "acme-internal-v2"
    record["config"]["license"] = "mitt"
    with reporting.listening() as told:
        assert written(record, tmp_path)["license"] == "other"
    assert told.warnings == ["--license mitt: the hub knows no such license (did you mean mit?); the card says other"]


@pytest.mark.parametrize("values", [{"language": ["english"]}, {"language": ["xx"]}, {"license": "a\nb: c"}])
def test_what_the_hub_would_refuse_is_refused_before(values: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"ISO 639|name of a license"):
        CardOptions(**values)


def test_languages_of_the_hub_are_taken() -> None:
    codes = ["en", "tr", "zh-Hant", "deu", "multilingual", "code"]
    assert CardOptions(language=codes).language == codes


def test_a_model_of_a_run_has_the_base_of_that_run(record: dict[str, Any], tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "nlpkit.json").write_text(json.dumps({**record, "parents": {"model": {"given": "bert-base-uncased"}}}))
    record["parents"]["model"]["given"] = str(first)
    record["quantization"] = {"to": "onnx-int8", "file": "onnx/model_quantized.onnx", "inputs": ["input_ids"]}
    found = written(record, tmp_path)
    # the run between them has trained it: of BERT it is no quantized copy
    assert (found["base_model"], found["base_model_relation"]) == ("bert-base-uncased", "finetune")
    config = {**record["config"], "push_to_hub": "ada/reviews"}
    (first / "nlpkit.json").write_text(json.dumps({**record, "config": config}))
    found = written(record, tmp_path)
    assert (found["base_model"], found["base_model_relation"]) == ("ada/reviews", "quantized")
    assert found["tags"] == ["nlpkit", "onnx-int8", "onnx"]
    record["quantization"]["to"] = "onnx-fp32"
    assert "base_model_relation" not in written(record, tmp_path)


def test_data_of_the_hub_are_named(record: dict[str, Any], tmp_path: Path) -> None:
    record["parents"]["data"] = {"spec": "glue:sst2", "kind": "hub", "files": {}, "revision": "a" * 40}
    found = written(record, tmp_path)
    assert found["datasets"] == ["nyu-mll/glue"]
    (result, *_) = found["model-index"][0]["results"]
    assert result["dataset"]["type"] == "nyu-mll/glue"
    assert result["dataset"]["config"] == "sst2"
    assert result["dataset"]["revision"] == "a" * 40


def test_metrics_have_the_names_of_the_hub(record: dict[str, Any], tmp_path: Path) -> None:
    record["table_metrics"] = ["accuracy", "f1", "f1_macro", "mcc"]
    found = written(record, tmp_path)
    assert found["metrics"] == ["accuracy", "f1", "matthews_correlation"]
    metrics = {metric["name"]: metric for result in found["model-index"][0]["results"] for metric in result["metrics"]}
    assert metrics["f1 of the label 'positive'"]["type"] == "f1"
    assert metrics["f1_macro"]["args"] == {"average": "macro"}
    assert {result["dataset"]["split"] for result in found["model-index"][0]["results"]} == {"validation", "test"}


def test_figures_that_are_none_are_left_out(record: dict[str, Any], tmp_path: Path) -> None:
    record["metrics"]["test"] |= {"accuracy": float("nan"), "f1": None}
    results = written(record, tmp_path)["model-index"][0]["results"]
    assert {result["dataset"]["split"] for result in results} == {"validation"}
