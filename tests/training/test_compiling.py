"""`--compile auto`: steps of the run decide, and what they decided holds when it goes on after a kill."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hearing import Heard
from safetensors.torch import load_file

from nlpkit.errors import Interrupted, UserError
from nlpkit.hardware import toolchain
from nlpkit.options import ComputeOptions
from nlpkit.recipes import finetune_cls, pretrain_mlm
from nlpkit.training import callbacks, compiling
from nlpkit.training.compiling import Compiling

dynamo = torch.compile


class Clock:
    """Nothing takes time but tokens: so many seconds each, as they are and compiled."""

    def __init__(self) -> None:
        self.now, self.plain, self.compiled = 0.0, 0.01, 0.005

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    step = Compiling.step

    @contextlib.contextmanager
    def timed(self: Compiling, inputs: Mapping[str, Any]) -> Iterator[None]:
        made.now += inputs["input_ids"].numel() * (made.compiled if self.active else made.plain)
        with step(self, inputs):
            yield

    monkeypatch.setattr(Compiling, "step", timed)
    for name, value in {"time": made, "SETTLING": 1, "TIMED": 3, "SECONDS_A_LAYER": 0.01}.items():
        monkeypatch.setattr(compiling, name, value)
    monkeypatch.setattr(toolchain, "missing_to_compile", lambda device: None)
    return made


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compiled code, without waiting for a C++ compiler: the graphs that torch traced, run as they are."""
    torch.compiler.reset()
    traced: list[int] = []

    def backend(graph: Any, _: Any) -> Any:
        traced.append(len(list(graph.graph.nodes)))
        return graph

    monkeypatch.setattr("torch.compile", lambda call, dynamic: dynamo(call, dynamic=dynamic, backend=backend))
    return traced


def run(model: Path, data: Path, output: Path, **options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 8, "device": "cpu", "threads": 1}
    config = {"data": str(data), "model": str(model), "output": output, "dropout": 0.0, "compile": "auto"}
    finetune_cls.run(finetune_cls.Config(**{**config, **settings, **options}))
    record: dict[str, Any] = json.loads((output / "nlpkit.json").read_text())
    return record


@pytest.fixture
def weights_as_it_is(tiny_model: Path, reviews: Path, tmp_path: Path) -> dict[str, torch.Tensor]:
    run(tiny_model, reviews, tmp_path / "plain", compile=False)
    return load_file(tmp_path / "plain" / "model.safetensors")


def assert_same_weights(run: Path, weights: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in load_file(run / "model.safetensors").items():
        torch.testing.assert_close(tensor, weights[name], atol=1e-5, rtol=1e-4)


def test_steps_are_compiled_that_are_faster_so(
    clock: Clock,
    graphs: list[int],
    weights_as_it_is: dict[str, torch.Tensor],
    tiny_model: Path,
    reviews: Path,
    tmp_path: Path,
    heard: Heard,
) -> None:
    found = run(tiny_model, reviews, tmp_path / "run")["compile"]
    assert len(graphs) == 1 and graphs[0] > 50  # the whole model; batches of other lengths are not compiled anew
    assert found["compiled"] and found["compiled_seconds"] == pytest.approx(found["plain_seconds"] / 2, abs=2e-4)
    assert found["told"].endswith("compiled from step 12 on")
    assert f"compile: {found['told']}" in heard.notes
    assert_same_weights(tmp_path / "run", weights_as_it_is)


def test_steps_that_are_slower_compiled_go_on_as_they_were(
    clock: Clock, graphs: list[int], tiny_model: Path, reviews: Path, tmp_path: Path
) -> None:
    clock.compiled = 0.0099  # by a hundredth only, which is noise
    found = run(tiny_model, reviews, tmp_path / "run", dropout=0.1)["compile"]
    assert len(graphs) == 1  # dropout breaks nothing off
    assert not found["compiled"] and found["told"].endswith("it goes on as it is")


def test_what_is_over_soon_is_not_compiled(
    clock: Clock, graphs: list[int], tiny_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "SECONDS_A_LAYER", 6.0)
    found = run(tiny_model, reviews, tmp_path / "run")["compile"]
    assert not graphs and not found["compiled"]
    assert found["told"].startswith("not tried: the steps left take about ")
    assert found["told"].endswith("and compiling about 12.0 s")  # two layers


def test_a_limit_of_time_counts(
    clock: Clock, graphs: list[int], tiny_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.plain = 1.0
    monkeypatch.setattr(compiling, "SECONDS_A_LAYER", 2.0)  # 80 s should be left; by the clock of its steps it is more
    found = run(tiny_model, reviews, tmp_path / "run", max_minutes=1)["compile"]
    assert not graphs and not found["compiled"]


def test_a_model_that_cannot_be_compiled_is_trained_as_it_is(
    clock: Clock,
    weights_as_it_is: dict[str, torch.Tensor],
    tiny_model: Path,
    reviews: Path,
    tmp_path: Path,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def backend(graph: Any, inputs: Any) -> Any:
        raise ValueError("no such instruction")

    torch.compiler.reset()
    monkeypatch.setattr("torch.compile", lambda call, dynamic: dynamo(call, dynamic=dynamic, backend=backend))
    found = run(tiny_model, reviews, tmp_path / "run")["compile"]
    assert not found["compiled"]
    assert [line for line in heard.warnings if "could not be compiled" in line and "no such instruction" in line]
    assert_same_weights(tmp_path / "run", weights_as_it_is)


def test_too_few_steps_tell_nothing(
    clock: Clock, graphs: list[int], tiny_model: Path, reviews: Path, tmp_path: Path
) -> None:
    found = run(tiny_model, reviews, tmp_path / "few", epochs=1)["compile"]  # 12 steps, of which 8 are left
    assert not graphs and found["told"] == "not tried: 8 steps are left, and telling takes 7"
    found = run(tiny_model, reviews, tmp_path / "fewer", max_steps=3)["compile"]
    assert not graphs and found["told"] == "not tried: the run was over before it could be told"


def test_compiled_steps_that_need_too_much_memory_leave_the_batch_as_it_is(
    clock: Clock, tiny_model: Path, reviews: Path, tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("torch.compile", lambda call, dynamic: exhausted)
    record = run(tiny_model, reviews, tmp_path / "run")
    assert record["status"] == "complete" and record["config"]["batch_size"] == 8 and "compile" not in record
    assert "out of memory in a compiled step; going on without --compile auto" in heard.warnings


def test_a_run_that_goes_on_keeps_what_was_found(
    clock: Clock, graphs: list[int], tiny_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 15:
            raise Interrupted("stopped")

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(callbacks.MetricsFileCallback, "on_step_end", stop)
        run(tiny_model, reviews, tmp_path / "run", eval_steps=14, epochs=3)
    clock.compiled = 1.0  # which a second attempt would see
    graphs.clear()
    torch.compiler.reset()
    found = run(tiny_model, reviews, tmp_path / "run", eval_steps=14, epochs=3, resume=True)["compile"]
    assert found["compiled"] and graphs


def test_pretraining_asks_too(clock: Clock, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "SECONDS_A_LAYER", 6.0)
    text = tmp_path / "text.txt"
    text.write_text("the film was good and the food was bad\n" * 120)
    pretrain_mlm.run(
        pretrain_mlm.Config(
            data=str(text), model=str(tiny_model), output=tmp_path / "run", max_length=16, batch_size=8, epochs=1,
            device="cpu", threads=1, compile="auto",
        )
    )  # fmt: skip
    record = json.loads((tmp_path / "run" / "nlpkit.json").read_text())
    assert record["compile"]["told"].startswith("not tried: the steps left take about ")


def test_where_it_cannot_be_tried_the_plan_says_why(
    tiny_model: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nlpkit.cli.app import main

    common = ["finetune-cls", "--data", str(reviews), "--model", str(tiny_model), "--dry-run", "--device", "cpu"]
    monkeypatch.setattr(toolchain, "compiler", lambda: None)
    assert main([*common, "--compile", "auto", "--output", str(tmp_path / "run")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "compile not tried: it needs a C++ compiler (g++, or the one that CXX names)" in shown
    assert main([*common, "--compile", "--output", str(tmp_path / "run")]) == 2
    monkeypatch.setattr(toolchain, "missing_to_compile", lambda device: None)
    assert main([*common, "--compile", "auto", "--freeze", "encoder", "--output", str(tmp_path / "run")]) == 0
    assert "compile not tried: frozen layers are computed once and kept" in " ".join(capsys.readouterr().out.split())


def test_other_values_and_combinations_are_refused(tiny_model: Path, reviews: Path, tmp_path: Path) -> None:
    found = [ComputeOptions(compile=value).compile for value in ("auto", "true", 1, False)]
    assert found == ["auto", True, True, False]
    with pytest.raises(UserError, match="use auto, true or false"):
        ComputeOptions(compile="fast")
    with pytest.raises(UserError, match="--compile auto with --trainer torch_compile_backend"):
        run(tiny_model, reviews, tmp_path / "run", trainer={"torch_compile_backend": "eager"})
