"""The page of a map: whole in one file, and a text is never HTML."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np

from nlpkit.clustering import map_page

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "a & b 'c' \"d\"",
    "é 猫",
]


def page(tmp_path: Path, texts: list[str]) -> str:
    points = np.random.default_rng(0).standard_normal((len(texts), 2))
    groups = np.arange(len(texts)) % 3 - 1
    places = [f"row {i}" for i in range(len(texts))]
    names = ["<b>one</b>", "two"]
    map_page.write(tmp_path / "m.html", points, groups, names, texts, places, title="<i>t</i>", about="by & by")
    return (tmp_path / "m.html").read_text(encoding="utf-8")


def test_texts_are_data(tmp_path: Path) -> None:
    written = page(tmp_path, HOSTILE)
    assert written.count("<script") == written.count("</script>") == 2
    assert not any(text in written for text in HOSTILE[:4]) and "<i>t" not in written and "<b>one" not in written
    block = re.search(r'<script id=data type="application/json">(.*?)</script>', written, re.DOTALL)
    assert block is not None
    data = json.loads(block[1])
    assert data["texts"] == HOSTILE and data["names"] == ["<b>one</b>", "two"]
    steps = np.frombuffer(base64.b64decode(data["x"]), "<u2")
    assert steps.min() == 0 and steps.max() == map_page.WHOLE
    assert np.frombuffer(base64.b64decode(data["groups"]), "<i2").tolist() == [-1, 0, 1, -1, 0]


def test_the_page_runs_its_own_script_alone_and_loads_nothing(tmp_path: Path) -> None:
    written = page(tmp_path, ["a", "b", "c"])
    script = written.rpartition("<script>")[2].partition("</script>")[0]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', written)
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1] and policy[1].startswith("default-src 'none'")
    assert "http:" not in written and "https:" not in written and "innerHTML" not in script


def test_long_texts_are_cut_as_there_are_more_of_them(tmp_path: Path) -> None:
    points, groups = np.zeros((2, 2)), np.zeros(2, int)
    few = map_page.write(tmp_path / "m.html", points, groups, ["n"], ["x" * 999] * 2, ["1", "2"], title="", about="")
    many = 200_000
    assert few == map_page.LONGEST and map_page._room(["x"] * many) * many <= map_page.MOST_CHARACTERS
