"""`nlpkit benchmark`: real processes, planted costs, gates, interrupt and resume."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import forked
import planted
import pytest
from conftest import Run, RunOf, nlpkit_command, rows, write_csv

from nlpkit.errors import UserError
from nlpkit.experiment.inherited_data import inherit_data
from nlpkit.measurement import processes, sweep, worker
from nlpkit.measurement.processes import Unmeasured
from nlpkit.measurement.spec import Point, parse_model
from nlpkit.recipes import benchmark

pytestmark = pytest.mark.slow

TINY = "bert:hidden_size=32,num_hidden_layers=1,num_attention_heads=2,intermediate_size=64,vocab_size=99"
QUICK = {"launches": 1, "seconds": 0.02, "device": "cpu", "threads": 1, "overwrite": True}
BENCHMARK = ("benchmark", "--output", "out")
SHORT = ("--launches", 1, "--seconds", 0.02, "--threads", 1)


class InThisProcess:
    """What a worker does, without the seconds that a process takes to start."""

    alive = True

    def __init__(self) -> None:
        self.worker = worker.Worker()

    def ask(self, op: str, /, **values: Any) -> dict[str, Any]:
        answer = self.worker.answer({"op": op, **values})
        if "error" in answer:
            raise Unmeasured(answer["error"], answer["message"], answer["hint"])
        return answer

    def close(self) -> None:
        pass


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in the process of the test, where its figures do not matter."""
    monkeypatch.setattr(sweep, "WorkerProcess", InThisProcess)


@contextlib.contextmanager
def forked_workers() -> Iterator[None]:
    """Measure in processes of their own that have the libraries already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "subprocess", SimpleNamespace(Popen=forked.Popen, PIPE=subprocess.PIPE))
        yield


def run(place: Path, *names: Any, **values: Any) -> dict[str, Any]:
    config = benchmark.Config(models=[str(name) for name in names], output=place / "out", **{**QUICK, **values})
    return benchmark.run(config).record


def results(record: dict[str, Any], name: str) -> list[Any]:
    """A figure of each model at each point, point by point."""
    return [result[name] for point in record["points"] for result in point["results"]]


@pytest.fixture
def relabelled(trained: Path, tmp_path: Path) -> Path:
    """The same classifier with its two labels numbered the other way round."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(trained, tmp_path / "relabelled")
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if name.startswith("classifier.")]:
        weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for file in ("config.json", "nlpkit.json"):
        document = json.loads((folder / file).read_text())
        if file == "config.json":
            names = [document["id2label"]["1"], document["id2label"]["0"]]
            document["id2label"] = {str(i): name for i, name in enumerate(names)}
            document["label2id"] = {name: i for i, name in enumerate(names)}
        else:
            document["task"]["labels"].reverse()
        (folder / file).write_text(json.dumps(document))
    return folder


# --- rows of the data ---


@pytest.mark.usefixtures("here")
def test_run_folders_are_measured_on_the_rows_they_were_validated_on(
    trained: Path, relabelled: Path, tmp_path: Path
) -> None:
    recorded = json.loads((trained / "nlpkit.json").read_text())
    record = run(tmp_path, trained, relabelled, batch_sizes="1,4", sample_rows=8)
    first, second = record["subjects"]
    assert first["metrics"] == pytest.approx(recorded["metrics"]["validation"], abs=1e-6)
    # each model is judged with the numbers that it has for the labels
    assert second["metrics"]["accuracy"] == first["metrics"]["accuracy"]
    assert first["parameters"] == recorded["parameters"]
    assert first["bytes"] == (trained / "model.safetensors").stat().st_size
    assert [(point["batch_size"], point["length"]) for point in record["points"]] == [(1, None), (4, None)]
    for p50, p99, rate, peak in zip(
        *(results(record, name) for name in ("p50_ms", "p99_ms", "samples_per_second", "peak_bytes")), strict=True
    ):
        assert 0 < p50 <= p99 and rate > 0 and peak > 0
    assert record["rows"] == 32 and record["split"] == "validation"


@pytest.mark.usefixtures("here")
def test_other_data_and_split(trained: Path, reviews: Path, tmp_path: Path) -> None:
    record = run(tmp_path, trained, data=str(reviews), split="test", batch_sizes=4, sample_rows=8)
    known = json.loads((trained / "nlpkit.json").read_text())["metrics"]["test"]
    assert record["subjects"][0]["metrics"]["accuracy"] == pytest.approx(known["accuracy"])
    with pytest.raises(UserError, match=r"--split tset"):
        run(tmp_path, trained, data=str(reviews), split="tset")


@pytest.mark.usefixtures("here")
def test_nothing_is_held_out_of_a_file(trained: Path, tmp_path: Path) -> None:
    data = str(write_csv(tmp_path / "new.csv", rows(50, seed=3)))
    record = run(tmp_path, trained, data=data, batch_sizes=4, sample_rows=4)
    assert (record["rows"], record["split"], record["held_out"]) == (50, "new.csv", False)
    with pytest.raises(UserError, match="--validation-share: nothing is trained here"):
        run(tmp_path, trained, data=data, validation_share=0.5)


@pytest.mark.usefixtures("here")
def test_models_that_know_other_labels_are_not_judged_on_the_same_rows(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said, and how many rows each is judged on."""
    from nlpkit.cli.app import main

    other = shutil.copytree(trained, tmp_path / "other")
    for file in ("config.json", "nlpkit.json"):
        text = (other / file).read_text().replace('"positive"', '"good"')
        (other / file).write_text(text)
    data = write_csv(tmp_path / "new.csv", rows(40, seed=3))
    command = ["benchmark", trained, other, "--data", data, "--output", tmp_path / "out", "--batch-sizes", 4, *SHORT]
    assert main([*map(str, command), "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert "20 of 40 rows have a label" in said
    assert f"metrics are not of the same rows: {trained.name} on 40, other on 20" in said


@pytest.mark.usefixtures("here")
def test_texts_of_ones_own_without_labels(tiny_model: Path, trained: Path, tmp_path: Path) -> None:
    texts = write_csv(tmp_path / "texts.csv", [{"text": "the very good film " * n} for n in range(1, 4)])
    for model in (tiny_model, trained):
        record = run(tmp_path, model, data=str(texts), batch_sizes=4, split="train")
        (point,) = record["points"]
        # 4 x (1 + 2 + 3) words, and two special tokens for each of three texts
        (result,) = point["results"]
        assert result["tokens_per_second"] / result["samples_per_second"] == pytest.approx(30 / 3)
        assert record["subjects"][0]["metrics"] is None


@pytest.mark.parametrize("task", ["token-classification", "question-answering", "masked-lm", "pairs"])
@pytest.mark.usefixtures("here")
def test_every_task(run_of: RunOf, tmp_path: Path, task: str) -> None:
    folder = run_of(task)
    extra = {"data": str(folder.parent / "data")} if task == "masked-lm" else {}
    record = run(tmp_path, folder, batch_sizes=4, sample_rows=4, mode="both", **extra)
    assert record["subjects"][0]["metrics"][record["main_metric"]] is not None
    assert results(record, "status") == ["ok", "ok"]


@pytest.mark.usefixtures("here")
def test_models_of_different_tasks_are_refused(run_of: RunOf, tmp_path: Path) -> None:
    one, other = run_of("classification"), run_of("token-classification")
    with pytest.raises(UserError, match="is for token-classification"):
        run(tmp_path, one, other)
    # on random inputs they can be compared
    record = run(tmp_path, f"a={one}", f"b={other}", sequence_lengths=8, batch_sizes=1)
    assert results(record, "status") == ["ok", "ok"]


# --- random inputs of exact lengths ---


@pytest.mark.usefixtures("here")
def test_a_config_is_enough(tmp_path: Path) -> None:
    names = (f"one={TINY}", f"two={TINY},num_hidden_layers=3", "gpt2:n_layer=1,n_embd=32,n_head=2,vocab_size=99")
    record = run(tmp_path, *names, config_only=True, sequence_lengths="8,16", batch_sizes="1,2")
    assert [point["length"] for point in record["points"]] == [8, 16, 8, 16]
    assert [subject["name"] for subject in record["subjects"]][:2] == ["one", "two"]
    one, two, _ = record["subjects"]
    attention, feed_forward, norms = 4 * (32 * 32 + 32), 2 * 32 * 64 + 64 + 32, 2 * 2 * 32
    assert two["parameters"] - one["parameters"] == 2 * (attention + feed_forward + norms)
    assert set(results(record, "status")) == {"ok"}
    rates = zip(results(record, "tokens_per_second"), results(record, "samples_per_second"), strict=True)
    assert [round(tokens / samples) for tokens, samples in rates] == [8] * 3 + [16] * 3 + [8] * 3 + [16] * 3


def test_what_is_too_long_or_does_not_fit_is_a_row(tmp_path: Path) -> None:
    big = f"big={TINY},max_position_embeddings=8192,attn_implementation=eager"
    with forked_workers():
        record = run(
            tmp_path,
            f"short={TINY},max_position_embeddings=64",
            big,
            config_only=True,
            sequence_lengths="16,8192",
            batch_sizes=8,
            memory_limit=3,  # attention of 8 x 2 heads x 8192 x 8192 takes 4.3 GB
        )
    assert results(record, "status") == ["ok", "ok", "too long", "out of memory"]
    assert results(record, "p50_ms")[2:] == [None, None]


@pytest.mark.usefixtures("here", "exports_here")
def test_backends_are_exported_on_the_fly(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    record = run(tmp_path, trained, backends="torch,onnx,onnx-int8", batch_sizes=4, sample_rows=8)
    assert [subject["backend"] for subject in record["subjects"]] == ["torch", "onnx", "onnx-int8"]
    accuracies = [subject["metrics"]["accuracy"] for subject in record["subjects"]]
    assert accuracies[1] == accuracies[0]
    assert record["subjects"][2]["bytes"] < record["subjects"][1]["bytes"]
    with pytest.raises(UserError, match="does not train"):
        run(tmp_path, trained, backends="torch,onnx", mode="training")


# --- against a known answer (benchmarks/benchmark.py has the long form) ---


@pytest.mark.usefixtures("here", "exports_here")
def test_models_that_write_read_and_write_apart(tmp_path: Path) -> None:
    from writers import make_writer

    place = make_writer(tmp_path / "writer")
    record = run(
        tmp_path, place, mode="writing", sequence_lengths=[6, 40], batch_sizes=[2], new_tokens=30,
        backends=["torch", "onnx-int8"],
    )  # fmt: skip
    points = {(point["mode"], point["length"]): point["results"] for point in record["points"]}
    assert list(points) == [("prefill", 6), ("prefill", 40), ("decode", 6), ("decode", 40)]
    # what is written is the same number on both sides, wherever a text would end; the model takes 64 tokens
    assert {result["status"] for result in points["decode", 6]} == {"ok"}
    assert {result["status"] for result in points["decode", 40]} == {"too long"}
    lines = [json.loads(line) for line in (tmp_path / "out" / "measurements.jsonl").read_text().splitlines()]
    written = {
        line["tokens"] for line in lines if line.get("point") == {"mode": "decode", "batch_size": 2, "length": 6}
    }
    assert written == {2 * 30}
    page = (tmp_path / "out" / "benchmark.md").read_text()
    assert "first token ms" in page
    assert "ms a token" in page
    assert "30 tokens behind it" in page


def test_planted_time_and_memory_are_found(tmp_path: Path) -> None:
    folders = [planted.save(tmp_path / "plain"), planted.save(tmp_path / "planted", wait_ms=50, allocate_mb=200)]
    with forked_workers():
        record = run(tmp_path, *folders, sequence_lengths=8, batch_sizes=1, seconds=0.3, trust_remote_code=True)
    fast, slow = results(record, "min_ms")
    # how much longer it takes is the machine's business
    assert fast < 50 <= slow
    plain, large = results(record, "working_bytes")
    assert (large - plain) / 200e6 == pytest.approx(1, abs=0.05)
    assert results(record, "speed")[1] < 1


# --- what is written ---


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `out`, a benchmark of two models in processes of their own."""
    place = tmp_path_factory.mktemp("finished")
    models = (f"a={TINY}", f"b={TINY},num_hidden_layers=2")
    with forked_workers():
        run(place, *models, config_only=True, sequence_lengths="8,16,32", batch_sizes=1)
    return place


def test_folder_csv_and_markdown(finished: Path) -> None:
    record = json.loads((finished / "out" / "nlpkit.json").read_text())
    assert record["status"] == "complete" and record["environment"] and record["config"]["launches"] == 1
    with (finished / "out" / "benchmark.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3
    assert float(rows[0]["p50_ms"]) == pytest.approx(record["points"][0]["results"][0]["p50_ms"])
    page = (finished / "out" / "benchmark.md").read_text()
    assert "| a " in page and record["recommendation"] in page
    assert {path.suffix for path in (finished / "out" / "plots").iterdir()} == {".png"}


def test_what_is_said_of_it(nlpkit: Run, finished: Path) -> None:
    done = nlpkit("benchmark", "--output", finished / "out", "--resume")
    assert "p50 ms" in done.stdout and "fastest" in done.stdout and not done.stderr
    # the same again, from its own record
    again = nlpkit("benchmark", "--config", finished / "out" / "nlpkit.json", "--output", "again", "--dry-run")
    assert "a, b" in again.stdout


def test_compare_and_fail_if(nlpkit: Run, finished: Path) -> None:
    again = ("benchmark", "--output", finished / "out", "--resume", "--compare", finished / "out")
    fine = nlpkit(*again, "--fail-if", "throughput<0.5x", "--fail-if", "p50>100s", "--json")
    change = json.loads(fine.stdout)["change"]
    assert change and json.loads(fine.stdout)["failures"] == []
    done = nlpkit(*again, "--fail-if", "parameters>10", code=1)
    assert "--fail-if parameters>10" in done.stdout
    assert "throughput" in nlpkit(*again, "--fail-if", "troughput<0.95x", code=2).stderr
    assert "nothing" in nlpkit("benchmark", "--config-only", TINY, "--compare", "nothing", code=2).stderr


def test_interrupted_then_resumed(tmp_path: Path) -> None:
    arguments = (
        "--config-only", f"a={TINY}", "--sequence-lengths", "8,16,32,64", "--batch-sizes", 1,
        "--launches", 2, "--seconds", 0.2, "--threads", 1,
    )  # fmt: skip
    place = {"cwd": tmp_path, "env": {**os.environ, "NLPKIT_CACHE": str(tmp_path / "cache")}}
    journal = tmp_path / "out" / "measurements.jsonl"
    with forked.python() as program:

        def command(*arguments: Any) -> list[str]:
            """`nlpkit benchmark --output out ARGUMENTS`, whose workers have the libraries already."""
            return forked.with_workers(program, nlpkit_command(*BENCHMARK, *arguments))

        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = forked.Popen(command(*arguments), text=True, **pipes, **place)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (journal.exists() and '"measurement"' in journal.read_text()):
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert "nlpkit benchmark --output out --resume" in errors
        before = journal.read_text().splitlines()
        # figures of one model are not put beside those of another
        other = forked.run(command("--resume", f"a={TINY}1"), **place)
        assert other.returncode == 2 and "began with MODEL a=" in other.stderr
        record, same = (
            json.loads(forked.run(command("--resume", "--json"), check=True, **place).stdout) for _ in range(2)
        )
    assert journal.read_text().splitlines()[: len(before)] == before
    assert [result["launches"] for point in record["points"] for result in point["results"]] == [2] * 4
    # a second time there is nothing to do, and the figures stand
    assert same["points"] == record["points"]


@pytest.mark.usefixtures("here")
def test_what_the_minutes_did_not_suffice_for(tmp_path: Path) -> None:
    names = {"config_only": True, "sequence_lengths": "8,16", "batch_sizes": 1}
    report = benchmark.run(benchmark.Config(models=[f"a={TINY}"], output=tmp_path, **QUICK, **names, max_minutes=1e-6))
    assert "0 of 2 sizes are measured" in report.record["stopped"] and report.record["stopped"] in report.lines
    record = benchmark.run(benchmark.Config(output=tmp_path, resume=True, max_minutes=5)).record
    assert record["stopped"] is None and [point["length"] for point in record["points"]] == [8, 16]


@pytest.mark.usefixtures("here")
def test_a_mistake_leaves_nothing_behind_and_takes_nothing_away(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text column 'txt'"):
        run(tmp_path, trained, text_column="txt")
    assert not (tmp_path / "out").exists()
    sizes = {"config_only": True, "sequence_lengths": 8, "batch_sizes": 1}
    run(tmp_path, f"a={TINY}", **sizes)
    before = (tmp_path / "out" / "nlpkit.json").read_text()
    with pytest.raises(UserError):
        run(tmp_path, "brt", **sizes)  # with --overwrite
    assert (tmp_path / "out" / "nlpkit.json").read_text() == before
    # where it goes well, what was there is replaced, and not gone on with
    (result,) = run(tmp_path, f"a={TINY}", **sizes)["points"][0]["results"]
    assert result["launches"] == 1 and len((tmp_path / "out" / "measurements.jsonl").read_text().splitlines()) == 2


def test_dry_run_writes_nothing(nlpkit: Run, tmp_path: Path) -> None:
    done = nlpkit("benchmark", "--config-only", TINY, "--sequence-lengths", 8, "--output", "out", "--dry-run")
    assert "inference, 1 x 8 tokens" in done.stdout
    assert not (tmp_path / "out").exists()


# --- wrong usage ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "MODEL is required"),
        (("--config-only", "bert:hidden_size"), "key=value"),
        (("--config-only", "bert:hidden_size=[1"), "no value of YAML"),
        (("--config-only", "bert", "bert:num_hidden_layers=1", "--batch-sizes", "0"), "--batch-sizes"),
        (("--config-only", "a=bert", "a=bert:num_hidden_layers=1"), "two models called a"),
        (("--config-only", "bert", "--data", "x.csv"), "--config-only"),
        (("./nowhere",), "there is no such folder"),
        (("--config-only", "gpt2", "--mode", "writing"), "random weights of a model type have no task"),
        (("--config-only", "bert", "--new-tokens", "4"), "--new-tokens"),
        (("--config-only", "bert", "--backends", "tensorflow"), "--backends"),
        (("--config-only", "bert", "--device", "cuda:99", "--dry-run"), "--device cuda:99"),
    ],
)
def test_wrong_usage(nlpkit: Run, arguments: tuple[str, ...], said: str) -> None:
    done = nlpkit("benchmark", *arguments, "--sequence-lengths", 8, *SHORT, code=2)
    assert said in done.stderr and "plan" not in done.stdout + done.stderr


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("model", "near"), [("brt", "bert"), ("bert:hidden_sise=32", "hidden_size")])
def test_a_config_that_nobody_knows(tmp_path: Path, model: str, near: str) -> None:
    with pytest.raises(UserError) as caught:
        run(tmp_path, model, config_only=True, sequence_lengths=8)
    assert near in str(caught.value)


@pytest.mark.parametrize(
    ("text", "label", "name", "overrides"),
    [
        ("bert", "bert", "bert", {}),
        ("owner/name", "name", "owner/name", {}),
        ("longformer:attention_window=4", "longformer:attention_window=4", "longformer", {"attention_window": 4}),
        ("German=distilbert:vocab_size=31102", "German", "distilbert", {"vocab_size": 31102}),
        ("b=bert:layer_norm_eps=1e-5", "b", "bert", {"layer_norm_eps": 1e-5}),
        (
            "r=reformer:axial_pos_shape=[64,128],hidden_act=relu",
            "r",
            "reformer",
            {"axial_pos_shape": [64, 128], "hidden_act": "relu"},
        ),
    ],
)
def test_model_arguments(text: str, label: str, name: str, overrides: dict[str, Any]) -> None:
    assert parse_model(text) == (label, name, overrides)


def test_a_folder_with_an_equals_sign(tmp_path: Path) -> None:
    folder = tmp_path / "lr=3e-5"
    folder.mkdir()
    assert parse_model(str(folder)) == ("lr=3e-5", str(folder), {})


def test_sizes_in_order() -> None:
    sizes = {"sequence_lengths": "64,8", "batch_sizes": "2,1", "mode": "both"}
    config = benchmark.Config(models=["bert"], config_only=True, **sizes)
    points = benchmark.find_points(config)
    assert points[:4] == [Point("inference", *size) for size in ((1, 8), (2, 8), (1, 64), (2, 64))]
    assert [point.mode for point in points[4:]] == ["training"] * 4


def test_rows_come_without_options_of_other_tasks_that_are_called_alike(reviews: Path) -> None:
    """`--pooling` is what the head of a classifier reads, and how an embedder makes a vector."""
    record = {"config": {"data": str(reviews), "pooling": "mean", "text_column": "text"}}
    for value in ("mean", None):
        record["config"]["pooling"] = value
        known = {**record, "task": {"name": "text-classification"}}
        config = inherit_data(benchmark.Config(models=["run"]), known, "run")
        assert "pooling" not in config.given and "text_column" in config.given
