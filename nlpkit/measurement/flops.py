"""Floating-point operations of a call, counted operator by operator."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import flop_counter

if TYPE_CHECKING:
    from nlpkit.measurement.loading import Model
    from nlpkit.measurement.workloads import Batch, Workload

aten: Any = torch.ops.aten


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return flop_counter.sdpa_flop_count(query, key, value)


def _attention_backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return flop_counter.sdpa_backward_flop_count(grad, query, key, value)


def _linear(x: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * math.prod(x) * int(weight[0])


# torch knows the operators of attention on a GPU only, and of linear layers not those of oneDNN, see hardware.products
ON_CPU = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
if hasattr(torch.ops.mkldnn, "_linear_pointwise"):  # which builds without oneDNN lack
    ON_CPU[torch.ops.mkldnn._linear_pointwise] = _linear


def count(call: Callable[[], object]) -> int:
    """Operations of matrix products, convolutions and attention (a multiplication and an addition are two), of a
    training step with those of the way back.

    Element-wise operations and norms are not counted, nor is a causal mask taken off, as is usual for a model's FLOPs.
    """
    counter = flop_counter.FlopCounterMode(display=False, custom_mapping=ON_CPU)
    with torch.compiler.set_stance("force_eager"), counter:
        call()
    return counter.get_total_flops()


def of_pass(model: Model, workload: Workload) -> int | None:
    """Operations of a pass; of calls whose input has the same shape, one is made and counted.

    What runs in ONNX Runtime is counted as the torch model that it was exported from computes it, on tensors without
    values; None where that model looks at values.
    """
    shapes = [tuple((name, tensor.shape) for name, tensor in batch.items()) for batch in workload.batches]
    if not model.exported:
        return _total(shapes, workload.calls)
    with FakeTensorMode(allow_non_fake_inputs=True):
        try:
            return _total(shapes, _without_values(model, workload.batches))
        except Exception:  # whatever an architecture makes of such tensors
            return None


def _total(shapes: Sequence[Hashable], calls: Sequence[Callable[[], object]]) -> int:
    known: dict[Hashable, int] = {}
    for shape, call in zip(shapes, calls, strict=True):
        if shape not in known:
            known[shape] = count(call)
    return sum(known[shape] for shape in shapes)


def _without_values(model: Model, batches: Sequence[Batch]) -> list[Callable[[], object]]:
    import transformers

    from nlpkit.measurement.loading import AUTO_CLASS
    from nlpkit.models import pruned

    auto_class = model.task.auto_class if model.task else AUTO_CLASS
    net = pruned.build(model.config, getattr(transformers, auto_class))

    def call(batch: Batch) -> object:
        with torch.no_grad():
            inputs = model.task.model_inputs(batch) if model.task else batch
            return net(**{name: torch.zeros_like(tensor) for name, tensor in inputs.items()})

    return [functools.partial(call, batch) for batch in batches]
