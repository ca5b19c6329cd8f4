"""Folders that were exported to ONNX, as programs open them that know nothing of nlpkit, and as nlpkit does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snippets
import torch
from conftest import RunOf, texts_around
from hearing import Heard

import nlpkit
from nlpkit.errors import UserError
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.measurement import before_after
from nlpkit.models import opening
from nlpkit.quantization import export
from nlpkit.recipes import quantize

OLD = tuple(map(int, metadata.version("transformers").split(".")[:2])) < (5, 21)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(OLD, reason="this transformers has no quantizers for its exporters")]

LIMIT = 64  # tokens that the tiny model takes
TEXTS = texts_around(LIMIT)
PAIRS = [(text, other) for text in TEXTS for other in ("a good film", TEXTS[2])]


def exported(run: Path, output: Path, to: str = "onnx-fp32") -> Path:
    options = {"device": "cpu", "threads": 1, "measure_seconds": 0, "max_eval_samples": 8}
    quantize.run(quantize.Config.model_validate({**options, "model": str(run), "output": output, "to": to}))
    return output


@pytest.fixture(scope="module")
def folder(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier in ONNX, in float32."""
    return exported(trained, tmp_path_factory.mktemp("onnx") / "fp32")


@pytest.fixture(scope="module")
def pairs(run_of: RunOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of pairs in ONNX, in float32: its tokens have types."""
    return exported(run_of("pairs"), tmp_path_factory.mktemp("onnx") / "pairs")


def answered(model: Path, **examples: Any) -> np.ndarray:
    """What `predict` has of texts before it is worded."""
    return open_predictor(TrainedModelOptions(model=str(model), device="cpu", threads=1)).outputs(examples)


def session_of(file: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(file)


@pytest.mark.parametrize("texts", [TEXTS, PAIRS], ids=["texts", "pairs"])
def test_tokenizers_library(folder: Path, pairs: Path, trained: Path, run_of: RunOf, texts: list[Any]) -> None:
    """It cuts where `predict` does without being asked; ONNX Runtime answers as `predict` in torch and in ONNX."""
    from tokenizers import Tokenizer

    opened, origin = (pairs, run_of("pairs")) if texts is PAIRS else (folder, trained)
    session, tokenizer = session_of(opened / "model.onnx"), Tokenizer.from_file(str(opened / "tokenizer.json"))
    found = []
    for text in texts:
        tokens = tokenizer.encode(*text) if isinstance(text, tuple) else tokenizer.encode(text)
        known = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
        feed = {value.name: np.array([known[value.name]], dtype=np.int64) for value in session.get_inputs()}
        found.append(session.run(None, feed)[0][0])
    for model in (opened, origin):
        assert np.allclose(found, answered(model, **columns(texts)), atol=1e-5)


def columns(texts: list[Any]) -> dict[str, list[str]]:
    if isinstance(texts[0], str):
        return {"text": texts}
    return {"text": [first for first, _ in texts], "text_pair": [second for _, second in texts]}


@pytest.mark.parametrize("size", [1, 4])
def test_auto_tokenizer(folder: Path, size: int) -> None:
    """What it gives goes into ONNX Runtime as it is."""
    from transformers import AutoTokenizer

    session, tokenizer = session_of(folder / "onnx" / "model.onnx"), AutoTokenizer.from_pretrained(folder)
    found = []
    for start in range(0, len(TEXTS), size):
        tokens = tokenizer(TEXTS[start : start + size], padding=True, truncation=True, return_tensors="np")
        found += [*session.run(None, dict(tokens))[0]]
    assert np.allclose(found, answered(folder, text=TEXTS), atol=1e-5)


def test_load(folder: Path, trained: Path) -> None:
    """It is called as a model of transformers, and says what it is when it is to be changed, not before."""
    from transformers import AutoTokenizer

    model = nlpkit.load(folder)
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, truncation=True, return_tensors="pt")
    logits = model.eval().to("cpu")(**tokens).logits
    assert np.allclose(logits, answered(trained, text=TEXTS), atol=1e-5)
    assert (model.config.id2label, model.device) == ({0: "negative", 1: "positive"}, torch.device("cpu"))
    for change in ("train", "parameters", "save_pretrained"):
        with pytest.raises(
            AttributeError, match=rf"has no `{change}`, and its weights cannot be changed; open .*binary"
        ):
            getattr(model, change)
    with pytest.raises(UserError, match="reads attention_mask, which is not among what it is given"):
        model(input_ids=tokens["input_ids"])


def test_the_card_says_how_it_is_opened(folder: Path, trained: Path) -> None:
    card = (folder / "README.md").read_text()
    assert "library_name: onnx\n" in card
    assert "`onnx/model.onnx` runs in ONNX Runtime and reads input_ids, attention_mask, shape (batch_size, seq" in card
    assert f"at most {LIMIT} tokens" in card
    assert "library_name: transformers\n" in (trained / "README.md").read_text()
    (script,) = snippets.blocks(card)
    _, found = snippets.ran(script, folder)
    assert found["outputs"][0].shape == (1, 2)


# --- where the file lies ---


def test_the_file_is_found_under_either_name(folder: Path, tmp_path: Path) -> None:
    """Folders of earlier versions have it at the top alone, others in onnx/; a copy may have made two files of it."""
    wanted, size = answered(folder, text=TEXTS), (folder / "model.onnx").stat().st_size
    assert (folder / "model.onnx").samefile(folder / "onnx" / "model.onnx")
    both = shutil.copytree(folder, tmp_path / "both")
    assert not (both / "model.onnx").samefile(both / "onnx" / "model.onnx")
    top = shutil.copytree(folder, tmp_path / "top", ignore=shutil.ignore_patterns("onnx"))
    below = shutil.copytree(folder, tmp_path / "below")
    (below / "model.onnx").unlink()
    for copied in (both, top, below):
        assert np.array_equal(answered(copied, text=TEXTS), wanted)
        assert before_after.weight_bytes(copied) == size
        with pytest.raises(UserError, match="is exported to ONNX already"):
            opening.load_model(str(copied), "AutoModelForSequenceClassification")


def test_weights_for_torch_beside_an_onnx_file_are_opened(trained: Path, folder: Path, tmp_path: Path) -> None:
    """Many folders of the hub have both."""
    both = shutil.copytree(trained, tmp_path / "both")
    shutil.copytree(folder / "onnx", both / "onnx")
    assert nlpkit.load(both).train().training


@pytest.mark.parametrize("symbolic", [True, False])
def test_disks_without_links(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, symbolic: bool, heard: Heard
) -> None:
    """A symbolic link stands in for a hard one; where there is none either the model is in one place, which is said."""

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    place = shutil.copytree(folder, tmp_path / "place")
    (place / "model.onnx").unlink()
    monkeypatch.setattr(os, "link", refused)
    if not symbolic:
        monkeypatch.setattr(Path, "symlink_to", refused)
    export.publish(place / "onnx" / "model.onnx", place)
    assert heard.said == ([] if symbolic else ["there are no links on this disk: the model is onnx/model.onnx"])
    assert (place / "model.onnx").is_symlink() == symbolic
    if symbolic:
        shutil.move(place, tmp_path / "moved")
        place = tmp_path / "moved"
        assert session_of(place / "model.onnx").get_inputs()
    assert np.array_equal(answered(place, text=TEXTS), answered(folder, text=TEXTS))


def test_copies_of_a_link(folder: Path, tmp_path: Path) -> None:
    """Git writes the target of a link as a text where there are no links; a copy may lack what a link points to."""
    place = shutil.copytree(folder, tmp_path / "place")
    (place / "model.onnx").write_text("onnx/model.onnx")
    assert np.array_equal(answered(place, text=TEXTS), answered(folder, text=TEXTS))
    (place / "model.onnx").unlink()
    (place / "model.onnx").symlink_to("onnx/model.onnx")
    shutil.rmtree(place / "onnx")
    with pytest.raises(UserError, match=r"place/model.onnx is a link to a file that is not there"):
        answered(place, text=TEXTS)


def test_weights_beside_the_file(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one of 2 GB has: their name stands in the file, under both of its names."""
    import onnx_ir

    place = shutil.copytree(folder, tmp_path / "place", ignore=shutil.ignore_patterns("*.onnx"))
    made = onnx_ir.load(folder / "model.onnx")
    monkeypatch.setattr(export, "ONE_FILE", 1000)
    file = place / "onnx" / "model_quantized.onnx"
    export.save(made, file)
    export.publish(file, place)
    assert sorted(path.name for path in place.rglob("*.onnx*")) == [
        "model.onnx",
        "model_quantized.onnx",
        *["model_quantized.onnx_data"] * 2,
    ]
    assert before_after.weight_bytes(place) == file.stat().st_size + export.data_file(file).stat().st_size
    wanted = answered(folder, text=TEXTS)
    assert np.array_equal(answered(place, text=TEXTS), wanted)
    (place / "model.onnx").unlink()
    assert np.array_equal(answered(place, text=TEXTS), wanted)
    monkeypatch.undo()
    export.save(made, file)
    assert not export.data_file(file).exists()


# --- transformers.js ---

ASK = """
const { env, pipeline } = require('@huggingface/transformers');
const { place, name, task, dtype, texts, options } = JSON.parse(process.argv[1]);
env.allowRemoteModels = false;
env.localModelPath = place;
(async () => {
  const ask = await pipeline(task, name, dtype ? { dtype } : {});
  const answers = [];
  for (const text of texts) answers.push(await ask(text, options));
  console.log(JSON.stringify(answers));
})();
"""


@pytest.fixture(scope="module")
def node() -> str:
    """Node with transformers.js in NODE_PATH."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no Node here")
    asked = [found, "-e", "require('@huggingface/transformers')"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("Node finds no @huggingface/transformers; set NODE_PATH to the folder that it is in")
    return found


def asked_in_node(node: str, folder: Path, task: str, texts: list[str], dtype: str | None, **options: Any) -> Any:
    given = {"place": str(folder.parent), "name": folder.name, "task": task, "dtype": dtype}
    given |= {"texts": texts, "options": options}
    done = subprocess.run(
        [node, "-e", ASK, json.dumps(given)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("to", "dtype"), [("onnx-fp32", "fp32"), ("onnx-int8", "q8"), ("onnx-int8", None)])
def test_text_classification_in_node(
    node: str, trained: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory, to: str, dtype: str | None
) -> None:
    """Also where it is not told which of the files to open. It cuts at the length that the folder says, and there the
    token with it that ends a text."""
    if to != "onnx-fp32":
        folder = tmp_path_factory.getbasetemp() / "node" / "int8"
        folder = folder if folder.exists() else exported(trained, folder, to)
    found = asked_in_node(node, folder, "text-classification", TEXTS, dtype, top_k=None)
    scores = [[entry["score"] for entry in sorted(answer, key=lambda entry: entry["label"])] for answer in found]
    # one by one: in int8 a scale is that of a batch
    outputs = [answered(folder, text=[text])[0] for text in TEXTS]
    session, tokenizer = session_of(folder / "model.onnx"), opening.load_tokenizer(str(folder))
    cut = {name: ids[:, :LIMIT] for name, ids in tokenizer([TEXTS[2]], return_tensors="np").items()}
    outputs[2] = session.run(None, cut)[0][0]
    assert np.allclose(scores, torch.tensor(np.array(outputs)).softmax(-1), atol=1e-5)


def test_token_classification_in_node(node: str, run_of: RunOf, tmp_path: Path) -> None:
    folder = exported(run_of("token-classification"), tmp_path / "tagger")
    texts = ["a good film and a rude clerk", "Lovely soup and the room was broken", ""]
    found = asked_in_node(node, folder, "token-classification", texts, None, ignore_labels=[])
    assert found.pop() == []
    predictor = open_predictor(TrainedModelOptions(model=str(folder), device="cpu", threads=1))
    names = opening.label_names(predictor.model.config)
    # of these texts each word is one token
    inputs = [predictor.task.reader().inputs({"text": text}) for text in texts[:-1]]
    outputs = predictor.outputs({name: [row[name] for row in inputs] for name in inputs[0]})
    for tokens, logits in zip(found, outputs, strict=True):
        scores, best = torch.tensor(logits).softmax(-1).max(-1)
        assert [token["entity"] for token in tokens] == [names[number] for number in best]
        assert np.allclose([token["score"] for token in tokens], scores, atol=1e-5)
