"""The page of attention: heads as lines, all heads at a glance, queries and keys, words that are masked.

One file that loads nothing. Its own script runs alone, known by its checksum, and texts stand in a block of JSON that
none of their characters can end. Attention is kept as 8 bits of its square root, so that small shares keep their
digits: a share p is at most 0.0039 √p + 0.000004 off. Queries and keys are kept as 8 bits, with a scale for each head.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit import page
from nlpkit.explaining.attention.seen import Seen, Stack, Tokens
from nlpkit.explaining.attention.vectors import Vectors

HERE = Path(__file__).parent
SCRIPT, STYLE = HERE / "page.js", HERE / "page.css"
MOST_BYTES = 2_000_000  # of a page, up to which queries and keys are in it
MOST_TOKENS = 128  # of a side
MOST_CODES = 3_000_000  # shares of attention in a page, from which on it shows fewer tokens
WHOLE = 255  # the code of a share of 1
LARGEST_CODE = 127  # of a query or key
DIGITS = 6  # of a scale
BIAS_DIGITS = 3  # behind the point


@dataclass(frozen=True)
class Opening:
    """What a page shows at first; layer and head from 0.

    Attributes:
        stack: name of a stack, empty where a model has one.
        head: None: all.
    """

    stack: str
    layer: int
    head: int | None


@dataclass(frozen=True)
class Page:
    """A page, and what it lacks.

    Attributes:
        html: the file.
        tokens: of a side at most; None where all are there.
        vectors: layers whose queries and keys are there; the last come first into the page.
        found: layers that have some.
        layers: of all stacks.
    """

    html: str
    tokens: int | None
    vectors: int
    found: int
    layers: int


def made(model: str, texts: Sequence[Seen], begin: Opening, about: str) -> Page:
    """The page of some texts.

    Args:
        model: its name.
        texts: what was seen.
        begin: what it shows at first.
        about: a sentence on what attention tells and what not.
    """
    most = _most_tokens(texts)
    longest = max(seen.longest for seen in texts)
    shown = [seen.first(most) for seen in texts]
    bodies = [_Body(seen) for seen in shown]
    script, style = SCRIPT.read_text(encoding="utf-8"), STYLE.read_text(encoding="utf-8")
    size = len(script) + len(style) + sum(body.characters for body in bodies)
    waiting = [(body, stack, layer) for layer in reversed(range(_depth(texts))) for body in bodies for stack in body]
    there = 0
    for body, stack, layer in waiting:
        if layer < len(stack.vectors) and (vectors := stack.vectors[layer]) is not None:
            size += _characters(vectors)
            if size > MOST_BYTES:
                break
            body.add(stack, layer, vectors)
            there += 1
    layers = sum(len(stack.attentions) for body in bodies for stack in body)
    found = sum(vectors is not None for body in bodies for stack in body for vectors in stack.vectors)
    notes = [about]
    if longest > most:
        notes.append(f"Shown are the first {most:,} of {longest:,} tokens; the attention to the others is left out.")
    if not found:
        notes.append(
            "There is no view of queries and keys: those of this architecture do not give its attention by their "
            "products and a bias by distance."
        )
    elif found < layers:
        notes.append(
            f"Queries and keys give the attention of {found:,} of {layers:,} layers: the others have none here."
        )
    if there < found:
        notes.append(
            f"Queries and keys of {there:,} of {found:,} layers, the last ones, are here: with all of them the page "
            "would have more than 2 MB."
        )
    data = {
        "begin": {"stack": begin.stack, "layer": begin.layer, "head": begin.head},
        "texts": [body.document() for body in bodies],
    }
    # As escapes no character of a text can end the block, or begin a comment in it.
    block = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    said = "".join(f"<p>{page.text(note)}\n" for note in notes)
    html = f"""<header><h1>{page.text(model)}</h1>
{said}</header>
<form id=settings></form>
<main id=view></main>
<noscript><p>This page needs JavaScript, which it holds itself; it loads nothing.</noscript>
<script id=data type="application/json">{block}</script>
<script>{script}</script>
"""
    whole = page.head(f"Attention of {model}", style, script) + html
    return Page(whole, most if longest > most else None, there, found, layers)


def _depth(texts: Sequence[Seen]) -> int:
    return max(len(stack.attentions) for seen in texts for stack in seen.stacks)


def _most_tokens(texts: Sequence[Seen]) -> int:
    """Tokens of a side at most, so that the shares of all heads are not more than `MOST_CODES`."""
    heads = sum(len(layer) for seen in texts for stack in seen.stacks for layer in stack.attentions)
    return min(MOST_TOKENS, max(isqrt(MOST_CODES // heads), 2))


class _Body:
    """One text as the page has it: numbers in one run of bytes, and what they are."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._attention = b"".join(_codes(layer) for stack in seen.stacks for layer in stack.attentions)
        self._vectors = bytearray()
        self._stacks = [_stack(stack) for stack in seen.stacks]

    def __iter__(self) -> Any:
        return iter(self._seen.stacks)

    @property
    def characters(self) -> int:
        """Of the text in the page, without queries and keys."""
        return len(json.dumps(self.document()))

    def add(self, stack: Stack, layer: int, vectors: Vectors) -> None:
        """Take in the queries and keys of a layer."""
        place = next(i for i, other in enumerate(self._seen.stacks) if other is stack)
        (queries, of_queries), (keys, of_keys) = (_quantized(part) for part in (vectors.queries, vectors.keys))
        self._stacks[place]["vectors"][layer] = {
            "at": len(self._vectors),
            "size": vectors.queries.shape[2],
            "scale": float(f"{vectors.scale:.{DIGITS}g}"),
            "queries": of_queries,
            "keys": of_keys,
            "causal": vectors.causal,
            "bias": None if vectors.bias is None else np.round(vectors.bias, BIAS_DIGITS).tolist(),
        }
        self._vectors += queries + keys

    def document(self) -> dict[str, Any]:
        """JSON values."""
        numbers = zlib.compress(self._attention + bytes(self._vectors), 9)
        seen = self._seen
        return {
            "title": seen.title,
            "answer": seen.answer,
            "stacks": self._stacks,
            "masked": seen.masked
            and {
                place: {
                    "candidates": [[name, float(f"{share:.4g}")] for name, share in said.candidates],
                    "share": None if said.share is None else float(f"{said.share:.4g}"),
                    "rank": said.rank,
                }
                for place, said in seen.masked.items()
            },
            "codes": len(self._attention),
            "numbers": base64.b64encode(numbers).decode(),
        }


def _stack(stack: Stack) -> dict[str, Any]:
    return {
        "name": stack.name,
        "rows": _side(stack.rows),
        "columns": _side(stack.columns),
        "heads": [len(layer) for layer in stack.attentions],
        "vectors": {},
    }


def _side(side: Tokens) -> dict[str, Any]:
    return {"texts": side.texts, "special": list(map(int, side.special)), "second": list(map(int, side.second))}


def _codes(attention: np.ndarray) -> bytes:
    """Shares as one byte each."""
    return np.rint(np.sqrt(np.clip(attention, 0, 1)) * WHOLE).astype(np.uint8).tobytes()


def _quantized(vectors: np.ndarray) -> tuple[bytes, list[float]]:
    """Vectors of shape (heads, tokens, size) as one signed byte a number, and what a step of each head stands for."""
    largest = np.abs(vectors).max(axis=(1, 2))
    steps = [float(f"{step:.{DIGITS}g}") for step in np.maximum(largest, 1e-12) / LARGEST_CODE]
    codes = np.clip(np.rint(vectors / np.array(steps)[:, None, None]), -LARGEST_CODE, LARGEST_CODE)
    return codes.astype(np.int8).tobytes(), steps


def _characters(vectors: Vectors) -> int:
    """Of queries and keys in a page, about: bytes as base64, and the numbers beside them."""
    bias = 0 if vectors.bias is None else 7 * vectors.bias.size
    return (vectors.queries.size + vectors.keys.size) * 4 // 3 + 30 * len(vectors.queries) + bias
