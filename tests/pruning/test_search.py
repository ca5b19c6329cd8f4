"""Planning: the budget is kept, the least important parts go, and what is planned can be cut and opened."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_tokenizer
from tiny import TASK, batch, batches, outputs, tiny
from transformers import AutoModelForSequenceClassification, BertConfig

import nlpkit
from nlpkit import reporting
from nlpkit.data.ignored import IGNORED
from nlpkit.errors import UserError
from nlpkit.hardware import timing
from nlpkit.hardware.devices import Device
from nlpkit.inference.predictor import Predictor
from nlpkit.measurement import flops
from nlpkit.models import surgery
from nlpkit.models.anatomy import FAMILIES, anatomy
from nlpkit.pruning import search
from nlpkit.pruning.search import Costs, Planner
from nlpkit.tasks import registry


def linear_costs(unit: Any = "seconds") -> Costs:
    """A layer of 4 heads and 48 neurons costs 1 + 4 + 8; what is no layer costs 2."""
    return Costs(unit, 2.0, {1: 10.0, 4: 13.0}, {1: 13.0 - 8.0 * 47 / 48, 48: 13.0})


def planner(architecture: str = "bert", **values: Any) -> Planner:
    made = Planner(tiny(architecture), TASK, batches(), **values)
    made.latencies = linear_costs()  # what this machine measures is no matter of tests
    return made


def test_costs_are_read_off_between_sizes() -> None:
    costs = linear_costs()
    assert costs.layer(4, 48) == pytest.approx(13)
    assert costs.layer(2, 48) == pytest.approx(11)
    assert costs.layer(2, 24) == pytest.approx(7)
    assert costs.total([(4, 48), (2, 24)]) == pytest.approx(22)


@pytest.mark.parametrize("architecture", [name for name, family in FAMILIES.items() if family.cuts_heads])
def test_weights_are_counted_as_surgery_leaves_them(architecture: str) -> None:
    model = tiny(architecture)
    expected = search.weights(model).layer(3, 20)
    surgery.keep_heads(model, {0: [0, 1, 3]})
    surgery.keep_neurons(model, {0: range(20)})
    layer = anatomy(model).layers[0].module
    assert sum(parameter.numel() for parameter in layer.parameters()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        ({"ffn"}, [(4, 24)] * 3),
        ({"heads"}, [(2, 48)] * 3),
        ({"layers"}, [(4, 48)]),  # one of three: two are more than half
    ],
)
def test_half_of_what_may_go_goes(kinds: set[Any], kept: list[tuple[int, int]]) -> None:
    structure = planner(kinds=kinds).plan(sparsity=0.5)
    assert [(len(cut.heads), len(cut.neurons)) for cut in structure.layers] == kept
    assert structure.stock == ("heads" not in kinds)


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("kinds", [{"ffn"}, {"ffn", "layers"}, {"heads"}, {"ffn", "heads", "layers"}])
@pytest.mark.parametrize("target", [{"sparsity": 0.3}, {"target_speedup": 1.25}])
def test_the_budget_is_kept(uniform: bool, kinds: set[Any], target: dict[str, float]) -> None:
    made = planner(kinds=kinds, uniform=uniform)
    structure = made.plan(**target)
    sizes = [(len(cut.heads), len(cut.neurons)) for cut in structure.layers]
    if "sparsity" in target:
        whole = made.weights.total([(4, 48)] * 3)
        gone = whole - made.weights.total(sizes)
        removable = {
            "ffn": made.weights.layer(4, 48) - made.weights.layer(4, 0),
            "heads": made.weights.layer(4, 48) - made.weights.layer(0, 48),
            "layers": made.weights.layer(4, 48),
        }
        share = gone / (3 * max(removable[kind] for kind in kinds))
        assert share >= 0.3 - 1e-9
        assert kinds != {"ffn"} or share < 0.33
    else:
        assert made.speedup(structure) >= 1.25 - 1e-9
        assert kinds != {"ffn"} or made.speedup(structure) < 1.3
    if uniform:
        assert len(set(sizes)) == 1
    model = made.model
    surgery.apply(model, structure)
    assert [(anatomy(model).heads_of(layer), layer.neurons) for layer in anatomy(model).layers] == sizes


@pytest.mark.parametrize("criterion", ["gradient", "magnitude"])
def test_the_least_important_go(criterion: Any) -> None:
    model = tiny("bert")
    dead = [2, 7, 11, 30]
    for layer in anatomy(model).layers:
        for tensor in (layer.up.weight, layer.up.bias):
            tensor.data[dead] = 0
        layer.down.weight.data[:, dead] = 0
    expected = outputs(model)
    structure = search.plan(model, TASK, batches(), kinds={"ffn"}, criterion=criterion, sparsity=4 / 48)
    assert all(set(range(48)) - set(cut.neurons) == set(dead) for cut in structure.layers)
    surgery.apply(model, structure)
    torch.testing.assert_close(outputs(model), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("criterion", ["gradient", "magnitude"])
def test_a_layer_that_does_nothing_goes_first(criterion: Any) -> None:
    model = tiny("roberta-prelayernorm")
    layer = anatomy(model).layers[1]
    for linear in (layer.attention_output, layer.down):
        linear.weight.data.zero_()
        linear.bias.data.zero_()
    structure = search.plan(model, TASK, batches(), kinds={"layers"}, criterion=criterion, sparsity=0.3)
    assert [cut.layer for cut in structure.layers] == [0, 2]


def test_layers_of_their_own_widths_lose_less_than_one_width_where_layers_differ() -> None:
    model = tiny("bert")
    anatomy(model).layers[1].down.weight.data.zero_()  # its FFN is of no use
    structure = search.plan(model, TASK, batches(), kinds={"ffn"}, sparsity=0.3, uniform=False)
    widths = [len(cut.neurons) for cut in structure.layers]
    assert widths[1] < 10 and min(widths[0], widths[2]) > 40
    assert not structure.stock


def test_a_model_that_was_pruned_is_pruned_again(tmp_path: Path) -> None:
    model = tiny("bert")
    surgery.keep_heads(model, {1: [0, 3]})
    surgery.keep_neurons(model, {0: range(30), 2: range(40)})
    for uniform in (True, False):
        structure = search.plan(model, TASK, batches(), kinds={"ffn", "heads"}, sparsity=0.4, uniform=uniform)
        assert structure.heads == 4
        assert len(structure.layers[1].heads) <= 2 and len(structure.layers[0].neurons) <= 30
    surgery.apply(model, structure)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(outputs(nlpkit.load(tmp_path)), outputs(model))


def test_latency_is_measured_for_each_size_and_rises_with_it() -> None:
    for architecture in ("bert", "mpnet", "longformer", "albert"):
        model = tiny(architecture)
        costs = search.latencies(model, batches(), partial(TASK.run, model), seconds=0.0)
        for table, whole in ((costs.heads, 4), (costs.neurons, 48)):
            sizes = sorted(table)
            assert sizes[-1] == whole
            assert (np.diff([table[size] for size in sizes]) >= 0).all()
        assert costs.rest >= 0
        assert costs.unit == "seconds"
    assert set(costs.heads) == {1, 2, 3, 4}


def test_a_larger_speedup_is_planned_with_fewer_weights() -> None:
    made = planner(kinds={"ffn", "layers"})
    targets = [1.1, 1.5, 2.0]
    structures = [made.plan(target_speedup=target) for target in targets]
    assert all(made.speedup(structure) >= target for structure, target in zip(structures, targets, strict=True))
    weights = [made.weights.of(structure) for structure in structures]
    assert weights == sorted(weights, reverse=True)


def test_more_tokens_are_made_up_for() -> None:
    """A vocabulary that was pruned before costs tokens, which every layer has to win back."""
    made = planner(kinds={"ffn"}, growth=1.1)
    structure = made.plan(target_speedup=1.5)
    assert 1.5 <= made.speedup(structure) < 1.55
    assert planner(kinds={"ffn"}).speedup(structure) == pytest.approx(1.1 * made.speedup(structure))


def test_what_cannot_be_planned() -> None:
    with pytest.raises(UserError, match=r"ffn cannot be removed so far: at most 2\.34 times as fast"):
        planner(kinds={"ffn"}).plan(target_speedup=5)
    with pytest.raises(UserError, match=r"heads cannot be removed so far: at most 75\.0% of the weights"):
        planner(kinds={"heads"}, uniform=False).plan(sparsity=0.9)
    with pytest.raises(UserError, match="asks for all its heads"):
        planner("longformer", kinds={"heads"})
    with pytest.raises(UserError, match="are one: they cannot differ"):
        planner("albert", kinds={"ffn"}, uniform=False)


def test_albert_gets_fewer_passes() -> None:
    made = planner("albert", kinds={"ffn", "layers"})
    surgery.apply(made.model, made.plan(sparsity=0.5))
    outputs(made.model)
    assert made.model.config.num_hidden_layers < 3 or made.model.config.intermediate_size < 48


# --- every task ---

IDS = batch()["input_ids"]
TASKS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "classification": ("AutoModelForSequenceClassification", {}, {"labels": torch.tensor([0, 2, 1])}),
    "regression": (
        "AutoModelForSequenceClassification",
        {"num_labels": 1, "problem_type": "regression"},
        {"labels": torch.tensor([0.5, -1.0, 2.0])},
    ),
    "multi-label": (
        "AutoModelForSequenceClassification",
        {"problem_type": "multi_label_classification"},
        {"labels": torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])},
    ),
    "token-classification": (
        "AutoModelForTokenClassification",
        {"id2label": {0: "O", 1: "B-X", 2: "I-X", 3: "B-Y", 4: "I-Y"}},
        {"labels": torch.where(IDS % 3 == 0, IGNORED, IDS % 5)},
    ),
    "question-answering": ("AutoModelForQuestionAnswering", {}, {"labels": torch.tensor([[1, 2], [4, 8], [0, 0]])}),
    "fill-mask": (
        "AutoModelForMaskedLM",
        {},
        {"positions": torch.tensor([[1, 4], [2, -1], [0, 3]]), "labels": torch.tensor([[9, 20], [7, IGNORED], [5, 6]])},
    ),
}


@pytest.mark.parametrize("criterion", ["gradient", "magnitude"])
@pytest.mark.parametrize("name", list(TASKS))
def test_every_task(name: str, criterion: Any, tmp_path: Path) -> None:
    head, settings, labels = TASKS[name]
    model = tiny("bert", head, **settings)
    model.config.architectures = [type(model).__name__]
    task = registry.task_of_model(model.config, None, "tiny")
    rows = [batch() | labels] * 2
    structure = search.plan(
        model, task, rows, kinds={"ffn", "heads", "layers"}, criterion=criterion, sparsity=0.5, uniform=False
    )
    surgery.apply(model, structure)
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        before, after = (task.run(side, rows[0]).logits for side in (model, nlpkit.load(tmp_path)))
    torch.testing.assert_close(after, before)


# --- on a GPU ---

LAYER = {"heads": 9 * (8_192 + 1_152), "neurons": 9 * 6_144}  # operations a row of 9 tokens of a whole layer


def timed_by_law(busy: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pretended GPU on which a call takes a second for the operations of a layer on one row, but at least `busy`
    seconds, in which its kernels are launched."""

    def seconds(call: Callable[[], Any]) -> float:
        return max(flops.count(call) / sum(LAYER.values()), busy)

    monkeypatch.setattr(timing, "stopwatch", lambda device: seconds)


def test_on_a_gpu_latency_is_measured_on_as_many_rows_as_fill_it(monkeypatch: pytest.MonkeyPatch) -> None:
    timed_by_law(40.0, monkeypatch)
    model = tiny("bert")
    costs = search.latencies(model, batches(), partial(TASK.run, model), device="cuda", seconds=0.0)
    # 4, 8, 16, 32 rows take 40 s, 64 take 64, and 128 twice as long
    assert (costs.rows, costs.tokens, list(costs.alike)) == (128, 9, [])
    whole = sum(LAYER.values())
    for heads in (1, 2, 3, 4):
        assert costs.heads[heads] == pytest.approx(128 * (LAYER["heads"] * heads / 4 + LAYER["neurons"]) / whole)
    assert costs.neurons[1] == pytest.approx(128 * (LAYER["heads"] + LAYER["neurons"] / 48) / whole)
    # what is no layer: the pooler and the classifier, of one token a row
    assert costs.rest == pytest.approx(128 * (2 * 32 * 32 + 2 * 32 * 3) / whole)


def test_rows_that_do_not_fit_are_not_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    timed_by_law(40.0, monkeypatch)
    model = tiny("bert")

    def forward(batch: dict[str, Any]) -> Any:
        if len(batch["input_ids"]) > 64:
            raise torch.OutOfMemoryError
        return TASK.run(model, batch)

    with reporting.listening() as said:
        assert search.latencies(model, batches(), forward, device="cuda", seconds=0.0).rows == 64
    assert said.notes == ["latencies: 128 rows do not fit into memory"]
    # what looked at the try that failed would keep the input of a layer at every call
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.slow
def test_sizes_that_take_the_same_time_are_told_apart_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    timed_by_law(1e6, monkeypatch)
    monkeypatch.setattr(search, "MOST_LATENCY_ROWS", 64)
    monkeypatch.setattr(search, "latencies", partial(search.latencies, seconds=0.0))
    same = "as long as a whole one on this device (1e+09 ms, 64 rows of 9 tokens): their sizes cannot be told apart"
    with reporting.listening() as said:
        with pytest.raises(UserError, match="--target-speedup: a layer with the fewest FFN neurons takes") as error:
            Planner(tiny("bert"), TASK, batches(), kinds={"ffn"}, device="cuda").plan(target_speedup=1.05)
        assert same in error.value.message
        made = Planner(tiny("bert"), TASK, batches(), kinds={"ffn", "layers"}, device="cuda")
        assert set(made.latencies.neurons.values()) == {made.latencies.heads[4]}
    assert len(said.warnings) == 2 and all(same in warning for warning in said.warnings)


@pytest.mark.gpu
def test_a_speedup_that_is_predicted_is_there() -> None:
    model = AutoModelForSequenceClassification.from_config(BertConfig(num_labels=3)).to("cuda").eval()
    ids = torch.randint(1_000, 2_000, (32, 128), device="cuda")
    rows = [{"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids[:, 0] % 3}]
    device = Device("cuda", "bf16", "a GPU")

    def served(own: Any) -> Predictor:
        return Predictor(TASK, own, make_tokenizer(), device, lent=False)

    made = Planner(model, TASK, rows, kinds={"ffn"}, criterion="magnitude", device="cuda", served=served)
    structure = made.plan(target_speedup=1.3)
    smaller = copy.deepcopy(model)
    surgery.apply(smaller, structure)
    many = {
        name: tensor.repeat(made.latencies.rows // 32, *[1] * (tensor.dim() - 1)) for name, tensor in rows[0].items()
    }
    calls = [partial(served(side).logits, many) for side in (copy.deepcopy(model), smaller)]
    whole, cut = (statistics.median(timing.stopwatch("cuda")(call) for _ in range(30)) for call in calls)
    assert whole / cut == pytest.approx(made.speedup(structure), rel=0.15)


def test_latency_is_measured_in_the_arithmetic_that_the_model_answers_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "latencies", partial(search.latencies, seconds=0.0))
    seen: set[torch.dtype] = set()
    model, device = tiny("bert"), Device("cpu", "bf16", "a CPU with bf16")

    def served(own: Any) -> Predictor:
        for layer in anatomy(own).layers:
            layer.up.register_forward_hook(lambda module, _, output: seen.add(output.dtype))
        return Predictor(TASK, own, make_tokenizer(), device)

    assert Planner(model, TASK, batches(), kinds={"ffn"}, served=served).latencies.rows == 4
    assert seen == {torch.bfloat16}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
