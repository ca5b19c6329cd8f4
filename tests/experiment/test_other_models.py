"""What other models say of training rows: vectors of the model that is trained, scores of a cross-encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import RunOf, write_jsonl

from nlpkit.errors import UserError
from nlpkit.recipes import finetune_embed

TRAINED: dict[str, Any] = {"device": "cpu", "threads": 1, "max_steps": 2, "batch_size": 8, "learning_rate": 1e-3}
KINDS = ("film", "soup", "train", "clerk", "play", "room")


@pytest.mark.slow
def test_an_embedder_learns_from_mined_negatives_and_from_a_cross_encoder(
    run_of: RunOf, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once from the models, once from the cache; the rows that were written teach the same again."""
    pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    for split, numbers in (("train", range(4)), ("validation", range(4, 6))):
        rows = [{"anchor": f"a {kind} {i}", "positive": f"the {kind} was good {i}"} for i in numbers for kind in KINDS]
        write_jsonl(tmp_path / "data" / f"{split}.jsonl", rows)
    common = {**TRAINED, "model": str(tiny_model)}
    mined: dict[str, Any] = {
        "data": str(tmp_path / "data"),
        "mine_negatives": 2,
        "negatives_margin": "none",
        "from_cross_encoder": str(run_of("pairs")),
        "save_negatives": tmp_path / "mined.jsonl",
    }
    records = []
    for name in ("first", "again"):
        finetune_embed.run(finetune_embed.Config(**common, **mined, output=tmp_path / name))
        records.append(json.loads((tmp_path / name / "nlpkit.json").read_text()))
    first, again = records
    assert first["task"]["loss"] == "margin-mse"
    assert {"hard-negatives", "cross-encoder"} <= {finding["check"] for finding in first["findings"]}
    assert again["metrics"] == first["metrics"]
    assert len(list((tmp_path / "cache" / "answers").iterdir())) == 3  # anchors, texts, pairs
    saved = [json.loads(line) for line in (tmp_path / "mined.jsonl").read_text().splitlines()]
    assert all(len(row["negatives"]) == len(row["margins"]) == 2 for row in saved)
    files = {
        "train_file": [str(tmp_path / "mined.jsonl")],
        "validation_file": [str(tmp_path / "data/validation.jsonl")],
    }
    finetune_embed.run(finetune_embed.Config(**common, **files, output=tmp_path / "read"))
    read = json.loads((tmp_path / "read" / "nlpkit.json").read_text())
    assert read["task"]["layout"]["negatives"] == ["negatives"] and read["task"]["loss"] != "margin-mse"


@pytest.mark.parametrize("option", [{"mine_negatives": 2}, {"from_cross_encoder": "judge"}])
def test_folds_do_not_judge_with_what_train_rows_alone_were_given(tmp_path: Path, option: dict[str, Any]) -> None:
    (flag,) = (f"--{name.replace('_', '-')}" for name in option)
    with pytest.raises(UserError, match=f"{flag} and --cv"):
        finetune_embed.run(
            finetune_embed.Config(data=str(tmp_path), model="m", output=tmp_path / "out", cv=3, **option)
        )
