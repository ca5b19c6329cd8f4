"""From a torch model to an ONNX graph for ONNX Runtime.

`transformers.exporters` does the export. Attention is exported as ONNX Runtime's own operator: transformers lets a
model run with an attention function that is registered under a name, and so does its mask.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.models.files import EXPORTED

if TYPE_CHECKING:
    import onnx_ir

ATTENTION = "nlpkit_onnxruntime"  # the name of the attention function
ONE_FILE = 1_900_000_000  # bytes of weights that fit into a protobuf message with the graph


Graph = Callable[[Callable[..., Any], Mapping[str, torch.Tensor]], Mapping[str, Any]]
"""What a graph is to compute, of the forward pass of a model and its inputs; see `Task.graph`."""


def export(
    model: Any,
    inputs: Mapping[str, torch.Tensor],
    *,
    fusions: Literal["cuda"] | None = None,
    graph: Graph | None = None,
) -> onnx_ir.Model:
    """Trace a model into an ONNX graph whose batch and length are open.

    Args:
        model: of transformers, in float32 or float16, in evaluation mode.
        inputs: an example of what it is called with; at least two rows and tokens, as a size of 1 is taken for fixed.
        fusions: provider whose operators `transformers.exporters` is to fuse; None: attention alone, in the
            operator that all providers have.
        graph: what is computed; None: what the model gives.

    Raises:
        UserError: the architecture cannot be exported.
    """
    with computing(model, graph):
        return traced(model, inputs, fusions=fusions, attention=None if fusions else ATTENTION)


def traced(
    model: Any, inputs: Mapping[str, Any], *, fusions: Literal["cuda"] | None = None, attention: str | None = None
) -> onnx_ir.Model:
    """As `export`, of the model as it stands.

    Args:
        inputs: an example of what it is called with; a cache may be among it.
        attention: name of the attention function, of those that transformers knows; None: the model's own.
    """
    from transformers.exporters import OnnxConfig, OnnxExporter

    config = OnnxConfig(dynamic=True, ort_fusions=fusions)
    with quiet(), _attending(model, attention):
        try:
            return OnnxExporter().export(model, dict(inputs), config=config).program
        except UserError:
            raise
        except Exception as error:
            lines = str(error).strip().splitlines()
            raise UserError(
                f"{type(model).__name__} cannot be exported to ONNX: {lines[0] if lines else type(error).__name__}",
                "--to torch-int8 needs no export.",
            ) from error


@contextlib.contextmanager
def computing(model: Any, graph: Graph | None) -> Iterator[None]:
    """Let the forward pass of a model give what a graph is to compute."""
    if graph is None:
        yield
        return
    plain, own = model.forward, vars(model).get("forward")

    @functools.wraps(plain)
    def forward(**inputs: Any) -> Any:
        return graph(plain, inputs)

    model.forward = forward
    try:
        yield
    finally:
        del model.forward  # of this object: that of its class is there again
        if own is not None:
            model.forward = own


@contextlib.contextmanager
def _attending(model: Any, attention: str | None) -> Iterator[None]:
    """Let a model that takes registered attention functions run with this one."""
    before = model.config._attn_implementation
    # XLNet, Longformer and others compute attention in a way of their own, and are exported with it
    if attention is not None and model._supports_sdpa:
        model.set_attn_implementation(attention)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _mask(*, attention_mask: torch.Tensor | None, mask_function: Any, **arguments: Any) -> torch.Tensor | None:
    """Which keys are seen, shape (batch, length), where all queries see the same; else as `sdpa_mask` says it."""
    if attention_mask is not None and mask_function is bidirectional_mask_function:
        return attention_mask.to(torch.int32)
    arguments["allow_is_bidirectional_skip"] = False  # it would look at the example's mask
    return sdpa_mask(attention_mask=attention_mask, mask_function=mask_function, **arguments)


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **arguments: Any,
) -> tuple[torch.Tensor, None]:
    """MultiHeadAttention of ONNX Runtime.

    Args:
        query, key, value: shape (batch, heads, length, head size).
        attention_mask: as `_mask` gives it.

    Returns:
        Shape (batch, length, heads, head size), and no weights.
    """
    if attention_mask is None or attention_mask.ndim != 2:
        plain: Any = AttentionInterface()["sdpa"]
        return plain(module, query, key, value, attention_mask, scaling=scaling, **arguments)
    heads, size = query.shape[1], query.shape[3]
    joined = [states.transpose(1, 2).flatten(2) for states in (query, key, value)]
    context = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (*joined, None, attention_mask),
        {"num_heads": heads, "scale": scaling or size**-0.5},
        dtype=query.dtype,
        shape=joined[0].shape,
        version=1,
    )
    return context.unflatten(2, (heads, size)), None


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, _mask)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Neither prints, warnings nor log messages of the exporter."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def finish(made: onnx_ir.Model, model: Any, *, fused: bool, portable: bool = False) -> None:
    """Make an exported graph ready to be written: rewritten for the CPU, its dimensions named, with the size of its
    model in its metadata.

    Args:
        model: that was exported.
        fused: whether the graph holds another provider's operators: it is left as it is.
        portable: whether operators of ONNX itself are to be used, and no others.

    Raises:
        UserError: there are others that have no counterpart.
    """
    from nlpkit.models.onnx import PARAMETERS
    from nlpkit.quantization import graph

    if not fused:
        graph.optimize(made)
    if portable:
        graph.write_out_attention(made)
        if others := graph.domains(made) - {""}:
            raise UserError(
                f"--portable: {type(model).__name__} is exported with operators of {', '.join(sorted(others))}",
                "Without --portable ONNX Runtime runs it.",
            )
    graph.name_dimensions(made)
    graph.forget_trace(made)
    made.metadata_props[PARAMETERS] = str(model.num_parameters())


def save(made: onnx_ir.Model, path: Path) -> None:
    """Write one file, or beside it NAME.onnx_data for weights that a file of this format cannot hold (2 GB)."""
    import onnx_ir

    size = sum(value.const_value.nbytes for value in made.graph.initializers.values() if value.const_value is not None)
    data = data_file(path)
    data.unlink(missing_ok=True)  # of what was saved here before
    onnx_ir.save(made, str(path), external_data=data.name if size > ONE_FILE else None)


def save_all(made: Mapping[str, onnx_ir.Model], folder: Path, ending: str = "") -> Path:
    """Write the graphs of a model.

    Args:
        made: by the names of their files, that of the encoder first.
        ending: of the names.

    Returns:
        The file of the last, by which the model is opened.
    """
    for name, graph in made.items():
        path = folder / f"{name}{ending}.onnx"
        save(graph, path)
    return path


def data_file(path: Path) -> Path:
    """Where the weights are that an ONNX file cannot hold, as transformers.js and optimum call it."""
    return path.with_name(f"{path.name}_data")


def publish(file: Path, folder: Path) -> None:
    """Give the ONNX file in a subfolder a second name at the top of the model's folder, under which scripts of ONNX
    Runtime look for it. The bytes are there once: it is a hard link, or a symbolic one where there are none.

    Args:
        file: weights that it has beside it keep their name, which stands in it.
        folder: of the model.
    """
    for source, name in ((file, EXPORTED), (data_file(file), data_file(file).name)):
        if not source.exists():
            continue
        target = folder / name
        try:
            os.link(source, target)
        except OSError:
            try:
                target.symlink_to(source.relative_to(folder))
            except OSError:
                reporting.current().note(f"there are no links on this disk: the model is {source.relative_to(folder)}")
