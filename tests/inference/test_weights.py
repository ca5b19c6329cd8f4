"""In which arithmetic the weights of a model that only answers are held, and what becomes of one that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pretended
import pytest
import torch
from teachers import require_teacher

from nlpkit import reporting
from nlpkit.distillation.trainer import TEACHER
from nlpkit.hardware.devices import Device
from nlpkit.inference import weights
from nlpkit.inference.predictor import Predictor, open_predictor, open_trained
from nlpkit.inference.weights import Weights
from nlpkit.measurement.loading import open_torch
from nlpkit.measurement.spec import Subject, SubjectOptions
from nlpkit.options import OpeningOptions
from nlpkit.recipes import distill, predict

CPU, CUDA = Device("cpu", "bf16", "cpu, bf16"), Device("cuda", "bf16", "cuda (Card), bf16")


def types(model: Any) -> set[torch.dtype]:
    return {parameter.dtype for parameter in model.parameters()}


@pytest.fixture
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are held on the CPU as they would be on a GPU."""
    monkeypatch.setattr(weights, "is_held_on", lambda device: device.precision in weights.KINDS)


@pytest.mark.parametrize(("precision", "kind"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_predict_on_a_gpu_holds_its_weights_in_the_arithmetic(trained: Path, precision: str, kind: torch.dtype) -> None:
    with pretended.cuda(), pretended.tensors(), pretended.waits():
        made = open_predictor(predict.Config(model=str(trained), texts=["-"], device="cuda", precision=precision))
        assert {parameter.device.type for parameter in made.model.parameters()} == {"cuda"}
        assert types(made.model) == {kind}
        batch = made.batch([{"input_ids": [2, 7, 3]}, {"input_ids": [2, 7, 8, 3]}])
        assert made.run(batch).logits.dtype == kind
    assert made.device.described == f"cuda (NVIDIA H200), {precision} weights"


def test_what_is_not_asked_for_is_not_done(trained: Path) -> None:
    with pretended.cuda(), pretended.tensors():
        full = open_predictor(predict.Config(model=str(trained), texts=["-"], device="cuda", precision="fp32"))
        assert types(full.model) == {torch.float32}
        lent = open_trained(str(trained), OpeningOptions())
        Predictor(lent.task, lent.model, lent.tokenizer, CUDA)
        assert types(lent.model) == {torch.float32}, "the caller goes on with it: nothing of it may be lost"
    assert types(
        open_predictor(predict.Config(model=str(trained), texts=["-"], device="cpu", precision="bf16")).model
    ) == {torch.float32}


def test_a_teacher_in_a_step_of_training_is_not_under_its_autocast(trained: Path) -> None:
    """Norms would be cast to float32 and back: more kernels, and other logits than those kept from before the run."""
    model = open_trained(str(trained), OpeningOptions()).model
    found = []
    for part in model.modules():
        if isinstance(part, torch.nn.LayerNorm):
            part.register_forward_hook(lambda module, given, made: found.append(made.dtype))
    with pretended.cuda(), pretended.tensors(), pretended.waits(), torch.no_grad():
        held = Weights(model, CUDA, lent=False)
        ids = torch.full((2, 4), 5, device="cuda")
        with torch.autocast("cuda", dtype=torch.bfloat16):
            for _ in range(2):  # the first call is a trial
                held.call(lambda: model(input_ids=ids))
    assert set(found) == {torch.bfloat16}


def test_shared_weights_stay_shared_and_buffers_what_they_are(run_of: Any, on_the_cpu: None) -> None:
    model = open_trained(str(run_of("masked-lm")), OpeningOptions()).model
    model.register_buffer("frequencies", torch.rand(3))
    size = weights.tensor_bytes(model)
    held = Weights(model, CPU, lent=False)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert types(model) == {torch.bfloat16} and model.frequencies.dtype == torch.float32
    assert held.bytes == size, "a price names the size of the model, not that of what it is held in"


def test_answers_are_those_of_autocast(trained: Path, on_the_cpu: None) -> None:
    opened = [open_trained(str(trained), OpeningOptions()) for _ in range(2)]
    ids = torch.tensor([[2, 7, 9, 3], [2, 12, 6, 3]])
    logits = []
    for part, lent in zip(opened, (False, True), strict=True):
        held = Weights(part.model, CPU, lent=lent)
        assert held.held is not lent
        with torch.inference_mode():
            logits.append(held.call(lambda part=part: part.model(input_ids=ids).logits.float().softmax(-1)))
    torch.testing.assert_close(*logits, atol=0.02, rtol=0)


def notes(held: Any) -> list[str]:
    with reporting.listening() as said:
        held()
    return said.notes


def test_a_model_that_mixes_types_is_cast_in_every_call_instead(trained: Path, on_the_cpu: None) -> None:
    opened = open_trained(str(trained), OpeningOptions())
    model, before = opened.model, {name: tensor.clone() for name, tensor in opened.model.state_dict().items()}
    inner = model.classifier.forward
    seen = []

    def mixing(states: torch.Tensor) -> torch.Tensor:
        seen.append(states.dtype)
        return inner(states + torch.zeros(1))  # float32, as custom heads do

    model.classifier.forward = mixing
    held = Weights(model, CPU, lent=False)
    said = notes(lambda: held.call(lambda: model(input_ids=torch.tensor([[2, 7, 3]]))))
    assert len(seen) == 2 and not held.held
    assert types(model) == {torch.float32}
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items()), "none has lost a bit"
    assert len(said) == 1 and "BertForSequenceClassification keeps its weights in float32" in said[0]
    assert held.device.described == "cpu, bf16"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda model: setattr(model, "_keep_in_fp32_modules", ["wo"]), "asks for wo in float32"),
        (lambda model: setattr(model.config, "quantization_config", {"bits": 8}), "quantized"),
        (lambda model: model.classifier.to(torch.float16), "of several types"),
        (lambda model: setattr(type(model), "__module__", "transformers_modules.x"), "its code came with it"),
    ],
)
def test_what_cannot_be_held_says_why(
    trained: Path, on_the_cpu: None, change: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_trained(str(trained), OpeningOptions()).model
    model.__class__ = type(type(model).__name__, (type(model),), {})
    change(model)
    (said,) = notes(lambda: Weights(model, CPU, lent=False))
    assert why in said
    assert torch.float32 in types(model)


def test_out_of_memory_in_the_first_call_decides_nothing(trained: Path, on_the_cpu: None) -> None:
    held = Weights(open_trained(str(trained), OpeningOptions()).model, CPU, lent=False)

    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        held.call(full)
    assert held.held


def test_benchmark_measures_inference_as_it_is_served_and_training_in_float32(trained: Path) -> None:
    with pretended.cuda(), pretended.tensors():
        served, trains = (
            open_torch(Subject("a", str(trained)), SubjectOptions(), CUDA, trains=trains) for trains in (False, True)
        )
        assert (types(served.net), types(trains.net)) == ({torch.bfloat16}, {torch.float32})
    assert (served.device.described, trains.device.described) == ("cuda (Card), bf16 weights", "cuda (Card), bf16")


def test_what_a_held_teacher_says_is_compared_in_float32(run_of: Any, on_the_cpu: None, tmp_path: Path) -> None:
    inside = {"hidden_weight": 1.0, "attention_weight": 1.0, "relation_weight": 1.0, "cosine_weight": 1.0}
    trainer = distill.build(
        distill.Config(
            teacher=str(run_of("classification")), student_layers="1", output=tmp_path / "run", device="cpu", **inside
        )
    )
    batch = next(iter(trainer.get_train_dataloader()))
    given, feature = batch.pop(TEACHER, {}), require_teacher(trainer)
    full = feature._run(given, batch)
    feature.teacher.weights = Weights(feature.teacher.model, CPU, lent=False)
    found = feature._run(given, batch)
    assert types(feature.teacher.model) == {torch.bfloat16}
    both = [
        [forward.logits, *forward.hidden, *(tensor for layers in recorded.values() for tensor in layers)]
        for forward, recorded in (full, found)
    ]
    assert len(both[0]) == len(both[1]) > 6, "a layer is recorded once"
    assert {tensor.dtype for tensor in both[1]} == {torch.float32}
    for wanted, said in zip(*both, strict=True):
        torch.testing.assert_close(said, wanted, atol=0.05, rtol=0.05)


@pytest.mark.gpu
def test_held_weights_on_a_gpu(trained: Path) -> None:
    texts = ["a good film", "the soup was cold and the clerk rude"]
    probabilities = {}
    for precision in ("fp32", "bf16"):
        made = open_predictor(predict.Config(model=str(trained), texts=["-"], device="cuda", precision=precision))
        probabilities[precision] = torch.tensor(made.outputs({"text": texts})).softmax(-1)
    assert types(made.model) == {torch.bfloat16} and made.device.described.endswith("bf16 weights")
    torch.testing.assert_close(probabilities["fp32"], probabilities["bf16"], atol=0.02, rtol=0)
