"""Rewriting an exported graph."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")


def test_gelu_of_a_graph_that_has_nothing_else_of_onnx_runtime() -> None:
    import onnx

    from nlpkit.quantization import graph

    taken = ir.Value(name="x", shape=ir.Shape([2, 3]), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node("Gelu", [taken], name="gelu")
    inner = ir.Graph([taken], node.outputs, nodes=[node], opset_imports={"": 20}, name="graph")
    model = ir.Model(inner, ir_version=10)
    graph.approximate_gelu(model)
    assert [made.op_type for made in model.graph] == ["FastGelu"]
    assert model.graph.opset_imports == {"": 20, graph.CONTRIB: 1}
    # without the domain it is no valid graph
    onnx.shape_inference.infer_shapes(ir.to_proto(model))
