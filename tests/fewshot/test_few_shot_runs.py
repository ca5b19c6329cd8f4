"""`finetune-cls --few-shot` and `--heads`: what is compared, what is kept, and that the result is an ordinary model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
import torch
from conftest import rows, write_csv
from safetensors.torch import load_file

from nlpkit.errors import UserError
from nlpkit.fewshot import candidates
from nlpkit.recipes import compare, distill, evaluate, finetune_cls, predict, prune, quantize


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 16 rows of train and 24 of validation."""
    folder = tmp_path_factory.mktemp("few")
    made = rows(60, seed=3)
    by_label: dict[str, list[dict[str, str]]] = {}
    for row in made:
        by_label.setdefault(row["label"], []).append(row)
    write_csv(folder / "train.csv", [row for some in by_label.values() for row in some[:8]])
    write_csv(folder / "validation.csv", [row for some in by_label.values() for row in some[8:20]])
    write_csv(folder / "new.csv", [{"text": row["text"]} for row in rows(40, seed=9)])
    return folder


def options(few: Path, model: Path, output: Path, **given: Any) -> finetune_cls.Config:
    files = {"train_file": [str(few / "train.csv")], "validation_file": [str(few / "validation.csv")]}
    settings: dict[str, Any] = {**files, "few_shot": True, "device": "cpu", "threads": 1}
    return finetune_cls.Config(model=str(model), output=output, **(settings | given))


@pytest.fixture(scope="module", autouse=True)  # else tests that do not name it would train as those before them did
def short_steps() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "STEPS", 3)
        yield


@pytest.fixture(scope="module")
def run(few: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, short_steps: Any) -> Path:
    output = tmp_path_factory.mktemp("runs") / "run"
    more = {"few_shot_curve": [4], "label_next": str(few / "new.csv"), "label_next_rows": 5}
    finetune_cls.run(options(few, tiny_model, output, **more))
    return output


def record(run: Path) -> dict[str, Any]:
    return json.loads((run / "nlpkit.json").read_text())["few_shot"]


def test_all_ways_are_judged_on_the_same_rows(run: Path) -> None:
    told = record(run)
    assert told["rows"] == 16 and set(told["rows_per_label"].values()) == {8} and told["folds"] == 3
    names = [way["name"] for way in told["ways"]]
    assert len(names) == len(set(names)) == 5 and "label texts as 16 rows" in names[2]
    assert told["chosen"] in names and "loss" in told["why"]
    for way in told["ways"]:
        low, high = way["metric_intervals"]["accuracy"]
        assert low <= way["metrics"]["accuracy"] <= high and way["seconds"] >= 0


def test_the_stock_classes_open_what_was_learnt(run: Path, few: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(run).eval()
    tokenizer = AutoTokenizer.from_pretrained(run)
    assert record(run)["mean_of_tokens"] and model.config.num_hidden_layers == 3
    texts = [row["text"] for row in rows(6, seed=8)]
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        stock = model(**batch).logits.softmax(dim=1)
    answers = predict.run(predict.Config(model=str(run), texts=texts, device="cpu")).record["answers"]
    assert [answer["prediction"] for answer in answers] == [model.config.id2label[int(i)] for i in stock.argmax(dim=1)]
    np.testing.assert_allclose([answer["prediction_score"] for answer in answers], stock.max(dim=1).values, atol=1e-4)
    assert not list(run.glob("*.pkl")) and not list(run.glob("*.bin"))


ELSEWHERE = """
import sys
sys.modules["nlpkit"] = None  # as where it is not installed
from transformers import pipeline
answered = pipeline("text-classification", model=sys.argv[1], device="cpu")
for answer in answered(sys.argv[2:]):
    print(answer["label"], answer["score"])
"""


def test_a_process_without_nlpkit_answers_alike(run: Path) -> None:
    texts = [row["text"] for row in rows(3, seed=8)]
    done = forked.run([sys.executable, "-c", ELSEWHERE, str(run), *texts], check=True)
    given = [line.split() for line in done.stdout.splitlines()]
    answers = predict.run(predict.Config(model=str(run), texts=texts, device="cpu")).record["answers"]
    assert [label for label, _ in given] == [answer["prediction"] for answer in answers]
    scores = [answer["prediction_score"] for answer in answers]
    np.testing.assert_allclose([float(score) for _, score in given], scores, atol=1e-4)


@pytest.mark.slow
def test_other_operations_take_what_was_learnt(run: Path, few: Path, tmp_path: Path) -> None:
    data: dict[str, Any] = {"train_file": [str(few / "train.csv")], "validation_file": [str(few / "validation.csv")]}
    given: dict[str, Any] = data | {"epochs": 1.0, "device": "cpu", "threads": 1, "measure_seconds": 0.02}
    pruned, student = tmp_path / "pruned", tmp_path / "student"
    prune.run(prune.Config(model=str(run), what="ffn", sparsity=0.5, output=pruned, **given))
    distill.run(distill.Config(teacher=str(run), student_layers=2, output=student, **given))
    texts = ["a good film", "a bad film"]
    for made in (pruned, student):
        told = predict.run(predict.Config(model=str(made), texts=texts, device="cpu")).record["answers"]
        assert {answer["prediction"] for answer in told} <= {"negative", "positive"}
    held_out = str(few / "validation.csv")
    three = [str(run), str(pruned), str(student)]
    found = compare.run(compare.Config(runs=three, data=held_out, device="cpu")).record
    assert found["rows"] == 24 and found["runs"] == three


@pytest.mark.slow
def test_what_was_learnt_goes_into_int8(run: Path, few: Path, tmp_path: Path) -> None:
    data: dict[str, Any] = {"train_file": [str(few / "train.csv")], "validation_file": [str(few / "validation.csv")]}
    report = quantize.run(quantize.Config(model=str(run), output=tmp_path / "int8", measure_seconds=0.05, **data))
    before, after = ([row for row in report.tables[0].rows if len(row) > 1][i][1] for i in (0, -1))
    assert float(after.value) == pytest.approx(float(before.value), abs=0.1)  # type: ignore[union-attr]


def test_the_figures_of_the_run_are_those_that_evaluate_finds(run: Path, few: Path) -> None:
    told = json.loads((run / "nlpkit.json").read_text())["metrics"]["validation"]["accuracy"]
    found = evaluate.run(
        evaluate.Config(model=str(run), validation_file=[str(few / "validation.csv")], device="cpu", save=False)
    )
    assert found.record["metrics"]["validation"]["accuracy"] == pytest.approx(told)


def test_the_curve_has_an_interval_for_each_size_and_way(run: Path) -> None:
    curve = record(run)["curve"]
    assert curve["sizes"] == [4] and curve["draws"] == 10 and curve["judged"] == 24
    for way in curve["ways"]:
        for point in way["points"]:
            assert len(point["values"]) == 10
            assert point["mean"] == pytest.approx(np.mean(point["values"]))
            assert point["interval"][0] <= point["mean"] <= point["interval"][1]


def test_all_rows_are_one_draw_and_a_line_says_which_draws_share_rows(
    few: Path, tiny_model: Path, tmp_path: Path, short_steps: Any
) -> None:
    given = {"few_shot_curve": [3, 6, 8], "max_minutes": 1e-4}
    report = finetune_cls.run(options(few, tiny_model, tmp_path / "run", **given))
    for way in record(tmp_path / "run")["curve"]["ways"]:
        assert [len(point["values"]) for point in way["points"]] == [10, 10, 1]
        assert ["interval" in point for point in way["points"]] == [True, True, False]
    assert any(line.startswith("curve at 6, 8: a label has 8 rows") for line in report.lines)


def test_rows_to_label_next_are_unsure_and_new(run: Path, few: Path) -> None:
    told = record(run)["next"]
    assert len(told["rows"]) == 5 and told["among"] == 40
    assert len({row["row"] for row in told["rows"]}) == 5
    margins = [row["margin"] for row in told["rows"]]
    assert margins == sorted(margins)
    known = (few / "train.csv").read_text()
    assert not any(row["text"] in known for row in told["rows"])


def test_the_same_seed_learns_the_same_weights(
    run: Path, few: Path, tiny_model: Path, tmp_path: Path, short_steps: Any
) -> None:
    finetune_cls.run(options(few, tiny_model, tmp_path / "again"))
    first, second = (load_file(folder / "model.safetensors") for folder in (run, tmp_path / "again"))
    assert all(torch.equal(first[name], tensor) for name, tensor in second.items())


def test_heads_over_a_frozen_encoder(few: Path, tiny_model: Path, tmp_path: Path) -> None:
    given = {"few_shot": False, "freeze": "encoder", "heads": ["logistic", "knn", "mlp"]}
    report = finetune_cls.run(options(few, tiny_model, tmp_path / "run", **given))
    told = record(tmp_path / "run")
    assert [way["saved"] for way in told["ways"]] == [True, False, True]
    assert told["chosen"] != told["ways"][1]["name"]
    assert any("cannot be saved" in str(row[0]) for table in report.tables for row in table.rows)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 5.0}, "--epochs: --few-shot compares"),
        ({"freeze": "encoder"}, "--freeze: --few-shot compares"),
        ({"heads": ["knn"], "freeze": "encoder"}, "--heads and --few-shot"),
        ({"few_shot": False, "heads": ["mlp"]}, "--heads is for --freeze encoder"),
        ({"few_shot": False, "label_texts": "none"}, "--label-texts is for --few-shot"),
        ({"few_shot_curve": [32]}, "--few-shot-curve 32: "),
        ({"label_next": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_what_cannot_be_done_is_one_message(
    given: dict[str, Any], said: str, few: Path, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        finetune_cls.run(options(few, tiny_model, tmp_path / "run", **given))
    assert said in error.value.message
    assert not (tmp_path / "run").exists()


def test_ways_that_do_not_fit_into_the_minutes_are_named_before_they_begin(
    few: Path, tiny_model: Path, tmp_path: Path, short_steps: Any
) -> None:
    given = {"max_minutes": 1e-4, "few_shot_curve": [4]}
    report = finetune_cls.run(options(few, tiny_model, tmp_path / "run", **given))
    told = record(tmp_path / "run")
    late = [way["name"] for way in told["ways"] if way["left_out"]]
    assert late == [way["name"] for way in told["ways"]][3:] and told["chosen"].startswith("frozen encoder")
    for name in late:
        (line,) = [line for line in report.lines if line.startswith(f"left out: {name}")]
        assert "of --max-minutes 0.0001 are left" in line
    assert [way["name"] for way in told["curve"]["ways"]][:3] == [way["name"] for way in told["ways"]][:3]
    assert len(told["curve"]["ways"]) == 4  # and the one that each draw chooses


def test_a_label_with_a_single_row_is_named(few: Path, tiny_model: Path, tmp_path: Path) -> None:
    lines = (few / "train.csv").read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join([*lines, "once seen,rare"]) + "\n")
    with pytest.raises(UserError, match="'rare' has fewer than two rows"):
        finetune_cls.run(options(few, tiny_model, tmp_path / "run", train_file=[str(tmp_path / "train.csv")]))


def test_rows_that_the_model_to_begin_with_was_trained_on_are_counted(
    run: Path, few: Path, tmp_path: Path, short_steps: Any
) -> None:
    report = finetune_cls.run(options(few, run, tmp_path / "run"))
    found = [finding["message"] for finding in report.record["findings"] if finding["check"] == "trained-on-before"]
    assert any("16" in message and "ways to learn are judged on them" in message for message in found)
