"""The command from CoNLL-U to a folder, for heads and for the parser of all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nlpkit.errors import UserError
from nlpkit.recipes import probe

LINES = (
    "1\tthe\t_\tDET\t_\t_\t2\tdet\t_\t_",
    "2\tfilm\t_\tNOUN\t_\t_\t3\tnsubj\t_\t_",
    "3\tis\t_\tVERB\t_\t_\t0\troot\t_\t_",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("trees")
    broken = "\n".join(LINES).replace("\t3\tnsubj", "\t7\tnsubj")
    for name in ("train", "dev"):
        sentences = ["\n".join(LINES)] * 60 + [broken] * (name == "dev")
        (folder / f"{name}.conllu").write_text("\n\n".join(sentences) + "\n\n", encoding="utf-8")
    return {"train_file": [str(folder / "train.conllu")], "validation_file": [str(folder / "dev.conllu")]}


def test_heads_of_a_model_in_a_folder(tiny_model: Path, data: dict[str, Any], tmp_path: Path) -> None:
    output = tmp_path / "run"
    report = probe.run(probe.Config(model=str(tiny_model), **data, what="heads", label=["det"], output=output))
    written = json.loads((output / "heads.json").read_text())
    by_name = {one["relation"]: one for one in written["relations"]}
    # each word stands beside its head: no head finds more than the next word
    assert (by_name["det"]["words"], by_name["det"]["fixed"], by_name["det"]["baseline"]["value"]) == (60, "+1", 1.0)
    assert len(by_name["det"]["by_head"]) == len(written["heads"])
    assert (written["sentences"], written["words"]) == (120, 240)
    assert report.record["probed"]["validation"]["left_out"] == {"head 7, which is no word of the sentence": 1}
    assert {path.stem for path in (output / "plots").iterdir()} == {
        "relations",
        "relation-heads",
        "patterns",
        "heads-det",
    }
    assert "0 of 2 relations" in (output / "README.md").read_text()
    assert json.loads((output / "nlpkit.json").read_text())["metrics"]["validation"]["det_found"] <= 1


@pytest.mark.slow
def test_a_parser_of_all_heads_in_a_folder(tiny_model: Path, data: dict[str, Any], tmp_path: Path) -> None:
    output = tmp_path / "run"
    probe.run(probe.Config(model=str(tiny_model), **data, what="attention", output=output))
    ways = {one["by"]: one["uas"]["value"] for one in json.loads((output / "attention.json").read_text())["ways"]}
    assert ways["distance"] == ways["distances_words"] == 1.0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"what": "heads", "layers": "1"}, "--layers is for --what layers"),
        ({"what": "heads", "label": ["dett"]}, "did you mean det"),
        ({"what": "heads", "label": ["root"]}, "nothing of this name to find"),
        ({"what": "attention", "label": ["det"]}, "--label is for --what layers, heads"),
    ],
)
def test_what_is_asked_in_vain_is_refused(
    tiny_model: Path, data: dict[str, Any], tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        probe.run(probe.Config(model=str(tiny_model), **data, output=tmp_path / "run", **asked))


def test_words_without_dependencies_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "tags.conll").write_text("the O\nfilm O\n\n" * 40)
    with pytest.raises(UserError, match="there is no column head, deprel"):
        probe.run(
            probe.Config(
                model=str(tiny_model), data=str(tmp_path / "tags.conll"), what="heads", output=tmp_path / "run"
            )
        )


def test_a_model_without_attention_is_refused(tiny_model: Path, data: dict[str, Any], tmp_path: Path) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    shape = {"vocab_size": len(tokenizer), "hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 8}
    transformers.FNetModel(transformers.FNetConfig(**shape)).save_pretrained(tmp_path / "fnet")
    tokenizer.save_pretrained(tmp_path / "fnet")
    with pytest.raises(UserError, match="has no attention"):
        probe.run(probe.Config(model=str(tmp_path / "fnet"), **data, what="heads", output=tmp_path / "run"))
