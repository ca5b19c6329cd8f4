"""Weights and activations in 8 bits: of an ONNX graph through ONNX Runtime's quantizer, of a torch model by torchao."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.errors import UserError
from nlpkit.quantization import graph

if TYPE_CHECKING:
    import onnx_ir as ir

QUANTIZED = ("MatMul", "Attention")
VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


@dataclass(frozen=True)
class Scheme:
    """How a graph is quantized.

    Attributes:
        per_channel: a scale for each output of a linear layer, else one for its weight.
        reduce_range: weights in 7 bits. Without VNNI the CPU adds two products of 8 bits in 16, which overflow.
        excluded: names of nodes that stay in float32.
    """

    per_channel: bool = True
    reduce_range: bool = False
    excluded: Sequence[str] = field(default=())


def needs_reduced_range() -> bool:
    """Whether this CPU multiplies bytes without VNNI; other architectures than x86 do it without overflow."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return True
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not VNNI & set(flags)


def dynamic(model: ir.Model, scheme: Scheme) -> ir.Model:
    """Linear layers and attention in int8 with the range of their input measured at each call; tables in int8.

    Args:
        model: float32, as `graph.optimize` leaves it; not changed.
    """
    from onnxruntime.quantization import QuantType
    from transformers.exporters import OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer

    config = OnnxRuntimeDynamicConfig(
        op_types_to_quantize=list(QUANTIZED),
        per_channel=scheme.per_channel,
        reduce_range=scheme.reduce_range,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(scheme.excluded),
    )
    return _quantized(model, scheme, OnnxRuntimeQuantizer(config))


def static(model: ir.Model, scheme: Scheme, feeds: Iterable[dict[str, Any]], method: str) -> ir.Model:
    """Linear layers in int8 with the range of their input measured once; tables in int8.

    Args:
        model: float32, not changed; attention and its projections are separate nodes.
        feeds: inputs of the graph (tensors by name) to measure ranges on.
        method: `minmax`, `entropy` (least KL divergence) or `percentile` (99.999).
    """
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from transformers.exporters import OnnxRuntimeQuantizer, OnnxRuntimeStaticConfig

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    config = OnnxRuntimeStaticConfig(
        op_types_to_quantize=["MatMul"],
        per_channel=scheme.per_channel,
        reduce_range=scheme.reduce_range,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(scheme.excluded),
        calibrate_method=methods[method],
        extra_options={
            "MatMulConstBOnly": True,
            # what reads a product (GELU, norms) works in float32: in int8 it would be turned back at once
            "OpTypesToExcludeOutputQuantization": ["MatMul"],
            "QDQOpTypePerChannelSupportToAxis": {"MatMul": 1},
        },
    )
    return _quantized(model, scheme, OnnxRuntimeQuantizer(config, feeds))


def _quantized(model: ir.Model, scheme: Scheme, quantizer: Any) -> ir.Model:
    from transformers.exporters.configs import ExportFormat

    from nlpkit.quantization.export import quiet

    made = model.clone()
    graph.approximate_gelu(made)
    graph.quantize_embeddings(made, scheme.excluded)
    with quiet():
        done = quantizer.quantize(made, {}, ExportFormat.ONNX)
    done.metadata_props.update(model.metadata_props)
    return done


def groups(*models: ir.Model) -> dict[str, list[str]]:
    """Nodes that `dynamic` and `static` quantize, by the layer that they belong to (`bert.encoder.layer.3`).

    Nodes outside of the numbered layers are groups of their own.
    """
    members: dict[str, list[str]] = {}
    for node in (node for model in models for node in model.graph):
        if node.name and graph.quantizable(node):
            layer = re.match(r".*?\.\d+(?=\.)", node.name)
            members.setdefault(layer.group() if layer else node.name, []).append(node.name)
    return members


def excluded_by(models: Sequence[ir.Model], patterns: Sequence[str]) -> list[str]:
    """Names of quantizable nodes that are, or belong to, what the patterns name.

    Args:
        models: graphs of one model.
        patterns: names (`classifier`, `bert.encoder.layer.0`), or with wildcards as of files (`*[0-9].output.dense`).

    Raises:
        UserError: a pattern names none.
    """
    names = [name for members in groups(*models).values() for name in members]
    excluded = []
    for pattern in patterns:
        hit = [name for name in names if fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")]
        if not hit:
            from nlpkit.options import suggest

            raise UserError(
                f"--exclude {pattern}: there is no such node",
                suggest(pattern, [*groups(*models), *names]) or f"There are: {', '.join(groups(*models))}.",
            )
        excluded += hit
    return excluded


def torch_int8() -> Any:
    """The `quantization_config` of `from_pretrained` that opens a model with int8 linear weights (torchao).

    One scale per row; activations and arithmetic stay in float32. (torchao also quantizes activations, but on a CPU
    that took 10 to 20 times as long as float32 where the model was not compiled.) What is saved is safetensors that
    transformers opens where torchao is installed.

    Raises:
        UserError: torchao is not installed.
    """
    try:
        from torchao.quantization import Int8WeightOnlyConfig
    except ImportError as error:
        raise UserError(f"--to torch-int8 needs torchao: {error}", "pip install 'nlpkit[torchao]'") from None
    from transformers import TorchAoConfig

    return TorchAoConfig(Int8WeightOnlyConfig())
