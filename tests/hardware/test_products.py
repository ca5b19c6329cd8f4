"""Linear layers that compute with oneDNN give what nn.Linear gives, and their gradients, on any processor."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from nlpkit.hardware import products

IN, OUT = 256, 512


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """As on a machine where oneDNN is faster; the shapes of what it is asked for."""
    shapes: list[tuple[int, ...]] = []
    real = products.product

    def counted(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        shapes.append(tuple(x.shape))
        return real(x, weight, bias)

    monkeypatch.setattr(products, "is_faster", lambda: True)
    monkeypatch.setattr(products, "product", counted)
    return shapes


def both(bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    """A layer as torch has it, in float64, and the same with other kernels, in float32."""
    torch.manual_seed(0)
    layer = nn.Linear(IN, OUT, bias=bias)
    exact = copy.deepcopy(layer).double()
    products.use_faster(nn.Sequential(layer))
    assert type(layer) is products.CpuLinear
    return exact, layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda x: x, id="contiguous"),
        pytest.param(lambda x: x[:, ::2], id="every second token"),
        pytest.param(lambda x: x.transpose(0, 1), id="transposed"),
        pytest.param(lambda x: x[:1].expand(4, -1, -1), id="one row four times"),
    ],
)
def test_outputs_and_gradients_are_those_of_a_linear_layer(
    asked: list[tuple[int, ...]], cut: Callable[[torch.Tensor], torch.Tensor], bias: bool
) -> None:
    exact, layer = both(bias)
    x = torch.randn(4, 40, IN)
    given = [x.double().requires_grad_(), x.clone().requires_grad_()]
    outputs = [module(cut(start)) for module, start in zip((exact, layer), given, strict=True)]
    assert len(asked) == 1
    torch.testing.assert_close(outputs[1].double(), outputs[0], rtol=1e-5, atol=1e-5)
    for output in outputs:
        output.square().sum().backward()
    assert len(asked) == 3, "both gradients come from oneDNN"
    torch.testing.assert_close(given[1].grad.double(), given[0].grad, rtol=1e-4, atol=1e-3)
    for (name, of_exact), (_, of_layer) in zip(exact.named_parameters(), layer.named_parameters(), strict=True):
        torch.testing.assert_close(of_layer.grad.double(), of_exact.grad, rtol=1e-4, atol=1e-3, msg=name)


def test_a_sum_gives_the_gradients_of_a_linear_layer(asked: list[tuple[int, ...]]) -> None:
    exact, layer = both()
    x = torch.randn(64, IN)
    exact(x.double()).sum().backward()
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad.double(), exact.weight.grad, rtol=1e-4, atol=1e-3)


def test_what_comes_out_may_be_changed_in_place(asked: list[tuple[int, ...]]) -> None:
    exact, layer = both()
    x = torch.randn(4, 40, IN)
    for module, given in ((exact, x.double()), (layer, x)):
        output = module(given)
        output /= 4  # as Longformer does with its queries
        output.square().sum().backward()
    torch.testing.assert_close(layer.weight.grad.double(), exact.weight.grad, rtol=1e-4, atol=1e-3)


def test_few_numbers_autocast_and_other_types_are_left_to_torch(asked: list[tuple[int, ...]]) -> None:
    _, layer = both()
    layer(torch.randn(2, IN))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(64, IN)).dtype is torch.bfloat16
    copy.deepcopy(layer).double()(torch.randn(64, IN, dtype=torch.float64))
    assert asked == []
    with torch.inference_mode():
        layer(torch.randn(64, IN))
    assert asked == [(64, IN)]


def test_a_graph_is_exported_with_the_operators_that_others_know(asked: list[tuple[int, ...]]) -> None:
    _, layer = both()
    exported = torch.export.export(nn.Sequential(layer), (torch.randn(64, IN),))
    assert asked == []
    assert "mkldnn" not in str(exported.graph)


def test_weights_keep_their_names_and_a_frozen_layer_has_no_gradient(asked: list[tuple[int, ...]]) -> None:
    _, layer = both()
    assert list(layer.state_dict()) == ["weight", "bias"]
    layer.requires_grad_(False)
    x = torch.randn(64, IN, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
    assert len(asked) == 2


def test_operations_are_counted_as_those_of_a_linear_layer(asked: list[tuple[int, ...]]) -> None:
    from nlpkit.measurement import flops

    exact, layer = both()
    x = torch.randn(4, 40, IN)

    def step(module: nn.Linear, given: torch.Tensor) -> int:
        return flops.count(lambda: module(given).sum().backward())

    assert step(layer, x.clone().requires_grad_()) == step(exact, x.double().requires_grad_()) == 3 * 2 * 160 * IN * OUT
    assert len(asked) == 3


def conv1d() -> tuple[nn.Module, nn.Module]:
    """A layer of GPT-2 in float64, and the same with other kernels."""
    from transformers.pytorch_utils import Conv1D

    torch.manual_seed(0)
    layer = Conv1D(OUT, IN)
    nn.init.normal_(layer.bias)
    exact = copy.deepcopy(layer).double()
    products.use_faster(nn.Sequential(layer))
    assert type(layer) is not Conv1D
    return exact, layer


def test_layers_of_gpt2_give_what_they_gave(asked: list[tuple[int, ...]]) -> None:
    exact, layer = conv1d()
    x = torch.randn(4, 40, IN)
    given = [x.double().requires_grad_(), x.clone().requires_grad_()]
    outputs = [module(start) for module, start in zip((exact, layer), given, strict=True)]
    torch.testing.assert_close(outputs[1].double(), outputs[0], rtol=1e-5, atol=1e-5)
    for output in outputs:
        output.square().sum().backward()
    assert len(asked) == 3, "both gradients come from oneDNN"
    torch.testing.assert_close(given[1].grad.double(), given[0].grad, rtol=1e-4, atol=1e-3)
    for (name, of_exact), (_, of_layer) in zip(exact.named_parameters(), layer.named_parameters(), strict=True):
        assert of_layer.grad.shape == of_layer.shape
        torch.testing.assert_close(of_layer.grad.double(), of_exact.grad, rtol=1e-4, atol=1e-3, msg=name)
    with torch.no_grad():
        torch.testing.assert_close(layer(x).double(), exact(x.double()), rtol=1e-5, atol=1e-5)


def test_operations_of_layers_of_gpt2_are_counted(asked: list[tuple[int, ...]]) -> None:
    from nlpkit.measurement import flops

    _, layer = conv1d()
    x = torch.randn(4, 40, IN, requires_grad=True)
    assert flops.count(lambda: layer(x).sum().backward()) == 3 * 2 * 160 * IN * OUT


def test_elsewhere_a_model_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "is_faster", lambda: False)
    model = nn.Sequential(nn.Linear(IN, OUT))
    products.use_faster(model)
    assert type(model[0]) is nn.Linear
