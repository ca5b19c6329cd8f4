"""How the order of tokens is told: waves, learned vectors, rotation, and biases of distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nlpkit import reporting
from nlpkit.learn.pictures import Heat, grid, lines
from nlpkit.learn.pieces.positions import RelativeBias, rotary_angles, rotate, sinusoidal
from nlpkit.learn.shown import Shown
from nlpkit.learn.subject import BATCH, opened
from nlpkit.models import fitting
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions
    from nlpkit.runs.plots import Plot

MOST = 128  # positions that are drawn
DISTANCES = (1, 2, 4, 8, 16, 32, 64)
BASES = (10_000.0, 500_000.0)  # of Llama 2 and 3


def show(options: LearnOptions) -> Shown:
    """Waves and rotation of the model's width, and what the model itself has.

    Raises:
        UserError: the model cannot be opened.
    """
    name, model, _ = opened(options, BATCH)
    width = int(model.config.hidden_size)
    size = _head_size(model)
    waves = sinusoidal(MOST, width).double()
    drawn: dict[str, Plot] = {
        "sinusoidal": grid(
            [(f"sinusoidal, width {width}", Heat(waves.numpy(), (), (), "position", "number of the vector"))],
            "value",
            lowest=-1,
        ),
        "rotary": lines(_turned(size), "distance of query and key", "score of two equal vectors", marked=False),
    }
    cosines = {"sinusoidal": _cosines(waves)}
    said = []
    record: dict[str, Any] = {"model": name, "width": width, "head_size": size, "has": []}
    if (learned := _learned(model)) is not None:
        record["has"].append("learned")
        cosines["learned"] = _cosines(learned[:MOST])
        said.append(f"{name} has {len(learned)} learned positions; it knows no longer texts")
    if (rotation := _rotation(model, size)) is not None:
        record["has"].append("rotary")
        base, apart = rotation
        record["rotary_base"], record["largest_difference"] = base, apart
        said.append(
            f"{name} turns queries and keys, with base {base:g}: its cosines differ by {apart:.1e} from the piece's"
        )
        if apart > SAME:
            reporting.current().warn(f"{name} scales its angles for longer texts, which the piece does not do")
    if (relative := _relative(model)) is not None:
        record["has"].append("relative")
        bias, apart = relative
        record["largest_difference"] = apart
        drawn["relative-bias"] = _bias_picture(bias)
        said.append(f"{name} adds a bias of the distance to the scores: it differs by {apart:.1e} from the piece's")
    if not record["has"]:
        said.append(f"{name} has no positions of a kind that is looked for here (learned, rotary, T5's bias)")
    panels = [(kind, Heat(matrix.numpy(), (), (), "position", "position")) for kind, matrix in cosines.items()]
    drawn["cosines"] = grid(panels, "cosine of the vectors of two positions", columns=2, lowest=-1)
    cosines_by_distance = {kind: _by_distance(matrix) for kind, matrix in cosines.items()}
    for base in BASES:
        turned = rotate(torch.ones(MOST, size).double(), rotary_angles(MOST, size, base).double())
        cosines_by_distance[f"rotary, base {base:g}"] = _by_distance(_cosines(turned))
    record["cosine_by_distance"] = cosines_by_distance
    rows: list[list[Cell]] = [
        [kind, *(f"{values[distance]:.2f}" if distance in values else "" for distance in DISTANCES)]
        for kind, values in cosines_by_distance.items()
    ]
    table = Table("how alike two positions are, by their distance (cosine)", ["positions", *map(str, DISTANCES)], rows)
    return Shown(record, [table], said, drawn)


SAME = 1e-5  # of cosines in float32, as models compute them


def _head_size(model: Any) -> int:
    """Width of a head; a config that does not say it has heads that fill the width."""
    config = model.config
    size = getattr(config, "head_dim", None) or getattr(config, "d_kv", None)
    return int(size or config.hidden_size // config.num_attention_heads)


def _cosines(vectors: Tensor) -> Tensor:
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    return unit @ unit.T


def _by_distance(cosines: Tensor) -> dict[int, float]:
    """The mean over all pairs of positions that are so far apart."""
    return {distance: float(cosines.diagonal(distance).mean()) for distance in DISTANCES if distance < len(cosines)}


def _turned(size: int) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """The score of a query and a key that are the same vector of ones, by their distance and base."""
    one = torch.ones(MOST, size).double() / size**0.5
    found: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for base in BASES:
        turned = rotate(one, rotary_angles(MOST, size, base).double())
        found[f"base {base:,.0f}"] = (range(MOST), (turned @ turned[0]).tolist())
    return found


def _learned(model: Any) -> Tensor | None:
    """The learned vectors, from that of the first token on; None where there are none, or they are waves."""
    table = fitting.position_table(model)
    if table is None or not table.weight.requires_grad:
        return None
    rows: Tensor = table.weight.detach()[fitting.first_position(model) :]
    return rows


def _rotation(model: Any, size: int) -> tuple[float, float] | None:
    """The base of a model's rotation, and how far its cosines are from the piece's; None where it has none."""
    rotary = getattr(model, "rotary_emb", None)
    parameters = getattr(model.config, "rope_parameters", None) or {}
    if rotary is None or "rope_theta" not in parameters:
        return None
    base = float(parameters["rope_theta"])
    turned = int(size * parameters.get("partial_rotary_factor", 1.0))
    angles = rotary_angles(MOST, turned, base).double()
    cos, _ = rotary(torch.zeros(1, dtype=torch.float64), torch.arange(MOST)[None])
    return base, float((cos[0, :, : turned // 2] - angles.cos()).abs().max())


def _relative(model: Any) -> tuple[Tensor, float] | None:
    """The bias of an encoder as the piece gives it, shape (heads, positions, positions), and how far it is from the
    model's; None where there is none of T5's kind."""
    holder = next((part for part in model.modules() if getattr(part, "has_relative_attention_bias", False)), None)
    if holder is None or not hasattr(holder, "compute_bias"):
        return None
    table = holder.relative_attention_bias
    piece = RelativeBias(
        table.embedding_dim,
        holder.relative_attention_num_buckets,
        holder.relative_attention_max_distance,
        both_ways=not holder.is_decoder,
    )
    piece.table = table
    with torch.no_grad():
        bias = piece(MOST, MOST)
        return bias, float((bias - holder.compute_bias(MOST, MOST)[0]).abs().max())


def _bias_picture(bias: Tensor) -> Plot:
    """The bias of each head, by the position of the key minus that of the query."""
    middle = bias.shape[1] // 2
    values = bias[:, middle]
    largest = float(values.abs().max())
    names = [f"head {head + 1}" for head in range(len(values))]
    places = [str(key - middle) if (key - middle) % 16 == 0 else "" for key in range(values.shape[1])]
    heat = Heat(values.numpy(), names, places, "", "position of the key minus that of the query")
    return grid([("bias of the scores", heat)], "added to the score", lowest=-largest, highest=largest)
