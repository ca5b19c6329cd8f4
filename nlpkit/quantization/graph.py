"""Rewrites of an exported ONNX graph for ONNX Runtime on a CPU.

All but `approximate_gelu` and `quantize_embeddings` compute exactly what they replace, up to rounding.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

CONTRIB = "com.microsoft"
# operators whose output at one place of the sequence depends on their inputs at that place only
ROWWISE = frozenset({"LayerNormalization", "Add", "Sum", "Mul", "MatMul", "Gelu", "Relu", "Tanh", "Erf", "Sigmoid"})
DIMENSIONS = ("batch_size", "sequence_length")
SCOPES = "pkg.torch.onnx.name_scopes"  # among the metadata of a node: the modules around it, and it
SMALL_TABLE = 16  # rows up to which an embedding table is left alone (token types)


def optimize(model: ir.Model, *, packed: bool = True) -> None:
    """Apply every exact rewrite, in place.

    Args:
        packed: whether attention may be joined with its projections.
    """
    join = (pack_attention,) if packed else ()
    steps = (drop_reshapes, fold_transposes, split_gemms, first_token_only, *join, keep_layer_norms, name_nodes)
    for rewrite in steps:
        rewrite(model)
        RemoveUnusedNodesPass()(model)


def drop_reshapes(model: ir.Model) -> None:
    """Read the tensor before a chain of reshapes that ends in the shape in which it began."""
    for node in list(model.graph):
        root = value = node.outputs[0]
        while (made_by := root.producer()) is not None and made_by.op_type == "Reshape":
            root = _input(made_by, 0)
        same = root is not value and root.shape is not None and root.shape == value.shape
        if same and not value.is_graph_output():
            value.replace_all_uses_with(root, replace_graph_outputs=False)


def fold_transposes(model: ir.Model) -> None:
    """Store a constant as it is used: a tied output layer is the embedding table turned round at each call."""
    for node in list(model.graph):
        if node.op_type == "Transpose" and (array := _array(node.inputs[0])) is not None:
            axes = node.attributes.get_ints("perm", [])
            value = node.outputs[0]
            value.replace_all_uses_with(_constant(model, f"{value.name}_folded", array.transpose(list(axes) or None)))


def split_gemms(model: ir.Model) -> None:
    """Write a linear layer as MatMul and Add, which is what is quantized."""
    for node in list(model.graph):
        weight, bias = (_array(item) for item in (*node.inputs[1:3], None, None)[:2])
        biased = len(node.inputs) > 2 and node.inputs[2] is not None
        if node.op_type != "Gemm" or weight is None or node.attributes.get_int("transA", 0) != 0:
            continue
        if biased and bias is None:
            continue
        if any(node.attributes.get_float(name, 1.0) != 1.0 for name in ("alpha", "beta")):
            continue
        stored = _constant(
            model, f"{_input(node, 1).name}_used", weight.T if node.attributes.get_int("transB", 0) else weight
        )
        product = ir.node("MatMul", [node.inputs[0], stored])
        if not biased:
            _replace(node, product)
            continue
        product.outputs[0].type = node.outputs[0].type
        product.metadata_props.update(node.metadata_props)
        model.graph.insert_before(node, product)
        _replace(node, ir.node("Add", [product.outputs[0], node.inputs[2]]))


def first_token_only(model: ir.Model) -> None:
    """Compute what follows the last attention for the one token of a row that is read (the first, of classifiers).

    Keys and values of that attention still come from all tokens; a sixth of a 6-layer BERT is saved, a third of one
    with 3 layers.
    """
    for node in list(model.graph):
        if node.op_type != "Gather" or node.attributes.get_int("axis", 0) != 1:
            continue
        states, index = _input(node, 0), _array(node.inputs[1])
        attention = _attention_behind(states)
        if attention is None or index is None or index.size != 1 or len(states.uses()) != 1:
            continue
        whole = _sources(attention.inputs[1:])
        chosen = _constant(model, f"{node.outputs[0].name}_token", index.reshape(1))
        node.replace_input_with(0, _at(model, states, chosen, node, whole, {}))
        node.replace_input_with(1, _constant(model, f"{node.outputs[0].name}_only", np.zeros((), np.int64)))


def _attention_behind(value: ir.Value) -> ir.Node | None:
    """The attention from which `value` is made place by place."""
    made_by = value.producer()
    while made_by is not None and made_by.op_type in ROWWISE and all(_follows(item) for item in made_by.inputs):
        made_by = next((item.producer() for item in made_by.inputs if item is not None and _moves(item)), None)
    return made_by if made_by is not None and made_by.op_type == "MultiHeadAttention" else None


def _sources(values: Iterable[ir.Value | None]) -> set[ir.Value]:
    """Everything that values are computed from, and they."""
    sources: set[ir.Value] = set()
    waiting = [value for value in values if value is not None]
    while waiting:
        value = waiting.pop()
        made_by = value.producer()
        if value not in sources and made_by is not None:
            waiting += [item for item in made_by.inputs if item is not None]
        sources.add(value)
    return sources


def _at(
    model: ir.Model,
    value: ir.Value,
    index: ir.Value,
    before: ir.Node,
    whole: Collection[ir.Value],
    done: dict[ir.Value, ir.Value],
) -> ir.Value:
    """`value` at one place of its axis 1, which keeps length 1.

    It is taken from values that are computed as a whole anyway; of others the maker is repeated for that place alone.
    """
    if value in done:
        return done[value]
    made_by = value.producer()
    if made_by is None or value in whole or not (made_by.op_type in ROWWISE or made_by.op_type == "MultiHeadAttention"):
        taken = ir.node("Gather", [value, index], attributes={"axis": 1})
    else:
        # of an attention the query has a place for each token of the output
        own = made_by.inputs[:1] if made_by.op_type == "MultiHeadAttention" else made_by.inputs
        inputs = [
            _at(model, item, index, before, whole, done) if item is not None and item in own and _moves(item) else item
            for item in made_by.inputs
        ]
        taken = ir.Node(made_by.domain, made_by.op_type, inputs, made_by.attributes.values(), version=made_by.version)
    model.graph.insert_before(before, taken)
    done[value] = taken.outputs[0]
    if value.shape is not None:
        taken.outputs[0].shape = ir.Shape([value.shape[0], 1, *value.shape[2:]])
    taken.outputs[0].type = value.type
    return taken.outputs[0]


def _moves(value: ir.Value | None) -> bool:
    return value is not None and value.const_value is None and _rank(value) == 3


def _follows(value: ir.Value | None) -> bool:
    """Whether an operand has a place for each token, or the same for all of them."""
    return value is None or _moves(value) or (value.const_value is not None and _rank(value) <= 2)


def pack_attention(model: ir.Model) -> None:
    """Join an attention with the projections of its query, key and value, where one tensor goes into all three."""
    for node in list(model.graph):
        if node.op_type != "MultiHeadAttention":
            continue
        projections = [_projection(item) for item in node.inputs[:3]]
        complete = [item for item in projections if item is not None]
        if len(complete) < 3 or len({states for states, _, _ in complete}) > 1:
            continue
        heads, width = node.attributes.get_int("num_heads"), complete[0][2].size
        # the quantized operator scales by the head size and in no other way
        usual = np.isclose(node.attributes.get_float("scale", 0.0), (width / heads) ** -0.5)
        if not usual or any(bias.size != width for _, _, bias in complete):
            continue
        weight = _constant(model, f"{node.outputs[0].name}_weight", np.concatenate([w for _, w, _ in complete], axis=1))
        bias = _constant(model, f"{node.outputs[0].name}_bias", np.concatenate([b for _, _, b in complete]))
        attention = ir.node(
            "Attention",
            [complete[0][0], weight, bias, node.inputs[4]],
            domain=CONTRIB,
            attributes={"num_heads": heads},
            name=_owner(_input(node, 0)),
        )
        _replace(node, attention)


def _projection(value: ir.Value | None) -> tuple[ir.Value, np.ndarray, np.ndarray] | None:
    """What a linear layer reads, its weight (in, out) and its bias (out,)."""
    add = value.producer() if value is not None else None
    if add is None or add.op_type != "Add":
        return None
    product, bias = _input(add, 0).producer(), _array(add.inputs[1])
    if product is None or product.op_type != "MatMul" or bias is None or bias.ndim != 1:
        return None
    weight = _array(product.inputs[1])
    return (_input(product, 0), weight, bias) if weight is not None else None


def keep_layer_norms(model: ir.Model) -> None:
    """Write residuals as Sum: ONNX Runtime would join Add and LayerNormalization into a kernel without SIMD.

    Its SkipLayerNormalization (1.31, CPU with AVX2) took 1.9 ms for 800 tokens of 384 here, an addition and
    LayerNormalization by themselves 0.2 ms.
    """
    for node in list(model.graph):
        added = _input(node, 0).producer() if node.op_type == "LayerNormalization" else None
        if (
            added is not None
            and added.op_type == "Add"
            and all(item.const_value is None for item in added.inputs if item)
        ):
            _replace(added, ir.node("Sum", added.inputs, name=added.name))


def name_nodes(model: ir.Model) -> None:
    """Give each node the name of the layer whose weights it holds, or of its output."""
    taken: set[str] = set()
    for node in model.graph:
        value = node.outputs[0]
        name = node.name if node.op_type == "Attention" and node.name else _owner(value)
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(unique)
        node.name = unique


def count_kept(model: ir.Model, places: str, count: str) -> None:
    """Have the last tokens that logits are wanted of told by how many they are, in the place of which; 0: all.

    Args:
        places: name of the input that holds their indices.
        count: name of the input, a single number, that takes its place.
    """
    given = next(value for value in model.graph.inputs if value.name == places)
    number = ir.Value(name=count, shape=ir.Shape([]), type=ir.TensorType(ir.DataType.INT64))
    zero, one = (_constant(model, f"{count}_{word}", np.array(n, np.int64)) for n, word in enumerate(("zero", "one")))
    shape = ir.node("Shape", [model.graph.inputs[0]], attributes={"start": 1, "end": 2})
    length = ir.node("Squeeze", shape.outputs)
    nodes = [
        shape,
        length,
        (all_ := ir.node("Equal", [number, zero])),
        (before := ir.node("Sub", [length.outputs[0], number])),
        (first := ir.node("Where", [all_.outputs[0], zero, before.outputs[0]])),
        (chosen := ir.node("Range", [first.outputs[0], length.outputs[0], one])),
    ]
    kept = chosen.outputs[0]
    kept.shape, kept.type = ir.Shape([f"kept_{DIMENSIONS[1]}"]), ir.TensorType(ir.DataType.INT64)
    given.replace_all_uses_with(kept)
    model.graph.inputs[model.graph.inputs.index(given)] = number
    model.graph.insert_before(model.graph[0], nodes)


def forget_trace(model: ir.Model) -> None:
    """Leave out what the exporter notes of each node: where in which file of this machine it comes from."""
    for node in model.graph:
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()


def name_dimensions(model: ir.Model) -> None:
    """Call the open dimensions of inputs and outputs as the field does, in place of numbers of the trace."""
    values = [*model.graph.inputs, *model.graph.outputs]
    names: dict[str, str] = {}
    for value in values:
        for dimension, name in zip(value.shape or (), DIMENSIONS, strict=False):
            if isinstance(dimension, ir.SymbolicDim) and dimension.value is not None:
                # not one that has been named already, such as `past_sequence_length`
                names.setdefault(dimension.value, dimension.value if dimension.value.endswith(DIMENSIONS) else name)
    for value in [*values, *(output for node in model.graph for output in node.outputs)]:
        if value.shape is not None:
            value.shape = ir.Shape([_renamed(dimension, names) for dimension in value.shape])


def _renamed(dimension: int | ir.SymbolicDim, names: Mapping[str, str]) -> int | ir.SymbolicDim:
    if isinstance(dimension, ir.SymbolicDim) and dimension.value is not None and dimension.value in names:
        return ir.SymbolicDim(names[dimension.value])
    return dimension


def approximate_gelu(model: ir.Model) -> None:
    """Compute GELU through tanh, as BERT's authors did, in half the time; it is off by at most 5e-4."""
    for node in list(model.graph):
        if node.op_type == "Gelu":
            _replace(node, ir.node("FastGelu", node.inputs, domain=CONTRIB, name=node.name))
            # a graph whose attention is its own (MPNet, DeBERTa, XLNet) has nothing of this domain so far
            model.graph.opset_imports.setdefault(CONTRIB, 1)


def quantizable(node: ir.Node) -> bool:
    """Whether a node multiplies by a constant matrix, or looks up rows of a large one."""
    if node.op_type == "Gather":
        return _is_table(node)
    weight = _array(node.inputs[1]) if node.op_type in ("MatMul", "Attention") else None
    return weight is not None and weight.ndim == 2


def _is_table(node: ir.Node) -> bool:
    table = _array(node.inputs[0])
    if table is None or table.ndim != 2 or table.dtype != np.float32:
        return False
    return len(table) > SMALL_TABLE and node.attributes.get_int("axis", 0) == 0


def quantize_embeddings(model: ir.Model, excluded: Sequence[str] = ()) -> None:
    """Store embedding tables as int8 with one scale per row: symmetric, largest value 127."""
    for node in list(model.graph):
        if node.op_type != "Gather" or not _is_table(node) or node.name in excluded:
            continue
        name, rows = _input(node, 0).name, node.inputs[1]
        table = _array(node.inputs[0])
        assert table is not None
        scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-30) / 127
        levels = _constant(model, f"{name}_int8", np.rint(table / scale).astype(np.int8))
        scales = _constant(model, f"{name}_scale", scale.astype(np.float32))
        picked = ir.node("Gather", [levels, rows], name=f"{node.name}_int8")
        cast = ir.node("Cast", picked.outputs, attributes={"to": ir.DataType.FLOAT}, name=f"{node.name}_float")
        factor = ir.node("Gather", [scales, rows], name=f"{node.name}_scale")
        model.graph.insert_before(node, [picked, cast, factor])
        _replace(node, ir.node("Mul", [cast.outputs[0], factor.outputs[0]], name=node.name))
    RemoveUnusedNodesPass()(model)


# --- helpers ---


def _input(node: ir.Node, index: int) -> ir.Value:
    value = node.inputs[index]
    assert value is not None
    return value


def _rank(value: ir.Value) -> int:
    return -1 if value.shape is None else len(value.shape)


def _array(value: ir.Value | None) -> np.ndarray | None:
    return value.const_value.numpy() if value is not None and value.const_value is not None else None


def _constant(model: ir.Model, name: str, array: np.ndarray) -> ir.Value:
    value = ir.Value(name=name, const_value=ir.tensor(np.ascontiguousarray(array).reshape(array.shape), name=name))
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
    model.graph.register_initializer(value)
    return value


def _replace(old: ir.Node, new: ir.Node) -> None:
    """Put a node with one output in the place of another."""
    graph, before, after = old.graph, old.outputs[0], new.outputs[0]
    assert isinstance(graph, ir.Graph)
    after.shape, after.type, after.name = before.shape, before.type, before.name
    new.metadata_props.update(old.metadata_props)
    graph.insert_before(old, new)
    before.replace_all_uses_with(after, replace_graph_outputs=True)
    graph.remove(old, safe=True)


def _owner(value: ir.Value) -> str:
    """The module that a value comes from: the one that was traced, where a table or a product is its maker, else by the
    parameters of its maker, or of the node that adds the bias."""
    maker = value.producer()
    if maker is not None and maker.op_type in ("Gather", "MatMul") and (module := _traced_in(maker)):
        return module
    for node in [maker, *(user for user, _ in value.uses() if user.op_type == "Add")]:
        for item in node.inputs if node is not None else ():
            if item is not None and item.const_value is not None and item.name and "." in item.name:
                return item.name.rpartition(".")[0]
    return value.name or "node"


def _traced_in(node: ir.Node) -> str:
    """The innermost module that a node was traced in, as torch's exporter notes it; "" where it does not."""
    modules: list[str] = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))
    return modules[-2] if len(modules) > 1 else ""
