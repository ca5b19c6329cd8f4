"""Rewriting an exported graph."""

from __future__ import annotations

from typing import Any

import numpy as np
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


def attention(queries: int) -> Any:
    """A graph of one attention as the exporter leaves it: two heads of four numbers, and which keys are seen."""
    from nlpkit.quantization import graph

    def given(name: str, length: int | str, *rest: int, kind: Any = ir.DataType.FLOAT) -> Any:
        return ir.Value(name=name, shape=ir.Shape(["rows", length, *rest]), type=ir.TensorType(kind))

    of_queries: int | str = "tokens" if queries > 1 else 1
    inputs = [given("query", of_queries, 8), given("key", "tokens", 8), given("value", "tokens", 8)]
    seen = given("seen", "tokens", kind=ir.DataType.INT32)
    settings = {"num_heads": 2, "scale": 0.5}
    node = ir.node("MultiHeadAttention", [*inputs, None, seen], domain=graph.CONTRIB, attributes=settings, name="both")
    node.outputs[0].name, node.outputs[0].type = "context", ir.TensorType(ir.DataType.FLOAT)
    node.outputs[0].shape = ir.Shape(["rows", of_queries, 8])
    opsets = {"": 20, graph.CONTRIB: 1}
    return ir.Model(
        ir.Graph([*inputs, seen], node.outputs, nodes=[node], opset_imports=opsets, name="graph"), ir_version=10
    )


def ran(model: Any, **inputs: Any) -> Any:
    """The first output of a graph."""
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.mark.parametrize("rewrite", ["standard_attention", "write_out_attention"])
@pytest.mark.parametrize("queries", [3, 1])
def test_attention_in_operators_of_onnx_is_that_of_onnx_runtime(queries: int, rewrite: str) -> None:
    from nlpkit.quantization import graph

    rng = np.random.default_rng(0)
    states = {name: rng.normal(size=(2, 3, 8)).astype(np.float32) for name in ("query", "key", "value")}
    states["query"] = states["query"][:, :queries]
    seen = np.array([[1, 1, 1], [1, 0, 0]], np.int32)
    model = attention(queries)
    wanted = ran(model, **states, seen=seen)
    np.testing.assert_allclose(wanted[1], np.tile(states["value"][1, :1], (queries, 1)), rtol=1e-5)
    getattr(graph, rewrite)(model)
    assert graph.domains(model) == {""}
    assert model.graph.opset_imports[""] == (23 if rewrite == "standard_attention" else 20)
    np.testing.assert_allclose(ran(model, **states, seen=seen), wanted, rtol=1e-5, atol=1e-6)


def test_products_with_a_fixed_range_are_those_of_rounded_numbers() -> None:
    from nlpkit.quantization import graph

    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(4, 3)).astype(np.float32), np.array([1.0, 2.0, 3.0], np.float32)
    states = ir.Value(name="x", shape=ir.Shape([2, 4]), type=ir.TensorType(ir.DataType.FLOAT))
    stored = [ir.Value(name=name, const_value=ir.tensor(array)) for name, array in (("w", weight), ("b", bias))]
    product = ir.node("MatMul", [states, stored[0]], name="layer")
    added = ir.node("Add", [product.outputs[0], stored[1]])
    added.outputs[0].name, added.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
    inner = ir.Graph(
        [states], added.outputs, nodes=[product, added], initializers=stored, opset_imports={"": 20}, name="graph"
    )
    model = ir.Model(inner, ir_version=10)
    graph.quantize_products(model, {"x": (-1.0, 3.0)}, graph.Scheme())
    given = np.array([[-1.0, 0.5, 2.0, 3.0], [9.0, 0.0, 0.0, -9.0]], np.float32)  # the second row is clipped
    step, zero = 4 / 255, 64  # of numbers from -1 to 3 in eight bits
    rounded = (np.clip(np.rint(given / step) + zero, 0, 255) - zero) * step
    scale = np.abs(weight).max(axis=0) / 127
    wanted = rounded @ (np.rint(weight / scale) * scale) + bias
    np.testing.assert_allclose(ran(model, x=given), wanted, rtol=1e-5, atol=1e-5)


def test_the_type_that_all_tokens_have_is_a_bias() -> None:
    from nlpkit.quantization import graph

    words = ir.Value(name="words", shape=ir.Shape([2, 3, 4]), type=ir.TensorType(ir.DataType.FLOAT))
    table = np.arange(8, dtype=np.float32).reshape(2, 4)
    arrays = {"types": table, "ones": np.ones((1, 5), np.int64), "shape": np.array([2, 3])}
    types, ones, shape = (ir.Value(name=name, const_value=ir.tensor(array)) for name, array in arrays.items())
    cut = ir.node("Slice", [ones, *(ir.Value(name=f"at_{n}", const_value=ir.tensor([n])) for n in (0, 1))])
    looked_up = ir.node("Gather", [types, ir.node("Expand", [cut.outputs[0], shape]).outputs[0]])
    added = ir.node("Add", [words, looked_up.outputs[0]])
    added.outputs[0].name, added.outputs[0].type = "y", words.type
    spread = looked_up.inputs[1].producer()
    inner = ir.Graph(
        [words],
        added.outputs,
        nodes=[cut, spread, looked_up, added],
        initializers=[types, ones, shape, *cut.inputs[1:]],
        opset_imports={"": 20},
        name="graph",
    )
    model = ir.Model(inner, ir_version=10)
    graph.fold_token_types(model)
    graph.RemoveUnusedNodesPass()(model)
    assert [node.op_type for node in model.graph] == ["Add"]
    given = np.zeros((2, 3, 4), np.float32)
    np.testing.assert_array_equal(ran(model, words=given), given + table[1])


def test_keys_of_a_cache_and_what_is_added_to_their_products_are_written_out() -> None:
    from nlpkit.quantization import graph

    rng = np.random.default_rng(0)
    shapes = {"query": (2, 1, 8), "key": (2, 2, 5, 4), "value": (2, 2, 5, 4), "added": (2, 1, 1, 5)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    inputs = {
        name: ir.Value(name=name, shape=ir.Shape(list(shape)), type=ir.TensorType(ir.DataType.FLOAT))
        for name, shape in shapes.items()
    }
    query, key, value, added = inputs.values()
    settings = {"num_heads": 2, "scale": 0.5}
    node = ir.node(
        "MultiHeadAttention", [query, key, value, None, None, added], domain=graph.CONTRIB, attributes=settings
    )
    node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = "context", query.type, query.shape
    opsets = {"": 20, graph.CONTRIB: 1}
    inner = ir.Graph([*inputs.values()], node.outputs, nodes=[node], opset_imports=opsets, name="graph")
    model = ir.Model(inner, ir_version=10)
    wanted = ran(model, **arrays)
    graph.write_out_attention(model)
    assert graph.domains(model) == {""}
    np.testing.assert_allclose(ran(model, **arrays), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", [64, 40])
def test_a_table_in_four_bits(width: int) -> None:
    """Two numbers a byte; a block of numbers that differ by equal steps is kept; others within half a step."""
    from nlpkit.quantization import graph

    table = np.random.default_rng(0).normal(size=(20, width)).astype(np.float32)
    table[3, :32] = 0.25 * (np.arange(32) % 16) - 1
    table[4] = 0
    table[5, :32] = 7.0
    levels, scales, zeros = graph.four_bits(table)
    assert levels.shape == (20, width // 2) and zeros.dtype == np.uint8
    apart = np.stack([levels & 15, levels >> 4], axis=2).reshape(20, width)
    low = np.stack([zeros & 15, zeros >> 4], axis=2).reshape(20, -1)[:, : scales.shape[1]]
    wide = np.repeat(scales.astype(np.float32), 32, axis=1)[:, :width]
    kept = (apart - np.repeat(low, 32, axis=1)[:, :width].astype(np.float32)) * wide
    np.testing.assert_allclose(kept[3, :32], table[3, :32], atol=1e-6)
    np.testing.assert_array_equal(kept[4], 0)
    np.testing.assert_allclose(kept[5, :32], 7, rtol=1e-3)
    assert np.sqrt(((kept - table) ** 2).mean() / (table**2).mean()) < 0.1
    ids = ir.Value(name="ids", shape=ir.Shape([2, 3]), type=ir.TensorType(ir.DataType.INT64))
    node = ir.node("Gather", [ir.Value(name="words", const_value=ir.tensor(table)), ids], name="words")
    node.outputs[0].name, node.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
    inner = ir.Graph([ids], node.outputs, nodes=[node], initializers=[node.inputs[0]], opset_imports={"": 20}, name="g")
    model = ir.Model(inner, ir_version=10)
    graph.quantize_embeddings(model, bits=4)
    asked = np.array([[0, 3, 4], [5, 19, 0]])
    np.testing.assert_allclose(ran(model, ids=asked), kept[asked], rtol=2e-3, atol=1e-6)
