"""The process that a model is measured in: what it answers, and that nothing that goes wrong is the end of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import forked
import pretended
import pytest
import torch
from conftest import RunOf, rows, write_csv

from nlpkit.measurement.spec import Backend, Subject
from nlpkit.measurement.worker import Worker
from nlpkit.recipes import evaluate
from nlpkit.recipes.benchmark import Config

pytestmark = pytest.mark.slow

OLD = tuple(map(int, metadata.version("transformers").split(".")[:2])) < (5, 21)
exports = pytest.mark.skipif(OLD, reason="this transformers has no quantizers for its exporters")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory")

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 40}


def opening(
    model: str | Path, *, backend: Backend = "torch", overrides: dict[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The request that opens a model."""
    subject = Subject("subject", str(model), overrides or {}, backend)
    config = Config(models=[str(model)], device="cpu", threads=1, **options)
    return {"op": "open", "subject": subject.to_json(), "config": config.record()}


def asked(worker: Worker, op: str, **values: Any) -> dict[str, Any]:
    """An answer, as it comes through the pipe."""
    return json.loads(json.dumps(worker.answer({"op": op, **values})))


def point(length: int | None, batch_size: int = 2, mode: str = "inference") -> dict[str, Any]:
    return {"mode": mode, "batch_size": batch_size, "length": length}


def opened(*arguments: Any, **keywords: Any) -> tuple[Worker, dict[str, Any]]:
    worker = Worker()
    answer = asked(worker, **opening(*arguments, **keywords))
    assert answer.get("ok"), answer
    return worker, answer["opened"]


def refusal(*arguments: Any, **keywords: Any) -> tuple[str, str | None]:
    """Message and hint where a model cannot be opened for a reason of the user's."""
    answer = asked(Worker(), **opening(*arguments, **keywords))
    assert answer["error"] == "user", answer
    return answer["message"], answer["hint"]


def measured(worker: Worker, at: dict[str, Any], passes: int = 2) -> dict[str, Any]:
    """The answers of a whole point in one."""
    found = asked(worker, "prepare", point=at)
    assert found.get("ok"), found
    warm = asked(worker, "warm", seconds=0.0)
    assert warm["calls"] == 2 * found["calls"]
    assert warm["pass_seconds"] > 0
    turn = asked(worker, "turn", passes=passes)
    assert len(turn["seconds"]) == passes * found["calls"]
    memory = asked(worker, "memory")
    assert memory["peak_bytes"] >= memory["before_bytes"] > 0
    return {**found, **asked(worker, "flops")}


# --- opening ---


def test_a_config_alone_is_enough() -> None:
    worker, found = opened("bert", overrides={**TINY, "max_position_embeddings": 32}, config_only=True)
    assert found["architecture"] == "BertModel"
    assert (found["bytes"], found["task"], found["max_length"]) == (None, None, 32)
    assert found["parameters"] == worker.model.net.num_parameters()
    assert measured(worker, point(8, 3)) | {"flops": 0} == {
        "ok": True, "calls": 1, "samples": 3, "tokens": 24, "flops": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "overrides"),
    [
        ("longformer", {"attention_window": 4}),
        ("big_bird", {"block_size": 4, "num_random_blocks": 1}),
        ("gpt2", {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 40}),
        ("bert", {"attn_implementation": "eager"}),
    ],
)
def test_overrides_reach_the_model(model: str, overrides: dict[str, Any]) -> None:
    worker, _ = opened(model, overrides=overrides if model == "gpt2" else TINY | overrides, config_only=True)
    for name, value in overrides.items():
        assert getattr(worker.model.config, {"attn_implementation": "_attn_implementation"}.get(name, name)) in (
            value,
            [value],
        )
    assert measured(worker, point(16))["tokens"] == 32


def test_what_is_misspelt_is_named() -> None:
    message, hint = refusal("bert", overrides={"num_hidden_layerz": 2}, config_only=True)
    assert message == "subject: a config of bert has no 'num_hidden_layerz'"
    assert hint == "Did you mean 'num_hidden_layers'?"
    assert refusal("longformr", config_only=True)[1] == "Did you mean 'longformer'?"
    message, _ = refusal("bert", overrides={"num_hidden_layers": "two"}, config_only=True)
    assert "expected int, got str" in message


def test_random_weights_are_those_of_the_seed() -> None:
    def first(seed: int) -> float:
        worker, _ = opened("bert", overrides=TINY, config_only=True, seed=seed)
        return float(worker.model.net.embeddings.word_embeddings.weight[5, 0])

    assert first(1) == first(1) != first(2)


def test_overrides_of_a_trained_model(trained: Path) -> None:
    worker, found = opened(trained, overrides={"num_hidden_layers": 1, "attn_implementation": "eager"})
    assert len(worker.model.net.bert.encoder.layer) == 1
    assert found["task"] == "text-classification"


# --- rows ---


@pytest.mark.parametrize("task", ["classification", "pairs", "token-classification", "question-answering", "masked-lm"])
def test_a_model_of_each_task_is_judged_as_evaluate_does_and_measured_on_rows(run_of: RunOf, task: str) -> None:
    run = run_of(task)
    data = str(run.parent / "data")
    worker, found = opened(run, data=data, sample_rows=10)
    config = evaluate.Config(model=str(run), data=data, split="validation", device="cpu", threads=1, save=False)
    wanted = evaluate.run(config).record
    score = asked(worker, "score")
    assert score["metrics"] == pytest.approx(wanted["metrics"]["validation"])
    assert (score["split"], score["rows"], score["note"]) == ("validation", wanted["rows"]["validation"], None)
    assert found["main_metric"] in score["metrics"]
    inference = measured(worker, point(None, 4))
    assert inference["samples"] == 10
    assert inference["calls"] >= 3
    training = measured(worker, point(None, 4, "training"), passes=1)
    assert training["tokens"] == inference["tokens"]
    assert training["flops"] > 2 * inference["flops"]
    assert measured(worker, point(None, 4)) == inference


def test_rows_without_labels_have_a_speed_and_no_metrics(trained: Path, tmp_path: Path) -> None:
    unlabelled = write_csv(tmp_path / "texts.csv", [{"text": row["text"]} for row in rows(20)])
    worker, _ = opened(trained, data=str(unlabelled))
    assert measured(worker, point(None, 8))["samples"] == 20
    score = asked(worker, "score")
    assert score["metrics"] is None
    assert score["rows"] == 20
    assert score["note"].startswith("no metrics: no column looks like a label")
    measured(worker, point(None, 8, "training"), passes=1)


def test_what_is_said_of_the_data_reaches_the_one_that_asks(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    texts: list[Any] = [*(row["text"] for row in rows(20)), "", None]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    worker, _ = opened(trained, data=str(path), text_column="text")
    score = asked(worker, "score")
    assert score["rows"] == 20
    (said,) = score["findings"]
    assert said.startswith("2 of 22 rows cannot be read and are left out\n")
    assert [line.partition(":")[0].rpartition(" ")[2] for line in said.splitlines()[1:]] == ["21", "22"]
    path = tmp_path / "texts.csv"
    path.write_text("text;id\n" + "".join(f"{text};1\n" for text in texts[:20]))
    score = asked(opened(trained, data=str(path))[0], "score")
    assert (score["notes"], score["warnings"]) == ([f"{path}: columns are separated by ';'"], [])


def test_all_rows_of_a_file_are_used_and_those_that_cannot_be_are_told(trained: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", [*rows(30), {"text": "a film", "label": "so-so"}, {"text": "", "label": ""}])
    worker, _ = opened(trained, data=str(path))
    score = asked(worker, "score")
    assert (score["split"], score["rows"]) == ("new.csv", 30)
    assert any(finding.startswith("new.csv: ") and "so-so" in finding for finding in score["findings"])
    # of the rows of a run, a part was trained on
    worker = Worker()
    assert asked(worker, **opening(trained, data=str(path)), held_out=True)["ok"]
    score = asked(worker, "score")
    assert (score["split"], score["rows"]) == ("validation", 3)


def test_rows_that_the_model_was_trained_on_are_told(trained: Path, reviews: Path) -> None:
    worker, _ = opened(trained, data=str(reviews), split="train")
    (said,) = asked(worker, "score")["findings"]
    assert said.startswith("train: 96 of 96 rows are among those that")
    worker, _ = opened(trained, data=str(reviews))
    assert asked(worker, "score")["findings"] == []


def test_a_label_column_that_was_named_must_be_there(trained: Path, tmp_path: Path) -> None:
    unlabelled = write_csv(tmp_path / "texts.csv", [{"text": row["text"]} for row in rows(20)])
    worker, _ = opened(trained, data=str(unlabelled), label_column="stars")
    answer = asked(worker, "score")
    assert (answer["error"], answer["message"]) == ("user", "there is no label column 'stars'; the columns are text")


def test_an_encoder_without_a_task_reads_texts(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("the train\n\na kind clerk\n" * 5, encoding="utf-8")
    worker, found = opened(tiny_model, data=str(tmp_path / "lines.txt"))
    assert found["task"] is None
    assert measured(worker, point(None, 4))["tokens"] == 5 * (4 + 5)
    assert asked(worker, "score")["metrics"] is None


def test_a_split_that_is_not_there(trained: Path, reviews: Path) -> None:
    worker, _ = opened(trained, data=str(reviews), split="tset")
    answer = asked(worker, "prepare", point=point(None))
    assert (answer["error"], answer["hint"]) == ("user", "Did you mean 'test'?")


# --- what goes wrong ---


def test_the_next_point_is_measured_after_one_that_cannot_be(tiny_model: Path) -> None:
    worker, _ = opened(tiny_model)
    message = "the model takes 64 tokens"
    assert asked(worker, "prepare", point=point(65)) == {"error": "too long", "message": message, "hint": None}
    assert measured(worker, point(64))["tokens"] == 128


def test_what_the_model_takes_is_the_ceiling_and_not_what_its_tokenizer_says(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shy"
    shutil.copytree(tiny_model, folder)
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "model_max_length": 16}))
    worker, _ = opened(folder)
    assert measured(worker, point(64))["tokens"] == 128


def test_training_leaves_nothing_behind(tiny_model: Path) -> None:
    worker, _ = opened(tiny_model)
    measured(worker, point(8, mode="training"))
    measured(worker, point(8))
    assert not worker.model.net.training
    assert all(parameter.grad is None for parameter in worker.model.net.parameters())


def test_a_call_that_fails_is_said_in_one_line(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, _ = opened(tiny_model)
    asked(worker, "prepare", point=point(8))

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("the length has to be a multiple of 7\nand more")

    with monkeypatch.context() as patched:
        patched.setattr(type(worker.model.net), "forward", fail)
        answer = asked(worker, "warm", seconds=0.0)
    assert answer == {"error": "failed", "message": "the length has to be a multiple of 7", "hint": None}
    measured(worker, point(8))


# --- on a GPU ---


def test_a_process_whose_gpu_is_broken_is_asked_no_more(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, _ = opened(tiny_model)
    asked(worker, "prepare", point=point(8))

    def fail(*_: Any, **__: Any) -> None:
        raise torch.AcceleratorError(f"CUDA error: {said}\nCompile with TORCH_USE_CUDA_DSA to enable assertions.")

    monkeypatch.setattr(type(worker.model.net), "forward", fail)
    said = "device-side assert triggered"
    answer = asked(worker, "warm", seconds=0.0)
    assert (answer["error"], answer["message"], answer["ended"]) == ("failed", f"CUDA error: {said}", True)
    said = "out of memory"
    assert "ended" not in asked(worker, "warm", seconds=0.0)


@pytest.mark.gpu
def test_a_model_that_is_released_leaves_the_gpu() -> None:
    worker = Worker()
    request = opening("bert", config_only=True)
    request["config"]["device"] = "cuda"
    assert asked(worker, **request, others=True)["ok"]
    held = torch.cuda.memory_allocated()
    assert asked(worker, "prepare", point=point(64, 8, "training"))["ok"]
    assert asked(worker, "warm", seconds=0.0)["pass_seconds"] > 0
    turn = asked(worker, "turn", passes=2)
    assert turn["after"] is None or turn["after"]["mhz"] > 0
    assert asked(worker, "memory")["peak_bytes"] > 2 * held  # gradients and moments
    assert asked(worker, "release")["ok"]
    assert torch.cuda.memory_allocated() < held / 2
    assert asked(worker, "prepare", point=point(64, 8))["ok"]
    assert asked(worker, "warm", seconds=0.0)["pass_seconds"] > 0


def test_models_on_one_gpu_leave_each_other_room() -> None:
    with pretended.cuda() as machine, pretended.tensors(), pretended.waits() as waited:
        worker = Worker()
        request = opening("bert", overrides=TINY, config_only=True)
        request["config"]["device"] = "cuda"
        assert asked(worker, **request, others=True)["ok"]
        made: list[str] = []
        kinds = {"inference": torch.bfloat16, "training": torch.float32}
        for mode in kinds:
            found = asked(worker, "prepare", point=point(8, mode=mode))
            assert found["ok"], found
            waited.clear()
            worker._prepared.calls[0]()
            # as training does it, and predict
            assert {weight.dtype for weight in worker.model.net.parameters()} == {kinds[mode]}
            assert waited == []
            worker._prepared.calls = [lambda: made.append("a"), lambda: made.append("b")]
            asked(worker, "warm", seconds=0.0)
            freed = machine.calls["empty_cache"]
            made.clear()
            assert len(asked(worker, "turn", passes=1, warm=False)["seconds"]) == 2
            # a whole pass takes the memory again that was given back behind the one before
            assert made == ["a", "b"] * 2
            assert machine.calls["empty_cache"] == freed + 1
        assert asked(worker, "release")["ok"]
        assert {parameter.device.type for parameter in worker.model.net.parameters()} == {"cpu"}
        assert worker.workload is None
        assert asked(worker, "prepare", point=point(8))["ok"]
        assert {parameter.device.type for parameter in worker.model.net.parameters()} == {"cuda"}


# --- backends ---


@exports
@pytest.mark.usefixtures("exports_here")
@pytest.mark.parametrize("task", ["pairs", "question-answering", "masked-lm"])
def test_what_is_exported_answers_as_torch_does(
    run_of: RunOf, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path))
    data = str(run_of(task).parent / "data")
    torch, _ = opened(run_of(task), data=data, sample_rows=8)
    onnx, found = opened(run_of(task), backend="onnx", data=data, sample_rows=8)
    assert found["parameters"] == torch.model.net.num_parameters()
    assert found["device"].endswith("ONNX Runtime")
    assert found["bytes"] > 0
    assert asked(onnx, "score")["metrics"] == pytest.approx(asked(torch, "score")["metrics"], rel=1e-3)
    with_torch, with_onnx = (measured(worker, point(16)) for worker in (torch, onnx))
    assert with_onnx == with_torch
    assert measured(onnx, point(None, 4))["tokens"] == measured(torch, point(None, 4))["tokens"]


@exports
@pytest.mark.usefixtures("exports_here")
def test_an_export_is_made_once(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    model = shutil.copytree(tiny_model, tmp_path / "model")

    def full(*_: Any, **__: Any) -> Any:
        raise RuntimeError("Failed to allocate memory for requested buffer of size 93763584")

    def files() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.onnx")}

    _, first = opened(model, backend="onnx-int8")
    before = files()
    assert len(before) == 1
    worker, second = opened(model, backend="onnx-int8")
    assert files() == before
    assert first["bytes"] == second["bytes"]
    with monkeypatch.context() as patch:  # no room to open it again now is no end of the process
        patch.setattr("onnxruntime.InferenceSession", full)
        assert asked(worker, "forget")["ok"]
        assert asked(worker, "prepare", point=point(8))["error"] == "out of memory"
    assert measured(worker, point(8))["tokens"] == 16
    os.utime(model / "model.safetensors", (1, 1))  # other weights
    left = tmp_path / "cache" / "exported" / ".killed"
    left.mkdir()
    os.utime(left, (1, 1))
    opened(model, backend="onnx-int8")
    assert len(files()) == 2 and not left.exists()
    message, _ = refusal(next(iter(before)).parent, backend="onnx", overrides={"num_hidden_layers": 1})
    assert "is exported: its config cannot be changed" in message
    message, _ = refusal(next(iter(before)).parent)
    assert "is exported to ONNX and runs nowhere else" in message


# --- the process ---


def talk(*requests: dict[str, Any], program: str = "") -> list[dict[str, Any]]:
    """What a process answers to requests; it ends by itself behind the last."""
    command = [sys.executable, "-m", "nlpkit.measurement.worker"]
    if program:
        command = [sys.executable, "-c", f"{program}\nfrom nlpkit.measurement import worker; worker.main()"]
    done = forked.run(command, input="".join(json.dumps(request) + "\n" for request in requests))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_libraries_print_is_no_answer() -> None:
    program = (
        "import os\nfrom nlpkit.measurement import backends\nreal = backends.open_model\n"
        "def loud(*a, **k):\n    print('loading'); os.system('echo of a child; cat')\n    return real(*a, **k)\n"
        "backends.open_model = loud"
    )
    request = opening("bert", overrides=TINY, config_only=True)
    answers = talk(request, {"op": "prepare", "point": point(8)}, program=program)
    assert [answer["ok"] for answer in answers] == [True, True]


@exports
def test_a_process_exports_in_another(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path))
    requests = ({"op": "prepare", "point": point(8)}, {"op": "warm", "seconds": 0.0})
    answers = talk(opening(tiny_model, backend="onnx-int8"), *requests)
    assert [answer["ok"] for answer in answers] == [True] * 3
    assert answers[0]["opened"]["architecture"] == "BertModel"


@linux
def test_running_out_of_memory_is_a_row_and_the_rest_goes_on() -> None:
    wide = {**TINY, "max_position_embeddings": 20_000, "attn_implementation": "eager"}
    answers = talk(
        opening("bert", overrides=wide, config_only=True, memory_limit=2.0),
        {"op": "prepare", "point": point(20_000, 1)},
        {"op": "warm", "seconds": 0.0},  # scores of 2 heads x 20,000 x 20,000
        {"op": "prepare", "point": point(16)},
        {"op": "warm", "seconds": 0.0},
        {"op": "memory"},
    )
    assert [answer.get("error") for answer in answers] == [None, None, "out of memory", None, None, None]
    assert answers[-1]["peak_bytes"] < 2_000_000_000
