"""`explain --show attention`: the page and the picture, and what is said of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.explaining.attention import page, pictures, seen
from nlpkit.explaining.attention.options import AttentionOptions
from nlpkit.inference.predictor import Predictor
from nlpkit.reporting import Report
from nlpkit.runs.files import ornament, require_writable, whole, writing
from nlpkit.runs.folder import human_bytes

if TYPE_CHECKING:
    from nlpkit.explaining.attention.seen import Row, Seen, Stack

PAGE = Path("attention.html")
PICTURE = ".png"
MOST_TEXTS = 8  # of a page
DIGITS = 4  # of attention in a record
# comprehensiveness of `attention`, drawn scores and `erasure`, as docs/measured.md has it
ABOUT = (
    "Attention says which tokens a head reads, and not why the model answers as it does: the words that it marks are "
    "hardly better than words drawn at random (comprehensiveness .075 against .046 on 30 sentences of SST-2, where "
    "leaving words out reaches .396). What an answer hangs on is told by `nlpkit explain` without --show attention."
)


def attention_view(
    predictor: Predictor[Any],
    name: str,
    rows: Sequence[Row],
    options: AttentionOptions,
    output: Path | None,
    *,
    overwrite: bool,
) -> Report:
    """Write the page of these rows, and a picture of each beside it; or, where `output` ends in .png, pictures alone.

    Args:
        predictor: of a model in torch.
        name: of the model, as the user gave it.
        rows: what is read, at most `MOST_TEXTS`.
        options: which attention is drawn.
        output: of the page or the picture; None: attention.html.
        overwrite: replace what is there.

    Raises:
        UserError: there are too many rows, the model or the architecture has no attention to look at, it has no such
            layer or head, a text is longer than it reads at a time, or a file cannot be written.
    """
    output = named(output, overwrite=overwrite)
    if len(rows) > MOST_TEXTS:
        raise UserError(f"a page of attention takes at most {MOST_TEXTS} texts", "Give those that matter.")
    with_page = output.suffix != PICTURE
    texts = [each for row in rows for each in seen.look(predictor, name, row)]
    files = [_picture(output, number, len(texts)) for number in range(1, len(texts) + 1)]
    for file in files:
        if file != output:
            require_writable(file, overwrite=overwrite)
    drawn = [_drawn(each, options) for each in texts]
    lines, record = [], dict[str, Any]()
    if with_page:
        stack, layer = drawn[0]
        head = None if options.head is None else options.head - 1
        made = page.made(_named(name), texts, page.Opening(stack.name, layer, head), ABOUT)
        with writing(output), whole(output, overwrite=overwrite) as partial:
            partial.write_text(made.html, encoding="utf-8")
        size = len(made.html.encode())
        record |= {"output": str(output), "bytes": size, "layers_with_vectors": made.vectors}
        lines += [f"page: {output}, {human_bytes(size)}: {_parts(texts[0])}", *_lacking(made)]
    pictured = [_draw(file, *which, options, overwrite) for file, which in zip(files, drawn, strict=True)]
    if any(pictured):
        lines.append(f"{'pictures' if len(files) > 1 else 'picture'}: {', '.join(filter(None, pictured))}")
    lines.append("attention is what heads read, not why the model answers so: for that leave out --show attention")
    record |= {
        "model": name,
        "pictures": [name for name in pictured if name],
        "texts": [_recorded(each, *which, options) for each, which in zip(texts, drawn, strict=True)],
    }
    return Report(record, lines=lines)


def named(output: Path | None, *, overwrite: bool) -> Path:
    """The file that is written, of which the others take their names.

    Raises:
        UserError: it is neither a page nor a picture, or it cannot be written.
    """
    output = output or PAGE
    if output.suffix not in (".html", ".htm", PICTURE):
        raise UserError(f"--output {output}: attention is a page or a picture", "End its name in .html or .png.")
    require_writable(output, overwrite=overwrite)
    return output


def _named(model: str) -> str:
    """Of a folder its own name: whoever is sent a page need not know where it lay."""
    place = Path(model)
    return (place.name or place.resolve().name) if place.is_dir() else model


def _picture(output: Path, number: int, count: int) -> Path:
    """The file of a picture; of several they are numbered."""
    return output.with_name(f"{output.stem}-{number}.png") if count > 1 else output.with_suffix(".png")


def _drawn(text: Seen, options: AttentionOptions) -> tuple[Stack, int]:
    """The stack and the layer (from 0) that are drawn.

    Raises:
        UserError: there is no such stack, layer or head.
    """
    names = [stack.name for stack in text.stacks]
    if options.stack is not None and options.stack not in names:
        raise UserError(
            f"--stack {options.stack}: the model has one stack of layers, with no encoder and decoder apart",
            "Leave it out.",
        )
    stack = text.stacks[names.index(options.stack) if options.stack else -1]
    layers = len(stack.attentions)
    layer = layers if options.layer is None else options.layer
    if layer > layers:
        raise UserError(f"--layer {layer}: there are {layers}", f"They count from 1: name one up to {layers}.")
    heads = len(stack.attentions[layer - 1])
    if options.head is not None and options.head > heads:
        raise UserError(
            f"--head {options.head}: layer {layer} has {heads}", f"They count from 1: name one up to {heads}."
        )
    return stack, layer - 1


def _draw(file: Path, stack: Stack, layer: int, options: AttentionOptions, overwrite: bool) -> str | None:
    """The name of the picture; None where it could not be drawn, which is told."""
    with ornament(file.name):
        plot = pictures.drawing(stack, layer, None if options.head is None else options.head - 1)
        with (
            writing(file),
            tempfile.TemporaryDirectory() as folder,
            whole(file, overwrite=overwrite) as partial,
        ):
            drawn = Path(folder) / "picture.png"  # the kind of a picture is the end of its name
            plot(drawn)
            partial.write_bytes(drawn.read_bytes())
        return str(file)
    return None


def _parts(text: Seen) -> str:
    """The layers, heads and tokens of a text, in words."""
    parts = []
    for stack in text.stacks:
        heads = sorted({len(layer) for layer in stack.attentions})
        of_layer = str(heads[0]) if len(heads) == 1 else f"{heads[0]} to {heads[-1]}"
        name = f"{stack.name}: " if stack.name else ""
        tokens = f"{len(stack.rows)} tokens" + (f" to {len(stack.columns)}" if stack.rows is not stack.columns else "")
        parts.append(f"{name}{len(stack.attentions)} layers of {of_layer} heads, {tokens}")
    return "; ".join(parts)


def _lacking(made: page.Page) -> list[str]:
    """What the page does not have."""
    said = []
    if made.tokens is not None:
        said.append(f"it shows the first {made.tokens} tokens of a side")
    if not made.found:
        said.append("it has no view of queries and keys: those of this architecture do not give its attention")
    elif made.found < made.layers:
        said.append(f"queries and keys give the attention of {made.found} of {made.layers} layers, and stand there")
    if made.vectors < made.found:
        said.append(f"it has queries and keys of the last {made.vectors} of {made.found} layers, to stay below 2 MB")
    return said


def _recorded(text: Seen, stack: Stack, layer: int, options: AttentionOptions) -> dict[str, Any]:
    """What `--json` has of a text: the attention that is drawn."""
    shares = pictures.shown(stack, layer, None if options.head is None else options.head - 1)
    return {
        "text": text.title,
        "answer": text.answer,
        "stack": stack.name or None,
        "layer": layer + 1,
        "head": options.head,
        "rows": list(stack.rows.texts),
        "columns": list(stack.columns.texts),
        "attention": np.round(shares.astype(np.float64), DIGITS).tolist(),
    }
