"""Ways to spoil a valid input: its bytes, or what it says."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

# what editors, spreadsheets, exports and hand-written converters leave in files, and what breaks parsers
BYTES = [
    b'"', b'""', b"'", b"`", b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"\x1a", b" ", b"\xa0",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xc3", b"\xe4", b"\x80\x81", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80",
    b"\\", b"\\u", b"\\ud83d", b"\\x00", b"{", b"}", b"[", b"]", b"[[[[[[[[", b"{}", b"[]", b"null", b"NaN",
    b"Infinity", b"-1", b"1e999", b"-0.0", b"3,5", b"1.0", b"9" * 25, b"True", b"NA", b"nan", b"None", b"<b>", b"$",
    b"%s", b"{0}", b"sep=;\n", b"#", b"-DOCSTART- -X- O O\n", b"__label__", b"\xe2\x80\x8b", b"\xe2\x80\xa8",
    b"\xc2\x85", b"e\xcc\x81", b"\xd9\x85", b"a" * 3000, b"!!python/object:os.system", b"&a [*a]", b"---\n", b"_x0000_",
    b"\x1b[31m", b"\x1b]0;t\x07", b"\xc2\x9b1m", b"\xe2\x80\xae", b"[red]", b"[/]", b"=cmd|' /C calc'!A0", b"1e400",
    b"9" * 5000, b"[" * 200, b'{"a":' * 200, b"\\u0000", b"\\udfff",
]  # fmt: skip

VALUES: list[Any] = [
    None, "", " ", "x", "nan", "NA", "null", "1", "1.0", "3,5", "[]", "['a', 'b']", "a|b", True, False, 0, 1, -1, 2,
    10**25, 0.5, 1e308, float("nan"), float("inf"), [], [[]], [None], [1, "a", None], ["a"], ["a", "b"], [0, 1, 0], {},
    {"a": 1}, {"text": []}, {"start": 5, "end": 2, "label": "X"}, [0, 3, "PER"], [{"text": "a"}], [[0, 99, "PER"]],
    "\ud83d", "a\0b", "😀" * 5, "a" * 3000, "<script>", "$\\frac$", "-", "O", "B-", "I-PER", "../../etc/passwd", "NaN",
    "\x1b[31mred", "\x9b", "\u202eabc", "a\u2028b", "[link=x]y[/link]", "=1+1", "a|b `c`", 10**400, 2**64,
]  # fmt: skip

Document = Any


def spoil_bytes(rng: random.Random, data: bytes) -> bytes:
    """The bytes with one to four small accidents."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        data = rng.choice(_BYTE_ACCIDENTS)(rng, data)
    return data


def _place(rng: random.Random, data: bytes) -> int:
    return rng.randrange(len(data) + 1)


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.choice(BYTES) + data[at:]


def _replace(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.choice(BYTES) + data[at + rng.choice([1, 1, 2, 8]) :]


def _flip(rng: random.Random, data: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _cut_out(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice([1, 1, 3, 20, 300]) :]


def _end_early(rng: random.Random, data: bytes) -> bytes:
    return data[: _place(rng, data)]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    at, length = _place(rng, data), rng.choice([1, 10, 200])
    return data[: at + length] + data[at:]


def _lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return data
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.choice(["swap", "drop", "double", "header", "join"])
    if what == "swap":
        lines[i], lines[j] = lines[j], lines[i]
    elif what == "drop":
        del lines[i]
    elif what == "double":
        lines.insert(i, lines[j])
    elif what == "header":
        del lines[0]
    else:
        lines[i] = lines[i].rstrip(b"\r\n")
    return b"".join(lines)


def _line_ends(rng: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b"\n\r"]))


def _encoding(rng: random.Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-8-sig", "latin-1", "cp1252", "utf-32"]), "replace")


def _all_of_one(rng: random.Random, data: bytes) -> bytes:
    old = rng.choice([b",", b'"', b"\t", b" ", b"-", b":", b"[", b"0", b"e"])
    return data.replace(old, rng.choice(BYTES))


_BYTE_ACCIDENTS: list[Callable[[random.Random, bytes], bytes]] = [
    _insert, _insert, _replace, _replace, _flip, _cut_out, _end_early, _repeat, _lines, _lines, _line_ends, _encoding,
    _all_of_one,
]  # fmt: skip


def spoil_document(rng: random.Random, document: Document, values: list[Any] = VALUES) -> Document:
    """A copy of JSON values with one to four of them replaced, dropped, renamed, wrapped or doubled."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.choice([1, 1, 2, 4])):
        document = _spoil_one(rng, document, values)
    return document


def _spoil_one(rng: random.Random, document: Document, values: list[Any]) -> Document:
    places = list(_places(document))
    if not places:
        return _drawn(rng, values)
    parent, key = rng.choice(places)
    what = rng.choice(["value", "value", "value", "drop", "rename", "wrap", "double", "text", "everywhere"])
    if what == "value":
        parent[key] = _drawn(rng, values)
    elif what == "drop":
        del parent[key]
    elif what == "rename" and isinstance(parent, dict):
        parent[rng.choice(["", "text", "label", "labels", "id", "tokens", "x", " text "])] = parent.pop(key)
    elif what == "wrap":
        parent[key] = rng.choice([[parent[key]], {"value": parent[key]}, str(parent[key])])
    elif what == "double" and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]))
    elif what == "text" and isinstance(parent[key], str):
        parent[key] = spoil_bytes(rng, parent[key].encode("utf-8", "replace")).decode("utf-8", "replace")
    elif what == "everywhere" and isinstance(key, str):
        value = _drawn(rng, values)
        for other, name in places:
            if name == key and other is not parent:
                other[name] = copy.deepcopy(value)
    return document


def _drawn(rng: random.Random, values: list[Any]) -> Any:
    """One of the values, that nobody else holds: it may be spoilt in its turn."""
    return copy.deepcopy(rng.choice(values))


def _places(document: Document) -> Any:
    """(container, key) of every value within."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in list(items):
        yield document, key
        yield from _places(value)
