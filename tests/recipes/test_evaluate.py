from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import RunOf, make_tokenizer, rows, write_csv, write_jsonl

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor
from nlpkit.recipes import evaluate
from nlpkit.tasks.roles import Judged


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained run that a test may change."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture(scope="module")
def plain(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as anybody may have saved it: no nlpkit.json, labels without names."""
    from transformers import AutoModelForSequenceClassification

    folder = tmp_path_factory.mktemp("plain") / "model"
    model = AutoModelForSequenceClassification.from_pretrained(trained)
    model.config.id2label, model.config.label2id = {0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}
    model.config.problem_type = None
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def measured(model: Path, data: Path, **values: Any) -> dict[str, Any]:
    return evaluate.run(evaluate.Config(model=str(model), data=str(data), device="cpu", threads=1, **values)).record


def test_figures_are_those_that_training_recorded(run: Path, reviews: Path) -> None:
    recorded = json.loads((run / "nlpkit.json").read_text())["metrics"]
    record = measured(run, reviews)
    assert set(record["metrics"]) == {"validation", "test"}  # train only when asked for, or when alone
    for split, metrics in record["metrics"].items():
        assert metrics == pytest.approx(recorded[split], abs=1e-6)
    train = measured(run, reviews, split="train")
    assert train["metrics"]["train"]["accuracy"] == pytest.approx(recorded["train"]["accuracy"])
    assert train["rows"] == {"train": 96}


def test_figures_are_added_to_the_run(run: Path, reviews: Path) -> None:
    before = json.loads((run / "nlpkit.json").read_text())
    assert main(["evaluate", str(run), "--data", str(reviews), "--split", "test", "--device", "cpu", "--no-save"]) == 0
    assert json.loads((run / "nlpkit.json").read_text()) == before
    record = measured(run, reviews, split="test")
    measured(run, reviews, split="validation")
    after = json.loads((run / "nlpkit.json").read_text())
    entries = after.pop("evaluations")
    assert after == before
    assert [list(entry["metrics"]) for entry in entries] == [["test"], ["validation"]]
    assert entries[0]["metrics"] == record["metrics"]
    assert len(entries[0]["data"]["files"]["test"][0]["sha256"]) == 64


@pytest.mark.parametrize("task", every_task.kinds(Judged))
def test_a_misspelt_metric_is_refused_before_the_weights_are_read(
    task: str, run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_of(task)
    known = measured(folder, folder.parent / "data", split="validation", save=False)["metrics"]["validation"]
    monkeypatch.setattr("nlpkit.models.opening.load_model", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(UserError, match="--fail-under acuracy: no such metric; there are"):
        evaluate.run(evaluate.Config(model=str(folder), fail_under=dict.fromkeys([*known, "acuracy"], 0.5)))


def test_gates(run: Path, reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(run), "--data", str(reviews), "--split", "test", "--device", "cpu"]
    assert main([*command, "--fail-under", "accuracy=0.5", "--fail-over", "loss=1"]) == 2  # loss is no metric here
    assert "--fail-over loss: no such metric; there are accuracy" in capsys.readouterr().err
    assert main([*command, "--fail-under", "accuracy=0.5", "--fail-under", "mcc=0.1"]) == 0
    capsys.readouterr()
    assert main([*command, "--fail-under", "accuracy=1.01"]) == 1
    assert "failed: test accuracy is " in capsys.readouterr().out
    assert main([*command, "--fail-over", "accuracy=0.5"]) == 1
    capsys.readouterr()


def test_a_misspelt_gate_is_found_before_the_model_reads_a_row(
    run: Path, reviews: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Predictor, "outputs")
    command = ["evaluate", str(run), "--data", str(reviews), "--split", "test", "--device", "cpu"]
    assert main([*command, "--fail-under", "acuracy=0.5"]) == 2
    assert "Did you mean 'accuracy'?" in capsys.readouterr().err
    assert main([*command, "--fail-under", "accuracy=high"]) == 2
    assert "the bound is not a number" in capsys.readouterr().err


def test_a_failed_gate_with_json_is_one_document(run: Path, reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(run), "--data", str(reviews), "--split", "test", "--device", "cpu", "--json"]
    assert main([*command, "--fail-under", "accuracy=1.01"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["failures"][0].startswith("failed: test accuracy is ")


def test_a_plain_folder_with_numbered_labels(plain: Path, trained: Path, tmp_path: Path, reviews: Path) -> None:
    ids = {"negative": 0, "positive": 1}
    made = rows(160)[128:]  # the rows of reviews/test.csv
    path = write_jsonl(tmp_path / "test.jsonl", [{"sentence": row["text"], "label": ids[row["label"]]} for row in made])
    recorded = json.loads((trained / "nlpkit.json").read_text())["metrics"]["test"]
    record = measured(plain, path)
    assert record["metrics"]["test.jsonl"] == pytest.approx(recorded, abs=1e-6)
    assert not (plain / "nlpkit.json").exists()


def test_labels_that_the_model_does_not_know(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = rows(160)[128:]
    path = write_csv(tmp_path / "new.csv", [*made, {"text": "a film", "label": "neutral"}])
    command = ["evaluate", str(run), "--data", str(path), "--device", "cpu"]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert "1 of 33 rows have a label" in captured.err
    assert f"{path} line 34: label='neutral'" in captured.err
    for name in ("validation", "test"):
        write_csv(tmp_path / f"{name}.csv", [{"text": "a film", "label": "neutral"}] * 3)
    (tmp_path / "new.csv").unlink()
    assert main(["evaluate", str(run), "--data", str(tmp_path), "--device", "cpu", "--fail-under", "accuracy=1"]) == 2
    assert "3 of 3 rows have a label that is not in the model: neutral 3" in capsys.readouterr().err


def test_where_no_row_has_a_label_all_are_counted(run: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", [{"text": row["text"], "label": ""} for row in rows(8)])
    with pytest.raises(UserError, match=r"data\.csv: there is no row to judge: data\.csv: 8 of 8 rows have no label"):
        measured(run, data)


def test_a_run_whose_labels_are_called_otherwise_stops(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [{**row, "label": {"negative": "neg"}.get(row["label"], row["label"])} for row in rows(160)[128:]]
    path = write_csv(tmp_path / "shorter.csv", made)
    command = ["evaluate", str(run), "--data", str(path), "--device", "cpu", "--fail-under", "accuracy=0.9"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "shorter.csv: 16 of 32 rows have a label that is not in the model: neg 16 (nearest: negative)" in error
    assert "the labels of the model are negative, positive" in error
    assert "--unknown-labels wrong or skip" in error
    assert "check-data" not in error  # which knows no model


def test_unknown_labels_count_as_wrong_in_every_metric_or_are_left_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rows(160)[128:]
    known = measured(run, write_csv(tmp_path / "known.csv", made))["metrics"]["known.csv"]
    more = [{"text": row["text"], "label": "neutral"} for row in made[:8]]
    path = write_csv(tmp_path / "more.csv", [*made, *more])
    wrong = measured(run, path, unknown_labels="wrong")
    assert wrong["rows"] == {"more.csv": 40}
    assert wrong["metrics"]["more.csv"].keys() == known.keys()
    assert wrong["metrics"]["more.csv"]["accuracy"] == pytest.approx(known["accuracy"] * 32 / 40)
    for name, value in known.items():
        found = wrong["metrics"]["more.csv"][name]
        if name != "ece":  # wrong answers may make a model that is not sure enough as sure as it is right
            assert found > value if name in ("brier", "nll") else found < value, name
    skipped = measured(run, path, unknown_labels="skip")
    assert skipped["metrics"]["more.csv"] == pytest.approx(known)
    assert skipped["rows_left_out"] == {"more.csv": 8}
    # a gate says of how many rows it speaks
    command = ["evaluate", str(run), "--data", str(path), "--device", "cpu", "--unknown-labels", "skip"]
    assert main([*command, "--fail-under", "accuracy=0.1"]) == 0
    assert "more.csv: 32 of 40 rows were judged" in capsys.readouterr().out
    assert main([*command, "--fail-under", "accuracy=1.1"]) == 1
    assert "(--fail-under 1.1; 32 of 40 rows were judged)" in capsys.readouterr().out


def test_labels_in_another_case(run: Path, tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "upper.csv", [{"text": row["text"], "label": row["label"].upper()} for row in rows(160)[128:]]
    )
    recorded = json.loads((run / "nlpkit.json").read_text())["metrics"]["test"]
    assert measured(run, path)["metrics"]["upper.csv"]["accuracy"] == pytest.approx(recorded["accuracy"])


def test_a_split_without_labels_is_passed_over(run: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "validation.csv", rows(160)[128:])
    write_csv(tmp_path / "test.csv", [{"text": "a film"}])
    assert set(measured(run, tmp_path)["metrics"]) == {"validation"}


def test_an_unknown_split_names_those_there_are(run: Path, reviews: Path) -> None:
    with pytest.raises(UserError, match="--split tset: found train, validation, test") as error:
        measured(run, reviews, split="tset")
    assert error.value.hint == "Did you mean 'test'?"


def test_a_split_of_a_single_file_is_answered_with_its_name(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--split test: found new\.csv") as error:
        measured(run, write_csv(tmp_path / "new.csv", rows(8)), split="test")
    assert error.value.hint == "Without --split all rows of the file are taken."


def test_a_limit_and_named_columns(run: Path, tmp_path: Path) -> None:
    made = [{"one": row["text"], "two": row["label"]} for row in rows(30)]
    path = write_csv(tmp_path / "other.csv", made)
    record = measured(run, path, text_column="one", label_column="two", max_eval_samples=10)
    assert record["rows"] == {"other.csv": 10}


def test_per_class_table(run: Path, reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(run), "--data", str(reviews), "--split", "test", "--device", "cpu", "--per-class"]
    assert main(command) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["label", "precision", "recall", "f1", "support"] in lines
    assert [line[-1] for line in lines if line and line[0] in ("negative", "positive")] == ["16", "16"]


def test_a_model_without_a_trained_head_is_refused(
    tiny_model: Path, reviews: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tiny_model), "--data", str(reviews), "--device", "cpu"]) == 2
    assert "holds no model for a task known here" in capsys.readouterr().err


# --- which rows, and whether they were trained on ---


def said(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[dict[str, Any], str]:
    """The record, and what else was said."""
    assert main(["evaluate", *map(str, arguments), "--device", "cpu", "--threads", "1", "--json"]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out), " ".join(captured.err.split())


def test_without_data_a_run_is_judged_on_its_own_rows(
    run: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = json.loads((run / "nlpkit.json").read_text())["metrics"]
    record, told = said(capsys, run)
    assert record["metrics"] == {"test": pytest.approx(recorded["test"], abs=1e-6)}
    assert "test: the run's own rows" in told and "trained on" not in told.replace("was trained (", "")
    record, _ = said(capsys, run, "--split", "validation")
    assert record["metrics"] == {"validation": pytest.approx(recorded["validation"], abs=1e-6)}


def test_without_data_a_test_split_that_keeps_its_labels_back_is_not_chosen(
    run: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(reviews, tmp_path / "data")
    write_csv(data / "test.csv", [{"text": row["text"], "label": -1} for row in rows(8, seed=9)])
    record = json.loads((run / "nlpkit.json").read_text())
    record["config"]["data"] = str(data)
    del record["metrics"]["test"]
    (run / "nlpkit.json").write_text(json.dumps(record))
    found, told = said(capsys, run)
    assert list(found["metrics"]) == ["validation"]
    assert "validation: the run's own rows" in told


@pytest.fixture(scope="module")
def of_one_file(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one file, of which it has held a tenth out."""
    from nlpkit.recipes import finetune_cls

    folder = tmp_path_factory.mktemp("one")
    data = write_csv(folder / "all.csv", rows(60))
    finetune_cls.run(
        finetune_cls.Config(
            data=str(data), model=str(tiny_model), output=folder / "run", max_steps=2, device="cpu", threads=1
        )
    )
    return folder / "run"


def test_the_rows_that_a_run_held_out_are_found_again(of_one_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = json.loads((of_one_file / "nlpkit.json").read_text())
    record, told = said(capsys, of_one_file, "--no-save")
    assert record["rows"] == {"validation": 6}
    assert record["metrics"]["validation"] == pytest.approx(recorded["metrics"]["validation"], abs=1e-6)
    assert "validation: the run's own rows" in told


def test_rows_that_were_trained_on_are_told(
    of_one_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = of_one_file.parent / "all.csv"
    _, told = said(capsys, of_one_file, "--no-save", "--data", data)
    assert "54 of 60 rows are among those that" in told and "how well these were learnt" in told
    fresh = [{"text": f"fresh {row['text']}", "label": row["label"]} for row in rows(20, seed=9)]
    shouted = [{"text": row["text"].upper(), "label": row["label"]} for row in rows(60)]
    _, told = said(capsys, of_one_file, "--no-save", "--data", write_csv(tmp_path / "mixed.csv", [*fresh, *shouted]))
    assert "54 of 80 rows are among those that" in told
    _, told = said(capsys, of_one_file, "--no-save", "--data", write_csv(tmp_path / "fresh.csv", fresh))
    assert "trained on" not in told


def test_a_file_that_has_changed_since_is_told(
    of_one_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same seed holds other rows out of it."""
    folder = shutil.copytree(of_one_file.parent, tmp_path / "moved")
    record = json.loads((folder / "run" / "nlpkit.json").read_text())
    text = json.dumps(record).replace(str(of_one_file.parent), str(folder))
    (folder / "run" / "nlpkit.json").write_text(text)
    copied = shutil.copy(folder / "all.csv", tmp_path / "copy.csv")
    with (folder / "all.csv").open("a") as file:
        file.write("one more film,positive\n")
    _, told = said(capsys, folder / "run", "--no-save")
    assert "all.csv is not as it was when" in told
    # what it was trained on is known no more but for the sum of its bytes
    _, told = said(capsys, folder / "run", "--no-save", "--data", copied)
    assert f"was trained on rows of {copied}" in told


def test_a_model_without_a_record_needs_data(plain: Path) -> None:
    with pytest.raises(UserError, match="does not tell what it was trained on"):
        evaluate.run(evaluate.Config(model=str(plain), device="cpu", threads=1))
