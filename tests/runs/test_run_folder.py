from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import forked
import pytest
from conftest import rows

from nlpkit.recipes import finetune_cls
from nlpkit.reporting import Estimate
from nlpkit.runs.folder import RunFolder, read_record

TEXTS = [row["text"] for row in rows(6, seed=21)]


@pytest.fixture(scope="module")
def record(trained: Path) -> dict[str, Any]:
    found = read_record(trained)
    assert found is not None
    return found


def test_stock_transformers_opens_the_folder_in_a_fresh_process(trained: Path) -> None:
    from nlpkit.recipes import predict

    code = f"""
import json, sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
model = AutoModelForSequenceClassification.from_pretrained({str(trained)!r})
tokenizer = AutoTokenizer.from_pretrained({str(trained)!r})
assert type(model).__name__ == "BertForSequenceClassification"
assert "nlpkit" not in sys.modules
classify = pipeline("text-classification", model={str(trained)!r}, device="cpu")
print(json.dumps({{"labels": model.config.id2label, "max": tokenizer.model_max_length,
                  "answers": classify({TEXTS!r})}}))
"""
    done = forked.run([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["labels"] == {"0": "negative", "1": "positive"}
    answers = predict.run(predict.Config(model=str(trained), texts=TEXTS, device="cpu")).record["answers"]
    assert [answer["label"] for answer in found["answers"]] == [answer["prediction"] for answer in answers]
    for stock, ours in zip(found["answers"], answers, strict=True):
        assert stock["score"] == pytest.approx(ours["prediction_score"], abs=1e-5)


def test_the_files_of_a_finished_run(trained: Path) -> None:
    files = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert files >= {
        "model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "nlpkit.json", "metrics.jsonl",
        "README.md", "errors.jsonl", "trainer_state.json", "train_results.json", "eval_results.json",
        "test_results.json", "all_results.json", "plots/curves.png", "plots/confusion_matrix.png",
        "plots/label_distribution.png",
    }  # fmt: skip
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl"))]  # safetensors only
    assert not [path for path in trained.rglob("*") if "checkpoint" in path.name or path.name.startswith(".")]


def test_the_record_says_what_was_done(trained: Path, record: dict[str, Any], reviews: Path, tiny_model: Path) -> None:
    assert record["schema_version"] == 1
    assert record["status"] == "complete"
    assert record["command"] == "finetune-cls"
    assert record["config"]["learning_rate"] == 5e-3
    assert record["config"]["epochs"] == 6.0
    assert "output" not in record["config"]
    assert record["task"]["name"] == "text-classification"
    assert record["task"]["labels"] == ["negative", "positive"]
    assert record["task"]["columns"] == {"text": "text", "text_pair": None, "label": "label", "labels": []}
    assert record["rows"] == {"train": 96, "validation": 32, "test": 32}
    assert set(record["metrics"]) == {"train", "validation", "test"}
    for metrics in record["metrics"].values():
        assert {"accuracy", "f1", "f1_macro", "mcc", "roc_auc"} <= set(metrics)
        assert metrics["accuracy"] > 0.85
    assert record["main_metric"] == "accuracy"
    assert record["steps"] == 36
    assert record["best_step"] % 6 == 0
    assert record["seed"] == 42
    assert record["device"].startswith("cpu (")
    assert record["processes"] == 1
    assert record["wall_seconds"] > 0
    assert record["train_seconds"] > 0
    for name in ("started", "finished"):
        if name in record:
            assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", record[name])
    assert {"nlpkit", "python", "transformers", "torch", "datasets", "numpy"} <= set(record["versions"])


def test_the_record_names_parents_with_fingerprints(record: dict[str, Any], reviews: Path, tiny_model: Path) -> None:
    assert record["parents"]["model"]["given"] == str(tiny_model)
    files = record["parents"]["data"]["files"]
    for split in ("train", "validation", "test"):
        (file,) = files[split]
        path = reviews / f"{split}.csv"
        assert file["path"] == str(path)
        assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert file["bytes"] == path.stat().st_size


def test_files_for_other_tools_agree_with_the_record(trained: Path, record: dict[str, Any]) -> None:
    everything = json.loads((trained / "all_results.json").read_text())
    for split, prefix in (("train", "train"), ("validation", "eval"), ("test", "test")):
        found = json.loads((trained / f"{prefix}_results.json").read_text())
        assert found == {f"{prefix}_{name}": value for name, value in record["metrics"][split].items()}
        assert found.items() <= everything.items()
    state = json.loads((trained / "trainer_state.json").read_text())
    assert state["global_step"] == record["steps"]
    assert state["best_global_step"] == record["best_step"]


def test_metrics_file_has_the_losses_and_the_evaluations(trained: Path, record: dict[str, Any]) -> None:
    entries = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert losses[-1] < 0.7 * losses[0]
    judged = {entry["step"]: entry["eval_accuracy"] for entry in entries if "eval_accuracy" in entry}
    assert sorted(judged) == [6, 12, 18, 24, 30, 36]
    # the model at the folder's root is the best one
    assert judged[record["best_step"]] == max(judged.values()) == record["metrics"]["validation"]["accuracy"]


def test_plots_are_pictures(trained: Path) -> None:
    from matplotlib import image

    plots = list((trained / "plots").iterdir())
    assert plots
    for path in plots:
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        pixels = image.imread(path)
        assert pixels.shape[0] > 100
        assert pixels.shape[1] > 100
        assert pixels[..., :3].std() > 0.02  # something is drawn


def test_model_card(trained: Path, record: dict[str, Any]) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(trained / "README.md")
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.base_model is None  # a local folder is no name on the hub
    results = {(r.dataset_split, r.metric_type): r.metric_value for r in card.data.eval_results or []}
    assert results["test", "accuracy"] == pytest.approx(record["metrics"]["test"]["accuracy"], abs=1e-4)
    assert "| negative | 48 | 16 | 16 |\n" in card.text
    shown = Estimate(record["metrics"]["test"]["accuracy"], *record["metric_intervals"]["test"]["accuracy"])
    assert f"| test | 32 | {shown} |" in card.text
    assert "\nIn brackets: 95 % confidence intervals (" in card.text
    assert "| split | rows | accuracy | f1 of the label 'positive' |\n" in card.text
    assert "6 epochs (`--epochs 6`)" in card.text
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", card.text)
    assert pictures
    assert all((trained / picture).is_file() for picture in pictures)


def test_what_was_trained_stands_in_the_card(tiny_model: Path, reviews: Path, tmp_path: Path) -> None:
    """Of a run of a number of steps the epochs that these were."""
    from nlpkit.recipes import finetune_cls

    config = finetune_cls.Config(
        data=str(reviews), model=str(tiny_model), output=tmp_path / "run", max_steps=4, batch_size=48, device="cpu"
    )
    record = finetune_cls.run(config).record
    assert (record["epochs"], record["steps"]) == (2.0, 4)
    assert record["train_samples_per_second"] == pytest.approx(4 * 48 / record["train_seconds"], rel=0.01)
    assert "2 epochs (`--epochs 3`, `--max-steps 4`)" in (tmp_path / "run" / "README.md").read_text()


def test_errors_are_the_wrong_answers_most_confident_first(
    tmp_path: Path, tiny_model: Path, reviews: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nlpkit.recipes import finetune_cls, predict

    config = finetune_cls.Config(
        data=str(reviews), model=str(tiny_model), output=tmp_path / "run", max_steps=1, device="cpu", threads=1
    )
    record = finetune_cls.run(config).record
    errors = [json.loads(line) for line in (tmp_path / "run" / "errors.jsonl").read_text().splitlines()]
    wrong = round((1 - record["metrics"]["test"]["accuracy"]) * 32)
    assert len(errors) == wrong > 0
    assert [entry["score"] for entry in errors] == sorted((entry["score"] for entry in errors), reverse=True)
    source = (reviews / "test.csv").read_text().splitlines()
    for entry in errors:
        assert entry["split"] == "test"
        assert entry["prediction"] != entry["label"]
        place, _, line = entry["where"].rpartition(" line ")
        assert place == str(reviews / "test.csv")
        assert source[int(line) - 1] == f"{entry['text']},{entry['label']}"
    answers = predict.run(
        predict.Config(model=str(tmp_path / "run"), texts=[entry["text"] for entry in errors], device="cpu")
    ).record["answers"]
    assert [answer["prediction"] for answer in answers] == [entry["prediction"] for entry in errors]


def test_of_two_runs_started_together_one_has_the_folder(tmp_path: Path) -> None:
    from nlpkit.errors import UserError
    from nlpkit.runs.folder import RunFolder, read_record

    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    for folder in (first, second):
        folder.require_usable(resume=False, overwrite=False)
    first.start({"command": "first"}, overwrite=False, resume=False)
    with pytest.raises(UserError, match="another run has just started there"):
        second.start({"command": "second"}, overwrite=False, resume=False)
    record = read_record(tmp_path / "run")
    assert record is not None and record["command"] == "first"


@pytest.mark.parametrize("flag", ["resume", "overwrite"])
def test_a_run_killed_before_its_record_was_written_never_started(
    flag: str, tmp_path: Path, tiny_model: Path, reviews: Path
) -> None:
    from nlpkit.errors import UserError
    from nlpkit.recipes import finetune_cls
    from nlpkit.runs.folder import RunFolder

    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder._claim()  # and the power goes
    assert folder.state() == "running"
    with pytest.raises(UserError, match="holds an interrupted run") as error:
        folder.require_usable(resume=False, overwrite=False)
    assert "--resume goes on with it" in (error.value.hint or "")
    config = finetune_cls.Config(
        data=str(reviews), model=str(tiny_model), output=folder.path, max_steps=1, device="cpu", threads=1
    )
    report = finetune_cls.run(config.changed(output=folder.path, **{flag: True}))
    assert report.record["steps"] == 1
    assert folder.state() == "complete"


def test_half_a_record_is_still_damage(tmp_path: Path) -> None:
    from nlpkit.errors import UserError

    (tmp_path / "nlpkit.json").write_text('{"schema_version": 1, "sta')
    with pytest.raises(UserError, match="is not valid JSON"):
        read_record(tmp_path)


def test_lines_of_the_log_are_json_whatever_overflows(tmp_path: Path) -> None:
    """As gradients do in the first steps of fp16."""
    RunFolder(tmp_path).log({"step": 1, "grad_norm": float("inf"), "loss": float("nan"), "epoch": 0.5})

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    line = json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=refuse)
    assert line == {"step": 1, "grad_norm": None, "loss": None, "epoch": 0.5}


def test_a_run_that_an_error_ends_says_why_until_it_goes_on(tiny_model: Path, reviews: Path, tmp_path: Path) -> None:
    from nlpkit.training.trainer import NlpkitTrainer

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("odd\nin two lines")

    options: dict[str, Any] = {"data": str(reviews), "model": str(tiny_model), "output": tmp_path / "run"}
    options |= {"max_steps": 1, "batch_size": 16, "device": "cpu", "threads": 1}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(NlpkitTrainer, "outputs", fail)
        finetune_cls.run(finetune_cls.Config(**options))
    record = read_record(tmp_path / "run") or {}
    assert (record["status"], record["failure"]) == ("running", "odd")
    finetune_cls.run(finetune_cls.Config(**options, resume=True))
    record = read_record(tmp_path / "run") or {}
    assert record["status"] == "complete" and "failure" not in record
