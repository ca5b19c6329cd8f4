"""Rewrites of an exported ONNX graph for ONNX Runtime on a CPU.

All but `approximate_gelu` and those that quantize compute exactly what they replace, up to rounding.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

CONTRIB = "com.microsoft"
# operators whose output at one place of the sequence depends on their inputs at that place only
ROWWISE = frozenset({"LayerNormalization", "Add", "Sum", "Mul", "MatMul", "Gelu", "Relu", "Tanh", "Erf", "Sigmoid"})
# operators whose output has no other numbers than their first input
PICKING = frozenset({"Expand", "Gather", "GatherElements", "Identity", "Reshape", "Slice", "Unsqueeze"})
DIMENSIONS = ("batch_size", "sequence_length")
SCOPES = "pkg.torch.onnx.name_scopes"  # among the metadata of a node: the modules around it, and it
OPSET_OF_ATTENTION = 23  # of ONNX: the first with this operator
# of tables in four bits: numbers that share a scale, shares of their range that are tried, rows at once for memory
BLOCK, NARROWED, ROWS_AT_ONCE = 32, (1.0, 0.95, 0.9, 0.85, 0.8, 0.75), 8192
SMALLEST_HALF = 6e-8  # in float16, above 0
SMALL_TABLE = 16  # rows up to which an embedding table is left alone (token types)


@dataclass(frozen=True)
class Scheme:
    """How a graph is quantized.

    Attributes:
        per_channel: a scale for each output of a linear layer, else one for its weight.
        reduce_range: weights in 7 bits. Without VNNI the CPU adds two products of 8 bits in 16, which overflow.
        excluded: names of nodes that stay in float32.
        embedding_bits: of a number in embedding tables, 8 or 4.
        portable: whether operators of ONNX itself are to be used, and no others.
    """

    per_channel: bool = True
    reduce_range: bool = False
    excluded: Sequence[str] = field(default=())
    embedding_bits: int = 8
    portable: bool = False


def optimize(model: ir.Model) -> None:
    """Apply every exact rewrite that suits all formats, in place."""
    for rewrite in (
        drop_reshapes,
        fold_transposes,
        fold_token_types,
        split_gemms,
        first_token_only,
        keep_layer_norms,
        name_nodes,
    ):
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


def fold_token_types(model: ir.Model) -> None:
    """Add the one row of token types that all tokens have, where they are no input, as a bias is added.

    It would be looked up for each token anew, by indices that are made for each call: a twentieth of the time that a
    pruned model of three layers takes for a short text.
    """
    for node in list(model.graph):
        if node.op_type != "Gather" or (table := _array(node.inputs[0])) is None or table.ndim != 2:
            continue
        row = _same_everywhere(_input(node, 1))
        if row is not None and all(user.op_type in ("Add", "Sum") for user, _ in node.outputs[0].uses()):
            value = node.outputs[0]
            value.replace_all_uses_with(_constant(model, f"{value.name}_of_all", table[row]))


def _same_everywhere(value: ir.Value) -> int | None:
    """The number that is at all places of a tensor of indices, as far as that can be told without an input."""
    while (made_by := value.producer()) is not None and made_by.op_type in PICKING:
        value = _input(made_by, 0)
    numbers = _array(value)
    return int(numbers.flat[0]) if numbers is not None and numbers.size and (numbers == numbers.flat[0]).all() else None


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


def keep_layer_norms(model: ir.Model) -> None:
    """Write residuals as Sum: ONNX Runtime would join Add and LayerNormalization into a kernel without SIMD.

    Its SkipLayerNormalization (1.31, CPU with AVX2) took 1.9 ms for 800 tokens of 384 here, an addition and
    LayerNormalization by themselves 0.2 ms; with AVX-512 MiniLM in int8 takes 1.35 times as long with it.
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
        name = _owner(value)
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


def standard_attention(model: ir.Model) -> None:
    """Write attention that only masks keys as the operator of ONNX itself (opset 23).

    ONNX Runtime (1.31, CPU) takes 0.7 to 0.8 of the time of its own MultiHeadAttention for it, on short texts. It wants
    a mask with a place for each query.
    """
    masks: dict[tuple[ir.Value, bool], ir.Value] = {}
    for node in list(model.graph):
        if node.op_type != "MultiHeadAttention" or (seen := _key_mask(node)) is None:
            continue
        query, key, value = (_input(node, index) for index in range(3))
        single = query.shape is not None and query.shape[1] == 1
        if (seen, single) not in masks:
            masks[seen, single] = _mask_of_queries(model, seen, query, node, single=single)
        heads = node.attributes.get_int("num_heads")
        settings = {"q_num_heads": heads, "kv_num_heads": heads, "scale": node.attributes.get_float("scale")}
        _replace(
            node, ir.node("Attention", [query, key, value, masks[seen, single]], attributes=settings, name=node.name)
        )
        model.graph.opset_imports[""] = max(OPSET_OF_ATTENTION, model.graph.opset_imports[""])


def write_out_attention(model: ir.Model) -> None:
    """Write attention in products and a softmax, as any runtime has them."""
    masks: dict[ir.Value, ir.Value] = {}
    for node in list(model.graph):
        if node.op_type != "MultiHeadAttention":
            continue
        query, key, value, _, seen, added = [*node.inputs, None, None, None][:6]
        assert query is not None and key is not None and value is not None
        name, heads, kind = node.name or node.outputs[0].name, node.attributes.get_int("num_heads"), query.dtype
        assert kind is not None
        apart = _constant(model, f"{name}_apart", np.array([0, 0, heads, -1]))
        joined = _constant(model, f"{name}_joined", np.array([0, 0, -1]))
        scale = _constant(model, f"{name}_factor", np.array(node.attributes.get_float("scale"), kind.numpy()))
        nodes: list[ir.Node] = []

        def made(kind: str, *inputs: ir.Value, nodes: list[ir.Node] = nodes, **attributes: Any) -> ir.Value:
            nodes.append(ir.node(kind, inputs, attributes=attributes))
            return nodes[-1].outputs[0]

        def by_head(states: ir.Value, order: Sequence[int], apart: ir.Value = apart) -> ir.Value:
            if _rank(states) == 4:  # of a cache: heads come before places there
                return made("Transpose", states, perm=[(0, 2, 1, 3)[axis] for axis in order])
            return made("Transpose", made("Reshape", states, apart), perm=order)

        queries = by_head(made("Mul", query, scale), (0, 2, 1, 3))
        scores = made("MatMul", queries, by_head(key, (0, 2, 3, 1)))
        if seen is not None:
            if seen not in masks:
                masks[seen] = _added_mask(model, seen, kind, node)
            scores = made("Add", scores, masks[seen])
        if added is not None:
            scores = made("Add", scores, added)
        context = made("MatMul", made("Softmax", scores, axis=-1), by_head(value, (0, 2, 1, 3)))
        turned = made("Transpose", context, perm=(0, 2, 1, 3))
        model.graph.insert_before(node, nodes)
        _replace(node, ir.node("Reshape", [turned, joined], name=node.name))
    if not domains(model) - {""}:
        model.graph.opset_imports.pop(CONTRIB, None)


def _added_mask(model: ir.Model, seen: ir.Value, kind: ir.DataType, before: ir.Node) -> ir.Value:
    """What is added to products with keys, shape (batch, 1, 1, keys): 0 where a key is seen."""
    least = np.array(np.finfo(kind.numpy()).min / 2, kind.numpy())  # a sum with it stays a number
    true = ir.node("Cast", [seen], attributes={"to": ir.DataType.BOOL})
    zero, hidden = (
        _constant(model, f"{seen.name}_{word}", number)
        for word, number in (("seen", np.zeros_like(least)), ("hidden", least))
    )
    chosen = ir.node("Where", [true.outputs[0], zero, hidden])
    placed = ir.node("Unsqueeze", [chosen.outputs[0], _constant(model, f"{seen.name}_axes", np.array([1, 2]))])
    model.graph.insert_before(before, [true, chosen, placed])
    return placed.outputs[0]


def domains(model: ir.Model) -> set[str]:
    """Where the operators of a graph come from; "" is ONNX itself."""
    own = {node.domain for node in model.graph.all_nodes()}
    return own | {node.domain for function in model.functions.values() for node in function.all_nodes()}


def _key_mask(node: ir.Node) -> ir.Value | None:
    """Which keys are seen, shape (batch, length), of an attention that adds nothing else to its products."""
    bias, seen, *others = [*node.inputs[3:], None, None]
    whole = all(_rank(_input(node, index)) == 3 for index in range(3))  # not the keys of a cache
    return seen if whole and bias is None and not any(others) else None


def _mask_of_queries(model: ir.Model, seen: ir.Value, query: ir.Value, before: ir.Node, *, single: bool) -> ir.Value:
    """A mask of keys as booleans for each query, shape (batch, 1, queries, keys).

    Args:
        single: whether there is one query, for which it need not be repeated.
    """
    name = f"{seen.name}_of_{'one' if single else 'all'}"
    true = ir.node("Cast", [seen], attributes={"to": ir.DataType.BOOL})
    placed = ir.node("Unsqueeze", [true.outputs[0], _constant(model, f"{name}_axes", np.array([1, 2]))])
    nodes = [true, placed]
    if not single:
        length = ir.node("Shape", [query], attributes={"start": 1, "end": 2})
        one = _constant(model, f"{name}_once", np.array([1]))
        shape = ir.node("Concat", [one, one, length.outputs[0], one], attributes={"axis": 0})
        nodes += [length, shape, ir.node("Expand", [placed.outputs[0], shape.outputs[0]])]
    model.graph.insert_before(before, nodes)
    made = nodes[-1].outputs[0]
    made.name = name
    return made


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
    weight = _array(node.inputs[1]) if node.op_type == "MatMul" else None
    return weight is not None and weight.ndim == 2


def _is_table(node: ir.Node) -> bool:
    table = _array(node.inputs[0])
    if table is None or table.ndim != 2 or table.dtype != np.float32:
        return False
    return len(table) > SMALL_TABLE and node.attributes.get_int("axis", 0) == 0


def quantize_embeddings(model: ir.Model, excluded: Sequence[str] = (), bits: int = 8) -> None:
    """Store embedding tables in fewer bits.

    Args:
        excluded: names of nodes that are left alone.
        bits: 8: one scale per row, symmetric, largest value 127; 4: a scale and a zero point for each 32 numbers.
    """
    for node in list(model.graph):
        if node.op_type == "Gather" and _is_table(node) and node.name not in excluded:
            (_in_eight_bits if bits == 8 else _in_four_bits)(model, node)
    RemoveUnusedNodesPass()(model)


def _in_eight_bits(model: ir.Model, node: ir.Node) -> None:
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


def _in_four_bits(model: ir.Model, node: ir.Node) -> None:
    name = _input(node, 0).name
    table = _array(node.inputs[0])
    assert table is not None
    chunks = [four_bits(table[start : start + ROWS_AT_ONCE]) for start in range(0, len(table), ROWS_AT_ONCE)]
    parts = [np.concatenate(part) for part in zip(*chunks, strict=True)]
    levels, scales, zeros = (
        _constant(model, f"{name}_{word}", part) for word, part in zip(("int4", "scale", "zero"), parts, strict=True)
    )
    settings = {"block_size": BLOCK, "bits": 4, "gather_axis": 0, "quantize_axis": 1}
    picked = ir.node(
        "GatherBlockQuantized",
        [levels, node.inputs[1], scales, zeros],
        domain=CONTRIB,
        attributes=settings,
        name=f"{node.name}_int4",
    )
    model.graph.opset_imports.setdefault(CONTRIB, 1)
    model.graph.insert_before(node, picked)
    _replace(node, ir.node("Cast", picked.outputs, attributes={"to": ir.DataType.FLOAT}, name=node.name))


def four_bits(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A table in 4 bits a number, two in a byte, the first in its lower half.

    Args:
        table: float32, shape (rows, width).

    Returns:
        Numbers from 0 to 15, shape (rows, width / 2) in uint8; of each block of 32 its scale in float16, shape (rows,
        blocks), and its zero point, shape (rows, blocks / 2) in uint8. The range of a block is narrowed where clipping
        its ends leaves a smaller squared error.
    """
    rows, width = table.shape
    blocks = -(-width // BLOCK)
    whole = np.pad(table, ((0, 0), (0, blocks * BLOCK - width))).reshape(rows, blocks, BLOCK)
    lowest, highest = np.minimum(whole.min(2), 0), np.maximum(whole.max(2), 0)
    best = np.full((rows, blocks), np.inf, np.float32)
    levels = np.zeros(whole.shape, np.uint8)
    scales, zeros = np.ones((rows, blocks), np.float16), np.zeros((rows, blocks), np.uint8)
    for part in NARROWED:
        scale = np.maximum((highest - lowest) * part / 15, SMALLEST_HALF).astype(np.float16)
        wide = scale.astype(np.float32)
        zero = np.clip(np.rint(-lowest * part / wide), 0, 15)
        made = np.clip(np.rint(whole / wide[..., None]) + zero[..., None], 0, 15)
        error = (((made - zero[..., None]) * wide[..., None] - whole) ** 2).sum(2)
        better = error < best
        best = np.where(better, error, best)
        levels[better], scales[better], zeros[better] = made[better], scale[better], zero[better]
    return _in_pairs(levels.reshape(rows, -1)[:, :width]), scales, _in_pairs(zeros)


def _in_pairs(numbers: np.ndarray) -> np.ndarray:
    """Numbers of four bits, two in a byte, along the last axis."""
    even = np.pad(numbers, ((0, 0), (0, numbers.shape[1] % 2)))
    return even[:, ::2] | (even[:, 1::2] << 4)


def quantize_products(model: ir.Model, ranges: Mapping[str, tuple[float, float]], scheme: Scheme) -> None:
    """Multiply by constant matrices in int8, with a fixed range of what is multiplied.

    Weights are symmetric, inputs have a zero point and 8 bits. The additions to residuals read what was not rounded.

    Args:
        ranges: of the input of each product, by its name.
    """
    rounded: dict[ir.Value, tuple[ir.Value, ir.Value, ir.Value]] = {}
    for node in list(model.graph):
        if node.op_type != "MatMul" or not quantizable(node) or node.name in scheme.excluded:
            continue
        read = _input(node, 0)
        if read not in rounded:
            rounded[read] = _rounded(model, read, ranges[read.name or ""], node)
        levels, scale, zero = rounded[read]
        weight, scales = _int8_weight(model, _input(node, 1), scheme)
        if scheme.portable:
            _multiply_integers(model, node, levels, zero, weight, scale, scales)
            continue
        add = _bias(node)
        factors = [levels, weight, scale, scales, zero, None, add.inputs[1] if add is not None else None]
        product = ir.node("MatMulIntegerToFloat", factors, domain=CONTRIB, name=f"{node.name}_int8")
        model.graph.opset_imports.setdefault(CONTRIB, 1)
        if add is None:
            _replace(node, product)
        else:
            _replace(add, product)
            model.graph.remove(node, safe=True)
    RemoveUnusedNodesPass()(model)


def _multiply_integers(
    model: ir.Model,
    node: ir.Node,
    levels: ir.Value,
    zero: ir.Value,
    weight: ir.Value,
    scale: ir.Value,
    scales: ir.Value,
) -> None:
    """Put a product of bytes in operators of ONNX in the place of one."""
    both = np.asarray(_array(scale)) * np.asarray(_array(scales))
    product = ir.node("MatMulInteger", [levels, weight, zero], name=f"{node.name}_int8")
    cast = ir.node("Cast", product.outputs, attributes={"to": ir.DataType.FLOAT}, name=f"{node.name}_float")
    model.graph.insert_before(node, [product, cast])
    _replace(node, ir.node("Mul", [cast.outputs[0], _constant(model, f"{node.name}_scales", both)], name=node.name))


def _rounded(
    model: ir.Model, value: ir.Value, ends: tuple[float, float], before: ir.Node
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """A tensor in 8 bits without sign, their scale and their zero point."""
    lowest, highest = min(ends[0], 0.0), max(ends[1], 0.0)
    step = max(highest - lowest, 1e-30) / 255
    scale = _constant(model, f"{value.name}_scale", np.array(step, np.float32))
    zero = _constant(model, f"{value.name}_zero", np.array(np.rint(-lowest / step), np.uint8))
    levels = ir.node("QuantizeLinear", [value, scale, zero], name=f"{value.name}_rounded")
    model.graph.insert_before(before, levels)
    return levels.outputs[0], scale, zero


def _int8_weight(model: ir.Model, value: ir.Value, scheme: Scheme) -> tuple[ir.Value, ir.Value]:
    """A matrix in int8, and its scale or those of its columns."""
    weight = _array(value)
    assert weight is not None
    most = np.abs(weight).max(axis=0) if scheme.per_channel else np.abs(weight).max()
    scale = np.maximum(most, 1e-30) / (64 if scheme.reduce_range else 127)
    levels = _constant(model, f"{value.name}_int8", np.rint(weight / scale).astype(np.int8))
    return levels, _constant(model, f"{value.name}_scale", np.asarray(scale, np.float32))


def _bias(product: ir.Node) -> ir.Node | None:
    """The addition of a bias to a product that nothing else reads."""
    users = [user for user, _ in product.outputs[0].uses()]
    bias = _array(users[0].inputs[1]) if len(users) == 1 and users[0].op_type == "Add" else None
    return users[0] if bias is not None and bias.ndim == 1 else None


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
