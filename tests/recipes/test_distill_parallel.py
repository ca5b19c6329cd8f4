"""`distill --parallel`: a student of another language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_model, write_csv
from transformers import AutoTokenizer

from nlpkit.data import translations
from nlpkit.data.inputs import Reading
from nlpkit.distillation import parallel
from nlpkit.errors import UserError
from nlpkit.recipes import distill, train_tokenizer

SHORT: dict[str, Any] = {
    "device": "cpu",
    "threads": 1,
    "batch_size": 16,
    "max_steps": 2,
    "measure_seconds": 0,
    "task": "sentence-embedding",
}
NOUNS = ["film", "plot", "cast", "story", "scene"]
ADJECTIVES = ["good", "bad", "great", "awful", "fine", "dull", "warm", "cold", "big", "red"]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("teacher") / "embedder")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fifty sentences, and their translations: each word spelt backwards."""
    folder = tmp_path_factory.mktemp("pairs")
    texts = [f"the {noun} was {adjective}" for noun in NOUNS for adjective in ADJECTIVES]
    (folder / "t.en").write_text("\n".join(texts) + "\n")
    (folder / "t.xx").write_text("\n".join(" ".join(word[::-1] for word in text.split()) for text in texts) + "\n")
    return f"{folder}/t.en,{folder}/t.xx"


def test_a_student_learns_what_the_teacher_says_of_the_first_text(model: Path, pairs: str, tmp_path: Path) -> None:
    trainer = distill.build(distill.Config(teacher=str(model), parallel=[pairs], output=tmp_path / "run", **SHORT))
    rows = trainer.train_dataset
    tokenizer = AutoTokenizer.from_pretrained(model)
    read = [str(tokenizer.decode(ids, skip_special_tokens=True)) for ids in rows["input_ids"]]
    logits = next(part for part in trainer.features if hasattr(part, "outputs")).outputs.logits
    vectors = {text: logits.values[i] for i, text in enumerate(read)}
    english = [text for text in vectors if text.startswith("the")]
    assert len(rows) == 90 and len(english) == 45  # five pairs are held out, with both texts
    for text in english:
        other = " ".join(word[::-1] for word in text.split())
        np.testing.assert_array_equal(vectors[text], vectors[other])
    assert len({vector.tobytes() for vector in vectors.values()}) == 45


def test_run_and_its_record(model: Path, pairs: str, tmp_path: Path) -> None:
    report = distill.run(distill.Config(teacher=str(model), parallel=[pairs], output=tmp_path / "run", **SHORT))
    record = json.loads((tmp_path / "run" / "nlpkit.json").read_text())
    found = record["translations"]
    assert (found["first"], found["pairs"]) == ("en", {"xx": 5})
    assert [side["name"] for side in found["sides"]] == ["embedder", "embedder-parallel"]
    assert set(found["sides"][1]["languages"]["xx"]) >= set(parallel.FIGURES)
    assert record["judged"]["validation"] == 5
    assert [Path(one["path"]).name for one in record["parents"]["data"]["files"]["train"]] == ["t.en", "t.xx"]
    assert any(table.title.startswith("translations held out") for table in report.tables)


def test_scored_pairs_judge_where_they_are_named(model: Path, pairs: str, tmp_path: Path) -> None:
    scored = write_csv(
        tmp_path / "sts.csv",
        [{"sentence1": f"the {a}", "sentence2": f"a {b}", "score": str(i / 10)}
         for i, (a, b) in enumerate(zip(ADJECTIVES, ADJECTIVES[::-1], strict=True))],
    )  # fmt: skip
    config = distill.Config(
        teacher=str(model), parallel=[pairs], validation_file=[str(scored)], output=tmp_path / "run", **SHORT
    )
    record = distill.run(config).record
    assert record["main_metric"].startswith("spearman")
    assert record["judged"]["validation"] == 10
    assert record["translations"]["pairs"] == {"xx": 5}


def test_an_extended_tokenizer_of_the_student(model: Path, pairs: str, tmp_path: Path) -> None:
    config = train_tokenizer.Config(
        data=[pairs.split(",")[1]], extend=str(model), add=10, add_as="pieces", output=tmp_path / "tokenizer"
    )
    train_tokenizer.run(config)
    distill.run(
        distill.Config(
            teacher=str(model),
            parallel=[pairs],
            student_tokenizer=str(tmp_path / "tokenizer"),
            output=tmp_path / "run",
            **SHORT,
        )
    )
    old, new = (AutoTokenizer.from_pretrained(place) for place in (model, tmp_path / "run"))
    assert len(new) == len(old) + 10
    assert json.loads((tmp_path / "run" / "config.json").read_text())["vocab_size"] == len(new)


def test_texts_of_several_translations_are_held_out_whole(model: Path, pairs: str, tmp_path: Path) -> None:
    lines = Path(pairs.split(",")[0]).read_text().splitlines()
    table = write_csv(tmp_path / "t.csv", [{"en": line, "xx": f"x {line}", "yy": f"y {line}"} for line in lines])
    config = distill.Config(teacher=str(model), parallel=[str(table)], output=tmp_path / "run", **SHORT)
    trainer = distill.build(config)
    tokenizer = AutoTokenizer.from_pretrained(model)
    read = [str(tokenizer.decode(ids, skip_special_tokens=True)) for ids in trainer.train_dataset["input_ids"]]
    assert len(read) == 45 * 3
    sources = {text.removeprefix("x ").removeprefix("y ") for text in read}
    assert len(sources) == 45


def test_the_same_pairs_are_held_out_of_runs_with_other_seeds(model: Path, pairs: str, tmp_path: Path) -> None:
    read = []
    for seed in (1, 2):
        config = distill.Config(
            teacher=str(model), parallel=[pairs], seed=seed, shuffle_seed=7, output=tmp_path / "run", **SHORT
        )
        read.append(distill.build(config).splits["train"].examples["text"][:])
    assert read[0] == read[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unlabelled": ["more.txt"]}, "--unlabelled adds to the rows"),
        ({"hidden_weight": 1.0}, "--hidden-weight compares token with token"),
        ({"languages": ["en", "de"]}, "has no de"),
        ({"held_pairs": 0}, "nothing is held out to judge by"),
        ({"parallel": ["t.en,nowhere.de"]}, "no such file"),
    ],
)
def test_refused(options: dict[str, Any], message: str, model: Path, pairs: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        distill.build(
            distill.Config(
                **{"teacher": str(model), "parallel": [pairs], "output": tmp_path / "run", **SHORT, **options}
            )
        )


def test_swapped_languages_are_found(model: Path, pairs: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    right, wrong = (translations.read([pairs], Reading(), names) for names in (["en", "xx"], ["xx", "en"]))
    assert parallel.swapped(right, tokenizer) == []
    (finding,) = parallel.swapped(wrong, tokenizer)
    assert "they may be swapped (--languages en,xx)" in finding.message


def test_answers_about_words_are_refused(run_of: Any, pairs: str, tmp_path: Path) -> None:
    config = distill.Config(
        teacher=str(run_of("token-classification")), parallel=[pairs], output=tmp_path / "run", measure_seconds=0
    )
    with pytest.raises(UserError, match="answers by the words of a text"):
        distill.build(config)


def test_a_classifier_learns_another_language(run_of: Any, pairs: str, tmp_path: Path) -> None:
    config = distill.Config(
        teacher=str(run_of("classification")), parallel=[pairs], output=tmp_path / "run", **{**SHORT, "task": None}
    )
    record = distill.run(config).record
    assert "translations" not in record or record["translations"] is None
    assert record["judged"]["validation"] > 5


@pytest.mark.slow
def test_recipes(model: Path, pairs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run one after the other, on lines that stand for their captions."""
    monkeypatch.chdir(tmp_path)
    for file, name in zip(pairs.split(","), ("train.en", "train.de"), strict=True):
        (tmp_path / name).write_bytes(Path(file).read_bytes())
    recipes = Path(__file__).parents[2] / "recipes"
    of_tokenizer = train_tokenizer.Config.from_sources(
        {"extend": str(model)}, recipes / "german-embedder-tokenizer.yaml", "train-tokenizer"
    )
    assert 0 < len(train_tokenizer.run(of_tokenizer).record["tokenizer"]["added"]) <= 4_000
    given = {**SHORT, "teacher": str(model), "max_minutes": None}
    config = distill.Config.from_sources(given, recipes / "german-embedder.yaml", "distill")
    assert distill.run(config).record["translations"]["pairs"] == {"de": 5}
