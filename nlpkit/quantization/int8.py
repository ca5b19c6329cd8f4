"""Weights and activations in 8 bits: of an ONNX graph through ONNX Runtime's quantizer, of a torch model by torchao."""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.quantization import graph
from nlpkit.quantization.graph import Scheme

if TYPE_CHECKING:
    import onnx_ir as ir

VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


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
    """Linear layers in int8 with the range of their input measured at each call; tables in int8.

    Args:
        model: float32, as `graph.optimize` leaves it; not changed.
    """
    from onnxruntime.quantization import QuantType
    from transformers.exporters import OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer
    from transformers.exporters.configs import ExportFormat

    from nlpkit.quantization.export import quiet

    config = OnnxRuntimeDynamicConfig(
        op_types_to_quantize=["MatMul"],
        per_channel=scheme.per_channel,
        reduce_range=scheme.reduce_range,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(scheme.excluded),
    )
    with quiet():
        done = OnnxRuntimeQuantizer(config).quantize(_prepared(model, scheme), {}, ExportFormat.ONNX)
    done.metadata_props.update(model.metadata_props)
    return done


def static(model: ir.Model, scheme: Scheme, feeds: Iterable[dict[str, Any]], method: str) -> ir.Model:
    """Linear layers in int8 with the range of their input measured once; tables in int8.

    Args:
        model: float32, as `graph.optimize` leaves it; not changed.
        feeds: inputs of the graph (tensors by name) to measure ranges on.
        method: `minmax`, `entropy` (least KL divergence) or `percentile` (99.999).
    """
    made = _prepared(model, scheme)
    graph.quantize_products(made, _ranges(made, feeds, method), scheme)
    return made


def _prepared(model: ir.Model, scheme: Scheme) -> ir.Model:
    """A copy, rewritten for int8 but for its linear layers."""
    made = model.clone()
    if not scheme.portable:
        graph.approximate_gelu(made)
        graph.standard_attention(made)
    graph.quantize_embeddings(made, scheme.excluded, scheme.embedding_bits)
    return made


def _ranges(model: ir.Model, feeds: Iterable[dict[str, Any]], method: str) -> dict[str, tuple[float, float]]:
    """The smallest and the largest number in what each product reads, by its name."""
    import onnx_ir
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    from nlpkit.quantization.export import quiet

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    with tempfile.TemporaryDirectory() as place, quiet():
        path = Path(place) / "model.onnx"
        onnx_ir.save(model, path, external_data="model.onnx_data")  # as it may have more than 2 GB
        calibrator = create_calibrator(
            path,
            ["MatMul"],
            augmented_model_path=str(path.with_name("measured.onnx")),
            calibrate_method=methods[method],
            use_external_data_format=True,
        )
        for feed in feeds:  # one at a time: rows of several lengths make no array
            calibrator.collect_data(_Rows([feed]))
        measured = calibrator.compute_data().data
    return {name: _ends(found.range_value) for name, found in measured.items()}


def _ends(found: Any) -> tuple[float, float]:
    lowest, highest = (float(np.min(end)) for end in found)
    return lowest, highest


class _Rows:
    """What a calibrator reads."""

    def __init__(self, feeds: Iterable[dict[str, Any]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, Any] | None:
        feed = next(self._feeds, None)
        return None if feed is None else {name: tensor.numpy() for name, tensor in feed.items()}


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
